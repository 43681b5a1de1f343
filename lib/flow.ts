/** Where a datagram came from and where the answer goes. @module */

/** An address and port of a transport. */
export interface Address {
  /** An IP address literal without brackets, with its zone (`fe80::1%eth0`) where it has one. */
  readonly address: string;
  /** The port, 1 to 65535. */
  readonly port: number;
}

/**
 * The path between this endpoint and a peer. The engine knows a peer by `key` alone
 * (RFC 7252 section 4.1: an endpoint is an IP address and a port). Over a reliable transport it is one connection.
 */
export interface Flow extends Address {
  /** Equal for all datagrams of one peer on one transport, different for any other. */
  readonly key: string;
  /** The address the datagram was sent to, where the transport can tell. */
  readonly local?: string;
  /** Whether this datagram was sent to a group (RFC 7252 section 8). It belongs to the datagram, not to the peer. */
  readonly multicast: boolean;
  /** The port the connection was opened to, where it is one. */
  readonly localPort?: number;
  /** The URI scheme, where it is a connection (RFC 8323 section 8). */
  readonly scheme?: "coap+tcp" | "coaps+tcp" | "coap+ws" | "coaps+ws";
  /** The host name by which the connection was opened, where TLS (SNI) or HTTP (Host) tell it. */
  readonly hostname?: string;
  /** The certificate that the peer has shown, DER. */
  readonly certificate?: Uint8Array;
}

/** The contract between a datagram transport and whoever drives it. @module */

import type { Address, Flow } from "../flow.ts";

/** What a transport tells its driver. None of these may throw. */
export interface TransportHandler {
  /** A datagram arrived. `bytes` is a plain `Uint8Array` that the receiver owns. */
  receive(flow: Flow, bytes: Uint8Array): void;
  /**
   * Datagrams that were waiting have been handed over: the time to send what they caused. `more` where others may wait
   * already, as many as came.
   */
  turn(more?: boolean): void;
  /**
   * The network reported a failure (ICMP, an unreachable route, a full buffer). The transport lives on.
   * `flow` names the peer where the runtime tells; the error is the runtime's own, with the system's
   * code (`"ECONNREFUSED"`) as its `code` where there is one.
   */
  error(error: Error, flow?: Flow): void;
}

/** A group to be a member of (RFC 7252 section 8). */
export interface GroupMembership {
  /** The group's address: an IP literal in 224.0.0.0/4 or ff00::/8, with a zone or without. */
  group: string;
  /**
   * The network interface to receive on: its name (`"eth0"`) or one of its addresses.
   *
   * @default the zone of `group`, else that of `hostname`; where that is a wildcard every one that is not internal
   */
  interface?: string;
}

/** How a UDP socket is bound. */
export interface BindOptions {
  /**
   * Local address to bind: an IP literal (with zone) or a name.
   *
   * @default {"0.0.0.0"} or `"::"` by `family`
   */
  hostname?: string;
  /**
   * Local port, 0 to 65535; 0 lets the system choose.
   *
   * @default {0}
   */
  port?: number;
  /**
   * Address family where `hostname` does not tell.
   *
   * @default {4}
   */
  family?: 4 | 6;
  /**
   * Lets several sockets share the port (SO_REUSEADDR).
   *
   * @default {false}
   */
  reuseAddress?: boolean;
  /** Receive buffer asked of the system, bytes; the system's default where absent. */
  receiveBufferSize?: number;
  /** Send buffer asked of the system, bytes; the system's default where absent. */
  sendBufferSize?: number;
  /**
   * Connects the socket to one peer, the address an IP literal: it sends to and receives from that peer alone, and the
   * system reports where nobody listens there (ECONNREFUSED). Where the runtime can not, binding fails.
   *
   * @default none
   */
  connect?: Address;
  /**
   * Groups to receive for at the same port. The flows of what is sent to them are `multicast`, with the group as
   * `local`, and equal in `key` to those of the same peer otherwise.
   *
   * @default none
   */
  groups?: readonly GroupMembership[];
  /**
   * The network interface by which datagrams to groups leave: its name (`"eth0"`) or one of its addresses.
   *
   * @default by the system's routes
   */
  multicastInterface?: string;
  /**
   * Hops that datagrams to groups may take (IP_MULTICAST_TTL), 1 to 255: 1 stays on the link.
   *
   * @default {1}
   */
  multicastHops?: number;
  /**
   * Whether members on this machine receive what it sends to groups.
   *
   * @default {true}
   */
  multicastLoopback?: boolean;
}

/** A bound datagram socket. */
export interface Transport {
  /** The bound address and port. */
  readonly address: Address;
  /** The buffers that the system has given, bytes as it counts them; absent where the runtime does not tell. */
  readonly bufferSizes?: { readonly receive: number; readonly send: number };
  /** The flow to a peer; `address` is an IP literal of this transport's family. */
  flow(address: string, port: number): Flow;
  /** Queues a datagram; it leaves at the latest with the next `flush`. Never throws for what the network does. */
  send(flow: Flow, bytes: Uint8Array): void;
  /** Hands everything queued to the system. */
  flush(): void;
  /** Keeps the process alive (the state after binding). */
  ref(): void;
  /** Lets the process end while the socket is open. */
  unref(): void;
  /** Closes the socket. Afterwards no handler is called. A second call resolves as well. */
  close(): Promise<void>;
}

/** Binds a datagram transport: `bindUdp`, or that of a simulated network. */
export type Bind = (options: BindOptions, handler: TransportHandler) => Promise<Transport>;

/**
 * Finds the addresses of a host name: IP literals, best first.
 *
 * @param family 4 or 6 restricts the answer to one address family
 */
export type Resolve = (hostname: string, family?: 4 | 6) => Promise<string[]>;

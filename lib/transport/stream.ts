/** The contract between a transport with connections and whoever drives it: RFC 8323. @module */

import type { Address, Flow } from "../flow.ts";

/** What a stream transport tells its driver. None of these may throw. */
export interface StreamHandler {
  /** A connection is there, by `connect` or opened by a peer. The flow is its own: another connection has another key. */
  connected(flow: Flow): void;
  /**
   * A message arrived, whole and without its length, as over WebSockets (RFC 8323 section 4.2). `bytes` is a plain
   * `Uint8Array` that the receiver owns. Answers whether more of this connection may follow; where not, nothing does until
   * `resume`.
   */
  receive(flow: Flow, bytes: Uint8Array): boolean;
  /** The beginning of a message is there, of which so many bytes are missing. */
  partial(flow: Flow, missing: number): void;
  /** What arrived can be no message: `detail` says why. Nothing more of this connection is handed on. */
  failed(flow: Flow, detail: string): void;
  /** The system has taken all that was sent on the connection. */
  writable(flow: Flow): void;
  /** The connection is gone; with an error where it was not closed by the peer's will. Not after `disconnect`. */
  disconnected(flow: Flow, error?: Error): void;
  /** The messages that were waiting have been handed over: the time to send what they caused. */
  turn(): void;
  /** Something failed that belongs to no connection: a handshake of a peer, the listener. */
  error(error: Error): void;
}

/** Who is at the other end. */
export interface StreamTarget {
  /** The scheme of the connection. */
  readonly scheme: StreamScheme;
  /** The host as it is known: a name or an IP literal, without brackets. */
  readonly host: string;
  /** The address to connect to. @default what the system finds for the host */
  readonly address?: string;
  /** The port. */
  readonly port: number;
}

/** The schemes of reliable transports (RFC 8323 section 8). */
export type StreamScheme = "coap+tcp" | "coaps+tcp" | "coap+ws" | "coaps+ws";

/** A transport with connections. */
export interface StreamTransport {
  /** Where it listens; undefined where it does not. */
  readonly address: Address | undefined;
  /**
   * Opens a connection. The promise resolves after the handler's `connected`.
   *
   * @param signal gives it up
   * @throws {Error} (the promise rejects) with the system's code as `code` where there is one
   */
  connect(target: StreamTarget, signal: AbortSignal): Promise<Flow>;
  /** Queues a message, without its length; it leaves at the latest with the next `flush`. Of a connection that is gone nothing happens. */
  send(flow: Flow, bytes: Uint8Array): void;
  /** Hands everything queued to the system. */
  flush(): void;
  /** Hands on what arrives on the connection again. */
  resume(flow: Flow): void;
  /**
   * Closes a connection after what has been sent.
   *
   * @param abort whether it is not waited for the peer to take that
   */
  disconnect(flow: Flow, abort: boolean): void;
  /** Keeps the process alive (the state at first). */
  ref(): void;
  /** Lets the process end while listener and connections are open. */
  unref(): void;
  /** Closes listener and connections, after what has been sent. Afterwards no handler is called. */
  close(): Promise<void>;
}

/** How a stream transport is made. */
export interface StreamOptions {
  /** Where to listen; a transport without it only connects. */
  listen?: ListenOptions;
  /** TLS of connections that are opened. */
  tls?: ClientTlsOptions;
  /** The largest message taken, bytes with its header. */
  messageBytes: number;
  /** Bytes kept of messages that are not whole, over all connections. */
  receiveBytes: number;
}

/** Where to listen. */
export interface ListenOptions {
  /** Local address: an IP literal or a name. @default {"0.0.0.0"} or `"::"` by `family` */
  hostname?: string;
  /** Local port, 0 to 65535; 0 lets the system choose. @default {5683}, with TLS 5684 */
  port?: number;
  /** Address family where `hostname` does not tell. @default {4} */
  family?: 4 | 6;
  /** TLS, where connections are to be secured. */
  tls?: ServerTlsOptions;
}

/** Certificates in PEM, as files hold them. */
export interface TlsOptions {
  /** The own certificate, followed by those that lead to an authority. */
  cert?: string;
  /** Its private key. */
  key?: string;
  /** The authorities that peers' certificates are checked against. @default those that the runtime trusts */
  ca?: string | string[];
}

/** TLS of a server (RFC 8323 section 9.1). The protocol "coap" is negotiated by ALPN where the client offers any. */
export interface ServerTlsOptions extends TlsOptions {
  /** The own certificate. */
  cert: string;
  /** Its private key. */
  key: string;
  /**
   * Whether clients have to show a certificate of one of the authorities in `ca`; else they are refused. It is then in
   * `request.peer.certificate`.
   *
   * @default {false}
   */
  requestCert?: boolean;
  /**
   * How long a handshake may take, ms.
   *
   * @default {10000}
   */
  handshakeTimeout?: number;
}

/** TLS of a client. */
export interface ClientTlsOptions extends TlsOptions {
  /** The name that servers are asked for (SNI) and have to prove. @default the host of the URI */
  serverName?: string;
}

/** Makes a stream transport: `bindTcp`, or that of a simulated network. */
export type BindStream = (
  options: StreamOptions,
  handler: StreamHandler,
) => Promise<StreamTransport>;

// -------------------------------------------------------------- beneath: bytes

/** A connection as the system has it: bytes, in no particular portions. */
export interface ByteSocket {
  /** The address at this end. */
  readonly local: Address;
  /** The address at the other end. */
  readonly remote: Address;
  /** The scheme, where the listener does not tell. */
  readonly scheme?: StreamScheme;
  /** The name that the peer has asked for: SNI or Host. */
  readonly serverName?: string;
  /** The certificate that the peer has shown, DER. */
  readonly certificate?: Uint8Array;
  /** Sends bytes; they must not change afterwards. `taken` is called when the system has all of them. */
  write(chunks: readonly Uint8Array[], taken: () => void): void;
  /** Stops reading. */
  pause(): void;
  /** Reads again. */
  resume(): void;
  /**
   * Closes it after what was written. What still arrives is dropped.
   *
   * @param patience until it is closed at once, whatever the peer does, ms
   */
  end(patience: number): void;
  /** Keeps the process alive. */
  ref(): void;
  /** Lets the process end. */
  unref(): void;
}

/** Who receives the bytes of a connection. */
export interface ByteReceiver {
  /** Bytes arrived, which the receiver owns. */
  data(bytes: Uint8Array): void;
  /** What arrived can be no message: `detail` says why. */
  invalid?(detail: string): void;
  /** It is closed, once. */
  closed(error?: Error): void;
}

/** Takes a connection that is there. */
export type Opened = (socket: ByteSocket) => ByteReceiver;

/** What listens. */
export interface Listener {
  /** The bound address. */
  readonly address: Address;
  /** Keeps the process alive. */
  ref(): void;
  /** Lets the process end. */
  unref(): void;
  /** Stops listening; connections stay. */
  close(): Promise<void>;
}

/** A network of byte streams. */
export interface ByteNetwork {
  /** Runs a callback when what has arrived is handed on. @default `setImmediate` */
  defer?(callback: () => void): void;
  /** Listens. Rejects with a `CoAPError` of reason `transport` where the system refuses. */
  listen(
    options: ListenOptions,
    opened: Opened,
    failed: (error: Error) => void,
  ): Promise<Listener>;
  /** Connects. `opened` is called before the promise resolves. */
  connect(
    target: StreamTarget,
    tls: ClientTlsOptions | undefined,
    opened: Opened,
    signal: AbortSignal,
  ): Promise<void>;
}

/**
 * CoAP over WebSockets (RFC 8323 section 4): the client with the Web's `WebSocket` alone, the server with sockets that
 * somebody else has upgraded.
 *
 * @module
 */

import { CoAPError } from "../errors.ts";
import type { Address, Flow } from "../flow.ts";
import type {
  ByteNetwork,
  ByteReceiver,
  ByteSocket,
  ClientTlsOptions,
  Listener,
  ListenOptions,
  Opened,
  StreamHandler,
  StreamOptions,
  StreamScheme,
  StreamTarget,
  StreamTransport,
} from "./stream.ts";
import { ConnectionTransport, type MessageConnection } from "./stream_transport.ts";

export type { Address, Flow } from "../flow.ts";
export type {
  BindStream,
  ClientTlsOptions,
  ListenOptions,
  ServerTlsOptions,
  StreamHandler,
  StreamOptions,
  StreamScheme,
  StreamTarget,
  StreamTransport,
  TlsOptions,
} from "./stream.ts";
export { type BunServerSocket, bunWebSocket, type BunWebSocketHandlers } from "./ws_bun.ts";

/** The path of the endpoint (RFC 8323 section 8.3). */
export const WEBSOCKET_PATH = "/.well-known/coap";

/** The subprotocol (section 4.1). */
const PROTOCOL = "coap";

/** Asks again whether a socket has taken everything after this, ms: it does not tell. */
const POLL = 10;
/** A socket that has no way to let the process end is closed when it is not needed for so long, ms. */
const UNNEEDED = 1000;
/** Messages that wait for room, which the Web's sockets can not hold back; together they are no more than one may be. */
const HELD = 4096;

/** What happens to a socket, as far as it is looked at. */
export interface WebSocketEvent {
  /** The message. */
  readonly data?: unknown;
  /** What failed, where that is told. */
  readonly message?: string;
}

/** A WebSocket as the Web, Deno, Node and the package `ws` have it, on either side. */
export interface WebSocketLike {
  /** To be set to `"arraybuffer"`. */
  binaryType: string;
  /** 1 where it is open. */
  readonly readyState: number;
  /** The subprotocol in use. */
  readonly protocol?: string;
  /** Bytes that were not sent yet. */
  readonly bufferedAmount: number;
  /** Sends a binary message. */
  send(bytes: Uint8Array<ArrayBuffer>): void;
  /** Sends binary messages together, where a socket can do that better than one by one. */
  sendAll?(messages: readonly Uint8Array[]): void;
  /** Closes it. */
  close(): void;
  /** Hears of it. */
  addEventListener(
    type: "open" | "message" | "close" | "error",
    listener: (event: WebSocketEvent) => void,
  ): void;
}

/** What is known of the peer that a socket was upgraded for. */
export interface WebSocketPeer {
  /** The URL of its request, with the host: that stands for Uri-Host. Its scheme says whether it came over TLS. */
  readonly url?: string;
  /** Its address, where that is known. */
  readonly remote?: Address | null;
}

/**
 * Whether an HTTP request wants a WebSocket for CoAP: at `/.well-known/coap`, with the subprotocol `coap`. One without it
 * should be refused, with 400.
 *
 * It does not look at `Origin`: browsers let pages of any site open WebSockets. A server that is to serve its own pages
 * alone compares that with `Host`.
 *
 * @example Who is let in
 * ```ts
 * import { isCoAPUpgrade } from "@x/coap/ws";
 *
 * const headers = new Headers({ upgrade: "websocket", "sec-websocket-protocol": "coap" });
 * console.log(isCoAPUpgrade({ url: "http://localhost/.well-known/coap", headers })); // true
 * console.log(isCoAPUpgrade({ url: "http://localhost/chat", headers })); // false
 * ```
 */
export function isCoAPUpgrade(request: {
  readonly url: string;
  readonly headers: { get(name: string): string | null };
}): boolean {
  const { headers, url } = request;
  const offered = (headers.get("sec-websocket-protocol") ?? "").split(",");
  return headers.get("upgrade")?.toLowerCase() === "websocket" &&
    offered.some((name) => name.trim() === PROTOCOL) &&
    new URL(url, "http://localhost").pathname === WEBSOCKET_PATH;
}

/** Messages of a WebSocket. What it is handed are whole ones. */
class WebSocketConnection implements MessageConnection {
  readonly flow: Flow;
  readonly socket: ByteSocket;
  readonly #owner: ConnectionTransport;
  readonly #messageBytes: number;
  #queue: Uint8Array[] = [];
  #held: Uint8Array[] = [];
  #heldBytes = 0;
  #paused = false;
  #closed = false;
  #writing = 0;

  constructor(owner: ConnectionTransport, socket: ByteSocket, flow: Flow, messageBytes: number) {
    this.#owner = owner;
    this.socket = socket;
    this.flow = flow;
    this.#messageBytes = messageBytes;
  }

  data(message: Uint8Array): void {
    if (this.#closed) return;
    const { length } = message;
    if (length > this.#messageBytes) {
      return this.invalid(`Message of ${length} bytes is larger than ${this.#messageBytes}`);
    }
    if (this.#paused) {
      this.#heldBytes += length;
      if (this.#held.push(message) > HELD || this.#heldBytes > this.#messageBytes) {
        this.invalid("Too many messages wait");
      }
    } else if (!this.#owner.deliver(this, message)) this.#paused = true;
  }

  invalid(detail: string): void {
    if (!this.#closed) this.#owner.failed(this, detail);
  }

  closed(error?: Error): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#owner.lost(this, error);
  }

  resume(): void {
    this.#paused = false;
    const held = this.#held;
    this.#held = [];
    this.#heldBytes = 0;
    for (const message of held) this.data(message);
  }

  push(message: Uint8Array): boolean {
    return !this.#closed && this.#queue.push(message) === 1;
  }

  flush(): void {
    const messages = this.#queue;
    if (this.#closed || messages.length === 0) return;
    this.#queue = [];
    this.#writing++;
    this.socket.write(messages, () => {
      if (--this.#writing === 0 && !this.#closed) this.#owner.taken(this);
    });
  }

  close(_abort: boolean): void {
    this.flush();
    if (this.#closed) return;
    this.#closed = true;
    this.#held = [];
    this.socket.end(0);
  }
}

/** What is not known of a socket. */
const NOWHERE: Address = { address: "", port: 0 };

/** Whether there is a process that an open socket keeps alive. */
const hasProcess = "process" in globalThis || "Deno" in globalThis;

function unrefTimer(timer: ReturnType<typeof setTimeout>): void {
  (timer as unknown as { unref?: () => void }).unref?.();
}

/** A WebSocket beneath the connections; it writes each chunk as a message. */
class WebSocketSocket implements ByteSocket {
  readonly local: Address;
  readonly remote: Address;
  readonly serverName: string | undefined;
  readonly scheme: StreamScheme;
  readonly #socket: WebSocketLike;
  #unneeded: ReturnType<typeof setTimeout> | undefined = undefined;
  /** What is to be told when everything is taken, and when that is asked next, ms. */
  #untaken: (() => void)[] = [];
  #delay = POLL;

  constructor(
    socket: WebSocketLike,
    scheme: StreamScheme,
    hostname: string | undefined,
    local: Address,
    remote: Address,
  ) {
    this.local = local;
    this.#socket = socket;
    this.scheme = scheme;
    this.serverName = hostname;
    this.remote = remote;
  }

  begin(opened: Opened): void {
    const socket = this.#socket;
    let receiver: ByteReceiver | undefined = undefined;
    let error: Error | undefined = undefined;
    socket.addEventListener(
      "error",
      ({ message }) => error = new Error(message || "WebSocket failed"),
    );
    socket.addEventListener("close", () => {
      clearTimeout(this.#unneeded);
      receiver?.closed(error);
    });
    receiver = opened(this);
    socket.addEventListener("message", ({ data }) => {
      if (data instanceof ArrayBuffer) receiver!.data(new Uint8Array(data));
      else if (ArrayBuffer.isView(data)) {
        receiver!.data(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
      } else receiver!.invalid?.("Message is no binary one");
    });
  }

  write(chunks: readonly Uint8Array[], taken: () => void): void {
    const socket = this.#socket;
    if (socket.readyState !== 1) return;
    if (socket.sendAll !== undefined && chunks.length > 1) socket.sendAll(chunks);
    else for (const chunk of chunks) socket.send(chunk as Uint8Array<ArrayBuffer>);
    this.#delay = POLL;
    if (this.#untaken.push(taken) === 1) this.#ask();
  }

  /** Asks, by one timer for all that was written, whether the system has it. */
  #ask(): void {
    if (this.#socket.bufferedAmount === 0) {
      const untaken = this.#untaken;
      this.#untaken = [];
      return queueMicrotask(() => untaken.forEach((taken) => taken()));
    }
    unrefTimer(setTimeout(() => {
      if (this.#socket.readyState <= 1) this.#ask();
    }, this.#delay));
    this.#delay = Math.min(this.#delay * 2, 10 * POLL);
  }

  /** They can not be held back. */
  pause(): void {}

  resume(): void {}

  end(): void {
    clearTimeout(this.#unneeded);
    this.#socket.close();
  }

  ref(): void {
    clearTimeout(this.#unneeded);
    this.#unneeded = undefined;
  }

  unref(): void {
    if (!hasProcess || this.#unneeded !== undefined) return;
    this.#unneeded = setTimeout(() => this.#socket.close(), UNNEEDED);
  }
}

/** The Web's constructor. */
type Construct = new (url: string, protocol: string) => WebSocketLike;

function connect(
  { scheme, host, port }: StreamTarget,
  _tls: ClientTlsOptions | undefined,
  opened: Opened,
  signal: AbortSignal,
): Promise<void> {
  const { WebSocket } = globalThis as unknown as { WebSocket?: Construct };
  if (WebSocket === undefined) {
    const text = "This runtime has no WebSocket";
    return Promise.reject(new CoAPError("unsupported-scheme", text));
  }
  const authority = `${host.includes(":") ? `[${host}]` : host}:${port}`;
  const secure = scheme === "coaps+ws";
  const url = `${secure ? "wss" : "ws"}://${authority}${WEBSOCKET_PATH}`;
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(url, PROTOCOL);
    socket.binaryType = "arraybuffer";
    let isSettled = false;
    const fail = (error: unknown): void => {
      if (isSettled) return;
      isSettled = true;
      signal.removeEventListener("abort", abort);
      reject(error);
      socket.close();
    };
    const abort = (): void => fail(signal.reason);
    signal.addEventListener("abort", abort);
    let text = "WebSocket could not be opened";
    socket.addEventListener("error", ({ message }) => {
      if (message) text = message;
      // Some runtimes do not report the end of what never began.
      queueMicrotask(() => fail(new Error(text)));
    });
    socket.addEventListener("close", () => fail(new Error(text)));
    socket.addEventListener("open", () => {
      if (isSettled) return;
      if (socket.protocol !== PROTOCOL) {
        return fail(new Error(`Server does not speak "${PROTOCOL}"`));
      }
      isSettled = true;
      signal.removeEventListener("abort", abort);
      const remote = { address: host, port };
      new WebSocketSocket(socket, scheme, undefined, NOWHERE, remote).begin(opened);
      resolve();
    });
    if (signal.aborted) abort();
  });
}

/** A network of WebSockets: it opens those of its own, and takes those that were upgraded elsewhere. */
class WebSocketNetwork implements ByteNetwork {
  readonly connect: typeof connect = connect;
  #opened: Opened | undefined = undefined;

  /** Who listens is given sockets by `accept`. */
  listen(_options: ListenOptions, opened: Opened): Promise<Listener> {
    this.#opened = opened;
    const stop = (): Promise<void> => {
      this.#opened = undefined;
      return Promise.resolve();
    };
    return Promise.resolve({
      address: NOWHERE,
      ref: () => {},
      unref: () => {},
      close: stop,
    });
  }

  /** Takes a socket that is open, or about to be. */
  accept(socket: WebSocketLike, { url, remote }: WebSocketPeer): void {
    const opened = this.#opened;
    if (opened === undefined) return socket.close();
    const { hostname, port, protocol } = new URL(url ?? "ws://localhost", "ws://localhost");
    const secure = protocol === "https:" || protocol === "wss:";
    // The Host of the request stands for Uri-Host and Uri-Port (RFC 8323 section 8.5).
    const host = hostname.replace(/^\[(.*)\]$/, "$1");
    const own = new WebSocketSocket(
      socket,
      secure ? "coaps+ws" : "coap+ws",
      host,
      { address: host, port: Number(port) || (secure ? 443 : 80) },
      { address: remote?.address ?? "", port: remote?.port ?? 0 },
    );
    socket.binaryType = "arraybuffer";
    let begun = false;
    const begin = (): void => {
      if (begun) return;
      begun = true;
      own.begin(opened);
    };
    if (socket.readyState === 1) begin();
    else socket.addEventListener("open", begin);
  }
}

/** A stream transport of WebSockets. */
export interface WebSocketTransport extends StreamTransport {
  /**
   * Takes a socket that was upgraded with the subprotocol `coap`, open or about to be.
   *
   * @param peer what is known of the other end
   */
  accept(socket: WebSocketLike, peer: WebSocketPeer): void;
}

class Transport extends ConnectionTransport implements WebSocketTransport {
  readonly #sockets: WebSocketNetwork;

  constructor(network: WebSocketNetwork, options: StreamOptions, handler: StreamHandler) {
    super(
      network,
      options,
      handler,
      (transport, socket, flow) =>
        new WebSocketConnection(transport, socket, flow, options.messageBytes),
    );
    this.#sockets = network;
  }

  accept(socket: WebSocketLike, peer: WebSocketPeer): void {
    this.#sockets.accept(socket, peer);
  }
}

/**
 * Makes a transport of WebSockets: it connects with the Web's `WebSocket`, and takes upgraded sockets where
 * `options.listen` is given.
 */
export async function bindWebSocket(
  options: StreamOptions,
  handler: StreamHandler,
): Promise<WebSocketTransport> {
  const transport = new Transport(new WebSocketNetwork(), options, handler);
  await transport.open();
  return transport;
}

/** UDP on `node:dgram`: Node, and what Deno and Bun offer under that name. @module */

import type { Flow } from "../flow.ts";
import type { OsModule } from "./interfaces.ts";
import type { Transport, TransportHandler } from "./transport.ts";
import {
  builtinModule,
  DATAGRAM_OVERHEAD,
  KeepAlive,
  queueFull,
  SEND_QUEUE_LIMIT,
  type SocketOptions,
  UdpTransport,
} from "./udp_socket.ts";

/** The socket, as far as it is used. */
interface DgramSocket {
  on(event: "message", listener: (bytes: Uint8Array, from: RemoteInfo) => void): void;
  on(event: "error", listener: (error: Error) => void): void;
  bind(options: { port: number; address: string }, listener: () => void): void;
  addMembership(group: string, via?: string): void;
  setMulticastInterface(via: string): void;
  setMulticastTTL(hops: number): void;
  setMulticastLoopback(on: boolean): void;
  address(): { port: number };
  connect(port: number, address: string, listener: (error?: Error) => void): void;
  getRecvBufferSize(): number;
  getSendBufferSize(): number;
  send(
    bytes: Uint8Array,
    port: number,
    address: string,
    callback: (error: Error | null) => void,
  ): void;
  /** Bytes the system has not taken yet; Deno does not offer it. */
  getSendQueueSize?(): number;
  ref(): void;
  unref(): void;
  close(callback: () => void): void;
}

/** The socket where it is connected. */
interface ConnectedSocket {
  send(bytes: Uint8Array, callback: (error: Error | null) => void): void;
}

interface RemoteInfo {
  readonly address: string;
  readonly port: number;
}

type Lookup = (
  hostname: string,
  options: unknown,
  callback: (error: null, address: string, family: number) => void,
) => void;

/** `node:dgram`, as far as it is used. */
export interface DgramModule {
  createSocket(options: {
    type: "udp4" | "udp6";
    reuseAddr: boolean;
    recvBufferSize?: number;
    sendBufferSize?: number;
    lookup: Lookup;
  }): DgramSocket;
}

/** Binds a socket of `node:dgram`. */
export function bindUdpNode(
  dgram: DgramModule,
  options: SocketOptions,
  handler: TransportHandler,
): Promise<Transport> {
  return NodeTransport.open(dgram, options, handler);
}

/** The name of the interface with that index, as sockets report it in zones; any other zone as it is. */
export function interfaceName(zone: string): string {
  if (!/^\d+$/.test(zone)) return zone;
  const os = builtinModule<OsModule>("node:os");
  if (os === undefined || os.platform() === "win32") return zone;
  for (const [name, addresses] of Object.entries(os.networkInterfaces())) {
    if (addresses.some((address) => address.scopeid === Number(zone))) return name;
  }
  return zone;
}

/** Joins groups; one is enough where several interfaces have it. */
function setMulticast(socket: DgramSocket, options: SocketOptions): void {
  const { joins = [], multicastInterface, multicastHops, multicastLoopback } = options;
  let joined = 0;
  let failure: unknown = undefined;
  for (const { group, via } of joins) {
    try {
      socket.addMembership(group, via);
      joined++;
    } catch (error) {
      failure ??= error;
    }
  }
  if (joins.length > 0 && joined === 0) throw failure;
  if (multicastInterface !== undefined) socket.setMulticastInterface(multicastInterface);
  if (multicastHops !== undefined) socket.setMulticastTTL(multicastHops);
  if (multicastLoopback !== undefined) socket.setMulticastLoopback(multicastLoopback);
}

/** Gives back a socket that could not be bound: Node keeps its descriptor, the others have closed it. */
function abandon(socket: DgramSocket): void {
  try {
    socket.close(() => {});
  } catch {
    // It is closed.
  }
}

class NodeTransport extends UdpTransport {
  protected readonly readsAtOnce: number;
  readonly #socket: DgramSocket;
  readonly #keepAlive: KeepAlive | undefined;
  /** The one peer of a connected socket. */
  readonly #peer: Flow | undefined;
  #pending = 0;
  #pendingBytes = 0;
  #whenSent: (() => void) | undefined;

  static open(
    dgram: DgramModule,
    options: SocketOptions,
    handler: TransportHandler,
  ): Promise<Transport> {
    const { address, port } = options;
    return new Promise((resolve, reject) => {
      const socket = dgram.createSocket({
        type: address.family === 4 ? "udp4" : "udp6",
        reuseAddr: options.reuseAddress,
        recvBufferSize: options.receiveBufferSize,
        sendBufferSize: options.sendBufferSize,
        // Addresses are literals: the default lookup would spend a tick on each datagram.
        lookup: (hostname, _options, callback) => callback(null, hostname, address.family),
      });
      // Deno's socket can be unreferenced before binding only.
      const keepAlive = "Deno" in globalThis ? new KeepAlive() : undefined;
      if (keepAlive !== undefined) socket.unref();
      let transport: NodeTransport | undefined;
      socket.on("message", (bytes, from) => {
        transport?.deliver(from.address, from.port, plainBytes(bytes));
      });
      socket.on("error", (error) => {
        if (transport === undefined) {
          reject(error);
          abandon(socket);
        } else transport.report(error, transport.#peer);
      });
      socket.bind({ port, address: address.text }, () => {
        try {
          setMulticast(socket, options);
        } catch (error) {
          socket.close(() => reject(error));
          return;
        }
        const open = (error?: Error): void => {
          if (error) {
            socket.close(() => reject(error));
            return;
          }
          keepAlive?.ref();
          transport = new NodeTransport(options, socket, keepAlive, handler);
          resolve(transport);
        };
        const { connect } = options;
        if (connect === undefined) open();
        else socket.connect(connect.port, connect.address, open);
      });
    });
  }

  constructor(
    { address, connect }: SocketOptions,
    socket: DgramSocket,
    keepAlive: KeepAlive | undefined,
    handler: TransportHandler,
  ) {
    super(address, socket.address().port, handler);
    this.#socket = socket;
    // What libuv reads in a row, and what Deno and Bun do at least in its place.
    const windows = builtinModule<OsModule>("node:os")?.platform() === "win32";
    this.readsAtOnce = windows ? 8 : 32;
    this.#keepAlive = keepAlive;
    this.#peer = connect && this.flow(connect.address, connect.port);
  }

  /** Deno gives back what was asked for, whatever the system has made of it. */
  get bufferSizes(): { receive: number; send: number } | undefined {
    if (this.closed || "Deno" in globalThis) return undefined;
    return { receive: this.#socket.getRecvBufferSize(), send: this.#socket.getSendBufferSize() };
  }

  send(flow: Flow, bytes: Uint8Array): void {
    if (this.closed) return;
    const cost = bytes.length + DATAGRAM_OVERHEAD;
    if (this.#pendingBytes + cost > SEND_QUEUE_LIMIT && this.#isFull()) {
      this.report(queueFull(), flow);
      return;
    }
    this.#pending++;
    this.#pendingBytes += cost;
    this.#send(flow, bytes, false);
  }

  flush(): void {
    // A datagram leaves with `send`: the module has no call for several.
  }

  ref(): void {
    if (!this.closed) (this.#keepAlive ?? this.#socket).ref();
  }

  unref(): void {
    if (!this.closed) (this.#keepAlive ?? this.#socket).unref();
  }

  protected override zoneName(zone: string): string {
    // Deno reports no zones, and would ask the user for the permission to list interfaces.
    return this.#keepAlive === undefined ? interfaceName(zone) : zone;
  }

  protected async release(): Promise<void> {
    // Deno would throw away what it has not sent, and end before it has.
    this.#keepAlive?.ref();
    if (this.#pending > 0) await new Promise<void>((resolve) => this.#whenSent = resolve);
    await new Promise<void>((resolve) => this.#socket.close(resolve));
    this.#keepAlive?.unref();
  }

  /** Callbacks come a tick late, so that a burst looks like a queue: ask the system where it can tell. */
  #isFull(): boolean {
    return (this.#socket.getSendQueueSize?.() ?? Infinity) >= SEND_QUEUE_LIMIT;
  }

  #send(flow: Flow, bytes: Uint8Array, again: boolean): void {
    const sent = (error: Error | null): void => {
      // The system may report with this datagram what an earlier one met (ICMP, on Bun): once again.
      if (error && !again) this.#send(flow, bytes, true);
      else this.#sent(flow, bytes, error);
    };
    try {
      if (this.#peer === undefined) this.#socket.send(bytes, flow.port, flow.address, sent);
      else (this.#socket as unknown as ConnectedSocket).send(bytes, sent);
    } catch (error) {
      this.#sent(flow, bytes, error);
    }
  }

  #sent(flow: Flow, bytes: Uint8Array, error: unknown): void {
    this.#pending--;
    this.#pendingBytes -= bytes.length + DATAGRAM_OVERHEAD;
    if (error) this.report(error, flow);
    if (this.#pending === 0) this.#whenSent?.();
  }
}

/** The bytes as a plain array with a buffer of its own: Deno cuts datagrams out of a common one. */
function plainBytes(bytes: Uint8Array): Uint8Array {
  const { buffer, byteOffset, byteLength } = bytes;
  const view = new Uint8Array(buffer, byteOffset, byteLength);
  return buffer.byteLength === byteLength ? view : view.slice();
}

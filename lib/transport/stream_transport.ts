/** Connections of a stream transport, whatever cuts their bytes into messages. @module */

import type { Address, Flow } from "../flow.ts";
import type {
  ByteNetwork,
  ByteReceiver,
  ByteSocket,
  Listener,
  StreamHandler,
  StreamOptions,
  StreamScheme,
  StreamTarget,
  StreamTransport,
} from "./stream.ts";
import { defer } from "./udp_socket.ts";

/** One connection, as a sequence of messages. */
export interface MessageConnection extends ByteReceiver {
  readonly flow: Flow;
  readonly socket: Pick<ByteSocket, "ref" | "unref">;
  /** Queues a message. Answers whether it is the first. */
  push(message: Uint8Array): boolean;
  /** Writes what is queued. */
  flush(): void;
  /** Hands on messages again. */
  resume(): void;
  /** Closes it after what is queued; `abort` where the peer is not given much time to take that. */
  close(abort: boolean): void;
}

/** Makes messages of the bytes of a socket. */
export type MakeConnection = (
  transport: ConnectionTransport,
  socket: ByteSocket,
  flow: Flow,
) => MessageConnection;

/** Messages over the byte streams of a network. */
export class ConnectionTransport implements StreamTransport {
  readonly #network: ByteNetwork;
  readonly #options: StreamOptions;
  readonly #handler: StreamHandler;
  readonly #make: MakeConnection;
  readonly #connections = new Map<string, MessageConnection>();
  #dirty: MessageConnection[] = [];
  #listener: Listener | undefined = undefined;
  #count = 0;
  #isReferenced = true;
  #turnDue = false;
  #closed: Promise<void> | undefined = undefined;

  constructor(
    network: ByteNetwork,
    options: StreamOptions,
    handler: StreamHandler,
    make: MakeConnection,
  ) {
    this.#make = make;
    this.#network = network;
    this.#options = options;
    this.#handler = handler;
  }

  async open(): Promise<this> {
    const { listen } = this.#options;
    if (listen === undefined) return this;
    const scheme = listen.tls === undefined ? "coap+tcp" : "coaps+tcp";
    this.#listener = await this.#network.listen(
      listen,
      (socket) => this.#opened(socket, socket.scheme ?? scheme, socket.serverName),
      (error) => this.#guard(() => this.#handler.error(error)),
    );
    return this;
  }

  get address(): Address | undefined {
    return this.#listener?.address;
  }

  async connect(target: StreamTarget, signal: AbortSignal): Promise<Flow> {
    let flow: Flow | undefined;
    await this.#network.connect(target, this.#options.tls, (socket) => {
      const connection = this.#opened(socket, target.scheme, target.host);
      flow = connection.flow;
      return connection;
    }, signal);
    return flow!;
  }

  #opened(
    socket: ByteSocket,
    scheme: StreamScheme,
    hostname: string | undefined,
  ): MessageConnection {
    const { address, port } = socket.remote;
    const flow = {
      key: `${scheme} ${address}:${port}/${++this.#count}`,
      address,
      port,
      local: socket.local.address,
      localPort: socket.local.port,
      multicast: false,
      scheme,
      hostname,
      certificate: socket.certificate,
    };
    const connection = this.#make(this, socket, flow);
    if (this.#closed !== undefined) {
      connection.close(true);
      return connection;
    }
    this.#connections.set(flow.key, connection);
    if (!this.#isReferenced) socket.unref();
    this.#later();
    this.#guard(() => this.#handler.connected(flow));
    return connection;
  }

  // -------------------------------------------------------------- what connections tell

  deliver({ flow }: MessageConnection, message: Uint8Array): boolean {
    this.#later();
    if (this.#closed !== undefined) return true;
    try {
      return this.#handler.receive(flow, message);
    } catch (error) {
      this.#report(error);
      return true;
    }
  }

  partial({ flow }: MessageConnection, missing: number): void {
    this.#later();
    this.#guard(() => this.#handler.partial(flow, missing));
  }

  failed({ flow }: MessageConnection, detail: string): void {
    this.#later();
    this.#guard(() => this.#handler.failed(flow, detail));
    // Whatever the handler makes of it: where this message ends nobody knows.
    this.disconnect(flow, true);
  }

  taken({ flow }: MessageConnection): void {
    this.#later();
    this.#guard(() => this.#handler.writable(flow));
  }

  lost({ flow }: MessageConnection, error: Error | undefined): void {
    this.#connections.delete(flow.key);
    this.#later();
    this.#guard(() => this.#handler.disconnected(flow, error));
  }

  #guard(tell: () => void): void {
    if (this.#closed !== undefined) return;
    try {
      tell();
    } catch (error) {
      this.#report(error);
    }
  }

  #report(error: unknown): void {
    this.#handler.error(error instanceof Error ? error : new Error(String(error)));
  }

  #later(): void {
    if (this.#turnDue) return;
    this.#turnDue = true;
    (this.#network.defer ?? defer)(() => {
      this.#turnDue = false;
      this.#guard(() => this.#handler.turn());
    });
  }

  // -------------------------------------------------------------- what the driver does

  send(flow: Flow, bytes: Uint8Array): void {
    const connection = this.#connections.get(flow.key);
    if (connection?.push(bytes)) this.#dirty.push(connection);
  }

  flush(): void {
    if (this.#dirty.length === 0) return;
    const dirty = this.#dirty;
    this.#dirty = [];
    for (const connection of dirty) connection.flush();
  }

  resume(flow: Flow): void {
    this.#connections.get(flow.key)?.resume();
  }

  disconnect(flow: Flow, abort: boolean): void {
    const connection = this.#connections.get(flow.key);
    if (connection === undefined) return;
    this.#connections.delete(flow.key);
    connection.close(abort);
  }

  ref(): void {
    this.#isReferenced = true;
    this.#listener?.ref();
    for (const { socket } of this.#connections.values()) socket.ref();
  }

  unref(): void {
    this.#isReferenced = false;
    this.#listener?.unref();
    for (const { socket } of this.#connections.values()) socket.unref();
  }

  close(): Promise<void> {
    if (this.#closed === undefined) {
      this.flush();
      for (const connection of this.#connections.values()) connection.close(false);
      this.#connections.clear();
      this.#closed = this.#listener?.close() ?? Promise.resolve();
    }
    return this.#closed;
  }
}

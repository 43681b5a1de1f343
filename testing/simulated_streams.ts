/** Clients and servers over simulated connections under a clock that the test moves. @module */

import { assertEquals } from "@std/assert";
import { CoAPClient, sizesOf } from "../lib/endpoint/client.ts";
import type { CoAPClientOptions } from "../lib/endpoint/endpoint_options.ts";
import {
  driverOf,
  type Handler,
  type HandlerObject,
  serve,
  type ServeOptions,
  type Server,
} from "../lib/endpoint/server.ts";
import { SimulatedStreams, type StreamConditions } from "../lib/transport/memory_stream.ts";
import type { ByteReceiver, ByteSocket } from "../lib/transport/stream.ts";
import { framed } from "../lib/transport/tcp.ts";
import { decodeFrame, encodeFrame, frameSize } from "../lib/wire/frame.ts";
import type { Message, MessageInit } from "../lib/wire/message.ts";
import { ManualClock } from "./manual_clock.ts";
import { SeededRandom } from "./seeded_random.ts";

/** The server's address. */
export const STREAM_SERVER = "coap+tcp://127.0.0.1";

/** A connection without an endpoint: bytes in, frames out. */
export class RawConnection implements ByteReceiver {
  socket!: ByteSocket;
  isClosed = false;
  /** What has arrived, of which so much was read. */
  #bytes = new Uint8Array(1024);
  #end = 0;
  #at = 0;

  data(bytes: Uint8Array): void {
    const end = this.#end + bytes.length;
    if (end > this.#bytes.length) {
      const larger = new Uint8Array(end * 2);
      larger.set(this.#bytes);
      this.#bytes = larger;
    }
    this.#bytes.set(bytes, this.#end);
    this.#end = end;
  }

  closed(): void {
    this.isClosed = true;
  }

  /** Bytes that were not read. */
  get unread(): number {
    return this.#end - this.#at;
  }

  /** The next message that has arrived, or undefined. */
  read(): Message | undefined {
    const size = frameSize(this.#bytes, this.#at, this.#end);
    if (size < 0 || this.#at + size > this.#end) return undefined;
    this.#at += size;
    return decodeFrame(this.#bytes.slice(this.#at - size, this.#at));
  }

  send(message: MessageInit): void {
    this.write(encodeFrame(message, { checkOptions: false }));
  }

  write(bytes: Uint8Array): void {
    this.socket.write([bytes], () => {});
  }
}

/** A network of connections with whatever is on it. */
export class StreamSimulation {
  readonly clock: ManualClock = new ManualClock();
  readonly network: SimulatedStreams;
  readonly #random: SeededRandom;
  readonly #open: { close(): Promise<void> }[] = [];
  readonly #clients: CoAPClient[] = [];
  readonly #servers: Server[] = [];

  constructor(conditions: Partial<StreamConditions> = {}, seed = 1) {
    this.network = new SimulatedStreams({ ...conditions, clock: this.clock, seed });
    this.#random = new SeededRandom(seed);
  }

  client(options: CoAPClientOptions = {}): CoAPClient {
    const client = new CoAPClient({
      streamTransport: framed(this.network),
      clock: this.clock,
      random: this.#random.fill,
      ...options,
    });
    this.#open.push(client);
    this.#clients.push(client);
    return client;
  }

  /** A server at the default port. */
  async serve(handler: Handler | HandlerObject, options: ServeOptions = {}): Promise<Server> {
    const server = await serve({
      udp: false,
      tcp: true,
      streamTransport: framed(this.network),
      clock: this.clock,
      random: this.#random.fill,
      ...options,
    }, handler);
    this.#open.push(server);
    this.#servers.push(server);
    return server;
  }

  /** Somebody who connects to the server and speaks for himself. */
  async raw(): Promise<RawConnection> {
    return await this.run(this.connect());
  }

  /** The same, while the clock stands still. */
  async connect(): Promise<RawConnection> {
    const connection = new RawConnection();
    const target = { scheme: "coap+tcp", host: "127.0.0.1", port: 5683 } as const;
    await this.network.connect(target, undefined, (socket) => {
      connection.socket = socket;
      return connection;
    }, new AbortController().signal);
    return connection;
  }

  /** Moves the clock from timer to timer until the promise settles. */
  run<T>(promise: Promise<T>, limit?: number): Promise<T> {
    return this.clock.run(promise, limit);
  }

  /** Lets time pass. */
  after(ms: number): Promise<void> {
    return this.clock.advanceAsync(ms);
  }

  /** Closes everything; before that clients and servers let go of all connections. */
  async rest(): Promise<void> {
    await this.after(1_000_000);
    const drivers = this.#servers.map(driverOf).filter((driver) => driver !== undefined);
    const servers = drivers.map(({ sizes }) => sizes);
    for (const sizes of [...servers, ...this.#clients.flatMap(sizesOf)]) {
      for (const [name, size] of Object.entries(sizes)) assertEquals([name, size], [name, 0]);
    }
    assertEquals(this.network.open, 0, "Connections that are open");
  }

  async close(): Promise<void> {
    await Promise.all(this.#open.map((endpoint) => endpoint.close()));
  }
}

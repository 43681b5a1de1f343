/** Clients and servers on a simulated network under a clock that the test moves. @module */

import { assertEquals } from "@std/assert";
import { CoAPClient, sizesOf } from "../lib/endpoint/client.ts";
import type { CoAPClientOptions } from "../lib/endpoint/endpoint_options.ts";
import {
  driverOf,
  type Handler,
  type HandlerObject,
  proxyHostOf,
  serve,
  type ServeOptions,
  type Server,
} from "../lib/endpoint/server.ts";
import { CoAPError } from "../lib/errors.ts";
import {
  type NetworkConditions,
  SimulatedNetwork,
  type TraceEntry,
} from "../lib/transport/memory.ts";
import { decode, type Message } from "../lib/wire/message.ts";
import { ManualClock } from "./manual_clock.ts";
import { SeededRandom } from "./seeded_random.ts";

/** The server's address on the simulated network. */
export const SERVER = "coap://127.0.0.1";

/** MAX_TRANSMIT_WAIT of what is still under way and EXCHANGE_LIFETIME, ms. */
const AT_REST = 93_000 + 247_000;

/** A network with whatever is bound to it. */
export class Simulation {
  readonly clock: ManualClock = new ManualClock();
  readonly network: SimulatedNetwork;
  /** All datagrams sent, in their order. */
  readonly sent: TraceEntry[] = [];
  readonly #random = new SeededRandom(7);
  readonly #open: { close(): Promise<void> }[] = [];
  readonly #clients: CoAPClient[] = [];
  readonly #servers: Server[] = [];

  constructor(conditions: Partial<NetworkConditions> = {}) {
    this.network = new SimulatedNetwork({
      ...conditions,
      clock: this.clock,
      trace: (entry) => {
        if (entry.fate === "sent") this.sent.push(entry);
      },
    });
  }

  /** The messages sent, decoded. */
  get messages(): Message[] {
    return this.sent.map(({ bytes }) => decode(bytes));
  }

  /** Time that a datagram is on its way, ms. */
  get latency(): number {
    const { latency } = this.network.conditions;
    return typeof latency === "number" ? latency : latency[1];
  }

  /** Closes it in the end. */
  closeLater(endpoint: { close(): Promise<void> }): void {
    this.#open.push(endpoint);
  }

  /** A client; the name `server` resolves. */
  client(options: CoAPClientOptions = {}): CoAPClient {
    const client = new CoAPClient({
      transport: this.network.bind,
      clock: this.clock,
      random: this.#random.fill,
      resolve: (name) =>
        name === "server"
          ? Promise.resolve(["127.0.0.1"])
          : Promise.reject(new CoAPError("name-resolution", `Could not resolve "${name}"`)),
      ...options,
    });
    this.#open.push(client);
    this.#clients.push(client);
    return client;
  }

  /** A server at the default port. */
  async serve(handler: Handler | HandlerObject, options: ServeOptions = {}): Promise<Server> {
    const server = await serve({
      transport: this.network.bind,
      clock: this.clock,
      random: this.#random.fill,
      ...options,
    }, handler);
    this.#open.push(server);
    this.#servers.push(server);
    return server;
  }

  /** A socket without an endpoint: it answers by a function of the datagram. */
  async peer(
    answer: (message: Message, bytes: Uint8Array) => Uint8Array | undefined,
    port = 5683,
  ): Promise<void> {
    const transport = await this.network.bind({ port }, {
      receive: (flow, bytes) => {
        const reply = answer(decode(bytes), bytes);
        if (reply !== undefined) transport.send(flow, reply);
      },
      turn: () => transport.flush(),
      error: () => {},
    });
    this.#open.push(transport);
  }

  /** Moves the clock from timer to timer until the promise settles. */
  run<T>(promise: Promise<T>, limit?: number): Promise<T> {
    return this.clock.run(promise, limit);
  }

  /** Lets time pass. */
  after(ms: number): Promise<void> {
    return this.clock.advanceAsync(ms);
  }

  /**
   * Lets all lifetimes pass: then clients must hold nothing, and servers nothing once observers are forgotten.
   *
   * @param more time for requests that are sent one after another and all fail, ms
   */
  async rest(more = 0): Promise<void> {
    const drivers = this.#servers.map(driverOf).filter((driver) => driver !== undefined);
    for (const driver of drivers) driver.forgetObservers();
    await this.after(AT_REST + more);
    const hosts = this.#servers.map(proxyHostOf).filter((host) => host !== undefined);
    for (const { size } of hosts) assertEquals(size, 0);
    const proxies = hosts.flatMap((host) => host.drivers);
    const servers = [...drivers, ...proxies].map(({ sizes }) => sizes);
    for (const sizes of [...servers, ...this.#clients.flatMap(sizesOf)]) {
      for (const [name, size] of Object.entries(sizes)) assertEquals([name, size], [name, 0]);
    }
  }

  /** Closes everything that is open. */
  async close(): Promise<void> {
    await Promise.all(this.#open.map((endpoint) => endpoint.close()));
  }
}

/** The reason and message of the `CoAPError` that a promise rejects with. */
export async function failure(promise: Promise<unknown>): Promise<CoAPError> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof CoAPError) return error;
    throw error;
  }
  throw new Error("It did not fail");
}

/**
 * A server and clients that come and go, over a path that loses, duplicates and reorders: requests of all kinds, bodies in
 * blocks, observations, cancels at any moment, and restarts of the server. The same on a simulated network under a
 * virtual clock and over real sockets.
 *
 * @module
 */

import { assert, assertEquals, assertLessOrEqual } from "@std/assert";
import { CoAPClient } from "../lib/endpoint/client.ts";
import type { Clock } from "../lib/endpoint/clock.ts";
import { CoAPResponse } from "../lib/endpoint/response.ts";
import { Router } from "../lib/endpoint/router.ts";
import { serve, type Server } from "../lib/endpoint/server.ts";
import type { EndpointStats } from "../lib/endpoint/stats.ts";
import { CoAPError } from "../lib/errors.ts";
import type { Limits, TransmissionParameters } from "../lib/parameters.ts";
import type { Bind } from "../lib/transport/transport.ts";
import { Code } from "../lib/wire/code.ts";
import { makeBody } from "./bodies.ts";
import { lossyBind, type Path } from "./lossy_bind.ts";
import { SeededRandom } from "./seeded_random.ts";

/** How long and where. */
export interface SoakOptions {
  readonly seed: number;
  /** Until nothing new is begun, ms. */
  readonly duration: number;
  readonly clock: Clock;
  readonly bind: Bind;
  /** Whether everything may end by itself, half a minute; else what is under way is aborted. @default {true} */
  readonly rest?: boolean;
  /** Hears of it now and then, with the part of the time that has passed. */
  readonly onProgress?: (soak: Soak, part: number) => void;
}

/** What happened. */
export interface SoakReport {
  operations: number;
  /** Operations by how they ended: a class of responses, a reason, or `aborted`. */
  outcomes: Record<string, number>;
  states: number;
  bytes: number;
  clients: number;
  restarts: number;
  retransmissions: number;
  duplicates: number;
}

/** Short times, so that all lifetimes end within seconds: EXCHANGE_LIFETIME is 5.3 s. */
const PARAMETERS: Partial<TransmissionParameters> = { ackTimeout: 200, maxLatency: 300 };

/** Limits that are reached now and then. */
const LIMITS: Partial<Limits> = {
  peers: 24,
  exchanges: 64,
  handling: 24,
  duplicates: 400,
  duplicatesPerPeer: 100,
  replyBytes: 100_000,
  transfers: 4,
  transfersPerPeer: 2,
  transferBytes: 100_000,
  transferBytesPerPeer: 60_000,
  observers: 12,
  observersPerPeer: 2,
};

const CLIENTS = 10;
/** Operations of one client at the same time. */
const AT_ONCE = 3;
const PATH: Path = { loss: 0.08, duplication: 0.05, reordering: 0.1, delay: 100 };
/** How an operation may end without a response. */
const REASONS: ReadonlySet<string> = new Set([
  "blockwise",
  "closed",
  "error-response",
  "limit",
  "refused",
  "reset",
  "timeout",
  "transport",
]);
/** No operation takes longer, ms. */
const PATIENCE = 60_000;

/** One run. */
export class Soak {
  readonly #options: SoakOptions;
  readonly #random: SeededRandom;
  readonly #path: Path = { ...PATH };
  readonly #bind: Bind;
  readonly #end: number;
  readonly #clients = new Set<CoAPClient>();
  readonly #last = new WeakMap<Server | CoAPClient, EndpointStats>();
  readonly report: SoakReport = {
    operations: 0,
    outcomes: {},
    states: 0,
    bytes: 0,
    clients: 0,
    restarts: 0,
    retransmissions: 0,
    duplicates: 0,
  };
  #server!: Server;
  #port = 0;
  #version = 0;
  /** Those of the operations under way. */
  readonly #controllers = new Set<AbortController>();

  constructor(options: SoakOptions) {
    const { seed, clock, bind, duration } = options;
    this.#options = options;
    this.#random = new SeededRandom(seed);
    this.#bind = lossyBind(bind, this.#path, clock, new SeededRandom(seed + 1));
    this.#end = clock.now() + duration;
  }

  /** Runs to the end. Throws where something that must hold does not. */
  async run(): Promise<SoakReport> {
    await this.#serve();
    const lives = Array.from({ length: CLIENTS }, () => this.#live());
    const keeper = this.#client();
    await Promise.all([
      ...lives,
      this.#keep(keeper),
      this.#notify(),
      this.#restart(),
      this.#watch(),
    ]);
    assertEquals(this.#controllers.size, 0, "Operations are under way");
    await this.#seeLast(keeper);
    if (this.#options.rest ?? true) await this.#rest(keeper);
    for (const endpoint of [this.#server, keeper]) this.#forget(endpoint);
    await keeper.close();
    await this.#server.close();
    return this.report;
  }

  get #over(): boolean {
    return this.#options.clock.now() >= this.#end;
  }

  #pause(ms: number): Promise<void> {
    const { clock } = this.#options;
    return new Promise((resolve) => clock.setTimer(resolve, clock.now() + ms));
  }

  // -------------------------------------------------------------- the server

  async #serve(): Promise<void> {
    const router = new Router()
      .get("/time", () => CoAPResponse.text(`${this.#version}`, { maxAge: 5 }), {
        observable: true,
      })
      .get("/large", () => new CoAPResponse(this.#largeState(), { maxAge: 5 }), {
        observable: true,
      })
      .get("/body/:length", ({ params }) => new CoAPResponse(makeBody(Number(params.length))))
      .put("/body/:length", ({ params, payload }) => {
        assertEquals(payload, makeBody(Number(params.length)), "The body is as it was sent");
        return new CoAPResponse(undefined, { code: Code.Changed });
      })
      .post("/slow/:ms", async ({ params }) => {
        await this.#pause(Number(params.ms));
        return CoAPResponse.text("at last");
      });
    this.#server = await serve({
      hostname: "127.0.0.1",
      port: this.#port,
      transport: this.#bind,
      clock: this.#options.clock,
      random: this.#random.fill,
      parameters: PARAMETERS,
      limits: LIMITS,
      concurrency: 2,
      onError: (error) => {
        // A body that is not as it was sent must not end as a 5.00 that nobody looks at.
        if (error instanceof Error && error.name === "AssertionError") this.#failure ??= error;
      },
    }, router);
    this.#port = this.#server.address.port;
  }

  #failure: Error | undefined = undefined;

  #largeState(): Uint8Array {
    return makeBody(3000 + this.#version % 7 * 500, this.#version);
  }

  async #notify(): Promise<void> {
    while (!this.#over) {
      await this.#pause(200);
      this.#version++;
      await this.#server.notify("/time");
      if (this.#version % 5 === 0) await this.#server.notify("/large");
    }
  }

  async #restart(): Promise<void> {
    const least = Math.min(8000, this.#options.duration / 4);
    for (;;) {
      await this.#pause(least * (1 + this.#random.float()));
      if (this.#over) return;
      await this.#server.close();
      this.#forget(this.#server);
      await this.#pause(this.#random.float() * 1500);
      try {
        await this.#serve();
      } catch (error) {
        // Somebody else has got the port meanwhile.
        if ((error as CoAPError).reason !== "transport") throw error;
        this.#port = 0;
        await this.#serve();
      }
      this.report.restarts++;
    }
  }

  // -------------------------------------------------------------- clients

  #client(): CoAPClient {
    const client = new CoAPClient({
      hostname: "127.0.0.1",
      transport: this.#bind,
      clock: this.#options.clock,
      random: this.#random.fill,
      parameters: { ...PARAMETERS, nstart: AT_ONCE },
      limits: LIMITS,
      cache: this.#random.float() < 0.3,
    });
    this.#clients.add(client);
    this.report.clients++;
    return client;
  }

  /** Clients, one after another. Some are closed with something under way. */
  async #live(): Promise<void> {
    while (!this.#over) {
      const client = this.#client();
      const operations: Promise<void>[] = [];
      for (let left = this.#random.integer(1, 12); left > 0 && !this.#over; left--) {
        operations.push(this.#operate(client));
        if (operations.length >= AT_ONCE) await Promise.race(operations);
        await this.#pause(this.#random.float() * 400);
      }
      if (this.#random.float() < 0.7) await Promise.all(operations);
      await client.close();
      this.#forget(client);
      this.#clients.delete(client);
      await Promise.all(operations);
    }
  }

  /** One that stays to the end, through all restarts, and sees the last state then. */
  async #keep(client: CoAPClient): Promise<void> {
    while (!this.#over) {
      await this.#operate(client);
      await this.#pause(300);
    }
  }

  async #operate(client: CoAPClient): Promise<void> {
    const { clock } = this.#options;
    const from = clock.now();
    const controller = new AbortController();
    const { signal } = controller;
    this.#controllers.add(controller);
    const random = this.#random;
    const timer = random.float() < 0.3
      ? clock.setTimer(() => controller.abort(ABORTED), from + random.float() * 1500)
      : undefined;
    this.report.operations++;
    let outcome: string;
    try {
      outcome = await this.#ask(client, signal);
    } catch (error) {
      if (error === ABORTED) outcome = "aborted";
      else if (error instanceof CoAPError && REASONS.has(error.reason)) outcome = error.reason;
      else throw error;
    } finally {
      this.#controllers.delete(controller);
      if (timer !== undefined) clock.clearTimer(timer);
    }
    this.report.outcomes[outcome] = (this.report.outcomes[outcome] ?? 0) + 1;
    assertLessOrEqual(clock.now() - from, PATIENCE, "An operation took too long");
  }

  async #ask(client: CoAPClient, signal: AbortSignal): Promise<string> {
    const uri = `coap://127.0.0.1:${this.#port}`;
    const random = this.#random;
    const length = random.integer(0, 6000);
    const init = { signal, timeout: 8000 };
    switch (random.integer(0, 7)) {
      case 0:
        await client.ping(uri, init);
        return "pong";
      case 1:
        return this.#classOf(await client.get(`${uri}/time`, { ...init, confirmable: false }));
      case 2:
        return this.#classOf(await client.get(`${uri}/body/${length}`, init), length);
      case 3: {
        const payload = makeBody(length);
        return this.#classOf(await client.put(`${uri}/body/${length}`, { ...init, payload }));
      }
      case 4:
        return this.#classOf(await client.post(`${uri}/slow/${random.integer(0, 1500)}`, init));
      case 5:
        await client.discover(uri, init);
        return "2";
      case 6:
        return await this.#observe(client, `${uri}/time`, signal);
      default:
        return await this.#observe(client, `${uri}/large`, signal);
    }
  }

  #classOf({ code, payload, ok }: CoAPResponse, length?: number): string {
    this.report.bytes += payload.length;
    if (ok && length !== undefined) {
      assertEquals(payload, makeBody(length), "The body is as it was made");
    }
    assert(ok || EXPECTED.has(code), `Code ${code >> 5}.${code & 31}`);
    return `${code >> 5}`;
  }

  async #observe(client: CoAPClient, uri: string, signal: AbortSignal): Promise<string> {
    // Whoever reads no end of it is ended by the clock.
    const { clock } = this.#options;
    const controller = new AbortController();
    signal.addEventListener("abort", () => controller.abort(ABORTED));
    const limit = clock.setTimer(() => controller.abort(ABORTED), clock.now() + 4000);
    let left = this.#random.integer(1, 6);
    try {
      for await (const state of client.observe(uri, { signal: controller.signal })) {
        if (!state.ok) return this.#classOf(state);
        this.report.states++;
        this.report.bytes += state.payload.length;
        if (uri.endsWith("/time")) assertLessOrEqual(Number(state.text()), this.#version);
        if (--left === 0) break;
      }
    } finally {
      clock.clearTimer(limit);
    }
    return "observed";
  }

  // -------------------------------------------------------------- what must hold

  /** The endpoint ends: what it counted is added up. */
  #forget(endpoint: Server | CoAPClient): void {
    const { counters } = endpoint.stats();
    this.report.retransmissions += counters.retransmissions;
    this.report.duplicates += counters.duplicates;
    this.#last.delete(endpoint);
  }

  async #watch(): Promise<void> {
    const { clock, duration, onProgress } = this.#options;
    while (!this.#over) {
      await this.#pause(500);
      for (const endpoint of [this.#server, ...this.#clients]) this.#check(endpoint);
      if (this.#failure !== undefined) throw this.#failure;
      onProgress?.(this, 1 - (this.#end - clock.now()) / duration);
    }
    if (this.#options.rest === false) { for (const it of this.#controllers) it.abort(ABORTED); }
  }

  /** Counters only grow, and what is held stays within the limits. */
  #check(endpoint: Server | CoAPClient): void {
    const stats = endpoint.stats();
    const last = this.#last.get(endpoint);
    for (const [name, count] of Object.entries(stats.counters)) {
      const before = last?.counters[name as keyof typeof stats.counters] ?? 0;
      assert(count >= before, `${name} was ${before} and is ${count}`);
    }
    this.#last.set(endpoint, stats);
    for (const [name, size] of Object.entries(stats.gauges)) {
      const limit = LIMITS[name as keyof Limits];
      // Bodies in both directions.
      const factor = name.startsWith("transfer") ? 2 : 1;
      if (limit !== undefined) assertLessOrEqual(size, limit * factor, name);
      assert(size >= 0, `${name} is ${size}`);
    }
  }

  /** The path is quiet: the last state gets through. */
  async #seeLast(keeper: CoAPClient): Promise<void> {
    Object.assign(this.#path, { loss: 0, duplication: 0, reordering: 0 });
    await this.#pause(1000);
    const uri = `coap://127.0.0.1:${this.#port}/time`;
    const states = keeper.observe(uri);
    assert((await states.next()).value !== undefined);
    this.#version++;
    await this.#server.notify("/time");
    assertEquals((await states.next()).value!.text(), `${this.#version}`);
    await states.return!();
  }

  /** Everything ends by itself. */
  async #rest(keeper: CoAPClient): Promise<void> {
    // Observers that are gone are found out, one after another: each has its own time-out.
    for (let tries = 0; this.#server.stats().gauges.observers > 0; tries++) {
      assert(tries < 30, "Observers that are gone stay");
      await this.#server.notify("/time");
      await this.#server.notify("/large");
      await this.#pause(1000);
    }
    // EXCHANGE_LIFETIME, a sweep, and the last retransmissions before it.
    await this.#pause(5300 + 1000 + 9300);
    for (const endpoint of [this.#server, keeper]) {
      for (const [name, size] of Object.entries(endpoint.stats().gauges)) {
        assertEquals([name, size], [name, 0]);
      }
    }
  }
}

/** Codes of errors that may come of limits, overload and restarts. */
const EXPECTED: ReadonlySet<number> = new Set([
  Code.RequestEntityIncomplete,
  Code.TooManyRequests,
  Code.ServiceUnavailable,
]);

const ABORTED = new Error("Aborted by the soak");

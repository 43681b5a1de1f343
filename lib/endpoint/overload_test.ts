import { assert, assertEquals, assertLessOrEqual, assertRejects } from "@std/assert";
import { afterEach, beforeEach, describe, it } from "node:test";
import { ManualClock } from "../../testing/manual_clock.ts";
import { SERVER, Simulation } from "../../testing/simulated_endpoints.ts";
import type { Flow } from "../flow.ts";
import type { Bind, TransportHandler } from "../transport/transport.ts";
import { Code } from "../wire/code.ts";
import { decode, encode } from "../wire/message.ts";
import type { CoAPClient } from "./client.ts";
import { CoAPResponse } from "./response.ts";
import { serve, type ServeOptions } from "./server.ts";

const WORK = 20;

describe("a handler that takes 20 ms, one at a time", () => {
  let simulation: Simulation;
  beforeEach(() => simulation = new Simulation({ latency: 5 }));
  afterEach(() => simulation.close());

  const pause = (ms: number): Promise<void> =>
    new Promise((resolve) => simulation.clock.setTimer(resolve, simulation.clock.now() + ms));

  const start = (options: ServeOptions = {}) =>
    simulation.serve(async () => {
      await pause(WORK);
      return CoAPResponse.text("done");
    }, { concurrency: 1, ...options });

  it("four times its capacity for 20 s: it works at capacity and sheds the rest in time", async () => {
    const server = await start();
    const clients = Array.from({ length: 200 }, () => simulation.client());
    const counts = new Map<string, number>();
    let longest = 0;
    let most = 0;
    const ask = async (client: CoAPClient): Promise<void> => {
      const from = simulation.clock.now();
      const { codeText, code, maxAge } = await client.get(SERVER);
      counts.set(codeText, (counts.get(codeText) ?? 0) + 1);
      longest = Math.max(longest, simulation.clock.now() - from);
      if (code === Code.ServiceUnavailable) assert(maxAge >= 1 && maxAge <= 4, `${maxAge}`);
    };
    const asked: Promise<void>[] = [];
    for (let n = 0; n < 20 * 200; n++) {
      asked.push(ask(clients[n % clients.length]!));
      await simulation.after(5);
      most = Math.max(most, server.stats().gauges.handling);
    }
    await simulation.run(Promise.all(asked));
    const [served, shed] = [counts.get("2.05")!, counts.get("5.03")!];
    assertEquals(served + shed, 4000);
    assert(served >= 0.95 * 50 * 20, `${served} served`);
    // Those that come within `maxWait`, and the one being done.
    assertLessOrEqual(most, 200 * 0.4 + 2);
    assertLessOrEqual(longest, 400 + WORK + 10);
    const { counters } = server.stats();
    assertEquals([counters.rejectedLate, counters.rejectedLimit], [shed, 0]);
    // Nobody is kept waiting until the message is sent again, nor acknowledged first and refused later.
    assertEquals([counters.duplicates, counters.sentAcknowledgement], [0, 4000]);
    assertEquals(counters.sentConfirmable, 0);
    await simulation.rest();
  });

  it("clients that wait as they are told get all they want", async () => {
    const server = await start();
    const loop = async (): Promise<number> => {
      const client = simulation.client();
      let refused = 0;
      for (let got = 0; got < 10;) {
        const response = await client.get(SERVER);
        if (response.ok) got++;
        else {
          assertEquals(response.code, Code.ServiceUnavailable);
          refused++;
          await pause(response.maxAge * 1000);
        }
      }
      return refused;
    };
    const refusals = await simulation.run(Promise.all(Array.from({ length: 40 }, loop)));
    assertEquals(server.stats().counters.requestsServed - refusals.reduce((a, b) => a + b), 400);
    assert(refusals.some((count) => count > 0));
    // A little longer than the work takes.
    assertLessOrEqual(simulation.clock.now(), 2 * 400 * WORK);
    // Afterwards everything is as before.
    assert((await simulation.run(simulation.client().get(SERVER))).ok);
    await simulation.rest();
  });

  it("a burst that can be done in time is done, none is shed", async () => {
    const server = await start();
    const clients = Array.from({ length: 20 }, () => simulation.client());
    const responses = await simulation.run(
      Promise.all(clients.map((client) => client.get(SERVER))),
    );
    assert(responses.every(({ ok }) => ok));
    assertEquals(server.stats().counters.rejectedLate, 0);
  });

  it("a peer that asks for too much is told so, the others are served", async () => {
    const server = await start({ limits: { handlingPerPeer: 5 } });
    const greedy = simulation.client({ parameters: { nstart: 100 }, backOff: false });
    const many = Promise.all(Array.from({ length: 50 }, () => greedy.get(SERVER)));
    const other = await simulation.run(simulation.client().get(SERVER));
    assert(other.ok);
    const codes = (await simulation.run(many)).map(({ code }) => code);
    assertEquals(codes.filter((code) => code === Code.TooManyRequests).length, 45);
    assertEquals(server.stats().counters.rejectedLimit, 45);
  });

  it("closed meanwhile: those that wait are dropped without a word", async () => {
    const server = await start();
    const clients = [1, 2, 3].map(() => simulation.client({ parameters: { maxRetransmit: 0 } }));
    const asked = Promise.allSettled(clients.map((client) => client.get(SERVER)));
    await simulation.after(10);
    await server.close();
    const outcomes = await simulation.run(asked);
    assert(outcomes.every(({ status }) => status === "rejected"));
  });

  it("an option out of its range is refused", async () => {
    for (const concurrency of [0, -1, 1.5, NaN]) {
      await assertRejects(() => start({ concurrency }), RangeError, `"${concurrency}"`);
    }
    for (const maxWait of [0, -1, NaN]) {
      await assertRejects(() => start({ maxWait }), RangeError, `"${maxWait}"`);
    }
  });
});

describe("a handler that blocks the process for 20 ms", () => {
  /** A socket whose buffer holds 277 datagrams, and a loop that reads 32 of them in a turn. */
  class Blocked {
    readonly clock = new ManualClock();
    readonly replies: { at: number; askedAt: number; code: number }[] = [];
    handled = 0;
    dropped = 0;
    #blocked = 0;
    #handler!: TransportHandler;
    readonly #buffer: { flow: Flow; bytes: Uint8Array }[] = [];
    readonly #askedAt = new Map<string, number>();

    get now(): number {
      return this.clock.now() + this.#blocked;
    }

    async start(options: ServeOptions = {}): Promise<this> {
      const flow = (address: string, port: number): Flow => ({
        key: `${address}:${port}`,
        address,
        port,
        multicast: false,
      });
      const transport: Bind = (_options, handler) => {
        this.#handler = handler;
        return Promise.resolve({
          address: { address: "127.0.0.1", port: 5683 },
          flow,
          send: ({ key }, bytes) => {
            const { code, id } = decode(bytes);
            const askedAt = this.#askedAt.get(`${key} ${id}`)!;
            this.replies.push({ at: this.now, askedAt, code });
          },
          flush: () => {},
          ref: () => {},
          unref: () => {},
          close: () => Promise.resolve(),
        });
      };
      const clock = {
        now: () => this.now,
        setTimer: (callback: () => void, at: number) => this.clock.setTimer(callback, at),
        clearTimer: (timer: { at: number }) => this.clock.clearTimer(timer),
      };
      await serve({ transport, clock, ...options }, () => {
        this.handled++;
        this.#blocked += WORK;
        return CoAPResponse.text("done");
      });
      return this;
    }

    /** Requests come evenly for some time, each from a peer of its own. */
    load(perSecond: number, seconds: number): void {
      const begin = this.now;
      let sent = 0;
      while (this.now < begin + seconds * 1000) {
        const due = Math.floor((this.now - begin) / 1000 * perSecond) + 1;
        for (; sent < due; sent++) {
          const port = 1000 + sent % 60_000;
          const flow = { key: `p:${port}`, address: "192.0.2.1", port, multicast: false };
          const id = Math.floor(sent / 60_000);
          this.#askedAt.set(`${flow.key} ${id}`, begin + sent * 1000 / perSecond);
          if (this.#buffer.length >= 277) this.dropped++;
          else this.#buffer.push({ flow, bytes: encode({ code: Code.GET, id }) });
        }
        if (this.#buffer.length === 0) {
          this.#blocked += Math.max(0.01, begin + sent * 1000 / perSecond - this.now);
          continue;
        }
        this.#read();
      }
    }

    /** So many clients, each of which asks again as soon as it has its answer. */
    loop(clients: number, seconds: number): void {
      const end = this.now + seconds * 1000;
      let id = 0;
      for (let asked = 0; this.now < end; id++) {
        for (; asked < this.replies.length + clients; asked++) {
          const port = 1000 + asked;
          const flow = { key: `p:${port}`, address: "192.0.2.1", port, multicast: false };
          this.#askedAt.set(`${flow.key} ${id}`, this.now);
          this.#buffer.push({ flow, bytes: encode({ code: Code.GET, id }) });
        }
        this.#blocked += 0.1;
        this.#read();
      }
    }

    #read(): void {
      const read = this.#buffer.splice(0, 32);
      for (const { flow, bytes } of read) {
        this.#handler.receive(flow, bytes);
        this.#blocked += 0.02;
      }
      this.#handler.turn(read.length === 32);
      this.#blocked += 0.1;
    }

    /** Answers of a code: how many, and the longest time that one took, ms. */
    summary(code: number): { count: number; longest: number } {
      const found = this.replies.filter((reply) => reply.code === code);
      return {
        count: found.length,
        longest: Math.max(0, ...found.map(({ at, askedAt }) => at - askedAt)),
      };
    }
  }

  for (const perSecond of [100, 200, 1000, 10_000]) {
    it(`${perSecond} requests per second: it works at capacity, nobody is answered after ages`, async () => {
      const server = await new Blocked().start();
      server.load(perSecond, 30);
      const served = server.summary(Code.Content);
      const shed = server.summary(Code.ServiceUnavailable);
      assert(served.count > 0.9 * 50 * 30, `${served.count} served`);
      assert(shed.count > 0.1 * (100 - 50) * 30, `${shed.count} shed`);
      // Twice `maxWait` and a turn: below ACK_TIMEOUT, so that nothing is sent again meanwhile.
      assertLessOrEqual(served.longest, 2 * 400 + 32 * WORK);
    });
  }

  it("is what it is for: without, everybody waits as long as the buffer is", async () => {
    const server = await new Blocked().start({ maxWait: Infinity });
    server.load(200, 30);
    assertEquals(server.summary(Code.ServiceUnavailable).count, 0);
    assert(server.summary(Code.Content).longest > 5000);
  });

  it("clients that wait for each answer before they ask again: nothing is shed", async () => {
    for (const clients of [1, 4, 16]) {
      const server = await new Blocked().start();
      server.loop(clients, 30);
      assertEquals(server.summary(Code.ServiceUnavailable).count, 0);
      assert(server.summary(Code.Content).count >= 1400);
    }
  });

  it("40 requests per second, below its capacity: nothing is shed", async () => {
    const server = await new Blocked().start();
    server.load(40, 60);
    assertEquals(server.summary(Code.ServiceUnavailable).count, 0);
    assert(server.summary(Code.Content).count > 0.95 * 40 * 60);
  });
});

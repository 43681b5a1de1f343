/**
 * Any sequence of datagrams, time and calls of the application against one engine: nothing throws, limits hold at any
 * moment, counters only grow, every request of ours ends once, and in the end nothing is left.
 *
 * @module
 */

import { assert, assertLess, assertLessOrEqual } from "@std/assert";
import fc from "fast-check";
import type { EngineEvent, Stats } from "../../lib/engine/mod.ts";
import { Code } from "../../lib/wire/code.ts";
import { MessageType } from "../../lib/wire/message.ts";
import { lockstep, type ScriptedPeer } from "../lockstep.ts";
import { parseLine, toBytes } from "../message_text.ts";
import { fromHex, toHex } from "../vectors.ts";
import type { FuzzTarget } from "./target.ts";

/** Messages that take every way through the engine, to be mutated. */
const LINES = [
  "CON GET 0x0001 token 20 /test",
  "NON GET 0x0002 token 21 /test",
  "CON GET 0x0003 token 22 /test Observe:0",
  "CON GET 0x0004 token 22 /test Observe:1",
  'CON PUT 0x0005 token 23 /test Block1:0/1/16 "0123456789abcdef"',
  'CON PUT 0x0006 token 24 /test Block1:1/0/16 "0123"',
  "CON GET 0x0007 token 25 /large Block2:1/0/64",
  "CON GET 0x0008 token 26 /test Block1:0/0/16 Block2:0/0/16",
  "CON GET 0x0009 token 27 /test Echo:0x0102 Hop-Limit:1 No-Response:2 Request-Tag:0x01",
  "CON GET 0x000a Proxy-Uri:coap://192.0.2.9/ 65001",
  "CON Empty 0x000b",
  "ACK Empty $m",
  "RST Empty $m",
  'ACK 2.05 $m token $t "hello"',
  "CON 2.05 0x000c token $t Observe:1 ETag:0x01",
  "NON 2.05 0x000d token $t Observe:2",
  "NON 2.05 0x000e token $t Block2:0/1/16 Size2:100",
  "ACK 2.31 $m token $t Block1:0/1/16",
  "ACK 4.01 $m token $t Echo:0x0102",
  "ACK 4.08 $m token $t",
  "ACK 4.13 $m token $t Block1:0/0/16 Size1:32",
  "CON 2.05 0x000f token $t 65001",
  'CON FETCH 0x0010 token 28 /test Observe:0 Content-Format:0 "x"',
  'ACK 2.05 $m token $t ETag:0x01 Block2:0/1/16 "0123456789abcdef"',
  'ACK 2.05 $m token $t ETag:0x01 Block2:1/0/16 "0123"',
  "ACK 4.00 $m token $t",
  "ACK 4.29 $m token $t Max-Age:5",
];

const LIMITS = {
  peers: 4,
  bodyBytes: 1000,
  handling: 5,
  handlingPerPeer: 3,
  duplicates: 20,
  duplicatesPerPeer: 8,
  transfers: 3,
  transfersPerPeer: 2,
  transferBytes: 3000,
  transferBytesPerPeer: 2000,
  observers: 4,
  observersPerPeer: 2,
  exchanges: 12,
  options: 20,
};

/** What happens, and by which of four peers. */
export type Step = readonly [
  peer: number,
  what:
    | { bytes: string }
    | {
      line: number;
      flips: readonly (readonly [at: number, bits: number])[];
      cut: number;
      tail: string;
    }
    | { again: number; times: number }
    | { wait: number }
    | { ask: number }
    | { cancel: number }
    | { shed: number },
];

/** A sequence of steps, and the seed of the engine. */
export interface Script {
  readonly seed: number;
  readonly steps: readonly Step[];
}

const hex = (maxLength: number): fc.Arbitrary<string> => fc.uint8Array({ maxLength }).map(toHex);

const mutation = fc.record({
  line: fc.nat(LINES.length - 1),
  flips: fc.array(fc.tuple(fc.nat(40), fc.integer({ min: 1, max: 255 })), { maxLength: 3 }),
  cut: fc.oneof({ weight: 3, arbitrary: fc.constant(1000) }, fc.nat(30)),
  tail: fc.oneof({ weight: 3, arbitrary: fc.constant("") }, hex(8)),
});

const step = fc.oneof(
  { weight: 2, arbitrary: fc.record({ bytes: hex(80) }) },
  { weight: 8, arbitrary: mutation },
  {
    weight: 2,
    arbitrary: fc.record({
      again: fc.nat(LINES.length - 1),
      times: fc.integer({ min: 2, max: 12 }),
    }),
  },
  { weight: 2, arbitrary: fc.record({ wait: fc.integer({ min: 1, max: 20_000 }) }) },
  { weight: 2, arbitrary: fc.record({ ask: fc.nat(9) }) },
  { weight: 1, arbitrary: fc.record({ cancel: fc.nat(20) }) },
  { weight: 1, arbitrary: fc.record({ shed: fc.nat(20) }) },
);

export const engineTarget: FuzzTarget<Script> = {
  name: "engine",
  arbitrary: fc.record({
    seed: fc.nat(),
    steps: fc.array(fc.tuple(fc.nat(3), step), { maxLength: 40 }),
  }),
  check: ({ seed, steps }) => new Run(seed).run(steps),
};

/** How an exchange of ours ends. */
const ENDS: ReadonlySet<EngineEvent["type"]> = new Set(["failed", "groupEnd", "pong"]);

class Run {
  readonly #ladder;
  readonly #peers: ScriptedPeer[];
  readonly #group: ScriptedPeer;
  #answered = 0;
  #sent = 0;
  /** Exchanges of ours that have not ended. */
  readonly #open = new Set<number>();
  #stats: Stats;

  constructor(seed: number) {
    const ladder = lockstep({
      serve: true,
      seed,
      limits: LIMITS,
      // What can be switched on is, in all combinations.
      extendedTokens: (seed & 1) !== 0,
      amplification: (seed & 2) !== 0 ? 3 : undefined,
      requestRate: (seed & 4) !== 0 ? 5 : undefined,
      proxy: (seed & 8) !== 0,
      blockSize: (seed & 16) !== 0 ? 32 : undefined,
    });
    this.#ladder = ladder;
    this.#group = ladder.peerAt(5683, { multicast: true });
    this.#peers = [ladder.peer, this.#group, ladder.peerAt(1), ladder.peerAt(0)];
    ladder.bindings.set("$m", 0).set("$t", new Uint8Array([1, 2, 3, 4]));
    this.#stats = { ...ladder.engine.stats };
  }

  run(steps: readonly Step[]): void {
    const { engine } = this.#ladder;
    for (const [from, what] of steps) {
      this.#step(this.#peers[from]!, what);
      this.#read();
      this.#check();
    }
    // The application lets go of what it still has; then the rest is a matter of time.
    for (let id = 1; id < 200; id++) {
      engine.cancel(this.#ladder.now, id);
      this.#open.delete(id);
    }
    engine.forgetObservers(this.#ladder.now);
    this.#ladder.drain();
    this.#read();
    for (let hours = 0; engine.sizes.timers > 0; hours += 1 / 360) {
      assertLess(hours, 4);
      this.#ladder.after(10_000);
      this.#read();
      this.#check();
    }
    assert(this.#open.size === 0, `Without an end: ${[...this.#open]}`);
    this.#ladder.settle();
  }

  #step(peer: ScriptedPeer, what: Step[1]): void {
    const { engine, app } = this.#ladder;
    if ("bytes" in what) peer.sendsBytes(fromHex(what.bytes));
    else if ("line" in what) {
      const whole = toBytes(parseLine(LINES[what.line % LINES.length]!), this.#ladder.bindings);
      const bytes = new Uint8Array([...whole.subarray(0, what.cut), ...fromHex(what.tail)]);
      for (const [at, bits] of what.flips) if (at < bytes.length) bytes[at]! ^= bits;
      peer.sendsBytes(bytes);
    } else if ("again" in what) {
      // The same for one resource after another, as new messages: what fills tables.
      for (let n = 0; n < what.times; n++) {
        const id = `0x${(0x1000 + this.#sent++ % 0x1000).toString(16)}`;
        const line = LINES[what.again % LINES.length]!
          .replace(/0x00\w\w(?= |$)/, id).replace(/token 2\d/, `token 2${this.#sent % 10}`)
          .replace("/test", `/test${n}`);
        peer.sendsBytes(toBytes(parseLine(line), this.#ladder.bindings));
        this.#read();
        this.#check();
      }
    } else if ("wait" in what) {
      for (let time = 0; time < what.wait; time += 500) {
        this.#ladder.after(500);
        this.#read();
      }
    } else if ("ask" in what) {
      try {
        this.#ask(what.ask);
      } catch (error) {
        // All places are taken: that is for the caller to know.
        if ((error as { reason?: string }).reason !== "limit") throw error;
      }
    } else if ("shed" in what) {
      engine.shed(this.#ladder.now, what.shed);
      this.#ladder.drain();
    } else {
      this.#open.delete(what.cancel);
      app.cancels(what.cancel);
    }
  }

  #ask(kind: number): void {
    const { app, engine } = this.#ladder;
    if (kind > 7) {
      const state = { code: Code.Content, payload: new Uint8Array(kind * 20) };
      engine.notify(this.#ladder.now, "/test", undefined, state, { confirmable: kind === 8 });
      return this.#ladder.drain();
    }
    const ask = (): number => {
      if (kind === 0) return app.asks("CON GET /test");
      if (kind === 1) return app.asks("NON GET /test");
      if (kind === 2) return app.asks("CON PUT /test", { payload: new Uint8Array(3000) });
      if (kind === 3) return app.asks("CON GET /test", { observe: true });
      if (kind === 4) return app.asks("CON PUT /test", { upload: true, blockSize: 16 });
      if (kind === 5) return app.asks("CON GET /test", { download: true, blockSize: 16 });
      if (kind === 6) return app.asks("NON GET /test", { to: this.#group, timeout: 5000 });
      return app.pings();
    };
    this.#open.add(ask());
  }

  /** Reads what happened, and answers requests in every way there is. */
  #read(): void {
    const { engine, app, bindings, events } = this.#ladder;
    for (const { unread } of this.#peers) {
      for (const { message } of unread.splice(0)) {
        if (message.type === MessageType.Confirmable) {
          bindings.set("$m", message.id).set("$t", message.token.slice());
        }
      }
    }
    for (const event of events.splice(0)) {
      this.#note(event);
      if (event.type === "needBody") {
        const bytes = new Uint8Array(event.length);
        engine.provide(this.#ladder.now, event.id, bytes, this.#answered++ % 4 === 0);
        this.#ladder.drain();
      } else if (
        (event.type === "body" && !event.last) || (event.type === "response" && event.more)
      ) {
        engine.consume(this.#ladder.now, event.id);
        this.#ladder.drain();
      }
      if (event.type !== "request") continue;
      const { id } = event;
      const way = this.#answered++ % 6;
      if (way === 5) {
        engine.challenge(this.#ladder.now, id);
        this.#ladder.drain();
      }
      if (way === 0) app.answers("2.05 ETag:0x07", { id, payload: new Uint8Array(300) });
      else if (way === 1) app.answers("2.05", { id, observe: "/test", report: true });
      else if (way === 2) app.answers("4.04", { id, confirmable: false });
      else if (way === 3) app.cancels(id);
    }
    if (events.length > 0 || this.#peers.some(({ unread }) => unread.length > 0)) this.#read();
  }

  /** An exchange of ours ends once, and nothing is heard of it afterwards. */
  #note(event: EngineEvent): void {
    const { type } = event;
    if (type === "request" || type === "unobserved" || type === "answered" || !("id" in event)) {
      return;
    }
    assert(this.#open.has(event.id), `${type} of ${event.id}, which is over`);
    const ends = ENDS.has(type) || (event.type === "response" && !event.more) ||
      (event.type === "body" && event.last);
    if (ends) this.#open.delete(event.id);
  }

  #check(): void {
    const { sizes, stats } = this.#ladder.engine;
    assertLessOrEqual(sizes.peers, LIMITS.peers);
    assertLessOrEqual(sizes.handling, LIMITS.handling);
    assertLessOrEqual(sizes.duplicates, LIMITS.duplicates);
    assertLessOrEqual(sizes.transfers, 2 * LIMITS.transfers);
    assertLessOrEqual(sizes.transferBytes, 2 * LIMITS.transferBytes);
    assertLessOrEqual(sizes.observers, LIMITS.observers);
    assertLessOrEqual(sizes.exchanges, LIMITS.exchanges);
    for (const size of Object.values(sizes)) assert(size >= 0, JSON.stringify(sizes));
    for (const name of Object.keys(stats) as (keyof Stats)[]) {
      assert(stats[name] >= this.#stats[name], `${name} has become less`);
    }
    this.#stats = { ...stats };
  }
}

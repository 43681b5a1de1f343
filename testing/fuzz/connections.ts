/**
 * Any sequence of connections, messages and calls of the application against one engine over a reliable transport
 * (RFC 8323): nothing throws, limits hold at any moment, what waits for a peer is bounded, no message is larger than its
 * peer takes, requests of both sides end once and with their connection at the latest, and in the end nothing is left.
 *
 * @module
 */

import { assert, assertEquals, assertLess, assertLessOrEqual } from "@std/assert";
import fc from "fast-check";
import { Engine, type EngineEvent, type Stats } from "../../lib/engine/mod.ts";
import type { Flow } from "../../lib/flow.ts";
import { decodeText } from "../../lib/wire/bytes.ts";
import { Code, isRequestCode } from "../../lib/wire/code.ts";
import { decodeFrame, encodeFrame, withoutLength } from "../../lib/wire/frame.ts";
import { decodeUint, makeOption, OptionNumber } from "../../lib/wire/option.ts";
import { BASE_MESSAGE_SIZE, SignalingOption } from "../../lib/wire/signaling.ts";
import { type Bindings, fromHex, parseLine, toBytes, toHex } from "../message_text.ts";
import { SeededRandom } from "../seeded_random.ts";
import type { FuzzTarget } from "./target.ts";

/** Messages that take every way through the engine, to be mutated. Blocks of 2048 bytes stand for BERT. */
const LINES = [
  "7.01",
  "7.01 2:0x0800 4",
  "7.01 2:0x80",
  "7.01 2:0x1080 4 6:0x0100",
  "7.01 1:0x01",
  "7.02 token 4242",
  "7.02 token 4243 2",
  "7.03 token $p",
  "7.03",
  "7.04 2:other.example 4:0x0a",
  "7.04",
  '7.05 2:0x02 "because"',
  "Empty",
  "GET token 20 /test",
  "GET token 21 /large",
  "GET token 22 /test Observe:0",
  "GET token 22 /test Observe:1",
  "GET token 23 /test Block2:1/0/64",
  "GET token 24 /large Block2:0/0/2048",
  'PUT token 25 /test Block1:0/1/16 "0123456789abcdef"',
  'PUT token 25 /test Block1:1/0/16 "0123"',
  "PUT token 26 /test Block1:0/1/2048",
  "GET token 27 /test Proxy-Uri:coap://192.0.2.9/ Hop-Limit:1 No-Response:2 65001",
  'FETCH token 28 /test Observe:0 Content-Format:0 "x"',
  'POST token 29 /test Request-Tag:0x01 "hello"',
  "GET token 010203040506070809 /test",
  '2.05 token $t "hello"',
  "2.05 token $t Observe:1 ETag:0x01",
  "2.05 token $t Observe:2",
  '2.05 token $t ETag:0x01 Block2:0/1/16 "0123456789abcdef"',
  '2.05 token $t ETag:0x01 Block2:1/0/16 "0123"',
  "2.05 token $t ETag:0x01 Block2:0/1/2048",
  "2.31 token $t Block1:0/1/2048",
  "2.31 token $t Block1:0/1/1024",
  "4.01 token $t Echo:0x0102",
  "4.08 token $t",
  "4.13 token $t Block1:0/0/16 Size1:32",
  "2.05 token $t 65001",
];

const LIMITS = {
  connections: 4,
  messageBytes: 4096,
  sendBytes: 3000,
  requestsPerConnection: 4,
  bodyBytes: 8000,
  handling: 8,
  handlingPerPeer: 6,
  transfers: 3,
  transfersPerPeer: 2,
  transferBytes: 16_000,
  transferBytesPerPeer: 16_000,
  observers: 4,
  observersPerPeer: 2,
  exchanges: 12,
  options: 20,
};

/** What may wait for a peer: what is allowed to, the message beyond that, and an answer to each of its requests. */
const WAITING = LIMITS.sendBytes + (LIMITS.requestsPerConnection + 1) * LIMITS.messageBytes;

/** What happens, and on which of six connections. */
export type Step = readonly [
  place: number,
  what:
    /** With the CSM of one of the first five lines, or with none. */
    | { open: number }
    | { bytes: string }
    | {
      line: number;
      size: number;
      flips: readonly (readonly [at: number, bits: number])[];
      cut: number;
      tail: string;
    }
    | { again: number; times: number }
    | { partial: number }
    | { reads: boolean }
    | { end: "failed" | "lost" | "release" }
    | { wait: number }
    | { ask: number }
    | { cancel: number },
];

/** A sequence of steps, and the seed of the engine. */
export interface Script {
  readonly seed: number;
  readonly steps: readonly Step[];
}

const hex = (maxLength: number): fc.Arbitrary<string> => fc.uint8Array({ maxLength }).map(toHex);
const place = fc.constantFrom(0, 0, 1, 1, 1, 2, 3, 4, 5);
const line = fc.nat(LINES.length - 1);
/** Mostly the value itself. */
const mostly = <T>(value: T, other: fc.Arbitrary<T>): fc.Arbitrary<T> =>
  fc.oneof({ weight: 5, arbitrary: fc.constant(value) }, { weight: 1, arbitrary: other });

const mutation = fc.record({
  line,
  size: mostly(0, fc.constantFrom(1024, 2048, 3000, 5000)),
  flips: mostly<[number, number][]>(
    [],
    fc.array(fc.tuple(fc.nat(40), fc.integer({ min: 1, max: 255 })), { maxLength: 3 }),
  ),
  cut: mostly(10_000, fc.nat(30)),
  tail: mostly("", hex(8)),
});

const step: fc.Arbitrary<Step[1]> = fc.oneof(
  { weight: 2, arbitrary: fc.record({ open: fc.nat(5) }) },
  { weight: 1, arbitrary: fc.record({ bytes: hex(80) }) },
  { weight: 12, arbitrary: mutation },
  { weight: 3, arbitrary: fc.record({ again: line, times: fc.integer({ min: 2, max: 12 }) }) },
  { weight: 1, arbitrary: fc.record({ partial: fc.nat(5000) }) },
  { weight: 3, arbitrary: fc.record({ reads: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ end: fc.constantFrom("failed", "lost", "release") }) },
  { weight: 2, arbitrary: fc.record({ wait: fc.integer({ min: 1, max: 100_000 }) }) },
  { weight: 8, arbitrary: fc.record({ ask: fc.nat(10) }) },
  { weight: 1, arbitrary: fc.record({ cancel: fc.nat(20) }) },
);

export const connectionsTarget: FuzzTarget<Script> = {
  name: "connections",
  arbitrary: fc.record({
    seed: fc.nat(),
    steps: fc.array(fc.tuple(place, step), { maxLength: 40 }),
  }),
  check: ({ seed, steps }) => new Run(seed).run(steps),
};

/** The other end of a connection. */
class Wire {
  readonly flow: Flow;
  isUp = true;
  /** Whether it takes what is sent. */
  reads = true;
  /** Bytes that it has not taken. */
  untaken = 0;
  /** The largest message that it has ever announced to take, bytes. */
  largest = BASE_MESSAGE_SIZE;
  /** Whether its CSM has come. */
  isOpen = false;
  /** Whether a message has begun to come. */
  isPartial = false;
  /** Messages that the engine does not want yet; undefined where it wants all. */
  held: Uint8Array[] | undefined = undefined;
  /** Messages of the engine. */
  sent = 0;

  constructor(flow: Flow) {
    this.flow = flow;
  }
}

class Run {
  readonly #engine: Engine;
  readonly #settings: { length: false; extendedTokens: boolean; checkOptions: false };
  readonly #bindings: Bindings = new Map<string, number | Uint8Array>();
  readonly #places: (Wire | undefined)[] = [];
  readonly #wires = new Map<string, Wire>();
  /** Exchanges of ours that have not ended, and requests of peers that are not answered: their connections. */
  readonly #open = new Map<number, string>();
  readonly #asked = new Map<number, string>();
  readonly #letsGo: boolean;
  #now = 1000;
  #answered: number;
  #again = 0;
  #stats: Stats;

  constructor(seed: number) {
    // What can be switched on is, in all combinations.
    const extendedTokens = (seed & 1) !== 0;
    this.#engine = new Engine({
      random: new SeededRandom(seed).fill,
      reliable: true,
      serve: (seed & 32) === 0,
      limits: LIMITS,
      extendedTokens,
      requestRate: (seed & 2) !== 0 ? 5 : undefined,
      proxy: (seed & 4) !== 0,
      blockSize: (seed & 8) !== 0 ? 32 : undefined,
      tokenLength: (seed & 16) !== 0 ? 8 : undefined,
    });
    this.#answered = seed % 360;
    this.#letsGo = (seed & 64) !== 0;
    this.#settings = { length: false, extendedTokens, checkOptions: false };
    this.#bindings.set("$t", Uint8Array.of(1)).set("$p", new Uint8Array(4));
    this.#stats = { ...this.#engine.stats };
  }

  run(steps: readonly Step[]): void {
    for (const [place, greeting] of [1, 3, 0, 2].entries()) this.#connect(place, greeting);
    for (const [place, what] of steps) {
      this.#step(place, what);
      this.#check();
    }
    // The application answers nothing more, and may let go of what it has asked; then the rest is a matter of time,
    // without a sign of the peers.
    for (const id of [...this.#asked.keys()]) this.#cancel(id);
    if (this.#letsGo) { for (const id of [...this.#open.keys()]) this.#cancel(id); }
    this.#engine.forgetObservers(this.#now);
    for (let minutes = 0; this.#engine.deadline < Infinity; minutes++) {
      assertLess(minutes, 120, JSON.stringify(this.#engine.sizes));
      this.#wait(60_000);
    }
    for (const [name, size] of Object.entries(this.#engine.sizes)) assertEquals(size, 0, name);
    for (const { flow, isUp } of this.#wires.values()) assert(!isUp, `${flow.key} is still there`);
    assertEquals([...this.#open.keys(), ...this.#asked.keys()], []);
  }

  #step(place: number, what: Step[1]): void {
    if ("open" in what) return this.#connect(place, what.open);
    if ("wait" in what) return this.#wait(what.wait);
    if ("cancel" in what) return this.#cancel(what.cancel);
    const wire = this.#places[place];
    if (wire === undefined) return;
    const { flow } = wire;
    if ("bytes" in what) this.#receive(wire, fromHex(what.bytes));
    else if ("line" in what) {
      const whole = this.#bytes(LINES[what.line % LINES.length]!, what.size);
      const bytes = new Uint8Array([...whole.subarray(0, what.cut), ...fromHex(what.tail)]);
      for (const [at, bits] of what.flips) if (at < bytes.length) bytes[at]! ^= bits;
      this.#receive(wire, bytes);
    } else if ("again" in what) {
      // The same for one resource after another: what fills tables.
      for (let n = 0; n < what.times; n++) {
        const text = LINES[what.again % LINES.length]!
          .replace(/token 2\d/, `token 2${this.#again++ % 10}`).replace("/test", `/test${n}`);
        this.#receive(wire, this.#bytes(text));
        this.#check();
      }
    } else if ("partial" in what) {
      wire.isPartial = true;
      this.#engine.partial(this.#now, flow, what.partial);
    } else if ("reads" in what) wire.reads = what.reads;
    else if ("ask" in what) this.#try(() => this.#ask(wire, what.ask));
    else if (what.end === "failed") this.#engine.failed(this.#now, flow, "Fuzzing");
    else if (what.end === "release") this.#engine.shutDown(this.#now, flow, "Fuzzing");
    else this.#lose(wire);
    this.#drain();
  }

  /** Does what may fail where places are taken, the connection is gone, or a message does not fit. */
  #try(act: () => void): void {
    try {
      act();
    } catch (error) {
      const { reason } = error as { reason?: string };
      if (!["limit", "transport", "invalid-option"].includes(reason!)) throw error;
    }
  }

  #bytes(text: string, size = 0): Uint8Array {
    const parsed = parseLine(`CON ${text.replace(/^\S+/, "$& 0x0000")}`);
    if (size > 0) parsed.payload = new Uint8Array(size);
    return withoutLength(toBytes(parsed, this.#bindings));
  }

  #connect(place: number, greeting: number): void {
    const before = this.#places[place];
    if (before !== undefined) this.#lose(before);
    const address = `192.0.2.${place}`;
    const key = `${address}/${this.#wires.size}`;
    const wire = new Wire({ key, address, port: 5683, multicast: false });
    this.#places[place] = wire;
    this.#wires.set(key, wire);
    wire.reads = place !== 1;
    this.#engine.connected(this.#now, wire.flow);
    this.#drain();
    if (greeting < 5) this.#receive(wire, this.#bytes(LINES[greeting]!));
  }

  #lose(wire: Wire): void {
    wire.isUp = false;
    this.#engine.disconnected(this.#now, wire.flow, "Fuzzing");
    this.#drain();
    this.#isOver(wire);
  }

  #receive(wire: Wire, bytes: Uint8Array): void {
    if (wire.held !== undefined) {
      wire.held.push(bytes);
      return;
    }
    const { code, options, error } = decodeFrame(bytes, this.#settings);
    if (error === undefined && code === Code.CSM) {
      for (const { number, value } of options) {
        if (number !== SignalingOption.MaxMessageSize || value.length > 4) continue;
        const size = decodeUint(value);
        wire.largest = wire.isOpen ? Math.max(wire.largest, size) : size;
      }
    }
    wire.isPartial = false;
    this.#engine.receive(this.#now, wire.flow, bytes);
    if (!this.#engine.accepts(wire.flow)) wire.held = [];
    this.#drain();
  }

  #wait(ms: number): void {
    const end = this.#now + ms;
    for (let ticks = 0; this.#engine.deadline <= end; ticks++) {
      assertLess(ticks, 1000, "Time does not pass");
      this.#now = Math.max(this.#now, this.#engine.deadline);
      this.#engine.tick(this.#now);
      this.#drain();
      this.#check();
    }
    this.#now = end;
  }

  #cancel(id: number): void {
    this.#engine.cancel(this.#now, id);
    this.#open.delete(id);
    this.#asked.delete(id);
    this.#drain();
  }

  #ask({ flow, largest }: Wire, kind: number): void {
    const engine = this.#engine;
    if (kind > 7) {
      const payload = new Uint8Array([20, 700, 2000][kind - 8]!);
      engine.notify(this.#now, "/test", undefined, { code: Code.Content, payload });
      return;
    }
    if (kind === 0) return void this.#open.set(engine.ping(this.#now, flow), flow.key);
    const options = [makeOption(OptionNumber.UriPath, "test")];
    const [code, size, how] = [
      [Code.GET, 0, { timeout: Infinity }],
      [Code.GET, 0, {}],
      [Code.PUT, Math.min(largest - this.#answered++ % 40, LIMITS.messageBytes), {}],
      [Code.PUT, 7000, { progress: true }],
      [Code.GET, 0, { observe: true }],
      [Code.PUT, 0, { upload: true }],
      [Code.GET, 0, { download: true, blockSize: 16 }],
    ][kind - 1] as [number, number, object];
    const outline = { code, options, payload: new Uint8Array(size) };
    this.#open.set(engine.request(this.#now, flow, outline, how), flow.key);
  }

  /** Does what a driver does after each call: events, then what is to be sent, until there is neither. */
  #drain(): void {
    const engine = this.#engine;
    const over: Wire[] = [];
    for (let turns = 0, isQuiet = false; !isQuiet; turns++) {
      assertLess(turns, 1000, "It does not come to rest");
      isQuiet = true;
      const events: EngineEvent[] = [];
      for (let event = engine.pollEvent(); event !== undefined; event = engine.pollEvent()) {
        events.push(event);
      }
      for (let sent = engine.pollTransmit(); sent !== undefined; sent = engine.pollTransmit()) {
        this.#sent(this.#wires.get(sent.flow.key)!, sent.bytes);
        isQuiet = false;
      }
      for (const event of events) {
        isQuiet = false;
        if (event.type === "disconnect") over.push(this.#wires.get(event.flow.key)!);
        this.#on(event);
      }
      for (const wire of this.#places) {
        if (!wire?.isUp || !wire.reads || wire.untaken === 0) continue;
        wire.untaken = 0;
        engine.writable(this.#now, wire.flow);
        isQuiet = false;
      }
    }
    for (const wire of over) this.#isOver(wire);
  }

  #sent(wire: Wire, bytes: Uint8Array): void {
    const { flow } = wire;
    assert(wire.isUp, `${flow.key} is gone, and sent to`);
    const message = decodeFrame(bytes.slice(), this.#settings);
    assertEquals(message.error, undefined);
    const { code, token } = message;
    wire.sent++;
    assertEquals(wire.sent === 1, code === Code.CSM, "A CSM is the first message, and no other");
    if (isRequestCode(code)) assertLessOrEqual(wire.untaken, LIMITS.sendBytes);
    wire.untaken += bytes.length;
    if (code === Code.Ping) this.#bindings.set("$p", token);
    if (isRequestCode(code)) this.#bindings.set("$t", token);
    if (code === Code.Abort && decodeText(message.payload) === "Message takes too long") {
      assert(wire.isPartial);
    }
    if (code >= Code.CSM) return;
    // Requests need not wait for it (RFC 8323 section 3.3).
    assert(wire.isOpen || isRequestCode(code), `${flow.key} has sent no CSM`);
    const frame = encodeFrame(message, { extendedTokens: true, checkOptions: false });
    assertLessOrEqual(frame.length, wire.largest);
  }

  #on(event: EngineEvent): void {
    const engine = this.#engine;
    switch (event.type) {
      case "ready":
        this.#wires.get(event.flow.key)!.isOpen = true;
        return;
      case "resume": {
        const wire = this.#wires.get(event.flow.key)!;
        const { held } = wire;
        assert(held !== undefined, "It was not paused");
        wire.held = undefined;
        for (const bytes of held) this.#receive(wire, bytes);
        return;
      }
      case "disconnect":
        this.#wires.get(event.flow.key)!.isUp = false;
        return;
      case "abandoned":
        assert(this.#asked.delete(event.id), `${event.id} is abandoned, but over`);
        return;
      case "request":
        return this.#answer(event.id, event.flow);
      case "released":
      case "unobserved":
      case "answered":
      case "rejected":
        return;
    }
    const { id, type } = event;
    assert(this.#open.has(id), `${type} of ${id}, which is over`);
    const ends = type === "failed" || type === "pong" || (type === "response" && !event.more) ||
      (type === "body" && event.last);
    if (ends) this.#open.delete(id);
    if (type === "needBody") {
      engine.provide(this.#now, id, new Uint8Array(event.length), this.#answered++ % 4 === 0);
    } else if (type === "body" || type === "response") {
      if (!ends) engine.consume(this.#now, id);
    }
  }

  /** Answers a request in every way there is, or later. */
  #answer(id: number, flow: Flow): void {
    const engine = this.#engine;
    const now = this.#now;
    const way = this.#answered++ % 9;
    this.#asked.set(id, flow.key);
    if (way === 8) return;
    if (way === 7) engine.challenge(now, id);
    else if (way === 6) engine.shed(now, id);
    else if (way === 5) engine.cancel(now, id);
    else if (way === 4) engine.respond(now, id, { code: Code.NotFound });
    else {
      // Of a size that just fits, or just does not; small; and of several blocks.
      const { largest } = this.#wires.get(flow.key)!;
      const fitting = Math.min(largest, LIMITS.messageBytes) - this.#answered % 40;
      const payload = new Uint8Array([0, fitting, 300, 3500][way]!);
      const options = [makeOption(OptionNumber.ETag, Uint8Array.of(7))];
      const how = way === 3 ? {} : { observe: "/test", report: way === 0 };
      engine.respond(now, id, { code: Code.Content, options, payload }, how);
    }
    this.#asked.delete(id);
  }

  /** Nothing is left of a connection. */
  #isOver({ flow }: Wire): void {
    for (const table of [this.#open, this.#asked]) {
      for (const [id, key] of table) assert(key !== flow.key, `${id} outlives its connection`);
    }
    for (const variant of this.#engine.observed("/test")) assert(variant.flow.key !== flow.key);
    assertEquals(this.#engine.isOpen(flow), undefined);
  }

  #check(): void {
    const { sizes, stats } = this.#engine;
    assertLessOrEqual(sizes.peers, LIMITS.connections);
    assertLessOrEqual(sizes.handling, LIMITS.handling);
    assertLessOrEqual(sizes.transfers, 2 * LIMITS.transfers);
    assertLessOrEqual(sizes.transferBytes, 2 * LIMITS.transferBytes);
    assertLessOrEqual(sizes.observers, LIMITS.observers);
    assertLessOrEqual(sizes.exchanges, LIMITS.exchanges);
    assertEquals([sizes.duplicates, sizes.replyBytes], [0, 0]);
    for (const size of Object.values(sizes)) assert(size >= 0, JSON.stringify(sizes));
    for (const name of Object.keys(stats) as (keyof Stats)[]) {
      assert(stats[name] >= this.#stats[name], `${name} has become less`);
    }
    this.#stats = { ...stats };
    for (const wire of this.#places) {
      if (wire === undefined || !wire.isUp) continue;
      assertLessOrEqual(wire.untaken, WAITING);
      const asked = [...this.#asked.values()].filter((key) => key === wire.flow.key).length;
      assertLessOrEqual(asked, LIMITS.requestsPerConnection);
      // Whoever takes nothing is not listened to.
      if (wire.untaken > LIMITS.sendBytes) wire.held ??= [];
      // Whoever is told to wait is told when that is over.
      if (wire.held !== undefined) assert(!this.#engine.accepts(wire.flow), "No resume came");
    }
  }
}

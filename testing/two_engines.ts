/**
 * Two engines over a lossy path under virtual time, all from one seed: both ask and both serve. What must hold
 * whatever happens is checked on the way and at the end.
 *
 * @module
 */

import { assert, assertEquals, assertLessOrEqual, fail } from "@std/assert";
import { Engine, type EngineEvent, type ExchangeId } from "../lib/engine/mod.ts";
import type { Flow } from "../lib/flow.ts";
import { Code } from "../lib/wire/code.ts";
import { decode, MessageType } from "../lib/wire/message.ts";
import { makeOption, OptionNumber } from "../lib/wire/option.ts";
import { SeededRandom } from "./seeded_random.ts";

/** How a run goes. */
export interface RunOptions {
  /** Requests made by each side. @default {12} */
  requests?: number;
  /** Requests and responses with bodies of up to so many bytes. @default {0} */
  bodyBytes?: number;
}

/** What happened in a run. */
export interface RunReport {
  responses: number;
  failures: number;
  canceled: number;
  datagrams: number;
  lost: number;
  retransmissions: number;
  /** Sum over all datagrams and their times: equal runs have equal ones. */
  checksum: number;
}

/** A request as its side sees it. */
interface Asked {
  tag: number;
  confirmable: boolean;
  ended: number;
}

const TEXT = new TextDecoder();
const UTF8 = new TextEncoder();

/** One endpoint: what it asked, what it was asked, and what is outstanding on the wire. */
class Side {
  readonly engine: Engine;
  readonly flow: Flow;
  other!: Side;
  readonly asked = new Map<ExchangeId, Asked>();
  /** How often the handler ran, by tag. */
  readonly runs = new Map<number, number>();
  readonly handling = new Map<ExchangeId, number>();
  /** Tags of the requests served. */
  readonly served = new Map<ExchangeId, number>();
  /** Confirmable messages sent and neither acknowledged nor given up, by message ID: a tag, or `responseTo` it. */
  readonly outstanding = new Map<number, number>();
  readonly sent = new Set<number>();

  constructor(name: string, nstart: number, random: SeededRandom) {
    this.flow = { key: name, address: name, port: 5683, multicast: false };
    this.engine = new Engine({ random: random.fill, serve: true, parameters: { nstart } });
  }
}

/** Things to do at a time, first come first served among equal times. */
export class Agenda {
  readonly #items: { at: number; order: number; run: () => void }[] = [];
  #order = 0;

  get next(): number {
    return this.#items[0]?.at ?? Infinity;
  }

  add(at: number, run: () => void): void {
    const item = { at, order: this.#order++, run };
    let low = 0;
    for (let high = this.#items.length; low < high;) {
      const middle = (low + high) >> 1;
      if (this.#items[middle]!.at <= at) low = middle + 1;
      else high = middle;
    }
    this.#items.splice(low, 0, item);
  }

  runUntil(now: number): void {
    while (this.next <= now) this.#items.shift()!.run();
  }
}

/** The tag that a body begins with. */
function tagOf(payload: Uint8Array): number {
  return parseInt(TEXT.decode(payload.subarray(0, 12)));
}

/** The tag of a body that arrived, which has to be as it was made. */
function wholeTagOf(payload: Uint8Array): number {
  const tag = tagOf(payload);
  assertEquals(payload, bodyOf(tag, payload.length));
  return tag;
}

/** What stands for the response to the request of a tag. */
function responseTo(tag: number): number {
  return -1 - tag;
}

function bodyOf(tag: number, length: number): Uint8Array {
  return UTF8.encode(`${tag} `.padEnd(length, "abcdefghijklmnopqrstuvwxyz"));
}

/** Runs one seed to its end. Throws where something that must hold does not, naming the seed. */
export function runSeed(seed: number, options: RunOptions = {}): RunReport {
  try {
    return new Run(seed, options).run();
  } catch (error) {
    throw new Error(`Seed ${seed}: ${error instanceof Error ? error.message : error}`, {
      cause: error,
    });
  }
}

class Run {
  readonly #random: SeededRandom;
  readonly #agenda = new Agenda();
  readonly #sides: readonly [Side, Side];
  readonly #nstart: number;
  readonly #loss: number;
  readonly #duplication: number;
  readonly #requests: number;
  readonly #bodyBytes: number;
  readonly #report: RunReport = {
    responses: 0,
    failures: 0,
    canceled: 0,
    datagrams: 0,
    lost: 0,
    retransmissions: 0,
    checksum: 0,
  };
  #now: number;

  constructor(seed: number, { requests = 12, bodyBytes = 0 }: RunOptions) {
    const random = new SeededRandom(seed);
    this.#random = random;
    this.#requests = requests;
    this.#bodyBytes = bodyBytes;
    this.#nstart = random.float() < 0.7 ? 1 : random.integer(2, 4);
    this.#loss = random.float() * 0.3;
    this.#duplication = random.float() * 0.3;
    this.#now = random.float() * 1e6;
    const [a, b] = [new Side("a", this.#nstart, random), new Side("b", this.#nstart, random)];
    a.other = b;
    b.other = a;
    this.#sides = [a, b];
  }

  run(): RunReport {
    const start = this.#now;
    for (const side of this.#sides) {
      for (let n = 0; n < this.#requests; n++) {
        this.#agenda.add(start + this.#random.float() * 60_000, () => this.#ask(side, n));
      }
    }
    // Handlers that never answer keep their peer, and so a deadline.
    this.#advance(() => this.#sides.every(({ engine: { sizes } }) => sizes.timers === 0));
    for (const { asked, engine, handling } of this.#sides) {
      assertEquals(asked.size, this.#requests);
      for (const { tag, ended } of asked.values()) assertEquals(ended, 1, `Ends of request ${tag}`);
      assertEquals([engine.sizes.exchanges, engine.sizes.handling], [0, handling.size]);
      for (const id of handling.keys()) engine.cancel(this.#now, id);
    }
    const quiet = this.#now;
    this.#advance();
    for (const { engine } of this.#sides) {
      assertEquals(engine.sizes, zeros(engine), "Something is left alive");
      assertEquals(engine.deadline, Infinity);
      this.#report.retransmissions += engine.stats.retransmissions;
    }
    assertLessOrEqual(this.#now - quiet, this.#sides[0].engine.parameters.exchangeLifetime + 1000);
    return this.#report;
  }

  /** Until nothing happens any more, or nothing but what `isOver` knows. */
  #advance(isOver: () => boolean = () => false): void {
    for (let steps = 0; steps < 200_000; steps++) {
      const [a, b] = this.#sides;
      const next = Math.min(a.engine.deadline, b.engine.deadline, this.#agenda.next);
      if (next === Infinity || (this.#agenda.next === Infinity && isOver())) return;
      this.#now = Math.max(this.#now, next);
      this.#agenda.runUntil(this.#now);
      for (const side of this.#sides) {
        if (side.engine.deadline > this.#now) continue;
        side.engine.tick(this.#now);
        this.#drain(side);
      }
    }
    fail("It does not end");
  }

  // -------------------------------------------------------------- the application

  #ask(side: Side, n: number): void {
    const random = this.#random;
    const tag = n * 2 + (side === this.#sides[0] ? 0 : 1);
    const confirmable = random.float() < 0.6;
    const timeout = random.float() < 0.2 ? 1000 + random.float() * 20_000 : undefined;
    const outline = {
      code: Code.POST,
      options: [makeOption(OptionNumber.UriPath, `${tag}`)],
      payload: bodyOf(tag, this.#length()),
    };
    const id = side.engine.request(this.#now, side.other.flow, outline, { confirmable, timeout });
    side.asked.set(id, { tag, confirmable, ended: 0 });
    if (random.float() < 0.15) {
      this.#agenda.add(this.#now + random.float() * 10_000, () => this.#cancel(side, id));
    }
    this.#drain(side);
  }

  #length(): number {
    return this.#bodyBytes > 0 && this.#random.float() < 0.5
      ? Math.floor(this.#random.float() * this.#bodyBytes)
      : 0;
  }

  #cancel(side: Side, id: ExchangeId): void {
    if (!side.engine.cancel(this.#now, id)) return;
    this.#report.canceled++;
    this.#end(side, id);
    this.#drain(side);
  }

  #end(side: Side, id: ExchangeId): void {
    const asked = side.asked.get(id)!;
    asked.ended++;
    this.#settle(side, asked.tag);
  }

  #serve(side: Side, id: ExchangeId, tag: number): void {
    const runs = (side.runs.get(tag) ?? 0) + 1;
    side.runs.set(tag, runs);
    assertEquals(runs, 1, `Runs of the handler of request ${tag}`);
    side.handling.set(id, tag);
    side.served.set(id, tag);
    const answer = (): void => {
      side.handling.delete(id);
      const outline = { code: Code.Changed, payload: bodyOf(tag, this.#length()) };
      side.engine.respond(this.#now, id, outline, { report: true });
    };
    const kind = this.#random.float();
    if (kind < 0.5) answer();
    else if (kind < 0.9) {
      this.#agenda.add(this.#now + this.#random.float() ** 2 * 30_000, () => {
        answer();
        this.#drain(side);
      });
    }
  }

  #drain(side: Side): void {
    const { engine } = side;
    for (let event = engine.pollEvent(); event !== undefined; event = engine.pollEvent()) {
      this.#take(side, event);
    }
    for (let sent = engine.pollTransmit(); sent !== undefined; sent = engine.pollTransmit()) {
      assertEquals(sent.flow.key, side.other.flow.key);
      this.#send(side, sent.bytes);
    }
  }

  #take(side: Side, event: EngineEvent): void {
    switch (event.type) {
      case "request":
        return this.#serve(side, event.id, wholeTagOf(event.message.payload));
      case "response": {
        const { tag } = side.asked.get(event.id)!;
        assertEquals(wholeTagOf(event.message.payload), tag, "The response belongs to the request");
        assertEquals(side.other.runs.get(tag), 1);
        this.#report.responses++;
        return this.#end(side, event.id);
      }
      case "failed":
        assert(event.reason === "timeout" || this.#bodyBytes > 0, `Failed with ${event.reason}`);
        this.#report.failures++;
        return this.#end(side, event.id);
      case "answered":
        return this.#settle(side, responseTo(side.served.get(event.id)!));
      default:
        fail(`Unexpected event ${event.type}`);
    }
  }

  // -------------------------------------------------------------- the wire

  #send(side: Side, bytes: Uint8Array): void {
    const random = this.#random;
    const { type, id, payload, code, error } = decode(bytes.slice());
    assertEquals(error, undefined);
    this.#report.datagrams++;
    this.#report.checksum = (this.#report.checksum * 31 + this.#now * 1000 + id) % 1e9;
    if (type === MessageType.Confirmable && !side.sent.has(id)) {
      side.sent.add(id);
      const tag = tagOf(payload);
      side.outstanding.set(id, code < 0x20 ? tag : responseTo(tag));
      if (this.#bodyBytes === 0) {
        assertLessOrEqual(side.outstanding.size, this.#nstart, "Outstanding");
      }
    }
    const copies = random.float() < this.#duplication ? 2 : 1;
    for (let copy = 0; copy < copies; copy++) {
      if (random.float() < this.#loss) {
        this.#report.lost++;
        continue;
      }
      const latency = random.float() < 0.1 ? random.float() * 8000 : random.float() * 200;
      const copied = bytes.slice();
      this.#agenda.add(this.#now + latency, () => this.#deliver(side.other, copied));
    }
  }

  #deliver(side: Side, bytes: Uint8Array): void {
    const { type, id, code, payload } = decode(bytes);
    if (type === MessageType.Acknowledgement || type === MessageType.Reset) {
      side.outstanding.delete(id);
    } else if (code >= 0x40) this.#settle(side, tagOf(payload));
    side.engine.receive(this.#now, side.other.flow, bytes);
    this.#drain(side);
  }

  /** A request or response is not outstanding any more. */
  #settle(side: Side, tag: number): void {
    for (const [id, of] of side.outstanding) if (of === tag) side.outstanding.delete(id);
  }
}

function zeros(engine: Engine): Engine["sizes"] {
  const sizes = engine.sizes;
  for (const name of Object.keys(sizes) as (keyof Engine["sizes"])[]) sizes[name] = 0;
  return sizes;
}

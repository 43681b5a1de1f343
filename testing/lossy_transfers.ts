/**
 * A client and a server whose bodies go in blocks and whose resource is observed, over a path that loses, duplicates,
 * delays and reorders, and that gets quiet in the end. All from one seed.
 *
 * @module
 */

import { assert, assertEquals, fail } from "@std/assert";
import { Engine, type EngineEvent, type ExchangeId } from "../lib/engine/mod.ts";
import type { Flow } from "../lib/flow.ts";
import { Code, isSuccess } from "../lib/wire/code.ts";
import type { Message } from "../lib/wire/message.ts";
import { makeOption, type Option, OptionNumber, uintOption } from "../lib/wire/option.ts";
import { makeBody } from "./bodies.ts";
import { SeededRandom } from "./seeded_random.ts";
import { Agenda } from "./two_engines.ts";

/** What happened in a run. */
export interface TransferReport {
  /** Bodies that arrived whole, each compared byte for byte. */
  bodies: number;
  bytes: number;
  /** Requests that ended without one. */
  failures: number;
  /** States that the observer saw as the latest, and as old. */
  states: number;
  late: number;
  datagrams: number;
  lost: number;
}

/** Until here datagrams are lost and the resource changes, ms. */
const NOISE = 60_000;
/** Longest time until the observer has to know the last state after that, all its blocks among other transfers, ms. */
const PATIENCE = 600_000;
const MAX_AGE = 20;

/** Runs one seed to its end. Throws where something that must hold does not, naming the seed. */
export function runTransfers(seed: number): TransferReport {
  try {
    return new Run(seed).run();
  } catch (error) {
    throw new Error(`Seed ${seed}: ${error instanceof Error ? error.message : error}`, {
      cause: error,
    });
  }
}

/** A body that says which one it is. */
function bodyOf(tag: number, length: number): Uint8Array {
  const body = makeBody(Math.max(length, 4), tag);
  new DataView(body.buffer).setUint32(0, tag);
  return body;
}

/** The tag of a body that has to be as it was made. */
function tagOf(body: Uint8Array): number {
  const tag = new DataView(body.buffer, body.byteOffset).getUint32(0);
  assertEquals(body, bodyOf(tag, body.length), "The body is as it was made");
  return tag;
}

class Run {
  readonly #random: SeededRandom;
  readonly #agenda = new Agenda();
  readonly #client: Engine;
  readonly #server: Engine;
  readonly #toServer: Flow = { key: "s", address: "192.0.2.1", port: 5683, multicast: false };
  readonly #toClient: Flow = { key: "c", address: "192.0.2.2", port: 40_000, multicast: false };
  readonly #blockSize: number;
  readonly #longest: number;
  readonly #loss: number;
  readonly #duplication: number;
  readonly #confirmable: boolean;
  /** Requests under way, with the tag of what they carry; -1 for those that read the state. */
  readonly #asked = new Map<ExchangeId, number>();
  /** Bodies that the server took, by tag. */
  readonly #taken = new Set<number>();
  /** Lengths of the states by version. */
  readonly #states: number[] = [];
  #observation: ExchangeId = 0;
  #seen = -1;
  #lastTag = 1_000_000;
  #now: number;
  #quiet = false;
  readonly #report: TransferReport = {
    bodies: 0,
    bytes: 0,
    failures: 0,
    states: 0,
    late: 0,
    datagrams: 0,
    lost: 0,
  };

  constructor(seed: number) {
    const random = new SeededRandom(seed);
    this.#random = random;
    this.#now = random.float() * 1e6;
    this.#loss = random.float() * 0.3;
    this.#duplication = random.float() * 0.3;
    this.#confirmable = random.float() < 0.4;
    this.#blockSize = 16 << random.integer(0, 6);
    const persistent = random.float() < 0.5;
    const parameters = persistent ? { ackTimeout: 500, maxRetransmit: 7 } : {};
    const blockSize = 16 << random.integer(0, 6);
    // Up to 20 kB, though not in more blocks than a run has time for.
    this.#longest = Math.min(20_000, Math.min(this.#blockSize, blockSize) * 150);
    this.#client = new Engine({ random: random.fill, parameters, blockSize: this.#blockSize });
    this.#server = new Engine({ random: random.fill, parameters, serve: true, blockSize });
  }

  run(): TransferReport {
    const start = this.#now;
    this.#change();
    this.#observe();
    for (let i = 0; i < 4; i++) {
      this.#agenda.add(start + this.#random.float() * NOISE / 2, () => this.#ask());
    }
    for (let i = this.#random.integer(1, 12); i > 0; i--) {
      this.#agenda.add(start + this.#random.float() * NOISE, () => this.#change());
    }
    this.#advance(start + NOISE);
    this.#quiet = true;
    this.#catchUp();
    // Registrations that the client has forgotten end with the next notification.
    this.#change();
    this.#catchUp();
    this.#advance(this.#now + 1000);
    assertEquals(this.#server.sizes.observers, 1);
    this.#client.cancel(this.#now, this.#observation);
    this.#drain(this.#client);
    this.#advance(this.#now + 10_000);
    // A registration that was under way may have overtaken its end: it ends with the next notification as well.
    this.#change();
    this.#advance(Infinity);
    assertEquals(this.#asked.size, 0, "Requests without an end");
    for (const engine of [this.#client, this.#server]) {
      for (const [name, size] of Object.entries(engine.sizes)) assertEquals(size, 0, name);
      assertEquals(engine.deadline, Infinity);
    }
    return this.#report;
  }

  /** The observer gets to know the last state. */
  #catchUp(): void {
    const until = this.#now + PATIENCE;
    const version = this.#states.length - 1;
    while (this.#seen !== version && this.#now < until) this.#advance(this.#now + 1000);
    assertEquals(this.#seen, version, "The last state that the observer knows");
  }

  #advance(until: number): void {
    for (let steps = 0; steps < 500_000; steps++) {
      const engines = [this.#client, this.#server];
      const next = Math.min(this.#agenda.next, ...engines.map(({ deadline }) => deadline));
      if (next === Infinity || next > until) {
        if (until !== Infinity) this.#now = until;
        return;
      }
      this.#now = Math.max(this.#now, next);
      this.#agenda.runUntil(this.#now);
      for (const engine of engines) {
        if (engine.deadline > this.#now) continue;
        engine.tick(this.#now);
        this.#drain(engine);
      }
    }
    fail("It does not end");
  }

  // -------------------------------------------------------------- the applications

  #length(): number {
    return Math.floor(this.#random.float() ** 3 * this.#longest);
  }

  #observe(): void {
    const options = [makeOption(OptionNumber.UriPath, "state")];
    const outline = { code: Code.GET, options };
    const confirmable = this.#random.float() < 0.7;
    const settings = { observe: true, confirmable };
    this.#observation = this.#client.request(this.#now, this.#toServer, outline, settings);
    this.#drain(this.#client);
  }

  /** The client reads the state or sends a body, which comes back turned round. */
  #ask(): void {
    const random = this.#random;
    const reads = random.float() < 0.3;
    const tag = reads ? -1 : this.#lastTag++;
    const path = makeOption(OptionNumber.UriPath, reads ? "state" : "turn");
    const codes = [Code.PUT, Code.POST, Code.FETCH];
    const outline = reads ? { code: Code.GET, options: [path] } : {
      code: codes[random.integer(0, 2)]!,
      options: [path],
      payload: bodyOf(tag, this.#length()),
    };
    const blockSize = random.float() < 0.5 ? this.#blockSize : undefined;
    const settings = { confirmable: random.float() < 0.8, blockSize };
    const id = this.#client.request(this.#now, this.#toServer, outline, settings);
    this.#asked.set(id, tag);
    this.#drain(this.#client);
  }

  /** The state of the resource changes, and its observers are told. */
  #change(): void {
    this.#states.push(this.#length());
    const options = { confirmable: this.#confirmable || this.#quiet };
    this.#server.notify(this.#now, "state", undefined, this.#state(), options);
    this.#drain(this.#server);
  }

  #state(): { code: number; options: Option[]; payload: Uint8Array } {
    const version = this.#states.length - 1;
    const options = [makeOption(OptionNumber.MaxAge, MAX_AGE)];
    return { code: Code.Content, options, payload: bodyOf(version, this.#states[version]!) };
  }

  #serve(id: ExchangeId, { code, payload }: Message): void {
    if (code === Code.GET) {
      return this.#server.respond(this.#now, id, this.#state(), { observe: "state" });
    }
    const tag = tagOf(payload);
    // A safe request may run again, where its response changed while its blocks were fetched: as here, when another
    // request's response to the same client took its place.
    assert(code === Code.FETCH || !this.#taken.has(tag), `The handler of ${tag} runs twice`);
    this.#taken.add(tag);
    this.#count(payload);
    const outline = { code: Code.Changed, payload: bodyOf(tag, this.#length()) };
    const answer = (): void => {
      this.#server.respond(this.#now, id, outline);
      this.#drain(this.#server);
    };
    if (this.#random.float() < 0.7) answer();
    else this.#agenda.add(this.#now + this.#random.float() * 2000, answer);
  }

  #count(body: Uint8Array): void {
    this.#report.bodies++;
    this.#report.bytes += body.length;
  }

  #take(event: EngineEvent): void {
    switch (event.type) {
      case "request":
        return this.#serve(event.id, event.message);
      case "notification": {
        if (!event.latest) return void this.#report.late++;
        const version = tagOf(event.message.payload);
        assertEquals(event.message.payload.length, Math.max(this.#states[version]!, 4));
        assert(version >= this.#seen, `State ${version} after ${this.#seen}`);
        this.#seen = version;
        this.#report.states++;
        return this.#count(event.message.payload);
      }
      case "response": {
        if (event.id === this.#observation) fail("The server does not end the observation");
        const tag = this.#asked.get(event.id)!;
        assert(this.#asked.delete(event.id));
        const { code, payload } = event.message;
        if (!isSuccess(code)) return void this.#report.failures++;
        const version = tagOf(payload);
        if (tag >= 0) assertEquals(version, tag, "The response belongs to the request");
        else assert(version < this.#states.length);
        assertEquals(uintOption(event.message.options, OptionNumber.Block2), undefined);
        return this.#count(payload);
      }
      case "failed":
        this.#report.failures++;
        // Changed too often, or the server gave the state of a transfer up after too long.
        assert(["timeout", "blockwise"].includes(event.reason), event.reason);
        if (event.id !== this.#observation) return void assert(this.#asked.delete(event.id));
        return this.#agenda.add(this.#now + 1000, () => this.#observe());
      case "unobserved":
        return;
      default:
        fail(`Unexpected event ${event.type}`);
    }
  }

  // -------------------------------------------------------------- the path

  #drain(engine: Engine): void {
    for (let event = engine.pollEvent(); event !== undefined; event = engine.pollEvent()) {
      this.#take(event);
    }
    for (let sent = engine.pollTransmit(); sent !== undefined; sent = engine.pollTransmit()) {
      this.#send(engine === this.#client ? this.#server : this.#client, sent.bytes.slice());
    }
  }

  #send(to: Engine, bytes: Uint8Array): void {
    const random = this.#random;
    const from = to === this.#client ? this.#toServer : this.#toClient;
    this.#report.datagrams++;
    const copies = !this.#quiet && random.float() < this.#duplication ? 2 : 1;
    for (let copy = 0; copy < copies; copy++) {
      if (!this.#quiet && random.float() < this.#loss) {
        this.#report.lost++;
        continue;
      }
      const slow = !this.#quiet && random.float() < 0.2;
      const copied = bytes.slice();
      this.#agenda.add(this.#now + random.float() * (slow ? 8000 : 200), () => {
        to.receive(this.#now, from, copied);
        this.#drain(to);
      });
    }
  }
}

/**
 * A scripted peer against one engine under virtual time. A script reads like a figure of the RFCs, each line is one
 * step, and what happens besides the lines is an error:
 *
 * ```ts
 * const { app, peer, after } = lockstep();
 * app.asks("CON GET /temperature");
 * peer.receives("CON GET $m token $t /temperature");
 * peer.sends("ACK Empty $m");
 * after(5000);
 * peer.sends('CON 2.05 0xad7b token $t "22.3 C"');
 * peer.receives("ACK Empty 0xad7b");
 * app.gets('2.05 "22.3 C"');
 * afterEach(settle);
 * ```
 *
 * @module
 */

import { assertEquals, fail } from "@std/assert";
import {
  type AnswerOutcome,
  Engine,
  type EngineEvent,
  type EngineOptions,
  type EngineSizes,
  type ExchangeId,
  type FailureReason,
  type NotifyOptions,
  type RequestEvent,
  type RequestOptions,
  type ResponseOptions,
  type UnobservedReason,
} from "../lib/engine/mod.ts";
import type { Flow } from "../lib/flow.ts";
import { isRequestCode, isResponseCode } from "../lib/wire/code.ts";
import { decode, type Message, MessageType } from "../lib/wire/message.ts";
import {
  type Bindings,
  compare,
  fromHex,
  parseLine,
  showMessage,
  toBytes,
  toHex,
} from "./message_text.ts";
import { SeededRandom } from "./seeded_random.ts";

/** Lines of what happened that a failure shows. */
const TRACE = 40;

/** How a ladder is made. */
export interface LockstepOptions extends Partial<EngineOptions> {
  /** Seed of the engine's randomness, where `random` is not given. */
  seed?: number;
  /** The time at the start, ms. */
  start?: number;
}

/** A datagram of the engine. */
export interface Received {
  /** When it was sent, ms. */
  at: number;
  /** Where to, as the engine said. */
  flow: Flow;
  bytes: Uint8Array;
  message: Message;
}

/** A scripted endpoint. */
export class ScriptedPeer {
  readonly flow: Flow;
  /** What came from the engine and was not read by the script. */
  readonly unread: Received[];
  readonly #ladder: Lockstep;

  constructor(ladder: Lockstep, flow: Flow, unread: Received[] = []) {
    this.#ladder = ladder;
    this.flow = flow;
    this.unread = unread;
  }

  /** Sends the message of a line; `payload` where the line has none. */
  sends(text: string, payload?: Uint8Array): void {
    this.sendsBytes(toBytes(parseLine(text, payload), this.#ladder.bindings));
  }

  /** Sends bytes, or what hexadecimal digits say. */
  sendsBytes(bytes: Uint8Array | string): void {
    this.#ladder.deliver(this, typeof bytes === "string" ? fromHex(bytes) : bytes);
  }

  /** The next datagram of the engine is the message of the line. */
  receives(text: string, payload?: Uint8Array): Received {
    const next = this.unread.shift();
    if (next === undefined) return this.#ladder.fail(`Nothing came, expected:\n  ${text}`);
    const line = parseLine(text, payload);
    const difference = compare(next.message, line, this.#ladder.bindings);
    if (difference !== undefined) {
      this.#ladder.fail(
        `Another message came:\n  ${difference.actual}\nexpected:\n  ${difference.expected}`,
      );
    }
    return next;
  }

  /** The next datagram of the engine is the message of the line, and it is lost on the way. */
  misses(text: string, payload?: Uint8Array): Received {
    return this.receives(text, payload);
  }

  /** Everything that came and was not read. */
  takes(): Received[] {
    return this.unread.splice(0);
  }
}

/** The application above the engine. */
export class ScriptedApplication {
  /** The request that was last seen. */
  request: RequestEvent | undefined = undefined;
  readonly #ladder: Lockstep;
  #asked: ExchangeId = 0;

  constructor(ladder: Lockstep) {
    this.#ladder = ladder;
  }

  /** The exchange of the last request or ping. */
  get lastAsked(): ExchangeId {
    return this.#asked;
  }

  /** Sends a request, Confirmable or not as the line says. */
  asks(
    text: string,
    options: RequestOptions & { to?: ScriptedPeer; payload?: Uint8Array } = {},
  ): ExchangeId {
    const { to = this.#ladder.peer, payload, ...rest } = options;
    const line = parseLine(text, payload);
    const confirmable = line.type === MessageType.Confirmable;
    this.#ladder.note(`application  ${text}`);
    const { engine, now } = this.#ladder;
    this.#asked = engine.request(now, to.flow, line, { confirmable, ...rest });
    this.#ladder.drain();
    return this.#asked;
  }

  /** Sends a ping. */
  pings(to: ScriptedPeer = this.#ladder.peer): ExchangeId {
    this.#ladder.note("application  ping");
    this.#asked = this.#ladder.engine.ping(this.#ladder.now, to.flow);
    this.#ladder.drain();
    return this.#asked;
  }

  /** Gives an exchange up: the last one asked, where no other is named. Answers whether it was there. */
  cancels(id: ExchangeId = this.#asked): boolean {
    this.#ladder.note(`application  cancel ${id}`);
    const known = this.#ladder.engine.cancel(this.#ladder.now, id);
    this.#ladder.drain();
    return known;
  }

  /** The next event is the response of the line, to the last request asked or the one named. */
  gets(text: string, id?: ExchangeId, payload?: Uint8Array): Message {
    const event = this.event("response", id ?? this.#asked);
    const difference = compare(event.message, parseLine(text, payload), this.#ladder.bindings);
    if (difference !== undefined) {
      this.#ladder.fail(
        `Another response came:\n  ${difference.actual}\nexpected:\n  ${difference.expected}`,
      );
    }
    return event.message;
  }

  /** The next event is a state of what the last request observes, or the one named. */
  sees(
    text: string,
    { latest = true, id = this.#asked, payload }: {
      latest?: boolean;
      id?: ExchangeId;
      payload?: Uint8Array;
    } = {},
  ): Message {
    const event = this.event("notification", id);
    const difference = compare(event.message, parseLine(text, payload), this.#ladder.bindings);
    if (difference !== undefined) {
      this.#ladder.fail(
        `Another state came:\n  ${difference.actual}\nexpected:\n  ${difference.expected}`,
      );
    }
    assertEquals(event.latest, latest, "Whether it is the latest state");
    return event.message;
  }

  /** Tells the observers of a resource its state. Answers how many they are. */
  notifies(
    resource: string,
    text: string,
    options: NotifyOptions & { variant?: string; payload?: Uint8Array } = {},
  ): number {
    const { variant, payload, ...rest } = options;
    const line = parseLine(text, payload);
    this.#ladder.note(`application  ${text} to the observers of ${resource}`);
    const { engine, now } = this.#ladder;
    const count = engine.notify(now, resource, variant, line, rest);
    this.#ladder.drain();
    return count;
  }

  /** The next event is the end of an observation by a peer. */
  loses(reason: UnobservedReason, id?: ExchangeId): void {
    assertEquals(this.event("unobserved", id).reason, reason);
  }

  /** The next event is the failure of the last request asked or the one named. */
  fails(reason: FailureReason, id: ExchangeId = this.#asked): void {
    assertEquals(this.event("failed", id).reason, reason);
  }

  /** The next event is the answer to a ping. */
  pongs(id: ExchangeId = this.#asked): void {
    this.event("pong", id);
  }

  /** The next event is a request as the line says. */
  serves(text: string, payload?: Uint8Array): ExchangeId {
    const event = this.event("request");
    const difference = compare(event.message, parseLine(text, payload), this.#ladder.bindings);
    if (difference !== undefined) {
      this.#ladder.fail(
        `Another request came:\n  ${difference.actual}\nexpected:\n  ${difference.expected}`,
      );
    }
    this.request = event;
    return event.id;
  }

  /** Answers the request that was last seen, or the one named. */
  answers(
    text: string,
    options: ResponseOptions & { id?: ExchangeId; payload?: Uint8Array } = {},
  ): void {
    const { id = this.request!.id, payload, ...rest } = options;
    const line = parseLine(text, payload);
    this.#ladder.note(`application  ${text}`);
    this.#ladder.engine.respond(this.#ladder.now, id, line, rest);
    this.#ladder.drain();
  }

  /** The next event is the outcome of the response to the request that was last seen, or the one named. */
  learns(outcome: AnswerOutcome, id: ExchangeId = this.request!.id): void {
    assertEquals(this.event("answered", id).outcome, outcome);
  }

  /** Whether there is an event that was not read. */
  get hasEvent(): boolean {
    return this.#ladder.events.length > 0;
  }

  /** The next event, of the type and of the exchange. */
  event<T extends EngineEvent["type"]>(
    type: T,
    id?: ExchangeId,
  ): Extract<EngineEvent, { type: T }> {
    const event = this.#ladder.events.shift();
    const seen = event === undefined ? "nothing happened" : this.#ladder.showEvent(event);
    if (event?.type !== type || (id !== undefined && "id" in event && event.id !== id)) {
      return this.#ladder.fail(`Expected ${type}${id === undefined ? "" : ` of ${id}`}: ${seen}`);
    }
    return event as Extract<EngineEvent, { type: T }>;
  }
}

/** What stands open until `settle`. */
const ladders: Lockstep[] = [];

/** One engine, its application, its peers and the time. */
export class Lockstep {
  readonly engine: Engine;
  readonly app: ScriptedApplication;
  /** The peer at 192.0.2.1:5683. */
  readonly peer: ScriptedPeer;
  /** Values that the lines name. */
  readonly bindings: Bindings = new Map();
  /** What the engine told and the script did not read. */
  readonly events: EngineEvent[] = [];
  now: number;
  readonly #peers = new Map<string, ScriptedPeer>();
  readonly #trace: string[] = [];

  constructor(options: LockstepOptions = {}) {
    const { seed = 1, start = 0, ...rest } = options;
    const source = new SeededRandom(seed);
    this.now = start;
    this.engine = new Engine({ random: (bytes) => source.fill(bytes), ...rest });
    this.app = new ScriptedApplication(this);
    this.peer = this.peerAt(5683);
  }

  /** Another peer, or another way to a known one (the same `key`). */
  readonly peerAt = (port: number, more: Partial<Flow> = {}): ScriptedPeer => {
    const address = more.address ?? "192.0.2.1";
    const key = more.key ?? `${address}:${port}`;
    const flow = { key, address, port, multicast: false, ...more };
    const known = this.#peers.get(key);
    const peer = new ScriptedPeer(this, flow, known?.unread);
    if (known === undefined) this.#peers.set(key, peer);
    return peer;
  };

  /** Lets time pass; the engine is ticked whenever it wants to be. What came before must have been read. */
  readonly after = (ms: number): void => {
    this.step(`after ${ms} ms`);
    this.#run(this.now + ms);
  };

  /** Lets time pass without the engine noticing, as in a suspended process. */
  readonly suspended = (ms: number): void => {
    this.step(`suspended for ${ms} ms`);
    this.now += ms;
    this.#run(this.now);
  };

  /** Nothing happens, for some time. */
  readonly silence = (ms = 0): void => {
    if (ms > 0) this.after(ms);
    this.assertRead();
  };

  /** Lets EXCHANGE_LIFETIME pass: then nothing is left of anything. */
  readonly settle = (): void => {
    this.assertRead();
    // Observers stay until they or the application end it.
    this.engine.forgetObservers(this.now);
    const { parameters, sizes } = this.engine;
    // A sweep may come a second late.
    this.#run(this.now + parameters.exchangeLifetime + 1000);
    const rest: EngineSizes = { ...sizes };
    for (const name of Object.keys(rest) as (keyof EngineSizes)[]) rest[name] = 0;
    assertEquals(this.engine.sizes, rest, "Something is left alive");
    assertEquals(this.engine.deadline, Infinity, "The engine waits for something");
    for (const peer of this.#peers.values()) peer.takes();
    this.events.length = 0;
  };

  /** Fails, with what happened so far. */
  fail(text: string): never {
    fail(`${text}\n\n${this.#trace.slice(-TRACE).join("\n")}\n`);
  }

  /** Fails where the script has not read everything. */
  assertRead(): void {
    for (const { unread, flow } of this.#peers.values()) {
      if (unread.length === 0) continue;
      this.fail(`Not expected, to ${flow.key}:\n  ${showMessage(unread[0]!.message)}`);
    }
    if (this.events.length > 0) this.fail(`Not expected: ${this.showEvent(this.events[0]!)}`);
  }

  /** An event as text. */
  showEvent(event: EngineEvent): string {
    const { type } = event;
    const id = "id" in event ? ` of ${event.id}` : "";
    const message = "message" in event ? `  ${showMessage(event.message)}` : "";
    const reason = "reason" in event ? ` ${event.reason}` : "";
    return `${type}${id}${reason}${message}`;
  }

  /** A line of the script begins. */
  step(text: string): void {
    this.assertRead();
    this.note(text);
  }

  /** A datagram reaches the engine. */
  deliver(peer: ScriptedPeer, bytes: Uint8Array): void {
    this.assertRead();
    const message = decode(bytes.slice());
    this.note(`${peer.flow.key} ->  ${showMessage(message)}`);
    this.engine.receive(this.now, peer.flow, bytes);
    this.drain();
  }

  /** Takes what the engine has to say. */
  drain(): void {
    for (
      let event = this.engine.pollEvent();
      event !== undefined;
      event = this.engine.pollEvent()
    ) {
      this.note(`event  ${this.showEvent(event)}`);
      this.events.push(event);
    }
    for (let sent = this.engine.pollTransmit(); sent; sent = this.engine.pollTransmit()) {
      const { flow, bytes } = sent;
      const message = decode(bytes.slice(), { extendedTokens: true });
      this.note(`  -> ${flow.key}  ${showMessage(message)}`);
      if (!isLegal(message)) this.fail(`What must not be sent: ${toHex(bytes)}`);
      const peer = this.#peers.get(flow.key) ?? this.fail(`Sent to a stranger: ${flow.key}`);
      peer.unread.push({ at: this.now, flow, bytes: bytes.slice(), message });
    }
  }

  #run(until: number): void {
    let ticks = 0;
    for (let at = this.engine.deadline; at <= until; at = this.engine.deadline) {
      ticks = at > this.now ? 0 : ticks + 1;
      if (ticks > 100) this.fail(`The deadline stays at ${at}`);
      this.now = Math.max(this.now, at);
      this.engine.tick(this.now);
      this.drain();
    }
    this.now = until;
  }

  note(text: string): void {
    if (this.#trace.length >= 2 * TRACE) this.#trace.splice(0, TRACE);
    this.#trace.push(`${(this.now / 1000).toFixed(3).padStart(10)}  ${text}`);
  }
}

/** Whether a message has a code that its type may have (RFC 7252 sections 4.2 and 4.3, table 1). */
function isLegal({ type, code, error }: Message): boolean {
  if (error !== undefined) return false;
  if (code === 0) return type !== MessageType.NonConfirmable;
  if (type === MessageType.Reset) return false;
  return isResponseCode(code) || (isRequestCode(code) && type !== MessageType.Acknowledgement);
}

/** A ladder that `settle` closes. */
export function lockstep(options: LockstepOptions = {}): Lockstep {
  const ladder = new Lockstep(options);
  ladders.push(ladder);
  return ladder;
}

/** Settles every ladder made since the last call; for `afterEach`. */
export function settle(): void {
  for (const ladder of ladders.splice(0)) ladder.settle();
}

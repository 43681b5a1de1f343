/** An engine over a reliable transport under virtual time, and scripted peers at the other ends of its connections. @module */

import { assertEquals, fail } from "@std/assert";
import { Engine, type EngineEvent, type EngineOptions } from "../lib/engine/mod.ts";
import type { Flow } from "../lib/flow.ts";
import { Code, codeText, parseCode } from "../lib/wire/code.ts";
import { decodeFrame, encodeFrame } from "../lib/wire/frame.ts";
import type { Message } from "../lib/wire/message.ts";
import { encodeUint, type Option } from "../lib/wire/option.ts";
import { fromHex, toHex } from "./message_text.ts";
import { SeededRandom } from "./seeded_random.ts";

const UTF8 = new TextEncoder();
const WITHOUT_LENGTH = { length: false, extendedTokens: true, checkOptions: false };

/** What a message of a peer says; numbers of options are unsigned integers, texts UTF-8. */
export interface Words {
  token?: string;
  options?: [number, (string | number | Uint8Array)?][];
  payload?: string | Uint8Array;
}

function valueOf(value: string | number | Uint8Array = ""): Uint8Array {
  if (typeof value === "number") return encodeUint(value);
  return typeof value === "string" ? UTF8.encode(value) : value;
}

/** A message as a line: code, token, options as numbers with their values in hexadecimal, length of the payload. */
export function lineOf({ code, token, options, payload }: Message): string {
  const parts = [codeText(code)];
  if (token.length > 0) parts.push(`token ${toHex(token)}`);
  for (const { number, value } of options) parts.push(`${number}:${toHex(value)}`);
  if (payload.length > 0) parts.push(`+${payload.length}`);
  return parts.join(" ");
}

/** The other end of a connection. */
export class ConnectedPeer {
  readonly flow: Flow;
  /** What came from the engine and was not read. */
  readonly unread: Message[] = [];
  /** What came and was not told to the engine as taken, bytes. */
  untaken = 0;
  readonly #bench: ConnectedBench;

  constructor(bench: ConnectedBench, number: number) {
    this.#bench = bench;
    const address = `192.0.2.${number}`;
    this.flow = { key: `${address}:5683`, address, port: 5683, multicast: false };
  }

  /** Sends a message. */
  sends(code: string, { token = "", options = [], payload }: Words = {}): void {
    const init = {
      code: parseCode(code),
      token: fromHex(token),
      options: options.map(([number, value]): Option => ({ number, value: valueOf(value) })),
      payload: payload === undefined ? undefined : valueOf(payload),
    };
    this.sendsBytes(encodeFrame(init, WITHOUT_LENGTH));
  }

  /** Sends bytes as one message without length. */
  sendsBytes(bytes: Uint8Array): void {
    this.#bench.engine.receive(this.#bench.now, this.flow, bytes);
    this.#bench.drain();
  }

  /** Sends a CSM, and reads that of the engine. */
  greets(options: Words["options"] = []): this {
    this.sends("7.01", { options });
    this.receives("7.01 2:800400 4:");
    assertEquals(this.#bench.nextEvent().type, "ready");
    return this;
  }

  /** The next message of the engine is that of the line. */
  receives(line: string): Message {
    const message = this.unread.shift();
    if (message === undefined) return fail(`Nothing came, expected: ${line}`);
    assertEquals(lineOf(message), line);
    return message;
  }

  /** The next message, whatever it is. */
  reads(): Message {
    return this.unread.shift() ?? fail("Nothing came");
  }

  receivesNothing(): void {
    assertEquals(this.unread.map(lineOf), []);
  }

  /** An Abort with that text came, and the engine gave the connection up. */
  isAborted(text: string, badOption?: number): void {
    const { code, payload, options } = this.reads();
    assertEquals([codeText(code), new TextDecoder().decode(payload)], ["7.05", text]);
    assertEquals(
      options.map(({ number, value }) => `${number}:${toHex(value)}`),
      badOption === undefined ? [] : [`2:${toHex(encodeUint(badOption))}`],
    );
    this.isClosed(true);
  }

  /** The engine has the connection closed. */
  isClosed(abort: boolean): void {
    const event = this.#bench.nextEvent();
    if (event.type !== "disconnect") return fail(`Event "${event.type}" instead of disconnect`);
    assertEquals([event.flow.key, event.abort], [this.flow.key, abort]);
  }
}

/** The engine with its connections. */
export class ConnectedBench {
  readonly engine: Engine;
  now = 1000;
  readonly events: EngineEvent[] = [];
  readonly #peers = new Map<string, ConnectedPeer>();

  constructor(options: Partial<EngineOptions> = {}, seed = 1) {
    const { fill } = new SeededRandom(seed);
    this.engine = new Engine({ random: fill, reliable: true, serve: true, ...options });
  }

  /** A connection is there. */
  connect(): ConnectedPeer {
    const peer = new ConnectedPeer(this, this.#peers.size + 1);
    this.#peers.set(peer.flow.key, peer);
    this.engine.connected(this.now, peer.flow);
    this.drain();
    return peer;
  }

  /** A connection whose peer has sent its CSM. */
  greet(options: Words["options"] = []): ConnectedPeer {
    return this.connect().greets(options);
  }

  /** Takes what the engine has to tell and to send. */
  drain(): void {
    const { engine } = this;
    for (let event = engine.pollEvent(); event !== undefined; event = engine.pollEvent()) {
      this.events.push(event);
    }
    for (let sent = engine.pollTransmit(); sent !== undefined; sent = engine.pollTransmit()) {
      const peer = this.#peers.get(sent.flow.key)!;
      peer.untaken += sent.bytes.length;
      peer.unread.push(decodeFrame(sent.bytes.slice(), WITHOUT_LENGTH));
    }
  }

  /** Does something with the engine, and what comes of it. */
  does<T>(action: (engine: Engine, now: number) => T): T {
    const result = action(this.engine, this.now);
    this.drain();
    return result;
  }

  /** The peer takes all that was sent to it. */
  takes(peer: ConnectedPeer): void {
    peer.untaken = 0;
    this.does((engine, now) => engine.writable(now, peer.flow));
  }

  /** Time passes. */
  after(ms: number): void {
    const end = this.now + ms;
    for (let steps = 0; this.engine.deadline <= end; steps++) {
      if (steps > 10_000) fail("It does not end");
      this.now = Math.max(this.now, this.engine.deadline);
      this.does((engine, now) => engine.tick(now));
    }
    this.now = end;
  }

  nextEvent(): EngineEvent {
    return this.events.shift() ?? fail("No event");
  }

  /** The next event is a request: its number. */
  asked(path?: string): number {
    const event = this.nextEvent();
    if (event.type !== "request") return fail(`Event "${event.type}" instead of request`);
    if (path !== undefined) {
      const segments = event.message.options.filter(({ number }) => number === 11);
      assertEquals(segments.map(({ value }) => new TextDecoder().decode(value)).join("/"), path);
    }
    return event.id;
  }

  /** Answers a request. */
  answers(id: number, payload: string | Uint8Array = "", code: number = Code.Content): void {
    this.does((engine, now) => engine.respond(now, id, { code, payload: valueOf(payload) }));
  }

  noEvents(): void {
    assertEquals(this.events.map(({ type }) => type), []);
  }

  /** Nothing is left. */
  isAtRest(): void {
    this.noEvents();
    for (const [name, size] of Object.entries(this.engine.sizes)) assertEquals(size, 0, name);
    assertEquals(this.engine.deadline, Infinity);
  }
}

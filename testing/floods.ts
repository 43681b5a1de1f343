/** Floods that a server has to bear: what comes, what is kept of it, and that it goes on answering. @module */

import { assert, assertEquals } from "@std/assert";
import { Engine, type EngineOptions } from "../lib/engine/mod.ts";
import type { Flow } from "../lib/flow.ts";
import { Code } from "../lib/wire/code.ts";
import { decode, encode, MessageType } from "../lib/wire/message.ts";
import { encodeUint, makeOption, OptionNumber } from "../lib/wire/option.ts";
import { SeededRandom } from "./seeded_random.ts";

/** A source of datagrams: the `n`-th of so many. */
export function flowOf(n: number): Flow {
  const address = `198.51.${100 + (n >> 16)}.${n >> 8 & 0xff}`;
  const port = 1024 + (n & 0xff);
  return { key: `${address}:${port}`, address, port, multicast: false };
}

/** What became of the datagrams of a flood. */
export class Flooded {
  readonly engine: Engine;
  /** Answers by code, `0.00` for empty messages. */
  readonly replies: Map<number, number> = new Map();
  now = 1000;
  /** Whether requests are answered at once. */
  answers = true;
  readonly #open: number[] = [];

  constructor(options: Partial<EngineOptions> = {}) {
    this.engine = new Engine({ random: new SeededRandom(1).fill, serve: true, ...options });
  }

  /** A datagram comes. */
  send(flow: Flow, bytes: Uint8Array): void {
    this.engine.receive(this.now, flow, bytes);
    for (let event = this.engine.pollEvent(); event; event = this.engine.pollEvent()) {
      if (event.type !== "request") continue;
      if (!this.answers) this.#open.push(event.id);
      else this.engine.respond(this.now, event.id, { code: Code.Content }, { observe: "/r" });
    }
    for (let sent = this.engine.pollTransmit(); sent; sent = this.engine.pollTransmit()) {
      const code = sent.bytes[1]!;
      this.replies.set(code, (this.replies.get(code) ?? 0) + 1);
    }
  }

  /** Somebody who behaves asks, and is answered. */
  assertAnswers(): void {
    const { engine, now } = this;
    const flow: Flow = { key: "good", address: "192.0.2.1", port: 5683, multicast: false };
    const id = engine.stats.receivedConfirmable & 0xffff;
    const options = [makeOption(OptionNumber.UriPath, "alive")];
    engine.receive(now, flow, encode({ code: Code.GET, id, token: Uint8Array.of(7), options }));
    const event = engine.pollEvent();
    assert(event?.type === "request", "The request is handed on");
    engine.respond(now, event.id, { code: Code.Content, payload: Uint8Array.of(42) });
    const reply = decode(engine.pollTransmit()!.bytes);
    assertEquals([reply.type, reply.id, reply.code, reply.payload[0]], [
      MessageType.Acknowledgement,
      id,
      Code.Content,
      42,
    ]);
    assertEquals(engine.pollTransmit(), undefined);
  }

  /** Lets everything expire: then nothing is left. */
  assertEnds(): void {
    const { engine } = this;
    engine.forgetObservers(this.now);
    for (const id of this.#open) engine.cancel(this.now, id);
    while (engine.pollEvent() !== undefined);
    for (let at = engine.deadline; at !== Infinity; at = engine.deadline) {
      engine.tick(this.now = Math.max(this.now, at));
      while (engine.pollEvent() !== undefined);
      while (engine.pollTransmit() !== undefined);
    }
    for (const [name, size] of Object.entries(engine.sizes)) assertEquals([name, size], [name, 0]);
  }

  /** Bytes that what is kept takes by the documentation of `Limits`, whose messages have so many bytes. */
  documentedBytes(messageBytes: number): number {
    const { sizes, limits } = this.engine;
    const observing = Math.min(sizes.observers * messageBytes, limits.transferBytes);
    return observing + sizes.observers * 600 + sizes.peers * 600 + sizes.duplicates * 150 +
      sizes.replyBytes +
      sizes.handling * (500 + messageBytes) +
      sizes.transfers * (500 + messageBytes) + sizes.transferBytes;
  }
}

/** A flood. */
export interface Flood {
  readonly name: string;
  /** Bytes that a message takes in memory, about: its datagram and what it was decoded to. */
  readonly messageBytes: number;
  /** Sends everything; calls `meanwhile` a few times in between. */
  run(flooded: Flooded, meanwhile: () => void): void;
  /** What must be true in the end. */
  check(flooded: Flooded): void;
}

const PATH = makeOption(OptionNumber.UriPath, "r");

/** How often it is tried whether somebody else is answered. */
const TRIES = 20;

function times(count: number, meanwhile: () => void, send: (n: number) => void): void {
  const every = Math.ceil(count / TRIES);
  for (let n = 0; n < count; n++) {
    send(n);
    if (n % every === every - 1) meanwhile();
  }
}

/** Counters other than 0, those of messages and bytes apart. */
function refused({ engine }: Flooded): Record<string, number> {
  const entries = Object.entries(engine.stats).filter(([name, count]) =>
    /^(?:rejected|evicted)/.test(name) && count > 0
  );
  return Object.fromEntries(entries);
}

/** A request with a path, as a peer sends it. */
function get(id: number, more: Parameters<typeof encode>[0]["options"] = []): Uint8Array {
  return encode({ code: Code.GET, id, token: Uint8Array.of(1, 2), options: [...more, PATH] });
}

/** A request in blocks. */
function block(id: number, number: number, body: Uint8Array): Uint8Array {
  const block1 = { number: OptionNumber.Block1, value: encodeUint(number * 16 + 8 + 6) };
  return encode({ code: Code.PUT, id: id & 0xffff, options: [PATH, block1], payload: body });
}

/** Datagrams that are malformed, each in its way. */
function malformed(random: SeededRandom): Uint8Array {
  const bytes = new Uint8Array(4 + random.integer(0, 60));
  random.fill(bytes);
  const type = random.integer(0, 3) << 4;
  switch (random.integer(0, 4)) {
    case 0: // too short
      return bytes.subarray(0, random.integer(0, 3));
    case 1: // another version
      bytes[0] = random.integer(2, 3) << 6 | bytes[0]! & 0x3f;
      return bytes;
    case 2: // a token of more than 8 bytes
      bytes[0] = 0x40 | type | random.integer(9, 15);
      return bytes;
    case 3: // a token that is not there
      bytes[0] = 0x48 | type;
      return bytes.subarray(0, random.integer(4, 11));
    default: // a marker and no payload
      return Uint8Array.of(0x40 | type, 1, bytes[2]!, bytes[3]!, 0xff);
  }
}

const SOURCES = 100_000;

export const FLOODS: readonly Flood[] = [
  {
    name: "100,000 sources that look forged, each with one request",
    messageBytes: 0,
    run: (flooded, meanwhile) =>
      times(SOURCES, meanwhile, (n) => flooded.send(flowOf(n), get(n & 0xffff))),
    check: (flooded) => {
      const { engine, replies } = flooded;
      const { peers, duplicates } = engine.limits;
      assertEquals([engine.sizes.peers, engine.sizes.duplicates], [peers, duplicates]);
      assertEquals(replies.get(Code.Content), SOURCES);
      // The one that behaves is known as well; who goes takes along what was remembered of it.
      assertEquals(refused(flooded).evictedPeers, SOURCES + 1 - peers);
    },
  },
  {
    name: "one peer with all 65,536 message IDs, never answered",
    messageBytes: 600,
    run: (flooded, meanwhile) => {
      flooded.answers = false;
      times(0x10000, meanwhile, (n) => flooded.send(flowOf(1), get(n)));
    },
    check: (flooded) => {
      const { engine, replies } = flooded;
      const { handlingPerPeer, duplicatesPerPeer } = engine.limits;
      assertEquals(engine.sizes.handling, handlingPerPeer);
      assertEquals(replies.get(Code.TooManyRequests), 0x10000 - handlingPerPeer);
      const { rejectedLimit, evictedDuplicates } = refused(flooded);
      assertEquals(rejectedLimit, 0x10000 - handlingPerPeer);
      assertEquals(evictedDuplicates, 0x10000 - handlingPerPeer - duplicatesPerPeer);
    },
  },
  {
    name: "100,000 malformed datagrams",
    messageBytes: 0,
    run: (flooded, meanwhile) => {
      const random = new SeededRandom(5);
      times(SOURCES, meanwhile, (n) => flooded.send(flowOf(n & 0x3ff), malformed(random)));
    },
    check: (flooded) => {
      const { engine, replies } = flooded;
      assertEquals(refused(flooded), { rejectedMalformed: SOURCES });
      // Only the one that behaves is known.
      assertEquals([engine.sizes.peers, engine.sizes.duplicates], [1, TRIES]);
      // Resets alone, and only to what may have been Confirmable.
      assertEquals([...replies.keys()], [0]);
      assert(replies.get(0)! < SOURCES / 4);
    },
  },
  {
    name: "200 requests with 60,000 empty options each, never answered",
    messageBytes: 0,
    run: (flooded, meanwhile) => {
      flooded.answers = false;
      const bytes = new Uint8Array(60_005);
      bytes.set([0x40, 1, 0, 0, 0xb0]); // Uri-Path, again and again
      times(200, meanwhile, (n) => {
        bytes[2] = n >> 8;
        bytes[3] = n & 0xff;
        flooded.send(flowOf(n), bytes.slice());
      });
    },
    check: (flooded) => {
      assertEquals(flooded.engine.sizes.handling, 0);
      assertEquals(refused(flooded), { rejectedLimit: 200 });
      assertEquals(flooded.replies.get(Code.BadRequest), 200);
    },
  },
  {
    name: "Block1 without a last block, 20,000 blocks from one peer",
    messageBytes: 3000,
    run: (flooded, meanwhile) => {
      const body = new Uint8Array(1024);
      let number = 0;
      times(20_000, meanwhile, (n) => {
        const before = flooded.replies.get(Code.RequestEntityTooLarge) ?? 0;
        flooded.send(flowOf(1), block(n, number++, body));
        if ((flooded.replies.get(Code.RequestEntityTooLarge) ?? 0) > before) number = 0;
      });
    },
    check: ({ engine, replies }) => {
      // 8 MiB are taken, then it begins anew.
      assertEquals(replies.get(Code.RequestEntityTooLarge), 2);
      assertEquals(replies.get(Code.Continue), 20_000 - 2);
      assertEquals(engine.sizes.transfers, 1);
      assert(engine.sizes.transferBytes <= engine.limits.transferBytesPerPeer);
    },
  },
  {
    name: "Block1 without a last block, 80 blocks each from 1,000 peers",
    messageBytes: 3000,
    run: (flooded, meanwhile) => {
      const body = new Uint8Array(1024);
      times(80_000, meanwhile, (n) => {
        flooded.send(flowOf(n % 1000), block(n, Math.floor(n / 1000), body));
      });
    },
    check: (flooded) => {
      const { sizes, limits } = flooded.engine;
      assert(sizes.transfers <= limits.transfers && sizes.transferBytes <= limits.transferBytes);
      assert(sizes.transferBytes > limits.transferBytes / 2);
      assert(refused(flooded).rejectedLimit! > 400);
      assert(flooded.replies.get(Code.ServiceUnavailable)! > 400);
    },
  },
  {
    name: "50,000 registrations, 1,000 each from 50 peers",
    messageBytes: 600,
    run: (flooded, meanwhile) =>
      times(50_000, meanwhile, (n) => {
        const observe = { number: OptionNumber.Observe, value: new Uint8Array(0) };
        const bytes = get(n & 0xffff, [observe]);
        bytes[4] = n >> 8 & 0xff; // another token
        bytes[5] = n & 0xff;
        flooded.send(flowOf(n % 50), bytes);
      }),
    check: (flooded) => {
      assertEquals(flooded.engine.sizes.observers, 50_000);
      assertEquals(refused(flooded).rejectedLimit, undefined);
    },
  },
  {
    name: "20,000 registrations of one peer and 20,000 of others, each of 1,000 bytes",
    messageBytes: 4000,
    run: (flooded, meanwhile) =>
      times(40_000, meanwhile, (n) => {
        const observe = { number: OptionNumber.Observe, value: new Uint8Array(0) };
        const query = { number: OptionNumber.UriQuery, value: new Uint8Array(250) };
        const bytes = get(n & 0xffff, [observe, query, query, query, query]);
        bytes[4] = n >> 8 & 0xff;
        bytes[5] = n & 0xff;
        flooded.send(flowOf(n % 2 === 0 ? 0 : n), bytes);
      }),
    check: (flooded) => {
      const { sizes, limits } = flooded.engine;
      assert(sizes.observers > limits.observersPerPeer && sizes.observers <= limits.observers);
      assert(sizes.observers * 1000 < limits.transferBytes);
      assertEquals(refused(flooded).rejectedLimit, 40_000 - sizes.observers);
      // Each is answered all the same.
      assertEquals(flooded.replies.get(Code.Content), 40_000);
    },
  },
  {
    name: "100,000 responses, acknowledgements and Resets that nobody asked for",
    messageBytes: 0,
    run: (flooded, meanwhile) =>
      times(SOURCES, meanwhile, (n) => {
        const type = n % 4 as MessageType;
        const empty = n % 8 < 4 && type !== MessageType.NonConfirmable;
        const code = type === MessageType.Reset || (empty && type !== 0) ? 0 : Code.Content;
        const token = code === 0 ? undefined : Uint8Array.of(n & 0xff);
        flooded.send(flowOf(n), encode({ type, code, id: n & 0xffff, token }));
      }),
    check: (flooded) => {
      const { engine, replies } = flooded;
      assertEquals([engine.sizes.peers, engine.sizes.duplicates], [1, TRIES]);
      assertEquals(refused(flooded), { rejectedUnexpected: SOURCES });
      // What is Confirmable is rejected, the rest is not worth a word.
      assertEquals([...replies], [[0, SOURCES / 4]]);
    },
  },
];

import { assert, assertEquals, assertLessOrEqual } from "@std/assert";
import fc from "fast-check";
import { afterEach, describe, it } from "node:test";
import { makeBody } from "../../testing/bodies.ts";
import { type Lockstep, lockstep, settle } from "../../testing/lockstep.ts";
import { SeededRandom } from "../../testing/seeded_random.ts";
import type { Flow } from "../flow.ts";
import { Code } from "../wire/code.ts";
import { decode, encode, type Message, MessageType } from "../wire/message.ts";
import { encodeUint, makeOption, type Option, OptionNumber, uintOption } from "../wire/option.ts";
import type { EngineEvent } from "./types.ts";

/** A client at some port, without a line of the script for each datagram. */
class Sender {
  readonly flow: Flow;
  readonly #ladder: Lockstep;
  #id = 0;

  constructor(ladder: Lockstep, port: number, address = "198.51.100.1") {
    this.#ladder = ladder;
    this.flow = { key: `${address}:${port}`, address, port, multicast: false };
  }

  /** Sends a Confirmable request; answers what the engine says to that. */
  sends(
    code: number,
    options: Option[],
    payload?: Uint8Array,
    token = new Uint8Array(0),
  ): { events: EngineEvent[]; replies: Message[] } {
    const { engine, now } = this.#ladder;
    const bytes = encode({ code, id: this.#id++ & 0xffff, token, options, payload });
    engine.receive(now, this.flow, bytes);
    const events: EngineEvent[] = [];
    for (let event = engine.pollEvent(); event; event = engine.pollEvent()) {
      events.push(event);
      if (event.type === "request") {
        engine.respond(now, event.id, { code: Code.Changed }, { observe: "r" });
      }
    }
    const replies: Message[] = [];
    for (let sent = engine.pollTransmit(); sent; sent = engine.pollTransmit()) {
      replies.push(decode(sent.bytes.slice()));
    }
    return { events, replies };
  }
}

function block1(number: number, more: boolean, szx: number): Option {
  return {
    number: OptionNumber.Block1,
    value: encodeUint(number * 16 + (more ? 8 : 0) + szx),
  };
}

const PATH = makeOption(OptionNumber.UriPath, "r");

/** The engine still serves somebody else. */
function answers({ app, peer }: Lockstep): void {
  peer.sends("CON GET 0x7777 token 77 /alive");
  app.serves("GET /alive");
  app.answers('2.05 "yes"');
  peer.receives('ACK 2.05 0x7777 token 77 "yes"');
}

describe("transfers that are abandoned or hostile", () => {
  afterEach(settle);

  it("10,000 first blocks from 10,000 ports: as many as the limit, 5.03 to the rest (7959-7-1)", () => {
    const ladder = lockstep({ serve: true });
    const { engine } = ladder;
    const body = makeBody(1024);
    let [taken, refused] = [0, 0];
    for (let port = 1; port <= 10_000; port++) {
      const { replies } = new Sender(ladder, port).sends(
        Code.PUT,
        [PATH, block1(0, true, 6)],
        body,
      );
      if (replies[0]!.code === Code.Continue) taken++;
      else if (replies[0]!.code === Code.ServiceUnavailable) refused++;
    }
    assertEquals([taken, refused], [1024, 8976]);
    const { transfers, transferBytes } = engine.sizes;
    assertEquals(transfers, 1024);
    assertLessOrEqual(transferBytes, 1024 * 2048);
    answers(ladder);
    // Once they are given up there is room again.
    ladder.after(248_000);
    assertEquals([engine.sizes.transfers, engine.sizes.transferBytes], [0, 0]);
    const { replies } = new Sender(ladder, 1).sends(Code.PUT, [PATH, block1(0, true, 6)], body);
    assertEquals(replies[0]!.code, Code.Continue);
  });

  it("10,000 first blocks from one port: as many as its limit, 4.29 to the rest, others go on", () => {
    const ladder = lockstep({ serve: true });
    const { engine } = ladder;
    const body = makeBody(1024);
    const sender = new Sender(ladder, 1);
    const counts = new Map<number, number>();
    for (let n = 0; n < 10_000; n++) {
      const path = makeOption(OptionNumber.UriPath, `${n}`);
      const { replies } = sender.sends(Code.PUT, [path, block1(0, true, 6)], body);
      const { code, options } = replies[0]!;
      counts.set(code, (counts.get(code) ?? 0) + 1);
      if (code !== Code.Continue) assertEquals(uintOption(options, OptionNumber.MaxAge), 30);
    }
    assertEquals([...counts], [[Code.Continue, 128], [Code.TooManyRequests, 9872]]);
    assertEquals([engine.sizes.transfers, engine.stats.rejectedLimit], [128, 9872]);
    const other = new Sender(ladder, 2).sends(Code.PUT, [PATH, block1(0, true, 6)], body);
    assertEquals(other.replies[0]!.code, Code.Continue);
    answers(ladder);
  });

  it("large bodies from one port: as many bytes as its limit, others go on", () => {
    const limits = { transferBytes: 300_000, transferBytesPerPeer: 100_000 };
    const ladder = lockstep({ serve: true, limits });
    const { engine } = ladder;
    const body = makeBody(1024);
    const sender = new Sender(ladder, 1);
    const codes = new Set<number>();
    for (let number = 0; number < 100; number++) {
      for (let n = 0; n < 10; n++) {
        const path = makeOption(OptionNumber.UriPath, `${n}`);
        const { replies } = sender.sends(Code.PUT, [path, block1(number, true, 6)], body);
        codes.add(replies[0]!.code);
        assertLessOrEqual(engine.sizes.transferBytes, limits.transferBytesPerPeer);
      }
    }
    // Those that grew too large are dropped: their next block belongs to nothing.
    assertEquals(
      codes,
      new Set([Code.Continue, Code.TooManyRequests, Code.RequestEntityIncomplete]),
    );
    const other = new Sender(ladder, 2).sends(Code.PUT, [PATH, block1(0, true, 6)], body);
    assertEquals(other.replies[0]!.code, Code.Continue);
    answers(ladder);
  });

  it("large responses to one port do not cost another its own", () => {
    const ladder = lockstep({ serve: true });
    const { engine, now } = ladder;
    const body = makeBody(3000);
    const get = (flow: Flow, id: number, path: string, block: number): Message => {
      const options = [makeOption(OptionNumber.UriPath, path), {
        number: OptionNumber.Block2,
        value: encodeUint(block * 16 + 6),
      }];
      engine.receive(now, flow, encode({ code: Code.FETCH, id, options }));
      const event = engine.pollEvent();
      if (event?.type === "request") {
        engine.respond(now, event.id, { code: Code.Content, payload: body });
      }
      const reply = decode(engine.pollTransmit()!.bytes.slice());
      assertEquals(engine.pollTransmit(), undefined);
      return reply;
    };
    const { flow: one } = new Sender(ladder, 1);
    const { flow: other } = new Sender(ladder, 2);
    get(other, 1, "r", 0);
    for (let n = 0; n < 5000; n++) get(one, n, `${n}`, 0);
    assertEquals(engine.sizes.transfers, 128 + 1);
    assertEquals(get(other, 2, "r", 1).payload, body.subarray(1024, 2048));
    assertEquals(get(one, 5001, "4999", 1).payload, body.subarray(1024, 2048));
    assertEquals(get(one, 5002, "0", 1).code, Code.RequestEntityIncomplete);
  });

  it("ever larger bodies from many ports stay within the limit of bytes", () => {
    const ladder = lockstep({ serve: true, limits: { transferBytes: 1_000_000 } });
    const { engine } = ladder;
    const body = makeBody(1024);
    const senders = Array.from({ length: 50 }, (_, i) => new Sender(ladder, i + 1));
    let refused = 0;
    for (let number = 0; number < 200; number++) {
      for (const sender of senders) {
        const { replies } = sender.sends(Code.PUT, [PATH, block1(number, true, 6)], body);
        if (replies[0]!.code === Code.ServiceUnavailable) refused++;
        assertLessOrEqual(engine.sizes.transferBytes, 1_000_000);
      }
    }
    assert(refused > 0);
    answers(ladder);
  });

  it("a body declared of 4 GiB: refused at the first block, with what would be taken", () => {
    const ladder = lockstep({ serve: true });
    const size1 = { number: OptionNumber.Size1, value: encodeUint(0xffffffff) };
    const sender = new Sender(ladder, 1);
    for (let i = 0; i < 100; i++) {
      const { replies } = sender.sends(
        Code.PUT,
        [PATH, block1(0, true, 6), size1],
        new Uint8Array(1024),
      );
      assertEquals(replies[0]!.code, Code.RequestEntityTooLarge);
      assertEquals(uintOption(replies[0]!.options, OptionNumber.Size1), 8 * 1024 * 1024);
    }
    assertEquals(ladder.engine.sizes.transferBytes, 0);
    answers(ladder);
  });

  it("a request of many blocks to as many resources as it has: one transfer each, within limits", () => {
    const ladder = lockstep({ serve: true, limits: { transfers: 20 } });
    const sender = new Sender(ladder, 1);
    for (let i = 0; i < 1000; i++) {
      const path = makeOption(OptionNumber.UriPath, `${i}`);
      sender.sends(Code.PUT, [path, block1(0, true, 0)], new Uint8Array(16));
    }
    assertEquals(ladder.engine.sizes.transfers, 20);
    answers(ladder);
  });

  it("blocks out of order for ever: each is answered, nothing grows", () => {
    const ladder = lockstep({ serve: true });
    const { engine } = ladder;
    const random = new SeededRandom(3);
    const sender = new Sender(ladder, 1);
    const counts = new Map<number, number>();
    let most = 0;
    for (let i = 0; i < 30_000; i++) {
      const szx = random.integer(0, 2);
      const number = random.integer(0, random.float() < 0.5 ? 4 : 0xfffff);
      const more = random.float() < 0.8;
      const payload = new Uint8Array(more ? 16 << szx : random.integer(0, 100));
      const { replies } = sender.sends(Code.PUT, [PATH, block1(number, more, szx)], payload);
      assertEquals(replies.length, 1);
      const [{ code }] = replies as [Message];
      counts.set(code, (counts.get(code) ?? 0) + 1);
      most = Math.max(most, engine.sizes.transferBytes);
      assertLessOrEqual(engine.sizes.transfers, 1);
      if (i % 1000 === 0) ladder.after(10_000);
    }
    assertLessOrEqual(most, 2048);
    for (const code of [Code.Continue, Code.Changed, Code.RequestEntityIncomplete]) {
      assert(counts.get(code)! > 100, `${code}`);
    }
    answers(ladder);
  });

  it("10,000 observers from one address and port: as many as the limit (7641-4.5)", () => {
    const ladder = lockstep({ serve: true });
    const { engine } = ladder;
    const sender = new Sender(ladder, 1);
    const observe = { number: OptionNumber.Observe, value: new Uint8Array(0) };
    for (let i = 0; i < 10_000; i++) {
      const token = Uint8Array.of(i >> 8, i & 255);
      sender.sends(Code.GET, [observe, PATH], undefined, token);
      if (i % 20 === 0) ladder.after(1);
    }
    assertEquals(engine.sizes.observers, 1024);
    // All of them are told, one after the other, while others are served.
    engine.notify(ladder.now, "r", undefined, { code: Code.Content });
    let told = 0;
    for (let sent = engine.pollTransmit(); sent !== undefined;) {
      const { type, id } = decode(sent.bytes.slice());
      assertEquals(type, MessageType.Confirmable);
      told++;
      assertEquals(engine.pollTransmit(), undefined);
      engine.receive(ladder.now, sender.flow, Uint8Array.of(0x60, 0, id >> 8, id & 255));
      while (engine.deadline <= ladder.now + 20) engine.tick(ladder.now += 10);
      sent = engine.pollTransmit();
    }
    assertEquals(told, 1024);
    answers(ladder);
  });

  it("10,000 observers from 10,000 ports that never answer: gone after one notification", () => {
    const ladder = lockstep({ serve: true });
    const { engine } = ladder;
    const observe = { number: OptionNumber.Observe, value: new Uint8Array(0) };
    for (let port = 1; port <= 10_000; port++) {
      new Sender(ladder, port).sends(Code.GET, [observe, PATH]);
    }
    assertEquals(engine.sizes.observers, 10_000);
    assertEquals(engine.notify(ladder.now, "r", undefined, { code: Code.Content }), 10_000);
    const end = ladder.now + 95_000;
    let unobserved = 0;
    while (engine.deadline <= end) {
      engine.tick(ladder.now = Math.max(ladder.now, engine.deadline));
      for (let event = engine.pollEvent(); event; event = engine.pollEvent()) {
        if (event.type === "unobserved" && event.reason === "timeout") unobserved++;
      }
      while (engine.pollTransmit() !== undefined);
    }
    assertEquals([unobserved, engine.sizes.observers], [10_000, 0]);
    answers(ladder);
  });
});

describe("Block options of any value", () => {
  afterEach(settle);

  const value = fc.oneof(
    fc.uint8Array({ maxLength: 4 }),
    fc.tuple(fc.nat(6), fc.boolean(), fc.nat(7)).map(([number, more, szx]) =>
      encodeUint(number * 16 + (more ? 8 : 0) + szx)
    ),
    fc.tuple(fc.boolean(), fc.nat(7)).map(([more, szx]) =>
      encodeUint(0xfffff * 16 + (more ? 8 : 0) + szx)
    ),
  );
  const option = fc.record({
    number: fc.constantFrom(
      OptionNumber.Block1,
      OptionNumber.Block2,
      OptionNumber.Size1,
      OptionNumber.Size2,
      OptionNumber.ETag,
      OptionNumber.Observe,
      OptionNumber.RequestTag,
      OptionNumber.IfNoneMatch,
      OptionNumber.ContentFormat,
      OptionNumber.Echo,
    ),
    value,
  });
  const length = fc.oneof(fc.constantFrom(0, 16, 32, 64, 128), fc.nat(200));
  const settings = { checkOptions: false };

  it("in requests: each is answered once, and nothing is left", () => {
    const request = fc.record({
      code: fc.constantFrom(Code.GET, Code.PUT, Code.POST, Code.FETCH),
      options: fc.array(option, { maxLength: 4 }),
      length,
      answer: fc.nat(600),
    });
    fc.assert(
      fc.property(fc.array(request, { minLength: 1, maxLength: 30 }), (requests) => {
        const limits = { bodyBytes: 500, transfers: 3, transferBytes: 2000, observers: 3 };
        const ladder = lockstep({ serve: true, blockSize: 64, limits });
        const { engine, peer } = ladder;
        for (const [id, { code, options, length, answer }] of requests.entries()) {
          const payload = makeBody(length);
          const token = Uint8Array.of(id % 3);
          const message = { code, id, token, options: [PATH, ...options], payload };
          engine.receive(ladder.now, peer.flow, encode(message, settings));
          for (let event = engine.pollEvent(); event; event = engine.pollEvent()) {
            if (event.type !== "request") continue;
            const { payload, options } = event.message;
            assertLessOrEqual(payload.length, 500);
            assert(options.every(({ number }) => number !== OptionNumber.Block1));
            const outline = { code: Code.Content, payload: makeBody(answer) };
            engine.respond(ladder.now, event.id, outline, { observe: "r" });
          }
          const replies: Message[] = [];
          for (let sent = engine.pollTransmit(); sent; sent = engine.pollTransmit()) {
            const reply = decode(sent.bytes.slice());
            assertLessOrEqual(reply.payload.length, 100);
            if (reply.type === MessageType.Acknowledgement) replies.push(reply);
          }
          assertEquals(replies.map((reply) => reply.id), [id]);
          const { transfers, transferBytes, observers } = engine.sizes;
          assertLessOrEqual(transfers, 6);
          assertLessOrEqual(transferBytes, 4000);
          assertLessOrEqual(observers, 3);
        }
        settle();
      }),
      { numRuns: 3000 },
    );
  });

  it("in responses: each request ends once, at most so many are made, and nothing is left", () => {
    const response = fc.record({
      code: fc.constantFrom(
        Code.Content,
        Code.Changed,
        Code.Continue,
        Code.Valid,
        Code.RequestEntityTooLarge,
        Code.RequestEntityIncomplete,
        Code.Unauthorized,
        Code.NotFound,
      ),
      options: fc.array(option, { maxLength: 4 }),
      length,
    });
    const start = fc.record({
      code: fc.constantFrom(Code.GET, Code.PUT, Code.FETCH),
      length: fc.nat(400),
      observe: fc.boolean(),
      download: fc.boolean(),
      progress: fc.boolean(),
    });
    fc.assert(
      fc.property(start, fc.array(response, { maxLength: 20 }), (start, responses) => {
        const ladder = lockstep({ blockSize: 64, limits: { bodyBytes: 500 } });
        const { engine, peer } = ladder;
        const observe = start.observe && start.code !== Code.PUT;
        const outline = { code: start.code, options: [PATH], payload: makeBody(start.length) };
        const { download, progress } = start;
        const options = { observe, download, progress };
        const id = engine.request(ladder.now, peer.flow, outline, options);
        let ends = 0;
        const last: Message[] = [];
        const drain = (): void => {
          for (let event = engine.pollEvent(); event; event = engine.pollEvent()) {
            if (event.type === "failed") ends++;
            if (event.type === "response" && !event.more) ends++;
            if (event.type === "body" && event.last) ends++;
            if (event.type === "response" || event.type === "body") {
              engine.consume(ladder.now, id);
              const { length } = event.type === "body" ? event.bytes : event.message.payload;
              if (!download) assertLessOrEqual(length, 500);
            }
          }
          for (let sent = engine.pollTransmit(); sent; sent = engine.pollTransmit()) {
            const message = decode(sent.bytes.slice());
            if (message.type === MessageType.Confirmable) last.push(message);
          }
        };
        drain();
        for (const { code, options, length } of responses) {
          const asked = last.pop();
          if (asked === undefined) break;
          assertEquals(last.length, 0, "One request at a time");
          const { id, token } = asked;
          const type = MessageType.Acknowledgement;
          const payload = makeBody(length);
          const message = { type, code, id, token, options, payload };
          engine.receive(ladder.now, peer.flow, encode(message, settings));
          drain();
        }
        assertLessOrEqual(ends, 1);
        assertEquals(engine.cancel(ladder.now, id), ends === 0);
        drain();
        ladder.after(93_000); // nobody confirms the end of an observation
        peer.takes();
        settle();
      }),
      { numRuns: 3000 },
    );
  });
});

import { assertEquals, assertLess, assertLessOrEqual } from "@std/assert";
import fc from "fast-check";
import { afterEach, describe, it } from "node:test";
import { lockstep, type ScriptedPeer, settle } from "../../testing/lockstep.ts";
import { parseLine, toBytes } from "../../testing/message_text.ts";
import { Code } from "../wire/code.ts";
import { decode, MessageType } from "../wire/message.ts";

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
];

/** How a message of `LINES` is spoilt. */
const mutation = fc.record({
  line: fc.nat(LINES.length - 1),
  flips: fc.array(fc.record({ at: fc.nat(40), bits: fc.integer({ min: 1, max: 255 }) }), {
    maxLength: 3,
  }),
  cut: fc.option(fc.nat(30)),
  tail: fc.uint8Array({ maxLength: 8 }),
});

const step = fc.oneof(
  { weight: 2, arbitrary: fc.record({ bytes: fc.uint8Array({ maxLength: 80 }) }) },
  { weight: 8, arbitrary: fc.record({ mutation }) },
  { weight: 2, arbitrary: fc.record({ wait: fc.integer({ min: 1, max: 20_000 }) }) },
  { weight: 2, arbitrary: fc.record({ ask: fc.nat(9) }) },
  { weight: 1, arbitrary: fc.record({ cancel: fc.nat(20) }) },
);

describe("any sequence of datagrams", () => {
  afterEach(settle);

  it("never makes the engine throw, and leaves nothing behind", () => {
    const steps = fc.array(fc.tuple(fc.nat(3), step), { maxLength: 40 });
    fc.assert(
      fc.property(steps, fc.nat(), (steps, seed) => {
        const ladder = lockstep({
          serve: true,
          seed,
          limits: { peers: 4, bodyBytes: 1000, handling: 5 },
        });
        const { engine, app, bindings } = ladder;
        const group = ladder.peerAt(5683, { multicast: true });
        const peers = [ladder.peer, group, ladder.peerAt(1), ladder.peerAt(0)];
        bindings.set("$m", 0).set("$t", new Uint8Array([1, 2, 3, 4]));
        let answered = 0;

        /** Reads what happened, and answers requests in every way there is. */
        const read = (): void => {
          for (const { unread } of peers) {
            for (const { message } of unread.splice(0)) {
              if (message.type === MessageType.Confirmable) {
                bindings.set("$m", message.id).set("$t", message.token.slice());
              }
            }
          }
          for (const event of ladder.events.splice(0)) {
            if (event.type === "needBody") {
              engine.provide(
                ladder.now,
                event.id,
                new Uint8Array(event.length),
                answered++ % 4 === 0,
              );
              ladder.drain();
            } else if (event.type === "body" || (event.type === "response" && event.more)) {
              engine.consume(ladder.now, event.id);
              ladder.drain();
            }
            if (event.type !== "request") continue;
            const { id } = event;
            const way = answered++ % 5;
            if (way === 0) app.answers("2.05 ETag:0x07", { id, payload: new Uint8Array(300) });
            else if (way === 1) app.answers("2.05", { id, observe: "/test", report: true });
            else if (way === 2) app.answers("4.04", { id, confirmable: false });
            else if (way === 3) app.cancels(id);
          }
          if (ladder.events.length > 0 || peers.some(({ unread }) => unread.length > 0)) read();
        };

        for (const [from, what] of steps) {
          const peer = peers[from]!;
          if ("bytes" in what) peer.sendsBytes(what.bytes);
          else if ("mutation" in what) sendMutated(peer, what.mutation);
          else if ("wait" in what) {
            for (let time = 0; time < what.wait; time += 500) {
              ladder.after(500);
              read();
            }
          } else if ("ask" in what) ask(what.ask);
          else app.cancels(what.cancel);
          read();
          assertLessOrEqual(engine.sizes.peers, 4);
          assertLessOrEqual(engine.sizes.handling, 5 + 10);
        }

        function sendMutated(
          peer: ScriptedPeer,
          { line, flips, cut, tail }: typeof mutation extends fc.Arbitrary<infer M> ? M : never,
        ): void {
          const whole = toBytes(parseLine(LINES[line]!), bindings);
          const bytes = new Uint8Array([...whole.subarray(0, cut ?? whole.length), ...tail]);
          for (const { at, bits } of flips) if (at < bytes.length) bytes[at]! ^= bits;
          peer.sendsBytes(bytes);
        }

        function ask(kind: number): void {
          if (kind === 0) app.asks("CON GET /test");
          else if (kind === 1) app.asks("NON GET /test");
          else if (kind === 2) app.asks("CON PUT /test", { payload: new Uint8Array(3000) });
          else if (kind === 3) app.asks("CON GET /test", { observe: true });
          else if (kind === 4) app.asks("CON PUT /test", { upload: true, blockSize: 16 });
          else if (kind === 5) app.asks("CON GET /test", { download: true, blockSize: 16 });
          else if (kind === 6) app.asks("NON GET /test", { to: group, timeout: 5000 });
          else if (kind === 7) app.pings();
          else {
            const state = { code: Code.Content, payload: new Uint8Array(kind * 20) };
            engine.notify(ladder.now, "/test", undefined, state, { confirmable: kind === 8 });
            ladder.drain();
          }
        }

        // The application lets go of what it still has; then the rest is a matter of time.
        for (let id = 1; id < 200; id++) engine.cancel(ladder.now, id);
        engine.forgetObservers(ladder.now);
        ladder.drain();
        read();
        for (let hours = 0; engine.sizes.timers > 0; hours += 1 / 360) {
          assertLess(hours, 4);
          ladder.after(10_000);
          read();
        }
        ladder.settle();
      }),
      { numRuns: 400 },
    );
  });

  it("is answered with a Reset or an acknowledgement with the same message ID, or with nothing", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), fc.boolean(), (bytes, serve) => {
        const ladder = lockstep({ serve });
        const { peer, app, engine } = ladder;
        peer.sendsBytes(bytes);
        for (const event of ladder.events.splice(0)) {
          if (event.type === "request") app.cancels(event.id);
        }
        const replies = peer.takes();
        ladder.events.length = 0;
        assertLessOrEqual(replies.length, 1);
        if (replies.length === 0) return;
        const { type, id } = replies[0]!.message;
        const received = decode(bytes);
        if (received.type === MessageType.NonConfirmable) {
          assertEquals(type, MessageType.NonConfirmable);
        } else {
          assertEquals([received.type, id], [MessageType.Confirmable, received.id]);
        }
        assertEquals(engine.sizes.exchanges, 0);
      }),
      { numRuns: 2000 },
    );
  });
});

import { assert, assertEquals, assertLessOrEqual } from "@std/assert";
import fc from "fast-check";
import { describe, it } from "node:test";
import { deriveLimits } from "../parameters.ts";
import { Answered } from "./answered.ts";
import { Incoming } from "./message_states.ts";
import { Peer } from "./peers.ts";
import { ReplyBytes } from "./reply_bytes.ts";
import { newStats } from "./stats.ts";

function makePeer(number: number): Peer {
  const flow = { key: `${number}`, address: "192.0.2.1", port: 1 + number, multicast: false };
  return new Peer(flow, number, 0);
}

/** A reply that is told from others. */
function replyOf(n: number, length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => n * 31 + i);
}

interface Entry {
  peer: number;
  id: number;
  expires: number;
  reply: Uint8Array | undefined;
}

const entry = fc.record({
  peer: fc.nat(3),
  id: fc.nat(5),
  lifetime: fc.integer({ min: 1, max: 100 }),
  length: fc.option(fc.integer({ min: 4, max: 60 }), { nil: undefined }),
});
const call = fc.oneof(
  { weight: 8, arbitrary: fc.record({ add: entry }) },
  { weight: 2, arbitrary: fc.record({ expire: fc.nat(40) }) },
  { weight: 1, arbitrary: fc.record({ forget: fc.nat(3) }) },
);

describe("Answered", () => {
  it("agrees with a plain list, under limits and any sequence of calls", () => {
    const limits = fc.record({
      duplicates: fc.integer({ min: 1, max: 12 }),
      duplicatesPerPeer: fc.integer({ min: 1, max: 6 }),
      replyBytes: fc.integer({ min: 60, max: 200 }),
    });
    const calls = fc.array(call, { maxLength: 60 });
    fc.assert(
      fc.property(limits, calls, (limits, calls) => {
        const stats = newStats();
        const answered = new Answered(deriveLimits(limits), stats);
        const peers = [0, 1, 2, 3].map(makePeer);
        let model: Entry[] = [];
        let now = 0;
        let evicted = 0;

        const bytes = (): number => model.reduce((sum, { reply }) => sum + (reply?.length ?? 0), 0);
        const evict = (at: number): void => {
          model.splice(at, 1);
          evicted++;
        };

        for (const [n, step] of calls.entries()) {
          if ("add" in step) {
            const { peer, id, lifetime, length } = step.add;
            // What is known lives on; nothing is added for it.
            if (answered.find(peers[peer]!, id, now) >= 0) continue;
            const reply = length === undefined ? undefined : replyOf(n, length);
            const expires = now + lifetime;
            const state = reply === undefined ? Incoming.Closed : Incoming.Answered;
            answered.add(peers[peer]!, id, state, expires, reply);
            while (
              model.filter((other) => other.peer === peer).length >= limits.duplicatesPerPeer
            ) {
              evict(model.findIndex((other) => other.peer === peer));
            }
            while (
              model.length > 0 &&
              (model.length >= limits.duplicates ||
                bytes() + (length ?? 0) > limits.replyBytes)
            ) evict(0);
            model.push({ peer, id, expires, reply });
          } else if ("expire" in step) {
            now += step.expire;
            answered.expire(now);
            while (model.length > 0 && model[0]!.expires <= now) model.shift();
          } else {
            answered.forget(peers[step.forget]!);
            model = model.filter(({ peer }) => peer !== step.forget);
          }
          assertEquals(answered.size, model.length);
          assertEquals(answered.bytes, bytes());
          assertEquals(answered.deadline, model[0]?.expires ?? Infinity);
          assertEquals(stats.evictedDuplicates, evicted);
          for (const [number, peer] of peers.entries()) {
            for (let id = 0; id <= 5; id++) {
              const expected = model.find((entry) =>
                entry.peer === number && entry.id === id && entry.expires > now
              );
              const found = answered.find(peer, id, now);
              assertEquals(found >= 0, expected !== undefined);
              if (expected?.reply === undefined) continue;
              assertEquals(answered.state(found), Incoming.Answered);
              assertEquals(answered.reply(found), expected.reply);
            }
          }
        }
        for (const peer of peers) answered.forget(peer);
        assertEquals([answered.size, answered.bytes, answered.deadline], [0, 0, Infinity]);
      }),
      { numRuns: 300 },
    );
  });

  it("finds every one of tens of thousands, of many peers, while they come and go", () => {
    const answered = new Answered(deriveLimits({ duplicates: 20_000 }), newStats());
    const peers = Array.from({ length: 50 }, (_, number) => makePeer(number * 65_536));
    const count = 60_000;
    for (let n = 0; n < count; n++) {
      answered.add(
        peers[n % 50]!,
        n & 0xffff,
        Incoming.Answered,
        n + 100_000,
        replyOf(n, 1 + n % 40),
      );
    }
    assertEquals(answered.size, 20_000);
    for (let n = 0; n < count; n++) {
      const found = answered.find(peers[n % 50]!, n & 0xffff, 0);
      assertEquals(found >= 0, n >= count - 20_000);
      if (found >= 0 && n % 97 === 0) {
        assertEquals(answered.reply(found), replyOf(n, 1 + n % 40));
      }
    }
    answered.expire(count + 100_000);
    assertEquals([answered.size, answered.bytes], [0, 0]);
    for (const peer of peers) assertEquals(peer.answered, 0);
    // And again from the beginning.
    answered.add(peers[0]!, 1, Incoming.Answered, 1, replyOf(1, 5));
    assertEquals(answered.reply(answered.find(peers[0]!, 1, 0)), replyOf(1, 5));
  });
});

describe("ReplyBytes", () => {
  it("gives back what was put, and takes no more pages than it needs", () => {
    const lengths = fc.array(fc.tuple(fc.integer({ min: 4, max: 20_000 }), fc.nat(10)), {
      maxLength: 80,
    });
    fc.assert(
      fc.property(lengths, (lengths) => {
        const replies = new ReplyBytes();
        const kept: { place: number; bytes: Uint8Array }[] = [];
        let most = 0;
        for (const [n, [length, dropped]] of lengths.entries()) {
          const bytes = replyOf(n, length);
          const needs = replies.needsPage(length);
          const before = replies.size;
          kept.push({ place: replies.put(bytes), bytes });
          if (!needs) assertEquals(replies.size, before);
          for (let i = 0; i < dropped && kept.length > 3; i++) replies.drop(kept.shift()!.place);
          for (const { place, bytes } of kept) {
            assertEquals(replies.get(place, bytes.length), bytes);
          }
          most = Math.max(most, kept.reduce((sum, { bytes }) => sum + bytes.length, 0));
          // In the order in which they came, a page is lost to gaps at either end, and gaps are below a third.
          assertLessOrEqual(replies.size, most * 1.5 + 3 * 65_536);
        }
        for (const { place } of kept) replies.drop(place);
        replies.clear();
        assertEquals(replies.size, 0);
      }),
      { numRuns: 100 },
    );
  });

  it("keeps a copy: neither what was put nor what was given back is shared", () => {
    const replies = new ReplyBytes();
    const bytes = replyOf(1, 40);
    const place = replies.put(bytes);
    bytes.fill(0);
    replies.get(place, 40).fill(0);
    assertEquals(replies.get(place, 40), replyOf(1, 40));
  });

  it("takes the largest datagram", () => {
    const replies = new ReplyBytes();
    const places = [1, 2, 3].map((n) => replies.put(replyOf(n, 65_507)));
    for (const [i, place] of places.entries()) {
      assertEquals(replies.get(place, 65_507), replyOf(i + 1, 65_507));
    }
    for (const place of places) replies.drop(place);
    assert(replies.size <= 65_536);
  });
});

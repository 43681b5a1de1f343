import { assert, assertEquals, assertLessOrEqual } from "@std/assert";
import { describe, it } from "node:test";
import { SeededRandom } from "../../testing/seeded_random.ts";
import { deriveLimits, type Limits } from "../parameters.ts";
import { Room, type Transfer, Transfers } from "./transfers.ts";

function table(limits: Partial<Limits>): Transfers<Transfer> {
  return new Transfers(deriveLimits(limits));
}

function transfer(peer: string, bytes = 0, expires = 0): Transfer {
  return { peer, bytes, expires };
}

describe("Transfers", () => {
  it("have room by number, for each peer and for all", () => {
    const transfers = table({ transfers: 3, transfersPerPeer: 2 });
    transfers.add("a1", transfer("a"));
    transfers.add("a2", transfer("a"));
    assertEquals(transfers.room("a", 1, 0), Room.PeerFull);
    assertEquals(transfers.room("b", 1, 0), Room.Free);
    transfers.add("b1", transfer("b"));
    assertEquals(transfers.room("b", 1, 0), Room.Full);
    assertEquals(transfers.room("b", 0, 0), Room.Free);
    transfers.delete("a1");
    assertEquals([transfers.room("a", 1, 0), transfers.room("b", 1, 0)], [Room.Free, Room.Free]);
  });

  it("have room by bytes, for each peer and for all, while bodies grow", () => {
    const transfers = table({ transferBytes: 100, transferBytesPerPeer: 60 });
    const [a, b] = [transfer("a", 30), transfer("b", 30)];
    transfers.add("a", a);
    transfers.add("b", b);
    assertEquals(transfers.room("a", 1, 31), Room.PeerFull);
    assertEquals(transfers.room("a", 1, 30), Room.Free);
    transfers.grow(b, 50);
    assertEquals(transfers.room("a", 1, 21), Room.Full);
    assertEquals([transfers.bytes, transfers.size], [80, 2]);
  });

  it("make room at the cost of the same peer's, then of all, the one longest unused first", () => {
    const transfers = table({ transfers: 4, transfersPerPeer: 2 });
    const a1 = transfer("a");
    transfers.add("a1", a1);
    transfers.add("b1", transfer("b"));
    transfers.add("a2", transfer("a"));
    transfers.touch("a1", a1);
    assert(transfers.makeRoom("a", 0));
    assertEquals(["a1", "a2", "b1"].map((key) => transfers.get(key) !== undefined), [
      true,
      false,
      true,
    ]);
    transfers.add("c1", transfer("c"));
    transfers.add("c2", transfer("c"));
    assert(transfers.makeRoom("d", 0));
    assertEquals([transfers.get("b1"), transfers.size], [undefined, 3]);
    assert(!table({ transferBytesPerPeer: 5 }).makeRoom("a", 6));
  });

  it("are given up in the order in which they were used", () => {
    const transfers = table({});
    transfers.add("a", transfer("a", 1, 10));
    transfers.add("b", transfer("b", 1, 20));
    assertEquals(transfers.deadline, 10);
    transfers.expire(10);
    assertEquals([transfers.size, transfers.bytes, transfers.deadline], [1, 1, 20]);
    transfers.expire(20);
    assertEquals([transfers.size, transfers.bytes, transfers.deadline], [0, 0, Infinity]);
  });

  it("never exceed a limit, whatever is done, and count right", () => {
    const limits = {
      transfers: 8,
      transfersPerPeer: 3,
      transferBytes: 200,
      transferBytesPerPeer: 90,
    };
    const transfers = table(limits);
    const random = new SeededRandom(3);
    const known = new Map<string, Transfer>();
    for (let step = 0; step < 20_000; step++) {
      const peer = `p${random.integer(0, 5)}`;
      const key = `${peer} ${random.integer(0, 5)}`;
      const bytes = random.integer(0, 40);
      const found = transfers.get(key);
      if (found === undefined) {
        if (transfers.makeRoom(peer, bytes)) {
          const added = transfer(peer, bytes);
          transfers.add(key, added);
          known.set(key, added);
        }
      } else if (bytes < 20) transfers.delete(key);
      else transfers.touch(key, found);
      const held = [...known].filter(([key, it]) => transfers.get(key) === it);
      assertEquals(transfers.size, held.length);
      assertEquals(transfers.bytes, held.reduce((sum, [, { bytes }]) => sum + bytes, 0));
      assertLessOrEqual(transfers.size, limits.transfers);
      assertLessOrEqual(transfers.bytes, limits.transferBytes);
      for (let n = 0; n < 6; n++) {
        const own = held.filter(([, it]) => it.peer === `p${n}`);
        assertLessOrEqual(own.length, limits.transfersPerPeer);
        const ownBytes = own.reduce((sum, [, { bytes }]) => sum + bytes, 0);
        assertLessOrEqual(ownBytes, limits.transferBytesPerPeer);
      }
    }
  });
});

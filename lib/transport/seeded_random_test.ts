import { describe, it } from "node:test";
import { assert, assertEquals } from "@std/assert";
import { SeededRandom } from "./seeded_random.ts";

const take = <T>(count: number, draw: () => T): T[] => Array.from({ length: count }, draw);

describe("SeededRandom", () => {
  it("yields the same numbers for the same seed on every runtime", () => {
    const random = new SeededRandom(1);
    assertEquals(take(4, () => random.uint32()), [2442144158, 3238099751, 3819917871, 2104621829]);
  });

  it("yields other numbers for other seeds, zero included", () => {
    const firsts = new Set(take(1000, () => 0).map((_, seed) => new SeededRandom(seed).uint32()));
    assertEquals(firsts.size, 1000);
  });

  it("spreads evenly", () => {
    const random = new SeededRandom(2);
    const buckets = new Array<number>(10).fill(0);
    for (let i = 0; i < 10_000; i++) buckets[Math.floor(random.float() * 10)]!++;
    for (const count of buckets) assert(count > 880 && count < 1120, `${buckets}`);
  });

  it("draws integers with both ends", () => {
    const random = new SeededRandom(3);
    assertEquals(new Set(take(200, () => random.integer(-1, 2))), new Set([-1, 0, 1, 2]));
    assertEquals(random.integer(5, 5), 5);
  });

  it("fills bytes of any length, detached from the object", () => {
    const { fill } = new SeededRandom(4);
    for (const length of [0, 1, 3, 4, 5, 64]) {
      const bytes = new Uint8Array(length);
      assertEquals(fill(bytes), bytes);
    }
    const many = fill(new Uint8Array(4096));
    assertEquals(new Set(many).size, 256);
    assertEquals(
      many,
      (() => {
        const again = new SeededRandom(4);
        for (const length of [0, 1, 3, 4, 5, 64]) again.fill(new Uint8Array(length));
        return again.fill(new Uint8Array(4096));
      })(),
    );
  });
});

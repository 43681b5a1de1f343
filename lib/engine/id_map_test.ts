import { describe, it } from "node:test";
import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { IdMap, placeOf } from "./id_map.ts";

/** Keys that collide, and those of late exchanges. */
const key = fc.oneof(
  fc.integer({ min: 0, max: 12 }),
  fc.integer({ min: 0, max: 3 }).map((n) => n * 64 + 7),
  fc.integer({ min: 0, max: 3 }).map((n) => 2 ** 31 - 2 + n),
  fc.integer({ min: -2, max: 2 }).map((n) => n * 2 ** 30),
  fc.integer({ min: 0, max: 3 }).map((n) => n * 2 ** 48 + n),
);
const step = fc.record({ what: fc.constantFrom("set", "set", "delete"), key });

describe("IdMap", () => {
  it("holds what a Map holds, whatever comes and goes", () => {
    fc.assert(fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
      const map = new IdMap<{ at: number }>();
      const model = new Map<number, { at: number }>();
      const met = new Set(steps.map(({ key }) => key));
      for (const [at, { what, key }] of steps.entries()) {
        if (what === "set") {
          map.set(key, { at });
          model.set(key, { at });
        } else assertEquals(map.delete(key), model.delete(key));
        for (const key of met) assertEquals(map.get(key), model.get(key));
        assertEquals(map.size, model.size);
      }
      const ordered = [...model].sort(([a], [b]) => a - b);
      assertEquals(map.entries(), ordered);
      assertEquals(map.values(), ordered.map(([, value]) => value));
      for (const limit of [0, 40, 80]) {
        const isEarly = ({ at }: { at: number }) => at < limit;
        assertEquals(map.every(isEarly), [...model.values()].every(isEarly));
      }
    }));
  });

  it("holds many, and is as good as new without them", () => {
    const map = new IdMap<{ key: number }>();
    for (let key = 0; key < 10_000; key++) map.set(key, { key });
    for (let key = 0; key < 10_000; key++) assertEquals(map.get(key), { key });
    for (let key = 0; key < 10_000; key++) map.delete(key);
    assertEquals([map.size, map.entries(), map.get(5)], [0, [], undefined]);
    map.set(5, { key: 5 });
    assertEquals(map.entries(), [[5, { key: 5 }]]);
  });

  it("leaves no long runs where thousands stay that were counted up", () => {
    for (const [step, bits] of [[1, 16], [2, 16], [3, 15], [256, 16], [1024, 14]] as const) {
      const taken = new Array<boolean>(2 ** bits).fill(false);
      for (let n = 0; n < 2 ** bits / 2; n++) {
        let place = placeOf(12_345 + n * step, 32 - bits);
        while (taken[place]) place = (place + 1) % taken.length;
        taken[place] = true;
      }
      const runs = taken.map((one) => one ? "x" : " ").join("").split(" ");
      const longest = Math.max(...runs.map(({ length }) => length));
      assert(longest < 20, `Step ${step}: a run of ${longest}`);
    }
  });
});

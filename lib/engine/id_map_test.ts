import { describe, it } from "node:test";
import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { IdMap } from "./id_map.ts";

/** Keys that collide, and those of late exchanges. */
const key = fc.oneof(
  fc.integer({ min: 0, max: 12 }),
  fc.integer({ min: 0, max: 3 }).map((n) => n * 64 + 7),
  fc.integer({ min: 0, max: 3 }).map((n) => 2 ** 31 - 2 + n),
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
      const ordered = (entries: Iterable<[number, { at: number }]>) =>
        [...entries].sort(([a], [b]) => a - b);
      assertEquals(ordered(map.entries()), ordered(model));
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
});

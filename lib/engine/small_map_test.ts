import { describe, it } from "node:test";
import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { SmallMap } from "./small_map.ts";

describe("SmallMap", () => {
  it("holds what a Map holds, whatever comes and goes", () => {
    const step = fc.record({
      what: fc.constantFrom("set", "delete", "get"),
      key: fc.integer({ min: 0, max: 4 }),
    });
    fc.assert(fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const map = new SmallMap<number, { key: number; at: number }>();
      const model = new Map<number, { key: number; at: number }>();
      for (const [at, { what, key }] of steps.entries()) {
        if (what === "set") {
          map.set(key, { key, at });
          model.set(key, { key, at });
        } else if (what === "delete") {
          map.delete(key);
          model.delete(key);
        }
        assertEquals(map.get(key), model.get(key));
        assertEquals(map.size, model.size);
        const byKey = (values: Iterable<{ key: number; at: number }>) =>
          [...values].sort((a, b) => a.key - b.key);
        assertEquals(byKey(map.values()), byKey(model.values()));
      }
    }));
  });

  it("lets entries be deleted while they are looked at", () => {
    const map = new SmallMap<number, { key: number }>();
    for (let key = 0; key < 5; key++) map.set(key, { key });
    const met: number[] = [];
    for (const { key } of map.values()) {
      met.push(key);
      map.delete(key);
    }
    assertEquals([met, map.size], [[0, 1, 2, 3, 4], 0]);
  });
});

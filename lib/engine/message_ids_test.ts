import { assert, assertEquals, assertLessOrEqual } from "@std/assert";
import fc from "fast-check";
import { describe, it } from "node:test";
import { MessageIds } from "./message_ids.ts";

const LIFETIME = 247_000;

function leaseAll(ids: MessageIds, now: number, until: number): number[] {
  const leased: number[] = [];
  for (let id = ids.lease(now, until); id >= 0; id = ids.lease(now, until)) leased.push(id);
  return leased;
}

describe("MessageIds", () => {
  it("counts up from its start and around (7252-4.4-2)", () => {
    const ids = new MessageIds(0xfffe);
    assertEquals([0, 1, 2, 3].map(() => ids.lease(0, LIFETIME)), [0xfffe, 0xffff, 0, 1]);
  });

  it("leases 65,536, each once, and the next when the first ones are free (7252-4.4-1)", () => {
    const ids = new MessageIds(0x7d34);
    const leased = leaseAll(ids, 0, LIFETIME);
    assertEquals(leased.length, 65_536);
    assertEquals(new Set(leased).size, 65_536);
    assertEquals([ids.availableAt, ids.until], [LIFETIME, LIFETIME]);
    assertEquals(ids.lease(LIFETIME - 1, 2 * LIFETIME), -1);
    assertEquals(ids.lease(LIFETIME, 2 * LIFETIME), 0x7d34);
    assertEquals(ids.until, 2 * LIFETIME);
  });

  it("gives the whole space again each lifetime", () => {
    const ids = new MessageIds(0);
    for (let round = 0; round < 4; round++) {
      const now = round * LIFETIME;
      assertEquals(new Set(leaseAll(ids, now, now + LIFETIME)).size, 65_536);
    }
  });

  it("frees an ID of a steady stream no more than 1,023 leases late", () => {
    const ids = new MessageIds(0);
    let now = 0;
    for (; now < 65_536; now++) assert(ids.lease(now, now + LIFETIME) >= 0);
    // The ID leased at 0 is free at LIFETIME, its segment when the last of the 1,024 is.
    assertLessOrEqual(ids.availableAt, LIFETIME + 1_023);
    assertEquals(ids.lease(ids.availableAt, 2 * LIFETIME), 0);
  });

  it("never leases an ID within its lifetime, whatever the traffic (7252-4.4-1)", () => {
    const burst = fc.record({
      gap: fc.nat(60_000),
      count: fc.nat(30_000),
      lifetime: fc.constantFrom(145_000, LIFETIME),
    });
    const bursts = fc.array(burst, { minLength: 4, maxLength: 16 });
    fc.assert(
      fc.property(fc.nat(65_535), bursts, (start, bursts) => {
        const ids = new MessageIds(start);
        const busyUntil = new Float64Array(65_536);
        let now = 0;
        let until = 0;
        for (const { gap, count, lifetime } of bursts) {
          now += gap;
          for (let i = 0; i < count; i++) {
            const id = ids.lease(now, now + lifetime);
            if (id < 0) {
              assert(ids.availableAt > now);
              break;
            }
            if (busyUntil[id]! > now) throw new Error(`${id} is leased until ${busyUntil[id]}`);
            busyUntil[id] = now + lifetime;
            until = Math.max(until, now + lifetime);
          }
          assertEquals(ids.until, until);
        }
      }),
      { numRuns: 30 },
    );
  });
});

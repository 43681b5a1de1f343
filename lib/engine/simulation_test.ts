import { assert, assertEquals, assertNotEquals } from "@std/assert";
import { describe, it } from "node:test";
import { runSeed } from "../../testing/two_engines.ts";

describe("two engines over a lossy path", () => {
  it("500 seeds: every request ends once, handlers run once, NSTART holds, nothing is left", () => {
    const total = { responses: 0, failures: 0, canceled: 0, lost: 0, retransmissions: 0 };
    for (let seed = 1; seed <= 500; seed++) {
      const report = runSeed(seed);
      for (const name of Object.keys(total) as (keyof typeof total)[]) total[name] += report[name];
    }
    // The runs reach what they are for.
    for (const [name, count] of Object.entries(total)) assert(count > 500, `${name}: ${count}`);
    assertEquals(total.responses + total.failures + total.canceled, 500 * 24);
  });

  it("150 seeds with bodies in blocks: the same, and every body arrives whole", () => {
    let responses = 0;
    for (let seed = 1; seed <= 150; seed++) {
      responses += runSeed(seed, { requests: 8, bodyBytes: 6000 }).responses;
    }
    assert(responses > 1000, `${responses}`);
  });

  it("a seed repeats everything", () => {
    assertEquals(runSeed(7), runSeed(7));
    assertNotEquals(runSeed(7).checksum, runSeed(8).checksum);
  });
});

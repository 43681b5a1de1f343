import { assert, assertEquals } from "@std/assert";
import { describe, it } from "node:test";
import { runTransfers, type TransferReport } from "../../testing/lossy_transfers.ts";

describe("bodies and observations over a lossy path", () => {
  it("500 seeds: bodies arrive as they were made, the observer knows the last state, nothing is left", () => {
    const total: TransferReport = {
      bodies: 0,
      bytes: 0,
      failures: 0,
      states: 0,
      late: 0,
      datagrams: 0,
      lost: 0,
    };
    for (let seed = 1; seed <= 500; seed++) {
      const report = runTransfers(seed);
      for (const name of Object.keys(total) as (keyof TransferReport)[]) {
        total[name] += report[name];
      }
    }
    // The runs reach what they are for.
    assert(total.bodies > 4000, `${total.bodies} bodies`);
    assert(total.bytes > 4_000_000, `${total.bytes} bytes`);
    assert(total.states > 1500 && total.late > 20, `${total.states} states, ${total.late} late`);
    assert(total.lost > 10_000, `${total.lost} lost of ${total.datagrams}`);
    assert(total.failures > 50 && total.failures < total.bodies / 4, `${total.failures} failures`);
  });

  it("a seed repeats everything", () => {
    assertEquals(runTransfers(7), runTransfers(7));
  });
});

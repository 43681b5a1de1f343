import { assert, assertEquals } from "@std/assert";
import { describe, it } from "node:test";
import { bytesInUse } from "../../testing/garbage.ts";
import { ManualClock } from "../../testing/manual_clock.ts";
import { Soak, type SoakReport } from "../../testing/soak.ts";
import { SimulatedNetwork } from "../transport/memory.ts";
import { bindUdp } from "../transport/udp.ts";
import { systemClock } from "./clock.ts";

/** Code that was compiled and what the runtime keeps are more than a soak leaves, bytes. */
const GROWTH = 4_000_000;

/** A run on the simulated network. */
async function simulate(seed: number, duration: number): Promise<SoakReport> {
  const clock = new ManualClock();
  const network = new SimulatedNetwork({ clock, latency: [1, 30], seed });
  const report = await clock.run(new Soak({ seed, duration, clock, bind: network.bind }).run());
  assertEquals(network.inFlight, 0);
  return report;
}

/** The runs reach what they are for. */
function assertBusy(report: SoakReport, part: number): void {
  const least = {
    operations: 5000,
    states: 1000,
    bytes: 2_000_000,
    clients: 500,
    restarts: 15,
    retransmissions: 500,
    duplicates: 500,
  };
  for (const [name, count] of Object.entries(least)) {
    const actual = report[name as keyof typeof least];
    assert(actual >= count * part, `${name}: ${actual}`);
  }
}

describe("clients that come and go, loss, cancels and restarts: all invariants hold, nothing is left", () => {
  it("forty seconds of virtual time", async () => {
    const report = await simulate(1, 40_000);
    assertBusy(report, 0.13);
    for (const outcome of ["2", "5", "aborted", "closed", "observed", "pong", "timeout"]) {
      assert(report.outcomes[outcome]! > 0, `${outcome}: ${report.outcomes[outcome]}`);
    }
  });

  it("a seed repeats everything", async () => {
    assertEquals(await simulate(2, 10_000), await simulate(2, 10_000));
  });

  it("ten seconds over real sockets, without growth", async () => {
    const before = bytesInUse();
    const run = new Soak({
      seed: 3,
      duration: 10_000,
      clock: systemClock,
      bind: bindUdp,
      rest: false,
    });
    const report = await run.run();
    assertBusy(report, 0.02);
    const more = bytesInUse() - before;
    assert(more < GROWTH, `${more} bytes more are in use`);
  });
});

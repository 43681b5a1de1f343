import { assertEquals } from "@std/assert";
import { describe, it } from "node:test";
import { ManualClock, settle } from "../../testing/manual_clock.ts";
import { Turns } from "./turns.ts";

/** Turns, with a list of what happened. */
class Bench {
  readonly clock = new ManualClock();
  readonly events: string[] = [];
  readonly turns: Turns<number>;
  readonly #open = new Map<number, () => void>();

  constructor(limit: number, maxWait: number) {
    this.turns = new Turns(limit, maxWait, this.clock, (id) => this.events.push(`shed ${id}`));
  }

  /** One that takes until `ends`. */
  enters(id: number): void {
    this.turns.enter(id, () => {
      this.events.push(`start ${id}`);
      return new Promise((resolve) => this.#open.set(id, resolve));
    });
  }

  async ends(id: number): Promise<void> {
    this.#open.get(id)!();
    await settle();
  }

  /** What happened since it was last asked. */
  take(): string[] {
    return this.events.splice(0);
  }
}

describe("Turns", () => {
  it("so many run at a time, the others in the order in which they came", async () => {
    const bench = new Bench(2, 100);
    for (let id = 1; id <= 5; id++) bench.enters(id);
    assertEquals(bench.take(), ["start 1", "start 2"]);
    assertEquals(bench.turns.waiting, 3);
    await bench.ends(2);
    assertEquals(bench.take(), ["start 3"]);
    await bench.ends(1);
    await bench.ends(3);
    assertEquals(bench.take(), ["start 4", "start 5"]);
    await bench.ends(5);
    await bench.ends(4);
    bench.enters(6);
    assertEquals(bench.take(), ["start 6"]);
    assertEquals(bench.clock.timers, 0);
  });

  it("who waits too long is shed when it is too late, not later", async () => {
    const bench = new Bench(1, 100);
    bench.enters(1);
    bench.enters(2);
    await bench.clock.advanceAsync(60);
    bench.enters(3);
    await bench.clock.advanceAsync(39);
    assertEquals(bench.take(), ["start 1"]);
    await bench.clock.advanceAsync(1);
    assertEquals(bench.take(), ["shed 2"]);
    await bench.ends(1);
    assertEquals(bench.take(), ["start 3"]);
    assertEquals([bench.turns.waiting, bench.clock.timers], [0, 0]);
  });

  it("where the process was blocked, who is late by then does not start", async () => {
    const bench = new Bench(1, 100);
    bench.enters(1);
    bench.enters(2);
    bench.turns.enter(3, () => undefined);
    // The timer is late as well: what ends runs first.
    const timers = bench.clock as unknown as { now: () => number };
    timers.now = () => 150;
    await bench.ends(1);
    assertEquals(bench.take(), ["start 1", "shed 2", "shed 3"]);
  });

  it("those that are done at once take no turn, however many have waited", async () => {
    const bench = new Bench(1, 1000);
    let done = 0;
    bench.enters(1);
    for (let id = 2; id < 20_000; id++) bench.turns.enter(id, () => void done++);
    assertEquals(done, 0);
    await bench.ends(1);
    assertEquals([done, bench.turns.waiting, bench.clock.timers], [19_998, 0, 0]);
    bench.turns.enter(1, () => void done++);
    assertEquals(done, 19_999);
  });

  it("are forgotten when the server closes", async () => {
    const bench = new Bench(1, 100);
    for (let id = 1; id <= 3; id++) bench.enters(id);
    bench.turns.clear();
    await bench.ends(1);
    await bench.clock.advanceAsync(1000);
    assertEquals(bench.take(), ["start 1"]);
    assertEquals([bench.turns.waiting, bench.clock.timers], [0, 0]);
  });
});

import { describe, it } from "node:test";
import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { ManualClock, settle } from "./manual_clock.ts";

describe("ManualClock", () => {
  it("fires in the order of time, then of setting, each at its own time", () => {
    const clock = new ManualClock(100);
    const fired: [string, number][] = [];
    const note = (name: string) => () => fired.push([name, clock.now()]);
    clock.setTimer(note("c"), 130);
    clock.setTimer(note("a"), 110);
    clock.setTimer(note("b"), 110);
    clock.setTimer(note("past"), 50);
    clock.setTimer(note("never"), Infinity);
    clock.advance(20);
    assertEquals(fired, [["past", 100], ["a", 110], ["b", 110]]);
    assertEquals([clock.now(), clock.next, clock.timers], [120, 130, 1]);
    clock.advanceTo(130);
    assertEquals(fired.at(-1), ["c", 130]);
    assertEquals([clock.next, clock.timers], [Infinity, 0]);
  });

  it("fires what timers set, and not what they stop", () => {
    const clock = new ManualClock();
    const fired: string[] = [];
    const stopped = clock.setTimer(() => fired.push("stopped"), 10);
    clock.setTimer(() => {
      clock.clearTimer(stopped);
      clock.setTimer(() => fired.push("same time"), 5);
      clock.setTimer(() => fired.push("later"), 15);
    }, 5);
    clock.advance(14);
    assertEquals(fired, ["same time"]);
    clock.clearTimer(stopped);
    clock.runUntilIdle();
    assertEquals([fired, clock.now()], [["same time", "later"], 15]);
  });

  it("never goes back", () => {
    const clock = new ManualClock(50);
    clock.advanceTo(20);
    assertEquals(clock.now(), 50);
  });

  it("gives up on timers that never end", async () => {
    const clock = new ManualClock();
    const again = (): void => void clock.setTimer(again, clock.now() + 1);
    again();
    assertThrows(() => clock.runUntilIdle(100), Error, '"100"');
    assertEquals(clock.now(), 100);
    await assertRejects(() => clock.runUntilIdleAsync(10), Error, '"10"');
  });

  it("lets promises settle between timers", async () => {
    const clock = new ManualClock();
    const times: number[] = [];
    const sleep = (ms: number): Promise<void> =>
      new Promise((resolve) => clock.setTimer(resolve, clock.now() + ms));
    const work = async (): Promise<void> => {
      await Promise.resolve();
      for (let i = 0; i < 3; i++) {
        await sleep(10);
        times.push(clock.now());
      }
    };
    const first = work();
    await clock.advanceAsync(25);
    assertEquals(times, [10, 20]);
    await clock.runUntilIdleAsync();
    await first;
    assertEquals(times, [10, 20, 30]);
  });

  it("counts the timers that keep a process alive", () => {
    const clock = new ManualClock();
    clock.unref(clock.setTimer(() => {}, 10));
    clock.setTimer(() => {}, 20);
    assertEquals([clock.timers, clock.referenced], [2, 1]);
  });

  it("rejects a time that is none", () => {
    assertThrows(() => new ManualClock().setTimer(() => {}, NaN), RangeError, '"NaN"');
  });
});

describe("settle", () => {
  it("waits for long chains of promises", async () => {
    let done = false;
    void (async () => {
      for (let i = 0; i < 1000; i++) await Promise.resolve();
      done = true;
    })();
    await settle();
    assertEquals(done, true);
  });
});

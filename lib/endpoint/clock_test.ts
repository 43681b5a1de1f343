import { describe, it } from "node:test";
import { assert, assertEquals, assertThrows } from "@std/assert";
import { runChild } from "../../testing/runtime.ts";
import { systemClock } from "./clock.ts";

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

describe("systemClock", () => {
  it("fires once and never early", async () => {
    for (let i = 0; i < 20; i++) {
      const at = systemClock.now() + 1 + i * 0.37;
      const fired = await new Promise<number>((resolve) => {
        systemClock.setTimer(() => resolve(systemClock.now()), at);
      });
      assert(fired >= at, `fired ${at - fired} ms early`);
    }
  });

  it("fires as soon as possible for a time that has passed", async () => {
    await new Promise<void>((resolve) => {
      systemClock.setTimer(resolve, systemClock.now() - 1000);
    });
  });

  it("waits longer than a runtime can, and for ever", async () => {
    let fired = 0;
    const timers = [2 ** 31, 2 ** 32, 1e15, Infinity].map((delay) =>
      systemClock.setTimer(() => fired++, systemClock.now() + delay)
    );
    await pause(30);
    assertEquals(fired, 0);
    for (const timer of timers) systemClock.clearTimer(timer);
  });

  it("stops a timer, also twice and after it fired", async () => {
    let fired = 0;
    const stopped = systemClock.setTimer(() => fired++, systemClock.now() + 5);
    const kept = systemClock.setTimer(() => fired++, systemClock.now() + 5);
    systemClock.clearTimer(stopped);
    systemClock.clearTimer(stopped);
    await pause(30);
    systemClock.clearTimer(kept);
    assertEquals(fired, 1);
  });

  it("keeps the time of a timer and rejects what is none", () => {
    const timer = systemClock.setTimer(() => {}, Infinity);
    assertEquals(timer.at, Infinity);
    assertThrows(() => systemClock.setTimer(() => {}, NaN), RangeError, '"NaN"');
  });

  it("lets the process end before a timer that was unreferenced", async () => {
    const child = new URL("../../testing/clock_child.ts", import.meta.url);
    const start = performance.now();
    const { code, output } = await runChild(child, [], 20_000);
    assertEquals([code, output.trim()], [0, "referenced timer fired"]);
    assert(performance.now() - start < 15_000);
  });
});

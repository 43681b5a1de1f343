import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { describe, it } from "node:test";
import { type Timed, Timers } from "./timers.ts";

class Alarm implements Timed {
  at = 0;
  slot = -1;
  readonly name: number;
  readonly #ring: (alarm: Alarm, now: number) => void;

  constructor(name: number, ring: (alarm: Alarm, now: number) => void = () => {}) {
    this.name = name;
    this.#ring = ring;
  }

  expire(now: number): void {
    this.#ring(this, now);
  }
}

describe("Timers", () => {
  it("has no deadline when nothing waits", () => {
    const timers = new Timers();
    assertEquals([timers.next, timers.size], [Infinity, 0]);
    timers.run(1e12);
    const alarm = new Alarm(0);
    timers.clear(alarm);
    timers.set(alarm, Infinity);
    assertEquals([timers.next, timers.size], [Infinity, 0]);
  });

  it("clears a deadline that moves to Infinity", () => {
    const timers = new Timers();
    const alarm = new Alarm(0, () => assert(false, "Expired"));
    timers.set(alarm, 5);
    timers.set(alarm, Infinity);
    timers.run(10);
    assertEquals([timers.size, alarm.slot], [0, -1]);
  });

  it("expires what is due, once, in order, and hands over the time of the call", () => {
    const timers = new Timers();
    const rung: [number, number][] = [];
    const alarms = [30, 10, 20, 40].map((at, name) => {
      const alarm = new Alarm(name, ({ name }, now) => rung.push([name, now]));
      timers.set(alarm, at);
      return alarm;
    });
    timers.run(9.999);
    assertEquals(rung, []);
    timers.run(30);
    assertEquals(rung, [[1, 30], [2, 30], [0, 30]]);
    assertEquals([timers.next, timers.size], [40, 1]);
    assertEquals(alarms.map(({ slot }) => slot), [-1, -1, -1, 0]);
  });

  it("lets what expires set, move and clear others and itself", () => {
    const timers = new Timers();
    const rung: number[] = [];
    const later = new Alarm(3, ({ name }) => rung.push(name));
    const cleared = new Alarm(2, () => assert(false, "Expired"));
    const first = new Alarm(1, (self) => {
      rung.push(self.name);
      timers.clear(cleared);
      timers.set(later, 6);
      if (rung.length === 1) timers.set(self, 7);
    });
    timers.set(cleared, 5);
    timers.set(first, 4);
    timers.set(later, 100);
    timers.run(10);
    assertEquals(rung, [1, 3, 1, 3]);
    assertEquals(timers.size, 0);
  });

  it("agrees with a sorted list under any sequence of calls", () => {
    const name = fc.nat(39);
    const call = fc.oneof(
      {
        weight: 6,
        arbitrary: fc.record({ do: fc.constant("set"), name, at: fc.nat(400) }),
      },
      { weight: 4, arbitrary: fc.record({ do: fc.constant("clear"), name, at: fc.constant(0) }) },
      { weight: 1, arbitrary: fc.record({ do: fc.constant("run"), name, at: fc.nat(80) }) },
    );
    const sequences = fc.array(call, { maxLength: 200, size: "max" });
    fc.assert(
      fc.property(sequences, (calls) => {
        const timers = new Timers();
        const model = new Map<number, number>();
        const rung: number[] = [];
        const alarms = Array.from({ length: 40 }, (_, name) =>
          new Alarm(name, (alarm) => {
            rung.push(alarm.at);
            assertEquals(model.get(alarm.name), alarm.at);
            model.delete(alarm.name);
          }));
        for (const { do: what, name, at } of calls) {
          const alarm = alarms[name]!;
          if (what === "set") {
            timers.set(alarm, at);
            model.set(name, at);
          } else if (what === "clear") {
            timers.clear(alarm);
            model.delete(name);
          } else {
            rung.length = 0;
            const due = [...model.values()].filter((time) => time <= at).sort((a, b) => a - b);
            timers.run(at);
            assertEquals(rung, due);
          }
          assertEquals(timers.size, model.size);
          assertEquals(timers.next, Math.min(Infinity, ...model.values()));
          for (const { name, slot } of alarms) assertEquals(slot >= 0, model.has(name));
        }
      }),
      { numRuns: 200 },
    );
  });
});

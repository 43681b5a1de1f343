/** A clock that stands still until a test moves it. @module */

import type { Clock, ClockTimer } from "../lib/endpoint/clock.ts";

interface ManualTimer extends ClockTimer {
  readonly callback: () => void;
  referenced: boolean;
}

const scope = globalThis as unknown as { setImmediate?: (callback: () => void) => unknown };
const nextTurn = scope.setImmediate ?? ((callback: () => void) => setTimeout(callback, 0));

/**
 * A `Clock` under the test's control. Timers fire in the order of their times, those of one time in the
 * order in which they were set, and each finds `now()` at its own time.
 */
export class ManualClock implements Clock {
  #now: number;
  /** Ascending by time, those of one time in the order in which they were set. */
  readonly #timers: ManualTimer[] = [];

  /** @param start the time at first, ms */
  constructor(start = 0) {
    this.#now = start;
  }

  /** How many timers are set, those unreferenced included. */
  get timers(): number {
    return this.#timers.length;
  }

  /** How many timers are set that keep a process alive. */
  get referenced(): number {
    return this.#timers.filter((timer) => timer.referenced).length;
  }

  /** When the next timer fires, `Infinity` where none is set. */
  get next(): number {
    return this.#timers[0]?.at ?? Infinity;
  }

  now(): number {
    return this.#now;
  }

  setTimer(callback: () => void, at: number): ClockTimer {
    if (Number.isNaN(at)) throw new RangeError(`A timer needs a time: it is "${at}"`);
    const timer: ManualTimer = { at, callback, referenced: true };
    if (at === Infinity) return timer;
    let low = 0;
    let high = this.#timers.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#timers[middle]!.at <= at) low = middle + 1;
      else high = middle;
    }
    this.#timers.splice(low, 0, timer);
    return timer;
  }

  clearTimer(timer: ClockTimer): void {
    const index = this.#timers.indexOf(timer as ManualTimer);
    if (index >= 0) this.#timers.splice(index, 1);
  }

  unref(timer: ClockTimer): void {
    (timer as ManualTimer).referenced = false;
  }

  /** Moves the time on by `ms` and fires what falls due. */
  advance(ms: number): void {
    this.advanceTo(this.#now + ms);
  }

  /** Moves the time on to `at` and fires what falls due. */
  advanceTo(at: number): void {
    while (this.next <= at) this.#fire();
    this.#reach(at);
  }

  /**
   * Fires timers until none is set.
   *
   * @param limit timers after which it throws, since they would never end
   */
  runUntilIdle(limit = 1_000_000): void {
    for (let fired = 0; this.next < Infinity; fired++) {
      if (fired === limit) throw new Error(`Timers were still set after "${limit}" had fired`);
      this.#fire();
    }
  }

  /** `advance` that lets promises settle before, between and after the timers. */
  advanceAsync(ms: number): Promise<void> {
    return this.advanceToAsync(this.#now + ms);
  }

  /** `advanceTo` that lets promises settle before, between and after the timers. */
  async advanceToAsync(at: number): Promise<void> {
    await settle();
    while (this.next <= at) {
      this.#fire();
      await settle();
    }
    this.#reach(at);
  }

  /** `runUntilIdle` that lets promises settle before, between and after the timers. */
  async runUntilIdleAsync(limit = 1_000_000): Promise<void> {
    await settle();
    for (let fired = 0; this.next < Infinity; fired++) {
      if (fired === limit) throw new Error(`Timers were still set after "${limit}" had fired`);
      this.#fire();
      await settle();
    }
  }

  /** Moves from timer to timer until the promise settles, and is what it is; at most `limit` ms. */
  async run<T>(promise: Promise<T>, limit = 1_000_000): Promise<T> {
    let settled = false;
    const done = (): void => void (settled = true);
    promise.then(done, done);
    await settle();
    const until = this.#now + limit;
    while (!settled) {
      if (this.next > until) throw new Error(`Nothing settled within ${limit} ms`);
      await this.advanceToAsync(this.next);
    }
    return await promise;
  }

  #fire(): void {
    const timer = this.#timers.shift()!;
    this.#reach(timer.at);
    timer.callback();
  }

  #reach(at: number): void {
    if (at > this.#now) this.#now = at;
  }
}

/** Resolves when every promise that can settle without I/O or time has settled. */
export function settle(): Promise<void> {
  return new Promise((resolve) => nextTurn(resolve));
}

/** Where the endpoint gets its time from. @module */

/** A timer that was set; only the clock that made it can read it. */
export interface ClockTimer {
  /** When it fires, ms on its clock. */
  readonly at: number;
}

/** A monotonic clock with timers. */
export interface Clock {
  /** The time, ms, from an arbitrary origin; it never goes back. */
  now(): number;
  /**
   * Calls `callback` once, when `now()` has reached `at` and never before. The process stays alive for it.
   *
   * @param at ms on this clock; what has passed fires as soon as possible, `Infinity` never
   * @throws {RangeError} where `at` is not a number
   */
  setTimer(callback: () => void, at: number): ClockTimer;
  /** Stops a timer; without effect when it fired or was stopped. */
  clearTimer(timer: ClockTimer): void;
  /** Lets the process end before that timer fires. */
  unref?(timer: ClockTimer): void;
}

/** Of Node's global object it is a getter that takes as long as the call. */
const { performance } = globalThis;

/** A longer delay fires at once on all runtimes. */
const MAX_DELAY = 2 ** 31 - 1;

/** What `setTimeout` returns: an object on Node and Bun, a number elsewhere. */
type TimeoutHandle = number | { unref?(): void };

/** The parts of the global scope that the runtimes type differently. */
const scope = globalThis as unknown as {
  setTimeout(callback: () => void, delay: number): TimeoutHandle;
  clearTimeout(handle: TimeoutHandle | undefined): void;
  Deno?: { unrefTimer?(id: number): void };
};

/**
 * The system's monotonic clock (`performance.now`).
 *
 * @example Wait for a moment
 * ```ts
 * import { systemClock } from "@x/coap";
 *
 * const start = systemClock.now();
 * systemClock.setTimer(() => console.log(systemClock.now() - start >= 20), start + 20); // true
 * ```
 */
export const systemClock: Clock = {
  now: () => performance.now(),
  setTimer: (callback, at) => new SystemTimer(callback, at),
  clearTimer: (timer) => (timer as SystemTimer).clear(),
  unref: (timer) => (timer as SystemTimer).unref(),
};

class SystemTimer implements ClockTimer {
  readonly at: number;
  readonly #callback: () => void;
  #handle: TimeoutHandle | undefined;
  #referenced = true;

  constructor(callback: () => void, at: number) {
    if (Number.isNaN(at)) throw new RangeError(`A timer needs a time: it is "${at}"`);
    this.at = at;
    this.#callback = callback;
    if (at !== Infinity) this.#arm();
  }

  clear(): void {
    if (this.#handle !== undefined) scope.clearTimeout(this.#handle);
    this.#handle = undefined;
  }

  unref(): void {
    this.#referenced = false;
    if (typeof this.#handle === "object") this.#handle.unref?.();
    else if (this.#handle !== undefined) scope.Deno?.unrefTimer?.(this.#handle);
  }

  #arm(): void {
    const delay = Math.min(Math.max(Math.ceil(this.at - performance.now()), 0), MAX_DELAY);
    this.#handle = scope.setTimeout(this.#wake, delay);
    if (!this.#referenced) this.unref();
  }

  /** Runtimes wake up to a millisecond early, and long before where the delay was cut. */
  readonly #wake = (): void => {
    this.#handle = undefined;
    if (performance.now() < this.at) this.#arm();
    else this.#callback();
  };
}

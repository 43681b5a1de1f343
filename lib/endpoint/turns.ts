/** Requests that wait for the handler. @module */

import type { Clock, ClockTimer } from "./clock.ts";

interface Waiting<T> {
  /** What names it to `shed`. */
  readonly id: T;
  readonly run: () => Promise<void> | undefined;
  /** When it is too late, ms. */
  readonly until: number;
}

/** Lets requests to the handler, so many at a time. The others wait, and are shed where they wait too long. */
export class Turns<T> {
  readonly #limit: number;
  readonly #maxWait: number;
  readonly #clock: Clock;
  readonly #shed: (id: T) => void;
  #running = 0;
  /** Those that wait, from `#head` on. */
  #queue: Waiting<T>[] = [];
  #head = 0;
  #timer: ClockTimer | undefined = undefined;
  #starting = false;

  /**
   * @param limit how many at a time
   * @param maxWait how long one waits at most, ms
   */
  constructor(limit: number, maxWait: number, clock: Clock, shed: (id: T) => void) {
    this.#limit = limit;
    this.#maxWait = maxWait;
    this.#clock = clock;
    this.#shed = shed;
  }

  /** How many wait. */
  get waiting(): number {
    return this.#queue.length - this.#head;
  }

  /** Runs at once or later. What runs must not throw; where it takes its time, it gives a promise that resolves. */
  enter(id: T, run: () => Promise<void> | undefined): void {
    if (this.#running < this.#limit && this.waiting === 0) return this.#start(run);
    this.#queue.push({ id, run, until: this.#clock.now() + this.#maxWait });
    if (this.#timer === undefined) this.#arm();
  }

  /** Forgets those that wait. */
  clear(): void {
    this.#queue = [];
    this.#head = 0;
    this.#disarm();
  }

  #start(run: () => Promise<void> | undefined): void {
    this.#running++;
    const done = run();
    if (done === undefined) this.#running--;
    else {
      done.then(() => {
        this.#running--;
        this.#next();
      });
    }
  }

  /** Starts those whose turn has come. */
  #next(): void {
    if (this.#starting) return;
    this.#starting = true;
    while (this.waiting > 0 && this.#running < this.#limit) {
      const { id, run, until } = this.#take();
      // A handler before it may have blocked the process.
      if (this.#clock.now() >= until) this.#shed(id);
      else this.#start(run);
    }
    this.#starting = false;
    if (this.waiting === 0) this.#disarm();
  }

  #take(): Waiting<T> {
    const first = this.#queue[this.#head++]!;
    // Half of the array is dead by then: each element is moved about once.
    if (this.#head * 2 >= this.#queue.length) {
      this.#queue = this.#queue.slice(this.#head);
      this.#head = 0;
    }
    return first;
  }

  #arm(): void {
    this.#timer = this.#clock.setTimer(() => this.#expire(), this.#queue[this.#head]!.until);
    this.#clock.unref?.(this.#timer); // it is the socket that keeps the process alive
  }

  #disarm(): void {
    if (this.#timer !== undefined) this.#clock.clearTimer(this.#timer);
    this.#timer = undefined;
  }

  #expire(): void {
    this.#timer = undefined;
    const now = this.#clock.now();
    while (this.waiting > 0 && this.#queue[this.#head]!.until <= now) this.#shed(this.#take().id);
    if (this.waiting > 0) this.#arm();
  }
}

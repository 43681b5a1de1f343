/** The engine's timers: a binary heap of the objects that wait. @module */

/** Something that waits for a time. The heap keeps `at` and `slot`. */
export interface Timed {
  /** When to expire, ms; set by the heap. */
  at: number;
  /** Place in the heap, -1 outside of it; set by the heap. */
  slot: number;
  /** Called once, after the heap has let go of it. */
  expire(now: number): void;
}

/** A binary heap with the earliest deadline on top: set and clear in O(log n), no allocation. */
export class Timers {
  #heap: Timed[] = [];

  /** The earliest deadline, `Infinity` when nothing waits. */
  get next(): number {
    return this.#heap.length === 0 ? Infinity : this.#heap[0]!.at;
  }

  /** How many wait. */
  get size(): number {
    return this.#heap.length;
  }

  /** Sets or moves the deadline of `timed`; `Infinity` clears it. */
  set(timed: Timed, at: number): void {
    if (at === Infinity) return this.clear(timed);
    if (timed.slot < 0) {
      timed.at = at;
      timed.slot = this.#heap.length;
      this.#heap.push(timed);
      this.#up(timed);
    } else if (at < timed.at) {
      timed.at = at;
      this.#up(timed);
    } else {
      timed.at = at;
      this.#down(timed);
    }
  }

  /** Clears the deadline of `timed`, where it has one. */
  clear(timed: Timed): void {
    const slot = timed.slot;
    if (slot < 0) return;
    timed.slot = -1;
    const last = this.#heap.pop()!;
    if (last === timed) return;
    last.slot = slot;
    this.#heap[slot] = last;
    this.#up(last);
    this.#down(last);
  }

  /** Expires everything due at `now`, in order of the deadlines. */
  run(now: number): void {
    while (this.#heap.length > 0 && this.#heap[0]!.at <= now) {
      const timed = this.#heap[0]!;
      this.clear(timed);
      timed.expire(now);
    }
  }

  #up(timed: Timed): void {
    const heap = this.#heap;
    let slot = timed.slot;
    while (slot > 0) {
      const above = (slot - 1) >> 1;
      const parent = heap[above]!;
      if (parent.at <= timed.at) break;
      heap[slot] = parent;
      parent.slot = slot;
      slot = above;
    }
    heap[slot] = timed;
    timed.slot = slot;
  }

  #down(timed: Timed): void {
    const heap = this.#heap;
    let slot = timed.slot;
    for (;;) {
      let below = 2 * slot + 1;
      if (below >= heap.length) break;
      if (below + 1 < heap.length && heap[below + 1]!.at < heap[below]!.at) below++;
      const child = heap[below]!;
      if (child.at >= timed.at) break;
      heap[slot] = child;
      child.slot = slot;
      slot = below;
    }
    heap[slot] = timed;
    timed.slot = slot;
  }
}

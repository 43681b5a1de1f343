/** Random numbers out of the one source that the engine was given. @module */

import { allocate } from "../wire/bytes.ts";

/** The contract of `crypto.getRandomValues`, for bytes. */
export type RandomSource = (bytes: Uint8Array<ArrayBuffer>) => Uint8Array;

const POOL = 1024;

/** Draws from a pool, so that the source is asked seldom. */
export class Entropy {
  readonly #source: RandomSource;
  readonly #pool = new Uint8Array(POOL);
  #used = POOL;

  constructor(source: RandomSource) {
    this.#source = source;
  }

  /** `length` bytes, at most 256, in an array of their own. */
  bytes(length: number): Uint8Array {
    const start = this.#take(length);
    const bytes = allocate(length);
    for (let i = 0; i < length; i++) bytes[i] = this.#pool[start + i]!;
    return bytes;
  }

  /** An integer from 0 to 65535. */
  uint16(): number {
    const start = this.#take(2);
    return this.#pool[start]! << 8 | this.#pool[start + 1]!;
  }

  /** A number in [from, to). */
  between(from: number, to: number): number {
    const start = this.#take(4);
    const pool = this.#pool;
    const uint32 = pool[start]! * 0x1000000 +
      (pool[start + 1]! << 16 | pool[start + 2]! << 8 | pool[start + 3]!);
    return from + (to - from) * (uint32 / 0x100000000);
  }

  #take(length: number): number {
    if (this.#used + length > POOL) {
      this.#source(this.#pool);
      this.#used = 0;
    }
    const start = this.#used;
    this.#used += length;
    return start;
  }
}

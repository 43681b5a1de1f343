/** Random numbers that a seed repeats. @module */

/**
 * A small generator of pseudo-random numbers (xoshiro128**), the same on every runtime. For simulations
 * and tests: what it yields can be predicted.
 */
export class SeededRandom {
  readonly #state: Uint32Array;

  /** @param seed any number; its integer part modulo 2^32 counts */
  constructor(seed: number) {
    // A Weyl sequence through a mixing function: similar seeds give unlike states, and never all zeros.
    let weyl = seed >>> 0;
    this.#state = Uint32Array.from({ length: 4 }, () => {
      weyl = (weyl + 0x9e3779b9) >>> 0;
      let mixed = Math.imul(weyl ^ (weyl >>> 16), 0x85ebca6b);
      mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
      return mixed ^ (mixed >>> 16);
    });
  }

  /** The next integer from 0 to 2^32 - 1. */
  uint32(): number {
    const state = this.#state;
    const [a = 0, b = 0, c = 0, d = 0] = state;
    state[2] = c ^ a;
    state[3] = d ^ b;
    state[1] = b ^ state[2];
    state[0] = a ^ state[3];
    state[2] ^= b << 9;
    state[3] = rotate(state[3], 11);
    return Math.imul(rotate(Math.imul(b, 5), 7), 9) >>> 0;
  }

  /** The next number in [0, 1). */
  float(): number {
    return this.uint32() / 2 ** 32;
  }

  /** The next integer from `min` to `max`, both included. */
  integer(min: number, max: number): number {
    return min + Math.floor(this.float() * (max - min + 1));
  }

  /** Fills `bytes` and returns them: the contract of `crypto.getRandomValues`. An arrow, to be passed on. */
  readonly fill = <T extends Uint8Array>(bytes: T): T => {
    for (let i = 0; i < bytes.length;) {
      for (let word = this.uint32(), n = 0; n < 4 && i < bytes.length; n++, word >>>= 8) {
        bytes[i++] = word;
      }
    }
    return bytes;
  };
}

function rotate(word: number, bits: number): number {
  return (word << bits) | (word >>> (32 - bits));
}

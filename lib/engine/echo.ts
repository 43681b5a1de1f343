/** Stateless Echo values: RFC 9175 section 2.3. @module */

import type { Entropy } from "./entropy.ts";
import type { Echoes } from "./call.ts";

const LENGTH = 12;

/** One round of SipHash on the state v0 to v3, each as a low and a high word. */
function round(v: Uint32Array): void {
  add(v, 0, 2);
  rotate(v, 2, 13);
  xor(v, 2, 0);
  swap(v, 0);
  add(v, 4, 6);
  rotate(v, 6, 16);
  xor(v, 6, 4);
  add(v, 0, 6);
  rotate(v, 6, 21);
  xor(v, 6, 0);
  add(v, 4, 2);
  rotate(v, 2, 17);
  xor(v, 2, 4);
  swap(v, 4);
}

function add(v: Uint32Array, a: number, b: number): void {
  const low = v[a]! + v[b]!;
  v[a] = low;
  v[a + 1] = v[a + 1]! + v[b + 1]! + (low > 0xffffffff ? 1 : 0);
}

function xor(v: Uint32Array, a: number, b: number): void {
  v[a] = v[a]! ^ v[b]!;
  v[a + 1] = v[a + 1]! ^ v[b + 1]!;
}

function rotate(v: Uint32Array, a: number, bits: number): void {
  const low = v[a]!;
  const high = v[a + 1]!;
  v[a] = low << bits | high >>> (32 - bits);
  v[a + 1] = high << bits | low >>> (32 - bits);
}

/** Rotation by 32 bits. */
function swap(v: Uint32Array, a: number): void {
  const low = v[a]!;
  v[a] = v[a + 1]!;
  v[a + 1] = low;
}

/**
 * SipHash-2-4 (Aumasson and Bernstein), the keyed hash for short inputs: 8 bytes, least significant first.
 *
 * @param key 16 bytes
 */
export function sipHash(key: Uint8Array, input: Uint8Array): Uint8Array {
  const words = new Uint32Array(4);
  for (let i = 0; i < 16; i++) words[i >> 2] = words[i >> 2]! | key[i]! << (i % 4 * 8);
  const v = Uint32Array.of(
    words[0]! ^ 0x70736575,
    words[1]! ^ 0x736f6d65,
    words[2]! ^ 0x6e646f6d,
    words[3]! ^ 0x646f7261,
    words[0]! ^ 0x6e657261,
    words[1]! ^ 0x6c796765,
    words[2]! ^ 0x79746573,
    words[3]! ^ 0x74656462,
  );
  const blocks = input.length >> 3;
  for (let block = 0; block <= blocks; block++) {
    let low = 0;
    let high = block === blocks ? input.length << 24 : 0;
    const end = Math.min(input.length - block * 8, 8);
    for (let i = 0; i < end; i++) {
      const byte = input[block * 8 + i]!;
      if (i < 4) low |= byte << i * 8;
      else high |= byte << (i - 4) * 8;
    }
    v[6] = v[6]! ^ low;
    v[7] = v[7]! ^ high;
    round(v);
    round(v);
    v[0] = v[0]! ^ low;
    v[1] = v[1]! ^ high;
  }
  v[4] = v[4]! ^ 0xff;
  for (let i = 0; i < 4; i++) round(v);
  const hash = new Uint8Array(8);
  const view = new DataView(hash.buffer);
  view.setUint32(0, v[0]! ^ v[2]! ^ v[4]! ^ v[6]!, true);
  view.setUint32(4, v[1]! ^ v[3]! ^ v[5]! ^ v[7]!, true);
  return hash;
}

/**
 * Makes and checks Echo values without a table: the time and a keyed hash of time and peer. Addresses that only
 * pretend cost nothing.
 */
export class EchoMint {
  readonly #key: Uint8Array;

  constructor(entropy: Entropy) {
    this.#key = entropy.bytes(16);
  }

  /** A value that only `peer` can give back. */
  make(now: number, peer: string): Uint8Array {
    const made = Math.floor(now);
    const value = new Uint8Array(LENGTH);
    new DataView(value.buffer).setUint32(0, made);
    value.set(this.#hash(made, peer), 4);
    return value;
  }

  /** Whether the value was made for `peer` at most `lifetime` ms ago. */
  check(now: number, peer: string, value: Uint8Array, lifetime: number): boolean {
    if (value.length !== LENGTH) return false;
    const low = new DataView(value.buffer, value.byteOffset).getUint32(0);
    const age = (Math.floor(now) - low) >>> 0;
    if (age > lifetime) return false;
    const hash = this.#hash(Math.floor(now) - age, peer);
    let difference = 0;
    for (let i = 0; i < hash.length; i++) difference |= hash[i]! ^ value[4 + i]!;
    return difference === 0;
  }

  /** Of the whole time: a value is not good again when the 32 bits that it shows come round. */
  #hash(made: number, peer: string): Uint8Array {
    const input = new Uint8Array(8 + peer.length * 2);
    new DataView(input.buffer).setFloat64(0, made);
    for (let i = 0; i < peer.length; i++) {
      input[8 + 2 * i] = peer.charCodeAt(i);
      input[9 + 2 * i] = peer.charCodeAt(i) >> 8;
    }
    return sipHash(this.#key, input);
  }
}

/** How many peers' values are kept. */
const MAX_ECHOES = 1024;

/** Echo values kept for the next request to a peer; the oldest goes first. */
export class EchoValues implements Echoes {
  readonly #byPeer = new Map<string, Uint8Array>();

  take(key: string): Uint8Array | undefined {
    const value = this.#byPeer.get(key);
    if (value !== undefined) this.#byPeer.delete(key);
    return value;
  }

  put(key: string, value: Uint8Array): void {
    if (value.length < 1 || value.length > 40) return;
    this.#byPeer.delete(key);
    this.#byPeer.set(key, value.slice());
    if (this.#byPeer.size > MAX_ECHOES) this.#byPeer.delete(this.#byPeer.keys().next().value!);
  }
}

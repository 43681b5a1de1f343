/** Servers that want fewer requests: RFC 8516. @module */

import { aged, maxAgeOf } from "./cache.ts";
import type { Content } from "./response.ts";

/** Requests answered 4.29 that are remembered, a few kilobytes each. When full, the oldest goes. */
const HELD_BACK = 256;
/** Longest payload that is remembered, bytes: it is a word to people. */
const MAX_PAYLOAD = 1024;
const NOTHING = new Uint8Array(0);

/** Requests that a server answered 4.29: answered by us until it may be asked again. */
export class BackOff {
  readonly #held = new Map<string, { response: Content; at: number; until: number }>();

  get size(): number {
    return this.#held.size;
  }

  /** The server's 4.29, its Max-Age lowered, where it is too early to ask. */
  find(now: number, key: string): Content | undefined {
    const held = this.#held.get(key);
    if (held === undefined) return undefined;
    if (now < held.until) return aged(held.response, now - held.at);
    this.#held.delete(key);
    return undefined;
  }

  put(now: number, key: string, response: Content): void {
    this.#held.delete(key);
    const maxAge = maxAgeOf(response.options);
    if (maxAge === 0) return;
    // Copied: what came shares memory with its datagram.
    const payload = response.payload.length > MAX_PAYLOAD ? NOTHING : response.payload.slice();
    const options = response.options.map(({ number, value }) => ({ number, value: value.slice() }));
    const kept = { code: response.code, options, payload };
    this.#held.set(key, { response: kept, at: now, until: now + maxAge * 1000 });
    if (this.#held.size > HELD_BACK) this.#held.delete(this.#held.keys().next().value!);
  }
}

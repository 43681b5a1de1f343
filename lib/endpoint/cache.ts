/** Stored responses: RFC 7252 section 5.6. @module */

import { Code, codeClass } from "../wire/code.ts";
import {
  encodeUint,
  findOption,
  isUnsafe,
  type Option,
  OptionNumber,
  uintOption,
} from "../wire/option.ts";
import { bytesKey } from "../wire/bytes.ts";
import type { Content } from "./response.ts";

/** How responses are stored. */
export interface CacheOptions {
  /**
   * Bytes of stored responses: their payloads and options, their requests' keys, and about 300 for each. When full, those
   * longest unused go.
   *
   * @default {8388608}
   */
  maxBytes?: number;
}

/** How a request uses the cache: a subset of what `fetch` has, with the same meaning. */
export type CacheMode = "default" | "no-cache" | "no-store" | "reload";

const DEFAULT_MAX_AGE = 60;
const DEFAULT_MAX_BYTES = 8 * 1024 * 1024;
/** Representations kept of one request, for the server to select one by its entity tag. */
const REPRESENTATIONS = 4;
/** What an entry, a response and an option cost besides their bytes, about. */
const OVERHEAD = { entry: 200, response: 100, option: 40 };
/** Unsafe options of a response that belong to its delivery: none of them is stored. */
const DELIVERY: ReadonlySet<number> = new Set([
  OptionNumber.Observe,
  OptionNumber.Block1,
  OptionNumber.Block2,
]);

interface Stored extends Content {
  /** The entity tag as text. */
  readonly etag: string | undefined;
  readonly cost: number;
  storedAt: number;
  /** The last moment at which it is fresh, ms. */
  freshUntil: number;
}

interface Entry {
  readonly key: string;
  readonly resource: string;
  /** The newest first. */
  stored: readonly Stored[];
  cost: number;
}

/** Max-Age of a response, seconds. */
export function maxAgeOf(options: readonly Option[]): number {
  return uintOption(options, OptionNumber.MaxAge) ?? DEFAULT_MAX_AGE;
}

/** The options with this Max-Age, seconds. */
export function withMaxAge(options: readonly Option[], seconds: number): Option[] {
  const maxAge = { number: OptionNumber.MaxAge, value: encodeUint(seconds) };
  return [...options.filter(({ number }) => number !== OptionNumber.MaxAge), maxAge]
    .sort((a, b) => a.number - b.number);
}

/** The response as it is `age` ms after it came: its Max-Age lowered. */
export function aged(response: Content, age: number): Content {
  const { code, options, payload } = response;
  const left = Math.max(0, maxAgeOf(options) - Math.ceil(age / 1000));
  return { code, options: withMaxAge(options, left), payload };
}

/**
 * Whether a response may be stored: 2.05, and errors of whatever number. Of a success that nobody knows it is not said
 * (RFC 7252 sections 5.6 and 5.9).
 */
function isCacheable(code: number): boolean {
  return code === Code.Content || codeClass(code) === 4 || codeClass(code) === 5;
}

function etagOf(options: readonly Option[]): string | undefined {
  const etag = findOption(options, OptionNumber.ETag);
  return etag && bytesKey(etag.value);
}

/** Responses by request, fresh ones to be used again and stale ones to be validated. Knows no clock and no network. */
export class ResponseCache {
  readonly #maxBytes: number;
  /** By request, the one longest unused first. */
  readonly #entries = new Map<string, Entry>();
  readonly #resources = new Map<string, Set<Entry>>();
  #bytes = 0;

  /** @throws {RangeError} where the limit is none */
  constructor(options: CacheOptions = {}) {
    const { maxBytes = DEFAULT_MAX_BYTES } = options;
    if (!(maxBytes > 0)) {
      throw new RangeError(`Bytes of a cache must be above 0: they are "${maxBytes}"`);
    }
    this.#maxBytes = maxBytes;
  }

  /** Requests that have stored responses. */
  get size(): number {
    return this.#entries.size;
  }

  /** Bytes of the stored responses. */
  get bytes(): number {
    return this.#bytes;
  }

  /** The stored response of a request that is fresh, its Max-Age lowered by its age. */
  find(now: number, key: string): Content | undefined {
    const entry = this.#entries.get(key);
    if (entry === undefined) return undefined;
    this.#entries.delete(key); // to the end: it is used
    this.#entries.set(key, entry);
    const [newest] = entry.stored;
    if (newest === undefined || now > newest.freshUntil) return undefined;
    return aged(newest, now - newest.storedAt);
  }

  /** Entity tags of the stored responses of a request. */
  etags(key: string): Option[] {
    const tags: Option[] = [];
    for (const { options } of this.#entries.get(key)?.stored ?? []) {
      const etag = findOption(options, OptionNumber.ETag);
      if (etag !== undefined) tags.push(etag);
    }
    return tags;
  }

  /** Takes the response to a request in the place of the one before it. */
  store(now: number, resource: string, key: string, response: Content): void {
    const { code, payload } = response;
    const maxAge = maxAgeOf(response.options);
    const etag = code === Code.Content ? etagOf(response.options) : undefined;
    const entry = this.#entries.get(key);
    const stored =
      entry?.stored.filter((other) => other.etag !== undefined && other.etag !== etag) ?? [];
    for (const other of stored) other.freshUntil = -Infinity;
    if (isCacheable(code) && maxAge > 0) {
      const options = response.options
        .filter(({ number }) => !DELIVERY.has(number))
        .map(({ number, value }) => ({ number, value: value.slice() }));
      stored.unshift({
        code,
        options,
        payload: payload.slice(), // what came shares memory with its datagram
        etag,
        cost: costOf(options, payload),
        storedAt: now,
        freshUntil: now + maxAge * 1000,
      });
    }
    this.#put(resource, key, stored.slice(0, REPRESENTATIONS));
  }

  /**
   * Takes a 2.03 (RFC 7252 section 5.9.1.3): the response that it says is still valid, updated, or undefined where none
   * has its entity tag.
   */
  refresh(now: number, key: string, valid: Content): Content | undefined {
    const etag = etagOf(valid.options);
    const entry = this.#entries.get(key);
    const old = etag && entry?.stored.find((stored) => stored.etag === etag);
    if (!entry || !old) return undefined;
    const news = valid.options.filter(({ number }) => !isUnsafe(number));
    const maxAge = maxAgeOf(valid.options);
    const kept = old.options.filter(({ number }) =>
      !news.some((option) => option.number === number)
    );
    const copies = news.map(({ number, value }) => ({ number, value: value.slice() }));
    const options = withMaxAge([...kept, ...copies], maxAge);
    const updated: Stored = {
      ...old,
      options,
      cost: costOf(options, old.payload),
      storedAt: now,
      freshUntil: maxAge > 0 ? now + maxAge * 1000 : -Infinity,
    };
    const others = entry.stored.filter((stored) => stored !== old && stored.etag !== undefined);
    for (const other of others) other.freshUntil = -Infinity;
    this.#put(entry.resource, key, [updated, ...others]);
    return { code: old.code, options, payload: old.payload };
  }

  /** Marks all stored responses of a resource as not fresh; those without an entity tag are of no more use. */
  invalidate(resource: string): void {
    for (const entry of [...this.#resources.get(resource) ?? []]) {
      const stored = entry.stored.filter(({ etag }) => etag !== undefined);
      for (const response of stored) response.freshUntil = -Infinity;
      this.#put(resource, entry.key, stored);
    }
  }

  #put(resource: string, key: string, stored: readonly Stored[]): void {
    const old = this.#entries.get(key);
    if (old !== undefined) this.#remove(old);
    if (stored.length === 0) return;
    let cost = OVERHEAD.entry + key.length + resource.length;
    for (const response of stored) cost += response.cost;
    if (cost > this.#maxBytes) return;
    const entry = { key, resource, stored, cost };
    this.#entries.set(key, entry);
    this.#bytes += cost;
    const others = this.#resources.get(resource);
    if (others === undefined) this.#resources.set(resource, new Set([entry]));
    else others.add(entry);
    for (const oldest of this.#entries.values()) {
      if (this.#bytes <= this.#maxBytes) break;
      this.#remove(oldest);
    }
  }

  #remove(entry: Entry): void {
    this.#entries.delete(entry.key);
    this.#bytes -= entry.cost;
    const others = this.#resources.get(entry.resource)!;
    others.delete(entry);
    if (others.size === 0) this.#resources.delete(entry.resource);
  }
}

function costOf(options: readonly Option[], payload: Uint8Array): number {
  let cost = OVERHEAD.response + payload.length;
  for (const { value } of options) cost += OVERHEAD.option + value.length;
  return cost;
}

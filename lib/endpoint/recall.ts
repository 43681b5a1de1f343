/** What a client remembers of responses: the cache, and the servers that want fewer requests. @module */

import type { Flow } from "../flow.ts";
import type { Outline } from "../engine/types.ts";
import { Code, isSuccess } from "../wire/code.ts";
import {
  findOption,
  findOptions,
  makeOption,
  type Option,
  OptionNumber,
  stringOptions,
} from "../wire/option.ts";
import { equalBytes } from "../wire/bytes.ts";
import { locationReference, resolveUri } from "../wire/uri.ts";
import type { BackOff } from "./back_off.ts";
import { type CacheMode, maxAgeOf, type ResponseCache, withMaxAge } from "./cache.ts";
import { requestKey, resourceKey } from "./request_key.ts";
import type { Content } from "./response.ts";

/** What the cache interprets by itself, so that it is no part of its key (RFC 7641 section 2, RFC 7967 section 3.3). */
const INTERPRETED: ReadonlySet<number> = new Set([
  OptionNumber.ETag,
  OptionNumber.Observe,
  OptionNumber.NoResponse,
]);

/** Options that a location shares with the request that it came for. */
const SAME_FOR_LOCATION: ReadonlySet<number> = new Set([
  OptionNumber.UriHost,
  OptionNumber.UriPort,
  OptionNumber.ProxyScheme,
]);

const EMPTY = new Uint8Array(0);

/** Stands between a client's requests and the network. */
export class Memory {
  readonly now: () => number;
  readonly cache: ResponseCache | undefined;
  readonly backOff: BackOff | undefined;
  /** Counts what made stored responses stale. */
  changes = 0;

  constructor(
    now: () => number,
    cache: ResponseCache | undefined,
    backOff: BackOff | undefined,
  ) {
    this.now = now;
    this.cache = cache;
    this.backOff = backOff;
  }

  /** Looks what is known about a request. */
  recall(scheme: string, flow: Flow, request: Outline, mode: CacheMode = "default"): Recall {
    return new Recall(this, scheme, flow, request, mode);
  }
}

/** What is known about one request. */
export class Recall {
  /** The response, where nothing need be sent. */
  readonly answer: Content | undefined;
  /** What is to be sent: the request, with the entity tags of what may be used again. */
  readonly request: Outline;
  readonly #memory: Memory;
  readonly #scheme: string;
  readonly #flow: Flow;
  /** Entity tags that the caller asks about: it takes a 2.03. */
  readonly #etags: readonly Option[];
  /** Set where the response may be stored. */
  readonly #key: string | undefined;
  readonly #changes: number;

  constructor(memory: Memory, scheme: string, flow: Flow, request: Outline, mode: CacheMode) {
    this.#memory = memory;
    this.#scheme = scheme;
    this.#flow = flow;
    this.#changes = memory.changes;
    const { cache, backOff } = memory;
    const options = request.options ?? [];
    const stores = cache !== undefined && mode !== "no-store" && isCached(request);
    this.#key = stores ? requestKey(this.#origin, request, INTERPRETED) : undefined;
    this.#etags = stores ? findOptions(options, OptionNumber.ETag) : [];
    const tooMany = backOff !== undefined && backOff.size > 0
      ? backOff.find(memory.now(), this.#heldKey(request))
      : undefined;
    const stored = stores && mode === "default" ? cache.find(memory.now(), this.#key!) : undefined;
    this.answer = tooMany ?? (stored && this.#selected(stored));
    this.request = request;
    if (this.answer !== undefined || !stores || mode === "reload") return;
    const nominated = cache.etags(this.#key!).filter((etag) => !this.#asks(etag));
    if (nominated.length > 0) this.request = { ...request, options: [...options, ...nominated] };
  }

  /**
   * Takes the response from the network and gives the one for the caller.
   *
   * @param whole whether its payload is all there
   */
  take(response: Content, whole = true): Content {
    const { cache, backOff, now } = this.#memory;
    const { code, options } = response;
    if (code === Code.TooManyRequests && backOff !== undefined) {
      backOff.put(now(), this.#heldKey(this.request), response);
    }
    if (cache === undefined) return response;
    this.#invalidate(cache, code, options);
    if (this.#key === undefined) return response;
    if (code === Code.Valid) {
      const content = cache.refresh(now(), this.#key, response);
      const etag = findOption(options, OptionNumber.ETag);
      return content === undefined || etag !== undefined && this.#asks(etag) ? response : content;
    }
    // What changed while the request was under way may not be in the response.
    if (whole && this.#changes === this.#memory.changes) {
      cache.store(now(), this.#resource(this.request.options ?? []), this.#key, response);
    }
    return response;
  }

  /** A change makes stored responses stale (RFC 7252 sections 5.9.1 and 5.10.7). */
  #invalidate(cache: ResponseCache, code: number, options: readonly Option[]): void {
    const own = this.request.options ?? [];
    // Of a response that was not asked for nobody knows whether it would have been a success.
    if (!isSafe(this.request.code) && (isSuccess(code) || code === Code.Empty)) {
      this.#memory.changes++;
      cache.invalidate(this.#resource(own));
    }
    const located = locatedBy(options, own);
    if (located === undefined) return;
    this.#memory.changes++;
    cache.invalidate(this.#resource(located));
  }

  /** The stored response, or that the caller has it already. */
  #selected(stored: Content): Content {
    const etag = findOption(stored.options, OptionNumber.ETag);
    if (etag === undefined || !this.#asks(etag)) return stored;
    const options = withMaxAge([etag], maxAgeOf(stored.options));
    return { code: Code.Valid, options, payload: EMPTY };
  }

  /** A server is the same whatever the connection. */
  get #origin(): string {
    const { hostname = "", address, port } = this.#flow;
    return `${this.#scheme} ${hostname} ${address}:${port}`;
  }

  #asks(etag: Option): boolean {
    return this.#etags.some(({ value }) => equalBytes(value, etag.value));
  }

  #resource(options: readonly Option[]): string {
    return resourceKey(this.#origin, options);
  }

  /** Requests are similar whatever their payload (RFC 8516 section 4). */
  #heldKey({ code, options }: Outline): string {
    return requestKey(this.#origin, { code, options }, INTERPRETED);
  }
}

/** The options that name the location in a response, where it has one. */
function locatedBy(options: readonly Option[], own: readonly Option[]): Option[] | undefined {
  const reference = locationReference(options);
  if (reference === undefined) return undefined;
  const [base] = stringOptions(own, OptionNumber.ProxyUri);
  if (base !== undefined) {
    try {
      return [makeOption(OptionNumber.ProxyUri, resolveUri(base, reference))];
    } catch {
      return undefined; // what it is relative to is no URI
    }
  }
  const located = own.filter(({ number }) => SAME_FOR_LOCATION.has(number));
  for (const { number, value } of options) {
    if (number === OptionNumber.LocationPath) located.push({ number: OptionNumber.UriPath, value });
    if (number === OptionNumber.LocationQuery) {
      located.push({ number: OptionNumber.UriQuery, value });
    }
  }
  return located;
}

function isSafe(code: number): boolean {
  return code === Code.GET || code === Code.FETCH;
}

/** Whether responses to it are stored at all: not single blocks that the caller asks for. */
function isCached({ code, options = [] }: Outline): boolean {
  return isSafe(code) && findOption(options, OptionNumber.Block1) === undefined &&
    findOption(options, OptionNumber.Block2) === undefined;
}

/** What makes two requests the same. @module */

import type { Outline } from "../engine/types.ts";
import { bytesKey } from "../wire/bytes.ts";
import { isNoCacheKey, type Option, OptionNumber } from "../wire/option.ts";

/** Options that name the resource (RFC 7252 sections 5.10.1 and 5.10.2). */
const NAMES_RESOURCE: ReadonlySet<number> = new Set([
  OptionNumber.UriHost,
  OptionNumber.UriPort,
  OptionNumber.UriPath,
  OptionNumber.UriQuery,
  OptionNumber.ProxyUri,
  OptionNumber.ProxyScheme,
]);

function optionsKey(options: readonly Option[], counts: (number: number) => boolean): string {
  let key = "";
  for (const { number, value } of options.toSorted((a, b) => a.number - b.number)) {
    if (counts(number)) key += `${number},${value.length}:${bytesKey(value)}`;
  }
  return key;
}

/**
 * Names the resource of a request.
 *
 * @param origin scheme and peer
 */
export function resourceKey(origin: string, options: readonly Option[]): string {
  return `${origin} ${optionsKey(options, (number) => NAMES_RESOURCE.has(number))}`;
}

/**
 * The cache key of a request (RFC 7252 section 5.6): its method, all its options but those marked NoCacheKey and
 * those in `except`, and its payload (RFC 8132 section 2).
 */
export function requestKey(origin: string, request: Outline, except: ReadonlySet<number>): string {
  const { code, options = [], payload } = request;
  const key = optionsKey(options, (number) => !isNoCacheKey(number) && !except.has(number));
  return `${origin} ${code} ${key} ${payload === undefined ? "" : bytesKey(payload)}`;
}

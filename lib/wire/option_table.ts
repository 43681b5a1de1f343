/** The option registry: numbers, formats, lengths, repetition (RFC 7252 section 5.10 and later RFCs). @module */

/** Option numbers by name. */
export const OptionNumber = {
  /** RFC 7252 section 5.10.8.1 */
  IfMatch: 1,
  /** RFC 7252 section 5.10.1 */
  UriHost: 3,
  /** RFC 7252 section 5.10.6 */
  ETag: 4,
  /** RFC 7252 section 5.10.8.2 */
  IfNoneMatch: 5,
  /** RFC 7641 section 2 */
  Observe: 6,
  /** RFC 7252 section 5.10.1 */
  UriPort: 7,
  /** RFC 7252 section 5.10.7 */
  LocationPath: 8,
  /** RFC 8613 section 2 */
  OSCORE: 9,
  /** RFC 7252 section 5.10.1 */
  UriPath: 11,
  /** RFC 7252 section 5.10.3 */
  ContentFormat: 12,
  /** RFC 7252 section 5.10.5, seconds */
  MaxAge: 14,
  /** RFC 7252 section 5.10.1 */
  UriQuery: 15,
  /** RFC 8768 section 3 */
  HopLimit: 16,
  /** RFC 7252 section 5.10.4 */
  Accept: 17,
  /** RFC 9177 section 4 */
  QBlock1: 19,
  /** RFC 7252 section 5.10.7 */
  LocationQuery: 20,
  /** RFC 7959 section 2.1 */
  Block2: 23,
  /** RFC 7959 section 2.1 */
  Block1: 27,
  /** RFC 7959 section 4, bytes */
  Size2: 28,
  /** RFC 9177 section 4 */
  QBlock2: 31,
  /** RFC 7252 section 5.10.2 */
  ProxyUri: 35,
  /** RFC 7252 section 5.10.2 */
  ProxyScheme: 39,
  /** RFC 7252 section 5.10.9, bytes */
  Size1: 60,
  /** RFC 9175 section 2.2 */
  Echo: 252,
  /** RFC 7967 section 2 */
  NoResponse: 258,
  /** RFC 9175 section 3.2 */
  RequestTag: 292,
} as const;

/** One of the registered option numbers. Others may be used as plain numbers, 0 to 65535. */
export type OptionNumber = (typeof OptionNumber)[keyof typeof OptionNumber];

/** How an option's value is to be read (RFC 7252 section 3.2). */
export type OptionFormat = "empty" | "opaque" | "string" | "uint";

/** How often an option may stand in a message. */
export type OptionUse = "never" | "once" | "repeatable";

/** What the registry says about an option. */
export interface OptionDefinition {
  /** The option number. */
  readonly number: number;
  /** The registry's name, such as `"Uri-Path"`. */
  readonly name: string;
  /** How the value is read. */
  readonly format: OptionFormat;
  /** Least length, bytes. */
  readonly min: number;
  /** Greatest length, bytes. */
  readonly max: number;
  /** How often in a request. */
  readonly request: OptionUse;
  /** How often in a response. */
  readonly response: OptionUse;
  /** What absence means, where that is a fixed number. */
  readonly default: number | undefined;
}

function define(
  number: OptionNumber,
  name: string,
  format: OptionFormat,
  min: number,
  max: number,
  request: OptionUse,
  response: OptionUse,
  absent?: number,
): OptionDefinition {
  return Object.freeze({ number, name, format, min, max, request, response, default: absent });
}

const DEFINITIONS: readonly OptionDefinition[] = [
  define(OptionNumber.IfMatch, "If-Match", "opaque", 0, 8, "repeatable", "never"),
  define(OptionNumber.UriHost, "Uri-Host", "string", 1, 255, "once", "never"),
  define(OptionNumber.ETag, "ETag", "opaque", 1, 8, "repeatable", "once"),
  define(OptionNumber.IfNoneMatch, "If-None-Match", "empty", 0, 0, "once", "never"),
  define(OptionNumber.Observe, "Observe", "uint", 0, 3, "once", "once"),
  define(OptionNumber.UriPort, "Uri-Port", "uint", 0, 2, "once", "never"),
  define(OptionNumber.LocationPath, "Location-Path", "string", 0, 255, "never", "repeatable"),
  define(OptionNumber.OSCORE, "OSCORE", "opaque", 0, 255, "once", "once"),
  define(OptionNumber.UriPath, "Uri-Path", "string", 0, 255, "repeatable", "never"),
  define(OptionNumber.ContentFormat, "Content-Format", "uint", 0, 2, "once", "once"),
  define(OptionNumber.MaxAge, "Max-Age", "uint", 0, 4, "never", "once", 60),
  define(OptionNumber.UriQuery, "Uri-Query", "string", 0, 255, "repeatable", "never"),
  define(OptionNumber.HopLimit, "Hop-Limit", "uint", 1, 1, "once", "never", 16),
  define(OptionNumber.Accept, "Accept", "uint", 0, 2, "once", "never"),
  define(OptionNumber.QBlock1, "Q-Block1", "uint", 0, 3, "once", "once"),
  define(OptionNumber.LocationQuery, "Location-Query", "string", 0, 255, "never", "repeatable"),
  define(OptionNumber.Block2, "Block2", "uint", 0, 3, "once", "once"),
  define(OptionNumber.Block1, "Block1", "uint", 0, 3, "once", "once"),
  define(OptionNumber.Size2, "Size2", "uint", 0, 4, "once", "once"),
  define(OptionNumber.QBlock2, "Q-Block2", "uint", 0, 3, "repeatable", "once"),
  define(OptionNumber.ProxyUri, "Proxy-Uri", "string", 1, 1034, "once", "never"),
  define(OptionNumber.ProxyScheme, "Proxy-Scheme", "string", 1, 255, "once", "never"),
  define(OptionNumber.Size1, "Size1", "uint", 0, 4, "once", "once"),
  define(OptionNumber.Echo, "Echo", "opaque", 1, 40, "once", "once"),
  define(OptionNumber.NoResponse, "No-Response", "uint", 0, 1, "once", "never", 0),
  define(OptionNumber.RequestTag, "Request-Tag", "opaque", 0, 8, "repeatable", "never"),
];

/** By number, dense up to the last one registered. */
const TABLE: (OptionDefinition | undefined)[] = [];
for (let number = 0; number <= OptionNumber.RequestTag; number++) {
  TABLE.push(DEFINITIONS.find((definition) => definition.number === number));
}

/** What the registry says about an option, or undefined where the number is not known. */
export function optionDefinition(number: number): OptionDefinition | undefined {
  return number < TABLE.length ? TABLE[number] : undefined;
}

/** The registry's name of the option, such as `"Uri-Path"`, or `"option 65001"` where it has none. */
export function optionName(number: number): string {
  return optionDefinition(number)?.name ?? `option ${number}`;
}

/** Whether a receiver that does not know the option must refuse the message (RFC 7252 section 5.4.1). */
export function isCritical(number: number): boolean {
  return (number & 1) !== 0;
}

/** Whether a proxy that does not know the option must not forward it (RFC 7252 section 5.4.2). */
export function isUnsafe(number: number): boolean {
  return (number & 2) !== 0;
}

/** Whether the option is safe to forward and not part of the cache key (RFC 7252 section 5.4.2). */
export function isNoCacheKey(number: number): boolean {
  return (number & 0x1e) === 0x1c;
}

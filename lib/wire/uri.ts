/** CoAP URIs and the options they stand for (RFC 7252 section 6, RFC 8323 section 8). @module */

import { CoAPError } from "../errors.ts";
import { decodeText, encodeText } from "./bytes.ts";
import { canonicalIPv6, isIPv4 } from "./ip_address.ts";
import { findOption, makeOption, type Option, OptionNumber, uintOption } from "./option.ts";
import {
  AMPERSAND,
  COLON_AT,
  joinUri,
  pathSegments,
  PERCENT,
  percentDecode,
  percentEncode,
  resolveComponents,
  SLASH_QUESTION,
  splitUri,
  SUB_DELIMS,
  UNRESERVED,
} from "./uri_syntax.ts";

/** The schemes of CoAP URIs. */
export type UriScheme = "coap" | "coaps" | "coap+tcp" | "coaps+tcp" | "coap+ws" | "coaps+ws";

/** What a CoAP URI says. */
export interface UriParts {
  /** The scheme in lower case. */
  readonly scheme: UriScheme;
  /** Whether the scheme asks for DTLS or TLS. */
  readonly secure: boolean;
  /** The host, percent-decoded and in lower case; an IPv6 address without brackets, with its zone (`fe80::1%eth0`). */
  readonly host: string;
  /** Whether `host` is an IP address. */
  readonly hostIsAddress: boolean;
  /** The port, 1 to 65535; the scheme's default where the URI names none. */
  readonly port: number;
  /** The options of a request, in ascending order: Uri-Host, Uri-Port, Uri-Path and Uri-Query. */
  readonly options: Option[];
}

/** Where a request goes, as far as it decides which options it needs. */
export interface UriDestination {
  /**
   * An IP address without brackets.
   *
   * @default the host, where that is an address
   */
  readonly address?: string | undefined;
  /**
   * The port, 1 to 65535.
   *
   * @default the URI's port
   */
  readonly port?: number | undefined;
}

/** What a URI is composed of. */
export interface UriInit {
  /**
   * The scheme.
   *
   * @default {"coap"}
   */
  readonly scheme?: UriScheme | undefined;
  /** The host where the options name none: an IP address, with or without brackets, or a name. */
  readonly host: string;
  /**
   * The port where the options name none.
   *
   * @default the scheme's default port
   */
  readonly port?: number | undefined;
  /** The request's options. Those that are not part of the URI do not matter. None by default. */
  readonly options?: readonly Option[] | undefined;
}

/** Default ports, RFC 7252 sections 6.1 and 6.2, RFC 8323 sections 8.1 to 8.4. */
const DEFAULT_PORTS: Readonly<Record<UriScheme, number>> = {
  "coap": 5683,
  "coaps": 5684,
  "coap+tcp": 5683,
  "coaps+tcp": 5684,
  "coap+ws": 80,
  "coaps+ws": 443,
};

const SEGMENT = UNRESERVED | SUB_DELIMS | COLON_AT;
const QUERY = SEGMENT | SLASH_QUESTION;
const REG_NAME = UNRESERVED | SUB_DELIMS;

const strictDecoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

function invalid(uri: string, reason: string): CoAPError {
  return new CoAPError("invalid-uri", `Invalid URI "${uri}": ${reason}`);
}

/**
 * Takes a URI apart into a destination and options (RFC 7252 section 6.4). Dot segments are resolved and
 * percent-encodings decoded; characters beyond ASCII stand for their UTF-8. A slash at the end of the path makes an
 * empty last segment, a question mark without a query an empty argument.
 *
 * @example Where a request goes and what it says
 * ```ts
 * import { decomposeUri, OptionNumber, stringOptions } from "@x/coap/wire";
 *
 * const { host, port, options } = decomposeUri("coap://[2001:db8::1]/sensors/temp?unit=c");
 * console.log(host, port, stringOptions(options, OptionNumber.UriPath)); // 2001:db8::1 5683 [ "sensors", "temp" ]
 * ```
 *
 * @param destination where the request is sent, if that is not what the URI names, such as a proxy
 * @throws {CoAPError} `invalid-uri` with the URI and what is wrong with it
 */
export function decomposeUri(uri: string | URL, destination: UriDestination = {}): UriParts {
  const text = String(uri);
  const { scheme: givenScheme, authority, path, query, fragment } = splitUri(text);
  if (givenScheme === undefined) throw invalid(text, "it is not absolute");
  const scheme = givenScheme.toLowerCase() as UriScheme;
  if (!Object.hasOwn(DEFAULT_PORTS, scheme)) {
    throw invalid(text, `scheme "${givenScheme}" is none of CoAP's`);
  }
  if (fragment !== undefined) throw invalid(text, `it has a fragment "${fragment}"`);
  if (authority === undefined) throw invalid(text, "it has no authority");
  const { host, hostIsAddress, port = DEFAULT_PORTS[scheme] } = parseAuthority(text, authority);

  const options: Option[] = [];
  if (!hostIsAddress) {
    options.push(component(text, OptionNumber.UriHost, encodeText(host)));
  } else if (destination.address !== undefined && !sameAddress(destination.address, host)) {
    options.push(makeOption(OptionNumber.UriHost, hostText(withoutZone(host))));
  }
  if (port !== (destination.port ?? port)) options.push(makeOption(OptionNumber.UriPort, port));
  const segments = pathSegments(path);
  if (segments.length > 1 || segments.length === 1 && segments[0] !== "") {
    for (const segment of segments) {
      options.push(component(text, OptionNumber.UriPath, decodePart(text, segment, SEGMENT)));
    }
  }
  if (query !== undefined) {
    for (const argument of query.split("&")) {
      options.push(component(text, OptionNumber.UriQuery, decodePart(text, argument, QUERY)));
    }
  }
  return { scheme, secure: scheme.startsWith("coaps"), host, hostIsAddress, port, options };
}

function component(uri: string, number: number, value: Uint8Array): Option {
  try {
    return makeOption(number, value);
  } catch (error) {
    throw new CoAPError("invalid-uri", `Invalid URI "${uri}": ${(error as Error).message}`, {
      cause: error,
    });
  }
}

function decodePart(uri: string, part: string, classes: number): Uint8Array {
  const bytes = percentDecode(part, classes);
  if (typeof bytes === "string") throw invalid(uri, bytes);
  return bytes;
}

interface Authority {
  host: string;
  hostIsAddress: boolean;
  port: number | undefined;
}

function parseAuthority(uri: string, authority: string): Authority {
  if (authority.includes("@")) throw invalid(uri, "user information is not allowed");
  const match = /^(?:\[([^\]]*)\]|([^:[\]]*))(?::(\d*))?$/.exec(authority);
  if (match === null) throw invalid(uri, `"${authority}" is no host and port`);
  const [, literal, name, digits] = match;
  if (name === "") throw invalid(uri, "it has no host");
  const port = digits ? Number(digits) : undefined;
  if (port !== undefined && (port < 1 || port > 65535)) {
    throw invalid(uri, `port must be 1 to 65535, it is "${digits}"`);
  }
  if (literal === undefined) {
    const host = decodeName(uri, name!);
    return { host, hostIsAddress: isIPv4(host), port };
  }
  // RFC 6874 wants "%25" before a zone; people write "%".
  const zoned = literal.replace(/%(?:25)?(?=.)/s, "%");
  const percent = zoned.indexOf("%");
  const zone = percent < 0
    ? ""
    : `%${decodeUtf8(uri, decodePart(uri, zoned.slice(percent + 1), UNRESERVED))}`;
  const host = canonicalIPv6((percent < 0 ? zoned : zoned.slice(0, percent)) + zone);
  if (host === undefined) throw invalid(uri, `"[${literal}]" is no IPv6 address`);
  return { host, hostIsAddress: true, port };
}

function decodeName(uri: string, name: string): string {
  const host = decodeUtf8(uri, decodePart(uri, name, REG_NAME));
  return host.replace(/[A-Z]+/g, (letters) => letters.toLowerCase());
}

function decodeUtf8(uri: string, bytes: Uint8Array): string {
  try {
    return strictDecoder.decode(bytes);
  } catch {
    throw invalid(uri, "the host is no UTF-8");
  }
}

function sameAddress(a: string, b: string): boolean {
  const [first, second] = [withoutZone(a), withoutZone(b)];
  return (canonicalIPv6(first) ?? first) === (canonicalIPv6(second) ?? second);
}

/** A zone says which way out of this host; nobody else can make use of it (RFC 6874 section 1). */
function withoutZone(address: string): string {
  return address.split("%", 1)[0]!;
}

/** A host as it stands in a URI: an IPv6 address in brackets, its zone after "%25", a name percent-encoded. */
function hostText(host: string): string {
  const literal = /^\[(.*)\]$/s.exec(host)?.[1]?.replace("%25", "%");
  const address = canonicalIPv6(literal ?? host);
  if (address === undefined) return percentEncode(encodeText(host), REG_NAME);
  const percent = address.indexOf("%");
  if (percent < 0) return `[${address}]`;
  const zone = percentEncode(encodeText(address.slice(percent + 1)), UNRESERVED);
  return `[${address.slice(0, percent)}%25${zone}]`;
}

/**
 * Puts the URI of a request together (RFC 7252 section 6.5).
 *
 * @throws {CoAPError} `invalid-uri` where the host is none or the port is out of range
 */
export function composeUri({ scheme = "coap", host, port, options = [] }: UriInit): string {
  const uriHost = findOption(options, OptionNumber.UriHost);
  if (uriHost === undefined && host === "") {
    throw new CoAPError("invalid-uri", 'Host must not be empty: it is ""');
  }
  return formatUri(
    scheme,
    uriHost === undefined ? hostText(host) : uriHostText(uriHost.value),
    uintOption(options, OptionNumber.UriPort) ?? port ?? DEFAULT_PORTS[scheme],
    options,
  );
}

/** The value of a Uri-Host Option must be a host as it stands; only what is beyond ASCII gets encoded. */
function uriHostText(value: Uint8Array): string {
  const host = decodeText(value);
  const literal = /^\[(.*)\]$/s.exec(host)?.[1];
  if (literal !== undefined && canonicalIPv6(literal) !== undefined) return hostText(host);
  if (typeof percentDecode(host, REG_NAME) === "string") {
    throw new CoAPError("invalid-uri", `Uri-Host must be a host: it is "${host}"`);
  }
  return percentEncode(value, REG_NAME | PERCENT);
}

function formatUri(
  scheme: UriScheme,
  authority: string,
  port: number,
  options: readonly Option[],
): string {
  if (!Number.isInteger(port) || port < 1 || port > 65535) {
    throw new CoAPError("invalid-uri", `Port must be 1 to 65535: it is "${port}"`);
  }
  const suffix = port === DEFAULT_PORTS[scheme] ? "" : `:${port}`;
  const resource = formatResource(options, OptionNumber.UriPath, OptionNumber.UriQuery);
  return `${scheme}://${authority}${suffix}${resource}`;
}

/** Path and query of the options of those numbers; "/" where there is no path. */
function formatResource(
  options: readonly Option[],
  pathNumber: number,
  queryNumber: number,
): string {
  let path = "";
  let query = "";
  for (const { number, value } of options) {
    if (number === pathNumber) {
      path += `/${percentEncode(value, SEGMENT)}`;
    } else if (number === queryNumber) {
      query += `${query === "" ? "?" : "&"}${percentEncode(value, QUERY, AMPERSAND)}`;
    }
  }
  return (path || "/") + query;
}

/**
 * The normal form of a URI (RFC 7252 section 6.3): scheme and host in lower case, no default port, "/" for an empty
 * path, nothing percent-encoded that need not be, and no dot segments.
 *
 * @throws {CoAPError} `invalid-uri` with the URI and what is wrong with it
 */
export function normalizeUri(uri: string | URL): string {
  const { scheme, host, port, options } = decomposeUri(uri);
  return formatUri(scheme, hostText(host), port, options);
}

/**
 * Whether two URIs are equal by RFC 7252 section 6.3, so that they cause the same request.
 *
 * @throws {CoAPError} `invalid-uri` where either is none
 */
export function equalUris(a: string | URL, b: string | URL): boolean {
  return normalizeUri(a) === normalizeUri(b);
}

/**
 * The target of a reference, such as that of a link, relative to the URI it was found at (RFC 3986 section 5.2).
 * It may have any scheme.
 *
 * @throws {CoAPError} `invalid-uri` where the base is not absolute
 */
export function resolveUri(base: string | URL, reference: string): string {
  const components = splitUri(String(base));
  if (components.scheme === undefined) throw invalid(String(base), "it is not absolute");
  return joinUri(resolveComponents(components, splitUri(reference)));
}

/**
 * The reference that Location-Path and Location-Query of a response stand for, to be resolved against the request's
 * URI (RFC 7252 section 5.10.7), or undefined where there is none.
 */
export function locationReference(options: readonly Option[]): string | undefined {
  const { LocationPath, LocationQuery } = OptionNumber;
  const located = options.some(({ number }) => number === LocationPath || number === LocationQuery);
  return located ? formatResource(options, LocationPath, LocationQuery) : undefined;
}

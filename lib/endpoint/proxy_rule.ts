/** What a proxy may reach. @module */

import { CoAPError } from "../errors.ts";
import { OptionNumber, stringOptions } from "../wire/option.ts";
import { composeUri, decomposeUri, type UriParts, type UriScheme } from "../wire/uri.ts";
import type { Resolve } from "../transport/transport.ts";
import type { IncomingRequest } from "./incoming_request.ts";

/** What a request asks a forward proxy or a gateway for. */
export interface ProxyTarget {
  /** The URI in its normal form (RFC 7252 section 6.3). */
  readonly uri: string;
  /** The host: a name in lower case, or an IP address without brackets. */
  readonly host: string;
  /** The port, 1 to 65535. */
  readonly port: number;
  /** The path's segments, free of percent-encoding. */
  readonly path: readonly string[];
  /** The query's arguments, free of percent-encoding. */
  readonly query: readonly string[];
}

/**
 * Which targets a forward proxy may reach, or a gateway: a list, or a function that says so.
 *
 * An entry of a list is an authority, such as `"sensor.example"`, `"192.0.2.7:5700"` or `"[2001:db8::7]:*"`, or the
 * beginning of a URI, such as `"coap://sensor.example/public"`. It stands for the scheme `coap` where it names none.
 * Without a port it stands for that scheme's default alone, with `*` for all ports. A path stands for itself and
 * everything below it.
 */
export type ProxyRule<R = IncomingRequest> =
  | Iterable<string>
  | ((target: ProxyTarget, request: R) => boolean | Promise<boolean>);

/**
 * Whether a target may be reached: not at all; only where its address is a public one; or wherever it is, since the
 * rule names its host.
 */
export type Verdict = "refused" | "public" | "anywhere";

/** Judges the target of a request. */
export type Judge<R = IncomingRequest> = (
  target: UriParts,
  request: R,
) => Verdict | Promise<Verdict>;

/**
 * Makes a rule ready for use. None refuses everything.
 *
 * @param allowLocal whether a function may also let addresses through that are not public
 * @throws {CoAPError} `invalid-uri` where an entry of a list is none
 */
export function makeJudge<R = IncomingRequest>(
  rule: ProxyRule<R> | undefined,
  allowLocal: boolean,
): Judge<R> {
  if (typeof rule === "function") {
    const judge = (allowed: unknown): Verdict =>
      allowed !== true ? "refused" : allowLocal ? "anywhere" : "public";
    return (target, request) => {
      const allowed = rule(makeTarget(target), request);
      return allowed instanceof Promise ? allowed.then(judge) : judge(allowed);
    };
  }
  const entries = [...rule ?? []].map(parseEntry);
  return (target) => {
    const path = pathOf(target);
    return entries.some((entry) => covers(entry, target, path)) ? "anywhere" : "refused";
  };
}

function makeTarget(parts: UriParts): ProxyTarget {
  const { host, port, options } = parts;
  const query = stringOptions(options, OptionNumber.UriQuery);
  return { uri: composeUri(parts), host, port, path: pathOf(parts), query };
}

function pathOf({ options }: UriParts): string[] {
  return stringOptions(options, OptionNumber.UriPath);
}

/** An entry of a list. */
interface Entry {
  readonly scheme: UriScheme;
  readonly host: string;
  /** Undefined stands for all. */
  readonly port: number | undefined;
  readonly path: readonly string[];
}

function parseEntry(text: string): Entry {
  const [, scheme = "coap", bare = ""] = /^(?:([^:/]*):\/\/)?(.*)$/s.exec(text)!;
  const [authority = "", ...rest] = bare.split("/");
  const anyPort = authority.endsWith(":*");
  const host = anyPort ? authority.slice(0, -2) : authority;
  let parts: UriParts;
  try {
    parts = decomposeUri([`${scheme}:/`, host, ...rest].join("/"));
  } catch (cause) {
    throw new CoAPError("invalid-uri", `Neither an authority nor a URI to allow: "${text}"`, {
      cause,
    });
  }
  if (parts.options.some(({ number }) => number === OptionNumber.UriQuery)) {
    throw new CoAPError("invalid-uri", `A URI to allow must have no query: "${text}"`);
  }
  return {
    scheme: parts.scheme,
    host: parts.host,
    port: anyPort ? undefined : parts.port,
    path: withoutEnd(pathOf(parts)),
  };
}

/** A path without the empty segment that a slash at its end leaves. */
export function withoutEnd<T extends { readonly length: number }>(segments: readonly T[]): T[] {
  return segments.at(-1)?.length === 0 ? segments.slice(0, -1) : [...segments];
}

function covers(entry: Entry, target: UriParts, path: readonly string[]): boolean {
  return entry.scheme === target.scheme && entry.host === target.host &&
    (entry.port ?? target.port) === target.port &&
    entry.path.every((segment, index) => segment === path[index]);
}

/**
 * Where an IP address in canonical form leads: to one host anywhere (`public`), to one of this host, this link or this
 * site (`local`), or to no single host at all (`none`).
 */
export function reachOf(address: string): "public" | "local" | "none" {
  return address.includes(":") ? reachOfIPv6(address) : reachOfIPv4(address);
}

function reachOfIPv4(address: string): "public" | "local" | "none" {
  const [a = 0, b = 0] = address.split(".").map(Number);
  if (a === 0 || a >= 224) return "none"; // unspecified; groups, broadcast
  const local = a === 10 || a === 127 || a === 169 && b === 254 || a === 172 && b >>> 4 === 1 ||
    a === 192 && b === 168 || a === 100 && b >>> 6 === 1; // 100.64.0.0/10: behind a carrier's NAT
  return local ? "local" : "public";
}

function reachOfIPv6(address: string): "public" | "local" | "none" {
  const mapped = /^::ffff:([\d.]+)$/.exec(address)?.[1];
  if (mapped !== undefined) return reachOfIPv4(mapped);
  if (address === "::" || /^ff..:/.test(address)) return "none";
  // ::1 and old forms of IPv4 addresses; fc00::/7, fe80::/10, fec0::/10; 64:ff9b::/96 leads to any IPv4 address.
  return /^(?:::|f[cd]..:|fe[89a-f].:|64:ff9b:)/.test(address) ? "local" : "public";
}

/**
 * Finds the addresses of names, but none that is no single host's.
 *
 * @param local whether addresses that are not public are wanted
 */
export function resolveWithin(resolve: Resolve, local: boolean): Resolve {
  return async (name, family) => {
    const addresses = await resolve(name, family);
    return addresses.filter((address) => {
      const reach = reachOf(address);
      return reach === "public" || reach === "local" && local;
    });
  };
}

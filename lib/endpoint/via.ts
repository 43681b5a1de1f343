/** Requests of a client by way of a proxy: RFC 7252 section 5.7.2. @module */

import { CoAPError } from "../errors.ts";
import { makeOption, type Option, OptionNumber } from "../wire/option.ts";
import { decomposeUri, normalizeUri, type UriParts } from "../wire/uri.ts";
import { parseUri } from "./outgoing.ts";

/** A forward proxy, and how it is asked. */
export interface ProxySettings {
  /** Where the proxy is: scheme, host and port, such as `"coap://proxy.example:5683"`. */
  uri: string | URL;
  /**
   * Send the target in Proxy-Scheme and the Uri options instead of Proxy-Uri. Then it must have a scheme of CoAP.
   *
   * @default {false}
   */
  split?: boolean;
  /**
   * Ask also for targets of a secure scheme, such as `coaps` and `https`, though the way to the proxy is not secured
   * (RFC 7252 section 5.7). Whoever listens on it reads and changes what the target's own way keeps secret.
   *
   * @default {false}
   */
  allowInsecure?: boolean;
}

/** A proxy that was taken apart. */
export interface Via {
  readonly text: string;
  readonly parts: UriParts;
  readonly split: boolean;
  readonly allowInsecure: boolean;
}

/** Schemes whose own way is secured. */
const SECURE = /^(?:coaps(?:\+(?:tcp|ws))?|https|wss)$/;

/**
 * Takes a proxy apart; false stands for none.
 *
 * @throws {CoAPError} `invalid-uri` where it names more than a host and a port, `unsupported-scheme`
 */
export function parseProxy(
  proxy: string | URL | ProxySettings | false | undefined,
): Via | undefined {
  if (proxy === undefined || proxy === false) return undefined;
  const settings: ProxySettings = typeof proxy === "string" || proxy instanceof URL
    ? { uri: proxy }
    : proxy;
  const { uri, split = false, allowInsecure = false } = settings;
  const parts = parseUri(uri);
  if (parts.options.some(({ number }) => isResource(number))) {
    throw new CoAPError("invalid-uri", `Proxy must be a host and a port alone: it is "${uri}"`);
  }
  return { text: String(uri), parts, split, allowInsecure };
}

function isResource(number: number): boolean {
  return number === OptionNumber.UriPath || number === OptionNumber.UriQuery;
}

/**
 * Where a request goes and the options that name its target.
 *
 * @throws {CoAPError} `invalid-uri`, or `unsupported-scheme` where there is no transport for it, or it is not to be asked
 * of such a proxy
 */
export function destinationOf(uri: string | URL, via: Via | undefined): UriParts {
  if (via === undefined) return parseUri(uri);
  const { parts, split, allowInsecure } = via;
  const scheme = /^[a-z][a-z\d+.-]*(?=:)/i.exec(String(uri))?.[0].toLowerCase();
  if (scheme === undefined) throw new CoAPError("invalid-uri", `URI is not absolute: "${uri}"`);
  if (SECURE.test(scheme) && !parts.secure && !allowInsecure) {
    throw new CoAPError(
      "unsupported-scheme",
      `Way to the proxy "${via.text}" is not secured, as "${scheme}" asks for: "${uri}"`,
    );
  }
  return { ...parts, options: split ? splitOptions(uri, scheme, parts.port) : [proxyUri(uri)] };
}

function proxyUri(uri: string | URL): Option {
  const text = /^coaps?(?:\+(?:tcp|ws))?:/i.test(String(uri))
    ? normalizeUri(uri)
    : absoluteUri(uri);
  try {
    return makeOption(OptionNumber.ProxyUri, text);
  } catch (cause) {
    throw new CoAPError("invalid-uri", `URI is too long for a proxy: "${uri}"`, { cause });
  }
}

/** A URI of a scheme that only the proxy need know. */
function absoluteUri(uri: string | URL): string {
  let url: URL;
  try {
    url = new URL(uri);
  } catch (cause) {
    throw new CoAPError("invalid-uri", `Invalid URI "${uri}"`, { cause });
  }
  if (url.hash === "") return url.href;
  throw new CoAPError("invalid-uri", `Invalid URI "${uri}": it has a fragment "${url.hash}"`);
}

/** @param proxyPort what the absence of Uri-Port means (RFC 7252 section 6.5); some proxies take it for 5683 */
function splitOptions(uri: string | URL, scheme: string, proxyPort: number): Option[] {
  const { port } = decomposeUri(uri);
  const { port: usual } = decomposeUri(`${scheme}://host`);
  const absent = port === proxyPort && port === usual ? port : 0;
  // No address is the target's own: Uri-Host is always sent.
  const { options } = decomposeUri(uri, { address: "", port: absent });
  return [...options, makeOption(OptionNumber.ProxyScheme, scheme)];
}

/** Requests and responses on their way through a proxy: RFC 7252 section 5.7. @module */

import { CoAPError, type CoAPErrorReason } from "../errors.ts";
import type { Address } from "../flow.ts";
import { equalBytes, payloadText } from "../wire/bytes.ts";
import { Code } from "../wire/code.ts";
import {
  checkRequestOptions,
  encodeUint,
  findOption,
  findOptions,
  type Option,
  optionDefinition,
  OptionNumber,
  stringOptions,
} from "../wire/option.ts";
import { composeUri, decomposeUri, type UriParts } from "../wire/uri.ts";
import { maxAgeOf, withMaxAge } from "./cache.ts";
import { CoAPResponse, type Content } from "./response.ts";

const UTF8 = new TextEncoder();
const EMPTY = new Uint8Array(0);

/** Options that name the target of a request. */
const TARGET: ReadonlySet<number> = new Set([
  OptionNumber.UriHost,
  OptionNumber.UriPort,
  OptionNumber.UriPath,
  OptionNumber.UriQuery,
  OptionNumber.ProxyUri,
  OptionNumber.ProxyScheme,
]);

/**
 * Options of a request that concern one hop: each has blocks, tags of blocks, observations and suppressed responses of
 * its own, and counts the hops.
 */
const REQUEST_HOP: ReadonlySet<number> = new Set([
  OptionNumber.Block1,
  OptionNumber.Block2,
  OptionNumber.Size1,
  OptionNumber.Size2,
  OptionNumber.RequestTag,
  OptionNumber.Observe,
  OptionNumber.NoResponse,
  OptionNumber.HopLimit,
]);

/** Options of a response that concern one hop. Size1 does not: with 4.13 it says what the origin server would take. */
const RESPONSE_HOP: ReadonlySet<number> = new Set([
  OptionNumber.Block1,
  OptionNumber.Block2,
  OptionNumber.Size2,
  OptionNumber.Observe,
]);

/** 4.02 where a request has a critical option that is not understood, though a proxy might let it pass. */
export function refuseCritical(options: readonly Option[]): CoAPResponse | undefined {
  const option = checkRequestOptions(options);
  return option && CoAPResponse.error(Code.BadOption, `Option ${option.number} is not understood`);
}

/** Whether a request is one for a forward proxy. */
export function asksProxy(options: readonly Option[]): boolean {
  return options.some(({ number }) =>
    number === OptionNumber.ProxyUri || number === OptionNumber.ProxyScheme
  );
}

/**
 * What a request asks a forward proxy for, or undefined where it is nothing that can be reached by CoAP over UDP. Beside
 * Proxy-Uri nothing else counts (RFC 7252 section 5.10.2).
 *
 * @param local the address the request was sent to: host and port where the options name none (section 6.5)
 */
export function targetOf(options: readonly Option[], local: Address): UriParts | undefined {
  try {
    const uri = stringOptions(options, OptionNumber.ProxyUri)[0] ?? composeTarget(options, local);
    const parts = uri === undefined ? undefined : decomposeUri(uri);
    return parts?.scheme === "coap" ? parts : undefined;
  } catch (error) {
    if (error instanceof CoAPError) return undefined;
    throw error;
  }
}

function composeTarget(options: readonly Option[], local: Address): string | undefined {
  const scheme = stringOptions(options, OptionNumber.ProxyScheme)[0];
  if (scheme?.toLowerCase() !== "coap") return undefined;
  return composeUri({ host: local.address, port: local.port, options });
}

/** The options of a request with others that name its target. */
export function retarget(options: readonly Option[], target: readonly Option[]): Option[] {
  return [...target, ...options.filter(({ number }) => !TARGET.has(number))]
    .sort((a, b) => a.number - b.number);
}

/**
 * The options of a request as they go on: what concerns one hop stays here, the rest is not changed, known or not.
 *
 * @param ownEcho whether its Echo value is one of this server's own (RFC 9175 section 2.3)
 */
export function forwardedOptions(
  options: readonly Option[],
  target: readonly Option[],
  ownEcho: boolean,
): Option[] {
  const kept = options.filter(({ number }) =>
    !TARGET.has(number) && !REQUEST_HOP.has(number) && !(ownEcho && number === OptionNumber.Echo)
  );
  return [...target, ...sendable(kept, "request")];
}

/** A response as it goes on to the client. */
export function relayed({ code, options, payload }: Content): Content {
  const kept = options.filter(({ number }) =>
    !RESPONSE_HOP.has(number) &&
    (number !== OptionNumber.Size1 || code === Code.RequestEntityTooLarge)
  );
  return { code, options: sendable(kept, "response"), payload };
}

/** Without what no receiver would take and `encode` refuses: known options out of place, doubled, of a wrong length. */
function sendable(options: readonly Option[], use: "request" | "response"): Option[] {
  let previous = -1;
  return options.filter(({ number, value: { length } }) => {
    const definition = optionDefinition(number);
    const doubled = number === previous;
    previous = number;
    if (definition === undefined) return true;
    return length >= definition.min && length <= definition.max &&
      (definition[use] === "repeatable" || definition[use] === "once" && !doubled);
  });
}

/**
 * A response as a client is to have it: 2.03 where it holds the representation already.
 *
 * @param request the client's options
 */
export function selected(content: Content, request: readonly Option[]): Content {
  const etag = findOption(content.options, OptionNumber.ETag);
  if (content.code !== Code.Content || etag === undefined) return content;
  const known = findOptions(request, OptionNumber.ETag)
    .some(({ value }) => equalBytes(value, etag.value));
  if (!known) return content;
  const options = withMaxAge([etag], maxAgeOf(content.options));
  return { code: Code.Valid, options, payload: EMPTY };
}

/**
 * The response to a request that came to nothing (RFC 7252 section 5.7.1). It does not say what: to the clients of a
 * reverse proxy the origin server's address may be a secret.
 */
export function failureOf(reason: unknown): Content {
  const [code, text] = reason instanceof CoAPError
    ? FAILURES[reason.reason] ?? BAD_GATEWAY
    : [Code.InternalServerError, ""];
  return { code, options: [], payload: UTF8.encode(text) };
}

const BAD_GATEWAY = [Code.BadGateway, "Response of the origin server can not be used"] as const;
const UNREACHABLE = [Code.BadGateway, "Origin server can not be reached"] as const;
const BUSY = [Code.ServiceUnavailable, "Too many requests are under way"] as const;

const FAILURES: Partial<Record<CoAPErrorReason, readonly [code: number, text: string]>> = {
  "timeout": [Code.GatewayTimeout, "Origin server does not answer"],
  "refused": UNREACHABLE,
  "reset": [Code.BadGateway, "Origin server has rejected the request"],
  "transport": UNREACHABLE,
  "name-resolution": UNREACHABLE,
  "limit": BUSY,
  "message-ids": BUSY,
  "closed": [Code.ServiceUnavailable, "Proxy is closed"],
};

/** Largest diagnostic payload of a 5.08 that still fits in a datagram of any path, bytes. */
const MAX_DIAGNOSTIC = 1024;

/**
 * A 5.08 on its way: this proxy puts its name in front. Where the name is in it already the request went in a circle
 * and the response goes no further; the client gets one that begins here (RFC 8768 section 4).
 */
export function hopLimitReached(identifier: string, content?: Content): Content {
  const code = Code.HopLimitReached;
  const others = payloadText(content?.payload ?? EMPTY);
  if (content === undefined || others.split(" ").includes(identifier)) {
    return { code, options: [], payload: UTF8.encode(identifier) };
  }
  const payload = UTF8.encode(others === "" ? identifier : `${identifier} ${others}`);
  return payload.length > MAX_DIAGNOSTIC ? content : { ...content, payload };
}

/** A request or response with the number of hops that it may take, or could. */
export function withHopLimit<T extends { readonly options?: readonly Option[] }>(
  message: T,
  hops: number,
): T {
  const hopLimit = { number: OptionNumber.HopLimit, value: encodeUint(hops) };
  return { ...message, options: [...message.options ?? [], hopLimit] };
}

/** A response without it. */
export function withoutHopLimit(content: Content): Content {
  const options = content.options.filter(({ number }) => number !== OptionNumber.HopLimit);
  return { ...content, options };
}

/**
 * The Location options of a response, from the paths of the origin server to those that the clients of a reverse proxy
 * know: the base there gives way to the path at which the proxy is mounted.
 */
export function relocated(
  content: Content,
  base: readonly Uint8Array[],
  mount: readonly Uint8Array[],
): Content {
  if (base.length === 0 && mount.length === 0) return content;
  const path = content.options.filter(({ number }) => number === OptionNumber.LocationPath);
  const below = path.length > 0 && base.every((segment, index) => {
    const value = path[index]?.value;
    return value !== undefined && equalBytes(value, segment);
  });
  if (!below) return content;
  const moved = [...mount, ...path.slice(base.length).map(({ value }) => value)]
    .map((value) => ({ number: OptionNumber.LocationPath, value }));
  const rest = content.options.filter(({ number }) => number !== OptionNumber.LocationPath);
  const options = [...rest, ...moved].sort((a, b) => a.number - b.number);
  return { ...content, options };
}

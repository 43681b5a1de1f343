/** CoAP responses as HTTP responses: RFC 8075 section 7. @module */

import { Code, codeClass, codeName, codeText, isSuccess } from "../wire/code.ts";
import { type Conditions, formatETag } from "./http_conditions.ts";
import { typeOfFormat } from "./http_media_type.ts";
import type { Refusal } from "./http_refusal.ts";
import type { CoAPResponse } from "./response.ts";

/** What an HTTP response is made of besides the CoAP response. */
export interface Exchanged {
  /** Whether the method is one that gets a representation. */
  readonly reads: boolean;
  /** Whether the client wants the header fields alone. */
  readonly head: boolean;
  readonly conditions: Conditions;
  /** Whether header fields of the HTTP request went on as critical options. */
  readonly critical: boolean;
  /** Where a location is to be had over HTTP. */
  locate(uri: string): string | undefined;
}

/**
 * Nothing that a device says is to run as a script of the gateway's origin: a browser neither guesses types, nor lets
 * documents such as SVG do anything.
 */
const SAFE: Readonly<Record<string, string>> = {
  "content-security-policy": "default-src 'none'; sandbox",
  "x-content-type-options": "nosniff",
};

/** Codes with another status than class and detail make up (RFC 8075 table 2). */
const STATUS: ReadonlyMap<number, number> = new Map([
  [Code.Created, 201],
  [Code.Unauthorized, 403], // 401 needs a challenge
  [Code.BadOption, 500],
  [Code.MethodNotAllowed, 400], // 405 needs a list of methods
  [Code.RequestEntityIncomplete, 502],
  [Code.ProxyingNotSupported, 502],
]);

/** Codes that HTTP has as well. */
const SAME: ReadonlySet<number> = new Set([
  Code.Forbidden,
  Code.NotFound,
  Code.NotAcceptable,
  Code.Conflict,
  Code.PreconditionFailed,
  Code.RequestEntityTooLarge,
  Code.UnsupportedContentFormat,
  Code.UnprocessableEntity,
  Code.TooManyRequests,
  Code.NotImplemented,
  Code.BadGateway,
  Code.ServiceUnavailable,
  Code.GatewayTimeout,
  Code.HopLimitReached,
]);

/**
 * The status of a code. One that is not known counts as the generic one of its class (RFC 7252 section 5.9).
 *
 * @param empty whether there is no payload
 */
export function statusOf(code: number, empty: boolean): number {
  const status = STATUS.get(code);
  if (status !== undefined) return status;
  if (isSuccess(code)) return empty && code !== Code.Content ? 204 : 200;
  const kind = codeClass(code) * 100;
  return SAME.has(code) ? kind + (code & 0x1f) : kind;
}

/** The HTTP response for one of CoAP. */
export function toHTTP(response: CoAPResponse, exchanged: Exchanged): Response {
  const { code, payload, contentFormat, etag } = response;
  const { reads, head, conditions, critical } = exchanged;
  const headers: Record<string, string> = { ...SAFE };
  if (reads) headers["vary"] = "accept";
  // A change is no response to another request, so that how long it is fresh says nothing.
  if (reads) headers["cache-control"] = `max-age=${response.maxAge}`;
  if (etag !== undefined && isSuccess(code)) headers["etag"] = formatETag(etag);
  if (
    reads && (code === Code.Valid || code === Code.Content && conditions.has(etag))
  ) return new Response(null, { status: 304, headers });

  const location = isSuccess(code) ? response.location : undefined;
  const there = location === undefined ? undefined : exchanged.locate(location);
  if (there !== undefined) headers["location"] = there;
  const { retryAfter } = response;
  if (retryAfter !== undefined) headers["retry-after"] = String(retryAfter);
  const text = `CoAP server returned ${codeText(code)} ${codeName(code) ?? ""}`.trimEnd();
  const status = code === Code.BadOption && critical ? 400 : statusOf(code, payload.length === 0);
  if (status === 204) return new Response(null, { status, headers });
  if (contentFormat !== undefined) Object.assign(headers, typeOfFormat(contentFormat));
  else if (status >= 400) headers["content-type"] = "text/plain;charset=utf-8";
  const untold = status >= 400 && payload.length === 0;
  const body = untold ? new TextEncoder().encode(text) : payload;
  headers["content-length"] = String(body.length);
  const statusText = code === Code.MethodNotAllowed ? text : "";
  // The bytes may be a part of a datagram: what has a body gets bytes of its own.
  return new Response(head ? null : body.slice(), { status, statusText, headers });
}

/** The HTTP response for a request that the gateway refuses. */
export function refused({ status, message, headers }: Refusal, head: boolean): Response {
  return new Response(head ? null : `${message}\n`, {
    status,
    headers: {
      ...SAFE,
      "content-type": "text/plain;charset=utf-8",
      "cache-control": "no-store",
      ...headers,
    },
  });
}

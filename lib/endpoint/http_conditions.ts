/** Entity tags and conditions: RFC 8075 section 7, RFC 7252 sections 5.10.6 and 5.10.8, RFC 9110 section 13. @module */

import { toHex } from "../wire/bytes.ts";
import { Refusal } from "./http_refusal.ts";
import type { CoAPRequestInit } from "./outgoing.ts";

/** Entity tags of a field that are handed on: each costs up to 9 bytes of a datagram. */
const MAX_TAGS = 8;

const EMPTY = new Uint8Array(0);

/** Conditions of a request. */
export interface Conditions {
  /** Those that CoAP knows, as fields of a CoAP request. */
  readonly init: Pick<CoAPRequestInit, "etag" | "ifMatch" | "ifNoneMatch">;
  /** Whether the client has a representation already, so that it is to hear 304. Of what is not read, never. */
  has(etag: Uint8Array | undefined): boolean;
}

/** An entity tag in HTTP: CoAP's are bytes, strong ones. */
export function formatETag(etag: Uint8Array): string {
  return `"${toHex(etag)}"`;
}

/**
 * The conditions of a request.
 *
 * @param reads whether the method is one that gets a representation
 * @throws {Refusal} 412 where no representation can meet them, 501 where CoAP has no such condition
 */
export function conditionsOf(headers: Headers, reads: boolean): Conditions {
  const match = headers.get("if-match");
  const noneMatch = headers.get("if-none-match");
  const init: Conditions["init"] = {};
  if (match !== null) {
    // Weak ones match nothing here (RFC 9110 section 13.1.1).
    const tags = match.trim() === "*" ? [EMPTY] : parseTags(match, false);
    if (tags.length === 0) throw new Refusal(412, "No entity tag of CoAP is in If-Match");
    init.ifMatch = tags;
  }
  const any = noneMatch?.trim() === "*";
  if (noneMatch === null) return { init, has: () => false };
  const tags = any ? [] : parseTags(noneMatch, true);
  if (reads) {
    if (tags.length > 0) init.etag = tags;
    const known = new Set(tags.map(toHex));
    return { init, has: (etag) => any || etag !== undefined && known.has(toHex(etag)) };
  }
  if (!any) throw new Refusal(501, "CoAP knows If-None-Match with an asterisk alone");
  init.ifNoneMatch = true;
  return { init, has: () => false };
}

/** The entity tags that may be CoAP's; those of others never are the server's. */
function parseTags(field: string, weak: boolean): Uint8Array[] {
  const tags: Uint8Array[] = [];
  for (const [, prefix, hex] of field.matchAll(/(W\/)?"([\x21\x23-\x7e\x80-\xff]*)"/g)) {
    if (prefix !== undefined && !weak) continue;
    if (!/^(?:[\da-f]{2}){1,8}$/.test(hex!)) continue;
    tags.push(Uint8Array.from(hex!.match(/../g)!, (digits) => parseInt(digits, 16)));
    if (tags.length === MAX_TAGS) break;
  }
  return tags;
}

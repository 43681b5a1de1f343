/** Media types of HTTP and content formats of CoAP: RFC 8075 section 6. @module */

import { contentCoding, contentFormat, mediaType } from "../wire/content_format.ts";
import { Refusal } from "./http_refusal.ts";

/** Any content format by its number (RFC 8075 section 6.2). */
const COAP_PAYLOAD = "application/coap-payload";

/** Formats asked for one after another, at most: each costs the server a request. */
const MAX_TRIES = 4;

/** Ranges of an Accept field that are looked at. */
const MAX_RANGES = 32;

/** The type of an event stream. */
export const EVENT_STREAM = "text/event-stream";

/**
 * The content format of a body, or undefined where the request does not say.
 *
 * @param anyFormat whether formats may be given by number
 * @throws {Refusal} 415
 */
export function formatOfBody(headers: Headers, anyFormat: boolean): number | undefined {
  const coding = headers.get("content-encoding")?.trim().toLowerCase() ?? "identity";
  const type = headers.get("content-type");
  const coded = coding === "identity" || coding === "" ? undefined : coding;
  if (type === null && coded === undefined) return undefined;
  const format = type === null ? undefined : formatOfType(type, coded, anyFormat);
  if (format !== undefined) return format;
  if (coded !== undefined) {
    const accepted = { "accept-encoding": "identity, deflate" };
    throw new Refusal(415, "No content format is of this media type and coding", accepted);
  }
  throw new Refusal(415, "No content format is of this media type");
}

function formatOfType(
  type: string,
  coding: string | undefined,
  anyFormat: boolean,
): number | undefined {
  if (isOfType(type, COAP_PAYLOAD)) {
    const digits = /^[^;]*;\s*cf\s*=\s*"?(\d{1,5})"?\s*$/i.exec(type)?.[1];
    const given = digits !== undefined && anyFormat && coding === undefined;
    return given && Number(digits) <= 65_535 ? Number(digits) : undefined;
  }
  // The parameter says nothing of JSON and the like, but many send it.
  const plain = type.replace(/;\s*charset\s*=\s*"?utf-8"?\s*(?=;|$)/i, "");
  return contentFormat(type, coding) ?? contentFormat(plain, coding);
}

function isOfType(type: string, wanted: string): boolean {
  return type.split(";", 1)[0]!.trim().toLowerCase() === wanted;
}

/** What a client would take. */
export interface Wanted {
  /** Content formats to ask for, one after another; undefined stands for any. There is at least one. */
  readonly formats: readonly (number | undefined)[];
  /** Whether events are wanted before all else. */
  readonly events: boolean;
}

/**
 * What the Accept field of a request wants. A range that has no content format stands for any, as RFC 8075 section 6.1
 * says; so nothing less preferred is asked for.
 *
 * @param anyFormat whether formats may be given by number
 * @throws {Refusal} 406 where they may not, and are
 */
export function wantedBy(accept: string | null, anyFormat: boolean): Wanted {
  const ranges = (accept?.match(/(?:[^,"]|"(?:[^"\\]|\\.)*")+/g) ?? [])
    .slice(0, MAX_RANGES)
    .map(parseRange)
    .filter(({ quality }) => quality > 0)
    .sort((a, b) => b.quality - a.quality); // of equal ones the first stays the first
  const events = ranges[0] !== undefined && isOfType(ranges[0].type, EVENT_STREAM);
  const formats: (number | undefined)[] = [];
  for (const { type } of ranges) {
    if (isOfType(type, EVENT_STREAM)) continue;
    if (isOfType(type, COAP_PAYLOAD) && !anyFormat) {
      throw new Refusal(406, "Content formats can not be asked for by number");
    }
    const format = formatOfType(type, undefined, anyFormat);
    if (!formats.includes(format)) formats.push(format);
    if (format === undefined || formats.length === MAX_TRIES) break;
  }
  return { formats: formats.length === 0 ? [undefined] : formats, events };
}

function parseRange(text: string): { type: string; quality: number } {
  const found = /;\s*q\s*=\s*([^;\s]*)/i.exec(text);
  const type = (found === null ? text : text.slice(0, found.index)).trim();
  const quality = found === null ? 1 : Number(found[1]);
  return { type, quality: Number.isNaN(quality) ? 0 : quality };
}

/** The header fields for a content format. */
export function typeOfFormat(format: number): Record<string, string> {
  const type = mediaType(format);
  const coding = contentCoding(format);
  return {
    "content-type": type ?? `${COAP_PAYLOAD};cf=${format}`,
    ...(coding !== undefined && { "content-encoding": coding }),
  };
}

/** Whether payloads of a format are text. Those that do not say their format are taken for text, as diagnostics are. */
export function isText(format: number | undefined): boolean {
  if (format === undefined) return true;
  if (contentCoding(format) !== undefined) return false;
  const type = mediaType(format) ?? "";
  return /^text\/|[/+](?:json|xml|link-format|javascript)(?:;|$)/.test(type);
}

/** Generic URI syntax (RFC 3986): components, references, percent-encoding. @module */

import { encodeText } from "./bytes.ts";

/** The components of a URI reference as they stand in it. */
export interface UriComponents {
  scheme: string | undefined;
  authority: string | undefined;
  path: string;
  query: string | undefined;
  fragment: string | undefined;
}

/** Characters that stand for themselves in a segment, a host or a query. */
export const UNRESERVED = 1;
/** `! $ & ' ( ) * + , ; =` */
export const SUB_DELIMS = 2;
/** `: @` */
export const COLON_AT = 4;
/** `/ ?` */
export const SLASH_QUESTION = 8;
/** `&`, which is one of the sub-delims as well. */
export const AMPERSAND = 16;
/** `%`, for what is percent-encoded already. */
export const PERCENT = 32;

const CLASSES = new Uint8Array(128);
function assign(characters: string, kind: number): void {
  for (const character of characters) CLASSES[character.charCodeAt(0)]! |= kind;
}
assign("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~", UNRESERVED);
assign("!$&'()*+,;=", SUB_DELIMS);
assign(":@", COLON_AT);
assign("/?", SLASH_QUESTION);
assign("&", AMPERSAND);
assign("%", PERCENT);

/** Whether an ASCII character is of one of the classes. */
function isOf(unit: number, classes: number): boolean {
  return (CLASSES[unit]! & classes) !== 0;
}

/** Takes a URI reference apart (RFC 3986 section 3); it finds the components and checks none of them. */
export function splitUri(text: string): UriComponents {
  let rest = text;
  const hash = rest.indexOf("#");
  const fragment = hash < 0 ? undefined : rest.slice(hash + 1);
  if (hash >= 0) rest = rest.slice(0, hash);
  const question = rest.indexOf("?");
  const query = question < 0 ? undefined : rest.slice(question + 1);
  if (question >= 0) rest = rest.slice(0, question);
  const scheme = /^([a-z][a-z\d+.-]*):/i.exec(rest)?.[1];
  if (scheme !== undefined) rest = rest.slice(scheme.length + 1);
  if (!rest.startsWith("//")) return { scheme, authority: undefined, path: rest, query, fragment };
  const slash = rest.indexOf("/", 2);
  const authority = slash < 0 ? rest.slice(2) : rest.slice(2, slash);
  return { scheme, authority, path: slash < 0 ? "" : rest.slice(slash), query, fragment };
}

/** Puts components together again (RFC 3986 section 5.3). */
export function joinUri({ scheme, authority, path, query, fragment }: UriComponents): string {
  return (scheme === undefined ? "" : `${scheme}:`) +
    (authority === undefined ? "" : `//${authority}`) + path +
    (query === undefined ? "" : `?${query}`) + (fragment === undefined ? "" : `#${fragment}`);
}

/**
 * The segments of an absolute path without "." and ".." (RFC 3986 section 5.2.4), also where those are
 * percent-encoded.
 */
export function pathSegments(path: string): string[] {
  const segments: string[] = [];
  const given = path.split("/").slice(1);
  for (const [i, segment] of given.entries()) {
    const plain = segment.replace(/%2e/gi, ".");
    if (plain !== "." && plain !== "..") {
      segments.push(segment);
      continue;
    }
    if (plain === "..") segments.pop();
    if (i === given.length - 1) segments.push("");
  }
  return segments;
}

/** The target of a reference (RFC 3986 section 5.2.2, strict). */
export function resolveComponents(base: UriComponents, reference: UriComponents): UriComponents {
  const { scheme, authority, path, query, fragment } = reference;
  if (scheme !== undefined) {
    return { scheme, authority, path: withoutDots(path), query, fragment };
  }
  if (authority !== undefined) {
    return { scheme: base.scheme, authority, path: withoutDots(path), query, fragment };
  }
  const target = { scheme: base.scheme, authority: base.authority, fragment };
  if (path === "") return { ...target, path: base.path, query: query ?? base.query };
  if (path.startsWith("/")) return { ...target, path: withoutDots(path), query };
  const merged = base.path === "" && base.authority !== undefined
    ? `/${path}`
    : base.path.slice(0, base.path.lastIndexOf("/") + 1) + path;
  return { ...target, path: withoutDots(merged), query };
}

function withoutDots(path: string): string {
  return path.startsWith("/") ? `/${pathSegments(path).join("/")}` : path;
}

/**
 * The bytes that a component stands for, or what is wrong with it. Characters beyond ASCII stand for their UTF-8.
 *
 * @param classes which ASCII characters may stand in it besides percent-encoded ones
 */
export function percentDecode(text: string, classes: number): Uint8Array | string {
  let plain = true;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit === 0x25) {
      if (!/^[\da-f]{2}$/i.test(text.slice(i + 1, i + 3))) {
        return `"${text.slice(i, i + 3)}" is no percent-encoding`;
      }
      plain = false;
      i += 2;
    } else if (unit < 0x80 && !isOf(unit, classes)) {
      return `character "${text[i]}" must be percent-encoded`;
    }
  }
  if (!text.isWellFormed()) return "lone surrogate";
  const bytes = encodeText(text);
  if (plain) return bytes;
  // What remains has the shape "%HH", since it was checked above; in UTF-8 a 0x25 is a "%" and nothing else.
  const decoded = new Uint8Array(bytes.length);
  let length = 0;
  for (let i = 0; i < bytes.length; i++) {
    if (bytes[i] === 0x25) {
      decoded[length++] = parseInt(String.fromCharCode(bytes[i + 1]!, bytes[i + 2]!), 16);
      i += 2;
    } else {
      decoded[length++] = bytes[i]!;
    }
  }
  return decoded.slice(0, length);
}

/**
 * Percent-encodes bytes in upper case.
 *
 * @param classes which ASCII characters stay as they are
 * @param except which of them do not
 */
export function percentEncode(bytes: Uint8Array, classes: number, except = 0): string {
  let text = "";
  for (const byte of bytes) {
    text += byte < 0x80 && isOf(byte, classes) && !isOf(byte, except)
      ? String.fromCharCode(byte)
      : `%${byte < 16 ? "0" : ""}${byte.toString(16).toUpperCase()}`;
  }
  return text;
}

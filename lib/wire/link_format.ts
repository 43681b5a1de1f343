/** CoRE Link Format, the documents of `/.well-known/core` (RFC 6690). @module */

import { CoAPError } from "../errors.ts";

/** An attribute's name and value; undefined for one without a value, such as `obs`. */
export type LinkAttribute = readonly [name: string, value: string | undefined];

/** One link. */
export interface Link {
  /** The target as it stands between "<" and ">": a URI or a reference. */
  readonly href: string;
  /** The attributes in their order, repeated ones included. */
  readonly attributes: readonly LinkAttribute[];
}

/** Attributes of which only the first counts (RFC 6690 sections 2 and 3, RFC 5988 section 5, erratum 5078). */
const ONCE: ReadonlySet<string> = new Set([
  ...["anchor", "ct", "if", "media", "rel", "rev", "rt", "sz", "title", "title*", "type"],
]);

/** Attributes with several values, separated by spaces, each of which is matched by itself. */
const LISTS: ReadonlySet<string> = new Set(["ct", "if", "rel", "rev", "rt"]);

const NAME = /[\w!#$&+\-.^`|~]+\*?/y;
const TOKEN = /[\w!#$%&'()*+\-./:<=>?@[\]^`{|}~]+/y;
const CARDINAL = /^(0|[1-9]\d*)$/;

/**
 * Reads a document. An empty one has no links.
 *
 * @example Links with their attributes
 * ```ts
 * import { linkAttribute, parseLinks } from "@x/coap/wire";
 *
 * const [link] = parseLinks('</sensors/temp>;rt="temperature-c";obs');
 * console.log(link?.href, linkAttribute(link!, "rt")); // /sensors/temp temperature-c
 * ```
 *
 * @throws {CoAPError} `malformed-message` with the offset, in characters, of what does not fit the syntax
 */
export function parseLinks(text: string): Link[] {
  const links: Link[] = [];
  let position = 0;
  while (position < text.length || links.length > 0) {
    if (text[position] !== "<") throw malformed(text, position, '"<"');
    const close = text.indexOf(">", position);
    if (close < 0) throw malformed(text, text.length, '">"');
    const href = text.slice(position + 1, close);
    const attributes: LinkAttribute[] = [];
    position = close + 1;
    while (text[position] === ";") {
      const [attribute, end] = parseAttribute(text, position + 1);
      attributes.push(attribute);
      position = end;
    }
    links.push({ href, attributes });
    if (position === text.length) break;
    if (text[position] !== ",") throw malformed(text, position, '";" or ","');
    position++;
  }
  return links;
}

/** The attribute at `start` and the offset behind it. */
function parseAttribute(text: string, start: number): [LinkAttribute, number] {
  const name = matchAt(NAME, text, start);
  if (name === undefined) throw malformed(text, start, "an attribute's name");
  let position = start + name.length;
  if (text[position] !== "=") return [[name, undefined], position];
  position++;
  const valueStart = position;
  let value: string | undefined;
  if (text[position] === '"') {
    value = "";
    for (position++; text[position] !== '"'; position++) {
      if (text[position] === "\\") position++;
      if (position >= text.length) throw malformed(text, text.length, "a closing quote");
      value += text[position];
    }
    position++;
  } else {
    value = matchAt(TOKEN, text, position);
    if (value === undefined) throw malformed(text, position, `a value of ${name}`);
    position += value.length;
  }
  if (name === "sz" && !CARDINAL.test(value)) {
    throw malformed(text, valueStart, "a size without leading zeros");
  }
  return [[name, value], position];
}

function matchAt(pattern: RegExp, text: string, position: number): string | undefined {
  pattern.lastIndex = position;
  return pattern.exec(text)?.[0];
}

function malformed(text: string, offset: number, wanted: string): CoAPError {
  const found = offset < text.length ? `"${text.slice(offset, offset + 16)}"` : "its end";
  return new CoAPError(
    "malformed-message",
    `Malformed link format at offset ${offset}: expected ${wanted}, found ${found}`,
  );
}

/**
 * The value of the first attribute of that name: an empty string where it has none, undefined where the link does not
 * have the attribute.
 */
export function linkAttribute(link: Link, name: string): string | undefined {
  const attribute = link.attributes.find(([candidate]) => candidate === name);
  return attribute === undefined ? undefined : attribute[1] ?? "";
}

/**
 * All values of an attribute: the parts of `rt`, `if`, `rel`, `rev` and `ct`, which are lists separated by spaces, and
 * those of a repeated attribute where it may be repeated.
 */
export function linkValues(link: Link, name: string): string[] {
  const values: string[] = [];
  for (const [candidate, value = ""] of link.attributes) {
    if (candidate !== name) continue;
    if (LISTS.has(name)) values.push(...value.split(" ").filter((part) => part !== ""));
    else values.push(value);
    if (ONCE.has(name)) break;
  }
  return values;
}

/**
 * Writes a document. Of an attribute that may occur only once the first one is written.
 *
 * @throws {CoAPError} `malformed-message` where a target, a name or a value can not be written
 */
export function formatLinks(links: readonly Link[]): string {
  return links.map(formatLink).join(",");
}

function formatLink({ href, attributes }: Link): string {
  if (href.includes(">")) throw unwritable("Link target", href);
  let text = `<${href}>`;
  const written = new Set<string>();
  for (const [name, value] of attributes) {
    if (matchAt(NAME, name, 0) !== name) throw unwritable("Link attribute name", name);
    if (ONCE.has(name) && written.has(name)) continue;
    written.add(name);
    text += value === undefined ? `;${name}` : `;${name}=${formatValue(name, value)}`;
  }
  return text;
}

/** Numbers, languages and extended values stand without quotes (RFC 6690 section 2). */
function formatValue(name: string, value: string): string {
  if (name === "sz") {
    if (CARDINAL.test(value)) return value;
    throw unwritable("Link attribute sz", value);
  }
  if (name.endsWith("*")) {
    if (matchAt(TOKEN, value, 0) === value) return value;
    throw unwritable(`Link attribute ${name}`, value);
  }
  const bare = name === "ct" && CARDINAL.test(value) ||
    name === "hreflang" && matchAt(TOKEN, value, 0) === value;
  return bare ? value : `"${value.replace(/["\\]/g, "\\$&")}"`;
}

function unwritable(what: string, value: string): CoAPError {
  return new CoAPError("malformed-message", `${what} can not be written: it is "${value}"`);
}

/**
 * The links that match every filter of a discovery request (RFC 6690 section 4.1).
 *
 * A filter is `name=value`, or `name=prefix*` for values that begin so; `href` is the target. A name alone asks
 * whether the attribute is there. Each value of a list is matched by itself.
 *
 * @param query the values of the request's Uri-Query options
 */
export function filterLinks(links: readonly Link[], query: readonly string[]): Link[] {
  return links.filter((link) => query.every((filter) => matches(link, filter)));
}

function matches(link: Link, filter: string): boolean {
  const equals = filter.indexOf("=");
  if (equals < 0) return linkAttribute(link, filter) !== undefined;
  const name = filter.slice(0, equals);
  const pattern = filter.slice(equals + 1);
  const values = name === "href" ? [link.href] : linkValues(link, name);
  if (!pattern.endsWith("*")) return values.includes(pattern);
  const prefix = pattern.slice(0, -1);
  return values.some((value) => value.startsWith(prefix));
}

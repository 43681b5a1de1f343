/** Which CoAP URI an HTTP URI stands for, and back: RFC 8075 section 5. @module */

import { CoAPError } from "../errors.ts";
import { encodeText } from "../wire/bytes.ts";
import { type Option, OptionNumber } from "../wire/option.ts";
import { composeUri, decomposeUri, type UriParts } from "../wire/uri.ts";
import { percentEncode, splitUri } from "../wire/uri_syntax.ts";
import { Refusal } from "./http_refusal.ts";
import { reachOf, withoutEnd } from "./proxy_rule.ts";

/** Maps URIs in both directions. */
export interface URIMapping {
  /**
   * The target of a request.
   *
   * @throws {Refusal} where there is none
   */
  toCoAP(url: URL): UriParts;
  /** The path and query by which a CoAP URI is to be had, or undefined where it can not be. */
  toHTTP(uri: string): string | undefined;
}

/** What URLs leave as it stands, and URIs do not (RFC 3986 section 2). */
const URL_ONLY = /["<>\\^`{|}[\]]/g;

function strict(text: string): string {
  return text.replace(URL_ONLY, (character) => percentEncode(encodeText(character), 0));
}

/** @throws {Refusal} */
function decompose(uri: string): UriParts {
  try {
    return decomposeUri(uri);
  } catch (error) {
    if (error instanceof CoAPError) throw new Refusal(400, "URI can not be mapped to one of CoAP");
    throw error;
  }
}

/** Options of these numbers. */
function only({ options }: UriParts, ...numbers: number[]): Option[] {
  return options.filter(({ number }) => numbers.includes(number));
}

/** The path of a gateway in its normal form, with a slash at both ends. */
export function normalBase(base: string): string {
  const url = new URL(base, "http://gateway");
  if (!base.startsWith("/") || url.host !== "gateway" || url.search !== "" || url.hash !== "") {
    throw new TypeError(`Base of a gateway must be an absolute path: it is "${base}"`);
  }
  return url.pathname.endsWith("/") ? url.pathname : `${url.pathname}/`;
}

/** What stands behind the base. */
function below(base: string, { pathname, search }: URL): string {
  if (pathname.startsWith(base)) return pathname.slice(base.length) + search;
  if (`${pathname}/` === base) return search;
  throw new Refusal(404, "There is nothing at this path");
}

/** Paths below one URI. */
export class FixedMapping implements URIMapping {
  readonly #base: string;
  readonly #target: UriParts;
  readonly #path: readonly Option[];

  /** @throws {CoAPError} `invalid-uri` where the target has a query or is a group */
  constructor(target: UriParts, base: string) {
    this.#base = base;
    this.#target = target;
    if (only(target, OptionNumber.UriQuery).length > 0) {
      const text = `Target of a gateway must have no query: it is "${composeUri(target)}"`;
      throw new CoAPError("invalid-uri", text);
    }
    if (target.hostIsAddress && reachOf(target.host) === "none") {
      const text = `Target of a gateway must be one host: it is "${composeUri(target)}"`;
      throw new CoAPError("invalid-uri", text);
    }
    const path = only(target, OptionNumber.UriPath);
    this.#path = path.slice(0, withoutEnd(path.map(({ value }) => value)).length);
  }

  toCoAP(url: URL): UriParts {
    // Dot segments end at the root of this, so that no path leads above that of the target.
    const { UriPath, UriQuery } = OptionNumber;
    const asked = decompose(`coap://h/${strict(below(this.#base, url))}`);
    const others = this.#target.options.filter(({ number }) => number !== UriPath);
    const options = [...others, ...this.#path, ...only(asked, UriPath), ...only(asked, UriQuery)];
    return { ...this.#target, options };
  }

  toHTTP(uri: string): string | undefined {
    const there = splitUri(uri);
    const root = splitUri(composeUri({ ...this.#target, options: [...this.#path] })).path;
    const prefix = this.#path.length === 0 ? "/" : `${root}/`;
    const query = there.query === undefined ? "" : `?${there.query}`;
    if (there.path.startsWith(prefix)) {
      return this.#base + there.path.slice(prefix.length) + query;
    }
    return there.path === root ? this.#base + query : undefined;
  }
}

/** What each variable of a template may stand for. */
const VARIABLES: Readonly<Record<string, string>> = {
  tu: ".*",
  s: "[^/?&]*",
  hp: "[^/?&]*",
  p: "(?:/[^?]*?)?",
  q: ".*",
  qq: "(?:\\?.*)?",
};

/** URIs as requests name them. */
export class TemplateMapping implements URIMapping {
  readonly #base: string;
  readonly #template: string;
  readonly #pattern: RegExp;

  /** @throws {TypeError} where the template is none */
  constructor(template: string, base: string) {
    this.#base = base;
    this.#template = template;
    const names: string[] = [];
    const parts = template.split(/\{\+([a-z]+)\}/).map((part, index) => {
      if (index % 2 === 0) return part.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&");
      names.push(part);
      return `(?<${part}>${VARIABLES[part]})`;
    });
    const given = new Set(names);
    const whole = given.has("tu") ? given.size === 1 : given.has("s") && given.has("hp");
    if (
      !whole || given.size < names.length || given.has("q") && given.has("qq") ||
      names.some((name) => VARIABLES[name] === undefined) ||
      /[{}]/.test(template.replace(/\{\+[a-z]+\}/g, ""))
    ) {
      throw new TypeError(`Template must hold "{+tu}", or "{+s}" and "{+hp}": it is "${template}"`);
    }
    this.#pattern = new RegExp(`^${parts.join("")}$`);
  }

  /** The template where it is not the default one. */
  get hct(): string | undefined {
    return this.#template === "{+tu}" ? undefined : this.#template;
  }

  toCoAP(url: URL): UriParts {
    const found = this.#pattern.exec(below(this.#base, url))?.groups;
    if (found === undefined) throw new Refusal(400, "Request names no CoAP URI");
    let { tu } = found;
    if (tu === undefined) {
      const { s, hp, p = "", q = "", qq = q === "" ? "" : `?${q}` } = found;
      tu = `${s}://${hp}${p}${qq}`;
    }
    // Scripts encode what they put into a query, though a template does not.
    if (/^coaps?(?:%2b\w+)?%3a/i.test(tu)) tu = decoded(tu);
    const [, authority, rest] = /^([a-z][a-z+]*:\/\/[^/?]*)(.*)$/is.exec(tu) ?? [];
    if (authority === undefined) {
      throw new Refusal(400, "Request names no CoAP URI with its scheme");
    }
    // The brackets of an IPv6 address may be encoded (RFC 8075 section 5.3.2).
    const host = authority.replace(/%5b/i, "[").replace(/%5d/i, "]");
    return decompose(host + strict(rest!));
  }

  toHTTP(uri: string): string {
    const { scheme = "", authority = "", path, query } = splitUri(uri);
    const hp = authority.replace("[", "%5B").replace("]", "%5D");
    const qq = query === undefined ? "" : `?${query}`;
    const tu = `${scheme}://${hp}${path}${qq}`;
    const values: Record<string, string> = { tu, s: scheme, hp, p: path, q: query ?? "", qq };
    return this.#base +
      this.#template.replace(/\{\+([a-z]+)\}/g, (_, name: string) => values[name]!);
  }
}

/** @throws {Refusal} */
function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new Refusal(400, "URI can not be mapped to one of CoAP");
  }
}

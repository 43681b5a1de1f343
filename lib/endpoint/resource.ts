/** What a router knows of a resource, and the link that tells of it. @module */

import { Code } from "../wire/code.ts";
import type { Link, LinkAttribute } from "../wire/link_format.ts";
import { composePath, type IncomingRequest } from "./incoming_request.ts";
import { methodName } from "./methods.ts";
import type { PathParams, Pattern } from "./pattern.ts";
import { isSafe } from "./representation.ts";
import type { CoAPResponse } from "./response.ts";

/** Answers the requests of a route. `request.params` holds the parameters of its pattern. */
export type RouteHandler<Path extends string = string> = (
  request: IncomingRequest<PathParams<Path>>,
) => CoAPResponse | Promise<CoAPResponse>;

/** The handlers of a resource, by method. */
export interface ResourceHandlers<Path extends string = string> {
  /** Answers GET. */
  get?: RouteHandler<Path>;
  /** Answers POST. */
  post?: RouteHandler<Path>;
  /** Answers PUT. */
  put?: RouteHandler<Path>;
  /** Answers DELETE. */
  delete?: RouteHandler<Path>;
  /** Answers FETCH. */
  fetch?: RouteHandler<Path>;
  /** Answers PATCH. */
  patch?: RouteHandler<Path>;
  /** Answers iPATCH. */
  ipatch?: RouteHandler<Path>;
}

/** What requests of a route must be like. */
export interface RouteOptions {
  /**
   * Whether GET and FETCH register observers, to be told of changes by `server.notify` (RFC 7641). Gives the link the
   * attribute `obs`.
   *
   * @default {false}
   */
  observable?: boolean;
  /**
   * Whether the sender must have shown with an Echo value that its request is no old one, else it is asked to (4.01, RFC
   * 9175 section 2.3): for what opens doors. In `resource` it is about the methods other than GET and FETCH.
   *
   * @default {false}
   */
  fresh?: boolean;
  /**
   * Content formats in which GET and FETCH answer: where Accept names none of them they are answered 4.06 without the
   * handler (RFC 7252 section 5.10.4). Gives the link the attribute `ct` where there is none.
   *
   * @default any
   */
  contentFormats?: readonly number[];
  /**
   * Content formats of payloads that are understood: a request with another one is answered 4.15 without the handler
   * (RFC 7252 section 5.10.3). One that names none goes to the handler.
   *
   * @default any
   */
  accepts?: readonly number[];
  /**
   * Whether requests to a group are answered. RFC 7252 section 11.3 asks to limit that to resources that need it.
   *
   * @default {false}
   */
  multicast?: boolean;
}

/** The value of an attribute: a list is joined by spaces, `true` gives an attribute without a value. */
export type AttributeValue = string | number | boolean | readonly (string | number)[];

/**
 * What holds for all routes of a resource, and what `/.well-known/core` says about it (RFC 6690 section 3, RFC 7252
 * section 7.2.1).
 */
export interface ResourceAttributes extends RouteOptions {
  /** Resource types. */
  rt?: string | readonly string[];
  /** Interface descriptions. */
  if?: string | readonly string[];
  /** Content formats. */
  ct?: number | readonly number[];
  /** For human readers. */
  title?: string;
  /** Greatest size to be expected, bytes. */
  sz?: number;
  /** Any other attribute. */
  [name: string]: AttributeValue | undefined;
}

/** One method of a resource. */
export interface Route {
  readonly pattern: Pattern;
  readonly handler: RouteHandler;
  readonly options: RouteOptions;
  /** Whether the handler hands requests on. */
  readonly forwards: boolean;
}

/** What stands for a path. */
export interface Resource {
  readonly pattern: Pattern;
  readonly routes: Map<number, Route>;
  attributes: ResourceAttributes | undefined;
}

/** Attributes that are no attributes of the link. */
const SETTINGS: ReadonlySet<string> = new Set([
  "observable",
  "fresh",
  "contentFormats",
  "accepts",
  "multicast",
]);

/**
 * What an attribute of a resource means for one of its routes.
 *
 * @throws {TypeError} where the route can not have it
 */
export function routeOptions(
  code: number,
  { observable, fresh, contentFormats, accepts, multicast }: RouteOptions,
  ofResource: boolean,
): RouteOptions {
  const safe = isSafe(code);
  if (observable && !safe && !ofResource) {
    throw new TypeError(`Only GET and FETCH can be observed: "${methodName(code)}"`);
  }
  return {
    observable: (observable ?? false) && safe,
    fresh: (fresh ?? false) && !(ofResource && safe),
    contentFormats: safe ? contentFormats : undefined,
    accepts: code === Code.GET || code === Code.DELETE ? undefined : accepts,
    multicast: multicast ?? false,
  };
}

/** Whether a resource has one path: a pattern with parameters is none to link to. */
export function isListed({ pattern }: Resource): boolean {
  return pattern.names.size === 0 && !pattern.tail;
}

/** The link to a resource. */
export function linkTo({ pattern, routes, attributes = {} }: Resource): Link {
  const list: LinkAttribute[] = [];
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === false || SETTINGS.has(name)) continue;
    list.push([
      name,
      value === true ? undefined : typeof value === "object" ? value.join(" ") : String(value),
    ]);
  }
  const safe = [...routes].filter(([code]) => isSafe(code)).map(([, { options }]) => options);
  const formats = new Set(safe.flatMap(({ contentFormats = [] }) => contentFormats));
  if (formats.size > 0 && attributes.ct === undefined) list.push(["ct", [...formats].join(" ")]);
  if (safe.some(({ observable }) => observable)) list.push(["obs", undefined]);
  const segments = pattern.segments.filter((segment) => segment !== undefined);
  return { href: composePath(segments), attributes: list };
}

/** Requests to handlers by path and method, and what a server tells about itself. @module */

import { Code } from "../wire/code.ts";
import { ContentFormat } from "../wire/content_format.ts";
import { filterLinks, formatLinks, type Link } from "../wire/link_format.ts";
import { composePath, type IncomingRequest, setParams } from "./incoming_request.ts";
import { methodCode, methodName } from "./methods.ts";
import { parsePattern, type PathParams, type Pattern, PatternTree } from "./pattern.ts";
import { CoAPResponse } from "./response.ts";

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

/** The value of an attribute: a list is joined by spaces, `true` gives an attribute without a value. */
export type AttributeValue = string | number | boolean | readonly (string | number)[];

/** What `/.well-known/core` says about a resource (RFC 6690 section 3, RFC 7252 section 7.2.1). */
export interface ResourceAttributes {
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
  /** Whether the resource can be observed: the attribute `obs` (RFC 7641 section 6). */
  observable?: boolean;
  /** Any other attribute. */
  [name: string]: AttributeValue | undefined;
}

/** One method of a resource. */
interface Route {
  readonly pattern: Pattern;
  readonly handler: RouteHandler;
}

/** What stands for a path. */
interface Resource {
  readonly pattern: Pattern;
  readonly routes: Map<number, Route>;
  attributes: ResourceAttributes | undefined;
}

const NOT_FOUND = CoAPResponse.error(Code.NotFound);
const METHOD_NOT_ALLOWED = CoAPResponse.error(Code.MethodNotAllowed);
const NOT_ACCEPTABLE = CoAPResponse.error(Code.NotAcceptable);

/**
 * Finds the handler for a request: first the resource by its path, then the method. A path without a resource is
 * answered 4.04, a method that the resource does not have 4.05.
 *
 * Patterns are paths as in a URI. A segment `:name` takes any segment that is not empty, a `*` at the end all that
 * remain; a literal segment goes before a parameter, a parameter before `*`. A slash at the end counts: `/a/` is
 * another resource than `/a`.
 *
 * `GET /.well-known/core` is answered by itself, with the resources that have no parameter, filtered by the query (RFC
 * 6690 section 4.1), unless a route of its own is given.
 *
 * @example Sensors
 * ```ts
 * import { CoAPResponse, Code, Router } from "@x/coap";
 *
 * const values = new Map([["inside", 21], ["outside", 8]]);
 * const router = new Router()
 *   .resource("/sensors", { rt: "index", ct: 50 }, {
 *     get: () => CoAPResponse.json([...values.keys()]),
 *   })
 *   .get("/sensors/:id", (request) => {
 *     const value = values.get(request.params.id);
 *     return value === undefined
 *       ? CoAPResponse.error(Code.NotFound, "No such sensor")
 *       : CoAPResponse.text(`${value}`);
 *   });
 * console.log(router.links[0]?.href); // /sensors
 * ```
 */
export class Router {
  readonly #tree = new PatternTree<Resource>();
  readonly #resources: Resource[] = [];
  #links: Link[] | undefined = undefined;

  /**
   * Adds a route.
   *
   * @param method a name such as `"GET"`, or a code, 1 to 31
   * @throws {TypeError} where the pattern is malformed, or pattern and method have a route already
   * @throws {CoAPError} `invalid-code` where there is no such method
   */
  route<Path extends string>(
    method: string | number,
    pattern: Path,
    handler: RouteHandler<Path>,
  ): this {
    this.#add(pattern, [[methodCode(method), handler as RouteHandler]]);
    return this;
  }

  /** Adds a route for GET. Throws as {@linkcode Router.route}. */
  get<Path extends string>(pattern: Path, handler: RouteHandler<Path>): this {
    return this.route(Code.GET, pattern, handler);
  }

  /** Adds a route for POST. Throws as {@linkcode Router.route}. */
  post<Path extends string>(pattern: Path, handler: RouteHandler<Path>): this {
    return this.route(Code.POST, pattern, handler);
  }

  /** Adds a route for PUT. Throws as {@linkcode Router.route}. */
  put<Path extends string>(pattern: Path, handler: RouteHandler<Path>): this {
    return this.route(Code.PUT, pattern, handler);
  }

  /** Adds a route for DELETE. Throws as {@linkcode Router.route}. */
  delete<Path extends string>(pattern: Path, handler: RouteHandler<Path>): this {
    return this.route(Code.DELETE, pattern, handler);
  }

  /** Adds a route for FETCH. Throws as {@linkcode Router.route}. */
  fetch<Path extends string>(pattern: Path, handler: RouteHandler<Path>): this {
    return this.route(Code.FETCH, pattern, handler);
  }

  /** Adds a route for PATCH. Throws as {@linkcode Router.route}. */
  patch<Path extends string>(pattern: Path, handler: RouteHandler<Path>): this {
    return this.route(Code.PATCH, pattern, handler);
  }

  /** Adds a route for iPATCH. Throws as {@linkcode Router.route}. */
  ipatch<Path extends string>(pattern: Path, handler: RouteHandler<Path>): this {
    return this.route(Code.iPATCH, pattern, handler);
  }

  /**
   * Adds a resource: its routes, and what `/.well-known/core` says about it. One with a parameter in its pattern is not
   * listed there.
   *
   * @throws {TypeError} where the pattern is malformed, or has attributes or one of the routes already
   * @throws {CoAPError} `malformed-message` where an attribute can not be written
   */
  resource<Path extends string>(
    pattern: Path,
    attributes: ResourceAttributes,
    handlers: ResourceHandlers<Path>,
  ): this {
    const routes = Object.entries(handlers)
      .filter(([, handler]) => handler !== undefined)
      .map(([method, handler]) => [methodCode(method), handler] as [number, RouteHandler]);
    this.#add(pattern, routes, { ...attributes });
    return this;
  }

  /** The links that `/.well-known/core` answers with. */
  get links(): readonly Link[] {
    return this.#links ??= this.#resources.filter(isListed).map(linkTo);
  }

  /** Answers a request. */
  handle(request: IncomingRequest): CoAPResponse | Promise<CoAPResponse> {
    const resource = this.#tree.find(request.path);
    if (resource === undefined) return isCore(request.path) ? this.#core(request) : NOT_FOUND;
    const route = resource.routes.get(request.code);
    if (route === undefined) return METHOD_NOT_ALLOWED;
    const { pattern, handler } = route;
    if (pattern.names.size > 0 || pattern.tail) {
      setParams(request, paramsOf(pattern, request.path));
    }
    return handler(request as IncomingRequest<never>);
  }

  #add(
    text: string,
    routes: readonly [code: number, handler: RouteHandler][],
    attributes?: ResourceAttributes,
  ): void {
    const pattern = parsePattern(text);
    for (const [code, handler] of routes) {
      if (typeof handler === "function") continue;
      throw new TypeError(`Handler of ${methodName(code)} must be a function: "${text}"`);
    }
    if (attributes !== undefined) formatLinks([linkTo({ pattern, attributes })]); // or throws
    const resource = this.#tree.at(pattern, () => {
      const made: Resource = { pattern, routes: new Map(), attributes: undefined };
      this.#resources.push(made);
      return made;
    });
    if (attributes !== undefined && resource.attributes !== undefined) {
      throw new TypeError(`Resource has attributes already: "${text}"`);
    }
    for (const [code] of routes) {
      if (resource.routes.has(code)) {
        throw new TypeError(`Resource has a route for ${methodName(code)} already: "${text}"`);
      }
    }
    for (const [code, handler] of routes) resource.routes.set(code, { pattern, handler });
    resource.attributes ??= attributes;
    this.#links = undefined;
  }

  #core(request: IncomingRequest): CoAPResponse {
    if (request.code !== Code.GET) return METHOD_NOT_ALLOWED;
    const { accept } = request;
    if (accept !== undefined && accept !== ContentFormat.LinkFormat) return NOT_ACCEPTABLE;
    return CoAPResponse.text(formatLinks(filterLinks(this.links, request.query)), {
      contentFormat: ContentFormat.LinkFormat,
    });
  }
}

function isCore(path: readonly string[]): boolean {
  return path.length === 2 && path[0] === ".well-known" && path[1] === "core";
}

function paramsOf({ names, segments, tail }: Pattern, path: readonly string[]): unknown {
  const params: Record<string, string | readonly string[]> = {};
  for (const [index, name] of names) params[name] = path[index]!;
  if (tail) params["*"] = path.slice(segments.length);
  return params;
}

function isListed({ pattern }: Resource): boolean {
  return pattern.names.size === 0 && !pattern.tail;
}

function linkTo({ pattern, attributes = {} }: Pick<Resource, "pattern" | "attributes">): Link {
  const list: [name: string, value: string | undefined][] = [];
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === false) continue;
    list.push([
      name === "observable" ? "obs" : name,
      value === true ? undefined : typeof value === "object" ? value.join(" ") : String(value),
    ]);
  }
  const segments = pattern.segments.filter((segment) => segment !== undefined);
  return { href: composePath(segments), attributes: list };
}

/** Requests to handlers by path and method, and what a server tells about itself. @module */

import { Code } from "../wire/code.ts";
import { ContentFormat } from "../wire/content_format.ts";
import { filterLinks, formatLinks, type Link } from "../wire/link_format.ts";
import { type IncomingRequest, setRoute, stateRequest } from "./incoming_request.ts";
import { methodCode, methodName } from "./methods.ts";
import { parsePattern, type Pattern, PatternTree } from "./pattern.ts";
import { refuseCritical } from "./proxy_message.ts";
import { isConditional, isSafe, weigh } from "./representation.ts";
import {
  isListed,
  linkTo,
  type Resource,
  type ResourceAttributes,
  type ResourceHandlers,
  type Route,
  type RouteHandler,
  type RouteOptions,
  routeOptions,
} from "./resource.ts";
import { CoAPResponse } from "./response.ts";
import type { HandlerObject } from "./serve_options.ts";

/** Stands for all methods among the routes of a resource. */
const ALL = 0;

const NOT_FOUND = CoAPResponse.error(Code.NotFound);
const METHOD_NOT_ALLOWED = CoAPResponse.error(Code.MethodNotAllowed);
const NOT_ACCEPTABLE = CoAPResponse.error(Code.NotAcceptable);
const UNSUPPORTED_FORMAT = CoAPResponse.error(Code.UnsupportedContentFormat);

/**
 * Finds the handler for a request: first the resource by its path, then the method. A path without a resource is
 * answered 4.04, a method that the resource does not have 4.05.
 *
 * Patterns are paths as in a URI. A segment `:name` takes any segment that is not empty, a `*` at the end all that
 * remain; a literal segment goes before a parameter, a parameter before `*`. A slash at the end counts: `/a/` is
 * another resource than `/a`.
 *
 * Conditions need nothing of the handlers: where a request other than GET and FETCH has If-Match or If-None-Match, the
 * resource's GET handler is asked first, without Accept. Its 4.04 says that there is no such resource, its 2.xx that there is,
 * with that entity tag; anything else fulfils no condition. An unfulfilled one is answered 4.12 and the handler not called
 * (RFC 7252 section 5.10.8). Where one of the two handlers takes its time, another request may come between. A resource
 * without a GET handler has to look at `request.ifMatch` and `request.ifNoneMatch` itself.
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
  #forwards = false;
  #links: Link[] | undefined = undefined;

  /**
   * Adds a route.
   *
   * @param method a name such as `"GET"`, or a code, 1 to 31
   * @throws {TypeError} where the pattern is malformed, pattern and method have a route already, or the method can not
   * be observed
   * @throws {CoAPError} `invalid-code` where there is no such method
   */
  route<Path extends string>(
    method: string | number,
    pattern: Path,
    handler: RouteHandler<Path>,
    options: RouteOptions = {},
  ): this {
    const code = methodCode(method);
    const settings = routeOptions(code, options, false);
    return this.#add(pattern, [[code, handler as RouteHandler, settings, false]]);
  }

  /** Adds a route for GET. Throws as {@linkcode Router.route}. */
  get<Path extends string>(
    pattern: Path,
    handler: RouteHandler<Path>,
    options?: RouteOptions,
  ): this {
    return this.route(Code.GET, pattern, handler, options);
  }

  /** Adds a route for POST. Throws as {@linkcode Router.route}. */
  post<Path extends string>(
    pattern: Path,
    handler: RouteHandler<Path>,
    options?: RouteOptions,
  ): this {
    return this.route(Code.POST, pattern, handler, options);
  }

  /** Adds a route for PUT. Throws as {@linkcode Router.route}. */
  put<Path extends string>(
    pattern: Path,
    handler: RouteHandler<Path>,
    options?: RouteOptions,
  ): this {
    return this.route(Code.PUT, pattern, handler, options);
  }

  /** Adds a route for DELETE. Throws as {@linkcode Router.route}. */
  delete<Path extends string>(
    pattern: Path,
    handler: RouteHandler<Path>,
    options?: RouteOptions,
  ): this {
    return this.route(Code.DELETE, pattern, handler, options);
  }

  /** Adds a route for FETCH. Throws as {@linkcode Router.route}. */
  fetch<Path extends string>(
    pattern: Path,
    handler: RouteHandler<Path>,
    options?: RouteOptions,
  ): this {
    return this.route(Code.FETCH, pattern, handler, options);
  }

  /** Adds a route for PATCH. Throws as {@linkcode Router.route}. */
  patch<Path extends string>(
    pattern: Path,
    handler: RouteHandler<Path>,
    options?: RouteOptions,
  ): this {
    return this.route(Code.PATCH, pattern, handler, options);
  }

  /** Adds a route for iPATCH. Throws as {@linkcode Router.route}. */
  ipatch<Path extends string>(
    pattern: Path,
    handler: RouteHandler<Path>,
    options?: RouteOptions,
  ): this {
    return this.route(Code.iPATCH, pattern, handler, options);
  }

  /**
   * Adds a route for all methods that have none of their own. An object, such as a reverse proxy, gets the segments before
   * the `*` as `depth`. Throws as {@linkcode Router.route}.
   *
   * @example What another server has, below a path of this one
   * ```ts
   * import { proxy, Router } from "@x/coap";
   *
   * const router = new Router().all("/kitchen/*", proxy({ target: "coap://192.0.2.7" }));
   * console.log(router.forwards); // true
   * ```
   */
  all<Path extends string>(pattern: Path, handler: RouteHandler<Path> | HandlerObject): this {
    if (typeof handler !== "object") {
      return this.#add(pattern, [[ALL, handler as RouteHandler, {}, false]]);
    }
    const depth = parsePattern(pattern).segments.length;
    const forwards = handler.forwards ?? false;
    this.#forwards ||= forwards;
    return this.#add(pattern, [[ALL, (request) => handler.handle(request, depth), {}, forwards]]);
  }

  /**
   * Adds a resource: its routes, what holds for them (and not for routes added otherwise), and what
   * `/.well-known/core` says about it. One with a parameter in its pattern is not listed there.
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
      .map(([method, handler]): NewRoute => {
        const code = methodCode(method);
        return [code, handler as RouteHandler, routeOptions(code, attributes, true), false];
      });
    return this.#add(pattern, routes, { ...attributes });
  }

  /** The links that `/.well-known/core` answers with. */
  get links(): readonly Link[] {
    return this.#links ??= this.#resources.filter(isListed).map(linkTo);
  }

  /** Whether one of the handlers hands requests on; to be known before the router is given to a server. */
  get forwards(): boolean {
    return this.#forwards;
  }

  /** Answers a request. */
  handle(request: IncomingRequest): CoAPResponse | Promise<CoAPResponse> {
    const resource = this.#tree.find(request.path);
    const route = resource && (resource.routes.get(request.code) ?? resource.routes.get(ALL));
    if (this.#forwards && !route?.forwards) {
      const refusal = refuseCritical(request.options);
      if (refusal !== undefined) return refusal;
    }
    if (resource === undefined) return isCore(request.path) ? this.#core(request) : NOT_FOUND;
    if (route === undefined) return METHOD_NOT_ALLOWED;
    const refusal = refuse(request, route.options);
    if (refusal !== undefined) return refusal;
    if (isSafe(request.code) || !isConditional(request)) return run(route, request);
    const get = resource.routes.get(Code.GET);
    if (get === undefined) return run(route, request);
    const state = run(get, stateRequest(request));
    return state instanceof Promise
      ? state.then((settled) => weigh(request, settled) ?? run(route, request))
      : weigh(request, state) ?? run(route, request);
  }

  #add(
    text: string,
    routes: readonly NewRoute[],
    attributes?: ResourceAttributes,
  ): this {
    const pattern = parsePattern(text);
    for (const [code, handler] of routes) {
      if (typeof handler === "function") continue;
      const what = code === ALL ? "all methods" : methodName(code);
      throw new TypeError(`Handler of ${what} must be a function: "${text}"`);
    }
    if (attributes !== undefined) {
      formatLinks([linkTo({ pattern, routes: new Map(), attributes })]); // or throws
    }
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
        const what = code === ALL ? "all methods" : methodName(code);
        throw new TypeError(`Resource has a route for ${what} already: "${text}"`);
      }
    }
    for (const [code, handler, options, forwards] of routes) {
      resource.routes.set(code, { pattern, handler, options, forwards });
    }
    resource.attributes ??= attributes;
    this.#links = undefined;
    return this;
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

/** A route to add. */
type NewRoute = readonly [
  code: number,
  handler: RouteHandler,
  options: RouteOptions,
  forwards: boolean,
];

/** What is answered without the handler. */
function refuse(request: IncomingRequest, options: RouteOptions): CoAPResponse | undefined {
  const { fresh, contentFormats, accepts, multicast } = options;
  // To a group an error is not sent: this is silence.
  if (request.peer.multicast && !multicast) return METHOD_NOT_ALLOWED;
  if (fresh && !request.fresh) return request.challenge();
  if (accepts !== undefined) {
    const { contentFormat } = request;
    if (contentFormat !== undefined && !accepts.includes(contentFormat)) return UNSUPPORTED_FORMAT;
  }
  if (contentFormats !== undefined) {
    const { accept } = request;
    if (accept !== undefined && !contentFormats.includes(accept)) return NOT_ACCEPTABLE;
  }
  return undefined;
}

function run(route: Route, request: IncomingRequest): CoAPResponse | Promise<CoAPResponse> {
  const { pattern, handler, options } = route;
  const parametric = pattern.names.size > 0 || pattern.tail;
  setRoute(
    request,
    parametric ? paramsOf(pattern, request.path) : undefined,
    options.observable ?? false,
  );
  return handler(request as IncomingRequest<never>);
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

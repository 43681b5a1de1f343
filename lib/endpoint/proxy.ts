/** Proxies: RFC 7252 section 5.7. @module */

import { CoAPError } from "../errors.ts";
import type { Address } from "../flow.ts";
import { Code } from "../wire/code.ts";
import { type Option, OptionNumber } from "../wire/option.ts";
import { composeUri, type UriParts } from "../wire/uri.ts";
import { checkTimeout } from "./endpoint_options.ts";
import { Forwarder, type ForwarderOptions } from "./forwarder.ts";
import { type IncomingRequest, setRoute } from "./incoming_request.ts";
import { parseUri } from "./outgoing.ts";
import { hostOf, type ProxyHost } from "./proxy_host.ts";
import { failureOf, relocated, targetOf } from "./proxy_message.ts";
import { OwnNames } from "./proxy_names.ts";
import type { ProxyOptions } from "./proxy_options.ts";
import { type Judge, makeJudge, reachOf, withoutEnd } from "./proxy_rule.ts";
import { CoAPResponse, type Content, received } from "./response.ts";
import type { HandlerObject } from "./serve_options.ts";
import type { Route } from "./sockets.ts";

const NOT_SUPPORTED = CoAPResponse.error(Code.ProxyingNotSupported);
const NOT_FOUND = CoAPResponse.error(Code.NotFound);

/**
 * Makes a proxy, to be mounted on a server (RFC 7252 section 5.7).
 *
 * A forward proxy does what a request asks for by Proxy-Uri, or by Proxy-Scheme and the Uri options, where `allow` lets
 * it; as the option `proxy` of `serve` it stands beside the server's own resources. A reverse proxy, with `target`,
 * stands for a part of another server: as the handler of a server, or below a path of a `Router` (`Router.all`).
 *
 * What a proxy does not know it hands on where that is safe, and refuses else (4.02 to the client, 5.02 for a response).
 * Each side has message types, blocks, tokens and observations of its own; bodies are put together here, up to the limit
 * `bodyBytes`. However many clients observe a resource, the origin server sees one observer. Echo values go through in
 * both directions. Failures are answered 5.02, time-outs 5.04, requests in a circle 5.08.
 *
 * @throws {RangeError} where an option is out of its range
 * @throws {CoAPError} `invalid-uri` or `unsupported-scheme` where `target`, a name or an entry of `allow` is none
 *
 * @example A forward proxy beside resources of its own
 * ```ts
 * import { CoAPClient, CoAPResponse, proxy, serve } from "@x/coap";
 *
 * await using sensor = await serve({ hostname: "127.0.0.1", port: 0 }, () => CoAPResponse.text("22.5"));
 * const target = `127.0.0.1:${sensor.address.port}`;
 *
 * await using gateway = await serve(
 *   { hostname: "127.0.0.1", port: 0, proxy: proxy({ allow: [target] }) },
 *   () => CoAPResponse.text("I am the gateway"),
 * );
 * await using client = new CoAPClient({ proxy: `coap://127.0.0.1:${gateway.address.port}` });
 *
 * const response = await client.get(`coap://${target}/temperature`);
 * console.log(response.text()); // 22.5
 * ```
 *
 * @example A reverse proxy below a path
 * ```ts
 * import { CoAPClient, CoAPResponse, proxy, Router, serve } from "@x/coap";
 *
 * await using sensor = await serve(
 *   { hostname: "127.0.0.1", port: 0 },
 *   (request) => CoAPResponse.text(request.pathname),
 * );
 * const target = `coap://127.0.0.1:${sensor.address.port}/v1`;
 * const router = new Router().all("/kitchen/*", proxy({ target }));
 * await using gateway = await serve({ hostname: "127.0.0.1", port: 0 }, router);
 * await using client = new CoAPClient();
 *
 * const uri = `coap://127.0.0.1:${gateway.address.port}/kitchen/temperature`;
 * console.log((await client.get(uri)).text()); // /v1/temperature
 * ```
 */
export function proxy(options: ProxyOptions): CoAPProxy {
  return new CoAPProxy(options);
}

/** Where a reverse proxy leads. */
interface Base {
  readonly parts: UriParts;
  readonly path: readonly Option[];
}

/** What `proxy` makes. Mounted on several servers it is a proxy of its own for each. */
export class CoAPProxy implements HandlerObject {
  /** Requests with options that only the origin server may know are for it as well. */
  readonly forwards: boolean = true;
  readonly #options: ForwarderOptions;
  readonly #base: Base | undefined;
  readonly #judge: Judge;
  readonly #names: OwnNames;
  readonly #forwarders = new WeakMap<ProxyHost, Forwarder>();

  /** @ignore Made by `proxy`. */
  constructor(options: ProxyOptions) {
    const { target, allow, allowLocal = false, names = [] } = options;
    const { cache, client, confirmable = true, hopLimit = 16, identifier, timeout = 60_000 } =
      options;
    if (target !== undefined && allow !== undefined) {
      throw new TypeError(`A proxy with a target reaches that alone: it is "${target}"`);
    }
    if (!(Number.isInteger(hopLimit) && hopLimit >= 1 && hopLimit <= 255)) {
      throw new RangeError(`Hop limit must be an integer from 1 to 255: it is "${hopLimit}"`);
    }
    if (identifier !== undefined && !/^[^ ]{1,255}$/.test(identifier)) {
      throw new RangeError(
        `Identifier of a proxy must be 1 to 255 characters without spaces: it is "${identifier}"`,
      );
    }
    checkTimeout(timeout);
    this.#options = { cache, client, confirmable, hopLimit, identifier, timeout };
    this.#base = target === undefined ? undefined : parseBase(target);
    this.#judge = makeJudge(allow, allowLocal);
    this.#names = new OwnNames(names);
  }

  /**
   * Answers a request of a server that the proxy is mounted on. One that registers an observation is answered before the
   * promise resolves.
   *
   * @param depth segments of the path by which a router has come here: a reverse proxy looks up the others
   * @throws {TypeError} where it is mounted on no server
   */
  handle(
    request: IncomingRequest,
    depth = 0,
  ): CoAPResponse | Promise<CoAPResponse> {
    const host = hostOf(request);
    if (host === undefined) {
      throw new TypeError("Proxy is not mounted on the server of the request");
    }
    if (this.#base === undefined) return NOT_FOUND;
    setRoute(request, undefined, false); // the server has no part in its observations
    return request.peer.multicast ? NOT_SUPPORTED : this.#reverse(host, request, this.#base, depth);
  }

  /** Whether it is a reverse proxy. */
  get isReverse(): boolean {
    return this.#base !== undefined;
  }

  /** @ignore Answers a request that asks for a forward proxy. */
  forward(host: ProxyHost, request: IncomingRequest): CoAPResponse | Promise<CoAPResponse> {
    setRoute(request, undefined, false);
    const target = targetOf(request.options, host.address);
    if (target === undefined || request.peer.multicast) return NOT_SUPPORTED;
    return this.#forward(host, request, target);
  }

  /** @ignore Whether a host and port are those of the server itself. */
  isOwn(host: string, port: number, bound: Address): boolean {
    return this.#names.include(host, port, bound);
  }

  async #forward(
    host: ProxyHost,
    request: IncomingRequest,
    target: UriParts,
  ): Promise<CoAPResponse> {
    const verdict = await this.#judge(target, request);
    if (verdict === "refused") return NOT_SUPPORTED;
    return await this.#send(host, request, target, ({ flow }) => {
      // The very address that was looked at is asked: a name may lead elsewhere the next time.
      const reach = reachOf(flow.address);
      if (reach === "none" || reach === "local" && verdict !== "anywhere") return NOT_SUPPORTED;
      return this.isOwn(flow.address, flow.port, host.address)
        ? host.handleOwn(request, target)
        : undefined;
    });
  }

  async #reverse(
    host: ProxyHost,
    request: IncomingRequest,
    { parts, path }: Base,
    depth: number,
  ): Promise<CoAPResponse> {
    const own = request.options.filter(({ number }) => number === OptionNumber.UriPath);
    const query = request.options.filter(({ number }) => number === OptionNumber.UriQuery);
    const options = [...parts.options, ...path, ...own.slice(depth), ...query];
    const mount = own.slice(0, depth);
    return await this.#send(
      host,
      request,
      { ...parts, options },
      undefined,
      (content) => relocated(content, valuesOf(path), valuesOf(mount)),
    );
  }

  /**
   * @param check answers instead where the address that was found is not to be asked
   * @param translate turns paths of the origin server into those of this one
   */
  async #send(
    host: ProxyHost,
    request: IncomingRequest,
    target: UriParts,
    check?: (route: Route) => CoAPResponse | Promise<CoAPResponse> | undefined,
    translate: (content: Content) => Content = (content) => content,
  ): Promise<CoAPResponse> {
    const forwarder = this.#forwarder(host);
    let route: Route;
    try {
      route = await forwarder.find(target);
    } catch (error) {
      if (!(error instanceof CoAPError)) throw error;
      const { code, payload } = failureOf(error);
      return new CoAPResponse(payload, { code });
    }
    const instead = check?.(route);
    if (instead !== undefined) return await instead;
    const content = await forwarder.forward(request, target, route);
    return received(translate(content), route.flow, composeUri(target));
  }

  #forwarder(host: ProxyHost): Forwarder {
    let forwarder = this.#forwarders.get(host);
    if (forwarder === undefined) {
      forwarder = new Forwarder(host, this.#options);
      this.#forwarders.set(host, forwarder);
    }
    return forwarder;
  }
}

/** @throws {CoAPError} `invalid-uri`, `unsupported-scheme` */
function parseBase(target: string | URL): Base {
  const parts = parseUri(target);
  const path = parts.options.filter(({ number }) => number === OptionNumber.UriPath);
  const options = parts.options.filter(({ number }) => number !== OptionNumber.UriPath);
  if (options.some(({ number }) => number === OptionNumber.UriQuery)) {
    throw new CoAPError("invalid-uri", `Target of a proxy must have no query: it is "${target}"`);
  }
  const length = withoutEnd(valuesOf(path)).length;
  return { parts: { ...parts, options }, path: path.slice(0, length) };
}

function valuesOf(options: readonly Option[]): Uint8Array[] {
  return options.map(({ value }) => value);
}

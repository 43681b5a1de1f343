/**
 * A gateway from HTTP to CoAP: RFC 8075 and RFC 7252 section 10.2.
 *
 * @module
 */

import { CoAPError } from "../errors.ts";
import { resolveHost } from "../transport/resolve.ts";
import { Code } from "../wire/code.ts";
import { filterLinks, formatLinks } from "../wire/link_format.ts";
import { OptionNumber } from "../wire/option.ts";
import { composeUri, decomposeUri, type UriParts } from "../wire/uri.ts";
import type { CacheMode } from "./cache.ts";
import { CoAPClient } from "./client.ts";
import { type Clock, systemClock } from "./clock.ts";
import { readBody } from "./http_body.ts";
import { conditionsOf } from "./http_conditions.ts";
import { EventStream } from "./http_events.ts";
import { formatOfBody, wantedBy } from "./http_media_type.ts";
import {
  type GatewayLimits,
  gatewayLimits,
  type HTTPGatewayOptions,
  type HTTPMethod,
} from "./http_options.ts";
import { Origins } from "./http_origin.ts";
import { Refusal } from "./http_refusal.ts";
import { type Exchanged, refused, statusOf, toHTTP } from "./http_response.ts";
import { SharedRequests } from "./http_shared.ts";
import { FixedMapping, normalBase, TemplateMapping, type URIMapping } from "./http_target.ts";
import { type CoAPRequestInit, parseUri } from "./outgoing.ts";
import { failureOf } from "./proxy_message.ts";
import { type Judge, makeJudge, reachOf, resolveWithin } from "./proxy_rule.ts";
import type { CoAPResponse } from "./response.ts";

export type { HTTPGatewayOptions, HTTPMethod };

/** What `httpGateway` makes: a handler of HTTP requests, as servers and frameworks take them. */
export interface HTTPGateway extends AsyncDisposable {
  /** Answers a request. It never rejects. Where the request's signal aborts, what it has begun is given up. */
  (request: Request): Promise<Response>;
  /** Ends what is under way, and closes the gateway's own client. Further requests are answered 503. */
  close(): Promise<void>;
}

/**
 * Makes a gateway by which HTTP clients reach CoAP servers (RFC 8075): a function for `Deno.serve`, for `fetch` of
 * `Bun.serve`, or for any framework that knows `Request` and `Response`.
 *
 * With `target` it stands for one server, or a part of it; with `allow`, requests name their targets by
 * `/coap://host/path`, and `/.well-known/core` tells so. It reaches nothing else. Who may use it is for its caller to
 * say: it authenticates nobody. Header fields such as `Authorization` and `Cookie` stay here.
 *
 * Methods, status codes, media types, entity tags, conditions, `Location`, and how long a response is fresh go through
 * in both directions. GET with `Accept: text/event-stream`, as an `EventSource` sends it, observes: all streams of one
 * resource are one observation, and a slow reader gets the newest state. A text is the data of a `message`, bytes are in
 * base64 that of a `binary`, and an error that ends the observation is an `end`.
 *
 * No answer in time is answered 504, a server that can not be reached or understood 502, and what would exceed a limit
 * 413 or 503. Only what the CoAP server says goes to the client, no word of an exception.
 *
 * @throws {TypeError} where neither or both of `target` and `allow` are given, or an option is none
 * @throws {RangeError} where a limit or a time is out of range
 * @throws {CoAPError} `invalid-uri` or `unsupported-scheme` where `target` or an entry of `allow` is none
 *
 * @example The resources of one server
 * ```ts
 * import { CoAPResponse, serve } from "@x/coap";
 * import { httpGateway } from "@x/coap/http";
 *
 * await using sensor = await serve(
 *   { hostname: "127.0.0.1", port: 0 },
 *   () => CoAPResponse.json({ celsius: 22.5 }, { maxAge: 10 }),
 * );
 * await using gateway = httpGateway({ target: `coap://127.0.0.1:${sensor.address.port}` });
 *
 * // A server calls it: Deno.serve(gateway), Bun.serve({ fetch: gateway })
 * const response = await gateway(new Request("http://localhost/temperature"));
 * console.log(response.status, response.headers.get("cache-control")); // 200 max-age=10
 * console.log(await response.json()); // { celsius: 22.5 }
 * ```
 *
 * @example Several servers, for those who have a key
 * ```ts
 * import { httpGateway } from "@x/coap/http";
 *
 * const gateway = httpGateway({ base: "/hc/", allow: ["sensor.example", "coap://192.0.2.7/public"] });
 *
 * async function handle(request: Request): Promise<Response> {
 *   const known = request.headers.get("authorization") === "Bearer secret";
 *   return known ? await gateway(request) : new Response("Who are you?", { status: 401 });
 * }
 *
 * const request = new Request("http://localhost/hc/coap://elsewhere.example/", {
 *   headers: { authorization: "Bearer secret" },
 * });
 * console.log((await handle(request)).status); // 403
 * ```
 */
export function httpGateway(options: HTTPGatewayOptions): HTTPGateway {
  const gateway = new Gateway(options);
  const close = (): Promise<void> => gateway.close();
  return Object.assign((request: Request) => gateway.handle(request), {
    close,
    [Symbol.asyncDispose]: close,
  });
}

const METHODS: Readonly<Record<HTTPMethod, number>> = {
  GET: Code.GET,
  POST: Code.POST,
  PUT: Code.PUT,
  DELETE: Code.DELETE,
  PATCH: Code.PATCH,
  QUERY: Code.FETCH,
};

/** Hops that requests may take, as those of a proxy (RFC 8768 section 5). */
const HOP_LIMIT = 16;

/** When to come again where the gateway is full, seconds. */
const BUSY = { "retry-after": "1" };

/** A request on its way. */
interface Job {
  readonly request: Request;
  readonly code: number;
  readonly uri: string;
  /** Ends it: by time, by the client, by `close`. */
  readonly signal: AbortSignal;
}

class Gateway {
  readonly #base: string;
  readonly #mapping: URIMapping;
  readonly #judge: Judge<Request> | undefined;
  readonly #methods: readonly string[];
  readonly #origins: Origins;
  readonly #client: CoAPClient;
  readonly #ownsClient: boolean;
  readonly #clock: Clock;
  readonly #anyFormat: boolean;
  readonly #limits: GatewayLimits;
  /** What ends the requests under way. */
  readonly #jobs = new Set<AbortController>();
  readonly #shared = new SharedRequests();
  readonly #streams = new Set<EventStream>();
  /** Streams that wait for their first state. */
  #opening = 0;
  #closed = false;

  constructor(options: HTTPGatewayOptions) {
    const { target, allow, allowLocal = false, client, template = "{+tu}" } = options;
    if ((target === undefined) === (allow === undefined)) {
      throw new TypeError("A gateway needs either a target or what requests may reach");
    }
    this.#limits = gatewayLimits(options);
    this.#base = normalBase(options.base ?? "/");
    if (target === undefined) {
      this.#mapping = new TemplateMapping(template, this.#base);
      this.#judge = makeJudge(allow, allowLocal);
    } else {
      // What the transports of a client that is given can reach is for it to know.
      const parts = client === undefined ? parseUri(target) : decomposeUri(target);
      this.#mapping = new FixedMapping(parts, this.#base);
    }
    this.#methods = namesOf(options.methods);
    this.#origins = new Origins(options.origins ?? [], this.#methods);
    this.#anyFormat = options.anyFormat ?? false;
    this.#clock = options.clock ?? systemClock;
    this.#ownsClient = client === undefined;
    const local = target !== undefined || typeof allow !== "function" || allowLocal;
    this.#client = client ?? new CoAPClient({
      cache: options.cache ?? true,
      clock: options.clock,
      limits: { bodyBytes: this.#limits.response },
      resolve: resolveWithin(resolveHost, local),
    });
  }

  async handle(request: Request): Promise<Response> {
    const { method } = request;
    let origin: string | undefined;
    let response: Response | undefined;
    try {
      const url = new URL(request.url);
      const changes = Object.hasOwn(METHODS, method) && !isRead(METHODS[method as HTTPMethod]);
      origin = this.#origins.check(request, url, changes);
      if (method === "OPTIONS") response = this.#origins.preflight(request, origin);
      response ??= this.#discover(method, url) ?? await this.#admit(request, url);
    } catch (error) {
      const refusal = error instanceof Refusal ? error : new Refusal(500, "Gateway has failed");
      response = refused(refusal, method === "HEAD");
    }
    return this.#origins.mark(response, origin);
  }

  async close(): Promise<void> {
    this.#closed = true;
    for (const job of [...this.#jobs]) job.abort(closed());
    for (const stream of [...this.#streams]) stream.close();
    if (this.#ownsClient) await this.#client.close();
  }

  /** Says where the gateway is and how it is asked (RFC 8075 section 5.5). */
  #discover(method: string, { pathname, searchParams }: URL): Response | undefined {
    const mapping = this.#mapping;
    if (pathname !== "/.well-known/core" || !(mapping instanceof TemplateMapping)) return undefined;
    if (method !== "GET" && method !== "HEAD") return undefined;
    const { hct } = mapping;
    const attributes: [string, string][] = [["rt", "core.hc"]];
    if (hct !== undefined) attributes.push(["hct", hct]);
    const filters = [...searchParams].map(([name, value]) => `${name}=${value}`);
    const links = formatLinks(filterLinks([{ href: this.#base, attributes }], filters));
    return new Response(method === "HEAD" ? null : links, {
      headers: { "content-type": "application/link-format" },
    });
  }

  /** Lets a request in where there is room, and bounds its time. */
  async #admit(request: Request, url: URL): Promise<Response> {
    const name = request.method === "HEAD" ? "GET" : request.method;
    if (!Object.hasOwn(METHODS, name)) throw new Refusal(501, "CoAP has no such method");
    if (!this.#methods.includes(name)) {
      throw new Refusal(405, "Method is not allowed", { allow: this.#methods.join(", ") });
    }
    if (this.#closed) throw closed();
    if (this.#jobs.size >= this.#limits.requests) throw new Refusal(503, "Gateway is busy", BUSY);
    const job = new AbortController();
    const late = (): void => job.abort(new Refusal(504, "CoAP server does not answer"));
    const gone = (): void => job.abort(new Refusal(499, "Client is gone"));
    const timer = this.#clock.setTimer(late, this.#clock.now() + this.#limits.timeout);
    const { signal } = request;
    signal.addEventListener("abort", gone);
    if (signal.aborted) gone();
    this.#jobs.add(job);
    try {
      const target = this.#mapping.toCoAP(url);
      await this.#permit(target, request);
      const uri = composeUri(target);
      const code = METHODS[name as HTTPMethod];
      return await this.#run({ request, code, uri, signal: job.signal });
    } catch (error) {
      throw error instanceof CoAPError ? refusalOf(error) : error;
    } finally {
      this.#jobs.delete(job);
      this.#clock.clearTimer(timer);
      signal.removeEventListener("abort", gone);
    }
  }

  /** @throws {Refusal} where the target is not to be reached */
  async #permit(target: UriParts, request: Request): Promise<void> {
    if (this.#judge === undefined) return;
    const verdict = await this.#judge(target, request);
    // Where a name leads to that a connection is opened to is for the system to know, not for a client's resolver.
    const named = target.scheme === "coap" ? "public" : "local";
    const reach = target.hostIsAddress ? reachOf(target.host) : named;
    const refused = verdict === "refused" || reach === "none" ||
      reach === "local" && verdict !== "anywhere";
    if (refused) throw new Refusal(403, "This may not be reached");
  }

  async #run(job: Job): Promise<Response> {
    const { request: { headers, method }, code } = job;
    const reads = isRead(code);
    const wanted = wantedBy(reads ? headers.get("accept") : null, this.#anyFormat);
    const conditions = conditionsOf(headers, reads);
    const { ifMatch, ifNoneMatch } = conditions.init;
    const exchanged: Exchanged = {
      reads,
      head: method === "HEAD",
      conditions,
      critical: wanted.formats[0] !== undefined || ifMatch !== undefined || ifNoneMatch === true,
      locate: (uri) => this.#mapping.toHTTP(uri),
    };
    if (wanted.events && method === "GET") {
      return await this.#observe(job, exchanged, wanted.formats[0]);
    }
    const init: CoAPRequestInit = {
      ...conditions.init,
      ...await this.#content(job),
      cache: cacheMode(headers),
      timeout: this.#limits.timeout,
      options: [[OptionNumber.HopLimit, HOP_LIMIT]],
    };
    let response: CoAPResponse;
    let tries = 0;
    do {
      const accept = wanted.formats[tries];
      response = await this.#send(job, { ...init, accept });
    } while (response.code === Code.NotAcceptable && ++tries < wanted.formats.length);
    if (response.payload.length > this.#limits.response) {
      throw new Refusal(502, "Response is too large");
    }
    return toHTTP(response, exchanged);
  }

  /** Sends a request, or waits with those who have asked for the same. */
  #send({ code, uri, signal }: Job, init: CoAPRequestInit): Promise<CoAPResponse> {
    const { accept, cache, etag, ifMatch } = init;
    const plain = code === Code.GET && cache === "default" && !etag && !ifMatch;
    if (!plain) return this.#client.request(code, uri, { ...init, signal });
    const send = (given: AbortSignal): Promise<CoAPResponse> =>
      this.#client.request(code, uri, { ...init, signal: given });
    return this.#shared.wait(`${accept} ${uri}`, signal, send);
  }

  /** What the request carries, where its method carries anything (RFC 7252 section 5.5). */
  async #content(
    { request, code, signal }: Job,
  ): Promise<Pick<CoAPRequestInit, "contentFormat" | "payload">> {
    if (code === Code.GET || code === Code.DELETE) return {};
    const contentFormat = formatOfBody(request.headers, this.#anyFormat);
    if (code === Code.FETCH && contentFormat === undefined) {
      throw new Refusal(415, "QUERY needs the media type of its body");
    }
    const payload = await readBody(request, this.#limits.body, signal);
    return { contentFormat, payload: payload.length === 0 ? undefined : payload };
  }

  async #observe(
    { request, uri, signal }: Job,
    exchanged: Exchanged,
    accept: number | undefined,
  ): Promise<Response> {
    if (this.#streams.size + this.#opening >= this.#limits.streams) {
      throw new Refusal(503, "Gateway has too many event streams", BUSY);
    }
    const states = this.#client.observe(uri, {
      accept,
      signal,
      timeout: this.#limits.timeout,
      options: [[OptionNumber.HopLimit, HOP_LIMIT]],
    });
    this.#opening++;
    try {
      const first = (await states.next()).value!;
      if (!first.ok) {
        void states.return?.();
        return toHTTP(first, exchanged);
      }
      const stream = new EventStream(first, states, {
        clock: this.#clock,
        heartbeat: this.#limits.heartbeat,
        signal: request.signal,
        over: (ended) => void this.#streams.delete(ended),
      });
      this.#streams.add(stream);
      if (signal.aborted) stream.close(); // in the moment in which the state came
      return stream.response;
    } finally {
      this.#opening--;
    }
  }
}

function isRead(code: number): boolean {
  return code === Code.GET || code === Code.FETCH;
}

function closed(): Refusal {
  return new Refusal(503, "Gateway is closed");
}

function namesOf(methods: Iterable<string> = Object.keys(METHODS)): string[] {
  const names = new Set(methods);
  for (const name of names) {
    if (!Object.hasOwn(METHODS, name)) throw new TypeError(`Gateway has no method "${name}"`);
  }
  if (names.has("GET")) names.add("HEAD");
  return [...names];
}

/** How a request may use stored responses (RFC 9111 section 5.2.1). */
function cacheMode(headers: Headers): CacheMode {
  const field = headers.get("cache-control") ?? "";
  if (/\bno-store\b/i.test(field)) return "no-store";
  return /\bno-cache\b|\bmax-age\s*=\s*"?0+\b/i.test(field) ? "no-cache" : "default";
}

/** What a client hears where a request has come to nothing. */
function refusalOf(error: CoAPError): Refusal {
  switch (error.reason) {
    case "invalid-uri":
    case "invalid-option":
      return new Refusal(400, "Request can not be mapped to one of CoAP");
    case "unsupported-scheme":
      return new Refusal(501, "Nothing of this scheme can be reached");
    case "closed":
      return closed();
  }
  const { code, payload } = failureOf(error);
  const status = statusOf(code, false);
  return new Refusal(status, new TextDecoder().decode(payload), status === 503 ? BUSY : {});
}

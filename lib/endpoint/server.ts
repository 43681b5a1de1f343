/** The server. @module */

import { CoAPError } from "../errors.ts";
import type { Address, Flow } from "../flow.ts";
import { IdMap } from "../engine/id_map.ts";
import type { ExchangeId, RequestEvent, UnobservedEvent, Variant } from "../engine/types.ts";
import { resolveHost } from "../transport/resolve.ts";
import type { GroupMembership } from "../transport/transport.ts";
import type { WebSocketLike, WebSocketPeer } from "../transport/ws.ts";
import { bindUdp } from "../transport/udp.ts";
import { Code } from "../wire/code.ts";
import { OptionNumber } from "../wire/option.ts";
import { valueLength, valueText } from "../wire/option_view.ts";
import { Backlog } from "./backlog.ts";
import { clientOn, type CoAPClient } from "./client.ts";
import { systemClock } from "./clock.ts";
import { Broadcast, type Observed } from "./broadcast.ts";
import { Driver, type DriverOptions, systemRandom } from "./driver.ts";
import { StreamDriver } from "./stream_driver.ts";
import { checkPort, socketOptions, streamBindings } from "./endpoint_options.ts";
import {
  abort,
  CHALLENGE,
  hasTextPath,
  IncomingRequest,
  isObservable,
} from "./incoming_request.ts";
import { Notifier } from "./notifier.ts";
import { CoAPProxy } from "./proxy.ts";
import { ProxyHost } from "./proxy_host.ts";
import { asksToObserve, represent } from "./representation.ts";
import { CoAPResponse } from "./response.ts";
import { type EndpointStats, sumStats } from "./stats.ts";
import { Turns } from "./turns.ts";
import type {
  Handler,
  HandlerObject,
  NotifyOptions,
  ServeOptions,
  Server,
  ServerAddresses,
} from "./serve_options.ts";

export type {
  Handler,
  HandlerObject,
  NotificationOptions,
  NotifyOptions,
  ServeOptions,
  Server,
  ServerAddresses,
  ServerTls,
} from "./serve_options.ts";

/** What drives a server, while it is open. */
export let driverOf: (server: Server) => Driver | undefined;

/** What a server has to do with its proxies, while it is open. */
export let proxyHostOf: (server: Server) => ProxyHost | undefined;

/** Below the time after which a request is acknowledged by itself: a refusal goes with the acknowledgement. ms */
const MAX_WAIT = 400;
const INTERNAL_ERROR = CoAPResponse.error(Code.InternalServerError);
const BAD_PATH = CoAPResponse.error(Code.BadRequest, "Path has a dot segment");
const NOT_TEXT = CoAPResponse.error(Code.NotFound);
const NO_FORMAT = CoAPResponse.error(Code.BadRequest, "FETCH needs Content-Format");

/**
 * Starts a server. By itself it answers what the protocol settles: pings, duplicates, 4.02 to critical options that
 * nobody understands (where the request is Non-confirmable, too), 5.05 to requests for a proxy, 4.00 to a path with `.`
 * or `..` in it (RFC 7252 section 5.10.1) and to a FETCH without Content-Format, 4.04 to a path that is no UTF-8. It
 * answers whatever host name the request names.
 *
 * @param handler answers all requests
 * @throws {RangeError} (the promise rejects) where a port, parameter or limit is out of range
 * @throws {TypeError} (the promise rejects) where there is no transport, or a certificate or key of `tls` is no PEM
 * @throws {CoAPError} (the promise rejects) with reason `transport` where the address can not be bound
 *
 * @example A server with two resources
 * ```ts
 * import { CoAPResponse, Code, Router, serve } from "@x/coap";
 *
 * let light = "off";
 * const router = new Router()
 *   .get("/light", () => CoAPResponse.text(light))
 *   .put("/light", (request) => {
 *     light = request.text();
 *     return new CoAPResponse(undefined, { code: Code.Changed });
 *   });
 *
 * const server = await serve({ hostname: "127.0.0.1", port: 0 }, router);
 * console.log(`coap://127.0.0.1:${server.address.port}/light`);
 * await server.close();
 * ```
 *
 * @example Several transports, one handler
 * ```ts
 * import { CoAPClient, CoAPResponse, serve } from "@x/coap";
 *
 * const server = await serve(
 *   { hostname: "127.0.0.1", port: 0, tcp: { port: 0 } }, // tls: { cert, key }, ws: true
 *   ({ peer }) => CoAPResponse.text(`Hello over ${peer.scheme ?? "coap"}`),
 * );
 * const client = new CoAPClient();
 * const { udp, tcp } = server.addresses;
 * for (const uri of [`coap://127.0.0.1:${udp!.port}`, `coap+tcp://127.0.0.1:${tcp!.port}`]) {
 *   console.log((await client.get(uri)).text()); // Hello over coap, Hello over coap+tcp
 * }
 * await client.close();
 * await server.close();
 * ```
 *
 * @example A device behind a NAT, which its server asks
 * ```ts
 * import { CoAPResponse, serve } from "@x/coap";
 *
 * const listen = { hostname: "127.0.0.1", udp: false, tcp: { port: 0 } };
 * const asked = Promise.withResolvers<string>();
 * const server = await serve(listen, ({ peer }) => {
 *   const uri = `${peer.scheme}://${peer.address}:${peer.port}/temperature`;
 *   server.client.get(uri).then((response) => asked.resolve(response.text()), asked.reject);
 *   return CoAPResponse.text("Welcome");
 * });
 * // The device: `idleTimeout` keeps its connection, its handler answers.
 * const device = await serve(
 *   { ...listen, connection: { idleTimeout: Infinity } },
 *   () => CoAPResponse.text("22.5"),
 * );
 * await device.client.post(`coap+tcp://127.0.0.1:${server.address.port}/register`);
 * console.log(await asked.promise); // 22.5
 * await device.close();
 * await server.close();
 * ```
 */
export function serve(handler: Handler | HandlerObject): Promise<Server>;
/**
 * Starts a server as the other form does.
 *
 * @param options where to listen, and how
 * @param handler answers all requests
 */
export function serve(options: ServeOptions, handler: Handler | HandlerObject): Promise<Server>;
export async function serve(
  first: ServeOptions | Handler | HandlerObject,
  second?: Handler | HandlerObject,
): Promise<Server> {
  const [options, handler] = second === undefined
    ? [{}, first as Handler | HandlerObject]
    : [first as ServeOptions, second];
  return await new CoAPServer(options, handler).bind();
}

function handlerOf(handler: Handler | HandlerObject): Handler {
  if (typeof handler === "function") return handler;
  if (typeof handler?.handle === "function") return (request) => handler.handle(request);
  throw new TypeError(`Handler must be a function or a router: it is "${String(handler)}"`);
}

class CoAPServer implements Server {
  readonly client: CoAPClient;
  readonly #options: ServeOptions;
  readonly #handler: Handler;
  /** UDP, unless that is not wanted. */
  readonly #datagrams: Driver | undefined;
  /** TCP and TLS, where they are wanted. */
  readonly #streams: StreamDriver | undefined;
  readonly #drivers: readonly Driver[];
  readonly #observed: Observed;
  readonly #notifier: Notifier;
  /** Set where only so many requests may be at the handler. */
  readonly #turns: Turns<{ id: ExchangeId; peer: Flow }> | undefined;
  /** Set where requests may have to be handed on. */
  readonly #host: ProxyHost | undefined;
  /** Requests whose handlers have returned a promise. */
  readonly #open = new IdMap<IncomingRequest>();
  #lastOpen = 0;
  /** Those of connections, which may be lost meanwhile. */
  readonly #overStreams = new Map<ExchangeId, IncomingRequest>();
  #address: Address = { address: "", port: 0 };
  #closing: Promise<void> | undefined = undefined;

  constructor(options: ServeOptions, handler: Handler | HandlerObject) {
    const clock = options.clock ?? systemClock;
    this.#options = options;
    this.#handler = handlerOf(handler);
    const { onError, onUnobserve } = options;
    const forwards = typeof handler === "object" && handler.forwards === true;
    const proxy = options.proxy ?? (handler instanceof CoAPProxy ? handler : undefined);
    if (options.proxy?.isReverse) {
      throw new TypeError("A proxy with a target is a handler, not an option of a server");
    }
    const proxies = forwards || proxy !== undefined;
    const { concurrency = Infinity, maxWait = MAX_WAIT } = options;
    checkWaiting(concurrency, maxWait);
    const driverOptions: DriverOptions = {
      clock,
      random: options.random ?? systemRandom,
      parameters: options.parameters,
      limits: options.limits,
      blockSize: options.blockSize,
      extendedTokens: options.extendedTokens,
      amplification: options.amplification,
      echoLifetime: options.echoLifetime,
      requestRate: options.requestRate,
      serve: true,
      proxy: proxies,
      keepAlive: true,
      onRequest: (event) => this.#onRequest(event),
      backlog: maxWait === Infinity ? undefined : new Backlog(maxWait),
      onUnobserved: onUnobserve || proxies ? (event) => this.#onUnobserved(event) : undefined,
      maxDatagramSize: options.maxDatagramSize,
      onMessage: options.onMessage,
      onMalformed: options.onMalformed,
      onAbandoned: ({ id }) => this.#onAbandoned(id),
      onError: onError && ((error) => onError(error)),
    };
    const { udp = true } = options;
    this.#datagrams = udp ? new Driver(driverOptions) : undefined;
    const listens = options.tcp || options.tls || options.ws;
    if (!udp && !listens) throw new TypeError("A server needs a transport: udp, tcp, tls or ws");
    this.#streams = listens
      ? new StreamDriver({
        ...driverOptions,
        connection: options.connection,
        bindings: streamBindings(options),
      })
      : undefined;
    this.#drivers = [this.#datagrams, this.#streams].filter((driver) => driver !== undefined);
    this.#observed = this.#drivers.length === 1 ? this.#drivers[0]! : new Broadcast(this.#drivers);
    this.#notifier = new Notifier(
      this.#observed,
      options.notifications ?? {},
      (variant) => this.#stateOf(variant),
    );
    this.#turns = concurrency === Infinity
      ? undefined
      : new Turns(concurrency, maxWait, clock, ({ id, peer }) => this.#driverFor(peer).shed(id));
    const address = (): Address => this.#address;
    this.#host = proxies
      ? new ProxyHost(this.#observed, address, clock, options, proxy, this.#handler, forwards)
      : undefined;
    const driver = this.#datagrams;
    const sockets = driver &&
      { driver: () => driver, drivers: [driver], close: () => Promise.resolve() };
    this.client = clientOn(sockets, this.#streams, options.resolve ?? resolveHost, clock);
  }

  static {
    driverOf = (server) => {
      const own = server as CoAPServer;
      return own.#closing === undefined ? own.#drivers[0] : undefined;
    };
    proxyHostOf = (server) => {
      const own = server as CoAPServer;
      return own.#closing === undefined ? own.#host : undefined;
    };
  }

  async bind(): Promise<this> {
    const { hostname, port = 5683, family, tcp, tls, ws } = this.#options;
    try {
      await this.#datagrams?.bind(this.#options.transport ?? bindUdp, {
        ...socketOptions(this.#options),
        hostname,
        port: checkPort(port),
        family,
        groups: groupsOf(this.#options),
      });
      if (tcp) {
        const own = tcp === true ? { port: this.#datagrams?.address.port ?? port } : tcp;
        checkPort(own.port ?? 0);
        await this.#streams!.listen("coap+tcp", { hostname, family, ...own });
      }
      if (tls) {
        const { port, hostname: own = hostname, ...certificates } = tls;
        checkPort(port ?? 0);
        const listen = { hostname: own, family, port, tls: certificates };
        await this.#streams!.listen("coaps+tcp", listen);
      }
      if (ws) await this.#streams!.listen("coap+ws", {});
    } catch (error) {
      await this.close();
      throw error;
    }
    this.#address = this.#drivers[0]!.address;
    return this;
  }

  /** What drives the transport of a peer. */
  #driverFor(peer: Flow): Driver {
    return peer.scheme === undefined ? this.#datagrams! : this.#streams!;
  }

  /** Where the transport of a peer is bound. */
  #boundTo({ scheme }: Flow): Address {
    return scheme === undefined ? this.#address : this.#streams!.addressOf(scheme) ?? this.#address;
  }

  get addresses(): ServerAddresses {
    return {
      udp: this.#datagrams?.address,
      tcp: this.#streams?.addressOf("coap+tcp"),
      tls: this.#streams?.addressOf("coaps+tcp"),
    };
  }

  accept(socket: WebSocketLike, peer: WebSocketPeer = {}): void {
    if (!this.#options.ws) throw new TypeError("A server takes WebSockets only with the option ws");
    if (this.#closing === undefined) this.#streams!.accept(socket, peer);
    else socket.close();
  }

  /** Its connection is gone: nobody waits for the response. */
  #onAbandoned(id: ExchangeId): void {
    const request = this.#overStreams.get(id);
    if (request !== undefined) abort(request, new CoAPError("transport", "Connection is lost"));
  }

  get address(): Address {
    return this.#address;
  }

  // Not async: a state that is at hand is on its way before this returns.
  notify(
    resource: string | URL,
    response?: CoAPResponse,
    options: NotifyOptions = {},
  ): Promise<number> {
    try {
      return Promise.resolve(this.#notifier.notify(resource, response, options));
    } catch (error) {
      return Promise.reject(error);
    }
  }

  stats(): EndpointStats {
    return sumStats([...this.#drivers, ...this.#host?.drivers ?? []]);
  }

  close(): Promise<void> {
    if (this.#closing === undefined) {
      this.#closing = Promise.resolve(); // for those who call it from what is aborted now
      const closed = new CoAPError("closed", "Server is closed");
      for (const [key, request] of this.#open.entries()) {
        this.#open.delete(key);
        abort(request, closed);
      }
      this.#turns?.clear();
      this.#overStreams.clear();
      this.#observed.forgetObservers();
      this.#closing = Promise.all([this.client.close(), this.#host?.close()])
        .then(() => Promise.all(this.#drivers.map((driver) => driver.close())))
        .then(() => {});
    }
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #onRequest({ id, flow, message, fresh }: RequestEvent): void {
    const own = this.#host === undefined ? message : this.#host.own(message);
    const request = new IncomingRequest(own ?? message, flow, this.#boundTo(flow), fresh);
    this.#host?.admit(request, this.#driverFor(flow), id);
    const refusal = own && (refuse(request) ?? this.#host?.refuse(request));
    if (refusal !== undefined) return this.#driverFor(flow).respond(id, refusal);
    const isOwn = own !== undefined;
    if (this.#turns === undefined) this.#handle(id, request, isOwn);
    else this.#turns.enter({ id, peer: flow }, () => this.#handle(id, request, isOwn));
  }

  /** Answers a request; a promise that resolves where it takes its time. */
  #handle(id: ExchangeId, request: IncomingRequest, own: boolean): Promise<void> | undefined {
    try {
      const result = own ? this.#handler(request) : this.#host!.forward(request);
      const done = result instanceof CoAPResponse
        ? this.#respond(id, request, result)
        : this.#respondTo(id, request, result);
      return done && this.#followLater(id, request, done);
    } catch (error) {
      this.#fail(id, request, error);
      return undefined;
    }
  }

  async #respondTo(
    id: ExchangeId,
    request: IncomingRequest,
    result: Promise<CoAPResponse>,
  ): Promise<void> {
    await this.#respond(id, request, checkResponse(await result));
  }

  /** Keeps a request that takes its time, and what it may miss meanwhile. */
  async #followLater(id: ExchangeId, request: IncomingRequest, done: Promise<void>): Promise<void> {
    const registration = asksToObserve(request)
      ? this.#notifier.begin(request.pathname, request.query)
      : undefined;
    const key = ++this.#lastOpen;
    this.#open.set(key, request);
    const overStream = request.peer.scheme !== undefined;
    if (overStream) this.#overStreams.set(id, request);
    try {
      await done;
    } catch (error) {
      this.#fail(id, request, error);
    } finally {
      this.#open.delete(key);
      if (overStream) this.#overStreams.delete(id);
    }
    try {
      if (registration !== undefined) await this.#notifier.end(registration);
    } catch (error) {
      this.#report(error, request);
    }
  }

  /** Answers a request; a promise where it has to be asked first whether its sender may observe. */
  #respond(
    id: ExchangeId,
    request: IncomingRequest,
    result: CoAPResponse,
  ): Promise<void> | undefined {
    if (result === CHALLENGE) {
      this.#driverFor(request.peer).challenge(id);
      return undefined;
    }
    const response = represent(request, result, true);
    const accepted = response.ok && asksToObserve(request) && this.#accepts(request);
    if (typeof accepted !== "boolean") {
      return accepted.then((accepted) => this.#send(id, request, response, accepted));
    }
    this.#send(id, request, response, accepted);
    return undefined;
  }

  #send(id: ExchangeId, request: IncomingRequest, response: CoAPResponse, observed: boolean): void {
    this.#driverFor(request.peer).respond(
      id,
      response,
      observed ? { observe: request.pathname } : undefined,
    );
  }

  /** Whether the sender of a request becomes an observer. */
  #accepts(request: IncomingRequest): boolean | Promise<boolean> {
    const { onObserve } = this.#options;
    const observable = isObservable(request) ?? onObserve !== undefined;
    return observable && (onObserve?.(request) ?? true);
  }

  #fail(id: ExchangeId, request: IncomingRequest, error: unknown): void {
    this.#driverFor(request.peer).respond(id, INTERNAL_ERROR);
    this.#report(error, request);
  }

  #report(error: unknown, request: IncomingRequest): void {
    try {
      this.#options.onError?.(error, request);
    } catch {
      // There is nobody left to tell.
    }
  }

  /** What the handler says the state is, for one kind of observers. */
  #stateOf({ request: message, flow }: Variant): CoAPResponse | Promise<CoAPResponse> {
    // It was fresh where it had to be, when it registered.
    const own = this.#host?.own(message) ?? message;
    const request = new IncomingRequest(own, flow, this.#boundTo(flow), true);
    const failed = (error: unknown): CoAPResponse => {
      this.#report(error, request);
      return INTERNAL_ERROR;
    };
    try {
      const result = this.#handler(request);
      if (result instanceof CoAPResponse) return represent(request, result, false);
      return Promise.resolve(result)
        .then((response) => represent(request, checkResponse(response), false))
        .catch(failed);
    } catch (error) {
      return failed(error);
    }
  }

  #onUnobserved({ request: message, resource, flow, reason }: UnobservedEvent): void {
    if (this.#host?.unobserved(resource)) return;
    const own = this.#host?.own(message) ?? message;
    const request = new IncomingRequest(own, flow, this.#boundTo(flow));
    try {
      this.#options.onUnobserve?.(request, reason);
    } catch (error) {
      this.#report(error, request);
    }
  }
}

/** @throws {RangeError} where one is out of its range */
function checkWaiting(concurrency: number, maxWait: number): void {
  if (concurrency !== Infinity && !(Number.isInteger(concurrency) && concurrency >= 1)) {
    throw new RangeError(`Concurrency must be an integer of at least 1: it is "${concurrency}"`);
  }
  if (!(maxWait > 0)) throw new RangeError(`Longest wait must be above 0 ms: it is "${maxWait}"`);
}

/** @throws {TypeError} where it is no response */
function checkResponse(response: unknown): CoAPResponse {
  if (response instanceof CoAPResponse) return response;
  throw new TypeError(`Handler must return a CoAPResponse: it is "${String(response)}"`);
}

/** All CoAP Nodes, by family (RFC 7252 section 12.8). */
const ALL_NODES = { 4: ["224.0.1.187"], 6: ["ff02::fd", "ff05::fd"] } as const;

/** The groups that a server is to be a member of. */
function groupsOf({ multicast = false, hostname, family }: ServeOptions): GroupMembership[] {
  if (multicast === false) return [];
  const own = hostname !== undefined && hostname.includes(":") ? 6 : family ?? 4;
  const groups = multicast === true ? ALL_NODES[own] : [...multicast];
  return groups.map((group) => typeof group === "string" ? { group } : group);
}

/** What is answered without the handler. */
export function refuse(request: IncomingRequest): CoAPResponse | undefined {
  for (const option of request.options) {
    if (option.number !== OptionNumber.UriPath || valueLength(option) > 2) continue;
    const segment = valueText(option);
    if (segment === "." || segment === "..") return BAD_PATH;
  }
  if (!hasTextPath(request)) return NOT_TEXT;
  if (request.code === Code.FETCH && request.contentFormat === undefined) return NO_FORMAT;
  return undefined;
}

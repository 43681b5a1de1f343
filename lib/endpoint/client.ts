/** The client. @module */

import { CoAPError } from "../errors.ts";
import type { EngineSizes } from "../engine/engine.ts";
import { Entropy } from "../engine/entropy.ts";
import { IdMap } from "../engine/id_map.ts";
import { type ConnectionParameters, deriveConnectionParameters } from "../connection_parameters.ts";
import { deriveLimits, deriveParameters } from "../parameters.ts";
import { resolveHost } from "../transport/resolve.ts";
import type { Resolve } from "../transport/transport.ts";
import { bindUdp } from "../transport/udp.ts";
import { Code } from "../wire/code.ts";
import type { Link } from "../wire/link_format.ts";
import type { UriParts } from "../wire/uri.ts";
import { BackOff } from "./back_off.ts";
import { ResponseCache } from "./cache.ts";
import { Connections } from "./connections.ts";
import { type Clock, systemClock } from "./clock.ts";
import { discover } from "./discover.ts";
import { type Driver, systemRandom } from "./driver.ts";
import {
  checkBlockSize,
  checkPort,
  checkTimeout,
  type CoAPClientOptions,
  type DiscoverOptions,
  type PingOptions,
  socketOptions,
  streamBindings,
} from "./endpoint_options.ts";
import { askGroup, type GroupInit } from "./group.ts";
import { methodCode } from "./methods.ts";
import type { CoAPNotification } from "./notification.ts";
import { Observations, type ObserveInit } from "./observe.ts";
import { type CoAPRequestInit, isStream, parseUri } from "./outgoing.ts";
import type { ClientCore, Pending } from "./pending.ts";
import { PendingPing } from "./pending_ping.ts";
import { startRequest } from "./pending_request.ts";
import { Memory } from "./recall.ts";
import type { CoAPResponse } from "./response.ts";
import { type EndpointStats, sumStats } from "./stats.ts";
import { StreamDriver } from "./stream_driver.ts";
import { familyOf, OwnSockets, type Route, Routes, type Sockets } from "./sockets.ts";
import { destinationOf, parseProxy, type Via } from "./via.ts";

/** A client on the sockets of somebody else, a server's. */
export let clientOn: (
  sockets: Sockets | undefined,
  streams: StreamDriver | undefined,
  resolve: Resolve,
  clock: Clock,
) => CoAPClient;

/** What pending things need of a client. */
export let coreOf: (client: CoAPClient) => ClientCore;

/** The sockets of a client that are bound. */
export let driversOf: (client: CoAPClient) => readonly Driver[];

/** What the engines of a client hold while it is open. */
export let sizesOf: (client: CoAPClient) => EngineSizes[];

/**
 * A CoAP client: one UDP socket for each address family, bound on first use, towards any number of peers; over TCP,
 * TLS and WebSocket (RFC 8323) one connection for each peer, opened when it is needed, kept for further requests and released when it
 * has not been used for a while.
 *
 * A response of any code resolves, as with `fetch`. No response, a Reset or a failure of the network rejects with a
 * {@linkcode CoAPError}; an abort rejects with the signal's reason. With nothing pending the client lets the process
 * end, closed or not.
 *
 * @example Get a resource
 * ```ts
 * import { CoAPClient, CoAPResponse, Code, serve } from "@x/coap";
 *
 * await using server = await serve(
 *   { hostname: "127.0.0.1", port: 0 },
 *   () => CoAPResponse.text("22.5"),
 * );
 * await using client = new CoAPClient();
 *
 * const response = await client.get(`coap://127.0.0.1:${server.address.port}/temperature`);
 * console.log(response.code === Code.Content, response.codeText, response.text()); // true 2.05 22.5
 * ```
 *
 * @example Time-outs and failures
 * ```ts
 * import { CoAPClient, CoAPError } from "@x/coap";
 *
 * await using client = new CoAPClient();
 * try {
 *   await client.get("coap://127.0.0.1:9/", { timeout: 100, signal: AbortSignal.timeout(1000) });
 * } catch (error) {
 *   if (error instanceof CoAPError) console.log(error.reason); // timeout, or refused where the system tells
 * }
 * ```
 */
export class CoAPClient implements AsyncDisposable {
  #sockets: Sockets;
  #routes: Routes;
  #connections: Connections;
  readonly #times: Readonly<ConnectionParameters>;
  readonly #entropy: Entropy;
  /** What drives the connections; made for the first of them. */
  #streams: StreamDriver | undefined = undefined;
  readonly #clock: Clock;
  readonly #memory: Memory;
  readonly #via: Via | undefined;
  /** Where URIs lead that were asked for lately. */
  readonly #destinations = new Map<string, UriParts>();
  readonly #pending = new IdMap<Pending>();
  readonly #core: ClientCore;
  readonly #observations: Observations;

  #closing: Promise<void> | undefined = undefined;

  /**
   * Makes a client. Nothing is bound before the first request.
   *
   * @throws {RangeError} where a parameter, a limit or the port is out of range
   * @throws {CoAPError} `invalid-uri` or `unsupported-scheme` where `proxy` is none that can be reached
   */
  constructor(options: CoAPClientOptions = {}) {
    deriveParameters(options.parameters);
    deriveLimits(options.limits);
    checkBlockSize(options.blockSize);
    this.#via = parseProxy(options.proxy);
    this.#clock = options.clock ?? systemClock;
    const { hostname, port = 0 } = options;
    const family = hostname !== undefined && isAddress(hostname)
      ? familyOf(hostname)
      : options.family;
    const driverOptions = {
      clock: this.#clock,
      random: options.random ?? systemRandom,
      parameters: options.parameters,
      limits: options.limits,
      blockSize: options.blockSize,
      extendedTokens: options.extendedTokens,
      keepAlive: false,
      maxDatagramSize: options.maxDatagramSize,
      onMessage: options.onMessage,
      onMalformed: options.onMalformed,
      onError: options.onError,
    };
    this.#sockets = new OwnSockets(
      options.transport ?? bindUdp,
      { ...socketOptions(options), hostname, port: checkPort(port) },
      driverOptions,
      options.connect ?? false,
    );
    const { tls, connection } = options;
    this.#times = deriveConnectionParameters(connection);
    this.#entropy = new Entropy(driverOptions.random);
    const bindings = streamBindings(options);
    this.#connections = new Connections(
      () => this.#streams ??= new StreamDriver({ ...driverOptions, connection, tls, bindings }),
      this.#clock,
      options.resolve ?? (family === undefined ? undefined : resolveHost),
      family,
    );
    this.#routes = new Routes(this.#sockets, options.resolve ?? resolveHost, this.#clock, family);
    const { cache = false, backOff = true } = options;
    this.#memory = new Memory(
      () => this.#clock.now(),
      cache === false ? undefined : new ResponseCache(cache === true ? {} : cache),
      backOff ? new BackOff() : undefined,
    );
    this.#core = {
      all: this.#pending,
      memory: this.#memory,
      destination: (uri, init) => this.#destination(uri, init),
      start: (pending, parts) => this.#start(pending, parts),
      restart: (pending, parts, attempt) => this.#restart(pending, parts, attempt),
    };
    this.#observations = new Observations(this.#core);
  }

  static {
    clientOn = (sockets, streams, resolve, clock) => {
      const client = new CoAPClient({ clock, resolve });
      if (sockets !== undefined) {
        client.#sockets = sockets;
        client.#routes = new Routes(sockets, resolve, clock, undefined);
      }
      if (streams !== undefined) {
        client.#connections = new Connections(() => streams, clock);
      }
      return client;
    };
    coreOf = (client) => client.#core;
    driversOf = (client) => {
      const sockets = client.#sockets;
      if (client.#closing !== undefined || !(sockets instanceof OwnSockets)) return [];
      return sockets.drivers;
    };
    sizesOf = (client) => {
      const streams = client.#closing === undefined ? client.#streams : undefined;
      const drivers: readonly Driver[] = driversOf(client);
      return (streams === undefined ? drivers : [...drivers, streams]).map(({ sizes }) => sizes);
    };
  }

  /**
   * Sends a request and waits for its response.
   *
   * @param method a name such as `"GET"`, in any case, or a code, 1 to 31
   * @param uri an absolute URI of the schemes `coap`, `coap+tcp`, `coaps+tcp`, `coap+ws` and `coaps+ws`, or of any where a
   * proxy is asked
   * @throws {CoAPError} (the promise rejects) with reason `invalid-uri`, `invalid-option`, `invalid-code` or
   * `unsupported-scheme` where the request is none: then nothing was sent; `name-resolution` or `transport` where the
   * peer can not be reached, `refused` where its host says that nobody listens; `timeout`, `reset`, `message-ids`,
   * `rejected-response` where no response came that could be used; `limit` where too many requests are under way;
   * `blockwise` where a transfer in blocks went wrong; `closed` where the client was closed
   *
   * @example A body that is not held in memory, both ways
   * ```ts
   * import { CoAPClient, CoAPResponse, serve } from "@x/coap";
   *
   * const server = await serve(
   *   { hostname: "127.0.0.1", port: 0 },
   *   (request) => new CoAPResponse(request.payload),
   * );
   * const client = new CoAPClient();
   *
   * const response = await client.post(`coap://127.0.0.1:${server.address.port}/`, {
   *   payload: new Blob(["x".repeat(5000)]).stream(),
   *   stream: true,
   *   onProgress: ({ direction, bytes, total }) => console.log(direction, bytes, total),
   * });
   * let length = 0;
   * for await (const block of response.body) length += block.length;
   * console.log(length); // 5000
   * await client.close();
   * await server.close();
   * ```
   *
   * @example One block of a large resource
   * ```ts
   * import { CoAPClient, CoAPResponse, OptionNumber, serve } from "@x/coap";
   * import { encodeBlock } from "@x/coap/wire";
   *
   * const large = Uint8Array.from({ length: 100_000 }, (_, i) => i);
   * const server = await serve({ hostname: "127.0.0.1", port: 0 }, () => new CoAPResponse(large));
   * const client = new CoAPClient();
   *
   * const response = await client.get(`coap://127.0.0.1:${server.address.port}/`, {
   *   options: [[OptionNumber.Block2, encodeBlock(50, false, 6)]], // bytes 51,200 on, 1024 of them
   * });
   * console.log(response.payload.length); // 1024
   * await client.close();
   * await server.close();
   * ```
   */
  request(
    method: string | number,
    uri: string | URL,
    init: CoAPRequestInit = {},
  ): Promise<CoAPResponse> {
    return new Promise((resolve, reject) => {
      startRequest(this.#core, methodCode(method), uri, init, resolve, reject);
    });
  }

  /** Sends a GET: {@linkcode CoAPClient.request}. */
  get(uri: string | URL, init?: CoAPRequestInit): Promise<CoAPResponse> {
    return this.request(Code.GET, uri, init);
  }

  /** Sends a POST: {@linkcode CoAPClient.request}. */
  post(uri: string | URL, init?: CoAPRequestInit): Promise<CoAPResponse> {
    return this.request(Code.POST, uri, init);
  }

  /** Sends a PUT: {@linkcode CoAPClient.request}. */
  put(uri: string | URL, init?: CoAPRequestInit): Promise<CoAPResponse> {
    return this.request(Code.PUT, uri, init);
  }

  /** Sends a DELETE: {@linkcode CoAPClient.request}. */
  delete(uri: string | URL, init?: CoAPRequestInit): Promise<CoAPResponse> {
    return this.request(Code.DELETE, uri, init);
  }

  /** Sends a FETCH (RFC 8132 section 2): {@linkcode CoAPClient.request}. */
  fetch(uri: string | URL, init?: CoAPRequestInit): Promise<CoAPResponse> {
    return this.request(Code.FETCH, uri, init);
  }

  /** Sends a PATCH (RFC 8132 section 3): {@linkcode CoAPClient.request}. */
  patch(uri: string | URL, init?: CoAPRequestInit): Promise<CoAPResponse> {
    return this.request(Code.PATCH, uri, init);
  }

  /** Sends an iPATCH (RFC 8132 section 3): {@linkcode CoAPClient.request}. */
  ipatch(uri: string | URL, init?: CoAPRequestInit): Promise<CoAPResponse> {
    return this.request(Code.iPATCH, uri, init);
  }

  /**
   * Observes a resource (RFC 7641): an iterator of its states that begins to observe with its first `next` and always
   * gives the newest state, not those that a slow reader has missed.
   *
   * `break`, `return` and an abort end the observation at the server as well; `next` of an aborted one rejects with the
   * signal's reason. What a server answers that does not observe, and the error with which one ends an observation, are
   * the last value, with `observed` false. Registrations that are lost, with a reboot of the server or in the network,
   * are made again: after Max-Age with the same token, where that has no answer with another one. While a resource is
   * observed the process stays alive.
   *
   * Iterators of one client that observe the same, by URI, options and payload, share one registration: the others
   * start with the newest state, whatever their `confirmable`, `blockSize` and `timeout`, and the last one to leave ends
   * it.
   *
   * @throws {CoAPError} (`next` rejects) as `request` does, also later, when registration fails again and again
   *
   * @example The next three states
   * ```ts
   * import { CoAPClient } from "@x/coap";
   *
   * async function three(client: CoAPClient, uri: string): Promise<string[]> {
   *   const texts: string[] = [];
   *   for await (const state of client.observe(uri)) {
   *     if (!state.ok) throw new Error(`It ended with ${state.codeText}`);
   *     if (texts.push(state.text()) === 3) break; // tells the server
   *   }
   *   return texts;
   * }
   * ```
   */
  observe(
    uri: string | URL,
    init: ObserveInit = {},
  ): AsyncIterableIterator<CoAPNotification, undefined> {
    return this.#observations.observe(uri, init);
  }

  /**
   * Asks a group (RFC 7252 section 8): the URI's host is a multicast address, or a name of one. The iterator sends the
   * request, Non-confirmable, with its first `next` and yields the responses of the members, each with its `peer`, until
   * the time is over. Members that have nothing to say stay silent. What does not fit in one block is fetched from the
   * member that has it.
   *
   * @throws {CoAPError} (`next` rejects) as `request` does, with reason `invalid-uri` also where the host is no group,
   * `blockwise` where the payload does not fit in one block
   *
   * @example Who is there
   * ```ts
   * import { CoAPClient } from "@x/coap";
   *
   * async function members(client: CoAPClient): Promise<string[]> {
   *   const addresses: string[] = [];
   *   const uri = "coap://224.0.1.187/.well-known/core?rt=temperature";
   *   for await (const response of client.group(uri)) addresses.push(response.peer!.address);
   *   return addresses;
   * }
   * ```
   */
  group(uri: string | URL, init: GroupInit = {}): AsyncIterableIterator<CoAPResponse, undefined> {
    return askGroup(this.#core, uri, init);
  }

  /**
   * Asks whether an endpoint is alive: an empty Confirmable message, which it answers with a Reset (RFC 7252 section
   * 4.3), over a connection a Ping and a Pong (RFC 8323 section 5.4). Of the URI only scheme, host and port count.
   *
   * @throws {CoAPError} (the promise rejects) as `request` does
   */
  ping(uri: string | URL, options: PingOptions = {}): Promise<void> {
    return new Promise((resolve, reject) => {
      const parts = parseUri(uri);
      checkTimeout(options.timeout);
      const what = `Ping "${uri}"`;
      this.#start(
        new PendingPing(this.#pending, what, this.#clock, options, resolve, reject),
        parts,
      );
    });
  }

  /**
   * Asks a server what it has (RFC 6690): the links in its `/.well-known/core`, or in the resource that the URI names
   * where it has a path, such as a resource directory.
   *
   * @throws {CoAPError} (the promise rejects) as `request` does, and with reason `error-response` where the response
   * is none of class 2, `malformed-message` where its payload is no list of links
   *
   * @example What there is about temperatures
   * ```ts
   * import { CoAPClient, CoAPResponse, Router, serve } from "@x/coap";
   *
   * const router = new Router()
   *   .resource("/outside", { rt: "temperature" }, { get: () => CoAPResponse.text("22.5") });
   * await using server = await serve({ hostname: "127.0.0.1", port: 0 }, router);
   * await using client = new CoAPClient();
   *
   * const uri = `coap://127.0.0.1:${server.address.port}`;
   * const links = await client.discover(uri, { query: { rt: "temperature" } });
   * console.log(links.map((link) => link.href)); // [ "/outside" ]
   * ```
   */
  discover(uri: string | URL, options: DiscoverOptions = {}): Promise<Link[]> {
    return discover((target, init) => this.get(target, init), uri, options);
  }

  /**
   * Counters and gauges of all its sockets together, those of `connect` as well. Cheap enough to be asked for every
   * second; after `close` they stay as they were. The client of a server has those of the server's socket.
   */
  stats(): EndpointStats {
    const streams = this.#streams;
    return sumStats(
      streams === undefined ? this.#sockets.drivers : [...this.#sockets.drivers, streams],
    );
  }

  /**
   * Closes the client: what is pending rejects with reason `closed`, connections are released (RFC 8323 section 5.5), and
   * the sockets are closed when the promise resolves. A second call does nothing more.
   */
  close(): Promise<void> {
    if (this.#closing === undefined) {
      this.#closing = Promise.resolve(); // for those who call it from what rejects now
      for (const pending of this.#pending.values()) pending.cancel("closed", CLOSED);
      this.#closing = Promise.all([this.#sockets.close(), this.#streams?.close()]).then(() => {});
    }
    return this.#closing;
  }

  /** Closes the client at the end of `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #destination(uri: string | URL, { proxy }: Pick<CoAPRequestInit, "proxy">): UriParts {
    if (proxy !== undefined) return destinationOf(uri, parseProxy(proxy));
    if (typeof uri !== "string") return destinationOf(uri, this.#via);
    let parts = this.#destinations.get(uri);
    if (parts === undefined) {
      parts = destinationOf(uri, this.#via);
      if (this.#destinations.size >= DESTINATIONS) this.#destinations.clear();
      this.#destinations.set(uri, parts);
    }
    return parts;
  }

  /** The way through a connection, where it is there in time. */
  #within(patience: number, route: Route | Promise<Route>): Route | Promise<Route> {
    if (!(route instanceof Promise) || patience === Infinity) return route;
    return new Promise((resolve, reject) => {
      const timeout = new CoAPError("timeout", `No connection within ${patience} ms`);
      const at = this.#clock.now() + patience;
      const timer = this.#clock.setTimer(() => reject(timeout), at);
      route.then(resolve, reject).finally(() => this.#clock.clearTimer(timer));
    });
  }

  #restart(pending: Pending, parts: UriParts, attempt: number): (() => void) | undefined {
    const { reconnectDelay, reconnectAttempts } = this.#times;
    if (this.#closing !== undefined || attempt > reconnectAttempts) return undefined;
    const delay = Math.min(reconnectDelay * 2 ** (attempt - 1), LONGEST_DELAY);
    const at = this.#clock.now() + this.#entropy.between(delay / 2, delay * 1.5);
    const timer = this.#clock.setTimer(() => this.#start(pending, parts), at);
    return () => this.#clock.clearTimer(timer);
  }

  #start(pending: Pending, parts: UriParts): void {
    if (this.#closing !== undefined) return pending.cancel("closed", CLOSED);
    pending.start(() =>
      isStream(parts.scheme)
        ? this.#within(pending.patience, this.#connections.find(parts))
        : this.#routes.find(parts.host, parts.hostIsAddress, parts.port)
    );
  }
}

/** The longest delay before another connection is tried, ms. */
const LONGEST_DELAY = 60_000;

const CLOSED = "Client is closed";

/** URIs that stay taken apart: programs ask for the same ones again and again. */
const DESTINATIONS = 256;

function isAddress(hostname: string): boolean {
  return hostname.includes(":") || /^[\d.]+$/.test(hostname);
}

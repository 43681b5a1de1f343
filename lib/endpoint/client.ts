/** The client. @module */

import { CoAPError } from "../errors.ts";
import type { ResponseEvent } from "../engine/types.ts";
import { deriveLimits, deriveParameters } from "../parameters.ts";
import { resolveHost } from "../transport/resolve.ts";
import type { Resolve } from "../transport/transport.ts";
import { bindUdp } from "../transport/udp.ts";
import { Code } from "../wire/code.ts";
import { ContentFormat } from "../wire/content_format.ts";
import { type Link, parseLinks } from "../wire/link_format.ts";
import { OptionNumber } from "../wire/option.ts";
import { decomposeUri, type UriParts } from "../wire/uri.ts";
import { type Clock, systemClock } from "./clock.ts";
import { systemRandom } from "./driver.ts";
import {
  checkPort,
  checkTimeout,
  type CoAPClientOptions,
  type DiscoverOptions,
  type PingOptions,
} from "./endpoint_options.ts";
import { methodCode, methodName } from "./methods.ts";
import type { OptionInput } from "./options.ts";
import { type CoAPRequestInit, makeOutline } from "./outgoing.ts";
import { Pending, type Plan } from "./pending.ts";
import { type CoAPResponse, received } from "./response.ts";
import { familyOf, OwnSockets, Routes, type Sockets } from "./sockets.ts";

/** A client on the sockets of somebody else, a server's. */
export let clientOn: (sockets: Sockets, resolve: Resolve, clock: Clock) => CoAPClient;

/** Which URI schemes there is a transport for. */
const TRANSPORTS: Partial<Record<UriParts["scheme"], "udp">> = { coap: "udp" };

/**
 * A CoAP client: one UDP socket for each address family, bound on first use, towards any number of peers.
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
  readonly #clock: Clock;
  readonly #pending = new Set<Pending<unknown>>();
  #closing: Promise<void> | undefined = undefined;

  /**
   * Makes a client. Nothing is bound before the first request.
   *
   * @throws {RangeError} where a parameter, a limit or the port is out of range
   */
  constructor(options: CoAPClientOptions = {}) {
    deriveParameters(options.parameters);
    deriveLimits(options.limits);
    this.#clock = options.clock ?? systemClock;
    const { hostname, port = 0, reuseAddress, receiveBufferSize, sendBufferSize } = options;
    const family = hostname !== undefined && isAddress(hostname)
      ? familyOf(hostname)
      : options.family;
    this.#sockets = new OwnSockets(
      options.transport ?? bindUdp,
      { hostname, port: checkPort(port), reuseAddress, receiveBufferSize, sendBufferSize },
      {
        clock: this.#clock,
        random: options.random ?? systemRandom,
        parameters: options.parameters,
        limits: options.limits,
        blockSize: options.blockSize,
        keepAlive: false,
        onMessage: options.onMessage,
        onError: options.onError,
      },
    );
    this.#routes = new Routes(this.#sockets, options.resolve ?? resolveHost, this.#clock, family);
  }

  static {
    clientOn = (sockets, resolve, clock) => {
      const client = new CoAPClient({ clock });
      client.#sockets = sockets;
      client.#routes = new Routes(sockets, resolve, clock, undefined);
      return client;
    };
  }

  /**
   * Sends a request and waits for its response.
   *
   * @param method a name such as `"GET"`, in any case, or a code, 1 to 31
   * @param uri an absolute URI of the scheme `coap`
   * @throws {CoAPError} (the promise rejects) with reason `invalid-uri`, `invalid-option`, `invalid-code` or
   * `unsupported-scheme` where the request is none: then nothing was sent; `name-resolution` or `transport` where the
   * peer can not be reached, `refused` where its host says that nobody listens; `timeout`, `reset`, `message-ids`,
   * `rejected-response` where no response came that could be used; `limit` where too many requests are under way;
   * `closed` where the client was closed
   */
  request(
    method: string | number,
    uri: string | URL,
    init: CoAPRequestInit = {},
  ): Promise<CoAPResponse> {
    return new Promise((resolve, reject) => {
      const code = methodCode(method);
      const parts = parseUri(uri);
      const { blockSize, confirmable, impatient, signal, timeout } = init;
      checkTimeout(timeout);
      const outline = makeOutline(code, parts, init);
      const plan: Plan<CoAPResponse> = {
        what: `${methodName(code)} "${uri}"`,
        signal,
        send: ({ driver, flow }, call) =>
          driver.request(flow, outline, { blockSize, confirmable, impatient, timeout }, call),
        take: (event) => received((event as ResponseEvent).message, event.flow),
      };
      this.#start(plan, parts, resolve, reject);
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
   * Asks whether an endpoint is alive: an empty Confirmable message, which it answers with a Reset (RFC 7252 section
   * 4.3). Of the URI only scheme, host and port count.
   *
   * @throws {CoAPError} (the promise rejects) as `request` does
   */
  ping(uri: string | URL, options: PingOptions = {}): Promise<void> {
    return new Promise((resolve, reject) => {
      const parts = parseUri(uri);
      const { signal, timeout } = options;
      checkTimeout(timeout);
      const what = `Ping "${uri}"`;
      const plan: Plan<void> = {
        what,
        signal,
        send: ({ driver, flow }, call) => driver.ping(flow, call),
        take: () => {},
      };
      if (timeout === undefined || timeout === Infinity) {
        this.#start(plan, parts, resolve, reject);
        return;
      }
      const timer = this.#clock.setTimer(
        () => pending?.cancel("timeout", `No Reset within ${timeout} ms`),
        this.#clock.now() + timeout,
      );
      const done = (): void => this.#clock.clearTimer(timer);
      const pending = this.#start(
        plan,
        parts,
        () => (done(), resolve()),
        (error) => (done(), reject(error)),
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
  async discover(uri: string | URL, options: DiscoverOptions = {}): Promise<Link[]> {
    const { query = [], ...init } = options;
    const { options: fromUri } = parseUri(uri);
    const extra: OptionInput[] = [];
    if (!fromUri.some(({ number }) => number === OptionNumber.UriPath)) {
      extra.push([OptionNumber.UriPath, ".well-known"], [OptionNumber.UriPath, "core"]);
    }
    const filters = isIterable(query)
      ? query
      : Object.entries(query).map(([name, value]) => `${name}=${value}`);
    for (const filter of filters) extra.push([OptionNumber.UriQuery, filter]);
    const response = await this.get(uri, {
      ...init,
      accept: ContentFormat.LinkFormat,
      options: extra,
    });
    if (!response.ok) {
      throw new CoAPError(
        "error-response",
        `Discovery of "${uri}" was answered with "${response.codeText}" ${response.text()}`.trim(),
      );
    }
    const { contentFormat } = response;
    if (contentFormat !== undefined && contentFormat !== ContentFormat.LinkFormat) {
      throw new CoAPError(
        "malformed-message",
        `Discovery of "${uri}" was answered in content format "${contentFormat}"`,
      );
    }
    try {
      return parseLinks(response.text());
    } catch (cause) {
      throw new CoAPError("malformed-message", `Links of "${uri}" are malformed`, { cause });
    }
  }

  /**
   * Closes the client: what is pending rejects with reason `closed`, and the sockets are closed when the promise
   * resolves. A second call does nothing more.
   */
  close(): Promise<void> {
    if (this.#closing === undefined) {
      this.#closing = Promise.resolve(); // for those who call it from what rejects now
      for (const pending of this.#pending) pending.cancel("closed", CLOSED);
      this.#closing = this.#sockets.close();
    }
    return this.#closing;
  }

  /** Closes the client at the end of `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #start<T>(
    plan: Plan<T>,
    parts: UriParts,
    resolve: (value: T) => void,
    reject: (reason: unknown) => void,
  ): Pending<T> | undefined {
    if (this.#closing !== undefined) {
      reject(new CoAPError("closed", `${plan.what}: ${CLOSED}`));
      return undefined;
    }
    if (plan.signal?.aborted) {
      reject(plan.signal.reason);
      return undefined;
    }
    const pending = new Pending(this.#pending, plan, resolve, reject);
    try {
      pending.start(this.#routes.find(parts.host, parts.hostIsAddress, parts.port));
    } catch (error) {
      pending.fail(error);
    }
    return pending;
  }
}

const CLOSED = "Client is closed";

/**
 * Takes a URI apart.
 *
 * @throws {CoAPError} `invalid-uri`, or `unsupported-scheme` where there is no transport for it
 */
function parseUri(uri: string | URL): UriParts {
  const parts = decomposeUri(uri);
  if (TRANSPORTS[parts.scheme] === undefined) {
    throw new CoAPError("unsupported-scheme", `No transport for "${parts.scheme}" yet: "${uri}"`);
  }
  return parts;
}

function isAddress(hostname: string): boolean {
  return hostname.includes(":") || /^[\d.]+$/.test(hostname);
}

function isIterable(query: NonNullable<DiscoverOptions["query"]>): query is Iterable<string> {
  return Symbol.iterator in query;
}

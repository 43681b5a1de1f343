/** The server. @module */

import { CoAPError } from "../errors.ts";
import type { Address } from "../flow.ts";
import type { ExchangeId, RequestEvent } from "../engine/types.ts";
import { resolveHost } from "../transport/resolve.ts";
import { bindUdp } from "../transport/udp.ts";
import { Code } from "../wire/code.ts";
import { clientOn, type CoAPClient } from "./client.ts";
import { systemClock } from "./clock.ts";
import { Driver, systemRandom } from "./driver.ts";
import { checkPort, type EndpointOptions } from "./endpoint_options.ts";
import { abort, hasTextPath, IncomingRequest } from "./incoming_request.ts";
import { CoAPResponse } from "./response.ts";

/**
 * Answers a request, at once or by a promise. Until the promise settles the peer is kept waiting with an empty
 * acknowledgement, and the response then goes out separately (RFC 7252 section 5.2.2).
 *
 * What throws, rejects or returns anything else than a {@linkcode CoAPResponse} is answered 5.00 without a word of why;
 * `onError` is told.
 */
export type Handler = (request: IncomingRequest) => CoAPResponse | Promise<CoAPResponse>;

/** What has a handler, such as a `Router`. */
export interface HandlerObject {
  /** Answers a request. */
  handle(request: IncomingRequest): CoAPResponse | Promise<CoAPResponse>;
}

/** How a server is made. */
export interface ServeOptions extends EndpointOptions {
  /**
   * Local address to bind, an IP literal or a name. `"::"` takes IPv4 as well where the system does.
   *
   * @default {"0.0.0.0"} or `"::"` by `family`
   */
  hostname?: string;
  /**
   * Local port, 0 to 65535; 0 lets the system choose.
   *
   * @default {5683}
   */
  port?: number;
  /**
   * Address family where `hostname` does not tell.
   *
   * @default {4}
   */
  family?: 4 | 6;
  /**
   * Hears what the peers are not told: what handlers throw, together with the request, errors of the network, and
   * exceptions of `onMessage`. What it throws itself is dropped.
   */
  onError?: (error: unknown, request?: IncomingRequest) => void;
}

/** A server that is up. */
export interface Server extends AsyncDisposable {
  /** The bound address and port. */
  readonly address: Address;
  /**
   * A client on the server's own socket: what it sends comes from the server's port, through the same NAT binding.
   * It ends with the server.
   */
  readonly client: CoAPClient;
  /**
   * Closes the server and its client. Responses that are ready leave; the signals of requests still being handled are
   * aborted and their responses dropped. Resolves when the port is free; a second call does nothing more.
   */
  close(): Promise<void>;
}

const INTERNAL_ERROR = CoAPResponse.error(Code.InternalServerError);
const BAD_PATH = CoAPResponse.error(Code.BadRequest, "Path has a dot segment");
const NOT_TEXT = CoAPResponse.error(Code.NotFound);
const NO_FORMAT = CoAPResponse.error(Code.BadRequest, "FETCH needs Content-Format");

/**
 * Starts a server. By itself it answers what the protocol settles: pings, duplicates, 4.02 to critical options that
 * nobody understands, 5.05 to requests for a proxy, 4.00 to a path with `.` or `..` in it (RFC 7252 section 5.10.1) and
 * to a FETCH without Content-Format, 4.04 to a path that is no UTF-8. It answers whatever host name the request names.
 *
 * @param handler answers all requests
 * @throws {RangeError} (the promise rejects) where a port, parameter or limit is out of range
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
  return await new CoAPServer(options, handlerOf(handler)).bind();
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
  readonly #driver: Driver;
  /** Requests whose handlers have returned a promise. */
  readonly #open = new Set<IncomingRequest>();
  #address: Address = { address: "", port: 0 };
  #closing: Promise<void> | undefined = undefined;

  constructor(options: ServeOptions, handler: Handler) {
    const clock = options.clock ?? systemClock;
    this.#options = options;
    this.#handler = handler;
    this.#driver = new Driver({
      clock,
      random: options.random ?? systemRandom,
      parameters: options.parameters,
      limits: options.limits,
      blockSize: options.blockSize,
      serve: true,
      keepAlive: true,
      onRequest: (event) => this.#onRequest(event),
      onMessage: options.onMessage,
      onError: options.onError && ((error) => options.onError!(error)),
    });
    const driver = this.#driver;
    const sockets = { driver: () => driver, close: () => Promise.resolve() };
    this.client = clientOn(sockets, options.resolve ?? resolveHost, clock);
  }

  async bind(): Promise<this> {
    const { hostname, port = 5683, family } = this.#options;
    const { reuseAddress, receiveBufferSize, sendBufferSize } = this.#options;
    await this.#driver.bind(this.#options.transport ?? bindUdp, {
      hostname,
      port: checkPort(port),
      family,
      reuseAddress,
      receiveBufferSize,
      sendBufferSize,
    });
    this.#address = this.#driver.address;
    return this;
  }

  get address(): Address {
    return this.#address;
  }

  close(): Promise<void> {
    if (this.#closing === undefined) {
      this.#closing = Promise.resolve(); // for those who call it from what is aborted now
      const closed = new CoAPError("closed", "Server is closed");
      for (const request of this.#open) abort(request, closed);
      this.#open.clear();
      this.#closing = this.client.close().then(() => this.#driver.close());
    }
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #onRequest({ id, flow, message }: RequestEvent): void {
    const request = new IncomingRequest(message, flow, this.#address);
    const refusal = refuse(request);
    if (refusal !== undefined) return this.#driver.respond(id, refusal);
    let result: CoAPResponse | Promise<CoAPResponse>;
    try {
      result = this.#handler(request);
      if (result instanceof CoAPResponse) return this.#driver.respond(id, result);
    } catch (error) {
      return this.#fail(id, request, error);
    }
    this.#respondLater(id, request, result);
  }

  async #respondLater(
    id: ExchangeId,
    request: IncomingRequest,
    result: Promise<CoAPResponse>,
  ): Promise<void> {
    this.#open.add(request);
    try {
      const response: unknown = await result;
      if (!(response instanceof CoAPResponse)) {
        throw new TypeError(`Handler must return a CoAPResponse: it is "${String(response)}"`);
      }
      this.#driver.respond(id, response);
    } catch (error) {
      this.#fail(id, request, error);
    } finally {
      this.#open.delete(request);
    }
  }

  #fail(id: ExchangeId, request: IncomingRequest, error: unknown): void {
    this.#driver.respond(id, INTERNAL_ERROR);
    try {
      this.#options.onError?.(error, request);
    } catch {
      // There is nobody left to tell.
    }
  }
}

/** What is answered without the handler. */
function refuse(request: IncomingRequest): CoAPResponse | undefined {
  for (const segment of request.path) {
    if (segment === "." || segment === "..") return BAD_PATH;
  }
  if (!hasTextPath(request)) return NOT_TEXT;
  if (request.code === Code.FETCH && request.contentFormat === undefined) return NO_FORMAT;
  return undefined;
}

/** What a server and the proxies mounted on it have to do with each other. @module */

import type { Address } from "../flow.ts";
import type { ExchangeId } from "../engine/types.ts";
import { Code } from "../wire/code.ts";
import { type Message, MessageType } from "../wire/message.ts";
import type { Option } from "../wire/option.ts";
import type { UriParts } from "../wire/uri.ts";
import type { Clock } from "./clock.ts";
import type { Observed } from "./broadcast.ts";
import type { Driver } from "./driver.ts";
import { IncomingRequest } from "./incoming_request.ts";
import type { CoAPProxy } from "./proxy.ts";
import { asksProxy, refuseCritical, retarget, targetOf } from "./proxy_message.ts";
import { CoAPResponse, type Content } from "./response.ts";
import type { Handler, ServeOptions } from "./serve_options.ts";

/** Whence a request came to its handler. */
interface Origin {
  readonly host: ProxyHost;
  readonly driver: Driver;
  readonly id: ExchangeId;
}

const NOT_SUPPORTED = CoAPResponse.error(Code.ProxyingNotSupported);

/** Requests to servers with a proxy. */
const ORIGINS = new WeakMap<IncomingRequest, Origin>();

/** What a proxy has on a server. */
export interface Lodger {
  /** What drives its sockets. */
  readonly drivers: Driver[];
  /** Requests and observations under way. */
  readonly size: number;
  /** Gives up what is under way and closes the sockets. */
  close(): Promise<void>;
}

/** The server that a request came to, where proxies are mounted on it. */
export function hostOf(request: IncomingRequest): ProxyHost | undefined {
  return ORIGINS.get(request)?.host;
}

/** What a server lends to the proxies that answer some of its requests, and which requests those are. */
export class ProxyHost {
  readonly clock: Clock;
  /** How the server was made. */
  readonly options: ServeOptions;
  readonly #observed: Observed;
  readonly #address: () => Address;
  readonly #proxy: CoAPProxy | undefined;
  readonly #handler: Handler;
  readonly #forwards: boolean;
  readonly #left = new Map<string, () => void>();
  readonly #lodgers: Lodger[] = [];

  /**
   * @param observed the observers of the server
   * @param address where it is bound
   * @param proxy what stands beside the handler
   * @param forwards whether the handler itself hands requests on
   */
  constructor(
    observed: Observed,
    address: () => Address,
    clock: Clock,
    options: ServeOptions,
    proxy: CoAPProxy | undefined,
    handler: Handler,
    forwards: boolean,
  ) {
    this.#observed = observed;
    this.#address = address;
    this.clock = clock;
    this.options = options;
    this.#proxy = proxy;
    this.#handler = handler;
    this.#forwards = forwards;
  }

  /** The bound address and port of the server. */
  get address(): Address {
    return this.#address();
  }

  // -------------------------------------------------------------- for the server

  /**
   * The request as one to the server itself, or undefined where it is one for the proxy. Where a proxy request names the
   * server itself it is not forwarded (RFC 7252 section 5.7.2).
   */
  own(message: Message): Message | undefined {
    if (!asksProxy(message.options)) return message;
    const target = this.#proxy && targetOf(message.options, this.address);
    if (target === undefined || !this.#proxy!.isOwn(target.host, target.port, this.address)) {
      return undefined;
    }
    return withOptions(message, retarget(message.options, target.options));
  }

  /** Notes whence a request came. */
  admit(request: IncomingRequest, driver: Driver, id: ExchangeId): void {
    ORIGINS.set(request, { host: this, driver, id });
  }

  /** What is answered to a request to the server itself with an option that only a proxy may let pass. */
  refuse(request: IncomingRequest): CoAPResponse | undefined {
    return this.#forwards ? undefined : refuseCritical(request.options);
  }

  /** Answers a request for the proxy. */
  forward(request: IncomingRequest): CoAPResponse | Promise<CoAPResponse> {
    return this.#proxy === undefined ? NOT_SUPPORTED : this.#proxy.forward(this, request);
  }

  /** An observer has left. Answers whether what it observed is a proxy's: the server's own resources are paths. */
  unobserved(resource: string): boolean {
    this.#left.get(resource)?.();
    return !resource.startsWith("/");
  }

  /** Requests and observations of the proxies that are under way. */
  get size(): number {
    return this.#lodgers.reduce((all, { size }) => all + size, this.#left.size);
  }

  /** What drives the proxies' sockets. */
  get drivers(): Driver[] {
    return this.#lodgers.flatMap(({ drivers }) => drivers);
  }

  /** Closes what the proxies have opened. */
  async close(): Promise<void> {
    await Promise.all(this.#lodgers.map((lodger) => lodger.close()));
  }

  // -------------------------------------------------------------- for the proxies

  /** Handles a request for a name of which it turned out that it leads to the server itself. */
  handleOwn(
    request: IncomingRequest,
    target: UriParts,
  ): CoAPResponse | Promise<CoAPResponse> {
    const { code, token, payload, confirmable, peer, fresh } = request;
    const type = confirmable ? MessageType.Confirmable : MessageType.NonConfirmable;
    const options = retarget(request.options, target.options);
    const message = { type, code, token, options, payload };
    const own = new IncomingRequest(message, peer, this.address, fresh);
    const origin = ORIGINS.get(request);
    if (origin !== undefined) ORIGINS.set(own, origin);
    return this.refuse(own) ?? this.#handler(own);
  }

  /**
   * Answers a request at once and makes its sender an observer of a resource; what its handler returns afterwards is
   * dropped.
   */
  register(request: IncomingRequest, response: Content, resource: string): void {
    const { driver, id } = ORIGINS.get(request)!;
    driver.respond(id, response, { observe: resource });
  }

  /** Sends a state to the observers of a resource. */
  notify(resource: string, state: Content): void {
    this.#observed.notify(resource, undefined, state, this.options.notifications);
  }

  /** Whether anybody observes a resource. */
  isObserved(resource: string): boolean {
    return this.#observed.countObservers(resource) > 0;
  }

  /** Calls back whenever an observer of the resource has left, until `forget`. */
  watch(resource: string, left: () => void): void {
    this.#left.set(resource, left);
  }

  /** Ends `watch`. */
  forget(resource: string): void {
    this.#left.delete(resource);
  }

  /** Tells the server's `onError`; what that throws is dropped. */
  report(error: unknown, request?: IncomingRequest): void {
    try {
      this.options.onError?.(error, request);
    } catch {
      // There is nobody left to tell.
    }
  }

  /** Takes in what is to be closed with the server. */
  lodge(lodger: Lodger): void {
    this.#lodgers.push(lodger);
  }
}

function withOptions(message: Message, options: readonly Option[]): Message {
  const { type, code, id, token, payload } = message;
  return { type, code, id, token, options, payload };
}

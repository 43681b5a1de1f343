/** Hands requests on to origin servers: RFC 7252 section 5.7.1. @module */

import { CoAPError } from "../errors.ts";
import type { RandomSource } from "../engine/entropy.ts";
import { IdMap } from "../engine/id_map.ts";
import type { ExchangeId, FailedEvent, Outline, RequestOptions } from "../engine/types.ts";
import { resolveHost } from "../transport/resolve.ts";
import { bindUdp } from "../transport/udp.ts";
import { Code } from "../wire/code.ts";
import { toHex } from "../wire/bytes.ts";
import { findOption, OptionNumber, uintOption } from "../wire/option.ts";
import type { UriParts } from "../wire/uri.ts";
import { BackOff } from "./back_off.ts";
import { ResponseCache } from "./cache.ts";
import type { Clock, ClockTimer } from "./clock.ts";
import { type CallEvent, type Driver, systemRandom } from "./driver.ts";
import type { IncomingRequest } from "./incoming_request.ts";
import { Pending } from "./pending.ts";
import type { Lodger, ProxyHost } from "./proxy_host.ts";
import {
  failureOf,
  forwardedOptions,
  hopLimitReached,
  relayed,
  withHopLimit,
  withoutHopLimit,
} from "./proxy_message.ts";
import { giveUp, ProxyObservation } from "./proxy_observation.ts";
import type { ProxyOptions } from "./proxy_options.ts";
import { asksToObserve } from "./representation.ts";
import { Memory, type Recall } from "./recall.ts";
import { requestKey } from "./request_key.ts";
import type { Content } from "./response.ts";
import { OwnSockets, type Route, Routes } from "./sockets.ts";

/** The options of a proxy as far as they concern what it sends. */
export type ForwarderOptions =
  & Pick<ProxyOptions, "cache" | "client" | "identifier">
  & Required<Pick<ProxyOptions, "confirmable" | "hopLimit" | "timeout">>;

/** Whether a request is one of OSCORE: no other is like it (RFC 8613 section 10). */
function isProtected({ options = [] }: Outline): boolean {
  return findOption(options, OptionNumber.OSCORE) !== undefined;
}

/** Options that do not tell one observation from another. */
const SHARED: ReadonlySet<number> = new Set([OptionNumber.ETag]);

let count = 0;

/** What a proxy is to one server: sockets, a cache and the observations of origin servers. */
export class Forwarder implements Lodger {
  readonly #host: ProxyHost;
  readonly #options: ForwarderOptions;
  readonly #identifier: string;
  readonly #sockets: OwnSockets;
  readonly #routes: Routes;
  readonly #memory: Memory;
  readonly #pending = new IdMap<Pending>();
  readonly #observations = new Map<string, ProxyObservation>();
  #closed = false;
  /** Tells its resources from those of another on the same server. */
  readonly #name = `proxy ${++count}`;

  constructor(host: ProxyHost, options: ForwarderOptions) {
    const { clock, options: server } = host;
    const { client = {}, cache = true } = options;
    const random = server.random ?? systemRandom;
    this.#host = host;
    this.#options = options;
    this.#identifier = options.identifier ?? toHex(randomBytes(random, 4));
    this.#sockets = new OwnSockets(
      client.transport ?? server.transport ?? bindUdp,
      {
        receiveBufferSize: server.receiveBufferSize,
        sendBufferSize: server.sendBufferSize,
      },
      {
        clock,
        random,
        parameters: client.parameters ?? server.parameters,
        limits: client.limits ?? server.limits,
        blockSize: client.blockSize ?? server.blockSize,
        keepAlive: false,
        onMessage: client.onMessage,
        onError: server.onError && ((error) => server.onError!(error)),
      },
      false,
    );
    const resolve = client.resolve ?? server.resolve ?? resolveHost;
    this.#routes = new Routes(this.#sockets, resolve, clock, client.family);
    this.#memory = new Memory(
      () => clock.now(),
      cache === false ? undefined : new ResponseCache(cache === true ? {} : cache),
      new BackOff(),
    );
    host.lodge(this);
  }

  get size(): number {
    return this.#pending.size + this.#observations.size;
  }

  get drivers(): Driver[] {
    return this.#sockets.drivers;
  }

  /**
   * The way to a target.
   *
   * @throws {CoAPError} `name-resolution` or `transport`
   */
  async find({ host, hostIsAddress, port }: UriParts): Promise<Route> {
    return await this.#routes.find(host, hostIsAddress, port);
  }

  /** Hands a request on and answers with what comes of it. */
  async forward(request: IncomingRequest, target: UriParts, route: Route): Promise<Content> {
    const given = uintOption(request.options, OptionNumber.HopLimit);
    const hops = given === undefined ? this.#options.hopLimit : given - 1;
    const outline: Outline = {
      code: request.code,
      options: forwardedOptions(request.options, target.options, request.fresh),
      payload: request.payload,
    };
    try {
      if (this.#closed) throw new CoAPError("closed", "Proxy is closed");
      return asksToObserve(request)
        ? await this.#observe(request, target.scheme, route, outline, hops)
        : await this.#ask(request, target.scheme, route, outline, hops);
    } catch (error) {
      if (error instanceof CoAPError) return failureOf(error);
      throw error;
    }
  }

  async #ask(
    request: IncomingRequest,
    scheme: string,
    route: Route,
    outline: Outline,
    hops: number,
  ): Promise<Content> {
    const recall = this.#recall(scheme, route, outline, hops);
    if (recall.answer !== undefined) return withoutHopLimit(recall.answer);
    if (hops === 0) return this.#refuseHop(request);
    const content = await new Promise<Content>((resolve, reject) => {
      new Forwarding(
        this.#pending,
        this.#host.clock,
        withHopLimit(recall.request, hops),
        this.#requestOptions,
        resolve,
        reject,
      ).start(() => route);
    });
    return this.#take(recall, content, hops);
  }

  /** Keeps a response for further requests where it may, and gives it as clients are to have it. */
  #take(recall: Recall, content: Content, hops: number): Content {
    // Whoever repeats a request with an Echo value is to be heard by the origin server.
    const storable = findOption(content.options, OptionNumber.Echo) === undefined;
    if (content.code !== Code.HopLimitReached) return recall.take(content, storable);
    this.#reportHops();
    const reached = hopLimitReached(this.#identifier, content);
    return withoutHopLimit(recall.take(withHopLimit(reached, hops), storable));
  }

  /** Looks for a stored response. A 5.08 holds for requests that may take no more hops (RFC 8768 section 3). */
  #recall(scheme: string, { flow }: Route, outline: Outline, hops: number): Recall {
    const echo = findOption(outline.options!, OptionNumber.Echo) !== undefined;
    const mode = isProtected(outline) ? "no-store" : echo ? "no-cache" : "default";
    const recall = this.#memory.recall(scheme, flow, outline, mode);
    const reached = recall.answer && uintOption(recall.answer.options, OptionNumber.HopLimit);
    return reached !== undefined && hops > reached
      ? this.#memory.recall(scheme, flow, outline, "no-cache")
      : recall;
  }

  #refuseHop(request: IncomingRequest): Content {
    this.#reportHops(request);
    return hopLimitReached(this.#identifier);
  }

  /** A loop is for somebody to look at (RFC 8768 section 3). */
  #reportHops(request?: IncomingRequest): void {
    this.#host.report(new CoAPError("limit", "Request takes too many hops"), request);
  }

  async #observe(
    request: IncomingRequest,
    scheme: string,
    route: Route,
    outline: Outline,
    hops: number,
  ): Promise<Content> {
    const key = requestKey(`${scheme} ${route.flow.key}`, outline, SHARED);
    const known = this.#observations.get(key);
    if (known !== undefined && known.isStale) {
      return known.register(request, await this.#ask(request, scheme, route, outline, hops));
    }
    if (known !== undefined) return await known.join(request);
    if (hops === 0) return this.#refuseHop(request);
    const options = outline.options!.filter(({ number }) => number !== OptionNumber.ETag);
    const shared = { ...outline, options };
    const mode = isProtected(outline) ? "no-store" : "reload";
    const observation = new ProxyObservation(this.#pending, this.#host, {
      name: `${this.#name} ${key}`,
      outline: withHopLimit(shared, hops),
      options: { ...this.#requestOptions, observe: true },
      take: (content) =>
        this.#take(this.#memory.recall(scheme, route.flow, shared, mode), content, hops),
      over: () => this.#observations.delete(key),
    });
    this.#observations.set(key, observation);
    const answer = observation.join(request);
    observation.start(() => route);
    return await answer;
  }

  get #requestOptions(): RequestOptions {
    const { confirmable, timeout } = this.#options;
    return { confirmable, timeout, proxy: true };
  }

  async close(): Promise<void> {
    this.#closed = true;
    for (const pending of this.#pending.values()) pending.cancel("closed", "Proxy is closed");
    await this.#sockets.close();
  }
}

/** A request on its way to an origin server. */
class Forwarding extends Pending {
  readonly #clock: Clock;
  readonly #timer: ClockTimer;
  readonly #outline: Outline;
  readonly #options: RequestOptions;
  readonly #resolve: (content: Content) => void;
  readonly #reject: (reason: unknown) => void;

  constructor(
    all: IdMap<Pending>,
    clock: Clock,
    outline: Outline,
    options: RequestOptions,
    resolve: (content: Content) => void,
    reject: (reason: unknown) => void,
  ) {
    super(all, "Request handed on");
    this.#clock = clock;
    this.#timer = giveUp(this, clock, options.timeout!);
    this.#outline = outline;
    this.#options = options;
    this.#resolve = resolve;
    this.#reject = reject;
  }

  protected override send({ driver, flow }: Route): ExchangeId {
    return driver.request(flow, this.#outline, this.#options, this);
  }

  protected override take(event: Exclude<CallEvent, FailedEvent>): void {
    if (event.type !== "response") return;
    this.end();
    this.#resolve(relayed(event.message));
  }

  protected override failed(reason: unknown): void {
    this.#reject(reason);
  }

  protected override end(): boolean {
    this.#clock.clearTimer(this.#timer);
    return super.end();
  }
}

function randomBytes(random: RandomSource, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  random(bytes);
  return bytes;
}

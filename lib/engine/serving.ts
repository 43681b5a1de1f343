/** Requests of peers, from the token layer to the application and back. @module */

import type { Flow } from "../flow.ts";
import { Code, codeClass, isSuccess } from "../wire/code.ts";
import { type Message, MessageType, tokenLength } from "../wire/message.ts";
import {
  checkRequestOptions,
  decodeUint,
  encodeUint,
  findOption,
  type Option,
  OptionNumber,
  uintOption,
} from "../wire/option.ts";
import { withOptions } from "./assembly.ts";
import type { BlockRules } from "./block_rules.ts";
import { EchoMint } from "./echo.ts";
import { ServerExchange, tokenKey } from "./exchange.ts";
import { checkForwarded, type Exchanges, MAX_DATAGRAM } from "./exchanges.ts";
import { Observers } from "./observers.ts";
import type { Peer } from "./peers.ts";
import type { MessageLayer, Receipt, Shared } from "./layers.ts";
import { ServerBlocks } from "./server_blocks.ts";
import { SmallMap } from "./small_map.ts";
import type { Timed } from "./timers.ts";
import type {
  AnswerOutcome,
  EngineEvent,
  EngineOptions,
  ExchangeId,
  Outline,
  ResponseOptions,
} from "./types.ts";

const UTF8 = new TextEncoder();
/** Longest token served, bytes: beside it a datagram has room for what the engine itself may answer. */
const LONGEST_TOKEN = 64_000;
/** Longest token that fits into a datagram at all. Over IPv6 a longer one may come. */
const LONGEST_ECHO = MAX_DATAGRAM - 6;
/** Whom there is no time for is told to wait for so long at most, s. */
const LONGEST_WAIT = 4;

/** What serving needs of the engine. */
export interface ServingHost {
  readonly shared: Shared;
  readonly layer: MessageLayer;
  readonly exchanges: Exchanges;
  readonly rules: BlockRules;
  nextId(): ExchangeId;
  emit(event: EngineEvent): void;
}

/** The server's side of an engine. */
export class Serving {
  readonly blocks: ServerBlocks;
  readonly observers: Observers;
  readonly #host: ServingHost;
  readonly #serve: boolean;
  readonly #proxy: boolean;
  readonly #echoLifetime: number;
  readonly #requestRate: number;
  readonly #echoes: EchoMint;
  readonly #handling: SmallMap<ExchangeId, ServerExchange> = new SmallMap();
  /** Responses to groups that wait their leisure. */
  readonly #leisurely: Set<Leisure> = new Set();

  /** @throws {RangeError} where an option is out of range */
  constructor(host: ServingHost, options: EngineOptions) {
    this.#host = host;
    this.#serve = options.serve ?? false;
    this.#proxy = options.proxy ?? false;
    this.#requestRate = checkAbove(options.requestRate ?? Infinity, 0, "Request rate");
    this.#echoLifetime = options.echoLifetime ?? host.shared.parameters.maxTransmitWait;
    this.#echoes = new EchoMint(host.shared.entropy);
    this.blocks = new ServerBlocks(host.shared, host.rules);
    this.observers = new Observers(
      host.shared,
      host.layer,
      this.blocks,
      (event) => host.emit(event),
    );
  }

  /** Requests at the application, and responses that wait. */
  get size(): number {
    return this.#handling.size + this.#leisurely.size;
  }

  // -------------------------------------------------------------- requests

  /** A request that was not seen before. Answers false where none are served. */
  onRequest(
    now: number,
    peer: Peer,
    flow: Flow,
    message: Message,
    receipt: Receipt,
  ): boolean | undefined {
    if (!this.#serve) return false;
    if (tokenLength(message) > LONGEST_ECHO) {
      this.#host.shared.stats.rejectedLimit++;
      return undefined;
    }
    const wait = this.#requestRate === Infinity ? 0 : this.#overRate(now, peer);
    if (wait > 0) {
      this.#host.shared.stats.rejectedRate++;
      // It is told once: replies are limited as well (RFC 8516 section 3).
      if (now < peer.waitsUntil) return undefined;
      peer.waitsUntil = now + wait * 1000;
    }
    const exchange = new ServerExchange(
      this.#host.exchanges,
      this.#host.nextId(),
      peer,
      flow,
      message,
      receipt,
    );
    peer.holds++;
    this.#handling.set(exchange.id, exchange);
    const fresh = this.#checkEcho(now, peer, message);
    const refusal = this.#refuse(now, exchange, wait) ?? this.blocks.receive(now, exchange);
    if (refusal !== undefined) {
      const confirmable = message.type === MessageType.Confirmable;
      this.#answerSmall(now, exchange, acknowledgeBlock(exchange, refusal), confirmable);
      return true;
    }
    const { request } = exchange;
    const observe = observeValue(request);
    if (observe === 0) exchange.number = this.observers.reserve(now, peer, request.token);
    if (observe === 1) {
      this.observers.deregister(now, peer, request.token, "deregistered");
      this.#withdraw(exchange);
    }
    this.#host.shared.stats.requestsServed++;
    this.#host.emit({ type: "request", id: exchange.id, flow, message: request, fresh });
    return true;
  }

  /** Registrations by the same token that are not answered yet come to nothing. */
  #withdraw({ id, peer, request }: ServerExchange): void {
    if ((peer.connection?.open ?? peer.seen!.size) < 2) return; // it is the only request
    const key = tokenKey(request.token);
    for (const earlier of this.#handling.values()) {
      if (earlier.peer === peer && earlier.id !== id && tokenKey(earlier.request.token) === key) {
        earlier.withdrawn = asksToObserve(earlier.request);
      }
    }
  }

  /** Whether the request carries a fresh Echo value of ours; then its sender is where it says. */
  #checkEcho(now: number, peer: Peer, message: Message): boolean {
    const echo = findOption(message.options, OptionNumber.Echo);
    if (echo === undefined || !this.#echoes.check(now, peer.key, echo.value, this.#echoLifetime)) {
      return false;
    }
    peer.validated = true;
    return true;
  }

  /** What a request is answered that the application does not get to see. */
  #refuse(now: number, exchange: ServerExchange, wait: number): Outline | undefined {
    const { request: { options }, request, peer } = exchange;
    // Not malformed, but not possible either (RFC 8974 section 2.2.2).
    if (tokenLength(request) > LONGEST_TOKEN) return { code: Code.BadRequest };
    if (wait > 0) return { code: Code.TooManyRequests, options: [maxAge(wait)] };
    const { limits, stats } = this.#host.shared;
    if (options.length > limits.options) {
      stats.rejectedLimit++;
      return withText(Code.BadRequest, `More than ${limits.options} options`);
    }
    if (this.size > limits.handling) {
      stats.rejectedLimit++;
      return this.#busy(Code.ServiceUnavailable);
    }
    if ((peer.connection?.open ?? peer.seen!.size) > limits.handlingPerPeer) {
      stats.rejectedLimit++;
      return this.#busy(Code.TooManyRequests);
    }
    const critical = this.#proxy
      ? checkForwarded(options, checkRequestOptions)
      : checkRequestOptions(options);
    if (critical !== undefined) {
      return withText(Code.BadOption, `Option ${critical.number} is not understood`);
    }
    let previous = -1;
    for (const option of options) {
      const { number } = option;
      if (number === OptionNumber.HopLimit && number !== previous && !isHopLimit(option)) {
        return withText(Code.BadRequest, "Hop-Limit is not from 1 to 255");
      }
      if (
        !this.#proxy && (number === OptionNumber.ProxyUri || number === OptionNumber.ProxyScheme)
      ) {
        return { code: Code.ProxyingNotSupported };
      }
      previous = number;
    }
    if (this.#host.shared.amplification !== Infinity && !peer.validated && asksToObserve(request)) {
      // Its notifications would go to whoever has that address.
      return this.#challenge(now, exchange);
    }
    return undefined;
  }

  /** There is too much to do. The time to wait is drawn, so that those refused together do not come back together. */
  #busy(code: number): Outline {
    const { entropy } = this.#host.shared;
    return { code, options: [maxAge(Math.floor(entropy.between(1, LONGEST_WAIT + 1)))] };
  }

  /** Takes one request from a peer's allowance; else the time until the next, s. */
  #overRate(now: number, peer: Peer): number {
    const rate = this.#requestRate;
    const burst = Math.max(rate, 1);
    peer.allowance = Math.min(burst, peer.allowance + (now - peer.allowedAt) / 1000 * rate);
    peer.allowedAt = now;
    if (peer.allowance < 1) return Math.ceil((1 - peer.allowance) / rate);
    peer.allowance--;
    return 0;
  }

  // -------------------------------------------------------------- responses

  /** Answers a request of a peer. */
  respond(now: number, id: ExchangeId, outline: Outline, options: ResponseOptions): void {
    const exchange = this.#handling.get(id);
    if (exchange === undefined) return;
    exchange.report = options.report ?? false;
    const confirmable = options.confirmable ?? exchange.request.type === MessageType.Confirmable;
    if (!this.#host.layer.takes(exchange.peer, outline.payload?.length ?? 0)) {
      this.#host.shared.stats.rejectedLimit++;
      outline = this.#busy(Code.ServiceUnavailable);
    }
    // Notifications have no leisure: who asks a group becomes no observer.
    const observed = options.observe !== undefined && isSuccess(outline.code) &&
      !exchange.flow.multicast && asksToObserve(exchange.request);
    // What can not be encoded registers nobody.
    if (observed) this.#host.exchanges.measure(exchange, { ...outline, payload: undefined });
    const number = observed
      ? this.observers.register(now, exchange, options.observe!, outline)
      : -1;
    if (number >= 0) {
      const observe = { number: OptionNumber.Observe, value: encodeUint(number) };
      outline = withOptions(outline, [observe, ...outline.options ?? []]);
    }
    this.#answer(now, exchange, this.blocks.shape(now, exchange, outline), confirmable);
  }

  /** Leaves a request of a peer without an answer. */
  cancel(now: number, id: ExchangeId): boolean {
    const exchange = this.#handling.get(id);
    if (exchange === undefined) return false;
    this.#host.exchanges.stayQuiet(now, exchange);
    this.#finish(exchange);
    return true;
  }

  /** Answers a request 4.01 with an Echo value. */
  challenge(now: number, id: ExchangeId): void {
    const exchange = this.#handling.get(id);
    if (exchange === undefined) return;
    this.#answerSmall(now, exchange, this.#challenge(now, exchange), false);
  }

  /** Answers a request 5.03 with Max-Age. */
  shed(now: number, id: ExchangeId): void {
    const exchange = this.#handling.get(id);
    if (exchange === undefined) return;
    this.#host.shared.stats.rejectedLate++;
    const outline = this.blocks.shape(now, exchange, this.#busy(Code.ServiceUnavailable));
    const confirmable = exchange.request.type === MessageType.Confirmable;
    this.#answerSmall(now, exchange, outline, confirmable);
  }

  /** Answers what the application does not: no more than the peer takes, since what it sends makes nothing throw. */
  #answerSmall(
    now: number,
    exchange: ServerExchange,
    outline: Outline,
    confirmable: boolean,
  ): void {
    const { exchanges } = this.#host;
    const small = exchanges.fits(exchange, outline) ? outline : { code: outline.code };
    if (exchanges.fits(exchange, small)) this.#answer(now, exchange, small, confirmable);
    else this.cancel(now, exchange.id);
  }

  #challenge(now: number, exchange: ServerExchange): Outline {
    const value = this.#echoes.make(now, exchange.peer.key);
    return { code: Code.Unauthorized, options: [{ number: OptionNumber.Echo, value }] };
  }

  /** The last step of every response: what is not to be sent, not yet, or not so large. */
  #answer(now: number, exchange: ServerExchange, outline: Outline, confirmable: boolean): void {
    const { request, flow, peer } = exchange;
    if (
      peer.observers !== undefined && !exchange.withdrawn && endsObservation(request, outline)
    ) {
      this.observers.deregister(now, peer, request.token, "error");
    }
    if (isSuppressed(request, flow.multicast, outline)) {
      this.#host.exchanges.stayQuiet(now, exchange);
      this.answered(exchange, "suppressed");
      return this.#finish(exchange);
    }
    const trusted = this.#host.shared.amplification === Infinity || peer.validated;
    if (!trusted) outline = this.#economize(now, exchange, outline);
    if (flow.multicast) {
      this.#host.exchanges.measure(exchange, outline); // what can not be encoded fails now
      const leisure = new Leisure(exchange, outline, (later, it) => this.#leisureOver(later, it));
      this.#leisurely.add(leisure);
      const { defaultLeisure } = this.#host.shared.parameters;
      this.#handling.delete(exchange.id);
      return this.#host.shared.timers.set(
        leisure,
        now + this.#host.shared.entropy.between(0, defaultLeisure),
      );
    }
    // Retransmissions might go to an address that does not want them.
    this.#host.exchanges.respond(now, exchange, outline, confirmable && trusted);
    this.#finish(exchange);
  }

  #leisureOver(now: number, leisure: Leisure): void {
    this.#leisurely.delete(leisure);
    this.#host.exchanges.respond(now, leisure.exchange, leisure.outline, false);
    this.#finish(leisure.exchange);
  }

  /** What an address that is not validated may be sent instead of a response. */
  #economize(now: number, exchange: ServerExchange, outline: Outline): Outline {
    const { receipt, request } = exchange;
    // What a separate response follows, the empty acknowledgement, counts as well.
    const spent = this.#host.layer.piggybacks(receipt) || request.type !== MessageType.Confirmable
      ? 0
      : 4;
    const budget = receipt.size * this.#host.shared.amplification - spent;
    const fits = (candidate: Outline) =>
      this.#host.exchanges.measure(exchange, candidate) <= budget;
    if (fits(outline)) return outline;
    if (request.code === Code.GET || request.code === Code.FETCH) {
      const challenge = this.#challenge(now, exchange);
      return fits(challenge) ? challenge : { code: Code.Unauthorized };
    }
    for (let size = 512; size >= 16; size /= 2) {
      const smaller = this.blocks.cut(now, exchange, outline, size);
      if (smaller !== undefined && fits(smaller)) return smaller;
    }
    return { code: outline.code };
  }

  /** The connection to a peer is gone: what it asked for and observed is, too (RFC 8323 sections 3.4 and 7.4). */
  disconnected(now: number, peer: Peer): void {
    for (const observer of [...peer.observers?.values() ?? []]) {
      this.observers.remove(now, observer, "disconnected");
    }
    this.blocks.forget(peer.key);
    if (peer.connection!.open === 0) return;
    for (const exchange of this.#handling.values()) {
      if (exchange.peer !== peer) continue;
      this.cancel(now, exchange.id);
      this.#host.emit({ type: "abandoned", id: exchange.id, flow: exchange.flow });
    }
  }

  /** A response is out of our hands. */
  answered(exchange: ServerExchange, outcome: AnswerOutcome): void {
    if (!exchange.report) return;
    this.#host.emit({ type: "answered", id: exchange.id, flow: exchange.flow, outcome });
  }

  #finish(exchange: ServerExchange): void {
    this.#handling.delete(exchange.id);
    exchange.peer.holds--;
  }
}

/** A response to a group request that waits its leisure (RFC 7252 section 8.2). */
class Leisure implements Timed {
  at = 0;
  slot = -1;
  readonly exchange: ServerExchange;
  readonly outline: Outline;
  readonly #over: (now: number, leisure: Leisure) => void;

  constructor(
    exchange: ServerExchange,
    outline: Outline,
    over: (now: number, leisure: Leisure) => void,
  ) {
    this.exchange = exchange;
    this.outline = outline;
    this.#over = over;
  }

  expire(now: number): void {
    this.#over(now, this);
  }
}

/**
 * Whether a response is not sent: a class that No-Response names (RFC 7967), and to a group what is of no use to
 * its sender, an error or no content, unless No-Response says otherwise (RFC 7252 section 8.2).
 */
function isSuppressed(request: Message, multicast: boolean, outline: Outline): boolean {
  if (outline.code === Code.Continue) return false;
  const quiet = uintOption(request.options, OptionNumber.NoResponse);
  if (quiet !== undefined && (quiet & 1 << codeClass(outline.code) - 1) !== 0) return true;
  if (!multicast || quiet !== undefined) return false;
  const nothing = outline.code === Code.Content && (outline.payload?.length ?? 0) === 0;
  return nothing || !isSuccess(outline.code);
}

function isHopLimit(option: Option): boolean {
  const value = decodeUint(option.value);
  return value >= 1 && value <= 255;
}

function maxAge(seconds: number): Option {
  return { number: OptionNumber.MaxAge, value: encodeUint(seconds) };
}

function withText(code: number, text: string): Outline {
  return { code, payload: UTF8.encode(text) };
}

/** The value, where it is in its range. */
export function checkAbove(value: number, least: number, name: string): number {
  if (!(value > 0 && value >= least)) {
    throw new RangeError(
      `${name} must be ${least === 0 ? "above 0" : `at least ${least}`}: it is "${value}"`,
    );
  }
  return value;
}

/** The value of Observe where it is defined: in GET and FETCH, 0 or 1 (RFC 7641 section 2). */
function observeValue(request: Message): number | undefined {
  if (request.code !== Code.GET && request.code !== Code.FETCH) return undefined;
  return uintOption(request.options, OptionNumber.Observe);
}

/** Whether a request asks to be registered as an observation. */
export function asksToObserve(request: Message): boolean {
  return observeValue(request) === 0;
}

/** Whether a response tells an observer that registers again that it is none any more (RFC 7641 section 3.2). */
function endsObservation(request: Message, outline: Outline): boolean {
  return asksToObserve(request) && outline.code !== Code.Continue &&
    findOption(outline.options ?? [], OptionNumber.Observe) === undefined;
}

/** A response that the application did not give: the Block1 it acknowledges belongs to it as well. */
function acknowledgeBlock(exchange: ServerExchange, outline: Outline): Outline {
  if (exchange.block1 === undefined) return outline;
  const block = { number: OptionNumber.Block1, value: encodeUint(exchange.block1) };
  return withOptions(outline, [...outline.options ?? [], block]);
}

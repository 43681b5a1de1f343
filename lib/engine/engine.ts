/** The protocol as a state machine: no clock, no entropy, no I/O. @module */

import { CoAPError } from "../errors.ts";
import type { Flow } from "../flow.ts";
import {
  type DerivedParameters,
  deriveLimits,
  deriveParameters,
  type Limits,
} from "../parameters.ts";
import { Code, codeText, isRequestCode, isResponseCode, isSuccess } from "../wire/code.ts";
import { encode, type Message, MessageType } from "../wire/message.ts";
import {
  checkRequestOptions,
  encodeUint,
  findOption,
  OptionNumber,
  uintOption,
} from "../wire/option.ts";
import { Entropy } from "./entropy.ts";
import { Call, type CallHost, type Echoes } from "./call.ts";
import { Exchanges, ServerExchange } from "./exchange.ts";
import { Observers } from "./observers.ts";
import type { Peer } from "./peers.ts";
import {
  Reliability,
  Sent,
  type SentFailure,
  type SentOwner,
  type Shared,
  type Upper,
} from "./reliability.ts";
import { ServerBlocks } from "./server_blocks.ts";
import type { Seen } from "./seen.ts";
import { newStats, type Stats } from "./stats.ts";
import { Timers } from "./timers.ts";
import type {
  AnswerOutcome,
  EngineEvent,
  EngineOptions,
  ExchangeId,
  NotifyOptions,
  Outline,
  RequestOptions,
  ResponseOptions,
  Transmit,
  Variant,
} from "./types.ts";

const UTF8 = new TextEncoder();

/** What an engine holds at a moment. All zero, and `deadline` `Infinity`, when it is at rest. */
export interface EngineSizes {
  peers: number;
  /** Requests of ours without an outcome. */
  exchanges: number;
  /** Requests of peers at the application. */
  handling: number;
  /** Messages remembered against duplicates. */
  duplicates: number;
  /** Bytes of replies kept for them. */
  replyBytes: number;
  /** Blockwise transfers that state is kept for. */
  transfers: number;
  /** Bytes of their bodies. */
  transferBytes: number;
  /** Observations of peers. */
  observers: number;
  timers: number;
}

/** An empty Confirmable message, which a live peer answers with a Reset (RFC 7252 section 4.3). */
class Ping implements SentOwner {
  readonly id: ExchangeId;
  sent: Sent | undefined = undefined;
  readonly #engine: CallEnd;
  readonly #flow: Flow;
  readonly #layer: Reliability;

  constructor(engine: CallEnd, id: ExchangeId, flow: Flow, layer: Reliability) {
    this.#engine = engine;
    this.id = id;
    this.#flow = flow;
    this.#layer = layer;
  }

  cancel(now: number): void {
    this.#layer.release(now, this.sent!);
  }

  onSent(): void {}

  onAcknowledged(): boolean {
    this.#engine.settle({ type: "pong", id: this.id, flow: this.#flow });
    return true;
  }

  onFailed(_now: number, _sent: Sent, reason: SentFailure): void {
    this.#engine.settle(
      reason === "reset"
        ? { type: "pong", id: this.id, flow: this.#flow }
        : { type: "failed", id: this.id, flow: this.#flow, reason },
    );
  }
}

type CallEnd = { settle(event: EngineEvent & { id: ExchangeId }): void };

/** Echo values kept for the next request to a peer; the oldest goes first. */
class EchoValues implements Echoes {
  readonly #byPeer = new Map<string, Uint8Array>();

  take(key: string): Uint8Array | undefined {
    const value = this.#byPeer.get(key);
    if (value !== undefined) this.#byPeer.delete(key);
    return value;
  }

  put(key: string, value: Uint8Array): void {
    if (value.length < 1 || value.length > 40) return;
    this.#byPeer.delete(key);
    this.#byPeer.set(key, value.slice());
    if (this.#byPeer.size > MAX_ECHOES) this.#byPeer.delete(this.#byPeer.keys().next().value!);
  }
}

const MAX_ECHOES = 1024;

/**
 * One endpoint's protocol state over one transport. Every method takes the time; after each of them `pollEvent` is
 * drained, `pollTransmit` at the end of the turn, and `tick` is called when `deadline` has come.
 *
 * Nothing that a peer sends makes a method throw.
 *
 * @example Two engines wired to each other
 * ```ts
 * import { Engine } from "@x/coap/engine";
 * import { Code } from "@x/coap";
 *
 * const random = (bytes: Uint8Array<ArrayBuffer>) => crypto.getRandomValues(bytes);
 * const client = new Engine({ random });
 * const server = new Engine({ random, serve: true });
 * const flow = { key: "peer", address: "192.0.2.1", port: 5683, multicast: false };
 *
 * client.request(0, flow, { code: Code.GET });
 * for (let t = client.pollTransmit(); t !== undefined; t = client.pollTransmit()) server.receive(0, flow, t.bytes);
 * const event = server.pollEvent();
 * if (event?.type === "request") server.respond(0, event.id, { code: Code.Content });
 * for (let t = server.pollTransmit(); t !== undefined; t = server.pollTransmit()) client.receive(0, flow, t.bytes);
 * console.log(client.pollEvent()?.type); // response
 * ```
 */
export class Engine {
  /** Counters since the engine was made. */
  readonly stats: Stats = newStats();
  readonly #shared: Shared;
  readonly #layer: Reliability;
  readonly #exchanges: Exchanges;
  readonly #blocks: ServerBlocks;
  readonly #observers: Observers;
  readonly #host: CallHost;
  readonly #serve: boolean;
  readonly #blockSize: number;
  readonly #calls = new Map<ExchangeId, Call | Ping>();
  readonly #handling = new Map<ExchangeId, ServerExchange>();
  #events: EngineEvent[] = [];
  #polled = 0;
  #lastId = 0;

  /**
   * @throws {RangeError} where a parameter or limit is out of range
   */
  constructor(options: EngineOptions) {
    const tokenLength = options.tokenLength ?? 4;
    if (!Number.isInteger(tokenLength) || tokenLength < 1 || tokenLength > 8) {
      throw new RangeError(`Token length must be an integer from 1 to 8: it is "${tokenLength}"`);
    }
    this.#blockSize = checkBlockSize(options.blockSize ?? 1024);
    this.#shared = {
      parameters: deriveParameters(options.parameters),
      limits: deriveLimits(options.limits),
      entropy: new Entropy(options.random),
      timers: new Timers(),
      stats: this.stats,
      extendedTokens: options.extendedTokens ?? false,
    };
    this.#serve = options.serve ?? false;
    // The layers below reach the engine through these alone: none of it is part of its face.
    const upper: Upper = {
      onRequest: (now, peer, flow, message, seen) =>
        this.#onRequest(now, peer, flow, message, seen),
      onResponse: (now, peer, flow, message) =>
        this.#exchanges.onResponse(now, peer, flow, message),
      onStrayReset: (now, peer, id) => this.#observers.onReset(now, peer, id),
      onRejected: (flow, message) => this.#emit({ type: "rejected", flow, message }),
    };
    this.#layer = new Reliability(this.#shared, upper);
    this.#exchanges = new Exchanges(
      this.#shared,
      this.#layer,
      tokenLength,
      (exchange, outcome) => this.#answered(exchange, outcome),
    );
    this.#blocks = new ServerBlocks(this.#shared, this.#blockSize);
    this.#observers = new Observers(
      this.#shared,
      this.#layer,
      this.#blocks,
      (event) => this.#emit(event),
    );
    let tags = 0;
    this.#host = {
      exchanges: this.#exchanges,
      shared: this.#shared,
      blockSize: this.#blockSize,
      uploads: new Map(),
      echoes: new EchoValues(),
      nextTag: () => tags = tags % 0xffffffff + 1,
      emit: (event) => this.#emit(event),
      settle: (event) => this.#settle(event),
    };
  }

  /** The transmission parameters in force, with the derived ones. */
  get parameters(): Readonly<DerivedParameters> {
    return this.#shared.parameters;
  }

  /** The limits in force. */
  get limits(): Readonly<Limits> {
    return this.#shared.limits;
  }

  /** What the engine holds at this moment. */
  get sizes(): EngineSizes {
    return {
      peers: this.#layer.peers.size,
      exchanges: Math.max(this.#calls.size, this.#exchanges.size),
      handling: this.#handling.size,
      duplicates: this.#layer.seen.size,
      replyBytes: this.#layer.seen.bytes,
      transfers: this.#blocks.size,
      transferBytes: this.#blocks.bytes,
      observers: this.#observers.size,
      timers: this.#shared.timers.size,
    };
  }

  // -------------------------------------------------------------- in

  /** A datagram arrived. */
  receive(now: number, flow: Flow, bytes: Uint8Array): void {
    this.#layer.receive(now, flow, bytes);
  }

  /**
   * Sends a request, as soon as NSTART allows. Ends with an event `response` or `failed`, unless it is canceled.
   *
   * @throws {CoAPError} `invalid-code`, `invalid-option` or `limit`; then nothing was sent
   */
  request(now: number, flow: Flow, outline: Outline, options: RequestOptions = {}): ExchangeId {
    if (!isRequestCode(outline.code)) {
      throw new CoAPError(
        "invalid-code",
        `A request can not have the code "${codeText(outline.code)}"`,
      );
    }
    const timeout = options.timeout ?? this.#shared.parameters.maxTransmitWait;
    if (!(timeout > 0)) throw new RangeError(`Timeout must be above 0 ms: it is "${timeout}"`);
    if (options.blockSize !== undefined) checkBlockSize(options.blockSize);
    if (options.observe && outline.code !== Code.GET && outline.code !== Code.FETCH) {
      throw new CoAPError(
        "invalid-code",
        `Only GET and FETCH observe, not "${codeText(outline.code)}"`,
      );
    }
    const call = new Call(this.#host, ++this.#lastId, flow, outline, options, {
      confirmable: options.confirmable ?? true,
      timeout,
      impatient: options.impatient ?? false,
    });
    this.#calls.set(call.id, call);
    try {
      call.start(now);
    } catch (error) {
      this.#calls.delete(call.id);
      throw error;
    }
    return call.id;
  }

  /**
   * More of the body of a request with `upload`, as asked for by `needBody`.
   *
   * @param last whether the body ends with these bytes
   */
  provide(now: number, id: ExchangeId, bytes: Uint8Array, last: boolean): void {
    const call = this.#calls.get(id);
    if (call instanceof Call) call.provide(now, bytes, last);
  }

  /** Asks for the next block of the response to a request with `download`. */
  consume(now: number, id: ExchangeId): void {
    const call = this.#calls.get(id);
    if (call instanceof Call) call.consume(now);
  }

  /** Sends a ping. Ends with an event `pong` or `failed`, unless it is canceled. */
  ping(now: number, flow: Flow): ExchangeId {
    const peer = this.#layer.peer(now, flow);
    if (peer === undefined || this.#calls.size >= this.#shared.limits.exchanges) {
      throw new CoAPError("limit", `More than "${this.#calls.size}" requests are under way`);
    }
    const end: CallEnd = { settle: (event) => this.#settle(event) };
    const ping = new Ping(end, ++this.#lastId, flow, this.#layer);
    this.#calls.set(ping.id, ping);
    ping.sent = new Sent(this.#layer, peer, flow, true, encode({ code: Code.Empty }), ping);
    this.#layer.send(now, ping.sent);
    return ping.id;
  }

  /**
   * Answers a request. Of one that is answered or canceled already, nothing happens.
   *
   * @throws {CoAPError} `invalid-code` or `invalid-option`; the request then still waits for an answer
   */
  respond(now: number, id: ExchangeId, outline: Outline, options: ResponseOptions = {}): void {
    if (!isResponseCode(outline.code)) {
      throw new CoAPError(
        "invalid-code",
        `A response can not have the code "${codeText(outline.code)}"`,
      );
    }
    const exchange = this.#handling.get(id);
    if (exchange === undefined) return;
    exchange.report = options.report ?? false;
    const confirmable = options.confirmable ?? exchange.request.type === MessageType.Confirmable;
    const observed = options.observe !== undefined && isSuccess(outline.code) &&
      asksToObserve(exchange.request);
    const number = observed ? this.#observers.register(now, exchange, options.observe!) : -1;
    if (number >= 0) {
      const observe = { number: OptionNumber.Observe, value: encodeUint(number) };
      outline = { ...outline, options: [observe, ...outline.options ?? []] };
    }
    this.#exchanges.respond(now, exchange, this.#blocks.shape(now, exchange, outline), confirmable);
    this.#finish(exchange);
  }

  /**
   * The different requests by which a resource is observed. A state is computed once for each of them and sent by
   * `notify`.
   */
  observed(resource: string): Variant[] {
    return this.#observers.variants(resource);
  }

  /**
   * Sends the state of a resource to its observers (RFC 7641 section 4.2), paced, the newest state in place of one
   * that could not leave yet. A code outside 2.xx ends their observations.
   *
   * @param variant restricts it to the observers of one kind of request; all of them where undefined
   * @returns the number of observers
   * @throws {CoAPError} `invalid-code` or `invalid-option`
   */
  notify(
    now: number,
    resource: string,
    variant: string | undefined,
    outline: Outline,
    options: NotifyOptions = {},
  ): number {
    if (!isResponseCode(outline.code)) {
      throw new CoAPError(
        "invalid-code",
        `A notification can not have the code "${codeText(outline.code)}"`,
      );
    }
    return this.#observers.notify(now, resource, variant, outline, options);
  }

  /** Forgets all observers, without a word to them. */
  forgetObservers(now: number): void {
    this.#observers.clear(now);
  }

  /**
   * Gives an exchange up. A request of ours is neither retransmitted nor matched any more; a request of a peer stays
   * without an answer (a Confirmable one is acknowledged).
   *
   * @returns whether there was such an exchange
   */
  cancel(now: number, id: ExchangeId): boolean {
    const call = this.#calls.get(id);
    if (call !== undefined) {
      this.#calls.delete(id);
      call.cancel(now);
      return true;
    }
    const exchange = this.#handling.get(id);
    if (exchange === undefined) return false;
    this.#exchanges.stayQuiet(exchange);
    this.#finish(exchange);
    return true;
  }

  // -------------------------------------------------------------- time

  /** When `tick` is due, absolute ms; `Infinity` when nothing waits. */
  get deadline(): number {
    return Math.min(this.#shared.timers.next, this.#layer.deadline, this.#blocks.deadline);
  }

  /** Does what is due. */
  tick(now: number): void {
    this.#shared.timers.run(now);
    this.#layer.tick(now);
    this.#blocks.tick(now);
  }

  // -------------------------------------------------------------- out

  /** The next event, or undefined. */
  pollEvent(): EngineEvent | undefined {
    if (this.#polled === this.#events.length) {
      if (this.#polled > 0) {
        this.#events = [];
        this.#polled = 0;
      }
      return undefined;
    }
    return this.#events[this.#polled++];
  }

  /** The next datagram to send, or undefined. The object is valid until the next call. */
  pollTransmit(): Transmit | undefined {
    return this.#layer.pollTransmit();
  }

  // -------------------------------------------------------------- from the layers below

  #onRequest(now: number, peer: Peer, flow: Flow, message: Message, seen: Seen): boolean {
    if (!this.#serve) return false;
    const exchange = new ServerExchange(this.#exchanges, ++this.#lastId, peer, flow, message, seen);
    peer.holds++;
    this.#handling.set(exchange.id, exchange);
    const refusal = this.#refuse(message) ?? this.#blocks.receive(now, exchange);
    if (refusal !== undefined) {
      this.#exchanges.respond(
        now,
        exchange,
        acknowledgeBlock(exchange, refusal),
        message.type === MessageType.Confirmable,
      );
      this.#finish(exchange);
      return true;
    }
    const { request } = exchange;
    if (peer.observers !== undefined && observeValue(request) === 1) {
      this.#observers.deregister(now, peer, request.token);
    }
    this.#emit({ type: "request", id: exchange.id, flow, message: request });
    return true;
  }

  /** What a request is answered that the application does not get to see. */
  #refuse(message: Message): Outline | undefined {
    if (this.#handling.size > this.#shared.limits.handling) {
      this.stats.rejectedLimit++;
      const options = [{ number: OptionNumber.MaxAge, value: encodeUint(1) }];
      return { code: Code.ServiceUnavailable, options };
    }
    const critical = checkRequestOptions(message.options);
    if (critical !== undefined) {
      const payload = UTF8.encode(`Option ${critical.number} is not understood`);
      return { code: Code.BadOption, payload };
    }
    if (
      findOption(message.options, OptionNumber.ProxyUri) !== undefined ||
      findOption(message.options, OptionNumber.ProxyScheme) !== undefined
    ) return { code: Code.ProxyingNotSupported };
    return undefined;
  }

  #emit(event: EngineEvent): void {
    this.#events.push(event);
  }

  #settle(event: EngineEvent & { id: ExchangeId }): void {
    if (this.#calls.delete(event.id)) this.#events.push(event);
  }

  #answered(exchange: ServerExchange, outcome: AnswerOutcome): void {
    if (!exchange.report) return;
    this.#events.push({ type: "answered", id: exchange.id, flow: exchange.flow, outcome });
  }

  #finish(exchange: ServerExchange): void {
    this.#handling.delete(exchange.id);
    exchange.peer.holds--;
  }
}

function checkBlockSize(size: number): number {
  if (!(size >= 16 && size <= 1024) || (size & (size - 1)) !== 0) {
    throw new RangeError(`Block size must be a power of two from 16 to 1024: it is "${size}"`);
  }
  return size;
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

/** A response that the application did not give: the Block1 it acknowledges belongs to it as well. */
function acknowledgeBlock(exchange: ServerExchange, outline: Outline): Outline {
  if (exchange.block1 === undefined) return outline;
  const block = { number: OptionNumber.Block1, value: encodeUint(exchange.block1) };
  return { ...outline, options: [...outline.options ?? [], block] };
}

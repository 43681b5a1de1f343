/** The protocol as a state machine: no clock, no entropy, no I/O. @module */

import { CoAPError } from "../errors.ts";
import type { Flow } from "../flow.ts";
import {
  type DerivedParameters,
  deriveLimits,
  deriveParameters,
  type Limits,
} from "../parameters.ts";
import { Code, codeText, isRequestCode, isResponseCode } from "../wire/code.ts";
import { encode, type Message, MessageType } from "../wire/message.ts";
import { checkRequestOptions, encodeUint, findOption, OptionNumber } from "../wire/option.ts";
import { Entropy } from "./entropy.ts";
import { type ClientExchange, type ClientOwner, Exchanges, ServerExchange } from "./exchange.ts";
import type { Peer } from "./peers.ts";
import {
  Reliability,
  Sent,
  type SentFailure,
  type SentOwner,
  type Shared,
  type Upper,
} from "./reliability.ts";
import type { Seen } from "./seen.ts";
import { newStats, type Stats } from "./stats.ts";
import { Timers } from "./timers.ts";
import type {
  AnswerOutcome,
  EngineEvent,
  EngineOptions,
  ExchangeId,
  FailureReason,
  Outline,
  RequestOptions,
  ResponseOptions,
  Transmit,
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
  timers: number;
}

/** A request of ours as the application knows it. */
class Call implements ClientOwner {
  readonly id: ExchangeId;
  exchange: ClientExchange | undefined = undefined;
  readonly #engine: CallEnd;

  constructor(engine: CallEnd, id: ExchangeId) {
    this.#engine = engine;
    this.id = id;
  }

  cancel(now: number, exchanges: Exchanges): void {
    exchanges.end(now, this.exchange!);
  }

  onResponse(_now: number, _exchange: ClientExchange, flow: Flow, message: Message): void {
    this.#engine.settle({ type: "response", id: this.id, flow, message });
  }

  onFailed(_now: number, exchange: ClientExchange, reason: FailureReason, detail?: string): void {
    this.#engine.settle({ type: "failed", id: this.id, flow: exchange.flow, reason, detail });
  }
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
export class Engine implements Upper {
  readonly stats: Stats = newStats();
  readonly #shared: Shared;
  readonly #layer: Reliability;
  readonly #exchanges: Exchanges;
  readonly #serve: boolean;
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
    this.#shared = {
      parameters: deriveParameters(options.parameters),
      limits: deriveLimits(options.limits),
      entropy: new Entropy(options.random),
      timers: new Timers(),
      stats: this.stats,
      extendedTokens: options.extendedTokens ?? false,
    };
    this.#serve = options.serve ?? false;
    this.#layer = new Reliability(this.#shared, this);
    this.#exchanges = new Exchanges(
      this.#shared,
      this.#layer,
      tokenLength,
      (exchange, outcome) => this.#answered(exchange, outcome),
    );
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
      exchanges: this.#calls.size,
      handling: this.#handling.size,
      duplicates: this.#layer.seen.size,
      replyBytes: this.#layer.seen.bytes,
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
    const call = new Call(this, ++this.#lastId);
    this.#calls.set(call.id, call);
    try {
      call.exchange = this.#exchanges.start(now, flow, outline, call, {
        confirmable: options.confirmable ?? true,
        timeout,
        impatient: options.impatient ?? false,
      });
    } catch (error) {
      this.#calls.delete(call.id);
      throw error;
    }
    return call.id;
  }

  /** Sends a ping. Ends with an event `pong` or `failed`, unless it is canceled. */
  ping(now: number, flow: Flow): ExchangeId {
    const peer = this.#layer.peer(now, flow);
    if (peer === undefined || this.#calls.size >= this.#shared.limits.exchanges) {
      throw new CoAPError("limit", `More than "${this.#calls.size}" requests are under way`);
    }
    const ping = new Ping(this, ++this.#lastId, flow, this.#layer);
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
    this.#exchanges.respond(now, exchange, outline, confirmable);
    this.#finish(exchange);
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
      call.cancel(now, this.#exchanges);
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
    return Math.min(this.#shared.timers.next, this.#layer.deadline);
  }

  /** Does what is due. */
  tick(now: number): void {
    this.#shared.timers.run(now);
    this.#layer.tick(now);
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

  /** @ignore */
  onRequest(now: number, peer: Peer, flow: Flow, message: Message, seen: Seen): boolean {
    if (!this.#serve) return false;
    const exchange = new ServerExchange(this.#exchanges, ++this.#lastId, peer, flow, message, seen);
    peer.holds++;
    this.#handling.set(exchange.id, exchange);
    const refusal = this.#refuse(message);
    if (refusal !== undefined) this.respond(now, exchange.id, refusal);
    else this.#events.push({ type: "request", id: exchange.id, flow, message });
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

  /** @ignore */
  onResponse(now: number, peer: Peer | undefined, flow: Flow, message: Message): boolean {
    return this.#exchanges.onResponse(now, peer, flow, message);
  }

  /** @ignore */
  onRejected(flow: Flow, message: Message): void {
    this.#events.push({ type: "rejected", flow, message });
  }

  /** @ignore */
  settle(event: EngineEvent & { id: ExchangeId }): void {
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

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
import { Call, type CallHost } from "./call.ts";
import { EchoValues } from "./echo.ts";
import { Entropy } from "./entropy.ts";
import { Exchanges } from "./exchanges.ts";
import { GroupCall } from "./group.ts";
import { IdMap } from "./id_map.ts";
import { Ping } from "./ping.ts";
import { BlockRules } from "./block_rules.ts";
import { ConnectionPing } from "./connection_ping.ts";
import { deriveConnectionParameters } from "../connection_parameters.ts";
import type { MessageLayer, Shared, Upper } from "./layers.ts";
import { Signaling } from "./signaling.ts";
import { Reliability } from "./reliability.ts";
import { checkAbove, Serving } from "./serving.ts";
import { newStats, type Stats } from "./stats.ts";
import { Timers } from "./timers.ts";
import type {
  DeregisterOptions,
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

/** What an engine holds at a moment, each bounded by one of the `Limits`. All 0 when it is at rest. */
export interface EngineSizes {
  /** Peers known (limit `peers`), or connections (`connections`). */
  peers: number;
  /** Requests of ours without an outcome (`exchanges`). */
  exchanges: number;
  /** Requests of peers at the application (`handling`). */
  handling: number;
  /** Messages remembered against duplicates (`duplicates`). */
  duplicates: number;
  /** Bytes of replies kept for them (`replyBytes`). */
  replyBytes: number;
  /** Blockwise transfers that state is kept for, in both directions (twice `transfers`). */
  transfers: number;
  /** Bytes of their bodies (twice `transferBytes`). */
  transferBytes: number;
  /** Observations of peers (`observers`). */
  observers: number;
  /** Timers set: a few for each exchange, observation or response under way. */
  timers: number;
}

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
  readonly #layer: MessageLayer;
  /** The message layer, where the transport is reliable. */
  readonly #signaling: Signaling | undefined;
  readonly #exchanges: Exchanges;
  readonly #serving: Serving;
  readonly #host: CallHost;
  readonly #calls = new IdMap<Call | ConnectionPing | GroupCall | Ping>();
  #events: EngineEvent[] = [];
  #polled = 0;
  #lastId = 0;

  /**
   * Makes an engine at rest.
   *
   * @throws {RangeError} where a parameter or limit is out of range
   */
  constructor(options: EngineOptions) {
    const tokenLength = options.tokenLength ?? 4;
    if (!Number.isInteger(tokenLength) || tokenLength < 1 || tokenLength > 8) {
      throw new RangeError(`Token length must be an integer from 1 to 8: it is "${tokenLength}"`);
    }
    if (options.blockSize !== undefined) checkBlockSize(options.blockSize);
    this.#shared = {
      parameters: deriveParameters(options.parameters),
      limits: deriveLimits(options.limits),
      entropy: new Entropy(options.random),
      timers: new Timers(),
      stats: this.stats,
      extendedTokens: options.extendedTokens ?? false,
      amplification: checkAbove(options.amplification ?? Infinity, 1, "Amplification"),
    };
    // The layers below reach the engine through these alone: none of it is part of its face.
    const upper: Upper = {
      onRequest: (now, peer, flow, message, receipt) =>
        this.#serving.onRequest(now, peer, flow, message, receipt),
      onResponse: (now, peer, flow, message) =>
        this.#exchanges.onResponse(now, peer, flow, message),
      onStrayReset: (now, peer, id) => this.#serving.observers.onReset(now, peer, id),
      onRejected: (now, flow, message, bytes) => {
        this.#emit({ type: "rejected", flow, message });
        // A connection ends with its first malformed message, and with it all that waits.
        if (!this.#layer.reliable) this.#exchanges.onMalformed(now, flow, message, bytes);
      },
      onDisconnected: (now, peer, reason, detail) => {
        this.#serving.disconnected(now, peer);
        this.#exchanges.disconnected(now, peer, reason, detail);
      },
      onWritable: (now, waiting) => this.#serving.observers.onWritable(now, waiting),
      emit: (event) => this.#emit(event),
    };
    const times = deriveConnectionParameters(options.connection);
    this.#signaling = options.reliable ? new Signaling(this.#shared, upper, times) : undefined;
    this.#layer = this.#signaling ?? new Reliability(this.#shared, upper);
    const rules = new BlockRules(options.blockSize, this.#shared.limits);
    this.#exchanges = new Exchanges(
      this.#shared,
      this.#layer,
      tokenLength,
      (exchange, outcome) => this.#serving.answered(exchange, outcome),
    );
    this.#serving = new Serving({
      shared: this.#shared,
      layer: this.#layer,
      exchanges: this.#exchanges,
      rules,
      nextId: () => ++this.#lastId,
      emit: (event) => this.#emit(event),
    }, options);
    let tags = 0;
    this.#host = {
      exchanges: this.#exchanges,
      shared: this.#shared,
      rules,
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
      exchanges: Math.max(
        this.#calls.size,
        this.#exchanges.size,
        this.#exchanges.groups,
        this.#host.uploads.size,
      ),
      handling: this.#serving.size,
      duplicates: this.#layer.remembered.size,
      replyBytes: this.#layer.remembered.bytes,
      transfers: this.#serving.blocks.size,
      transferBytes: this.#serving.blocks.bytes,
      observers: this.#serving.observers.size,
      timers: this.#shared.timers.size,
    };
  }

  // -------------------------------------------------------------- in

  /** A datagram arrived, or a message of a connection, without its length. */
  receive(now: number, flow: Flow, bytes: Uint8Array): void {
    this.#layer.receive(now, flow, bytes);
  }

  /** A connection is there. Of an engine whose transport is not `reliable` this and the following do nothing. */
  connected(now: number, flow: Flow): void {
    this.#signaling?.connected(now, flow);
  }

  /** A connection is gone: what waits for the peer fails with `transport`. `detail` says why. */
  disconnected(now: number, flow: Flow, detail: string): void {
    this.#signaling?.disconnected(now, flow, detail);
  }

  /** What comes on a connection is no message: it is aborted. `detail` says why, to the peer as well. */
  failed(now: number, flow: Flow, detail: string): void {
    this.#signaling?.failed(now, flow, detail);
  }

  /** The peer has taken all that was sent on a connection. */
  writable(now: number, flow: Flow): void {
    this.#signaling?.writable(now, flow);
  }

  /** The beginning of a message has come on a connection, of which so many bytes are missing. */
  partial(now: number, flow: Flow, missing: number): void {
    this.#signaling?.partial(now, flow, missing);
  }

  /** Whether the peer's CSM has come; undefined where there is no connection, or one that is released. */
  isOpen(flow: Flow): boolean | undefined {
    return this.#signaling?.isOpen(flow);
  }

  /** Whether the next message of a connection may be received. Where not, an event `resume` will tell when. */
  accepts(flow: Flow): boolean {
    return this.#signaling?.accepts(flow) ?? true;
  }

  /** Releases a connection: its peer is asked to close it, and nothing new is sent on it. `detail` tells the peer why. */
  shutDown(now: number, flow: Flow, detail: string): void {
    this.#signaling?.shutDown(now, flow, detail);
  }

  /** Releases all connections that are open. */
  shutDownAll(now: number, detail: string): void {
    this.#signaling?.shutDownAll(now, detail);
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
    this.#checkRoom();
    const { defaultLeisure, ackTimeout, ackRandomFactor, maxTransmitWait } =
      this.#shared.parameters;
    const group = defaultLeisure + ackTimeout * ackRandomFactor;
    const timeout = options.timeout ?? (flow.multicast ? group : maxTransmitWait);
    if (!(timeout > 0)) throw new RangeError(`Timeout must be above 0 ms: it is "${timeout}"`);
    if (flow.multicast && (options.confirmable || options.observe)) {
      throw new RangeError("A request to a group can neither be Confirmable nor observe");
    }
    if (options.blockSize !== undefined) checkBlockSize(options.blockSize);
    if (options.observe && outline.code !== Code.GET && outline.code !== Code.FETCH) {
      throw new CoAPError(
        "invalid-code",
        `Only GET and FETCH observe, not "${codeText(outline.code)}"`,
      );
    }
    const start = {
      confirmable: options.confirmable ?? true,
      timeout,
      impatient: options.impatient ?? false,
      proxy: options.proxy ?? false,
    };
    const id = ++this.#lastId;
    const call = flow.multicast
      ? new GroupCall(this.#host, id, flow, outline, start)
      : new Call(this.#host, id, flow, outline, options, start);
    this.#calls.set(call.id, call);
    try {
      call.start(now);
    } catch (error) {
      this.#calls.delete(call.id);
      throw error;
    }
    this.stats.requestsSent++;
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

  /** The token of a request of ours that waits for a response. */
  token(id: ExchangeId): Uint8Array | undefined {
    const call = this.#calls.get(id);
    return call instanceof Call ? call.token : undefined;
  }

  /**
   * Ends an observation of ours as `cancel` does, but the exchange goes on until the server has answered: it ends with an
   * event `response` or `failed`.
   *
   * @returns whether there is such an observation; one that has not begun is none
   */
  deregister(now: number, id: ExchangeId, options: DeregisterOptions = {}): boolean {
    const call = this.#calls.get(id);
    return call instanceof Call && call.deregister(now, options);
  }

  /** Sends a ping. Ends with an event `pong` or `failed`, unless it is canceled. */
  ping(now: number, flow: Flow): ExchangeId {
    this.#checkRoom();
    const peer = this.#layer.peer(now, flow);
    if (peer === undefined) throw this.#layer.refusal(flow);
    const settle = (event: EngineEvent & { id: ExchangeId }): void => this.#settle(event);
    const ping = this.#signaling === undefined
      ? new Ping(++this.#lastId, peer, flow, this.#layer, settle)
      : new ConnectionPing(++this.#lastId, peer, this.#signaling, this.#shared, settle);
    this.#calls.set(ping.id, ping);
    ping.start(now);
    return ping.id;
  }

  #checkRoom(): void {
    if (this.#calls.size < this.#shared.limits.exchanges) return;
    throw new CoAPError("limit", `More than "${this.#calls.size}" requests are under way`);
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
    this.#serving.respond(now, id, outline, options);
  }

  /**
   * Answers a request 4.01 with an Echo value: its sender repeats it with the value, and the event of that request is
   * `fresh` (RFC 9175 section 2.3).
   */
  challenge(now: number, id: ExchangeId): void {
    this.#serving.challenge(now, id);
  }

  /**
   * Answers a request 5.03 with a Max-Age of a few seconds: there is more to do than time for it (RFC 7252 section
   * 5.9.3.4). Counted as `rejectedLate`.
   */
  shed(now: number, id: ExchangeId): void {
    this.#serving.shed(now, id);
  }

  /**
   * The different requests by which a resource is observed. A state is computed once for each of them and sent by
   * `notify`.
   */
  observed(resource: string): Variant[] {
    return this.#serving.observers.variants(resource);
  }

  /** How many observe a resource. */
  countObservers(resource: string): number {
    return this.#serving.observers.count(resource);
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
    return this.#serving.observers.notify(now, resource, variant, outline, options);
  }

  /** Forgets all observers, without a word to them. */
  forgetObservers(now: number): void {
    this.#serving.observers.clear(now);
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
    return this.#serving.cancel(now, id);
  }

  // -------------------------------------------------------------- time

  /** When `tick` is due, absolute ms; `Infinity` when nothing waits. */
  get deadline(): number {
    return Math.min(this.#shared.timers.next, this.#layer.deadline, this.#serving.blocks.deadline);
  }

  /** Does what is due. */
  tick(now: number): void {
    this.#shared.timers.run(now);
    this.#layer.tick(now);
    this.#serving.blocks.tick(now);
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

  #emit(event: EngineEvent): void {
    this.#events.push(event);
  }

  #settle(event: EngineEvent & { id: ExchangeId }): void {
    if (this.#calls.delete(event.id)) this.#events.push(event);
  }
}

function checkBlockSize(size: number): number {
  if (!Number.isInteger(size) || size < 16 || size > 1024 || (size & (size - 1)) !== 0) {
    throw new RangeError(`Block size must be a power of two from 16 to 1024: it is "${size}"`);
  }
  return size;
}

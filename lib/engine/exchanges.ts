/** Requests and responses matched by peer and token: RFC 7252 section 5. @module */

import type { Flow } from "../flow.ts";
import { equalBytes } from "../wire/bytes.ts";
import { isResponseCode } from "../wire/code.ts";
import type { Message } from "../wire/message.ts";
import { encode, encodeResponse, hasToken, MessageType } from "../wire/message.ts";
import {
  checkResponseOptions,
  findOption,
  isUnsafe,
  type Option,
  optionDefinition,
  OptionNumber,
} from "../wire/option.ts";
import { CoAPError } from "../errors.ts";
import { ClientExchange, type ClientOwner, ownTokenKey, type ServerExchange } from "./exchange.ts";
import type { GroupCall } from "./group.ts";
import { IdMap } from "./id_map.ts";
import type { Peer } from "./peers.ts";
import type { MessageLayer, Shared } from "./layers.ts";
import { ageMaxAge } from "./max_age.ts";
import { Sent } from "./sent.ts";
import type { AnswerOutcome, FailureReason, Outline } from "./types.ts";

function increment(bytes: Uint8Array): void {
  for (let i = bytes.length - 1; i >= 0; i--) {
    bytes[i] = bytes[i]! + 1;
    if (bytes[i] !== 0) return;
  }
}

/** How a request of ours is started. */
export interface StartOptions {
  confirmable: boolean;
  timeout: number;
  impatient: boolean;
  /** The token to use again, where an observation goes on. */
  token?: Uint8Array;
  /** No response is asked for. */
  quiet?: boolean;
  /** It ends an observation: further notifications with its token are none of its responses. */
  deregisters?: boolean;
  /** Options of a response that are not known but Safe-to-Forward are accepted. */
  proxy?: boolean;
}

/** Header, extension of the token's length and payload marker; an option's number and length; bytes at most. */
const MOST_OVERHEAD = 7;
const OPTION_HEADER = 5;

/** Largest payload of a UDP datagram over IPv4, bytes. */
export const MAX_DATAGRAM = 65_507;

/** An option set as a proxy sees it: what is not known matters by its Unsafe bit (RFC 7252 section 5.7.1). */
const SAFE_TO_FORWARD = { has: (number: number) => !isUnsafe(number) } as ReadonlySet<number>;

/** The first option that a proxy can not forward, or undefined. */
export function checkForwarded(
  options: readonly Option[],
  check: (options: readonly Option[], recognized: ReadonlySet<number>) => Option | undefined,
): Option | undefined {
  return check(options, SAFE_TO_FORWARD) ??
    options.find(({ number }) => isUnsafe(number) && optionDefinition(number) === undefined);
}

/** Of the tokens that we make, bytes. */
const LONGEST_TOKEN = 8;

/** Who hears of responses that were sent. */
export type AnswerListener = (exchange: ServerExchange, outcome: AnswerOutcome) => void;

/** The token layer. */
export class Exchanges {
  /** Requests of ours without an outcome. */
  size = 0;
  readonly #shared: Shared;
  readonly #layer: MessageLayer;
  /** Requests made so far. */
  #made = 0;
  readonly #tokenLength: number;
  /** How many tokens there are. */
  readonly #tokens: number;
  /** Separate responses on their way. */
  #responses = 0;
  /** Requests to groups, by token. */
  readonly #groups: IdMap<GroupCall> = new IdMap();
  readonly #onAnswered: AnswerListener;

  constructor(
    shared: Shared,
    layer: MessageLayer,
    tokenLength: number,
    onAnswered: AnswerListener,
  ) {
    this.#shared = shared;
    this.#layer = layer;
    this.#tokenLength = tokenLength;
    this.#tokens = 256 ** tokenLength;
    this.#onAnswered = onAnswered;
  }

  // -------------------------------------------------------------- requests of ours

  /**
   * Sends a request.
   *
   * @throws {CoAPError} `limit` where too many are under way, `invalid-option` where the message can not be encoded
   */
  start(
    now: number,
    flow: Flow,
    outline: Outline,
    owner: ClientOwner,
    options: StartOptions,
  ): ClientExchange {
    if (this.size >= this.#shared.limits.exchanges) {
      throw new CoAPError("limit", `More than "${this.size}" requests are under way`);
    }
    const peer = this.#layer.peer(now, flow);
    if (peer === undefined) throw this.#layer.refusal(flow);
    const token = options.token ?? this.#drawToken(peer.tokens);
    const bytes = encode({
      type: options.confirmable ? MessageType.Confirmable : MessageType.NonConfirmable,
      code: outline.code,
      token,
      options: outline.options,
      payload: outline.payload,
    }, this.#shared);
    this.#checkSize(bytes, peer);
    const exchange = new ClientExchange(
      this,
      peer,
      flow,
      token,
      ++this.#made,
      owner,
      options.timeout,
    );
    exchange.quiet = options.quiet ?? false;
    exchange.proxy = options.proxy ?? false;
    exchange.deregisters = options.deregisters ?? false;
    (peer.tokens ??= new IdMap()).set(exchange.key, exchange);
    peer.holds++;
    this.size++;
    exchange.sent = new Sent(
      this.#layer,
      peer,
      flow,
      options.confirmable,
      bytes,
      exchange,
      options.impatient,
    );
    this.#layer.send(now, exchange.sent);
    return exchange;
  }

  #drawToken(used: IdMap<object> | undefined): Uint8Array {
    if (used !== undefined && used.size >= this.#tokens) {
      throw new CoAPError("limit", `All tokens of "${this.#tokenLength}" bytes are in use`);
    }
    const token = this.#shared.entropy.bytes(this.#tokenLength);
    // Counting up finds a free one, however few there are and however poor the source of randomness is.
    while (used?.get(ownTokenKey(token)) !== undefined) increment(token);
    return token;
  }

  /** Whether the transport is reliable. */
  get reliable(): boolean {
    return this.#layer.reliable;
  }

  /** The peer of a flow where it is known. */
  known(flow: Flow): Peer | undefined {
    return this.#layer.peers.get(flow.key);
  }

  /** @throws {CoAPError} `limit` where the message is larger than the peer or the transport can take */
  #checkSize(bytes: Uint8Array, peer: Peer): void {
    const largest = this.#layer.largest(peer);
    if (bytes.length <= largest) return;
    const what = this.reliable ? `the peer's Max-Message-Size of ${largest}` : "a datagram";
    throw new CoAPError("limit", `Message of "${bytes.length}" bytes is larger than ${what}`);
  }

  /** The time of a request runs until then, ms. */
  runUntil(due: number, exchange: ClientExchange): void {
    if (exchange.slot < 0) this.#shared.timers.set(exchange, due);
  }

  /** A response came, separately. Answers whether somebody waits for it. */
  onResponse(now: number, peer: Peer | undefined, flow: Flow, message: Message): boolean {
    if (peer?.tokens === undefined && this.#groups.size === 0) return false;
    if (message.token.length > LONGEST_TOKEN) return false;
    const key = ownTokenKey(message.token);
    const exchange = peer?.tokens?.get(key);
    if (exchange !== undefined) return this.deliver(now, exchange, flow, message);
    const group = this.#groups.get(key);
    if (
      group === undefined || !hasToken(message, group.token) ||
      checkResponseOptions(message.options) !== undefined
    ) return false;
    group.onResponse(now, flow, message);
    return true;
  }

  /** A datagram that is no message, but was to be the response to a request that a client of ours waits for. */
  onMalformed(now: number, flow: Flow, { code, error }: Message, bytes: Uint8Array): void {
    const tokens = isResponseCode(code) ? this.#layer.peers.get(flow.key)?.tokens : undefined;
    const token = bytes.subarray(4, 4 + (bytes[0]! & 15));
    const exchange = tokens?.get(ownTokenKey(token));
    if (exchange?.proxy !== true || !equalBytes(exchange.token, token)) return;
    this.fail(now, exchange, "rejected-response", `Response is malformed: ${error!.reason}`);
  }

  /** Requests to groups that take responses. */
  get groups(): number {
    return this.#groups.size;
  }

  /** A token that no request to a group has. */
  drawGroupToken(): Uint8Array {
    return this.#drawToken(this.#groups);
  }

  /** Sends a request to a group. Answers how to take it back. */
  startGroup(
    now: number,
    flow: Flow,
    bytes: Uint8Array,
    call: GroupCall,
  ): () => void {
    const key = ownTokenKey(call.token);
    this.#groups.set(key, call);
    this.#layer.sendToGroup(now, flow, bytes);
    return () => this.#groups.delete(key);
  }

  /** Hands a response to the owner of its request. Answers false where it has to be rejected. */
  deliver(now: number, exchange: ClientExchange, flow: Flow, message: Message): boolean {
    if (!hasToken(message, exchange.token)) return false;
    if (
      exchange.deregisters && message.type !== MessageType.Acknowledgement &&
      findOption(message.options, OptionNumber.Observe) !== undefined
    ) return false; // rejected, it tells the server as well
    const critical = exchange.proxy
      ? checkForwarded(message.options, checkResponseOptions)
      : checkResponseOptions(message.options);
    if (critical !== undefined) {
      // Its sender is told (RFC 7252 section 5.4.1) and will not send another: waiting on is no use.
      this.fail(
        now,
        exchange,
        "rejected-response",
        `Response carries option "${critical.number}", critical and not understood`,
      );
      return message.type === MessageType.Acknowledgement;
    }
    if (exchange.kept) {
      this.#layer.release(now, exchange.sent!);
      this.#shared.timers.clear(exchange);
    } else this.end(now, exchange);
    exchange.owner.onResponse(now, exchange, flow, message);
    return true;
  }

  /** Ends a request without a response and tells its owner. */
  fail(now: number, exchange: ClientExchange, reason: FailureReason, detail?: string): void {
    if (exchange.ended) return;
    this.end(now, exchange);
    exchange.owner.onFailed(now, exchange, reason, detail);
  }

  /** Ends a request: nothing is sent or matched for it any more. */
  end(now: number, exchange: ClientExchange): void {
    if (exchange.ended) return;
    exchange.ended = true;
    const { peer } = exchange;
    peer.tokens!.delete(exchange.key);
    peer.holds--;
    this.size--;
    this.#shared.timers.clear(exchange);
    this.#layer.release(now, exchange.sent!);
  }

  /** The connection to a peer is gone, and with it what waits for a response. */
  disconnected(now: number, peer: Peer, reason: FailureReason, detail: string): void {
    const exchanges = peer.tokens?.values() ?? [];
    for (const exchange of exchanges.sort((a, b) => a.number - b.number)) {
      this.fail(now, exchange, reason, detail);
    }
  }

  // -------------------------------------------------------------- requests of peers

  /** Answers a request: in its acknowledgement where that has not gone out, else separately. */
  respond(now: number, exchange: ServerExchange, outline: Outline, confirmable: boolean): void {
    const { receipt, peer, request } = exchange;
    // A response to a group's request goes to its sender alone.
    const flow = exchange.flow.multicast ? peer.flow : exchange.flow;
    if (this.#layer.piggybacks(receipt)) {
      const { code, options, payload } = outline;
      const reply = encodeResponse(
        { type: MessageType.Acknowledgement, code, id: receipt.id, options, payload },
        request,
        this.#shared,
      );
      this.#checkSize(reply, peer);
      this.#layer.answer(now, flow, receipt, reply, false);
      return this.answered(exchange, "sent");
    }
    // A peer that asks without end and acknowledges nothing must not pile them up.
    const hasRoom = this.#responses < this.#shared.limits.handling;
    confirmable &&= hasRoom;
    const bytes = encode({
      type: confirmable ? MessageType.Confirmable : MessageType.NonConfirmable,
      code: outline.code,
      token: request.token,
      options: outline.options,
      payload: outline.payload,
    }, this.#shared);
    this.#checkSize(bytes, peer);
    this.#layer.answer(now, flow, receipt, undefined, false);
    if (!confirmable && this.#layer.sendOnce(now, peer, flow, bytes)) {
      return this.answered(exchange, "sent");
    }
    if (!hasRoom) {
      this.#shared.stats.rejectedLimit++;
      return this.answered(exchange, "timeout");
    }
    exchange.outline = outline;
    exchange.sent = new Sent(this.#layer, peer, flow, confirmable, bytes, exchange);
    exchange.sent.once = !confirmable;
    // By then its client has given up (RFC 7252 section 4.7).
    exchange.sent.expires = now + this.#shared.parameters.exchangeLifetime;
    this.#responses++;
    this.#layer.send(now, exchange.sent);
  }

  /** Brings the Max-Age of a response up to date before it is retransmitted. */
  refresh(now: number, exchange: ServerExchange, sent: Sent): void {
    const { options = [], code, payload } = exchange.outline!;
    const aged = ageMaxAge(options, now - sent.sentAt);
    if (aged === options) return;
    const { token } = exchange.request;
    const message = {
      type: MessageType.Confirmable,
      code,
      id: sent.id,
      token,
      options: aged,
      payload,
    };
    sent.bytes = encode(message, this.#shared);
  }

  /** Bytes of the response. */
  measure(exchange: ServerExchange, outline: Outline): number {
    const { code, options, payload } = outline;
    const { token } = exchange.request;
    const bytes = encode({ code, token, options, payload }, this.#shared);
    this.#checkSize(bytes, exchange.peer);
    return bytes.length;
  }

  /** Whether a response is not too large for its peer. */
  fits({ peer, request }: ServerExchange, { code, options = [], payload }: Outline): boolean {
    if (!this.reliable) return true;
    const largest = this.#layer.largest(peer);
    // Mostly a sum tells, without an encoding of what may be megabytes.
    let most = MOST_OVERHEAD + request.token.length + (payload?.length ?? 0);
    for (const { value } of options) most += OPTION_HEADER + value.length;
    if (most <= largest) return true;
    return encode({ code, options, payload, token: request.token }, this.#shared).length <= largest;
  }

  /** Leaves a request without an answer; a Confirmable one is acknowledged. */
  stayQuiet(now: number, exchange: ServerExchange): void {
    this.#layer.answer(now, exchange.flow, exchange.receipt, undefined, true);
  }

  /** A response is out of our hands. */
  answered(exchange: ServerExchange, outcome: AnswerOutcome): void {
    if (exchange.sent !== undefined) this.#responses--;
    this.#onAnswered(exchange, outcome);
  }
}

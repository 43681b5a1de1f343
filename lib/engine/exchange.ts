/** A request and what answers it: of ours, and of a peer. @module */

import type { Flow } from "../flow.ts";
import { bytesKey } from "../wire/bytes.ts";
import type { Message } from "../wire/message.ts";
import type { Exchanges } from "./exchanges.ts";
import type { Receipt } from "./layers.ts";
import type { Peer } from "./peers.ts";
import type { Sent, SentFailure, SentOwner } from "./sent.ts";
import type { Timed } from "./timers.ts";
import type { ExchangeId, FailureReason, Outline } from "./types.ts";

/** Who made a request and wants its responses. */
export interface ClientOwner {
  /** A response with the request's token. The exchange is over unless it is kept. */
  onResponse(now: number, exchange: ClientExchange, flow: Flow, message: Message): void;
  /** The request is acknowledged, or sent where it is Non-confirmable; only of a request that is `quiet`. */
  onQuiet?(now: number, exchange: ClientExchange): void;
  /** There will be no response. */
  onFailed(now: number, exchange: ClientExchange, reason: FailureReason, detail?: string): void;
}

/** The key of a token: exact, a number where six bytes hold it. */
export function tokenKey(token: Uint8Array): number | string {
  const { length } = token;
  // As long as ours are by default: V8 finds integers of 32 bits in a map much faster than other numbers.
  if (length === 4) return token[0]! << 24 | token[1]! << 16 | token[2]! << 8 | token[3]!;
  if (length > 6) return bytesKey(token);
  let value = 0;
  for (let i = 0; i < length; i++) value = value * 256 + token[i]!;
  return (length + 1) * 2 ** 48 + value;
}

/**
 * The key of a token of ours, a number: above six bytes one that others may have, though none that is in use at the same
 * time; what has the key need not have the token.
 */
export function ownTokenKey(token: Uint8Array): number {
  if (token.length <= 6) return tokenKey(token) as number;
  let hash = token.length;
  for (const byte of token) hash = (hash * 257 + byte) % MODULUS;
  return hash;
}

/** The largest prime below 2 to the 44: times 257 it is exact. */
const MODULUS = 17_592_186_044_399;

/** A request of ours that waits for a response. */
export class ClientExchange implements SentOwner, Timed {
  at = 0;
  slot = -1;
  readonly peer: Peer;
  readonly flow: Flow;
  readonly token: Uint8Array;
  readonly key: number;
  /** Counts the requests. */
  readonly number: number;
  readonly owner: ClientOwner;
  /** From the first transmission to giving up, ms. */
  readonly timeout: number;
  /** Whether it outlives a response: an observation. */
  kept = false;
  /** Whether it asks for no response at all (RFC 7967). */
  quiet = false;
  /** Whether it is a client's, handed on: responses may carry options that are not known but Safe-to-Forward. */
  proxy = false;
  /** Whether it ends an observation. */
  deregisters = false;
  /** Whether the empty acknowledgement came. */
  acknowledged = false;
  sent: Sent | undefined = undefined;
  ended = false;
  /** When its time is over, ms. */
  #due = Infinity;
  readonly #exchanges: Exchanges;

  constructor(
    exchanges: Exchanges,
    peer: Peer,
    flow: Flow,
    token: Uint8Array,
    number: number,
    owner: ClientOwner,
    timeout: number,
  ) {
    this.#exchanges = exchanges;
    this.number = number;
    this.peer = peer;
    this.flow = flow;
    this.token = token;
    this.key = ownTokenKey(token);
    this.owner = owner;
    this.timeout = timeout;
  }

  onSent(now: number, sent: Sent): void {
    this.#due = now + this.timeout;
    // Most are answered before their first time-out: until then that of the message is enough.
    if (!sent.confirmable || sent.at >= this.#due) this.#await();
    if (this.quiet && !sent.confirmable) this.owner.onQuiet?.(now, this);
  }

  onAcknowledged(now: number, _sent: Sent, message: Message): boolean {
    if (message.code === 0) {
      this.acknowledged = true;
      this.#await();
      if (this.quiet) this.owner.onQuiet?.(now, this);
    }
    return message.code === 0 || this.#exchanges.deliver(now, this, this.flow, message);
  }

  onRetransmit(): void {
    this.#await();
  }

  onFailed(now: number, _sent: Sent, reason: SentFailure): void {
    this.#exchanges.fail(now, this, reason);
  }

  #await(): void {
    this.#exchanges.runUntil(this.#due, this);
  }

  expire(now: number): void {
    this.#exchanges.fail(now, this, "timeout");
  }
}

/** A request of a peer. */
export class ServerExchange implements SentOwner {
  readonly id: ExchangeId;
  readonly peer: Peer;
  readonly flow: Flow;
  /** The request; whole where it came in blocks. */
  request: Message;
  readonly receipt: Receipt;
  /** The Block1 that the response acknowledges the request with. */
  block1: number | undefined = undefined;
  /** The Block2 that the request asks for. */
  block2: number | undefined = undefined;
  /** The Observe of the response to an observer that registers again, -1 to others. */
  number = -1;
  /** Whether its sender has deregistered before it was answered. */
  withdrawn = false;
  report = false;
  /** The separate response, to be encoded again when its Max-Age has grown old. */
  outline: Outline | undefined = undefined;
  sent: Sent | undefined = undefined;
  readonly #exchanges: Exchanges;

  constructor(
    exchanges: Exchanges,
    id: ExchangeId,
    peer: Peer,
    flow: Flow,
    request: Message,
    receipt: Receipt,
  ) {
    this.#exchanges = exchanges;
    this.id = id;
    this.peer = peer;
    this.flow = flow;
    this.request = request;
    this.receipt = receipt;
  }

  onSent(): void {
    if (!this.sent!.confirmable) this.#exchanges.answered(this, "sent");
  }

  /** Code and payload of the acknowledgement are ignored (RFC 7252 section 5.2.2). */
  onAcknowledged(): boolean {
    this.#exchanges.answered(this, "acknowledged");
    return true;
  }

  onRetransmit(now: number, sent: Sent): void {
    this.#exchanges.refresh(now, this, sent);
  }

  onFailed(_now: number, _sent: Sent, reason: SentFailure): void {
    this.#exchanges.answered(this, reason === "reset" ? "reset" : "timeout");
  }
}

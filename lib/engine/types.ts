/** What goes into the engine and what comes out. @module */

import type { Flow } from "../flow.ts";
import type { Limits, TransmissionParameters } from "../parameters.ts";
import type { Message } from "../wire/message.ts";
import type { Option } from "../wire/option.ts";
import type { RandomSource } from "./entropy.ts";

/** Names one exchange: a request of ours, a ping, or a request of a peer. Never used twice by an engine. */
export type ExchangeId = number;

/** How an engine is made. */
export interface EngineOptions {
  /** The one source of randomness, with the contract of `crypto.getRandomValues`. */
  random: RandomSource;
  /** Whether requests of peers are served. Where not, they are rejected (RFC 7252 section 4.2). @default {false} */
  serve?: boolean;
  /** Transmission parameters that differ from the defaults of RFC 7252 section 4.8. */
  parameters?: Partial<TransmissionParameters>;
  /** Limits that differ from the defaults. */
  limits?: Partial<Limits>;
  /**
   * Length of the tokens drawn for requests, 1 to 8 bytes. RFC 7252 section 5.3.1 asks for at least 32 random bits.
   *
   * @default {4}
   */
  tokenLength?: number;
  /** Accept tokens of more than 8 bytes (RFC 8974). @default {false} */
  extendedTokens?: boolean;
}

/** The content of a request: what the engine does not fill in itself. */
export interface Outline {
  /** Method or response code. */
  code: number;
  /** Options, in any order. */
  options?: readonly Option[];
  payload?: Uint8Array;
}

/** How a request is sent. */
export interface RequestOptions {
  /** @default {true} */
  confirmable?: boolean;
  /**
   * From the first transmission until the exchange fails with `timeout`, ms. A Confirmable request that nobody
   * acknowledges fails when retransmission gives up, whatever this says.
   *
   * @default {93000} MAX_TRANSMIT_WAIT
   */
  timeout?: number;
  /** Fail with `message-ids` instead of waiting where all message IDs are in use. @default {false} */
  impatient?: boolean;
}

/** How a response is sent. */
export interface ResponseOptions {
  /**
   * Whether a separate response is Confirmable.
   *
   * @default as the request was (RFC 7252 section 5.2.3)
   */
  confirmable?: boolean;
  /** Report the outcome as an event `answered`. @default {false} */
  report?: boolean;
}

/** Why an exchange failed. */
export type FailureReason =
  | "timeout"
  | "reset"
  | "message-ids"
  | "rejected-response"
  | "blockwise"
  | "refused";

/** What became of a response. */
export type AnswerOutcome = "sent" | "acknowledged" | "timeout" | "reset" | "suppressed";

/** A peer asks. To be answered by `respond` or given up by `cancel`. */
export interface RequestEvent {
  type: "request";
  id: ExchangeId;
  flow: Flow;
  message: Message;
}

/** A peer answered; the exchange is over. */
export interface ResponseEvent {
  type: "response";
  id: ExchangeId;
  /** Whence the response came. */
  flow: Flow;
  message: Message;
}

/** An exchange of ours is over without a response. */
export interface FailedEvent {
  type: "failed";
  id: ExchangeId;
  flow: Flow;
  reason: FailureReason;
  /** In words, where the reason does not say it all. */
  detail?: string;
}

/** A ping was answered. */
export interface PongEvent {
  type: "pong";
  id: ExchangeId;
  flow: Flow;
}

/** A response was asked to report what became of it. */
export interface AnsweredEvent {
  type: "answered";
  id: ExchangeId;
  flow: Flow;
  outcome: AnswerOutcome;
}

/** A datagram arrived that is no message; `message.error` says why. */
export interface RejectedEvent {
  type: "rejected";
  flow: Flow;
  message: Message;
}

/** What the engine tells its driver. */
export type EngineEvent =
  | RequestEvent
  | ResponseEvent
  | FailedEvent
  | PongEvent
  | AnsweredEvent
  | RejectedEvent;

/** A datagram to send. */
export interface Transmit {
  readonly flow: Flow;
  readonly bytes: Uint8Array;
}

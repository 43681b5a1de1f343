/** What goes into the engine and what comes out. @module */

import type { Flow } from "../flow.ts";
import type { ConnectionParameters } from "../connection_parameters.ts";
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
   * Whether the transport is reliable, with connections (RFC 8323), and each `receive` gets one message of it, without
   * its length, as over WebSockets.
   *
   * @default {false}
   */
  reliable?: boolean;
  /** Times of connections that differ from the defaults, where the transport is reliable. */
  connection?: Partial<ConnectionParameters>;
  /**
   * Length of the tokens drawn for requests, 1 to 8 bytes. RFC 7252 section 5.3.1 asks for at least 32 random bits.
   *
   * @default {4}
   */
  tokenLength?: number;
  /**
   * Largest blocks sent and asked for, bytes: a power of two from 16 to 1024. A larger body goes in blocks
   * (RFC 7959). Over a reliable transport, where it is not given, what fits in the peer's Max-Message-Size goes whole,
   * and else in blocks as large as may be (RFC 8323 section 6).
   *
   * @default {1024}
   */
  blockSize?: number;
  /**
   * Largest number of bytes sent for each byte received from an address that has not proved to be there
   * (RFC 9175 section 2.4 suggests 3). For more, a safe request is answered 4.01 with an Echo value first, and the
   * response to another is cut to a small block. Off by default: it costs new peers a round trip.
   *
   * @default {Infinity}
   */
  amplification?: number;
  /**
   * How long an Echo value counts as fresh, ms.
   *
   * @default {93000} MAX_TRANSMIT_WAIT
   */
  echoLifetime?: number;
  /**
   * Requests that a peer may make per second on average, as many at once; what goes beyond is answered 4.29 (RFC 8516).
   *
   * @default {Infinity}
   */
  requestRate?: number;
  /**
   * Hand on requests with options that are not known but Safe-to-Forward, and those with Proxy-Uri and Proxy-Scheme:
   * the server is a proxy (RFC 7252 section 5.7).
   *
   * @default {false}
   */
  proxy?: boolean;
  /** Accept tokens of more than 8 bytes (RFC 8974); those of more than 64,000 are answered 4.00. @default {false} */
  extendedTokens?: boolean;
}

/** The content of a request: what the engine does not fill in itself. */
export interface Outline {
  /** Method or response code. */
  code: number;
  /** Options, in any order. */
  options?: readonly Option[];
  /** The payload, none where absent. */
  payload?: Uint8Array;
}

/** How a request is sent. */
export interface RequestOptions {
  /** Whether it goes in a Confirmable message. @default {true} */
  confirmable?: boolean;
  /**
   * From the first transmission until the exchange fails with `timeout`, ms; each block of a body has as long again.
   * Towards a group: for how long responses are taken, by default DEFAULT_LEISURE and a first time-out, 8000. A Confirmable request that nobody
   * acknowledges fails when retransmission gives up, whatever this says.
   *
   * @default {93000} MAX_TRANSMIT_WAIT
   */
  timeout?: number;
  /** Fail with `message-ids` instead of waiting where all message IDs are in use. @default {false} */
  impatient?: boolean;
  /**
   * Size of the blocks in both directions, bytes: a power of two from 16 to 1024. Where it is given the response is
   * asked for in blocks of it from the start (RFC 7959 section 2.4, early negotiation).
   *
   * @default {1024}
   */
  blockSize?: number;
  /** Take the body from `provide`, asked for by events `needBody`, instead of the outline's payload. @default {false} */
  upload?: boolean;
  /** Hand the response's body on block by block, in events `body` asked for by `consume`. @default {false} */
  download?: boolean;
  /** Report the progress of blockwise transfers in events `progress`, and ask for Size2. @default {false} */
  progress?: boolean;
  /**
   * The request is a client's, handed on by a proxy: accept responses with options that are not known but
   * Safe-to-Forward, leave Echo values to the client, and fail at once where the response is malformed
   * (RFC 7252 section 5.7.1).
   *
   * @default {false}
   */
  proxy?: boolean;
  /** Register as an observer (RFC 7641): events `notification` until the observation ends. @default {false} */
  observe?: boolean;
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
  /**
   * Where the request asks to observe and the response is 2.xx: register its sender as an observer of this resource,
   * named as in `notify` (RFC 7641 section 4.1).
   */
  observe?: string;
}

/** How a state is sent to observers. */
export interface NotifyOptions {
  /** Whether it goes in a Confirmable message. @default {true} */
  confirmable?: boolean;
  /**
   * Every how many Non-confirmable notifications one is Confirmable, so that an observer that has gone is found out.
   *
   * @default {5}
   */
  confirmableEvery?: number;
  /** Report the outcome for each observer as an event `answered` with the id of its registration. @default {false} */
  report?: boolean;
}

/** One of the different requests by which a resource is observed. */
export interface Variant {
  /** Names it in `notify`. */
  key: string;
  /** A registration of this kind. */
  id: ExchangeId;
  /** The peer. */
  flow: Flow;
  /** The request that registered it. */
  request: Message;
}

/** Why an exchange failed. */
export type FailureReason =
  | "timeout"
  | "reset"
  | "message-ids"
  | "rejected-response"
  | "blockwise"
  | "refused"
  | "transport";

/** What became of a response. */
export type AnswerOutcome = "sent" | "acknowledged" | "timeout" | "reset" | "suppressed";

/** How the request that ends an observation is sent; by default as the one that began it. */
export type DeregisterOptions = Pick<RequestOptions, "confirmable" | "timeout">;

/** A peer asks. To be answered by `respond` or given up by `cancel`. */
export interface RequestEvent {
  /** Tells the events apart. */
  type: "request";
  /** The exchange. */
  id: ExchangeId;
  /** The peer. */
  flow: Flow;
  /** The message as it came. */
  message: Message;
  /** Whether it carries an Echo value of ours that is not older than `echoLifetime`. */
  fresh: boolean;
}

/** A peer answered; the exchange is over, unless there is more of the body. */
export interface ResponseEvent {
  /** Tells the events apart. */
  type: "response";
  /** The exchange. */
  id: ExchangeId;
  /** Whence the response came. */
  flow: Flow;
  /** The message as it came. */
  message: Message;
  /** The payload is the first block of a body that `consume` asks for. */
  more: boolean;
}

/** The state of an observed resource; the observation goes on. */
export interface NotificationEvent {
  /** Tells the events apart. */
  type: "notification";
  /** The exchange. */
  id: ExchangeId;
  /** The peer. */
  flow: Flow;
  /** The message as it came. */
  message: Message;
  /** Whether it is newer than all before it (RFC 7641 section 3.4). */
  latest: boolean;
}

/** The next block of a response's body. */
export interface BodyEvent {
  /** Tells the events apart. */
  type: "body";
  /** The exchange. */
  id: ExchangeId;
  /** The bytes. */
  bytes: Uint8Array;
  /** Whether the body ends with them. */
  last: boolean;
}

/** Bytes of the request's body are wanted: to be given by `provide`. */
export interface NeedBodyEvent {
  /** Tells the events apart. */
  type: "needBody";
  /** The exchange. */
  id: ExchangeId;
  /** How many bytes would be welcome. */
  length: number;
}

/** How far a blockwise transfer has come. */
export interface ProgressEvent {
  /** Tells the events apart. */
  type: "progress";
  /** The exchange. */
  id: ExchangeId;
  /** Which of the two bodies. */
  direction: "upload" | "download";
  /** Bytes acknowledged, or received. */
  bytes: number;
  /** Bytes in all, where known. */
  total?: number;
}

/** A member of a group answered; others may follow. */
export interface MemberEvent {
  /** Tells the events apart. */
  type: "member";
  /** The exchange. */
  id: ExchangeId;
  /** The member. */
  flow: Flow;
  /** The message as it came. */
  message: Message;
}

/** The time for responses of a group is over. */
export interface GroupEndEvent {
  /** Tells the events apart. */
  type: "groupEnd";
  /** The exchange. */
  id: ExchangeId;
  /** The peer. */
  flow: Flow;
}

/** Why an observer is none any more. */
export type UnobservedReason =
  | "deregistered"
  | "replaced"
  | "reset"
  | "timeout"
  | "error"
  | "limit"
  | "closed"
  | "disconnected";

/** A peer does not observe any more. */
export interface UnobservedEvent {
  /** Tells the events apart. */
  type: "unobserved";
  /** The request that registered it. */
  id: ExchangeId;
  /** The peer. */
  flow: Flow;
  /** The request that registered it. */
  request: Message;
  /** The resource, as `respond` named it. */
  resource: string;
  /** Why. */
  reason: UnobservedReason;
}

/** An exchange of ours is over without a response. */
export interface FailedEvent {
  /** Tells the events apart. */
  type: "failed";
  /** The exchange. */
  id: ExchangeId;
  /** The peer. */
  flow: Flow;
  /** Why. */
  reason: FailureReason;
  /** In words, where the reason does not say it all. */
  detail?: string;
}

/** A ping was answered. */
export interface PongEvent {
  /** Tells the events apart. */
  type: "pong";
  /** The exchange. */
  id: ExchangeId;
  /** The peer. */
  flow: Flow;
}

/** A response was asked to report what became of it. */
export interface AnsweredEvent {
  /** Tells the events apart. */
  type: "answered";
  /** The exchange. */
  id: ExchangeId;
  /** The peer. */
  flow: Flow;
  /** What became of it. */
  outcome: AnswerOutcome;
  /** Of a notification: the request that registered and the state as `notify` was given it, or the 4.06 in its place. */
  notification?: { request: Message; state: Outline };
}

/** A datagram arrived that is no message; `message.error` says why. */
export interface RejectedEvent {
  /** Tells the events apart. */
  type: "rejected";
  /** The peer. */
  flow: Flow;
  /** The message as it came. */
  message: Message;
}

/** The connection of the peer is gone that made a request: nobody waits for the answer. */
export interface AbandonedEvent {
  /** Tells the events apart. */
  type: "abandoned";
  /** The exchange. */
  id: ExchangeId;
  /** The peer. */
  flow: Flow;
}

/** The peer's first CSM came: its capabilities are known (RFC 8323 section 5.3). */
export interface ReadyEvent {
  /** Tells the events apart. */
  type: "ready";
  /** The connection. */
  flow: Flow;
}

/** The peer releases the connection: nothing new is sent on it (RFC 8323 section 5.5). */
export interface ReleasedEvent {
  /** Tells the events apart. */
  type: "released";
  /** The connection. */
  flow: Flow;
  /** Where the peer wants us to connect to instead, each as host and port; not to be trusted for more (section 10.1). */
  alternatives: string[];
  /** For how long it does not want us to connect again, seconds. */
  holdOff: number;
}

/** The transport is to close the connection, after what has been sent. Everything on it has ended. */
export interface DisconnectEvent {
  /** Tells the events apart. */
  type: "disconnect";
  /** The connection. */
  flow: Flow;
  /** Why: `refused` where the peer has aborted it. */
  reason: FailureReason;
  /** Why, in words. */
  detail: string;
  /** Whether the transport need not wait for the peer to take what has been sent. */
  abort: boolean;
}

/** The transport is to hand on what comes on the connection again: `accepts` was false. */
export interface ResumeEvent {
  /** Tells the events apart. */
  type: "resume";
  /** The connection. */
  flow: Flow;
}

/** What happens to connections of reliable transports. */
export type ConnectionEvent = ReadyEvent | ReleasedEvent | DisconnectEvent | ResumeEvent;

/** What the engine tells its driver. */
export type EngineEvent =
  | ConnectionEvent
  | AbandonedEvent
  | RequestEvent
  | ResponseEvent
  | NotificationEvent
  | BodyEvent
  | NeedBodyEvent
  | ProgressEvent
  | MemberEvent
  | GroupEndEvent
  | UnobservedEvent
  | FailedEvent
  | PongEvent
  | AnsweredEvent
  | RejectedEvent;

/** A datagram to send. */
export interface Transmit {
  /** The peer. */
  readonly flow: Flow;
  /** The bytes. */
  readonly bytes: Uint8Array;
}

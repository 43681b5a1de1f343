/**
 * The protocol as a state machine without I/O, clock or entropy, for those who drive it themselves.
 *
 * @module
 */

export type { ConnectionParameters } from "../connection_parameters.ts";
export type { DerivedParameters, Limits, TransmissionParameters } from "../parameters.ts";
export type { RandomSource } from "./entropy.ts";
export { Engine, type EngineSizes } from "./engine.ts";
export { asksToObserve } from "./serving.ts";
export type { Stats } from "./stats.ts";
export type {
  AbandonedEvent,
  AnsweredEvent,
  AnswerOutcome,
  BodyEvent,
  ConnectionEvent,
  DeregisterOptions,
  DisconnectEvent,
  EngineEvent,
  EngineOptions,
  ExchangeId,
  FailedEvent,
  FailureReason,
  GroupEndEvent,
  MemberEvent,
  NeedBodyEvent,
  NotificationEvent,
  NotifyOptions,
  Outline,
  PongEvent,
  ProgressEvent,
  ReadyEvent,
  RejectedEvent,
  ReleasedEvent,
  RequestEvent,
  RequestOptions,
  ResponseEvent,
  ResponseOptions,
  ResumeEvent,
  Transmit,
  UnobservedEvent,
  UnobservedReason,
  Variant,
} from "./types.ts";

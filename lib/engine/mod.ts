/**
 * The protocol as a state machine without I/O, clock or entropy, for those who drive it themselves.
 *
 * @module
 */

export type { DerivedParameters, Limits, TransmissionParameters } from "../parameters.ts";
export type { RandomSource } from "./entropy.ts";
export { Engine, type EngineSizes } from "./engine.ts";
export { asksToObserve } from "./serving.ts";
export type { Stats } from "./stats.ts";
export type {
  AnsweredEvent,
  AnswerOutcome,
  BodyEvent,
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
  RejectedEvent,
  RequestEvent,
  RequestOptions,
  ResponseEvent,
  ResponseOptions,
  Transmit,
  UnobservedEvent,
  UnobservedReason,
  Variant,
} from "./types.ts";

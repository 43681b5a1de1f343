/**
 * The protocol as a state machine without I/O, clock or entropy, for those who drive it themselves.
 *
 * @module
 */

export type { RandomSource } from "./entropy.ts";
export { Engine, type EngineSizes } from "./engine.ts";
export type { Stats } from "./stats.ts";
export type {
  AnsweredEvent,
  AnswerOutcome,
  EngineEvent,
  EngineOptions,
  ExchangeId,
  FailedEvent,
  FailureReason,
  Outline,
  PongEvent,
  RejectedEvent,
  RequestEvent,
  RequestOptions,
  ResponseEvent,
  ResponseOptions,
  Transmit,
} from "./types.ts";

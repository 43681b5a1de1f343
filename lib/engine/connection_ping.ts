/** Pings of ours over connections. @module */

import type { Pinger } from "./connection.ts";
import type { Shared } from "./layers.ts";
import type { Peer } from "./peers.ts";
import type { Signaling } from "./signaling.ts";
import type { Timed } from "./timers.ts";
import type { EngineEvent, ExchangeId, FailureReason } from "./types.ts";

/** A Ping, which the peer answers with a Pong (RFC 8323 section 5.4). */
export class ConnectionPing implements Pinger, Timed {
  at = 0;
  slot = -1;
  readonly id: ExchangeId;
  readonly #peer: Peer;
  readonly #layer: Signaling;
  readonly #shared: Shared;
  readonly #settle: (event: EngineEvent & { id: ExchangeId }) => void;
  #takeBack: (() => void) | undefined = undefined;

  constructor(
    id: ExchangeId,
    peer: Peer,
    layer: Signaling,
    shared: Shared,
    settle: (event: EngineEvent & { id: ExchangeId }) => void,
  ) {
    this.id = id;
    this.#peer = peer;
    this.#layer = layer;
    this.#shared = shared;
    this.#settle = settle;
  }

  /** Patience is left to the application (section 5.4): it is that for a response. */
  start(now: number): void {
    this.#takeBack = this.#layer.ping(now, this.#peer.connection!, this);
    this.#shared.timers.set(this, now + this.#shared.parameters.maxTransmitWait);
  }

  cancel(_now: number): void {
    this.#shared.timers.clear(this);
    this.#takeBack!();
  }

  onPong(now: number): void {
    this.cancel(now);
    this.#settle({ type: "pong", id: this.id, flow: this.#peer.flow });
  }

  onLost(now: number, reason: FailureReason, detail: string): void {
    this.cancel(now);
    this.#settle({ type: "failed", id: this.id, flow: this.#peer.flow, reason, detail });
  }

  expire(now: number): void {
    this.cancel(now);
    this.#settle({ type: "failed", id: this.id, flow: this.#peer.flow, reason: "timeout" });
  }
}

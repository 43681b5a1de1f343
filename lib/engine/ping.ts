/** CoAP pings of ours. @module */

import type { Flow } from "../flow.ts";
import { Code } from "../wire/code.ts";
import { encode } from "../wire/message.ts";
import type { MessageLayer } from "./layers.ts";
import type { Peer } from "./peers.ts";
import { Sent, type SentFailure, type SentOwner } from "./sent.ts";
import type { EngineEvent, ExchangeId } from "./types.ts";

/** An empty Confirmable message, which a live peer answers with a Reset (RFC 7252 section 4.3). */
export class Ping implements SentOwner {
  readonly id: ExchangeId;
  readonly #flow: Flow;
  readonly #layer: MessageLayer;
  readonly #sent: Sent;
  readonly #settle: (event: EngineEvent & { id: ExchangeId }) => void;

  constructor(
    id: ExchangeId,
    peer: Peer,
    flow: Flow,
    layer: MessageLayer,
    settle: (event: EngineEvent & { id: ExchangeId }) => void,
  ) {
    this.id = id;
    this.#flow = flow;
    this.#layer = layer;
    this.#settle = settle;
    this.#sent = new Sent(layer, peer, flow, true, encode({ code: Code.Empty }), this);
  }

  start(now: number): void {
    this.#layer.send(now, this.#sent);
  }

  cancel(now: number): void {
    this.#layer.release(now, this.#sent);
  }

  onSent(): void {}

  /** Not what RFC 7252 asks for, but a sign of life. */
  onAcknowledged(): boolean {
    this.#settle({ type: "pong", id: this.id, flow: this.#flow });
    return true;
  }

  onFailed(_now: number, _sent: Sent, reason: SentFailure): void {
    if (reason === "reset") this.onAcknowledged();
    else this.#settle({ type: "failed", id: this.id, flow: this.#flow, reason });
  }
}

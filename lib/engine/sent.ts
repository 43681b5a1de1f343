/** Messages of ours on their way. @module */

import type { Flow } from "../flow.ts";
import type { Message } from "../wire/message.ts";
import { Outgoing } from "./message_states.ts";
import type { Peer } from "./peers.ts";
import type { Timed } from "./timers.ts";

/** Why a message of ours failed. */
export type SentFailure = "timeout" | "reset" | "message-ids";

/** Who sent a message and wants to know what became of it. */
export interface SentOwner {
  /** The message leaves for the first time. */
  onSent(now: number, sent: Sent): void;
  /** It was acknowledged; `message` is the acknowledgement. Answers whether it counts: a wrong token does not. */
  onAcknowledged(now: number, sent: Sent, message: Message): boolean;
  /** It will not be acknowledged. */
  onFailed(now: number, sent: Sent, reason: SentFailure): void;
  /** It is about to be retransmitted: the bytes to send, where they change with time. */
  onRetransmit?(now: number, sent: Sent): void;
}

/** What times out here is the message layer's to deal with. */
export interface SentLayer {
  /** The time-out of a message of ours. */
  expireSent(now: number, sent: Sent): void;
  /** Sends what waits for a peer, as far as it may leave. */
  pump(now: number, peer: Peer): void;
}

/** A message of ours on its way. */
export class Sent implements Timed {
  at = 0;
  slot = -1;
  /** One of `Outgoing`. */
  state: number = Outgoing.Queued;
  /** The message ID, -1 before it is sent. */
  id = -1;
  readonly peer: Peer;
  readonly flow: Flow;
  readonly confirmable: boolean;
  bytes: Uint8Array;
  readonly owner: SentOwner;
  /** Fail instead of waiting where no message ID is free. */
  readonly impatient: boolean;
  /** Whether nothing answers it: a Non-confirmable response. */
  once = false;
  /** When it is not worth sending any more, ms; only before its first transmission. */
  expires: number = Infinity;
  /** Whether it counts towards NSTART at present. */
  counts = false;
  retransmissions = 0;
  /** The present retransmission time-out, ms. */
  timeout = 0;
  /** When it was first sent, ms. */
  sentAt = 0;
  before: Sent | undefined = undefined;
  after: Sent | undefined = undefined;
  readonly #layer: SentLayer;

  constructor(
    layer: SentLayer,
    peer: Peer,
    flow: Flow,
    confirmable: boolean,
    bytes: Uint8Array,
    owner: SentOwner,
    impatient = false,
  ) {
    this.#layer = layer;
    this.peer = peer;
    this.flow = flow;
    this.confirmable = confirmable;
    this.bytes = bytes;
    this.owner = owner;
    this.impatient = impatient;
  }

  expire(now: number): void {
    this.#layer.expireSent(now, this);
  }
}

/** A peer's queue that waits for a message ID. */
export class IdWait implements Timed {
  at = 0;
  slot = -1;
  readonly #layer: SentLayer;
  readonly #peer: Peer;

  constructor(layer: SentLayer, peer: Peer) {
    this.#layer = layer;
    this.#peer = peer;
  }

  expire(now: number): void {
    this.#peer.idWait = undefined;
    this.#layer.pump(now, this.#peer);
  }
}

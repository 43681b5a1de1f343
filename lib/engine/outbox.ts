/** Datagrams that are ready to leave. @module */

import type { Flow } from "../flow.ts";
import { allocate } from "../wire/bytes.ts";
import { type Message, MessageType } from "../wire/message.ts";
import type { Stats } from "./stats.ts";
import type { Transmit } from "./types.ts";

/** Counts a message by its type. */
export function typeCount(stats: Stats, type: number, sent: boolean): void {
  if (sent) {
    if (type === MessageType.Confirmable) stats.sentConfirmable++;
    else if (type === MessageType.NonConfirmable) stats.sentNonConfirmable++;
    else if (type === MessageType.Acknowledgement) stats.sentAcknowledgement++;
    else stats.sentReset++;
  } else if (type === MessageType.Confirmable) stats.receivedConfirmable++;
  else if (type === MessageType.NonConfirmable) stats.receivedNonConfirmable++;
  else if (type === MessageType.Acknowledgement) stats.receivedAcknowledgement++;
  else stats.receivedReset++;
}

function empty(type: number, id: number): Uint8Array {
  const bytes = allocate(4);
  bytes[0] = 0x40 | type << 4;
  bytes[2] = id >> 8;
  bytes[3] = id & 0xff;
  return bytes;
}

/** A queue of datagrams, drained once per turn. */
export class Outbox {
  readonly #stats: Stats;
  readonly #flows: Flow[] = [];
  readonly #datagrams: Uint8Array[] = [];
  readonly #transmit: { flow: Flow; bytes: Uint8Array };
  #polled = 0;

  constructor(stats: Stats) {
    this.#stats = stats;
    this.#transmit = {
      flow: undefined as unknown as Flow,
      bytes: undefined as unknown as Uint8Array,
    };
  }

  /** Where the next datagram will stand. */
  get length(): number {
    return this.#datagrams.length;
  }

  /** The next datagram to send; the object is used again by the next call. */
  poll(): Transmit | undefined {
    if (this.#polled === this.#datagrams.length) {
      if (this.#polled > 0) {
        this.#flows.length = this.#datagrams.length = 0;
        this.#polled = 0;
      }
      return undefined;
    }
    const transmit = this.#transmit;
    transmit.flow = this.#flows[this.#polled]!;
    transmit.bytes = this.#datagrams[this.#polled++]!;
    return transmit;
  }

  /** Sends a datagram. */
  emit(flow: Flow, bytes: Uint8Array): void {
    this.#count(bytes);
    this.#flows.push(flow);
    this.#datagrams.push(bytes);
  }

  #count(bytes: Uint8Array): void {
    typeCount(this.#stats, bytes[0]! >> 4 & 3, true);
    this.#stats.sentBytes += bytes.length;
  }

  /** Acknowledges a message ahead of what has been sent since `place`. */
  acknowledgeAt(place: number, flow: Flow, id: number): void {
    const bytes = empty(MessageType.Acknowledgement, id);
    this.#count(bytes);
    this.#flows.splice(place, 0, flow);
    this.#datagrams.splice(place, 0, bytes);
  }

  /** Rejects a message (RFC 7252 section 4.2); to a group nothing is sent. */
  reset(flow: Flow, message: Message): void {
    if (!flow.multicast) this.emit(flow, empty(MessageType.Reset, message.id));
  }

  /** Sends an empty acknowledgement. */
  acknowledge(flow: Flow, id: number): void {
    this.emit(flow, empty(MessageType.Acknowledgement, id));
  }
}

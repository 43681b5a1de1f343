/** What the layers of an engine know of each other. @module */

import type { CoAPError } from "../errors.ts";
import type { Flow } from "../flow.ts";
import type { DerivedParameters, Limits } from "../parameters.ts";
import type { Message } from "../wire/message.ts";
import type { Entropy } from "./entropy.ts";
import type { Peer, Peers } from "./peers.ts";
import type { Sent, SentLayer } from "./sent.ts";
import type { Stats } from "./stats.ts";
import type { Timers } from "./timers.ts";
import type { Observer } from "./observer.ts";
import type { ConnectionEvent, FailureReason, Transmit } from "./types.ts";

/** What the message layer keeps of a request until it is answered. Only that layer looks into it. */
export interface Receipt {
  /** The message ID for the answer, 0 where there are none. */
  readonly id: number;
  /** Bytes of the request's message. */
  readonly size: number;
}

/**
 * The message layer: `Reliability` over datagrams, `Signaling` over reliable transports. What is above encodes messages with room for
 * the header of 4 bytes that UDP has; the layer makes the header its own.
 */
export interface MessageLayer extends SentLayer {
  /** Whether messages arrive, once and in order. */
  readonly reliable: boolean;
  /** The one table of peers. */
  readonly peers: Peers;
  /** Messages remembered against duplicates, and the bytes of their replies. */
  readonly remembered: { readonly size: number; readonly bytes: number };
  /** When `tick` has something to do, ms. */
  readonly deadline: number;
  /** Takes a message in. */
  receive(now: number, flow: Flow, bytes: Uint8Array): void;
  /** Does what is due. */
  tick(now: number): void;
  /** The next message to send; the object is used again by the next call. */
  pollTransmit(): Transmit | undefined;
  /** The peer of a flow, new where needed; undefined where there can be none: `refusal` says why. */
  peer(now: number, flow: Flow): Peer | undefined;
  /** Why there is no peer. */
  refusal(flow: Flow): CoAPError;
  /** Size of the largest message to a peer, bytes as `encode` writes it. */
  largest(peer: Peer): number;
  /** Whether a response of so many bytes may wait for a peer that does not take what it is sent. */
  takes(peer: Peer, bytes: number): boolean;

  /** Sends a message as soon as the peer may be sent one. */
  send(now: number, sent: Sent): void;
  /** Sends a message that nobody asks after. Answers whether it left. */
  sendOnce(now: number, peer: Peer, flow: Flow, bytes: Uint8Array): boolean;
  /** Sends a request to a group. */
  sendToGroup(now: number, flow: Flow, bytes: Uint8Array): void;
  /** Makes a message under way another one, for other content. Answers whether that was possible. */
  renumber(now: number, sent: Sent): boolean;
  /** Gives a message up, wherever it is. */
  release(now: number, sent: Sent): void;

  /** Whether the answer to a request goes out as `reply` of `answer`. */
  piggybacks(receipt: Receipt): boolean;
  /** Ends the handling of a request: with its `reply`, with an answer that goes separately, or silently. */
  answer(
    now: number,
    flow: Flow,
    receipt: Receipt,
    reply: Uint8Array | undefined,
    silent: boolean,
  ): void;
}

/** Who is above the message layer. */
export interface Upper {
  /**
   * A request that was not seen before. Answers false where requests are not served: it is rejected; undefined where
   * it is dropped as if it had not come.
   */
  onRequest(
    now: number,
    peer: Peer,
    flow: Flow,
    message: Message,
    receipt: Receipt,
  ): boolean | undefined;
  /** A separate response. Answers whether somebody waits for it. */
  onResponse(now: number, peer: Peer | undefined, flow: Flow, message: Message): boolean;
  /** A Reset came that answers no message under way. Answers whether it means something all the same. */
  onStrayReset(now: number, peer: Peer, id: number): boolean;
  /** A datagram is no message. */
  onRejected(now: number, flow: Flow, message: Message, bytes: Uint8Array): void;
  /** A connection is gone. */
  onDisconnected(now: number, peer: Peer, reason: FailureReason, detail: string): void;
  /** A connection takes messages again: the notifications that waited. */
  onWritable(now: number, waiting: Iterable<Observer>): void;
  /** Something that whoever drives the engine has to know of a connection. */
  emit(event: ConnectionEvent): void;
}

/** What the layers share. */
export interface Shared {
  readonly parameters: Readonly<DerivedParameters>;
  readonly limits: Readonly<Limits>;
  readonly entropy: Entropy;
  readonly timers: Timers;
  readonly stats: Stats;
  readonly extendedTokens: boolean;
  /** Bytes sent at most for each byte received from an address that has not proved to be there. */
  readonly amplification: number;
}

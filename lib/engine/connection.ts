/** One connection of a reliable transport: RFC 8323. @module */

import type { Flow } from "../flow.ts";
import { BASE_MESSAGE_SIZE } from "../wire/signaling.ts";
import type { Receipt } from "./layers.ts";
import type { Observer } from "./observer.ts";
import type { Peer } from "./peers.ts";
import type { Timed } from "./timers.ts";
import type { FailureReason } from "./types.ts";

/** How far a connection has come. */
export const Phase = {
  /** The peer's CSM is still to come. */
  Opening: 0,
  /** Messages are exchanged. */
  Open: 1,
  /** We have sent a Release: the peer is to close it. */
  Releasing: 2,
  /** The peer has sent a Release: it is closed as soon as all is answered. */
  Released: 3,
  /** It is gone. */
  Closed: 4,
} as const;

/** Pings with Custody that wait at a time; a further one is answered at once, without Custody. */
const CUSTODY_LIMIT = 16;

/** A request of the peer, for the pings that wait for its answer. */
export class ConnectionReceipt implements Receipt {
  readonly id = 0;
  readonly size: number;
  readonly connection: Connection;
  /** Counts the requests of the connection. */
  readonly number: number;
  done = false;

  constructor(connection: Connection, size: number) {
    this.connection = connection;
    this.size = size;
    this.number = ++connection.requests;
  }
}

/** A Ping with Custody that waits. */
interface Custody {
  readonly token: Uint8Array;
  /** The last request before it. */
  readonly after: number;
  /** Requests before it that are not answered. */
  left: number;
}

/** Hears of a Pong. */
export interface Pinger {
  /** It came. */
  onPong(now: number): void;
  /** It will not come. */
  onLost(now: number, reason: FailureReason, detail: string): void;
}

/** What a connection is to whoever runs it. */
export interface ConnectionOwner {
  /** The time of a connection has come. */
  expireConnection(now: number, connection: Connection): void;
}

/** State of a connection. */
export class Connection implements Timed {
  at = 0;
  slot = -1;
  readonly peer: Peer;
  readonly flow: Flow;
  readonly openedAt: number;
  /** One of `Phase`. */
  phase: number = Phase.Opening;

  /** The largest message that the peer takes, bytes (RFC 8323 section 5.3.1). */
  maxMessageSize: number = BASE_MESSAGE_SIZE;
  /** Whether it knows blockwise transfers (section 5.3.2). */
  blockwise = false;

  /** Requests of the peer so far, and those that are not answered. */
  requests = 0;
  open = 0;
  /** What an answer is expected to take, by the last ones, bytes. */
  replyBytes = 0;
  readonly custody: Custody[] = [];
  /** Pings of ours by the number in their token. */
  readonly pings: Map<number, Pinger> = new Map<number, Pinger>();
  lastPing = 0;

  /** Bytes handed to the transport that the peer has not taken, as far as is known. */
  unsent = 0;
  /** Since when they are more than the limit, ms; -1 where they are not. */
  fullSince = -1;
  /** Whether it has to go because its bytes are the oldest of too many. */
  overdue = false;
  /** Whether the transport was told not to hand on more. */
  paused = false;
  /** Observers with a state that could not leave. */
  readonly waiting: Set<Observer> = new Set<Observer>();

  /** When a request, a response or a notification was last exchanged, or the peer asked to keep the connection, ms. */
  usedAt: number;
  /** When the peer was pinged to see whether it is alive, ms; -1 where it was not, or has been heard since. */
  pingedAt = -1;
  /** When the beginning of a message came that is not whole, ms, -1 where there is none, and what was missing then. */
  partialSince = -1;
  missing = 0;
  /** Until when it has to be whole, ms. */
  wholeBy: number = Infinity;
  /** Until when there has to be a sign of life, ms. */
  pongBy: number = Infinity;
  /** Bytes sent since the peer was heard: its Pong comes behind them. */
  unheard = 0;
  /** Until when the peer has to close it, ms. */
  closedBy: number = Infinity;
  readonly #owner: ConnectionOwner;

  constructor(owner: ConnectionOwner, peer: Peer, flow: Flow, now: number) {
    this.#owner = owner;
    this.peer = peer;
    this.flow = flow;
    this.openedAt = this.usedAt = now;
  }

  /** Something came of the peer. */
  hear(now: number): void {
    this.peer.heardAt = now;
    this.pingedAt = -1; // not by comparing times: a Pong may come in the same millisecond
    this.unheard = 0;
  }

  /** Whether so much waits to be taken by the peer that more has to wait here. */
  get isFull(): boolean {
    return this.fullSince >= 0;
  }

  /** Notes a Ping with Custody. Answers whether it has to wait. */
  delay(token: Uint8Array): boolean {
    if (this.open === 0 || this.custody.length >= CUSTODY_LIMIT) return false;
    this.custody.push({ token: token.slice(), after: this.requests, left: this.open });
    return true;
  }

  /** A request is answered. Answers the tokens of the pings that have waited for it alone. */
  answered(receipt: ConnectionReceipt): Uint8Array[] {
    this.open--;
    if (this.custody.length === 0) return [];
    for (const custody of this.custody) if (receipt.number <= custody.after) custody.left--;
    const ready: Uint8Array[] = [];
    while (this.custody.length > 0 && this.custody[0]!.left === 0) {
      ready.push(this.custody.shift()!.token);
    }
    return ready;
  }

  expire(now: number): void {
    this.#owner.expireConnection(now, this);
  }
}

/** The one table of peers. @module */

import type { Flow } from "../flow.ts";
import type { Connection } from "./connection.ts";
import type { ClientExchange } from "./exchange.ts";
import type { IdMap } from "./id_map.ts";
import type { MessageIds } from "./message_ids.ts";
import type { Observer } from "./observer.ts";
import type { Seen } from "./seen.ts";
import type { Sent } from "./sent.ts";
import type { SmallMap } from "./small_map.ts";
import type { Timed } from "./timers.ts";

/** What the engine knows of a peer (RFC 7252 section 4.1: an IP address and a port). */
export class Peer {
  readonly key: string;
  /** Tells it from other peers in a hash, 32 bits. */
  readonly number: number;
  /** The way back to it. */
  readonly flow: Flow;
  /** When a message was last exchanged, ms. */
  activeAt: number;
  /** When a message last came, ms. */
  heardAt: number = -Infinity;
  /** Neighbours in the order of activity. */
  older: Peer | undefined = undefined;
  newer: Peer | undefined = undefined;
  /** Exchanges, transfers and registrations that keep the peer in the table. */
  holds = 0;

  /** Messages received that are at the application, by message ID. */
  seen: SmallMap<number, Seen> | undefined = undefined;
  /** How many answered ones are remembered, and the first and the last of them in their store. */
  answered = 0;
  oldestAnswered = -1;
  newestAnswered = -1;

  /** Messages sent that an ACK or a Reset may answer, by message ID. Once made it stays: most peers are sent more. */
  sent: IdMap<Sent> | undefined = undefined;
  /** Interactions that count towards NSTART. */
  outstanding = 0;
  /** Messages that wait for their turn, first to last. */
  firstWaiting: Sent | undefined = undefined;
  lastWaiting: Sent | undefined = undefined;
  /** Set while they wait for a message ID. */
  idWait: Timed | undefined = undefined;
  /** Message IDs of ours towards this peer. */
  ids: MessageIds | undefined = undefined;

  /** Requests of ours, by token. Once made it stays. */
  tokens: IdMap<ClientExchange> | undefined = undefined;

  /** The connection to it, where the transport is reliable. */
  connection: Connection | undefined = undefined;

  /** Whether it has proved to be where it says, with an Echo value of ours. */
  validated = false;
  /** Requests it may still make at `allowedAt` (RFC 8516). */
  allowance: number = Infinity;
  allowedAt = 0;
  /** Until when it was told to wait, ms. */
  waitsUntil = 0;

  /** What it observes here, by token. */
  observers: Map<number | string, Observer> | undefined = undefined;

  constructor(flow: Flow, number: number, now: number) {
    this.key = flow.key;
    this.number = number;
    this.flow = flow.multicast ? { ...flow, multicast: false } : flow;
    this.activeAt = now;
  }
}

/** Peers by key, in the order of their last activity. */
export class Peers {
  readonly #byKey = new Map<string, Peer>();
  #oldest: Peer | undefined = undefined;
  #newest: Peer | undefined = undefined;

  get size(): number {
    return this.#byKey.size;
  }

  /** The peer that was active least recently. */
  get oldest(): Peer | undefined {
    return this.#oldest;
  }

  get(key: string): Peer | undefined {
    return this.#byKey.get(key);
  }

  [Symbol.iterator](): Iterator<Peer> {
    return this.#byKey.values();
  }

  /** Whether the test holds for every peer. */
  every(test: (peer: Peer) => boolean): boolean {
    for (const peer of this.#byKey.values()) if (!test(peer)) return false;
    return true;
  }

  add(peer: Peer): void {
    this.#byKey.set(peer.key, peer);
    this.#append(peer);
  }

  /** Notes that a message was exchanged. */
  touch(peer: Peer, now: number): void {
    peer.activeAt = now;
    if (peer === this.#newest) return;
    this.#unlink(peer);
    this.#append(peer);
  }

  remove(peer: Peer): void {
    this.#byKey.delete(peer.key);
    this.#unlink(peer);
  }

  #append(peer: Peer): void {
    peer.older = this.#newest;
    peer.newer = undefined;
    if (this.#newest === undefined) this.#oldest = peer;
    else this.#newest.newer = peer;
    this.#newest = peer;
  }

  #unlink(peer: Peer): void {
    if (peer.older === undefined) this.#oldest = peer.newer;
    else peer.older.newer = peer.newer;
    if (peer.newer === undefined) this.#newest = peer.older;
    else peer.newer.older = peer.older;
  }
}

/** Messages received, remembered so that a duplicate is known (RFC 7252 section 4.5). @module */

import type { Flow } from "../flow.ts";
import type { Limits } from "../parameters.ts";
import type { Peer } from "./peers.ts";
import type { Stats } from "./stats.ts";

/** A message received. */
export class Seen {
  readonly peer: Peer;
  readonly id: number;
  /** One of `Incoming`. */
  state: number;
  /** When its message ID may come again with another message, ms. */
  readonly expires: number;
  /** Where the empty acknowledgement goes, as long as it may fall due. */
  flow: Flow | undefined = undefined;
  /** What a duplicate is answered with. */
  reply: Uint8Array | undefined = undefined;
  /** Whether it stands among those that may be forgotten. */
  kept = false;
  older: Seen | undefined = undefined;
  newer: Seen | undefined = undefined;
  /** The next one of the same peer that may be forgotten. */
  newerOfPeer: Seen | undefined = undefined;

  constructor(peer: Peer, id: number, state: number, expires: number) {
    this.peer = peer;
    this.id = id;
    this.state = state;
    this.expires = expires;
  }
}

/**
 * The store of messages received. Those at the application are in their peer's map alone; answered ones stand in a
 * list as well, oldest first, and go from its head when they expire or when a limit is reached.
 */
export class SeenStore {
  readonly #limits: Readonly<Limits>;
  readonly #stats: Stats;
  #oldest: Seen | undefined = undefined;
  #newest: Seen | undefined = undefined;
  #size = 0;
  #bytes = 0;

  constructor(limits: Readonly<Limits>, stats: Stats) {
    this.#limits = limits;
    this.#stats = stats;
  }

  /** Entries that may be forgotten. */
  get size(): number {
    return this.#size;
  }

  /** Bytes of replies kept. */
  get bytes(): number {
    return this.#bytes;
  }

  /** When the first entry expires, ms. */
  get deadline(): number {
    return this.#oldest === undefined ? Infinity : this.#oldest.expires;
  }

  /** The living entry of a message ID. An expired one stays in the list, or at the application, until its turn. */
  get(peer: Peer, id: number, now: number): Seen | undefined {
    const seen = peer.seen?.get(id);
    return seen === undefined || seen.expires <= now ? undefined : seen;
  }

  /** Remembers a message at the application. */
  add(peer: Peer, id: number, state: number, expires: number): Seen {
    const seen = new Seen(peer, id, state, expires);
    (peer.seen ??= new Map()).set(id, seen);
    return seen;
  }

  /** Marks an entry as answered: from now on it can be forgotten. */
  keep(seen: Seen, reply?: Uint8Array): void {
    if (seen.kept) return;
    const { peer } = seen;
    const bytes = reply === undefined ? 0 : reply.length;
    while (
      this.#oldest !== undefined &&
      (this.#size >= this.#limits.duplicates || this.#bytes + bytes > this.#limits.replyBytes)
    ) {
      this.#stats.evictedDuplicates++;
      this.#remove(this.#oldest);
    }
    while (
      (peer.seen?.size ?? 0) > this.#limits.duplicatesPerPeer && peer.oldestSeen !== undefined
    ) {
      this.#stats.evictedDuplicates++;
      this.#remove(peer.oldestSeen);
    }
    seen.kept = true;
    seen.reply = reply;
    this.#size++;
    this.#bytes += bytes;
    seen.older = this.#newest;
    if (this.#newest === undefined) this.#oldest = seen;
    else this.#newest.newer = seen;
    this.#newest = seen;
    if (peer.newestSeen === undefined) peer.oldestSeen = seen;
    else peer.newestSeen.newerOfPeer = seen;
    peer.newestSeen = seen;
  }

  /** Forgets what has expired. */
  expire(now: number): void {
    while (this.#oldest !== undefined && this.#oldest.expires <= now) this.#remove(this.#oldest);
  }

  /** Forgets everything of a peer that leaves the table. */
  forget(peer: Peer): void {
    while (peer.oldestSeen !== undefined) this.#remove(peer.oldestSeen);
  }

  /** Removes the oldest entry of all or of its peer: it is the head of its peer's list in both cases. */
  #remove(seen: Seen): void {
    const { peer } = seen;
    if (peer.seen?.get(seen.id) === seen) {
      peer.seen.delete(seen.id);
      if (peer.seen.size === 0) peer.seen = undefined;
    }
    this.#size--;
    if (seen.reply !== undefined) this.#bytes -= seen.reply.length;
    if (seen.older === undefined) this.#oldest = seen.newer;
    else seen.older.newer = seen.newer;
    if (seen.newer === undefined) this.#newest = seen.older;
    else seen.newer.older = seen.older;
    peer.oldestSeen = seen.newerOfPeer;
    if (peer.oldestSeen === undefined) peer.newestSeen = undefined;
    seen.older = seen.newer = seen.newerOfPeer = undefined;
  }
}

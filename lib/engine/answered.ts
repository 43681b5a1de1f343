/** Messages that were answered, remembered so that a duplicate is known (RFC 7252 section 4.5). @module */

import type { Limits } from "../parameters.ts";
import type { Peer } from "./peers.ts";
import { ReplyBytes } from "./reply_bytes.ts";
import type { Stats } from "./stats.ts";

const NONE = -1;
const FIRST_CAPACITY = 256;

/**
 * A hash table over arrays of numbers: tens of thousands of entries come and go per second and live for minutes, which
 * as objects would keep the garbage collector busy. Entries stand in the order in which they were answered, all
 * together and for each peer, and go from the heads of these lists.
 */
export class Answered {
  readonly #limits: Readonly<Limits>;
  readonly #stats: Stats;
  readonly #peerFactor: number;
  readonly #idFactor: number;
  readonly #replies: ReplyBytes = new ReplyBytes();
  #size = 0;
  #bytes = 0;
  #oldest = NONE;
  #newest = NONE;
  /** The first of the unused entries; `#newer` leads to the next. */
  #unused = NONE;
  /** Index + 1 of the newest entry for each hash, 0 where there is none; `#chain` leads to the older ones. */
  #table: Int32Array = new Int32Array(0);
  #chain: Int32Array = new Int32Array(0);
  #peers: (Peer | undefined)[] = [];
  #ids: Uint16Array = new Uint16Array(0);
  #states: Uint8Array = new Uint8Array(0);
  #expires: Float64Array = new Float64Array(0);
  #places: Float64Array = new Float64Array(0);
  /** Lengths of the replies, `NONE` where there is none. */
  #lengths: Int32Array = new Int32Array(0);
  #older: Int32Array = new Int32Array(0);
  #newer: Int32Array = new Int32Array(0);
  #newerOfPeer: Int32Array = new Int32Array(0);

  /** @param seed makes the hash one that peers can not foresee */
  constructor(limits: Readonly<Limits>, stats: Stats, seed = 0) {
    this.#limits = limits;
    this.#stats = stats;
    this.#peerFactor = (0x9e3779b1 ^ seed) | 1;
    this.#idFactor = (0x85ebca6b ^ seed >>> 16) | 1;
  }

  /** The place in the table. Most peers count their message IDs up: those of 16 lie in one line of the cache. */
  #place(peer: Peer, id: number): number {
    const mixed = Math.imul(peer.number, this.#peerFactor) ^ Math.imul(id >>> 4, this.#idFactor);
    return ((mixed ^ mixed >>> 15) << 4 | id & 15) & this.#table.length - 1;
  }

  get size(): number {
    return this.#size;
  }

  /** Bytes of the replies. */
  get bytes(): number {
    return this.#bytes;
  }

  /** When the oldest entry expires, ms. */
  get deadline(): number {
    return this.#oldest === NONE ? Infinity : this.#expires[this.#oldest]!;
  }

  /** The living entry of a message ID, -1 where there is none. */
  find(peer: Peer, id: number, now: number): number {
    if (peer.answered === 0) return NONE;
    let entry = this.#table[this.#place(peer, id)]! - 1;
    while (entry !== NONE) {
      if (this.#ids[entry] === id && this.#peers[entry] === peer && this.#expires[entry]! > now) {
        return entry;
      }
      entry = this.#chain[entry]! - 1;
    }
    return NONE;
  }

  /** The state of an entry: one of `Incoming`. */
  state(entry: number): number {
    return this.#states[entry]!;
  }

  /** What a duplicate is answered with; only where the state says that there is something. */
  reply(entry: number): Uint8Array {
    return this.#replies.get(this.#places[entry]!, this.#lengths[entry]!);
  }

  /** Remembers a message. Where a limit is reached, the oldest ones go. */
  add(peer: Peer, id: number, state: number, expires: number, reply: Uint8Array | undefined): void {
    const { duplicates, duplicatesPerPeer } = this.#limits;
    const length = reply === undefined ? 0 : reply.length;
    while (peer.answered >= duplicatesPerPeer) this.#evict(peer.oldestAnswered);
    while (this.#size > 0 && (this.#size >= duplicates || !this.#hasRoom(length))) {
      this.#evict(this.#oldest);
    }
    if (this.#unused === NONE) this.#grow();
    const entry = this.#unused;
    this.#unused = this.#newer[entry]!;
    this.#peers[entry] = peer;
    this.#ids[entry] = id;
    this.#states[entry] = state;
    this.#expires[entry] = expires;
    this.#lengths[entry] = NONE;
    if (reply !== undefined) {
      this.#places[entry] = this.#replies.put(reply);
      this.#lengths[entry] = length;
      this.#bytes += length;
    }
    this.#older[entry] = this.#newest;
    this.#newer[entry] = NONE;
    if (this.#newest === NONE) this.#oldest = entry;
    else this.#newer[this.#newest] = entry;
    this.#newest = entry;
    this.#newerOfPeer[entry] = NONE;
    if (peer.newestAnswered === NONE) peer.oldestAnswered = entry;
    else this.#newerOfPeer[peer.newestAnswered] = entry;
    peer.newestAnswered = entry;
    peer.answered++;
    this.#size++;
    this.#enter(entry);
  }

  /** Forgets what has expired. */
  expire(now: number): void {
    while (this.#oldest !== NONE && this.#expires[this.#oldest]! <= now) this.#remove(this.#oldest);
  }

  /** Forgets everything of a peer. */
  forget(peer: Peer): void {
    while (peer.oldestAnswered !== NONE) this.#remove(peer.oldestAnswered);
  }

  /** Whether a reply may be kept: by its bytes, and by the pages, of which replies of slow peers keep some half empty. */
  #hasRoom(length: number): boolean {
    const { replyBytes } = this.#limits;
    if (this.#bytes + length > replyBytes) return false;
    return !this.#replies.needsPage(length) || this.#replies.size <= replyBytes * 1.25;
  }

  #evict(entry: number): void {
    this.#stats.evictedDuplicates++;
    this.#remove(entry);
  }

  /** Removes the oldest entry of all or of its peer: it is the head of its peer's list in both cases. */
  #remove(entry: number): void {
    const peer = this.#peers[entry]!;
    this.#leave(entry);
    if (this.#lengths[entry] !== NONE) {
      this.#replies.drop(this.#places[entry]!);
      this.#bytes -= this.#lengths[entry]!;
    }
    const older = this.#older[entry]!;
    const newer = this.#newer[entry]!;
    if (older === NONE) this.#oldest = newer;
    else this.#newer[older] = newer;
    if (newer === NONE) this.#newest = older;
    else this.#older[newer] = older;
    peer.oldestAnswered = this.#newerOfPeer[entry]!;
    if (peer.oldestAnswered === NONE) peer.newestAnswered = NONE;
    peer.answered--;
    this.#peers[entry] = undefined;
    this.#newer[entry] = this.#unused;
    this.#unused = entry;
    if (--this.#size === 0) this.#clear();
  }

  // -------------------------------------------------------------- the hash table

  #enter(entry: number): void {
    const place = this.#place(this.#peers[entry]!, this.#ids[entry]!);
    this.#chain[entry] = this.#table[place]!;
    this.#table[place] = entry + 1;
  }

  #leave(entry: number): void {
    const place = this.#place(this.#peers[entry]!, this.#ids[entry]!);
    let at = this.#table[place]! - 1;
    if (at === entry) {
      this.#table[place] = this.#chain[entry]!;
      return;
    }
    while (this.#chain[at] !== entry + 1) at = this.#chain[at]! - 1;
    this.#chain[at] = this.#chain[entry]!;
  }

  #grow(): void {
    const old = this.#ids.length;
    const capacity = Math.max(FIRST_CAPACITY, old * 2);
    this.#ids = copied(new Uint16Array(capacity), this.#ids);
    this.#states = copied(new Uint8Array(capacity), this.#states);
    this.#expires = copied(new Float64Array(capacity), this.#expires);
    this.#places = copied(new Float64Array(capacity), this.#places);
    this.#lengths = copied(new Int32Array(capacity), this.#lengths);
    this.#chain = new Int32Array(capacity);
    this.#older = copied(new Int32Array(capacity), this.#older);
    this.#newer = copied(new Int32Array(capacity), this.#newer);
    this.#newerOfPeer = copied(new Int32Array(capacity), this.#newerOfPeer);
    for (let entry = capacity - 1; entry >= old; entry--) {
      this.#peers[entry] = undefined;
      this.#newer[entry] = this.#unused;
      this.#unused = entry;
    }
    this.#table = new Int32Array(capacity * 2);
    for (let entry = this.#oldest; entry !== NONE; entry = this.#newer[entry]!) this.#enter(entry);
  }

  /** At rest nothing is held. */
  #clear(): void {
    this.#replies.clear();
    if (this.#ids.length <= FIRST_CAPACITY) return;
    this.#unused = NONE;
    this.#peers = [];
    this.#table =
      this.#chain =
      this.#lengths =
      this.#older =
      this.#newer =
      this.#newerOfPeer =
        new Int32Array(0);
    this.#ids = new Uint16Array(0);
    this.#states = new Uint8Array(0);
    this.#expires = this.#places = new Float64Array(0);
  }
}

function copied<T extends Uint8Array | Uint16Array | Int32Array | Float64Array>(to: T, from: T): T {
  to.set(from);
  return to;
}

/** Bodies kept between the messages that carry their blocks. @module */

import type { Limits } from "../parameters.ts";

/** One of them. */
export interface Transfer {
  /** The key of its peer. */
  readonly peer: string;
  /** Bytes of memory that its body takes; changed by `grow` alone. */
  bytes: number;
  /** When it is given up, ms. */
  expires: number;
}

/** What one peer has. */
class Share<T> {
  bytes = 0;
  /** The one longest unused first. */
  readonly transfers: Map<string, T> = new Map();
}

/** How far a table is full. */
export const Room = {
  /** There is room. */
  Free: 0,
  /** The peer has as much as one may have. */
  PeerFull: 1,
  /** All peers together have as much as there is. */
  Full: 2,
} as const;

/** Transfers of one kind, the one longest unused first, bounded for each peer and for all together. */
export class Transfers<T extends Transfer> {
  /** Bytes of all bodies. */
  bytes = 0;
  readonly #limits: Readonly<Limits>;
  readonly #all = new Map<string, T>();
  readonly #shares = new Map<string, Share<T>>();

  constructor(limits: Readonly<Limits>) {
    this.#limits = limits;
  }

  get size(): number {
    return this.#all.size;
  }

  get(key: string): T | undefined {
    return this.#all.get(key);
  }

  /** Whether `count` more of a peer, and `bytes` more, would have room: one of `Room`. */
  room(peer: string, count: number, bytes: number): number {
    const { transfers, transfersPerPeer, transferBytes, transferBytesPerPeer } = this.#limits;
    const share = this.#shares.get(peer);
    const own = share === undefined ? 0 : share.transfers.size;
    const ownBytes = share === undefined ? 0 : share.bytes;
    if (own + count > transfersPerPeer || ownBytes + bytes > transferBytesPerPeer) {
      return Room.PeerFull;
    }
    return this.#all.size + count > transfers || this.bytes + bytes > transferBytes
      ? Room.Full
      : Room.Free;
  }

  /** Makes room for one more of a peer at the cost of its own, then of all. Answers whether there is. */
  makeRoom(peer: string, bytes: number): boolean {
    const { transferBytes, transferBytesPerPeer } = this.#limits;
    if (bytes > Math.min(transferBytes, transferBytesPerPeer)) return false;
    for (let room = this.room(peer, 1, bytes); room !== Room.Free;) {
      const from = room === Room.PeerFull ? this.#shares.get(peer)!.transfers : this.#all;
      this.delete(from.keys().next().value!);
      room = this.room(peer, 1, bytes);
    }
    return true;
  }

  /** Puts a transfer in that is not there. */
  add(key: string, transfer: T): void {
    const { peer, bytes } = transfer;
    let share = this.#shares.get(peer);
    if (share === undefined) this.#shares.set(peer, share = new Share());
    share.transfers.set(key, transfer);
    share.bytes += bytes;
    this.#all.set(key, transfer);
    this.bytes += bytes;
  }

  /** Makes it the one used last. */
  touch(key: string, transfer: T): void {
    const { transfers } = this.#shares.get(transfer.peer)!;
    transfers.delete(key);
    transfers.set(key, transfer);
    this.#all.delete(key);
    this.#all.set(key, transfer);
  }

  /** A body takes so many bytes by now. */
  grow(transfer: T, bytes: number): void {
    const more = bytes - transfer.bytes;
    transfer.bytes = bytes;
    this.#shares.get(transfer.peer)!.bytes += more;
    this.bytes += more;
  }

  delete(key: string): void {
    const transfer = this.#all.get(key);
    if (transfer === undefined) return;
    const { peer, bytes } = transfer;
    const share = this.#shares.get(peer)!;
    share.transfers.delete(key);
    share.bytes -= bytes;
    if (share.transfers.size === 0) this.#shares.delete(peer);
    this.#all.delete(key);
    this.bytes -= bytes;
  }

  /** Gives up all of a peer. */
  deletePeer(peer: string): void {
    const share = this.#shares.get(peer);
    if (share === undefined) return;
    for (const key of share.transfers.keys()) this.#all.delete(key);
    this.bytes -= share.bytes;
    this.#shares.delete(peer);
  }

  /** When the first is given up, ms. */
  get deadline(): number {
    for (const { expires } of this.#all.values()) return expires;
    return Infinity;
  }

  /** Gives up those whose time is over. */
  expire(now: number): void {
    for (const [key, { expires }] of this.#all) {
      if (expires > now) break;
      this.delete(key);
    }
  }
}

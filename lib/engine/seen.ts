/** Messages received that are at the application (RFC 7252 sections 4.5 and 5.2). @module */

import type { Flow } from "../flow.ts";
import type { Peer } from "./peers.ts";
import { SmallMap } from "./small_map.ts";

/** A message that has not been answered yet. Once it is, the store of answered ones remembers it. */
export class Seen {
  readonly peer: Peer;
  readonly id: number;
  /** One of `Incoming`. */
  state: number;
  /** When its message ID may come again with another message, ms. */
  readonly expires: number;
  /** Bytes of its datagram. */
  readonly size: number;
  /** Where the empty acknowledgement goes, as long as it may fall due. */
  flow: Flow | undefined = undefined;
  /** Its neighbours among those whose empty acknowledgement falls due. */
  older: Seen | undefined = undefined;
  newer: Seen | undefined = undefined;

  constructor(peer: Peer, id: number, state: number, expires: number, size: number) {
    this.peer = peer;
    this.id = id;
    this.state = state;
    this.expires = expires;
    this.size = size;
    (peer.seen ??= new SmallMap()).set(id, this);
  }

  /** Lets go of it. One that took its place stays. */
  forget(): void {
    const { seen } = this.peer;
    if (seen?.get(this.id) === this) seen.delete(this.id);
  }
}

/** What the layers of an engine know of each other. @module */

import type { Flow } from "../flow.ts";
import type { DerivedParameters, Limits } from "../parameters.ts";
import type { Message } from "../wire/message.ts";
import type { Entropy } from "./entropy.ts";
import type { Peer } from "./peers.ts";
import type { Seen } from "./seen.ts";
import type { Stats } from "./stats.ts";
import type { Timers } from "./timers.ts";

/** Who is above the message layer. */
export interface Upper {
  /**
   * A request that was not seen before. Answers false where requests are not served: it is rejected; undefined where
   * it is dropped as if it had not come.
   */
  onRequest(now: number, peer: Peer, flow: Flow, message: Message, seen: Seen): boolean | undefined;
  /** A separate response. Answers whether somebody waits for it. */
  onResponse(now: number, peer: Peer | undefined, flow: Flow, message: Message): boolean;
  /** A Reset came that answers no message under way. Answers whether it means something all the same. */
  onStrayReset(now: number, peer: Peer, id: number): boolean;
  /** A datagram is no message. */
  onRejected(now: number, flow: Flow, message: Message, bytes: Uint8Array): void;
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

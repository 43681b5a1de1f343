/** States of observed resources. @module */

import type { Flow } from "../flow.ts";
import { CoAPResponse, type CoAPResponseInit, type Content, Received } from "./response.ts";

/** How a notification stands among the others. */
export interface Standing {
  isLatest: boolean;
  observed: boolean;
  /** The endpoint's clock, ms. */
  now(): number;
}

/** A state of an observed resource, as `CoAPClient.observe` yields it (RFC 7641). */
export class CoAPNotification extends CoAPResponse {
  /** Whether no newer state is known: false only of what was asked for with `stale` (RFC 7641 section 3.4). */
  readonly isLatest: boolean;
  /**
   * Whether further states may follow. False of the last one: the response of a server that does not observe, or the
   * error with which it ended the observation.
   */
  readonly observed: boolean;
  readonly #now: () => number;
  readonly #until: number;

  /** @ignore Made by the client alone. */
  constructor(content: Content, peer: Flow, uri: string, standing: Standing) {
    super(content.payload, new Received(content, peer, uri) as CoAPResponseInit);
    this.isLatest = standing.isLatest;
    this.observed = standing.observed;
    this.#now = standing.now;
    this.#until = standing.now() + this.maxAge * 1000;
  }

  /**
   * Whether its Max-Age has not passed yet, at this moment. A state of which it has passed is not to be taken for the
   * resource's: notifications may have been lost. The client registers again 5 to 15 s later (RFC 7641 section 3.3.1).
   */
  get isFresh(): boolean {
    return this.#now() <= this.#until;
  }
}

/** Requests that several clients wait for: RFC 8075 section 8.1. @module */

import type { CoAPResponse } from "./response.ts";

/** A request under way. */
interface Flight {
  readonly response: Promise<CoAPResponse>;
  /** Gives it up. */
  readonly controller: AbortController;
  waiting: number;
}

/** Sends one request for all who ask for the same at the same time. */
export class SharedRequests {
  readonly #flights = new Map<string, Flight>();

  /**
   * Waits for the response to a request, sent already or not. The last one to give up takes it back.
   *
   * @param key what makes it the same
   * @param signal gives up: the promise rejects with its reason
   */
  async wait(
    key: string,
    signal: AbortSignal,
    send: (signal: AbortSignal) => Promise<CoAPResponse>,
  ): Promise<CoAPResponse> {
    signal.throwIfAborted();
    const flight = this.#flights.get(key) ?? this.#start(key, send);
    flight.waiting++;
    let leave = (): void => {};
    const left = new Promise<never>((_, reject) => leave = () => reject(signal.reason));
    signal.addEventListener("abort", leave);
    try {
      return await Promise.race([flight.response, left]);
    } finally {
      signal.removeEventListener("abort", leave);
      if (--flight.waiting === 0) {
        this.#forget(key, flight);
        flight.controller.abort(); // nothing happens where it is over
      }
    }
  }

  #start(key: string, send: (signal: AbortSignal) => Promise<CoAPResponse>): Flight {
    const controller = new AbortController();
    const flight: Flight = { response: send(controller.signal), controller, waiting: 0 };
    this.#flights.set(key, flight);
    const over = (): void => this.#forget(key, flight);
    flight.response.then(over, over);
    return flight;
  }

  #forget(key: string, flight: Flight): void {
    if (this.#flights.get(key) === flight) this.#flights.delete(key);
  }
}

/** A transport handler that keeps what it was told. @module */

import type { Flow } from "../lib/flow.ts";
import type { TransportHandler } from "../lib/transport/transport.ts";

/** A datagram as a handler got it. */
export interface Received {
  flow: Flow;
  bytes: Uint8Array;
}

/** How long a wait may take on a machine under load, ms. */
const PATIENCE = 10_000;

/** Keeps what a transport told, and lets a test wait for it. */
export class Recorder implements TransportHandler {
  readonly received: Received[] = [];
  readonly errors: { error: Error; flow?: Flow }[] = [];
  turns = 0;
  /** Whether there may have been more to read then. */
  more = false;
  /** Datagrams received when the last turn came. */
  seenByTurn = 0;
  /** What a test does when a datagram arrives. */
  onReceive: ((flow: Flow, bytes: Uint8Array) => void) | undefined = undefined;
  readonly #waiting = new Set<() => void>();

  receive(flow: Flow, bytes: Uint8Array): void {
    this.received.push({ flow, bytes });
    this.#wake();
    this.onReceive?.(flow, bytes);
  }

  turn(more = false): void {
    this.turns++;
    this.more = more;
    this.seenByTurn = this.received.length;
    this.#wake();
  }

  error(error: Error, flow?: Flow): void {
    this.errors.push({ error, flow });
    this.#wake();
  }

  /** Calls the handlers have got. */
  get calls(): number {
    return this.received.length + this.turns + this.errors.length;
  }

  /** Waits until `condition` holds; `what` names it when it does not. */
  until(what: string, condition: () => boolean): Promise<void> {
    return new Promise((resolve, reject) => {
      const stop = (): void => {
        clearTimeout(timer);
        this.#waiting.delete(check);
      };
      const check = (): void => {
        if (!condition()) return;
        stop();
        resolve();
      };
      const timer = setTimeout(() => {
        stop();
        const errors = this.errors.map(({ error }) => error.message).join("; ");
        reject(
          new Error(
            `Waited in vain for ${what}: ${this.received.length} received, errors: ${errors}`,
          ),
        );
      }, PATIENCE);
      this.#waiting.add(check);
      check();
    });
  }

  #wake(): void {
    for (const check of [...this.#waiting]) check();
  }
}

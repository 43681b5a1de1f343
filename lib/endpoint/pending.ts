/** What a client waits for. @module */

import { CoAPError, type CoAPErrorReason } from "../errors.ts";
import type { Flow } from "../flow.ts";
import type { ExchangeId, FailureReason, PongEvent, ResponseEvent } from "../engine/types.ts";
import type { Call, CallEvent, Driver } from "./driver.ts";
import type { Route } from "./sockets.ts";

/** What makes a pending thing a request or a ping. */
export interface Plan<T> {
  /** What it is, for messages: `GET "coap://[::1]/a"`. */
  readonly what: string;
  readonly signal: AbortSignal | undefined;
  /** Sends it off. */
  send(route: Route, call: Call): ExchangeId;
  /** Makes a value of the answer. */
  take(event: ResponseEvent | PongEvent): T;
}

const FAILURES: Record<FailureReason, string> = {
  "timeout": "No response in time",
  "reset": "Peer answered with a Reset",
  "message-ids": "No message ID is free",
  "rejected-response": "Response can not be understood",
  "blockwise": "Blockwise transfer failed",
  "refused": "Peer refused",
};

/** The peer's host says that its port is closed; Windows says it in the second way. */
const REFUSED = new Set(["ECONNREFUSED", "ECONNRESET"]);

/** A request or a ping without an outcome, from the call on. */
export class Pending<T> implements Call {
  flow: Flow | undefined = undefined;
  readonly #all: Set<Pending<unknown>>;
  readonly #plan: Plan<T>;
  readonly #resolve: (value: T) => void;
  readonly #reject: (reason: unknown) => void;
  #driver: Driver | undefined = undefined;
  #id: ExchangeId = 0;
  #ended = false;

  /** @param all where it stands until it is over */
  constructor(
    all: Set<Pending<unknown>>,
    plan: Plan<T>,
    resolve: (value: T) => void,
    reject: (reason: unknown) => void,
  ) {
    this.#all = all;
    this.#plan = plan;
    this.#resolve = resolve;
    this.#reject = reject;
    all.add(this as Pending<unknown>);
    plan.signal?.addEventListener("abort", this);
  }

  /** Goes on as soon as the way is known. */
  start(route: Route | Promise<Route>): void {
    if (route instanceof Promise) {
      route.then((found) => this.#send(found), (error) => this.fail(error));
    } else this.#send(route);
  }

  #send(route: Route): void {
    if (this.#ended) return;
    this.flow = route.flow;
    try {
      this.#id = this.#plan.send(route, this);
      this.#driver = route.driver;
    } catch (error) {
      this.fail(error);
    }
  }

  /** Gives it up for a reason of our own. Of one that is over, nothing happens. */
  cancel(reason: CoAPErrorReason, text: string): void {
    this.#driver?.cancel(this.#id);
    this.fail(new CoAPError(reason, text));
  }

  /** Ends it with an error, told together with what failed. */
  fail(error: unknown): void {
    if (!this.#end()) return;
    this.#reject(
      error instanceof CoAPError
        ? new CoAPError(error.reason, `${this.#plan.what}: ${error.message}`, {
          cause: error.cause,
        })
        : error,
    );
  }

  /** @ignore The signal calls it. */
  handleEvent(): void {
    this.#driver?.cancel(this.#id);
    if (this.#end()) this.#reject(this.#plan.signal!.reason);
  }

  /** @ignore The driver calls it. */
  onEvent(event: CallEvent): void {
    switch (event.type) {
      case "failed":
        return this.fail(new CoAPError(event.reason, event.detail ?? FAILURES[event.reason]));
      case "response":
      case "pong":
        if (this.#end()) this.#resolve(this.#plan.take(event));
    }
  }

  /** @ignore The driver calls it. */
  onUnreachable(cause: Error): void {
    const { address, port } = this.flow!;
    const refused = REFUSED.has((cause as { code?: string }).code ?? "");
    this.fail(
      refused
        ? new CoAPError("refused", `Nobody listens at "${address}" port ${port}`, { cause })
        : new CoAPError("transport", `Could not send to "${address}" port ${port}`, { cause }),
    );
  }

  #end(): boolean {
    if (this.#ended) return false;
    this.#ended = true;
    this.#all.delete(this as Pending<unknown>);
    this.#plan.signal?.removeEventListener("abort", this);
    return true;
  }
}

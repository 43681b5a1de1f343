/** What a client waits for. @module */

import { CoAPError, type CoAPErrorReason } from "../errors.ts";
import type { Flow } from "../flow.ts";
import type { IdMap } from "../engine/id_map.ts";
import type { DeregisterOptions, ExchangeId, FailedEvent, FailureReason } from "../engine/types.ts";
import type { UriParts } from "../wire/uri.ts";
import type { Call, CallEvent, Driver } from "./driver.ts";
import type { CoAPRequestInit } from "./outgoing.ts";
import type { Memory } from "./recall.ts";
import type { Route } from "./sockets.ts";

/** What pending things need of their client. */
export interface ClientCore {
  /** All that is pending. */
  readonly all: IdMap<Pending>;
  readonly memory: Memory;
  /** Where a request goes, and the options that name its target. */
  destination(uri: string | URL, init: Pick<CoAPRequestInit, "proxy">): UriParts;
  /** Sends one off to the host of the URI; it fails where the client is closed. */
  start(pending: Pending, parts: UriParts): void;
  /** Does it again after its connection was lost, for the so manieth time in a row. Answers how to take that back. */
  restart(pending: Pending, parts: UriParts, attempt: number): (() => void) | undefined;
}

const FAILURES: Record<FailureReason, string> = {
  "timeout": "No response in time",
  "reset": "Peer answered with a Reset",
  "message-ids": "No message ID is free",
  "rejected-response": "Response can not be understood",
  "blockwise": "Blockwise transfer failed",
  "refused": "Peer refused",
  "transport": "Connection is lost",
};

/** The peer's host says that its port is closed; Windows says it in the second way. */
const REFUSED = new Set(["ECONNREFUSED", "ECONNRESET"]);

/** Whether an error of the network says that nobody listens where something was sent. */
export function isRefusal(error: unknown): boolean {
  return REFUSED.has((error as { code?: string }).code ?? "");
}

let lastNumber = 0;

/** Something that a client has begun, from the call on until it is over. */
export abstract class Pending implements Call {
  flow: Flow | undefined = undefined;
  readonly #all: IdMap<Pending>;
  readonly #number: number = ++lastNumber;
  readonly #what: string;
  readonly #signal: AbortSignal | undefined;
  #driver: Driver | undefined = undefined;
  #id: ExchangeId = 0;
  #reuses = false;
  #ended = false;

  /**
   * @param all where it stands until it is over
   * @param what names it in messages: `GET "coap://[::1]/a"`
   * @param signal gives it up
   */
  constructor(all: IdMap<Pending>, what: string, signal?: AbortSignal) {
    this.#all = all;
    this.#what = what;
    this.#signal = signal;
    all.set(this.#number, this);
    signal?.addEventListener("abort", this);
  }

  /** Sends it off; undefined where that is not needed: then it has ended itself. */
  protected abstract send(route: Route): ExchangeId | undefined;
  /** Something happened that is no failure. */
  protected abstract take(event: Exclude<CallEvent, FailedEvent>): void;
  /** It is over without an outcome. */
  protected abstract failed(reason: unknown): void;

  /** How long it waits for a connection, ms. */
  get patience(): number {
    return Infinity;
  }

  /** Whether the way to the peer was there before. */
  protected get reuses(): boolean {
    return this.#reuses;
  }

  /** Forgets the exchange beneath, which is over, to begin another. */
  protected beginAgain(): void {
    this.#driver = undefined;
    this.#id = 0;
  }

  /** Whether it is over. */
  get ended(): boolean {
    return this.#ended;
  }

  /** Goes on as soon as the way is known; `find` may throw. */
  start(find: () => Route | Promise<Route>): void {
    if (this.#signal?.aborted) return this.handleEvent();
    try {
      const route = find();
      this.#reuses = !(route instanceof Promise);
      if (route instanceof Promise) {
        route.then((found) => this.#go(found)).catch((error) => this.fail(error));
      } else this.#go(route);
    } catch (error) {
      this.fail(error);
    }
  }

  #go(route: Route): void {
    if (this.#ended) return;
    this.flow = route.flow;
    const id = this.send(route);
    if (id === undefined) return;
    this.#id = id;
    this.#driver = route.driver;
  }

  /** Gives it up for a reason of our own. Of one that is over, nothing happens. */
  cancel(reason: CoAPErrorReason, text: string): void {
    this.fail(new CoAPError(reason, text));
  }

  /** Ends it with an error, told together with what failed. */
  fail(error: unknown): void {
    if (!this.drop()) return;
    this.failed(
      error instanceof CoAPError
        ? new CoAPError(error.reason, `${this.#what}: ${error.message}`, { cause: error.cause })
        : error,
    );
  }

  /** @ignore The signal calls it. */
  handleEvent(): void {
    if (this.drop()) this.failed(this.#signal!.reason);
  }

  /** @ignore The driver calls it. */
  onEvent(event: CallEvent): void {
    if (event.type !== "failed") return this.take(event);
    this.fail(new CoAPError(event.reason, event.detail ?? FAILURES[event.reason]));
  }

  /** @ignore The driver calls it. */
  onUnreachable(cause: Error): void {
    const { address, port } = this.flow!;
    this.fail(
      isRefusal(cause)
        ? new CoAPError("refused", `Nobody listens at "${address}" port ${port}`, { cause })
        : new CoAPError("transport", `Could not send to "${address}" port ${port}`, { cause }),
    );
  }

  /** Gives more of a streamed body. */
  provide(bytes: Uint8Array, last: boolean): void {
    if (!this.#ended) this.#driver?.provide(this.#id, bytes, last);
  }

  /** Asks for the next block of a streamed response. */
  protected consume(): void {
    if (!this.#ended) this.#driver?.consume(this.#id);
  }

  /** Deregisters an observation and waits for the answer. Answers false where there is none yet. */
  protected deregister(options: DeregisterOptions): boolean {
    return !this.#ended && this.#driver?.deregister(this.#id, options) === true;
  }

  /** Ends it where it is not over, and the exchange beneath. Answers whether it was not. */
  protected drop(): boolean {
    if (!this.end()) return false;
    this.#driver?.cancel(this.#id);
    return true;
  }

  /** Ends it where it is not over, after the exchange beneath. Answers whether it was not. */
  protected end(): boolean {
    if (this.#ended) return false;
    this.#ended = true;
    this.#all.delete(this.#number);
    this.#signal?.removeEventListener("abort", this);
    return true;
  }
}

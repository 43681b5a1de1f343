/** Observing with a listener instead of an iterator: every state is told, and the answer to deregistering. @module */

import type {
  DeregisterOptions,
  ExchangeId,
  FailedEvent,
  Outline,
  RequestOptions,
} from "../engine/types.ts";
import { CoAPError } from "../errors.ts";
import { Code } from "../wire/code.ts";
import { type CoAPClient, coreOf } from "./client.ts";
import type { CallEvent } from "./driver.ts";
import { checkTimeout } from "./endpoint_options.ts";
import { CoAPNotification } from "./notification.ts";
import { type CoAPRequestInit, makeOutline } from "./outgoing.ts";
import { type ClientCore, Pending } from "./pending.ts";
import { refuseGroup } from "./pending_request.ts";
import { type CoAPResponse, received } from "./response.ts";
import type { Route } from "./sockets.ts";

/** Who wants the states of a resource. */
export interface Watcher {
  /** A state came, late or not; the last one is not `observed`. */
  onState(state: CoAPNotification): void;
  /** There will be no more states, for a reason. */
  onFailed(reason: unknown): void;
}

/** How a resource is watched. */
export type WatchInit = Pick<
  CoAPRequestInit,
  "blockSize" | "confirmable" | "etag" | "onSend" | "options" | "timeout"
>;

/**
 * Observes a resource by a registration of its own.
 *
 * @throws {CoAPError} `invalid-uri`, `invalid-option` or `unsupported-scheme`; then nothing was sent
 */
export function watch(client: CoAPClient, uri: string, init: WatchInit, watcher: Watcher): Watch {
  const core = coreOf(client);
  const parts = core.destination(uri, {});
  checkTimeout(init.timeout);
  const watched = new Watch(core, uri, makeOutline(Code.GET, parts, init), init, watcher);
  core.start(watched, parts);
  return watched;
}

/** An observation, until the server or the watcher ends it. */
export class Watch extends Pending {
  readonly #now: () => number;
  readonly #uri: string;
  readonly #outline: Outline;
  readonly #options: RequestOptions;
  readonly #onSend: CoAPRequestInit["onSend"];
  readonly #watcher: Watcher;
  /** Waits for the answer to the deregistration. */
  #farewell: PromiseWithResolvers<CoAPResponse> | undefined = undefined;

  constructor(
    core: ClientCore,
    uri: string,
    outline: Outline,
    { blockSize, confirmable, timeout, onSend }: WatchInit,
    watcher: Watcher,
  ) {
    super(core.all, `GET "${uri}", observed`);
    this.#now = core.memory.now;
    this.#uri = uri;
    this.#outline = outline;
    this.#options = { blockSize, confirmable, timeout, observe: true };
    this.#onSend = onSend;
    this.#watcher = watcher;
  }

  /** Ends it; the server is told, and nobody waits for its answer. */
  leave(): void {
    this.drop();
  }

  /**
   * Ends it and waits for what the server answers, as to a GET. Until then `fail` gives up.
   *
   * @throws {CoAPError} (the promise rejects) as `request` does, `not-observed` where it has not begun
   */
  farewell(options: DeregisterOptions): Promise<CoAPResponse> {
    if (this.deregister(options)) return (this.#farewell = Promise.withResolvers()).promise;
    this.drop();
    return Promise.reject(new CoAPError("not-observed", `Not observed: "${this.#uri}"`));
  }

  protected override send(route: Route): ExchangeId {
    refuseGroup(route);
    const { driver, flow } = route;
    const id = driver.request(flow, this.#outline, this.#options, this);
    this.#onSend?.({ token: driver.token(id)!, peer: flow });
    return id;
  }

  protected override take(event: Exclude<CallEvent, FailedEvent>): void {
    if (event.type !== "notification" && event.type !== "response") return;
    const { flow, message } = event;
    const observed = event.type === "notification";
    if (!observed) this.end();
    if (this.#farewell !== undefined) {
      if (!observed) this.#farewell.resolve(received(message, flow, this.#uri));
      return;
    }
    const standing = { isLatest: !observed || event.latest, observed, now: this.#now };
    this.#watcher.onState(new CoAPNotification(message, flow, this.#uri, standing));
  }

  protected override failed(reason: unknown): void {
    if (this.#farewell === undefined) this.#watcher.onFailed(reason);
    else this.#farewell.reject(reason);
  }
}

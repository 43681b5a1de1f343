/** Observations of a client: RFC 7641 section 3. @module */

import type { ExchangeId, FailedEvent, Outline, RequestOptions } from "../engine/types.ts";
import type { Message } from "../wire/message.ts";
import { Code } from "../wire/code.ts";
import { OptionNumber } from "../wire/option.ts";
import type { UriParts } from "../wire/uri.ts";
import type { Flow } from "../flow.ts";
import { Channel } from "./channel.ts";
import type { CallEvent } from "./driver.ts";
import { checkTimeout } from "./endpoint_options.ts";
import { methodCode, methodName } from "./methods.ts";
import { CoAPNotification } from "./notification.ts";
import { CoAPError } from "../errors.ts";
import { type CoAPRequestInit, isStream, makeOutline } from "./outgoing.ts";
import { type ClientCore, Pending } from "./pending.ts";
import { refuseGroup } from "./pending_request.ts";
import type { Memory } from "./recall.ts";
import { requestKey } from "./request_key.ts";
import type { Route } from "./sockets.ts";

/** How a resource is observed. */
export interface ObserveInit extends
  Pick<
    CoAPRequestInit,
    | "accept"
    | "blockSize"
    | "confirmable"
    | "contentFormat"
    | "etag"
    | "impatient"
    | "options"
    | "proxy"
    | "signal"
    | "timeout"
  > {
  /**
   * The method: FETCH observes what its payload selects (RFC 8132 section 2.4).
   *
   * @default {"GET"}
   */
  method?: "GET" | "FETCH";
  /**
   * The payload of a FETCH: bytes, which are not copied, or a string to be sent as UTF-8. With one that is larger than
   * `blockSize` the resource is registered for once: not again after Max-Age, and the server learns of the end by the
   * Reset to its next notification.
   */
  payload?: Uint8Array | string;
  /**
   * Yield also what arrives after a newer state, with `isLatest` false. Of what is too large for one message it holds
   * the first block alone.
   *
   * @default {false}
   */
  stale?: boolean;
}

/** Options that make no other observation of a request (RFC 7641 section 3.1). */
const SHARED: ReadonlySet<number> = new Set([OptionNumber.Observe]);

/** The observations of a client: one registration for each target, whoever wants it. */
export class Observations {
  readonly #client: ClientCore;
  readonly #shared = new Map<string, SharedObservation>();

  constructor(client: ClientCore) {
    this.#client = client;
  }

  /** Observes a resource from the first `next` on. */
  observe(uri: string | URL, init: ObserveInit): Channel<CoAPNotification> {
    const { signal, stale = false } = init;
    return new Channel<CoAPNotification>({
      signal,
      open: (channel) => {
        const shared = this.#find(String(uri), init);
        shared.join(channel, stale);
        return () => shared.leave(channel);
      },
      keep: keepNewest,
    });
  }

  #find(uri: string, init: ObserveInit): SharedObservation {
    const code = methodCode(init.method ?? "GET");
    if (code !== Code.GET && code !== Code.FETCH) {
      throw new TypeError(`Method must be GET or FETCH to observe: it is "${init.method}"`);
    }
    const parts = this.#client.destination(uri, init);
    const { blockSize, confirmable, impatient, timeout } = init;
    checkTimeout(timeout);
    const outline = makeOutline(code, parts, init);
    outline.options = outline.options?.filter(({ number }) => number !== OptionNumber.Observe);
    const key = requestKey(`${parts.scheme}//${parts.host}:${parts.port}`, outline, SHARED);
    const known = this.#shared.get(key);
    if (known !== undefined) return known;
    const shared = new SharedObservation(
      this.#client,
      { uri, what: `${methodName(code)} "${uri}", observed`, parts },
      outline,
      { blockSize, confirmable, impatient, timeout, observe: true },
      () => {
        if (this.#shared.get(key) === shared) this.#shared.delete(key);
      },
    );
    this.#shared.set(key, shared);
    this.#client.start(shared, parts);
    return shared;
  }
}

/** The newest state takes the place of any that nobody has read; a late one only that of another late one. */
function keepNewest(waiting: CoAPNotification[], state: CoAPNotification): void {
  if (state.isLatest || waiting[0]?.isLatest !== true) waiting[0] = state;
}

interface Target {
  readonly uri: string;
  readonly what: string;
  readonly parts: UriParts;
}

/** What another connection may do better. */
const PASSING: ReadonlySet<string> = new Set(["refused", "timeout", "transport"]);

/** One registration and all who want its states. */
class SharedObservation extends Pending {
  readonly #client: ClientCore;
  readonly #memory: Memory;
  readonly #target: Target;
  readonly #outline: Outline;
  readonly #options: RequestOptions;
  readonly #over: () => void;
  /** Each with whether it wants late states. */
  readonly #channels = new Map<Channel<CoAPNotification>, boolean>();
  #newest: CoAPNotification | undefined = undefined;
  #failure: { reason: unknown } | undefined = undefined;
  /** Attempts in a row to have another connection. */
  #attempts = 0;
  #restart: (() => void) | undefined = undefined;

  constructor(
    client: ClientCore,
    target: Target,
    outline: Outline,
    options: RequestOptions,
    over: () => void,
  ) {
    super(client.all, target.what);
    this.#client = client;
    this.#memory = client.memory;
    this.#target = target;
    this.#outline = outline;
    this.#options = options;
    this.#over = over;
  }

  join(channel: Channel<CoAPNotification>, stale: boolean): void {
    if (this.#failure !== undefined) return channel.fail(this.#failure.reason);
    this.#channels.set(channel, stale);
    if (this.#newest !== undefined) channel.push(this.#newest);
    if (this.ended) channel.end(); // it was answered without the network
  }

  /** The last one to leave deregisters. */
  leave(channel: Channel<CoAPNotification>): void {
    this.#channels.delete(channel);
    if (this.#channels.size === 0) this.drop();
  }

  protected override send(route: Route): ExchangeId | undefined {
    refuseGroup(route);
    const { driver, flow } = route;
    const { answer } = this.#memory.recall(
      this.#target.parts.scheme,
      flow,
      this.#outline,
      "reload",
    );
    if (answer === undefined) return driver.request(flow, this.#outline, this.#options, this);
    this.#yield(answer, flow, true, false);
    return undefined;
  }

  protected override take(event: Exclude<CallEvent, FailedEvent>): void {
    if (event.type !== "notification" && event.type !== "response") return;
    const { flow, message } = event;
    const latest = event.type === "response" || event.latest;
    const content = latest
      ? this.#memory.recall(this.#target.parts.scheme, flow, this.#outline, "reload").take(message)
      : message;
    this.#yield(content, flow, latest, event.type === "notification");
  }

  override fail(error: unknown): void {
    if (!this.#recovers(error)) super.fail(error);
  }

  /** Over a connection what was observed is registered for again on another one, when that is lost. */
  #recovers(error: unknown): boolean {
    const { parts } = this.#target;
    if (this.ended || !isStream(parts.scheme)) return false;
    if (!(error instanceof CoAPError && PASSING.has(error.reason))) return false;
    if (this.#newest === undefined && this.#attempts === 0) {
      // As of other requests: a connection that was there before may just have been closed.
      if (!this.reuses || error.reason !== "transport") return false;
      this.#attempts++;
      this.beginAgain();
      this.#client.start(this, parts);
      return true;
    }
    if (this.#newest?.observed !== true) return false;
    this.#restart = this.#client.restart(this, parts, ++this.#attempts);
    if (this.#restart === undefined) return false;
    this.beginAgain();
    return true;
  }

  #yield(
    content: Pick<Message, "code" | "options" | "payload">,
    flow: Flow,
    isLatest: boolean,
    observed: boolean,
  ): void {
    const { now } = this.#memory;
    const state = new CoAPNotification(content, flow, this.#target.uri, {
      isLatest,
      observed,
      now,
    });
    this.#attempts = 0;
    if (isLatest) this.#newest = state;
    if (!observed) this.end();
    for (const [channel, stale] of [...this.#channels]) {
      if (isLatest || stale) channel.push(state);
      if (!observed) channel.end();
    }
  }

  protected override failed(reason: unknown): void {
    this.#failure = { reason };
    for (const channel of [...this.#channels.keys()]) channel.fail(reason);
  }

  protected override end(): boolean {
    if (!super.end()) return false;
    this.#restart?.();
    this.#over();
    return true;
  }
}

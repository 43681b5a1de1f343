/** One observation of an origin server for all clients of a proxy: RFC 7641 section 5. @module */

import type { IdMap } from "../engine/id_map.ts";
import type { ExchangeId, FailedEvent, Outline, RequestOptions } from "../engine/types.ts";
import { Code, isSuccess } from "../wire/code.ts";
import { aged, maxAgeOf } from "./cache.ts";
import type { Clock, ClockTimer } from "./clock.ts";
import type { CallEvent } from "./driver.ts";
import type { IncomingRequest } from "./incoming_request.ts";
import { Pending } from "./pending.ts";
import type { ProxyHost } from "./proxy_host.ts";
import { failureOf, relayed, selected } from "./proxy_message.ts";
import type { Content } from "./response.ts";
import type { Route } from "./sockets.ts";

/** What to observe, and how. */
export interface ObservationPlan {
  /** Names the resource at the server that the proxy is mounted on. */
  readonly name: string;
  /** The request, without anything that only one of the clients has asked for. */
  readonly outline: Outline;
  readonly options: RequestOptions;
  /** Keeps a state for requests that do not observe, and gives it as clients are to have it. */
  readonly take: (content: Content) => Content;
  /** Calls back at the end. */
  readonly over: () => void;
}

/**
 * Sets an end to waiting. The engine counts from the first transmission: a request waits longer where many are sent to an
 * origin server that is silent.
 */
export function giveUp(pending: Pending, clock: Clock, timeout: number): ClockTimer {
  const expire = (): void => pending.cancel("timeout", "No response in time");
  const timer = clock.setTimer(expire, clock.now() + timeout);
  clock.unref?.(timer);
  return timer;
}

/** A request that registers and waits for the first state. */
interface Waiting {
  readonly request: IncomingRequest;
  answer(content: Content): void;
}

/** The origin server observes no more, though the resource is still there. */
const ENDED: Content = {
  code: Code.ServiceUnavailable,
  options: [],
  payload: new TextEncoder().encode("Origin server has ended the observation"),
};

/** Keeps a resource observed as long as clients observe it here. */
export class ProxyObservation extends Pending {
  readonly #host: ProxyHost;
  readonly #plan: ObservationPlan;
  /** Until the first state. */
  readonly #timer: ClockTimer;
  readonly #waiting = new Set<Waiting>();
  #newest: { readonly content: Content; readonly at: number } | undefined = undefined;

  constructor(all: IdMap<Pending>, host: ProxyHost, plan: ObservationPlan) {
    super(all, "Observation");
    this.#host = host;
    this.#plan = plan;
    this.#timer = giveUp(this, host.clock, plan.options.timeout!);
    host.watch(plan.name, () => this.#leave());
  }

  /** Whether the newest state is known and has outlived its Max-Age. */
  get isStale(): boolean {
    return this.#newest !== undefined && this.#fresh() === undefined;
  }

  /** Answers a request that registers, with the newest state or else with the first one to come. */
  join(request: IncomingRequest): Content | Promise<Content> {
    const state = this.#fresh();
    if (state !== undefined) return this.#register(request, state);
    return new Promise((answer) => this.#waiting.add({ request, answer }));
  }

  /** Answers a request that registers with a state that has come another way, unless there is a newer one. */
  register(request: IncomingRequest, state: Content): Content {
    return this.ended ? state : this.#register(request, this.#fresh() ?? state);
  }

  #register(request: IncomingRequest, state: Content): Content {
    const content = selected(state, request.options);
    this.#host.register(request, content, this.#plan.name);
    return content;
  }

  protected override send({ driver, flow }: Route): ExchangeId {
    return driver.request(flow, this.#plan.outline, this.#plan.options, this);
  }

  protected override take(event: Exclude<CallEvent, FailedEvent>): void {
    if (event.type === "notification" && event.latest) {
      this.#update(this.#plan.take(relayed(event.message)));
    }
    if (event.type === "response") {
      this.end();
      const content = this.#plan.take(relayed(event.message));
      this.#finish(content, isSuccess(content.code) ? ENDED : content);
    }
  }

  protected override failed(reason: unknown): void {
    const content = failureOf(reason);
    this.#finish(content, content);
  }

  #fresh(): Content | undefined {
    if (this.#newest === undefined) return undefined;
    const { content, at } = this.#newest;
    const age = this.#host.clock.now() - at;
    return age > maxAgeOf(content.options) * 1000 ? undefined : aged(content, age);
  }

  #update(content: Content): void {
    this.#host.clock.clearTimer(this.#timer);
    this.#newest = { content, at: this.#host.clock.now() };
    this.#host.notify(this.#plan.name, content);
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const { request, answer } of waiting) answer(this.#register(request, content));
    this.#leave(); // where a limit has let nobody register
  }

  /** The last one to leave deregisters. */
  #leave(): void {
    if (this.#waiting.size > 0 || this.#newest === undefined) return;
    if (!this.#host.isObserved(this.#plan.name) && this.drop()) this.#over();
  }

  #finish(last: Content, farewell: Content): void {
    this.#host.notify(this.#plan.name, farewell);
    for (const { answer } of this.#waiting) answer(last);
    this.#waiting.clear();
    this.#over();
  }

  #over(): void {
    this.#host.clock.clearTimer(this.#timer);
    this.#host.forget(this.#plan.name);
    this.#plan.over();
  }
}

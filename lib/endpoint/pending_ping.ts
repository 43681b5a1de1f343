/** A ping that waits for its answer: a Reset, or a Pong over a connection. @module */

import type { IdMap } from "../engine/id_map.ts";
import type { ExchangeId } from "../engine/types.ts";
import type { Clock, ClockTimer } from "./clock.ts";
import type { PingOptions } from "./endpoint_options.ts";
import { Pending } from "./pending.ts";
import { refuseGroup } from "./pending_request.ts";
import type { Route } from "./sockets.ts";

/** A ping without an outcome. */
export class PendingPing extends Pending {
  readonly #clock: Clock;
  readonly #timer: ClockTimer | undefined;
  readonly #resolve: () => void;
  readonly #reject: (reason: unknown) => void;

  constructor(
    all: IdMap<Pending>,
    what: string,
    clock: Clock,
    options: PingOptions,
    resolve: () => void,
    reject: (reason: unknown) => void,
  ) {
    super(all, what, options.signal);
    const { timeout = Infinity } = options;
    this.#clock = clock;
    this.#resolve = resolve;
    this.#reject = reject;
    this.#timer = timeout === Infinity ? undefined : clock.setTimer(
      () => this.cancel("timeout", `No answer within ${timeout} ms`),
      clock.now() + timeout,
    );
  }

  protected override send(route: Route): ExchangeId {
    refuseGroup(route);
    return route.driver.ping(route.flow, this);
  }

  /** There is nothing but that to take. */
  protected override take(): void {
    this.end();
    this.#resolve();
  }

  protected override failed(reason: unknown): void {
    this.#reject(reason);
  }

  protected override end(): boolean {
    if (!super.end()) return false;
    if (this.#timer !== undefined) this.#clock.clearTimer(this.#timer);
    return true;
  }
}

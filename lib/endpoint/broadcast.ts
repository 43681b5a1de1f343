/** The observers at all transports of a server as if they were at one. @module */

import type { NotifyOptions, Outline, Variant } from "../engine/types.ts";
import type { Driver } from "./driver.ts";

/** What notifies of states. */
export type Observed = Pick<Driver, "countObservers" | "forgetObservers" | "notify" | "observed">;

/** All drivers of a server. */
export class Broadcast implements Observed {
  readonly #drivers: readonly Driver[];

  constructor(drivers: readonly Driver[]) {
    this.#drivers = drivers;
  }

  observed(resource: string): Variant[] {
    return this.#drivers.flatMap((driver) => driver.observed(resource)); // no two have a kind in common
  }

  countObservers(resource: string): number {
    return this.#drivers.reduce((all, driver) => all + driver.countObservers(resource), 0);
  }

  notify(
    resource: string,
    variant: string | undefined,
    outline: Outline,
    options?: NotifyOptions,
  ): number {
    let count = 0;
    for (const driver of this.#drivers) count += driver.notify(resource, variant, outline, options);
    return count;
  }

  forgetObservers(): void {
    for (const driver of this.#drivers) driver.forgetObservers();
  }
}

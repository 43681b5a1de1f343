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
    const [first, ...others] = this.#drivers;
    const variants = first!.observed(resource);
    for (const driver of others) {
      for (const variant of driver.observed(resource)) {
        if (!variants.some(({ key }) => key === variant.key)) variants.push(variant);
      }
    }
    return variants;
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

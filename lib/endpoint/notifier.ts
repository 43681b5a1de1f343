/** States of observed resources on their way to the engine: RFC 7641 section 4. @module */

import type { Variant } from "../engine/types.ts";
import { OptionNumber, stringOptions } from "../wire/option.ts";
import { decomposeUri } from "../wire/uri.ts";
import type { Observed } from "./broadcast.ts";
import { composePath } from "./incoming_request.ts";
import { CoAPResponse } from "./response.ts";
import type { NotificationOptions, NotifyOptions } from "./serve_options.ts";

/** Computes the state that a kind of observers gets. Never throws or rejects. */
export type StateOf = (variant: Variant) => CoAPResponse | Promise<CoAPResponse>;

/** A change of a resource as it was told. */
interface Change {
  readonly response: CoAPResponse | undefined;
  readonly options: NotificationOptions;
}

/** A request that registers and is still at its handler. */
export interface Registration {
  readonly name: string;
  readonly query: readonly string[];
  /** The newest change meanwhile, which its response may not know. */
  missed: Change | undefined;
}

/** A state that a handler is working out. */
interface Run {
  /** A change that came meanwhile. */
  again: NotificationOptions | undefined;
  /** Whether a state was given meanwhile: what the handler works out is older. */
  outdated: boolean;
  done: Promise<number>;
}

/** Which observers are meant. */
interface Target {
  readonly name: string;
  readonly query: readonly string[] | undefined;
}

/** Notifies the observers of a server. */
export class Notifier {
  readonly #driver: Observed;
  readonly #defaults: NotificationOptions;
  readonly #stateOf: StateOf;
  readonly #registrations = new Set<Registration>();
  /** By resource and kind. */
  readonly #runs = new Map<string, Run>();

  /** @throws {RangeError} where an option is out of its range */
  constructor(driver: Observed, defaults: NotificationOptions, stateOf: StateOf) {
    this.#driver = driver;
    this.#defaults = check(defaults);
    this.#stateOf = stateOf;
  }

  /** A request that registers has gone to its handler, which takes its time. */
  begin(name: string, query: readonly string[]): Registration {
    const registration = { name, query, missed: undefined };
    this.#registrations.add(registration);
    return registration;
  }

  /** That request is answered, or never will be: it hears of what changed meanwhile. */
  end(registration: Registration): number | Promise<number> {
    this.#registrations.delete(registration);
    const { missed } = registration;
    return missed === undefined ? 0 : this.#tell(registration, missed);
  }

  /** Sends the state of a resource. Throws what the caller has got wrong. */
  notify(
    resource: string | URL,
    response: CoAPResponse | undefined,
    options: NotifyOptions,
  ): number | Promise<number> {
    if (response !== undefined && !(response instanceof CoAPResponse)) {
      throw new TypeError(`State must be a CoAPResponse: it is "${String(response)}"`);
    }
    const { exact, ...rest } = check(options);
    const target = parseTarget(resource, exact);
    const change = { response, options: { ...this.#defaults, ...definedOf(rest) } };
    for (const registration of this.#registrations) {
      const { name, query } = registration;
      if (name === target.name && matches(target, query)) registration.missed = change;
    }
    return this.#tell(target, change);
  }

  #tell(target: Target, { response, options }: Change): number | Promise<number> {
    const { name } = target;
    const counts: (number | Promise<number>)[] = [];
    for (const variant of this.#driver.observed(name)) {
      if (!matches(target, stringOptions(variant.request.options, OptionNumber.UriQuery))) continue;
      counts.push(
        response === undefined
          ? this.#compute(name, variant, options)
          : this.#give(name, variant.key, response, options),
      );
    }
    return counts.every((count) => typeof count === "number")
      ? sum(counts)
      : Promise.all(counts).then(sum);
  }

  #give(
    name: string,
    key: string,
    response: CoAPResponse,
    options: NotificationOptions,
  ): number {
    const run = this.#runs.get(`${name} ${key}`);
    if (run !== undefined) {
      run.outdated = true;
      run.again = undefined;
    }
    return this.#driver.notify(name, key, response, options);
  }

  #compute(
    name: string,
    variant: Variant,
    options: NotificationOptions,
  ): number | Promise<number> {
    const { key } = variant;
    const id = `${name} ${key}`;
    const running = this.#runs.get(id);
    if (running !== undefined) {
      running.again = options;
      return running.done;
    }
    const state = this.#stateOf(variant);
    if (state instanceof CoAPResponse) return this.#driver.notify(name, key, state, options);
    const run: Run = { again: undefined, outdated: false, done: Promise.resolve(0) };
    this.#runs.set(id, run);
    run.done = this.#follow(run, name, key, state, options);
    return run.done;
  }

  async #follow(
    run: Run,
    name: string,
    key: string,
    first: Promise<CoAPResponse>,
    options: NotificationOptions,
  ): Promise<number> {
    let count = 0;
    let state: CoAPResponse | Promise<CoAPResponse> | undefined = first;
    try {
      while (state !== undefined) {
        const response = await state;
        if (!run.outdated) count = this.#driver.notify(name, key, response, options);
        run.outdated = false;
        state = undefined;
        if (run.again !== undefined) {
          options = run.again;
          run.again = undefined;
          const variant = this.#driver.observed(name).find((other) => other.key === key);
          state = variant && this.#stateOf(variant);
        }
      }
    } finally {
      this.#runs.delete(`${name} ${key}`);
    }
    return count;
  }
}

function sum(counts: readonly (number | Promise<number>)[]): number {
  return (counts as number[]).reduce((all, count) => all + count, 0);
}

/** Which observers a path or URI means. */
function parseTarget(resource: string | URL, exact: boolean | undefined): Target {
  const text = String(resource);
  const { options } = decomposeUri(text.startsWith("/") ? `coap://localhost${text}` : text);
  const query = stringOptions(options, OptionNumber.UriQuery);
  return {
    name: composePath(stringOptions(options, OptionNumber.UriPath)),
    query: exact ?? query.length > 0 ? query : undefined,
  };
}

function matches({ query }: Target, other: readonly string[]): boolean {
  return query === undefined ||
    query.length === other.length && query.every((argument, index) => argument === other[index]);
}

/** @throws {RangeError} where an option is out of its range */
function check<T extends NotificationOptions>(options: T): T {
  const every = options.confirmableEvery;
  if (every !== undefined && !(every === Infinity || Number.isInteger(every) && every >= 1)) {
    throw new RangeError(`Every how many must be an integer of at least 1: it is "${every}"`);
  }
  return options;
}

/** What is given: undefined does not hide a default. */
function definedOf(options: NotificationOptions): NotificationOptions {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
}

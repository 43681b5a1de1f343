/** Listeners that may throw, and that may be waited for. @module */

/** What the listeners of one event did. */
export interface Outcome {
  /** What they threw. */
  readonly thrown: unknown[];
  /** What they returned and is still to settle. */
  readonly promises: PromiseLike<unknown>[];
}

/** A listener of whatever event. */
export type Listener = ((event: Event) => unknown) | { handleEvent(event: Event): unknown };

/**
 * Wraps each listener once. One that throws would end the process on all runtimes, whatever surrounds `dispatchEvent`;
 * and what a listener returns, an `EventTarget` drops.
 */
export class Listeners {
  readonly #wrappers: WeakMap<Listener, (event: Event) => void> = new WeakMap();
  readonly #stray: (error: unknown) => void;
  /** What becomes of the event that is being dispatched. */
  #outcome: Outcome | undefined = undefined;

  /** @param stray hears what listeners throw of events that somebody else dispatches */
  constructor(stray: (error: unknown) => void) {
    this.#stray = stray;
  }

  /** The wrapper of a listener, always the same. */
  wrap(listener: Listener): (event: Event) => void {
    let wrapper = this.#wrappers.get(listener);
    if (wrapper === undefined) {
      wrapper = (event) => this.#call(listener, event);
      this.#wrappers.set(listener, wrapper);
      // Node and Deno remove a listener whose signal is aborted by the overridden method.
      this.#wrappers.set(wrapper, wrapper);
    }
    return wrapper;
  }

  /** Runs a dispatch and tells what its listeners did. */
  collect(dispatch: () => void): Outcome {
    const outer = this.#outcome;
    const outcome = this.#outcome = { thrown: [], promises: [] };
    dispatch();
    this.#outcome = outer;
    return outcome;
  }

  #call(listener: Listener, event: Event): void {
    const outcome = this.#outcome;
    try {
      const result = typeof listener === "function"
        ? listener.call(event.currentTarget, event)
        : listener.handleEvent(event);
      if (!isPromise(result)) return;
      if (outcome === undefined) result.then(undefined, this.#stray);
      else outcome.promises.push(result);
    } catch (error) {
      if (outcome === undefined) this.#stray(error);
      else outcome.thrown.push(error);
    }
  }
}

function isPromise(value: unknown): value is PromiseLike<unknown> {
  return typeof (value as PromiseLike<unknown> | undefined)?.then === "function";
}

/** Values that come by themselves, as an async iterator. @module */

interface Reader<T> {
  resolve(result: IteratorResult<T, undefined>): void;
  reject(reason: unknown): void;
}

/** Whence a channel gets its values. */
export interface Source<T> {
  /** Given up, it ends the channel: `next` rejects with its reason. */
  readonly signal: AbortSignal | undefined;
  /** Somebody reads: from now on values may be pushed. Answers what to do when the channel is over, however it ended. */
  open(channel: Channel<T>): () => void;
  /** Puts a value among those that wait for a reader. */
  keep(waiting: T[], value: T): void;
}

/**
 * An iterator that opens its source on the first `next` and closes it at the end: by `break` or `return`, by its
 * signal, or by the source. Unlike a generator's, its `return` does not wait for the next value.
 */
export class Channel<T> implements AsyncIterableIterator<T, undefined> {
  readonly #source: Source<T>;
  readonly #waiting: T[] = [];
  readonly #readers: Reader<T>[] = [];
  #opened = false;
  #over = false;
  #failure: { reason: unknown } | undefined = undefined;
  #close: (() => void) | undefined = undefined;

  constructor(source: Source<T>) {
    this.#source = source;
  }

  /** The next value. */
  next(): Promise<IteratorResult<T, undefined>> {
    if (!this.#opened) this.#open();
    const value = this.#waiting.shift();
    if (value !== undefined) return Promise.resolve({ done: false, value });
    const failure = this.#failure;
    this.#failure = undefined;
    if (failure !== undefined) return Promise.reject(failure.reason);
    if (this.#over) return Promise.resolve({ done: true, value: undefined });
    return new Promise((resolve, reject) => this.#readers.push({ resolve, reject }));
  }

  /** Leaves: no more values are wanted. */
  return(): Promise<IteratorResult<T, undefined>> {
    this.#opened = true;
    this.#waiting.length = 0;
    this.#failure = undefined;
    this.end();
    return Promise.resolve({ done: true, value: undefined });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  /** A value came. */
  push(value: T): void {
    if (this.#over) return;
    const reader = this.#readers.shift();
    if (reader === undefined) this.#source.keep(this.#waiting, value);
    else reader.resolve({ done: false, value });
  }

  /** There are no more values; those that wait are still read. */
  end(): void {
    this.#finish((reader) => reader.resolve({ done: true, value: undefined }));
  }

  /** There are no more values for a reason, which one reader is told after the values that wait. */
  fail(reason: unknown): void {
    if (!this.#over && this.#readers.length === 0) this.#failure = { reason };
    this.#finish((reader, index) => {
      if (index === 0) reader.reject(reason);
      else reader.resolve({ done: true, value: undefined });
    });
  }

  /** @ignore The signal calls it. */
  handleEvent(): void {
    this.#waiting.length = 0;
    this.fail(this.#source.signal!.reason);
  }

  #open(): void {
    this.#opened = true;
    const { signal } = this.#source;
    if (signal?.aborted) return this.handleEvent();
    signal?.addEventListener("abort", this);
    try {
      this.#close = this.#source.open(this);
      if (this.#over) this.#close(); // it ended at once
    } catch (error) {
      this.fail(error);
    }
  }

  #finish(tell: (reader: Reader<T>, index: number) => void): void {
    if (this.#over) return;
    this.#over = true;
    this.#source.signal?.removeEventListener("abort", this);
    this.#readers.splice(0).forEach(tell);
    this.#close?.();
  }
}

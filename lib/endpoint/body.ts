/** Bodies as streams, with back-pressure. @module */

const EMPTY = new Uint8Array(0);

/** Who sends a body that comes from a stream. */
export interface Uploader {
  /** Takes the next bytes of it. */
  provide(bytes: Uint8Array, last: boolean): void;
  /** There is no more of it, because of an error. */
  fail(error: unknown): void;
}

/** A request's body: its source is read as fast as the server takes the blocks. */
export class Upload {
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;
  #ended = false;

  /** @throws {TypeError} where somebody else reads the stream */
  constructor(source: ReadableStream<Uint8Array>) {
    this.#reader = source.getReader();
  }

  /** Reads a chunk for the uploader. */
  next(uploader: Uploader): void {
    this.#reader.read().then(({ done, value }) => {
      if (this.#ended) return;
      if (done) this.#ended = true;
      else if (!(value instanceof Uint8Array)) {
        throw new TypeError(`Stream must give bytes: it gave "${String(value)}"`);
      }
      uploader.provide(value ?? EMPTY, done);
    }).catch((error) => {
      if (!this.#ended) uploader.fail(error);
    });
  }

  /** No more is wanted. */
  cancel(reason?: unknown): void {
    if (this.#ended) return;
    this.#ended = true;
    // What the source says to that helps nobody.
    this.#reader.cancel(reason).catch(() => {});
  }
}

/** A response's body: a block is asked for when somebody reads. */
export class DownloadStream {
  readonly stream: ReadableStream<Uint8Array>;
  #controller!: ReadableStreamDefaultController<Uint8Array>;
  #asked = false;

  /**
   * @param first the first block
   * @param ask asks for the next one
   * @param cancel ends the transfer
   */
  constructor(first: Uint8Array, ask: () => void, cancel: () => void) {
    this.stream = new ReadableStream<Uint8Array>({
      start: (controller) => {
        this.#controller = controller;
        controller.enqueue(first);
      },
      pull: () => {
        if (this.#asked) return;
        this.#asked = true;
        ask();
      },
      cancel,
    }, { highWaterMark: 0 });
  }

  /** The next block came. */
  push(bytes: Uint8Array, last: boolean): void {
    this.#asked = false;
    if (bytes.length > 0) this.#controller.enqueue(bytes);
    if (last) this.#controller.close();
  }

  fail(error: unknown): void {
    this.#controller.error(error);
  }
}

/** Bytes kept for a while, without an object for each of them. @module */

const PAGE = 65_536;

/**
 * Copies byte strings into pages. They are let go of in about the order in which they came, so that whole pages come
 * free; a page is counted as long as anything in it is in use.
 */
export class ReplyBytes {
  readonly #pages: Uint8Array[] = [];
  /** Strings in use, for each page. */
  readonly #used: number[] = [];
  readonly #free: number[] = [];
  #page = -1;
  #position = PAGE;

  /** Bytes of the pages in use. */
  get size(): number {
    return (this.#pages.length - this.#free.length) * PAGE;
  }

  /** Whether `length` more bytes need a further page. */
  needsPage(length: number): boolean {
    return this.#position + length > PAGE;
  }

  /** Copies bytes, at most a datagram's, and answers where they are. */
  put(bytes: Uint8Array): number {
    const { length } = bytes;
    if (this.needsPage(length)) this.#turn();
    const page = this.#pages[this.#page]!;
    const at = this.#position;
    if (length > 32) page.set(bytes, at);
    else for (let i = 0; i < length; i++) page[at + i] = bytes[i]!;
    this.#position += length;
    this.#used[this.#page]!++;
    return this.#page * PAGE + at;
  }

  /** A copy of what was put. */
  get(place: number, length: number): Uint8Array {
    const at = place % PAGE;
    return this.#pages[(place - at) / PAGE]!.slice(at, at + length);
  }

  /** Lets go of what was put. */
  drop(place: number): void {
    const page = Math.floor(place / PAGE);
    if (--this.#used[page]! > 0 || page === this.#page) return;
    this.#free.push(page);
  }

  /** Gives all memory back; nothing may be in use. */
  clear(): void {
    this.#pages.length = this.#used.length = this.#free.length = 0;
    this.#page = -1;
    this.#position = PAGE;
  }

  /** Begins a page: a free one, or the current one again where nothing in it is in use. */
  #turn(): void {
    if (this.#page >= 0 && this.#used[this.#page] === 0) this.#free.push(this.#page);
    let page = this.#free.pop();
    if (page === undefined) {
      page = this.#pages.push(new Uint8Array(PAGE)) - 1;
      this.#used.push(0);
    }
    this.#page = page;
    this.#position = 0;
  }
}

/** Message IDs leased to one peer (RFC 7252 section 4.4). @module */

const SEGMENTS = 64;
const SEGMENT_BITS = 10;

/**
 * Message IDs in sequence from a given start, none twice within its lifetime.
 *
 * The 65,536 IDs are counted in 64 segments; a segment is entered again only when the last ID leased from it is
 * free. That keeps 64 numbers a peer instead of 65,536, and frees an ID at most 1,023 leases late.
 */
export class MessageIds {
  #next: number;
  readonly #start: number;
  #freeAt: Float64Array | undefined;
  #until = 0;

  constructor(start: number) {
    this.#start = start & 0xffff;
    this.#next = 0;
  }

  /** When every ID leased so far is free again, ms. */
  get until(): number {
    return this.#until;
  }

  /** When the next ID can be leased: 0 or a time past means at once. */
  get availableAt(): number {
    if (this.#freeAt === undefined || (this.#next & ((1 << SEGMENT_BITS) - 1)) !== 0) return 0;
    return this.#freeAt[this.#next >> SEGMENT_BITS]!;
  }

  /** Whether the ID is certainly not in use at `now`. */
  isFree(id: number, now: number): boolean {
    if (this.#until <= now) return true;
    const segment = ((id - this.#start) & 0xffff) >> SEGMENT_BITS;
    return this.#freeAt === undefined ? segment > 0 : this.#freeAt[segment]! <= now;
  }

  /** Leases an ID until `until`, or answers -1 where none is free at `now`. */
  lease(now: number, until: number): number {
    if (this.availableAt > now) return -1;
    const segment = this.#next >> SEGMENT_BITS;
    if (segment > 0 && this.#freeAt === undefined) {
      // Most peers never leave the first segment.
      this.#freeAt = new Float64Array(SEGMENTS);
      this.#freeAt[0] = this.#until;
    }
    if (this.#freeAt !== undefined && until > this.#freeAt[segment]!) this.#freeAt[segment] = until;
    if (until > this.#until) this.#until = until;
    const id = (this.#start + this.#next) & 0xffff;
    this.#next = (this.#next + 1) & 0xffff;
    return id;
  }
}

/** What waits in the buffer of a socket while handlers block the process. @module */

/** Datagrams that such a buffer holds where its size is not known: Linux gives it 208 KiB. */
const BUFFER_SIZE = 212_992;
/** What a small datagram takes there, bytes. */
const PLACE = 768;
/** Datagrams that have to be slow: one may be the collector of garbage, or another process. */
const SLOW = 8;

/**
 * How long the datagram that was just read may have waited. No runtime tells when one arrived, but this is known: after a
 * turn that was not full nothing was left to read, and after as many datagrams as the buffer holds everything is newer
 * than the first of them. Where neither has happened for `maxWait`, and it is not one stall alone, a request may be that
 * late. Clients that wait for each response are never so many that turns stay full, unless they are dozens.
 */
export class Backlog {
  readonly #maxWait: number;
  #places = 0;
  /** Time that a datagram takes on average where a full buffer takes `maxWait`, ms. */
  #slowFrom = 0;
  /** When the last datagram was read or the turn ended, ms. */
  #last = 0;
  /** Whether the last turn left nothing to read. */
  #empty = true;
  /** The present run of datagrams: since when, how many, and how many of them took long. */
  #since = 0;
  #count = 0;
  #slow = 0;

  /** @param maxWait ms */
  constructor(maxWait: number) {
    this.#maxWait = maxWait;
    this.bufferSize = BUFFER_SIZE;
  }

  /** The size of the receive buffer, bytes, where it is known. */
  set bufferSize(bytes: number) {
    this.#places = Math.ceil(bytes / PLACE);
    this.#slowFrom = this.#maxWait / this.#places;
  }

  /** A datagram was read. */
  read(now: number): void {
    if (this.#count >= this.#places || this.#empty) {
      this.#since = now;
      this.#count = this.#slow = 0;
      this.#empty = false;
    } else if (now - this.#last > this.#slowFrom) this.#slow++;
    this.#last = now;
    this.#count++;
  }

  /** What was read is done; `more` where the buffer may not have been empty then. */
  turned(now: number, more: boolean): void {
    if (now - this.#last > this.#slowFrom) this.#slow++;
    this.#last = now;
    this.#empty = !more;
  }

  /** Whether what was read last may have waited too long. */
  get isLate(): boolean {
    return this.#slow >= SLOW && this.#last - this.#since > this.#maxWait;
  }
}

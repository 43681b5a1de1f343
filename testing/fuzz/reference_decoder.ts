/**
 * A second decoder of messages over UDP, written after RFC 7252 section 3 for nothing but to be compared with: it takes
 * its time, one small step after another.
 *
 * @module
 */

/** What a datagram says, values as plain lists of bytes. */
export interface ReferenceMessage {
  type: number;
  code: number;
  id: number;
  token: number[];
  options: [number: number, value: number[]][];
  payload: number[];
}

/** Reads bytes one after another. */
class Reader {
  readonly #rest: number[];

  constructor(bytes: Uint8Array) {
    this.#rest = [...bytes];
  }

  get isAtEnd(): boolean {
    return this.#rest.length === 0;
  }

  /** The next `count` bytes; throws where there are fewer. */
  take(count: number): number[] {
    if (this.#rest.length < count) throw new Error("It ends too early");
    return this.#rest.splice(0, count);
  }

  /** Everything that is left. */
  all(): number[] {
    return this.take(this.#rest.length);
  }

  number(count: number): number {
    return this.take(count).reduce((value, byte) => value * 256 + byte, 0);
  }

  /** A nibble of an option's head, with what extends it. */
  extended(nibble: number): number {
    if (nibble === 13) return this.number(1) + 13;
    if (nibble === 14) return this.number(2) + 269;
    if (nibble === 15) throw new Error("15 is reserved");
    return nibble;
  }
}

/** The message, or undefined where it is malformed. */
export function referenceDecode(bytes: Uint8Array): ReferenceMessage | undefined {
  try {
    const reader = new Reader(bytes);
    const first = reader.number(1);
    const [version, type, tokenLength] = [first >> 6, first >> 4 & 3, first & 15];
    if (version !== 1 || tokenLength > 8) return undefined;
    const code = reader.number(1);
    const id = reader.number(2);
    const message: ReferenceMessage = { type, code, id, token: [], options: [], payload: [] };
    if (code === 0) return tokenLength === 0 && reader.isAtEnd ? message : undefined;
    message.token = reader.take(tokenLength);
    let number = 0;
    while (!reader.isAtEnd) {
      const head = reader.number(1);
      if (head === 0xff) {
        if (reader.isAtEnd) return undefined;
        message.payload = reader.all();
        return message;
      }
      number += reader.extended(head >> 4);
      const length = reader.extended(head & 15);
      if (number > 65_535) return undefined;
      message.options.push([number, reader.take(length)]);
    }
    return message;
  } catch {
    return undefined;
  }
}

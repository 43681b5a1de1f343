/** A body put together from the blocks of responses: RFC 7959 section 2.4. @module */

import { isSuccess } from "../wire/code.ts";
import type { Message } from "../wire/message.ts";
import { findOption, type Option, OptionNumber, uintOption } from "../wire/option.ts";
import type { Outline } from "./types.ts";

/** What a response did to the body. */
export const Assembled = {
  /** The body is whole. */
  Whole: 0,
  /** More blocks are to be fetched. */
  More: 1,
  /** The block belongs to another representation. */
  Changed: 2,
  /** The block does not fit: `fault` says why. */
  Invalid: 3,
} as const;

/** What the numbers of BERT blocks count (RFC 8323 section 6), and the largest block otherwise, bytes. */
export const BERT_UNIT = 1024;

/** Bytes that a block number of an SZX counts; with SZX 7, BERT, a message has any number of them. */
export function blockSizeOf(szx: number): number {
  return Math.min(1 << (szx + 4), BERT_UNIT);
}

/** SZX of a block size that has been checked; above 1024 it is BERT. */
export function szxOf(size: number): number {
  return Math.min(27 - Math.clz32(size), 7);
}

/** The value of a Block option: NUM, M and SZX. */
export function blockValue(offset: number, more: boolean, size: number): number {
  return offset / Math.min(size, BERT_UNIT) * 16 + (more ? 8 : 0) + szxOf(size);
}

/** Whether the payload of a block that is not the last has no length that its SZX allows. */
export function isUneven(payload: Uint8Array, szx: number): boolean {
  const { length } = payload;
  return szx === 7 ? length === 0 || length % BERT_UNIT !== 0 : length !== blockSizeOf(szx);
}

/** The ETag of a response as text to compare, or undefined. */
export function etagOf(message: Message): string | undefined {
  const etag = findOption(message.options, OptionNumber.ETag);
  return etag === undefined ? undefined : String.fromCharCode(...etag.value);
}

/**
 * A body that grows block by block, in memory of its own: a view of a block would keep the whole datagram alive, which
 * can be many times as large.
 */
export class Body {
  /** Bytes put together so far. */
  length = 0;
  #memory: Uint8Array<ArrayBuffer>;

  constructor(first: Uint8Array) {
    this.#memory = new Uint8Array(Math.max(256, first.length * 2));
    this.append(first);
  }

  /** Bytes of memory in use. */
  get capacity(): number {
    return this.#memory.length;
  }

  append(bytes: Uint8Array): void {
    const length = this.length + bytes.length;
    if (length > this.#memory.length) {
      const larger = new Uint8Array(Math.max(length, this.#memory.length * 2));
      larger.set(this.bytes);
      this.#memory = larger;
    }
    this.#memory.set(bytes, this.length);
    this.length = length;
  }

  /** The bytes put together so far. */
  get bytes(): Uint8Array {
    return this.#memory.subarray(0, this.length);
  }
}

/** Takes blocks in order; never joins two representations. */
export class Assembly {
  /** The response that carries the options: the first, or an error on the way. */
  head: Message | undefined = undefined;
  /** Bytes received in order. */
  received = 0;
  /** Size of the blocks to ask for next. */
  size = 0;
  /** Why a block does not fit. */
  fault = "";
  readonly #limit: number;
  readonly #keep: boolean;
  readonly #preferred: number;
  readonly #bert: boolean;
  #etag: string | undefined = undefined;
  #body: Body | undefined = undefined;

  /**
   * @param limit bytes kept at most
   * @param keep whether the body is kept: not where it is handed on block by block
   * @param preferred largest blocks to ask for, bytes
   * @param bert whether SZX 7 has a meaning
   */
  constructor(limit: number, keep: boolean, preferred: number, bert: boolean) {
    this.#bert = bert;
    this.#limit = limit;
    this.#keep = keep;
    this.#preferred = preferred;
  }

  /** The total announced by Size2, where it was. */
  get total(): number | undefined {
    return this.head && uintOption(this.head.options, OptionNumber.Size2);
  }

  /** Takes the next response. */
  take(message: Message): number {
    const block = uintOption(message.options, OptionNumber.Block2);
    const first = this.head === undefined;
    const failed = !first && !isSuccess(message.code) && message.code !== this.head!.code;
    if (block === undefined || failed) {
      if (!first && isSuccess(message.code)) {
        return this.#invalid(`Response to the request for byte ${this.received} has no Block2`);
      }
      if (this.#keep && message.payload.length > this.#limit) return this.#tooLarge();
      this.head = message;
      this.#body = undefined;
      this.received = message.payload.length;
      return Assembled.Whole;
    }
    const szx = block & 7;
    const size = blockSizeOf(szx);
    const more = (block & 8) !== 0;
    const offset = (block >>> 4) * size;
    if (szx === 7 && !this.#bert) {
      return this.#invalid("Response has a Block2 with the reserved SZX 7");
    }
    if (!first && (etagOf(message) !== this.#etag || !this.#hasFormat(message))) {
      return Assembled.Changed;
    }
    if (offset !== this.received) {
      return this.#invalid(`Response has byte ${offset} on, asked was byte ${this.received} on`);
    }
    if (more && isUneven(message.payload, szx)) {
      return this.#invalid(`Block of ${size} bytes came with ${message.payload.length}`);
    }
    if (this.#keep && offset + message.payload.length > this.#limit) return this.#tooLarge();
    if (first) {
      this.head = message;
      this.#etag = etagOf(message);
    }
    this.size = szx === 7 ? this.#preferred : Math.min(size, this.#preferred);
    this.received += message.payload.length;
    if (this.#keep) {
      if (this.#body !== undefined) this.#body.append(message.payload);
      else if (more) this.#body = new Body(message.payload);
    }
    return more ? Assembled.More : Assembled.Whole;
  }

  /** Whether a block has the Content-Format of the body (RFC 7959 section 2.3); later blocks may leave it out. */
  #hasFormat({ options }: Message): boolean {
    const format = uintOption(options, OptionNumber.ContentFormat);
    return format === undefined ||
      format === uintOption(this.head!.options, OptionNumber.ContentFormat);
  }

  /** The response as if it had come in one: the head with the whole body, without its Block2. */
  whole(): Message {
    const head = this.head!;
    if (findOption(head.options, OptionNumber.Block2) === undefined) return head;
    return withBody(
      head,
      head.options.filter(({ number }) => number !== OptionNumber.Block2),
      this.#body === undefined ? head.payload : this.#body.bytes,
    );
  }

  #invalid(fault: string): number {
    this.fault = fault;
    return Assembled.Invalid;
  }

  #tooLarge(): number {
    return this.#invalid(`Body is larger than the limit bodyBytes of ${this.#limit} bytes`);
  }
}

/**
 * The outline with other options. Its fields are named, since the caller's object may have accessors, which a spread
 * leaves out.
 */
export function withOptions({ code, payload }: Outline, options: readonly Option[]): Outline {
  return { code, options, payload };
}

/** The message with other options and payload. */
export function withBody(
  message: Message,
  options: readonly Option[],
  payload: Uint8Array,
): Message {
  const { type, code, id, token } = message;
  return { type, code, id, token, options, payload, error: undefined };
}

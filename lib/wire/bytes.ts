/** Making and reading byte arrays quickly on both kinds of JavaScript engine. @module */

/**
 * Measured, ns: JavaScriptCore makes a small array in 5 and a view of one in 30. V8 makes a view in 20, but a new
 * array above 64 bytes takes 600 and more (in Deno every new array does). So V8 gets views of a slab.
 */
const JAVASCRIPT_CORE = "Bun" in globalThis;

/** A message that is kept for long keeps this much alive. Half of it would make messages of 90 bytes 15 % slower. */
const SLAB_SIZE = 16_384;

/** Up to here JavaScriptCore copies bytes faster than it makes a view. */
const COPY_LIMIT = 32;

/** Up to here characters joined one by one are faster than a `TextDecoder`. */
const SHORT_TEXT = 16;

let slab = new ArrayBuffer(SLAB_SIZE);
let slabUsed = 0;

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
const markDecoder = new TextDecoder();

/** No bytes. One for all, since nothing can be written to it. */
export const EMPTY_BYTES: Uint8Array<ArrayBuffer> = new Uint8Array(0);

/** An array of `length` bytes; its `buffer` may be larger and shared with others. */
export function allocate(length: number): Uint8Array<ArrayBuffer> {
  if (JAVASCRIPT_CORE || length > SLAB_SIZE / 4) return new Uint8Array(length);
  if (slabUsed + length > SLAB_SIZE) {
    slab = new ArrayBuffer(SLAB_SIZE);
    slabUsed = 0;
  }
  const bytes = new Uint8Array(slab, slabUsed, length);
  slabUsed = (slabUsed + length + 7) & ~7;
  return bytes;
}

/** The bytes from `start` to `end` as a plain `Uint8Array`, also where `bytes` is a subclass. */
export function view(bytes: Uint8Array, start: number, end: number): Uint8Array {
  const length = end - start;
  if (length === 0) return EMPTY_BYTES;
  if (JAVASCRIPT_CORE && length <= COPY_LIMIT) {
    const copy = new Uint8Array(length);
    for (let i = 0; i < length; i++) copy[i] = bytes[start + i]!;
    return copy;
  }
  return new Uint8Array(bytes.buffer, bytes.byteOffset + start, length);
}

/** Up to here a view of bytes costs more than to copy them one by one, on both engines. */
const LOOP_LIMIT = 64;

/** Writes the bytes of `source` from `start` to `end` to `target` and returns the position behind them. */
export function writeRange(
  target: Uint8Array,
  position: number,
  source: Uint8Array,
  start: number,
  end: number,
): number {
  const length = end - start;
  if (length > LOOP_LIMIT) target.set(source.subarray(start, end), position);
  else for (let i = 0; i < length; i++) target[position + i] = source[start + i]!;
  return position + length;
}

/** Writes `source` to `target` from `position` on and returns the position behind it. */
export function write(target: Uint8Array, position: number, source: Uint8Array): number {
  const length = source.length;
  if (length > 24) {
    target.set(source, position);
  } else {
    for (let i = 0; i < length; i++) target[position + i] = source[i]!;
  }
  return position + length;
}

/** UTF-8 of a string. */
export function encodeText(text: string): Uint8Array<ArrayBuffer> {
  const length = text.length;
  if (length === 0) return EMPTY_BYTES;
  if (length > 64) return encoder.encode(text);
  const bytes = allocate(length);
  for (let i = 0; i < length; i++) {
    const unit = text.charCodeAt(i);
    if (unit > 0x7f) return encoder.encode(text);
    bytes[i] = unit;
  }
  return bytes;
}

/** The string of UTF-8 bytes from `start` to `end`; U+FFFD stands for what is no UTF-8. */
export function decodeText(bytes: Uint8Array, start = 0, end: number = bytes.length): string {
  return shortText(bytes, start, end) ?? decoder.decode(view(bytes, start, end));
}

/** The string of a payload, as UTF-8 without a byte order mark; U+FFFD stands for what is no UTF-8. */
export function payloadText(payload: Uint8Array): string {
  return shortText(payload, 0, payload.length) ?? markDecoder.decode(payload);
}

/** The string of a few bytes of ASCII, undefined for others. */
function shortText(bytes: Uint8Array, start: number, end: number): string | undefined {
  const length = end - start;
  if (length > SHORT_TEXT) return undefined;
  const units = new Array<number>(length);
  for (let i = 0; i < length; i++) {
    const byte = bytes[start + i]!;
    if (byte > 0x7f) return undefined;
    units[i] = byte;
  }
  return String.fromCharCode.apply(null, units);
}

/** Bytes that `String.fromCharCode` takes at a time. */
const CHUNK = 8192;

/**
 * Bytes as a string of as many characters, equal for equal bytes alone. Made in one piece: where it is kept, one that
 * grew by a character at a time takes 32 bytes for each of them.
 */
export function bytesKey(bytes: Uint8Array): string {
  if (bytes.length <= CHUNK) return String.fromCharCode.apply(null, bytes as unknown as number[]);
  let key = "";
  for (let at = 0; at < bytes.length; at += CHUNK) key += bytesKey(bytes.subarray(at, at + CHUNK));
  return key;
}

/** Lower-case hexadecimal digits. */
export function toHex(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += (byte < 16 ? "0" : "") + byte.toString(16);
  return text;
}

/** Whether two arrays hold the same bytes. */
export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) {
    if (a[i] !== b[i]) return false;
  }
  return true;
}

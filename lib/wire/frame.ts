/**
 * Messages of reliable transports (RFC 8323): without type and message ID, over TCP and TLS with their length in front.
 *
 * Inside the library a message has no length, as over WebSockets: the length belongs to the stream, and only what cuts
 * streams into messages deals with it.
 *
 * @module
 */

import { writeRange } from "./bytes.ts";
import { decodeRest, malformed } from "./decode.ts";
import { encode } from "./encode.ts";
import {
  type CodecSettings,
  type Message,
  type MessageInit,
  MessageType,
} from "./message_format.ts";

/** How messages of reliable transports are read and written. */
export interface FrameSettings extends CodecSettings {
  /**
   * Whether a message has its length in front, as over TCP and TLS (RFC 8323 section 3.2). Over WebSockets it has none
   * (section 4.2).
   *
   * @default {true}
   */
  length?: boolean;
}

/** The lengths from which one, two and four bytes tell them. */
const ONE_BYTE = 13;
const TWO_BYTES = 269;
const FOUR_BYTES = 65_805;

/** Bytes in front of the code where `nibble` tells the length. */
function codeAt(nibble: number): number {
  return nibble < 13 ? 1 : nibble === 13 ? 2 : nibble === 14 ? 3 : 5;
}

/** Bytes between code and options: the token and the extension of its length; -1 where `bytes` end before that is known. */
function tokenSize(bytes: Uint8Array, nibble: number, start: number, end: number): number {
  if (nibble < 13) return nibble;
  if (nibble === 15) return 0; // reserved: it is no message, wherever it ends
  if (nibble === 13) return start < end ? 1 + bytes[start]! + 13 : -1;
  return start + 1 < end ? 2 + (bytes[start]! << 8 | bytes[start + 1]!) + 269 : -1;
}

/**
 * The size of the frame that begins at `start` of a stream, bytes, or -1 where those up to `end` do not tell it yet: eight
 * always do. It can be beyond 4 GiB; nothing of it need be there.
 *
 * @example Cut a stream into frames
 * ```ts
 * import { decodeFrame, frameSize } from "@x/coap/wire";
 *
 * const stream = Uint8Array.of(0x00, 0xe1, 0x01, 0xe2, 0x42); // a CSM and a Ping
 * for (let at = 0; at < stream.length;) {
 *   const size = frameSize(stream, at, stream.length);
 *   if (size < 0 || at + size > stream.length) break; // the rest is still to come
 *   console.log(decodeFrame(stream.subarray(at, at + size)).code); // 225, 226
 *   at += size;
 * }
 * ```
 */
export function frameSize(bytes: Uint8Array, start: number, end: number): number {
  if (start >= end) return -1;
  const nibble = bytes[start]! >> 4;
  const code = start + codeAt(nibble);
  if (code > end) return -1; // the length is not whole
  let length = nibble;
  if (nibble === 13) length = bytes[start + 1]! + ONE_BYTE;
  else if (nibble === 14) length = (bytes[start + 1]! << 8 | bytes[start + 2]!) + TWO_BYTES;
  else if (nibble === 15) {
    length = bytes[start + 1]! * 0x1000000 + FOUR_BYTES +
      (bytes[start + 2]! << 16 | bytes[start + 3]! << 8 | bytes[start + 4]!);
  }
  const token = tokenSize(bytes, bytes[start]! & 0x0f, code + 1, end);
  return token < 0 ? -1 : code - start + 1 + token + length;
}

/** The frame from `start` to `end` of a stream as a message without its length, in memory of its own. */
export function takeFrame(bytes: Uint8Array, start: number, end: number): Uint8Array {
  const first = bytes[start]!;
  const from = start + codeAt(first >> 4) - 1;
  const message = new Uint8Array(end - from);
  writeRange(message, 0, bytes, from, end);
  message[0] = first & 0x0f;
  return message;
}

/** The message of a frame that is not needed any more, in its memory. */
export function stripLength(frame: Uint8Array): Uint8Array {
  const first = frame[0]!;
  const from = codeAt(first >> 4) - 1;
  frame[from] = first & 0x0f;
  return frame.subarray(from);
}

/** Bytes from the options on of a message without length. */
function lengthOf(message: Uint8Array): number {
  const { length } = message;
  return length - 2 - tokenSize(message, message[0]!, 2, length);
}

/** Bytes that the length adds in front of a message without one. */
export function lengthSize(message: Uint8Array): number {
  const length = lengthOf(message);
  return length < ONE_BYTE ? 0 : length < TWO_BYTES ? 1 : length < FOUR_BYTES ? 2 : 4;
}

/**
 * Writes the first byte of a message's frame and its length to `target`; what follows is the message from its second
 * byte on. Answers the position behind them.
 */
export function writeLength(target: Uint8Array, position: number, message: Uint8Array): number {
  const length = lengthOf(message);
  const token = message[0]!;
  if (length < ONE_BYTE) {
    target[position++] = length << 4 | token;
  } else if (length < TWO_BYTES) {
    target[position++] = 0xd0 | token;
    target[position++] = length - ONE_BYTE;
  } else if (length < FOUR_BYTES) {
    target[position++] = 0xe0 | token;
    target[position++] = length - TWO_BYTES >> 8;
    target[position++] = length - TWO_BYTES;
  } else {
    const rest = length - FOUR_BYTES;
    target[position++] = 0xf0 | token;
    target[position++] = rest / 0x1000000;
    target[position++] = rest >> 16;
    target[position++] = rest >> 8;
    target[position++] = rest;
  }
  return position;
}

/** Writes the frame of a message without length to `target`. Answers the position behind it. */
export function writeFrame(target: Uint8Array, position: number, message: Uint8Array): number {
  const at = writeLength(target, position, message);
  return writeRange(target, at, message, 1, message.length);
}

/**
 * Makes a message without length of one that `encode` has written: type and message ID give way. Nothing is copied, the
 * datagram is gone.
 */
export function withoutLength(datagram: Uint8Array): Uint8Array {
  datagram[2] = datagram[0]! & 0x0f;
  datagram[3] = datagram[1]!;
  return datagram.subarray(2);
}

/**
 * Reads one frame. It never throws: a malformed one gives a message with an `error`. Type and message ID, which these
 * transports do not have, are Confirmable and 0.
 *
 * @param bytes one whole frame; the message refers to them, so they must not change while it is in use
 */
export function decodeFrame(bytes: Uint8Array, settings?: FrameSettings): Message {
  const end = bytes.length;
  const first = end > 0 ? bytes[0]! : 0;
  const code = settings?.length === false ? 1 : codeAt(first >> 4);
  if (code >= end) return malformed(MessageType.Confirmable, 0, 0, "too-short", 0);
  const size = settings?.length === false ? (first < 16 ? end : -1) : frameSize(bytes, 0, end);
  if (size !== end && (first & 0x0f) !== 15) {
    return malformed(MessageType.Confirmable, bytes[code]!, 0, "frame-length", 0);
  }
  return decodeRest(
    bytes,
    code + 1,
    first & 0x0f,
    MessageType.Confirmable,
    bytes[code]!,
    0,
    settings,
  );
}

/**
 * Writes one frame. Type and message ID do not matter.
 *
 * @example A Ping
 * ```ts
 * import { Code, encodeFrame } from "@x/coap/wire";
 *
 * console.log(encodeFrame({ code: Code.Ping, token: Uint8Array.of(0x42) })); // 01 e2 42
 * ```
 *
 * @throws {CoAPError} as `encode`
 */
export function encodeFrame(init: MessageInit, settings?: FrameSettings): Uint8Array<ArrayBuffer> {
  const { code, token, options, payload } = init;
  const message = withoutLength(encode({ code, token, options, payload }, settings));
  const extra = settings?.length === false ? 0 : lengthSize(message);
  const frame = new Uint8Array(message.length + extra);
  if (settings?.length === false) frame[0] = message[0]!;
  else writeLength(frame, 0, message);
  frame.set(message.subarray(1), 1 + extra);
  return frame;
}

/** Reading messages of UDP and DTLS (RFC 7252 section 3). @module */

import { EMPTY_BYTES, equalBytes, view, write } from "./bytes.ts";
import {
  type CodecSettings,
  type FormatError,
  type FormatErrorReason,
  type Message,
  MessageType,
  PAYLOAD_MARKER,
} from "./message_format.ts";
import type { Option } from "./option.ts";
import { OptionView } from "./option_view.ts";

const NO_OPTIONS: readonly Option[] = Object.freeze([]);

/** A message in its datagram. See {@linkcode OptionView} for why the fields are no `#private` ones. */
class DecodedMessage implements Message {
  readonly type: MessageType;
  readonly code: number;
  readonly id: number;
  readonly options: readonly Option[];
  readonly error: FormatError | undefined;
  readonly source: Uint8Array;
  readonly tokenStart: number;
  readonly tokenEnd: number;
  readonly payloadStart: number;
  private tokenView: Uint8Array | undefined;
  private payloadView: Uint8Array | undefined;

  constructor(
    source: Uint8Array,
    type: number,
    code: number,
    id: number,
    tokenStart: number,
    tokenEnd: number,
    options: readonly Option[],
    payloadStart: number,
    error: FormatError | undefined,
  ) {
    this.type = type as MessageType;
    this.code = code;
    this.id = id;
    this.options = options;
    this.error = error;
    this.source = source;
    this.tokenStart = tokenStart;
    this.tokenEnd = tokenEnd;
    this.payloadStart = payloadStart;
    this.tokenView = undefined;
    this.payloadView = undefined;
  }

  get token(): Uint8Array {
    return this.tokenView ??= view(this.source, this.tokenStart, this.tokenEnd);
  }

  get payload(): Uint8Array {
    return this.payloadView ??= view(this.source, this.payloadStart, this.source.length);
  }

  /** Printed as what it stands for, by console.log of all three runtimes. */
  [Symbol.for("nodejs.util.inspect.custom")](): Message {
    const { type, code, id, token, options, payload, error } = this;
    return { type, code, id, token, options, payload, error };
  }
}

/** Length of a message's token, bytes. */
export function tokenLength(message: Message): number {
  return message instanceof DecodedMessage
    ? message.tokenEnd - message.tokenStart
    : message.token.length;
}

/** Writes a message's token to `target` and returns the position behind it. No view of it is made for that. */
export function writeToken(target: Uint8Array, position: number, message: Message): number {
  if (!(message instanceof DecodedMessage)) return write(target, position, message.token);
  const source = message.source;
  const end = message.tokenEnd;
  let at = position;
  for (let i = message.tokenStart; i < end; i++) target[at++] = source[i]!;
  return at;
}

/** Whether a message has this token. */
export function hasToken(message: Message, token: Uint8Array): boolean {
  if (!(message instanceof DecodedMessage)) return equalBytes(message.token, token);
  const source = message.source;
  const start = message.tokenStart;
  if (message.tokenEnd - start !== token.length) return false;
  for (let i = 0; i < token.length; i++) if (source[start + i] !== token[i]) return false;
  return true;
}

/**
 * Reads a datagram. It never throws: a malformed one gives a message with an `error`.
 *
 * @example Read a request
 * ```ts
 * import { codeText, decode, OptionNumber, stringOptions } from "@x/coap/wire";
 *
 * const bytes = Uint8Array.of(0x41, 0x01, 0x7d, 0x35, 0x20, 0xb4, 0x74, 0x65, 0x6d, 0x70);
 * const message = decode(bytes);
 * if (message.error !== undefined) throw new Error(message.error.reason);
 * console.log(codeText(message.code), stringOptions(message.options, OptionNumber.UriPath)); // 0.01 [ "temp" ]
 * ```
 *
 * @param bytes one datagram; the message refers to them, so they must not change while it is in use
 */
export function decode(bytes: Uint8Array, settings?: CodecSettings): Message {
  const end = bytes.length;
  if (end < 4) return malformed(MessageType.Confirmable, 0, 0, "too-short", 0);
  const first = bytes[0]!;
  if (first >> 6 !== 1) return malformed(MessageType.Confirmable, 0, 0, "version", 0);
  const code = bytes[1]!;
  return decodeRest(
    bytes,
    4,
    first & 0x0f,
    first >> 4 & 3,
    code,
    bytes[2]! << 8 | bytes[3]!,
    settings,
  );
}

/**
 * Reads what follows the header: token, options, payload. The same over all transports.
 *
 * @param start where the token begins, or the extension of its length
 * @param tokenNibble the token length as the header has it
 */
export function decodeRest(
  bytes: Uint8Array,
  start: number,
  tokenNibble: number,
  type: number,
  code: number,
  id: number,
  settings: CodecSettings | undefined,
): Message {
  const end = bytes.length;
  let tokenLength = tokenNibble;
  let tokenStart = start;
  if (tokenLength > 8) {
    if (tokenLength === 15 || settings?.extendedTokens !== true) {
      return malformed(type, code, id, "token-length", 0);
    }
    if (code === 0) return malformed(type, code, id, "empty-message", end > start ? start : 0);
    if (tokenLength > 12) {
      tokenStart += tokenLength === 13 ? 1 : 2;
      if (tokenStart > end) return malformed(type, code, id, "token-truncated", start);
      tokenLength = tokenLength === 13
        ? bytes[start]! + 13
        : (bytes[start]! << 8 | bytes[start + 1]!) + 269;
    }
  }
  if (code === 0 && (end > start || tokenLength > 0)) {
    return malformed(type, code, id, "empty-message", end > start ? start : 0);
  }
  const tokenEnd = tokenStart + tokenLength;
  if (tokenEnd > end) return malformed(type, code, id, "token-truncated", start);

  // Few have more than four: an array that grows takes V8 longer than all else here, and 17 places.
  let first: OptionView | undefined;
  let second: OptionView | undefined;
  let third: OptionView | undefined;
  let fourth: OptionView | undefined;
  let options: Option[] | undefined;
  let payloadStart = end;
  let number = 0;
  let position = tokenEnd;
  while (position < end) {
    const at = position;
    const head = bytes[position++]!;
    if (head === PAYLOAD_MARKER) {
      if (position === end) return malformed(type, code, id, "payload-missing", at);
      payloadStart = position;
      break;
    }
    let delta = head >> 4;
    let length = head & 0x0f;
    if (delta > 12 || length > 12) {
      if (delta === 15) return malformed(type, code, id, "option-delta", at);
      if (length === 15) return malformed(type, code, id, "option-length", at);
      // 13 is followed by one byte, 14 by two.
      const extended = Math.max(delta - 12, 0) + Math.max(length - 12, 0);
      if (position + extended > end) {
        return malformed(type, code, id, "option-extension-truncated", at);
      }
      if (delta === 13) {
        delta = bytes[position++]! + 13;
      } else if (delta === 14) {
        delta = (bytes[position++]! << 8 | bytes[position++]!) + 269;
      }
      if (length === 13) {
        length = bytes[position++]! + 13;
      } else if (length === 14) {
        length = (bytes[position++]! << 8 | bytes[position++]!) + 269;
      }
    }
    number += delta;
    if (number > 0xffff) return malformed(type, code, id, "option-number", at);
    const valueEnd = position + length;
    if (valueEnd > end) return malformed(type, code, id, "option-value-truncated", at);
    const option = new OptionView(number, bytes, position, valueEnd);
    if (first === undefined) first = option;
    else if (second === undefined) second = option;
    else if (third === undefined) third = option;
    else if (fourth === undefined) fourth = option;
    else (options ??= [first, second, third, fourth]).push(option);
    position = valueEnd;
  }
  return new DecodedMessage(
    bytes,
    type,
    code,
    id,
    tokenStart,
    tokenEnd,
    options ?? few(first, second, third, fourth),
    payloadStart,
    undefined,
  );
}

/** An array of up to four options, no larger than that. */
function few(
  first: Option | undefined,
  second: Option | undefined,
  third: Option | undefined,
  fourth: Option | undefined,
): readonly Option[] {
  if (first === undefined) return NO_OPTIONS;
  if (second === undefined) return [first];
  if (third === undefined) return [first, second];
  return fourth === undefined ? [first, second, third] : [first, second, third, fourth];
}

/** A message with an error: nothing but its header is known, and not even that where it can not be told. */
export function malformed(
  type: number,
  code: number,
  id: number,
  reason: FormatErrorReason,
  offset: number,
): Message {
  return new DecodedMessage(EMPTY_BYTES, type, code, id, 0, 0, NO_OPTIONS, 0, { reason, offset });
}

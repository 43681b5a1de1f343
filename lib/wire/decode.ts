/** Reading messages of UDP and DTLS (RFC 7252 section 3). @module */

import { EMPTY_BYTES, view } from "./bytes.ts";
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
  private readonly source: Uint8Array;
  private readonly tokenStart: number;
  private readonly tokenEnd: number;
  private readonly payloadStart: number;
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
  if (end < 4) return malformed(bytes, "too-short", 0);
  const first = bytes[0]!;
  if (first >> 6 !== 1) return malformed(bytes, "version", 0);
  const code = bytes[1]!;
  let tokenLength = first & 0x0f;
  let tokenStart = 4;
  if (tokenLength > 8) {
    if (tokenLength === 15 || settings?.extendedTokens !== true) {
      return malformed(bytes, "token-length", 0);
    }
    if (code === 0) return malformed(bytes, "empty-message", end > 4 ? 4 : 0);
    if (tokenLength > 12) {
      tokenStart = tokenLength === 13 ? 5 : 6;
      if (tokenStart > end) return malformed(bytes, "token-truncated", 4);
      tokenLength = tokenLength === 13 ? bytes[4]! + 13 : (bytes[4]! << 8 | bytes[5]!) + 269;
    }
  }
  if (code === 0 && (end > 4 || tokenLength > 0)) {
    return malformed(bytes, "empty-message", end > 4 ? 4 : 0);
  }
  const tokenEnd = tokenStart + tokenLength;
  if (tokenEnd > end) return malformed(bytes, "token-truncated", 4);

  let options = NO_OPTIONS as Option[];
  let payloadStart = end;
  let number = 0;
  let position = tokenEnd;
  while (position < end) {
    const start = position;
    const head = bytes[position++]!;
    if (head === PAYLOAD_MARKER) {
      if (position === end) return malformed(bytes, "payload-missing", start);
      payloadStart = position;
      break;
    }
    let delta = head >> 4;
    let length = head & 0x0f;
    if (delta > 12 || length > 12) {
      if (delta === 15) return malformed(bytes, "option-delta", start);
      if (length === 15) return malformed(bytes, "option-length", start);
      // 13 is followed by one byte, 14 by two.
      const extended = Math.max(delta - 12, 0) + Math.max(length - 12, 0);
      if (position + extended > end) return malformed(bytes, "option-extension-truncated", start);
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
    if (number > 0xffff) return malformed(bytes, "option-number", start);
    const valueEnd = position + length;
    if (valueEnd > end) return malformed(bytes, "option-value-truncated", start);
    const option = new OptionView(number, bytes, position, valueEnd);
    if (options === NO_OPTIONS) options = [option];
    else options.push(option);
    position = valueEnd;
  }
  return new DecodedMessage(
    bytes,
    first >> 4 & 3,
    code,
    bytes[2]! << 8 | bytes[3]!,
    tokenStart,
    tokenEnd,
    options,
    payloadStart,
    undefined,
  );
}

function malformed(bytes: Uint8Array, reason: FormatErrorReason, offset: number): Message {
  const known = reason !== "too-short" && reason !== "version";
  return new DecodedMessage(
    EMPTY_BYTES,
    known ? bytes[0]! >> 4 & 3 : MessageType.Confirmable,
    known ? bytes[1]! : 0,
    known ? bytes[2]! << 8 | bytes[3]! : 0,
    0,
    0,
    NO_OPTIONS,
    0,
    { reason, offset },
  );
}

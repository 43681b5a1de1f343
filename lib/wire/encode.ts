/** Writing messages for UDP and DTLS (RFC 7252 section 3). @module */

import { CoAPError } from "../errors.ts";
import { allocate, EMPTY_BYTES, toHex, write } from "./bytes.ts";
import { codeText, isRequestCode } from "./code.ts";
import { tokenLength as tokenLengthOf, writeToken } from "./decode.ts";
import {
  type CodecSettings,
  type Message,
  type MessageInit,
  MessageType,
  PAYLOAD_MARKER,
} from "./message_format.ts";
import { lengthError, type Option, optionDefinition, optionName } from "./option.ts";

const NO_OPTIONS: readonly Option[] = Object.freeze([]);

/** The greatest length that two extension bytes can tell. */
const MAX_LENGTH = 65535 + 269;

/**
 * Writes a message: one pass for the size, one for the bytes.
 *
 * The result's `buffer` may be larger than the message and shared with others, as that of Node's `Buffer` is: do
 * not transfer it, and do not read it without `byteOffset` and `length`.
 *
 * @example A request
 * ```ts
 * import { Code, encode, makeOption, MessageType, OptionNumber } from "@x/coap/wire";
 *
 * const bytes = encode({
 *   type: MessageType.Confirmable,
 *   code: Code.GET,
 *   id: 0x7d35,
 *   token: Uint8Array.of(0x20),
 *   options: [makeOption(OptionNumber.UriPath, "temp")],
 * });
 * console.log(bytes.length); // 10
 * ```
 *
 * @throws {CoAPError} `invalid-option` for an option that may not be sent so, `invalid-code` for a code that does
 * not suit the type, `malformed-message` for a type, ID or token out of range and for an Empty message with
 * content
 */
export function encode(message: MessageInit, settings?: CodecSettings): Uint8Array<ArrayBuffer> {
  // Acknowledgements without a response are frequent, and by themselves small enough to be inlined.
  return message.code === 0 ? encodeEmpty(message) : encodeFull(message, settings);
}

function encodeEmpty(message: MessageInit): Uint8Array<ArrayBuffer> {
  const { type = MessageType.Confirmable, id = 0, token, options, payload } = message;
  if ((type & 3) !== type || (id & 0xffff) !== id || type === MessageType.NonConfirmable) {
    throw headerError(0, type, id);
  }
  if (
    token !== undefined && token.length > 0 || options !== undefined && options.length > 0 ||
    payload !== undefined && payload.length > 0
  ) throw emptyError(message);
  const bytes = allocate(4);
  writeHeader(bytes, type, 0, 0, id);
  return bytes;
}

/**
 * Writes a response with the token of its request.
 *
 * @throws {CoAPError} as `encode`
 */
export function encodeResponse(
  message: Omit<MessageInit, "token">,
  request: Message,
  settings?: CodecSettings,
): Uint8Array<ArrayBuffer> {
  return encodeFull(message, settings, request);
}

/** @param request whose token is meant, where it is another message's */
function encodeFull(
  message: MessageInit,
  settings?: CodecSettings,
  request?: Message,
): Uint8Array<ArrayBuffer> {
  const { code, type = MessageType.Confirmable, id = 0 } = message;
  if (
    (code & 0xff) !== code || (type & 3) !== type || (id & 0xffff) !== id ||
    type === MessageType.Reset
  ) {
    throw headerError(code, type, id);
  }
  const token = message.token ?? EMPTY_BYTES;
  const tokenLength = request === undefined ? token.length : tokenLengthOf(request);
  const payload = message.payload ?? EMPTY_BYTES;
  let options = message.options ?? NO_OPTIONS;
  const payloadLength = payload.length;
  if (tokenLength > 8 && !(settings?.extendedTokens && tokenLength <= MAX_LENGTH)) {
    throw tokenError(request?.token ?? token);
  }
  // Signalling messages have option numbers of their own (RFC 8323 section 5.2).
  const check = settings?.checkOptions !== false && code < 0xe0;
  let optionBytes = measure(options, code, check);
  if (optionBytes < 0) {
    options = [...options].sort((a, b) => a.number - b.number);
    optionBytes = measure(options, code, check);
  }
  const bytes = allocate(
    4 + tokenLength + extensionLength(tokenLength) + optionBytes +
      (payloadLength > 0 ? 1 + payloadLength : 0),
  );
  writeHeader(bytes, type, nibble(tokenLength), code, id);
  let position = 4;
  if (tokenLength > 0) {
    if (tokenLength > 12) position = writeExtension(bytes, position, tokenLength);
    position = request === undefined
      ? write(bytes, position, token)
      : writeToken(bytes, position, request);
  }
  position = writeOptions(bytes, position, options);
  if (payloadLength > 0) {
    bytes[position++] = PAYLOAD_MARKER;
    write(bytes, position, payload);
  }
  return bytes;
}

function writeHeader(
  bytes: Uint8Array,
  type: MessageType,
  tokenNibble: number,
  code: number,
  id: number,
): void {
  bytes[0] = 0x40 | type << 4 | tokenNibble;
  bytes[1] = code;
  bytes[2] = id >> 8;
  bytes[3] = id;
}

/** Size of the options, bytes, or -1 where they are not in order. Throws for one that may not be sent. */
function measure(options: readonly Option[], code: number, check: boolean): number {
  let size = 0;
  let previous = 0;
  for (let i = 0; i < options.length; i++) {
    const { number, value } = options[i]!;
    const length = value.length;
    const delta = number - previous;
    if ((number & 0xffff) !== number || length > MAX_LENGTH) throw rangeError(number, length);
    if (delta < 0) return -1;
    if (check) {
      const definition = optionDefinition(number);
      if (definition !== undefined) {
        if (length < definition.min || length > definition.max) {
          throw lengthError(definition, length, value);
        }
        const use = isRequestCode(code) ? definition.request : definition.response;
        if (use !== "repeatable" && (use === "never" || delta === 0 && i > 0)) {
          throw useError(code, number, value, use);
        }
      }
    }
    size += 1 + extensionLength(delta) + extensionLength(length) + length;
    previous = number;
  }
  return size;
}

function writeOptions(bytes: Uint8Array, start: number, options: readonly Option[]): number {
  let position = start;
  let previous = 0;
  for (let i = 0; i < options.length; i++) {
    const { number, value } = options[i]!;
    const length = value.length;
    const delta = number - previous;
    bytes[position++] = nibble(delta) << 4 | nibble(length);
    if (delta > 12) position = writeExtension(bytes, position, delta);
    if (length > 12) position = writeExtension(bytes, position, length);
    position = write(bytes, position, value);
    previous = number;
  }
  return position;
}

/** The four bits for a token length, an option delta or an option length. */
function nibble(value: number): number {
  return value < 13 ? value : value < 269 ? 13 : 14;
}

/** How many bytes follow those four bits. */
function extensionLength(value: number): number {
  return value < 13 ? 0 : value < 269 ? 1 : 2;
}

function writeExtension(bytes: Uint8Array, position: number, value: number): number {
  if (value < 269) {
    bytes[position] = value - 13;
    return position + 1;
  }
  bytes[position] = value - 269 >> 8;
  bytes[position + 1] = value - 269;
  return position + 2;
}

function headerError(code: number, type: number, id: number): CoAPError {
  if ((code & 0xff) !== code) {
    return new CoAPError("invalid-code", `Code must be 0 to 255: it is "${code}"`);
  }
  if ((type & 3) !== type) {
    return new CoAPError("malformed-message", `Message type must be 0 to 3: it is "${type}"`);
  }
  if ((id & 0xffff) !== id) {
    return new CoAPError("malformed-message", `Message ID must be 0 to 65535: it is "${id}"`);
  }
  return type === MessageType.Reset
    ? new CoAPError("invalid-code", `Reset must be Empty: its code is "${codeText(code)}"`)
    : new CoAPError(
      "invalid-code",
      'Non-confirmable message must not be Empty: its code is "0.00"',
    );
}

function tokenError(token: Uint8Array): CoAPError {
  const shown = `${toHex(token.subarray(0, 16))}${token.length > 16 ? "…" : ""}`;
  return new CoAPError(
    "malformed-message",
    `Token must have 0 to 8 bytes, or up to ${MAX_LENGTH} with extended tokens: ` +
      `"${shown}" has ${token.length}`,
  );
}

function emptyError({ token, options, payload }: MessageInit): CoAPError {
  const content = token?.length
    ? `token "${toHex(token.subarray(0, 16))}"`
    : options?.length
    ? `option "${optionName(options[0]!.number)}"`
    : `payload of "${payload?.length}" bytes`;
  return new CoAPError(
    "malformed-message",
    `Empty message must have no content: it has ${content}`,
  );
}

function rangeError(number: number, length: number): CoAPError {
  return (number & 0xffff) !== number
    ? new CoAPError("invalid-option", `Option number must be 0 to 65535: it is "${number}"`)
    : new CoAPError(
      "invalid-option",
      `Option value must have 0 to ${MAX_LENGTH} bytes: that of ${
        optionName(number)
      } has "${length}"`,
    );
}

function useError(
  code: number,
  number: number,
  value: Uint8Array,
  use: "never" | "once",
): CoAPError {
  const shown = toHex(value.subarray(0, 32));
  return new CoAPError(
    "invalid-option",
    use === "never"
      ? `${optionName(number)} must not be in a message with code ${
        codeText(code)
      }: it is "${shown}"`
      : `${optionName(number)} must occur once: its second value is "${shown}"`,
  );
}

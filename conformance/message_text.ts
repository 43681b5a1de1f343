/** Messages in words, for people. @module */

import {
  blockMore,
  blockNumber,
  blockSize,
  blockSzx,
  Code,
  codeName,
  codeText,
  contentCoding,
  decodeBlock,
  decodeUint,
  isCritical,
  isRequestCode,
  mediaType,
  type Message,
  MessageType,
  type Option,
  type OptionDefinition,
  optionDefinition,
  optionName,
  OptionNumber,
  signalingOption,
} from "../lib/wire/mod.ts";

/** The first code of signaling messages, 7.00. */
const SIGNALING = 0xe0;
const TYPES = ["CON", "NON", "ACK", "RST"] as const;

/** Everything that would move the cursor, hide or reorder text on a terminal. */
const UNPRINTABLE = /[\p{C}\p{Zl}\p{Zp}]/gu;
const BINARY = /[^\P{Cc}\t\r\n]/u;
const ESCAPES: Record<string, string> = { "\t": "\\t", "\r": "\\r", "\n": "\\n" };

const UTF8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** A text without anything that a terminal would obey. */
export function printable(text: string): string {
  return text.replaceAll(
    UNPRINTABLE,
    (found) => ESCAPES[found] ?? `\\u{${found.codePointAt(0)!.toString(16)}}`,
  );
}

/** Bytes in hexadecimal, such as `"0x1a2b"`; none as `"empty"`. */
export function hexText(bytes: Uint8Array): string {
  return bytes.length === 0 ? "empty" : `0x${hexOf(bytes)}`;
}

/** Bytes in hexadecimal without anything around them. */
export function hexOf(bytes: Uint8Array, separator = ""): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join(separator);
}

/** A message ID as the programs of this field write it, such as `"0x00ff"`. */
export function idText(id: number): string {
  return `0x${id.toString(16).padStart(4, "0")}`;
}

/**
 * Type, message ID, code and token of a message, such as `CON 0x1a2b GET · token 0x01`; over a connection there is
 * neither type nor message ID: `GET · token 0x01`.
 */
export function headText(message: Message, reliable = false): string {
  const { type, id, code, token } = message;
  const name = codeName(code);
  let what = name === undefined ? codeText(code) : `${codeText(code)} ${name}`;
  if (code === Code.Empty) what = "Empty";
  else if (isRequestCode(code) && name !== undefined) what = name;
  const head = reliable ? what : `${TYPES[type]} ${idText(id)} ${what}`;
  return token.length === 0 ? head : `${head} · token ${hexText(token)}`;
}

/**
 * The options of a message, those of one number together: `Uri-Path: "sensors" "temperature"`.
 *
 * @param code that of the message: those of signaling have options of their own
 */
export function optionTexts(options: readonly Option[], code: number = Code.Empty): string[] {
  const texts: string[] = [];
  let previous = -1;
  for (const { number, value } of options) {
    const signaling = code >= SIGNALING;
    const definition = signaling ? signalingOption(code, number) : optionDefinition(number);
    const text = valueText(number, value, definition);
    if (number === previous) {
      texts[texts.length - 1] += ` ${text}`;
    } else {
      const known = definition?.name ?? (signaling ? `Option ${number}` : optionName(number));
      const name = definition === undefined && isCritical(number) ? `critical ${known}` : known;
      texts.push(text === "" ? name : `${name}: ${text}`);
    }
    previous = number;
  }
  return texts;
}

/** Size and beginning of a payload, such as `4 bytes: "done"`; undefined where there is none. */
export function payloadText(payload: Uint8Array, atMost = 256): string | undefined {
  if (payload.length === 0) return undefined;
  const size = payload.length === 1 ? "1 byte" : `${payload.length} bytes`;
  const text = decodeText(payload);
  const shown = text === undefined
    ? hexOf(payload.subarray(0, atMost), " ")
    : quote(text.slice(0, atMost));
  return `${size}: ${shown}`;
}

/** Whether the message is a ping: an Empty message to be rejected with a Reset (RFC 7252 section 4.3). */
export function isPing(message: Message): boolean {
  return message.type === MessageType.Confirmable && message.code === Code.Empty;
}

/** The bytes as text, or undefined where they are no UTF-8 or hold control characters. */
function decodeText(bytes: Uint8Array): string | undefined {
  try {
    const text = UTF8.decode(bytes);
    return BINARY.test(text) ? undefined : text;
  } catch {
    return undefined;
  }
}

function quote(text: string): string {
  return `"${printable(text)}"`;
}

function valueText(
  number: number,
  value: Uint8Array,
  definition: Pick<OptionDefinition, "format" | "min" | "max"> | undefined,
): string {
  if (
    definition === undefined || definition.format === "opaque" ||
    value.length < definition.min || value.length > definition.max
  ) return hexText(value);
  if (definition.format === "empty") return "";
  if (definition.format === "string") {
    const text = decodeText(value);
    return text === undefined ? hexText(value) : quote(text);
  }
  const uint = decodeUint(value);
  switch (number) {
    case OptionNumber.ContentFormat:
    case OptionNumber.Accept:
      return contentCoding(uint) === undefined
        ? mediaType(uint) ?? String(uint)
        : `${mediaType(uint)} in ${contentCoding(uint)}`;
    case OptionNumber.Block1:
    case OptionNumber.Block2: {
      const block = decodeBlock(value);
      const szx = blockSzx(block);
      const size = szx === 7 ? "BERT" : `${blockSize(szx)} bytes`;
      return `number ${blockNumber(block)}, ${size}, ${blockMore(block) ? "more to come" : "last"}`;
    }
    case OptionNumber.MaxAge:
      return `${uint} s`;
    default:
      return String(uint);
  }
}

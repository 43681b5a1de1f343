/**
 * Messages as a line of text, as the figures of the RFCs write them:
 *
 * ```text
 * CON GET 0x7d34 token 20 /temperature ?unit=C Observe:0 Block2:2/1/64 ETag:0x61 65001:0x01 "payload"
 * ```
 *
 * Type, code, message ID and token come first and in this order, options and payload in any. `$name` in the place of
 * a message ID or token stands for a value seen before or, in a message that is compared, for one to remember; `_`
 * stands for any value, that of an option as well (`Observe:_`). `#00ff` is a payload in hexadecimal; `...` at the end leaves open what follows.
 *
 * @module
 */

import { Code, codeText } from "../lib/wire/code.ts";
import { encode, type Message, type MessageType } from "../lib/wire/message.ts";
import {
  encodeUint,
  type Option,
  type OptionDefinition,
  optionDefinition,
  optionName,
  OptionNumber,
} from "../lib/wire/option.ts";
import {
  blockMore,
  blockNumber,
  blockSize,
  blockSzx,
  decodeBlock,
  encodeBlock,
} from "../lib/wire/block_option.ts";

const TYPES = ["CON", "NON", "ACK", "RST"];
const METHODS = Object.entries(Code).filter(([, code]) => code > 0 && code < 0x20);
const UTF8 = new TextEncoder();
const NONE = new Uint8Array(0);

const DEFINITIONS = new Map<string, OptionDefinition>();
for (const number of Object.values(OptionNumber)) {
  const definition = optionDefinition(number)!;
  DEFINITIONS.set(definition.name, definition);
}

/** Values by the names that stand for them. */
export type Bindings = Map<string, number | Uint8Array>;

/** A line taken apart. */
export interface MessageLine {
  type: MessageType | undefined;
  code: number;
  /** A number, a name with its `$`, or `_`. */
  id: number | string | undefined;
  token: Uint8Array | string;
  options: Option[];
  /** Numbers of options that may have any value. */
  any: Set<number>;
  payload: Uint8Array;
  /** Ends with `...`. */
  open: boolean;
}

/** Bytes from hexadecimal digits. */
export function fromHex(hex: string): Uint8Array {
  if (!/^(?:[0-9a-f]{2})*$/i.test(hex)) throw new SyntaxError(`Not hexadecimal: "${hex}"`);
  const bytes = new Uint8Array(hex.length / 2);
  for (let i = 0; i < bytes.length; i++) bytes[i] = parseInt(hex.slice(2 * i, 2 * i + 2), 16);
  return bytes;
}

/** Hexadecimal digits of bytes. */
export function toHex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

// ---------------------------------------------------------------- from text

/** Takes a line apart; `payload` where the line names none. */
export function parseLine(text: string, payload: Uint8Array = NONE): MessageLine {
  const words = text.match(/[^\s"]*"(?:[^"\\]|\\.)*"|\S+/g) ?? [];
  const line: MessageLine = {
    type: undefined,
    code: 0,
    id: undefined,
    token: NONE,
    options: [],
    any: new Set(),
    payload,
    open: false,
  };
  let at = 0;
  if (TYPES.includes(words[0] ?? "")) line.type = TYPES.indexOf(words[at++]!) as MessageType;
  line.code = parseCodeWord(words[at++] ?? "");
  const id = words[at] ?? "";
  if (/^0x[0-9a-f]{4}$/i.test(id)) line.id = Number(id);
  else if (/^(?:\$.+|_)$/.test(id)) line.id = id;
  if (line.id !== undefined) at++;
  if (words[at] === "token") {
    const token = words[at + 1] ?? "";
    line.token = /^(?:\$.+|_)$/.test(token) ? token : fromHex(token);
    at += 2;
  }
  for (const word of words.slice(at)) {
    if (word === "...") line.open = true;
    else if (word.startsWith('"')) line.payload = UTF8.encode(JSON.parse(word));
    else if (word.startsWith("#")) line.payload = fromHex(word.slice(1));
    else if (word.startsWith("/")) addAll(line.options, OptionNumber.UriPath, word, "/");
    else if (word.startsWith("?")) addAll(line.options, OptionNumber.UriQuery, word, "&");
    else if (word.endsWith(":_")) {
      const option = parseOption(word.slice(0, -2));
      line.options.push(option);
      line.any.add(option.number);
    } else line.options.push(parseOption(word));
  }
  line.options.sort((a, b) => a.number - b.number);
  return line;
}

function parseCodeWord(word: string): number {
  if (word === "Empty") return Code.Empty;
  const method = METHODS.find(([name]) => name === word);
  if (method !== undefined) return method[1];
  const match = /^([0-7])\.(\d\d)$/.exec(word);
  if (match === null) throw new SyntaxError(`Not a code: "${word}"`);
  return Number(match[1]) << 5 | Number(match[2]);
}

function addAll(options: Option[], number: number, word: string, separator: string): void {
  for (const part of word.slice(1).split(separator)) {
    options.push({ number, value: UTF8.encode(part) });
  }
}

function parseOption(word: string): Option {
  const colon = word.indexOf(":");
  const name = colon < 0 ? word : word.slice(0, colon);
  let value = colon < 0 ? "" : word.slice(colon + 1);
  const definition = DEFINITIONS.get(name) ?? optionDefinition(Number(name));
  const number = definition?.number ?? Number(name);
  if (!Number.isInteger(number)) throw new SyntaxError(`Not an option: "${word}"`);
  if (value.startsWith("0x")) return { number, value: fromHex(value.slice(2)) };
  if (value.startsWith('"')) value = JSON.parse(value);
  if (definition?.format !== "uint") return { number, value: UTF8.encode(value) };
  const block = /^(\d+)\/([01])\/(\d+)$/.exec(value);
  if (block === null) return { number, value: encodeUint(Number(value)) };
  const szx = Math.log2(Number(block[3])) - 4;
  return { number, value: encodeBlock(Number(block[1]), block[2] === "1", szx) };
}

/** The bytes of a line, legal or not; names are replaced by their values. */
export function toBytes(line: MessageLine, bindings: Bindings): Uint8Array {
  const look = (name: string): number | Uint8Array => {
    const value = bindings.get(name);
    if (value === undefined) throw new SyntaxError(`Nothing is known as "${name}"`);
    return value;
  };
  const { type, code, options, payload } = line;
  const id = typeof line.id === "string" ? look(line.id) : line.id;
  const token = typeof line.token === "string" ? look(line.token) : line.token;
  if (type === undefined || typeof id !== "number" || typeof token === "number") {
    throw new SyntaxError("A message to send needs a type, a code, a message ID and its token");
  }
  const settings = { extendedTokens: true, checkOptions: false };
  const bytes = encode({ code: Code.GET, id, token, options, payload }, settings);
  bytes[0]! |= type << 4;
  bytes[1] = code;
  return bytes;
}

// ---------------------------------------------------------------- to text

function showBytes(bytes: Uint8Array, quote: boolean): string {
  const text = new TextDecoder("utf-8").decode(bytes);
  const plain = /^[\x20-\x7e]+$/.test(text);
  if (plain && (quote || /[\s"]/.test(text))) return JSON.stringify(text);
  return plain ? text : `0x${toHex(bytes)}`;
}

function showPayload(bytes: Uint8Array): string {
  if (bytes.length <= 64) {
    const text = showBytes(bytes, true);
    return text.startsWith("0x") ? `#${text.slice(2)}` : text;
  }
  let sum = 0x811c9dc5; // FNV-1a
  for (const byte of bytes) sum = Math.imul(sum ^ byte, 0x01000193) >>> 0;
  return `<${bytes.length} bytes of sum ${sum.toString(16).padStart(8, "0")}>`;
}

function showOption({ number, value }: Option): string {
  const definition = optionDefinition(number);
  const name = definition?.name ?? `${number}`;
  if (value.length === 0 && definition?.format !== "uint") return name;
  if (definition === undefined || definition.format === "opaque") {
    return `${name}:0x${toHex(value)}`;
  }
  if (definition.format !== "uint") return `${name}:${showBytes(value, false)}`;
  if (value.length > definition.max || value[0] === 0) return `${name}:0x${toHex(value)}`;
  const uint = decodeBlock(value);
  if (number !== OptionNumber.Block1 && number !== OptionNumber.Block2) return `${name}:${uint}`;
  return `${name}:${blockNumber(uint)}/${blockMore(uint) ? 1 : 0}/${blockSize(blockSzx(uint))}`;
}

function showContent(
  options: readonly Option[],
  payload: Uint8Array,
  any?: ReadonlySet<number>,
): string[] {
  const words: string[] = [];
  const collect = (number: number, start: string, separator: string): void => {
    const parts = options.filter((option) => option.number === number);
    if (parts.length === 0) return;
    const texts = parts.map(({ value }) => {
      const text = showBytes(value, false);
      return text.includes(separator) ? JSON.stringify(text) : text;
    });
    words.push(start + texts.join(separator));
  };
  for (const [i, option] of options.entries()) {
    const first = options[i - 1]?.number !== option.number;
    if (option.number === OptionNumber.UriPath) first && collect(option.number, "/", "/");
    else if (option.number === OptionNumber.UriQuery) first && collect(option.number, "?", "&");
    else if (any?.has(option.number)) words.push(`${optionName(option.number)}:_`);
    else words.push(showOption(option));
  }
  if (payload.length > 0) words.push(showPayload(payload));
  return words;
}

function showCode(code: number): string {
  if (code === 0) return "Empty";
  return METHODS.find(([, number]) => number === code)?.[0] ?? codeText(code);
}

function showHead(type: number | undefined, code: number, id: unknown, token: unknown): string[] {
  const words: string[] = [];
  if (type !== undefined) words.push(TYPES[type]!);
  words.push(showCode(code));
  if (typeof id === "number") words.push(`0x${id.toString(16).padStart(4, "0")}`);
  else if (typeof id === "string") words.push(id);
  if (typeof token === "string") words.push("token", token);
  else if (token instanceof Uint8Array && token.length > 0) words.push("token", toHex(token));
  return words;
}

/** A message as a line. */
export function showMessage({ type, code, id, token, options, payload, error }: Message): string {
  if (error !== undefined) return `malformed: ${error.reason} at ${error.offset}`;
  return [...showHead(type, code, id, token), ...showContent(options, payload)].join(" ");
}

/**
 * Compares a message with what a line says: undefined where it fits, else both as text. Names that had no value get
 * it from the message. What the line's head leaves out (type, message ID) is not compared.
 */
export function compare(
  message: Message,
  line: MessageLine,
  bindings: Bindings,
): { actual: string; expected: string } | undefined {
  const resolve = <T extends number | Uint8Array>(value: T | string, actual: T): T | string => {
    if (typeof value !== "string") return value;
    if (value === "_") return actual;
    const known = bindings.get(value);
    if (known !== undefined) return known as T;
    bindings.set(value, actual);
    return actual;
  };
  const headless = line.type === undefined && line.id === undefined;
  const type = line.type === undefined ? undefined : message.type;
  const id = line.id === undefined ? undefined : resolve(line.id, message.id);
  // A line about what the application sees does not speak of tokens, unless it does.
  const token = headless && line.token === NONE ? NONE : resolve(line.token, message.token);
  const expected = [
    ...showHead(line.type, line.code, id, token),
    ...showContent(line.options, line.payload, line.any),
  ].join(" ");
  const actual = message.error !== undefined ? showMessage(message) : [
    ...showHead(
      type,
      message.code,
      id === undefined ? undefined : message.id,
      headless && line.token === NONE ? NONE : message.token,
    ),
    ...showContent(message.options, message.payload, line.any),
  ].join(" ");
  const fits = actual === expected || (line.open && actual.startsWith(`${expected} `));
  return fits ? undefined : { actual, expected: line.open ? `${expected} ...` : expected };
}

/**
 * Datagrams as the suite writes and reads them. A codec of its own: the one under judgement is no witness.
 *
 * @module
 */

/** The types of messages, by their number on the wire (RFC 7252 section 3). */
export const TYPES: readonly TypeName[] = ["CON", "NON", "ACK", "RST"];

/** The type of a message. */
export type TypeName = "CON" | "NON" | "ACK" | "RST";

/** Numbers of the options that cases write and look for. */
export const Opt = {
  IfMatch: 1,
  UriHost: 3,
  ETag: 4,
  IfNoneMatch: 5,
  Observe: 6,
  UriPort: 7,
  LocationPath: 8,
  UriPath: 11,
  ContentFormat: 12,
  MaxAge: 14,
  UriQuery: 15,
  HopLimit: 16,
  Accept: 17,
  LocationQuery: 20,
  Block2: 23,
  Block1: 27,
  Size2: 28,
  ProxyUri: 35,
  ProxyScheme: 39,
  Size1: 60,
  Echo: 252,
  NoResponse: 258,
  RequestTag: 292,
} as const;

/** An option as it is given: bytes, text, or an unsigned integer in the fewest bytes. */
export type OptionSpec = readonly [number: number, value: Uint8Array | string | number];

/** A message as it is given. */
export interface DatagramSpec {
  /** The type. @default {"CON"} */
  type?: TypeName;
  /** Class and detail, such as `"0.01"`. @default {"0.00"} */
  code?: string;
  /** The message ID. */
  id: number;
  /** The token. @default none */
  token?: Uint8Array;
  /** In any order; those of one number keep theirs. */
  options?: readonly OptionSpec[];
  /** The payload. @default none */
  payload?: Uint8Array | string;
}

/** An option as it was read. */
export interface ParsedOption {
  /** Its number. */
  number: number;
  /** Its value. */
  value: Uint8Array;
}

/** A message as it was read. */
export interface Datagram {
  /** The type. */
  type: TypeName;
  /** Class and detail, such as `"2.05"`. */
  code: string;
  /** The message ID. */
  id: number;
  /** The token. */
  token: Uint8Array;
  /** The options, as they came. */
  options: ParsedOption[];
  /** The payload. */
  payload: Uint8Array;
  /** The whole datagram. */
  bytes: Uint8Array;
}

const UTF8 = new TextEncoder();
const TEXT = new TextDecoder();
const NONE = new Uint8Array(0);

/** The bytes of a text, or the bytes given. */
export function bytesOf(value: Uint8Array | string): Uint8Array {
  return typeof value === "string" ? UTF8.encode(value) : value;
}

/** Bytes as text. */
export function textOf(bytes: Uint8Array): string {
  return TEXT.decode(bytes);
}

/** Bytes of hexadecimal digits. */
export function fromHex(hex: string): Uint8Array {
  return Uint8Array.from(hex.match(/../g) ?? [], (digits) => parseInt(digits, 16));
}

/** Hexadecimal digits of bytes. */
export function toHex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** An unsigned integer in the fewest bytes (RFC 7252 section 3.2). */
export function uintBytes(value: number): Uint8Array {
  const bytes: number[] = [];
  for (let rest = value; rest > 0; rest = Math.floor(rest / 256)) bytes.unshift(rest % 256);
  return Uint8Array.from(bytes);
}

/** The unsigned integer in bytes. */
export function uintOf(bytes: Uint8Array): number {
  return bytes.reduce((sum, byte) => sum * 256 + byte, 0);
}

/** The code byte of `"c.dd"`. */
export function codeByte(code: string): number {
  const [major, detail] = code.split(".");
  return Number(major) * 32 + Number(detail);
}

/** `"c.dd"` of a code byte. */
export function codeOf(byte: number): string {
  return `${byte >> 5}.${String(byte & 31).padStart(2, "0")}`;
}

/** The bytes of a message. */
export function build(spec: DatagramSpec): Uint8Array {
  const { type = "CON", code = "0.00", id, token = NONE, options = [], payload = NONE } = spec;
  const out = [0x40 | TYPES.indexOf(type) << 4 | token.length, codeByte(code), id >> 8, id & 255];
  out.push(...token);
  return Uint8Array.from([...out, ...optionsAndPayload(options, payload)]);
}

/** Options and payload as all transports have them. */
export function optionsAndPayload(
  options: readonly OptionSpec[],
  payload: Uint8Array | string,
): number[] {
  const out: number[] = [];
  let previous = 0;
  for (const [number, given] of options.toSorted(([a], [b]) => a - b)) {
    const value = typeof given === "number" ? uintBytes(given) : bytesOf(given);
    const [delta, deltaBytes] = extend(number - previous);
    const [length, lengthBytes] = extend(value.length);
    out.push(delta << 4 | length, ...deltaBytes, ...lengthBytes, ...value);
    previous = number;
  }
  const body = bytesOf(payload);
  if (body.length > 0) {
    out.push(0xff);
    for (const byte of body) out.push(byte); // too many to be arguments
  }
  return out;
}

function extend(value: number): [nibble: number, bytes: number[]] {
  if (value < 13) return [value, []];
  if (value < 269) return [13, [value - 13]];
  return [14, [(value - 269) >> 8, (value - 269) & 255]];
}

/** Reads a message; the reason as a text where it is none (RFC 7252 section 3). */
export function parse(bytes: Uint8Array): Datagram | string {
  if (bytes.length < 4) return "shorter than 4 bytes";
  const first = bytes[0]!;
  if (first >> 6 !== 1) return `version ${first >> 6}`;
  const tkl = first & 15;
  if (tkl > 8) return `token length ${tkl}`;
  const at = 4 + tkl;
  if (at > bytes.length) return "token cut off";
  const message: Datagram = {
    type: TYPES[first >> 4 & 3]!,
    code: codeOf(bytes[1]!),
    id: bytes[2]! << 8 | bytes[3]!,
    token: bytes.slice(4, at),
    options: [],
    payload: NONE,
    bytes,
  };
  if (bytes[1] === 0 && bytes.length > 4) return "Empty message with something behind its header";
  return readRest(message, at) ?? message;
}

/** Reads options and payload into a message; answers why they are none. */
export function readRest(
  message: Pick<Datagram, "options" | "payload" | "bytes">,
  start: number,
): string | undefined {
  const { bytes } = message;
  let at = start;
  let number = 0;
  const extended = (nibble: number): number => {
    if (nibble < 13) return nibble;
    if (nibble === 13) return bytes[at++]! + 13;
    at += 2;
    return (bytes[at - 2]! << 8 | bytes[at - 1]!) + 269;
  };
  while (at < bytes.length) {
    const head = bytes[at++]!;
    if (head === 0xff) {
      message.payload = bytes.slice(at);
      return at === bytes.length ? "payload marker without payload" : undefined;
    }
    if (head >> 4 === 15 || (head & 15) === 15) return "option delta or length 15";
    number += extended(head >> 4);
    const length = extended(head & 15);
    if (!(at + length <= bytes.length)) return "option cut off";
    message.options.push({ number, value: bytes.slice(at, at + length) });
    at += length;
  }
  return undefined;
}

/** What has options. */
export type WithOptions = Pick<Datagram, "options">;

/** All values of an option. */
export function valuesOf(message: WithOptions, number: number): Uint8Array[] {
  return message.options.filter((option) => option.number === number).map(({ value }) => value);
}

/** The first value of an option. */
export function valueOf(message: WithOptions, number: number): Uint8Array | undefined {
  return message.options.find((option) => option.number === number)?.value;
}

/** The first value of an option as an unsigned integer. */
export function uintOption(message: WithOptions, number: number): number | undefined {
  const value = valueOf(message, number);
  return value === undefined ? undefined : uintOf(value);
}

/** A Block option (RFC 7959 section 2.2). */
export interface Block {
  number: number;
  more: boolean;
  /** Bytes in a block; 2048 stands for the reserved SZX 7. */
  size: number;
}

/** A Block option of a message. */
export function blockOf(message: WithOptions, number: number): Block | undefined {
  const value = uintOption(message, number);
  if (value === undefined) return undefined;
  return { number: value >> 4, more: (value & 8) !== 0, size: 16 << (value & 7) };
}

/** The value of a Block option. */
export function blockValue(number: number, more: boolean, size: number): number {
  return number * 16 + (more ? 8 : 0) + Math.log2(size) - 4;
}

/** The options of a path and query such as `"/a/b?c=1"`. */
export function pathOptions(path: string): OptionSpec[] {
  const [segments, query] = path.split("?");
  const options: OptionSpec[] = [];
  for (const segment of segments!.split("/").slice(1)) {
    if (segments !== "/") options.push([Opt.UriPath, segment]);
  }
  for (const argument of query?.split("&") ?? []) options.push([Opt.UriQuery, argument]);
  return options;
}

/** What can be said of bytes that are no well-formed message: `malformed CON` where the header can be trusted. */
export function malformedWords(bytes: Uint8Array): string {
  return bytes.length < 4 || bytes[0]! >> 6 !== 1
    ? "no message"
    : `malformed ${TYPES[bytes[0]! >> 4 & 3]}`;
}

/** A message in a few words, for people, then its bytes. */
export function describe(bytes: Uint8Array): string {
  const message = parse(bytes);
  const hex = bytes.length === 0 ? "nothing" : toHex(bytes.subarray(0, 96));
  const tail = bytes.length > 96 ? `… (${bytes.length} bytes)` : "";
  if (typeof message === "string") {
    return `${malformedWords(bytes)} (${message}): ${hex}${tail}`;
  }
  const { type, id } = message;
  return `${type} ${
    wordsOfMessage(message, `id ${id.toString(16).padStart(4, "0")} `)
  }: ${hex}${tail}`;
}

/** Code, token, options and the size of the payload in a few words. */
export function wordsOfMessage(
  { code, token, options, payload }: Omit<Datagram, "type" | "id">,
  between = "",
): string {
  const list = options.map(({ number, value }) => `${number}=${toHex(value.subarray(0, 16))}`);
  return `${code} ${between}token ${toHex(token) || "none"} options [${
    list.join(" ")
  }] payload ${payload.length}`;
}

/**
 * Messages of reliable transports (RFC 8323) as the suite writes and reads them: a codec of its own, as that of
 * datagrams.
 *
 * @module
 */

import {
  codeByte,
  codeOf,
  type Datagram,
  optionsAndPayload,
  type OptionSpec,
  readRest,
  toHex,
  wordsOfMessage,
} from "./datagram.ts";

/** A message as it was read. */
export type Frame = Omit<Datagram, "type" | "id">;

/** A message as it is given. */
export interface FrameSpec {
  /** Class and detail, such as `"0.01"`. @default {"0.00"} */
  code?: string;
  /** The token. @default none */
  token?: Uint8Array;
  /** In any order; those of one number keep theirs. */
  options?: readonly OptionSpec[];
  /** The payload. @default none */
  payload?: Uint8Array | string;
}

/** What tells where a message ends: its length in front (section 3.2), or the WebSocket's frame (section 4.2). */
export type Framing = "length" | "none";

/** Codes of signaling messages (section 5.1). */
export const Signal = {
  CSM: "7.01",
  Ping: "7.02",
  Pong: "7.03",
  Release: "7.04",
  Abort: "7.05",
} as const;

/** Numbers of options of signaling messages, each with the code that it belongs to (section 5). */
export const SignalOpt = {
  /** Of a CSM. */
  MaxMessageSize: 2,
  /** Of a CSM. */
  BlockWiseTransfer: 4,
  /** Of Ping and Pong. */
  Custody: 2,
  /** Of a Release. */
  HoldOff: 4,
  /** Of an Abort. */
  BadCSMOption: 2,
} as const;

const NONE = new Uint8Array(0);

/** The bytes of a message. */
export function buildFrame(spec: FrameSpec, framing: Framing = "length"): Uint8Array {
  const { code = "0.00", token = NONE, options = [], payload = NONE } = spec;
  const rest = optionsAndPayload(options, payload);
  const [nibble, length] = framing === "none" ? [0, []] : lengthOf(rest.length);
  return Uint8Array.from([
    nibble << 4 | token.length,
    ...length,
    codeByte(code),
    ...token,
    ...rest,
  ]);
}

/** Len and Extended Length. */
function lengthOf(size: number): [nibble: number, extended: number[]] {
  if (size < 13) return [size, []];
  if (size < 269) return [13, [size - 13]];
  if (size < 65_805) return [14, [(size - 269) >> 8, (size - 269) & 255]];
  const rest = size - 65_805;
  return [15, [rest >>> 24, rest >> 16 & 255, rest >> 8 & 255, rest & 255]];
}

/** The code's place and the size of the message that begins with `bytes`; undefined where they do not tell it yet. */
function measure(bytes: Uint8Array): { codeAt: number; size: number } | undefined {
  if (bytes.length === 0) return undefined;
  const nibble = bytes[0]! >> 4;
  const extended = nibble < 13 ? 0 : nibble === 13 ? 1 : nibble === 14 ? 2 : 4;
  if (bytes.length < 1 + extended) return undefined;
  let length = nibble;
  if (extended > 0) {
    length = bytes.subarray(1, 1 + extended).reduce((sum, byte) => sum * 256 + byte, 0);
    length += nibble === 13 ? 13 : nibble === 14 ? 269 : 65_805;
  }
  return { codeAt: 1 + extended, size: 2 + extended + (bytes[0]! & 15) + length };
}

/** Reads a whole message; the reason as a text where it is none. */
export function parseFrame(bytes: Uint8Array, framing: Framing = "length"): Frame | string {
  const tkl = (bytes[0] ?? 0) & 15;
  if (tkl > 8) return `token length ${tkl}`;
  const measured = measure(bytes);
  let codeAt = 1;
  if (framing === "none") {
    if (bytes.length < 2) return "shorter than 2 bytes";
    if (bytes[0]! >> 4 !== 0) return `Len ${bytes[0]! >> 4} over a WebSocket`;
  } else {
    if (measured === undefined || bytes.length < measured.size) {
      return measured === undefined ? "cut off" : `cut off: ${measured.size} bytes announced`;
    }
    codeAt = measured.codeAt;
  }
  const at = codeAt + 1 + tkl;
  if (at > bytes.length) return "token cut off";
  const frame: Frame = {
    code: codeOf(bytes[codeAt]!),
    token: bytes.slice(codeAt + 1, at),
    options: [],
    payload: NONE,
    bytes,
  };
  return readRest(frame, at) ?? frame;
}

/** Cuts one direction of a connection into messages. */
export class Cutter {
  readonly #framing: Framing;
  #bytes: Uint8Array = NONE;

  /** Begins with nothing. */
  constructor(framing: Framing) {
    this.#framing = framing;
  }

  /** Takes bytes, and gives the messages that are whole now. */
  cut(bytes: Uint8Array): Uint8Array[] {
    if (this.#framing === "none") return [bytes.slice()];
    const all = new Uint8Array(this.#bytes.length + bytes.length);
    all.set(this.#bytes);
    all.set(bytes, this.#bytes.length);
    const messages: Uint8Array[] = [];
    let at = 0;
    for (;;) {
      const size = measure(all.subarray(at))?.size ?? Infinity;
      if (at + size > all.length) break;
      messages.push(all.slice(at, at + size));
      at += size;
    }
    this.#bytes = all.slice(at);
    return messages;
  }

  /** What is no whole message, and is given up. */
  rest(): Uint8Array {
    const bytes = this.#bytes;
    this.#bytes = NONE;
    return bytes;
  }
}

/** A message in a few words, for people, then its bytes. */
export function describeFrame(bytes: Uint8Array, framing: Framing = "length"): string {
  const frame = parseFrame(bytes, framing);
  const hex = bytes.length === 0 ? "nothing" : toHex(bytes.subarray(0, 96));
  const tail = bytes.length > 96 ? `… (${bytes.length} bytes)` : "";
  if (typeof frame === "string") return `no message (${frame}): ${hex}${tail}`;
  return `${wordsOfMessage(frame)}: ${hex}${tail}`;
}

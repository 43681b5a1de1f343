/** The datagrams of a case in words. @module */

import { codeName } from "../lib/wire/mod.ts";
import {
  codeByte,
  describe,
  malformedWords,
  parse,
  type ParsedOption,
  textOf,
  toHex,
  uintOf,
} from "./datagram.ts";
import { describeFrame, type Framing, parseFrame } from "./frame.ts";
import { hexText, optionTexts, payloadText, printable } from "./message_text.ts";
import type { TraceDatagram } from "./probe.ts";

/** One datagram in words. */
export interface DatagramText {
  /** Type, code, name, message ID and token. */
  head: string;
  /** Options and payload, one each. */
  details: string[];
  /** Whether it is a well-formed message. */
  isMessage: boolean;
}

/** Options of signaling messages (RFC 8323 section 5): their names, and whether they hold a number. */
const SIGNALS: Readonly<Record<string, Record<number, readonly [name: string, isUint?: boolean]>>> =
  {
    "7.01": {
      2: ["Max-Message-Size", true],
      4: ["Block-Wise-Transfer"],
      6: ["Extended-Token-Length", true],
    },
    "7.02": { 2: ["Custody"] },
    "7.03": { 2: ["Custody"] },
    "7.04": { 2: ["Alternative-Address"], 4: ["Hold-Off", true] },
    "7.05": { 2: ["Bad-CSM-Option", true] },
  };

/** Says what a datagram is. */
export function wordsOf(datagram: TraceDatagram): DatagramText {
  const { bytes, framing, event } = datagram;
  if (event === "closed") return { head: "closes the connection", details: [], isMessage: true };
  if (framing !== undefined) return wordsOfFrame(bytes, framing);
  const message = parse(bytes);
  if (typeof message === "string") return noMessage(bytes, malformedWords(bytes), message);
  const { type, code, id, token, options } = message;
  const name = code === "0.00" ? "Empty" : codeName(codeByte(code)) ?? "";
  const words = [type, code === "0.00" ? "" : code, name, `id ${id.toString(16).padStart(4, "0")}`];
  return inWords([...words, ...tokenWords(token)], optionTexts(options), message.payload);
}

function wordsOfFrame(bytes: Uint8Array, framing: Framing): DatagramText {
  const frame = parseFrame(bytes, framing);
  if (typeof frame === "string") return noMessage(bytes, "no message", frame);
  const { code, token, options, payload } = frame;
  const name = code === "0.00" ? "Empty" : codeName(codeByte(code)) ?? "";
  const details = code.startsWith("7.")
    ? options.map((option) => signalText(code, option))
    : optionTexts(options);
  return inWords([code, name, ...tokenWords(token)], details, payload);
}

function signalText(code: string, { number, value }: ParsedOption): string {
  const [name, isUint] = SIGNALS[code]?.[number] ?? [];
  if (name === undefined) {
    return `${number % 2 === 1 ? "critical " : ""}option ${number}: ${hexText(value)}`;
  }
  if (value.length === 0 && !isUint) return name;
  return `${name}: ${isUint ? uintOf(value) : printable(textOf(value))}`;
}

function tokenWords(token: Uint8Array): string[] {
  return token.length === 0 ? [] : [`token ${toHex(token)}`];
}

function inWords(words: string[], options: string[], payload: Uint8Array): DatagramText {
  const body = payloadText(payload, 64);
  return {
    head: words.filter((word) => word !== "").join(" "),
    details: body === undefined ? options : [...options, body],
    isMessage: true,
  };
}

function noMessage(bytes: Uint8Array, what: string, reason: string): DatagramText {
  return {
    head: `${what}: ${reason}`,
    details: [`${bytes.length} bytes: ${shortHex(bytes)}`],
    isMessage: false,
  };
}

/** Hexadecimal digits, the middle of many left out. */
function shortHex(bytes: Uint8Array): string {
  return bytes.length <= 64 ? toHex(bytes) : `${toHex(bytes.subarray(0, 64))}…`;
}

/** A datagram with its time and direction on one line. */
export function lineOf({ time, direction, socket, bytes, framing, event }: TraceDatagram): string {
  const arrow = direction === "sent" ? "→" : "←";
  const one = framing === undefined ? "endpoint" : "connection";
  const from = socket === 0 ? "" : ` (${one} ${socket + 1})`;
  const words = event === "closed"
    ? "closes the connection"
    : framing === undefined
    ? describe(bytes)
    : describeFrame(bytes, framing);
  return `${(time / 1000).toFixed(3).padStart(8)} s ${arrow} ${words}${from}`;
}

/** More than this is not shown: the JSON report has everything. */
export const MOST_SHOWN = 60;

/** An exchange, a line for each datagram. */
export function linesOf(exchange: readonly TraceDatagram[]): string[] {
  const lines = exchange.slice(0, MOST_SHOWN).map(lineOf);
  const rest = exchange.length - MOST_SHOWN;
  return rest > 0 ? [...lines, `and ${rest} more`] : lines;
}

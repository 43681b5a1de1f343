/** The datagrams of a case in words. @module */

import { codeName } from "../lib/wire/mod.ts";
import { codeByte, describe, malformedWords, parse, toHex } from "./datagram.ts";
import { optionTexts, payloadText } from "./message_text.ts";
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

/** Says what a datagram is. */
export function wordsOf(bytes: Uint8Array): DatagramText {
  const message = parse(bytes);
  if (typeof message === "string") {
    return {
      head: `${malformedWords(bytes)}: ${message}`,
      details: [`${bytes.length} bytes: ${shortHex(bytes)}`],
      isMessage: false,
    };
  }
  const { type, code, id, token, options, payload } = message;
  const name = code === "0.00" ? "Empty" : codeName(codeByte(code)) ?? "";
  const words = [type, code === "0.00" ? "" : code, name, `id ${id.toString(16).padStart(4, "0")}`];
  if (token.length > 0) words.push(`token ${toHex(token)}`);
  const body = payloadText(payload, 64);
  return {
    head: words.filter((word) => word !== "").join(" "),
    details: body === undefined ? optionTexts(options) : [...optionTexts(options), body],
    isMessage: true,
  };
}

/** Hexadecimal digits, the middle of many left out. */
export function shortHex(bytes: Uint8Array): string {
  return bytes.length <= 64 ? toHex(bytes) : `${toHex(bytes.subarray(0, 64))}…`;
}

/** A datagram with its time and direction on one line. */
export function lineOf({ time, direction, socket, bytes }: TraceDatagram): string {
  const arrow = direction === "sent" ? "→" : "←";
  const from = socket === 0 ? "" : ` (endpoint ${socket + 1})`;
  return `${(time / 1000).toFixed(3).padStart(8)} s ${arrow} ${describe(bytes)}${from}`;
}

/** More than this is not shown: the JSON report has everything. */
export const MOST_SHOWN = 60;

/** An exchange, a line for each datagram. */
export function linesOf(exchange: readonly TraceDatagram[]): string[] {
  const lines = exchange.slice(0, MOST_SHOWN).map(lineOf);
  const rest = exchange.length - MOST_SHOWN;
  return rest > 0 ? [...lines, `and ${rest} more`] : lines;
}

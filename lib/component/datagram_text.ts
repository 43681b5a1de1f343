/** Datagrams as lines of a log. @module */

import type { RawMessage } from "../endpoint/driver.ts";
import { toHex } from "../wire/bytes.ts";
import { codeText } from "../wire/code.ts";
import { decodeFrame } from "../wire/frame.ts";
import { decode } from "../wire/message.ts";
import { optionName } from "../wire/option.ts";
import type { CodePage } from "./code_page.ts";
import { fromWire } from "./option_list.ts";

const TYPES = ["CON", "NON", "ACK", "RST"];
/** Bytes of a payload that are shown. */
const SHOWN = 64;

/**
 * A datagram in one line: `in 127.0.0.1:5683 CON 0.01 id 1a2b token 00ff Uri-Path=time`; a frame of a connection, which has
 * neither type nor message ID: `in coap+tcp 127.0.0.1:5683/1 0.01 token 00ff Uri-Path=time`.
 */
export function describeDatagram({ direction, flow, bytes }: RawMessage, page: CodePage): string {
  const { key, scheme } = flow;
  const { type, code, id, token, options, payload, error } = scheme === undefined
    ? decode(bytes, { extendedTokens: true })
    : decodeFrame(bytes, { extendedTokens: true, length: false });
  const words = [direction, key];
  if (error !== undefined) {
    const shown = toHex(bytes.subarray(0, SHOWN));
    return `${words.join(" ")} malformed (${error.reason}), ${bytes.length} bytes: ${shown}`;
  }
  if (scheme === undefined) words.push(TYPES[type]!);
  words.push(codeText(code));
  if (scheme === undefined) words.push(`id ${id.toString(16).padStart(4, "0")}`);
  if (token.length > 0) words.push(`token ${toHex(token)}`);
  // The numbers of signaling options mean something else (RFC 8323 section 5.2).
  const signaling = code >> 5 === 7;
  for (const { number, value } of fromWire(options)) {
    words.push(`${signaling ? number : optionName(number)}=${value}`);
  }
  if (payload.length > 0) {
    const text = page.decode(payload.subarray(0, SHOWN)).replace(/\p{C}/gu, "·");
    words.push(`${payload.length} bytes: ${text}${payload.length > SHOWN ? "…" : ""}`);
  }
  return words.join(" ");
}

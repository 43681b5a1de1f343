/** Datagrams as lines of a log. @module */

import type { RawMessage } from "../endpoint/driver.ts";
import { toHex } from "../wire/bytes.ts";
import { codeText } from "../wire/code.ts";
import { decode } from "../wire/message.ts";
import { optionName } from "../wire/option.ts";
import type { CodePage } from "./code_page.ts";
import { fromWire } from "./option_list.ts";

const TYPES = ["CON", "NON", "ACK", "RST"];
/** Bytes of a payload that are shown. */
const SHOWN = 64;

/** A datagram in one line: `in 127.0.0.1:5683 CON 0.01 id 1a2b token 00ff Uri-Path=time`. */
export function describeDatagram({ direction, flow, bytes }: RawMessage, page: CodePage): string {
  const { type, code, id, token, options, payload, error } = decode(bytes, {
    extendedTokens: true,
  });
  const start = `${direction} ${flow.key}`;
  if (error !== undefined) {
    const shown = toHex(bytes.subarray(0, SHOWN));
    return `${start} malformed (${error.reason}), ${bytes.length} bytes: ${shown}`;
  }
  const words = [start, TYPES[type], codeText(code), `id ${id.toString(16).padStart(4, "0")}`];
  if (token.length > 0) words.push(`token ${toHex(token)}`);
  for (const { number, value } of fromWire(options)) words.push(`${optionName(number)}=${value}`);
  if (payload.length > 0) {
    const text = page.decode(payload.subarray(0, SHOWN)).replace(/\p{C}/gu, "·");
    words.push(`${payload.length} bytes: ${text}${payload.length > SHOWN ? "…" : ""}`);
  }
  return words.join(" ");
}

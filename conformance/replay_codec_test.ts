/** The decoder against tshark, on what libcoap sent; the encoder against libcoap. */

import { describe, it } from "node:test";
import { assert, assertEquals } from "@std/assert";
import recorded from "../fixtures/recorded/libcoap.json" with { type: "json" };
import type { Dissection } from "../fixtures/tshark.ts";
import { fromHex, toHex } from "../testing/vectors.ts";
import {
  blockMore,
  blockNumber,
  blockSzx,
  decode,
  encode,
  type Message,
  optionName,
  OptionNumber,
  uintOption,
} from "../lib/wire/mod.ts";

/** tshark 4.0 writes two options otherwise than the registry, and does not know a third. */
const NAMES: Record<string, string> = {
  "Etag": "ETag",
  "Max-age": "Max-Age",
  "Unknown Option (292)": "Request-Tag",
};

function block({ options }: Message, number: number): [number, boolean, number] | undefined {
  const value = uintOption(options, number);
  return value === undefined ? undefined : [blockNumber(value), blockMore(value), blockSzx(value)];
}

/** A message as tshark would describe it. */
function describeMessage(message: Message): Dissection {
  const { type, code, id, token, options, payload } = message;
  const observe = uintOption(options, OptionNumber.Observe);
  const block1 = block(message, OptionNumber.Block1);
  const block2 = block(message, OptionNumber.Block2);
  return {
    type,
    code,
    id,
    token: toHex(token),
    options: options.map(({ number, value }) => [number, optionName(number), toHex(value)]),
    ...observe !== undefined && { observe },
    ...block1 && { block1 },
    ...block2 && { block2 },
    payload: toHex(payload),
  };
}

describe("recorded messages", () => {
  for (const { id, title, datagrams } of recorded.recordings) {
    it(`${id}: decoded as tshark does, encoded again to the same bytes`, () => {
      assert(datagrams.length >= 2, title);
      for (const { hex, tshark } of datagrams) {
        const message = decode(fromHex(hex));
        assertEquals(message.error, undefined);
        const expected = tshark as unknown as Dissection;
        assertEquals(describeMessage(message), {
          ...expected,
          options: expected.options.map(([number, name, value]) => [
            number,
            NAMES[name] ?? name,
            value,
          ]),
        });
        assertEquals(toHex(encode(message)), hex);
      }
    });
  }
});

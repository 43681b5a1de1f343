/** Any bytes as a datagram: two decoders agree, and what is well-formed is written as it was read. @module */

import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { CoAPError } from "../../lib/errors.ts";
import { decodeFrame, encodeFrame } from "../../lib/wire/frame.ts";
import { decode, encode, type Message, MessageType } from "../../lib/wire/message.ts";
import { checkRequestOptions, stringOptions, uintOption } from "../../lib/wire/option.ts";
import { codecValid, fromHex, malformed, toHex } from "../vectors.ts";
import { referenceDecode } from "./reference_decoder.ts";
import { corpusOf, type FuzzTarget } from "./target.ts";

/** A change of some bytes. */
type Mutation =
  | { flip: number; bits: number }
  | { cut: number }
  | { insert: number; bytes: number[] }
  | { remove: number; count: number }
  | { repeat: number; count: number };

const at = fc.nat(200);
const mutation: fc.Arbitrary<Mutation> = fc.oneof(
  fc.record({ flip: at, bits: fc.integer({ min: 1, max: 255 }) }),
  fc.record({ cut: at }),
  fc.record({ insert: at, bytes: fc.array(fc.nat(255), { minLength: 1, maxLength: 6 }) }),
  fc.record({ remove: at, count: fc.integer({ min: 1, max: 8 }) }),
  fc.record({ repeat: at, count: fc.integer({ min: 1, max: 20 }) }),
);

/** The bytes after a change; places beyond their end are taken modulo their number. */
function mutate(bytes: number[], change: Mutation): number[] {
  const result = bytes.slice();
  const place = (position: number): number => position % (bytes.length + 1);
  if ("flip" in change) {
    if (bytes.length > 0) result[change.flip % bytes.length]! ^= change.bits;
  } else if ("cut" in change) result.length = place(change.cut);
  else if ("insert" in change) result.splice(place(change.insert), 0, ...change.bytes);
  else if ("remove" in change) result.splice(place(change.remove), change.count);
  else {
    const from = place(change.repeat);
    result.splice(from, 0, ...bytes.slice(from, from + change.count));
  }
  return result;
}

const seeds = [
  ...codecValid.messages.map(({ hex }) => hex),
  ...malformed.datagrams.map(({ hex }) => hex),
  ...corpusOf<string>("decode").map(({ input }) => input),
].filter((hex) => hex.length < 4000);

/** A datagram built option by option, so that most of it is right whatever its parts are. */
const built: fc.Arbitrary<string> = fc.tuple(
  fc.integer({ min: 0, max: 0x3f }),
  fc.nat(255),
  fc.array(
    fc.record({
      delta: fc.constantFrom(0, 0, 1, 3, 8, 12, 13, 14, 15),
      length: fc.constantFrom(0, 0, 1, 2, 8, 12, 13, 14, 15),
      extension: fc.array(fc.oneof(fc.constant(0), fc.nat(255)), { minLength: 4, maxLength: 4 }),
    }),
    { maxLength: 6 },
  ),
  fc.option(fc.array(fc.nat(255), { maxLength: 4 })),
).map(([first, code, options, payload]) => {
  const bytes = [0x40 | first, code, 0x12, 0x34];
  for (let i = 0; i < (first & 15); i++) bytes.push(i);
  for (const { delta, length, extension } of options) {
    bytes.push(delta << 4 | length);
    const extra = Math.max(0, delta - 12) % 3 + Math.max(0, length - 12) % 3;
    bytes.push(...extension.slice(0, extra));
    const size = length === 13 ? extension[extra - 1]! + 13 : length < 13 ? length : 300;
    bytes.push(...new Array<number>(size).fill(0x61));
  }
  if (payload !== null) bytes.push(0xff, ...payload);
  return toHex(Uint8Array.from(bytes));
});

function plain(
  { type, code, id, token, options, payload }: Omit<Message, "error">,
): unknown {
  return {
    type,
    code,
    id,
    token: [...token],
    options: options.map(({ number, value }) => [number, [...value]]),
    payload: [...payload],
  };
}

export const decodeTarget: FuzzTarget<string> = {
  name: "decode",
  arbitrary: fc.oneof(
    { weight: 1, arbitrary: fc.uint8Array({ maxLength: 80 }).map(toHex) },
    { weight: 3, arbitrary: built },
    {
      weight: 4,
      arbitrary: fc.tuple(
        fc.constantFrom(...seeds),
        fc.array(mutation, { minLength: 1, maxLength: 4 }),
      ).map(([hex, changes]) => toHex(Uint8Array.from(changes.reduce(mutate, [...fromHex(hex)])))),
    },
  ),
  check(hex) {
    const bytes = fromHex(hex);
    const message = decode(bytes);
    const reference = referenceDecode(bytes);
    assertEquals(toHex(bytes), hex, "Decoding changes nothing");
    if (message.error !== undefined) {
      assertEquals(reference, undefined, `Only the reference reads it: ${message.error.reason}`);
      return;
    }
    assertEquals(plain(message), reference as unknown);
    const { type, code, id, token, options, payload } = message;
    try {
      assertEquals(toHex(encode(message)), hex, "Written as it was read");
      // The same over a reliable transport, but for type and message ID.
      for (const length of [true, false]) {
        const settings = { length };
        const frame = decodeFrame(
          encodeFrame({ code, token, options, payload }, settings),
          settings,
        );
        assertEquals([frame.error, frame.code], [undefined, code]);
        const read = { token: frame.token, options: frame.options, payload: frame.payload };
        assertEquals(plain({ type, code, id, ...read }), plain(message));
      }
    } catch (error) {
      // What is sent obeys the tables of options and of types and codes, what is received need not.
      if (!(error instanceof CoAPError)) throw error;
      if (error.reason === "invalid-option") assert(options.length > 0);
      else {assert(
          type === MessageType.Reset || (type === MessageType.NonConfirmable && code === 0),
        );}
    }
    // Readers take what is there, whatever it is.
    checkRequestOptions(options);
    for (const { number } of options) {
      uintOption(options, number);
      stringOptions(options, number);
    }
  },
};

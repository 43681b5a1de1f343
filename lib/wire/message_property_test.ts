import { describe, it } from "node:test";
import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { fromHex, malformed, toHex } from "../../testing/vectors.ts";
import { decode, encode, type Message, type MessageInit, MessageType } from "./message.ts";
import {
  checkRequestOptions,
  checkResponseOptions,
  makeOption,
  type Option,
  optionDefinition,
  OptionNumber,
  stringOptions,
  uintOption,
} from "./option.ts";

const KNOWN = Object.values(OptionNumber);

/** Options that a message with that code may have: any number, lengths and repetition by the table. */
function optionsFor(code: number): fc.Arbitrary<Option[]> {
  const use = code < 32 ? "request" : "response";
  const numbers = KNOWN.filter((number) => optionDefinition(number)![use] !== "never");
  const unknown = fc.integer({ min: 0, max: 65535 }).filter((number) => !optionDefinition(number));
  const option = fc.oneof(fc.constantFrom<number[]>(...numbers), unknown).chain((number) => {
    const { min, max } = optionDefinition(number) ?? { min: 0, max: 700 };
    const value = fc.uint8Array({ minLength: min, maxLength: max });
    return value.map((value): Option => ({ number, value }));
  });
  return fc.array(option, { maxLength: 12 }).map((list) =>
    list.filter(({ number }, i) =>
      optionDefinition(number)?.[use] !== "once" ||
      list.findIndex((other) => other.number === number) === i
    )
  );
}

const message: fc.Arbitrary<Required<MessageInit>> = fc.integer({ min: 1, max: 255 })
  .chain((code) =>
    fc.record({
      type: fc.constantFrom(
        MessageType.Confirmable,
        MessageType.NonConfirmable,
        MessageType.Acknowledgement,
      ),
      code: fc.constant(code),
      id: fc.integer({ min: 0, max: 65535 }),
      token: fc.uint8Array({ maxLength: 8 }),
      options: optionsFor(code),
      payload: fc.uint8Array({ maxLength: 1300 }),
    })
  );

function plain(message: Message | Required<MessageInit>): unknown {
  const { type, code, id } = message;
  return {
    type,
    code,
    id,
    token: toHex(message.token!),
    options: message.options!.map(({ number, value }) => [number, toHex(value)]),
    payload: toHex(message.payload!),
  };
}

/** Everything that reads a message, as a receiver does. */
function readAll(message: Message): void {
  plain(message);
  checkRequestOptions(message.options);
  checkResponseOptions(message.options);
  for (const { number } of message.options) {
    uintOption(message.options, number);
    stringOptions(message.options, number);
  }
}

/** Datagrams near the boundary between good and bad: a message with a few bytes changed or cut off. */
const damaged: fc.Arbitrary<Uint8Array> = fc.tuple(
  message,
  fc.array(fc.tuple(fc.nat(60), fc.integer({ min: 0, max: 255 })), { maxLength: 3 }),
  fc.nat(80),
).map(([init, changes, length]) => {
  const bytes = encode({ ...init, payload: init.payload!.subarray(0, 8) }).slice(0, 4 + length);
  for (const [offset, byte] of changes) if (offset < bytes.length) bytes[offset] = byte;
  return bytes;
});

const someBytes = fc.oneof(
  fc.uint8Array({ maxLength: 64 }),
  damaged,
  fc.uint8Array({ maxLength: 60 }).map((rest) => Uint8Array.of(0x42, 1, 2, 3, 4, 5, ...rest)),
  fc.constantFrom(...malformed.datagrams.map(({ hex }) => fromHex(hex))),
);

describe("messages", () => {
  it("are read as they were written, options in order", () => {
    fc.assert(
      fc.property(message, (init) => {
        const sorted = [...init.options!].sort((a, b) => a.number - b.number);
        const decoded = decode(encode(init));
        assertEquals(decoded.error, undefined);
        assertEquals(plain(decoded), plain({ ...init, options: sorted }));
      }),
      { numRuns: 500 },
    );
  });

  it("are written as they were read, whatever the bytes", () => {
    let good = 0;
    let bad = 0;
    fc.assert(
      fc.property(someBytes, fc.boolean(), (bytes, extendedTokens) => {
        const decoded = decode(bytes, { extendedTokens });
        readAll(decoded);
        const { type, code } = decoded;
        const sendable = code === 0
          ? type !== MessageType.NonConfirmable
          : type !== MessageType.Reset;
        if (decoded.error !== undefined) {
          bad++;
          const { offset } = decoded.error;
          assertEquals(offset >= 0 && offset <= bytes.length, true);
        } else if (sendable) {
          good++;
          const again = encode(decoded, { extendedTokens, checkOptions: false });
          // Each number and length has one encoding but for these two, so that equal messages have equal bytes.
          assertEquals(toHex(again), toHex(bytes));
        }
      }),
      { numRuns: 3000 },
    );
    assertEquals(good > 100 && bad > 100, true, `${good} good, ${bad} bad`);
  });

  it("have values in their options that come back as they were put in", () => {
    const text = fc.string({ unit: "binary", maxLength: 60 }).filter((value) =>
      new TextEncoder().encode(value).length <= 255
    );
    fc.assert(
      fc.property(fc.array(text), fc.integer({ min: 0, max: 0xffffffff }), (path, maxAge) => {
        const { options } = decode(encode({
          code: 0x45,
          options: [
            ...path.map((segment) => makeOption(OptionNumber.LocationPath, segment)),
            makeOption(OptionNumber.MaxAge, maxAge),
          ],
        }));
        assertEquals(stringOptions(options, OptionNumber.LocationPath), path);
        assertEquals(uintOption(options, OptionNumber.MaxAge), maxAge);
      }),
    );
  });
});

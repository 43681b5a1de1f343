import { describe, it } from "node:test";
import { assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import { codecValid, fromHex, toHex } from "../../testing/vectors.ts";
import { CoAPError, type CoAPErrorReason } from "../errors.ts";
import { Code } from "./code.ts";
import { type CodecSettings, decode, encode, type MessageInit, MessageType } from "./message.ts";
import { makeOption, type Option, optionDefinition, OptionNumber } from "./option.ts";

function refusal(
  message: MessageInit,
  reason: CoAPErrorReason,
  part: string,
  settings?: CodecSettings,
): void {
  const error = assertThrows(() => encode(message, settings), CoAPError, part);
  assertEquals(error.reason, reason);
}

const code = Code.GET;

describe("encode", () => {
  it("fills in the defaults", () => {
    assertEquals(toHex(encode({ code: Code.Empty })), "40000000");
    assertEquals(toHex(encode({ code })), "40010000");
    assertEquals(
      toHex(encode({ code, token: undefined, options: undefined, payload: undefined })),
      "40010000",
    );
  });

  it("gives a plain array of exactly the message", () => {
    for (const { hex } of codecValid.messages) {
      const bytes = encode(decode(fromHex(hex)), { checkOptions: false });
      assertStrictEquals(bytes.constructor, Uint8Array);
      assertEquals(bytes.length, hex.length / 2);
    }
  });

  it("gives every message bytes of its own", () => {
    const first = encode({ code, id: 1, payload: new Uint8Array(50).fill(1) });
    const second = encode({ code, id: 2, payload: new Uint8Array(50).fill(2) });
    first.fill(0);
    assertEquals(toHex(second), "40010002ff" + "02".repeat(50));
  });

  it("sorts options, keeps the order within a number, and leaves the caller's list alone", () => {
    const options: Option[] = [
      makeOption(OptionNumber.UriQuery, "b"),
      makeOption(OptionNumber.UriPath, "z"),
      makeOption(OptionNumber.ETag, "e"),
      makeOption(OptionNumber.UriPath, "a"),
      makeOption(OptionNumber.UriQuery, "a"),
    ];
    const before = [...options];
    assertEquals(toHex(encode({ code, options })), "400100004165717a016141620161");
    assertEquals(options, before);
  });

  it("writes a payload marker only before a payload", () => {
    assertEquals(toHex(encode({ code, payload: new Uint8Array(0) })), "40010000");
    assertEquals(toHex(encode({ code, payload: Uint8Array.of(0xff) })), "40010000ffff");
  });

  it("writes payloads that no datagram could hold", () => {
    const payload = new Uint8Array(100_000).fill(1);
    assertEquals(encode({ code, payload }).length, 5 + 100_000);
  });
});

describe("encode refuses", () => {
  for (const value of [-1, 256, 1.5, NaN]) {
    it(`code ${value}`, () => refusal({ code: value }, "invalid-code", `"${value}"`));
  }
  for (const id of [-1, 65536, 1.5, NaN]) {
    it(`message ID ${id}`, () => {
      refusal({ code, id }, "malformed-message", `"${id}"`);
      refusal({ code: Code.Empty, id }, "malformed-message", `"${id}"`);
    });
  }
  for (const type of [-1, 4, NaN] as unknown as MessageType[]) {
    it(`type ${type}`, () => {
      refusal({ code, type }, "malformed-message", `"${type}"`);
      refusal({ code: Code.Empty, type }, "malformed-message", `"${type}"`);
    });
  }

  it("a token above 8 bytes, or above 65804 with extended tokens (7252-3-6)", () => {
    const token = new Uint8Array(9).fill(0xab);
    refusal({ code, token }, "malformed-message", '"ababababababababab" has 9');
    assertEquals(encode({ code, token }, { extendedTokens: true }).length, 13);
    const longest = new Uint8Array(65804);
    assertEquals(encode({ code, token: longest }, { extendedTokens: true }).length, 65810);
    refusal({ code, token: new Uint8Array(65805) }, "malformed-message", "65805", {
      extendedTokens: true,
    });
  });

  it("an Empty message with content", () => {
    const empty = { type: MessageType.Acknowledgement, code: Code.Empty };
    refusal({ ...empty, token: Uint8Array.of(1) }, "malformed-message", 'token "01"');
    refusal({ ...empty, payload: Uint8Array.of(1) }, "malformed-message", 'payload of "1" bytes');
    refusal(
      { ...empty, options: [makeOption(OptionNumber.UriPath, "x")] },
      "malformed-message",
      'option "Uri-Path"',
    );
  });

  it("an Empty Non-confirmable message and a Reset that is not Empty (7252-4.3-1)", () => {
    refusal({ type: MessageType.NonConfirmable, code: Code.Empty }, "invalid-code", '"0.00"');
    refusal({ type: MessageType.Reset, code: Code.Content }, "invalid-code", '"2.05"');
  });

  it("an option number out of range", () => {
    for (const number of [-1, 65536, 1.5, NaN]) {
      const options = [{ number, value: new Uint8Array(0) }];
      refusal({ code, options }, "invalid-option", `"${number}"`);
      refusal({ code, options }, "invalid-option", `"${number}"`, { checkOptions: false });
    }
  });

  it("an option value that no length can tell", () => {
    const options = [{ number: 65000, value: new Uint8Array(65805) }];
    refusal({ code, options }, "invalid-option", '"65805"');
    options[0]!.value = new Uint8Array(65804);
    assertEquals(decode(encode({ code, options })).options[0]!.value.length, 65804);
  });

  it("an option that is not defined for requests, or for responses", () => {
    for (const { number, min_length } of codecValid.option_table) {
      const definition = optionDefinition(number)!;
      const options = [{ number, value: new Uint8Array(min_length) }];
      for (
        const [code, use] of [[Code.PUT, definition.request], [
          Code.Content,
          definition.response,
        ]] as const
      ) {
        if (use === "never") refusal({ code, options }, "invalid-option", definition.name);
        else assertEquals(decode(encode({ code, options })).options[0]!.number, number);
        assertEquals(decode(encode({ code, options }, { checkOptions: false })).options.length, 1);
      }
    }
  });

  it("options of a length that they may not have, unless told not to", () => {
    for (const { number, name, min_length, max_length } of codecValid.option_table) {
      for (const length of [min_length - 1, max_length + 1]) {
        if (length < 0) continue;
        const message = { code, options: [{ number, value: new Uint8Array(length) }] };
        refusal(message, "invalid-option", name);
        const bytes = encode(message, { checkOptions: false });
        assertEquals(decode(bytes).options[0]!.value.length, length);
      }
    }
  });

  it("a second option where there may be one, by request and response", () => {
    const twice = (number: number): Option[] => [
      { number, value: Uint8Array.of(1) },
      { number, value: Uint8Array.of(2) },
    ];
    refusal(
      { code, options: twice(OptionNumber.Accept) },
      "invalid-option",
      "Accept must occur once",
    );
    refusal({ code, options: twice(OptionNumber.Accept) }, "invalid-option", '"02"');
    refusal({ code: Code.Content, options: twice(OptionNumber.ETag) }, "invalid-option", "ETag");
    assertEquals(encode({ code, options: twice(OptionNumber.ETag) }).length, 8);
    assertEquals(encode({ code, options: twice(OptionNumber.UriPath) }).length, 8);
    assertEquals(encode({ code, options: twice(65000) }).length, 10);
    assertEquals(
      encode({ code, options: twice(OptionNumber.Accept) }, { checkOptions: false }).length,
      9,
    );
  });

  it("nothing in a signalling message, whose options have numbers of their own", () => {
    const options = [{ number: OptionNumber.ETag, value: new Uint8Array(0) }];
    assertEquals(encode({ code: Code.CSM, options }).length, 5);
  });
});

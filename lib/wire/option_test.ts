import { describe, it } from "node:test";
import { assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import { codecValid, fromHex, toHex } from "../../testing/vectors.ts";
import { CoAPError } from "../errors.ts";
import { decode } from "./message.ts";
import {
  checkRequestOptions,
  checkResponseOptions,
  decodeUint,
  encodeUint,
  findOption,
  findOptions,
  makeOption,
  type Option,
  OptionNumber,
  stringOptions,
  uintOption,
} from "./option.ts";

function refusal(run: () => unknown, ...parts: string[]): void {
  const error = assertThrows(run, CoAPError);
  assertEquals(error.reason, "invalid-option");
  for (const part of parts) {
    assertEquals(error.message.includes(part), true, `"${part}" in "${error.message}"`);
  }
}

/** The options of a request as a server sees them, and the same as a caller makes them. */
function bothWays(hex: string): (readonly Option[])[] {
  const { options, error } = decode(fromHex(hex));
  assertEquals(error, undefined);
  return [options, options.map(({ number, value }) => ({ number, value }))];
}

describe("unsigned integers", () => {
  for (const { value, minimal, accept } of codecValid.uints) {
    it(`${value}`, () => {
      if (minimal !== undefined) assertEquals(toHex(encodeUint(value)), minimal);
      for (const hex of accept ?? [minimal!]) assertEquals(decodeUint(fromHex(hex)), value);
    });
  }

  it("have up to 53 bits", () => {
    assertEquals(toHex(encodeUint(Number.MAX_SAFE_INTEGER)), "1fffffffffffff");
    assertEquals(decodeUint(fromHex("1fffffffffffff")), Number.MAX_SAFE_INTEGER);
  });

  for (const value of [-1, 1.5, NaN, Infinity, 2 ** 53]) {
    it(`refuse ${value}`, () => refusal(() => encodeUint(value), `"${value}"`));
  }
});

describe("makeOption", () => {
  const bytes = Uint8Array.of(1, 2);

  it("converts by the option's format (7252-3.2-4)", () => {
    const cases: [number, Uint8Array | string | number | undefined, string][] = [
      [OptionNumber.IfNoneMatch, undefined, ""],
      [OptionNumber.IfNoneMatch, "", ""],
      [OptionNumber.ETag, bytes, "0102"],
      [OptionNumber.ETag, "ab", "6162"],
      [OptionNumber.UriPath, "é", "c3a9"],
      [OptionNumber.UriPath, "", ""],
      [OptionNumber.UriPath, bytes, "0102"],
      [OptionNumber.ContentFormat, 0, ""],
      [OptionNumber.MaxAge, 256, "0100"],
      [OptionNumber.MaxAge, 4294967295, "ffffffff"],
      [OptionNumber.Accept, bytes, "0102"],
      [65000, "x", "78"],
      [65000, 300, "012c"],
      [65000, bytes, "0102"],
      [0, bytes, "0102"],
    ];
    for (const [number, value, hex] of cases) {
      const option = makeOption(number, value);
      assertEquals(option.number, number);
      assertEquals(toHex(option.value), hex);
    }
  });

  it("does not copy bytes", () => {
    assertStrictEquals(makeOption(OptionNumber.ETag, bytes).value, bytes);
  });

  it("takes every length of the table and refuses one more or less", () => {
    for (const { number, name, min_length, max_length } of codecValid.option_table) {
      for (const length of [min_length, max_length]) {
        assertEquals(makeOption(number, new Uint8Array(length)).value.length, length);
      }
      refusal(() => makeOption(number, new Uint8Array(max_length + 1)), name, `${max_length + 1}`);
      if (min_length > 0) refusal(() => makeOption(number, new Uint8Array(min_length - 1)), name);
    }
  });

  it("names the option and the value that it refuses", () => {
    refusal(() => makeOption(OptionNumber.ContentFormat, 65536), "Content-Format", '"65536"');
    refusal(() => makeOption(OptionNumber.UriPort, "5683"), "Uri-Port", '"5683"');
    refusal(() => makeOption(OptionNumber.UriPath, 5), "Uri-Path", '"5"');
    refusal(() => makeOption(OptionNumber.ETag, 5), "ETag", '"5"');
    refusal(() => makeOption(OptionNumber.IfNoneMatch, "x"), "If-None-Match", '"x"');
    refusal(() => makeOption(OptionNumber.IfNoneMatch, 0), "If-None-Match", '"0"');
    refusal(() => makeOption(OptionNumber.UriPath, "a".repeat(256)), "Uri-Path", '"aaa', "256");
    refusal(() => makeOption(OptionNumber.ETag, new Uint8Array(9)), '"000000000000000000"');
    refusal(() => makeOption(OptionNumber.MaxAge, -1), "Max-Age", '"-1"');
    refusal(() => makeOption(65000, 0.5), "option 65000", '"0.5"');
    for (const number of [-1, 65536, 1.5, NaN]) {
      refusal(() => makeOption(number, ""), `"${number}"`);
    }
  });
});

describe("lookups", () => {
  it("find the first option, all of them, numbers and strings", () => {
    // If-Match "a", Observe 9, Uri-Path "temp", Uri-Path "", Accept 0, Size1 300
    for (const options of bothWays("40011234116151095474656d700060d21e012c")) {
      assertEquals(toHex(findOption(options, OptionNumber.IfMatch)!.value), "61");
      assertEquals(uintOption(options, OptionNumber.Observe), 9);
      assertEquals(stringOptions(options, OptionNumber.UriPath), ["temp", ""]);
      assertEquals(uintOption(options, OptionNumber.Accept), 0);
      assertEquals(uintOption(options, OptionNumber.Size1), 300);
      assertEquals(findOptions(options, OptionNumber.UriPath).length, 2);
      assertEquals(findOption(options, OptionNumber.ETag), undefined);
      assertEquals(uintOption(options, OptionNumber.Block2), undefined);
      assertEquals(stringOptions(options, OptionNumber.UriQuery), []);
      assertEquals(findOptions(options, OptionNumber.ETag), []);
    }
  });

  it("take leading zeros in a number", () => {
    for (const options of bothWays("4001123463000009")) {
      assertEquals(uintOption(options, OptionNumber.Observe), 9);
    }
  });

  // RFC 7252 section 5.4.3: an elective option of illegal length is ignored.
  const ignored: [string, string, number][] = [
    ["ETag of 0 bytes", "4001123440", OptionNumber.ETag],
    ["ETag of 9 bytes", "4001123449010203040506070809", OptionNumber.ETag],
    ["Observe of 4 bytes", "400112346400000000", OptionNumber.Observe],
    ["Size1 of 5 bytes", "40011234d52f0000000001", OptionNumber.Size1],
    ["Max-Age of 5 bytes", "40011234d5010000000001", OptionNumber.MaxAge],
    ["Location-Path of 256 bytes", `400112348df3${"61".repeat(256)}`, OptionNumber.LocationPath],
  ];
  for (const [name, hex, number] of ignored) {
    it(`do not see ${name}`, () => {
      for (const options of bothWays(hex)) {
        assertEquals(options[0]!.number, number);
        assertEquals(findOption(options, number), undefined);
        assertEquals(findOptions(options, number), []);
        assertEquals(uintOption(options, number), undefined);
        assertEquals(stringOptions(options, number), []);
      }
    });
  }

  it("count only the first of a doubled option", () => {
    for (const options of bothWays("40031234c13200")) {
      assertEquals(options.length, 2);
      assertEquals(uintOption(options, OptionNumber.ContentFormat), 50);
    }
  });

  it("see an option without a definition whatever its length", () => {
    const options = [{ number: 65000, value: new Uint8Array(1000) }];
    assertStrictEquals(findOption(options, 65000), options[0]);
  });
});

describe("checkRequestOptions", () => {
  const option = (number: number, length = 1): Option => ({
    number,
    value: new Uint8Array(length),
  });

  it("passes every option of the table that a request may have", () => {
    const options = codecValid.option_table
      .filter(({ number }) => ![9, 19, 31].includes(number))
      .filter(({ number }) => ![8, 14, 20].includes(number))
      .map(({ number, min_length }) => option(number, min_length));
    assertEquals(checkRequestOptions(options), undefined);
  });

  it("refuses an unknown critical option and passes an elective one", () => {
    assertEquals(checkRequestOptions([option(11), option(65001)])?.number, 65001);
    assertEquals(checkRequestOptions([option(11), option(65000)]), undefined);
    assertEquals(checkRequestOptions([option(13)])?.number, 13);
  });

  it("refuses critical options of illegal length", () => {
    for (const { number, min_length, max_length } of codecValid.option_table) {
      if (number % 2 === 0) continue;
      assertEquals(checkRequestOptions([option(number, max_length + 1)])?.number, number);
      if (min_length > 0) assertEquals(checkRequestOptions([option(number, 0)])?.number, number);
    }
    assertEquals(checkRequestOptions([option(4, 9), option(6, 4), option(60, 5)]), undefined);
  });

  it("refuses the second of a critical option that may occur once", () => {
    for (const number of [OptionNumber.UriPort, OptionNumber.Accept, OptionNumber.Block2]) {
      const second = option(number);
      assertStrictEquals(checkRequestOptions([option(number), second]), second);
    }
    assertEquals(checkRequestOptions([option(11), option(11), option(15), option(15)]), undefined);
    assertEquals(checkRequestOptions([option(1), option(1), option(12), option(12)]), undefined);
  });

  it("refuses what has a definition but no implementation, unless the caller has one", () => {
    for (const number of [OptionNumber.OSCORE, OptionNumber.QBlock1, OptionNumber.QBlock2]) {
      assertEquals(checkRequestOptions([option(number)])?.number, number);
      assertEquals(checkRequestOptions([option(number)], new Set([number])), undefined);
      assertEquals(checkRequestOptions([option(number, 256)], new Set([number]))?.number, number);
    }
    assertEquals(checkRequestOptions([option(65001)], new Set([65001])), undefined);
    assertEquals(checkRequestOptions([option(65003)], new Set([65001]))?.number, 65003);
  });

  it("does the same with options of a datagram", () => {
    for (const options of bothWays("410120605ab47465737463000000")) {
      assertEquals(checkRequestOptions(options)?.number, OptionNumber.Accept);
    }
    for (const options of bothWays("4101206f5ab474657374600132")) {
      assertStrictEquals(checkRequestOptions(options), options[2]);
    }
  });
});

describe("checkResponseOptions", () => {
  const option = (number: number): Option => ({ number, value: Uint8Array.of(1) });

  it("refuses critical options that are not defined for responses", () => {
    for (const number of [1, 3, 7, 11, 15, 17, 35, 39]) {
      assertEquals(checkResponseOptions([option(number)])?.number, number);
    }
    assertEquals(
      checkResponseOptions([{ number: 5, value: new Uint8Array(0) }])?.number,
      OptionNumber.IfNoneMatch,
    );
  });

  it("passes what a response may have, and elective options of any kind", () => {
    const numbers = [4, 6, 8, 8, 12, 14, 16, 20, 20, 23, 27, 28, 60, 252, 258, 292, 65000];
    assertEquals(checkResponseOptions(numbers.map(option)), undefined);
  });

  it("refuses an unknown or doubled critical option", () => {
    assertEquals(checkResponseOptions([option(65001)])?.number, 65001);
    assertEquals(checkResponseOptions([option(65001)], new Set([65001])), undefined);
    assertEquals(checkResponseOptions([option(23), option(23)])?.number, 23);
  });
});

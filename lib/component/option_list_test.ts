import { describe, it } from "node:test";
import { assert, assertEquals, assertThrows } from "@std/assert";
import { CoAPError } from "../errors.ts";
import { makeOption } from "../wire/option.ts";
import {
  CoAPOption,
  CoAPOptionList,
  CoAPOptionValueTypes,
  fromWire,
  toWire,
} from "./option_list.ts";

const { ovtString, ovtUInt, ovtBinary } = CoAPOptionValueTypes;

function option(number: number, value: string, valueType?: CoAPOptionValueTypes): CoAPOption {
  const made = new CoAPOption(number, value);
  if (valueType !== undefined) made.valueType = valueType;
  return made;
}

describe("CoAPOption", () => {
  it("has the defaults of its documents", () => {
    const { number, value, valueType, critical, unsafe, noCacheKey } = new CoAPOption();
    assertEquals([number, value, valueType], [0, "", 0]);
    assertEquals([critical, unsafe, noCacheKey], [false, false, false]);
    assertEquals([ovtString, ovtUInt, ovtBinary], [0, 1, 2]);
  });

  const known: [number, string, CoAPOptionValueTypes][] = [
    [1, "If-Match", ovtBinary],
    [3, "Uri-Host", ovtString],
    [4, "ETag", ovtBinary],
    [5, "If-None-Match", ovtBinary],
    [6, "Observe", ovtUInt],
    [7, "Uri-Port", ovtUInt],
    [8, "Location-Path", ovtString],
    [11, "Uri-Path", ovtString],
    [12, "Content-Format", ovtUInt],
    [14, "Max-Age", ovtUInt],
    [15, "Uri-Query", ovtString],
    [17, "Accept", ovtUInt],
    [20, "Location-Query", ovtString],
    [23, "Block2", ovtUInt],
    [27, "Block1", ovtUInt],
    [35, "Proxy-Uri", ovtString],
    [39, "Proxy-Scheme", ovtString],
    [60, "Size1", ovtUInt],
  ];
  for (const [number, name, type] of known) {
    it(`knows the type of ${name}`, () => {
      assertEquals(new CoAPOption(number, "").valueType, type);
      const later = new CoAPOption();
      later.valueType = type === ovtString ? ovtBinary : ovtString;
      later.number = number;
      assertEquals(later.valueType, type);
    });
  }

  it("leaves the type of an unknown number alone", () => {
    const own = option(65_000, "1", ovtUInt);
    own.number = 65_001;
    assertEquals(own.valueType, ovtUInt);
  });

  it("tells what the bits of its number say", () => {
    // RFC 7252 table 4, and a number for each of the bits.
    const bits: [number, boolean, boolean, boolean][] = [
      [1, true, false, false],
      [3, true, true, false],
      [4, false, false, false],
      [14, false, true, false],
      [60, false, false, true],
      [28, false, false, true],
      [29, true, false, true],
    ];
    for (const [number, critical, unsafe, noCacheKey] of bits) {
      const made = new CoAPOption(number);
      assertEquals(
        [made.critical, made.unsafe, made.noCacheKey],
        [critical, unsafe, noCacheKey],
        `${number}`,
      );
      assertThrows(() => Object.assign(made, { critical: true }), TypeError);
    }
  });

  it("refuses what is out of range and keeps the old value", () => {
    const made = new CoAPOption(14, "60");
    for (const number of [-1, 65_536, 1.5, NaN]) {
      assertThrows(() => made.number = number, RangeError, `"${number}"`);
    }
    assertThrows(() => made.value = 7 as unknown as string, TypeError, '"7"');
    assertThrows(() => made.valueType = 3 as 2, RangeError, '"3"');
    assertEquals([made.number, made.value, made.valueType], [14, "60", ovtUInt]);
    assertEquals(new CoAPOption(65_535, "").number, 65_535);
  });
});

describe("options of the component on the wire", () => {
  const cases: [string, CoAPOption, number[]][] = [
    ["a string", option(11, "é"), [0xc3, 0xa9]],
    ["0", option(14, "0"), []],
    ["an unsigned integer", option(14, "258"), [1, 2]],
    ["the greatest integer", option(14, "4294967295"), [255, 255, 255, 255]],
    ["leading zeros", option(14, "007"), [7]],
    ["bytes", option(4, "00fF"), [0, 255]],
    ["nothing", option(5, ""), []],
    ["digits as text", option(65_000, "50"), [0x35, 0x30]],
    ["digits as a number", option(65_000, "50", ovtUInt), [50]],
    ["digits as bytes", option(65_000, "50", ovtBinary), [0x50]],
  ];
  for (const [name, given, bytes] of cases) {
    it(`${name}: ${given.number} "${given.value}"`, () => {
      assertEquals(toWire([given]).map(({ value }) => [...value]), [bytes]);
    });
  }

  const bad: [CoAPOption, string][] = [
    [option(14, "-1"), '"-1"'],
    [option(14, "4294967296"), '"4294967296"'],
    [option(14, "12a"), "Max-Age"],
    [option(14, ""), "Max-Age"],
    [option(14, "1e3"), "1e3"],
    [option(4, "0"), "hexadecimal"],
    [option(4, "0g"), "hexadecimal"],
    [option(4, "000000000000000000"), "ETag"],
    [option(12, "65536"), "Content-Format"],
    [option(3, ""), "Uri-Host"],
    [option(65_000, "x".repeat(200_000)), "65804"],
  ];
  for (const [given, message] of bad) {
    it(`701: ${given.number} "${given.value.slice(0, 20)}"`, () => {
      const error = assertThrows(() => toWire([given]), CoAPError, message);
      assertEquals([error.code, error.reason], [701, "invalid-option"]);
      assert(error.message.length < 300);
    });
  }

  it("reads what came, and writes it again as it was", () => {
    const wire = [
      makeOption(1, Uint8Array.of(0xab)),
      makeOption(5),
      makeOption(11, "a/b"),
      makeOption(14, 60),
      { number: 14, value: Uint8Array.of(1, 2, 3, 4, 5) },
      makeOption(15, Uint8Array.of(0xff)),
      { number: 65_001, value: Uint8Array.of(1) },
    ];
    const list = fromWire(wire);
    assertEquals(
      list.map(({ number, value, valueType }) => [number, value, valueType]),
      [
        [1, "ab", ovtBinary],
        [5, "", ovtBinary],
        [11, "a/b", ovtString],
        [14, "60", ovtUInt],
        [14, "0102030405", ovtBinary],
        [15, "ff", ovtBinary],
        [65_001, "01", ovtBinary],
      ],
    );
    list.remove(4); // of a length that is not sent
    assertEquals(toWire(list), wire.filter((_, i) => i !== 4));
  });
});

describe("CoAPOptionList", () => {
  it("reads like an array", () => {
    const list = new CoAPOptionList();
    const [a, b] = [new CoAPOption(11, "a"), new CoAPOption(11, "b")];
    list.add(a);
    list.add(b);
    assertEquals([list.length, list[1]?.value, list.at(-1)], [2, "b", b]);
    assertEquals([...list], [a, b]);
    const values: string[] = [];
    list.forEach(({ value }, index) => values.push(`${index}${value}`));
    assertEquals(values, ["0a", "1b"]);
    const mapped = list.map(({ value }) => value);
    assertEquals(mapped, ["a", "b"]);
    assert(!(mapped instanceof CoAPOptionList));
  });

  it("removes an option or an index, and everything", () => {
    const list = new CoAPOptionList();
    const options = ["a", "b", "c"].map((value) => new CoAPOption(11, value));
    for (const one of options) list.add(one);
    assertEquals(list.remove(options[1]!), true);
    assertEquals(list.remove(options[1]!), false);
    assertEquals([list.remove(2), list.remove(-1), list.remove(0)], [false, false, true]);
    assertEquals([...list], [options[2]]);
    list.clear();
    assertEquals(list.length, 0);
  });

  it("takes nothing but options", () => {
    const list = new CoAPOptionList();
    assertThrows(() => list.add({ number: 1, value: "" } as CoAPOption), TypeError, "CoAPOption");
    assertEquals(list.length, 0);
  });
});

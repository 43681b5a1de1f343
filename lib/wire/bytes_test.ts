import { describe, it } from "node:test";
import { assertEquals, assertStrictEquals } from "@std/assert";
import {
  allocate,
  decodeText,
  EMPTY_BYTES,
  encodeText,
  equalBytes,
  view,
  write,
  writeRange,
} from "./bytes.ts";

const encoder = new TextEncoder();

describe("allocate", () => {
  it("gives arrays of that length that do not overlap", () => {
    const arrays: Uint8Array[] = [];
    for (let i = 0; i < 2000; i++) {
      const bytes = allocate(i % 97);
      assertEquals(bytes.length, i % 97);
      arrays.push(bytes.fill(i & 255));
    }
    for (const [i, bytes] of arrays.entries()) {
      for (const byte of bytes) assertStrictEquals(byte, i & 255);
    }
  });

  it("gives large arrays as well", () => {
    assertEquals(allocate(100_000).length, 100_000);
  });
});

describe("view", () => {
  it("is a plain array with the bytes, also of a subclass with an offset", () => {
    class Special extends Uint8Array {}
    const bytes = new Special(new Uint8Array(300).map((_, i) => i & 255).buffer, 10, 200);
    for (const length of [1, 32, 33, 150]) {
      const part = view(bytes, 5, 5 + length);
      assertStrictEquals(part.constructor, Uint8Array);
      assertEquals([...part], [...bytes].slice(5, 5 + length));
    }
  });

  it("is the empty array where nothing is in it", () => {
    assertStrictEquals(view(Uint8Array.of(1), 1, 1), EMPTY_BYTES);
  });
});

describe("writeRange", () => {
  it("copies short and long ranges and tells where they end", () => {
    const source = Uint8Array.from({ length: 300 }, (_, i) => i % 251 + 1);
    for (const length of [0, 1, 64, 65, 200]) {
      const target = new Uint8Array(210);
      assertEquals(writeRange(target, 3, source, 7, 7 + length), 3 + length);
      assertEquals(target.subarray(3, 3 + length), source.subarray(7, 7 + length));
      assertEquals(target.filter((byte) => byte !== 0).length, length);
    }
  });
});

describe("write", () => {
  it("copies short and long arrays and tells where it ends", () => {
    for (const length of [0, 1, 24, 25, 100]) {
      const target = new Uint8Array(110);
      assertEquals(write(target, 3, new Uint8Array(length).fill(7)), 3 + length);
      assertEquals(target.filter((byte) => byte === 7).length, length);
      assertEquals(target[2], 0);
      assertEquals(target[3 + length], 0);
    }
  });
});

describe("text", () => {
  const texts = ["", "a", "temperature", "x".repeat(16), "x".repeat(17), "x".repeat(300)]
    .concat([
      "é",
      "e\u0301",
      "こんにちは",
      "\u{1f600}",
      "\ufeffbom",
      "a\u0000b",
      "x".repeat(64) + "é",
    ]);

  it("is written as UTF-8, whatever its length", () => {
    for (const text of texts) assertEquals([...encodeText(text)], [...encoder.encode(text)]);
  });

  it("is read unchanged, without normalization", () => {
    for (const text of texts) assertEquals(decodeText(encodeText(text)), text);
  });

  it("is read from the middle of an array", () => {
    assertEquals(decodeText(encodeText("sensors/témp"), 8), "témp");
    assertEquals(decodeText(encodeText("sensors/temp"), 0, 7), "sensors");
  });

  it("stands with U+FFFD for what is no UTF-8", () => {
    assertEquals(decodeText(Uint8Array.of(0xff, 0xfe)), "\ufffd\ufffd");
    assertEquals([...encodeText("\ud800")], [0xef, 0xbf, 0xbd]);
  });
});

describe("equalBytes", () => {
  it("compares length and content", () => {
    assertEquals(equalBytes(Uint8Array.of(1, 2), Uint8Array.of(1, 2)), true);
    assertEquals(equalBytes(Uint8Array.of(1, 2), Uint8Array.of(1, 3)), false);
    assertEquals(equalBytes(Uint8Array.of(1, 2), Uint8Array.of(1)), false);
  });
});

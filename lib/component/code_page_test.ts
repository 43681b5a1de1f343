import { describe, it } from "node:test";
import { assertEquals, assertThrows } from "@std/assert";
import { codePage } from "./code_page.ts";

describe("code pages", () => {
  const encoded: [number, string, number[]][] = [
    [65001, "é€", [0xc3, 0xa9, 0xe2, 0x82, 0xac]],
    [1252, "é€", [0xe9, 0x80]],
    [1251, "Жар", [0xc6, 0xe0, 0xf0]],
    [866, "Жар", [0x86, 0xa0, 0xe0]],
    [20866, "Ж", [0xf6]],
    [28592, "ł", [0xb3]],
    [28605, "€", [0xa4]],
    [10000, "é", [0x8e]],
    [1200, "A€", [0x41, 0, 0xac, 0x20]],
    [1201, "A€😀", [0, 0x41, 0x20, 0xac, 0xd8, 0x3d, 0xde, 0]],
    [20127, "A~", [0x41, 0x7e]],
    [28591, "é\x80\x9f", [0xe9, 0x80, 0x9f]],
    [28599, "ğ\x80", [0xf0, 0x80]],
    [708, "ا", [0xc7]],
  ];
  for (const [id, text, bytes] of encoded) {
    it(`${id} encodes and decodes "${text}"`, () => {
      const page = codePage(id);
      assertEquals([...page.encode(text)], bytes);
      assertEquals(page.decode(Uint8Array.from(bytes)), text);
    });
  }

  const decoded: [number, string, number[]][] = [
    [932, "日本", [0x93, 0xfa, 0x96, 0x7b]],
    [936, "中国", [0xd6, 0xd0, 0xb9, 0xfa]],
    [949, "한", [0xc7, 0xd1]],
    [950, "中", [0xa4, 0xa4]],
    [51932, "日", [0xc6, 0xfc]],
    [50220, "日", [0x1b, 0x24, 0x42, 0x46, 0x7c, 0x1b, 0x28, 0x42]],
    [54936, "€", [0xa2, 0xe3]],
  ];
  for (const [id, text, bytes] of decoded) {
    it(`${id} decodes "${text}" and encodes nothing`, () => {
      const page = codePage(id);
      assertEquals(page.decode(Uint8Array.from(bytes)), text);
      assertThrows(() => page.encode(text), RangeError, `"${id}" only decodes`);
    });
  }

  it("say which character they do not have", () => {
    assertThrows(() => codePage(1252).encode("aЖ"), RangeError, '"1252" has no character "Ж"');
    assertThrows(() => codePage(20127).encode("é"), RangeError, '"é"');
    assertThrows(() => codePage(28591).encode("€"), RangeError, '"€"');
    assertThrows(() => codePage(1252).encode("\uFFFD"), RangeError);
    assertEquals(codePage(20127).decode(Uint8Array.of(0x41, 0xe9)), "A\uFFFD");
  });

  it("refuse what the platform does not know", () => {
    for (const id of [37, 437, 65000, 52936, 57002, 1, 0, -1, 99_999]) {
      assertThrows(() => codePage(id), RangeError, `"${id}" is not known`);
    }
  });
});

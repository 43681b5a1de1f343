import { describe, it } from "node:test";
import { inspect } from "node:util";
import { assertEquals, assertNotEquals } from "@std/assert";
import { fromHex } from "../../testing/vectors.ts";
import { decode } from "./message.ts";
import { isAscii, OptionView, valueLength, valueText, valueUint } from "./option_view.ts";

const bytes = fromHex("00016162c3a900");

describe("OptionView", () => {
  it("reads its value without a view as it does with one", () => {
    for (let start = 0; start <= bytes.length; start++) {
      for (let end = start; end <= bytes.length; end++) {
        const lazy = new OptionView(11, bytes, start, end);
        const plain = { number: 11, value: bytes.slice(start, end) };
        assertEquals(valueLength(lazy), valueLength(plain));
        assertEquals(valueUint(lazy), valueUint(plain));
        assertEquals(valueText(lazy), valueText(plain));
        assertEquals(isAscii(lazy), isAscii(plain));
        assertEquals(isAscii(lazy), plain.value.every((byte) => byte < 0x80));
        assertEquals([...lazy.value], [...plain.value]);
      }
    }
  });

  it("differs from one with another value when compared deeply", () => {
    assertNotEquals(new OptionView(11, bytes, 0, 1), new OptionView(11, bytes, 1, 2));
    assertNotEquals(decode(fromHex("40011234b161")), decode(fromHex("40011234b162")));
    assertNotEquals(decode(fromHex("4101123461")), decode(fromHex("4101123462")));
  });

  it("is printed as number and value, a message with all its parts", () => {
    assertEquals(
      inspect(new OptionView(11, bytes, 2, 4)),
      inspect({ number: 11, value: bytes.slice(2, 4) }),
    );
    const text = inspect(decode(fromHex("4101123420b161ff62")), { depth: 5 });
    for (const part of ["token: ", "payload: ", "number: 11", "id: 4660"]) {
      assertEquals(text.includes(part), true, text);
    }
  });
});

import { assert, assertEquals, assertGreaterOrEqual, assertLess } from "@std/assert";
import { describe, it } from "node:test";
import { Entropy } from "./entropy.ts";

/** A source that fills with `value` and counts how often it was asked. */
function constant(value: number): { asked: number; fill: (bytes: Uint8Array) => Uint8Array } {
  return {
    asked: 0,
    fill(bytes) {
      this.asked++;
      return bytes.fill(value);
    },
  };
}

describe("Entropy", () => {
  it("takes each byte of its source once", () => {
    let next = 0;
    const entropy = new Entropy((bytes) => {
      for (let i = 0; i < bytes.length; i++) bytes[i] = next++;
      return bytes;
    });
    assertEquals([...entropy.bytes(4)], [0, 1, 2, 3]);
    assertEquals(entropy.uint16(), 0x0405);
    assertEquals([...entropy.bytes(2)], [6, 7]);
  });

  it("asks its source for 1,024 bytes at a time", () => {
    const source = constant(0xab);
    const entropy = new Entropy((bytes) => source.fill(bytes));
    for (let i = 0; i < 256; i++) entropy.bytes(4);
    assertEquals(source.asked, 1);
    // What is left does not do: a fresh pool, no byte of the old one again.
    entropy.bytes(3);
    assertEquals(source.asked, 2);
    for (let i = 0; i < 4; i++) entropy.bytes(256);
    assertEquals(source.asked, 3);
  });

  it("hands out bytes that later draws do not change", () => {
    let value = 0;
    const entropy = new Entropy((bytes) => bytes.fill(++value));
    const first = entropy.bytes(200);
    entropy.bytes(200);
    assert(first.every((byte) => byte === 1));
  });

  it("draws numbers from the lower bound up to, but not including, the upper one", () => {
    assertEquals(new Entropy((bytes) => bytes.fill(0)).between(2000, 3000), 2000);
    const highest = new Entropy((bytes) => bytes.fill(0xff)).between(2000, 3000);
    assertLess(highest, 3000);
    assertGreaterOrEqual(highest, 2999.999);
    assertEquals(new Entropy((bytes) => bytes.fill(0xff)).between(5, 5), 5);
  });
});

import { describe, it } from "node:test";
import {
  assert,
  assertAlmostEquals,
  assertEquals,
  assertExists,
  assertFalse,
  assertGreater,
  assertGreaterOrEqual,
  assertInstanceOf,
  assertLess,
  assertLessOrEqual,
  assertMatch,
  assertNotEquals,
  assertNotMatch,
  assertNotStrictEquals,
  assertRejects,
  assertStrictEquals,
  assertStringIncludes,
  assertThrows,
  fail,
  unreachable,
} from "@std/assert";
import { CoAPError } from "@x/coap";

/** Whether `fn` fails, found out without the functions under test. */
function fails(fn: () => void): boolean {
  try {
    fn();
  } catch (error) {
    return error instanceof Error && error.name === "AssertionError";
  }
  return false;
}

function check(name: string, passing: () => void, failing: () => void): void {
  it(name, () => {
    passing();
    if (!fails(failing)) throw new Error(`${name} let a wrong value pass`);
  });
}

class Point {
  readonly x: number;
  constructor(x: number) {
    this.x = x;
  }
}

describe("assertEquals", () => {
  const equal: [string, unknown, unknown][] = [
    ["bytes", new Uint8Array([1, 2]), Uint8Array.of(1, 2)],
    ["a view and a copy", new Uint8Array([0, 1, 2]).subarray(1), Uint8Array.of(1, 2)],
    ["NaN", NaN, NaN],
    ["nested objects", { a: [{ b: 1n }] }, { a: [{ b: 1n }] }],
    ["property order", { a: 1, b: 2 }, { b: 2, a: 1 }],
    ["maps", new Map([["a", [1]]]), new Map([["a", [1]]])],
    ["sets", new Set([1, 2]), new Set([2, 1])],
    ["errors", new TypeError("a"), new TypeError("a")],
    ["instances", new Point(1), new Point(1)],
    ["dates", new Date(5), new Date(5)],
  ];
  for (const [name, a, b] of equal) it(`accepts equal ${name}`, () => assertEquals(a, b));

  const different: [string, unknown, unknown][] = [
    ["bytes", Uint8Array.of(1, 2), Uint8Array.of(1, 3)],
    ["byte lengths", Uint8Array.of(1, 2), Uint8Array.of(1)],
    ["array types", Uint8Array.of(1), Uint16Array.of(1)],
    ["an array and bytes", [1], Uint8Array.of(1)],
    ["an undefined and an absent property", { a: 1, b: undefined }, { a: 1 }],
    ["an absent and an undefined property", { a: 1 }, { a: 1, b: undefined }],
    ["a number and its text", 1, "1"],
    ["null and undefined", null, undefined],
    ["a bigint and a number", 1n, 1],
    ["maps", new Map([["a", [1]]]), new Map([["a", [2]]])],
    ["sets", new Set([1]), new Set([2])],
    ["classes", new Point(1), { x: 1 }],
    ["error messages", new TypeError("a"), new TypeError("b")],
    ["error classes", new TypeError("a"), new RangeError("a")],
    ["dates", new Date(5), new Date(6)],
    ["sparse arrays", [undefined], new Array(1)],
  ];
  for (const [name, a, b] of different) {
    it(`tells apart ${name}`, () => {
      if (!fails(() => assertEquals(a, b))) throw new Error("They passed as equal");
      assertNotEquals(a, b);
    });
  }

  it("shows the given message and the difference", () => {
    const error = assertThrows(() => assertEquals([1], [2], "seed 7"), Error);
    assertStringIncludes(error.message, "seed 7");
    assertMatch(error.message, /2/);
  });

  it("tells a Buffer from plain bytes", async () => {
    const { Buffer } = await import("node:buffer");
    if (!fails(() => assertEquals<unknown>(Buffer.of(1), Uint8Array.of(1)))) {
      throw new Error("They passed as equal");
    }
  });
});

describe("assertions", () => {
  check("assert", () => assert(1), () => assert(0));
  check("assertFalse", () => assertFalse(0), () => assertFalse(1));
  check("assertNotEquals", () => assertNotEquals([1], [2]), () => assertNotEquals([1], [1]));
  check("assertStrictEquals", () => assertStrictEquals(NaN, NaN), () => assertStrictEquals([], []));
  check(
    "assertNotStrictEquals",
    () => assertNotStrictEquals([], []),
    () => assertNotStrictEquals(1, 1),
  );
  check("assertExists", () => assertExists(0), () => assertExists(null));
  check("assertInstanceOf", () => assertInstanceOf([], Array), () => assertInstanceOf({}, Array));
  check(
    "assertStringIncludes",
    () => assertStringIncludes("abc", "b"),
    () => assertStringIncludes("a", "b"),
  );
  check("assertMatch", () => assertMatch("abc", /b/), () => assertMatch("a", /b/));
  check("assertNotMatch", () => assertNotMatch("a", /b/), () => assertNotMatch("b", /b/));
  check(
    "assertAlmostEquals",
    () => assertAlmostEquals(0.1 + 0.2, 0.3),
    () => assertAlmostEquals(1, 1.1),
  );
  check(
    "assertAlmostEquals of NaN",
    () => assertAlmostEquals(NaN, NaN),
    () => assertAlmostEquals(NaN, 1),
  );
  check("assertGreater", () => assertGreater(2, 1), () => assertGreater(1, 1));
  check(
    "assertGreaterOrEqual",
    () => assertGreaterOrEqual(1, 1),
    () => assertGreaterOrEqual(NaN, 1),
  );
  check("assertLess", () => assertLess(1, 2), () => assertLess(1, 1));
  check("assertLessOrEqual", () => assertLessOrEqual(1, 1), () => assertLessOrEqual(2, 1));
  check("fail", () => {}, () => fail("no"));
  check("unreachable", () => {}, () => unreachable());
});

describe("assertThrows and assertRejects", () => {
  const timeout = (): never => {
    throw new CoAPError("timeout", "No answer");
  };

  it("return the error, by class and text", async () => {
    assertEquals(assertThrows(timeout, CoAPError, "No answer").code, 704);
    const error = await assertRejects(
      () => Promise.reject(new CoAPError("reset", "Reset")),
      CoAPError,
    );
    assertEquals(error.reason, "reset");
    assertEquals(
      assertThrows(() => {
        const text: unknown = "text";
        throw text;
      }),
      "text",
    );
  });

  check("assertThrows without an error", () => {}, () => assertThrows(() => 1));
  check("assertThrows with another class", () => {}, () => assertThrows(timeout, RangeError));
  check(
    "assertThrows with another text",
    () => {},
    () => assertThrows(timeout, CoAPError, "Reset"),
  );

  const rejected: [string, () => Promise<unknown>][] = [
    ["a promise that resolves", () => assertRejects(() => Promise.resolve(1))],
    ["another class", () => assertRejects(() => Promise.reject(new Error("a")), RangeError)],
    ["another text", () => assertRejects(() => Promise.reject(new Error("a")), Error, "b")],
    ["a synchronous throw", () => assertRejects(timeout)],
  ];
  for (const [name, run] of rejected) {
    it(`assertRejects fails on ${name}`, async () => {
      let failure: unknown;
      await run().catch((error: unknown) => failure = error);
      assertInstanceOf(failure, Error);
      assertEquals(failure.name, "AssertionError");
    });
  }
});

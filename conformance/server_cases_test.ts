import { describe, it } from "node:test";
import { assertEquals } from "@std/assert";
import { judgeInMemory } from "../testing/conformance_harness.ts";
import { SERVER_CASES } from "./server_cases.ts";

/** What the reference server has not. */
const SKIPPED: Readonly<Record<string, string>> = {
  "7641-4.3-3": "/obs has no ETag",
};

describe("the server in memory", () => {
  for (const one of SERVER_CASES) {
    it(`${one.id}: ${one.requirement}`, async () => {
      const result = await judgeInMemory(one);
      const { status, reason, expected, actual } = result;
      const skipped = SKIPPED[one.id];
      assertEquals({ status, reason, expected, actual }, {
        status: skipped === undefined ? "passed" : "skipped",
        reason: skipped,
        expected: undefined,
        actual: undefined,
      });
    });
  }
});

describe("server cases", () => {
  it("have ids of their own", () => {
    assertEquals(new Set(SERVER_CASES.map(({ id }) => id)).size, SERVER_CASES.length);
  });
});

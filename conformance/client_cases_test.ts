import { describe, it } from "node:test";
import { assertEquals } from "@std/assert";
import { judgeClientInMemory } from "../testing/conformance_harness.ts";
import { CLIENT_CASES } from "./client_cases.ts";

describe("the client in memory", () => {
  for (const one of CLIENT_CASES) {
    it(`${one.id}: ${one.requirement}`, async () => {
      const { status, reason, expected, actual } = await judgeClientInMemory(one);
      assertEquals({ status, reason, expected, actual }, {
        status: "passed",
        reason: undefined,
        expected: undefined,
        actual: undefined,
      });
    });
  }

  it("the ids differ", () => {
    assertEquals(new Set(CLIENT_CASES.map(({ id }) => id)).size, CLIENT_CASES.length);
  });
});

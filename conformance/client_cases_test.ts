import { after, describe, it } from "node:test";
import { assertEquals } from "@std/assert";
import { judgeClientInMemory } from "../testing/conformance_harness.ts";
import { keepReports } from "../testing/reports.ts";
import { CLIENT_CASES } from "./client_cases.ts";
import type { CaseResult } from "./runner.ts";

describe("the client in memory", () => {
  const results: CaseResult[] = [];
  after(() => keepReports("client-memory", "the client in memory", results, "client"));

  for (const one of CLIENT_CASES) {
    it(`${one.id}: ${one.requirement}`, async () => {
      const result = await judgeClientInMemory(one);
      results.push(result);
      const { status, reason, expected, actual } = result;
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

import { after, describe, it } from "node:test";
import { assertEquals } from "@std/assert";
import { judgeInMemory } from "../testing/conformance_harness.ts";
import { keepReports } from "../testing/reports.ts";
import { malformed } from "../testing/vectors.ts";
import { BAD_DATAGRAMS } from "./bad_datagrams.ts";
import type { CaseResult } from "./runner.ts";
import { SERVER_CASES } from "./server_cases.ts";

describe("the server in memory", () => {
  const results: CaseResult[] = [];
  after(() => keepReports("server-memory", "the server in memory", results));

  for (const one of SERVER_CASES) {
    it(`${one.id}: ${one.requirement}`, async () => {
      const result = await judgeInMemory(one);
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
});

describe("server cases", () => {
  it("have the bad datagrams of the vectors", () => {
    assertEquals(
      BAD_DATAGRAMS,
      malformed.datagrams.map(({ id, hex, expected: { action } }) => ({ id, hex, action })),
    );
  });

  it("have ids of their own", () => {
    assertEquals(new Set(SERVER_CASES.map(({ id }) => id)).size, SERVER_CASES.length);
  });
});

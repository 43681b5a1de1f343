import { describe, it } from "node:test";
import { assertEquals } from "@std/assert";
import type { ServeOptions } from "../lib/endpoint/server.ts";
import { judgeInMemory } from "../testing/conformance_harness.ts";
import { SERVER_CASES } from "./server_cases.ts";

/** Cases about what has to be switched on. */
const SETTINGS: Readonly<Record<string, ServeOptions>> = {
  "7252-4.7-6": { requestRate: 10 },
  "8516-3-1": { requestRate: 10 },
  "9175-2.4-1": { amplification: 3 },
};

/** What the reference server has not. */
const SKIPPED: Readonly<Record<string, string>> = {
  "7641-4.3-3": "/obs has no ETag",
};

describe("the server in memory", () => {
  for (const one of SERVER_CASES) {
    it(`${one.id}: ${one.requirement}`, async () => {
      const result = await judgeInMemory(one, undefined, SETTINGS[one.id]);
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

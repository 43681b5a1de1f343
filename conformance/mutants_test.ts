import { describe, it } from "node:test";
import { assert, assertEquals } from "@std/assert";
import { judgeInMemory } from "../testing/conformance_harness.ts";
import { MUTANTS, spoil } from "../testing/mutants.ts";
import { SERVER_CASES } from "./server_cases.ts";

describe("broken servers", () => {
  for (const mutant of MUTANTS) {
    const { name, caughtBy } = mutant;
    it(`${name}: caught by ${caughtBy}`, async () => {
      const one = SERVER_CASES.find(({ id }) => id === caughtBy);
      assert(one !== undefined, `There is no case "${caughtBy}"`);
      const { status, expected, actual } = await judgeInMemory(one, spoil(mutant));
      assertEquals(status, "failed");
      // Caught by what the case expects, not by a fault of the case.
      assert(expected !== "no exception in the case", actual);
    });
  }
});

import { describe, it } from "node:test";
import { assert, assertEquals } from "@std/assert";
import { CLIENT_MUTANTS } from "../testing/client_mutants.ts";
import { CLIENT_STREAM_MUTANTS } from "../testing/client_stream_mutants.ts";
import {
  judgeClientInMemory,
  judgeInMemory,
  judgeStreamClientInMemory,
  judgeStreamInMemory,
} from "../testing/conformance_harness.ts";
import { type Mutant, spoil } from "../testing/mutants.ts";
import { SERVER_MUTANTS } from "../testing/server_mutants.ts";
import { SERVER_STREAM_MUTANTS } from "../testing/server_stream_mutants.ts";
import { spoilStreams } from "../testing/stream_mutants.ts";
import type { Case } from "./case.ts";
import { CLIENT_CASES } from "./client_cases.ts";
import { STREAM_CLIENT_CASES } from "./client_streams.ts";
import type { CaseResult } from "./runner.ts";
import { SERVER_CASES } from "./server_cases.ts";
import { STREAM_SERVER_CASES } from "./stream_cases.ts";

/** Each mutant is to be caught by the cases it names, and each case is to catch one. */
function catchAll<Subject, Broken extends Pick<Mutant, "name" | "caughtBy">>(
  mutants: readonly Broken[],
  cases: readonly Case<Subject>[],
  judge: (one: Case<Subject>, mutant: Broken) => Promise<CaseResult>,
): void {
  for (const mutant of mutants) {
    const { name, caughtBy } = mutant;
    it(`${name}: caught by ${caughtBy.join(", ")}`, async () => {
      for (const id of caughtBy) {
        const one = cases.find((other) => other.id === id);
        assert(one !== undefined, `There is no case "${id}"`);
        const { status, expected, actual } = await judge(one, mutant);
        assertEquals({ id, status }, { id, status: "failed" });
        // Caught by what the case expects, not by a fault of the case.
        assert(expected !== "no exception in the case", actual);
      }
    });
  }

  it("each case catches one", () => {
    const catching = new Set(mutants.flatMap(({ caughtBy }) => caughtBy));
    assertEquals(cases.filter(({ id }) => !catching.has(id)).map(({ id }) => id), []);
  });

  it("the names differ", () => {
    assertEquals(new Set(mutants.map(({ name }) => name)).size, mutants.length);
  });
}

describe("broken servers", () => {
  // That the server has what a case needs is known: nothing but the case proper is to fail.
  catchAll(SERVER_MUTANTS, SERVER_CASES, (one, mutant) => {
    return judgeInMemory({ ...one, needs: [] }, spoil(mutant));
  });
});

describe("broken clients", () => {
  catchAll(CLIENT_MUTANTS, CLIENT_CASES, (one, mutant) => judgeClientInMemory(one, spoil(mutant)));
});

/** Cases that other transports have as well catch theirs there. */
function isOwn({ id }: Case<never>): boolean {
  return id.startsWith("8323-");
}

describe("broken servers over connections", () => {
  catchAll(SERVER_STREAM_MUTANTS, STREAM_SERVER_CASES.filter(isOwn), (one, mutant) => {
    return judgeStreamInMemory({ ...one, needs: [] }, spoilStreams(mutant));
  });
});

describe("broken clients over connections", () => {
  catchAll(CLIENT_STREAM_MUTANTS, STREAM_CLIENT_CASES.filter(isOwn), (one, mutant) => {
    return judgeStreamClientInMemory(one, spoilStreams(mutant));
  });
});

/** Writes `docs/conformance.md`: each requirement, and what came of it. `node scripts/conformance_page.ts` @module */

import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Case, type Requirement, REQUIREMENTS } from "../conformance/case.ts";
import { CLIENT_CASES } from "../conformance/client_cases.ts";
import { type CaseResult, countOf } from "../conformance/runner.ts";
import { SERVER_CASES } from "../conformance/server_cases.ts";
import { STREAM_CLIENT_CASES } from "../conformance/client_streams.ts";
import { STREAM_SERVER_CASES } from "../conformance/stream_cases.ts";
import {
  judgeClientInMemory,
  judgeInMemory,
  judgeStreamClientInMemory,
  judgeStreamInMemory,
} from "../testing/conformance_harness.ts";
import { coverageOf } from "./coverage.ts";
import { ROOT } from "./runtimes.mjs";

/** Where the page is. */
export const PAGE = "docs/conformance.md";

type Judged = Map<string, { side: string; result: CaseResult }[]>;

async function judgeAll(): Promise<Judged> {
  const judged: Judged = new Map();
  const add = (side: string, result: CaseResult): void => {
    judged.set(result.id, [...judged.get(result.id) ?? [], { side, result }]);
  };
  for (const one of SERVER_CASES) add("server", await judgeInMemory(one));
  for (const one of CLIENT_CASES) add("client", await judgeClientInMemory(one));
  for (const one of STREAM_SERVER_CASES.filter(isOwn)) {
    add("server", await judgeStreamInMemory(one));
  }
  for (const one of STREAM_CLIENT_CASES.filter(isOwn)) {
    add("client", await judgeStreamClientInMemory(one));
  }
  return judged;
}

/** The cases of RFC 8323 itself. */
function isOwn({ id }: Case<never>): boolean {
  return id.startsWith("8323-");
}

/** What is said of the cases of other RFCs that server and client pass over connections as well. */
async function overConnections(): Promise<string> {
  const results: CaseResult[] = [];
  for (const one of STREAM_SERVER_CASES) {
    if (!isOwn(one)) results.push(await judgeStreamInMemory(one));
  }
  for (const one of STREAM_CLIENT_CASES) {
    if (!isOwn(one)) results.push(await judgeStreamClientInMemory(one));
  }
  const { passed } = countOf(results);
  return `Of ${results.length} cases of the other RFCs and the plugtests that say nothing of the message layer ${passed} pass ` +
    "over connections (RFC 8323) as well.";
}

function cell(text: string): string {
  return text.replaceAll("|", "\\|").replaceAll("<", "&lt;").replaceAll("*", "\\*");
}

function outcomeOf(row: Requirement, judged: Judged): string {
  const results = judged.get(row.id) ?? [];
  if (results.length === 0) {
    const { tests, reason } = coverageOf(row);
    if (tests.length === 0) return `not applicable: ${reason ?? "FORGOTTEN"}`;
    return `tests of the library: ${tests.map((path) => `\`${path}\``).join(", ")}`;
  }
  return results.map(({ side, result }) => {
    const { status, reason, notes } = result;
    const seen = notes.length === 0
      ? ""
      : ` (seen: ${notes.map((note) => note.replaceAll(/\d{4,}/g, "n")).join("; ")})`;
    const why = reason === undefined ? "" : ` (${reason})`;
    return `${side}: ${status}${why}${row.level === "derived" ? seen : ""}`;
  }).join("; ");
}

/** The page's text. */
export async function conformancePage(): Promise<string> {
  const judged = await judgeAll();
  const lines = [
    "# Conformance",
    "",
    "Every requirement of the checklist (`conformance/checklist.json`) with what came of it: a case of the suite that the server or",
    "the client was put through in memory, the tests of the library that name it where the wire does not tell, or why it does not apply. A derived",
    "requirement is a reading where an RFC is silent; its line names the alternatives that conform and, where several do, which one",
    "was seen. This page is made by `node scripts/conformance_page.ts`; a test fails where it is not current.",
    "",
    "| RFC | requirements | cases passed | skipped | tests of the library | not applicable |",
    "| --- | --- | --- | --- | --- | --- |",
  ];
  const rfcs = [...new Set(REQUIREMENTS.map(({ rfc }) => rfc))];
  for (const rfc of rfcs) {
    const rows = REQUIREMENTS.filter((row) => row.rfc === rfc);
    const withCase = rows.filter(({ id }) => judged.has(id));
    const passed = withCase.filter(({ id }) =>
      judged.get(id)!.every(({ result }) => result.status === "passed")
    );
    const others = rows.filter(({ id }) => !judged.has(id));
    const tested = others.filter((row) => coverageOf(row).tests.length > 0).length;
    const counts = [
      rows.length,
      passed.length,
      withCase.length - passed.length,
      tested,
      others.length - tested,
    ];
    lines.push(`| [${rfc}](#rfc-${rfc}) | ${counts.join(" | ")} |`);
  }
  const plugtests = [...SERVER_CASES, ...CLIENT_CASES].filter(({ section }) =>
    section.startsWith("Plugtest")
  );
  const passed = plugtests.filter(({ id }) =>
    judged.get(id)!.every(({ result }) => result.status === "passed")
  );
  lines.push(
    "",
    `Of ${plugtests.length} cases of the plugtests (CORE, LINK, BLOCK, OBS) ${passed.length} pass.`,
    "",
    await overConnections(),
  );
  for (const rfc of rfcs) {
    lines.push(
      "",
      `## RFC ${rfc}`,
      "",
      "| id | level | requirement | outcome |",
      "| --- | --- | --- | --- |",
    );
    for (const row of REQUIREMENTS.filter((row) => row.rfc === rfc)) {
      const text = row.level === "derived" ? `${row.requirement}. ${row.test}` : row.requirement;
      lines.push(`| ${row.id} | ${row.level} | ${cell(text)} | ${cell(outcomeOf(row, judged))} |`);
    }
  }
  return [...lines, ""].join("\n");
}

if (import.meta.main) {
  mkdirSync(join(ROOT, "docs"), { recursive: true });
  writeFileSync(join(ROOT, PAGE), await conformancePage());
}

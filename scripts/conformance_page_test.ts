import { describe, it } from "node:test";
import { assert, assertEquals } from "@std/assert";
import { REQUIREMENTS } from "../conformance/case.ts";
import { CLIENT_CASES } from "../conformance/client_cases.ts";
import { STREAM_CLIENT_CASES } from "../conformance/client_streams.ts";
import { SERVER_CASES } from "../conformance/server_cases.ts";
import { STREAM_SERVER_CASES } from "../conformance/stream_cases.ts";
import { conformancePage, PAGE } from "./conformance_page.ts";
import { coverageOf, idsIn } from "./coverage.ts";
import { readText } from "./files.ts";

/**
 * What is compared: formatting pads the columns of tables, and which tests name a requirement changes with every one
 * that is written.
 */
function words(text: string): string {
  return text.replaceAll(/-{3,}/g, "---").replaceAll(/[ \t]+/g, " ")
    .replaceAll(/(?:tests of the library: |not applicable: )[^|\n]*/g, "no case ")
    .replaceAll(/^(\| \[\d+\].*?)(?: \d+ \|){2}$/gm, "$1");
}

describe("the page about conformance", () => {
  it("is current", async () => {
    const [page, current] = [words(readText(PAGE)), words(await conformancePage())];
    assertEquals(page, current, "Write it anew: node scripts/conformance_page.ts, then deno fmt");
  });

  it("has every requirement", () => {
    const page = readText(PAGE);
    for (const { id } of REQUIREMENTS) assert(page.includes(`| ${id} `), id);
  });

  it("forgets none: each has a case, a test that names it, or a reason", () => {
    const datagrams = [...SERVER_CASES, ...CLIENT_CASES];
    const streams = [...STREAM_SERVER_CASES, ...STREAM_CLIENT_CASES];
    const judged = new Set([...datagrams, ...streams].map(({ id }) => id));
    const forgotten = REQUIREMENTS.filter((row) => {
      const { tests, reason } = coverageOf(row);
      return !judged.has(row.id) && tests.length === 0 && reason === undefined;
    });
    assertEquals(forgotten.map(({ id }) => id), []);
  });

  it("reads ids in full and in short", () => {
    assertEquals(idsIn("a (7641-3.3-2, 3, 4) b"), ["7641-3.3-2", "7641-3.3-3", "7641-3.3-4"]);
    assertEquals(idsIn("7252-5.7-6, 5.7-9"), ["7252-5.7-6", "7252-5.7-9"]);
    assertEquals(idsIn("7252-4.8-1, 4 to 6"), [1, 4, 5, 6].map((n) => `7252-4.8-${n}`));
    assertEquals(idsIn("7252-5.6-3, -4: fresh"), ["7252-5.6-3", "7252-5.6-4"]);
    assertEquals(idsIn("(7959-2.1-1, 7959-4-1)"), ["7959-2.1-1", "7959-4-1"]);
  });
});

import { describe, it } from "node:test";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { assert, assertEquals } from "@std/assert";
import { REQUIREMENTS } from "../conformance/case.ts";
import { namedTests } from "../conformance/coverage.ts";
import { conformancePage, PAGE } from "./conformance_page.ts";
import { readText } from "./files.ts";
import { ROOT } from "./runtimes.mjs";

/** Formatting pads the columns of tables. */
function words(text: string): string {
  return text.replaceAll(/-{3,}/g, "---").replaceAll(/[ \t]+/g, " ");
}

describe("the page about conformance", () => {
  it("is current", async () => {
    assertEquals(words(readText(PAGE)), words(await conformancePage()));
  });

  it("has every requirement", () => {
    const page = readText(PAGE);
    for (const { id } of REQUIREMENTS) assert(page.includes(`| ${id} `), id);
  });

  it("names tests that there are", () => {
    for (const path of namedTests()) assert(existsSync(join(ROOT, path)), path);
  });
});

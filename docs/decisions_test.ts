import { describe, it } from "node:test";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { assert, assertEquals } from "@std/assert";
import { listFiles } from "../scripts/files.ts";
import { ROOT } from "../scripts/runtimes.mjs";

const read = (path: string): string => readFileSync(join(ROOT, path), "utf8");
const entries = read("docs/decisions.md").replaceAll(/\s+/g, " ").split(" - **").slice(1);
const sources = listFiles()
  .filter((path) => /^lib\/.*(?<!_test)\.ts$/.test(path))
  .map((path) => read(path));

/** Whether the library has such a function, class, type, or a member of one. */
function isDocumented(name: string): boolean {
  const [owner, member] = name.split(".");
  const declared = new RegExp(`export (?:function|class|interface|type|const) ${owner}\\b`);
  const has = new RegExp(`^ +(?:async |get )?${member}(?:<.*>)?[?(:]`, "m");
  return sources.some((text) => declared.test(text) && (member === undefined || has.test(text)));
}

describe("docs/decisions.md", () => {
  for (const entry of entries) {
    it(entry.slice(0, entry.indexOf("**")), () => {
      for (const [, names] of entry.matchAll(/_(`[^_]+`)_/g)) {
        for (const [, name] of names!.matchAll(/`([^`]+)`/g)) {
          assert(isDocumented(name!), `There is no "${name}"`);
        }
      }
      const references = [...entry.matchAll(/`([\w/]+_test\.ts)`((?:,? "[^"]+")+)/g)];
      assert(references.length > 0, "No test is named");
      assertEquals(references.length, entry.match(/_test\.ts/g)!.length);
      for (const [, path, names] of references) {
        assert(existsSync(join(ROOT, path!)), `There is no ${path}`);
        for (const [, name] of names!.matchAll(/"([^"]+)"/g)) {
          assert(read(path!).includes(name!), `${path} has no test "${name}"`);
        }
      }
    });
  }
});

import { after, describe, it } from "node:test";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { assert, assertEquals, assertFalse, assertMatch, assertStringIncludes } from "@std/assert";
import { findPrograms } from "../interop/libcoap.ts";
import { type Outcome, run } from "./process.ts";
import { ROOT } from "./runtimes.mjs";

/** Runs `npm start`'s program on the runtime of this test. */
function start(env: Record<string, string> = {}): Promise<Outcome> {
  const flags = process.versions.deno ? ["run", "--no-check", "-A"] : [];
  return run(process.execPath, [...flags, join(ROOT, "scripts/start.ts")], {
    cwd: ROOT,
    env: { NO_COLOR: "1", ...env },
    timeout: 60_000,
  });
}

describe("npm start", () => {
  const empty = mkdtempSync(join(tmpdir(), "coap-start-"));
  after(() => rmSync(empty, { recursive: true, force: true }));

  it("shows every exchange and says so", async () => {
    const { code, stdout, output } = await start();
    assertEquals(code, 0, output);
    const lines = stdout.trimEnd().split("\n");
    const count = findPrograms() === undefined ? 10 : 23;
    assertStringIncludes(lines.at(-1)!, `${count} exchanges, all as expected`);
    assertEquals(lines.filter((line) => /^\d+\. /.test(line)).length, count);
    for (const line of lines.slice(0, -1)) assert([...line].length <= 100, line);
    for (
      const text of [
        "4.04 Not Found",
        "separate response",
        "2.01 Created",
        "ping",
        "pong",
        "7.01 CSM",
      ]
    ) {
      assertStringIncludes(stdout, text);
    }
    assertFalse(stdout.includes("\x1b"), "Colours without a terminal");
  });

  it("runs without libcoap and says how to get it", async () => {
    const { code, stdout, output } = await start({ PATH: empty });
    assertEquals(code, 0, output);
    assertStringIncludes(stdout, "apt install libcoap3-bin");
    assertMatch(
      stdout,
      /\n10 exchanges, all as expected, on \w+ \S+: our client and our server, the same over TCP\n$/,
    );
  });

  it("fails where something goes wrong", {
    skip: process.platform === "win32" ? "The stand-in is a shell script" : false,
  }, async () => {
    for (const name of ["coap-client", "coap-server"]) {
      const path = join(empty, name);
      writeFileSync(path, "#!/bin/sh\necho nothing works here\nexit 1\n");
      chmodSync(path, 0o755);
    }
    const { code, stdout, output } = await start({ PATH: empty });
    assertEquals(code, 1, output);
    assertStringIncludes(stdout, "Failed: ");
    assertStringIncludes(stdout, "nothing works here");
    assertStringIncludes(stdout, "10 exchanges, 1 failed");
  });
});

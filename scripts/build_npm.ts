/**
 * `npm run build`: the package that npm users get, in `dist/` or the folder that is given. Node strips no types below
 * `node_modules`, so it holds JavaScript and declarations.
 *
 * @module
 */

import {
  copyFileSync,
  cpSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join, resolve } from "node:path";
import process from "node:process";
import { readManifest, readText } from "./files.ts";
import { run } from "./process.ts";
import { findRuntime, ROOT } from "./runtimes.mjs";

/** The manifest of the npm package, made from those of the repository. */
function npmManifest(): Record<string, unknown> {
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

/**
 * Joins the modules of each entry point, and what several have in common, into few files: Node takes half a millisecond
 * for each file that it loads.
 */
async function joinModules(folder: string): Promise<void> {
  const bun = findRuntime("bun");
  if (bun === undefined) throw new Error("bun is neither installed nor in PATH");
  const joined = join(folder, "joined");
  const entries = Object.values(readManifest("deno.json").exports)
    .map((file) => join(folder, file.replace(/\.ts$/, ".js")));
  const flags = ["--target=node", "--format=esm", "--splitting"];
  const args = ["build", ...entries, ...flags, `--root=${folder}`, `--outdir=${joined}`];
  const { code, output } = await run(bun, args);
  if (code !== 0) throw new Error(`bun build ended with ${code}:\n${output}`);
  for (const name of readdirSync(folder, { recursive: true, encoding: "utf8" })) {
    if (name.endsWith(".js") && !name.startsWith("joined")) rmSync(join(folder, name));
  }
  cpSync(joined, folder, { recursive: true });
  rmSync(joined, { recursive: true });
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
  await joinModules(folder);
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

/** The start row: how much longer a process takes that imports the library and binds. @module */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { buildNpm } from "../../scripts/build_npm.ts";
import { run as runProgram } from "../../scripts/process.ts";
import {
  command,
  measureRounds,
  type Outcome,
  type Row,
  type Settings,
  type Target,
  type Variant,
} from "../harness.ts";

const MEASURE = "ms";
const SOURCES = "with mod.ts";
const BUILT = "with the npm package";
const CACHED = "with mod.ts, compiled before";
/** Starts of which the median counts, for each round of other rows. */
const STARTS = 5;

async function run(settings: Settings): Promise<Outcome> {
  const folder = mkdtempSync(join(tmpdir(), "coap-bench-"));
  try {
    await buildNpm(folder);
    const sources = new URL("../../mod.ts", import.meta.url).href;
    const built = pathToFileURL(join(folder, "mod.js")).href;
    const cache = { NODE_COMPILE_CACHE: join(folder, "cache") };
    const variants: Variant[] = [];
    for (const runtime of ["bun", "node", "deno"] as const) {
      const starts: [what: string, args: string[], env?: Record<string, string>][] = [
        ["alone", []],
        [SOURCES, [sources]],
        [BUILT, [built]],
      ];
      if (runtime === "node") starts.push([CACHED, [sources], cache]);
      for (const [what, args, env] of starts) {
        const found = command(runtime, "start.mjs", ...args);
        if (found === undefined) continue;
        const name = `${runtime} ${what}`;
        const [path, ...rest] = found;
        const measure: Variant["measure"] = async (figures) => {
          const begun = performance.now();
          const { code, output } = await runProgram(path!, rest, { env, timeout: 20_000 });
          if (code !== 0) throw new Error(`${name} ended with ${code}: ${output}`);
          figures.add(name, MEASURE, performance.now() - begun);
        };
        variants.push({ name, measure });
      }
    }
    const figures = await measureRounds(variants, {
      ...settings,
      rounds: settings.rounds * STARTS,
    });
    const targets: Target[] = [];
    const notes: string[] = [];
    for (const runtime of ["bun", "node", "deno"]) {
      const alone = figures.median(`${runtime} alone`, MEASURE);
      for (const what of [SOURCES, BUILT, CACHED]) {
        const more = figures.median(`${runtime} ${what}`, MEASURE);
        if (alone === undefined || more === undefined) continue;
        const ratio = more - alone;
        const text = `more than ${runtime} alone, ${what}`;
        if (what === SOURCES) targets.push({ text, ratio, wanted: 60, below: true, unit: " ms" });
        else notes.push(`${ratio.toFixed(1)} ms ${text}.`);
      }
    }
    return { figures: figures.list, targets, notes };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Time to start. */
export const startRow: Row = {
  name: "start",
  title: "Start: import `mod.ts` and bind",
  method:
    "From the start of a process to its end, beside one that does nothing. Compiled before: with the directory that " +
    "NODE_COMPILE_CACHE names.",
  duration: ({ rounds }) => `Starts of each: ${rounds * STARTS}, of which the median counts.`,
  run,
};

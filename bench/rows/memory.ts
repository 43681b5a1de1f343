/** The memory row: what a server holds after a million requests. @module */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { buildNpm } from "../../scripts/build_npm.ts";
import {
  command,
  type Figures,
  hasPackages,
  loadServer,
  measureRounds,
  type Outcome,
  type Ratio,
  type Row,
  ServerProgram,
  type Settings,
  type Target,
  type Variant,
} from "../harness.ts";

const REQUESTS = 1_000_000;
const SOURCES = 1000;
const HALF = "MB after half of them";
const WHOLE = "MB after all";
const TWICE = "MB after twice as many";
/** node-coap takes minutes for more, and the memory of the machine. */
const FEWER = 10;

async function measure(
  name: string,
  server: readonly string[],
  requests: number,
  figures: Figures,
): Promise<void> {
  const running = await ServerProgram.start(server);
  const { port } = running;
  try {
    const half = requests / 2;
    for (const [point, count] of [[HALF, half], [WHOLE, half], [TWICE, requests]] as const) {
      const perSource = REQUESTS / SOURCES;
      const { answered } = await loadServer({
        ...{ port, requests: count, window: 64, sources: 64, perSource },
        payload: "0123456789abcdef",
      });
      if (answered !== count) throw new Error(`${answered} of ${count} requests were answered`);
      const { memory } = running.program;
      if (memory !== undefined) figures.add(name, point, memory);
    }
  } finally {
    await running.stop();
  }
}

async function run(settings: Settings): Promise<Outcome> {
  const folder = mkdtempSync(join(tmpdir(), "coap-bench-"));
  try {
    await buildNpm(folder);
    const built = pathToFileURL(join(folder, "mod.js")).href;
    const requests = Math.ceil(REQUESTS / settings.divisor);
    const variants: Variant[] = [];
    const add = (name: string, server: string[] | undefined, count: number): void => {
      if (server === undefined) return;
      variants.push({ name, measure: (figures) => measure(name, server, count, figures) });
    };
    add("ours on Node", command("node", "serve.mjs", built), requests);
    add("ours on Bun", command("bun", "serve.mjs", built), requests);
    add("ours on Deno", command("deno", "serve.mjs", built), requests);
    const fewer = `node-coap on Node, ${REQUESTS / FEWER / 1000},000 requests`;
    if (hasPackages()) add(fewer, command("node", "serve_node_coap.mjs"), requests / FEWER);
    // It is no matter of chance: three times is enough.
    const figures = await measureRounds(variants, {
      ...settings,
      rounds: Math.min(3, settings.rounds),
    });
    const targets: Target[] = [];
    const half = figures.median("ours on Node", HALF);
    const whole = figures.median("ours on Node", WHOLE);
    if (half !== undefined && whole !== undefined) {
      targets.push(
        { text: "memory on Node", ratio: whole, wanted: 120, below: true, unit: " MB" },
        { text: "the same by that after half", ratio: whole / half, wanted: 1.05, below: true },
      );
    }
    const ratios: Ratio[] = [];
    for (const name of ["ours on Node", "ours on Bun", "ours on Deno"]) {
      const [all, twice] = [figures.median(name, WHOLE), figures.median(name, TWICE)];
      if (all === undefined || twice === undefined) continue;
      ratios.push({ text: `${name}: after twice as many by after all`, ratio: twice / all });
    }
    return { figures: figures.list, targets, ratios, notes: [] };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Memory of a server. */
export const memoryRow: Row = {
  name: "memory",
  title: "Memory: 1,000,000 requests from 1,000 source ports",
  method:
    "The resident set (RSS) of the server's process, which runs the library as it is built for npm. Up to 5 % more " +
    "after the second half count as none. Another 1,000,000 follow, from other source ports.",
  duration: ({ rounds }) =>
    `Rounds: ${Math.min(3, rounds)}, each of a fresh process, which nothing warms up.`,
  run,
};

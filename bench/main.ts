/**
 * The benchmark: `npm run bench -- [--quick] [--rounds N] [--seconds S] [ROW…]`. Starts the peers itself and writes what
 * came of it to `bench/results/`; a run of some rows keeps what is there of the others.
 *
 * @module
 */

import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { cpus, release, tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { findRuntime } from "../scripts/runtimes.mjs";
import { libcoap, type Row, type Settings } from "./harness.ts";
import { toSvg } from "./plot.ts";
import {
  isReached,
  type Report,
  type RowReport,
  rowReport,
  shown,
  speedTable,
  toMarkdown,
} from "./report.ts";
import { blockwiseRow } from "./rows/blockwise.ts";
import { clientRow } from "./rows/client.ts";
import { codecRow } from "./rows/codec.ts";
import { floodRow } from "./rows/flood.ts";
import { memoryRow } from "./rows/memory.ts";
import { observeRow } from "./rows/observe.ts";
import { idleRow, serverRow, transportRow } from "./rows/server.ts";
import { startRow } from "./rows/start.ts";
import { streamsRow } from "./rows/streams.ts";

/** All rows, in their order. */
export const ROWS: readonly Row[] = [
  serverRow,
  transportRow,
  idleRow,
  codecRow,
  clientRow,
  observeRow,
  blockwiseRow,
  memoryRow,
  startRow,
  floodRow,
  streamsRow,
];

const README = fileURLToPath(new URL("../README.md", import.meta.url));
/** The table in it. */
export const SPEED_TABLE: RegExp = /(?<=\n## Speed\n\n[^|]*)\| what [^]*?\|(?=\n\n)/;

const RESULTS = fileURLToPath(new URL("results", import.meta.url));

function version(path: string | undefined, ...args: string[]): string {
  if (path === undefined) return "not installed";
  try {
    return execFileSync(path, args, { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] })
      .split("\n")[0]!.trim();
  } catch {
    return "unknown";
  }
}

/** libcoap's server tells its version in the text that it shows for an option it does not know. */
function libcoapVersion(): string {
  const path = libcoap("coap-server");
  if (path === undefined) return "not installed";
  try {
    execFileSync(path, ["-h"], { encoding: "utf8", stdio: "pipe" });
  } catch (error) {
    return /v(\d+\.\d+\.\d+)/.exec(String((error as { stderr?: string }).stderr))?.[1] ?? "unknown";
  }
  return "unknown";
}

function packageVersion(name: string): string {
  const path = new URL(`node_modules/${name}/package.json`, import.meta.url);
  return existsSync(path) ? JSON.parse(readFileSync(path, "utf8")).version : "not installed";
}

function environment(): Record<string, string> {
  const found = cpus();
  return {
    "CPU": `${found[0]?.model.trim() ?? "unknown"}, ${found.length} cores`,
    "System": `${process.platform} ${release()}`,
    "Bun": version(findRuntime("bun"), "--version"),
    "Node": version(findRuntime("node"), "--version"),
    "Deno": version(findRuntime("deno"), "--version"),
    "libcoap": libcoapVersion(),
    "node-coap": packageVersion("coap"),
    "coap-packet": packageVersion("coap-packet"),
  };
}

/** The rows of an earlier run, where there are any. */
function earlierRows(folder: string): RowReport[] {
  const path = join(folder, "results.json");
  return existsSync(path) ? (JSON.parse(readFileSync(path, "utf8")) as Report).rows : [];
}

/** Runs rows and gives the report of all that is known. */
async function runRows(rows: readonly Row[], settings: Settings, folder: string): Promise<Report> {
  const known = new Map(earlierRows(folder).map((row) => [row.name, row]));
  const here = environment();
  for (const row of rows) {
    settings.log(`${row.name}: ${row.title}`);
    const report = rowReport(row, settings, here, await row.run(settings));
    known.set(row.name, report);
    for (const target of report.targets) {
      const { text, ratio, wanted, unit = "", below } = target;
      const word = isReached(target) ? "reached" : "short of it";
      settings.log(
        `  ${text}: ${shown(ratio)}${unit}, wanted ${
          below ? "below" : "at least"
        } ${wanted}: ${word}`,
      );
    }
  }
  return {
    environment: here,
    rows: ROWS.flatMap(({ name }) => known.get(name) ?? []),
  };
}

function number(args: string[], name: string, otherwise: number): number {
  const index = args.indexOf(name);
  if (index < 0) return otherwise;
  const [, text] = args.splice(index, 2);
  const value = Number(text);
  if (!(value > 0)) throw new RangeError(`${name} must be a number above 0: it is "${text}"`);
  return value;
}

/** The command line. */
export async function main(args: string[]): Promise<void> {
  const rest = [...args];
  const quick = rest.includes("--quick");
  if (quick) rest.splice(rest.indexOf("--quick"), 1);
  const settings: Settings = {
    rounds: number(rest, "--rounds", quick ? 1 : 5),
    seconds: number(rest, "--seconds", quick ? 0.3 : 2),
    warmUp: number(rest, "--warm-up", quick ? 0.2 : 1),
    divisor: quick ? 20 : 1,
    log: (text) => console.error(text),
  };
  for (const name of rest) {
    if (ROWS.some((row) => row.name === name)) continue;
    throw new RangeError(
      `No such row: "${name}". There are ${ROWS.map((row) => row.name).join(", ")}`,
    );
  }
  const rows = rest.length === 0 ? ROWS : ROWS.filter(({ name }) => rest.includes(name));
  // What a quick run gives is no result.
  const folder = quick ? join(tmpdir(), "coap-bench") : RESULTS;
  const report = await runRows(rows, settings, folder);
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "results.json"), `${JSON.stringify(report, null, 1)}\n`);
  writeFileSync(join(folder, "results.md"), toMarkdown(report));
  writeFileSync(join(folder, "ratios.svg"), toSvg(report));
  if (!quick) {
    const readme = readFileSync(README, "utf8");
    writeFileSync(README, readme.replace(SPEED_TABLE, () => speedTable(report)));
  }
  console.log(
    toMarkdown({
      ...report,
      rows: report.rows.filter((row) => rows.some(({ name }) => name === row.name)),
    }),
  );
}

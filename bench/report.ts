/** What a run gave, as Markdown and JSON. @module */

import { median, type Outcome, type Row, type Settings, type Target } from "./harness.ts";

/** A whole run. */
export interface Report {
  /** Where and with what it was made. */
  readonly environment: Record<string, string>;
  readonly rows: RowReport[];
}

/** How long a row was measured. */
export type Length = Pick<Settings, "rounds" | "seconds" | "warmUp" | "divisor">;

/** One row of a run. */
export interface RowReport extends Outcome {
  readonly length: Length;
  /** How often and how long. */
  readonly duration: string;
  /** Where and with what it was made. */
  readonly environment: Record<string, string>;
  readonly name: string;
  readonly title: string;
  readonly method: string;
}

/** A row with what came of it. */
export function rowReport(
  { name, title, method, duration = lasting }: Row,
  settings: Settings,
  environment: Record<string, string>,
  outcome: Outcome,
): RowReport {
  const { rounds, seconds, warmUp, divisor } = settings;
  const length = { rounds, seconds, warmUp, divisor };
  return { name, title, method, length, duration: duration(settings), environment, ...outcome };
}

function lasting({ rounds, seconds, warmUp }: Settings): string {
  return `Rounds: ${rounds}, of ${seconds} s each after ${warmUp} s of the same load.`;
}

/** Whether a target was reached. */
export function isReached({ ratio, wanted, below }: Target): boolean {
  return below ? ratio < wanted : ratio >= wanted;
}

/** A number with three digits that say something. */
export function shown(value: number): string {
  if (value >= 1000) return Math.round(value).toLocaleString("en");
  return value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2);
}

/** A target as a line of a table. */
function targetLine(target: Target): string {
  const { text, ratio, wanted, below, unit = "" } = target;
  const word = isReached(target) ? "reached" : "**short of it**";
  const limit = `${below ? "below" : "at least"} ${wanted}${unit}`;
  return `| ${text} | ${shown(ratio)}${unit} | ${limit} | ${word} |`;
}

function rowMarkdown(
  { title, method, duration, environment, figures, targets, ratios = [], notes }: RowReport,
  common: Record<string, string>,
): string {
  const lines = [`## ${title}`, "", `${method} ${duration}`, ""];
  const others = Object.entries(environment).filter(([name, value]) => common[name] !== value);
  if (others.length > 0) {
    lines.push(`Measured with ${others.map((entry) => entry.join(" ")).join(", ")}.`, "");
  }
  if (targets.length > 0) {
    lines.push(
      "| ratio | is | wanted | |",
      "| --- | ---: | ---: | --- |",
      ...targets.map(targetLine),
      "",
    );
  }
  if (ratios.length > 0) {
    lines.push("| ratio | is |", "| --- | ---: |");
    lines.push(...ratios.map(({ text, ratio }) => `| ${text} | ${shown(ratio)} |`), "");
  }
  const measures = [...new Set(figures.map(({ measure }) => measure))];
  const variants = [...new Set(figures.map(({ variant }) => variant))];
  if (figures.length > 0) {
    lines.push(
      `| median | ${measures.join(" | ")} |`,
      `| --- |${" ---: |".repeat(measures.length)}`,
    );
    for (const variant of variants) {
      const cells = measures.map((measure) => {
        const figure = figures.find((one) => one.variant === variant && one.measure === measure);
        return figure === undefined ? "" : shown(median(figure.values));
      });
      lines.push(`| ${variant} | ${cells.join(" | ")} |`);
    }
    lines.push("");
  }
  for (const note of notes) lines.push(note, "");
  return lines.join("\n");
}

/** The report as a page. */
export function toMarkdown({ environment, rows }: Report): string {
  const targets = rows.flatMap((row) => row.targets);
  const reached = targets.filter(isReached).length;
  return [
    "# Results",
    "",
    `${reached} of ${targets.length} targets reached. Only the ratios count: the machine is a small virtual one.`,
    "",
    ...Object.entries(environment).map(([name, value]) => `- ${name}: ${value}`),
    "- the median of the rounds counts; every other round goes in reverse order",
    "",
    "![Ratios](ratios.svg)",
    "",
    ...rows.map((row) => rowMarkdown(row, environment)),
  ].join("\n");
}

/** What README shows: what it is, what it stands beside, and the targets in `results.json`. */
const SPEED: readonly [what: string, beside: string, ...targets: string[]][] = [
  [
    "server on Bun, 16 / 64 requests under way",
    "libcoap",
    "ours on Bun to libcoap, window 16",
    "ours on Bun to libcoap, window 64",
  ],
  [
    "server on Node",
    "node-coap",
    "ours on Node to node-coap on Node, window 16",
    "ours on Node to node-coap on Node, window 64",
  ],
  [
    "server on Node",
    "an echo on plain `dgram`",
    "ours on Node to echo on Node (dgram), window 16",
    "ours on Node to echo on Node (dgram), window 64",
  ],
  [
    "server on Deno",
    "an echo on plain `listenDatagram`",
    "ours on Deno to echo on Deno (listenDatagram), window 16",
    "ours on Deno to echo on Deno (listenDatagram), window 64",
  ],
  [
    "client on Node, one after the other / 64 at once",
    "node-coap",
    "ours to node-coap, one after the other",
    "ours to node-coap, 64 at once",
  ],
  [
    "notifications to 1,000 observers, Node / Bun",
    "node-coap",
    "ours to node-coap, on Node",
    "ours to node-coap, on Bun",
  ],
  [
    "1 MB in blocks on Bun, GET / PUT",
    "libcoap",
    "GET, ours on Bun to libcoap",
    "PUT, ours on Bun to libcoap",
  ],
  [
    "codec on Node, encode / decode",
    "coap-packet",
    "encode on node, coap-packet's time by ours",
    "decode on node, coap-packet's time by ours",
  ],
];

/** The lines of a table whose columns are as wide as their widest cell. */
function aligned(rows: readonly (readonly string[])[]): string[] {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  return rows.map((row) => `| ${row.map((cell, i) => cell.padEnd(widths[i]!)).join(" | ")} |`);
}

/** The table in README, of the targets that were measured. */
export function speedTable({ rows }: Report): string {
  const targets = new Map(
    rows.flatMap((row) => row.targets.map((target) => [target.text, target])),
  );
  const lines = SPEED.flatMap(([what, beside, ...texts]) => {
    const found = texts.flatMap((text) => targets.get(text) ?? []);
    if (found.length < texts.length) return [];
    const wanted = [...new Set(found.map((target) => String(target.wanted)))];
    return [[
      what,
      beside,
      found.map(({ ratio }) => shown(ratio)).join(" / "),
      wanted.join(" / "),
    ]];
  });
  const [head, ...body] = aligned([["what", "beside", "ratio", "aim"], ...lines]);
  return [head, head!.replace(/[^|]/g, "-").replace(/\|-/g, "| ").replace(/-\|/g, " |"), ...body]
    .join("\n");
}

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
  readonly name: string;
  readonly title: string;
  readonly method: string;
}

/** A row with what came of it. */
export function rowReport(
  { name, title, method }: Row,
  { rounds, seconds, warmUp, divisor }: Length,
  outcome: Outcome,
): RowReport {
  return { name, title, method, length: { rounds, seconds, warmUp, divisor }, ...outcome };
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
  { title, method, length, figures, targets, ratios = [], notes }: RowReport,
): string {
  const { rounds, seconds, warmUp } = length;
  const how = `Rounds: ${rounds}, of ${seconds} s each after ${warmUp} s of the same load.`;
  const lines = [`## ${title}`, "", `${method} ${how}`, ""];
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
    ...rows.map(rowMarkdown),
  ].join("\n");
}

/** Reports as a text tree, JSON, JUnit XML and TAP. @module */

import { toHex } from "./datagram.ts";
import { linesOf } from "./exchange_text.ts";
import { type CaseResult, countOf, isGood, type Status } from "./runner.ts";

/** What a report is about. */
export interface ReportHead {
  /** Who was put to it: a URI or a command. */
  subject: string;
  /** When, as in `new Date().toISOString()`. */
  date: string;
}

const MARKS: Record<Status, string> = {
  passed: "✓",
  failed: "✗",
  skipped: "–",
  "expected-failure": "≈",
  "unexpected-pass": "!",
};

/** Groups what has the same section, in the order of first appearance. */
export function bySection(results: readonly CaseResult[]): Map<string, CaseResult[]> {
  const sections = new Map<string, CaseResult[]>();
  for (const result of results) {
    const list = sections.get(result.section) ?? [];
    list.push(result);
    sections.set(result.section, list);
  }
  return sections;
}

/** The counts in one line. */
export function summaryOf(results: readonly CaseResult[]): string {
  const counts = countOf(results);
  const words = [`${results.length} cases`, `${counts.passed} passed`, `${counts.failed} failed`];
  if (counts["expected-failure"] > 0) {
    words.push(`${counts["expected-failure"]} failed as expected`);
  }
  if (counts["unexpected-pass"] > 0) words.push(`${counts["unexpected-pass"]} passed unexpectedly`);
  return [...words, `${counts.skipped} skipped`].join(", ");
}

const COLORS: Record<Status, number> = {
  passed: 32,
  failed: 31,
  skipped: 90,
  "expected-failure": 33,
  "unexpected-pass": 31,
};

const DIM = 90;

/** How a text is written. */
export interface TextReportOptions {
  /** Whether it has the escape sequences of terminals for colours. @default {false} */
  color?: boolean;
}

/**
 * A tree for people: sections, cases, and of failures what was expected, what came, and the whole exchange. It ends with
 * the counts, the ids of what failed, and why cases were skipped.
 */
export function textReport(
  { subject, date }: ReportHead,
  results: readonly CaseResult[],
  { color = false }: TextReportOptions = {},
): string {
  const paint = (code: number, text: string): string =>
    color && text !== "" ? `\x1b[${code}m${text}\x1b[0m` : text;
  const lines = [`${paint(1, `CoAP conformance of ${subject}`)}, ${date}`, ""];
  for (const [section, list] of bySection(results)) {
    lines.push(paint(1, section));
    for (const result of list) {
      const { id, level, requirement, status, reason, expected, actual, notes, exchange } = result;
      const isQuiet = status === "skipped";
      const aside = [...notes.map((note) => `[${note}]`), ...(reason ? [`(${reason})`] : [])];
      const words = `${level.padEnd(9)} ${requirement}`;
      lines.push(
        `  ${paint(COLORS[status], `${MARKS[status]} ${id.padEnd(11)}`)} ` +
          `${isQuiet ? paint(DIM, words) : words}${
            paint(DIM, aside.map((text) => ` ${text}`).join(""))
          }`,
      );
      if (expected === undefined || status === "expected-failure") continue;
      lines.push(`      expected  ${paint(32, expected)}`, `      actual    ${paint(31, actual!)}`);
      lines.push(...linesOf(exchange).map((line) => paint(DIM, `     ${line}`)));
    }
    lines.push("");
  }
  return [...lines, ...closing(results, paint), ""].join("\n");
}

/** The counts, and what to look at next. */
function closing(
  results: readonly CaseResult[],
  paint: (code: number, text: string) => string,
): string[] {
  const lines: string[] = [];
  const skips = new Map<string, number>();
  for (const { status, reason = "" } of results) {
    if (status === "skipped") skips.set(reason, (skips.get(reason) ?? 0) + 1);
  }
  for (const [reason, count] of [...skips].toSorted(([, a], [, b]) => b - a)) {
    lines.push(paint(DIM, `${String(count).padStart(4)} skipped: ${reason}`));
  }
  const bad = results.filter(({ status }) => isBad(status)).map(({ id }) => id);
  if (bad.length > 0) lines.push(paint(31, `failed: ${bad.join(" ")}`));
  return [...lines, paint(isGood(results) ? 32 : 31, summaryOf(results))];
}

/** Everything, for programs. Bytes are hexadecimal. */
export function jsonReport(head: ReportHead, results: readonly CaseResult[]): string {
  const cases = results.map((result) => ({
    ...result,
    exchange: result.exchange.map(({ bytes, ...rest }) => ({ ...rest, bytes: toHex(bytes) })),
  }));
  const report = { ...head, good: isGood(results), counts: countOf(results), cases };
  return JSON.stringify(report, null, 2) + "\n";
}

/** Makes a text safe in XML and HTML; what XML can not hold becomes a question mark. */
export function escapeXml(text: string): string {
  return text.toWellFormed()
    // deno-lint-ignore no-control-regex
    .replaceAll(/[\0-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]/g, "?")
    .replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;")
    .replaceAll('"', "&quot;");
}

function detailsOf({ expected, actual, exchange, reason }: CaseResult): string {
  const lines = expected === undefined ? [] : [`expected: ${expected}`, `actual: ${actual}`];
  if (reason !== undefined) lines.push(`reason: ${reason}`);
  return [...lines, ...linesOf(exchange)].join("\n");
}

function isBad(status: Status): boolean {
  return status === "failed" || status === "unexpected-pass";
}

function isLeftOut(status: Status): boolean {
  return status === "skipped" || status === "expected-failure";
}

/** JUnit XML, a test suite for each section. */
export function junitReport({ subject, date }: ReportHead, results: readonly CaseResult[]): string {
  const attributes = (list: readonly CaseResult[]): string => {
    const failures = list.filter(({ status }) => isBad(status)).length;
    const skipped = list.filter(({ status }) => isLeftOut(status)).length;
    const time = list.reduce((sum, { duration }) => sum + duration, 0) / 1000;
    return `tests="${list.length}" failures="${failures}" errors="0" skipped="${skipped}" ` +
      `time="${time.toFixed(3)}"`;
  };
  const lines = [
    '<?xml version="1.0" encoding="UTF-8"?>',
    `<testsuites name="${escapeXml(`CoAP conformance of ${subject}`)}" ${attributes(results)}>`,
  ];
  for (const [section, list] of bySection(results)) {
    const name = escapeXml(section);
    lines.push(`  <testsuite name="${name}" timestamp="${date}" ${attributes(list)}>`);
    for (const result of list) {
      const { id, requirement, status, reason, duration } = result;
      const title = escapeXml(`${id}: ${requirement}`);
      const head = `    <testcase classname="${name}" name="${title}" time="${
        (duration / 1000).toFixed(3)
      }"`;
      if (status === "passed") lines.push(`${head}/>`);
      else if (isLeftOut(status)) {
        lines.push(`${head}><skipped message="${escapeXml(reason ?? "")}"/></testcase>`);
      } else {
        const message = escapeXml(reason ?? `expected ${result.expected}`);
        lines.push(
          `${head}><failure message="${message}">${
            escapeXml(detailsOf(result))
          }</failure></testcase>`,
        );
      }
    }
    lines.push("  </testsuite>");
  }
  return [...lines, "</testsuites>", ""].join("\n");
}

/** The Test Anything Protocol, version 13: what `prove` and others read. */
export function tapReport(results: readonly CaseResult[]): string {
  const clean = (text: string): string => text.replaceAll(/[\r\n]+/g, " ").replaceAll("#", "\\#");
  const lines = ["TAP version 13", `1..${results.length}`];
  for (const [index, result] of results.entries()) {
    const { id, requirement, status, reason = "", expected, actual } = result;
    const ok = status === "failed" || status === "expected-failure" ? "not ok" : "ok";
    const directive = status === "skipped"
      ? ` # SKIP ${clean(reason)}`
      : status === "expected-failure"
      ? ` # TODO ${clean(reason)}`
      : "";
    lines.push(`${ok} ${index + 1} - ${clean(`${id} ${requirement}`)}${directive}`);
    if (status === "unexpected-pass") lines[lines.length - 1] = `not ${lines.at(-1)}`;
    if (expected !== undefined) {
      lines.push("  ---", `  expected: ${JSON.stringify(expected)}`);
      lines.push(`  actual: ${JSON.stringify(actual)}`, "  ...");
    }
  }
  return [...lines, ""].join("\n");
}

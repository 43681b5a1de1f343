/**
 * `npm test`: every check, with one line at the end over all of them.
 *
 * `npm test -- lint deno` runs the steps whose names have one of these words.
 *
 * @module
 */

import process from "node:process";
import { type Result, type Step, STEPS } from "./steps.ts";

const WORKERS = 2;
/** Lines of a failed step's output that are shown where its report names no failure. */
const TAIL = 100;
/** What Node, Bun and Deno print for a test that passed. */
const PASSED = /^\s*(✔ |\(pass\) )|\.\.\. ok \(\d+ms\)$/;

function select(words: readonly string[]): Step[] {
  for (const word of words) {
    if (!STEPS.some(({ name }) => name === word || name.split(":").includes(word))) {
      const names = STEPS.map(({ name }) => name).join(", ");
      throw new Error(`No step is named "${word}"; there are ${names}`);
    }
  }
  return STEPS.filter(({ name }) =>
    words.length === 0 ||
    words.some((word) => name === word || name.split(":").includes(word))
  );
}

function indent(text: string): string {
  return text.replaceAll(/^(?=.)/gm, "    ");
}

function print(step: Step, result: Result, seconds: number): void {
  const counts = [`${result.passed.length} passed`];
  if (result.failed.length > 0) counts.push(`${result.failed.length} failed`);
  if (result.skipped.length > 0) counts.push(`${result.skipped.length} skipped`);
  const mark = result.failed.length === 0 ? "ok  " : "FAIL";
  console.log(
    `${mark} ${step.name.padEnd(13)} ${step.title.padEnd(30)} ` +
      `${counts.join(", ").padEnd(28)} ${seconds.toFixed(1).padStart(6)} s`,
  );
  for (const { name, text } of result.failed) {
    console.log(indent(text === "" ? name : `${name}\n${indent(text)}`));
  }
  // Node reports a file that failed to load by its name alone; what went wrong stands in the output.
  if (result.failed.some(({ name, text }) => text === "" || name.endsWith("_test.ts"))) {
    const lines = result.output.trimEnd().split("\n").filter((line) => !PASSED.test(line));
    if (result.output !== "") console.log(indent(lines.slice(-TAIL).join("\n")));
  }
}

async function perform(step: Step): Promise<Result> {
  const start = performance.now();
  let result: Result;
  try {
    result = await step.run();
  } catch (error) {
    result = {
      passed: [],
      failed: [{ name: step.title, text: String(error) }],
      skipped: [],
      output: "",
    };
  }
  print(step, result, (performance.now() - start) / 1000);
  return result;
}

/** Runs the steps in order, two at a time but for those that want the machine for themselves. */
async function performAll(steps: readonly Step[]): Promise<Map<Step, Result>> {
  const results = new Map<Step, Result>();
  const together = steps.filter(({ alone }) => !alone);
  const worker = async (): Promise<void> => {
    for (let step = together.shift(); step !== undefined; step = together.shift()) {
      results.set(step, await perform(step));
    }
  };
  await Promise.all(Array.from({ length: WORKERS }, worker));
  for (const step of steps) {
    if (step.alone) results.set(step, await perform(step));
  }
  return results;
}

/** Deno and Bun leave the reason out of their reports: the report of Node has it for the same test. */
function printSkipped(results: Map<Step, Result>): void {
  const reasons = new Map<string, string>();
  for (const { skipped } of results.values()) {
    for (const { name, reason } of skipped) if (reason !== undefined) reasons.set(name, reason);
  }
  for (const [step, { skipped }] of results) {
    for (const { name, reason } of skipped) {
      console.log(
        `skip ${step.name.padEnd(13)} ${name}: ${reason ?? reasons.get(name) ?? "no reason given"}`,
      );
    }
  }
}

try {
  const results = await performAll(select(process.argv.slice(2)));
  printSkipped(results);
  let passed = 0, failed = 0, skipped = 0;
  for (const result of results.values()) {
    passed += result.passed.length;
    failed += result.failed.length;
    skipped += result.skipped.length;
  }
  console.log(`\n${passed} passed, ${failed} failed, ${skipped} skipped`);
  if (failed > 0) process.exitCode = 1;
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}

/** What is fuzzed: inputs with a corpus of their own, and what must be true of each. @module */

import { readFileSync } from "node:fs";
import fc from "fast-check";

/** An input that was worth keeping. */
export interface CorpusEntry<T> {
  readonly input: T;
  /** What it is for, or what it found. */
  readonly why: string;
}

/** One of the things that are fuzzed. Inputs are JSON, so that a finding can be kept. */
export interface FuzzTarget<T = unknown> {
  /** Also that of its file in `fixtures/fuzz/`. */
  readonly name: string;
  readonly arbitrary: fc.Arbitrary<T>;
  /** Throws where something that must hold does not. */
  check(input: T): void;
}

/** What was kept for a target. */
export function corpusOf<T>(name: string): CorpusEntry<T>[] {
  const url = new URL(`../../fixtures/fuzz/${name}.json`, import.meta.url);
  return JSON.parse(readFileSync(url, "utf8"));
}

/** A failure: the smallest input found, and how to find it again. */
export interface Finding {
  readonly input: unknown;
  readonly seed: number;
  readonly path: string;
  readonly error: unknown;
}

/** Tries the corpus. Throws at the first input that fails, naming it. */
export function replayCorpus(target: FuzzTarget): number {
  const corpus = corpusOf(target.name);
  for (const { input, why } of corpus) {
    try {
      target.check(input);
    } catch (error) {
      throw new Error(`${target.name}: ${why}: ${JSON.stringify(input)}`, { cause: error });
    }
  }
  return corpus.length;
}

/** Tries inputs of a seed. Answers what was found, as small as it could be made. */
export function fuzz(
  target: FuzzTarget,
  options: { seed?: number; runs?: number; milliseconds?: number },
): { runs: number; finding?: Finding } {
  const { seed, runs = Infinity, milliseconds } = options;
  const details = fc.check(
    fc.property(target.arbitrary, (input) => target.check(input)),
    {
      seed,
      numRuns: Math.min(runs, 2 ** 31 - 1),
      interruptAfterTimeLimit: milliseconds,
      includeErrorInReport: false,
    },
  );
  if (!details.failed || details.counterexample === null) return { runs: details.numRuns };
  const finding = {
    input: details.counterexample[0],
    seed: details.seed,
    path: details.counterexamplePath ?? "",
    error: details.errorInstance,
  };
  return { runs: details.numRuns, finding };
}

/** A finding in words, with what to do about it. */
export function describeFinding(name: string, { input, seed, path, error }: Finding): string {
  const text = JSON.stringify(input);
  const entry = JSON.stringify({ input, why: "what it found" });
  return [
    `${name}, seed ${seed}, path ${path}: ${error instanceof Error ? error.stack : error}`,
    `Smallest input: ${text}`,
    `Try it alone:   npm run fuzz -- --target ${name} --input '${text}'`,
    `Keep it:        add ${entry} to fixtures/fuzz/${name}.json`,
  ].join("\n");
}

/** The steps of `npm test`. @module */

import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { listFiles, publishedModules, readManifest, readText } from "./files.ts";
import { parseJunit, type Report } from "./junit.ts";
import { run } from "./process.ts";
import { findRuntime, inPath, ROOT } from "./runtimes.mjs";

/** What came of a step. */
export interface Result extends Report {
  /** Shown where something failed and no single failure says it. */
  output: string;
}

/** One step of `npm test`. */
export interface Step {
  /** Words joined by colons; a step is selected by its name or any of the words. */
  name: string;
  /** What it runs, for its header. */
  title: string;
  /** Runs by itself, because it measures time or wants the cores. */
  alone?: boolean;
  run(): Promise<Result>;
}

type Runtime = "deno" | "bun" | "node";

/** Longest time of one test (Deno knows none) and of a whole runner, ms. */
const TEST_TIMEOUT = 180_000;
const RUNNER_TIMEOUT = 360_000;

/** Files with steps of their own. */
const SPECIAL = /^interop\/|^scripts\/build_npm_test\.ts$/;

/** libcoap's programs carry the TLS library they were built with in their names. */
const TLS_SUFFIXES = ["", "-notls", "-openssl", "-gnutls", "-mbedtls", "-wolfssl", "-tinydtls"];

const ENVIRONMENT: Record<string, string> = {
  DENO_JOBS: "2",
  DENO_NO_UPDATE_CHECK: "1",
  DENO_NO_PROMPT: "1",
  NO_COLOR: "1",
  ...(process.env.CI === "true" && { COAP_REQUIRE_PEERS: "1" }),
};

function failure(name: string, output: string): Result {
  return { passed: [], failed: [{ name, text: "" }], skipped: [], output };
}

function need(runtime: Runtime): string {
  const path = findRuntime(runtime);
  if (path === undefined) throw new Error(`${runtime} is neither installed nor in PATH`);
  return path;
}

/** A step that is one command and counts as one. */
function command(name: string, title: string, args: () => readonly string[]): Step {
  return {
    name,
    title,
    async run(): Promise<Result> {
      const [program, ...rest] = args();
      const { code, output } = await run(program!, rest, { cwd: ROOT, env: ENVIRONMENT });
      if (code !== 0) return failure(title, output);
      return { passed: [title], failed: [], skipped: [], output };
    },
  };
}

/** How each runtime runs two files at a time (Deno: by DENO_JOBS). Bun does not. */
const TWO_FILES: Record<Runtime, string[]> = {
  deno: ["--parallel"],
  bun: [],
  node: ["--test-concurrency=2"],
};

/** How each runtime runs test files and writes a JUnit report. */
const RUNNERS: Record<
  Runtime,
  (files: readonly string[], report: string, flags: readonly string[]) => string[]
> = {
  // No --allow-ffi, and no more than the tests themselves need; the library itself needs the network alone.
  deno: (files, report, flags) => [
    "test",
    "--no-check",
    "--allow-net",
    "--allow-read",
    "--allow-write",
    "--allow-env",
    "--allow-run",
    "--allow-sys",
    `--junit-path=${report}`,
    ...flags,
    ...files,
  ],
  bun: (files, report, flags) => [
    "test",
    `--timeout=${TEST_TIMEOUT}`,
    "--reporter=junit",
    `--reporter-outfile=${report}`,
    ...flags,
    // Without the dot Bun takes a path for a filter of names.
    ...files.map((file) => `./${file}`),
  ],
  node: (files, report, flags) => [
    "--test",
    `--test-timeout=${TEST_TIMEOUT}`,
    "--test-reporter=spec",
    "--test-reporter-destination=stdout",
    "--test-reporter=junit",
    `--test-reporter-destination=${report}`,
    ...flags,
    ...files,
  ],
};

/** Runs a test runner and reads its report. */
async function runTests(runtime: Runtime, args: (report: string) => string[]): Promise<Result> {
  const folder = mkdtempSync(join(tmpdir(), "coap-test-"));
  const report = join(folder, "report.xml");
  try {
    const { code, output } = await run(need(runtime), args(report), {
      cwd: ROOT,
      env: ENVIRONMENT,
      timeout: RUNNER_TIMEOUT,
    });
    const end = code === null ? `${runtime} was killed` : `${runtime} ended with ${code}`;
    if (!existsSync(report)) return failure(`${end}, no report`, output);
    const result = { ...parseJunit(readFileSync(report, "utf8")), output };
    if (code !== 0 && result.failed.length === 0) {
      result.failed.push({ name: end, text: "" });
    }
    if (result.passed.length + result.failed.length + result.skipped.length === 0) {
      result.failed.push({ name: `${runtime} found no tests`, text: "" });
    }
    return result;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function testStep(
  name: string,
  runtime: Runtime,
  files: () => string[],
  flags: readonly string[] = [],
): Step {
  return {
    name,
    title: `${runtime} test`,
    alone: true,
    run: (): Promise<Result> => {
      const chosen = files();
      if (chosen.length === 0) return Promise.resolve(failure("There are no test files", ""));
      return runTests(runtime, (report) => RUNNERS[runtime](chosen, report, flags));
    },
  };
}

function testFiles(): string[] {
  return listFiles().filter((path) => path.endsWith("_test.ts") && !SPECIAL.test(path));
}

/**
 * The interop tests skip themselves where a peer is missing, unless it must be there. Most of the time they wait for
 * retransmissions of a second and more: two files at a time.
 */
function interopStep(runtime: Runtime): Step {
  const step = testStep(
    `interop:${runtime}`,
    runtime,
    () => listFiles().filter((path) => path.startsWith("interop/") && path.endsWith("_test.ts")),
    TWO_FILES[runtime],
  );
  return {
    ...step,
    title: `${runtime} test, against libcoap`,
    run: (): Promise<Result> => {
      const required = { ...process.env, ...ENVIRONMENT }["COAP_REQUIRE_PEERS"] === "1";
      for (const program of ["coap-client", "coap-server"]) {
        if (required && !TLS_SUFFIXES.some((suffix) => inPath(program + suffix) !== undefined)) {
          return Promise.resolve(failure(`${program} of libcoap is not in PATH`, ""));
        }
      }
      return step.run();
    },
  };
}

function entryPoints(): string[] {
  return Object.values(readManifest("deno.json").exports);
}

function markdownFiles(): string[] {
  return ["README.md", "conformance/README.md", "docs/component.md"].filter((path) =>
    existsSync(join(ROOT, path))
  );
}

function typescript(project: string): string[] {
  return [need("node"), join(ROOT, "node_modules/typescript/bin/tsc"), "--noEmit", "-p", project];
}

/** All steps, in the order in which they run. */
export const STEPS: readonly Step[] = [
  command("format", "deno fmt --check", () => [need("deno"), "fmt", "--check"]),
  command("lint", "deno lint", () => [need("deno"), "lint"]),
  command("types:deno", "deno check", () => [
    need("deno"),
    "check",
    // What the benchmarks compare with is not installed.
    ...listFiles().filter((path) => path.endsWith(".ts") && path !== "bench/codec.ts"),
  ]),
  command("types:node", "tsc, with Node's types", () => typescript("tsconfig.json")),
  command("types:dom", "tsc, with DOM libraries alone", () => typescript("tsconfig.dom.json")),
  command(
    "docs:lint",
    "deno doc --lint",
    () => [need("deno"), "doc", "--quiet", "--lint", ...entryPoints()],
  ),
  {
    name: "docs:run",
    title: "deno test --doc",
    run: (): Promise<Result> =>
      runTests("deno", (report) => [
        "test",
        "--doc",
        // What the examples show needs the network and nothing else.
        "--allow-net",
        `--junit-path=${report}`,
        // Only those that show something: the modules are run as well, and a command ends the process.
        ...publishedModules().filter((file) => readText(file).includes("```ts")),
        ...markdownFiles(),
      ]),
  },
  command("publish", "deno publish --dry-run", () => [
    need("deno"),
    "publish",
    "--dry-run",
    "--allow-dirty",
  ]),
  testStep("test:node", "node", testFiles),
  testStep("test:deno", "deno", testFiles),
  testStep("test:bun", "bun", testFiles),
  interopStep("node"),
  interopStep("deno"),
  interopStep("bun"),
  { ...testStep("npm", "node", () => ["scripts/build_npm_test.ts"]), title: "the npm package" },
];

/** Runs programs, keeps their output and ends them when they take too long. @module */

import { type ChildProcess, spawn } from "node:child_process";
import process from "node:process";

/** How a program ended. */
export interface Outcome {
  /** The exit code; `null` where a signal ended it. */
  code: number | null;
  /** What it wrote to standard output. */
  stdout: string;
  /** What it wrote to both streams, as it came. */
  output: string;
}

/** How to run a program. */
export interface RunOptions {
  /** Working folder; that of this process by default. */
  cwd?: string;
  /** Variables on top of those of this process. */
  env?: Record<string, string>;
  /**
   * After this time the program and its children are killed, ms.
   *
   * @default {300000}
   */
  timeout?: number;
}

const running = new Set<ChildProcess>();

/** A child leads a group of its own, so that what it started ends with it. */
function kill(child: ChildProcess): void {
  if (child.pid === undefined) return;
  try {
    if (process.platform === "win32") child.kill("SIGKILL");
    else process.kill(-child.pid, "SIGKILL");
  } catch {
    // It ended by itself.
  }
}

for (const [signal, code] of [["SIGINT", 130], ["SIGTERM", 143]] as const) {
  process.on(signal, () => {
    for (const child of running) kill(child);
    process.exit(code);
  });
}

/** Runs a program to its end. A program that can not be started or takes too long has `code` null. */
export function run(
  command: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<Outcome> {
  const { promise, resolve } = Promise.withResolvers<Outcome>();
  const timeout = options.timeout ?? 300_000;
  let stdout = "";
  let output = "";
  const child = spawn(command, args, {
    cwd: options.cwd,
    detached: process.platform !== "win32",
    env: { ...process.env, ...options.env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  running.add(child);
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    stdout += text;
    output += text;
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => output += text);
  const timer = setTimeout(() => {
    output += `\nKilled after ${timeout} ms\n`;
    kill(child);
  }, timeout);
  const end = (code: number | null): void => {
    clearTimeout(timer);
    running.delete(child);
    resolve({ code, stdout, output });
  };
  child.on("error", (error) => {
    output += `${error.message}\n`;
    end(null);
  });
  child.on("close", end);
  return promise;
}

/** Example programs that run beside a test. @module */

import { type ChildProcess, spawn } from "node:child_process";
import process from "node:process";
import { run } from "../scripts/process.ts";
import { findRuntime, ROOT } from "../scripts/runtimes.mjs";

/** The three runtimes. */
export type RuntimeName = "node" | "deno" | "bun";

/** The runtime of this test. */
export const OWN_RUNTIME: RuntimeName = process.versions.deno
  ? "deno"
  : process.versions.bun
  ? "bun"
  : "node";

const DENO_FLAGS = ["run", "--quiet", "--no-check", "--allow-net", "--allow-read"];

/** How the runtime of this test runs a program. */
const RUNTIME = OWN_RUNTIME === "deno" ? [process.execPath, ...DENO_FLAGS] : [process.execPath];

/** How a program is run by another runtime than that of this test, or with other variables. */
export interface Command {
  /** What comes before the program and its arguments. */
  readonly words: readonly string[];
  /** Variables on top of those of this process. */
  readonly env?: Readonly<Record<string, string>>;
}

/** How a runtime runs a program; undefined where it is not installed. */
export function commandOf(name: RuntimeName, env?: Command["env"]): Command | undefined {
  const path = name === OWN_RUNTIME ? process.execPath : findRuntime(name);
  if (path === undefined || path === "") return undefined;
  return { words: name === "deno" ? [path, ...DENO_FLAGS] : [path], env };
}

/** A program that runs beside the test. */
export class Program {
  readonly #child: ChildProcess;
  #onOutput = (): void => {};
  /** What it has printed. */
  output = "";
  /** Its exit code, when it has ended. */
  readonly ended: Promise<number | null>;

  constructor(first: string | Command, ...args: string[]) {
    const { words, env }: Command = typeof first === "string"
      ? { words: [...RUNTIME, first] }
      : first;
    const [program, ...rest] = [...words, ...args] as [string, ...string[]];
    this.#child = spawn(program, rest, {
      cwd: ROOT,
      env: { ...process.env, ...env },
      stdio: ["ignore", "pipe", "pipe"],
    });
    for (const stream of [this.#child.stdout!, this.#child.stderr!]) {
      stream.setEncoding("utf8").on("data", (text: string) => {
        this.output += text;
        this.#onOutput();
      });
    }
    this.ended = new Promise((resolve) => this.#child.on("close", resolve));
  }

  /** Waits until it has printed something, and gives that. */
  prints(pattern: RegExp): Promise<string> {
    return new Promise((resolve, reject) => {
      const fail = (why: string): void => reject(new Error(`${why}:\n${this.output}`));
      const timer = setTimeout(() => fail(`It has not printed ${pattern} within 30 s`), 30_000);
      this.ended.then(() => (clearTimeout(timer), fail("It has ended")));
      this.#onOutput = () => {
        const found = pattern.exec(this.output);
        if (found === null) return;
        clearTimeout(timer);
        resolve(found[0]);
      };
      this.#onOutput();
    });
  }

  /** Does what Ctrl+C does. */
  interrupt(): void {
    process.kill(this.#child.pid!, "SIGINT"); // after the child's own method Deno knows no exit code
  }

  /** Ends it by its process. */
  async close(): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.ended;
  }
}

/** A server program: it prints its URI. */
export class ServerProgram extends Program {
  readonly origin: Promise<string> = this.prints(/^coap:\/\/\S+$/m);
}

/** Runs a program to its end and gives what it prints. */
export async function runProgram(
  ...args: string[]
): Promise<[code: number | null, output: string]> {
  const [program, ...rest] = [...RUNTIME, ...args] as [string, ...string[]];
  const { code, output } = await run(program, rest, {
    cwd: ROOT,
    env: { NO_COLOR: "1" },
    timeout: 30_000,
  });
  return [code, output.trim()];
}

/** What the command line needs of the runtime, reached when it is called for: the modules load in a browser. @module */

/** A program that was started. */
interface Child {
  kill(signal: string): void;
  on(event: string, listener: (argument: Error) => void): unknown;
}

/** Node's interfaces as far as they are used here; Deno and Bun have them as well. */
export interface Host {
  argv: string[];
  stdout: { isTTY?: boolean; write(text: string): unknown };
  stderr: { isTTY?: boolean; columns?: number; write(text: string): unknown };
  readFile(path: string): string;
  writeFile(path: string, text: string): void;
  spawn(program: string, args: readonly string[], options: { stdio: "ignore" }): Child;
  exit(code: number): void;
  once(signal: string, listener: () => void): void;
}

interface ProcessLike extends Pick<Host, "argv" | "stdout" | "stderr"> {
  exitCode: number | undefined;
  exit(code: number): void;
  once(signal: string, listener: () => void): void;
  getBuiltinModule(name: "node:fs"): {
    readFileSync(path: string, encoding: "utf8"): string;
    writeFileSync(path: string, text: string): void;
  };
  getBuiltinModule(name: "node:child_process"): Pick<Host, "spawn">;
}

/**
 * The runtime that this runs on.
 *
 * @throws {Error} where it has no processes and no files
 */
export function host(): Host {
  const { process } = globalThis as unknown as { process?: ProcessLike };
  if (process?.getBuiltinModule === undefined) throw new Error("Not available on this runtime");
  return {
    argv: process.argv.slice(2),
    stdout: process.stdout,
    stderr: process.stderr,
    readFile: (path) => process.getBuiltinModule("node:fs").readFileSync(path, "utf8"),
    writeFile: (path, text) => process.getBuiltinModule("node:fs").writeFileSync(path, text),
    spawn: (...args) => process.getBuiltinModule("node:child_process").spawn(...args),
    exit: (code) => process.exit(code),
    once: (signal, listener) => void process.once(signal, listener),
  };
}

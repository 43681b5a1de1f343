/** The collector of garbage, for tests that measure memory. @module */

import process from "node:process";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

const scope = globalThis as unknown as {
  gc?: () => void;
  Bun?: { gc(synchronous: boolean): void };
};

/** Flags by which the runtime of this test lets a program collect garbage. */
export const GC_FLAGS: readonly string[] = process.versions.bun
  ? []
  : process.versions.deno
  ? ["--v8-flags=--expose-gc"]
  : ["--expose-gc"];

/** The collector of a Node that was not started with the flag. */
function collector(): () => void {
  setFlagsFromString("--expose-gc");
  return runInNewContext("gc") as () => void;
}

/** Bytes that are in use once garbage is collected, those of buffers as well. */
export function bytesInUse(): number {
  for (let round = 0; round < 3; round++) {
    if (scope.Bun !== undefined) scope.Bun.gc(true);
    else (scope.gc ??= collector())();
  }
  const { heapUsed, arrayBuffers, external } = process.memoryUsage();
  // Deno counts buffers as external memory alone, Bun as part of its heap.
  return heapUsed + (process.versions.deno ? external : arrayBuffers);
}

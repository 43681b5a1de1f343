/** The runtime that the tests run in, and children of it. @module */

import { spawn } from "node:child_process";
import { networkInterfaces } from "node:os";
import process from "node:process";
import { fileURLToPath } from "node:url";

/** How a child ended, `code` null where it had to be stopped. */
export interface ChildResult {
  code: number | null;
  output: string;
}

/** How long a module that does not end by itself is watched once it has begun, ms. */
const WATCHED = 1000;

/** Runs a module that goes on after its first output, and stops it a while later; one without output after half a minute. */
export function watchChild(module: URL, args: string[]): Promise<ChildResult> {
  return run(module, args, 30_000, [], WATCHED);
}

/** Runs a module in a process of the same runtime, with more flags of it, and stops it after `limit` ms. */
export function runChild(
  module: URL,
  args: string[],
  limit: number,
  more: readonly string[] = [],
): Promise<ChildResult> {
  return run(module, args, limit, more);
}

/** The same; where `rest` is given it has so many ms from its first output on. */
function run(
  module: URL,
  args: string[],
  limit: number,
  more: readonly string[],
  rest?: number,
): Promise<ChildResult> {
  const own = "Deno" in globalThis ? ["run", "-A", "--no-check", "--unstable-net", "--quiet"] : [];
  const flags = [...own, ...more];
  const child = spawn(process.execPath, [...flags, fileURLToPath(module), ...args], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  child.stdout.on("data", (data) => output += data);
  child.stderr.on("data", (data) => output += data);
  return new Promise((resolve, reject) => {
    const stop = (): void => void child.kill("SIGKILL");
    let timer = setTimeout(stop, limit);
    if (rest !== undefined) {
      child.stdout.once("data", () => {
        clearTimeout(timer);
        timer = setTimeout(stop, rest);
      });
    }
    child.on("error", reject);
    child.on("close", (code) => {
      clearTimeout(timer);
      resolve({ code, output });
    });
  });
}

/** Whether the machine has the IPv6 loopback address. */
export function hasIpv6(): boolean {
  return Object.values(networkInterfaces()).flat().some((address) => address?.address === "::1");
}

/** A link-local address of the machine, its zone by name and by number, where there is one. */
export function linkLocal(): { address: string; name: string; index: number } | undefined {
  for (const [name, addresses = []] of Object.entries(networkInterfaces())) {
    for (const { address, family, scopeid } of addresses) {
      if (family === "IPv6" && address.startsWith("fe80:")) {
        return { address: address.split("%")[0]!, name, index: scopeid! };
      }
    }
  }
  return undefined;
}

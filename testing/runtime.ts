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

/** Runs a module in a process of the same runtime, with more flags of it, and stops it after `limit` ms. */
export function runChild(
  module: URL,
  args: string[],
  limit: number,
  more: readonly string[] = [],
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
    const timer = setTimeout(() => child.kill("SIGKILL"), limit);
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

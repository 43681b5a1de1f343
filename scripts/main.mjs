// The entry of `npm start`, `npm test` and `npm run build`, for Node 20 and later and for Deno:
//   node scripts/main.mjs <program> [arguments]
// installs the pinned tools where they are missing or other than the lock says, then runs scripts/<program>.ts on
// the pinned Node, which strips types.

import { spawn, spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { findRuntime, inPath, ROOT } from "./runtimes.mjs";

/** Whether every installed package has the version of the lock, and only optional ones are missing. */
function isInstalled() {
  const hidden = join(ROOT, "node_modules/.package-lock.json");
  if (!existsSync(hidden)) return false;
  const locked = JSON.parse(readFileSync(join(ROOT, "package-lock.json"), "utf8")).packages;
  const installed = JSON.parse(readFileSync(hidden, "utf8")).packages;
  return Object.entries(locked).every(([path, entry]) =>
    path === "" ||
    (installed[path] === undefined
      ? entry.optional === true
      : installed[path].version === entry.version && existsSync(join(ROOT, path)))
  );
}

function install() {
  const args = ["ci", "--ignore-scripts", "--no-audit", "--no-fund"];
  const npm = process.env.npm_execpath; // set where npm runs this program
  let command;
  if (npm !== undefined && npm.endsWith(".js") && existsSync(npm) && !process.versions.deno) {
    command = [process.execPath, npm];
  } else if (inPath("npm") !== undefined) {
    command = ["npm"];
  } else if (process.versions.deno) {
    command = [
      process.execPath,
      "run",
      "-A",
      "--no-config",
      "--node-modules-dir=none",
      "npm:npm@11",
    ];
  } else {
    throw new Error("npm is not in PATH");
  }
  console.log("Installing the pinned tools (npm ci)");
  const { status, error } = spawnSync(command[0], [...command.slice(1), ...args], {
    cwd: ROOT,
    stdio: ["ignore", "inherit", "inherit"],
    shell: process.platform === "win32" && command[0] === "npm",
  });
  if (error !== undefined) throw error;
  if (status !== 0) throw new Error(`npm ci ended with ${status}`);
}

/** Whether a Node of this version runs TypeScript without a flag. */
function stripsTypes(version) {
  const [major, minor] = version.replace(/^v/, "").split(".").map(Number);
  return major > 23 || (major === 23 && minor >= 6) || (major === 22 && minor >= 18);
}

/** Runs a program to its end and takes over its exit code. */
function run(node, args) {
  const child = spawn(node, args, { cwd: ROOT, stdio: "inherit" });
  // The terminal sends Ctrl-C to the whole group: the child ends by it, and this program after the child.
  for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => child.kill(signal));
  child.on("error", (error) => {
    console.error(error.message);
    process.exitCode = 1;
  });
  child.on("exit", (code, signal) => process.exit(code ?? (signal === "SIGINT" ? 130 : 1)));
}

try {
  const [program, ...args] = process.argv.slice(2);
  if (program === undefined || !existsSync(join(ROOT, `scripts/${program}.ts`))) {
    throw new Error(`No such program: "${program ?? ""}"`);
  }
  if (!isInstalled()) install();
  const node = findRuntime("node");
  const version = node && spawnSync(node, ["--version"], { encoding: "utf8" }).stdout?.trim();
  if (!version || !stripsTypes(version)) {
    throw new Error(`Node 22.18 or later is needed on this platform, found "${version || "none"}"`);
  }
  run(node, [join(ROOT, `scripts/${program}.ts`), ...args]);
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
}

/** What the rows share: programs in processes of their own, rounds in alternating order, medians. @module */

import { type ChildProcess, spawn } from "node:child_process";
import dgram from "node:dgram";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { findRuntime, inPath } from "../scripts/runtimes.mjs";
import type { LoadOptions, LoadResult } from "./programs/load.ts";

/** A runtime of JavaScript. */
export type Runtime = "bun" | "deno" | "node";

/** How a whole run is made. */
export interface Settings {
  /** Rounds of which the median counts. */
  readonly rounds: number;
  /** How long each measurement lasts, s. */
  readonly seconds: number;
  /** How long each process is loaded before, s. */
  readonly warmUp: number;
  /** What is counted and not timed (requests, observers, bytes) is divided by this. */
  readonly divisor: number;
  /** Tells what is going on. */
  log(text: string): void;
}

/** What one variant gave: a number for each round. */
export interface Figure {
  /** Who. */
  readonly variant: string;
  /** What was measured, with its unit. */
  readonly measure: string;
  readonly values: number[];
}

/** A ratio that was to be reached. */
export interface Target {
  readonly text: string;
  readonly ratio: number;
  /** The ratio is to be at least this; at most, where `below` is set. */
  readonly wanted: number;
  readonly below?: boolean;
  /** What the number is, where it is no ratio. */
  readonly unit?: string;
}

/** A ratio that nothing was asked of. */
export interface Ratio {
  readonly text: string;
  readonly ratio: number;
}

/** One row of the benchmark, measured. */
export interface Outcome {
  readonly figures: Figure[];
  readonly targets: Target[];
  readonly ratios?: readonly Ratio[];
  readonly notes: string[];
}

/** One row of the benchmark. */
export interface Row {
  readonly name: string;
  readonly title: string;
  /** How it is measured, in a sentence or two. */
  readonly method: string;
  /** How often and how long, where it is not as `Settings` say. */
  readonly duration?: (settings: Settings) => string;
  run(settings: Settings): Promise<Outcome>;
}

/** How long a program may take to start, and to do its work, ms. */
const START = 20_000;
const WORK = 300_000;

const FOLDER = fileURLToPath(new URL(".", import.meta.url));

/** The path of one of the programs beside this file. */
export function program(name: string): string {
  return join(FOLDER, "programs", name);
}

/** Whether the packages that the rows compare with are installed. */
export function hasPackages(): boolean {
  return existsSync(join(FOLDER, "node_modules/coap"));
}

/** The command that runs a program on a runtime; undefined where that is not installed. */
export function command(runtime: Runtime, name: string, ...args: string[]): string[] | undefined {
  const path = findRuntime(runtime);
  if (path === undefined) return undefined;
  const flags = runtime === "deno" ? ["run", "-A", "--unstable-net", "--no-check", "--quiet"] : [];
  return [path, ...flags, name.includes("/") ? name : program(name), ...args];
}

/** The full path of one of libcoap's programs, whichever TLS library it was built with. */
export function libcoap(name: "coap-client" | "coap-server"): string | undefined {
  for (const suffix of ["-notls", "", "-openssl", "-gnutls"]) {
    const path = inPath(name + suffix);
    if (path !== undefined) return path;
  }
  return undefined;
}

const children = new Set<ChildProcess>();
process.on("exit", () => children.forEach((child) => child.kill("SIGKILL")));

/** A program that runs while something is measured. */
export class Program {
  readonly #child: ChildProcess;
  readonly #lines: string[] = [];
  #wake = (): void => {};
  #errors = "";
  #ended = false;

  constructor(command: readonly string[]) {
    const [path, ...args] = command;
    this.#child = spawn(path!, args, { stdio: ["pipe", "pipe", "pipe"] });
    children.add(this.#child);
    let rest = "";
    this.#child.stdout!.setEncoding("utf8").on("data", (text: string) => {
      const lines = (rest + text).split("\n");
      rest = lines.pop()!;
      this.#lines.push(...lines);
      this.#wake();
    });
    this.#child.stderr!.setEncoding("utf8").on("data", (text: string) => {
      this.#errors = (this.#errors + text).slice(-2000);
    });
    this.#child.stdin!.on("error", () => {});
    const ended = (): void => {
      children.delete(this.#child);
      this.#ended = true;
      this.#wake();
    };
    this.#child.on("error", ended).on("close", ended);
  }

  /** The next line that it prints. */
  async line(timeout: number = WORK): Promise<string> {
    const until = Date.now() + timeout;
    for (;;) {
      const line = this.#lines.shift();
      if (line !== undefined) return line;
      const left = until - Date.now();
      if (this.#ended || left <= 0) {
        const why = this.#ended ? "has ended" : `has printed nothing for ${timeout} ms`;
        throw new Error(`${this.#child.spawnargs.join(" ")} ${why}\n${this.#errors}`);
      }
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#wake = resolve;
      const timer = setTimeout(resolve, left);
      await promise;
      clearTimeout(timer);
    }
  }

  /** Asks a program that answers lines. */
  ask(line: string): Promise<string> {
    this.#child.stdin!.write(`${line}\n`);
    return this.line();
  }

  /** The processor time that it has used, s; undefined where the system does not tell. */
  get cpu(): number | undefined {
    const stat = this.#proc("stat");
    if (stat === undefined) return undefined;
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return (Number(fields[11]) + Number(fields[12])) / 100;
  }

  /** The memory that it holds (RSS), MB; undefined where the system does not tell. */
  get memory(): number | undefined {
    const status = this.#proc("status");
    const found = status && /^VmRSS:\s+(\d+) kB/m.exec(status);
    return found ? Number(found[1]) * 1024 / 1e6 : undefined;
  }

  #proc(name: string): string | undefined {
    try {
      return readFileSync(`/proc/${this.#child.pid}/${name}`, "utf8");
    } catch {
      return undefined;
    }
  }

  async stop(): Promise<void> {
    if (this.#ended) return;
    const closed = new Promise((resolve) => this.#child.on("close", resolve));
    this.#child.kill("SIGKILL");
    await closed;
  }
}

/** A server that runs while it is measured. */
export class ServerProgram {
  readonly program: Program;
  readonly port: number;

  private constructor(program: Program, port: number) {
    this.program = program;
    this.port = port;
  }

  /** Starts a program that prints its port. */
  static async start(command: readonly string[]): Promise<ServerProgram> {
    const program = new Program(command);
    return new ServerProgram(program, Number(await program.line(START)));
  }

  /** Starts libcoap's server, which has to be told its port: it is that of UDP and of TCP. */
  static async startLibcoap(path: string): Promise<ServerProgram> {
    const port = await freePort();
    const program = new Program([path, "-A", "127.0.0.1", "-p", String(port), "-d", "100"]);
    await answers(port);
    return new ServerProgram(program, port);
  }

  stop(): Promise<void> {
    return this.program.stop();
  }
}

function bound(): Promise<dgram.Socket> {
  const socket = dgram.createSocket("udp4");
  return new Promise((resolve) => socket.bind(0, "127.0.0.1", () => resolve(socket)));
}

async function freePort(): Promise<number> {
  const socket = await bound();
  const { port } = socket.address();
  await new Promise<void>((resolve) => socket.close(resolve));
  return port;
}

/** Waits until a CoAP ping to the port is answered. */
async function answers(port: number): Promise<void> {
  const socket = await bound();
  socket.on("error", () => {});
  const answered = new Promise<boolean>((resolve) => socket.on("message", () => resolve(true)));
  let id = 0;
  const ping = (): void => socket.send(Uint8Array.of(0x40, 0, 0, id++), port, "127.0.0.1");
  const timer = setInterval(ping, 50);
  ping();
  const timeout = new Promise<boolean>((resolve) => setTimeout(resolve, START, false).unref());
  const done = await Promise.race([answered, timeout]);
  clearInterval(timer);
  socket.close();
  if (!done) throw new Error(`Nothing answers at port ${port}`);
}

/** Loads a server from a process of its own. */
export async function loadServer(options: LoadOptions): Promise<LoadResult> {
  const runner = command("bun", "load.ts", JSON.stringify(options)) ??
    command("node", "load.ts", JSON.stringify(options))!;
  const program = new Program(runner);
  try {
    const result: LoadResult = JSON.parse(await program.line());
    if (result.wrong > 0) throw new Error(`${result.wrong} datagrams were no right response`);
    if (result.answered === 0) throw new Error("No request was answered");
    return result;
  } finally {
    await program.stop();
  }
}

/** The figures of a row, by variant and measure. */
export class Figures {
  readonly list: Figure[] = [];

  add(variant: string, measure: string, value: number): void {
    let figure = this.list.find((one) => one.variant === variant && one.measure === measure);
    if (figure === undefined) {
      figure = { variant, measure, values: [] };
      this.list.push(figure);
    }
    figure.values.push(value);
  }

  /** The median of what a variant gave; undefined where it was not measured. */
  median(variant: string, measure: string): number | undefined {
    const figure = this.list.find((one) => one.variant === variant && one.measure === measure);
    return figure && median(figure.values);
  }

  /** The ratio of two variants, where both were measured. */
  quotient(measure: string, own: string, other: string): number | undefined {
    const a = this.median(own, measure);
    const b = this.median(other, measure);
    return a === undefined || b === undefined ? undefined : a / b;
  }

  /** Adds the ratio of two variants as a target, where both were measured. */
  ratio(
    targets: Target[],
    measure: string,
    [own, other]: readonly [string, string],
    wanted: number,
    text: string,
  ): void {
    const ratio = this.quotient(measure, own, other);
    if (ratio !== undefined) targets.push({ text, ratio, wanted });
  }

  /** Adds a ratio that nothing was asked of. */
  compare(
    ratios: Ratio[],
    measure: string,
    [own, other]: readonly [string, string],
    text: string,
  ): void {
    const ratio = this.quotient(measure, own, other);
    if (ratio !== undefined) ratios.push({ text, ratio });
  }
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** Something that is measured beside others. */
export interface Variant {
  readonly name: string;
  /** Measures once, in fresh processes. */
  measure(figures: Figures): Promise<void>;
}

/** Measures variants in rounds; every other round goes the other way. */
export async function measureRounds(
  variants: readonly Variant[],
  settings: Settings,
): Promise<Figures> {
  const figures = new Figures();
  for (let round = 0; round < settings.rounds; round++) {
    const order = round % 2 === 0 ? variants : variants.toReversed();
    for (const variant of order) {
      settings.log(`  round ${round + 1} of ${settings.rounds}: ${variant.name}`);
      await variant.measure(figures);
    }
  }
  // In the order of the variants, whichever round was first.
  const places = new Map(variants.map(({ name }, index) => [name, index]));
  figures.list.sort((a, b) => (places.get(a.variant) ?? 0) - (places.get(b.variant) ?? 0));
  return figures;
}

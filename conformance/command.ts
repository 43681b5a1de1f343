/** The command line of the suite. @module */

import { type Clock, systemClock } from "../lib/endpoint/clock.ts";
import { resolveHost } from "../lib/transport/resolve.ts";
import type { StreamScheme } from "../lib/transport/stream.ts";
import { nodeNetwork } from "../lib/transport/tcp_node.ts";
import { bindUdp } from "../lib/transport/udp.ts";
import type { Case } from "./case.ts";
import { commandClient } from "./client_command.ts";
import { type ClientUnderTest, runClientCases } from "./client_case.ts";
import { CLIENT_CASES } from "./client_cases.ts";
import { ourClient } from "./client_ours.ts";
import { STREAM_CLIENT_CASES } from "./client_streams.ts";
import {
  milliseconds,
  parseArguments,
  parseTarget,
  PORTS,
  type Settings,
  type TargetUri,
  USAGE,
  UsageError,
} from "./command_arguments.ts";
import { type Host, host } from "./host.ts";
import { replayCommand } from "./replay_command.ts";
import { jsonReport, junitReport, summaryOf, tapReport, textReport } from "./report.ts";
import { htmlReport } from "./report_html.ts";
import {
  type CaseResult,
  isGood,
  meetServer,
  runServerCases,
  select,
  type SuiteOptions,
} from "./runner.ts";
import { SERVER_CASES } from "./server_cases.ts";
import { streamServerCases } from "./stream_cases.ts";
import { meetStreamServer, runStreamServerCases } from "./stream_runner.ts";
import { runStreamClientCases } from "./stream_script.ts";
import { startTarget } from "./target.ts";
import { webSocketNetwork } from "./web_sockets.ts";

async function addressOf({ host, port }: TargetUri): Promise<{ address: string; port: number }> {
  const [address] = host.includes(":") ? [host] : await resolveHost(host);
  if (address === undefined) throw new UsageError(`No address for "${host}"`);
  return { address, port };
}

/** The cases that a command is about. */
function choose<Subject>(
  cases: readonly Case<Subject>[],
  { flags }: Settings,
  only: readonly string[],
): Case<Subject>[] {
  try {
    return select(cases, { only, strict: flags.has("strict") });
  } catch (error) {
    throw new UsageError(`${(error as Error).message}; --list names the cases`);
  }
}

/** A line that tells how far it is and what is under way, where somebody looks at it. */
function progress({ stderr }: Host): SuiteOptions & { end(): void } {
  if (!stderr.isTTY) return { end: () => {} };
  let failed = 0;
  return {
    onCase: ({ id, requirement }, done, total) => {
      const count = `${String(done + 1).padStart(String(total).length)}/${total}`;
      const bad = failed === 0 ? "" : ` ${failed} failed`;
      const line = `${count}${bad}  ${id}  ${requirement}`;
      stderr.write(`\r\x1b[2K${line.slice(0, (stderr.columns ?? 80) - 1)}`);
    },
    onResult: ({ status }) => {
      if (status === "failed" || status === "unexpected-pass") failed++;
    },
    end: () => void stderr.write("\r\x1b[2K"),
  };
}

function writeReports(
  machine: Host,
  { values }: Settings,
  subject: string,
  results: readonly CaseResult[],
  peer: string,
): void {
  const head = { subject, date: new Date().toISOString() };
  const reports: Record<string, () => string> = {
    text: () => textReport(head, results),
    json: () => jsonReport(head, results),
    junit: () => junitReport(head, results),
    tap: () => tapReport(results),
    html: () => htmlReport(head, results, peer),
  };
  const wanted = Object.keys(reports).filter((name) => values.has(name));
  for (const name of wanted) {
    const path = values.get(name)!;
    const text = reports[name]!();
    if (path === "-") machine.stdout.write(text);
    else machine.writeFile(path, text);
  }
  const toOutput = wanted.some((name) => values.get(name) === "-");
  if (wanted.length === 0) {
    machine.stdout.write(textReport(head, results, { color: machine.stdout.isTTY }));
  } else if (!toOutput) machine.stdout.write(summaryOf(results) + "\n");
}

async function serve(machine: Host, { words, values }: Settings): Promise<number> {
  const port = Number(words[0] ?? PORTS.coap);
  const [cert, key] = ["cert", "key"].map((name) => values.get(name));
  if ((cert === undefined) !== (key === undefined)) {
    throw new UsageError("Options --cert and --key belong together");
  }
  const tls = cert === undefined ? undefined : {
    port: port === 0 ? 0 : port + 1,
    cert: machine.readFile(cert),
    key: machine.readFile(key!),
  };
  const target = await startTarget({ port, tcp: true, tls });
  const { udp, tcp, tls: secured } = target.addresses;
  const schemes = { "coap": udp, "coap+tcp": tcp, "coaps+tcp": secured };
  for (const [scheme, bound] of Object.entries(schemes)) {
    if (bound !== undefined) machine.stdout.write(`${scheme}://${bound.address}:${bound.port}\n`);
  }
  await new Promise<void>((resolve) => {
    for (const signal of ["SIGINT", "SIGTERM"]) machine.once(signal, resolve);
  });
  await target.close();
  return 0;
}

function list({ stdout }: Host, cases: readonly Case<never>[]): number {
  for (const { id, level, slow, requirement } of cases) {
    stdout.write(`${id}\t${level}${slow ? ", slow" : ""}\t${requirement}\n`);
  }
  return 0;
}

async function run(machine: Host, settings: Settings): Promise<number> {
  const { flags, values, words } = settings;
  if (flags.has("help")) return machine.stdout.write(USAGE), 0;
  if (flags.has("serve")) return await serve(machine, settings);
  const command = values.get("client");
  if (command !== undefined) return await runClient(machine, settings, command);
  // The server may stand anywhere among the cases.
  const at = Math.max(words.findIndex((word) => word.includes("://")), 0);
  const uri = words[at];
  const isServer = !flags.has("list") || uri?.includes("://");
  if (isServer && uri === undefined) throw new UsageError("No server is given");
  const only = isServer ? words.toSpliced(at, 1) : words;
  const target = isServer ? parseTarget(uri!) : undefined;
  if (target !== undefined && target.scheme !== "coap") {
    return await runStreamServer(machine, settings, uri!, target, only);
  }
  const cases = choose(SERVER_CASES, settings, only);
  if (flags.has("list")) return list(machine, cases);
  const server = {
    ...common(machine, settings),
    bind: bindUdp,
    target: await addressOf(target!),
    group: values.get("group"),
    proxy: values.get("proxy"),
    create: flags.has("create"),
  };
  await meetServer(server);
  return await judge(machine, settings, uri!, "server", (options) => {
    return runServerCases(cases, server, options);
  });
}

/** What all subjects are judged with. */
function common(machine: Host, settings: Settings): {
  clock: Clock;
  slow: boolean;
  timeout: number | undefined;
  quiet: number | undefined;
  known: Record<string, string> | undefined;
} {
  return {
    clock: systemClock,
    slow: settings.flags.has("slow"),
    timeout: milliseconds(settings, "timeout"),
    quiet: milliseconds(settings, "quiet"),
    known: readKnown(machine, settings.values.get("known")),
  };
}

async function runStreamServer(
  machine: Host,
  settings: Settings,
  uri: string,
  target: TargetUri,
  only: readonly string[],
): Promise<number> {
  const { flags, values } = settings;
  const scheme = target.scheme as StreamScheme;
  const cases = choose(streamServerCases(scheme), settings, only);
  if (flags.has("list")) return list(machine, cases);
  const ca = values.get("ca");
  const server = {
    ...common(machine, settings),
    target: { ...target, scheme },
    network: scheme.endsWith("+ws") ? webSocketNetwork : nodeNetwork,
    tls: ca === undefined ? undefined : { ca: machine.readFile(ca) },
    create: flags.has("create"),
  };
  await meetStreamServer(server);
  return await judge(machine, settings, uri, "server", (options) => {
    return runStreamServerCases(cases, server, options);
  });
}

async function runClient(machine: Host, settings: Settings, command: string): Promise<number> {
  const { flags, values, words } = settings;
  const scheme = values.get("scheme") ?? "coap";
  if (scheme !== "coap" && scheme !== "coap+tcp") {
    throw new UsageError(`Scheme must be coap or coap+tcp: it is "${scheme}"`);
  }
  const client = (): ClientUnderTest =>
    command === "ours"
      ? ourClient({}, flags.has("slow") ? undefined : 8_000)
      : commandClient(command);
  if (scheme === "coap") {
    const cases = choose(CLIENT_CASES, settings, words);
    if (flags.has("list")) return list(machine, cases);
    const own = { ...common(machine, settings), bind: bindUdp, client: client() };
    return await judge(machine, settings, command, "client", (options) => {
      return runClientCases(cases, own, options);
    });
  }
  const cases = choose(STREAM_CLIENT_CASES, settings, words);
  if (flags.has("list")) return list(machine, cases);
  const own = { ...common(machine, settings), network: nodeNetwork, client: client() };
  return await judge(machine, settings, command, "client", (options) => {
    return runStreamClientCases(cases, own, options);
  });
}

/** Runs cases with a line of progress, reports, and gives the exit code. */
async function judge(
  machine: Host,
  settings: Settings,
  subject: string,
  peer: string,
  runAll: (options: SuiteOptions) => Promise<CaseResult[]>,
): Promise<number> {
  const line = progress(machine);
  let results: CaseResult[];
  try {
    results = await runAll(line);
  } finally {
    line.end();
  }
  writeReports(machine, settings, subject, results, peer);
  return isGood(results) ? 0 : 1;
}

const ALL_SERVER = [
  ...SERVER_CASES,
  ...streamServerCases("coap+tcp"),
  ...streamServerCases("coap+ws"),
];
const ALL_CLIENT = [...CLIENT_CASES, ...STREAM_CLIENT_CASES];

/** What is known to fail: an object of ids and reasons, each of them a case. */
function readKnown(machine: Host, path: string | undefined): Record<string, string> | undefined {
  if (path === undefined) return undefined;
  const known: unknown = JSON.parse(machine.readFile(path));
  const ids = new Set([...ALL_SERVER, ...ALL_CLIENT].map(({ id }) => id));
  for (const [id, reason] of Object.entries(known as Record<string, unknown>)) {
    if (!ids.has(id)) throw new UsageError(`There is no case "${id}", which is in "${path}"`);
    if (typeof reason !== "string") throw new UsageError(`No reason for "${id}" in "${path}"`);
  }
  return known as Record<string, string>;
}

/** Runs the command line on a runtime, which a test may replace, and gives the exit code. */
export async function runCommand(args: readonly string[], machine: Host): Promise<number> {
  if (args[0] === "replay") return await replayCommand(args.slice(1), machine);
  try {
    return await run(machine, parseArguments(args));
  } catch (error) {
    const { message } = error as Error;
    const hint = error instanceof UsageError ? "; --help tells how it is used" : "";
    machine.stderr.write(`${message}${hint}\n`);
    return 2;
  }
}

/**
 * Runs the command line and gives the exit code.
 *
 * @param args without the program; `["--help"]` tells what there is
 */
export async function main(args?: readonly string[]): Promise<number> {
  const machine = host();
  return await runCommand(args ?? machine.argv, machine);
}

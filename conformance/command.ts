/** The command line of the suite. @module */

import { systemClock } from "../lib/endpoint/clock.ts";
import { resolveHost } from "../lib/transport/resolve.ts";
import { bindUdp } from "../lib/transport/udp.ts";
import type { Case } from "./case.ts";
import { commandClient } from "./client_command.ts";
import { runClientCases } from "./client_case.ts";
import { CLIENT_CASES } from "./client_cases.ts";
import { ourClient } from "./client_ours.ts";
import { type Host, host } from "./host.ts";
import { replayCommand } from "./replay_command.ts";
import { jsonReport, junitReport, summaryOf, tapReport, textReport } from "./report.ts";
import { htmlReport } from "./report_html.ts";
import { type CaseResult, isGood, runServerCases, select, type SuiteOptions } from "./runner.ts";
import { SERVER_CASES } from "./server_cases.ts";
import { startTarget } from "./target.ts";

const USAGE = `Usage: conformance [options] coap://host[:port] [case ...]
       conformance [options] --client COMMAND [case ...]
       conformance --serve [port]
       conformance replay [options] FILE

Puts a CoAP server, or a client, through cases named after the sections of the RFCs. A case is an id ("7252-4.2-3"), the
beginning of one ("7252-4", "OBS") or a section ("RFC 7641 section 4.5"); without any those run that are no SHOULD or MAY.

  --strict            add those that are SHOULD or MAY
  --slow              add those that take long
  --list              name the cases and end
  --timeout MS        how long an answer is waited for (2000; for clients 5000)
  --quiet MS          how long nothing must come where silence is expected (200; for clients 300)
  --create            make /test, /large-update and /obs by PUT where they are missing
  --group ADDRESS     a group that the server is a member of
  --known FILE        JSON object of cases that are to fail, with the reasons
  --client COMMAND    judge a client: a command with {uri}, such as
                      "coap-client -m {method} [-e {payload}] [-s {observe}] {uri}", or "ours"
  --serve [port]      serve the resources that server cases ask for
  --text, --json, --junit, --tap, --html FILE
                      write a report ("-" is standard output); without any, text goes to standard output

Exit code: 0 where all is well, 1 where a case failed or passed against expectation, 2 where the command is wrong.
`;

interface Settings {
  words: string[];
  flags: Set<string>;
  values: Map<string, string>;
}

const FLAGS = new Set(["strict", "slow", "list", "create", "serve", "help"]);
const VALUES = new Set([
  "timeout",
  "quiet",
  "group",
  "known",
  "client",
  "text",
  "json",
  "junit",
  "tap",
  "html",
]);

/** A mistake of whoever wrote the command. */
class UsageError extends Error {}

function parseArguments(args: readonly string[]): Settings {
  const settings: Settings = { words: [], flags: new Set(), values: new Map() };
  const rest = [...args];
  for (let word = rest.shift(); word !== undefined; word = rest.shift()) {
    if (!word.startsWith("--")) {
      settings.words.push(word);
      continue;
    }
    const [name = "", inline] = word.slice(2).split(/=(.*)/s);
    if (FLAGS.has(name)) settings.flags.add(name);
    else if (VALUES.has(name)) {
      const value = inline ?? rest.shift();
      if (value === undefined) throw new UsageError(`Option --${name} needs a value`);
      settings.values.set(name, value);
    } else throw new UsageError(`Unknown option "${word}"`);
  }
  return settings;
}

function milliseconds({ values }: Settings, name: string): number | undefined {
  const text = values.get(name);
  if (text === undefined) return undefined;
  const value = Number(text);
  if (!(value > 0)) throw new UsageError(`Option --${name} must be above 0: it is "${text}"`);
  return value;
}

async function parseTarget(uri: string): Promise<{ address: string; port: number }> {
  const match = /^coap:\/\/(?:\[([^\]]+)\]|([^/:?#]+))(?::(\d+))?\/?$/.exec(uri);
  if (match === null) throw new UsageError(`Not the URI of a server: "${uri}"`);
  const [, literal, name, port = "5683"] = match;
  const [address] = literal === undefined ? await resolveHost(name!) : [literal];
  if (address === undefined) throw new UsageError(`No address for "${name}"`);
  return { address, port: Number(port) };
}

/** The cases that a command is about. */
function choose<Subject>(
  cases: readonly Case<Subject>[],
  { flags }: Settings,
  only: readonly string[],
): Case<Subject>[] {
  const chosen = select(cases, { only, strict: flags.has("strict") });
  if (chosen.length === 0) throw new UsageError(`No case is meant by "${only.join(" ")}"`);
  return chosen;
}

/** A line that tells how far it is, where somebody looks at it. */
function progress({ stderr }: Host): SuiteOptions & { end(): void } {
  if (!stderr.isTTY) return { end: () => {} };
  let failed = 0;
  return {
    onResult: (result, done, total) => {
      if (result.status === "failed" || result.status === "unexpected-pass") failed++;
      const line = `${done}/${total}, ${failed} failed: ${result.id} ${result.requirement}`;
      stderr.write(`\r\x1b[2K${line.slice(0, (stderr.columns ?? 80) - 1)}`);
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
  if (wanted.length === 0) machine.stdout.write(reports["text"]!());
  else if (!toOutput) machine.stdout.write(summaryOf(results) + "\n");
}

async function serve(machine: Host, [port = "5683"]: readonly string[]): Promise<number> {
  const target = await startTarget({ port: Number(port) });
  machine.stdout.write(`coap://${target.address.address}:${target.address.port}\n`);
  await new Promise<void>((resolve) => {
    for (const signal of ["SIGINT", "SIGTERM"]) machine.once(signal, resolve);
  });
  await target.close();
  return 0;
}

async function run(machine: Host, settings: Settings): Promise<number> {
  const { flags, values, words } = settings;
  if (flags.has("help")) return machine.stdout.write(USAGE), 0;
  if (flags.has("serve")) return await serve(machine, words);
  const command = values.get("client");
  const isServer = command === undefined;
  if (flags.has("list")) {
    const only = isServer && words[0]?.startsWith("coap:") ? words.slice(1) : words;
    const cases: readonly Case<never>[] = isServer
      ? choose(SERVER_CASES, settings, only)
      : choose(CLIENT_CASES, settings, only);
    const lines = cases.map(({ id, level, slow, requirement }) =>
      `${id}\t${level}${slow ? ", slow" : ""}\t${requirement}\n`
    );
    machine.stdout.write(lines.join(""));
    return 0;
  }
  const line = progress(machine);
  const common = {
    bind: bindUdp,
    clock: systemClock,
    slow: flags.has("slow"),
    timeout: milliseconds(settings, "timeout"),
    quiet: milliseconds(settings, "quiet"),
    known: readKnown(machine, values.get("known")),
  };
  let results: CaseResult[];
  let subject: string;
  if (isServer) {
    const [uri, ...only] = words;
    if (uri === undefined) throw new UsageError("No server is given");
    const cases = choose(SERVER_CASES, settings, only);
    subject = uri;
    results = await runServerCases(cases, {
      ...common,
      target: await parseTarget(uri),
      group: values.get("group"),
      create: flags.has("create"),
    }, line);
  } else {
    const client = command === "ours"
      ? ourClient({}, flags.has("slow") ? undefined : 8_000)
      : commandClient(command);
    subject = command;
    results = await runClientCases(
      choose(CLIENT_CASES, settings, words),
      { ...common, client },
      line,
    );
  }
  line.end();
  writeReports(machine, settings, subject, results, isServer ? "server" : "client");
  return isGood(results) ? 0 : 1;
}

function readKnown(machine: Host, path: string | undefined): Record<string, string> | undefined {
  return path === undefined ? undefined : JSON.parse(machine.readFile(path));
}

/**
 * Runs the command line and gives the exit code.
 *
 * @param args without the program; `["--help"]` tells what there is
 */
export async function main(args?: readonly string[]): Promise<number> {
  const machine = host();
  const [first, ...rest] = args ?? machine.argv;
  if (first === "replay") return await replayCommand(rest, machine);
  try {
    return await run(machine, parseArguments(args ?? machine.argv));
  } catch (error) {
    const text = error instanceof UsageError ? `${error.message}\n\n${USAGE}` : `${error}\n`;
    machine.stderr.write(text);
    return 2;
  }
}

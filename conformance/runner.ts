/** Puts a server or a client through cases. @module */

import { type Clock, systemClock } from "../lib/endpoint/clock.ts";
import type { Address } from "../lib/flow.ts";
import type { Bind } from "../lib/transport/transport.ts";
import { type Case, CaseFailure, type Level, NotApplicable } from "./case.ts";
import { bytesOf, Opt } from "./datagram.ts";
import type { Probe, TraceDatagram } from "./probe.ts";
import { Tester } from "./tester.ts";

/** What became of a case; `expected-failure` and `unexpected-pass` are of those named in advance. */
export type Status = "passed" | "failed" | "skipped" | "expected-failure" | "unexpected-pass";

/** A case that was run, with what it saw. */
export interface CaseResult {
  /** That of the case. */
  readonly id: string;
  /** The heading below which it stands. */
  readonly section: string;
  /** How binding the requirement is. */
  readonly level: Level;
  /** In one line. */
  readonly requirement: string;
  /** Stimulus and expectation. */
  readonly expectation: string;
  /** How it ended. */
  readonly status: Status;
  /** Why it was skipped, or was to fail. */
  readonly reason?: string;
  /** What it expected where it failed. */
  readonly expected?: string;
  /** What came instead: in words and hexadecimal. */
  readonly actual?: string;
  /** Which of several allowed reactions it saw. */
  readonly notes: readonly string[];
  /** What went over the wire. */
  readonly exchange: readonly TraceDatagram[];
  /** How long it took, ms. */
  readonly duration: number;
}

/** How the suite reaches a server. */
export interface ServerSettings {
  /** The server's address and port. */
  target: Address;
  /** Binds the suite's sockets. */
  bind: Bind;
  /** Tells the time. @default {systemClock} */
  clock?: Clock;
  /** The address of a group that the server is a member of; without it cases of groups are skipped. */
  group?: string;
  /** How long an answer is waited for, ms. @default {2000} */
  timeout?: number;
  /** How long nothing must come where silence is expected, ms. @default {200} */
  quiet?: number;
  /** Whether cases run that take minutes. @default {false} */
  slow?: boolean;
  /** Makes `/test`, `/large-update` and `/obs` by PUT where they are missing. @default {false} */
  create?: boolean;
  /** Cases that are known to fail, with the reason. */
  known?: Readonly<Record<string, string>>;
}

/** What is in a suite's way. */
export function select<Subject>(
  cases: readonly Case<Subject>[],
  { only = [], strict = false }: { only?: readonly string[]; strict?: boolean },
): Case<Subject>[] {
  if (only.length > 0) return cases.filter((one) => only.some((word) => isMeant(one, word)));
  return cases.filter(({ level }) => strict || (level !== "SHOULD" && level !== "MAY"));
}

/** Whether a case is meant by an id (`7252-4.2-3`), the beginning of one at a joint (`7252-4`), or words of its section. */
function isMeant({ id, section }: Case<never>, word: string): boolean {
  if (id === word || section.toLowerCase() === word.toLowerCase()) return true;
  return id.startsWith(word) && /^[-._]/.test(id.slice(word.length));
}

/** Puts a server through one case. */
export async function judgeServer(one: Case<Tester>, server: ServerSettings): Promise<CaseResult> {
  const { clock = systemClock, timeout = 2_000, quiet = 200, known = {} } = server;
  const trace: TraceDatagram[] = [];
  const probes: Probe[] = [];
  const notes: string[] = [];
  const start = clock.now();
  const { target, bind, group } = server;
  const settings = { target, bind, group, clock, start, timeout, quiet, trace, probes, notes };
  const outcome = await attempt(async () => {
    if (one.slow && !server.slow) throw new NotApplicable("takes long: only with --slow");
    if (one.group && group === undefined) throw new NotApplicable("no group is given");
    const tester = await Tester.open(settings);
    for (const path of one.needs ?? []) await need(tester, path, server.create ?? false);
    trace.length = 0;
    await one.run(tester);
  });
  await Promise.all(probes.map((probe) => probe.close()));
  return resultOf(one, outcome, { notes, exchange: trace, duration: clock.now() - start }, known);
}

/** How a case ended, before it is compared with what was known of it. */
export type Outcome = Pick<CaseResult, "status" | "reason" | "expected" | "actual">;

/** Runs a case to its end. */
export async function attempt(run: () => Promise<void>): Promise<Outcome> {
  try {
    await run();
    return { status: "passed" };
  } catch (error) {
    if (error instanceof NotApplicable) return { status: "skipped", reason: error.message };
    if (error instanceof CaseFailure) {
      return { status: "failed", expected: error.expected, actual: error.actual };
    }
    const actual = error instanceof Error ? error.stack ?? error.message : String(error);
    return { status: "failed", expected: "no exception in the case", actual };
  }
}

/** The result of a case: what was known to fail is no failure, and to pass then is one. */
export function resultOf(
  { id, section, level, requirement, expectation }: Case<never>,
  outcome: Outcome,
  seen: Pick<CaseResult, "notes" | "exchange" | "duration">,
  known: Readonly<Record<string, string>>,
): CaseResult {
  const result = { id, section, level, requirement, expectation, ...outcome, ...seen };
  const reason = known[id];
  if (reason === undefined || outcome.status === "skipped") return result;
  const status = outcome.status === "passed" ? "unexpected-pass" : "expected-failure";
  return { ...result, status, reason };
}

/** What any server has that keeps what is put. */
const CREATABLE: readonly string[] = ["/test", "/large-update", "/obs"];

/** Skips the case where the resource is missing and can not be made. */
async function need(tester: Tester, path: string, create: boolean): Promise<void> {
  const { code } = await tester.request({ path });
  if (code !== "4.04") return;
  if (create && CREATABLE.includes(path)) {
    const options = [[Opt.ContentFormat, 0]] as const;
    const payload = bytesOf("made by the suite");
    const made = await tester.request({ code: "0.03", path, options, payload });
    if (made.code.startsWith("2.")) return;
  }
  throw new NotApplicable(`the server has no ${path}`);
}

/** Whether a run is good: nothing failed, and nothing passed that was to fail. */
export function isGood(results: readonly CaseResult[]): boolean {
  return results.every(({ status }) => status !== "failed" && status !== "unexpected-pass");
}

/** How many cases ended how. */
export function countOf(results: readonly CaseResult[]): Record<Status, number> {
  const counts = {
    passed: 0,
    failed: 0,
    skipped: 0,
    "expected-failure": 0,
    "unexpected-pass": 0,
  };
  for (const { status } of results) counts[status]++;
  return counts;
}

/** How a run is followed. */
export interface SuiteOptions {
  /** Called with each result, and how many cases there are. */
  onResult?: (result: CaseResult, done: number, total: number) => void;
}

/**
 * Puts a server through cases, one after the other.
 *
 * @example What a server answers to a ping
 * ```ts
 * import { runServerCases, select, SERVER_CASES, startTarget } from "@x/coap/conformance";
 * import { bindUdp } from "@x/coap/udp";
 *
 * const target = await startTarget({ hostname: "127.0.0.1", port: 0 });
 * const cases = select(SERVER_CASES, { only: ["7252-4.2-2"] });
 * const results = await runServerCases(cases, { target: target.address, bind: bindUdp });
 * console.log(results[0]?.status); // passed
 * await target.close();
 * ```
 */
export async function runServerCases(
  cases: readonly Case<Tester>[],
  server: ServerSettings,
  { onResult }: SuiteOptions = {},
): Promise<CaseResult[]> {
  const results: CaseResult[] = [];
  for (const one of cases) {
    const result = await judgeServer(one, server);
    results.push(result);
    onResult?.(result, results.length, cases.length);
  }
  return results;
}

/** Puts a server or a client through cases. @module */

import { type Clock, systemClock } from "../lib/endpoint/clock.ts";
import type { Address } from "../lib/flow.ts";
import type { Bind } from "../lib/transport/transport.ts";
import { type Case, CaseFailure, type Level, NoSubject, NotApplicable } from "./case.ts";
import { build, bytesOf, Opt, type OptionSpec } from "./datagram.ts";
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
  /**
   * The address at which the server finds the suite, where it is a forward proxy that may reach it; without it cases of
   * proxies are skipped.
   */
  proxy?: string;
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

/** Which cases are wanted. */
export interface Selection {
  /**
   * Ids, beginnings of ids, or sections; without any all that are no SHOULD or MAY.
   *
   * @default none
   */
  only?: readonly string[];
  /** Whether cases that are SHOULD or MAY are among them. @default {false} */
  strict?: boolean;
}

/**
 * Chooses cases, in their order.
 *
 * @throws {TypeError} where a word means none
 */
export function select<Subject>(
  cases: readonly Case<Subject>[],
  { only = [], strict = false }: Selection = {},
): Case<Subject>[] {
  if (only.length === 0) {
    return cases.filter(({ level }) => strict || (level !== "SHOULD" && level !== "MAY"));
  }
  const wrong = only.find((word) => !cases.some((one) => isMeant(one, word)));
  if (wrong !== undefined) throw new TypeError(`No case is meant by "${wrong}"`);
  return cases.filter((one) => only.some((word) => isMeant(one, word)));
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
  const { target, bind, group, proxy } = server;
  const settings = {
    target,
    bind,
    group,
    proxy,
    clock,
    start,
    timeout,
    quiet,
    trace,
    probes,
    notes,
  };
  const outcome = await attempt(async () => {
    if (one.slow && !server.slow) throw new NotApplicable("takes long: only with --slow");
    if (one.group && group === undefined) throw new NotApplicable("no group is given");
    if (one.proxy && proxy === undefined) throw new NotApplicable("the server is no proxy");
    const tester = await Tester.open(settings);
    for (const path of one.needs ?? []) await need(tester, path, server.create ?? false);
    trace.length = 0;
    await one.run(tester);
  }).finally(() => Promise.all(probes.map((probe) => probe.close())));
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
    if (error instanceof NoSubject) throw error;
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

/** What a server can be asked by. */
interface Asker {
  request(
    request: { code?: string; path: string; options?: readonly OptionSpec[]; payload?: Uint8Array },
  ): Promise<{ code: string }>;
}

/** Skips the case where the resource is missing and can not be made. */
export async function need(tester: Asker, path: string, create: boolean): Promise<void> {
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
  /** Called before each case, with how many are done and how many there are. */
  onCase?: (one: Case<never>, done: number, total: number) => void;
  /** Called with each result. */
  onResult?: (result: CaseResult) => void;
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
  options?: SuiteOptions,
): Promise<CaseResult[]> {
  return await runCases(cases, (one) => judgeServer(one, server), options);
}

/** Runs cases one after the other. */
export async function runCases<Subject>(
  cases: readonly Case<Subject>[],
  judge: (one: Case<Subject>) => Promise<CaseResult>,
  { onCase, onResult }: SuiteOptions = {},
): Promise<CaseResult[]> {
  const results: CaseResult[] = [];
  for (const one of cases) {
    onCase?.(one, results.length, cases.length);
    const result = await judge(one);
    results.push(result);
    onResult?.(result);
  }
  return results;
}

/**
 * Whether anything answers at all: asks with a ping and a GET, twice within `timeout`.
 *
 * @throws {NoSubject} where nothing comes
 */
export async function meetServer(server: ServerSettings): Promise<void> {
  const { clock = systemClock, timeout = 2_000, target, bind } = server;
  const trace: TraceDatagram[] = [];
  const probes: Probe[] = [];
  const settings = { target, bind, clock, start: clock.now(), timeout, quiet: 0, trace, probes };
  const tester = await Tester.open({ ...settings, notes: [] });
  try {
    for (let i = 0; i < 2; i++) {
      tester.sendBytes(build({ id: tester.id() }));
      tester.send({ path: "/.well-known/core" });
      if (await tester.hear(timeout / 2) !== undefined) return;
    }
  } finally {
    await tester.probe.close();
  }
  const { address, port } = target;
  throw new NoSubject(
    `Nothing answers at ${address} port ${port}: neither to a ping nor to a GET within ${timeout} ms`,
  );
}

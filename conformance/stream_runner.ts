/** Puts a server through cases over connections: RFC 8323. @module */

import { type Clock, systemClock } from "../lib/endpoint/clock.ts";
import type { ByteNetwork, ClientTlsOptions, StreamTarget } from "../lib/transport/stream.ts";
import { type Case, NoSubject, NotApplicable } from "./case.ts";
import type { Connection } from "./connection.ts";
import { Signal } from "./frame.ts";
import type { Probe, TraceDatagram } from "./probe.ts";
import { attempt, type CaseResult, need, resultOf, runCases, type SuiteOptions } from "./runner.ts";
import { StreamTester } from "./stream_tester.ts";

/** How the suite reaches a server by connections. */
export interface StreamServerSettings {
  /** The server: scheme, host and port. */
  target: StreamTarget;
  /** Opens the suite's connections: streams of bytes, or for WebSockets of messages. */
  network: ByteNetwork;
  /** TLS of these connections. */
  tls?: ClientTlsOptions;
  /** Tells the time. @default {systemClock} */
  clock?: Clock;
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

interface Opened {
  tester: StreamTester;
  clock: Clock;
  start: number;
  trace: TraceDatagram[];
  notes: string[];
  close(): void;
}

function open(server: StreamServerSettings): Opened {
  const { target, network, tls, clock = systemClock, timeout = 2_000, quiet = 200 } = server;
  const connections: Connection[] = [];
  const probes: Probe[] = [];
  const trace: TraceDatagram[] = [];
  const notes: string[] = [];
  const start = clock.now();
  const settings = {
    target,
    network,
    tls,
    clock,
    start,
    timeout,
    quiet,
    trace,
    connections,
    probes,
    notes,
  };
  const close = (): void => {
    for (const connection of connections) connection.end();
  };
  return { tester: new StreamTester(settings), clock, start, trace, notes, close };
}

/** Puts a server through one case. */
export async function judgeStreamServer(
  one: Case<StreamTester>,
  server: StreamServerSettings,
): Promise<CaseResult> {
  const { tester, clock, start, trace, notes, close } = open(server);
  const { connections } = tester.settings;
  const outcome = await attempt(async () => {
    if (one.slow && !server.slow) throw new NotApplicable("takes long: only with --slow");
    if (one.needs !== undefined) {
      const before = await tester.connect();
      for (const path of one.needs) await need(before, path, server.create ?? false);
      before.end();
      connections.length = 0;
      trace.length = 0;
    }
    await one.run(tester);
  });
  const duration = clock.now() - start;
  close();
  const seen = { notes, exchange: [...trace], duration };
  return resultOf(one, outcome, seen, server.known ?? {});
}

/**
 * Puts a server through cases over connections, one after the other.
 *
 * @example What a server answers to a Ping over TCP
 * ```ts
 * import {
 *   runStreamServerCases,
 *   startTarget,
 *   STREAM_SERVER_CASES,
 *   tcpNetwork,
 * } from "@x/coap/conformance";
 *
 * const target = await startTarget({ udp: false, hostname: "127.0.0.1", tcp: { port: 0 } });
 * const cases = STREAM_SERVER_CASES.filter(({ id }) => id === "8323-5-5");
 * const { port } = target.addresses.tcp!;
 * const results = await runStreamServerCases(cases, {
 *   target: { scheme: "coap+tcp", host: "127.0.0.1", port },
 *   network: tcpNetwork,
 * });
 * console.log(results[0]?.status); // passed
 * await target.close();
 * ```
 */
export async function runStreamServerCases(
  cases: readonly Case<StreamTester>[],
  server: StreamServerSettings,
  options?: SuiteOptions,
): Promise<CaseResult[]> {
  return await runCases(cases, (one) => judgeStreamServer(one, server), options);
}

/**
 * Whether anything answers at all: a CSM.
 *
 * @throws {NoSubject} where nothing comes
 */
export async function meetStreamServer(server: StreamServerSettings): Promise<void> {
  const { tester, close } = open(server);
  try {
    const one = await tester.open();
    one.greet();
    const heard = await one.hear();
    if (heard !== undefined && heard !== "closed" && typeof heard.frame !== "string") {
      if (heard.frame.code === Signal.CSM) return;
    }
    const { host, port } = server.target;
    throw new NoSubject(`Nobody who speaks CoAP answers at ${host} port ${port}: no CSM comes`);
  } finally {
    close();
  }
}

import process from "node:process";
import { it } from "node:test";
import { assertEquals } from "@std/assert";
import { bindUdp } from "@x/coap/udp";
import type { Case } from "../conformance/case.ts";
import { runClientCases } from "../conformance/client_case.ts";
import { CLIENT_CASES } from "../conformance/client_cases.ts";
import { commandClient } from "../conformance/client_command.ts";
import knownClient from "../conformance/known/libcoap_client.json" with { type: "json" };
import knownTcpClient from "../conformance/known/libcoap_tcp_client.json" with { type: "json" };
import knownTcpServer from "../conformance/known/libcoap_tcp_server.json" with { type: "json" };
import knownServer from "../conformance/known/libcoap_server.json" with { type: "json" };
import { type CaseResult, countOf, runServerCases } from "../conformance/runner.ts";
import { SERVER_CASES } from "../conformance/server_cases.ts";
import { STREAM_CLIENT_CASES } from "../conformance/client_streams.ts";
import { STREAM_SERVER_CASES } from "../conformance/stream_cases.ts";
import { runStreamServerCases } from "../conformance/stream_runner.ts";
import { runStreamClientCases } from "../conformance/stream_script.ts";
import { systemClock } from "../lib/endpoint/clock.ts";
import { nodeNetwork as tcpNetwork } from "../lib/transport/tcp_node.ts";
import { keepReports } from "../testing/reports.ts";
import { findPrograms, startCoapServer } from "./libcoap.ts";
import { describeWithLibcoap, type Keep } from "./suite.ts";

/** What is otherwise than the list of known deviations says: each as the report has it. */
function surprises(results: readonly CaseResult[]): unknown[] {
  return results
    .filter(({ status }) => status === "failed" || status === "unexpected-pass")
    .map(({ id, status, expected, actual }) => ({ id, status, expected, actual }));
}

/** No deviation may be listed that is not about a case that runs. */
function assertAllMet(results: readonly CaseResult[], known: Record<string, string>): void {
  assertEquals(countOf(results)["expected-failure"], Object.keys(known).length);
}

// What libcoap does is the same whoever asks: one runtime is enough.
const { bun, deno } = process.versions;
if (bun !== undefined || deno !== undefined) {
  it("conformance of libcoap", { skip: "judged on Node" }, () => {});
} else {
  describeWithLibcoap("conformance of libcoap", (test) => {
    test("coap-server deviates where it is known to", async (keep) => {
      const server = keep(await startCoapServer());
      const results = await runServerCases(SERVER_CASES, {
        target: { address: "127.0.0.1", port: server.port },
        bind: bindUdp,
        create: true,
        timeout: 1_000,
        quiet: 150,
        known: knownServer,
      });
      keepReports("libcoap-server", "coap-server of libcoap", results);
      assertEquals(surprises(results), []);
      assertAllMet(results, knownServer);
    });

    test("coap-client deviates where it is known to", async () => {
      const { client } = findPrograms()!;
      const command = `${client} -m {method} [-e {payload}] [-s {observe}] {uri}`;
      const results = await runClientCases(CLIENT_CASES, {
        client: commandClient(command),
        timeout: 2_000,
        bind: bindUdp,
        clock: systemClock,
        known: knownClient,
      });
      keepReports("libcoap-client", "coap-client of libcoap", results, "client");
      assertEquals(surprises(results), []);
      assertAllMet(results, knownClient);
    });

    test("both over TCP deviate where they are known to", async (keep) => {
      const [servers, clients] = await Promise.all([judgeTcpServer(keep), judgeTcpClient()]);
      keepReports("libcoap-server-tcp", "coap-server of libcoap over TCP", servers);
      keepReports("libcoap-client-tcp", "coap-client of libcoap over TCP", clients, "client");
      assertEquals([...surprises(servers), ...surprises(clients)], []);
      assertAllMet(servers, knownTcpServer);
      assertAllMet(clients, knownTcpClient);
    });
  });
}

/** What does not come is not waited for as long as what has to. */
async function inTwo<Subject>(
  cases: readonly Case<Subject>[],
  known: Readonly<Record<string, string>>,
  judge: (cases: readonly Case<Subject>[], timeout: number) => Promise<CaseResult[]>,
): Promise<CaseResult[]> {
  const isKnown = ({ id }: Case<Subject>): boolean => id in known;
  return [
    ...await judge(cases.filter((one) => !isKnown(one)), 3_000),
    ...await judge(cases.filter(isKnown), 300),
  ];
}

async function judgeTcpServer(keep: Keep): Promise<CaseResult[]> {
  const server = keep(await startCoapServer());
  const port = Number(new URL(server.tcp).port);
  return await inTwo(
    STREAM_SERVER_CASES,
    knownTcpServer,
    (cases, timeout) =>
      runStreamServerCases(cases, {
        target: { scheme: "coap+tcp", host: "127.0.0.1", port },
        network: tcpNetwork,
        create: true,
        timeout,
        quiet: 60,
        known: knownTcpServer,
      }),
  );
}

async function judgeTcpClient(): Promise<CaseResult[]> {
  const { client } = findPrograms()!;
  const command = `${client} -m {method} [-e {payload}] [-s {observe}] {uri}`;
  // Two wait for seconds, as they do over UDP.
  const cases = STREAM_CLIENT_CASES.filter(({ id }) => id !== "7252-5.9-2" && id !== "7641-3.6-2");
  return await inTwo(cases, knownTcpClient, (cases, timeout) =>
    runStreamClientCases(cases, {
      client: commandClient(command),
      timeout,
      quiet: 60,
      network: tcpNetwork,
      clock: systemClock,
      known: knownTcpClient,
    }));
}

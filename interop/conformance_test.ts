import process from "node:process";
import { it } from "node:test";
import { assertEquals } from "@std/assert";
import { bindUdp } from "@x/coap/udp";
import { runClientCases } from "../conformance/client_case.ts";
import { CLIENT_CASES } from "../conformance/client_cases.ts";
import { commandClient } from "../conformance/client_command.ts";
import knownClient from "../conformance/known/libcoap_client.json" with { type: "json" };
import knownServer from "../conformance/known/libcoap_server.json" with { type: "json" };
import { type CaseResult, countOf, runServerCases } from "../conformance/runner.ts";
import { SERVER_CASES } from "../conformance/server_cases.ts";
import { systemClock } from "../lib/endpoint/clock.ts";
import { keepReports } from "../testing/reports.ts";
import { findPrograms, startCoapServer } from "./libcoap.ts";
import { describeWithLibcoap } from "./suite.ts";

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
      // It answers a ping amid a request now and then only.
      const cases = CLIENT_CASES.filter(({ id }) => id !== "7252-4.2-2");
      const results = await runClientCases(cases, {
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
  });
}

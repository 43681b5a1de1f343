import { describe, it } from "node:test";
import { assertEquals } from "@std/assert";
import { systemClock } from "../lib/endpoint/clock.ts";
import { proxy } from "../lib/endpoint/proxy.ts";
import { bindUdp } from "../lib/transport/udp.ts";
import { keepReports } from "../testing/reports.ts";
import { runClientCases } from "./client_case.ts";
import { CLIENT_CASES } from "./client_cases.ts";
import { ourClient } from "./client_ours.ts";
import { type CaseResult, runServerCases, select } from "./runner.ts";
import { SERVER_CASES } from "./server_cases.ts";
import { startTarget } from "./target.ts";

function failuresOf(results: readonly CaseResult[]): unknown[] {
  return results
    .filter(({ status }) => status === "failed")
    .map(({ id, expected, actual }) => ({ id, expected, actual }));
}

describe("conformance on UDP", () => {
  it("the server passes every case that takes no minutes", async () => {
    const target = await startTarget({ hostname: "127.0.0.1", port: 0 });
    try {
      const results = await runServerCases(SERVER_CASES, {
        target: target.address,
        bind: bindUdp,
        timeout: 5_000,
        quiet: 60,
      });
      keepReports("server-udp", "the server on UDP", results);
      assertEquals(failuresOf(results), []);
    } finally {
      await target.close();
    }
  });

  it("the server passes as a proxy", async () => {
    const target = await startTarget({
      hostname: "127.0.0.1",
      port: 0,
      proxy: proxy({ allow: ["127.0.0.1:*"] }),
    });
    try {
      const results = await runServerCases(SERVER_CASES.filter((one) => one.proxy), {
        target: target.address,
        bind: bindUdp,
        proxy: "127.0.0.1",
        timeout: 5_000,
        quiet: 60,
      });
      keepReports("proxy-udp", "the server as a proxy on UDP", results);
      assertEquals(failuresOf(results), []);
    } finally {
      await target.close();
    }
  });

  it("the client passes cases of each kind", async () => {
    // Those that wait for seconds are left to the simulated clock.
    const only = [
      "7252-5.2-3",
      "7252-5.2-6",
      "7252-5.2-8",
      "7252-5.3.2-2",
      "7252-5.3.2-4",
      "7252-6.4-4",
    ];
    const blocks = ["7959-2.4-1", "7959-2.4-4", "7959-2.5-1", "7959-2.5-5", "9175-2.2-3"];
    const cases = select(CLIENT_CASES, { only: [...only, ...blocks] });
    const results = await runClientCases(cases, {
      client: ourClient({}, 1_000),
      bind: bindUdp,
      clock: systemClock,
      quiet: 60,
    });
    keepReports("client-udp", "the client on UDP", results, "client");
    assertEquals(failuresOf(results), []);
  });
});

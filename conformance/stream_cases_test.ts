import { after, describe, it } from "node:test";
import { assert, assertEquals } from "@std/assert";
import { judgeStreamClientInMemory, judgeStreamInMemory } from "../testing/conformance_harness.ts";
import { keepReports } from "../testing/reports.ts";
import { CLIENT_CASES } from "./client_cases.ts";
import { STREAM_CLIENT_CASES } from "./client_streams.ts";
import { whyNotOverConnections } from "./over_connections.ts";
import type { CaseResult } from "./runner.ts";
import { SERVER_CASES } from "./server_cases.ts";
import { STREAM_SERVER_CASES, streamServerCases } from "./stream_cases.ts";

function assertPassed({ status, reason, expected, actual }: CaseResult): void {
  assertEquals({ status, reason, expected, actual }, {
    status: "passed",
    reason: undefined,
    expected: undefined,
    actual: undefined,
  });
}

describe("the server over connections in memory", () => {
  const results: CaseResult[] = [];
  after(() => keepReports("server-stream-memory", "the server over connections", results));

  for (const one of STREAM_SERVER_CASES) {
    it(`${one.id}: ${one.requirement}`, async () => {
      const result = await judgeStreamInMemory(one);
      results.push(result);
      assertPassed(result);
    });
  }
});

describe("the client over connections in memory", () => {
  const results: CaseResult[] = [];
  after(() =>
    keepReports("client-stream-memory", "the client over connections", results, "client")
  );

  for (const one of STREAM_CLIENT_CASES) {
    it(`${one.id}: ${one.requirement}`, async () => {
      const result = await judgeStreamClientInMemory(one);
      results.push(result);
      assertPassed(result);
    });
  }
});

describe("cases over connections", () => {
  it("have ids of their own", () => {
    const servers = streamServerCases("coap+ws").map(({ id }) => id);
    assertEquals(new Set(servers).size, servers.length);
    const clients = STREAM_CLIENT_CASES.map(({ id }) => id);
    assertEquals(new Set(clients).size, clients.length);
  });

  it("what is left out of the other RFCs has a reason, and the rest is there", () => {
    const ids = new Set(STREAM_SERVER_CASES.map(({ id }) => id));
    const left = SERVER_CASES.filter((one) => !ids.has(one.id));
    const clients = new Set(STREAM_CLIENT_CASES.map(({ id }) => id));
    const all = [...left, ...CLIENT_CASES.filter((one) => !clients.has(one.id))];
    assertEquals(all.filter((one) => whyNotOverConnections(one) === undefined), []);
    for (const id of ["7252-4.2-2", "7641-4.5-2", "CORE_05"]) {
      assert(left.some((one) => one.id === id), id);
    }
    for (const id of ["7641-4.1-1", "7959-2.4-3", "8132-2-2", "6690-4-3", "CORE_01"]) {
      assert(ids.has(id), id);
    }
    for (const id of ["7252-6.4-4", "7641-3.6-2", "7959-2.5-1", "9175-2.2-3"]) {
      assert(clients.has(id), id);
    }
  });
});

import { describe, it } from "node:test";
import { assertEquals } from "@std/assert";
import { AUTHORITY, SERVER_CERT, SERVER_KEY } from "../testing/certificates.ts";
import { systemClock } from "../lib/endpoint/clock.ts";
import { nodeNetwork } from "../lib/transport/tcp_node.ts";
import { keepReports } from "../testing/reports.ts";
import { noUpgrades, upgradeFor } from "../testing/web_socket_server.ts";
import { ourClient } from "./client_ours.ts";
import { STREAM_CLIENT_CASES } from "./client_streams.ts";
import { type CaseResult, select } from "./runner.ts";
import type { StreamServerCase } from "./server_streams.ts";
import { STREAM_SERVER_CASES, streamServerCases } from "./stream_cases.ts";
import { runStreamServerCases } from "./stream_runner.ts";
import { runStreamClientCases } from "./stream_script.ts";
import { startTarget } from "./target.ts";
import { webSocketNetwork } from "./web_sockets.ts";

const LOOPBACK = "127.0.0.1";
const PATIENCE = { timeout: 5_000, quiet: 60 };

function failuresOf(results: readonly CaseResult[]): unknown[] {
  return results
    .filter(({ status }) => status === "failed")
    .map(({ id, expected, actual }) => ({ id, expected, actual }));
}

/** Those of RFC 8323 and a few of each other kind; the rest is left to the simulated clock, and what takes seconds. */
const SOME = ["8323", "7252-5.10-3", "7641-4.2-2", "7959-2.4", "7959-2.5-2", "8132-2-2", "LINK_01"];

function chosen(cases: readonly StreamServerCase[], only: readonly string[]): StreamServerCase[] {
  return select(cases, { only }).filter(({ needs = [] }) => !needs.includes("/separate"));
}

describe("conformance over TCP, TLS and WebSockets", () => {
  it("the server passes over TCP", async () => {
    const target = await startTarget({ udp: false, hostname: LOOPBACK, tcp: { port: 0 } });
    try {
      const { port } = target.addresses.tcp!;
      const cases = chosen(STREAM_SERVER_CASES, SOME);
      const results = await runStreamServerCases(cases, {
        target: { scheme: "coap+tcp", host: LOOPBACK, port },
        network: nodeNetwork,
        ...PATIENCE,
      });
      keepReports("server-tcp", "the server over TCP", results);
      assertEquals(failuresOf(results), []);
    } finally {
      await target.close();
    }
  });

  it("the server passes over TLS", async () => {
    const tls = { port: 0, cert: SERVER_CERT, key: SERVER_KEY };
    const target = await startTarget({ udp: false, hostname: LOOPBACK, tls });
    try {
      const { port } = target.addresses.tls!;
      const cases = chosen(STREAM_SERVER_CASES, ["8323-3.2", "8323-5-4", "8323-5-9"]);
      const results = await runStreamServerCases(cases, {
        target: { scheme: "coaps+tcp", host: "localhost", port },
        network: nodeNetwork,
        tls: { ca: AUTHORITY },
        ...PATIENCE,
      });
      keepReports("server-tls", "the server over TLS", results);
      assertEquals(failuresOf(results), []);
    } finally {
      await target.close();
    }
  });

  it("the client passes over TCP", async () => {
    // Those that wait for seconds are left to the simulated clock.
    const only = ["8323", "7252-6.4", "7959-2.4-1", "7959-2.4-4", "7959-2.4-11", "7959-2.5-5"];
    const cases = select(STREAM_CLIENT_CASES, { only })
      .filter(({ id }) => !/^8323-(?:7-|5-7)/.test(id));
    const results = await runStreamClientCases(cases, {
      client: ourClient({}, 2_000),
      network: nodeNetwork,
      clock: systemClock,
      quiet: 60,
    });
    keepReports("client-tcp", "the client over TCP", results, "client");
    assertEquals(failuresOf(results), []);
  });
});

const skip = await noUpgrades() ?? false;

describe("conformance over WebSockets", () => {
  it("the server passes", { skip }, async () => {
    const target = await startTarget({ udp: false, ws: true });
    const http = await upgradeFor(target);
    try {
      const cases = chosen(streamServerCases("coap+ws"), ["8323"]);
      const results = await runStreamServerCases(cases, {
        target: { scheme: "coap+ws", host: LOOPBACK, port: http.port },
        network: webSocketNetwork,
        ...PATIENCE,
      });
      keepReports("server-ws", "the server over WebSockets", results);
      assertEquals(failuresOf(results), []);
    } finally {
      await target.close();
      await http.close();
    }
  });
});

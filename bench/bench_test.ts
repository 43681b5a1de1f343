import { readFile } from "node:fs/promises";
import { describe, it } from "node:test";
import { assert, assertEquals, assertMatch } from "@std/assert";
import { CoAPResponse } from "../lib/endpoint/response.ts";
import { serve } from "../lib/endpoint/server.ts";
import type { Transport } from "../lib/transport/transport.ts";
import { bindUdp } from "../lib/transport/udp.ts";
import { Code } from "../lib/wire/code.ts";
import { decode, encode, MessageType } from "../lib/wire/message.ts";
import {
  command,
  Figures,
  loadServer,
  measureRounds,
  median,
  type Outcome,
  ServerProgram,
  type Settings,
} from "./harness.ts";
import { ROWS, SPEED_TABLE } from "./main.ts";
import { toSvg } from "./plot.ts";
import { load } from "./programs/load.ts";
import { isReached, type Report, rowReport, speedTable, toMarkdown } from "./report.ts";

const PAYLOAD = "0123456789abcdef";

/** A server that answers every datagram anew, those that come again as well. */
async function careless(text: (count: number) => string): Promise<Transport> {
  let count = 0;
  const server: Transport = await bindUdp({ hostname: "127.0.0.1" }, {
    receive(flow, bytes): void {
      const { id, token } = decode(bytes);
      const payload = new TextEncoder().encode(text(count++));
      const type = MessageType.Acknowledgement;
      server.send(flow, encode({ type, code: Code.Content, id, token, payload }));
    },
    turn: () => server.flush(),
    error: () => {},
  });
  return server;
}

describe("the load generator", () => {
  it("makes as many requests as it is told, from one source port after the other", async () => {
    const peers = new Set<string>();
    const server = await serve({ hostname: "127.0.0.1", port: 0 }, ({ peer }) => {
      peers.add(peer.key);
      return CoAPResponse.text(PAYLOAD);
    });
    const { port } = server.address;
    const options = { port, requests: 500, window: 8, sources: 2, perSource: 100 };
    const { answered, wrong } = await load({ ...options, payload: PAYLOAD });
    await server.close();
    assertEquals({ answered, wrong }, { answered: 500, wrong: 0 });
    assert(peers.size >= 5, `${peers.size} source ports`);
  });

  it("knows idle peers from those that ask", async () => {
    const peers = new Set<string>();
    const server = await serve({ hostname: "127.0.0.1", port: 0 }, ({ peer }) => {
      peers.add(peer.key);
      return CoAPResponse.text(PAYLOAD);
    });
    const { port } = server.address;
    await load({ port, requests: 10, window: 2, sources: 2, idle: 20 });
    await server.close();
    assertEquals(peers.size, 22);
  });

  const wrong: [string, string, number][] = [
    ["that is not the right one", "another payload!", 0],
    ["of another length", "short", 5],
  ];
  for (const [what, text, when] of wrong) {
    it(`counts a payload ${what} as wrong, and asks again`, async () => {
      const server = await careless((count) => count === when ? text : PAYLOAD);
      const { port } = server.address;
      const result = await load({ port, requests: 10, window: 1, sources: 1, payload: PAYLOAD });
      await server.close();
      assertEquals([result.answered, result.wrong, result.repeated], [10, 1, 1]);
    });
  }
});

describe("the harness", () => {
  const settings: Settings = { rounds: 3, seconds: 0.1, warmUp: 0, divisor: 1, log: () => {} };

  it("loads a server in a process of its own", async () => {
    const found = command("node", "serve.mjs")!;
    const server = await ServerProgram.start(found);
    try {
      const { port } = server;
      const { answered, wrong } = await loadServer({ port, requests: 200, payload: PAYLOAD });
      assertEquals({ answered, wrong }, { answered: 200, wrong: 0 });
    } finally {
      await server.stop();
    }
  });

  it("goes through the variants in alternating order", async () => {
    const order: string[] = [];
    const variants = ["a", "b"].map((name) => ({
      name,
      measure: (figures: Figures): Promise<void> => {
        order.push(name);
        figures.add(name, "order", order.length);
        return Promise.resolve();
      },
    }));
    const figures = await measureRounds(variants, settings);
    assertEquals(order, ["a", "b", "b", "a", "a", "b"]);
    assertEquals(figures.list.map(({ values }) => values), [[1, 4, 5], [2, 3, 6]]);
  });

  it("takes medians", () => {
    assertEquals(median([3, 1, 2]), 2);
    assertEquals(median([4, 1, 2, 3]), 2.5);
    const figures = new Figures();
    figures.add("a", "x", 3);
    figures.add("b", "x", 2);
    const outcome: Outcome = { figures: figures.list, targets: [], notes: [] };
    figures.ratio(outcome.targets, "x", ["a", "b"], 1.25, "a to b");
    figures.ratio(outcome.targets, "x", ["a", "missing"], 1, "a to nothing");
    assertEquals(outcome.targets, [{ text: "a to b", ratio: 1.5, wanted: 1.25 }]);
  });
});

const SETTINGS: Settings = { rounds: 3, seconds: 1, warmUp: 2, divisor: 1, log: () => {} };

describe("the report", () => {
  const outcome: Outcome = {
    figures: [{ variant: "ours", measure: "requests/s", values: [1, 3, 2] }],
    targets: [
      { text: "ours to <theirs>", ratio: 1.5, wanted: 1.25 },
      { text: "memory", ratio: 121, wanted: 120, below: true, unit: " MB" },
    ],
    notes: ["A note."],
  };
  const report: Report = {
    environment: { CPU: "a CPU" },
    rows: [rowReport(ROWS[0]!, SETTINGS, { CPU: "another CPU" }, outcome)],
  };

  it("says which targets were reached", () => {
    assertEquals(outcome.targets.map(isReached), [true, false]);
    const text = toMarkdown(report);
    assertMatch(text, /1 of 2 targets reached/);
    assertMatch(text, /\| ours to <theirs> \| 1\.50 \| at least 1\.25 \| reached \|/);
    assertMatch(text, /\| memory \| 121 MB \| below 120 MB \| \*\*short of it\*\* \|/);
    assertMatch(text, /\| ours \| 2\.00 \|/);
    assertMatch(text, /Rounds: 3, of 1 s each after 2 s/);
    assertMatch(text, /Measured with CPU another CPU\./);
  });

  it("has a plot with a bar for each", () => {
    const svg = toSvg(report);
    assertEquals(svg.match(/<rect class="(reached|short)"/g)?.length, 2);
    assert(svg.includes("ours to &lt;theirs&gt;"));
  });

  it("has given README its table", async () => {
    const readme = await readFile(new URL("../README.md", import.meta.url), "utf8");
    const results = await readFile(new URL("results/results.json", import.meta.url), "utf8");
    const table = SPEED_TABLE.exec(readme.replaceAll("\r\n", "\n"))?.[0];
    assertEquals(table, speedTable(JSON.parse(results)));
    assertEquals(table?.split("\n").length, 10);
  });

  it("has rows of different names", () => {
    assertEquals(new Set(ROWS.map(({ name }) => name)).size, ROWS.length);
  });
});

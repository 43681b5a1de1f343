/** The streams row: small GETs over TCP and WebSockets (RFC 8323), beside libcoap and the plain echo. @module */

import {
  command,
  type Figures,
  libcoap,
  measureRounds,
  type Outcome,
  Program,
  type Ratio,
  type Row,
  type Runtime,
  ServerProgram,
  type Settings,
  type Variant,
} from "../harness.ts";
import type { StreamLoadOptions, StreamLoadResult } from "../programs/stream_load.ts";

const PAYLOAD = "0123456789abcdef";
const CONNECTIONS = 16;
/** Requests under way on each connection. */
const WINDOWS = [1, 16, 64] as const;

const NAMES = { bun: "Bun", node: "Node", deno: "Deno" } as const;
/** What the runtime itself has besides `node:net`. */
const APIS: Partial<Record<Runtime, string>> = {
  bun: "Bun.listen",
  deno: "Deno.listen",
};
const UPGRADES = { bun: "Bun.serve", node: "ws", deno: "Deno.serve" } as const;

function measureOf(window: number): string {
  return `requests/s, window ${window}`;
}

function costOf(window: number): string {
  return `processor time, µs each, window ${window}`;
}

/** Loads a server over connections from a process of its own. */
export async function loadStreamServer(
  options: StreamLoadOptions,
): Promise<StreamLoadResult> {
  const runner = command("bun", "stream_load.ts", JSON.stringify(options)) ??
    command("node", "stream_load.ts", JSON.stringify(options))!;
  const program = new Program(runner);
  try {
    const result: StreamLoadResult = JSON.parse(await program.line());
    if (result.wrong > 0) {
      throw new Error(`${result.wrong} messages were no right response`);
    }
    if (result.answered === 0) throw new Error("No request was answered");
    return result;
  } finally {
    await program.stop();
  }
}

async function measure(
  name: string,
  start: () => Promise<ServerProgram>,
  load: Partial<StreamLoadOptions>,
  settings: Settings,
  figures: Figures,
): Promise<void> {
  for (const window of WINDOWS) {
    const server = await start();
    try {
      const { port } = server;
      const options = { ...load, port, window, connections: CONNECTIONS };
      await loadStreamServer({ ...options, seconds: settings.warmUp });
      const before = server.program.cpu;
      const { answered, seconds } = await loadStreamServer({
        ...options,
        seconds: settings.seconds,
      });
      const after = server.program.cpu;
      figures.add(name, measureOf(window), answered / seconds);
      if (before !== undefined && after !== undefined) {
        figures.add(name, costOf(window), (after - before) * 1e6 / answered);
      }
    } finally {
      await server.stop();
    }
  }
}

/** What is loaded here, and what each of ours is compared with. */
function streamVariants(settings: Settings): [Variant[], [string, string][]] {
  const variants: Variant[] = [];
  const pairs: [string, string][] = [];
  const add = (
    name: string,
    start: (() => Promise<ServerProgram>) | undefined,
    load: Partial<StreamLoadOptions>,
  ): string => {
    if (start !== undefined) {
      variants.push({
        name,
        measure: (figures) => measure(name, start, load, settings, figures),
      });
    }
    return name;
  };
  const own = (runtime: Runtime, file: string, arg: string) => {
    const found = command(runtime, file, arg);
    return found && (() => ServerProgram.start(found));
  };
  const coapServer = libcoap("coap-server");
  if (coapServer !== undefined) {
    add("tcp, libcoap", () => ServerProgram.startLibcoap(coapServer), {
      path: "time",
    });
  }
  for (const runtime of ["bun", "node", "deno"] as const) {
    const on = NAMES[runtime];
    const ours = add(
      `tcp, ours on ${on}`,
      own(runtime, "stream_serve.mjs", "tcp"),
      {
        payload: PAYLOAD,
      },
    );
    const echo = { echo: true };
    const net = add(
      `tcp, echo on ${on} (node:net)`,
      own(runtime, "stream_echo.mjs", "net"),
      echo,
    );
    pairs.push([ours, "tcp, libcoap"], [ours, net]);
    const api = APIS[runtime];
    if (api !== undefined) {
      const name = `tcp, echo on ${on} (${api})`;
      pairs.push([
        ours,
        add(name, own(runtime, "stream_echo.mjs", "own"), echo),
      ]);
    }
  }
  for (const runtime of ["bun", "node", "deno"] as const) {
    const on = NAMES[runtime];
    const [name, bare] = [
      `ws, ours on ${on}`,
      `ws, echo on ${on} (${UPGRADES[runtime]})`,
    ];
    const load = { ws: true, payload: PAYLOAD };
    add(name, own(runtime, "stream_serve.mjs", "ws"), load);
    add(bare, own(runtime, "stream_echo.mjs", "ws"), { ws: true, echo: true });
    pairs.push([name, bare]);
  }
  return [variants, pairs];
}

async function run(settings: Settings): Promise<Outcome> {
  const [variants, pairs] = streamVariants(settings);
  const figures = await measureRounds(variants, settings);
  const ratios: Ratio[] = [];
  for (const [ours, other] of pairs) {
    for (const window of WINDOWS) {
      const text = `${ours} to ${other.replace(/^\w+, /, "")}, window ${window}`;
      figures.compare(ratios, measureOf(window), [ours, other], text);
      figures.compare(ratios, costOf(window), [other, ours], `${text}, by processor time`);
    }
  }
  return { figures: figures.list, targets: [], ratios, notes: [] };
}

/** Servers over connections. */
export const streamsRow: Row = {
  name: "streams",
  title: "Streams: GET over TCP and WebSockets, 16 bytes in the answer",
  method:
    `${CONNECTIONS} connections with 1, 16 and 64 requests under way on each. A fresh process for each ` +
    "measurement. libcoap's `coap-server` answers `/time` with 15 bytes. The echo sends back whatever a read " +
    "gave, a window at a time, without looking at it: what it leaves is what CoAP costs. There is no target.",
  run,
};

/** The server rows: small GETs to each runtime's server, to its echo and to other implementations. @module */

import {
  command,
  type Figures,
  hasPackages,
  libcoap,
  loadServer,
  measureRounds,
  type Outcome,
  type Ratio,
  type Row,
  type Runtime,
  ServerProgram,
  type Settings,
  type Target,
  type Variant,
} from "../harness.ts";
import type { LoadOptions } from "../programs/load.ts";

const PAYLOAD = "0123456789abcdef";
/** Windows, and the source ports that share them. */
const WINDOWS = [[16, 4], [64, 16]] as const;

function measureOf(window: number): string {
  return `requests/s, window ${window}`;
}

function costOf(window: number): string {
  return `processor time, µs each, window ${window}`;
}

/** Loads a server that was just started, at first to warm it up. */
async function loadFresh(
  name: string,
  start: () => Promise<ServerProgram>,
  load: Partial<LoadOptions>,
  settings: Settings,
  figures: Figures,
): Promise<void> {
  for (const [window, sources] of WINDOWS) {
    const server = await start();
    try {
      const { port } = server;
      const options = { ...load, port, window, sources };
      await loadServer({ ...options, seconds: settings.warmUp });
      const before = server.program.cpu;
      const { answered, seconds } = await loadServer({ ...options, seconds: settings.seconds });
      figures.add(name, measureOf(window), answered / seconds);
      const after = server.program.cpu;
      if (before !== undefined && after !== undefined) {
        figures.add(
          name,
          costOf(window),
          (after - before) * 1e6 / answered,
        );
      }
    } finally {
      await server.stop();
    }
  }
}

/** What can be loaded here. */
function serverVariants(settings: Settings): Variant[] {
  const variants: Variant[] = [];
  const add = (
    name: string,
    start: (() => Promise<ServerProgram>) | undefined,
    load: Partial<LoadOptions>,
  ): void => {
    if (start === undefined) return;
    const measure = (figures: Figures) => loadFresh(name, start, load, settings, figures);
    variants.push({ name, measure });
  };
  const own = (runtime: Runtime, file: string, ...args: string[]) => {
    const found = command(runtime, file, ...args);
    return found && (() => ServerProgram.start(found));
  };
  const coapServer = libcoap("coap-server");
  add("ours on Bun", own("bun", "serve.mjs"), { payload: PAYLOAD });
  if (coapServer !== undefined) {
    add("libcoap", () => ServerProgram.startLibcoap(coapServer), { path: "time" });
  }
  add("echo on Bun (sendMany)", own("bun", "echo.mjs"), { echo: true });
  add("ours on Node", own("node", "serve.mjs"), { payload: PAYLOAD });
  add("echo on Node (dgram)", own("node", "echo.mjs"), { echo: true });
  if (hasPackages()) {
    add("node-coap on Node", own("node", "serve_node_coap.mjs"), { payload: PAYLOAD });
  }
  add("ours on Deno", own("deno", "serve.mjs"), { payload: PAYLOAD });
  add("echo on Deno (listenDatagram)", own("deno", "echo.mjs"), { echo: true });
  add("echo on Deno (8 receives)", own("deno", "echo.mjs", "denoMany"), { echo: true });
  add("echo on Deno (node:dgram)", own("deno", "echo.mjs", "node"), { echo: true });
  return variants;
}

async function run(settings: Settings): Promise<Outcome> {
  const figures = await measureRounds(serverVariants(settings), settings);
  const targets: Target[] = [];
  const ratios: Ratio[] = [];
  for (const [window] of WINDOWS) {
    const compare = (own: string, other: string, wanted: number): void => {
      const text = `${own} to ${other}, window ${window}`;
      figures.ratio(targets, measureOf(window), [own, other], wanted, text);
      // Where other programs run as well, the rates are theirs to decide; processor time is not.
      figures.compare(ratios, costOf(window), [other, own], `${text}, by processor time`);
    };
    compare("ours on Bun", "libcoap", 1.25);
    compare("ours on Bun", "echo on Bun (sendMany)", 0.5);
    compare("ours on Node", "echo on Node (dgram)", 0.85);
    compare("ours on Node", "node-coap on Node", 3);
    compare("ours on Deno", "echo on Deno (listenDatagram)", 0.9);
    compare("ours on Deno", "echo on Deno (8 receives)", 0.9);
  }
  return { figures: figures.list, targets, ratios, notes: [] };
}

/** Servers beside libcoap, node-coap and the plain echo of their runtime. */
export const serverRow: Row = {
  name: "server",
  title: "Server: Confirmable GET, 16 bytes in the answer",
  method:
    "A window of 16 requests over 4 source ports, and of 64 over 16. A fresh process for each " +
    "measurement. libcoap's `coap-server` answers `/time` with 15 bytes.",
  run,
};

async function runTransport(settings: Settings): Promise<Outcome> {
  const variants: Variant[] = [];
  const apis = [
    ["bun", "Bun.udpSocket", "bun"],
    ["bun", "node:dgram", "node"],
    ["node", "node:dgram", "node"],
    ["deno", "Deno.listenDatagram", "denoMany"],
    ["deno", "node:dgram", "node"],
  ] as const;
  for (const [runtime, adapter, bare] of apis) {
    const ours = command(runtime, "transport_echo.mjs", adapter);
    const theirs = command(runtime, "echo.mjs", bare);
    if (ours === undefined || theirs === undefined) continue;
    for (const [what, found] of [["ours", ours], ["bare", theirs]] as const) {
      const name = `${runtime}, ${adapter}, ${what}`;
      const start = () => ServerProgram.start(found);
      variants.push({
        name,
        measure: (figures) => loadFresh(name, start, { echo: true }, settings, figures),
      });
    }
  }
  const figures = await measureRounds(variants, settings);
  return { figures: figures.list, targets: [], notes: [] };
}

/** What the contract between the library and a runtime's sockets costs. */
export const transportRow: Row = {
  name: "transport",
  title: "Transport: echo by the library's sockets and by the runtime's own",
  method: "As the server row. There is no target: it tells where a server's time goes.",
  run: runTransport,
};

/** How many peers are known besides those that ask. */
const IDLE = 10_000;

async function runIdle(settings: Settings): Promise<Outcome> {
  const variants: Variant[] = [];
  const count = Math.ceil(IDLE / settings.divisor);
  for (const runtime of ["bun", "node", "deno"] as const) {
    const found = command(runtime, "serve.mjs");
    if (found === undefined) continue;
    for (const idle of [0, count]) {
      const name = `${runtime}, ${idle === 0 ? "16 peers" : `${count} more`}`;
      const measure = async (figures: Figures): Promise<void> => {
        const server = await ServerProgram.start(found);
        try {
          const options = { port: server.port, window: 64, sources: 16, payload: PAYLOAD };
          await loadServer({ ...options, seconds: settings.warmUp, idle });
          const { answered, seconds } = await loadServer({ ...options, seconds: settings.seconds });
          figures.add(name, measureOf(64), answered / seconds);
        } finally {
          await server.stop();
        }
      };
      variants.push({ name, measure });
    }
  }
  const figures = await measureRounds(variants, settings);
  const targets: Target[] = [];
  for (const runtime of ["bun", "node", "deno"]) {
    const pair = [`${runtime}, ${count} more`, `${runtime}, 16 peers`] as const;
    figures.ratio(targets, measureOf(64), pair, 0.9, `${pair[0]} to ${pair[1]}`);
  }
  return { figures: figures.list, targets, notes: [] };
}

/** Servers that know many peers. */
export const idleRow: Row = {
  name: "idle",
  title: "Server: with 10,000 peers that each sent once",
  method:
    "Window 64 over 16 source ports; before, 10,000 other source ports send one request each.",
  run: runIdle,
};

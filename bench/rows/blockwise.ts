/** The blockwise row: 1 MB in blocks of 1,024 bytes, beside libcoap's client and server. @module */

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { run as runProgram } from "../../scripts/process.ts";
import {
  command,
  type Figures,
  libcoap,
  measureRounds,
  median,
  type Outcome,
  Program,
  type Row,
  type Runtime,
  ServerProgram,
  type Settings,
  type Target,
  type Variant,
} from "../harness.ts";

const SIZE = 1_000_000;
const PUT = "PUT, transfers/s";
const GET = "GET, transfers/s";
/** Transfers of which the median counts, in one process. */
const TRANSFERS = 9;
/** Transfers before these. */
const WARM_UP = 3;

/** A body that no shift of a block leaves the same. */
function makeBody(size: number): Uint8Array {
  const body = new Uint8Array(size);
  let state = 1;
  for (let i = 0; i < size; i++) {
    state = Math.imul(state, 1_103_515_245) + 12_345 | 0;
    body[i] = state >>> 16;
  }
  return body;
}

async function measureOurs(
  name: string,
  runtime: Runtime,
  start: () => Promise<ServerProgram>,
  file: string,
  figures: Figures,
): Promise<void> {
  const server = await start();
  const client = new Program(command(runtime, "transfer.mjs", String(server.port), file)!);
  try {
    const times = { put: [] as number[], get: [] as number[] };
    for (let i = -WARM_UP; i < TRANSFERS; i++) {
      const { put, get } = JSON.parse(await client.ask(""));
      if (i < 0) continue;
      times.put.push(put);
      times.get.push(get);
    }
    figures.add(name, PUT, 1000 / median(times.put));
    figures.add(name, GET, 1000 / median(times.get));
  } finally {
    await client.stop();
    await server.stop();
  }
}

async function measureLibcoap(
  name: string,
  client: string,
  start: () => Promise<ServerProgram>,
  folder: string,
  file: string,
  figures: Figures,
): Promise<void> {
  const server = await start();
  const uri = `coap://127.0.0.1:${server.port}`;
  const out = join(folder, "out");
  const timed = async (...args: string[]): Promise<number> => {
    const begun = performance.now();
    const { code, output } = await runProgram(client, args, { timeout: 60_000 });
    if (code !== 0) throw new Error(`coap-client ended with ${code}: ${output}`);
    return performance.now() - begun;
  };
  try {
    const times = { put: [] as number[], get: [] as number[] };
    for (let i = -WARM_UP; i < TRANSFERS; i++) {
      // What the process itself takes is no part of the transfer.
      const bare = await timed("-m", "get", "-B", "20", `${uri}/time`);
      const put = await timed(
        "-m",
        "put",
        "-b",
        "1024",
        "-B",
        "20",
        "-f",
        file,
        `${uri}/example_data`,
      );
      rmSync(out, { force: true });
      const get = await timed(
        "-m",
        "get",
        "-b",
        "1024",
        "-B",
        "20",
        "-o",
        out,
        `${uri}/example_data`,
      );
      if (!readFileSync(out).equals(readFileSync(file))) throw new Error("Wrong body");
      if (i < 0) continue;
      times.put.push(put - bare);
      times.get.push(get - bare);
    }
    figures.add(name, PUT, 1000 / median(times.put));
    figures.add(name, GET, 1000 / median(times.get));
  } finally {
    await server.stop();
  }
}

async function run(settings: Settings): Promise<Outcome> {
  const folder = mkdtempSync(join(tmpdir(), "coap-bench-"));
  try {
    const file = join(folder, "body");
    writeFileSync(file, makeBody(Math.ceil(SIZE / settings.divisor)));
    const client = libcoap("coap-client");
    const coapServer = libcoap("coap-server");
    const variants: Variant[] = [];
    const own = (runtime: Runtime) => () => ServerProgram.start(command(runtime, "body.mjs")!);
    for (const runtime of ["bun", "node", "deno"] as const) {
      if (command(runtime, "body.mjs") === undefined) continue;
      const name = `ours on ${runtime}, both sides`;
      variants.push({
        name,
        measure: (figures) => measureOurs(name, runtime, own(runtime), file, figures),
      });
    }
    if (client !== undefined && coapServer !== undefined) {
      const theirs = () => ServerProgram.startLibcoap(coapServer);
      variants.push({
        name: "libcoap, both sides",
        measure: (figures) =>
          measureLibcoap("libcoap, both sides", client, theirs, folder, file, figures),
      });
    }
    const figures = await measureRounds(variants, settings);
    const targets: Target[] = [];
    const pair = ["ours on bun, both sides", "libcoap, both sides"] as const;
    figures.ratio(targets, GET, pair, 1, "GET, ours on Bun to libcoap");
    figures.ratio(targets, PUT, pair, 1, "PUT, ours on Bun to libcoap");
    return { figures: figures.list, targets, notes: [] };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Large bodies beside libcoap. */
export const blockwiseRow: Row = {
  name: "blockwise",
  title: "Blockwise: 1 MB in blocks of 1,024 bytes",
  method:
    "Client and server of the same implementation, the body compared after every transfer; the median of 9 " +
    "transfers in each round. From the time of `coap-client` the time that it takes for a small GET is subtracted, so " +
    "that the start of its process does not count.",
  duration: ({ rounds }) =>
    `Rounds: ${rounds}, each after ${WARM_UP} transfers that are not timed.`,
  run,
};

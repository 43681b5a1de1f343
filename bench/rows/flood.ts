/** The flood row: what a well-behaved client gets while a flood runs. @module */

import {
  command,
  type Figures,
  loadServer,
  measureRounds,
  type Outcome,
  Program,
  type Row,
  type Runtime,
  ServerProgram,
  type Settings,
  type Target,
  type Variant,
} from "../harness.ts";
import type { FloodOptions } from "../programs/flood.ts";

const PAYLOAD = "0123456789abcdef";
const ALONE = "GETs/s, alone";
const FLOODED = "GETs/s, during the flood";
const FLOOD = "datagrams/s of the flood";

async function measure(
  name: string,
  runtime: Runtime,
  settings: Settings,
  figures: Figures,
): Promise<void> {
  const server = await ServerProgram.start(command(runtime, "serve.mjs")!);
  const { port } = server;
  const { warmUp, seconds } = settings;
  const load = { port, seconds, warmUp, payload: PAYLOAD };
  try {
    const capacity = await loadServer({ ...load, window: 64, sources: 16 });
    // NSTART is 1: one request after the other.
    const alone = await loadServer({ ...load, window: 1, sources: 1 });
    figures.add(name, ALONE, alone.answered / alone.seconds);
    const options: FloodOptions = { port, rate: capacity.answered / capacity.seconds / 2 };
    const flood = new Program(
      command("bun", "flood.ts", JSON.stringify(options)) ??
        command("node", "flood.ts", JSON.stringify(options))!,
    );
    try {
      await flood.line();
      const before = Number(await flood.ask(""));
      const begun = performance.now();
      const flooded = await loadServer({ ...load, window: 1, sources: 1 });
      const sent = Number(await flood.ask("")) - before;
      figures.add(name, FLOODED, flooded.answered / flooded.seconds);
      figures.add(name, FLOOD, sent / (performance.now() - begun) * 1000);
    } finally {
      await flood.stop();
    }
  } finally {
    await server.stop();
  }
}

async function run(settings: Settings): Promise<Outcome> {
  const variants: Variant[] = [];
  for (const runtime of ["bun", "node", "deno"] as const) {
    if (command(runtime, "serve.mjs") === undefined) continue;
    const name = `ours on ${runtime}`;
    variants.push({ name, measure: (figures) => measure(name, runtime, settings, figures) });
  }
  const figures = await measureRounds(variants, settings);
  const targets: Target[] = [];
  for (const { name } of variants) {
    const flooded = figures.median(name, FLOODED);
    const alone = figures.median(name, ALONE);
    if (flooded === undefined || alone === undefined) continue;
    targets.push({
      text: `during the flood to alone, ${name}`,
      ratio: flooded / alone,
      wanted: 0.5,
    });
  }
  return { figures: figures.list, targets, notes: [] };
}

/** A client's goodput during a flood. */
export const floodRow: Row = {
  name: "flood",
  title: "Flood: goodput of a client while a flood runs at half the capacity",
  method:
    "The flood comes from 256 source ports on 200 addresses, as many datagrams per second as the server " +
    "answered requests with a window of 64, by two: requests, responses that nobody asked for, pings and malformed " +
    "datagrams, a quarter each. The client makes one request after the other (NSTART 1).",
  run,
};

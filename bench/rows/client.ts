/** The client row: small GETs on Node, ours and node-coap's. @module */

import {
  command,
  type Figures,
  hasPackages,
  measureRounds,
  type Outcome,
  Program,
  type Ratio,
  type Row,
  ServerProgram,
  type Settings,
  type Target,
  type Variant,
} from "../harness.ts";
import { inPath } from "../../scripts/runtimes.mjs";

/** How requests are made. */
interface Work {
  readonly text: string;
  readonly atOnce: number;
  /** Client and server share one core: what it takes to wake another one does not count. */
  readonly oneCore: boolean;
  /** What the ratio to node-coap is to be, where that was asked. */
  readonly wanted?: number;
}

const OURS = "ours on Node";
const NODE_COAP = "node-coap on Node";
const DGRAM = "plain dgram on Node";
const TASKSET = inPath("taskset");

const WORKS: readonly Work[] = [
  { text: "one after the other", atOnce: 1, oneCore: false, wanted: 3 },
  { text: "one after the other, on one core", atOnce: 1, oneCore: true },
  { text: "64 at once", atOnce: 64, oneCore: false, wanted: 4 },
].filter(({ oneCore }) => !oneCore || TASKSET !== undefined);

function rateOf({ text }: Work): string {
  return `GETs/s, ${text}`;
}

function costOf({ text }: Work): string {
  return `processor time, µs each, ${text}`;
}

function sleep(seconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, seconds * 1000));
}

async function measure(
  name: string,
  library: readonly string[],
  settings: Settings,
  figures: Figures,
): Promise<void> {
  for (const work of WORKS) {
    const prefix = work.oneCore ? [TASKSET!, "-c", "0"] : [];
    const serve = command("bun", "serve.mjs") ?? command("node", "serve.mjs")!;
    const server = await ServerProgram.start([...prefix, ...serve]);
    const args = [String(server.port), String(work.atOnce), ...library];
    const program = new Program([...prefix, ...command("node", "get.mjs", ...args)!]);
    try {
      await program.line();
      // A core that is shared compiles as well.
      await sleep(work.oneCore ? settings.warmUp * 4 : settings.warmUp);
      const before = Number(await program.ask(""));
      const used = program.cpu;
      const start = performance.now();
      await sleep(settings.seconds);
      const after = Number(await program.ask(""));
      const count = after - before;
      figures.add(name, rateOf(work), count / (performance.now() - start) * 1000);
      const all = program.cpu;
      if (used !== undefined && all !== undefined) {
        figures.add(name, costOf(work), (all - used) * 1e6 / count);
      }
    } finally {
      await program.stop();
      await server.stop();
    }
  }
}

async function run(settings: Settings): Promise<Outcome> {
  const variants: Variant[] = [];
  const add = (name: string, ...library: string[]): void => {
    variants.push({ name, measure: (figures) => measure(name, library, settings, figures) });
  };
  add(OURS);
  if (hasPackages()) add(NODE_COAP, "node-coap");
  add(DGRAM, "dgram");
  const figures = await measureRounds(variants, settings);
  const targets: Target[] = [];
  const ratios: Ratio[] = [];
  const by = "by processor time";
  for (const work of WORKS) {
    const { text, wanted } = work;
    const rate = rateOf(work);
    const pair = [OURS, NODE_COAP] as const;
    if (wanted === undefined) figures.compare(ratios, rate, pair, `ours to node-coap, ${text}`);
    else figures.ratio(targets, rate, pair, wanted, `ours to node-coap, ${text}`);
    figures.compare(ratios, costOf(work), [NODE_COAP, OURS], `ours to node-coap, ${text}, ${by}`);
    figures.compare(ratios, rate, [OURS, DGRAM], `ours to plain dgram, ${text}`);
    figures.compare(ratios, rate, [DGRAM, NODE_COAP], `plain dgram to node-coap, ${text}`);
  }
  return { figures: figures.list, targets, ratios, notes: [] };
}

/** Clients beside node-coap. */
export const clientRow: Row = {
  name: "client",
  title: "Client: Confirmable GETs on Node",
  method:
    "Both ask our server on Bun, with a new source port after 50,000 requests; NSTART is as large as the " +
    "number of requests at once. Plain dgram sends and reads the same datagrams and does nothing else: about the least that it " +
    "takes. On one core (`taskset`) it does not count how long the machine takes to wake another one; " +
    "there the load before is four times as long, since the same core compiles.",
  run,
};

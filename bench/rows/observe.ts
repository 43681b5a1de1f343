/** The observe row: a state to 1,000 observers, again when all have acknowledged it. @module */

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
import type { ObserveOptions, ObserveResult } from "../programs/observers.ts";

const OBSERVERS = 1000;
const RATE = "notifications/s";
const DGRAM = "plain dgram on Node";
const LOST = "acknowledgements lost";

async function measure(
  name: string,
  server: readonly string[],
  tellsResent: boolean,
  settings: Settings,
  figures: Figures,
): Promise<void> {
  const running = await ServerProgram.start(server);
  const options: ObserveOptions = {
    port: running.port,
    observers: Math.ceil(OBSERVERS / settings.divisor),
    warmUp: settings.warmUp,
    seconds: settings.seconds,
    tellsResent,
  };
  const generator = command("bun", "observers.ts", JSON.stringify(options)) ??
    command("node", "observers.ts", JSON.stringify(options))!;
  const program = new Program(generator);
  try {
    const result: ObserveResult = JSON.parse(await program.line());
    if (result.wrong > 0) throw new Error(`${result.wrong} datagrams should not have come`);
    figures.add(name, RATE, result.notifications / result.seconds);
    if (tellsResent) figures.add(name, LOST, result.resent);
  } finally {
    await program.stop();
    await running.stop();
  }
}

async function run(settings: Settings): Promise<Outcome> {
  const variants: Variant[] = [];
  const add = (name: string, server: string[] | undefined, tellsResent = true): void => {
    if (server === undefined) return;
    variants.push({
      name,
      measure: (figures) => measure(name, server, tellsResent, settings, figures),
    });
  };
  add("ours on Node", command("node", "observed.mjs"));
  if (hasPackages()) add("node-coap on Node", command("node", "observed_node_coap.mjs"), false);
  add("ours on Bun", command("bun", "observed.mjs"));
  if (hasPackages()) add("node-coap on Bun", command("bun", "observed_node_coap.mjs"), false);
  add("ours on Deno", command("deno", "observed.mjs"));
  add(DGRAM, command("node", "observed_dgram.mjs"), false);
  const figures = await measureRounds(variants, settings);
  const targets: Target[] = [];
  const ratios: Ratio[] = [];
  for (const runtime of ["Node", "Bun"]) {
    const pair = [`ours on ${runtime}`, `node-coap on ${runtime}`] as const;
    figures.ratio(targets, RATE, pair, 3, `ours to node-coap, on ${runtime}`);
  }
  figures.compare(ratios, RATE, ["ours on Node", DGRAM], "ours to plain dgram, on Node");
  figures.compare(ratios, RATE, [DGRAM, "node-coap on Node"], "plain dgram to node-coap, on Node");
  for (const name of ["ours on Node", "ours on Bun", "ours on Deno"]) {
    const lost = figures.list.find((one) => one.variant === name && one.measure === LOST);
    if (lost === undefined) continue;
    const text = `${LOST}, ${name}`;
    targets.push({
      text,
      ratio: Math.max(...lost.values),
      wanted: 1,
      below: true,
      unit: " in all",
    });
  }
  return { figures: figures.list, targets, ratios, notes: [] };
}

/** Notifications beside node-coap. */
export const observeRow: Row = {
  name: "observe",
  title: "Observe: Confirmable notifications to 1,000 observers",
  method:
    "Each observer has a source port of its own; the state changes again when all have acknowledged the one before. " +
    "A message that the server sends again is an acknowledgement that was lost. That a state is encoded once and not for each " +
    "observer is a test of the engine (`lib/engine/notification_pace_test.ts`). Plain dgram sends and reads the same datagrams and does " +
    "nothing else.",
  run,
};

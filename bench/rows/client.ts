/** The client row: small GETs on Node, ours and node-coap's. @module */

import {
  command,
  type Figures,
  hasPackages,
  measureRounds,
  type Outcome,
  Program,
  type Row,
  ServerProgram,
  type Settings,
  type Target,
  type Variant,
} from "../harness.ts";

const AT_ONCE = [1, 64] as const;

function measureOf(atOnce: number): string {
  return atOnce === 1 ? "GETs/s, one after the other" : `GETs/s, ${atOnce} at once`;
}

function costOf(atOnce: number): string {
  return `processor time, µs each, ${atOnce} at once`;
}

function sleep(seconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, seconds * 1000));
}

async function measure(
  name: string,
  client: (port: number, atOnce: number) => string[],
  settings: Settings,
  figures: Figures,
): Promise<void> {
  for (const atOnce of AT_ONCE) {
    const server = await ServerProgram.start(
      command("bun", "serve.mjs") ?? command("node", "serve.mjs")!,
    );
    const program = new Program(client(server.port, atOnce));
    try {
      await program.line();
      await sleep(settings.warmUp);
      const before = Number(await program.ask(""));
      const used = program.cpu;
      const start = performance.now();
      await sleep(settings.seconds);
      const after = Number(await program.ask(""));
      const count = after - before;
      figures.add(name, measureOf(atOnce), count / (performance.now() - start) * 1000);
      const all = program.cpu;
      if (used !== undefined && all !== undefined) {
        figures.add(name, costOf(atOnce), (all - used) * 1e6 / count);
      }
    } finally {
      await program.stop();
      await server.stop();
    }
  }
}

async function run(settings: Settings): Promise<Outcome> {
  const variants: Variant[] = [{
    name: "ours on Node",
    measure: (figures) =>
      measure(
        "ours on Node",
        (port, atOnce) => command("node", "get.mjs", String(port), String(atOnce))!,
        settings,
        figures,
      ),
  }];
  if (hasPackages()) {
    variants.push({
      name: "node-coap on Node",
      measure: (figures) =>
        measure(
          "node-coap on Node",
          (port, atOnce) => command("node", "get.mjs", String(port), String(atOnce), "node-coap")!,
          settings,
          figures,
        ),
    });
  }
  const figures = await measureRounds(variants, settings);
  const targets: Target[] = [];
  const pair = ["ours on Node", "node-coap on Node"] as const;
  figures.ratio(targets, measureOf(1), pair, 3, "ours to node-coap, one after the other");
  figures.ratio(targets, measureOf(64), pair, 4, "ours to node-coap, 64 at once");
  const costs = [pair[1], pair[0]] as const;
  const by = "by processor time";
  figures.ratio(targets, costOf(1), costs, 3, `ours to node-coap, one after the other, ${by}`);
  figures.ratio(targets, costOf(64), costs, 4, `ours to node-coap, 64 at once, ${by}`);
  return { figures: figures.list, targets, notes: [] };
}

/** Clients beside node-coap. */
export const clientRow: Row = {
  name: "client",
  title: "Client: Confirmable GETs on Node",
  method:
    "Both ask our server on Bun, with a new source port after 50,000 requests; NSTART is as large as the " +
    "number of requests at once.",
  run,
};

/** The codec row: encode and decode beside coap-packet, in one process of each runtime. @module */

import {
  command,
  type Figures,
  hasPackages,
  measureRounds,
  type Outcome,
  Program,
  type Ratio,
  type Row,
  type Settings,
  type Target,
  type Variant,
} from "../harness.ts";

/** A line that `codec.ts` prints with `--json`. */
interface Line {
  readonly message: string;
  readonly operation: string;
  /** ns for each message. */
  readonly ours: number;
  readonly peers: number;
}

/** The message that the targets are about. */
const GET = "GET, 3 Uri-Path";

async function run(settings: Settings): Promise<Outcome> {
  if (!hasPackages()) return { figures: [], targets: [], notes: ["coap-packet is not installed."] };
  const variants: Variant[] = [];
  const path = new URL("../codec.ts", import.meta.url).pathname;
  for (const runtime of ["bun", "node", "deno"] as const) {
    const found = command(runtime, path, "--json", settings.divisor > 1 ? "--quick" : "--full");
    if (found === undefined) continue;
    const measure = async (figures: Figures): Promise<void> => {
      const program = new Program(found);
      try {
        const lines: Line[] = JSON.parse(await program.line());
        for (const { message, operation, ours, peers } of lines) {
          const measure = `${message}: ${operation}`;
          figures.add(`${runtime}, ours`, `${measure}, ns`, ours);
          figures.add(`${runtime}, coap-packet`, `${measure}, ns`, peers);
        }
      } finally {
        await program.stop();
      }
    };
    variants.push({ name: runtime, measure });
  }
  const figures = await measureRounds(variants, { ...settings, rounds: 1 });
  const targets: Target[] = [];
  const ratios: Ratio[] = [];
  for (const { name: runtime } of variants) {
    for (const [operation, wanted] of [["encode", 10], ["decode", 4]] as const) {
      const pair = [`${runtime}, coap-packet`, `${runtime}, ours`] as const;
      const text = `${operation} on ${runtime}, coap-packet's time by ours`;
      figures.ratio(targets, `${GET}: ${operation}, ns`, pair, wanted, text);
    }
    const read = "decode, values read";
    const text = `${read}, on ${runtime}, coap-packet's time by ours`;
    const pair = [`${runtime}, coap-packet`, `${runtime}, ours`] as const;
    figures.compare(ratios, `${GET}: ${read}, ns`, pair, text);
  }
  return { figures: figures.list, targets, ratios, notes: [] };
}

/** The codec beside coap-packet. */
export const codecRow: Row = {
  name: "codec",
  title: "Codec: beside coap-packet",
  method:
    "Both codecs in one process, the same messages, 21 alternating rounds, the median. The targets are those of a " +
    "GET with three Uri-Path options, Accept and a token; `bench/README.md` says what each operation is.",
  duration: () => "Each pair is run 5 times before and then 21 times, ours and theirs in turn.",
  run,
};

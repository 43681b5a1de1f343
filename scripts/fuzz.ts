/**
 * `npm run fuzz`: inputs of a random seed against the codec, URIs, links and the engine, over datagrams and over
 * connections, for a minute. What fails is made as small as it can be, and printed with what to do about it.
 *
 * `npm run fuzz -- --seconds 600 --seed 7 --target engine`, or one input by `--target uri --input '"coap://h"'`
 *
 * @module
 */

import { parseArgs } from "node:util";
import process from "node:process";
import { TARGETS } from "../testing/fuzz/mod.ts";
import { describeFinding, fuzz, replayCorpus } from "../testing/fuzz/target.ts";

const { values } = parseArgs({
  options: {
    seconds: { type: "string", default: "60" },
    seed: { type: "string", default: `${Date.now() % 1_000_000}` },
    target: { type: "string" },
    input: { type: "string" },
  },
});

const targets = TARGETS.filter(({ name }) => values.target === undefined || name === values.target);
if (targets.length === 0) {
  const names = TARGETS.map(({ name }) => name).join(", ");
  console.error(`No target is named "${values.target}"; there are ${names}`);
  process.exit(1);
}
if (values.input !== undefined) {
  targets[0]!.check(JSON.parse(values.input));
  console.log("It passes");
  process.exit(0);
}

const end = performance.now() + Number(values.seconds) * 1000;
/** Time of one target at a time, ms. */
const SLICE = 2000;

console.log(`Seed ${values.seed}, ${values.seconds} seconds`);
const runs = new Map<string, number>();
for (const target of targets) {
  console.log(`${target.name}: ${replayCorpus(target)} of the corpus pass`);
}
for (let seed = Number(values.seed); performance.now() < end; seed++) {
  for (const target of targets) {
    const milliseconds = Math.min(SLICE, end - performance.now());
    if (milliseconds <= 0) break;
    const { runs: count, finding } = fuzz(target, { seed, milliseconds });
    runs.set(target.name, (runs.get(target.name) ?? 0) + count);
    if (finding === undefined) continue;
    console.error(describeFinding(target.name, finding));
    process.exit(1);
  }
}
console.log([...runs].map(([name, count]) => `${name}: ${count} inputs`).join("\n"));

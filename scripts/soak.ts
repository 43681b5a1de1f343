/**
 * `npm run soak`: a server and clients that come and go, over real sockets and a path that loses, for two minutes. At the
 * end nothing is left, and the memory in use has not grown.
 *
 * `npm run soak -- --seconds 600 --seed 7`
 *
 * @module
 */

import { assert } from "@std/assert";
import { parseArgs } from "node:util";
import process from "node:process";
import { systemClock } from "../lib/endpoint/clock.ts";
import { bindUdp } from "../lib/transport/udp.ts";
import { bytesInUse } from "../testing/garbage.ts";
import { Soak } from "../testing/soak.ts";

/** What the memory in use differs by from one moment to another, clients that are just there included, bytes. */
const NOISE = 4_000_000;

const { values } = parseArgs({
  options: {
    seconds: { type: "string", default: "120" },
    seed: { type: "string", default: `${Date.now() % 1_000_000}` },
  },
});
const seconds = Number(values.seconds);
const seed = Number(values.seed);
console.log(`Seed ${seed}, ${seconds} seconds`);

const samples: number[] = [];
let shown = 0;
const soak = new Soak({
  seed,
  duration: seconds * 1000,
  clock: systemClock,
  bind: bindUdp,
  onProgress({ report }, part) {
    if (part < (samples.length + 1) / 12) return;
    samples.push(bytesInUse());
    const memory = (samples.at(-1)! / 1e6).toFixed(1);
    const { operations, clients, restarts } = report;
    console.log(
      `${(part * 100).toFixed(0).padStart(3)} %  ${operations} operations, ${clients} clients, ` +
        `${restarts} restarts, ${memory} MB (${operations - shown} more)`,
    );
    shown = operations;
  },
});

try {
  console.log(JSON.stringify(await soak.run()));
  // The first half warms up; of the second one the least of each part, since a sample may meet a burst.
  const least = (from: number, to: number): number =>
    Math.min(...samples.slice(Math.floor(samples.length * from), Math.ceil(samples.length * to)));
  const [before, after] = [least(0.5, 0.75), least(0.75, 1)];
  assert(after <= before + NOISE, `Memory in use has grown from ${before} to ${after} bytes`);
  console.log("No growth, nothing left");
} catch (error) {
  console.error(`Seed ${seed}:`, error);
  process.exitCode = 1;
}

/** Whatever a file holds, the explainer reads it to its end or says that it is no capture. */

import { readFileSync } from "node:fs";
import { describe, it } from "node:test";
import { assert, assertFalse } from "@std/assert";
import { SeededRandom } from "../testing/seeded_random.ts";
import { replay, replayText } from "./replay.ts";

const FILES = [
  "get.pcap",
  "get-non-ipv6.pcap",
  "separate-cooked.pcap",
  "block1-cooked.pcap",
  "observe.pcapng",
];
const ROUNDS = 400;

// Colours are not asked for, and nothing else may be obeyed by a terminal.
// deno-lint-ignore no-control-regex
const CONTROL = /[\x00-\x09\x0b-\x1f\x7f-\x9f]/;

describe("replay of damaged captures", () => {
  for (const [seed, file] of FILES.entries()) {
    it(file, () => {
      const original = readFileSync(new URL(`../fixtures/recorded/${file}`, import.meta.url));
      const random = new SeededRandom(seed + 1);
      const draw = (below: number): number => {
        const bytes = new Uint8Array(4);
        random.fill(bytes);
        return new DataView(bytes.buffer).getUint32(0) % below;
      };
      let explained = 0;
      for (let round = 0; round < ROUNDS; round++) {
        const bytes = Uint8Array.from(original).subarray(0, original.length - draw(3));
        for (let changes = 1 + draw(8); changes > 0; changes--) {
          bytes[draw(bytes.length)] = draw(256);
        }
        try {
          const result = replay(bytes, { ports: [5683] });
          explained += result.messages.length;
          assertFalse(CONTROL.test(replayText(result)));
        } catch (error) {
          assert(error instanceof SyntaxError, String(error));
        }
      }
      assert(explained > ROUNDS);
    });
  }
});

/** Blockwise transfers as short scripts, with the rules that their messages break. */

import { readFileSync } from "node:fs";
import { describe, it } from "node:test";
import { assertEquals, assertStringIncludes } from "@std/assert";
import { found, tell } from "../testing/capture_script.ts";

const OBSERVE = `0 > CON GET 0x0001 token 01 Observe:0 /a
  1 < ACK 2.05 0x0001 token 01 Observe:5`;
const blocks = (length: number): string => `#${"00".repeat(length)}`;

/** Scripts with what is to be found in them. */
const CASES: [name: string, script: string, ...expected: string[]][] = [
  ["Block2 of 2048 bytes", `0 > CON GET 0x0001 token 01 Block2:0/0/2048`, "1✗ 7959-2.2-3"],
  ["Block2 with M in a request", `0 > CON GET 0x0001 token 01 Block2:0/1/64`, "1✗ 7959-2.2-6"],
  [
    "a block that is too short",
    `0 > CON PUT 0x0001 token 01 Block1:0/1/16 ${blocks(15)}`,
    "1✗ 7959-2.3-1",
  ],
  [
    "a last block that is too long",
    `0 > CON PUT 0x0001 token 01 Block1:0/0/16 ${blocks(17)}`,
    "1! 7959-2.3-2",
  ],
  [
    "a gap between blocks",
    `0 > CON PUT 0x0001 token 01 Block1:0/1/16 ${
      blocks(16)
    }\n 1 < ACK 2.31 0x0001 token 01 Block1:0/1/16\n 2 > CON PUT 0x0002 token 01 Block1:2/0/16 ${
      blocks(1)
    }`,
    "3! 7959-2.5-5",
  ],
  [
    "a body from its middle",
    `0 > CON PUT 0x0001 token 01 Block1:3/0/16 ${blocks(1)}`,
    "1! 7959-2.5-5",
  ],
  [
    "larger blocks than the server asked for",
    `0 > CON PUT 0x0001 token 01 Block1:0/1/32 ${
      blocks(32)
    }\n 1 < ACK 2.31 0x0001 token 01 Block1:0/1/16
     2 > CON PUT 0x0002 token 01 Block1:1/0/32 ${blocks(1)}`,
    "3! 7959-2.5-1",
  ],
  [
    "blocks of different formats, If-None-Match with all",
    `0 > CON PUT 0x0001 token 01 Block1:0/1/16 ${
      blocks(16)
    } If-None-Match\n 1 < ACK 2.31 0x0001 token 01 Block1:0/1/16
     2 > CON PUT 0x0002 token 01 Block1:1/0/16 ${blocks(1)} Content-Format:0 If-None-Match`,
    "3✗ 7959-2.3-5",
    "3✗ 7959-2.10-1",
  ],
  [
    "2.31 for the last block",
    `0 > CON PUT 0x0001 token 01 Block1:0/0/16 ${
      blocks(1)
    }\n 1 < ACK 2.31 0x0001 token 01 Block1:0/0/16`,
    "2✗ 7959-2.5-2",
  ],
  [
    "2.31 with a payload",
    `0 > CON PUT 0x0001 token 01 Block1:0/1/16 ${
      blocks(16)
    }\n 1 < ACK 2.31 0x0001 token 01 Block1:0/1/16 "x"`,
    "2! 7959-2.9-1",
  ],
  [
    "2.04 that says it is not final",
    `0 > CON PUT 0x0001 token 01 Block1:0/1/16 ${
      blocks(16)
    }\n 1 < ACK 2.04 0x0001 token 01 Block1:0/1/16`,
    "2✗ 7959-2.3-4",
  ],
  [
    "a block acknowledged without saying which",
    `0 > CON PUT 0x0001 token 01 Block1:0/0/16 ${blocks(1)}\n 1 < ACK 2.04 0x0001 token 01`,
    "2! 7959-2.5-12",
  ],
  [
    "another block acknowledged",
    `0 > CON PUT 0x0001 token 01 Block1:0/0/16 ${
      blocks(1)
    }\n 1 < ACK 2.04 0x0001 token 01 Block1:1/0/16`,
    "2✗ 7959-2.5-12",
  ],
  [
    "larger blocks asked for",
    `0 > CON PUT 0x0001 token 01 Block1:0/0/16 ${
      blocks(1)
    }\n 1 < ACK 2.04 0x0001 token 01 Block1:0/0/32`,
    "2! 7959-2.5-1",
  ],
  [
    "Block1 for a request without",
    `0 > CON PUT 0x0001 token 01\n 1 < ACK 2.04 0x0001 token 01 Block1:0/0/32`,
    "2✗ 7959-2.5-12",
  ],
  ["4.13 with a hint", `0 > CON PUT 0x0001 token 01\n 1 < ACK 4.13 0x0001 token 01 Block1:0/0/32`],
  [
    "another block than asked for",
    `0 > CON GET 0x0001 token 01 Block2:1/0/16\n 1 < ACK 2.05 0x0001 token 01 Block2:2/0/16`,
    "2✗ 7959-2.4-14",
  ],
  [
    "a block of a larger size",
    `0 > CON GET 0x0001 token 01 Block2:0/0/16\n 1 < ACK 2.05 0x0001 token 01 Block2:0/1/32 ${
      blocks(32)
    }`,
    "2✗ 7959-2.4-3",
  ],
  [
    "the whole instead of a block",
    `0 > CON GET 0x0001 token 01 Block2:1/0/16\n 1 < ACK 2.05 0x0001 token 01 "x"`,
    "2✗ 7959-2.1-2",
  ],
  [
    "larger blocks than the server chose; another ETag and format",
    `0 > CON GET 0x0001 token 01\n 1 < ACK 2.05 0x0001 token 01 Block2:0/1/16 ETag:0x01 ${
      blocks(16)
    }
     2 > CON GET 0x0002 token 02 Block2:1/0/32\n 3 < ACK 2.05 0x0002 token 02 Block2:2/0/16 ETag:0x02 Content-Format:0`,
    "3✗ 7959-2.3-3",
    "4! 7959-2.4-9",
    "4✗ 7959-2.3-5",
  ],
  [
    "a payload in the request for a further block",
    `0 > CON POST 0x0001 token 01 Block2:1/0/16 "x"`,
    "1! 7959-2.7-1",
  ],
  [
    "a notification that begins in the middle",
    `${OBSERVE}\n 2 < NON 2.05 0x0009 token 01 Observe:6 Block2:1/0/16 "x"`,
    "3✗ 7959-2.6-1",
  ],
  [
    "a notification with larger blocks than at registration",
    `0 > CON GET 0x0001 token 01 Observe:0 Block2:0/0/16\n 1 < ACK 2.05 0x0001 token 01 Observe:5
     2 < NON 2.05 0x0009 token 01 Observe:6 Block2:0/1/32 ${blocks(32)}`,
    "3! 7959-2.6-4",
  ],
];

describe("explain, blockwise transfers", () => {
  for (const [name, script, ...expected] of CASES) {
    it(`${name}: ${expected.length === 0 ? "nothing" : expected.join(", ")}`, () => {
      assertEquals(found(tell(script)), expected);
    });
  }

  it("names rows of the checklist", () => {
    const text = readFileSync(new URL("./checklist.json", import.meta.url), "utf8");
    for (const [, , ...expected] of CASES) {
      for (const entry of expected) assertStringIncludes(text, `"${entry.slice(3)}"`);
    }
  });
});

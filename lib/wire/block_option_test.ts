import { describe, it } from "node:test";
import { assertEquals, assertThrows } from "@std/assert";
import { blockSequences, fromHex, toHex } from "../../testing/vectors.ts";
import { CoAPError } from "../errors.ts";
import {
  blockMore,
  blockNumber,
  blockSize,
  blockSzx,
  decodeBlock,
  encodeBlock,
  MAX_BLOCK_NUMBER,
} from "./block_option.ts";

describe("block option values", () => {
  for (const row of blockSequences.block_option_values) {
    it(`${row.hex || "(empty)"} is ${row.num}/${Number(row.more)}/${row.size}`, () => {
      const value = decodeBlock(fromHex(row.hex));
      assertEquals(blockNumber(value), row.num);
      assertEquals(blockMore(value), row.more);
      assertEquals(blockSzx(value), row.szx);
      if (row.size !== null) {
        assertEquals(blockSize(row.szx), row.size);
        assertEquals(row.num * row.size, row.offset);
      }
      if (row.minimal) assertEquals(toHex(encodeBlock(row.num, row.more, row.szx)), row.hex);
    });
  }

  for (
    const [number, szx, shown] of [
      [-1, 0, -1],
      [MAX_BLOCK_NUMBER + 1, 0, 1048576],
      [0.5, 0, 0.5],
      [0, 8, 8],
      [0, -1, -1],
      [0, NaN, NaN],
    ] as const
  ) {
    it(`refuse ${number} with exponent ${szx}`, () => {
      const error = assertThrows(() => encodeBlock(number, false, szx), CoAPError, `"${shown}"`);
      assertEquals(error.reason, "invalid-option");
    });
  }
});

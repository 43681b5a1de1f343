/** The value of Block1 and Block2 (RFC 7959 section 2.2). @module */

import { CoAPError } from "../errors.ts";
import { decodeUint, encodeUint } from "./option.ts";

/** The greatest block number, 2^20 - 1. */
export const MAX_BLOCK_NUMBER = 0xfffff;

/**
 * The value of a block option: `number << 4 | more << 3 | szx`, in the fewest bytes.
 *
 * @param number block number, 0 to 1,048,575
 * @param more whether more blocks follow
 * @param szx size exponent, 0 to 6 for 16 to 1024 bytes; 7 only over reliable transports (RFC 8323 section 6)
 * @throws {CoAPError} `invalid-option` where the number or the exponent is out of range
 */
export function encodeBlock(number: number, more: boolean, szx: number): Uint8Array {
  if (!Number.isInteger(number) || number < 0 || number > MAX_BLOCK_NUMBER) {
    throw new CoAPError(
      "invalid-option",
      `Block number must be 0 to ${MAX_BLOCK_NUMBER}: it is "${number}"`,
    );
  }
  if (!Number.isInteger(szx) || szx < 0 || szx > 7) {
    throw new CoAPError("invalid-option", `Block size exponent must be 0 to 7: it is "${szx}"`);
  }
  return encodeUint(number << 4 | (more ? 8 : 0) | szx);
}

/**
 * A block option's value as one number, to be taken apart by {@linkcode blockNumber}, {@linkcode blockMore} and
 * {@linkcode blockSzx} without an object for each message.
 */
export function decodeBlock(value: Uint8Array): number {
  return decodeUint(value);
}

/** The block number in a block option's value. */
export function blockNumber(value: number): number {
  return value >>> 4;
}

/** Whether more blocks follow. */
export function blockMore(value: number): boolean {
  return (value & 8) !== 0;
}

/** The size exponent, 0 to 7. */
export function blockSzx(value: number): number {
  return value & 7;
}

/** The block size of a size exponent from 0 to 6, bytes: 16 to 1024. */
export function blockSize(szx: number): number {
  return 16 << szx;
}

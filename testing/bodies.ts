/** Bodies for blockwise transfers in tests. @module */

/** A body whose blocks all differ from each other, and from those of another seed. */
export function makeBody(length: number, seed = 0): Uint8Array {
  const body = new Uint8Array(length);
  for (let i = 0, x = seed + 1; i < length; i++) {
    x = Math.imul(x, 1664525) + 1013904223;
    body[i] = x >>> 24;
  }
  return body;
}

/** Block `number` of a body. */
export function blockOf(body: Uint8Array, number: number, size: number): Uint8Array {
  return body.subarray(number * size, (number + 1) * size);
}

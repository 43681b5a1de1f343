/** Bodies in blocks as server cases send and fetch them. @module */

import {
  blockOf,
  blockValue,
  build,
  bytesOf,
  type Datagram,
  type DatagramSpec,
  Opt,
  type OptionSpec,
  textOf,
  toHex,
  valueOf,
} from "./datagram.ts";
import type { Tester } from "./tester.ts";

/** The options of a request, and what differs of one block to the next. */
export interface Upload {
  code: string;
  path: string;
  body: Uint8Array;
  /** Bytes in a block. */
  size: number;
  options?: readonly OptionSpec[];
}

/** Content-Format text/plain. */
export const TEXT: OptionSpec = [Opt.ContentFormat, 0];

/** A body of which no two blocks are equal. */
export function bodyOf(length: number, seed = 0): Uint8Array {
  return bytesOf(
    Array.from(
      { length: Math.ceil(length / 8) },
      (_, i) => `${(i + seed) % 10_000_000}`.padStart(7, "0") + "\n",
    )
      .join("").slice(0, length),
  );
}

/** The request for one block of a body. */
export function blockRequest(t: Tester, upload: Upload, number: number): DatagramSpec & {
  token: Uint8Array;
} {
  const { code, path, body, size, options = [] } = upload;
  const start = number * size;
  const more = start + size < body.length;
  return t.spec({
    code,
    path,
    options: [...options, TEXT, [Opt.Block1, blockValue(number, more, size)]],
    payload: body.subarray(start, start + size),
  });
}

/**
 * Sends a block that others follow; the server has to ask for the next. One that takes each block by itself (2.04 and M
 * unset, RFC 7959 section 2.3) conforms, but has no body put together that could be looked at.
 */
export async function continueWith(t: Tester, what: Upload, number: number): Promise<Datagram> {
  const response = await sendBlock(t, what, number);
  if (response.code === "2.04" && blockOf(response, Opt.Block1)?.more === false) {
    t.notApplicable("the server takes blocks one by one");
  }
  return t.match(response, { code: "2.31" });
}

/** Sends a body in blocks, the way the server wants them, and gives the last response. */
export async function upload(t: Tester, what: Upload): Promise<Datagram> {
  let { size } = what;
  for (let number = 0;;) {
    const request = blockRequest(t, { ...what, size }, number);
    t.sendBytes(build(request));
    const response = await t.response(request);
    const more = (number + 1) * size < what.body.length;
    if (!more || response.code >= "4") return response;
    t.match(response, { code: ["2.31", "2.04", "2.01"], has: [Opt.Block1] });
    const block = blockOf(response, Opt.Block1)!;
    t.check(block.number === number, `Block1 with number ${number}`, response);
    t.check(block.size <= size, `Block1 with blocks of at most ${size} bytes`, response);
    number = (number + 1) * size / block.size;
    size = block.size;
  }
}

/** Fetches a body block by block and checks each. */
export async function download(
  t: Tester,
  path: string,
  size: number | undefined,
  options: readonly OptionSpec[] = [],
): Promise<{ body: Uint8Array; responses: Datagram[] }> {
  const parts: number[] = [];
  const responses: Datagram[] = [];
  let etag: string | undefined;
  for (let asked = size, number = 0;;) {
    const block: OptionSpec[] = asked === undefined
      ? []
      : [[Opt.Block2, blockValue(number, false, asked)]];
    const response = await t.request({ path, options: [...options, ...block] }, { code: "2.05" });
    responses.push(response);
    const given = blockOf(response, Opt.Block2);
    if (given === undefined) {
      t.check(responses.length === 1, "Block2", response);
      return { body: response.payload, responses };
    }
    t.check(given.number === number, `Block2 with number ${number}`, response);
    t.check(given.size <= (asked ?? 1024), `blocks of at most ${asked ?? 1024} bytes`, response);
    const full = given.more
      ? response.payload.length === given.size
      : response.payload.length <= given.size;
    t.check(full, `a payload of ${given.size} bytes`, response);
    const tag = toHex(valueOf(response, Opt.ETag) ?? new Uint8Array(0));
    etag ??= tag;
    t.check(tag === etag, `the same ETag in each block: ${etag}`, response);
    parts.push(...response.payload);
    if (!given.more) return { body: Uint8Array.from(parts), responses };
    asked = given.size;
    number = parts.length / given.size;
  }
}

/** Fails where the body at a path is another one. */
export async function holds(t: Tester, path: string, body: Uint8Array): Promise<void> {
  const found = await download(t, path, undefined);
  const same = toHex(found.body) === toHex(body);
  t.check(
    same,
    `the ${body.length} bytes put`,
    `${found.body.length} bytes: ${textOf(found.body.subarray(0, 80))}`,
  );
}

/** The path in a response's Location-Path. */
export function locationOf(response: Datagram): string {
  const segments = response.options.filter(({ number }) => number === Opt.LocationPath);
  return segments.map(({ value }) => `/${textOf(value)}`).join("");
}

/** Sends one block and gives the response. */
export async function sendBlock(t: Tester, what: Upload, number: number): Promise<Datagram> {
  const request = blockRequest(t, what, number);
  t.sendBytes(build(request));
  return await t.response(request);
}

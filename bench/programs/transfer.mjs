/**
 * PUTs a body and GETs it again, and prints how long each took, ms, every time it is asked.
 *
 * `bun bench/programs/transfer.mjs PORT FILE`
 *
 * @module
 */

import { readFileSync } from "node:fs";
import process from "node:process";
import { CoAPClient } from "../../mod.ts";

const [port, file] = process.argv.slice(2);
const uri = `coap://127.0.0.1:${port}/example_data`;
const body = new Uint8Array(readFileSync(file));
const client = new CoAPClient();

async function transfer() {
  const start = performance.now();
  const put = await client.put(uri, { payload: body });
  const between = performance.now();
  const got = await client.get(uri);
  const end = performance.now();
  const { payload } = got;
  if (!put.ok || payload.length !== body.length || payload.some((byte, i) => byte !== body[i])) {
    throw new Error(`Wrong body: ${put.codeText}, ${got.codeText}, ${payload.length} bytes`);
  }
  return { put: between - start, get: end - between };
}

process.stdin.on("data", async () => console.log(JSON.stringify(await transfer())));

/**
 * Sends one request and shows its response.
 *
 * ```sh
 * node examples/client.ts coap://127.0.0.1/store/greeting
 * node examples/client.ts coap://127.0.0.1/store/greeting PUT "Hello"
 * ```
 *
 * Bun takes the same arguments, Deno `deno run --allow-net --allow-read examples/client.ts …`.
 *
 * @module
 */

import process from "node:process";
import { CoAPClient, CoAPError, codeName } from "@x/coap";

const [uri = "coap://127.0.0.1/", method = "GET", payload] = process.argv.slice(2);
const client = new CoAPClient();
try {
  const response = await client.request(method, uri, { payload, timeout: 10_000 });
  console.log(`${response.codeText} ${codeName(response.code) ?? ""}`);
  if (response.payload.length > 0) console.log(response.text());
  if (!response.ok) process.exitCode = 1;
} catch (error) {
  if (!(error instanceof CoAPError)) throw error;
  console.error(`${error.reason}: ${error.message}`);
  process.exitCode = 2;
} finally {
  await client.close();
}

/**
 * Observes a resource and shows its states, all of them or the given number.
 *
 * ```sh
 * node examples/observe.ts coap://127.0.0.1/store/greeting
 * node examples/observe.ts coap://127.0.0.1/store/greeting 3
 * ```
 *
 * Bun takes the same arguments, Deno `deno run --allow-net --allow-read examples/observe.ts …`. Ctrl+C ends the
 * observation at the server as well.
 *
 * @module
 */

import process from "node:process";
import { CoAPClient, CoAPError, codeName } from "@x/coap";

const [uri = "coap://127.0.0.1/", count = "Infinity"] = process.argv.slice(2);
const client = new CoAPClient();
const states = client.observe(uri);
process.once("SIGINT", () => states.return?.());
try {
  let left = Number(count);
  for await (const state of states) {
    console.log(`${state.codeText} ${codeName(state.code) ?? ""} ${state.text()}`.trimEnd());
    if (!state.ok) process.exitCode = 1;
    else if (!state.observed) console.log("It is not observable");
    if (--left <= 0) break; // tells the server
  }
} catch (error) {
  if (!(error instanceof CoAPError)) throw error;
  console.error(`${error.reason}: ${error.message}`);
  process.exitCode = 2;
} finally {
  await client.close();
}

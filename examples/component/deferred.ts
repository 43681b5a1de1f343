/**
 * Answers a second after the request came, whatever else happens meanwhile.
 *
 * ```sh
 * node examples/component/deferred.ts 5683
 * ```
 *
 * Bun takes the same arguments, Deno `deno run --allow-net --allow-read examples/component/deferred.ts 5683`.
 *
 * @module
 */

import process from "node:process";
import { CoAP } from "@x/coap";

const coap = new CoAP();
coap.on("Request", (e) => {
  e.sendResponse = false;
  setTimeout(() => answer(e.requestId, e.URIPath), 1000);
});
coap.on("ResponseComplete", (e) => {
  console.log(`Response sent for request with Id ${e.requestId}, error ${e.errorCode}`);
});

coap.localHost = "127.0.0.1";
coap.localPort = Number(process.argv[2] ?? 5683);
await coap.startListening();
console.log(`coap://${coap.localHost}:${coap.localPort}`);

async function answer(requestId: string, path: string): Promise<void> {
  if (!coap.pendingRequests.has(requestId)) return;
  coap.responseCode = "2.05";
  coap.responseData = `The answer to ${path}`;
  coap.responseContentFormat = 0;
  await coap.sendResponse(requestId);
}

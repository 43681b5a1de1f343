/**
 * Answers GET at once and refuses other methods.
 *
 * ```sh
 * node examples/component/server.ts 5683
 * ```
 *
 * Bun takes the same arguments, Deno `deno run --allow-net --allow-read examples/component/server.ts 5683`.
 *
 * @module
 */

import process from "node:process";
import { CoAP } from "@x/coap";

const coap = new CoAP();
coap.on("Request", (e) => {
  if (e.method === 1) {
    console.log(
      `GET request received for URI path: ${e.URIPath} and URI query params: ${e.URIQuery}`,
    );
    coap.responseCode = "2.05";
    coap.responseData = lookupResourceData(e.URIPath, e.URIQuery);
    coap.responseContentFormat = lookupResourceContentFormat(e.URIPath, e.URIQuery);
  } else {
    coap.responseCode = "4.05";
    coap.responseData = "Only GET requests are allowed."; // a diagnostic payload
    coap.responseContentFormat = "";
  }
});
coap.on("ResponseComplete", (e) => {
  console.log(`Response sent for request with Id ${e.requestId}`);
});

coap.localHost = "127.0.0.1";
coap.localPort = Number(process.argv[2] ?? 5683);
await coap.startListening();
console.log(`coap://${coap.localHost}:${coap.localPort}`);

/** A picture of many bytes, or a text. */
function lookupResourceData(path: string, query: string): Uint8Array | string {
  if (query === "format=png") return new Uint8Array(20_000).fill(7);
  return `The resource at ${path}`;
}

/** The content formats are those that IANA has registered. */
function lookupResourceContentFormat(path: string, query: string): number {
  return path.endsWith(".dat") || query !== "" ? 42 : 0;
}

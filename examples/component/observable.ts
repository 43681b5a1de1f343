/**
 * Lets clients observe its resources, whose values change every second.
 *
 * ```sh
 * node examples/component/observable.ts 5683
 * ```
 *
 * Bun takes the same arguments, Deno `deno run --allow-net --allow-read examples/component/observable.ts 5683`.
 *
 * @module
 */

import process from "node:process";
import { CoAP } from "@x/coap";

/** How often each URI is observed. The component has the list of observers itself. */
const observed = new Map<string, number>();
let value = 68;

const coap = new CoAP();
coap.on("Register", (e) => {
  console.log(`Client ${e.remoteHost}:${e.remotePort} has registered for ${e.URI}`);
  observed.set(e.URI, (observed.get(e.URI) ?? 0) + 1);
  e.accept = true;
});
coap.on("Unregistered", (e) => {
  console.log(`Client ${e.remoteHost}:${e.remotePort} has unregistered from ${e.URI}`);
  const others = observed.get(e.URI)! - 1;
  if (others > 0) observed.set(e.URI, others);
  else observed.delete(e.URI);
});
coap.on("Request", () => {
  coap.responseCode = "2.05";
  coap.responseData = String(value);
  coap.responseContentFormat = 0;
});

coap.localHost = "127.0.0.1";
coap.localPort = Number(process.argv[2] ?? 5683);
await coap.startListening();
console.log(`coap://${coap.localHost}:${coap.localPort}`);

setInterval(async () => {
  value++;
  for (const uri of observed.keys()) {
    coap.responseCode = "2.05";
    coap.responseData = String(value);
    coap.responseContentFormat = 0;
    await coap.sendNotification(uri);
  }
}, 1000);

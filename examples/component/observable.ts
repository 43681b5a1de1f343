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

/** What is observed, and by whom: a client that registers again is still one. */
const observed = new Map<string, Set<string>>();
let value = 68;

const coap = new CoAP();
coap.on("Register", (e) => {
  console.log(
    `Client ${e.remoteHost}:${e.remotePort} has registered for notifications for the URI ${e.URI}`,
  );
  observerRegisteredForURI(e.URI, `${e.remoteHost}:${e.remotePort}`);
  e.accept = true;
});
coap.on("Unregistered", (e) => {
  console.log(
    `Client ${e.remoteHost}:${e.remotePort} has unregistered from notifications for the URI ${e.URI}`,
  );
  observerUnregisteredForURI(e.URI, `${e.remoteHost}:${e.remotePort}`);
});
// A registration that its event leaves without a response code comes as a request as well.
coap.on("Request", () => {
  coap.responseCode = "2.05";
  coap.responseData = getResourceContent();
  coap.responseContentFormat = getResourceContentFormat();
});

coap.localHost = "127.0.0.1";
coap.localPort = Number(process.argv[2] ?? 5683);
await coap.startListening();
console.log(`coap://${coap.localHost}:${coap.localPort}`);

setInterval(async () => {
  value++;
  for (const uri of observed.keys()) {
    coap.responseCode = "2.05";
    coap.responseData = getResourceContent();
    coap.responseContentFormat = getResourceContentFormat();
    await coap.sendNotification(uri);
  }
}, 1000);

/** The state of all resources is the same. */
function getResourceContent(): Uint8Array {
  return new TextEncoder().encode(String(value));
}

function getResourceContentFormat(): number {
  return 0; // text/plain; charset=utf-8
}

function observerRegisteredForURI(uri: string, client: string): void {
  const clients = observed.get(uri) ?? new Set();
  observed.set(uri, clients.add(client));
}

function observerUnregisteredForURI(uri: string, client: string): void {
  const clients = observed.get(uri);
  clients?.delete(client);
  if (clients?.size === 0) observed.delete(uri);
}

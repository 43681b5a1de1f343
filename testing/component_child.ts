/** Programs that end by themselves when a component has nothing to do: see process_test.ts of the component. @module */

import process from "node:process";
import { CoAP } from "../lib/component/coap.ts";

const server = new CoAP();
server.localHost = "127.0.0.1";
server.on("Register", (e) => void (e.accept = true));
server.on("Request", () => void (server.responseCode = "2.05"));
await server.startListening();
const uri = `coap://127.0.0.1:${server.localPort}/`;
const client = new CoAP();

switch (process.argv[2]) {
  case "client":
    await client.get(uri);
    await server.shutdown();
    break;
  case "observed":
    await client.startObserving(uri);
    await client.stopObserving(uri);
    await server.shutdown();
    break;
  case "stopped":
    await client.get(uri);
    await server.stopListening();
    break;
  case "deferred":
    server.on("Request", (e) => void (e.sendResponse = false));
    client.timeout = 0;
    await client.get(uri);
    while (server.pendingRequests.size === 0) await client.doEvents();
    await server.stopListening();
    server.responseCode = "2.05";
    await server.sendResponse("1.1");
    client.on("RequestComplete", (e) => console.log(`complete ${e.errorCode}`));
    break;
  case "listening":
    setTimeout(() => {}, 0);
    break;
}
console.log("done");

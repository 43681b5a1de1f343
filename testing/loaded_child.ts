/**
 * A server on a port of its own, in a process that a test can load: see flood_udp_test.ts. Prints its port, and its
 * figures for every line it reads.
 *
 * @module
 */

import process from "node:process";
import { CoAPResponse, serve } from "@x/coap";

/** How long the handler blocks the process, ms. */
const block = Number(process.argv[2]);
const response = CoAPResponse.text("done");

// Without work nothing is late but by the load of the machine, which is not what a test is about.
const maxWait = block > 0 ? 200 : Infinity;
const server = await serve({ hostname: "127.0.0.1", port: 0, maxWait }, () => {
  const end = performance.now() + block;
  while (performance.now() < end);
  return response;
});
console.log(server.address.port);
process.stdin.on("data", () => console.log(JSON.stringify(server.stats())));
process.stdin.on("end", () => process.exit(0));

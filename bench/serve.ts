/**
 * The server that is loaded: one small resource. Prints its port; on every line it reads it prints what it holds.
 *
 * `node bench/serve.ts`
 *
 * @module
 */

import process from "node:process";
import { CoAPResponse, serve } from "../mod.ts";

const response = CoAPResponse.text("0123456789abcdef");
const server = await serve({
  hostname: "127.0.0.1",
  port: 0,
  receiveBufferSize: 4 << 20,
}, () => response);
console.log(server.address.port);
process.stdin.on("data", () => {
  console.log(
    JSON.stringify({ rss: process.memoryUsage().rss, heap: process.memoryUsage().heapUsed }),
  );
});
process.stdin.on("end", () => process.exit(0));

/**
 * The server that is loaded: one small resource. Prints its port; on every line it reads it prints the memory it uses.
 *
 * `node bench/programs/serve.mjs [MODULE]`, where MODULE is the library as built for npm; its sources where absent.
 * Plain JavaScript, since a process that strips types holds 40 MB for that.
 *
 * @module
 */

import process from "node:process";

const { CoAPResponse, serve } = await import(process.argv[2] ?? "../../mod.ts");

const response = CoAPResponse.text("0123456789abcdef");
const server = await serve({ hostname: "127.0.0.1", port: 0 }, () => response);
console.log(server.address.port);
process.stdin.on("data", () => console.log(JSON.stringify(process.memoryUsage())));
process.stdin.on("end", () => process.exit(0));

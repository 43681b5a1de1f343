/** A server that keeps one body at `/example_data`: PUT and GET. Prints its port. @module */

import { CoAPResponse, Code, serve } from "../../mod.ts";

const CHANGED = new CoAPResponse(undefined, { code: Code.Changed });
let body = new CoAPResponse("");
const server = await serve({ hostname: "127.0.0.1", port: 0 }, (request) => {
  if (request.code !== Code.PUT) return body;
  body = new CoAPResponse(request.payload);
  return CHANGED;
});
console.log(server.address.port);

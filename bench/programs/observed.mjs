/**
 * A server with one observable resource, `/state`; a POST to it changes the state. `/resent` tells how many messages it
 * has sent again. Prints its port.
 *
 * `node bench/programs/observed.mjs`
 *
 * @module
 */

import { CoAPResponse, Code, Router, serve } from "../../mod.ts";

const CHANGED = new CoAPResponse(undefined, { code: Code.Changed });
let state = 0;
const router = new Router().resource("/state", { observable: true }, {
  GET: () => CoAPResponse.text(String(state).padStart(16, "0")),
  POST: () => {
    state++;
    server.notify("/state");
    return CHANGED;
  },
}).get("/resent", () => CoAPResponse.text(String(server.stats().counters.retransmissions)));
const server = await serve({ hostname: "127.0.0.1", port: 0 }, router);
console.log(server.address.port);

/**
 * One end of a pair over WebSockets, in whatever runtime runs it. `server` prints the ports of `coap+ws` and `coaps+ws`
 * and serves for two minutes at most; `client URI …` exercises each of the servers and prints the reports.
 *
 * @module
 */

import process from "node:process";
import { CoAPClient, CoAPError, CoAPResponse, Code, Router, serve, type Server } from "@x/coap";
import { SERVER_CERT, SERVER_KEY } from "./certificates.ts";
import { exercise } from "./web_socket_exercise.ts";
import { upgradeFor } from "./web_socket_server.ts";

/** A process that nobody ends ends itself after this, ms. */
const LIFETIME = 120_000;

async function makeServer(): Promise<Server> {
  let body = new Uint8Array(0);
  let count = 0;
  let observers = 0;
  let answerLate = (): void => {};
  const changed = (): CoAPResponse => new CoAPResponse(undefined, { code: Code.Changed });
  const router = new Router()
    .get("/greeting", ({ peer, uri }) => CoAPResponse.text(`${peer.scheme} ${uri}`))
    .get("/body", () => new CoAPResponse(body))
    .put("/body", ({ payload }) => {
      body = payload.slice();
      return changed();
    })
    .get("/observers", () => CoAPResponse.text(`${observers}`))
    .get(
      "/late",
      () => new Promise((resolve) => answerLate = () => resolve(CoAPResponse.text("late"))),
    )
    .post("/late", () => {
      answerLate();
      return changed();
    })
    .resource("/count", { observable: true }, {
      get: () => CoAPResponse.text(`${count}`),
      post: async () => {
        count++;
        await server.notify("/count");
        return changed();
      },
      delete: () => {
        count = 0;
        return new CoAPResponse(undefined, { code: Code.Deleted });
      },
    });
  const server = await serve({
    udp: false,
    ws: true,
    onObserve: () => ++observers > 0,
    onUnobserve: () => void observers--,
    onError: (error) => console.error(error),
  }, router);
  return server;
}

const [role, ...uris] = process.argv.slice(2);
setTimeout(() => process.exit(1), LIFETIME);
if (role === "server") {
  const server = await makeServer();
  const plain = await upgradeFor(server);
  const secured = await upgradeFor(server, { cert: SERVER_CERT, key: SERVER_KEY });
  console.log(JSON.stringify([plain.port, secured.port]));
} else {
  const reports = [];
  for (const uri of uris) reports.push(await exercise({ CoAPClient, CoAPError, Code }, uri));
  console.log(JSON.stringify(reports));
  process.exit(0);
}

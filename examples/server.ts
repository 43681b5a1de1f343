/**
 * A server that keeps what is put into it, and tells those who observe it.
 *
 * ```sh
 * node examples/server.ts 5683
 * ```
 *
 * Bun takes the same arguments, Deno `deno run --allow-net --allow-read examples/server.ts 5683`.
 *
 * @module
 */

import process from "node:process";
import { CoAPResponse, Code, Router, serve } from "@x/coap";

const started = performance.now();
const store = new Map<string, { payload: Uint8Array; contentFormat: number | undefined }>();

const router = new Router()
  .resource("/", { title: "About this server" }, {
    get: () => CoAPResponse.text("PUT to /store/name, then GET it", { maxAge: 3600 }),
  })
  .resource("/uptime", { rt: "uptime", title: "Seconds since the start" }, {
    get: () => CoAPResponse.text(((performance.now() - started) / 1000).toFixed(1), { maxAge: 1 }),
  })
  .resource("/store", { rt: "index", ct: 50 }, {
    get: () => CoAPResponse.json([...store.keys()]),
  })
  .get("/store/:name", (request) => {
    const found = store.get(request.params.name);
    if (found === undefined) return CoAPResponse.error(Code.NotFound, "Nothing of that name");
    return new CoAPResponse(found.payload, { contentFormat: found.contentFormat });
  }, { observable: true })
  .put("/store/:name", (request) => {
    const { name } = request.params;
    const isNew = !store.has(name);
    if (isNew && store.size >= 1000) return CoAPResponse.error(Code.Forbidden, "The store is full");
    store.set(name, {
      payload: request.payload.slice(), // it shares its memory with the datagram
      contentFormat: request.contentFormat,
    });
    server.notify(request.pathname);
    return new CoAPResponse(undefined, { code: isNew ? Code.Created : Code.Changed });
  })
  .delete("/store/:name", (request) => {
    store.delete(request.params.name);
    server.notify(request.pathname); // 4.04: it ends the observations
    return new CoAPResponse(undefined, { code: Code.Deleted });
  });

const port = Number(process.argv[2] ?? 5683);
const server = await serve({ hostname: "127.0.0.1", port, onError: console.error }, router);
console.log(`coap://127.0.0.1:${server.address.port}`);

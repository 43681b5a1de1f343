/**
 * A sensor for browsers: CoAP over WebSocket (RFC 8323 section 4), and a page that observes it, on one port.
 *
 * ```sh
 * deno run --allow-net --allow-read examples/browser/server.ts 8080
 * bun examples/browser/server.ts 8080
 * node examples/browser/server.ts 8080
 * ```
 *
 * @module
 */

import process from "node:process";
import { CoAPResponse, Code, Router, serve } from "@x/coap";
import { listen } from "../http_server.ts";
import { serveFile } from "./files.ts";

/** How often the sensor measures, ms. */
const PERIOD = 500;

let temperature = 21.5;
const router = new Router().resource(
  "/temperature",
  { rt: "temperature", observable: true },
  {
    get: () => CoAPResponse.text(temperature.toFixed(2), { maxAge: 2 }),
    put: (request) => {
      const given = Number(request.text());
      if (!Number.isFinite(given)) return CoAPResponse.error(Code.BadRequest, "Not a number");
      become(given);
      return new CoAPResponse(undefined, { code: Code.Changed });
    },
  },
);
const coap = await serve({ udp: false, ws: true, onError: console.error }, router);

function become(value: number): void {
  temperature = value;
  coap.notify("/temperature");
}

setInterval(() => become(temperature + (Math.random() - 0.5) * 0.4), PERIOD);

const port = await listen(Number(process.argv[2] ?? 8080), serveFile, coap);
console.log(`http://127.0.0.1:${port}`);

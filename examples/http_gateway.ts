/**
 * A gateway from HTTP to a CoAP server, for browsers and everything else that speaks HTTP.
 *
 * ```sh
 * node examples/http_gateway.ts coap://127.0.0.1 8080
 * curl http://127.0.0.1:8080/uptime
 * curl --no-buffer -H "Accept: text/event-stream" http://127.0.0.1:8080/store/greeting
 * ```
 *
 * Bun takes the same arguments, Deno `deno run --allow-net --allow-read examples/http_gateway.ts …`. It lets anybody
 * on this machine do anything: a gateway for others looks at who asks, before it calls `gateway`.
 *
 * @module
 */

import process from "node:process";
import { httpGateway } from "@x/coap/http";
import type { Handler } from "./node_http.ts";

const [target = "coap://127.0.0.1", argument = "8080"] = process.argv.slice(2);
const hostname = "127.0.0.1";
const gateway = httpGateway({ target });
const port = await listen(gateway, Number(argument));
console.log(`http://${hostname}:${port}`);

/** Serves a handler by what the runtime has, and gives the port. */
async function listen(handler: Handler, port: number): Promise<number> {
  const { Bun, Deno } = globalThis as unknown as Runtimes;
  if (Bun !== undefined) return Bun.serve({ hostname, port, idleTimeout: 0, fetch: handler }).port;
  if (Deno !== undefined) {
    return Deno.serve({ hostname, port, onListen: () => {} }, handler).addr.port;
  }
  const { createFetchServer } = await import("./node_http.ts");
  const server = createFetchServer(handler);
  await new Promise<void>((resolve) => server.listen(port, hostname, resolve));
  const address = server.address();
  return typeof address === "object" && address !== null ? address.port : port;
}

/** The HTTP servers of Bun and Deno. */
interface Runtimes {
  Bun?: {
    serve(
      options: { hostname: string; port: number; idleTimeout: number; fetch: Handler },
    ): { port: number };
  };
  Deno?: {
    serve(
      options: { hostname: string; port: number; onListen: () => void },
      handler: Handler,
    ): { addr: { port: number } };
  };
}

/**
 * An edge job: it reads sensors over TCP, TLS and WebSocket, as such platforms have no UDP, and shows them by HTTP.
 *
 * ```sh
 * export SENSORS="attic=coap+tcp://attic.example cellar=coaps+ws://cellar.example"
 * deno serve --allow-net=attic.example:5683,cellar.example:443 --allow-env=SENSORS examples/edge/job.ts
 * bun examples/edge/job.ts
 * ```
 *
 * `/` tells what all of them say now. `/attic/` and `/cellar/` are their resources, for an `EventSource` as well.
 *
 * @module
 */

import process from "node:process";
import { CoAPClient, CoAPError } from "@x/coap";
import { type HTTPGateway, httpGateway } from "@x/coap/http";

// One client for all requests: its connections and its cache outlive them.
const client = new CoAPClient({ cache: true });
const sensors = new Map<string, { uri: string; gateway: HTTPGateway }>();
for (const entry of process.env.SENSORS?.split(" ") ?? []) {
  const [name = "", uri = ""] = entry.split("=", 2);
  const gateway = httpGateway({ target: uri, base: `/${name}/`, methods: ["GET"], client });
  sensors.set(name, { uri, gateway });
}

/** The temperature that a sensor tells, or why it tells none. */
async function read(name: string, uri: string): Promise<[string, number | string]> {
  try {
    const response = await client.get(`${uri}/temperature`, { timeout: 10_000 });
    return [name, response.ok ? Number(response.text()) : response.codeText];
  } catch (error) {
    if (error instanceof CoAPError) return [name, error.reason];
    throw error;
  }
}

async function answer(request: Request): Promise<Response> {
  const [, name = ""] = new URL(request.url).pathname.split("/");
  const sensor = sensors.get(name);
  if (sensor !== undefined) return await sensor.gateway(request);
  if (name !== "") return new Response("Not found\n", { status: 404 });
  const readings = await Promise.all(Array.from(sensors, ([name, { uri }]) => read(name, uri)));
  return Response.json(Object.fromEntries(readings), { headers: { "cache-control": "no-store" } });
}

/** What the platform, `deno serve` and Bun call. */
const job: { fetch(request: Request): Promise<Response> } = { fetch: answer };
export default job;

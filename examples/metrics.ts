/**
 * A server whose figures Prometheus can read, by HTTP:
 *
 * ```sh
 * node examples/metrics.ts 5683 9100 & curl http://127.0.0.1:9100/metrics
 * ```
 *
 * Bun takes the same arguments, Deno `deno run --allow-net --allow-read examples/metrics.ts 5683 9100`.
 *
 * @module
 */

import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import process from "node:process";
import { CoAPResponse, type EndpointStats, serve } from "@x/coap";

/** A name as Prometheus has them: `sentBytes` becomes `sent_bytes`. */
function snakeCase(name: string): string {
  return name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

/** The figures in the text format of Prometheus, which wants the names of counters to end with `_total`. */
export function prometheus({ counters, gauges }: EndpointStats, prefix: string): string {
  const lines: string[] = [];
  const add = (name: string, type: string, value: number): void => {
    lines.push(`# TYPE ${name} ${type}`, `${name} ${value}`);
  };
  for (const [name, value] of Object.entries(counters)) {
    add(`${prefix}_${snakeCase(name)}_total`, "counter", value);
  }
  for (const [name, value] of Object.entries(gauges)) {
    add(`${prefix}_${snakeCase(name)}`, "gauge", value);
  }
  return `${lines.join("\n")}\n`;
}

if (import.meta.main ?? process.argv[1]?.endsWith("metrics.ts")) {
  const [port = "5683", metricsPort = "9100"] = process.argv.slice(2);
  const server = await serve(
    { hostname: "127.0.0.1", port: Number(port), onError: console.error },
    () => CoAPResponse.text("22.5"),
  );
  console.log(`coap://127.0.0.1:${server.address.port}`);

  const exporter = createServer((request, response) => {
    const found = request.url === "/metrics";
    response.writeHead(found ? 200 : 404, { "Content-Type": "text/plain; version=0.0.4" });
    response.end(found ? prometheus(server.stats(), "coap_server") : "");
  });
  exporter.listen(Number(metricsPort), "127.0.0.1", () => {
    console.log(`http://127.0.0.1:${(exporter.address() as AddressInfo).port}/metrics`);
  });
}

/** A program that ends, or goes on, by what its endpoints do: see process_test.ts. @module */

import process from "node:process";
import { CoAPClient } from "../lib/endpoint/client.ts";
import { CoAPResponse } from "../lib/endpoint/response.ts";
import { serve } from "../lib/endpoint/server.ts";
import { CoAPError } from "../lib/errors.ts";
import { bindWith, udpAdapters } from "../lib/transport/udp_adapters.ts";
import type { Bind } from "../lib/transport/transport.ts";

const [name, task] = process.argv.slice(2);
const adapter = udpAdapters().find((candidate) => candidate.name === name)!;
const transport: Bind = (options, handler) => bindWith(adapter, options, handler);
const local = { hostname: "127.0.0.1", port: 0, transport };

/** A port where somebody listens and never answers. */
async function silentPort(): Promise<number> {
  const handler = { receive: () => {}, turn: () => {}, error: () => {} };
  const silent = await bindWith(adapter, { hostname: "127.0.0.1" }, handler);
  silent.unref();
  return silent.address.port;
}

function reasonOf(error: unknown): unknown {
  return error instanceof CoAPError ? error.reason : error;
}

switch (task) {
  case "idle client": {
    // What it remembers of the exchange it remembers for minutes: that must not count.
    const server = await serve(local, () => CoAPResponse.text("answered"));
    const client = new CoAPClient({ transport });
    const uri = `coap://127.0.0.1:${server.address.port}`;
    const responses = await Promise.all([client.get(uri), client.get(uri), client.ping(uri)]);
    console.log(responses[0]!.text());
    await server.close();
    break;
  }
  case "unused client":
    new CoAPClient({ transport });
    break;
  case "waiting client": {
    const client = new CoAPClient({ transport });
    client.get(`coap://127.0.0.1:${await silentPort()}`, { timeout: 300 })
      .catch((error) => console.log(reasonOf(error)));
    break;
  }
  case "aborted client": {
    const client = new CoAPClient({ transport });
    const controller = new AbortController();
    client.get(`coap://127.0.0.1:${await silentPort()}`, { signal: controller.signal })
      .catch((error) => console.log(error));
    setTimeout(() => controller.abort("aborted"), 100);
    break;
  }
  case "server":
    await serve(local, () => CoAPResponse.text(""));
    break;
  case "closed server": {
    const server = await serve(local, () => CoAPResponse.text(""));
    server.client.ping(`coap://127.0.0.1:${await silentPort()}`)
      .catch((error) => console.log(reasonOf(error)));
    setTimeout(() => server.close(), 100);
    break;
  }
  case "exceptions": {
    const thrown = (): never => {
      throw new Error("Careless");
    };
    const hooks = { onMessage: thrown, onError: thrown };
    let calls = 0;
    const server = await serve(
      { ...local, ...hooks },
      () => ++calls % 2 === 0 ? thrown() : Promise.reject(new Error("Careless")),
    );
    const client = new CoAPClient({ transport, ...hooks });
    const uri = `coap://127.0.0.1:${server.address.port}`;
    for (let i = 0; i < 3; i++) console.log((await client.get(uri)).codeText);
    await server.close();
    break;
  }
}
console.log("done");

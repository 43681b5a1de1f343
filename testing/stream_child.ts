/** A program that ends, or goes on, by what its connections do: see stream_process_test.ts. @module */

import process from "node:process";
import { CoAPClient } from "../lib/endpoint/client.ts";
import { CoAPResponse } from "../lib/endpoint/response.ts";
import { serve } from "../lib/endpoint/server.ts";
import { CoAPError } from "../lib/errors.ts";
import { AUTHORITY, SERVER_CERT, SERVER_KEY } from "./certificates.ts";

const [task, uri] = process.argv.slice(2) as [string, string];
const local = { hostname: "127.0.0.1", udp: false, tcp: { port: 0 } };
const makeClient = (): CoAPClient => new CoAPClient({ tls: { ca: AUTHORITY } });

switch (task) {
  case "idle": {
    // The connection stays, for further requests.
    const client = makeClient();
    const responses = await Promise.all([client.get(`${uri}/a`), client.get(`${uri}/b`)]);
    console.log(responses.map((response) => response.text()).join(" "));
    await client.ping(uri);
    break;
  }
  case "waiting":
    makeClient().get(`${uri}/never`, { timeout: 300 })
      .catch((error) => console.log(error instanceof CoAPError ? error.reason : error));
    break;
  case "observing": {
    const states = makeClient().observe(`${uri}/state`);
    console.log((await states.next()).value!.text());
    setTimeout(async () => {
      await states.return!();
      console.log("left");
    }, 300);
    break;
  }
  case "server":
    await serve(local, () => CoAPResponse.text(""));
    break;
  case "closed": {
    const tls = { port: 0, cert: SERVER_CERT, key: SERVER_KEY };
    const server = await serve({ ...local, tls, ws: true }, () => CoAPResponse.text("answered"));
    const client = makeClient();
    const { tcp } = server.addresses;
    console.log((await client.get(`coap+tcp://127.0.0.1:${tcp!.port}`)).text());
    await server.close();
    // The port is free again.
    const again = await serve({ ...local, tcp: tcp! }, () => CoAPResponse.text("again"));
    console.log((await client.get(`coap+tcp://127.0.0.1:${tcp!.port}`)).text());
    await again.close();
    break;
  }
}
console.log("done");

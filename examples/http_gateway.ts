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
import { listen } from "./http_server.ts";

const [target = "coap://127.0.0.1", argument = "8080"] = process.argv.slice(2);
const port = await listen(Number(argument), httpGateway({ target }));
console.log(`http://127.0.0.1:${port}`);

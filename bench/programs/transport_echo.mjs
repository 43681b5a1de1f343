/** An echo server on one of the library's UDP adapters; prints its port. `bun …/transport_echo.mjs [ADAPTER]` @module */

import process from "node:process";
import { bindWith, udpAdapters } from "../../lib/transport/udp_adapters.ts";

const adapters = udpAdapters();
const adapter = adapters.find(({ name }) => name === process.argv[2]) ?? adapters[0];
const transport = await bindWith(adapter, { hostname: "127.0.0.1" }, {
  receive: (flow, bytes) => transport.send(flow, bytes),
  turn: () => transport.flush(),
  error: () => {},
});
console.log(transport.address.port);

/**
 * The server that is loaded over connections: one small resource. Prints its port.
 *
 * `node bench/programs/stream_serve.mjs tcp|ws`
 *
 * @module
 */

import process from "node:process";
import { CoAPResponse, serve } from "../../mod.ts";
import { bunWebSocket } from "../../lib/transport/ws.ts";
import { upgradeFor, upgradeOnBun } from "./upgrade.mjs";

const response = CoAPResponse.text("0123456789abcdef");
if (process.argv[2] === "tcp") {
  const server = await serve(
    { udp: false, tcp: { hostname: "127.0.0.1", port: 0 } },
    () => response,
  );
  console.log(server.addresses.tcp.port);
} else {
  const server = await serve({ udp: false, ws: true }, () => response);
  const accept = (socket, peer) => server.accept(socket, peer);
  console.log(
    await (process.versions.bun ? upgradeOnBun(bunWebSocket(accept)) : upgradeFor(accept)),
  );
}

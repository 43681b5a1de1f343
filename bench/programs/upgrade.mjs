/** The server of the runtime that upgrades every request to a WebSocket for CoAP. @module */

import http from "node:http";
import process from "node:process";

const hostname = "127.0.0.1";

/** Deno and Node: hands on each socket. Answers the port. */
export async function upgradeFor(accept) {
  if (process.versions.deno) {
    const server = Deno.serve(
      { port: 0, hostname, onListen() {} },
      (request) => {
        const { socket, response } = Deno.upgradeWebSocket(request, {
          protocol: "coap",
        });
        accept(socket, { url: request.url });
        return response;
      },
    );
    return server.addr.port;
  }
  const { WebSocketServer } = await import("ws");
  const sockets = new WebSocketServer({
    noServer: true,
    handleProtocols: () => "coap",
  });
  const server = http.createServer();
  server.on("upgrade", (request, socket, head) => {
    const url = `http://${request.headers.host}${request.url}`;
    sockets.handleUpgrade(
      request,
      socket,
      head,
      (socket) => accept(socket, { url }),
    );
  });
  await new Promise((resolve) => server.listen(0, hostname, resolve));
  return server.address().port;
}

/** Bun: its sockets are handed on by the library. Answers the port. */
export function upgradeOnBun(websocket) {
  return Bun.serve({
    port: 0,
    hostname,
    fetch(request, server) {
      const headers = { "Sec-WebSocket-Protocol": "coap" };
      const data = { url: request.url, remote: server.requestIP(request) };
      if (server.upgrade(request, { headers, data })) return undefined;
      return new Response("", { status: 400 });
    },
    websocket,
  }).port;
}

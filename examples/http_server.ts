/** An HTTP server by what each runtime has, which serves CoAP over WebSocket as well. @module */

import type { Server } from "@x/coap";
import {
  bunWebSocket,
  type BunWebSocketHandlers,
  isCoAPUpgrade,
  type WebSocketLike,
} from "@x/coap/ws";
import { createFetchServer, type Handler } from "./node_http.ts";

const hostname = "127.0.0.1";

/**
 * Listens for HTTP requests.
 *
 * @param coap takes the WebSockets for CoAP
 * @returns the port
 */
export async function listen(port: number, handler: Handler, coap?: Server): Promise<number> {
  const { Bun, Deno } = globalThis as unknown as Runtimes;
  if (Bun !== undefined) return listenBun(Bun, port, handler, coap);
  if (Deno !== undefined) return listenDeno(Deno, port, handler, coap);
  return await listenNode(port, handler, coap);
}

/** Whether a request wants a WebSocket for CoAP, and comes from a page of this server or from no page at all. */
function isWanted(request: Pick<Request, "headers" | "url">): boolean {
  const origin = request.headers.get("origin");
  return isCoAPUpgrade(request) &&
    (origin === null || URL.canParse(origin) && new URL(origin).host === new URL(request.url).host);
}

function listenBun(
  bun: NonNullable<Runtimes["Bun"]>,
  port: number,
  handler: Handler,
  coap: Server | undefined,
): number {
  return bun.serve({
    hostname,
    port,
    idleTimeout: 0, // event streams may have nothing to say for long
    async fetch(request, server) {
      if (coap === undefined || !isWanted(request)) return await handler(request);
      const headers = { "sec-websocket-protocol": "coap" };
      const data = { url: request.url, remote: server.requestIP(request) };
      if (server.upgrade(request, { headers, data })) return undefined;
      return new Response("No WebSocket\n", { status: 400 });
    },
    websocket: bunWebSocket((socket, peer) => coap?.accept(socket, peer)),
  }).port;
}

function listenDeno(
  deno: NonNullable<Runtimes["Deno"]>,
  port: number,
  handler: Handler,
  coap: Server | undefined,
): number {
  const server = deno.serve({ hostname, port, onListen: () => {} }, (request, { remoteAddr }) => {
    if (coap === undefined || !isWanted(request)) return handler(request);
    const { socket, response } = deno.upgradeWebSocket(request, { protocol: "coap" });
    const remote = { address: remoteAddr.hostname, port: remoteAddr.port };
    coap.accept(socket, { url: request.url, remote });
    return response;
  });
  return server.addr.port;
}

/** Node upgrades no WebSockets by itself: the package `ws` does. */
async function listenNode(
  port: number,
  handler: Handler,
  coap: Server | undefined,
): Promise<number> {
  const server = createFetchServer(handler);
  if (coap !== undefined) {
    const name: string = "ws";
    const { WebSocketServer } = await import(name) as WsModule;
    const sockets = new WebSocketServer({
      noServer: true,
      handleProtocols: () => "coap",
      maxPayload: 16 * 1024 * 1024, // twice what a message may have; it is 100 MiB by default
    });
    server.on("upgrade", (incoming, socket, head) => {
      const headers = new Headers();
      for (const [key, value] of Object.entries(incoming.headers)) headers.set(key, String(value));
      const url = `http://${incoming.headers.host}${incoming.url}`;
      if (!URL.canParse(url) || !isWanted({ url, headers })) {
        socket.end("HTTP/1.1 404 Not Found\r\n\r\n");
        return;
      }
      const { remoteAddress = "", remotePort = 0 } = incoming.socket;
      const remote = { address: remoteAddress, port: remotePort };
      sockets.handleUpgrade(incoming, socket, head, (ws) => coap.accept(ws, { url, remote }));
    });
  }
  await new Promise<void>((resolve) => server.listen(port, hostname, resolve));
  return (server.address() as { port: number }).port;
}

/** The part of the package `ws` that is used; it has no types of its own. */
interface WsModule {
  WebSocketServer: new (
    options: { noServer: true; maxPayload: number; handleProtocols(): string },
  ) => {
    handleUpgrade(
      request: unknown,
      socket: unknown,
      head: unknown,
      done: (socket: WebSocketLike) => void,
    ): void;
  };
}

interface BunServer {
  readonly port: number;
  requestIP(request: Request): { address: string; port: number } | null;
  upgrade(request: Request, options: { headers: object; data: object }): boolean;
}

/** The HTTP servers of Bun and Deno. */
interface Runtimes {
  Bun?: {
    serve(options: {
      hostname: string;
      port: number;
      idleTimeout: number;
      fetch(request: Request, server: BunServer): Promise<Response | undefined>;
      websocket: BunWebSocketHandlers;
    }): BunServer;
  };
  Deno?: {
    serve(
      options: { hostname: string; port: number; onListen(): void },
      handler: (
        request: Request,
        info: { remoteAddr: { hostname: string; port: number } },
      ) => Response | Promise<Response>,
    ): { readonly addr: { readonly port: number } };
    upgradeWebSocket(
      request: Request,
      options: { protocol: string },
    ): { socket: WebSocketLike; response: Response };
  };
}

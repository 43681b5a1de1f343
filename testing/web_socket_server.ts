/** HTTP servers of each runtime that upgrade WebSockets. @module */

import type { RequestListener } from "node:http";
import process from "node:process";
import type { Server } from "../lib/endpoint/server.ts";
import {
  bunWebSocket,
  type BunWebSocketHandlers,
  isCoAPUpgrade,
  type WebSocketLike,
} from "../lib/transport/ws.ts";

/** What a server shows where it is asked by TLS, as PEM. */
export interface Identity {
  readonly cert: string;
  readonly key: string;
}

/** A server that is up. */
export interface UpgradingServer {
  readonly port: number;
  close(): Promise<void>;
}

interface DenoServer {
  readonly addr: { readonly port: number };
  shutdown(): Promise<void>;
}

interface Runtimes {
  Deno?: {
    serve(
      options: { port: number; hostname: string; onListen(): void } & Partial<Identity>,
      handler: (request: Request, info: { remoteAddr: RemoteAddress }) => Response,
    ): DenoServer;
    upgradeWebSocket(
      request: Request,
      options: { protocol: string },
    ): { socket: WebSocketLike; response: Response };
  };
  Bun?: {
    serve(options: {
      port: number;
      hostname: string;
      tls?: Identity;
      fetch(request: Request, server: BunServer): Response | undefined;
      websocket: BunWebSocketHandlers;
    }): BunServer;
  };
}

interface RemoteAddress {
  readonly hostname: string;
  readonly port: number;
}

interface BunServer {
  readonly port: number;
  upgrade(request: Request, options: { headers: object; data: object }): boolean;
  requestIP(request: Request): { address: string; port: number } | null;
  stop(abort: boolean): Promise<void>;
}

const { Deno, Bun } = globalThis as unknown as Runtimes;
const HOSTNAME = "127.0.0.1";
/** A package without types. */
const WS: string = "ws";

/**
 * Why there is no such server here, or undefined.
 *
 * @throws {Error} where it is missing although it has to be there
 */
export async function noUpgrades(): Promise<string | undefined> {
  if (Deno !== undefined || Bun !== undefined) return undefined;
  try {
    await import(WS);
    return undefined;
  } catch (cause) {
    if (process.env.COAP_REQUIRE_PEERS === "1") throw new Error("ws can not be loaded", { cause });
    return "ws is not installed";
  }
}

/** Starts the server of the runtime: it hands sockets for CoAP to `server` and refuses everything else. */
export async function upgradeFor(
  server: Pick<Server, "accept">,
  tls?: Identity,
): Promise<UpgradingServer> {
  const refused = (): Response => new Response("No CoAP", { status: 400 });
  if (Deno !== undefined) {
    const { serve, upgradeWebSocket } = Deno;
    const http = serve(
      { port: 0, hostname: HOSTNAME, onListen() {}, ...tls },
      (request, { remoteAddr }) => {
        if (!isCoAPUpgrade(request)) return refused();
        const { socket, response } = upgradeWebSocket(request, { protocol: "coap" });
        const remote = { address: remoteAddr.hostname, port: remoteAddr.port };
        server.accept(socket, { url: request.url, remote });
        return response;
      },
    );
    return { port: http.addr.port, close: () => http.shutdown() };
  }
  if (Bun !== undefined) {
    const http = Bun.serve({
      port: 0,
      hostname: HOSTNAME,
      tls,
      fetch(request, http) {
        const headers = { "Sec-WebSocket-Protocol": "coap" };
        const data = { url: request.url, remote: http.requestIP(request) };
        if (isCoAPUpgrade(request) && http.upgrade(request, { headers, data })) return undefined;
        return refused();
      },
      websocket: bunWebSocket((socket, peer) => server.accept(socket, peer)),
    });
    return { port: http.port, close: () => http.stop(true) };
  }
  return await upgradeOnNode(server, tls);
}

/** The part of the package `ws` that is used; it has no types of its own. */
interface WsModule {
  WebSocketServer: new (options: {
    noServer: true;
    maxPayload: number;
    handleProtocols: (protocols: Set<string>) => string | false;
  }) => {
    handleUpgrade(
      request: unknown,
      socket: unknown,
      head: unknown,
      done: (socket: WebSocketLike) => void,
    ): void;
  };
}

async function upgradeOnNode(
  server: Pick<Server, "accept">,
  tls: Identity | undefined,
): Promise<UpgradingServer> {
  const { WebSocketServer } = await import(WS) as WsModule;
  const sockets = new WebSocketServer({
    noServer: true,
    handleProtocols: () => "coap",
    maxPayload: 16 * 1024 * 1024, // as Bun has it; it is 100 MiB by default
  });
  const refuse: RequestListener = (_request, response) => response.writeHead(400).end();
  const http = tls === undefined
    ? process.getBuiltinModule("node:http").createServer(refuse)
    : process.getBuiltinModule("node:https").createServer(tls, refuse);
  http.on("upgrade", (request, socket, head) => {
    const headers = new Headers();
    for (const [name, value] of Object.entries(request.headers)) headers.set(name, String(value));
    const url = `${tls === undefined ? "http" : "https"}://${request.headers.host}${request.url}`;
    if (!isCoAPUpgrade({ url, headers })) {
      socket.end("HTTP/1.1 400 Bad Request\r\n\r\n");
      return;
    }
    const { remoteAddress = "", remotePort = 0 } = request.socket;
    const remote = { address: remoteAddress, port: remotePort };
    sockets.handleUpgrade(request, socket, head, (ws) => server.accept(ws, { url, remote }));
  });
  await new Promise<void>((resolve) => http.listen(0, HOSTNAME, resolve));
  const address = http.address() as { port: number };
  return {
    port: address.port,
    close: () =>
      new Promise((resolve) => {
        http.close(() => resolve());
        http.closeAllConnections();
      }),
  };
}

/** Sockets of `Bun.serve`, which tell what happens to functions of the server. @module */

import type { WebSocketLike, WebSocketPeer } from "./ws.ts";

/** A socket of `Bun.serve`, as far as it is used; its `data` says whom it was upgraded for. */
export interface BunServerSocket {
  /** What `upgrade` was given. */
  readonly data: unknown;
  /** 1 where it is open. */
  readonly readyState: number;
  /** Sends a binary message. */
  sendBinary(bytes: Uint8Array): number;
  /** What is sent meanwhile leaves together. */
  cork(send: () => void): unknown;
  /** Bytes that were not sent yet. */
  getBufferedAmount(): number;
  /** Closes it. */
  close(): void;
}

/** The functions that `Bun.serve` calls. */
export interface BunWebSocketHandlers {
  /** A socket is open. */
  open(socket: BunServerSocket): void;
  /** A message came. */
  message(socket: BunServerSocket, data: string | Uint8Array): void;
  /** A socket is closed. */
  close(socket: BunServerSocket): void;
}

type Listener = Parameters<WebSocketLike["addEventListener"]>[1];

class BunWebSocket implements WebSocketLike {
  binaryType = "arraybuffer";
  readonly #socket: BunServerSocket;
  readonly #listeners = new Map<string, Listener>();

  constructor(socket: BunServerSocket) {
    this.#socket = socket;
  }

  get readyState(): number {
    return this.#socket.readyState;
  }

  get bufferedAmount(): number {
    return this.#socket.getBufferedAmount();
  }

  send(bytes: Uint8Array): void {
    this.#socket.sendBinary(bytes);
  }

  /** Messages that leave with one write. */
  sendAll(messages: readonly Uint8Array[]): void {
    this.#socket.cork(() => {
      for (const bytes of messages) this.#socket.sendBinary(bytes);
    });
  }

  close(): void {
    this.#socket.close();
  }

  addEventListener(type: string, listener: Listener): void {
    this.#listeners.set(type, listener);
  }

  tell(type: string, data?: unknown): void {
    this.#listeners.get(type)?.({ data });
  }
}

/**
 * The `websocket` of `Bun.serve` for CoAP. To `upgrade` give a {@linkcode WebSocketPeer} as `data`, and the header
 * `Sec-WebSocket-Protocol: coap`.
 *
 * @param accept takes a socket: that of a server
 *
 * @example CoAP beside HTTP
 * ```ts ignore
 * import { CoAPResponse, serve } from "@x/coap";
 * import { bunWebSocket, isCoAPUpgrade } from "@x/coap/ws";
 *
 * const coap = await serve({ udp: false, ws: true }, () => CoAPResponse.text("22.5"));
 * Bun.serve({
 *   fetch(request, server) {
 *     const headers = { "Sec-WebSocket-Protocol": "coap" };
 *     const data = { url: request.url, remote: server.requestIP(request) };
 *     if (isCoAPUpgrade(request) && server.upgrade(request, { headers, data })) return;
 *     return new Response("Not Found", { status: 404 });
 *   },
 *   websocket: bunWebSocket((socket, peer) => coap.accept(socket, peer)),
 * });
 * ```
 */
export function bunWebSocket(
  accept: (socket: WebSocketLike, peer: WebSocketPeer) => void,
): BunWebSocketHandlers {
  const sockets = new WeakMap<BunServerSocket, BunWebSocket>();
  return {
    open(socket) {
      const own = new BunWebSocket(socket);
      sockets.set(socket, own);
      accept(own, (socket.data ?? {}) as WebSocketPeer);
    },
    message: (socket, data) => sockets.get(socket)?.tell("message", data),
    close: (socket) => sockets.get(socket)?.tell("close"),
  };
}

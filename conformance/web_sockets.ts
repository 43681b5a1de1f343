/** The suite's WebSockets (RFC 8323 section 4): those of the Web, beneath its connections. @module */

import type { Address } from "../lib/flow.ts";
import type {
  ByteNetwork,
  ByteReceiver,
  ByteSocket,
  StreamTarget,
} from "../lib/transport/stream.ts";

const NOWHERE: Address = { address: "", port: 0 };

/** The URL of a server's endpoint. */
export function endpointOf({ scheme, host, port }: StreamTarget): string {
  const authority = `${host.includes(":") ? `[${host}]` : host}:${port}`;
  return `${scheme === "coaps+ws" ? "wss" : "ws"}://${authority}/.well-known/coap`;
}

/** Opens a WebSocket of the Web; rejects where that does not come about. */
export function openWebSocket(
  url: string,
  protocols: string[],
  signal?: AbortSignal,
): Promise<WebSocket> {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(url, protocols);
    socket.binaryType = "arraybuffer";
    const fail = (): void => reject(signal?.reason ?? new Error("WebSocket could not be opened"));
    const abort = (): void => (fail(), socket.close());
    signal?.addEventListener("abort", abort);
    socket.addEventListener("open", () => {
      signal?.removeEventListener("abort", abort);
      resolve(socket);
    });
    socket.addEventListener("error", fail);
    socket.addEventListener("close", fail);
  });
}

/** Writes each chunk as a message. */
function wrap(socket: WebSocket, remote: Address): ByteSocket {
  return {
    local: NOWHERE,
    remote,
    write(chunks, taken): void {
      for (const chunk of chunks) {
        if (socket.readyState === 1) socket.send(chunk as Uint8Array<ArrayBuffer>);
      }
      queueMicrotask(taken);
    },
    pause(): void {},
    resume(): void {},
    end: () => socket.close(),
    ref(): void {},
    unref(): void {},
  };
}

/** Connects by WebSockets; what a connection is handed are whole messages. Nobody can listen. */
export const webSocketNetwork: ByteNetwork = {
  listen: () => Promise.reject(new Error("A WebSocket server needs an HTTP server")),
  async connect(target, _tls, opened, signal): Promise<void> {
    const socket = await openWebSocket(endpointOf(target), ["coap"], signal);
    const { host, port } = target;
    const receiver: ByteReceiver = opened(wrap(socket, { address: host, port }));
    socket.addEventListener("message", ({ data }: { data: unknown }) => {
      if (data instanceof ArrayBuffer) receiver.data(new Uint8Array(data));
      else receiver.invalid?.("a text message");
    });
    socket.addEventListener("close", () => receiver.closed());
  },
};

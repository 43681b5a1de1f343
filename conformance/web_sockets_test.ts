import { createHash } from "node:crypto";
import { createServer, type Socket } from "node:net";
import { describe, it } from "node:test";
import { assertEquals } from "@std/assert";
import type { Server } from "../lib/endpoint/server.ts";
import type { WebSocketEvent, WebSocketLike } from "../lib/transport/ws.ts";
import { noUpgrades, upgradeFor } from "../testing/web_socket_server.ts";
import type { CaseResult } from "./runner.ts";
import { WEB_SOCKET_CASES } from "./server_web_sockets.ts";
import { judgeStreamServer } from "./stream_runner.ts";
import { startTarget } from "./target.ts";
import { webSocketNetwork } from "./web_sockets.ts";

const LOOPBACK = "127.0.0.1";
const skip = await noUpgrades() ?? false;

function judge(id: string, port: number): Promise<CaseResult> {
  const one = WEB_SOCKET_CASES.find((one) => one.id === id)!;
  const target = { scheme: "coap+ws", host: LOOPBACK, port } as const;
  return judgeStreamServer(one, { target, network: webSocketNetwork, timeout: 2_000, quiet: 40 });
}

/** A server behind WebSockets, whose messages are changed before it gets them; undefined is lost. */
async function judgeChanged(change: (data: unknown) => unknown): Promise<CaseResult> {
  const target = await startTarget({ udp: false, ws: true });
  const accept: Server["accept"] = (socket, peer) => target.accept(changed(socket, change), peer);
  const http = await upgradeFor({ accept });
  try {
    return await judge("8323-4-2", http.port);
  } finally {
    await target.close();
    await http.close();
  }
}

function changed(socket: WebSocketLike, change: (data: unknown) => unknown): WebSocketLike {
  return new Proxy(socket, {
    get(_, name): unknown {
      if (name !== "addEventListener") {
        const value: unknown = Reflect.get(socket, name, socket);
        return typeof value === "function" ? value.bind(socket) : value;
      }
      return (type: "message", listener: (event: WebSocketEvent) => void): void =>
        socket.addEventListener(type, (event) => {
          if (type !== "message") return listener(event);
          const data = change(event.data);
          if (data !== undefined) listener({ data });
        });
    },
    set: (_, name, value) => Reflect.set(socket, name, value, socket),
  });
}

function bytesIn(data: unknown): Uint8Array | undefined {
  if (data instanceof ArrayBuffer) return new Uint8Array(data);
  return ArrayBuffer.isView(data)
    ? new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
    : undefined;
}

describe("broken servers over WebSockets", () => {
  it("no subprotocol is selected: caught by 8323-4-1", async () => {
    const sockets: Socket[] = [];
    const server = createServer((socket) => {
      sockets.push(socket);
      socket.on("error", () => {});
      socket.on("data", (bytes) => {
        const key = /^sec-websocket-key: (.+)$/im.exec(String(bytes))?.[1]?.trim();
        if (key === undefined) return;
        const accept = createHash("sha1").update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`);
        socket.write(
          "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
            `Sec-WebSocket-Accept: ${accept.digest("base64")}\r\n\r\n`,
        );
      });
    });
    await new Promise<void>((resolve) => server.listen(0, LOOPBACK, resolve));
    const { port } = server.address() as { port: number };
    const { status, expected } = await judge("8323-4-1", port);
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
    assertEquals([status, expected], ["failed", 'a WebSocket with subprotocol "coap"']);
  });

  it("text is passed over: caught by 8323-4-2", { skip }, async () => {
    const { status, expected } = await judgeChanged((data) =>
      typeof data === "string" ? undefined : data
    );
    const end = "end of the connection after a text frame";
    assertEquals([status, expected], ["failed", end]);
  });

  it("Len is passed over: caught by 8323-4-2", { skip }, async () => {
    const { status, expected } = await judgeChanged((data) => {
      const bytes = bytesIn(data)?.slice();
      if (bytes === undefined || bytes[0]! >> 4 === 0) return data;
      return Uint8Array.of(bytes[0]! & 15, ...bytes.subarray(1, 2)).buffer;
    });
    assertEquals([status, expected], ["failed", "an Abort or the end of the connection"]);
  });
});

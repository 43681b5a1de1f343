/** Connections of the load generator: those of Bun cost it least. WebSockets are upgraded by hand. @module */

import net from "node:net";

/** A connection. */
export interface StreamSocket {
  /** Sends a copy of the bytes. */
  write(bytes: Uint8Array): void;
  close(): void;
}

/** Hears of a connection. */
interface Hears {
  data(bytes: Uint8Array): void;
  lost(error: Error): void;
}

interface BunSocket {
  write(bytes: Uint8Array): number;
  end(): void;
  terminate(): void;
}

/** `Bun`, as far as it is used. */
interface BunScope {
  Bun?: { connect(options: unknown): Promise<BunSocket> };
}

const HOST = "127.0.0.1";
/** Ends the head of an answer by HTTP. */
const HEAD_END = "\r\n\r\n";

async function bunStream(
  connect: NonNullable<BunScope["Bun"]>["connect"],
  port: number,
  { data, lost }: Hears,
): Promise<StreamSocket> {
  let rest = new Uint8Array(0);
  const socket = await connect({
    hostname: HOST,
    port,
    socket: {
      binaryType: "uint8array",
      data: (_socket: unknown, bytes: Uint8Array) => data(bytes),
      drain: () => send(rest),
      close: () => lost(new Error("Connection was closed")),
      error: (_socket: unknown, error: Error) => lost(error),
    },
  });
  const send = (bytes: Uint8Array): void => {
    const taken = Math.max(0, socket.write(bytes));
    rest = bytes.slice(taken);
  };
  return {
    write(bytes): void {
      if (rest.length === 0) return send(bytes);
      const all = new Uint8Array(rest.length + bytes.length);
      all.set(rest);
      all.set(bytes, rest.length);
      rest = all;
    },
    close: () => socket.terminate(),
  };
}

async function nodeStream(
  port: number,
  { data, lost }: Hears,
): Promise<StreamSocket> {
  const socket = net.connect({ host: HOST, port, noDelay: true });
  socket.on("data", data);
  socket.on("error", lost);
  socket.on("close", () => lost(new Error("Connection was closed")));
  await new Promise<void>((resolve, reject) => {
    socket.on("connect", resolve);
    socket.on("error", reject);
  });
  return {
    write: (bytes) => void socket.write(bytes.slice()),
    close: () => socket.destroy(),
  };
}

/** Opens a connection to a port of this machine, and where `ws` is set upgrades it. */
export async function openStream(
  port: number,
  ws: boolean,
  receive: (bytes: Uint8Array) => void,
  lost: (error: Error) => void,
): Promise<StreamSocket> {
  let take = receive;
  const fail = (error: unknown): void => {
    lost(error instanceof Error ? error : new Error(String(error)));
  };
  const data = (bytes: Uint8Array): void => {
    try {
      take(bytes);
    } catch (error) {
      fail(error);
    }
  };
  const { Bun } = globalThis as BunScope;
  const hears = { data, lost: fail };
  if (!ws) {
    return await (Bun ? bunStream(Bun.connect, port, hears) : nodeStream(port, hears));
  }
  const upgraded = Promise.withResolvers<void>();
  let head = "";
  take = (bytes) => {
    head += Array.from(bytes, (byte) => String.fromCharCode(byte)).join("");
    const end = head.indexOf(HEAD_END);
    if (end < 0) return;
    if (!/^HTTP\/1\.1 101 /.test(head)) {
      upgraded.reject(new Error(`Not upgraded: ${head.split("\r\n")[0]}`));
    }
    take = receive;
    upgraded.resolve();
    const rest = head.slice(end + HEAD_END.length);
    if (rest !== "") {
      receive(Uint8Array.from(rest, (char) => char.charCodeAt(0)));
    }
  };
  hears.lost = (error) => {
    upgraded.reject(error);
    fail(error);
  };
  const socket = await (Bun ? bunStream(Bun.connect, port, hears) : nodeStream(port, hears));
  const request = [
    "GET /.well-known/coap HTTP/1.1",
    `Host: ${HOST}:${port}`,
    "Connection: Upgrade",
    "Upgrade: websocket",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Protocol: coap",
  ].join("\r\n");
  socket.write(new TextEncoder().encode(request + HEAD_END));
  await upgraded.promise;
  return socket;
}

/**
 * The shortest echo server over connections; prints its port.
 *
 * `node bench/programs/stream_echo.mjs net|own|ws`: `node:net`, TCP as the runtime itself has it, or WebSockets.
 *
 * @module
 */

import net from "node:net";
import process from "node:process";
import { upgradeFor, upgradeOnBun } from "./upgrade.mjs";

const hostname = "127.0.0.1";

/** node:net, which all three have. */
function nodeNet() {
  const server = net.createServer({ noDelay: true }, (socket) => {
    socket.on("data", (bytes) => socket.write(bytes));
    socket.on("error", () => {});
  });
  return new Promise((resolve) => {
    server.listen(0, hostname, () => resolve(server.address().port));
  });
}

/** Bun.listen; what the system does not take is more than the load generator has under way. */
function bun() {
  const socket = { data: (socket, bytes) => void socket.write(bytes) };
  return Bun.listen({ hostname, port: 0, socket }).port;
}

/** Deno.listen: read and write, one after the other. */
function deno() {
  const listener = Deno.listen({ hostname, port: 0 });
  const echo = async (connection) => {
    connection.setNoDelay();
    const buffer = new Uint8Array(65_536);
    for (;;) {
      const length = await connection.read(buffer);
      if (length === null) return;
      for (let at = 0; at < length;) {
        at += await connection.write(buffer.subarray(at, length));
      }
    }
  };
  (async () => {
    for await (const connection of listener) echo(connection).catch(() => {});
  })();
  return listener.addr.port;
}

/** The runtime's server of WebSockets. */
function ws() {
  if (process.versions.bun) {
    return upgradeOnBun({
      message: (socket, data) => void socket.sendBinary(data),
    });
  }
  return upgradeFor((socket) => {
    socket.binaryType = "arraybuffer";
    socket.addEventListener("message", ({ data }) => socket.send(data));
  });
}

const own = process.versions.bun ? bun : process.versions.deno ? deno : nodeNet;
const servers = { net: nodeNet, own, ws };
console.log(await servers[process.argv[2]]());

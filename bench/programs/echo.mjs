/**
 * The shortest echo server that the runtime allows; prints its port.
 *
 * `bun bench/programs/echo.mjs [API]`, by default the runtime's own.
 *
 * @module
 */

import dgram from "node:dgram";
import process from "node:process";

const hostname = "127.0.0.1";

/** Bun: what has come in a turn goes back with one call. */
async function bun() {
  let queue = [];
  const socket = await Bun.udpSocket({
    hostname,
    binaryType: "uint8array",
    socket: {
      data(_socket, bytes, port, address) {
        if (queue.push(bytes, port, address) > 3) return;
        setImmediate(() => {
          socket.sendMany(queue);
          queue = [];
        });
      },
      error() {},
    },
  });
  return socket.port;
}

/** Deno: one receive at a time, as its documentation shows it. */
function deno() {
  const socket = Deno.listenDatagram({ transport: "udp", hostname, port: 0 });
  (async () => {
    for (;;) {
      const [bytes, from] = await socket.receive();
      await socket.send(bytes, from);
    }
  })();
  return socket.addr.port;
}

/** Deno: several receives in flight, each with a buffer of its own, and nobody waits for what is sent. */
function denoMany() {
  const socket = Deno.listenDatagram({ transport: "udp", hostname, port: 0 });
  for (let i = 0; i < 8; i++) {
    const buffer = new Uint8Array(65_536);
    (async () => {
      for (;;) {
        const [bytes, from] = await socket.receive(buffer);
        socket.send(bytes.slice(), from);
      }
    })();
  }
  return socket.addr.port;
}

/** node:dgram, which all three have. */
function node() {
  const socket = dgram.createSocket("udp4");
  socket.on("message", (bytes, { port, address }) => socket.send(bytes, port, address));
  socket.on("error", () => {});
  return new Promise((resolve) => socket.bind(0, hostname, () => resolve(socket.address().port)));
}

const servers = { bun, deno, denoMany, node };
const own = process.versions.bun ? "bun" : process.versions.deno ? "deno" : "node";
console.log(await servers[process.argv[2] ?? own]());

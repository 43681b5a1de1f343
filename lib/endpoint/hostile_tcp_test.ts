import { describe, it } from "node:test";
import { connect, type Socket } from "node:net";
import { assertEquals, assertLess } from "@std/assert";
import { fromHex } from "../../testing/vectors.ts";
import { Code } from "../wire/code.ts";
import { decodeFrame, encodeFrame, frameSize } from "../wire/frame.ts";
import { makeOption, OptionNumber } from "../wire/option.ts";
import { CoAPClient } from "./client.ts";
import { CoAPResponse } from "./response.ts";
import { serve, type Server } from "./server.ts";

const LOOPBACK = "127.0.0.1";
const LARGE = new Uint8Array(100_000);

function get(path: string): Uint8Array {
  const options = [makeOption(OptionNumber.UriPath, path)];
  return encodeFrame({ code: Code.GET, token: Uint8Array.of(1), options });
}

function open({ addresses }: Server): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect(addresses.tcp!.port, LOOPBACK, () => resolve(socket));
    socket.on("error", reject);
  });
}

/** Reads messages until the connection ends, or so many have come. */
function read(
  socket: Socket,
  count = Infinity,
): Promise<{ code: number; length: number; text: string }[]> {
  return new Promise((resolve) => {
    const messages: { code: number; length: number; text: string }[] = [];
    let held = new Uint8Array(0);
    socket.on("data", (chunk) => {
      const bytes = new Uint8Array(held.length + chunk.length);
      bytes.set(held);
      bytes.set(chunk, held.length);
      let at = 0;
      for (;;) {
        const size = frameSize(bytes, at, bytes.length);
        if (size < 0 || at + size > bytes.length) break;
        const { code, payload } = decodeFrame(bytes.slice(at, at + size));
        const text = payload.length < 200 ? new TextDecoder().decode(payload) : "";
        messages.push({ code, length: payload.length, text });
        at += size;
      }
      held = bytes.slice(at);
      if (messages.length >= count) resolve(messages);
    });
    socket.on("close", () => resolve(messages));
    socket.resume();
  });
}

/** Runs with a server; afterwards that still serves. */
async function withServer(test: (server: Server) => Promise<void>): Promise<void> {
  const server = await serve(
    { hostname: LOOPBACK, udp: false, tcp: { port: 0 } },
    ({ pathname }) => pathname === "/large" ? new CoAPResponse(LARGE) : CoAPResponse.text("ok"),
  );
  const client = new CoAPClient();
  try {
    await test(server);
    const uri = `coap+tcp://${LOOPBACK}:${server.address.port}/x`;
    assertEquals((await client.get(uri)).text(), "ok");
  } finally {
    await client.close();
    await server.close();
  }
}

describe("hostile streams over TCP", () => {
  const cases: [name: string, hex: string, text: string][] = [
    ["a request in place of the CSM", "0101ff", "First message is 0.01, not a CSM"],
    ["4 GiB", "00e1f0ffffffff01", "Message of 4295033106 bytes is larger than 8389632"],
    ["a critical option", "20e11178", "Option 1 of 7.01 is critical and not understood"],
    ["a malformed message", "00e11001f0", "Message format error: option-delta"],
  ];
  for (const [name, hex, text] of cases) {
    it(`${name}: an Abort, then the end`, async () => {
      await withServer(async (server) => {
        const socket = await open(server);
        const messages = read(socket);
        socket.write(fromHex(hex));
        const codes = (await messages).map(({ code }) => code);
        assertEquals(codes, [Code.CSM, Code.Abort]);
        assertEquals((await messages)[1]!.text, text);
      });
    });
  }

  it("who resets the connection", async () => {
    await withServer(async (server) => {
      for (let i = 0; i < 20; i++) {
        const socket = await open(server);
        socket.write(fromHex("00e1"));
        socket.write(get("large"));
        socket.resetAndDestroy();
      }
    });
  });

  it("who does not read is not answered without end, and gets everything when it does", async () => {
    await withServer(async (server) => {
      const count = 600;
      const socket = await open(server);
      socket.pause();
      const value = Uint8Array.of(0xff, 0xff, 0xff);
      socket.write(encodeFrame({ code: Code.CSM, options: [{ number: 2, value }] }));
      for (let i = 0; i < count; i++) socket.write(get("large"));
      // Until nothing more is sent: the system's buffers are full, and what may wait here is there.
      for (let before = -1; server.stats().counters.sentBytes !== before;) {
        before = server.stats().counters.sentBytes;
        await new Promise((resolve) => setTimeout(resolve, 200));
      }
      assertLess(server.stats().counters.sentBytes, count * LARGE.length / 2);
      const messages = await read(socket, count + 1);
      assertEquals(messages.length, count + 1);
      assertEquals(messages.slice(1).every(({ length }) => length === LARGE.length), true);
      socket.destroy();
    });
  });

  it("500 connections that do nothing", async () => {
    await withServer(async (server) => {
      const sockets = await Promise.all(Array.from({ length: 500 }, () => open(server)));
      for (const socket of sockets) socket.write(fromHex("00e1"));
      const client = new CoAPClient();
      try {
        const uri = `coap+tcp://${LOOPBACK}:${server.address.port}/x`;
        assertEquals((await client.get(uri)).text(), "ok");
        assertLess(499, server.stats().gauges.peers);
      } finally {
        await client.close();
        for (const socket of sockets) socket.destroy();
      }
    });
  });
});

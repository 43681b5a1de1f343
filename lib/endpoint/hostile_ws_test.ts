import { describe, it } from "node:test";
import { assertEquals, assertLess } from "@std/assert";
import {
  type FrameOptions,
  inCoAP,
  Opcode,
  RawWebSocket,
  webSocketFrame,
} from "../../testing/raw_web_socket.ts";
import { fromHex } from "../../testing/vectors.ts";
import { noUpgrades, upgradeFor } from "../../testing/web_socket_server.ts";
import { Code } from "../wire/code.ts";
import { encodeFrame } from "../wire/frame.ts";
import { makeOption, OptionNumber } from "../wire/option.ts";
import { CoAPClient } from "./client.ts";
import { CoAPResponse } from "./response.ts";
import type { ServeOptions } from "./serve_options.ts";
import { serve, type Server } from "./server.ts";

const skip = await noUpgrades() ?? false;
const LARGE = new Uint8Array(100_000);
const CSM = fromHex("00e1");
const PING = fromHex("02e24242");
const MiB = 2 ** 20;
const GiB = 2 ** 30;

function get(path: string, token = 1): Uint8Array {
  const options = [makeOption(OptionNumber.UriPath, path)];
  const message = { code: Code.GET, token: Uint8Array.of(token), options };
  return encodeFrame(message, { length: false });
}

/** Waits for what the server does by itself. */
async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setTimeout(resolve, 5));
}

/** Runs with a server of this runtime, and one hostile connection; afterwards nothing is left of that, and it still serves. */
async function withServer(
  test: (raw: RawWebSocket, server: Server) => Promise<void>,
  options: ServeOptions = {},
): Promise<void> {
  const server = await serve(
    { udp: false, ws: true, ...options },
    ({ pathname }) => pathname === "/large" ? new CoAPResponse(LARGE) : CoAPResponse.text("ok"),
  );
  const http = await upgradeFor(server);
  const client = new CoAPClient();
  const raw = await RawWebSocket.open(http.port);
  try {
    assertEquals(inCoAP((await raw.next())!)[0], Code.CSM);
    await test(raw, server);
    raw.socket.destroy();
    await until(() => server.stats().gauges.peers === 0);
    assertEquals((await client.get(`coap+ws://127.0.0.1:${http.port}/x`)).text(), "ok");
  } finally {
    raw.socket.destroy();
    await client.close();
    await server.close();
    await http.close();
  }
}

/** The server says why, and closes. */
async function assertAborted(raw: RawWebSocket, text: string): Promise<void> {
  const messages = (await raw.rest()).filter(({ opcode }) => opcode === Opcode.Binary);
  assertEquals(messages.map(inCoAP).at(-1), [Code.Abort, text]);
}

describe("hostile WebSockets", { skip }, () => {
  const greetings: [name: string, hex: string, text: string][] = [
    ["a request in place of the CSM", "0101ff", "First message is 0.01, not a CSM"],
    ["garbage in place of the CSM", "474554202f", "Message format error: frame-length"],
    ["no byte", "", "Message format error: too-short"],
    ["an unknown critical option", "00e11178", "Option 1 of 7.01 is critical and not understood"],
    ["a length as over TCP", "20e12100", "Message format error: frame-length"],
  ];
  for (const [name, hex, text] of greetings) {
    it(`${name}: an Abort, then the end`, () =>
      withServer(async (raw) => {
        raw.send(fromHex(hex));
        await assertAborted(raw, text);
      }));
  }

  it("text, whole and in fragments: an Abort, then the end (8323-4-2)", async () => {
    const text = new TextEncoder().encode("CSM, please");
    await withServer(async (raw) => {
      raw.send(text, { opcode: Opcode.Text });
      await assertAborted(raw, "Message is no binary one");
    });
    await withServer(async (raw) => {
      raw.send(CSM);
      raw.send(text.subarray(0, 3), { opcode: Opcode.Text, final: false });
      raw.send(text.subarray(3), { opcode: Opcode.Continuation });
      await assertAborted(raw, "Message is no binary one");
    });
  });

  it("fragments of a byte, with pings between them, are a message", () =>
    withServer(async (raw) => {
      raw.send(CSM);
      const message = get("x", 7);
      for (let at = 0; at < message.length; at++) {
        const opcode = at === 0 ? Opcode.Binary : Opcode.Continuation;
        raw.send(message.subarray(at, at + 1), { opcode, final: at === message.length - 1 });
        raw.send(Uint8Array.of(at), { opcode: Opcode.Ping });
      }
      let pongs = 0;
      for (;;) {
        const frame = (await raw.next())!;
        if (frame.opcode === Opcode.Pong) pongs++;
        if (frame.opcode !== Opcode.Binary) continue;
        assertEquals(inCoAP(frame), [Code.Content, "ok"]);
        break;
      }
      assertLess(0, pongs);
    }));

  it("fragments of more than a message may have: an Abort, then the end", () =>
    withServer(async (raw) => {
      raw.send(CSM);
      const fragment = new Uint8Array(MiB);
      for (let i = 0; i < 9; i++) {
        const opcode = i === 0 ? Opcode.Binary : Opcode.Continuation;
        raw.send(fragment, { opcode, final: i === 8 });
      }
      await assertAborted(raw, `Message of ${9 * MiB} bytes is larger than 8389632`);
    }));

  const endless = "Deno" in globalThis && "Deno puts fragments together without a limit";
  it("fragments without an end: the end", { skip: endless }, () =>
    withServer(async (raw) => {
      raw.send(CSM);
      let isOver = false;
      raw.ended.then(() => isOver = true);
      const first = webSocketFrame(new Uint8Array(MiB), { final: false });
      const next = webSocketFrame(new Uint8Array(MiB), { opcode: 0, final: false });
      raw.socket.write(first);
      // Bun takes 16 MiB, and `ws` what it was told.
      for (let i = 0; i < 100 && !isOver; i++) {
        await new Promise<void>((resolve) => {
          raw.ended.then(resolve);
          raw.socket.write(next, () => resolve());
        });
      }
      await raw.ended;
    }));

  const broken: [name: string, payload: Uint8Array, options: FrameOptions][] = [
    ["a reserved opcode", PING, { opcode: 3 }],
    ["reserved bits", PING, { reserved: 3 }],
    ["a continuation of nothing", PING, { opcode: Opcode.Continuation }],
    ["a ping in fragments", PING, { opcode: Opcode.Ping, final: false }],
    ["text that is none", Uint8Array.of(0xff, 0xfe), { opcode: Opcode.Text }],
    ["4 GiB announced", PING, { length: 4 * GiB }],
    ["more than numbers can count", PING, { length: 2 ** 62 }],
  ];
  for (const [name, payload, options] of broken) {
    it(`${name}: the end`, () =>
      withServer(async (raw) => {
        raw.send(CSM);
        raw.send(payload, options);
        await raw.ended;
      }));
  }

  it("half a frame in place of the CSM: the end in time", () =>
    withServer(async (raw) => {
      raw.socket.write(webSocketFrame(get("large")).subarray(0, 9));
      await assertAborted(raw, "No CSM in time");
    }, { connection: { csmTimeout: 100 } }));

  it("half a frame, then nothing: it is released, then closed", () =>
    withServer(async (raw) => {
      raw.send(CSM);
      raw.socket.write(webSocketFrame(get("large")).subarray(0, 9));
      const messages = (await raw.rest()).filter(({ opcode }) => opcode === Opcode.Binary);
      assertEquals(messages.map(inCoAP), [[Code.Release, "Idle"]]);
    }, { connection: { idleTimeout: 100, releaseTimeout: 100 } }));

  it("a flood of Pings is answered", () =>
    withServer(async (raw) => {
      const count = 5_000;
      raw.send(CSM);
      for (let i = 0; i < count; i++) raw.send(PING);
      for (let i = 0; i < count; i++) assertEquals(inCoAP((await raw.next())!)[0], Code.Pong);
    }));

  it("a flood of pings of the WebSocket is answered as well, or the end", () =>
    withServer(async (raw) => {
      raw.send(CSM);
      for (let i = 0; i < 5_000; i++) raw.send(PING, { opcode: Opcode.Ping });
      raw.send(PING);
      // `ws` ends what makes too many pongs wait.
      for (;;) {
        const frame = await raw.next();
        if (frame === undefined || frame.opcode === Opcode.Binary) break;
        assertEquals(frame, { opcode: Opcode.Pong, payload: PING });
      }
    }));

  it("a frame that is not masked: the end, or it is taken", () =>
    withServer(async (raw) => {
      raw.send(CSM);
      raw.send(PING, { masked: false });
      // Deno takes it, though RFC 6455 section 5.1 has the server close the connection.
      const frame = await raw.next();
      if (frame?.opcode === Opcode.Binary) assertEquals(inCoAP(frame)[0], Code.Pong);
      else await raw.ended;
    }));

  it("who never reads, and asks for much: what waits is bounded, then it is the end", () =>
    withServer(async (raw, server) => {
      raw.socket.pause();
      const value = fromHex("ffffff");
      raw.send(
        encodeFrame({ code: Code.CSM, options: [{ number: 2, value }] }, { length: false }),
      );
      // More than may be held: the Web's sockets can not be told to wait.
      for (let i = 0; i < 6_000; i++) raw.send(get("large", i % 256));
      await until(() => server.stats().gauges.peers === 0);
      const { sentBytes, requestsServed } = server.stats().counters;
      assertLess(requestsServed, 200);
      assertLess(sentBytes, 200 * LARGE.length);
    }));

  it("100 that do nothing, and 100 that are gone at once", () =>
    withServer(async (raw, server) => {
      const port = raw.socket.remotePort!;
      const idle = await Promise.all(Array.from({ length: 100 }, () => RawWebSocket.open(port)));
      for (const one of idle) one.send(CSM);
      await until(() => server.stats().gauges.peers === 101);
      for (let i = 0; i < 100; i++) {
        const { socket } = await RawWebSocket.open(port);
        socket.write(webSocketFrame(get("large")));
        socket.resetAndDestroy();
      }
      for (const one of idle) one.socket.destroy();
    }));
});

import { assert, assertEquals, assertLessOrEqual } from "@std/assert";
import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { afterEach, beforeEach, describe, it } from "node:test";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { SeededRandom } from "../../testing/seeded_random.ts";
import { DEFAULT_LIMITS } from "../parameters.ts";
import { Code } from "../wire/code.ts";
import { decode, encode, MessageType } from "../wire/message.ts";
import { CoAPClient } from "./client.ts";
import type { EndpointStats } from "./stats.ts";

const CHILD = fileURLToPath(new URL("../../testing/loaded_child.ts", import.meta.url));
const FLAGS = "Deno" in globalThis ? ["run", "-A", "--no-check", "--quiet"] : [];

/** A server in a process of its own. */
class Loaded {
  readonly #child: ChildProcessWithoutNullStreams;
  port = 0;

  constructor(block: number) {
    this.#child = spawn(process.execPath, [...FLAGS, CHILD, `${block}`]);
    this.#child.stderr.pipe(process.stderr);
  }

  async #line(): Promise<string> {
    const [data] = await once(this.#child.stdout, "data");
    return String(data);
  }

  async start(): Promise<this> {
    this.port = Number(await this.#line());
    return this;
  }

  async stats(): Promise<EndpointStats> {
    const line = this.#line();
    this.#child.stdin.write("\n");
    return JSON.parse(await line);
  }

  async close(): Promise<void> {
    const ended = once(this.#child, "exit");
    this.#child.stdin.end();
    await ended;
  }
}

describe("a server over UDP", () => {
  const sockets: Socket[] = [];
  let client: CoAPClient;

  const open = async (): Promise<Socket> => {
    const socket = createSocket("udp4");
    sockets.push(socket);
    await new Promise<void>((resolve) => socket.bind(0, "127.0.0.1", resolve));
    return socket;
  };

  beforeEach(() => client = new CoAPClient());
  afterEach(async () => {
    await client.close();
    await Promise.all(
      sockets.splice(0).map((socket) => new Promise<void>((done) => socket.close(() => done()))),
    );
  });

  it("whose handler blocks for 20 ms sheds, and serves who comes again when told", async () => {
    const server = await new Loaded(20).start();
    try {
      const socket = await open();
      const BURST = 120;
      const codes = new Map<number, number>();
      let count = 0;
      let onAnswer = (): void => {};
      socket.on("message", (bytes) => {
        const { type, code } = decode(bytes);
        assertEquals(type, MessageType.Acknowledgement);
        codes.set(code, (codes.get(code) ?? 0) + 1);
        count++;
        onAnswer();
      });
      // Where the machine stops the server again and again, a burst may seem to be many with pauses between.
      do {
        const from = count;
        for (let id = from; id < from + BURST; id++) {
          socket.send(encode({ code: Code.GET, id }), server.port, "127.0.0.1");
        }
        await new Promise<void>((resolve) => {
          onAnswer = () => count === from + BURST && resolve();
        });
      } while ((codes.get(Code.ServiceUnavailable) ?? 0) < 8);
      const [served, shed] = [
        codes.get(Code.Content) ?? 0,
        codes.get(Code.ServiceUnavailable) ?? 0,
      ];
      assertEquals(served + shed, count);
      assert(served >= 8 && shed >= 8, `${served} served, ${shed} shed`);
      const { counters, gauges } = await server.stats();
      assertEquals([counters.rejectedLate, counters.duplicates], [shed, 0]);
      assertEquals(gauges.handling, 0);
      for (;;) {
        const response = await client.get(`coap://127.0.0.1:${server.port}`);
        if (response.ok) break;
        assertEquals(response.code, Code.ServiceUnavailable);
        await new Promise((resolve) => setTimeout(resolve, response.maxAge * 1000));
      }
    } finally {
      await server.close();
    }
  });

  it("answers somebody who behaves while rubbish comes from all sides", async () => {
    const server = await new Loaded(0).start();
    try {
      const attackers = await Promise.all(Array.from({ length: 4 }, open));
      const random = new SeededRandom(11);
      let done = false;
      let sent = 0;
      /** Datagrams without sense, responses that nobody asked for and requests of many sources. */
      const send = (): void => {
        for (const socket of attackers) {
          const rubbish = new Uint8Array(random.integer(0, 40));
          random.fill(rubbish);
          const id = sent & 0xffff;
          const unasked = encode({ type: MessageType.NonConfirmable, code: Code.Content, id });
          const request = encode({ code: Code.GET, id, token: Uint8Array.of(id >> 8, id & 0xff) });
          for (const bytes of [rubbish, unasked, request, Uint8Array.of(0x4f, 1, 0, 1)]) {
            socket.send(bytes, server.port, "127.0.0.1");
            sent++;
          }
        }
        if (!done) setTimeout(send, 1); // so that the server's buffer does not lose most of it
      };
      send();
      const uri = `coap://127.0.0.1:${server.port}`;
      for (let n = 0; n < 30 || sent < 1000; n++) {
        const response = await client.get(uri);
        assertEquals(response.text(), "done");
      }
      done = true;
      const { counters, gauges } = await server.stats();
      assert(counters.rejectedMalformed > 20 && counters.rejectedUnexpected > 20);
      assert(counters.requestsServed > 30);
      assertEquals(counters.rejectedLimit, 0);
      assertEquals([gauges.peers, gauges.handling], [4 + 1, 0]);
      assertLessOrEqual(gauges.duplicates, DEFAULT_LIMITS.duplicates);
    } finally {
      await server.close();
    }
  });
});

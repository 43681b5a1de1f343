import net from "node:net";
import { describe, it } from "node:test";
import { assertEquals, assertMatch, assertRejects } from "@std/assert";
import { CoAPResponse } from "../lib/endpoint/response.ts";
import { serve, type Server } from "../lib/endpoint/server.ts";
import { noUpgrades, upgradeFor } from "../testing/web_socket_server.ts";
import { command, ServerProgram } from "./harness.ts";
import { toSvg } from "./plot.ts";
import { loadStream } from "./programs/stream_load.ts";
import { rowReport, toMarkdown } from "./report.ts";
import { loadStreamServer, streamsRow } from "./rows/streams.ts";

const skip = await noUpgrades() ?? false;
const PAYLOAD = "0123456789abcdef";

/** A server over TCP whose answers a test chooses, by their number. */
function answering(text: (count: number) => string): Promise<Server> {
  let count = 0;
  return serve(
    { udp: false, tcp: { hostname: "127.0.0.1", port: 0 } },
    () => CoAPResponse.text(text(count++)),
  );
}

describe("the load generator over connections", () => {
  it("makes as many requests as it is told, over TCP", async () => {
    const peers = new Set<string>();
    const server = await serve(
      { udp: false, tcp: { hostname: "127.0.0.1", port: 0 } },
      ({ peer, pathname }) => {
        peers.add(peer.key);
        return CoAPResponse.text(pathname === "/test" ? PAYLOAD : "another path");
      },
    );
    const { port } = server.addresses.tcp!;
    const options = {
      port,
      requests: 500,
      window: 8,
      connections: 3,
      payload: PAYLOAD,
    };
    const { answered, wrong } = await loadStream(options);
    await server.close();
    assertEquals([answered, wrong, peers.size], [500, 0, 3]);
  });

  it(
    "does so over WebSockets",
    { skip },
    async () => {
      let count = 0;
      const server = await serve({ udp: false, ws: true }, () => {
        count++;
        return CoAPResponse.text(PAYLOAD);
      });
      const http = await upgradeFor(server);
      const options = {
        port: http.port,
        ws: true,
        requests: 500,
        window: 8,
        connections: 3,
      };
      const { answered, wrong } = await loadStream({
        ...options,
        payload: PAYLOAD,
      });
      await http.close();
      await server.close();
      assertEquals([answered, wrong, count], [500, 0, 500]);
    },
  );

  const wrong: [string, string][] = [["another payload", "0123456789abcdeF"], [
    "another length",
    "short",
  ]];
  for (const [what, text] of wrong) {
    it(`counts a response with ${what} as wrong`, async () => {
      const server = await answering((count) => count === 5 ? text : PAYLOAD);
      const { port } = server.addresses.tcp!;
      const options = { port, requests: 10, window: 2, connections: 1, payload: PAYLOAD };
      const result = await loadStream(options);
      await server.close();
      assertEquals([result.answered, result.wrong], [5, 1]);
    });
  }

  it("rejects where a connection is lost", async () => {
    const server = net.createServer((socket) => {
      socket.on("error", () => {});
      socket.write(Uint8Array.of(0x00, 0xe1));
      let read = 0;
      socket.on("data", ({ length }) => {
        read += length;
        if (read > 2) socket.destroy(); // a CSM and more
      });
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as net.AddressInfo;
    await assertRejects(
      () => loadStream({ port, requests: 1, connections: 2 }),
      Error,
      "closed",
    );
    await new Promise((resolve) => server.close(resolve));
  });
});

describe("the row of streams", () => {
  for (const runtime of ["bun", "node", "deno"] as const) {
    for (const transport of ["tcp", "ws"]) {
      for (const file of ["stream_serve.mjs", "stream_echo.mjs"]) {
        const what = file === "stream_echo.mjs" && transport === "tcp" ? "own" : transport;
        it(`loads ${file} ${what} on ${runtime}`, async () => {
          const echo = file === "stream_echo.mjs";
          const server = await ServerProgram.start(
            command(runtime, file, what)!,
          );
          try {
            const load = echo ? { echo } : { payload: PAYLOAD };
            const options = {
              port: server.port,
              ws: transport === "ws",
              requests: 200,
            };
            assertEquals(
              (await loadStreamServer({ ...options, ...load })).answered,
              200,
            );
          } finally {
            await server.stop();
          }
        });
      }
    }
  }

  it("reports ratios without a verdict", () => {
    const ratios = [{ text: "ours to echo", ratio: 0.5 }];
    const outcome = { figures: [], targets: [], ratios, notes: [] };
    const settings = { rounds: 1, seconds: 1, warmUp: 1, divisor: 1, log: () => {} };
    const page = { environment: {}, rows: [rowReport(streamsRow, settings, {}, outcome)] };
    assertMatch(
      toMarkdown(page),
      /0 of 0 targets reached[^]*\| ours to echo \| 0\.50 \|/,
    );
    assertMatch(toSvg(page), /<rect class="plain"/);
  });
});

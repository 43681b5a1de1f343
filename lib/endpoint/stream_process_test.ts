import { after, before, describe, it } from "node:test";
import { assertEquals } from "@std/assert";
import { SERVER_CERT, SERVER_KEY } from "../../testing/certificates.ts";
import { type ChildResult, runChild, watchChild } from "../../testing/runtime.ts";
import { noUpgrades, upgradeFor, type UpgradingServer } from "../../testing/web_socket_server.ts";
import { CoAPResponse } from "./response.ts";
import { Router } from "./router.ts";
import { serve, type Server } from "./server.ts";

const CHILD = new URL("../../testing/stream_child.ts", import.meta.url);
const NO_WEBSOCKETS = await noUpgrades();

describe("a process with connections", () => {
  let server: Server;
  let http: UpgradingServer | undefined;
  let alive: Promise<ChildResult>;
  before(async () => {
    alive = watchChild(CHILD, ["server", ""]);
    const router = new Router()
      .get("/a", () => CoAPResponse.text("a"))
      .get("/b", () => CoAPResponse.text("b"))
      .get("/never", () => new Promise(() => {}))
      .get("/state", () => CoAPResponse.text("state"), { observable: true });
    server = await serve({
      hostname: "127.0.0.1",
      udp: false,
      tcp: { port: 0 },
      tls: { port: 0, cert: SERVER_CERT, key: SERVER_KEY },
      ws: true,
    }, router);
    if (NO_WEBSOCKETS === undefined) http = await upgradeFor(server);
  });
  after(async () => {
    await alive;
    await http?.close();
    await server.close();
  });

  function uriOf(scheme: string): string {
    if (scheme === "coap+ws") return `coap+ws://127.0.0.1:${http!.port}`;
    const { tcp, tls } = server.addresses;
    return scheme === "coap+tcp"
      ? `coap+tcp://127.0.0.1:${tcp!.port}`
      : `coaps+tcp://localhost:${tls!.port}`;
  }

  const tasks: [task: string, output: string[]][] = [
    ["idle", ["a b", "done"]],
    ["waiting", ["done", "timeout"]],
    ["observing", ["state", "done", "left"]],
  ];
  for (const scheme of ["coap+tcp", "coaps+tcp", "coap+ws"]) {
    const skip = scheme === "coap+ws" ? NO_WEBSOCKETS ?? false : false;
    for (const [task, output] of tasks) {
      it(`ends: a client that was ${task}, ${scheme}`, { skip }, async () => {
        const result = await runChild(CHILD, [task, uriOf(scheme)], 20_000);
        assertEquals([result.code, ...result.output.trim().split("\n")], [0, ...output]);
      });
    }
  }

  it("ends with its server", async () => {
    const result = await runChild(CHILD, ["closed", ""], 20_000);
    const output = ["answered", "again", "done"];
    assertEquals([result.code, ...result.output.trim().split("\n")], [0, ...output]);
  });

  it("is kept alive by a server", async () => {
    const { code, output } = await alive;
    assertEquals([code, output.trim()], [null, "done"]);
  });
});

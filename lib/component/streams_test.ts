import { afterEach, beforeEach, describe, it } from "node:test";
import { assertEquals, assertMatch } from "@std/assert";
import { inWords, listen, text } from "../../testing/simulated_components.ts";
import { failure } from "../../testing/simulated_endpoints.ts";
import { noUpgrades, upgradeFor } from "../../testing/web_socket_server.ts";
import { CoAPResponse } from "../endpoint/response.ts";
import { Router } from "../endpoint/router.ts";
import { serve, type Server } from "../endpoint/server.ts";
import { CoAP } from "./coap.ts";

const skip = await noUpgrades() ?? false;

describe("CoAP as a client over WebSockets", () => {
  it("requests, observes, and logs", { skip }, async () => {
    const router = new Router();
    router.get("/t", () => CoAPResponse.text("0"), { observable: true });
    const server = await serve({ udp: false, ws: true }, router);
    const http = await upgradeFor(server);
    const uri = `coap+ws://127.0.0.1:${http.port}/t`;
    const coap = new CoAP();
    await coap.config("LogLevel=3");
    const lines: string[] = [];
    coap.on("Log", ({ message }) => void lines.push(message));
    const told = listen(coap, ["Notification", "RequestComplete", "Error"]);
    await coap.get(uri);
    await coap.startObserving(uri);
    await coap.stopObserving(uri);
    assertEquals(inWords(told), ["RequestComplete 1 0", "Notification", "RequestComplete 3 0"]);
    assertEquals(lines.filter((line) => line.includes("malformed")), []);
    await coap.shutdown();
    await http.close();
    await server.close();
  });
});

describe("CoAP as a client over TCP", () => {
  let server: Server;
  let coap: CoAP;
  let base: string;
  let state: string;

  beforeEach(async () => {
    state = "0";
    const router = new Router();
    router.get("/t", () => CoAPResponse.text(state), { observable: true });
    router.put("/large", ({ payload }) => CoAPResponse.text(String(payload.length)));
    server = await serve({ hostname: "127.0.0.1", port: 0, tcp: { port: 0 } }, router);
    base = `coap+tcp://127.0.0.1:${server.addresses.tcp!.port}`;
    coap = new CoAP();
  });
  afterEach(async () => {
    await coap.shutdown();
    await server.close();
  });

  /** The next state that is told. */
  const next = (): Promise<string> =>
    new Promise((resolve) =>
      coap.once("Notification", ({ URI, response }) => resolve(`${URI} ${response.text()}`))
    );

  it("requests, and bodies of any size", async () => {
    const told = listen(coap);
    await coap.get(`${base}/t`);
    assertEquals(text(coap.responseData), "0");
    coap.requestData = new Uint8Array(100_000);
    await coap.put(`${base}/large`);
    assertEquals([coap.responseCode, text(coap.responseData)], ["2.05", "100000"]);
    await coap.get(`${base}/nothing`);
    assertEquals(inWords(told), [
      "RequestComplete 1 0",
      "RequestComplete 2 0",
      "RequestComplete 3 709",
    ]);
  });

  it("a request that fails leaves alone what is observed, which ends as over UDP", async () => {
    await coap.startObserving(`${base}/t`);
    const errors = listen(coap, ["Error"]);
    // Nobody listens there, and its server was the only one.
    assertEquals((await failure(coap.get("coap+tcp://127.0.0.1:1/"))).code, 705);
    state = "1";
    const first = next();
    await server.notify("/t");
    assertEquals(await first, `${base}/t 1`);
    await coap.stopObserving(`${base}/t`);
    assertEquals([text(coap.responseData), errors], ["1", []]);
  });

  it("an observation whose connection ends is an Error", async () => {
    await coap.startObserving(`${base}/t`);
    const lost = new Promise<string>((resolve) =>
      coap.on("Error", ({ errorCode, description }) => resolve(`${errorCode} ${description}`))
    );
    await server.close();
    assertEquals(await lost, `0 GET "${base}/t", observed: Peer released the connection`);
  });

  it("Log shows messages without the type and ID that they do not have", async () => {
    await coap.config("LogLevel=3");
    const lines: string[] = [];
    coap.on("Log", ({ logLevel, message }) => void (logLevel === 3 && lines.push(message)));
    await coap.get(`${base}/t`);
    const start = /^(out|in) coap\+tcp 127\.0\.0\.1:\d+\/\d+ /;
    for (const line of lines) assertMatch(line, start);
    const shown = lines.map((line) => line.replace(start, "$1 ").replace(/token \w+/, "token _"));
    assertEquals(shown.filter((line) => line.startsWith("out")), [
      "out 7.01 2=800400 4=",
      "out 0.01 token _ Uri-Path=t",
    ]);
    assertEquals(shown.at(-1), "in 2.05 token _ Content-Format=0 1 bytes: 0");
  });
});

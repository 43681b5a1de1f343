import { afterEach, beforeEach, describe, it } from "node:test";
import { assert, assertEquals } from "@std/assert";
import { ComponentSimulation, inWords, listen } from "../../testing/simulated_components.ts";
import { settle } from "../../testing/manual_clock.ts";
import { SERVER } from "../../testing/simulated_endpoints.ts";
import { CoAPResponse } from "../endpoint/response.ts";
import { CoAP } from "./coap.ts";
import { type CoAPErrorEvent, CoAPLogEvent, CoAPRequestCompleteEvent } from "./events.ts";

describe("listeners of CoAP", () => {
  let net: ComponentSimulation;
  let coap: CoAP;
  beforeEach(async () => {
    net = new ComponentSimulation();
    coap = net.component();
    await net.serve(() => CoAPResponse.text("x"));
  });
  afterEach(() => net.close());

  const get = (): Promise<string> => net.run(coap.get(SERVER));

  it("on, once, off and addEventListener deliver the same objects, in order", async () => {
    const seen: [string, Event][] = [];
    const on = (e: Event): void => void seen.push(["on", e]);
    const object = {
      handleEvent(this: unknown, e: CoAPRequestCompleteEvent): void {
        assertEquals(this, object);
        seen.push(["object", e]);
      },
    };
    assertEquals(coap.on("RequestComplete", on), coap);
    assertEquals(coap.once("RequestComplete", (e) => void seen.push(["once", e])), coap);
    coap.addEventListener("RequestComplete", object);
    coap.addEventListener("RequestComplete", (e) => void seen.push(["add", e]), { once: true });
    await get();
    assertEquals(seen.map(([name]) => name), ["on", "once", "object", "add"]);
    const [, event] = seen[0]!;
    assert(seen.every(([, other]) => other === event));
    assert(event instanceof CoAPRequestCompleteEvent && event instanceof Event);
    assertEquals([event.type, event.target], ["RequestComplete", coap]);
    seen.length = 0;
    await get();
    assertEquals(seen.map(([name]) => name), ["on", "object"]);
    assertEquals(coap.off("RequestComplete", on), coap);
    coap.removeEventListener("RequestComplete", object);
    seen.length = 0;
    await get();
    assertEquals(seen, []);
  });

  it("one that is added twice is called once, and this is the component", async () => {
    let calls = 0;
    function listener(this: unknown): void {
      calls++;
      assertEquals(this, coap);
    }
    coap.on("RequestComplete", listener);
    coap.addEventListener("RequestComplete", listener);
    coap.on("Error", (e) => {
      throw e.error;
    });
    await get();
    assertEquals(calls, 1);
  });

  it("a signal removes one, and null is none", async () => {
    const controller = new AbortController();
    let calls = 0;
    const { signal } = controller;
    coap.addEventListener("RequestComplete", () => void calls++, { signal });
    coap.addEventListener("RequestComplete", null);
    coap.removeEventListener("RequestComplete", null);
    await get();
    controller.abort();
    await get();
    assertEquals(calls, 1);
  });

  it("the same function listens to several events", async () => {
    const seen: string[] = [];
    const listener = (e: Event): void => void seen.push(e.type);
    coap.on("RequestComplete", listener).on("Error", listener);
    coap.off("Error", listener);
    await get();
    assertEquals(seen, ["RequestComplete"]);
  });

  it("those that throw or reject are Errors, and the others are called", async () => {
    const errors: CoAPErrorEvent[] = [];
    const thrown = new TypeError("thrown");
    let called = 0;
    coap.on("Error", (e) => void errors.push(e));
    coap.on("RequestComplete", () => {
      throw thrown;
    });
    coap.on("RequestComplete", () => Promise.reject("rejected"));
    coap.on("RequestComplete", () => void called++);
    assertEquals(await get(), "");
    await settle();
    assertEquals(called, 1);
    assertEquals(errors.map(({ errorCode, description }) => [errorCode, description]), [
      [0, "thrown"],
      [0, "rejected"],
    ]);
    assertEquals(errors.map(({ error }) => error), [thrown, "rejected"]);
  });

  it("a Log listener that throws is an Error as well", async () => {
    const told = listen(coap, ["Error"]);
    coap.on("Log", () => {
      throw new Error("No paper");
    });
    await get();
    assertEquals(told.map(([, fields]) => fields), [{ errorCode: 0, description: "No paper" }]);
  });

  it("events that somebody else dispatches reach them, too", async () => {
    const told = listen(coap, ["Log", "Error"]);
    coap.once("Log", () => {
      throw new Error("thrown");
    });
    coap.once("Log", () => Promise.reject(new Error("rejected")));
    coap.dispatchEvent(new CoAPLogEvent(1, "by hand"));
    await settle();
    assertEquals(told.map(([name, { message, description }]) => [name, message ?? description]), [
      ["Log", "by hand"],
      ["Error", "thrown"],
      ["Error", "rejected"],
    ]);
  });

  it("Log: lines up to LogLevel", async () => {
    for (const [level, levels] of [[0, []], [1, [1]], [3, [1, 3]]] as const) {
      await coap.config(`LogLevel=${level}`);
      const told = listen(coap, ["Log"]);
      await get();
      const fields = told.map(([, fields]) => fields);
      assertEquals([...new Set(fields.map(({ logLevel }) => logLevel))].sort(), [...levels]);
      if (level < 3) continue;
      const lines = fields.map(({ message }) => message as string);
      assert(lines.some((line) => /^out 127\.0\.0\.1:5683 CON 0\.01 id \w{4} token /.test(line)));
      assert(lines.some((line) => /^in .* ACK 2\.05 .* Content-Format=0 1 bytes: x$/.test(line)));
    }
    const server = await net.component();
    await server.config("LogLevel=2");
    const told = listen(server, ["Log"]);
    await server.startListening();
    await net.run(coap.get(`${SERVER}:${server.localPort}/a`));
    await server.stopListening();
    assertEquals(told.map(([, { logLevel }]) => logLevel), [1, 2, 2, 1]);
  });

  it("Log: malformed datagrams and payloads of other code pages are shown", async () => {
    await coap.config("LogLevel=3");
    await coap.config("CodePage=1252");
    const told = listen(coap, ["Log"]);
    coap.requestData = "é\n".repeat(40);
    await net.run(coap.post(SERVER));
    const transport = await net.network.bind({ port: 9 }, {
      receive() {},
      turn() {},
      error() {},
    });
    transport.send(transport.flow("127.0.0.1", coap.localPort), Uint8Array.of(0x40, 1));
    transport.flush();
    await net.after(100);
    const lines = told.map(([, { message }]) => message as string);
    assert(lines.some((line) => line.endsWith(`80 bytes: ${"é·".repeat(32)}…`)), lines.join("\n"));
    assert(lines.includes("in 127.0.0.1:9 malformed (too-short), 2 bytes: 4001"));
    await transport.close();
  });
});

describe("doEvents", () => {
  it("returns after a short wait where nothing has arrived", async () => {
    assertEquals(await new CoAP().doEvents(), undefined);
  });

  it("returns when what has arrived was handled", async () => {
    const server = new CoAP();
    server.localHost = "127.0.0.1";
    await server.startListening();
    server.on("Request", () => void (server.responseCode = "2.05"));
    const client = new CoAP();
    client.timeout = 0;
    const told = listen(client);
    await client.get(`coap://127.0.0.1:${server.localPort}/`);
    for (let i = 0; i < 100 && told.length === 0; i++) await client.doEvents();
    assertEquals(inWords(told), ["RequestComplete 1 0"]);
    await client.shutdown();
    await server.shutdown();
  });

  it("may be called inside of a listener", async () => {
    const net = new ComponentSimulation();
    const server = await net.listener();
    server.on("Request", async () => {
      await server.doEvents();
      server.responseCode = "2.05";
    });
    const client = net.component();
    const done = client.get(SERVER);
    for (let i = 0; i < 20 && client.responseCode === ""; i++) {
      await net.after(10);
      await client.doEvents();
    }
    assertEquals([await done, client.responseCode], ["", "2.05"]);
    await net.close();
  });
});

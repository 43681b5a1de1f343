import { after, before, describe, it } from "node:test";
import { connect } from "node:net";
import { assertEquals, assertMatch } from "@std/assert";
import { CoAPResponse, Code, Router, serve, type Server } from "@x/coap";
import { EventReader } from "../testing/event_reader.ts";
import { Program } from "../testing/programs.ts";

describe("examples/http_gateway.ts", () => {
  let server: Server;
  let gateway: Program;
  let origin: string;
  let state = "1";
  let observers = 0;
  let onLeave = (_reason: string): void => {};
  let asked: string[] = [];

  before(async () => {
    const etag = (): Uint8Array => new TextEncoder().encode(state);
    const router = new Router()
      .resource("/state", { observable: true }, {
        get: () => CoAPResponse.text(state, { etag: etag(), maxAge: 0 }),
        put: (request) => {
          state = request.text();
          server.notify("/state");
          return new CoAPResponse(undefined, { code: Code.Changed });
        },
      })
      .get("/large", () => new CoAPResponse(new Uint8Array(100_000).fill(7), { maxAge: 0 }))
      .post("/echo", ({ payload }) => new CoAPResponse(payload, { code: Code.Changed }))
      .get("/slow", async () => {
        asked.push("slow");
        await new Promise((resolve) => setTimeout(resolve, 300));
        return CoAPResponse.text("late", { maxAge: 0 });
      });
    server = await serve({
      hostname: "127.0.0.1",
      port: 0,
      onObserve: () => ++observers > 0,
      onUnobserve: (_, reason) => onLeave(reason),
    }, router);
    const target = `coap://127.0.0.1:${server.address.port}`;
    gateway = new Program("examples/http_gateway.ts", target, "0");
    origin = await gateway.prints(/^http:\/\/127\.0\.0\.1:\d+$/m);
  });
  after(async () => {
    await gateway.close();
    await server.close();
  });

  it("gets, changes and tells what is not there", async () => {
    asked = [];
    const put = await fetch(`${origin}/state`, {
      method: "PUT",
      body: "2",
      headers: { "content-type": "text/plain" },
    });
    assertEquals([put.status, await put.text()], [204, ""]);
    const got = await fetch(`${origin}/state`);
    assertEquals([got.status, await got.text()], [200, "2"]);
    assertMatch(got.headers.get("content-type")!, /^text\/plain; ?charset=utf-8$/i);
    assertEquals(got.headers.get("cache-control"), "max-age=0");
    const etag = got.headers.get("etag")!;
    assertEquals(etag, '"32"');
    const held = await fetch(`${origin}/state`, { headers: { "if-none-match": etag } });
    assertEquals([held.status, await held.text()], [304, ""]);
    const head = await fetch(`${origin}/state`, { method: "HEAD" });
    assertEquals([head.status, head.headers.get("etag"), await head.text()], [200, etag, ""]);
    const missing = await fetch(`${origin}/nothing`);
    assertEquals([missing.status, await missing.text()], [
      404,
      "CoAP server returned 4.04 Not Found",
    ]);
    const options = await fetch(`${origin}/state`, { method: "OPTIONS" });
    assertEquals([options.status, await options.text()], [501, "CoAP has no such method\n"]);
  });

  it("carries bodies in both directions, up to its limit", async () => {
    const large = new Uint8Array(await (await fetch(`${origin}/large`)).arrayBuffer());
    assertEquals([large.length, large.every((byte) => byte === 7)], [100_000, true]);
    const post = (length: number): Promise<Response> =>
      fetch(`${origin}/echo`, {
        method: "POST",
        body: "x".repeat(length),
        headers: { "content-type": "application/json" },
      });
    const echo = await post(50_000);
    assertEquals([echo.status, (await echo.text()).length], [200, 50_000]);
    assertEquals((await post(1024 * 1024 + 1)).status, 413);
  });

  // On Deno the first event stream is often never answered after the tests above; it is not known why.
  const skip = "Deno" in globalThis && "event streams hang on Deno now and then, cause unknown";
  it("shows a resource as it changes, to many by one observation", { skip }, async () => {
    observers = 0;
    const left = new Promise<string>((resolve) => onLeave = resolve);
    const readers = [new EventReader(), new EventReader()];
    for (const reader of readers) {
      const response = await reader.open(`${origin}/state`);
      assertEquals(response.headers.get("content-type"), "text/event-stream");
      assertEquals(await reader.next(), state);
    }
    state = "3";
    server.notify("/state");
    for (const reader of readers) assertEquals(await reader.next(), "3");
    assertEquals(observers, 1);
    for (const reader of readers) reader.close();
    assertEquals(await left, "deregistered");
  });

  it("goes on when clients leave in the middle, or send no HTTP", async () => {
    const controller = new AbortController();
    const gone = fetch(`${origin}/slow`, { signal: controller.signal }).catch(() => "gone");
    while (asked.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    controller.abort();
    assertEquals(await gone, "gone");
    for (const line of ["GET / HTTP/1.1\r\nHost: a b\r\n\r\n", "nonsense\r\n\r\n"]) {
      await new Promise<void>((resolve) => {
        const socket = connect(Number(new URL(origin).port), "127.0.0.1", () => socket.end(line));
        socket.on("error", () => {}).on("close", () => resolve()).resume();
      });
    }
    assertEquals((await fetch(`${origin}/state`)).status, 200);
  });
});

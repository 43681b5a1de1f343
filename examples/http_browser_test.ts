import { after, before, describe, it } from "node:test";
import type { Server as HTTPServer } from "node:http";
import { assertEquals } from "@std/assert";
import { CoAPResponse, Code, ContentFormat, Router, serve, type Server } from "@x/coap";
import { type HTTPGateway, httpGateway } from "@x/coap/http";
import { Chromium, chromiumMissing } from "../testing/chromium.ts";
import { createFetchServer, type Handler } from "./node_http.ts";

const SCRIPT =
  `<svg xmlns="http://www.w3.org/2000/svg"><script>document.title = "owned"</script></svg>`;

/** A server for one test file; it answers `/blank` itself. */
async function listen(handler: Handler): Promise<{ origin: string; server: HTTPServer }> {
  const server = createFetchServer(async (request) =>
    new URL(request.url).pathname !== "/blank" ? await handler(request) : new Response(
      '<!DOCTYPE html><title>blank</title><link rel="icon" href="data:,">',
      { headers: { "content-type": "text/html" } },
    )
  );
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return { origin: `http://127.0.0.1:${(server.address() as { port: number }).port}`, server };
}

describe("a gateway and a browser", { skip: chromiumMissing }, () => {
  let sensor: Server;
  let gateway: HTTPGateway;
  let open: HTTPGateway;
  let browser: Chromium;
  const servers: HTTPServer[] = [];
  let origin: string;
  let openOrigin: string;
  let state: CoAPResponse | undefined;
  let changes = 0;
  let onLeave = (_reason: string): void => {};

  before(async () => {
    const router = new Router()
      .get("/state", () => state ?? CoAPResponse.error(Code.NotFound), { observable: true })
      .put("/state", ({ payload }) => {
        changes++;
        state = new CoAPResponse(payload.slice(), { contentFormat: ContentFormat.Text });
        return new CoAPResponse(undefined, { code: Code.Changed });
      })
      .post("/state", () => {
        changes++;
        return new CoAPResponse(undefined, { code: Code.Changed });
      })
      .get("/bytes", () => new CoAPResponse(Uint8Array.of(0, 255), { contentFormat: 60 }), {
        observable: true,
      })
      .get("/picture", () => new CoAPResponse(SCRIPT, { contentFormat: ContentFormat.SVG }));
    sensor = await serve({
      hostname: "127.0.0.1",
      port: 0,
      onUnobserve: (_, reason) => onLeave(reason),
    }, router);
    const target = `coap://127.0.0.1:${sensor.address.port}`;
    gateway = httpGateway({ target, cache: false });
    const own = await listen(gateway);
    origin = own.origin;
    open = httpGateway({ target, cache: false, origins: [origin] });
    const other = await listen(open);
    openOrigin = other.origin;
    servers.push(own.server, other.server);
    browser = await Chromium.start();
  });
  after(async () => {
    await browser?.close();
    for (const server of servers) {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    }
    await gateway.close();
    await open.close();
    await sensor.close();
  });

  it("an EventSource hears every state, the end, and then that there is nothing", async () => {
    state = CoAPResponse.text("1\n2");
    await browser.open(`${origin}/blank`);
    await browser.evaluate(`{
      globalThis.heard = [];
      globalThis.source = new EventSource("/state");
      source.onmessage = ({ data }) => heard.push(data);
      source.addEventListener("end", ({ data }) => heard.push("end: " + data));
      source.onerror = () => heard.push("error " + source.readyState);
    }`);
    await browser.until("heard.length === 1");
    state = CoAPResponse.text("3");
    sensor.notify("/state");
    await browser.until("heard.length === 2");
    state = undefined;
    sensor.notify("/state");
    await browser.until("source.readyState === EventSource.CLOSED"); // it came again, to a 404
    assertEquals(await browser.evaluate("heard"), [
      "1\n2",
      "3",
      "end: 4.04 Not Found",
      "error 0",
      "error 2",
    ]);
  });

  it("an EventSource hears bytes in base64, and its end is the server's, too", async () => {
    const left = new Promise<string>((resolve) => onLeave = resolve);
    const got = await browser.evaluate(`new Promise((resolve) => {
      const source = new EventSource("/bytes");
      source.addEventListener("binary", ({ data }) => {
        source.close();
        resolve([...atob(data)].map((character) => character.charCodeAt(0)));
      });
    })`);
    assertEquals(got, [0, 255]);
    assertEquals(await left, "deregistered");
  });

  it("a page of another origin changes nothing, and sees nothing, unless it is let in", async () => {
    const attempt = (target: string): Promise<unknown> =>
      browser.evaluate(`Promise.all([
        fetch("${target}/state", { method: "PUT", body: "9", headers: { "content-type": "text/plain" } }),
        fetch("${target}/state", { method: "POST", body: "9", mode: "no-cors" }),
        fetch("${target}/bytes"),
      ].map((one) => one.then(({ status }) => status, () => "failed")))`);
    await browser.open(`${origin}/blank`);
    changes = 0;
    assertEquals(await attempt(openOrigin), [204, 0, 200]);
    assertEquals(changes, 2);
    await browser.open(`${openOrigin}/blank`);
    assertEquals(await attempt(origin), ["failed", 0, "failed"]);
    assertEquals(changes, 2);
  });

  it("nothing that a device says is a script or a page of the gateway", async () => {
    await browser.open(`${origin}/picture`);
    assertEquals(await browser.evaluate("document.documentElement.tagName"), "svg");
    assertEquals(await browser.evaluate("[document.title, origin]"), ["", "null"]);
  });
});

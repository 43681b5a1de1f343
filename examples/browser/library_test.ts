import { after, before, describe, it } from "node:test";
import type { Server } from "node:http";
import { assertEquals } from "@std/assert";
import { Chromium, chromiumMissing } from "../../testing/chromium.ts";
import { createFetchServer } from "../node_http.ts";
import { serveFile } from "./files.ts";

/** Imports the library in the page, and gives what `code` makes of it. */
function inPage(code: string): string {
  return `(async () => {
    const coap = await import("/mod.ts");
    const { httpGateway } = await import("/lib/endpoint/http_gateway.ts");
    const { SimulatedNetwork } = await import("/lib/transport/memory.ts");
    ${code}
  })()`;
}

function blank(): Response {
  const html = '<!DOCTYPE html><link rel="icon" href="data:,">';
  return new Response(html, { headers: { "content-type": "text/html" } });
}

describe("the library in a browser", { skip: chromiumMissing }, () => {
  let server: Server;
  let browser: Chromium;

  before(async () => {
    server = createFetchServer(async (request) =>
      new URL(request.url).pathname === "/blank" ? blank() : await serveFile(request)
    );
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as { port: number };
    browser = await Chromium.start();
    await browser.open(`http://127.0.0.1:${port}/blank`);
  });
  after(async () => {
    await browser.close();
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });

  it("loads, and is client, server and gateway over a transport that there is", async () => {
    const got = await browser.evaluate(inPage(`
      const { CoAPClient, CoAPResponse, Router, serve, systemClock } = coap;
      const { bind: transport } = new SimulatedNetwork({ clock: systemClock, latency: 1 });
      const router = new Router().get("/a", () => CoAPResponse.text("x".repeat(3000)));
      const server = await serve({ transport }, router);
      const client = new CoAPClient({ transport });
      const response = await client.get("coap://127.0.0.1/a");
      const gateway = httpGateway({ target: "coap://127.0.0.1", client });
      const { status } = await gateway(new Request(location.origin + "/a"));
      await client.close();
      await server.close();
      return [response.codeText, response.text().length, status];
    `));
    assertEquals(got, ["2.05", 3000, 200]);
  });

  it("says that there is no UDP", async () => {
    const got = await browser.evaluate(inPage(`
      const client = new coap.CoAPClient();
      return await client.get("coap://127.0.0.1/").catch(({ name, reason }) => [name, reason]);
    `));
    assertEquals(got, ["CoAPError", "unsupported-scheme"]);
  });

  it("complains of nothing", () => assertEquals(browser.complaints, []));
});

import { after, before } from "node:test";
import { assertEquals, assertGreater, assertMatch, assertStringIncludes } from "@std/assert";
import { CoAPClient, CoAPResponse, Code, proxy, Router, serve, type Server } from "@x/coap";
import { type CoapServer, runCoapClient, startCoapServer, whySkip } from "./libcoap.ts";
import type { Pdu } from "./libcoap_log.ts";
import { describeWithLibcoap } from "./suite.ts";

const LARGE = "0123456789".repeat(500);

/** Whether a message has an option. */
function has(option: string): (pdu: Pdu) => boolean {
  return ({ options }) => options.includes(option);
}

/** Resources to be reached through a proxy. */
function makeRouter(): Router {
  let stored = "empty";
  return new Router()
    .get("/hello", () => CoAPResponse.text("hello"))
    .get("/large", () => CoAPResponse.text(LARGE))
    .get("/query", ({ query }) => CoAPResponse.json(query))
    .get("/stored", () => CoAPResponse.text(stored, { maxAge: 60 }))
    .put("/stored", (request) => {
      stored = request.text();
      return new CoAPResponse(undefined, { code: Code.Changed });
    })
    .post(
      "/jobs",
      () => new CoAPResponse(undefined, { code: Code.Created, locationPath: ["jobs", "7"] }),
    );
}

describeWithLibcoap("the client through coap-server as a forward proxy", (test) => {
  let gateway: CoapServer;
  let origin: Server;
  let client: CoAPClient;
  let uri: string;

  before(async () => {
    if (whySkip() !== false) return;
    gateway = await startCoapServer(["-P", ",gateway.example"]);
    origin = await serve({ hostname: "127.0.0.1", port: 0 }, makeRouter());
    uri = `coap://127.0.0.1:${origin.address.port}`;
    client = new CoAPClient({ proxy: gateway.origin });
  });
  after(async () => {
    await client?.close();
    await origin?.close();
    await gateway?.close();
  });

  for (const split of [false, true]) {
    test(`GET, PUT and POST, by ${split ? "Proxy-Scheme" : "Proxy-Uri"}`, async () => {
      const init = { proxy: { uri: gateway.origin, split } };
      const hello = await client.get(`${uri}/hello`, init);
      assertEquals([hello.codeText, hello.text()], ["2.05", "hello"]);
      assertEquals((await client.get(`${uri}/query?a=b&c`, init)).json(), ["a=b", "c"]);
      const put = await client.put(`${uri}/stored`, { ...init, payload: `by ${split}` });
      assertEquals(put.codeText, "2.04");
      assertEquals((await client.get(`${uri}/stored`, init)).text(), `by ${split}`);
      const post = await client.post(`${uri}/jobs`, { ...init, payload: "x" });
      assertEquals([post.codeText, post.locationPath], ["2.01", ["jobs", "7"]]);
      assertEquals((await client.get(`${uri}/nowhere`, init)).codeText, "4.04");
    });
  }

  test("bodies in blocks, both ways", async () => {
    assertEquals((await client.get(`${uri}/large`)).text(), LARGE);
    assertEquals((await client.put(`${uri}/stored`, { payload: LARGE })).codeText, "2.04");
    assertEquals((await client.get(`${uri}/stored`)).text(), LARGE);
  });

  test("a request that names the proxy is one for it", async () => {
    const response = await client.get("coap://gateway.example/time");
    assertEquals(response.codeText, "2.05");
    assertMatch(response.text(), /:\d\d/);
  });
});

describeWithLibcoap("coap-client through the proxy", (test) => {
  let coapServer: CoapServer;
  let origin: Server;
  let gateway: Server;
  let via: string[];

  before(async () => {
    if (whySkip() !== false) return;
    coapServer = await startCoapServer();
    origin = await serve({ hostname: "127.0.0.1", port: 0 }, makeRouter());
    const allow = [`127.0.0.1:${origin.address.port}`, `127.0.0.1:${coapServer.port}`];
    const router = makeRouter().all("/other/*", proxy({ target: coapServer.origin }));
    gateway = await serve({ hostname: "127.0.0.1", port: 0, proxy: proxy({ allow }) }, router);
    via = ["-P", `coap://127.0.0.1:${gateway.address.port}`];
  });
  after(async () => {
    await gateway?.close();
    await origin?.close();
    await coapServer?.close();
  });

  /** The response to a request through the proxy. */
  async function ask(uri: string, ...args: string[]) {
    const { pdus, output } = await runCoapClient([...via, ...args, uri]);
    const response = pdus.findLast(({ direction, code }) =>
      direction === "received" && code !== "0.00"
    );
    assertEquals(response !== undefined, true, output);
    return response!;
  }

  test("GET and PUT of a server of this library", async () => {
    const uri = `coap://127.0.0.1:${origin.address.port}`;
    assertEquals((await ask(`${uri}/hello`)).payload, "hello");
    assertEquals((await ask(`${uri}/hello`, "-N")).payload, "hello");
    assertEquals((await ask(`${uri}/stored`, "-m", "put", "-e", "new")).code, "2.04");
    assertEquals((await ask(`${uri}/stored`)).payload, "new");
    assertEquals((await ask(`${uri}/nowhere`)).code, "4.04");
    const post = await ask(`${uri}/jobs`, "-m", "post", "-e", "x");
    assertEquals([post.code, post.options], ["2.01", ["Location-Path:jobs", "Location-Path:7"]]);
  });

  test("GET of coap-server, a separate response", async () => {
    assertMatch((await ask(`${coapServer.origin}/time`)).payload ?? "", /:\d\d/);
    assertEquals((await ask(`${coapServer.origin}/async?1`)).payload, "done");
  });

  test("bodies in blocks", async () => {
    const { output } = await runCoapClient([
      ...via,
      "-b",
      "64",
      `coap://127.0.0.1:${origin.address.port}/large`,
    ]);
    assertStringIncludes(output, LARGE.slice(0, 64));
    const example = await ask(`${coapServer.origin}/example_data`);
    assertEquals(example.code, "2.05");
  });

  test("a second GET is answered from the cache", async () => {
    const uri = `${coapServer.origin}/?cached`;
    const first = await ask(uri);
    assertEquals((await ask(uri)).payload, first.payload);
    await ask(`${coapServer.origin}/?last`);
    const pdus = await coapServer.pdus((all) => all.some(has("Uri-Query:last")));
    assertEquals(pdus.filter(has("Uri-Query:cached")).length, 1);
  });

  test("observe coap-server's clock: one observation for two clients", async () => {
    const uri = `${coapServer.origin}/time?ticks`;
    const runs = await Promise.all(
      [1, 2].map(() => runCoapClient([...via, "-s", "4", "-w", uri])),
    );
    for (const { pdus, output } of runs) {
      const states = pdus.filter(({ direction, code }) =>
        direction === "received" && code === "2.05"
      );
      assertGreater(states.length, 2, output);
      const ticks = states.map(({ payload }) => Number(payload));
      assertEquals(ticks, [...ticks].sort((a, b) => a - b), output);
    }
    const requests = await coapServer.pdus((all) => all.some(has("Observe:1")));
    assertEquals(requests.filter(has("Observe:0")).length, 1);
  });

  test("nothing else is reached: 5.05", async () => {
    assertEquals((await ask("coap://127.0.0.1:9/")).code, "5.05");
  });

  test("a reverse proxy for coap-server", async () => {
    const uri = `coap://127.0.0.1:${gateway.address.port}/other/time`;
    const { pdus, output } = await runCoapClient([uri]);
    assertEquals(pdus.map(({ code }) => code), ["GET", "2.05"], output);
  });
});

import { assertEquals, assertGreater, assertLess } from "@std/assert";
import { afterEach, beforeEach, describe, it } from "node:test";
import type { NetworkPeer } from "../../testing/network_peer.ts";
import { ORIGIN, ORIGIN_URI, Proxied } from "../../testing/proxied.ts";
import { Code } from "../wire/code.ts";
import { ContentFormat } from "../wire/content_format.ts";
import type { CoAPClient } from "./client.ts";
import { proxy } from "./proxy.ts";
import { CoAPResponse } from "./response.ts";
import { Router } from "./router.ts";

const PROXY = "coap://127.0.0.1";

describe("a reverse proxy", () => {
  let bench: Proxied;
  let client: NetworkPeer;
  let origin: NetworkPeer;
  beforeEach(async () => {
    bench = new Proxied();
    client = await bench.client();
    origin = await bench.origin();
  });
  afterEach(() => bench.rest());

  it("looks every path up at its target", async () => {
    await bench.reverse();
    await client.sends("CON GET 0x0001 token 20 Uri-Host:proxy.example /a ?b=c Accept:0");
    await origin.receives("CON GET $m token $t /a ?b=c Hop-Limit:16 Accept:0");
    await origin.sends('ACK 2.05 $m token $t "x"');
    await client.receives('ACK 2.05 0x0001 token 20 "x"');
    await client.sends("CON GET 0x0002 token 20");
    await origin.receives("CON GET $n token $u Hop-Limit:16");
    await origin.sends('ACK 2.05 $n token $u "root"');
    await client.receives('ACK 2.05 0x0002 token 20 "root"');
  });

  it("looks it up below the path of its target, under that host's name", async () => {
    const { net } = bench;
    const target = "coap://origin.example/v1/";
    await net.serve(proxy({ target, client: { resolve: () => Promise.resolve([ORIGIN]) } }));
    await client.sends("CON POST 0x0001 token 20 Uri-Host:proxy.example /a Uri-Path:b/c");
    await origin.receives(
      "CON POST $m token $t Uri-Host:origin.example /v1/a Uri-Path:b/c Hop-Limit:16",
    );
    await origin.sends("ACK 2.01 $m token $t Location-Path:v1 Location-Path:jobs Location-Path:7");
    await client.receives("ACK 2.01 0x0001 token 20 Location-Path:jobs Location-Path:7");
  });

  it("stands below a path of a router, beside other resources", async () => {
    const router = new Router()
      .get("/own", () => CoAPResponse.text("own"))
      .all("/kitchen/:floor/*", proxy({ target: `${ORIGIN_URI}/v1` }));
    await bench.net.serve(router);
    await client.sends("CON PUT 0x0001 token 20 /kitchen/2/light/on ?x 65001:0x01 If-None-Match");
    await origin.receives(
      "CON PUT $m token $t If-None-Match /v1/light/on ?x Hop-Limit:16 65001:0x01",
    );
    await origin.sends("ACK 2.01 $m token $t Location-Path:v1 Location-Path:light");
    await client.receives(
      "ACK 2.01 0x0001 token 20 Location-Path:kitchen Location-Path:2 Location-Path:light",
    );
    await client.sends("CON GET 0x0002 token 20 /own");
    await client.receives('ACK 2.05 0x0002 token 20 Content-Format:0 "own"');
    await client.sends("CON GET 0x0003 token 20 /own 65001:0x01");
    await client.receives('ACK 4.02 0x0003 token 20 "Option 65001 is not understood"');
    await client.sends("CON GET 0x0004 token 20 /nowhere 65001:0x01");
    await client.receives('ACK 4.02 0x0004 token 20 "Option 65001 is not understood"');
    await origin.hearsNothing(0);
  });

  it("leaves a method to a route of its own", async () => {
    const router = new Router()
      .get("/a", () => CoAPResponse.text("own"))
      .all("/a", proxy({ target: `${ORIGIN_URI}/b` }));
    await bench.net.serve(router);
    await client.sends("CON GET 0x0001 token 20 /a");
    await client.receives('ACK 2.05 0x0001 token 20 Content-Format:0 "own"');
    await client.sends("CON DELETE 0x0002 token 20 /a");
    await origin.receives("CON DELETE $m token $t /b Hop-Limit:16");
    await origin.sends("ACK 2.02 $m token $t");
    await client.receives("ACK 2.02 0x0002 token 20");
  });

  it("is no forward proxy: 5.05 (7252-5.7-7)", async () => {
    await bench.reverse();
    await client.sends(`CON GET 0x0001 token 20 Proxy-Uri:${ORIGIN_URI}/a`);
    await client.receives("ACK 5.05 0x0001 token 20");
    await client.sends("CON GET 0x0002 token 20 Uri-Host:a.example Proxy-Scheme:coap");
    await client.receives("ACK 5.05 0x0002 token 20");
    await origin.hearsNothing(0);
  });

  it("stands beside a forward proxy", async () => {
    await bench.net.serve(new Router().all("/a/*", proxy({ target: ORIGIN_URI })), {
      proxy: proxy({ allow: [ORIGIN] }),
    });
    await client.sends("CON GET 0x0001 token 20 /a/x");
    await origin.receives("CON GET $m token $t /x Hop-Limit:16");
    await origin.sends("ACK 4.04 $m token $t");
    await client.receives("ACK 4.04 0x0001 token 20");
    await client.sends(`CON GET 0x0002 token 20 Proxy-Uri:${ORIGIN_URI}/y`);
    await origin.receives("CON GET $n token $u /y Hop-Limit:16");
    await origin.sends("ACK 4.04 $n token $u");
    await client.receives("ACK 4.04 0x0002 token 20");
    await client.sends("CON GET 0x0003 token 20 Proxy-Uri:coap://127.0.0.1/a/z");
    await origin.receives("CON GET $o token $v /z Hop-Limit:16");
    await origin.sends("ACK 4.04 $o token $v");
    await client.receives("ACK 4.04 0x0003 token 20");
  });

  it("a forward proxy as the handler has no resources itself", async () => {
    await bench.net.serve(proxy({ allow: [ORIGIN] }));
    await client.sends("CON GET 0x0001 token 20 /a");
    await client.receives("ACK 4.04 0x0001 token 20");
    await client.sends(`CON GET 0x0002 token 20 Proxy-Uri:${ORIGIN_URI}/a`);
    await origin.receives("CON GET $m token $t /a Hop-Limit:16");
    await origin.sends("ACK 2.05 $m token $t");
    await client.receives("ACK 2.05 0x0002 token 20");
  });

  it("makes no observers of its own server", async () => {
    await bench.net.serve(proxy({ target: ORIGIN_URI }), { onObserve: () => true });
    await client.sends("CON GET 0x0001 token 20 Observe:0 /a");
    await origin.receives("CON GET $m token $t Observe:0 /a Hop-Limit:16");
    await origin.sends('ACK 2.05 $m token $t "x"');
    await client.receives('ACK 2.05 0x0001 token 20 "x"');
  });
});

describe("proxies in a circle", () => {
  let bench: Proxied;
  beforeEach(() => {
    bench = new Proxied();
  });
  afterEach(() => bench.rest());

  it("end a request with 5.08 (8768-3-4)", async () => {
    for (const [hostname, next] of [["127.0.0.1", ORIGIN], [ORIGIN, "127.0.0.1"]] as const) {
      const target = `coap://${next}`;
      await bench.net.serve(proxy({ target, identifier: hostname }), {
        hostname,
        onError: (error) => bench.errors.push(error),
      });
    }
    const start = bench.net.clock.now();
    const response = await bench.net.run(bench.net.client().get(`${PROXY}/a`));
    assertEquals(response.codeText, "5.08");
    // NSTART: each hop waits for the empty acknowledgement of the one before.
    assertLess(bench.net.clock.now() - start, 20_000);
    assertLess(response.text().split(" ").length, 3);
    assertGreater(bench.errors.length, 0);
  });

  it("end an observation as well", async () => {
    for (const [hostname, next] of [["127.0.0.1", ORIGIN], [ORIGIN, "127.0.0.1"]] as const) {
      await bench.net.serve(proxy({ target: `coap://${next}` }), { hostname });
    }
    const states = bench.net.client().observe(`${PROXY}/a`);
    const { value } = await bench.net.run(states.next());
    assertEquals([value!.codeText, value!.observed], ["5.04", false]);
    await states.return!();
  });
});

/** The ETSI plugtest's cases for a reverse proxy, with a client and an origin server of this library. */
describe("plugtest", () => {
  let bench: Proxied;
  let client: CoAPClient;
  let requests: string[];
  let value: string;
  beforeEach(async () => {
    bench = new Proxied();
    requests = [];
    value = "1";
    const created = { code: Code.Created };
    const router = new Router()
      .post(
        "/test",
        () =>
          new CoAPResponse(undefined, {
            ...created,
            locationPath: ["location1", "location2", "location3"],
          }),
      )
      .post(
        "/location-query",
        () => new CoAPResponse(undefined, { ...created, locationQuery: ["first=1", "second=2"] }),
      )
      .get(
        "/multi-format",
        (request) =>
          request.accept === ContentFormat.XML
            ? CoAPResponse.text("<x/>", { contentFormat: ContentFormat.XML })
            : CoAPResponse.text("plain"),
        {
          contentFormats: [ContentFormat.Text, ContentFormat.XML],
        },
      )
      .get(
        "/validate",
        () => CoAPResponse.text(value, { etag: new TextEncoder().encode(value), maxAge: 30 }),
      )
      .put("/validate", (request) => {
        value = request.text();
        return new CoAPResponse(undefined, { code: Code.Changed });
      })
      .get(
        "/create1",
        () => value === "1" ? CoAPResponse.error(Code.NotFound) : CoAPResponse.text(value),
      )
      .put("/create1", (request) => {
        value = request.text();
        return new CoAPResponse(undefined, created);
      });
    await bench.net.serve((request) => {
      requests.push(`${request.confirmable ? "CON" : "NON"} ${request.method} ${request.pathname}`);
      return router.handle(request);
    }, { hostname: ORIGIN });
    await bench.reverse();
    client = bench.net.client();
  });
  afterEach(() => bench.rest());

  it("TD_COAP_CORE_24: Location-Path", async () => {
    const response = await bench.net.run(client.post(`${PROXY}/test`, { payload: "x" }));
    assertEquals(response.codeText, "2.01");
    assertEquals(response.locationPath, ["location1", "location2", "location3"]);
    assertEquals(requests, ["CON POST /test"]);
  });

  it("TD_COAP_CORE_25: Location-Query", async () => {
    const response = await bench.net.run(client.post(`${PROXY}/location-query`, { payload: "x" }));
    assertEquals([response.codeText, response.locationQuery], ["2.01", ["first=1", "second=2"]]);
    assertEquals(requests, ["CON POST /location-query"]);
  });

  it("TD_COAP_CORE_26: Accept", async () => {
    for (const accept of [ContentFormat.Text, ContentFormat.XML]) {
      const response = await bench.net.run(client.get(`${PROXY}/multi-format`, { accept }));
      assertEquals([response.codeText, response.contentFormat], ["2.05", accept]);
    }
    assertEquals(requests.length, 2);
    const none = client.get(`${PROXY}/multi-format`, { accept: ContentFormat.CBOR });
    assertEquals((await bench.net.run(none)).codeText, "4.06");
  });

  it("TD_COAP_CORE_27: If-Match", async () => {
    const uri = `${PROXY}/validate`;
    const put = async (payload: string, ifMatch?: Uint8Array): Promise<string> =>
      (await bench.net.run(client.put(uri, { payload, ifMatch }))).codeText;
    const first = await bench.net.run(client.get(uri));
    assertEquals(await put("2", first.etag), "2.04");
    const second = await bench.net.run(client.get(uri));
    assertEquals([second.text(), second.etag], ["2", new TextEncoder().encode("2")]);
    assertEquals(await put("3"), "2.04");
    assertEquals(await put("4", second.etag), "4.12");
    assertEquals(value, "3");
    assertEquals(requests.filter((line) => line === "CON PUT /validate").length, 3);
  });

  it("TD_COAP_CORE_28: If-None-Match", async () => {
    const put = (payload: string): Promise<CoAPResponse> =>
      bench.net.run(client.put(`${PROXY}/create1`, { payload, ifNoneMatch: true }));
    assertEquals((await put("a")).codeText, "2.01");
    assertEquals((await put("b")).codeText, "4.12");
    assertEquals(value, "a");
  });

  it("TD_COAP_CORE_29: Max-Age", async () => {
    const uri = `${PROXY}/validate`;
    const first = await bench.net.run(client.get(uri));
    assertEquals([first.codeText, first.maxAge, requests.length], ["2.05", 30, 1]);
    await bench.net.after(10_000);
    const second = await bench.net.run(client.get(uri));
    assertEquals([second.codeText, second.text(), requests.length], ["2.05", "1", 1]);
    assertLess(second.maxAge, 20);
    await bench.net.after(30_000);
    const before = bench.net.messages.length;
    const third = await bench.net.run(client.get(uri));
    assertEquals([third.codeText, third.text(), third.etag], ["2.05", "1", first.etag]);
    assertEquals(requests.length, 2);
    const codes = bench.net.messages.slice(before).map(({ code }) => code);
    assertEquals(codes, [Code.GET, Code.GET, Code.Valid, Code.Content]);
  });
});

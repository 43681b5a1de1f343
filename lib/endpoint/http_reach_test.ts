import { assert, assertEquals, assertThrows } from "@std/assert";
import { afterEach, beforeEach, describe, it } from "node:test";
import { failure } from "../../testing/simulated_endpoints.ts";
import { GatewaySimulation, ORIGIN } from "../../testing/simulated_gateway.ts";
import { CoAPError } from "../errors.ts";
import { Code } from "../wire/code.ts";
import { findOption, OptionNumber } from "../wire/option.ts";
import { httpGateway, type HTTPGatewayOptions } from "./http_gateway.ts";
import { CoAPResponse } from "./response.ts";

describe("what a gateway reaches", () => {
  let net: GatewaySimulation;
  beforeEach(() => net = new GatewaySimulation());
  afterEach(() => net.end());

  describe("reaches nothing but its target", () => {
    it("whatever the path", async () => {
      await net.answers(Code.Content);
      const gateway = net.gateway({ target: "coap://127.0.0.1/v1/", base: "/iot/", cache: false });
      const paths = [
        "/iot",
        "/iot/",
        "/iot/a/",
        "/iot/../iot/b",
        "/iot/%2e%2e/%2E./secret",
        "/iot/..%2fsecret",
        "/iot/%2e%2e%2fsecret",
        "/iot/a/..\\..\\..\\secret",
        "/iot//evil.example/x",
        "/iot/coap://evil.example/x",
        "/iot/a|b?c=[1]&d={}",
        "/other",
        "/iotx",
        "/",
        "/iot/%zz",
        `/iot/${"a".repeat(256)}`,
      ];
      const statuses: number[] = [];
      for (const path of paths) statuses.push((await net.ask(gateway, path)).status);
      assertEquals(statuses, [
        200,
        200,
        200,
        200,
        404,
        200,
        200,
        404,
        200,
        200,
        200,
        404,
        404,
        404,
        400,
        400,
      ]);
      assertEquals(net.seen.map(({ path }) => path.join(" ")), [
        "v1",
        "v1",
        "v1 a ",
        "v1 b",
        "v1 ../secret",
        "v1 ../secret",
        "v1  evil.example x",
        "v1 coap:  evil.example x",
        "v1 a|b",
      ]);
      assertEquals(net.seen.at(-1)!.query, ["c=[1]", "d={}"]);
      assert(
        net.seen.every(({ options }) => findOption(options, OptionNumber.UriHost) === undefined),
      );
    });

    it("of what requests name, the list alone, and no group", async () => {
      await net.answers(Code.Content, {}, "x");
      const gateway = net.gateway({
        allow: ["server", "coap://127.0.0.1/open", "224.0.1.187"],
        base: "/hc/",
      });
      const status = async (path: string): Promise<unknown> =>
        (await net.ask(gateway, path)).status;
      assertEquals(await status("/hc/coap://server/a"), 200);
      assertEquals(await status("/hc/coap://127.0.0.1/open/b?c"), 200);
      assertEquals(net.texts, ["GET /a", "GET /open/b?c"]);
      for (
        const path of [
          "127.0.0.1/",
          "127.0.0.1/open/../b",
          "127.0.0.1:5684/open",
          "server:1/",
          "192.0.2.1/",
          "224.0.1.187/",
        ]
      ) assertEquals(await status(`/hc/coap://${path}`), 403, path);
      assertEquals(await status("/hc/coaps://server/"), 403);
      for (
        const path of ["server/a", "//server/a", "http://server/a", "coap:server", "coap://", ""]
      ) {
        assertEquals(await status(`/hc/${path}`), 400, path);
      }
      assertEquals(await status("/hc/coap://u@server/"), 400);
      assertEquals(net.seen.length, 2);
    });

    it("of what requests name, what a function lets through, and of that what is public", async () => {
      await net.answers(Code.Content, {}, "x");
      const asked: unknown[] = [];
      const allow: HTTPGatewayOptions["allow"] = ({ host, path }, { headers }) => {
        asked.push([host, path]);
        return headers.get("authorization") === "Bearer x";
      };
      const headers = { authorization: "Bearer x" };
      const status = async (options: HTTPGatewayOptions, host: string, init?: RequestInit) =>
        (await net.ask(net.gateway(options), `/coap://${host}/a`, init)).status;
      assertEquals(await status({ allow }, "server"), 403);
      assertEquals(await status({ allow }, "server", { headers }), 200);
      assertEquals(await status({ allow }, "127.0.0.1", { headers }), 403);
      assertEquals(await status({ allow, allowLocal: true }, "127.0.0.1", { headers }), 200);
      assertEquals(await status({ allow, allowLocal: true }, "255.255.255.255", { headers }), 403);
      assertEquals(asked[0], ["server", ["a"]]);
    });

    it("nor names over connections, whose addresses it does not see", async () => {
      const client = net.client();
      const asked: unknown[] = [];
      client.request = (_, uri) => {
        asked.push(uri);
        return Promise.resolve(new CoAPResponse());
      };
      const get = async (options: HTTPGatewayOptions, uri: string): Promise<number> =>
        (await net.ask(net.gateway({ client, ...options }), `/${uri}`)).status;
      const allow = (): boolean => true;
      assertEquals(await get({ allow }, "coap+tcp://a.example/"), 403);
      assertEquals(await get({ allow }, "coaps+ws://a.example/"), 403);
      assertEquals(await get({ allow }, "coap+tcp://127.0.0.1/"), 403);
      assertEquals(await get({ allow }, "coap+tcp://192.0.2.1/"), 200);
      assertEquals(await get({ allow, allowLocal: true }, "coap+tcp://a.example/"), 200);
      assertEquals(await get({ allow: ["coaps+ws://a.example"] }, "coaps+ws://a.example/"), 200);
      assertEquals(asked, [
        "coap+tcp://192.0.2.1/",
        "coap+tcp://a.example/",
        "coaps+ws://a.example/",
      ]);
    });

    it("nor, with a client of its own, where a name leads to that is not public", async () => {
      const gateway = httpGateway({ allow: () => true });
      const response = await gateway(new Request(`${ORIGIN}/coap://localhost:9/`));
      assertEquals([response.status, await response.text()], [
        502,
        "Origin server can not be reached\n",
      ]);
      await gateway.close();
    });
  });

  it("tells where it is and how it is asked (RFC 8075 section 5.5)", async () => {
    const simple = net.gateway({ allow: [], base: "/hc/" });
    const type = "application/link-format";
    const core = "/.well-known/core";
    const plain = [200, '</hc/>;rt="core.hc"', type];
    assertEquals(await net.tell(simple, core, {}, "content-type"), plain);
    assertEquals(await net.tell(simple, `${core}?rt=core.hc`, {}, "content-type"), plain);
    assertEquals(await net.tell(simple, `${core}?rt=core.rd`), [200, ""]);
    assertEquals(await net.tell(simple, `${core}?%zz`), [200, ""]);
    const other = net.gateway({ allow: [], template: "?uri={+tu}" });
    assertEquals((await net.tell(other, core))[1], '</>;rt="core.hc";hct="?uri={+tu}"');
    await net.answers(Code.Content, {}, "of the server");
    assertEquals((await net.tell(net.gateway(), core))[1], "of the server");
  });

  it("is not made of what is no option", async () => {
    const target = "coap://127.0.0.1";
    const make = (options: HTTPGatewayOptions) => (): unknown => httpGateway(options);
    assertThrows(make({}), TypeError);
    assertThrows(make({ target, allow: [] }), TypeError);
    assertThrows(make({ target, base: "iot" }), TypeError);
    assertThrows(make({ target, base: "//host/" }), TypeError);
    assertThrows(make({ target, base: "/a?b" }), TypeError);
    assertThrows(make({ target, methods: ["FETCH" as "GET"] }), TypeError);
    assertThrows(make({ target, origins: ["dashboard.example"] }), TypeError);
    assertThrows(make({ target, timeout: 0 }), RangeError);
    assertThrows(make({ target, heartbeat: Number.NaN }), RangeError);
    assertThrows(make({ target, maxRequests: 0 }), RangeError);
    assertThrows(make({ target, maxStreams: 1.5 }), RangeError);
    for (const wrong of ["coap://127.0.0.1/?a", "coap://224.0.1.187/", "http://127.0.0.1/"]) {
      assertThrows(make({ target: wrong }), CoAPError);
    }
    const refused = await failure(Promise.resolve().then(make({ target: "coaps://127.0.0.1" })));
    assertEquals(refused.reason, "unsupported-scheme");
    assertThrows(make({ allow: ["http://a"] }), CoAPError);
  });
});

import { assertEquals, assertLess, assertStringIncludes, assertThrows } from "@std/assert";
import { afterEach, beforeEach, describe, it } from "node:test";
import type { NetworkPeer } from "../../testing/network_peer.ts";
import { ORIGIN_URI, Proxied } from "../../testing/proxied.ts";
import { failure } from "../../testing/simulated_endpoints.ts";
import { CoAPError } from "../errors.ts";
import { Code } from "../wire/code.ts";
import { decode, encode } from "../wire/message.ts";
import { toHex } from "../wire/bytes.ts";
import { findOption, OptionNumber } from "../wire/option.ts";
import type { IncomingRequest } from "./incoming_request.ts";
import { proxy } from "./proxy.ts";
import { CoAPResponse } from "./response.ts";
import { serve } from "./server.ts";

/** Longer than the proxy waits for an origin server, ms. */
const PATIENCE = 61_000;

describe("a forward proxy", () => {
  let bench: Proxied;
  let client: NetworkPeer;
  let origin: NetworkPeer;
  let asked = 0;
  beforeEach(async () => {
    bench = new Proxied();
    client = await bench.client();
    origin = await bench.origin();
  });
  afterEach(() => bench.rest());

  /** Sends a request to the proxy that nobody but the proxy answers. */
  async function isAnswered(request: string, response: string): Promise<void> {
    const head = `0x${(++asked).toString(16).padStart(4, "0")} token 20`;
    await client.sends(`CON GET ${head} ${request}`);
    await client.receives(`ACK ${response.replace(/^\S+/, `$& ${head}`)}`);
    await origin.hearsNothing(0);
  }

  it("takes Proxy-Uri apart and hands the request on, the response back (7252-5.7-6, 5.7-9)", async () => {
    await bench.forward();
    await client.sends(`CON GET 0x0001 token 20 Proxy-Uri:${ORIGIN_URI}/a/b%2Fc?x=1&y Accept:50`);
    await origin.receives("CON GET $m token $t /a Uri-Path:b/c ?x=1&y Hop-Limit:16 Accept:50");
    await origin.sends('ACK 2.05 $m token $t Content-Format:50 ETag:0x01 Max-Age:7 "{}"');
    await client.receives('ACK 2.05 0x0001 token 20 Content-Format:50 ETag:0x01 Max-Age:7 "{}"');
  });

  it("composes the URI from Proxy-Scheme and the Uri options (7252-5.7-10)", async () => {
    await bench.forward();
    await client.sends(
      "CON GET 0x0001 token 20 Uri-Host:Origin.example Uri-Port:5683 /a ?b Proxy-Scheme:CoAP",
    );
    await origin.receives("CON GET $m token $t Uri-Host:origin.example /a ?b Hop-Limit:16");
    await origin.sends("ACK 2.05 $m token $t");
    await client.receives("ACK 2.05 0x0001 token 20");
  });

  it("heeds no Uri option beside Proxy-Uri (7252-5.10-5)", async () => {
    await bench.forward();
    await client.sends(
      `CON GET 0x0001 token 20 Uri-Host:other.example Uri-Port:7 /no ?no Proxy-Uri:${ORIGIN_URI}/yes`,
    );
    await origin.receives("CON GET $m token $t /yes Hop-Limit:16");
    await origin.sends("ACK 2.05 $m token $t");
    await client.receives("ACK 2.05 0x0001 token 20");
  });

  it("hands a payload on, with the method", async () => {
    await bench.forward();
    await client.sends(`CON PUT 0x0001 token 20 Proxy-Uri:${ORIGIN_URI}/a Content-Format:0 "x"`);
    await origin.receives('CON PUT $m token $t /a Content-Format:0 Hop-Limit:16 "x"');
    await origin.sends("ACK 2.04 $m token $t");
    await client.receives("ACK 2.04 0x0001 token 20");
  });

  it("sends its own type of message, whatever came", async () => {
    await bench.forward();
    await client.sends(`NON GET 0x0001 token 20 Proxy-Uri:${ORIGIN_URI}/a`);
    await origin.receives("CON GET $m token $t /a Hop-Limit:16");
    await origin.sends("ACK Empty $m");
    await origin.sends("CON 2.05 0x7001 token $t");
    await origin.receives("ACK Empty 0x7001");
    await client.receives("NON 2.05 _ token 20");
  });

  it("sends Non-confirmable requests where it is told to", async () => {
    await bench.forward({ confirmable: false });
    await client.sends(`CON GET 0x0001 token 20 Proxy-Uri:${ORIGIN_URI}/a`);
    await origin.receives("NON GET _ token $t /a Hop-Limit:16");
    await origin.sends("NON 2.05 0x7001 token $t");
    await client.receives("ACK 2.05 0x0001 token 20");
  });

  it("hands on what it does not know and is Safe-to-Forward, both ways (7252-5.7-5)", async () => {
    await bench.forward();
    const options = "If-Match:0x09 65000:0x01 65001:0x0203";
    await client.sends(`CON GET 0x0001 token 20 Proxy-Uri:${ORIGIN_URI}/a ${options}`);
    await origin.receives(
      `CON GET $m token $t If-Match:0x09 /a Hop-Limit:16 65000:0x01 65001:0x0203`,
    );
    await origin.sends("ACK 2.05 $m token $t 65000:0x04 65001:0x05");
    await client.receives("ACK 2.05 0x0001 token 20 65000:0x04 65001:0x05");
  });

  it("refuses what it does not know and is Unsafe: 4.02 (7252-5.7-4)", async () => {
    await bench.forward();
    for (const option of [65002, 65003]) {
      await isAnswered(
        `Proxy-Uri:${ORIGIN_URI}/a ${option}:0x01`,
        `4.02 "Option ${option} is not understood"`,
      );
    }
  });

  it("answers 5.02 where a response has such an option (7252-5.7-2, 5.7-4)", async () => {
    await bench.forward();
    await client.sends(`CON GET 0x0001 token 20 Proxy-Uri:${ORIGIN_URI}/a`);
    await origin.receives("CON GET $m token $t /a Hop-Limit:16");
    await origin.sends("CON 2.05 0x7001 token $t 65003:0x01");
    await origin.receives("RST Empty 0x7001");
    await client.receives("ACK 5.02 0x0001 token 20 ...");
  });

  it("answers 5.02 where a response is malformed (7252-5.7-2)", async () => {
    const { net } = bench;
    await bench.forward({ allow: ["192.0.2.8"] });
    const broken = await net.network.bind({ hostname: "192.0.2.8", port: 5683 }, {
      receive: (flow, bytes) => {
        const { id, token } = decode(bytes);
        const response = encode({ code: Code.Content, id: id ^ 1, token });
        broken.send(flow, Uint8Array.of(...response, 0xff)); // nothing behind the payload marker
      },
      turn: () => broken.flush(),
      error: () => {},
    });
    net.closeLater(broken);
    await client.sends("CON GET 0x0001 token 20 Proxy-Uri:coap://192.0.2.8/");
    await client.receives("ACK 5.02 0x0001 token 20 ...");
  });

  it("answers 5.02 where the origin server rejects or is not there (7252-5.7-2)", async () => {
    await bench.forward({ allow: ["192.0.2.7", "192.0.2.8"] });
    await client.sends(`CON GET 0x0001 token 20 Proxy-Uri:${ORIGIN_URI}/a`);
    await origin.receives("CON GET $m token $t /a Hop-Limit:16");
    await origin.sends("RST Empty $m");
    await client.receives("ACK 5.02 0x0001 token 20 ...");
    bench.net.network.conditions.refuse = true;
    await client.sends("CON GET 0x0002 token 20 Proxy-Uri:coap://192.0.2.8/");
    await client.receives("ACK 5.02 0x0002 token 20 ...");
  });

  it("answers 5.04 where the origin server is silent (7252-5.7-1)", async () => {
    await bench.forward();
    await client.sends(`CON GET 0x0001 token 20 Proxy-Uri:${ORIGIN_URI}/a`);
    await origin.receives("CON GET $m token $t /a Hop-Limit:16");
    await origin.sends("ACK Empty $m");
    await client.receives("ACK Empty 0x0001");
    await bench.net.after(PATIENCE);
    await client.receives("CON 5.04 $r token 20 ...");
    await client.sends("ACK Empty $r");
  });

  it("waits as long as it is told", async () => {
    await bench.forward({ timeout: 500 });
    await client.sends(`NON GET 0x0001 token 20 Proxy-Uri:${ORIGIN_URI}/a`);
    await origin.receives("CON GET $m token $t /a Hop-Limit:16");
    await client.hearsNothing(450);
    await bench.net.after(100);
    await client.receives("NON 5.04 _ token 20 ...");
  });

  it("waits no longer where several requests queue for a silent origin server", async () => {
    await bench.forward();
    const uri = `Proxy-Uri:${ORIGIN_URI}`;
    const requests = [`${uri}/a`, `${uri}/b`, `${uri}/c Observe:0`];
    for (const [i, request] of requests.entries()) {
      await client.sends(`NON GET 0x000${i} token 2${i} ${request}`);
    }
    await bench.net.after(PATIENCE);
    for (const i of requests.keys()) await client.receives(`NON 5.04 _ token 2${i} ...`);
    assertLess(bench.net.clock.now(), PATIENCE + 1_000);
  });

  it("answers 5.02 for a host that nobody knows", async () => {
    await bench.forward(
      { allow: ["lost.example"] },
      undefined,
      { resolve: () => Promise.reject(new CoAPError("name-resolution", "Not known")) },
    );
    await isAnswered("Proxy-Uri:coap://lost.example/", '5.02 "Origin server can not be reached"');
  });

  it("honours No-Response itself and does not hand it on (7967-2-9)", async () => {
    await bench.forward();
    await client.sends(`NON PUT 0x0001 token 20 Proxy-Uri:${ORIGIN_URI}/a No-Response:2 "x"`);
    await origin.receives('CON PUT $m token $t /a Hop-Limit:16 "x"');
    await origin.sends("ACK 2.04 $m token $t");
    await client.hearsNothing(PATIENCE);
    await client.sends(`NON PUT 0x0002 token 20 Proxy-Uri:${ORIGIN_URI}/a No-Response:2 "x"`);
    await origin.receives('CON PUT $n token $u /a Hop-Limit:16 "x"');
    await origin.sends("ACK 4.03 $n token $u");
    await client.receives("NON 4.03 _ token 20");
  });

  it("hands Echo on in both directions (9175-2.2)", async () => {
    await bench.forward();
    await client.sends(`CON PUT 0x0001 token 20 Proxy-Uri:${ORIGIN_URI}/a "x"`);
    await origin.receives('CON PUT $m token $t /a Hop-Limit:16 "x"');
    await origin.sends("ACK 4.01 $m token $t Echo:0x0102");
    await client.receives("ACK 4.01 0x0001 token 20 Echo:0x0102");
    await client.sends(`CON PUT 0x0002 token 20 Proxy-Uri:${ORIGIN_URI}/a Echo:0x0102 "x"`);
    await origin.receives('CON PUT $n token $u /a Hop-Limit:16 Echo:0x0102 "x"');
    await origin.sends("ACK 2.04 $n token $u");
    await client.receives("ACK 2.04 0x0002 token 20");
  });

  it("keeps Echo values of its own server to itself (9175-2.3)", async () => {
    await bench.forward({}, undefined, { amplification: 3 });
    await client.sends(`CON GET 0x0001 token 20 Proxy-Uri:${ORIGIN_URI}/large`);
    await origin.receives("CON GET $m token $t /large Hop-Limit:16");
    await origin.sends("ACK 2.05 $m token $t", new Uint8Array(500));
    await client.receives("ACK 4.01 0x0001 token 20 Echo:_");
    const echo = toHex(findOption(bench.net.messages.at(-1)!.options, OptionNumber.Echo)!.value);
    await client.sends(`CON POST 0x0002 token 20 Proxy-Uri:${ORIGIN_URI}/a Echo:0x${echo}`);
    await origin.receives("CON POST $n token $u /a Hop-Limit:16");
    await origin.sends("ACK 2.04 $n token $u");
    await client.receives("ACK 2.04 0x0002 token 20");
  });

  it("puts bodies together and hands them on in blocks of its own", async () => {
    await bench.forward({ client: { blockSize: 64 } }, undefined, { blockSize: 32 });
    const body = Uint8Array.from({ length: 80 }, (_, i) => i);
    const uri = `Proxy-Uri:${ORIGIN_URI}/a`;
    for (let i = 0; i < 3; i++) {
      const part = body.subarray(32 * i, 32 * i + 32);
      const more = i < 2 ? 1 : 0;
      await client.sends(`CON PUT 0x000${i} token 2${i} ${uri} Block1:${i}/${more}/32`, part);
      if (i < 2) await client.receives(`ACK 2.31 0x000${i} token 2${i} Block1:${i}/1/32`);
    }
    await origin.receives(
      "CON PUT $m token $t /a Hop-Limit:16 Block1:0/1/64 Size1:80",
      body.subarray(0, 64),
    );
    await origin.sends("ACK 2.31 $m token $t Block1:0/1/64");
    await origin.receives("CON PUT $n token $u /a Hop-Limit:16 Block1:1/0/64", body.subarray(64));
    await origin.sends("ACK 2.04 $n token $u Block1:1/0/64", body.subarray(0, 40));
    await client.receives(
      "ACK 2.04 0x0002 token 22 ETag:_ Block2:0/1/32 Block1:2/0/32",
      body.subarray(0, 32),
    );
    await client.sends(`CON PUT 0x0003 token 23 ${uri} Block2:1/0/32`);
    await client.receives(
      "ACK 2.04 0x0003 token 23 ETag:_ Block2:1/0/32",
      body.subarray(32, 40),
    );
  });

  it("answers 5.02 where a body is larger than the limit", async () => {
    await bench.forward({ client: { limits: { bodyBytes: 100 } } });
    await client.sends(`CON GET 0x0001 token 20 Proxy-Uri:${ORIGIN_URI}/a`);
    await origin.receives("CON GET $m token $t /a Hop-Limit:16");
    await origin.sends("ACK 2.05 $m token $t Block2:0/1/128", new Uint8Array(128));
    await client.receives("ACK 5.02 0x0001 token 20 ...");
  });

  it("relays 4.13 with the size that the origin server would take", async () => {
    await bench.forward();
    await client.sends(`CON PUT 0x0001 token 20 Proxy-Uri:${ORIGIN_URI}/a "xx"`);
    await origin.receives('CON PUT $m token $t /a Hop-Limit:16 "xx"');
    await origin.sends("ACK 4.13 $m token $t Size1:1");
    await client.receives("ACK 4.13 0x0001 token 20 Size1:1");
  });

  it("keeps the answers of concurrent clients apart, whatever their tokens", async () => {
    await bench.forward({ client: { parameters: { nstart: 2 } } });
    const other = await bench.client("192.0.2.2");
    await client.sends(`CON GET 0x0001 token 20 Proxy-Uri:${ORIGIN_URI}/a`);
    await other.sends(`CON GET 0x0001 token 20 Proxy-Uri:${ORIGIN_URI}/b`);
    await origin.receives("CON GET $m token $t /a Hop-Limit:16");
    await origin.receives("CON GET $n token $u /b Hop-Limit:16");
    await origin.sends('ACK 2.05 $n token $u "b"');
    await origin.sends('ACK 2.05 $m token $t "a"');
    await client.receives('ACK 2.05 0x0001 token 20 "a"');
    await other.receives('ACK 2.05 0x0001 token 20 "b"');
  });

  it("drops options of one hop and known ones that no receiver would take", async () => {
    await bench.forward();
    const odd = "ETag:0x010203040506070809 Max-Age:9 Location-Path:a Request-Tag:0x01 Size1:9";
    await client.sends(`CON GET 0x0001 token 20 Proxy-Uri:${ORIGIN_URI}/a ${odd}`);
    await origin.receives("CON GET $m token $t /a Hop-Limit:16");
    await origin.sends(
      "ACK 2.05 $m token $t ETag Content-Format:0 Content-Format:1 Hop-Limit:9 Size1:9 Size2:9",
    );
    await client.receives("ACK 2.05 0x0001 token 20 Content-Format:0");
  });

  it("answers what is under way when the server is closed, and asks no more", async () => {
    const server = await bench.forward();
    await client.sends(`CON GET 0x0001 token 20 Proxy-Uri:${ORIGIN_URI}/a`);
    await origin.receives("CON GET $m token $t /a Hop-Limit:16");
    await bench.net.run(server.close());
    await origin.hearsNothing(PATIENCE);
  });

  it("takes part in a server's client, too", async () => {
    await bench.forward();
    const own = bench.net.client({ proxy: "coap://127.0.0.1" });
    const pending = own.get(`${ORIGIN_URI}/a`);
    await origin.receives("CON GET $m token $t /a Hop-Limit:16");
    await origin.sends('ACK 2.05 $m token $t "through"');
    assertEquals((await bench.net.run(pending)).text(), "through");
    const secure = await failure(bench.net.run(own.get("coaps://192.0.2.7/a")));
    assertEquals(secure.reason, "unsupported-scheme");
  });
});

describe("proxy", () => {
  it("throws where an option is out of its range", () => {
    for (const hopLimit of [0, 256, 1.5]) assertThrows(() => proxy({ hopLimit }), RangeError);
    for (const identifier of ["", "a b"]) assertThrows(() => proxy({ identifier }), RangeError);
    assertThrows(() => proxy({ timeout: 0 }), RangeError);
    for (const target of ["coap://a/?b", "a", "coap://a/#b"]) {
      assertEquals(assertThrows(() => proxy({ target }), CoAPError).reason, "invalid-uri");
    }
    for (const names of [["a/b"], ["a?b"], ["a:0"], [""]]) {
      assertEquals(assertThrows(() => proxy({ names }), CoAPError).reason, "invalid-uri");
    }
    assertThrows(() => proxy({ target: "coap://a", allow: ["a"] }), TypeError);
  });

  it("refuses requests of a server that does not know it", () => {
    const handler = proxy({ target: ORIGIN_URI });
    assertThrows(() => handler.handle({} as IncomingRequest), TypeError);
  });

  it("is no option of a server where it has a target", async () => {
    const options = { port: 0, proxy: proxy({ target: ORIGIN_URI }) };
    const error = await serve(options, () => CoAPResponse.text("")).catch(String);
    assertStringIncludes(String(error), "TypeError");
  });
});

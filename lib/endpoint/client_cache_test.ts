import { assertEquals, assertThrows } from "@std/assert";
import { afterEach, beforeEach, describe, it } from "node:test";
import { makeBody } from "../../testing/bodies.ts";
import { NetworkPeer } from "../../testing/network_peer.ts";
import { SERVER, Simulation } from "../../testing/simulated_endpoints.ts";
import { Code } from "../wire/code.ts";
import { encodeBlock } from "../wire/block_option.ts";
import { ContentFormat } from "../wire/content_format.ts";
import { makeOption, OptionNumber } from "../wire/option.ts";
import type { CoAPClient } from "./client.ts";
import type { CoAPRequestInit } from "./outgoing.ts";
import { CoAPResponse } from "./response.ts";

const URI = `${SERVER}/a`;

describe("CoAPClient with a cache", () => {
  let net: Simulation;
  let client: CoAPClient;
  beforeEach(() => {
    net = new Simulation();
    client = net.client({ cache: true });
  });
  afterEach(async () => {
    await net.rest();
    await net.close();
  });

  /** Serves a counter of the requests, as text, with a Max-Age, seconds. */
  async function count(maxAge?: number): Promise<void> {
    let requests = 0;
    await net.serve((request) =>
      request.method === "GET" || request.method === "FETCH"
        ? CoAPResponse.text(`${++requests}`, { maxAge, contentFormat: request.accept })
        : new CoAPResponse(undefined, { code: Code.Changed })
    );
  }

  async function get(uri = URI, init: CoAPRequestInit = {}): Promise<string> {
    return (await net.run(client.get(uri, init))).text();
  }

  it("is off unless asked for", async () => {
    await count();
    client = net.client();
    assertEquals([await get(), await get()], ["1", "2"]);
  });

  it("7252-5.6-3, -4: answers again what is fresh, with its Max-Age lowered", async () => {
    await count();
    assertEquals(await get(), "1");
    const stored = net.clock.now();
    await net.after(20_000);
    const response = await net.run(client.get(URI));
    assertEquals([response.text(), response.maxAge, response.ok], ["1", 40, true]);
    assertEquals([response.peer?.address, response.uri], ["127.0.0.1", URI]);
    await net.after(40_000 - (net.clock.now() - stored - 20_000) - 20);
    assertEquals(await get(), "1");
    await net.after(1000);
    assertEquals(await get(), "2");
    assertEquals(net.sent.length, 4);
  });

  it("7252-5.6-1: tells requests apart by method, options and payload, not by NoCacheKey", async () => {
    await count();
    const fetch = async (payload: string): Promise<string> =>
      (await net.run(client.fetch(URI, { payload }))).text();
    assertEquals(await get(URI, { accept: ContentFormat.Text }), "1");
    assertEquals(await get(URI, { accept: ContentFormat.JSON }), "2");
    assertEquals(await get(`${URI}?q`), "3");
    assertEquals(await get(`${URI}/`), "4");
    // 8132-2-5: nor does a FETCH satisfy a GET.
    assertEquals([await fetch("x"), await fetch("y")], ["5", "6"]);
    assertEquals(await get(), "7");
    const sent = net.sent.length;
    const sizes = { options: [[OptionNumber.Size2, 0], [OptionNumber.Size1, 9]] } as const;
    assertEquals(await get(URI, sizes), "7");
    assertEquals(await get("COAP://127.0.0.1:5683/%61", { confirmable: false }), "7");
    assertEquals(await get(URI, { accept: ContentFormat.Text }), "1");
    assertEquals([await fetch("x"), await fetch("y")], ["5", "6"]);
    assertEquals(net.sent.length, sent);
  });

  it("7252-6.1-3: keeps servers and host names apart", async () => {
    await net.serve((request) => CoAPResponse.text(request.uri));
    await net.serve((request) => CoAPResponse.text(request.uri), { port: 5700 });
    for (const uri of [URI, `${SERVER}:5700/a`, "coap://server/a"]) {
      assertEquals([await get(uri), await get(uri)], [uri, uri]);
    }
    assertEquals(net.sent.length, 6);
  });

  describe("7252-5.6-5: validates what is stale", () => {
    const etag = Uint8Array.of(7);
    let peer: NetworkPeer;
    beforeEach(async () => {
      peer = await new NetworkPeer(net).bind();
      const first = client.get(URI);
      await peer.receives("CON GET $m token $t /a");
      await peer.sends('ACK 2.05 $m token $t ETag:0x07 Max-Age:10 "body"');
      await first;
      await net.after(11_000);
    });

    it("7252-5.6-6: a 2.03 gives the body again, fresh for longer", async () => {
      const second = client.get(URI);
      await peer.receives("CON GET $n token $u ETag:0x07 /a");
      await peer.sends("ACK 2.03 $n token $u ETag:0x07 Max-Age:20");
      const response = await second;
      assertEquals([response.codeText, response.text(), response.maxAge], ["2.05", "body", 20]);
      await net.after(19_000);
      assertEquals(await get(), "body");
      await peer.hearsNothing(0);
    });

    it("7252-5.6-7: another response is the response", async () => {
      const second = client.get(URI);
      await peer.receives("CON GET $n token $u ETag:0x07 /a");
      await peer.sends('ACK 2.05 $n token $u ETag:0x08 "new"');
      assertEquals((await second).text(), "new");
      assertEquals(await get(), "new");
      await net.after(61_000);
      const third = client.get(URI);
      await peer.receives("CON GET $o token $v ETag:0x08 ETag:0x07 /a");
      await peer.sends("ACK 2.03 $o token $v ETag:0x07");
      assertEquals((await third).text(), "body");
    });

    it("whoever names the entity tag gets the 2.03", async () => {
      const second = client.get(URI, { etag: [etag, Uint8Array.of(9)] });
      await peer.receives("CON GET $n token $u ETag:0x07 ETag:0x09 /a");
      await peer.sends("ACK 2.03 $n token $u ETag:0x07 Max-Age:20");
      assertEquals((await second).codeText, "2.03");
      await net.after(500);
      const local = await client.get(URI, { etag });
      assertEquals([local.codeText, local.maxAge, local.etag], ["2.03", 19, etag]);
      assertEquals(local.payload.length, 0);
      assertEquals((await client.get(URI, { etag: Uint8Array.of(9) })).text(), "body");
      await peer.hearsNothing(0);
    });

    it("a 2.03 that names what nobody has is handed on", async () => {
      const second = client.get(URI);
      await peer.receives("CON GET $n token $u ETag:0x07 /a");
      await peer.sends("ACK 2.03 $n token $u ETag:0x55");
      assertEquals((await second).codeText, "2.03");
    });
  });

  describe("7252-5.6-8: asks again after", () => {
    const changes: [name: string, change: () => Promise<CoAPResponse>][] = [
      ["POST", () => client.post(URI, { payload: "x" })],
      ["PUT", () => client.put(URI, { payload: "x" })],
      ["DELETE", () => client.delete(URI)],
      ["PATCH (8132-3-4)", () => client.patch(URI, { payload: "x" })],
      ["iPATCH (8132-3-4)", () => client.ipatch(URI, { payload: "x" })],
      ["a method without a name", () => client.request(31, URI)],
      ["a streamed response", () => client.post(URI, { payload: "x", stream: true })],
      ["a PUT whose response is not wanted", () => client.put(URI, { noResponse: true })],
      ["one block of a PUT (7959-2.10-2)", () =>
        client.put(URI, {
          payload: makeBody(16),
          options: [[OptionNumber.Block1, encodeBlock(0, true, 0)]],
        })],
    ];
    for (const [name, change] of changes) {
      it(name, async () => {
        await count();
        assertEquals([await get(), await get(`${URI}?x`)], ["1", "2"]);
        await net.run(change());
        assertEquals([await get(), await get(`${URI}?x`)], ["3", "2"]);
      });
    }

    it("7252-5.10-15: a response whose location it is", async () => {
      let requests = 0;
      await net.serve((request) =>
        request.method === "GET"
          ? CoAPResponse.text(`${++requests}`)
          : new CoAPResponse(undefined, {
            code: Code.Created,
            locationPath: ["b"],
            locationQuery: ["q"],
          })
      );
      assertEquals([await get(`${SERVER}/b?q`), await get(`${SERVER}/b`)], ["1", "2"]);
      const created = await net.run(client.post(`${SERVER}/jobs`, { payload: "x" }));
      assertEquals(created.location, `${SERVER}/b?q`);
      assertEquals([await get(`${SERVER}/b?q`), await get(`${SERVER}/b`)], ["3", "2"]);
    });

    it("7252-5.10-15: a location behind a proxy", async () => {
      const peer = await new NetworkPeer(net).bind();
      for (const split of [false, true]) {
        const proxy = { uri: SERVER, split };
        const ask = async (name: string): Promise<void> => {
          const pending = client.get("coap://h.example/b", { proxy });
          await peer.receives(`CON GET $m${name} token $t${name} ...`);
          await peer.sends(`ACK 2.05 $m${name} token $t${name} "${name}"`);
          assertEquals((await pending).text(), name);
        };
        await ask(`1${split}`);
        assertEquals(await get("coap://h.example/b", { proxy }), `1${split}`);
        const created = client.post("coap://h.example/jobs", { proxy });
        await peer.receives(`CON POST $p${split} token $u${split} ...`);
        await peer.sends(`ACK 2.01 $p${split} token $u${split} Location-Path:b`);
        assertEquals((await created).location, "coap://h.example/b");
        await ask(`2${split}`);
      }
    });

    it("but nothing where it is relative to what is no URI", async () => {
      const peer = await new NetworkPeer(net).bind();
      const created = client.post(URI, { options: [[OptionNumber.ProxyUri, "no uri"]] });
      await peer.receives("CON POST $m token $t ...");
      await peer.sends("ACK 2.01 $m token $t Location-Path:b");
      assertEquals((await created).codeText, "2.01");
    });

    it("but not after a failure", async () => {
      let requests = 0;
      await net.serve((request) =>
        request.method === "GET"
          ? CoAPResponse.text(`${++requests}`)
          : CoAPResponse.error(Code.Forbidden)
      );
      await get();
      await net.run(client.put(URI, { payload: "x" }));
      assertEquals(await get(), "1");
    });

    it("and does not store what was asked for before the change", async () => {
      const peer = await new NetworkPeer(net).bind();
      client = net.client({ cache: true, parameters: { nstart: 2 } });
      const before = client.get(URI);
      await peer.receives("CON GET $m token $t /a");
      const change = client.put(URI, { payload: "x" });
      await peer.receives('CON PUT $n token $u /a Content-Format:0 "x"');
      await peer.sends("ACK 2.04 $n token $u");
      await change;
      await peer.sends('ACK 2.05 $m token $t "old"');
      assertEquals((await before).text(), "old");
      const after = client.get(URI);
      await peer.receives("CON GET $o token $v /a");
      await peer.sends('ACK 2.05 $o token $v "new"');
      assertEquals((await after).text(), "new");
    });
  });

  it("7252-5.6-9: answers errors again as well", async () => {
    let requests = 0;
    await net.serve(() => new CoAPResponse(`${++requests}`, { code: Code.NotFound, maxAge: 30 }));
    assertEquals([await get(), await get()], ["1", "1"]);
    await net.after(31_000);
    assertEquals(await get(), "2");
  });

  it("7252-5.6-2: does not store a success that it does not know", async () => {
    let requests = 0;
    await net.serve(() => new CoAPResponse(`${++requests}`, { code: 2 << 5 | 17 }));
    assertEquals([await get(), await get()], ["1", "2"]);
  });

  it("7641-2-6: stores the states of what is observed, without Observe", async () => {
    const peer = await new NetworkPeer(net).bind();
    const states = client.observe(URI, { etag: Uint8Array.of(1) });
    const first = states.next();
    await peer.receives("CON GET $m token $t ETag:0x01 Observe:0 /a");
    await peer.sends('ACK 2.05 $m token $t ETag:0x02 Observe:1 Max-Age:100 "0"');
    await first;
    const known = await client.get(URI);
    assertEquals([known.text(), known.options.map(({ number }) => number)], [
      "0",
      [OptionNumber.ETag, OptionNumber.MaxAge],
    ]);
    await peer.sends('NON 2.05 0x4001 token $t ETag:0x01 Observe:2 "1"');
    assertEquals(await get(), "1");
    await peer.sends('NON 2.05 0x4002 token $t Observe:1 "late"');
    assertEquals(await get(), "1");
    // 7641-3.2-2: a 2.03 selects what is stored.
    await peer.sends("NON 2.03 0x4003 token $t ETag:0x02 Observe:3");
    assertEquals(await get(), "0");
    const { value } = await net.run(states.next());
    assertEquals([value!.codeText, value!.text()], ["2.05", "0"]);
    await peer.sends("NON 2.03 0x4004 token $t ETag:0x01 Observe:4");
    assertEquals((await net.run(states.next())).value!.codeText, "2.03"); // it has said that it has it
    await states.return!();
    await peer.receives("CON GET $d token $t Observe:1 /a");
    await peer.sends("ACK 2.05 $d token $t");
  });

  it("asks the cache as the request says", async () => {
    const peer = await new NetworkPeer(net).bind();
    const ask = async (line: string, init: CoAPRequestInit, text: string): Promise<void> => {
      const pending = client.get(URI, init);
      await peer.receives(`CON GET $m${text} token $t${text} ${line}`);
      await peer.sends(`ACK 2.05 $m${text} token $t${text} ETag:0x07 "${text}"`);
      assertEquals((await pending).text(), text);
    };
    await ask("/a", { cache: "no-store" }, "1");
    await ask("/a", {}, "2");
    await ask("/a", { cache: "no-store" }, "3");
    assertEquals(await get(), "2");
    await ask("/a", { cache: "reload" }, "4");
    assertEquals(await get(), "4");
    await ask("ETag:0x07 /a", { cache: "no-cache" }, "5");
    assertEquals(await get(URI, { cache: "default" }), "5");
  });

  it("does not store streams, and streams what is stored", async () => {
    const body = makeBody(5000);
    let requests = 0;
    await net.serve(() => {
      requests++;
      return new CoAPResponse(body);
    });
    const streamed = await net.run(client.get(URI, { stream: true }));
    await net.run(new Response(streamed.body).arrayBuffer());
    const whole = await net.run(client.get(URI));
    assertEquals([requests, whole.payload.length], [2, 5000]);
    const stored = await net.run(client.get(URI, { stream: true }));
    assertEquals([requests, stored.payload], [2, body]);
    const upload = new Response("x").body!;
    const init = { payload: upload, contentFormat: 0 };
    await net.run(client.fetch(URI, init));
    await net.run(client.fetch(URI, { ...init, payload: new Response("y").body! }));
    assertEquals(requests, 4);
  });

  it("leaves single blocks alone", async () => {
    await net.serve(() => new CoAPResponse(makeBody(1000)));
    const options = [makeOption(OptionNumber.Block2, encodeBlock(5, false, 0))];
    await net.run(client.get(URI, { options }));
    await net.run(client.get(URI, { options }));
    assertEquals((await net.run(client.get(URI))).payload.length, 1000);
    assertEquals(net.sent.length, 6);
  });

  it("is bounded as its option says", async () => {
    client = net.client({ cache: { maxBytes: 1500 } });
    await net.serve((request) => new CoAPResponse(makeBody(500, request.path[0]!.charCodeAt(0))));
    for (const path of ["x", "y", "y", "x"]) await net.run(client.get(`${SERVER}/${path}`));
    assertEquals(net.sent.length, 6);
    assertThrows(() => net.client({ cache: { maxBytes: 0 } }), RangeError, '"0"');
  });
});

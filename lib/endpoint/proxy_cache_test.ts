import { assertEquals } from "@std/assert";
import { afterEach, beforeEach, describe, it } from "node:test";
import type { NetworkPeer } from "../../testing/network_peer.ts";
import { ORIGIN_URI, Proxied } from "../../testing/proxied.ts";
import type { ProxyOptions } from "./proxy_options.ts";

const URI = `Proxy-Uri:${ORIGIN_URI}/a`;

describe("the cache of a proxy", () => {
  let bench: Proxied;
  let client: NetworkPeer;
  let other: NetworkPeer;
  let origin: NetworkPeer;
  let asked = 0;
  beforeEach(async () => {
    bench = new Proxied();
    client = await bench.client();
    other = await bench.client("192.0.2.2");
    origin = await bench.origin();
  });
  afterEach(() => bench.rest());

  /** A request is answered from the cache. */
  async function hits(from: NetworkPeer, request: string, response: string): Promise<void> {
    const head = `0x${(++asked).toString(16).padStart(4, "0")} token 20`;
    await from.sends(`CON ${request.replace(/^\S+/, `$& ${head}`)}`);
    await from.receives(`ACK ${response.replace(/^\S+/, `$& ${head}`)}`);
    await origin.hearsNothing(0);
  }

  /** A request goes to the origin server as `forwarded`, whose answer comes back as `response`. */
  async function misses(
    from: NetworkPeer,
    request: string,
    forwarded: string,
    answer: string,
    response: string = answer,
  ): Promise<void> {
    const name = ++asked;
    const head = `0x${name.toString(16).padStart(4, "0")} token 20`;
    await from.sends(`CON ${request.replace(/^\S+/, `$& ${head}`)}`);
    await origin.receives(
      `CON ${forwarded.replace(/^\S+/, `$& $m${name} token $t${name}`)} Hop-Limit:16`,
    );
    await origin.sends(`ACK ${answer.replace(/^\S+/, `$& $m${name} token $t${name}`)}`);
    await from.receives(`ACK ${response.replace(/^\S+/, `$& ${head}`)}`);
  }

  it("serves all clients while a response is fresh, its Max-Age lowered (7252-5.7-3)", async () => {
    await bench.forward();
    await misses(client, `GET ${URI}`, "GET /a", '2.05 Max-Age:60 "x"');
    await bench.net.after(20_000);
    await hits(other, `GET ${URI}`, '2.05 Max-Age:39 "x"');
    await hits(client, `GET ${URI} Hop-Limit:1`, '2.05 Max-Age:39 "x"');
    await bench.net.after(41_000);
    await misses(other, `GET ${URI}`, "GET /a", '2.05 "y"');
    await bench.net.after(59_000);
    await hits(client, `GET ${URI}`, '2.05 Max-Age:0 "y"');
  });

  it("tells requests apart by their options, not by how they name the target", async () => {
    await bench.forward();
    await misses(client, `GET ${URI} Accept:0`, "GET /a Accept:0", '2.05 "text"');
    await misses(client, `GET ${URI} Accept:50`, "GET /a Accept:50", '2.05 "json"');
    await misses(client, `GET ${URI} 65000:0x01`, "GET /a 65000:0x01", '2.05 "x"', '2.05 "x"');
    await hits(
      client,
      "GET Uri-Host:192.0.2.7 Uri-Port:5683 /a Proxy-Scheme:coap Accept:0",
      '2.05 Max-Age:59 "text"',
    );
    await hits(client, `GET ${URI} Accept:50 Size2:0`, '2.05 Max-Age:59 "json"');
    await misses(client, `FETCH ${URI} "1"`, 'FETCH /a "1"', '2.05 "1"');
    await misses(client, `FETCH ${URI} "2"`, 'FETCH /a "2"', '2.05 "2"');
    await hits(client, `FETCH ${URI} "1"`, '2.05 Max-Age:59 "1"');
  });

  it("revalidates what is stale and gives the client a whole response (7252-5.6-5, 5.6-6)", async () => {
    await bench.forward();
    await misses(client, `GET ${URI}`, "GET /a", '2.05 ETag:0x01 Max-Age:5 "x"');
    await bench.net.after(10_000);
    await misses(
      other,
      `GET ${URI}`,
      "GET ETag:0x01 /a",
      "2.03 ETag:0x01 Max-Age:7",
      '2.05 ETag:0x01 Max-Age:7 "x"',
    );
    await hits(client, `GET ${URI}`, '2.05 ETag:0x01 Max-Age:6 "x"');
  });

  it("validates what clients hold against what it holds", async () => {
    await bench.forward();
    await misses(client, `GET ${URI}`, "GET /a", '2.05 ETag:0x01 Max-Age:60 "x"');
    await hits(client, `GET ${URI} ETag:0x09 ETag:0x01`, "2.03 ETag:0x01 Max-Age:59");
    await hits(client, `GET ${URI} ETag:0x09`, '2.05 ETag:0x01 Max-Age:59 "x"');
  });

  it("relays the 2.03 that a client has asked for", async () => {
    await bench.forward();
    await misses(client, `GET ${URI} ETag:0x01`, "GET ETag:0x01 /a", "2.03 ETag:0x01");
    await misses(client, `GET ${URI}`, "GET /a", '2.05 ETag:0x01 Max-Age:1 "x"');
    await bench.net.after(5_000);
    await misses(
      other,
      `GET ${URI} ETag:0x02`,
      "GET ETag:0x02 ETag:0x01 /a",
      "2.03 ETag:0x02",
    );
  });

  it("forgets what a request has changed (7252-5.6-8)", async () => {
    await bench.forward();
    await misses(client, `GET ${URI}`, "GET /a", '2.05 "old"');
    await misses(other, `PUT ${URI} "new"`, 'PUT /a "new"', "2.04");
    await misses(client, `GET ${URI}`, "GET /a", '2.05 "new"');
    await misses(other, `PUT ${URI} If-Match:0x01 "no"`, 'PUT If-Match:0x01 /a "no"', "4.12");
    await hits(client, `GET ${URI}`, '2.05 Max-Age:59 "new"');
  });

  it("stores errors, but no response with Echo and nothing for OSCORE", async () => {
    await bench.forward();
    await misses(client, `GET ${URI}`, "GET /a", "4.04 Max-Age:9");
    await hits(other, `GET ${URI}`, "4.04 Max-Age:8");
    const [b, c] = [`Proxy-Uri:${ORIGIN_URI}/b`, `Proxy-Uri:${ORIGIN_URI}/c`];
    await misses(client, `GET ${b}`, "GET /b", "4.01 Echo:0x01");
    await misses(other, `GET ${b}`, "GET /b", "4.01 Echo:0x02");
    await misses(client, `GET ${b} Echo:0x01`, "GET /b Echo:0x01", '2.05 "fresh"');
    await misses(client, `GET ${b} Echo:0x01`, "GET /b Echo:0x01", '2.05 "fresher"');
    await hits(other, `GET ${b}`, '2.05 Max-Age:59 "fresher"');
    await misses(client, `FETCH ${c} OSCORE:0x09 "?"`, 'FETCH OSCORE:0x09 /c "?"', '2.05 "!"');
    await misses(client, `FETCH ${c} OSCORE:0x09 "?"`, 'FETCH OSCORE:0x09 /c "?"', '2.05 "!"');
  });

  it("keeps from asking what the origin server has answered 4.29 (8516)", async () => {
    await bench.forward({ cache: false });
    await misses(client, `PUT ${URI} "1"`, 'PUT /a "1"', "4.29 Max-Age:30");
    await bench.net.after(10_000);
    await hits(other, `PUT ${URI} "2"`, "4.29 Max-Age:19");
    await bench.net.after(20_000);
    await misses(other, `PUT ${URI} "2"`, 'PUT /a "2"', "2.04");
  });

  it("is switched off by its option", async () => {
    await bench.forward({ cache: false });
    await misses(client, `GET ${URI}`, "GET /a", '2.05 ETag:0x01 "x"');
    await misses(client, `GET ${URI}`, "GET /a", '2.05 ETag:0x01 "x"');
  });
});

describe("hops", () => {
  let bench: Proxied;
  let client: NetworkPeer;
  let origin: NetworkPeer;
  beforeEach(async () => {
    bench = new Proxied();
    client = await bench.client();
    origin = await bench.origin();
  });
  afterEach(() => bench.rest());

  async function forward(options?: ProxyOptions): Promise<void> {
    await bench.forward(options);
  }

  it("are counted down, 16 by default (8768-3-3)", async () => {
    await forward();
    await client.sends(`CON GET 0x0001 token 20 ${URI} Hop-Limit:9`);
    await origin.receives("CON GET $m token $t /a Hop-Limit:8");
    await origin.sends("ACK 2.05 $m token $t Max-Age:0");
    await client.receives("ACK 2.05 0x0001 token 20 Max-Age:0");
    await client.sends(`CON GET 0x0002 token 20 ${URI}`);
    await origin.receives("CON GET $n token $u /a Hop-Limit:16");
    await origin.sends("ACK 2.05 $n token $u");
    await client.receives("ACK 2.05 0x0002 token 20");
  });

  it("are as many as the proxy is told where the request does not say", async () => {
    await forward({ hopLimit: 3 });
    await client.sends(`CON GET 0x0001 token 20 ${URI}`);
    await origin.receives("CON GET $m token $t /a Hop-Limit:3");
    await origin.sends("ACK 2.05 $m token $t");
    await client.receives("ACK 2.05 0x0001 token 20");
  });

  it("that are used up end a request: 5.08 with the proxy's name (8768-3-3)", async () => {
    await forward();
    for (const [i, observe] of ["", "Observe:0"].entries()) {
      await client.sends(`CON GET 0x000${i} token 20 ${URI} Hop-Limit:1 ${observe}`);
      await client.receives(`ACK 5.08 0x000${i} token 20 "p1"`);
    }
    await origin.hearsNothing(0);
    assertEquals(bench.errors.length, 2);
  });

  it("that are none are refused: 4.00 (8768-3-2)", async () => {
    await forward();
    for (const [i, value] of ["0x00", "0x0100"].entries()) {
      await client.sends(`CON GET 0x000${i} token 20 ${URI} Hop-Limit:${value}`);
      await client.receives(`ACK 4.00 0x000${i} token 20 ...`);
    }
  });

  it("bound what a stored 5.08 is good for (8768-3-4)", async () => {
    await forward();
    await client.sends(`CON GET 0x0001 token 20 ${URI} Hop-Limit:5`);
    await origin.receives("CON GET $m token $t /a Hop-Limit:4");
    await origin.sends('ACK 5.08 $m token $t Max-Age:30 "p3 p2"');
    await client.receives('ACK 5.08 0x0001 token 20 Max-Age:30 "p1 p3 p2"');
    for (const [i, hops] of [5, 2].entries()) {
      await client.sends(`CON GET 0x001${i} token 20 ${URI} Hop-Limit:${hops}`);
      await client.receives(`ACK 5.08 0x001${i} token 20 Max-Age:29 "p1 p3 p2"`);
    }
    await client.sends(`CON GET 0x0002 token 20 ${URI} Hop-Limit:6`);
    await origin.receives("CON GET $n token $u /a Hop-Limit:5");
    await origin.sends('ACK 2.05 $n token $u "x"');
    await client.receives('ACK 2.05 0x0002 token 20 "x"');
  });

  it("that went in a circle are not told further (8768-3-4)", async () => {
    await forward();
    await client.sends(`CON GET 0x0001 token 20 ${URI} Hop-Limit:5`);
    await origin.receives("CON GET $m token $t /a Hop-Limit:4");
    await origin.sends('ACK 5.08 $m token $t "p2 p1 p3"');
    await client.receives('ACK 5.08 0x0001 token 20 "p1"');
    assertEquals(bench.errors.length, 1);
  });

  it("leave a name out that does not fit any more", async () => {
    await forward();
    const names = `${"x".repeat(1022)} y`;
    await client.sends(`CON GET 0x0001 token 20 ${URI}`);
    await origin.receives("CON GET $m token $t /a Hop-Limit:16");
    await origin.sends(`ACK 5.08 $m token $t ${JSON.stringify(names)}`);
    await client.receives(`ACK 5.08 0x0001 token 20 ${JSON.stringify(names)}`);
  });
});

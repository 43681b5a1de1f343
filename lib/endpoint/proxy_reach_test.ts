import { assertEquals } from "@std/assert";
import { afterEach, beforeEach, describe, it } from "node:test";
import type { NetworkPeer } from "../../testing/network_peer.ts";
import { ORIGIN_URI, Proxied } from "../../testing/proxied.ts";
import { ownAddresses } from "../transport/interfaces.ts";
import type { IncomingRequest } from "./incoming_request.ts";
import { OwnNames } from "./proxy_names.ts";
import type { ProxyOptions } from "./proxy_options.ts";
import { CoAPResponse } from "./response.ts";

describe("what a forward proxy reaches", () => {
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

  it("is nothing by default: 5.05 (7252-5.7-7)", async () => {
    await bench.forward({ allow: undefined });
    await isAnswered(`Proxy-Uri:${ORIGIN_URI}/`, "5.05");
  });

  it("is not what the rule does not allow or is no CoAP over UDP: 5.05 (7252-5.7-7)", async () => {
    await bench.forward();
    for (
      const request of [
        "Proxy-Uri:coap://192.0.2.9/",
        `Proxy-Uri:${ORIGIN_URI}:5684/`,
        "Proxy-Uri:http://origin.example/",
        "Proxy-Uri:coaps://origin.example/",
        "Proxy-Uri:coap+tcp://origin.example/",
        "Proxy-Uri:origin.example",
        "Proxy-Uri:coap://origin.example/#a",
        "Proxy-Uri:coap://user@origin.example/",
        "Uri-Host:origin.example Proxy-Scheme:http",
        'Uri-Host:"a b" Uri-Port:5683 Proxy-Scheme:coap',
      ]
    ) await isAnswered(request, "5.05");
  });

  it("is local addresses only where the rule names their host", async () => {
    const seen: string[] = [];
    const options: ProxyOptions = {
      allow: ({ host }) => {
        seen.push(host);
        return Promise.resolve(true);
      },
    };
    const addresses: Record<string, string> = { "inside.example": "10.0.0.7" };
    const resolve = (name: string): Promise<string[]> => Promise.resolve([addresses[name]!]);
    await bench.forward(options, undefined, { resolve });
    for (
      const host of ["127.0.0.2", "10.0.0.7", "[::1]", "[fe80::1]", "inside.example", "224.0.1.187"]
    ) await isAnswered(`Proxy-Uri:coap://${host}/`, "5.05");
    assertEquals(seen[4], "inside.example");
  });

  it("is private addresses where it is told so, but never a group", async () => {
    const inside = await origin.bind("10.0.0.7");
    await bench.forward({ allow: () => true, allowLocal: true }, undefined, {
      resolve: () => Promise.resolve(["10.0.0.7"]),
    });
    await client.sends("CON GET 0x7000 token 20 Proxy-Uri:coap://inside.example/");
    await inside.receives("CON GET $m token $t Uri-Host:inside.example Hop-Limit:16");
    await inside.sends("ACK 2.05 $m token $t");
    await client.receives("ACK 2.05 0x7000 token 20");
    for (const group of ["224.0.1.187", "[ff02::fd]", "0.0.0.0", "255.255.255.255"]) {
      await isAnswered(`Proxy-Uri:coap://${group}/`, "5.05");
    }
  });

  it("is a private address under a name that a list holds", async () => {
    const inside = await origin.bind("10.0.0.7");
    await bench.forward({ allow: ["inside.example"] }, undefined, {
      resolve: () => Promise.resolve(["10.0.0.7"]),
    });
    await client.sends("CON GET 0x0001 token 20 Proxy-Uri:coap://inside.example/");
    await inside.receives("CON GET $m token $t Uri-Host:inside.example Hop-Limit:16");
    await inside.sends("ACK 2.05 $m token $t");
    await client.receives("ACK 2.05 0x0001 token 20");
  });

  it("is nothing for a request to a group", async () => {
    await bench.forward({}, undefined, { multicast: ["224.0.1.187"] });
    client.talksTo("224.0.1.187");
    await client.sends(`NON GET 0x0001 token 20 Proxy-Uri:${ORIGIN_URI}/a No-Response:0`);
    await client.receives("NON 5.05 _ token 20");
    await origin.hearsNothing(0);
  });

  it("depends on the request where the rule looks at it", async () => {
    await bench.forward({ allow: (_target, request) => request.method === "GET" });
    await client.sends(`CON PUT 0x0001 token 20 Proxy-Uri:${ORIGIN_URI}/a "x"`);
    await client.receives("ACK 5.05 0x0001 token 20");
  });

  it("is nothing where the rule throws: 5.00, the server is told", async () => {
    await bench.forward({
      allow: () => {
        throw new Error("broken");
      },
    });
    await isAnswered(`Proxy-Uri:${ORIGIN_URI}/`, "5.00");
    assertEquals(String(bench.errors), "Error: broken");
  });

  it("is not its own server: such a request is a local one (7252-5.7-8)", async () => {
    const seen: string[] = [];
    const handler = (request: IncomingRequest): CoAPResponse => {
      seen.push(`${request.pathname} ${request.query} ${request.options.length}`);
      return CoAPResponse.text("local");
    };
    await bench.forward({ names: ["gateway.example", "198.51.100.1:7000"] }, handler);
    for (
      const request of [
        "Proxy-Uri:coap://127.0.0.1/a?b",
        "Proxy-Uri:coap://gateway.example/a?b",
        "Proxy-Uri:coap://198.51.100.1:7000/a?b",
        "/a ?b Proxy-Scheme:coap",
        "Uri-Host:Gateway.example /a ?b Proxy-Scheme:coap",
      ]
    ) await isAnswered(request, '2.05 Content-Format:0 "local"');
    assertEquals(seen.map((line) => line.slice(0, 4)), ["/a b", "/a b", "/a b", "/a b", "/a b"]);
    await isAnswered("Proxy-Uri:coap://198.51.100.1/", "5.05");
  });

  it("is not its own server under a name that leads there (7252-5.7-8)", async () => {
    await bench.forward(
      { allow: ["local.example"] },
      ({ pathname }) => CoAPResponse.text(pathname),
    );
    await isAnswered("Proxy-Uri:coap://local.example/a", '2.05 Content-Format:0 "/a"');
    assertEquals(bench.net.messages.length, 2); // it asked nobody, itself neither
    await isAnswered(
      "Proxy-Uri:coap://local.example/a 65001:0x01",
      '4.02 "Option 65001 is not understood"',
    );
  });

  it("is not what local requests ask for: those are as without a proxy", async () => {
    await bench.forward();
    await isAnswered("/a", '2.05 Content-Format:0 "local"');
    await isAnswered("/a 65000:0x01", '2.05 Content-Format:0 "local"');
    const refusal = '4.02 "Option 65001 is not understood"';
    await isAnswered("/a 65001:0x01", refusal);
    await isAnswered("Proxy-Uri:coap://127.0.0.1/a 65001:0x01", refusal);
  });
});

describe("OwnNames", () => {
  it("know the addresses of the host where the server is bound to a wildcard", () => {
    const names = new OwnNames(["gateway.example", "[2001:db8::1]:7000"]);
    const wildcard = { address: "0.0.0.0", port: 6000 };
    for (
      const host of ["0.0.0.0", "127.0.0.1", "127.9.9.9", ...ownAddresses(), "gateway.example"]
    ) {
      assertEquals([host, names.include(host, 6000, wildcard)], [host, true]);
      assertEquals([host, names.include(host, 5683, wildcard)], [host, false]);
    }
    assertEquals(names.include("192.0.2.1", 6000, wildcard), false);
    assertEquals(names.include("2001:db8::1", 7000, wildcard), true);
    assertEquals(names.include("2001:db8::1", 6000, wildcard), false);
    const bound = { address: "192.0.2.1", port: 6000 };
    assertEquals(names.include("192.0.2.1", 6000, bound), true);
    assertEquals(names.include("127.0.0.1", 6000, bound), false);
  });
});

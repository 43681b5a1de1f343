import { assertEquals } from "@std/assert";
import { afterEach, beforeEach, describe, it } from "node:test";
import type { NetworkPeer } from "../../testing/network_peer.ts";
import { ORIGIN, ORIGIN_URI, Proxied } from "../../testing/proxied.ts";
import { proxy } from "./proxy.ts";
import { CoAPResponse } from "./response.ts";
import { Router } from "./router.ts";
import type { Server } from "./server.ts";

const URI = `Proxy-Uri:${ORIGIN_URI}/a`;

describe("observations through a proxy", () => {
  let bench: Proxied;
  let client: NetworkPeer;
  let other: NetworkPeer;
  let origin: NetworkPeer;
  beforeEach(async () => {
    bench = new Proxied();
    client = await bench.client();
    other = await bench.client("192.0.2.2");
    origin = await bench.origin();
  });
  afterEach(() => bench.rest());

  /** The client observes; the state is "0". */
  async function observed(state = 'Observe:70 "0"'): Promise<void> {
    await client.sends(`CON GET 0x0001 token 20 Observe:0 ${URI}`);
    await origin.receives("CON GET $m token $t Observe:0 /a Hop-Limit:16");
    await origin.sends(`ACK 2.05 $m token $t ${state}`);
    await client.receives(`ACK 2.05 0x0001 token 20 ${state.replace(/Observe:\d+/, "Observe:_")}`);
  }

  async function notifies(state: string, id = "0x7001"): Promise<void> {
    await origin.sends(`CON 2.05 ${id} token $t ${state}`);
    await origin.receives(`ACK Empty ${id}`);
  }

  /** The other client observes and gets the state at once. */
  async function joined(state: string): Promise<void> {
    await other.sends(`CON GET 0x0001 token 30 Observe:0 ${URI}`);
    await other.receives(`ACK 2.05 0x0001 token 30 Observe:_ ${state}`);
  }

  async function deregistered(): Promise<void> {
    await origin.receives("CON GET $d token $t Observe:1 /a Hop-Limit:16");
    await origin.sends("ACK 2.05 $d token $t");
  }

  it("are handed on, with numbers and message types of their own (7641-5-1)", async () => {
    await bench.forward();
    await observed();
    const first = observeOf(bench);
    await origin.sends('NON 2.05 0x7001 token $t Observe:71 Max-Age:30 "1"');
    await client.receives('CON 2.05 $n token 20 Observe:_ Max-Age:30 "1"');
    await client.sends("ACK Empty $n");
    assertEquals(observeOf(bench) - first, 1);
  });

  it("are one at the origin server, however many clients there are (7641-5-2)", async () => {
    await bench.forward();
    await observed();
    await joined('Max-Age:59 "0"');
    await origin.hearsNothing(0);
    await notifies('Observe:71 "1"');
    await client.receives('CON 2.05 $n token 20 Observe:_ "1"');
    await other.receives('CON 2.05 $o token 30 Observe:_ "1"');
    await client.sends("ACK Empty $n");
    await other.sends("ACK Empty $o");
    await client.sends("RST Empty $n");
    await client.sends(`CON GET 0x0002 token 20 Observe:1 ${URI}`);
    await client.receives('ACK 2.05 0x0002 token 20 Max-Age:59 "1"');
    await notifies('Observe:72 "2"', "0x7002");
    await other.receives('CON 2.05 $p token 30 Observe:_ "2"');
    await client.hearsNothing(0);
    await other.sends("RST Empty $p");
    await deregistered();
  });

  it("of clients that ask at the same time are one from the start", async () => {
    await bench.forward();
    await client.sends(`CON GET 0x0001 token 20 Observe:0 ${URI} ETag:0x09`);
    await other.sends(`NON GET 0x0001 token 30 Observe:0 ${URI} ETag:0x01`);
    await origin.receives("CON GET $m token $t Observe:0 /a Hop-Limit:16");
    await origin.sends('ACK 2.05 $m token $t Observe:70 ETag:0x01 "0"');
    await client.receives('ACK 2.05 0x0001 token 20 ETag:0x01 Observe:_ "0"');
    await other.receives("NON 2.03 _ token 30 ETag:0x01 Observe:_ Max-Age:60");
    await origin.hearsNothing(0);
  });

  it("differ by what the clients ask for", async () => {
    await bench.forward();
    await observed();
    await other.sends(`CON GET 0x0001 token 30 Observe:0 ${URI} Accept:50`);
    await origin.receives("CON GET $n token $u Observe:0 /a Hop-Limit:16 Accept:50");
    await origin.sends('ACK 2.05 $n token $u Observe:1 "{}"');
    await other.receives('ACK 2.05 0x0001 token 30 Observe:_ "{}"');
  });

  it("lower Max-Age by the age of the state (7641-5-1)", async () => {
    await bench.forward();
    await observed('Observe:70 Max-Age:40 "0"');
    await bench.net.after(10_000);
    await joined('Max-Age:29 "0"');
    await client.sends(`CON GET 0x0002 token 21 ${URI}`);
    await client.receives('ACK 2.05 0x0002 token 21 Max-Age:29 "0"');
  });

  it("of a state that has grown old begin with one that is asked for", async () => {
    await bench.forward();
    await observed('Observe:70 Max-Age:2 "0"');
    await bench.net.after(3_000);
    await other.sends(`CON GET 0x0001 token 30 Observe:0 ${URI}`);
    await origin.receives("CON GET $n token $u /a Hop-Limit:16");
    await origin.sends('ACK 2.05 $n token $u Max-Age:2 "1"');
    await other.receives('ACK 2.05 0x0001 token 30 Observe:_ Max-Age:2 "1"');
    await notifies('Observe:72 Max-Age:100 "2"', "0x7002");
    await client.receives('CON 2.05 $c token 20 Observe:_ Max-Age:100 "2"');
    await other.receives('CON 2.05 $o token 30 Observe:_ Max-Age:100 "2"');
    await client.sends("ACK Empty $c");
    await other.sends("ACK Empty $o");
  });

  it("begin with a newer state that came meanwhile", async () => {
    await bench.forward();
    await observed('Observe:70 Max-Age:2 "0"');
    await bench.net.after(3_000);
    await other.sends(`CON GET 0x0001 token 30 Observe:0 ${URI}`);
    await origin.receives("CON GET $n token $u /a Hop-Limit:16");
    await notifies('Observe:71 "2"');
    await origin.sends('ACK 2.05 $n token $u "1"');
    await other.receives('ACK 2.05 0x0001 token 30 Observe:_ Max-Age:59 "2"');
    await client.receives('CON 2.05 $c token 20 Observe:_ "2"');
    await client.sends("ACK Empty $c");
  });

  it("keep the cache up to date (RFC 7641 figure 7)", async () => {
    await bench.forward();
    await observed();
    await notifies('Observe:71 "1"');
    await client.receives('CON 2.05 $n token 20 Observe:_ "1"');
    await client.sends("ACK Empty $n");
    await other.sends(`CON GET 0x0002 token 31 ${URI}`);
    await other.receives('ACK 2.05 0x0002 token 31 Max-Age:59 "1"');
    await origin.hearsNothing(0);
  });

  it("give no late states on", async () => {
    await bench.forward();
    await observed();
    await notifies('Observe:72 "2"', "0x7001");
    await client.receives('CON 2.05 $n token 20 Observe:_ "2"');
    await client.sends("ACK Empty $n");
    await notifies('Observe:71 "1"', "0x7002");
    await client.hearsNothing(0);
  });

  it("are none where the origin server does not observe (7641-5-3)", async () => {
    await bench.forward({ cache: false });
    for (const n of [1, 2]) {
      await client.sends(`CON GET 0x000${n} token 20 Observe:0 ${URI}`);
      await origin.receives(`CON GET $m${n} token $t${n} Observe:0 /a Hop-Limit:16`);
      await origin.sends(`ACK 2.05 $m${n} token $t${n} "x"`);
      await client.receives(`ACK 2.05 0x000${n} token 20 "x"`);
    }
  });

  it("are none where it answers with an error", async () => {
    await bench.forward();
    await client.sends(`CON GET 0x0001 token 20 Observe:0 ${URI}`);
    await origin.receives("CON GET $m token $t Observe:0 /a Hop-Limit:16");
    await origin.sends("ACK 4.04 $m token $t");
    await client.receives("ACK 4.04 0x0001 token 20");
  });

  it("end with the error that ends them there", async () => {
    await bench.forward();
    await observed();
    await joined('Max-Age:59 "0"');
    await origin.sends("CON 4.04 0x7001 token $t");
    await origin.receives("ACK Empty 0x7001");
    await client.receives("CON 4.04 $n token 20");
    await other.receives("CON 4.04 $o token 30");
    await client.sends("ACK Empty $n");
    await other.sends("ACK Empty $o");
  });

  it("end with 5.03 where the origin server stops without one", async () => {
    await bench.forward();
    await observed();
    await origin.sends('CON 2.05 0x7001 token $t "last"');
    await origin.receives("ACK Empty 0x7001");
    await client.receives("CON 5.03 $n token 20 ...");
    await client.sends("ACK Empty $n");
    await client.sends(`CON GET 0x0002 token 21 ${URI}`);
    await client.receives('ACK 2.05 0x0002 token 21 Max-Age:59 "last"');
  });

  it("end with 5.04 where the origin server is gone", async () => {
    await bench.forward();
    await observed('Observe:70 Max-Age:1 "0"');
    await bench.net.after(600_000);
    await client.receives("CON 5.04 $n token 20 ...");
    await client.sends("ACK Empty $n");
  });

  it("fail as requests do", async () => {
    await bench.forward({ timeout: 1_000 });
    await client.sends(`NON GET 0x0001 token 20 Observe:0 ${URI}`);
    await origin.receives("CON GET $m token $t Observe:0 /a Hop-Limit:16");
    await bench.net.after(1_100);
    await client.receives("NON 5.04 _ token 20 ...");
  });

  it("that take too many hops are told so, and stored as such (8768-3-4)", async () => {
    await bench.forward();
    await client.sends(`CON GET 0x0001 token 20 Observe:0 ${URI} Hop-Limit:5`);
    await origin.receives("CON GET $m token $t Observe:0 /a Hop-Limit:4");
    await origin.sends('ACK 5.08 $m token $t "p2"');
    await client.receives('ACK 5.08 0x0001 token 20 "p1 p2"');
    await other.sends(`CON GET 0x0002 token 30 ${URI} Hop-Limit:5`);
    await other.receives('ACK 5.08 0x0002 token 30 Max-Age:59 "p1 p2"');
    await other.sends(`CON GET 0x0003 token 30 ${URI} Hop-Limit:6`);
    await origin.receives("CON GET $n token $u /a Hop-Limit:5");
    await origin.sends("ACK 4.04 $n token $u");
    await other.receives("ACK 4.04 0x0003 token 30");
  });

  it("end at the origin server with the last client that leaves", async () => {
    await bench.forward();
    await observed();
    await client.sends(`CON GET 0x0002 token 20 Observe:1 ${URI}`);
    await client.receives('ACK 2.05 0x0002 token 20 Max-Age:59 "0"');
    await deregistered();
  });

  it("end at the origin server where a limit lets nobody register", async () => {
    await bench.forward({}, undefined, { limits: { observers: 1 } });
    await observed();
    await other.sends(`CON GET 0x0001 token 30 Observe:0 Proxy-Uri:${ORIGIN_URI}/b`);
    await origin.receives("CON GET $n token $u Observe:0 /b Hop-Limit:16");
    await origin.sends('ACK 2.05 $n token $u Observe:1 "b"');
    await other.receives('ACK 2.05 0x0001 token 30 "b"');
    await origin.receives("CON GET $d token $u Observe:1 /b Hop-Limit:16");
    await origin.sends("ACK 2.05 $d token $u");
  });

  it("carry states that need several blocks", async () => {
    await bench.forward();
    const state = Uint8Array.from({ length: 48 }, (_, i) => i);
    await observed();
    await origin.sends(
      "CON 2.05 0x7001 token $t ETag:0x01 Observe:71 Block2:0/1/32",
      state.subarray(0, 32),
    );
    await origin.receives("ACK Empty 0x7001");
    await origin.receives("CON GET $n token $u /a Hop-Limit:16 Block2:1/0/32");
    await origin.sends("ACK 2.05 $n token $u ETag:0x01 Block2:1/0/32", state.subarray(32));
    await client.receives("CON 2.05 $c token 20 ETag:0x01 Observe:_", state);
    await client.sends("ACK Empty $c");
  });

  it("work with FETCH, by its payload", async () => {
    await bench.forward();
    const fetch = `Content-Format:0 ${URI}`;
    await client.sends(`CON FETCH 0x0001 token 20 Observe:0 ${fetch} "x"`);
    await origin.receives('CON FETCH $m token $t Observe:0 /a Content-Format:0 Hop-Limit:16 "x"');
    await origin.sends('ACK 2.05 $m token $t Observe:70 "0"');
    await client.receives('ACK 2.05 0x0001 token 20 Observe:_ "0"');
    await other.sends(`CON FETCH 0x0001 token 30 Observe:0 ${fetch} "y"`);
    await origin.receives('CON FETCH $n token $u Observe:0 /a Content-Format:0 Hop-Limit:16 "y"');
    await origin.sends('ACK 2.05 $n token $u Observe:70 "1"');
    await other.receives('ACK 2.05 0x0001 token 30 Observe:_ "1"');
  });

  it("end when the server is closed", async () => {
    const server = await bench.forward();
    await observed();
    await bench.net.run(server.close());
    await origin.receives("CON GET $d token $t Observe:1 /a Hop-Limit:16");
  });
});

/** The value of Observe in the last message of the proxy that has one. */
function observeOf({ net }: Proxied): number {
  const options = net.sent
    .map(({ from }, i) => from.address === "127.0.0.1" ? net.messages[i]!.options : [])
    .flat()
    .filter(({ number, value }) => number === 6 && value.length > 0);
  return options.at(-1)!.value.reduce((value, byte) => value * 256 + byte, 0);
}

describe("observations through endpoints of this library", () => {
  let bench: Proxied;
  let origin: Server;
  let state: number;
  beforeEach(async () => {
    bench = new Proxied();
    state = 0;
    const router = new Router()
      .get("/a", () => CoAPResponse.text(`${state}`), { observable: true });
    origin = await bench.net.serve(router, { hostname: ORIGIN });
  });
  afterEach(() => bench.rest());

  for (const kind of ["forward", "reverse"] as const) {
    it(`reach every client, through a ${kind} proxy`, async () => {
      const { net } = bench;
      await (kind === "forward" ? bench.forward() : bench.reverse());
      const options = kind === "forward" ? { proxy: "coap://127.0.0.1" } : {};
      const uri = kind === "forward" ? `${ORIGIN_URI}/a` : "coap://127.0.0.1/a";
      const all = [net.client(options), net.client(options), net.client(options)]
        .map((client) => client.observe(uri));
      const texts = (): Promise<unknown> =>
        net.run(Promise.all(all.map(async (states) => (await states.next()).value!.text())));
      assertEquals(await texts(), ["0", "0", "0"]);
      for (state = 1; state < 4; state++) {
        assertEquals(await net.run(origin.notify("/a")), 1);
        assertEquals(await texts(), [`${state}`, `${state}`, `${state}`]);
      }
      for (const states of all) await states.return!();
      await net.after(1000);
      assertEquals(await net.run(origin.notify("/a")), 0);
    });
  }

  it("of the proxy's own server reach it by Proxy-Uri, too", async () => {
    const { net } = bench;
    const router = new Router()
      .get("/b", () => CoAPResponse.text(`own ${state}`), { observable: true });
    const own = await net.serve(router, { proxy: proxy({ allow: [ORIGIN] }) });
    const states = net.client({ proxy: "coap://127.0.0.1" }).observe("coap://127.0.0.1/b");
    assertEquals((await net.run(states.next())).value!.text(), "own 0");
    state = 1;
    assertEquals(await net.run(own.notify("/b")), 1);
    assertEquals((await net.run(states.next())).value!.text(), "own 1");
    await states.return!();
  });
});

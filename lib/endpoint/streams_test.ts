import { describe, it } from "node:test";
import { assert, assertEquals, assertMatch } from "@std/assert";
import { failure } from "../../testing/simulated_endpoints.ts";
import { RawConnection, STREAM_SERVER, StreamSimulation } from "../../testing/simulated_streams.ts";
import { SeededRandom } from "../../testing/seeded_random.ts";
import { SimulatedNetwork } from "../transport/memory.ts";
import { Code } from "../wire/code.ts";
import type { CoAPClient } from "./client.ts";
import { CoAPResponse } from "./response.ts";
import { proxy } from "./proxy.ts";
import { Router } from "./router.ts";
import { serve } from "./server.ts";

function bytes(length: number, start = 0): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => (i + start) % 251);
}

/** The codes of all that has arrived. */
function codesOf(peer: RawConnection): number[] {
  const codes: number[] = [];
  for (let message = peer.read(); message !== undefined; message = peer.read()) {
    codes.push(message.code);
  }
  return codes;
}

type Closing = AsyncIterableIterator<unknown>;

describe("connections of a client", () => {
  it("one for each peer, released when it was idle for long", async () => {
    const sim = new StreamSimulation();
    await sim.serve(({ pathname }) => CoAPResponse.text(pathname));
    const client = sim.client();
    const paths = ["/a", "/b", "/c"];
    const responses = await sim.run(
      Promise.all(paths.map((path) => client.get(STREAM_SERVER + path))),
    );
    assertEquals(responses.map((response) => response.text()), paths);
    assertEquals(sim.network.open, 2);
    await sim.after(299_000);
    assertEquals(sim.network.open, 2);
    await sim.after(2_000);
    assertEquals(sim.network.open, 0);
    assertEquals((await sim.run(client.get(`${STREAM_SERVER}/d`))).text(), "/d");
    await sim.rest();
    await sim.close();
  });

  it("nobody there, nobody who speaks CoAP", async () => {
    const sim = new StreamSimulation();
    const client = sim.client();
    assertEquals((await sim.run(failure(client.get(STREAM_SERVER)))).reason, "refused");
    const { network } = sim;
    await network.listen({}, () => ({ data: () => {}, closed: () => {} }));
    const error = await sim.run(failure(client.get(STREAM_SERVER)));
    assertEquals([error.reason, sim.clock.now()], ["timeout", 10_010]);
    await sim.rest();
    await sim.close();
  });

  it("a request waits for a connection no longer than for its response", async () => {
    const sim = new StreamSimulation({ latency: 3000 });
    await sim.serve(() => CoAPResponse.text(""));
    const client = sim.client();
    const error = await sim.run(failure(client.get(STREAM_SERVER, { timeout: 500 })));
    assertEquals([error.reason, sim.clock.now()], ["timeout", 500]);
    await sim.rest();
    await sim.close();
  });

  it("are released when it is closed, those of a server as well (8323-5-7)", async () => {
    const sim = new StreamSimulation();
    const server = await sim.serve(() => CoAPResponse.text(""));
    const own = await sim.raw();
    own.send({ code: Code.CSM });
    const silent = await sim.raw(); // who has sent no CSM is owed no Release
    await sim.after(100);
    await server.close();
    await sim.after(100);
    assertEquals([codesOf(own), own.isClosed], [[Code.CSM, Code.Release], true]);
    assertEquals([codesOf(silent), silent.isClosed], [[Code.CSM], true]);
    let peer: RawConnection | undefined;
    await sim.network.listen({}, (socket) => {
      peer = new RawConnection();
      peer.socket = socket;
      peer.send({ code: Code.CSM });
      return peer;
    });
    const client = sim.client();
    const pending = failure(client.get(STREAM_SERVER));
    await sim.after(100);
    await client.close();
    assertEquals((await pending).reason, "closed");
    await sim.after(100);
    assertEquals([codesOf(peer!), peer!.isClosed], [[Code.CSM, Code.GET, Code.Release], true]);
    await sim.close();
  });

  it("a Release with Hold-Off keeps the client away for so long", async () => {
    const sim = new StreamSimulation();
    const peers: RawConnection[] = [];
    await sim.network.listen({}, (socket) => {
      const peer = new RawConnection();
      peer.socket = socket;
      peers.push(peer);
      peer.send({ code: Code.CSM });
      return peer;
    });
    const client = sim.client();
    const first = client.get(STREAM_SERVER);
    await sim.after(100);
    const [peer] = peers;
    peer!.read();
    const { token } = peer!.read()!;
    const options = [
      { number: 2, value: new TextEncoder().encode("elsewhere.example") },
      { number: 4, value: Uint8Array.of(20) },
    ];
    peer!.send({ code: Code.Release, options });
    await sim.after(100);
    assertEquals(peer!.isClosed, false); // the response is still to come
    const held = await sim.run(failure(client.get(STREAM_SERVER)));
    assertEquals(held.reason, "refused");
    assertMatch(held.message, /wants no connection for another \d+ ms/);
    peer!.send({ code: Code.Content, token });
    assertEquals((await sim.run(first)).code, Code.Content);
    await sim.after(100);
    assertEquals(peer!.isClosed, true);
    await sim.after(20_000);
    const again = client.get(STREAM_SERVER, { timeout: 50 });
    assertEquals((await sim.run(failure(again))).reason, "timeout");
    assertEquals(peers.length, 2);
    await sim.rest();
    await sim.close();
  });

  it("requests under way fail when it is cut, the next one opens another", async () => {
    const sim = new StreamSimulation();
    const aborted: unknown[] = [];
    await sim.serve(({ pathname, signal }) => {
      if (pathname === "/fast") return CoAPResponse.text("fast");
      return new Promise((resolve) =>
        signal.addEventListener("abort", () => {
          aborted.push(signal.reason);
          resolve(CoAPResponse.text("late"));
        })
      );
    });
    const client = sim.client();
    const slow = failure(client.get(`${STREAM_SERVER}/slow`));
    await sim.after(100);
    sim.network.cut();
    const { reason, message } = await sim.run(slow);
    assertEquals(reason, "transport");
    assertMatch(message, /slow": Connection is lost: ECONNRESET/);
    assertEquals(aborted.length, 1, "The handler is told");
    assertEquals((await sim.run(client.get(`${STREAM_SERVER}/fast`))).text(), "fast");
    await sim.rest();
    await sim.close();
  });

  it("a request that finds its connection closed is sent once more, where that does no harm", async () => {
    const sim = new StreamSimulation();
    const methods: string[] = [];
    const handler = ({ method }: { method: string }): CoAPResponse => {
      methods.push(method);
      return CoAPResponse.text(method);
    };
    const client = sim.client();
    for (const method of ["GET", "PUT", "DELETE", "POST"]) {
      const first = await sim.serve(handler);
      await sim.run(client.get(STREAM_SERVER));
      await first.close();
      const second = await sim.serve(handler);
      const response = client.request(method, STREAM_SERVER);
      if (method === "POST") assertEquals((await sim.run(failure(response))).reason, "transport");
      else assertEquals((await sim.run(response)).text(), method);
      await second.close();
      await sim.after(100);
    }
    assertEquals(methods, ["GET", "GET", "GET", "PUT", "GET", "DELETE", "GET"]);
    // Once: a server that closes every connection does not get it for ever.
    const peers: RawConnection[] = [];
    await sim.network.listen({}, (socket) => {
      const peer = new RawConnection();
      peer.socket = socket;
      peers.push(peer);
      peer.send({ code: Code.CSM });
      return peer;
    });
    const answered = client.get(STREAM_SERVER);
    await sim.after(100);
    peers[0]!.read();
    peers[0]!.send({ code: Code.Content, token: peers[0]!.read()!.token });
    await sim.run(answered);
    const lost = failure(client.get(STREAM_SERVER));
    await sim.after(100);
    sim.network.cut();
    await sim.after(100);
    assertEquals(peers.length, 2);
    sim.network.cut();
    assertEquals((await sim.run(lost)).reason, "transport");
    await sim.rest();
    await sim.close();
  });

  it("bodies of any size arrive whatever the portions, from 40 seeds", async () => {
    for (let seed = 1; seed <= 40; seed++) {
      const random = new SeededRandom(seed);
      const sim = new StreamSimulation({
        latency: [1, 50],
        portion: [1, random.integer(1, 5000)],
        window: random.integer(100, 70_000),
      }, seed);
      // Each side takes what it says: blocks of 16 bytes or BERT or all at once.
      const limits = () => ({ messageBytes: random.integer(80, 4000) });
      const own = random.float() < 0.5 ? limits() : undefined;
      await sim.serve(({ payload }) => new CoAPResponse(payload, { code: Code.Content }), {
        limits: random.float() < 0.5 ? limits() : undefined,
      });
      const client = sim.client({ limits: own });
      const bodies = Array.from({ length: 5 }, (_, i) => bytes(random.integer(0, 12_000), i));
      const responses = await sim.run(Promise.all(
        bodies.map((payload) => client.post(STREAM_SERVER, { payload })),
      ));
      for (const [i, { payload }] of responses.entries()) {
        assertEquals(payload, bodies[i], `Body ${i} of seed ${seed}`);
      }
      await sim.rest();
      await sim.close();
    }
  });
});

describe("names of hosts", () => {
  it("are resolved as for UDP; what is said to be found is tried in its order", async () => {
    const sim = new StreamSimulation();
    await sim.serve(({ options }) => CoAPResponse.text(`${options.length}`));
    const client = sim.client({
      resolve: (name) => Promise.resolve(name === "server" ? ["192.0.2.9", "127.0.0.1"] : []),
    });
    const response = await sim.run(client.get("coap+tcp://server/"));
    assertEquals(response.text(), "1"); // Uri-Host
    const unknown = await sim.run(failure(client.get("coap+tcp://other/")));
    assertEquals(unknown.reason, "name-resolution");
    await sim.rest();
    await sim.close();
  });
});

describe("observing over connections", () => {
  it("every state in its order; the end of the connection is that of the observation", async () => {
    const sim = new StreamSimulation();
    let state = 0;
    const ended: string[] = [];
    const router = new Router().get("/s", () => CoAPResponse.text(`${state}`), {
      observable: true,
    });
    const server = await sim.serve(router, { onUnobserve: (_, reason) => ended.push(reason) });
    const client = sim.client();
    const states = client.observe(`${STREAM_SERVER}/s`);
    assertEquals((await sim.run(states.next())).value!.text(), "0");
    for (state = 1; state < 4; state++) {
      await server.notify("/s");
      assertEquals((await sim.run(states.next())).value!.text(), `${state}`);
    }
    await states.return!();
    await sim.after(100);
    assertEquals(ended, ["deregistered"]);
    await sim.rest();
    await sim.close();
  });

  it("goes on over another connection when the first is lost", async () => {
    const sim = new StreamSimulation();
    let state = 0;
    const ended: string[] = [];
    const router = new Router().get("/s", () => CoAPResponse.text(`${state}`), {
      observable: true,
    });
    const options = { onUnobserve: (_: unknown, reason: string) => void ended.push(reason) };
    let server = await sim.serve(router, options);
    const client = sim.client();
    const states = client.observe(`${STREAM_SERVER}/s`);
    assertEquals((await sim.run(states.next())).value!.text(), "0");
    sim.network.cut();
    state = 1;
    assertEquals((await sim.run(states.next())).value!.text(), "1");
    assertEquals(ended, ["disconnected"]);
    // A server that is away for a while.
    await server.close();
    await sim.after(20_000);
    server = await sim.serve(router, options);
    state = 2;
    assertEquals((await sim.run(states.next())).value!.text(), "2");
    assertEquals(await server.notify("/s"), 1);
    await sim.run(states.next());
    // And one that does not come back.
    await server.close();
    const error = await sim.run(failure(states.next()));
    assertEquals(error.reason, "refused");
    assertMatch(error.message, /observed: Nobody listens/);
    await sim.rest();
    await sim.close();
  });

  it("begins over another connection when the one that was there turns out to be closed", async () => {
    const sim = new StreamSimulation();
    const router = new Router().get("/s", () => CoAPResponse.text("0"), { observable: true });
    const client = sim.client();
    const first = await sim.serve(router);
    await sim.run(client.get(`${STREAM_SERVER}/s`));
    await first.close();
    const second = await sim.serve(router);
    const states = client.observe(`${STREAM_SERVER}/s`);
    assertEquals((await sim.run(states.next())).value!.text(), "0");
    assertEquals(await second.notify("/s", CoAPResponse.text("1")), 1);
    assertEquals((await sim.run(states.next())).value!.text(), "1");
    await states.return!();
    // Once: a connection of its own that is lost before the first state is the end.
    await second.close();
    await sim.after(100);
    await sim.network.listen({}, (socket) => {
      const peer = new RawConnection();
      peer.socket = socket;
      peer.send({ code: Code.CSM });
      return peer;
    });
    const lost = failure(client.observe(`${STREAM_SERVER}/s`).next());
    await sim.after(100);
    sim.network.cut();
    assertEquals((await sim.run(lost)).reason, "transport");
    await sim.rest();
    await sim.close();
  });

  it("is given up with the client, or by its reader, also while there is no connection", async () => {
    for (
      const giveUp of [(c: CoAPClient) => c.close(), (_: CoAPClient, s: Closing) => s.return!()]
    ) {
      const sim = new StreamSimulation();
      const router = new Router().get("/s", () => CoAPResponse.text(""), { observable: true });
      const server = await sim.serve(router);
      const client = sim.client();
      const states = client.observe(`${STREAM_SERVER}/s`);
      await sim.run(states.next());
      await server.close();
      await sim.after(5000);
      await giveUp(client, states);
      let tried = 0;
      await sim.network.listen({}, () => {
        tried++;
        return { data: () => {}, closed: () => {} };
      });
      await sim.after(500_000);
      assertEquals(tried, 0);
      await sim.close();
    }
  });
});

describe("a server's client", () => {
  it("asks through the connections that peers have opened", async () => {
    const sim = new StreamSimulation();
    let uri = "";
    const server = await sim.serve(({ peer }) => {
      uri = `${peer.scheme}://${peer.address}:${peer.port}/`;
      return CoAPResponse.text("");
    });
    const client = sim.client();
    await sim.run(client.get(STREAM_SERVER));
    // A client that does not serve says so (8323-3.3-5).
    const response = await sim.run(server.client.get(uri));
    assertEquals(response.code, Code.NotImplemented);
    assertEquals(sim.network.open, 2);
    assert(server.stats().counters.requestsSent > 0);
    await sim.rest();
    await sim.close();
  });

  it("opens connections on which its server answers", async () => {
    const sim = new StreamSimulation();
    let uri = "";
    const hub = await sim.serve(({ peer }) => {
      uri = `${peer.scheme}://${peer.address}:${peer.port}/`;
      return CoAPResponse.text("hub");
    });
    // A device behind a NAT: it listens, but nobody can reach it.
    const device = await sim.serve(() => CoAPResponse.text("device"), { tcp: { port: 0 } });
    assertEquals((await sim.run(device.client.get(STREAM_SERVER))).text(), "hub");
    assertEquals((await sim.run(hub.client.get(uri))).text(), "device");
    assertEquals(sim.network.open, 2);
    await sim.rest();
    await sim.close();
  });
});

describe("a proxy between connections and datagrams: RFC 8323 section 4, figure 7", () => {
  it("asks and observes over UDP for clients over TCP", async () => {
    const sim = new StreamSimulation();
    const { clock } = sim;
    const datagrams = new SimulatedNetwork({ clock });
    let state = 0;
    const seen: boolean[] = [];
    const router = new Router().get("/s", ({ confirmable }) => {
      seen.push(confirmable);
      return CoAPResponse.text(`${state}`);
    }, { observable: true });
    const origin = await serve({ transport: datagrams.bind, clock, hostname: "127.0.0.2" }, router);
    const gateway = await sim.serve(proxy({ allow: ["127.0.0.2"] }), {
      udp: true,
      transport: datagrams.bind,
      hostname: "127.0.0.1",
    });
    const client = sim.client({ proxy: STREAM_SERVER });
    const response = await sim.run(client.get("coap://127.0.0.2/s"));
    assertEquals([response.codeText, response.text()], ["2.05", "0"]);
    const states = client.observe("coap://127.0.0.2/s");
    assertEquals((await sim.run(states.next())).value!.text(), "0");
    state = 1;
    await origin.notify("/s");
    assertEquals((await sim.run(states.next())).value!.text(), "1");
    assertEquals(seen[0], true, "What came reliably goes on so");
    await states.return!();
    await sim.after(100);
    await gateway.close();
    await origin.close();
    await sim.close();
  });
});

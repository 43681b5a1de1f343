import { assert, assertEquals } from "@std/assert";
import { afterEach, beforeEach, describe, it } from "node:test";
import { failure, SERVER, Simulation } from "../../testing/simulated_endpoints.ts";
import { proxy } from "./proxy.ts";
import { CoAPResponse } from "./response.ts";
import { Router } from "./router.ts";
import type { EndpointStats } from "./stats.ts";

/** The counters that are not 0, those of bytes apart. */
function counted({ counters }: EndpointStats): Record<string, number> {
  const entries = Object.entries(counters).filter(([name, count]) =>
    count > 0 && !name.endsWith("Bytes")
  );
  return Object.fromEntries(entries);
}

describe("stats", () => {
  let simulation: Simulation;
  beforeEach(() => simulation = new Simulation());
  afterEach(() => simulation.close());

  it("count messages by type, requests and bytes, alike on both sides", async () => {
    const server = await simulation.serve(() => CoAPResponse.text("hello"));
    const client = simulation.client();
    assertEquals(counted(client.stats()), {});
    await simulation.run(client.get(SERVER));
    await simulation.run(client.get(SERVER, { confirmable: false }));
    await simulation.run(client.ping(SERVER));
    assertEquals(counted(server.stats()), {
      receivedConfirmable: 2,
      receivedNonConfirmable: 1,
      receivedPing: 1,
      requestsServed: 2,
      sentAcknowledgement: 1,
      sentNonConfirmable: 1,
      sentReset: 1,
    });
    assertEquals(counted(client.stats()), {
      receivedAcknowledgement: 1,
      receivedNonConfirmable: 1,
      receivedReset: 1,
      requestsSent: 2,
      sentConfirmable: 2,
      sentNonConfirmable: 1,
    });
    const bytes = simulation.sent.reduce((sum, { bytes }) => sum + bytes.length, 0);
    const { counters } = server.stats();
    assertEquals(counters.receivedBytes + counters.sentBytes, bytes);
    assertEquals(counters.receivedBytes, client.stats().counters.sentBytes);
    await simulation.rest();
  });

  it("count what is sent again, received again and given up", async () => {
    simulation.network.conditions.drop = "2"; // the first acknowledgement
    const server = await simulation.serve(() => CoAPResponse.text("hello"));
    const client = simulation.client();
    await simulation.run(client.get(SERVER));
    assertEquals(client.stats().counters.retransmissions, 1);
    assertEquals(server.stats().counters.duplicates, 1);
    await simulation.run(failure(client.get(`${SERVER}:9`)));
    assertEquals(client.stats().counters.retransmissions, 5);
    assertEquals(client.stats().counters.gaveUp, 1);
  });

  it("count what is refused, by reason", async () => {
    const limits = { handling: 1 };
    const held = Promise.withResolvers<CoAPResponse>();
    const server = await simulation.serve(() => held.promise, { limits, requestRate: 3 });
    const client = simulation.client({ parameters: { nstart: 10 } });
    const all = Promise.all([1, 2, 3, 4].map((n) => client.get(`${SERVER}/${n}`)));
    await simulation.after(100);
    held.resolve(CoAPResponse.text("at last"));
    const codes = (await simulation.run(all)).map(({ codeText }) => codeText);
    assertEquals(codes, ["2.05", "5.03", "5.03", "4.29"]);
    const transport = await simulation.network.bind({ port: 8 }, {
      receive: () => {},
      turn: () => {},
      error: () => {},
    });
    for (const bytes of [[0x40], [0x41, 1, 0, 1], [0x60, 0, 0, 1], [0x50, 0x45, 0, 1]]) {
      transport.send(transport.flow("127.0.0.1", 5683), Uint8Array.from(bytes));
    }
    transport.flush();
    await simulation.after(100);
    const { rejectedLimit, rejectedRate, rejectedMalformed, rejectedUnexpected } =
      server.stats().counters;
    assertEquals([rejectedLimit, rejectedRate], [2, 1]);
    assertEquals([rejectedMalformed, rejectedUnexpected], [2, 2]);
    await transport.close();
  });

  it("tell what there is at the moment, and nothing at rest", async () => {
    const router = new Router().get("/o", () => CoAPResponse.text("state"), { observable: true });
    const server = await simulation.serve(router);
    const client = simulation.client();
    const states = client.observe(`${SERVER}/o`);
    await simulation.run(states.next());
    const before = server.stats();
    assertEquals([before.gauges.observers, before.gauges.peers], [1, 1]);
    assertEquals(client.stats().gauges.exchanges, 1);
    await states.return!();
    await simulation.after(100);
    assertEquals(server.stats().gauges.observers, 0);
    assertEquals(before.gauges.observers, 1, "It is a copy");
    await simulation.rest();
    for (const { gauges } of [server.stats(), client.stats()]) {
      assert(Object.values(gauges).every((size) => size === 0));
    }
  });

  it("of a client are those of all its sockets; they stay when it is closed", async () => {
    await simulation.serve(() => CoAPResponse.text("4"));
    await simulation.serve(() => CoAPResponse.text("6"), { family: 6 });
    const client = simulation.client();
    await simulation.run(client.get(SERVER));
    await simulation.run(client.get("coap://[::1]"));
    assertEquals(client.stats().counters.requestsSent, 2);
    assertEquals(client.stats().gauges.peers, 2);
    await client.close();
    assertEquals(client.stats().counters.requestsSent, 2);
  });

  it("of a server include its proxies' sockets, those of its client are its socket's", async () => {
    const hostname = "192.0.2.7";
    await simulation.serve(() => CoAPResponse.text("origin"), { hostname });
    const server = await simulation.serve(() => CoAPResponse.text("own"), {
      proxy: proxy({ allow: [hostname] }),
    });
    const client = simulation.client({ proxy: SERVER });
    const response = await simulation.run(client.get(`coap://${hostname}/x`));
    assertEquals(response.text(), "origin");
    assertEquals(counted(server.stats()), {
      receivedAcknowledgement: 1,
      receivedConfirmable: 1,
      requestsSent: 1,
      requestsServed: 1,
      sentAcknowledgement: 1,
      sentConfirmable: 1,
    });
    assertEquals(server.client.stats().counters.requestsServed, 1);
    assertEquals(server.client.stats().counters.requestsSent, 0);
  });
});

/** The message flows of RFC 7252 appendix A, each side against a scripted other side. */

import { assertEquals, assertLessOrEqual } from "@std/assert";
import { afterEach, describe, it } from "node:test";
import { Lockstep, lockstep, settle } from "../../testing/lockstep.ts";
import { fromHex, toHex } from "../../testing/message_text.ts";

/** Where in its randomness an engine finds the token of its first request. */
const FIRST = firstToken();

function firstToken(): number {
  const { app, peer } = new Lockstep({
    tokenLength: 1,
    random: (pool) => {
      for (let i = 0; i < pool.length; i++) pool[i] = i;
      return pool;
    },
  });
  app.asks("CON GET");
  return peer.takes()[0]!.message.token[0]!;
}

/** An engine whose first token and message ID are those of the figure; its first time-out is 2.5 s. */
function client(id: string, token: string): Lockstep {
  const bytes = fromHex(`${token}${id}80000000`);
  return lockstep({
    tokenLength: token.length / 2,
    random: (pool) => {
      pool.set(bytes, FIRST);
      return pool;
    },
  });
}

function server(): Lockstep {
  return lockstep({ serve: true });
}

describe("RFC 7252 appendix A, the client", () => {
  afterEach(settle);

  it("figure 17: Confirmable request, piggybacked response", () => {
    const { app, peer, silence } = client("7d35", "20");
    app.asks("CON GET /temperature");
    const { bytes } = peer.receives("CON GET 0x7d35 token 20 /temperature");
    assertEquals(toHex(bytes), "41017d3520bb74656d7065726174757265");
    peer.sendsBytes("61457d3520ff32322e332043");
    app.gets('2.05 "22.3 C"');
    silence(93_000);
  });

  it("figure 18: Confirmable request lost and retransmitted, piggybacked response", () => {
    const { app, peer, after, silence } = client("7d36", "31");
    app.asks("CON GET /temperature");
    peer.misses("CON GET 0x7d36 token 31 /temperature");
    after(2500);
    const { bytes } = peer.receives("CON GET 0x7d36 token 31 /temperature");
    assertEquals(toHex(bytes), "41017d3631bb74656d7065726174757265");
    peer.sends('ACK 2.05 0x7d36 token 31 "22.3 C"');
    app.gets('2.05 "22.3 C"');
    silence(93_000);
  });

  it("figure 19: piggybacked response lost, request retransmitted", () => {
    const { app, peer, after, silence } = client("7d37", "42");
    app.asks("CON GET /temperature");
    peer.receives("CON GET 0x7d37 token 42 /temperature");
    after(2500);
    peer.receives("CON GET 0x7d37 token 42 /temperature");
    peer.sends('ACK 2.05 0x7d37 token 42 "22.3 C"');
    app.gets('2.05 "22.3 C"');
    silence(93_000);
  });

  it("figure 20: Confirmable request, separate response", () => {
    const { app, peer, after, silence } = client("7d38", "53");
    app.asks("CON GET /temperature");
    peer.receives("CON GET 0x7d38 token 53 /temperature");
    peer.sends("ACK Empty 0x7d38");
    after(20_000);
    peer.sendsBytes("4145ad7b53ff32322e332043");
    assertEquals(toHex(peer.receives("ACK Empty 0xad7b").bytes), "6000ad7b");
    app.gets('2.05 "22.3 C"');
    silence(93_000);
  });

  it("figure 20, the separate response first (7252-5.2-8)", () => {
    const { app, peer, silence } = client("7d38", "53");
    app.asks("CON GET /temperature");
    peer.receives("CON GET 0x7d38 token 53 /temperature");
    peer.sends('CON 2.05 0xad7b token 53 "22.3 C"');
    peer.receives("ACK Empty 0xad7b");
    app.gets('2.05 "22.3 C"');
    peer.sends("ACK Empty 0x7d38");
    silence(93_000);
  });

  it("figure 21: a client that has lost its state rejects the separate response, not the ACK", () => {
    const { peer, silence } = client("7d39", "64");
    peer.sends("ACK Empty 0x7d39");
    silence();
    peer.sends('CON 2.05 0xad7c token 64 "22.3 C"');
    assertEquals(toHex(peer.receives("RST Empty 0xad7c").bytes), "7000ad7c");
    silence();
  });

  it("figure 22: Non-confirmable request, Non-confirmable response", () => {
    const { app, peer, silence } = client("7d40", "75");
    app.asks("NON GET /temperature");
    const { bytes } = peer.receives("NON GET 0x7d40 token 75 /temperature");
    assertEquals(toHex(bytes), "51017d4075bb74656d7065726174757265");
    peer.sends('NON 2.05 0xad7d token 75 "22.3 C"');
    app.gets('2.05 "22.3 C"');
    silence(93_000);
  });

  it("figure 23: Non-confirmable request to a group, answers of several servers", () => {
    const { app, engine, peerAt, after } = lockstep();
    const group = peerAt(5683, { address: "ff02::1", multicast: true });
    const [a, c] = ["fe80::a", "fe80::c"].map((address) => peerAt(5683, { address }));
    app.asks("NON GET /temperature", { to: group });
    group.receives("NON GET $m token $t /temperature");
    a!.sends('NON 2.05 0x60b1 token $t "22.3 C"');
    assertEquals(app.event("member").flow, a!.flow);
    c!.sends("NON 4.04 0x952a token $t");
    assertEquals(app.event("member").message.code, 0x84);
    while (!app.hasEvent) after(1000);
    app.event("groupEnd");
    assertEquals(engine.sizes.exchanges, 0);
  });
});

describe("RFC 7252 appendix A, the server", () => {
  afterEach(settle);

  it("figure 16: Confirmable request with an empty token, piggybacked response", () => {
    const { app, peer, silence } = server();
    peer.sendsBytes("40017d34bb74656d7065726174757265");
    app.serves("CON GET 0x7d34 /temperature");
    app.answers('2.05 "22.3 C"');
    const { bytes } = peer.receives('ACK 2.05 0x7d34 "22.3 C"');
    assertEquals(toHex(bytes), "60457d34ff32322e332043");
    silence(93_000);
  });

  it("figure 17: Confirmable request, piggybacked response", () => {
    const { app, peer, silence } = server();
    peer.sends("CON GET 0x7d35 token 20 /temperature");
    app.serves("GET /temperature");
    app.answers('2.05 "22.3 C"');
    const { bytes } = peer.receives('ACK 2.05 0x7d35 token 20 "22.3 C"');
    assertEquals(toHex(bytes), "61457d3520ff32322e332043");
    silence(93_000);
  });

  it("figure 19: piggybacked response lost, the same again for the retransmitted request", () => {
    const { app, peer, after, silence } = server();
    peer.sends("CON GET 0x7d37 token 42 /temperature");
    app.serves("GET /temperature");
    app.answers('2.05 "22.3 C"');
    const lost = peer.misses('ACK 2.05 0x7d37 token 42 "22.3 C"');
    after(2500);
    peer.sends("CON GET 0x7d37 token 42 /temperature");
    const again = peer.receives('ACK 2.05 0x7d37 token 42 "22.3 C"');
    assertEquals(again.bytes, lost.bytes);
    silence(93_000);
  });

  it("figure 20: Empty ACK by itself, then a separate response with an ID of its own", () => {
    const { app, peer, after, silence } = server();
    peer.sends("CON GET 0x7d38 token 53 /temperature");
    app.serves("GET /temperature");
    silence(499);
    after(1);
    assertEquals(toHex(peer.receives("ACK Empty 0x7d38").bytes), "60007d38");
    after(20_000);
    app.answers('2.05 "22.3 C"');
    peer.receives('CON 2.05 $m token 53 "22.3 C"');
    peer.sends("ACK Empty $m");
    silence(93_000);
  });

  it("figure 21: the client rejects the separate response", () => {
    const { app, peer, after, silence } = server();
    peer.sends("CON GET 0x7d39 token 64 /temperature");
    app.serves("GET /temperature");
    after(500);
    peer.receives("ACK Empty 0x7d39");
    app.answers('2.05 "22.3 C"', { report: true });
    peer.receives('CON 2.05 $m token 64 "22.3 C"');
    peer.sends("RST Empty $m");
    app.learns("reset");
    silence(93_000);
  });

  it("figure 22: Non-confirmable request, Non-confirmable response", () => {
    const { app, peer, silence } = server();
    peer.sends("NON GET 0x7d40 token 75 /temperature");
    app.serves("NON GET 0x7d40 token 75 /temperature");
    app.answers('2.05 "22.3 C"');
    peer.receives('NON 2.05 _ token 75 "22.3 C"');
    silence(93_000);
  });

  it("figure 23: Non-confirmable request to the group, answered within the leisure (7252-8-4)", () => {
    const delays: number[] = [];
    for (let seed = 0; seed < 50; seed++) {
      const { app, peerAt, after, silence } = lockstep({ serve: true, seed });
      const group = peerAt(5683, { multicast: true });
      group.sends("NON GET 0x7d41 token 86 /temperature");
      app.serves("NON GET 0x7d41 token 86 /temperature");
      app.answers('2.05 "22.3 C"');
      after(5000);
      delays.push(group.receives('NON 2.05 _ token 86 "22.3 C"').at);
      silence(93_000);
    }
    assertLessOrEqual(Math.max(...delays), 5000);
    for (let from = 0; from < 5000; from += 1000) {
      const count = delays.filter((delay) => delay >= from && delay < from + 1000).length;
      assertLessOrEqual(3, count, `${count} of 50 from ${from} ms`);
    }
  });

  it("figure 23: what is no news to a group is not said (7252-8-3)", () => {
    for (const answer of ["4.04", "5.00", "2.05"]) {
      const { app, peerAt, silence } = server();
      const group = peerAt(5683, { multicast: true });
      group.sends("NON GET 0x7d41 token 86 /temperature");
      app.serves("GET /temperature");
      app.answers(answer, { report: true });
      app.learns("suppressed");
      group.sends("NON GET 0x7d42 token 86 /temperature 65001:0x01");
      silence(93_000);
    }
  });
});

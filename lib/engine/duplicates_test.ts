import { assert, assertEquals, assertNotEquals } from "@std/assert";
import { afterEach, describe, it } from "node:test";
import { lockstep, settle } from "../../testing/lockstep.ts";

describe("a duplicate of a request", () => {
  afterEach(settle);

  it("CON, answered: gets the same bytes again, and the application runs once (7252-4.5-1)", () => {
    const { app, peer, after, silence, engine } = lockstep({ serve: true });
    peer.sends('CON POST 0x7d34 token 20 /counter "1"');
    app.serves('POST /counter "1"');
    app.answers('2.04 "count is 1"');
    const { bytes } = peer.receives('ACK 2.04 0x7d34 token 20 "count is 1"');
    for (let i = 0; i < 3; i++) {
      after(1000);
      peer.sends('CON POST 0x7d34 token 20 /counter "1"');
      assertEquals(peer.receives('ACK 2.04 0x7d34 token 20 "count is 1"').bytes, bytes);
    }
    silence();
    assertEquals(engine.stats.duplicates, 3);
  });

  it("CON, while the application works: waits for the answer of the first", () => {
    const { app, peer, after, silence } = lockstep({ serve: true });
    peer.sends("CON GET 0x7d34 token 20 /test");
    app.serves("GET /test");
    after(400);
    peer.sends("CON GET 0x7d34 token 20 /test");
    silence();
    app.answers("2.05");
    peer.receives("ACK 2.05 0x7d34 token 20");
    silence(93_000);
  });

  it("CON, after the Empty ACK: an Empty ACK again, never the response in one (7252-5.2-5)", () => {
    const { app, peer, after, silence } = lockstep({ serve: true });
    peer.sends("CON GET 0x7d34 token 20 /test");
    app.serves("GET /test");
    after(500);
    peer.misses("ACK Empty 0x7d34");
    after(2000);
    peer.sends("CON GET 0x7d34 token 20 /test");
    peer.receives("ACK Empty 0x7d34");
    app.answers('2.05 "late"');
    peer.misses('CON 2.05 $m token 20 "late"');
    // The request again, while its response is on its way, and after that was acknowledged (7252-4.2-17).
    peer.sends("CON GET 0x7d34 token 20 /test");
    peer.receives("ACK Empty 0x7d34");
    after(3000);
    peer.receives('CON 2.05 $m token 20 "late"');
    peer.sends("ACK Empty $m");
    peer.sends("CON GET 0x7d34 token 20 /test");
    peer.receives("ACK Empty 0x7d34");
    silence(93_000);
  });

  it("CON, given up by the application: an Empty ACK again", () => {
    const { app, peer, silence } = lockstep({ serve: true });
    peer.sends("CON GET 0x7d34 token 20 /test");
    app.cancels(app.serves("GET /test"));
    peer.receives("ACK Empty 0x7d34");
    peer.sends("CON GET 0x7d34 token 20 /test");
    peer.receives("ACK Empty 0x7d34");
    silence(2000);
  });

  it("CON, refused by the engine: the same refusal again", () => {
    const { peer, silence } = lockstep({ serve: true });
    peer.sends("CON GET 0x7d34 token 20 /test 65001:0x01");
    const { bytes } = peer.receives("ACK 4.02 0x7d34 token 20 ...");
    peer.sends("CON GET 0x7d34 token 20 /test 65001:0x01");
    assertEquals(peer.receives("ACK 4.02 0x7d34 token 20 ...").bytes, bytes);
    silence();
  });

  it("NON: ignored, while the application works and after (7252-4.5-3)", () => {
    const { app, peer, after, silence, engine } = lockstep({ serve: true });
    peer.sends("NON POST 0x7d34 token 20 /counter");
    app.serves("POST /counter");
    peer.sends("NON POST 0x7d34 token 20 /counter");
    silence(1000);
    app.answers("2.04");
    peer.receives("NON 2.04 $m token 20");
    after(100_000);
    peer.sends("NON POST 0x7d34 token 20 /counter");
    silence(2000);
    assertEquals(engine.stats.duplicates, 2);
  });

  it("is known by its message ID alone, not by type, token or content (7252-4.5-5)", () => {
    const { app, peer, silence } = lockstep({ serve: true });
    peer.sends("CON GET 0x7d34 token 20 /test");
    app.serves("GET /test");
    app.answers("2.05");
    peer.receives("ACK 2.05 0x7d34 token 20");
    peer.sends("CON PUT 0x7d34 token 21 /other");
    peer.receives("ACK 2.05 0x7d34 token 20");
    peer.sends("NON GET 0x7d34 token 22 /test");
    silence();
  });

  it("is none from another port or address (7252-4.5-5, 7252-4.1-3)", () => {
    const { app, peer, peerAt, silence } = lockstep({ serve: true });
    for (const from of [peer, peerAt(5684), peerAt(5683, { address: "192.0.2.2" })]) {
      from.sends("CON GET 0x7d34 token 20 /test");
      app.serves("GET /test");
      app.answers("2.05");
      from.receives("ACK 2.05 0x7d34 token 20");
    }
    silence();
  });

  it("is none after EXCHANGE_LIFETIME, of a NON after NON_LIFETIME (7252-4.5-6)", () => {
    for (const [type, lifetime] of [["CON", 247_000], ["NON", 145_000]] as const) {
      const { app, peer, after } = lockstep({ serve: true });
      const answer = type === "CON" ? "ACK" : "NON";
      peer.sends(`${type} GET 0x7d34 token 20 /test`);
      app.serves("GET /test");
      app.answers("2.05");
      peer.receives(`${answer} 2.05 _ token 20`);
      after(lifetime - 1);
      peer.sends(`${type} GET 0x7d34 token 21 /test`);
      if (type === "CON") peer.receives("ACK 2.05 0x7d34 token 20");
      after(1);
      peer.sends(`${type} GET 0x7d34 token 22 /test`);
      app.serves("GET /test");
      app.answers("2.05");
      peer.receives(`${answer} 2.05 _ token 22`);
    }
  });

  it("is none after EXCHANGE_LIFETIME, even where the first one still waits for the application", () => {
    const { app, peer, after, silence, engine } = lockstep({ serve: true });
    peer.sends("CON GET 0x7d34 token 20 /slow");
    const first = app.serves("GET /slow");
    after(500);
    peer.receives("ACK Empty 0x7d34");
    after(246_600);
    peer.sends("CON GET 0x7d34 token 22 /test");
    const second = app.serves("GET /test");
    assertNotEquals(first, second);
    app.answers("2.05");
    peer.receives("ACK 2.05 0x7d34 token 22");
    app.answers('2.05 "at last"', { id: first });
    peer.receives('CON 2.05 $m token 20 "at last"');
    peer.sends("ACK Empty $m");
    peer.sends("CON GET 0x7d34 token 22 /test");
    peer.receives("ACK 2.05 0x7d34 token 22");
    silence();
    assertEquals(engine.sizes.handling, 0);
  });
});

describe("the way back", () => {
  afterEach(settle);

  it("starts at the address that the request was sent to (7252-4.1-4)", () => {
    const { app, peerAt, after } = lockstep({ serve: true });
    const ways = ["192.0.2.10", "192.0.2.11"].map((local) => peerAt(5683, { local }));
    for (const [i, way] of ways.entries()) {
      way.sends(`CON GET 0x000${i} token 2${i} /slow`);
      app.serves("GET /slow");
    }
    after(500);
    for (const [i, { flow }] of ways.entries()) {
      assertEquals(ways[0]!.receives(`ACK Empty 0x000${i}`).flow.local, flow.local);
    }
    app.answers("2.05");
    assertEquals(ways[0]!.receives("CON 2.05 $m token 21").flow.local, "192.0.2.11");
    ways[1]!.sends("ACK Empty $m");
    ways[0]!.sends("CON GET 0x0001 token 21 /slow");
    assertEquals(ways[0]!.receives("ACK Empty 0x0001").flow.local, "192.0.2.10");
    app.answers("2.05", { id: app.request!.id - 1 });
    assertEquals(ways[0]!.receives("CON 2.05 $n token 20").flow.local, "192.0.2.10");
    ways[0]!.sends("ACK Empty $n");
  });
});

describe("answered requests", () => {
  afterEach(settle);

  it("are forgotten with their peer, in whatever order the application answered", () => {
    const { app, peer, peerAt, after, engine } = lockstep({ serve: true });
    const other = peerAt(5684);
    peer.sends("CON GET 0x0001 token 20 /slow");
    const slow = app.serves("GET /slow");
    after(400);
    other.sends("CON GET 0x0001 token 20 /test");
    app.serves("GET /test");
    app.answers("2.05");
    other.receives("ACK 2.05 0x0001 token 20");
    app.answers("2.05", { id: slow });
    peer.receives("ACK 2.05 0x0001 token 20");
    after(247_000 - 400);
    assertEquals(engine.sizes.peers, 1);
    after(1000);
    assertEquals(engine.sizes.peers, 0);
  });
});

describe("a duplicate of a separate response", () => {
  afterEach(settle);

  it("CON: acknowledged again, delivered once (7252-4.5-4)", () => {
    const { app, peer, after, silence } = lockstep();
    app.asks("CON GET /test");
    peer.receives("CON GET $m token $t /test");
    peer.sends('CON 2.05 0x7d34 token $t "once"');
    peer.misses("ACK Empty 0x7d34");
    app.gets('2.05 "once"');
    for (let i = 0; i < 3; i++) {
      after(3000);
      peer.sends('CON 2.05 0x7d34 token $t "once"');
      peer.receives("ACK Empty 0x7d34");
    }
    silence();
  });

  it("NON: ignored", () => {
    const { app, peer, silence } = lockstep();
    app.asks("NON GET /test");
    peer.receives("NON GET $m token $t /test");
    peer.sends("NON 2.05 0x7d34 token $t");
    app.gets("2.05");
    peer.sends("NON 2.05 0x7d34 token $t");
    silence();
  });

  it("is one by its message ID, though its type is another", () => {
    const { app, peer, silence } = lockstep();
    app.asks("NON GET /test");
    peer.receives("NON GET $m token $t /test");
    peer.sends("NON 2.05 0x7d34 token $t");
    app.gets("2.05");
    peer.sends("CON 2.05 0x7d34 token $t");
    silence();
  });

  it("is one by its message ID, though another request waits for its token", () => {
    const { app, peer, silence } = lockstep();
    app.asks("CON GET /1");
    peer.receives("CON GET $m1 token $t1 /1");
    peer.sends("CON 2.05 0x7d34 token $t1");
    peer.receives("ACK Empty 0x7d34");
    app.gets("2.05");
    app.asks("CON GET /2");
    peer.receives("CON GET $m2 token $t2 /2");
    peer.sends("CON 2.05 0x7d34 token $t2");
    peer.receives("ACK Empty 0x7d34");
    silence();
    peer.sends("CON 2.05 0x7d35 token $t2");
    peer.receives("ACK Empty 0x7d35");
    app.gets("2.05");
  });

  it("that was rejected is rejected again", () => {
    const { peer, silence } = lockstep();
    for (let i = 0; i < 2; i++) {
      peer.sends("CON 2.05 0x7d34 token 77");
      peer.receives("RST Empty 0x7d34");
    }
    silence();
  });
});

describe("a duplicate of an acknowledgement or Reset", () => {
  afterEach(settle);

  it("is ignored (7252-4.2-9)", () => {
    const { app, peer, silence } = lockstep();
    app.asks("CON GET /test");
    peer.receives("CON GET $m token $t /test");
    for (let i = 0; i < 3; i++) peer.sends("ACK Empty $m");
    silence(5000);
    peer.sends("RST Empty $m");
    silence();
    peer.sends("CON 2.05 0x7d34 token $t");
    peer.receives("ACK Empty 0x7d34");
    app.gets("2.05");
    app.asks("CON GET /test");
    peer.receives("CON GET $n token $u /test");
    for (let i = 0; i < 3; i++) {
      peer.sends("ACK 2.05 $n token $u");
      if (i === 0) app.gets("2.05");
    }
    silence();
    app.pings();
    peer.receives("CON Empty $o");
    for (let i = 0; i < 3; i++) {
      peer.sends("RST Empty $o");
      if (i === 0) app.pongs();
    }
    silence();
  });
});

describe("message IDs of ours and of the peer", () => {
  afterEach(settle);

  it("are separate spaces: equal ones meet without harm", () => {
    const { app, peer, after, silence } = lockstep({ serve: true });
    app.asks("CON GET /ours");
    peer.receives("CON GET $m token $t /ours");
    // The peer's request and then its separate response have the ID of our request.
    peer.sends("CON GET $m token 20 /theirs");
    app.serves("GET /theirs");
    after(500);
    peer.receives("ACK Empty $m");
    peer.sends("ACK Empty $m");
    silence(93_000 - 501);
    app.answers("2.05");
    peer.receives("CON 2.05 $n token 20");
    peer.sends("ACK Empty $n");
    peer.sends("CON 2.05 $n token $t");
    peer.receives("ACK Empty $n");
    app.gets("2.05");
  });

  it("do not mix: a response whose ID is that of a request of ours is new", () => {
    const { app, peer } = lockstep({ serve: true });
    app.asks("NON GET /ours");
    peer.receives("NON GET $m token $t /ours");
    peer.sends("NON 2.05 $m token $t");
    app.gets("2.05");
  });

  it("a Non-confirmable response has one of its own (7252-5.2-9)", () => {
    const { app, peer, bindings } = lockstep({ serve: true });
    for (let id = 0x100; id < 0x140; id++) {
      peer.sends(`NON GET 0x0${id.toString(16)} token 20 /test`);
      app.serves("GET /test");
      app.answers("2.05");
      bindings.delete("$m");
      peer.receives("NON 2.05 $m token 20");
      assert(bindings.get("$m") !== id);
    }
  });
});

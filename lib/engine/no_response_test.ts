import { assert, assertEquals } from "@std/assert";
import { afterEach, describe, it } from "node:test";
import { blockOf, makeBody } from "../../testing/bodies.ts";
import { lockstep, settle } from "../../testing/lockstep.ts";

describe("No-Response, the server", () => {
  afterEach(settle);

  const classes = [2, 4, 5];

  it("suppresses the classes named and no other (7967-2-2, 2-3)", () => {
    for (let value = 0; value < 32; value++) {
      for (const class_ of classes) {
        const { app, peer, silence } = lockstep({ serve: true });
        peer.sends(`NON PUT 0x0001 token 20 /r No-Response:${value}`);
        app.serves(`PUT /r No-Response:${value}`);
        app.answers(`${class_}.00`, { report: true });
        const quiet = (value >> (class_ - 1) & 1) === 1;
        app.learns(quiet ? "suppressed" : "sent");
        if (!quiet) peer.receives(`NON ${class_}.00 $m token 20`);
        silence(93_000);
      }
    }
  });

  it("acknowledges a Confirmable request all the same, a duplicate as well (7967-2-4)", () => {
    const { app, peer, silence, engine } = lockstep({ serve: true });
    peer.sends("CON PUT 0x0001 token 20 /r No-Response:26");
    app.serves("PUT /r No-Response:26");
    app.answers("2.04");
    peer.receives("ACK Empty 0x0001");
    peer.sends("CON PUT 0x0001 token 20 /r No-Response:26");
    peer.receives("ACK Empty 0x0001");
    assertEquals(engine.sizes.handling, 0);
    silence(93_000);
  });

  it("after the empty acknowledgement: nothing more", () => {
    const { app, peer, after, silence } = lockstep({ serve: true });
    peer.sends("CON PUT 0x0001 token 20 /r No-Response:2");
    app.serves("PUT /r No-Response:2");
    after(500);
    peer.receives("ACK Empty 0x0001");
    app.answers("2.04");
    silence(93_000);
  });

  it("holds for what the engine answers, but never for 2.31", () => {
    const { app, peer } = lockstep({ serve: true, requestRate: 1000 });
    peer.sends("CON PUT 0x0001 token 20 /r 65001:0x01 No-Response:8");
    peer.receives("ACK Empty 0x0001");
    const body = makeBody(100);
    const line = "PUT 0x0002 token 20 /r Block1:0/1/64 No-Response:26";
    peer.sends(`CON ${line}`, blockOf(body, 0, 64));
    peer.receives("ACK 2.31 0x0002 token 20 Block1:0/1/64");
    peer.sends("CON PUT 0x0003 token 20 /r Block1:1/0/64 No-Response:26", blockOf(body, 1, 64));
    app.serves("PUT /r No-Response:26", body);
    app.answers("2.04");
    peer.receives("ACK Empty 0x0003");
  });

  it("of a wrong length is ignored, doubled its first one counts (7967-2-1)", () => {
    const { app, peer } = lockstep({ serve: true });
    for (const [i, option] of ["No-Response:0x001a", "No-Response:0 No-Response:26"].entries()) {
      peer.sends(`CON PUT 0x000${i} token 20 /r ${option}`);
      app.answers("2.04", { id: app.event("request").id });
      peer.receives(`ACK 2.04 0x000${i} token 20`);
    }
  });
});

describe("No-Response, the client", () => {
  afterEach(settle);

  it("for all classes: over as soon as it is sent, or acknowledged (7967-2-5)", () => {
    const { app, peer, silence } = lockstep({ parameters: { nstart: 3 } });
    app.asks("NON PUT /r No-Response:26");
    peer.receives("NON PUT $m token $t /r No-Response:26");
    app.gets("Empty");
    app.asks("NON PUT /r No-Response:127"); // other bits mean nothing
    peer.receives("NON PUT $m1 token $t1 /r No-Response:127");
    app.gets("Empty");
    app.asks("CON PUT /r No-Response:26");
    peer.receives("CON PUT $n token $u /r No-Response:26");
    silence(1000);
    peer.sends("ACK Empty $n");
    app.gets("Empty");
    silence(93_000);
  });

  it("that is not acknowledged fails", () => {
    const { app, peer, after } = lockstep({ parameters: { maxRetransmit: 0 } });
    app.asks("CON PUT /r No-Response:26");
    peer.receives("CON PUT $m token $t /r No-Response:26");
    after(3000);
    app.fails("timeout");
    app.asks("CON PUT /r No-Response:26");
    peer.receives("CON PUT $n token $u /r No-Response:26");
    peer.sends("RST Empty $n");
    app.fails("reset");
  });

  it("for some classes: the time-out is no failure (7967-2-7)", () => {
    for (const type of ["CON", "NON"]) {
      for (const value of [2, 8, 16, 24]) {
        const { app, peer, after } = lockstep();
        app.asks(`${type} PUT /r No-Response:${value}`, { timeout: 5000 });
        peer.receives(`${type} PUT $m token $t /r No-Response:${value}`);
        if (type === "CON") peer.sends("ACK Empty $m");
        after(5000);
        app.gets("Empty");
      }
    }
  });

  it("for some classes: a response of another is one", () => {
    const { app, peer } = lockstep();
    app.asks("NON PUT /r No-Response:2");
    peer.receives("NON PUT $m token $t /r No-Response:2");
    peer.sends("NON 4.04 0x0001 token $t");
    app.gets("4.04");
  });

  it("that names no class waits as any request", () => {
    for (const value of [0, 1, 4, 32]) {
      const { app, peer, after } = lockstep();
      app.asks(`NON PUT /r No-Response:${value}`, { timeout: 5000 });
      peer.receives(`NON PUT $m token $t /r No-Response:${value}`);
      after(5000);
      app.fails("timeout");
    }
  });

  it("tokens are drawn anew: a late response meets no other request (7967-2-6)", () => {
    const { app, peer, silence } = lockstep({ parameters: { nstart: 200 } });
    const tokens = new Set<string>();
    for (let i = 0; i < 200; i++) {
      app.asks("NON PUT /r No-Response:26");
      tokens.add(`${peer.takes()[0]!.message.token}`);
      app.gets("Empty");
    }
    assertEquals(tokens.size, 200);
    silence();
  });

  it("many in a row keep PROBING_RATE towards a peer that says nothing (7967-2-8)", () => {
    const { app, peer, after } = lockstep();
    for (let i = 0; i < 20; i++) app.asks("NON PUT /r No-Response:26");
    const sent = peer.takes();
    app.gets("Empty", 1);
    after(300_000);
    sent.push(...peer.takes());
    const bytes = sent.reduce((sum, received) => sum + received.bytes.length, 0);
    assert(bytes <= 300 + sent[0]!.bytes.length, `${bytes} bytes in 300 s`);
    assertEquals(sent.length, 20);
    for (let id = 2; id <= 20; id++) app.gets("Empty", id);
  });
});

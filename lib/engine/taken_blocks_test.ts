import { assert, assertEquals } from "@std/assert";
import { afterEach, describe, it } from "node:test";
import { blockOf, makeBody } from "../../testing/bodies.ts";
import { lockstep, type ScriptedPeer, settle } from "../../testing/lockstep.ts";
import { ask, BODY, LONG, sendBlock, server } from "../../testing/blockwise_clients.ts";

describe("a request in blocks, the server", () => {
  afterEach(settle);

  it("arrives as one request, without Block1 (7959-2.5-2)", () => {
    const { app, peer } = server();
    const head = "PUT If-Match:0x01 Content-Format:42 ?q=1 Accept:50 Size1:150 /r";
    const body = BODY.subarray(0, 150);
    sendBlock(peer, head, body, 0, 64);
    sendBlock(peer, head, body, 1, 64);
    const id = sendBlock(peer, head, body, 2, 64);
    app.serves(head, body);
    app.answers("2.04");
    peer.receives(`ACK 2.04 ${id} token 20 Block1:2/0/64`);
  });

  it("of one block is complete (7959-2.5-11)", () => {
    const { app, peer, engine } = server();
    const id = sendBlock(peer, "PUT /r", BODY.subarray(0, 40), 0, 64);
    app.serves("PUT /r", BODY.subarray(0, 40));
    app.answers("2.04");
    peer.receives(`ACK 2.04 ${id} token 20 Block1:0/0/64`);
    assertEquals(engine.sizes.transfers, 0);
  });

  it("conditions may stand in the first block alone (7959-2.10-1)", () => {
    const { app, peer } = server();
    const body = BODY.subarray(0, 100);
    sendBlock(peer, "PUT If-None-Match /r", body, 0, 64);
    sendBlock(peer, "PUT /r", body, 1, 64);
    app.serves("PUT If-None-Match /r", body);
    app.answers("4.12");
    peer.receives("ACK 4.12 _ token 20 Block1:1/0/64");
  });

  it("with M, a block of another length: 4.00, and the transfer goes on (7959-2.3-1)", () => {
    const { app, peer } = server();
    const body = BODY.subarray(0, 150);
    sendBlock(peer, "PUT /r", body, 0, 64);
    for (const length of [0, 63, 65]) {
      const id = ask(peer, "PUT /r Block1:1/1/64", BODY.subarray(0, length));
      peer.receives(`ACK 4.00 ${id} token 20 ...`);
    }
    sendBlock(peer, "PUT /r", body, 1, 64);
    sendBlock(peer, "PUT /r", body, 2, 64);
    app.serves("PUT /r", body);
    app.answers("2.04");
    peer.receives("ACK 2.04 _ token 20 Block1:2/0/64");
  });

  it("the last block may be of any length, none or more than its size (7959-2.3-2)", () => {
    for (const length of [0, 1, 64, 100]) {
      const { app, peer } = server();
      sendBlock(peer, "PUT /r", BODY, 0, 64);
      ask(peer, "PUT /r Block1:1/0/64", BODY.subarray(64, 64 + length));
      app.serves("PUT /r", BODY.subarray(0, 64 + length));
      app.answers("2.04");
      peer.receives("ACK 2.04 _ token 20 Block1:1/0/64");
    }
  });

  it("out of order or never begun: 4.08, each acknowledged by its own number (7959-2.5-3, 4)", () => {
    const { app, peer, silence } = server();
    sendBlock(peer, "PUT /r", BODY, 1, 64, "4.08 ID Block1:1/0/64 ...");
    ask(peer, "PUT /r Block1:2/0/64", BODY.subarray(128, 130));
    peer.receives("ACK 4.08 _ token 20 Block1:2/0/64 ...");
    const body = BODY.subarray(0, 150);
    sendBlock(peer, "PUT /r", body, 0, 64);
    sendBlock(peer, "PUT /r", body, 2, 64, "4.08 ID Block1:2/0/64 ...");
    sendBlock(peer, "PUT /r", body, 1, 64);
    sendBlock(peer, "PUT /r", body, 2, 64);
    app.serves("PUT /r", body);
    app.answers("2.04");
    peer.receives("ACK 2.04 _ token 20 Block1:2/0/64");
    silence();
  });

  it("block 0 begins anew (7959-2.5-6)", () => {
    const { app, peer, engine } = server();
    const [old, body] = [makeBody(300, 1), makeBody(100, 2)];
    sendBlock(peer, "PUT /r", old, 0, 64);
    sendBlock(peer, "PUT /r", old, 1, 64);
    sendBlock(peer, "PUT /r", body, 0, 64);
    assertEquals(engine.sizes.transfers, 1);
    sendBlock(peer, "PUT /r", body, 1, 64);
    app.serves("PUT /r", body);
    app.answers("2.04");
    peer.receives("ACK 2.04 _ token 20 Block1:1/0/64");
  });

  it("a duplicate is answered alike and not appended (7959-2.5-13)", () => {
    const { app, peer } = server();
    const body = BODY.subarray(0, 150);
    sendBlock(peer, "PUT /r", body, 0, 64);
    for (const _time of [1, 2]) {
      peer.sends("CON PUT 0x8001 token 21 /r Block1:1/1/64", blockOf(body, 1, 64));
      peer.receives("ACK 2.31 0x8001 token 21 Block1:1/1/64");
    }
    for (const _time of [1, 2]) {
      peer.sends("CON PUT 0x8002 token 22 /r Block1:2/0/64", blockOf(body, 2, 64));
      if (app.hasEvent) {
        app.serves("PUT /r", body);
        app.answers("2.04");
      }
      peer.receives("ACK 2.04 0x8002 token 22 Block1:2/0/64");
    }
  });

  it("the last block received again with a new message ID: 2.31, not appended (7959-2.5-14)", () => {
    const { app, peer } = server();
    const body = BODY.subarray(0, 200);
    for (const number of [0, 0, 1, 1, 1, 2, 2]) sendBlock(peer, "PUT /r", body, number, 64);
    sendBlock(peer, "PUT /r", body, 0, 64); // and this begins anew
    for (const number of [1, 2, 3]) sendBlock(peer, "PUT /r", body, number, 64);
    app.serves("PUT /r", body);
    app.answers("2.04");
    peer.receives("ACK 2.04 _ token 20 Block1:3/0/64");
  });

  it("smaller blocks from any block on, scaled (7959-2.5-1)", () => {
    const { app, peer } = server(1024);
    const body = BODY.subarray(0, 150);
    sendBlock(peer, "PUT /r", body, 0, 64);
    sendBlock(peer, "PUT /r", body, 2, 32);
    for (let number = 6; number <= 9; number++) sendBlock(peer, "PUT /r", body, number, 16);
    app.serves("PUT /r", body);
    app.answers("2.04");
    peer.receives("ACK 2.04 _ token 20 Block1:9/0/16");
  });

  it("blocks of different Content-Formats are not joined: 4.08 (7959-2.3-5)", () => {
    for (const [first, second] of [[" Content-Format:50", ""], ["", " Content-Format:0"]]) {
      const { peer, engine } = server();
      sendBlock(peer, `PUT /r${first}`, BODY, 0, 64);
      sendBlock(peer, `PUT /r${second}`, BODY, 1, 64, "4.08 ID Block1:1/0/64 ...");
      assertEquals(engine.sizes.transfers, 0);
    }
  });

  it("is kept apart by peer, method, resource and Request-Tag (7959-2.5-7, 9175-3-3)", () => {
    const { app, peer, peerAt, engine } = server();
    const from: [ScriptedPeer, string][] = [
      [peer, "PUT /r"],
      [peerAt(40_000), "PUT /r"],
      [peerAt(5683, { address: "192.0.2.2" }), "PUT /r"],
      [peer, "POST /r"],
      [peer, "PUT /r ?a"],
      [peer, "PUT Request-Tag:0x /r"],
      [peer, "PUT Request-Tag:0x00 /r"],
      [peer, "PUT Request-Tag:0x Request-Tag:0x /r"],
    ];
    const bodies = from.map((_, i) => makeBody(180, i));
    for (const number of [0, 1]) {
      from.forEach(([who, head], i) => sendBlock(who, head, bodies[i]!, number, 64));
    }
    assertEquals(engine.sizes.transfers, from.length);
    from.forEach(([who, head], i) => {
      sendBlock(who, head, bodies[i]!, 2, 64);
      app.serves(head, bodies[i]!);
      app.answers("2.04");
      who.receives("ACK 2.04 _ token 20 Block1:2/0/64");
    });
    assertEquals(engine.sizes.transfers, 0);
  });

  it("Request-Tag without a Block option means nothing (9175-3-4)", () => {
    const { app, peer } = server();
    ask(peer, 'PUT Request-Tag:0x01 /r "x"');
    app.serves('PUT Request-Tag:0x01 /r "x"');
    app.answers("2.04");
    peer.receives("ACK 2.04 _ token 20");
  });

  it("abandoned: forgotten after EXCHANGE_LIFETIME, then 4.08 (7959-2.5-8)", () => {
    const { peer, after, engine } = server();
    sendBlock(peer, "PUT /r", BODY, 0, 64);
    after(246_000);
    sendBlock(peer, "PUT /r", BODY, 1, 64);
    after(LONG);
    assertEquals([engine.sizes.transfers, engine.sizes.transferBytes], [0, 0]);
    sendBlock(peer, "PUT /r", BODY, 2, 64, "4.08 ID Block1:2/0/64 ...");
  });

  it("too large, known from Size1, a block's place or its last number: 4.13 (7959-2.5-9, 7-2)", () => {
    const { peer, engine } = lockstep({ serve: true, limits: { bodyBytes: 1024 } });
    const lines: [string, number, string][] = [
      ["Block1:0/1/64 Size1:1025", 64, "0/0/64"],
      ["Block1:0/1/64 Size1:4294967295", 64, "0/0/64"],
      ["Block1:16/1/64", 64, "16/0/64"],
      ["Block1:1/0/1024", 1, "1/0/1024"],
      ["Block1:1048575/0/1024", 1024, "1048575/0/1024"],
      ["Block1:1048575/1/1024", 1024, "1048575/0/1024"],
      ["Block1:1048575/1/16", 16, "1048575/0/16"],
    ];
    for (const [options, length, block] of lines) {
      const id = ask(
        peer,
        `PUT /r ${options}`,
        BODY.length < length ? makeBody(length) : BODY.subarray(0, length),
      );
      peer.receives(`ACK 4.13 ${id} token 20 Block1:${block} Size1:1024`);
    }
    assertEquals([engine.sizes.transfers, engine.sizes.transferBytes], [0, 0]);
    // The same at the default limit.
    const other = server(1024);
    for (const [options, length, block] of lines.slice(4, 6)) {
      const id = ask(other.peer, `PUT /r ${options}`, makeBody(length));
      other.peer.receives(`ACK 4.13 ${id} token 20 Block1:${block} Size1:8388608`);
    }
    assertEquals(other.engine.sizes.transferBytes, 0);
  });

  it("too large in the middle: 4.13, and nothing is kept of it", () => {
    const { peer, engine } = lockstep({ serve: true, limits: { bodyBytes: 128 } });
    sendBlock(peer, "PUT /r", BODY, 0, 64);
    sendBlock(peer, "PUT /r", BODY, 1, 64);
    sendBlock(peer, "PUT /r", BODY, 2, 64, "4.13 ID Block1:2/0/64 Size1:128");
    assertEquals([engine.sizes.transfers, engine.sizes.transferBytes], [0, 0]);
  });

  it("one transfer too many: 5.03, until one ends; also for its bytes (7959-7-1)", () => {
    const limits = { transfers: 2, transferBytes: 1000 };
    const { app, peer, engine, after } = lockstep({ serve: true, limits });
    const body = BODY.subarray(0, 100);
    for (const path of ["/a", "/b"]) sendBlock(peer, `PUT ${path}`, body, 0, 64);
    sendBlock(peer, "PUT /c", body, 0, 64, "5.03 ID Max-Age:30 Block1:0/0/64");
    sendBlock(peer, "PUT /a", body, 1, 64);
    app.serves("PUT /a", body);
    app.answers("2.04");
    peer.takes();
    const large = makeBody(4000);
    sendBlock(peer, "PUT /c", large, 0, 64);
    for (let number = 1; number < 5; number++) sendBlock(peer, "PUT /c", large, number, 64);
    // Memory grows by doubling: this block would need 1024 bytes.
    for (let number = 5; number < 8; number++) sendBlock(peer, "PUT /c", large, number, 64);
    sendBlock(peer, "PUT /c", large, 8, 64, "5.03 ID Max-Age:30 Block1:8/0/64");
    assertEquals(engine.sizes.transfers, 1);
    assert(engine.sizes.transferBytes <= 1000);
    after(LONG);
  });

  it("memory is that of the blocks, not of their datagrams", () => {
    const { app, peer, engine } = server(1024);
    const long = ` 65000:"${"x".repeat(900)}"`;
    const body = makeBody(1000);
    for (let number = 0; number < 62; number++) sendBlock(peer, `PUT /r${long}`, body, number, 16);
    assert(engine.sizes.transferBytes <= 2048, `${engine.sizes.transferBytes}`);
    sendBlock(peer, `PUT /r${long}`, body, 62, 16);
    const { id, message: { payload } } = app.event("request");
    app.answers("2.04", { id });
    assertEquals(payload, body);
    assert(payload.buffer.byteLength <= 2048, `${payload.buffer.byteLength}`);
    peer.takes();
  });
});

import { assert, assertEquals, assertNotEquals, assertThrows } from "@std/assert";
import { afterEach, describe, it } from "node:test";
import { blockOf, makeBody } from "../../testing/bodies.ts";
import { type Lockstep, lockstep, type ScriptedPeer, settle } from "../../testing/lockstep.ts";
import { CoAPError } from "../errors.ts";
import { Code } from "../wire/code.ts";
import { findOption, OptionNumber } from "../wire/option.ts";

const BODY = makeBody(300);
/** Longer than EXCHANGE_LIFETIME. */
const LONG = 248_000;

let lastId = 0;

/** A request with a new message ID; answers the ID as the script writes it. */
function ask(peer: ScriptedPeer, line: string, payload?: Uint8Array): string {
  const id = `0x${(++lastId & 0xffff).toString(16).padStart(4, "0")}`;
  peer.sends(`CON ${line.replace(" ", ` ${id} token 20 `)}`, payload);
  return id;
}

/** The peer sends block `number` of a body and gets the answer of the line. */
function sendBlock(
  peer: ScriptedPeer,
  head: string,
  body: Uint8Array,
  number: number,
  size: number,
  answer?: string,
): string {
  const more = (number + 1) * size < body.length ? 1 : 0;
  const block = `Block1:${number}/${more}/${size}`;
  const id = ask(peer, `${head} ${block}`, blockOf(body, number, size));
  if (more === 1 || answer !== undefined) {
    peer.receives(
      `ACK ${answer ?? `2.31 ${id} token 20 ${block}`}`.replace("ID", `${id} token 20`),
    );
  }
  return id;
}

/** The peer fetches block `number` of a response of `body`. */
function fetchBlock(
  peer: ScriptedPeer,
  head: string,
  body: Uint8Array,
  number: number,
  size: number,
  answer = "2.05 ID ETag:_",
  rest = "",
): void {
  const id = ask(peer, `${head} Block2:${number}/0/${size}`);
  const more = (number + 1) * size < body.length ? 1 : 0;
  const start = answer.replace("ID", `${id} token 20`);
  peer.receives(
    `ACK ${start} Block2:${number}/${more}/${size}${rest}`,
    blockOf(body, number, size),
  );
}

function server(blockSize = 64): Lockstep {
  return lockstep({ serve: true, blockSize });
}

describe("a response in blocks, the server", () => {
  afterEach(settle);

  it("of a size that the client asks for or a smaller one (7959-2.4-3)", () => {
    for (const [asked, size] of [[1024, 128], [128, 128], [64, 64], [16, 16]] as const) {
      const { app, peer } = server(128);
      const id = ask(peer, `GET /r Block2:0/0/${asked}`);
      app.serves(`GET /r Block2:0/0/${asked}`);
      app.answers("2.05", { payload: BODY });
      peer.receives(`ACK 2.05 ${id} token 20 ETag:_ Block2:0/1/${size}`, blockOf(BODY, 0, size));
      for (let number = 1; number * size < BODY.length; number++) {
        fetchBlock(peer, "GET /r", BODY, number, size);
      }
    }
  });

  it("computed once; any block, in any order, repeatedly (7959-2.4-7)", () => {
    const { app, peer, silence } = server();
    ask(peer, "GET /r");
    app.serves("GET /r");
    app.answers("2.05", { payload: BODY });
    peer.takes();
    for (const number of [4, 1, 3, 3, 2]) fetchBlock(peer, "GET /r", BODY, number, 64);
    fetchBlock(peer, "GET /r", BODY, 17, 16);
    silence();
  });

  it("a first request for a later block: from the application, at once (7959-2.4-7)", () => {
    const { app, peer } = server();
    const id = ask(peer, "GET /r Block2:2/0/64");
    app.serves("GET /r Block2:2/0/64");
    app.answers("2.05", { payload: BODY });
    peer.receives(`ACK 2.05 ${id} token 20 ETag:_ Block2:2/1/64`, blockOf(BODY, 2, 64));
    fetchBlock(peer, "GET /r", BODY, 3, 64);
  });

  it("M in a request is ignored (7959-2.2-6)", () => {
    const { app, peer } = server();
    const id = ask(peer, "GET /r Block2:0/1/64");
    app.serves("GET /r Block2:0/1/64");
    app.answers("2.05", { payload: BODY });
    peer.receives(`ACK 2.05 ${id} token 20 ETag:_ Block2:0/1/64`, blockOf(BODY, 0, 64));
  });

  it("beyond the end: 4.00, also for the last number there is (7959-2.4-7)", () => {
    const { app, peer } = server();
    ask(peer, "GET /r");
    app.serves("GET /r");
    app.answers("2.05", { payload: BODY });
    peer.takes();
    for (const block of ["5/0/64", "1000/0/64", "1048575/0/16", "1048575/0/1024"]) {
      const id = ask(peer, `GET /r Block2:${block}`);
      peer.receives(`ACK 4.00 ${id} token 20 ...`);
    }
    // The same where the application is asked.
    const id = ask(peer, "GET /s Block2:1048575/0/1024");
    app.serves("GET /s Block2:1048575/0/1024");
    app.answers("2.05", { payload: BODY });
    peer.receives(`ACK 4.00 ${id} token 20 ...`);
  });

  it("a later block of what is an error by now, valid or empty", () => {
    const { app, peer } = server();
    for (
      const [answer, sent] of [
        ['4.04 "gone"', '4.04 ID "gone"'],
        ["4.04", "4.04 ID"],
        ["2.03 ETag:0x01", "2.03 ID ETag:0x01"],
        ["2.05", "4.00 ID ..."],
        ['2.05 "short"', "4.00 ID ..."],
      ] as const
    ) {
      const id = ask(peer, "GET /r Block2:3/0/64");
      app.serves("GET /r Block2:3/0/64");
      app.answers(answer);
      peer.receives(`ACK ${sent.replace("ID", `${id} token 20`)}`);
    }
  });

  it("SZX 7 in a request: 4.00 (7959-2.2-4)", () => {
    const { peer, silence } = server();
    for (const line of ["GET /r Block2:0/0/2048", "GET /r Block2:3/1/2048"]) {
      peer.receives(`ACK 4.00 ${ask(peer, line)} token 20 ...`);
    }
    peer.receives(`ACK 4.00 ${ask(peer, "PUT /r Block1:0/0/2048")} token 20 ...`);
    silence();
  });

  it("an option of zero length, twice, or too long (7959-2.1-3, 2.2-2)", () => {
    const { app, peer } = server();
    const id = ask(peer, "GET /r Block2:0x");
    app.serves("GET /r Block2:0/0/16");
    app.answers('2.05 "small"');
    peer.receives(`ACK 2.05 ${id} token 20 Block2:0/0/16 "small"`);
    for (const options of ["Block2:0x Block2:0x", "Block2:0x00000000", "Block1:0x Block1:0x"]) {
      peer.receives(`ACK 4.02 ${ask(peer, `GET /r ${options}`)} token 20 ...`);
    }
  });

  it("Size2 where it is asked for (7959-4-4)", () => {
    const { app, peer } = server();
    const id = ask(peer, "GET /r Size2:0");
    app.serves("GET /r Size2:0");
    app.answers("2.05", { payload: BODY });
    peer.receives(`ACK 2.05 ${id} token 20 ETag:_ Block2:0/1/64 Size2:300`, blockOf(BODY, 0, 64));
    fetchBlock(peer, "GET /r", BODY, 4, 64, "2.05 ID ETag:_", " Size2:300");
  });

  it("keeps the application's ETag; one of its own tells bodies and formats apart (7959-2.4-8)", () => {
    const { app, peer } = server();
    const etagOf = (line: string, payload: Uint8Array): string => {
      ask(peer, "GET /r");
      app.serves("GET /r");
      app.answers(line, { payload });
      const { options } = peer.receives("ACK 2.05 _ token 20 ...").message;
      return `${findOption(options, OptionNumber.ETag)?.value}`;
    };
    assertEquals(etagOf("2.05 ETag:0x0102", BODY), "1,2");
    const own = etagOf("2.05", BODY);
    assertEquals(etagOf("2.05", BODY.slice()), own);
    assertNotEquals(etagOf("2.05 Content-Format:42", BODY), own);
    const etags = new Set<string>();
    for (let i = 0; i < BODY.length; i++) {
      for (const bit of [1, 128]) {
        const other = BODY.slice();
        other[i]! ^= bit;
        etags.add(etagOf("2.05", other));
      }
    }
    for (let length = 65; length < 300; length++) etags.add(etagOf("2.05", new Uint8Array(length)));
    assertEquals(etags.size, 600 + 235);
  });

  it("a large error has no ETag (7252-5.10-9)", () => {
    const { app, peer } = server();
    const id = ask(peer, "GET /r");
    app.serves("GET /r");
    app.answers("5.00", { payload: BODY });
    peer.receives(`ACK 5.00 ${id} token 20 Block2:0/1/64`, blockOf(BODY, 0, 64));
    fetchBlock(peer, "GET /r", BODY, 1, 64, "5.00 ID");
  });

  it("block 0 again asks the application; its further blocks are of the new state", () => {
    const { app, peer } = server();
    const other = makeBody(200, 1);
    for (const payload of [BODY, other]) {
      ask(peer, "GET /r");
      app.serves("GET /r");
      app.answers("2.05", { payload });
      peer.takes();
    }
    fetchBlock(peer, "GET /r", other, 1, 64);
  });

  it("is kept for each peer and each request (7959-2.5-7)", () => {
    const { app, peer, peerAt } = server();
    const other = peerAt(40_000);
    const asks: [ScriptedPeer, string, Uint8Array][] = [
      [peer, "/r", makeBody(200, 1)],
      [other, "/r", makeBody(200, 2)],
      [peer, "/r ?a=1", makeBody(200, 3)],
      [peer, "/r Accept:50", makeBody(200, 4)],
      [peer, "/a/b", makeBody(200, 5)],
      [peer, '/"a 11,1:b"', makeBody(200, 6)],
      [peer, '/"a 11:b"', makeBody(200, 7)],
      [peer, "/r 65000:0x01", makeBody(200, 8)],
    ];
    for (const [who, what, payload] of asks) {
      ask(who, `GET ${what}`);
      app.answers("2.05", { payload, id: app.event("request").id });
      who.takes();
    }
    for (const [who, what, body] of asks) fetchBlock(who, `GET ${what}`, body, 1, 64);
    // Conditions, Observe and what is no part of a cache key make no difference.
    fetchBlock(peer, "GET /r ETag:0x01 Size2:0 Echo:0x01", asks[0]![2], 2, 64);
  });

  it("is forgotten after EXCHANGE_LIFETIME without a request, then asked for anew (7959-2.4-12)", () => {
    const { app, peer, after, engine } = server();
    ask(peer, "GET /r");
    app.serves("GET /r");
    app.answers("2.05", { payload: BODY });
    peer.takes();
    for (let number = 1; number < 4; number++) {
      after(246_000);
      fetchBlock(peer, "GET /r", BODY, number, 64);
    }
    after(LONG);
    assertEquals([engine.sizes.transfers, engine.sizes.transferBytes], [0, 0]);
    const id = ask(peer, "GET /r Block2:4/0/64");
    app.serves("GET /r Block2:4/0/64");
    app.answers("2.05", { payload: BODY });
    peer.receives(`ACK 2.05 ${id} token 20 ETag:_ Block2:4/0/64`, blockOf(BODY, 4, 64));
  });

  it("to a request that is not safe can not be asked for anew: 4.08", () => {
    const { app, peer, after } = server();
    ask(peer, 'POST /r "x"');
    app.serves('POST /r "x"');
    app.answers("2.04", { payload: BODY });
    peer.takes();
    fetchBlock(peer, "POST /r", BODY, 1, 64, "2.04 ID ETag:_");
    after(LONG);
    peer.receives(`ACK 4.08 ${ask(peer, "POST /r Block2:2/0/64")} token 20`);
  });

  it("separate: Block2 in the separate message", () => {
    const { app, peer, after } = server();
    const id = ask(peer, "GET /r");
    app.serves("GET /r");
    after(500);
    peer.receives(`ACK Empty ${id}`);
    app.answers("2.05", { payload: BODY });
    peer.receives("CON 2.05 $m token 20 ETag:_ Block2:0/1/64", blockOf(BODY, 0, 64));
    peer.sends("ACK Empty $m");
  });

  it("with Block2 of the application's own goes as it is", () => {
    const { app, peer, engine } = server();
    const id = ask(peer, "GET /r Block2:3/0/64");
    app.serves("GET /r Block2:3/0/64");
    app.answers("2.05 Block2:3/1/64", { payload: blockOf(BODY, 3, 64) });
    peer.receives(`ACK 2.05 ${id} token 20 Block2:3/1/64`, blockOf(BODY, 3, 64));
    assertEquals(engine.sizes.transfers, 0);
  });

  it("whose options can not be sent is the application's mistake; it can still answer", () => {
    const { app, peer, engine, now } = server();
    ask(peer, "GET /r");
    const id = app.serves("GET /r");
    const options = [{ number: OptionNumber.ETag, value: new Uint8Array(9) }];
    assertThrows(
      () => engine.respond(now, id, { code: Code.Content, options, payload: BODY }),
      CoAPError,
      "ETag",
    );
    app.answers("5.00");
    peer.receives("ACK 5.00 _ token 20");
  });

  it("may come from an object whose fields are accessors", () => {
    const ladder = server();
    const { peer, app, engine, now } = ladder;
    class Response {
      get code(): number {
        return Code.Content;
      }
      get payload(): Uint8Array {
        return BODY;
      }
    }
    const id = ask(peer, "GET /r Size2:0");
    app.serves("GET /r Size2:0");
    engine.respond(now, app.request!.id, new Response());
    ladder.drain();
    peer.receives(`ACK 2.05 ${id} token 20 ETag:_ Block2:0/1/64 Size2:300`, blockOf(BODY, 0, 64));
  });

  it("the oldest go where there are too many or too large ones; what is too large is not kept", () => {
    const { app, peer, engine } = lockstep({
      serve: true,
      blockSize: 64,
      limits: { transfers: 2, transferBytes: 500 },
    });
    const serve = (path: string, payload: Uint8Array): void => {
      ask(peer, `GET ${path}`);
      app.serves(`GET ${path}`);
      app.answers("2.05", { payload });
      peer.takes();
    };
    for (const path of ["/a", "/b", "/c"]) serve(path, BODY.subarray(0, 100));
    assertEquals([engine.sizes.transfers, engine.sizes.transferBytes], [2, 200]);
    serve("/d", makeBody(450));
    assertEquals([engine.sizes.transfers, engine.sizes.transferBytes], [1, 450]);
    serve("/e", makeBody(501));
    assertEquals([engine.sizes.transfers, engine.sizes.transferBytes], [1, 450]);
    fetchBlock(peer, "GET /d", makeBody(450), 1, 64);
    const id = ask(peer, "GET /e Block2:1/0/64");
    app.serves("GET /e Block2:1/0/64");
    app.answers("2.05", { payload: makeBody(501) });
    peer.receives(`ACK 2.05 ${id} token 20 ETag:_ Block2:1/1/64`, blockOf(makeBody(501), 1, 64));
  });
});

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

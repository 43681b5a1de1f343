import { assertEquals, assertNotEquals, assertThrows } from "@std/assert";
import { afterEach, describe, it } from "node:test";
import { blockOf, makeBody } from "../../testing/bodies.ts";
import { lockstep, type ScriptedPeer, settle } from "../../testing/lockstep.ts";
import { CoAPError } from "../errors.ts";
import { Code } from "../wire/code.ts";
import { findOption, OptionNumber } from "../wire/option.ts";
import { ask, BODY, fetchBlock, LONG, server } from "../../testing/blockwise_clients.ts";

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

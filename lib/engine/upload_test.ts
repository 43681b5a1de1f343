import { assertEquals, assertMatch, assertThrows } from "@std/assert";
import { afterEach, describe, it } from "node:test";
import { blockOf, makeBody } from "../../testing/bodies.ts";
import { lockstep, settle } from "../../testing/lockstep.ts";
import { CoAPError } from "../errors.ts";
import { Code } from "../wire/code.ts";
import { BODY, detailOf, takesBlock } from "../../testing/blockwise_servers.ts";

describe("a request in blocks, the client", () => {
  afterEach(settle);

  it("starts at 0 and goes on in order, with Size1 in the first (7959-2.5-5, 4-4)", () => {
    const ladder = lockstep({ blockSize: 64 });
    const body = makeBody(200);
    ladder.app.asks("CON PUT Content-Format:42 /r", { payload: body, progress: true });
    for (let number = 0; number < 4; number++) {
      const head = "PUT $m token $t /r Content-Format:42";
      // Size2 asks for the length of the response; it stands between Block1 and Size1.
      const rest = ` Size2:0${number === 0 ? " Size1:200" : ""}`;
      takesBlock(ladder, head, body, number, 64, rest);
      const more = number < 3 ? 1 : 0;
      ladder.peer.sends(`ACK ${more ? "2.31" : "2.04"} $m token $t Block1:${number}/${more}/64`);
      const { bytes, total, direction } = ladder.app.event("progress");
      assertEquals([bytes, total, direction], [Math.min(64 * number + 64, 200), 200, "upload"]);
    }
    ladder.app.gets("2.04 Block1:3/0/64");
  });

  it("heeds a smaller size at any time, and ignores a larger one (7959-2.5-1)", () => {
    const ladder = lockstep({ blockSize: 64 });
    const body = makeBody(200);
    ladder.app.asks("CON PUT /r", { payload: body });
    takesBlock(ladder, "PUT $m token $t /r", body, 0, 64, " Size1:200");
    ladder.peer.sends("ACK 2.31 $m token $t Block1:0/1/1024");
    takesBlock(ladder, "PUT $m token $t /r", body, 1, 64);
    ladder.peer.sends("ACK 2.31 $m token $t Block1:1/1/32");
    takesBlock(ladder, "PUT $m token $t /r", body, 4, 32);
    ladder.peer.sends("ACK 2.31 $m token $t Block1:4/1/16");
    for (let number = 10; number <= 12; number++) {
      takesBlock(ladder, "PUT $m token $t /r", body, number, 16);
      const more = number < 12 ? 1 : 0;
      ladder.peer.sends(`ACK ${more ? "2.31" : "2.01"} $m token $t Block1:${number}/${more}/16`);
    }
    ladder.app.gets("2.01 Block1:12/0/16");
  });

  it("If-None-Match stands in the first block alone (7959-2.10-1)", () => {
    const ladder = lockstep({ blockSize: 64 });
    const body = makeBody(100);
    ladder.app.asks("CON PUT If-None-Match /r", { payload: body });
    takesBlock(ladder, "PUT $m token $t If-None-Match /r", body, 0, 64, " Size1:100");
    ladder.peer.sends("ACK 2.31 $m token $t Block1:0/1/64");
    takesBlock(ladder, "PUT $m token $t /r", body, 1, 64);
    ladder.peer.sends("ACK 2.01 $m token $t Block1:1/0/64");
    ladder.app.gets("2.01 Block1:1/0/64");
  });

  it("an error before the end is the response", () => {
    for (const code of ["4.03", "4.13", "5.00"]) {
      const ladder = lockstep({ blockSize: 64 });
      const body = makeBody(200);
      ladder.app.asks("CON PUT /r", { payload: body });
      takesBlock(ladder, "PUT $m token $t /r", body, 0, 64, " Size1:200");
      ladder.peer.sends(`ACK ${code} $m token $t Block1:0/0/64`);
      ladder.app.gets(`${code} Block1:0/0/64`);
      ladder.silence(93_000);
    }
  });

  it("4.08 begins it once more, a second one is the response", () => {
    const ladder = lockstep({ blockSize: 64 });
    const body = makeBody(100);
    ladder.app.asks("CON PUT /r", { payload: body });
    for (const _time of [1, 2]) {
      takesBlock(ladder, "PUT $m token $t /r", body, 0, 64, " Size1:100");
      ladder.peer.sends("ACK 2.31 $m token $t Block1:0/1/64");
      takesBlock(ladder, "PUT $m token $t /r", body, 1, 64);
      ladder.peer.sends("ACK 4.08 $m token $t Block1:1/0/64");
    }
    ladder.app.gets("4.08 Block1:1/0/64");
  });

  it("4.13 with a smaller size begins it with that, in blocks or not (7959-2.5-10)", () => {
    for (const length of [60, 100]) {
      const ladder = lockstep({ blockSize: 64 });
      const body = makeBody(length);
      ladder.app.asks("CON PUT /r", { payload: body });
      if (length > 64) takesBlock(ladder, "PUT $m token $t /r", body, 0, 64, " Size1:100");
      else ladder.peer.receives("CON PUT $m token $t /r", body);
      ladder.peer.sends("ACK 4.13 $m token $t Block1:0/0/16");
      const last = Math.ceil(length / 16) - 1;
      for (let number = 0; number <= last; number++) {
        const size1 = number === 0 ? ` Size1:${length}` : "";
        takesBlock(ladder, "PUT $m token $t /r", body, number, 16, size1);
        const more = number < last ? 1 : 0;
        ladder.peer.sends(`ACK ${more ? "2.31" : "2.04"} $m token $t Block1:${number}/${more}/16`);
      }
      ladder.app.gets(`2.04 Block1:${last}/0/16`);
    }
  });

  it("4.13 without a smaller size is the response, with its Size1 (7959-4-4)", () => {
    const ladder = lockstep({ blockSize: 64 });
    const body = makeBody(100);
    ladder.app.asks("CON PUT /r", { payload: body });
    takesBlock(ladder, "PUT $m token $t /r", body, 0, 64, " Size1:100");
    ladder.peer.sends("ACK 4.13 $m token $t Block1:0/0/64 Size1:80");
    ladder.app.gets("4.13 Block1:0/0/64 Size1:80");
  });

  it("4.13 for ever smaller blocks ends with the response", () => {
    const ladder = lockstep({ blockSize: 64 });
    const body = makeBody(100);
    ladder.app.asks("CON PUT /r", { payload: body });
    for (const size of [64, 32, 16]) {
      takesBlock(ladder, "PUT $m token $t /r", body, 0, size, " Size1:100");
      ladder.peer.sends(`ACK 4.13 $m token $t Block1:0/0/${Math.max(size / 2, 16)}`);
    }
    ladder.app.gets("4.13 Block1:0/0/16");
  });

  it("2.31 without Block1 means the block under way", () => {
    const ladder = lockstep({ blockSize: 64 });
    const body = makeBody(100);
    ladder.app.asks("CON PUT /r", { payload: body });
    takesBlock(ladder, "PUT $m token $t /r", body, 0, 64, " Size1:100");
    ladder.peer.sends("ACK 2.31 $m token $t");
    takesBlock(ladder, "PUT $m token $t /r", body, 1, 64);
    ladder.peer.sends("ACK 2.04 $m token $t");
    ladder.app.gets("2.04");
  });

  it("fails on 2.31 for another block or after the last", () => {
    for (const block of ["Block1:1/1/64", "Block1:0/1/2048"]) {
      const ladder = lockstep({ blockSize: 64 });
      const body = makeBody(100);
      ladder.app.asks("CON PUT /r", { payload: body });
      takesBlock(ladder, "PUT $m token $t /r", body, 0, 64, " Size1:100");
      ladder.peer.sends(`ACK 2.31 $m token $t ${block}`);
      if (block.endsWith("2048")) {
        // The reserved SZX is no size to go on with; the number is the right one.
        takesBlock(ladder, "PUT $m token $t /r", body, 1, 64);
        ladder.peer.sends("ACK 2.31 $m token $t Block1:1/1/64");
      }
      assertMatch(detailOf(ladder), /does not continue block/);
      ladder.silence();
    }
  });

  it("a final response without Block1 is taken", () => {
    const ladder = lockstep({ blockSize: 64 });
    const body = makeBody(100);
    ladder.app.asks("CON PUT /r", { payload: body });
    takesBlock(ladder, "PUT $m token $t /r", body, 0, 64, " Size1:100");
    ladder.peer.sends("ACK 2.31 $m token $t Block1:0/1/64");
    takesBlock(ladder, "PUT $m token $t /r", body, 1, 64);
    ladder.peer.sends("ACK 2.04 $m token $t");
    ladder.app.gets("2.04");
  });

  it("a final response without Block1 to a block before the last is a failure: most of the body is not there", () => {
    const ladder = lockstep({ blockSize: 64 });
    const body = makeBody(100);
    ladder.app.asks("CON PUT /r", { payload: body });
    takesBlock(ladder, "PUT $m token $t /r", body, 0, 64, " Size1:100");
    ladder.peer.sends("ACK 2.04 $m token $t");
    assertMatch(detailOf(ladder), /^Response to block 0 of the request takes it for the last$/);
    ladder.silence();
  });

  it("more than blocks can number is refused at once (7959-2.2-7)", () => {
    const { engine, peer, silence } = lockstep();
    const outline = { code: Code.PUT, payload: new Uint8Array(16 * 2 ** 20 + 1) };
    const error = assertThrows(
      () => engine.request(0, peer.flow, outline, { blockSize: 16 }),
      CoAPError,
      "can number",
    );
    assertEquals(error.reason, "blockwise");
    silence();
  });

  it("sizes outside of 16 to 1024 are refused (7959-2.2-3)", () => {
    const { engine, peer } = lockstep();
    for (const blockSize of [0, 8, 100, 2048, NaN, 16.5]) {
      assertThrows(
        () => engine.request(0, peer.flow, { code: Code.GET }, { blockSize }),
        RangeError,
        `it is "${blockSize}"`,
      );
      assertThrows(() => lockstep({ blockSize }), RangeError, `it is "${blockSize}"`);
    }
  });

  it("with Block1 of the caller's own goes as it is", () => {
    const { app, peer, silence } = lockstep({ blockSize: 64 });
    app.asks("CON PUT /r Block1:0/1/64", { payload: makeBody(64) });
    peer.receives("CON PUT $m token $t /r Block1:0/1/64", makeBody(64));
    peer.sends("ACK 2.31 $m token $t Block1:0/1/64");
    app.gets("2.31 Block1:0/1/64");
    silence(93_000);
  });

  it("streamed: bytes are asked for as they are needed", () => {
    const ladder = lockstep({ blockSize: 64 });
    const { app, engine } = ladder;
    const body = makeBody(150);
    const id = app.asks("CON PUT /r", { upload: true });
    const provides = (from: number, to: number, last = false): void => {
      engine.provide(ladder.now, id, body.subarray(from, to), last);
      ladder.drain();
    };
    // One byte more than a block tells whether it is the last.
    assertEquals(app.event("needBody").length, 65);
    provides(0, 60);
    assertEquals(app.event("needBody").length, 5);
    provides(60, 64);
    assertEquals(app.event("needBody").length, 1);
    ladder.silence(300_000);
    provides(64, 70);
    takesBlock(ladder, "PUT $m token $t /r", body, 0, 64);
    ladder.peer.sends("ACK 2.31 $m token $t Block1:0/1/64");
    assertEquals(app.event("needBody").length, 59);
    provides(70, 128);
    assertEquals(app.event("needBody").length, 1);
    provides(128, 150, true);
    takesBlock(ladder, "PUT $m token $t /r", body, 1, 64);
    ladder.peer.sends("ACK 2.31 $m token $t Block1:1/1/32"); // and smaller ones from here
    takesBlock(ladder, "PUT $m token $t /r", body, 4, 32);
    ladder.peer.sends("ACK 2.04 $m token $t Block1:4/0/32");
    app.gets("2.04 Block1:4/0/32");
  });

  it("streamed, of nothing or of one block: no Block1", () => {
    for (const payload of [new Uint8Array(0), makeBody(64)]) {
      const ladder = lockstep({ blockSize: 64 });
      const id = ladder.app.asks("CON PUT /r", { upload: true });
      ladder.app.event("needBody");
      ladder.engine.provide(ladder.now, id, payload, true);
      ladder.drain();
      ladder.peer.receives("CON PUT $m token $t /r", payload);
      ladder.peer.sends("ACK 2.04 $m token $t");
      ladder.app.gets("2.04");
    }
  });

  it("streamed, what is gone can not be sent again: 4.08 and 4.13 are responses", () => {
    for (const line of ["4.08 $m token $t Block1:1/0/64", "4.13 $m token $t Block1:1/0/32"]) {
      const ladder = lockstep({ blockSize: 64 });
      const body = makeBody(200);
      const id = ladder.app.asks("CON PUT /r", { upload: true });
      ladder.app.event("needBody");
      ladder.engine.provide(ladder.now, id, body.subarray(0, 100), false);
      ladder.drain();
      takesBlock(ladder, "PUT $m token $t /r", body, 0, 64);
      ladder.peer.sends("ACK 2.31 $m token $t Block1:0/1/64");
      ladder.app.event("needBody");
      ladder.engine.provide(ladder.now, id, body.subarray(100), true);
      ladder.drain();
      takesBlock(ladder, "PUT $m token $t /r", body, 1, 64);
      ladder.peer.sends(`ACK ${line}`);
      ladder.app.gets(line.replace(" $m token $t", ""));
    }
  });

  it("FETCH: the body in blocks, and the response in blocks (8132-2-7)", () => {
    const ladder = lockstep({ blockSize: 64 });
    const query = makeBody(100, 1);
    ladder.app.asks("CON FETCH Content-Format:50 /r", { payload: query });
    takesBlock(ladder, "FETCH $m token $t /r Content-Format:50", query, 0, 64, " Size1:100");
    ladder.peer.sends("ACK 2.31 $m token $t Block1:0/1/64");
    takesBlock(ladder, "FETCH $m token $t /r Content-Format:50", query, 1, 64);
    ladder.peer.sends("ACK 2.05 $m token $t Block2:0/1/64 Block1:1/0/64", blockOf(BODY, 0, 64));
    ladder.peer.receives("CON FETCH $m1 token $t1 /r Content-Format:50 Block2:1/0/64");
    ladder.peer.sends("ACK 2.05 $m1 token $t1 Block2:1/0/64", BODY.subarray(64, 70));
    ladder.app.gets("2.05 Block1:1/0/64", undefined, BODY.subarray(0, 70));
  });
});

describe("Request-Tag, the client", () => {
  afterEach(settle);

  it("tells a second upload to the same peer from the first, in all its requests (9175-3-2)", () => {
    const ladder = lockstep({ blockSize: 64, parameters: { nstart: 2 } });
    const { app, peer } = ladder;
    const bodies = [makeBody(100), makeBody(100, 1)];
    const ids = bodies.map((payload) => app.asks("CON PUT /r", { payload }));
    const first = [" Size1:100", " Size1:100 Request-Tag:0x01"];
    const heads = ["PUT $ma token $ta /r", "PUT $mb token $tb /r"];
    heads.forEach((head, i) => takesBlock(ladder, head, bodies[i]!, 0, 64, first[i]));
    peer.sends("ACK 2.31 $ma token $ta Block1:0/1/64");
    takesBlock(ladder, "PUT $mc token $tc /r", bodies[0]!, 1, 64);
    peer.sends("ACK 2.31 $mb token $tb Block1:0/1/64");
    takesBlock(ladder, "PUT $md token $td /r", bodies[1]!, 1, 64, " Request-Tag:0x01");
    peer.sends("ACK 2.04 $mc token $tc Block1:1/0/64");
    app.gets("2.04 Block1:1/0/64", ids[0]);
    // Also in those for the response's blocks.
    peer.sends("ACK 2.04 $md token $td Block2:0/1/64 Block1:1/0/64", blockOf(BODY, 0, 64));
    peer.receives("CON PUT $me token $te /r Block2:1/0/64 Request-Tag:0x01");
    peer.sends("ACK 2.04 $me token $te Block2:1/0/64", BODY.subarray(64, 70));
    app.gets("2.04 Block1:1/0/64", ids[1], BODY.subarray(0, 70));
    // Alone again: without one.
    app.asks("CON PUT /r", { payload: bodies[0]! });
    takesBlock(ladder, "PUT $mf token $tf /r", bodies[0]!, 0, 64, " Size1:100");
    app.cancels();
  });

  it("an upload that failed or was canceled leaves no trace", () => {
    const ladder = lockstep({ blockSize: 64 });
    const { app, peer } = ladder;
    const body = makeBody(100);
    for (const end of ["RST Empty $m", "cancel", "ACK 2.31 $m token $t Block1:7/1/64"]) {
      app.asks("CON PUT /r", { payload: body });
      takesBlock(ladder, "PUT $m token $t /r", body, 0, 64, " Size1:100");
      if (end === "cancel") app.cancels();
      else {
        peer.sends(end);
        app.event("failed");
      }
    }
    app.asks("NON PUT /r No-Response:26", { payload: body });
    peer.receives(
      "NON PUT $m1 token $t1 /r Block1:0/1/64 Size1:100 No-Response:26",
      blockOf(body, 0, 64),
    );
    peer.sends("NON 2.31 0x0001 token $t1 Block1:0/1/64");
    peer.receives("NON PUT $m2 token $t2 /r Block1:1/0/64 No-Response:26", blockOf(body, 1, 64));
    app.gets("Empty");
    app.asks("CON PUT /r", { payload: body });
    takesBlock(ladder, "PUT $m token $t /r", body, 0, 64, " Size1:100");
    app.cancels();
  });
});

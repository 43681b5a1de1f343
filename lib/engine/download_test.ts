import { assert, assertEquals, assertMatch } from "@std/assert";
import { afterEach, describe, it } from "node:test";
import { blockOf, makeBody } from "../../testing/bodies.ts";
import { lockstep, settle } from "../../testing/lockstep.ts";
import { Code } from "../wire/code.ts";
import { decode, encode, MessageType } from "../wire/message.ts";
import { encodeUint, OptionNumber } from "../wire/option.ts";
import { BODY, detailOf, givesBlock } from "../../testing/blockwise_servers.ts";

describe("a response in blocks, the client", () => {
  afterEach(settle);

  it("is asked for with the same options, a message ID and a token per block (7959-2.3-6, 2.4-1)", () => {
    const ladder = lockstep();
    ladder.app.asks("CON GET Uri-Host:h Accept:50 /a/b ?q=1 65000:0x01");
    const tokens = new Set<string>();
    const ids = new Set<number>();
    for (let number = 0; number < 3; number++) {
      const { token, id } = ladder.peer.unread[0]!.message;
      tokens.add(`${token}`);
      ids.add(id);
      const block = number === 0 ? "" : ` Block2:${number}/0/128`;
      ladder.bindings.delete("$m");
      ladder.bindings.delete("$t");
      ladder.peer.receives(
        `CON GET $m token $t Uri-Host:h /a/b ?q=1 Accept:50${block} 65000:0x01`,
      );
      ladder.peer.sends(
        `ACK 2.05 $m token $t Block2:${number}/${number < 2 ? 1 : 0}/128`,
        blockOf(BODY, number, 128),
      );
    }
    ladder.app.gets("2.05", undefined, BODY);
    assertEquals([tokens.size, ids.size], [3, 3]);
  });

  it("keeps the size of the first response, or moves to a smaller one (7959-2.3-3, 2.4-4)", () => {
    const ladder = lockstep();
    ladder.app.asks("CON GET /r", { blockSize: 128 });
    ladder.peer.receives("CON GET $m token $t /r Block2:0/0/128");
    ladder.peer.sends("ACK 2.05 $m token $t Block2:0/1/64", blockOf(BODY, 0, 64));
    ladder.peer.receives("CON GET $m1 token $t1 /r Block2:1/0/64");
    // Smaller in the middle: bytes 64 to 79.
    ladder.peer.sends("ACK 2.05 $m1 token $t1 Block2:4/1/16", BODY.subarray(64, 80));
    ladder.peer.receives("CON GET $m2 token $t2 /r Block2:5/0/16");
    ladder.peer.sends("ACK 2.05 $m2 token $t2 Block2:5/0/16", BODY.subarray(80, 90));
    ladder.app.gets("2.05", undefined, BODY.subarray(0, 90));
  });

  it("goes on separately: the acknowledgement first, each block without delay (7959-2.4-13)", () => {
    const { app, peer, after } = lockstep();
    app.asks("CON GET /r");
    peer.receives("CON GET $m token $t /r");
    peer.sends("ACK Empty $m");
    after(5000);
    peer.sends("CON 2.05 0x0101 token $t Block2:0/1/64", blockOf(BODY, 0, 64));
    peer.receives("ACK Empty 0x0101");
    const { at } = peer.receives("CON GET $m1 token $t1 /r Block2:1/0/64");
    assertEquals(at, 5000);
    peer.sends("ACK Empty $m1");
    peer.sends("CON 2.05 0x0102 token $t1 Block2:1/0/64", BODY.subarray(64, 70));
    peer.receives("ACK Empty 0x0102");
    app.gets("2.05", undefined, BODY.subarray(0, 70));
  });

  it("over Non-confirmable messages", () => {
    const { app, peer } = lockstep();
    app.asks("NON GET /r");
    peer.receives("NON GET $m token $t /r");
    peer.sends("NON 2.05 0x0101 token $t Block2:0/1/64", blockOf(BODY, 0, 64));
    peer.receives("NON GET $m1 token $t1 /r Block2:1/0/64");
    peer.sends("NON 2.05 0x0102 token $t1 Block2:1/0/64", BODY.subarray(64, 70));
    app.gets("2.05", undefined, BODY.subarray(0, 70));
  });

  it("may be one block, of no bytes, with an option value of zero length (7959-2.2-2, 2.3-2)", () => {
    for (const payload of ["", ' "whole"']) {
      const { app, peer } = lockstep();
      app.asks("CON GET /r");
      peer.receives("CON GET $m token $t /r");
      peer.sends(`ACK 2.05 $m token $t Block2:0x${payload}`);
      app.gets(`2.05${payload}`);
    }
  });

  it("ends with a block of any size, an empty or a larger one as well (7959-2.3-2)", () => {
    for (const length of [0, 1, 64, 100]) {
      const { app, peer } = lockstep();
      app.asks("CON GET /r");
      peer.receives("CON GET $m token $t /r");
      peer.sends("ACK 2.05 $m token $t Block2:0/1/64", blockOf(BODY, 0, 64));
      peer.receives("CON GET $m1 token $t1 /r Block2:1/0/64");
      peer.sends("ACK 2.05 $m1 token $t1 Block2:1/0/64", BODY.subarray(64, 64 + length));
      app.gets("2.05", undefined, BODY.subarray(0, 64 + length));
    }
  });

  it("ends where M says so, whatever Size2 says (7959-2.4-11, 4-3)", () => {
    for (const size2 of [0, 1, 70, 4_294_967_295]) {
      const ladder = lockstep();
      ladder.app.asks("CON GET /r", { progress: true });
      ladder.peer.receives("CON GET $m token $t /r Size2:0"); // 7959-4-2
      const line = `ACK 2.05 $m token $t Block2:0/1/64 Size2:${size2}`;
      ladder.peer.sends(line, blockOf(BODY, 0, 64));
      const { type: _type, id: _id, ...progress } = ladder.app.event("progress");
      assertEquals(progress, { direction: "download", bytes: 64, total: size2 });
      ladder.peer.receives("CON GET $m1 token $t1 /r Block2:1/0/64");
      ladder.peer.sends("ACK 2.05 $m1 token $t1 Block2:1/0/64", BODY.subarray(64, 70));
      assertEquals(ladder.app.event("progress").bytes, 70);
      ladder.app.gets(`2.05 Size2:${size2}`, undefined, BODY.subarray(0, 70));
    }
  });

  it("fails on a block that is not the one asked for (7959-2.4-14)", () => {
    for (const block of ["5/1/64", "0/1/64", "2/0/64", "1/1/128", "0/0/128"]) {
      const ladder = lockstep();
      const { app, peer } = ladder;
      app.asks("CON GET /r");
      peer.receives("CON GET $m token $t /r");
      peer.sends("ACK 2.05 $m token $t Block2:0/1/64", blockOf(BODY, 0, 64));
      peer.receives("CON GET $m1 token $t1 /r Block2:1/0/64");
      const size = block.endsWith("128") ? 128 : 64;
      peer.sends(`ACK 2.05 $m1 token $t1 Block2:${block}`, BODY.subarray(0, size));
      assertMatch(detailOf(ladder), /asked was byte 64/);
      ladder.silence(93_000);
    }
  });

  it("fails on a first block other than 0, on SZX 7, and on M with another length (7959-2.2-5, 2.3-1)", () => {
    const lines: [string, number, RegExp][] = [
      ["Block2:1/1/64", 64, /byte 64 on/],
      ["Block2:1048575/0/16", 16, /byte 16777200 on/], // sized by it, it would be 16 MiB
      ["Block2:0/1/2048", 64, /SZX 7/],
      ["Block2:0/0/2048", 64, /SZX 7/],
      ["Block2:0/1/64", 63, /64 bytes came with 63/],
      ["Block2:0/1/64", 65, /64 bytes came with 65/],
      ["Block2:0/1/64", 0, /64 bytes came with 0/],
    ];
    for (const [option, length, detail] of lines) {
      const ladder = lockstep();
      ladder.app.asks("CON GET /r");
      ladder.peer.receives("CON GET $m token $t /r");
      ladder.peer.sends(`ACK 2.05 $m token $t ${option}`, BODY.subarray(0, length));
      assertMatch(detailOf(ladder), detail);
      ladder.silence();
    }
  });

  it("fails on a response without Block2 in the middle", () => {
    const ladder = lockstep();
    ladder.app.asks("CON GET /r");
    givesBlock(ladder, "GET $m token $t /r", BODY, 0, 64);
    ladder.peer.receives("CON GET $m1 token $t1 /r Block2:1/0/64");
    ladder.peer.sends('ACK 2.05 $m1 token $t1 "all of it"');
    assertMatch(detailOf(ladder), /has no Block2/);
  });

  it("an error on the way is the response", () => {
    const ladder = lockstep();
    ladder.app.asks("CON GET /r");
    givesBlock(ladder, "GET $m token $t /r", BODY, 0, 64);
    ladder.peer.receives("CON GET $m1 token $t1 /r Block2:1/0/64");
    ladder.peer.sends('ACK 4.04 $m1 token $t1 "gone"');
    ladder.app.gets('4.04 "gone"');
  });

  it("may be an error in blocks", () => {
    const { app, peer } = lockstep();
    app.asks("CON GET /r");
    peer.receives("CON GET $m token $t /r");
    peer.sends("ACK 5.00 $m token $t Block2:0/1/64", blockOf(BODY, 0, 64));
    peer.receives("CON GET $m1 token $t1 /r Block2:1/0/64");
    peer.sends("ACK 5.00 $m1 token $t1 Block2:1/0/64", BODY.subarray(64, 70));
    app.gets("5.00", undefined, BODY.subarray(0, 70));
  });

  it("of a changed representation is fetched anew, never mixed (7959-2.4-9)", () => {
    const ladder = lockstep();
    const other = makeBody(150, 1);
    ladder.app.asks("CON GET /r");
    givesBlock(ladder, "GET $m token $t /r", BODY, 0, 64, " ETag:0x01");
    givesBlock(ladder, "GET $m token $t /r", other, 1, 64, " ETag:0x02");
    for (let number = 0; number < 3; number++) {
      givesBlock(ladder, "GET $m token $t /r", other, number, 64, " ETag:0x02");
    }
    ladder.app.gets("2.05 ETag:0x02", undefined, other);
  });

  it("an ETag that is missing, comes late or differs is a change; four of them fail (7959-2.4-10)", () => {
    for (const etags of [[" ETag:0x01", ""], ["", " ETag:0x01"], [" ETag:0x01", " ETag:0x0001"]]) {
      const ladder = lockstep();
      ladder.app.asks("CON GET /r");
      for (let time = 0; time < 4; time++) {
        givesBlock(ladder, "GET $m token $t /r", BODY, 0, 64, etags[0]);
        givesBlock(ladder, "GET $m token $t /r", BODY, 1, 64, etags[1]);
      }
      assertMatch(detailOf(ladder), /changed/);
      ladder.silence();
    }
  });

  it("of another Content-Format is a change as well, one that is left out is not (7959-2.3-5)", () => {
    const ladder = lockstep();
    const body = makeBody(150);
    ladder.app.asks("CON GET /r");
    givesBlock(ladder, "GET $m token $t /r", body, 0, 64, " Content-Format:0");
    givesBlock(ladder, "GET $m token $t /r", body, 1, 64, " Content-Format:42");
    givesBlock(ladder, "GET $m token $t /r", body, 0, 64, " Content-Format:42");
    givesBlock(ladder, "GET $m token $t /r", body, 1, 64);
    givesBlock(ladder, "GET $m token $t /r", body, 2, 64, " Content-Format:42");
    ladder.app.gets("2.05 Content-Format:42", undefined, body);
  });

  it("4.00 and 4.08 to a further block: the body is another one by now, fetched anew; at last the response", () => {
    for (const code of ["4.00", "4.08"]) {
      for (const changes of [1, 4]) {
        const ladder = lockstep();
        const { app, peer } = ladder;
        app.asks("CON GET /r");
        for (let n = 0; n < changes; n++) {
          givesBlock(ladder, "GET $m token $t /r", BODY, 0, 64);
          peer.receives(`CON GET $m${n} token $t${n} /r Block2:1/0/64`);
          peer.sends(`ACK ${code} $m${n} token $t${n} "Body ends before byte 64"`);
        }
        if (changes === 4) {
          app.gets(`${code} "Body ends before byte 64"`);
          continue;
        }
        peer.receives("CON GET $m9 token $t9 /r");
        peer.sends('ACK 2.05 $m9 token $t9 "short"');
        app.gets('2.05 "short"');
      }
    }
  });

  it("to a request that is not safe fails where it changes", () => {
    const ladder = lockstep();
    ladder.app.asks('CON POST /r "x"');
    ladder.peer.receives('CON POST $m token $t /r "x"');
    ladder.peer.sends("ACK 2.04 $m token $t ETag:0x01 Block2:0/1/64", blockOf(BODY, 0, 64));
    // Without the payload (7959-2.7-1).
    ladder.peer.receives("CON POST $m1 token $t1 /r Block2:1/0/64");
    ladder.peer.sends("ACK 2.04 $m1 token $t1 ETag:0x02 Block2:1/1/64", blockOf(BODY, 1, 64));
    assertMatch(detailOf(ladder), /changed/);
  });

  it("larger than the limit fails as soon as that is known", () => {
    const ladder = lockstep({ limits: { bodyBytes: 128 } });
    ladder.app.asks("CON GET /r");
    givesBlock(ladder, "GET $m token $t /r", BODY, 0, 64);
    givesBlock(ladder, "GET $m token $t /r", BODY, 1, 64);
    givesBlock(ladder, "GET $m token $t /r", BODY, 2, 64);
    assertMatch(detailOf(ladder), /limit bodyBytes of 128 bytes/);
    ladder.silence();
  });

  it("that does not end fails after the last block number (7959-2.2-7)", () => {
    const { app, peer, engine, now } = lockstep();
    app.asks("CON GET /r", { download: true });
    let { id, token } = peer.receives("CON GET $m token $t /r").message;
    // Large blocks up to the last 1024 bytes that can be numbered in blocks of 16, without a line for each.
    for (let offset = 0;;) {
      const size = offset < 2 ** 24 - 1024 ? 1024 : 16;
      const options = [{
        number: OptionNumber.Block2,
        value: encodeUint(offset / size << 4 | 8 | (size === 16 ? 0 : 6)),
      }];
      const payload = new Uint8Array(size);
      const type = MessageType.Acknowledgement;
      const reply = encode({ type, code: Code.Content, id, token, options, payload });
      engine.receive(now, peer.flow, reply);
      offset += size;
      const event = engine.pollEvent()!;
      assert(event.type === "response" || event.type === "body");
      engine.consume(now, event.id);
      const next = engine.pollEvent();
      if (next !== undefined) {
        assert(next.type === "failed");
        assertMatch(next.detail!, /can number/);
        assertEquals(offset, 2 ** 24);
        return;
      }
      ({ id, token } = decode(engine.pollTransmit()!.bytes));
      assertEquals(engine.pollTransmit(), undefined);
    }
  });

  it("random access: a block asked for is given as it is", () => {
    const { app, peer, silence } = lockstep();
    app.asks("CON GET /r Block2:3/0/64");
    peer.receives("CON GET $m token $t /r Block2:3/0/64");
    peer.sends("ACK 2.05 $m token $t Block2:3/1/64", blockOf(BODY, 3, 64));
    app.gets("2.05 Block2:3/1/64", undefined, blockOf(BODY, 3, 64));
    silence(93_000);
  });

  it("canceled: nothing is asked for any more", () => {
    const ladder = lockstep();
    ladder.app.asks("CON GET /r");
    givesBlock(ladder, "GET $m token $t /r", BODY, 0, 64);
    ladder.peer.receives("CON GET $m1 token $t1 /r Block2:1/0/64");
    assert(ladder.app.cancels());
    ladder.peer.sends("ACK 2.05 $m1 token $t1 Block2:1/1/64", blockOf(BODY, 1, 64));
    ladder.silence(93_000);
  });

  it("each block has its time; then the request fails", () => {
    const ladder = lockstep();
    const { app, peer, after } = ladder;
    app.asks("CON GET /r", { timeout: 10_000 });
    peer.receives("CON GET $m token $t /r");
    peer.sends("ACK Empty $m");
    after(9000);
    peer.sends("NON 2.05 0x0001 token $t Block2:0/1/64", blockOf(BODY, 0, 64));
    peer.receives("CON GET $m1 token $t1 /r Block2:1/0/64");
    peer.sends("ACK Empty $m1");
    after(9999);
    ladder.silence();
    after(1);
    app.fails("timeout");
  });

  it("keeps no datagram alive: bodies have memory of their own", () => {
    const { app, peer } = lockstep();
    app.asks("CON GET /r");
    peer.receives("CON GET $m token $t /r");
    const long = ` 65000:"${"x".repeat(900)}"`;
    peer.sends(`ACK 2.05 $m token $t Block2:0/1/16${long}`, BODY.subarray(0, 16));
    for (let number = 1; number < 64; number++) {
      const [m, t] = [`$m${number}`, `$t${number}`];
      peer.receives(`CON GET ${m} token ${t} /r Block2:${number}/0/16`);
      const line = `ACK 2.05 ${m} token ${t} Block2:${number}/${number < 63 ? 1 : 0}/16${long}`;
      peer.sends(line, BODY.subarray(0, 16));
    }
    const { payload } = app.event("response").message;
    assertEquals(payload.length, 1024);
    assert(payload.buffer.byteLength <= 2048, `${payload.buffer.byteLength}`);
  });
});

describe("a streamed response", () => {
  afterEach(settle);

  it("goes on when the application asks, once for each time", () => {
    const ladder = lockstep({ limits: { bodyBytes: 100 } });
    const { app, peer, engine } = ladder;
    app.asks("CON GET /r", { download: true });
    peer.receives("CON GET $m token $t /r");
    peer.sends("ACK 2.05 $m token $t ETag:0x01 Block2:0/1/64", blockOf(BODY, 0, 64));
    const event = app.event("response");
    assertEquals([event.more, event.message.payload], [true, blockOf(BODY, 0, 64)]);
    ladder.silence(500_000);
    for (const number of [1, 2, 3, 4]) {
      engine.consume(ladder.now, event.id);
      engine.consume(ladder.now, event.id);
      ladder.drain();
      const [m, t] = [`$m${number}`, `$t${number}`];
      peer.receives(`CON GET ${m} token ${t} /r Block2:${number}/0/64`);
      const more = number < 4 ? 1 : 0;
      const block = blockOf(BODY, number, 64);
      peer.sends(`ACK 2.05 ${m} token ${t} ETag:0x01 Block2:${number}/${more}/64`, block);
      const { bytes, last } = app.event("body", event.id);
      assertEquals([bytes, last], [block, number === 4]);
      engine.consume(ladder.now, more === 0 ? event.id : 0);
    }
  });

  it("of one message is whole at once", () => {
    const { app, peer } = lockstep();
    app.asks("CON GET /r", { download: true });
    peer.receives("CON GET $m token $t /r");
    peer.sends('ACK 2.05 $m token $t Block2:0/0/64 "all"');
    assertEquals(app.event("response").more, false);
  });

  it("fails where the representation changes or an error comes in place of a block", () => {
    for (
      const [line, detail] of [
        ["2.05 $m1 token $t1 ETag:0x02 Block2:1/0/64", /changed/],
        ["4.04 $m1 token $t1", /"4.04" came in place of a block/],
      ] as const
    ) {
      const ladder = lockstep();
      const { app, peer, engine } = ladder;
      app.asks("CON GET /r", { download: true });
      peer.receives("CON GET $m token $t /r");
      peer.sends("ACK 2.05 $m token $t ETag:0x01 Block2:0/1/64", blockOf(BODY, 0, 64));
      engine.consume(ladder.now, app.event("response").id);
      ladder.drain();
      peer.receives("CON GET $m1 token $t1 /r Block2:1/0/64");
      peer.sends(`ACK ${line}`);
      assertMatch(detailOf(ladder), detail);
    }
  });
});

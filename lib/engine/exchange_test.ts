import { assert, assertEquals, assertThrows } from "@std/assert";
import { afterEach, describe, it } from "node:test";
import { type Lockstep, lockstep, settle } from "../../testing/lockstep.ts";
import { parseLine, toBytes, toHex } from "../../testing/message_text.ts";
import { CoAPError } from "../errors.ts";
import { ownTokenKey, tokenKey } from "./exchange.ts";

/** A request that was sent. */
function asked(type = "CON", serve = false): Lockstep {
  const ladder = lockstep({ serve });
  ladder.app.asks(`${type} GET /test`);
  ladder.peer.receives(`${type} GET $m token $t /test`);
  return ladder;
}

describe("responses to a client", () => {
  afterEach(settle);

  it("piggybacked and separate, Confirmable and not, before and after an Empty ACK (7252-5.2-3, 8, 10)", () => {
    const flows = [
      ["CON", "ACK 2.05 $m"],
      ["CON", "CON 2.05 0x0001"],
      ["CON", "NON 2.05 0x0001"],
      ["CON", "ACK Empty $m", "CON 2.05 0x0001"],
      ["CON", "ACK Empty $m", "NON 2.05 0x0001"],
      ["CON", "CON 2.05 0x0001", "ACK Empty $m"],
      ["CON", "NON 2.05 0x0001", "ACK Empty $m"],
      ["NON", "CON 2.05 0x0001"],
      ["NON", "NON 2.05 0x0001"],
    ] as const;
    for (const [type, ...lines] of flows) {
      const { app, peer, silence } = asked(type);
      for (const line of lines) {
        if (line.includes("Empty")) {
          peer.sends(line);
          continue;
        }
        peer.sends(`${line} token $t "hello"`);
        // The acknowledgement of a separate response is Empty (7252-5.2-6).
        if (line.startsWith("CON")) peer.receives("ACK Empty 0x0001");
        app.gets('2.05 "hello"');
      }
      silence(93_000);
    }
  });

  it("of unregistered codes and classes arrive as they are (7252-5.2-1, 7252-5.2-2)", () => {
    for (const code of ["2.17", "4.27", "5.31", "4.00"]) {
      const { app, peer } = asked();
      peer.sends(`ACK ${code} $m token $t`);
      app.gets(code);
    }
  });

  it("after the Empty ACK may stay out until the time-out that the application set (7252-5.2-11)", () => {
    const { app, peer, after, silence } = lockstep();
    app.asks("CON GET /slow", { timeout: 10_000 });
    peer.receives("CON GET $m token $t /slow");
    after(1000);
    peer.sends("ACK Empty $m");
    silence(8999);
    after(1);
    app.fails("timeout");
    const patient = app.asks("CON GET /slow", { timeout: Infinity });
    peer.receives("CON GET $n token $u /slow");
    peer.sends("ACK Empty $n");
    silence(1e9);
    peer.sends("CON 2.05 0x0001 token $u");
    peer.receives("ACK Empty 0x0001");
    app.gets("2.05", patient);
  });

  it("the time-out may end between retransmissions, or before the first one", () => {
    const { app, peer, after, silence } = lockstep({ parameters: { ackRandomFactor: 1 } });
    app.asks("CON GET /test", { timeout: 5000 });
    peer.receives("CON GET $m token $t /test");
    after(2000);
    peer.receives("CON GET $m token $t /test");
    silence(2999);
    after(1);
    app.fails("timeout");
    app.asks("CON GET /test", { timeout: 1500 });
    peer.receives("CON GET $n token $u /test");
    silence(1499);
    after(1);
    app.fails("timeout");
    silence(93_000);
  });

  it("the time-out runs from the first transmission", () => {
    const { app, peer, after, silence } = lockstep();
    app.asks("CON GET /1");
    peer.receives("CON GET $m token $t /1");
    const second = app.asks("CON GET /2", { timeout: 1000 });
    silence(1999);
    peer.sends("ACK 2.05 $m token $t");
    app.gets("2.05", 1);
    peer.receives("CON GET $n token $u /2");
    silence(999);
    after(1);
    app.fails("timeout", second);
  });

  it("after the end of the request are rejected, and not delivered (7252-5.3.2-5)", () => {
    const { app, peer, silence } = asked();
    app.cancels();
    peer.sends("CON 2.05 0x0001 token $t");
    peer.receives("RST Empty 0x0001");
    peer.sends("NON 2.05 0x0002 token $t");
    peer.sends("ACK 2.05 $m token $t");
    silence();
    const { app: second, peer: other } = asked();
    other.sends("ACK 2.05 $m token $t");
    second.gets("2.05");
    other.sends("CON 2.05 0x0001 token $t");
    other.receives("RST Empty 0x0001");
  });

  it("a request can be canceled in every state, and leaves nothing", () => {
    const states: [string, (ladder: Lockstep) => void][] = [
      ["sent", () => {}],
      ["retransmitted", ({ after, peer }) => {
        after(3000);
        peer.receives("CON GET $m token $t /test");
      }],
      ["acknowledged", ({ peer }) => peer.sends("ACK Empty $m")],
    ];
    for (const [state, reach] of states) {
      const ladder = asked();
      reach(ladder);
      assert(ladder.app.cancels(), state);
      assertEquals(ladder.app.cancels(), false);
      assertEquals([ladder.engine.sizes.exchanges, ladder.engine.sizes.timers], [0, 0], state);
      ladder.silence(93_000);
    }
    const { app, engine, silence, peer } = asked();
    const queued = app.asks("CON GET /queued");
    assert(app.cancels(queued));
    app.cancels(1);
    assertEquals([engine.sizes.exchanges, engine.sizes.timers], [0, 0]);
    silence(93_000);
    app.pings();
    peer.receives("CON Empty _");
    assert(app.cancels());
    silence(93_000);
  });

  it("a request made as soon as one is there goes out in the same turn", () => {
    const { engine, peer, bindings } = asked();
    const reply = parseLine("ACK 2.05 $m token $t");
    engine.receive(0, peer.flow, toBytes(reply, bindings));
    assertEquals(engine.pollEvent()?.type, "response");
    const next = engine.request(0, peer.flow, { code: 1 });
    assertEquals(engine.pollTransmit()?.flow, peer.flow);
    assertEquals(engine.pollTransmit(), undefined);
    assertEquals(engine.pollEvent(), undefined);
    engine.cancel(0, next);
  });
});

describe("matching of responses", () => {
  afterEach(settle);

  it("another port or address is another endpoint (7252-5.3.2-1, 7252-4.4-3)", () => {
    const ladder = asked();
    const { app, peer, peerAt, after, silence } = ladder;
    for (const from of [peerAt(5684), peerAt(5683, { address: "192.0.2.2" })]) {
      from.sends("ACK Empty $m");
      from.sends("RST Empty $m");
      from.sends("ACK 2.05 $m token $t");
      from.sends("NON 2.05 0x0001 token $t");
      silence();
      from.sends("CON 2.05 0x0002 token $t");
      from.receives("RST Empty 0x0002");
    }
    after(3000);
    peer.receives("CON GET $m token $t /test");
    peer.sends("ACK 2.05 $m token $t");
    app.gets("2.05");
  });

  it("separate responses go by their token, in whatever order they come (7252-5.3.2-3)", () => {
    const { app, peer } = lockstep({ parameters: { nstart: 3 } });
    for (const n of [1, 2, 3]) {
      app.asks(`CON GET /${n}`);
      peer.receives(`CON GET $m${n} token $t${n} /${n}`);
    }
    peer.sends("ACK Empty $m2");
    peer.sends("NON 2.05 0x0003 token $t3");
    app.gets("2.05", 3);
    peer.sends("NON 2.05 0x0001 token $t1");
    app.gets("2.05", 1);
    peer.sends("NON 2.05 0x0002 token $t2");
    app.gets("2.05", 2);
  });

  it("a piggybacked response needs its own request's message ID and token (7252-5.3.2-2)", () => {
    const { app, peer, after } = lockstep({ parameters: { nstart: 2 } });
    app.asks("CON GET /1");
    peer.receives("CON GET $m1 token $t1 /1");
    app.asks("CON GET /2");
    peer.receives("CON GET $m2 token $t2 /2");
    peer.sends("ACK 2.05 $m1 token $t2");
    peer.sends("ACK 2.05 $m2 token $t1");
    after(3000);
    assertEquals(peer.takes().length, 2);
    peer.sends("ACK 2.05 $m2 token $t2");
    app.gets("2.05", 2);
    peer.sends("ACK 2.05 $m1 token $t1");
    app.gets("2.05", 1);
  });

  it("UDP source port 0 can not be answered: nothing happens at all", () => {
    const { app, peer, peerAt, silence, engine } = asked("CON", true);
    const nobody = peerAt(0, { key: peer.flow.key });
    for (
      const line of [
        "CON GET 0x0001 token 20 /test",
        "NON GET 0x0002 token 20 /test",
        "CON Empty 0x0003",
        "CON 2.05 0x0004 token $t",
        "ACK 2.05 $m token $t",
        "RST Empty $m",
      ]
    ) nobody.sends(line);
    nobody.sendsBytes("40010005ff");
    nobody.sendsBytes("4001");
    silence();
    assertEquals([engine.sizes.duplicates, engine.sizes.handling], [0, 0]);
    app.cancels();
  });
});

describe("tokens", () => {
  afterEach(settle);

  it("of requests are random, of 4 bytes, and differ (7252-5.3.1-2, 7252-5.3.1-3)", () => {
    const { app, peer, engine } = lockstep({ parameters: { nstart: 65_535 } });
    const tokens: Uint8Array[] = [];
    for (let n = 0; n < 2000; n++) {
      app.asks("CON GET /test");
      tokens.push(peer.takes()[0]!.message.token);
    }
    assertEquals(new Set(tokens.map(toHex)).size, 2000);
    for (let bit = 0; bit < 32; bit++) {
      const ones = tokens.filter((token) => token[bit >> 3]! >> (bit & 7) & 1).length;
      assert(ones > 850 && ones < 1150, `Bit ${bit} is set in ${ones} of 2000`);
    }
    for (let id = 1; id <= 2000; id++) engine.cancel(0, id);
    peer.takes();
  });

  it("have the length that is asked for", () => {
    for (const tokenLength of [1, 4, 8]) {
      const { app, peer } = lockstep({ tokenLength });
      app.asks("CON GET /test");
      assertEquals(peer.takes()[0]!.message.token.length, tokenLength);
      app.cancels();
    }
    for (const tokenLength of [0, 9, 1.5, NaN]) {
      assertThrows(() => lockstep({ tokenLength }), RangeError, `"${tokenLength}"`);
    }
  });

  it("in use are not drawn again, even from a source that repeats itself", () => {
    const { app, peer } = lockstep({
      random: (bytes) => bytes.fill(0xff),
      parameters: { nstart: 10 },
    });
    for (let n = 1; n <= 3; n++) app.asks(`CON GET /${n}`);
    peer.receives("CON GET 0xffff token ffffffff /1");
    peer.receives("CON GET 0x0000 token 00000000 /2");
    peer.receives("CON GET 0x0001 token 00000001 /3");
    for (const id of [1, 2, 3]) app.cancels(id);
  });

  it("of a peer are echoed byte for byte, of any length, in any kind of response (7252-5.3.1-1, 4)", () => {
    for (const token of ["", "00", "0000", "ff", "0102030405060708", "ffffffffffffffff"]) {
      const word = token === "" ? "" : `token ${token}`;
      const { app, peer, after } = lockstep({ serve: true });
      peer.sends(`CON GET 0x0001 ${word} /test`);
      app.serves("GET /test");
      app.answers("4.04");
      peer.receives(`ACK 4.04 0x0001 ${word}`);
      peer.sends(`NON GET 0x0002 ${word} /test`);
      app.serves("GET /test");
      app.answers("2.05");
      peer.receives(`NON 2.05 _ ${word}`);
      peer.sends(`CON GET 0x0003 ${word} 65001:0x01`);
      peer.receives(`ACK 4.02 0x0003 ${word} ...`);
      peer.sends(`CON GET 0x0004 ${word} /slow`);
      app.serves("GET /slow");
      after(500);
      peer.receives("ACK Empty 0x0004");
      app.answers("2.05");
      peer.receives(`CON 2.05 $m ${word}`);
      peer.sends("ACK Empty $m");
    }
  });

  it("of different bytes have different keys", () => {
    const tokens = ["", "00", "0000", "01", "0001", "ff", "ffffffffffff", "ffffffffffffff"];
    tokens.push("00ffffffffffff", "0000000000000000", "000000000000", "010000000000", "30", "0030");
    tokens.push("fffffffffffffffe", "ffffffffffffffff", "fffffffffffffe");
    const keys = tokens.map((hex) =>
      tokenKey(Uint8Array.from(hex.match(/../g) ?? [], (byte) => parseInt(byte, 16)))
    );
    assertEquals(new Set(keys).size, tokens.length);
  });

  it("of ours are numbers, whatever their length", () => {
    const tokens = [[], [1], [1, 2, 3, 4], [1, 2, 3, 4, 5, 6], [1, 2, 3, 4, 5, 6, 7]];
    tokens.push([1, 2, 3, 4, 5, 6, 8], [1, 2, 3, 4, 5, 6, 7, 8], new Array(8).fill(0xff));
    const keys = tokens.map((token) => ownTokenKey(Uint8Array.from(token)));
    assertEquals([keys.every(Number.isSafeInteger), new Set(keys).size], [true, tokens.length]);
  });

  it("that share a key with one of ours do not stand for it", () => {
    const [ours, other] = ["8080808080808080", "808090311ee1d05f"];
    const [key, same] = [ours, other].map((hex) =>
      ownTokenKey(parseLine(`CON GET 0x0001 token ${hex}`).token as Uint8Array)
    );
    assertEquals(key, same);
    const { app, peer } = lockstep({ tokenLength: 8, random: (bytes) => bytes.fill(0x80) });
    app.asks("CON GET /test");
    peer.receives(`CON GET $m token ${ours} /test`);
    peer.sends(`CON 2.05 0x0007 token ${other}`);
    peer.receives("RST Empty 0x0007");
    peer.sends(`ACK 2.05 $m token ${ours} "x"`);
    app.gets('2.05 "x"');
  });

  it("that share a key with one of a group's request do not stand for it either", () => {
    const ladder = lockstep({ tokenLength: 8, random: (bytes) => bytes.fill(0x80) });
    const { app, peer, after } = ladder;
    const group = ladder.peerAt(5683, { address: "224.0.1.187", multicast: true });
    app.asks("NON GET /test", { to: group, timeout: 100 });
    group.receives("NON GET $m token 8080808080808080 /test");
    peer.sends("NON 2.05 0x0007 token 808090311ee1d05f");
    peer.sends("NON 2.05 0x0008 token 8080808080808080");
    assertEquals(app.event("member").message.id, 8);
    after(100);
    app.event("groupEnd");
  });
});

describe("responses of a server", () => {
  afterEach(settle);

  it("go into the acknowledgement while there is time, then separately (7252-5.2-4)", () => {
    const { app, peer, after, silence } = lockstep({ serve: true });
    peer.sends("CON GET 0x0001 token 20 /test");
    app.serves("GET /test");
    after(499);
    app.answers("2.05");
    peer.receives("ACK 2.05 0x0001 token 20");
    silence(2000);
    peer.sends("CON GET 0x0002 token 20 /test");
    app.serves("GET /test");
    after(500);
    peer.receives("ACK Empty 0x0002");
    app.answers("2.05", { confirmable: false });
    peer.receives("NON 2.05 _ token 20");
    silence(93_000);
  });

  it("do not touch the Empty ACK of another request", () => {
    const { app, peer, after } = lockstep({ serve: true });
    peer.sends("CON GET 0x0001 token 20 /slow");
    app.serves("GET /slow");
    after(100);
    peer.sends("CON GET 0x0002 token 21 /test");
    app.serves("GET /test");
    app.answers("2.05");
    peer.receives("ACK 2.05 0x0002 token 21");
    peer.sends("NON GET 0x0003 token 22 /test");
    app.serves("GET /test");
    app.answers("2.05");
    peer.receives("NON 2.05 _ token 22");
    after(400);
    peer.receives("ACK Empty 0x0001");
    peer.sends("CON GET 0x0004 token 23 /slow");
    const second = app.serves("GET /slow");
    app.answers("2.05", { id: 1 });
    peer.receives("CON 2.05 $m token 20");
    peer.sends("ACK Empty $m");
    after(500);
    peer.receives("ACK Empty 0x0004");
    app.cancels(second);
  });

  it("to a Non-confirmable request are Non-confirmable, or Confirmable where it is wanted", () => {
    const { app, peer, silence } = lockstep({ serve: true });
    peer.sends("NON GET 0x0001 token 20 /test");
    app.serves("GET /test");
    silence(60_000);
    app.answers("2.05", { confirmable: true, report: true });
    peer.receives("CON 2.05 $m token 20");
    peer.sends("ACK Empty $m");
    app.learns("acknowledged");
  });

  it("tell what became of them", () => {
    const { app, peer } = lockstep({ serve: true });
    peer.sends("CON GET 0x0001 token 20 /test");
    app.serves("GET /test");
    app.answers("2.05", { report: true });
    peer.receives("ACK 2.05 0x0001 token 20");
    app.learns("sent");
    peer.sends("NON GET 0x0002 token 20 /test");
    app.serves("GET /test");
    app.answers("2.05", { report: true });
    peer.receives("NON 2.05 _ token 20");
    app.learns("sent");
  });

  it("count once: a second answer, and one after a cancel, are nothing", () => {
    const { app, peer, silence, engine } = lockstep({ serve: true });
    peer.sends("CON GET 0x0001 token 20 /test");
    const id = app.serves("GET /test");
    app.answers("2.05");
    peer.receives("ACK 2.05 0x0001 token 20");
    app.answers("2.04");
    silence();
    assertEquals(engine.cancel(0, id), false);
    peer.sends("NON GET 0x0002 token 20 /test");
    app.cancels(app.serves("GET /test"));
    app.answers("2.05");
    silence(60_000);
  });

  it("that can not be sent are refused, and the request still waits for one", () => {
    const { app, peer } = lockstep({ serve: true });
    peer.sends("CON GET 0x0001 token 20 /test");
    app.serves("GET /test");
    for (const code of ["Empty", "GET", "1.00", "3.00", "7.01"]) {
      const error = assertThrows(() => app.answers(code), CoAPError);
      assertEquals((error as CoAPError).reason, "invalid-code");
    }
    const error = assertThrows(() => app.answers("2.05 ETag:0x010203040506070809"), CoAPError);
    assertEquals((error as CoAPError).reason, "invalid-option");
    app.answers("2.05");
    peer.receives("ACK 2.05 0x0001 token 20");
  });
});

describe("requests that can not be sent", () => {
  afterEach(settle);

  it("are refused, and nothing is sent or kept (7252-5.4-9)", () => {
    const { app, engine, silence } = lockstep();
    for (const code of ["Empty", "2.05", "1.00", "7.02"]) {
      const error = assertThrows(() => app.asks(`CON ${code}`), CoAPError) as CoAPError;
      assertEquals(error.reason, "invalid-code");
    }
    for (const option of [`Uri-Path:${"x".repeat(256)}`, "Uri-Host", "Accept:0x010203"]) {
      const error = assertThrows(() => app.asks(`CON GET ${option}`), CoAPError) as CoAPError;
      assertEquals(error.reason, "invalid-option");
    }
    for (const timeout of [0, -1, NaN]) {
      assertThrows(() => app.asks("CON GET /", { timeout }), RangeError, `"${timeout}"`);
    }
    assertEquals([engine.sizes.exchanges, engine.sizes.timers], [0, 0]);
    silence();
  });
});

import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertLessOrEqual,
  assertThrows,
} from "@std/assert";
import { afterEach, describe, it } from "node:test";
import { type Lockstep, lockstep, settle } from "../../testing/lockstep.ts";
import { CoAPError } from "../errors.ts";
import { deriveLimits, type Limits } from "../parameters.ts";
import { Code } from "../wire/code.ts";
import { OptionNumber, uintOption } from "../wire/option.ts";

/** The error that a call is refused with because of a limit. */
function refused(call: () => unknown): CoAPError {
  const error = assertThrows(call, CoAPError);
  assertInstanceOf(error, CoAPError);
  assertEquals(error.reason, "limit");
  return error;
}

function hex(id: number): string {
  return `0x${id.toString(16).padStart(4, "0")}`;
}

/** A request of a peer, answered at once. */
function exchange({ app, peer }: Lockstep, id: number, from = peer, payload = ""): void {
  from.sends(`CON GET ${hex(id)} token 20 /test`);
  app.serves("GET /test");
  app.answers(`2.05 ${payload}`);
  from.receives(`ACK 2.05 ${hex(id)} token 20 ${payload}`);
}

/** Whether a request that was answered before is known again. */
function isKnown({ app, peer, engine }: Lockstep, id: number, from = peer): boolean {
  const { duplicates } = engine.stats;
  from.sends(`CON GET ${hex(id)} token 20 /test`);
  if (engine.stats.duplicates > duplicates) {
    from.receives(`ACK 2.05 ${hex(id)} token 20 ...`);
    return true;
  }
  app.serves("GET /test");
  app.answers("2.05");
  from.receives(`ACK 2.05 ${hex(id)} token 20`);
  return false;
}

describe("limit of peers", () => {
  afterEach(settle);

  it("the one longest silent goes first", () => {
    const ladder = lockstep({ serve: true, limits: { peers: 3 } });
    const { peerAt, after, engine } = ladder;
    const [a, b, c, d] = [1, 2, 3, 4].map((port) => peerAt(port));
    for (const from of [a, b, c]) {
      after(10);
      exchange(ladder, 1, from);
    }
    after(10);
    exchange(ladder, 2, a); // now b is the oldest
    exchange(ladder, 1, d);
    assertEquals([engine.sizes.peers, engine.stats.evictedPeers], [3, 1]);
    // What was remembered of it went with it: two of a, one of c and one of d.
    assertEquals(engine.sizes.duplicates, 4);
    for (const from of [a, c, d]) assert(isKnown(ladder, 1, from));
    assert(!isKnown(ladder, 1, b));
    assertEquals([engine.sizes.peers, engine.stats.evictedPeers], [3, 2]);
  });

  it("one with a request at the application or a message under way does not go", () => {
    const ladder = lockstep({ serve: true, limits: { peers: 2 } });
    const { app, engine, peer, peerAt, after } = ladder;
    const [client, server, third] = [1, 2, 3].map((port) => peerAt(port));
    client!.sends("CON GET 0x0001 token 20 /slow");
    const slow = app.serves("GET /slow");
    const asked = app.asks("CON GET /ours", { to: server });
    server!.receives("CON GET $m token $t /ours");
    after(500);
    client!.receives("ACK Empty 0x0001");
    third!.sends("CON GET 0x0001 token 20 /test");
    third!.sends("NON GET 0x0002 token 20 /test");
    assertEquals([engine.sizes.peers, engine.stats.rejectedLimit], [2, 2]);
    const error = refused(() => app.asks("CON GET /test", { to: peer }));
    assert(error.message.includes('"2"'), error.message);
    refused(() => app.pings());
    app.answers("2.05", { id: slow });
    client!.receives("CON 2.05 $r token 20");
    server!.sends("ACK 2.05 $m token $t");
    app.gets("2.05", asked);
    client!.sends("ACK Empty $r");
    exchange(ladder, 1, third);
    assertEquals([engine.sizes.peers, engine.stats.evictedPeers], [2, 1]);
  });

  it("messages that mean nothing do not take a place", () => {
    const { peerAt, engine, app } = lockstep({ serve: true });
    for (let port = 1; port < 50; port++) {
      const from = peerAt(port);
      for (const line of ["NON 2.05", "ACK Empty", "ACK 2.05", "RST Empty"]) {
        from.sends(`${line} 0x0001`);
      }
      for (const bytes of ["40000001", "40450001", "40010001ff"]) {
        from.sendsBytes(bytes);
        from.receives("RST Empty 0x0001");
      }
      app.event("rejected");
    }
    assertEquals(engine.sizes.peers, 0);
  });
});

describe("limit of exchanges", () => {
  afterEach(settle);

  it("one more request or ping is refused, and leaves nothing behind", () => {
    const { app, peer, engine, peerAt } = lockstep({ limits: { exchanges: 2 } });
    app.asks("CON GET /1");
    app.asks("CON GET /2", { to: peerAt(5684) });
    refused(() => app.asks("CON GET /3"));
    refused(() => app.asks("NON GET /3"));
    refused(() => app.pings());
    assertEquals(engine.sizes.exchanges, 2);
    app.cancels(1);
    peer.takes();
    peerAt(5684).takes();
    const id = app.asks("CON GET /3");
    peer.receives("CON GET _ token _ /3");
    app.cancels(id);
    app.cancels(2);
  });

  it("all 65,536 message IDs towards a peer in flight: one more waits or fails, others are asked", () => {
    const { engine, peer, peerAt, now } = lockstep({ parameters: { nstart: 65_535 } });
    const events = (): string[] => {
      const seen: string[] = [];
      for (let event = engine.pollEvent(); event; event = engine.pollEvent()) {
        seen.push("reason" in event ? event.reason : event.type);
      }
      return seen;
    };
    const ids = new Set<number>();
    const sent = (): number => {
      let count = 0;
      for (let it = engine.pollTransmit(); it; it = engine.pollTransmit(), count++) {
        ids.add(it.bytes[2]! << 8 | it.bytes[3]!);
      }
      return count;
    };
    const ask = (options = {}) => engine.request(now, peer.flow, { code: Code.GET }, options);
    for (let n = 0; n < 65_535; n++) ask();
    assertEquals([sent(), ids.size, engine.sizes.exchanges], [65_535, 65_535, 65_535]);
    const rejected = [...ids].slice(0, 2);
    const reset = (id: number) =>
      engine.receive(now, peer.flow, Uint8Array.of(0x70, 0, id >> 8, id & 255));
    reset(rejected[0]!);
    ask();
    assertEquals([sent(), ids.size], [1, 65_536]);
    reset(rejected[1]!);
    assertEquals(events(), ["reset", "reset"]);
    const waiting = ask();
    assertEquals(sent(), 0);
    ask({ impatient: true });
    assertEquals([sent(), events()], [0, ["message-ids"]]);
    const other = engine.request(now, peerAt(5684).flow, { code: Code.GET });
    assertEquals(sent(), 1);
    // Each timer of its own: they end in any order, and nothing is left.
    for (let id = 1; id <= other; id++) engine.cancel(now, id);
    assert(waiting < other);
    assertEquals(engine.sizes.exchanges, 0);
  });

  it("tokens run out before: refused as well", () => {
    const { app, engine, peer } = lockstep({ tokenLength: 1 });
    const ids: number[] = [];
    for (let n = 0; n < 256; n++) ids.push(app.asks("CON GET /test"));
    refused(() => app.asks("CON GET /test"));
    assertEquals(engine.sizes.exchanges, 256);
    const tokens = new Set<number>();
    for (const id of ids) {
      tokens.add(peer.takes()[0]!.message.token[0]!);
      app.cancels(id);
    }
    assertEquals(tokens.size, 256);
  });
});

describe("limit of handling", () => {
  afterEach(settle);

  it("one more request is answered 5.03 with Max-Age, a Non-confirmable one as well", () => {
    const { app, peer, peerAt, engine, silence } = lockstep({
      serve: true,
      limits: { handling: 2 },
    });
    const [first, second] = [1, 2].map((id) => {
      peer.sends(`CON GET ${hex(id)} token 0${id} /slow`);
      return app.serves("GET /slow");
    });
    peer.sends("CON GET 0x0003 token 03 /slow");
    const { bytes } = peer.receives("ACK 5.03 0x0003 token 03 Max-Age:_");
    peerAt(5684).sends("NON GET 0x0003 token 04 /slow");
    peerAt(5684).receives("NON 5.03 _ token 04 Max-Age:_");
    assertEquals([engine.sizes.handling, engine.stats.rejectedLimit], [2, 2]);
    // A duplicate of it gets the same.
    peer.sends("CON GET 0x0003 token 03 /slow");
    assertEquals(peer.receives("ACK 5.03 0x0003 token 03 Max-Age:_").bytes, bytes);
    app.answers("2.05", { id: first });
    peer.receives("ACK 2.05 0x0001 token 01");
    peer.sends("CON GET 0x0004 token 05 /slow");
    app.cancels(app.serves("GET /slow"));
    peer.receives("ACK Empty 0x0004");
    app.answers("2.05", { id: second });
    peer.receives("ACK 2.05 0x0002 token 02");
    silence();
  });

  it("one more of the same peer is answered 4.29, those of others are served", () => {
    const { app, peer, peerAt, engine, after } = lockstep({
      serve: true,
      limits: { handlingPerPeer: 2 },
    });
    const ids = [1, 2].map((id) => {
      peer.sends(`CON GET ${hex(id)} token 0${id} /slow`);
      return app.serves("GET /slow");
    });
    peer.sends("CON GET 0x0003 token 03 /slow");
    peer.receives("ACK 4.29 0x0003 token 03 Max-Age:_");
    peer.sends("NON GET 0x0004 token 04 /slow");
    peer.receives("NON 4.29 _ token 04 Max-Age:_");
    assertEquals([engine.sizes.handling, engine.stats.rejectedLimit], [2, 2]);
    peerAt(5684).sends("CON GET 0x0003 token 04 /slow");
    app.answers("2.05", { id: app.serves("GET /slow") });
    peerAt(5684).receives("ACK 2.05 0x0003 token 04");
    // An empty acknowledgement ends no request.
    after(500);
    for (const id of [1, 2]) peer.receives(`ACK Empty ${hex(id)}`);
    peer.sends("CON GET 0x0005 token 05 /slow");
    peer.receives("ACK 4.29 0x0005 token 05 Max-Age:_");
    app.cancels(ids[0]);
    peer.sends("CON GET 0x0006 token 06 /slow");
    app.cancels(app.serves("GET /slow"));
    peer.receives("ACK Empty 0x0006");
    app.cancels(ids[1]);
  });

  it("who is refused is told to wait for 1 to 4 s, drawn", () => {
    const { app, peer, engine } = lockstep({ serve: true, limits: { handling: 1 } });
    peer.sends("CON GET 0x0000 token 01 /slow");
    const first = app.serves("GET /slow");
    const waits = new Set<number>();
    for (let id = 1; id <= 100; id++) {
      peer.sends(`NON GET ${hex(id)} token 02 /slow`);
      const { message } = peer.takes()[0]!;
      assertEquals(message.code, Code.ServiceUnavailable);
      waits.add(uintOption(message.options, OptionNumber.MaxAge)!);
    }
    assertEquals([...waits].sort(), [1, 2, 3, 4]);
    assertEquals(engine.stats.rejectedLimit, 100);
    app.cancels(first);
    peer.receives("ACK Empty 0x0000");
  });

  it("what the application has no time for is shed: 5.03, counted by itself", () => {
    const ladder = lockstep({ serve: true });
    const { app, peer, engine } = ladder;
    const shed = (): void => {
      engine.shed(0, app.request!.id);
      engine.shed(0, app.request!.id); // nothing more
      ladder.drain();
    };
    peer.sends("CON GET 0x0001 token 01 /slow");
    app.serves("GET /slow");
    shed();
    peer.receives("ACK 5.03 0x0001 token 01 Max-Age:_");
    peer.sends("NON GET 0x0002 token 02 /slow");
    app.serves("GET /slow");
    shed();
    peer.receives("NON 5.03 _ token 02 Max-Age:_");
    peer.sends('CON PUT 0x0003 token 03 /slow Block1:0/0/16 "body"');
    app.serves('PUT /slow "body"');
    shed();
    peer.receives("ACK 5.03 0x0003 token 03 Max-Age:_ Block1:0/0/16");
    assertEquals([engine.stats.rejectedLate, engine.stats.requestsServed], [3, 3]);
  });
});

describe("limit of separate responses", () => {
  afterEach(settle);

  /** A request that is answered after its acknowledgement. */
  function ask({ app, peer, after }: Lockstep, id: number, report = false): number {
    peer.sends(`CON GET ${hex(id)} token 0${id} /slow`);
    const request = app.serves("GET /slow");
    after(500);
    peer.receives(`ACK Empty ${hex(id)}`);
    app.answers("2.05", { report });
    return request;
  }

  it("that of handling: those above it go Non-confirmable, and do not pile up", () => {
    const ladder = lockstep({ serve: true, limits: { handling: 2 } });
    const { peer } = ladder;
    ask(ladder, 1);
    peer.receives("CON 2.05 $r1 token 01");
    ask(ladder, 2); // waits for the acknowledgement of the first
    ask(ladder, 3);
    peer.receives("NON 2.05 _ token 03");
    peer.sends("ACK Empty $r1");
    peer.receives("CON 2.05 $r2 token 02");
    peer.sends("RST Empty $r2");
    ask(ladder, 4);
    peer.receives("CON 2.05 $r4 token 04");
    peer.sends("ACK Empty $r4");
  });

  it("one that could not leave within EXCHANGE_LIFETIME does not leave", () => {
    const ladder = lockstep({ serve: true, parameters: { maxLatency: 0 } }); // 47 s
    const { app, peer, after } = ladder;
    const first = ask(ladder, 1, true);
    peer.receives("CON 2.05 $r1 token 01");
    const second = ask(ladder, 2, true);
    after(46_000);
    for (const { message } of peer.takes()) assertEquals(message.token[0], 1);
    after(50_000);
    app.learns("timeout", second);
    app.learns("timeout", first);
  });

  it("nor does the last word to an observer", () => {
    const { app, peer, after } = lockstep({ serve: true, parameters: { maxLatency: 0 } });
    for (const id of [1, 2]) {
      peer.sends(`CON GET ${hex(id)} token 0${id} Observe:0 /test`);
      app.serves("GET Observe:0 /test");
      app.answers("2.05", { observe: "/test" });
      peer.receives(`ACK 2.05 ${hex(id)} token 0${id} Observe:_`);
    }
    assertEquals(app.notifies("/test", "4.04"), 2);
    app.loses("error");
    app.loses("error");
    peer.receives("CON 4.04 $r token 01");
    after(46_000);
    for (const { message } of peer.takes()) assertEquals(message.token[0], 1);
    after(50_000);
  });

  it("one that finds no message ID waits, further ones are dropped", () => {
    const { app, engine, peer, after, now } = lockstep({ serve: true, limits: { handling: 1 } });
    let count = 0;
    for (let id = 0; id < 0x10000; id++) {
      engine.receive(now, peer.flow, Uint8Array.of(0x50, 1, id >> 8, id & 0xff));
      const event = engine.pollEvent();
      if (event?.type === "request") engine.respond(now, event.id, { code: 0x45 });
      while (engine.pollTransmit() !== undefined) count++;
    }
    assertEquals(count, 0x10000);
    for (const id of ["0x0001", "0x0002"]) {
      peer.sends(`NON GET ${id} /test`);
      app.serves("GET /test");
      app.answers("2.05");
    }
    assertEquals(engine.stats.rejectedLimit, 1);
    after(engine.parameters.nonLifetime);
    peer.receives("NON 2.05 _");
  });
});

describe("limit of options", () => {
  afterEach(settle);

  it("a request with more is answered 4.00, and is not handed on", () => {
    const { app, peer, engine, silence } = lockstep({ serve: true, limits: { options: 3 } });
    peer.sends("CON GET 0x0001 token 01 /a /b ?c");
    app.serves("GET /a /b ?c");
    app.answers("2.05");
    peer.receives("ACK 2.05 0x0001 token 01");
    peer.sends("CON GET 0x0002 token 01 /a /b ?c ?d");
    peer.receives('ACK 4.00 0x0002 token 01 "More than 3 options"');
    peer.sends("NON GET 0x0003 token 01 /a /b ?c ?d");
    peer.receives('NON 4.00 _ token 01 "More than 3 options"');
    silence();
    assertEquals(engine.stats.rejectedLimit, 2);
  });

  it("a first block with many conditions keeps nothing of its datagram but those", () => {
    const { app, peer } = lockstep({ serve: true });
    const condition = "If-Match:0x0102";
    peer.sends(`CON PUT 0x0001 token 01 ${condition} /a Block1:0/1/16 "0123456789abcdef"`);
    peer.receives("ACK 2.31 0x0001 token 01 Block1:0/1/16");
    peer.sends('CON PUT 0x0002 token 01 /a Block1:1/0/16 "0123"');
    app.serves(`PUT ${condition} /a "0123456789abcdef0123"`);
    app.answers("2.04");
    peer.receives("ACK 2.04 0x0002 token 01 Block1:1/0/16");
  });
});

describe("limit of tokens", () => {
  afterEach(settle);

  /** A request with a token of so many bytes and a critical option that is not known. */
  function request(length: number): Uint8Array {
    const bytes = new Uint8Array(6 + length + 3);
    bytes.set([0x5e, 1, length >> 8, length & 0xff, length - 269 >> 8, length - 269 & 0xff]);
    bytes.set([0xe0, 65_001 - 269 >> 8, 65_001 - 269 & 0xff], 6 + length);
    return bytes;
  }

  it("whatever their length, there is an answer that fits, or none (8974-2.2-2)", () => {
    const { peer, engine } = lockstep({ serve: true, extendedTokens: true });
    for (
      const [length, code] of [[300, 0x82], [64_000, 0x82], [64_001, 0x80], [65_501, 0x80]] as const
    ) {
      peer.sendsBytes(request(length));
      const { message } = peer.takes()[0]!;
      assertEquals([message.code, message.token.length], [code, length]);
    }
    peer.sendsBytes(request(65_502));
    assertEquals([peer.takes(), engine.sizes.handling], [[], 0]);
  });
});

describe("limits of duplicates", () => {
  afterEach(settle);

  it("in total: the oldest answered one goes", () => {
    const ladder = lockstep({ serve: true, limits: { duplicates: 3 } });
    const { peerAt, engine } = ladder;
    const [a, b] = [peerAt(1), peerAt(2)];
    for (const [from, id] of [[a, 1], [b, 2], [a, 3], [b, 4]] as const) exchange(ladder, id, from);
    assertEquals([engine.sizes.duplicates, engine.stats.evictedDuplicates], [3, 1]);
    assert(isKnown(ladder, 2, b));
    assert(isKnown(ladder, 3, a));
    assert(isKnown(ladder, 4, b));
    assert(!isKnown(ladder, 1, a));
    assertEquals([engine.sizes.duplicates, engine.stats.evictedDuplicates], [3, 2]);
  });

  it("of one peer: its oldest answered one goes, no other's", () => {
    const ladder = lockstep({ serve: true, limits: { duplicatesPerPeer: 2 } });
    const { peerAt, engine } = ladder;
    const [a, b] = [peerAt(1), peerAt(2)];
    for (const [from, id] of [[b, 1], [a, 1], [a, 2], [b, 2], [a, 3]] as const) {
      exchange(ladder, id, from);
    }
    assertEquals([engine.sizes.duplicates, engine.stats.evictedDuplicates], [4, 1]);
    for (const [from, id] of [[b, 1], [a, 2], [b, 2], [a, 3]] as const) {
      assert(isKnown(ladder, id, from));
    }
    assert(!isKnown(ladder, 1, a));
  });

  it("of reply bytes: the oldest replies go until the new one fits", () => {
    const ladder = lockstep({ serve: true, limits: { replyBytes: 100 } });
    const { engine, peer } = ladder;
    // 6 bytes of header, token and marker
    for (const id of [1, 2, 3]) exchange(ladder, id, peer, `"${"x".repeat(24)}"`);
    assertEquals([engine.sizes.replyBytes, engine.sizes.duplicates], [90, 3]);
    exchange(ladder, 4, peer, `"${"x".repeat(54)}"`);
    assertEquals([engine.sizes.replyBytes, engine.sizes.duplicates], [90, 2]);
    assertEquals(engine.stats.evictedDuplicates, 2);
    assert(isKnown(ladder, 3));
    assert(isKnown(ladder, 4));
  });

  it("never reach a request at the application: it runs once", () => {
    const ladder = lockstep({ serve: true, limits: { duplicates: 1, duplicatesPerPeer: 1 } });
    const { app, peer, after, engine } = ladder;
    peer.sends("CON GET 0x0001 token 20 /slow");
    const slow = app.serves("GET /slow");
    after(500);
    peer.receives("ACK Empty 0x0001");
    for (let id = 2; id < 20; id++) exchange(ladder, id);
    assertLessOrEqual(engine.sizes.duplicates, 1);
    peer.sends("CON GET 0x0001 token 20 /slow");
    peer.receives("ACK Empty 0x0001");
    app.answers("2.05", { id: slow });
    peer.receives("CON 2.05 $r token 20");
    peer.sends("ACK Empty $r");
    peer.sends("CON GET 0x0001 token 20 /slow");
    peer.receives("ACK Empty 0x0001");
  });

  it("hold under a flood from many ports, and everything ends", () => {
    const limits = { peers: 16, duplicates: 64, duplicatesPerPeer: 8, replyBytes: 1000 };
    const ladder = lockstep({ serve: true, limits });
    const { engine } = ladder;
    for (let n = 0; n < 2000; n++) {
      exchange(ladder, n, ladder.peerAt(1 + n * 7 % 40), n % 3 === 0 ? '"some payload"' : "");
      const { peers, duplicates, replyBytes } = engine.sizes;
      assertLessOrEqual(peers, 16);
      assertLessOrEqual(duplicates, 64);
      assertLessOrEqual(replyBytes, 1000);
      ladder.after(n % 5);
    }
  });
});

describe("limits", () => {
  it("are whole numbers of at least 1, or Infinity", () => {
    for (const value of [0, -1, 1.5, NaN]) {
      const error = assertThrows(() => deriveLimits({ peers: value }), RangeError);
      assert(error.message.includes("peers") && error.message.includes(`"${value}"`));
    }
    assertEquals(deriveLimits({ peers: Infinity }).peers, Infinity);
    // One body fits in any case, while it grows as well.
    const bytes = (given: Partial<Limits>) => deriveLimits(given).transferBytesPerPeer;
    assertEquals(bytes({ bodyBytes: 100 }), 16 * 1024 * 1024);
    assertEquals(bytes({ bodyBytes: 100_000_000 }), 200_000_000);
    assertEquals(bytes({ bodyBytes: 100_000_000, transferBytesPerPeer: 7 }), 7);
    assertThrows(() => deriveLimits({ peer: 1 } as never), RangeError, "peer");
  });
});

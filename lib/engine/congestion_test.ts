import {
  assert,
  assertEquals,
  assertGreaterOrEqual,
  assertLess,
  assertLessOrEqual,
  assertNotEquals,
  assertThrows,
} from "@std/assert";
import { afterEach, describe, it } from "node:test";
import { type Lockstep, lockstep, type Received, settle } from "../../testing/lockstep.ts";
import { deriveParameters } from "../parameters.ts";

describe("NSTART", () => {
  afterEach(settle);

  it("one request is outstanding, the others wait in order (7252-4.7-1)", () => {
    const { app, peer, silence, engine } = lockstep();
    const ids = [1, 2, 3, 4, 5].map((n) => app.asks(n === 1 ? "CON GET /1" : "CON GET /next"));
    for (const [i, id] of ids.entries()) {
      peer.receives(`CON GET $m${i} token $t${i} ${i === 0 ? "/1" : "/next"}`);
      silence(1500);
      assertEquals(engine.sizes.exchanges, 5 - i);
      peer.sends(`ACK 2.05 $m${i} token $t${i}`);
      app.gets("2.05", id);
      if (i === 4) silence(10_000);
    }
  });

  it("an Empty ACK frees the place while the response is still to come (7252-4.7-2)", () => {
    const { app, peer, silence } = lockstep();
    const first = app.asks("CON GET /1");
    peer.receives("CON GET $m1 token $t1 /1");
    const second = app.asks("CON GET /2");
    silence();
    peer.sends("ACK Empty $m1");
    peer.receives("CON GET $m2 token $t2 /2");
    peer.sends("NON 2.05 0x0001 token $t1");
    app.gets("2.05", first);
    peer.sends("ACK 2.05 $m2 token $t2");
    app.gets("2.05", second);
  });

  it("a response, a Reset, a failure and a cancel free it (7252-4.7-4)", () => {
    const ladder = lockstep();
    const { app, peer, after, silence } = ladder;
    for (let n = 1; n <= 5; n++) app.asks(`CON GET /${n}`);
    peer.receives("CON GET $m1 token $t1 /1");
    peer.sends("NON 2.05 0x0001 token $t1");
    app.gets("2.05", 1);
    peer.receives("CON GET $m2 token $t2 /2");
    peer.sends("RST Empty $m2");
    app.fails("reset", 2);
    peer.receives("CON GET $m3 token $t3 /3");
    app.cancels(3);
    peer.receives("CON GET $m4 token $t4 /4");
    while (!app.hasEvent) {
      after(100);
      if (!app.hasEvent) peer.takes();
    }
    app.fails("timeout", 4);
    peer.receives("CON GET $m5 token $t5 /5");
    app.cancels(5);
    silence(93_000);
  });

  it("is per peer (7252-4.7-3)", () => {
    const { app, peer, peerAt } = lockstep();
    const other = peerAt(5684);
    app.asks("CON GET /1");
    app.asks("CON GET /2", { to: other });
    peer.receives("CON GET $m1 token $t1 /1");
    other.receives("CON GET $m2 token $t2 /2");
    app.cancels(1);
    app.cancels(2);
  });

  it("can be raised", () => {
    const { app, peer, silence } = lockstep({ parameters: { nstart: 3 } });
    for (let n = 1; n <= 5; n++) app.asks("CON GET /test");
    assertEquals(peer.takes().length, 3);
    silence();
    app.cancels(2);
    assertEquals(peer.takes().length, 1);
    for (const id of [1, 3, 4, 5]) {
      app.cancels(id);
      peer.takes();
    }
  });

  it("counts pings and Confirmable responses, which wait their turn", () => {
    const { app, peer, after, silence } = lockstep({ serve: true });
    peer.sends("CON GET 0x0001 token 20 /slow");
    app.serves("GET /slow");
    after(500);
    peer.receives("ACK Empty 0x0001");
    const ping = app.pings();
    peer.receives("CON Empty $p");
    app.answers("2.05", { report: true });
    const id = app.asks("CON GET /ours");
    silence(1000);
    peer.sends("RST Empty $p");
    app.pongs(ping);
    peer.receives("CON 2.05 $r token 20");
    silence();
    peer.sends("ACK Empty $r");
    app.learns("acknowledged");
    peer.receives("CON GET $m token $t /ours");
    app.cancels(id);
  });

  it("does not hold back acknowledgements, Resets and Non-confirmable responses", () => {
    const { app, peer } = lockstep({ serve: true });
    app.asks("CON GET /ours");
    peer.receives("CON GET $m token $t /ours");
    peer.sends("CON GET 0x0001 token 20 /theirs");
    app.serves("GET /theirs");
    app.answers("2.05");
    peer.receives("ACK 2.05 0x0001 token 20");
    peer.sends("NON GET 0x0002 token 21 /theirs");
    app.serves("GET /theirs");
    app.answers("2.05");
    peer.receives("NON 2.05 _ token 21");
    peer.sends("CON Empty 0x0003");
    peer.receives("RST Empty 0x0003");
    app.cancels();
  });
});

describe("PROBING_RATE", () => {
  afterEach(settle);

  /** Everything that leaves until all requests are over. */
  function drainAll({ app, peer, after, engine }: Lockstep): Received[] {
    const all = peer.takes();
    while (engine.sizes.exchanges > 0) {
      after(500);
      all.push(...peer.takes());
      while (app.hasEvent) app.event("failed");
    }
    return all;
  }

  /** That no more than PROBING_RATE went out on average, counting each datagram until the next one. */
  function assertRate(all: Received[], rate: number): void {
    let bytes = 0;
    for (const [i, { at, bytes: datagram }] of all.entries()) {
      if (i > 0) assertLessOrEqual(bytes / rate, (at - all[0]!.at) / 1000 + 1e-6);
      bytes += datagram.length;
    }
  }

  it("Non-confirmable requests to a silent peer keep 1 byte/s (7252-4.7-5)", () => {
    const ladder = lockstep();
    for (let n = 0; n < 6; n++) ladder.app.asks("NON GET /silent/peer");
    const all = drainAll(ladder);
    assertEquals(all.length, 6);
    assertEquals(all[0]!.bytes.length, 20);
    assertRate(all, 1);
    assertGreaterOrEqual(all[1]!.at, 20_000);
  });

  it("holds for requests that the application gives up early (7252-4.7-5)", () => {
    const ladder = lockstep();
    for (let n = 0; n < 6; n++) ladder.app.asks("NON GET /silent/peer", { timeout: 1000 });
    assertRate(drainAll(ladder), 1);
    const canceled = lockstep();
    const all: Received[] = [];
    for (let n = 0; n < 100; n++) {
      canceled.app.asks("NON GET /silent/peer");
      all.push(...canceled.peer.takes());
      canceled.after(1000);
      all.push(...canceled.peer.takes());
      canceled.app.cancels();
      all.push(...canceled.peer.takes());
    }
    assertEquals(all.map(({ at }) => at), [0, 20_000, 40_000, 60_000, 80_000, 100_000]);
    assertRate(all, 1);
  });

  it("can be raised, and switched off", () => {
    for (const probingRate of [10, Infinity]) {
      const ladder = lockstep({ parameters: { probingRate } });
      for (let n = 0; n < 6; n++) ladder.app.asks("NON GET /silent/peer");
      const all = drainAll(ladder);
      assertRate(all, probingRate);
      assertLess(all[5]!.at, probingRate === 10 ? 11_000 : 1);
    }
  });

  it("does not slow a peer that answers", () => {
    const { app, peer, silence } = lockstep();
    for (let n = 0; n < 50; n++) app.asks("NON GET /busy/peer");
    for (let n = 0; n < 50; n++) {
      peer.receives(`NON GET $m${n} token $t${n} /busy/peer`);
      silence();
      peer.sends(`NON 2.05 0x00${(n + 16).toString(16)} token $t${n}`);
      app.gets("2.05", n + 1);
    }
    silence();
  });

  it("a peer that only asks is heard as well", () => {
    const { app, peer, after } = lockstep({ serve: true });
    peer.sends("NON GET 0x0001 token 20 /ours");
    app.cancels(app.serves("GET /ours"));
    app.asks("NON GET /silent/peer");
    app.asks("NON GET /silent/peer");
    peer.receives("NON GET _ token _ /silent/peer");
    after(3000);
    peer.receives("NON GET _ token _ /silent/peer");
    app.cancels(2);
    app.cancels(3);
  });

  it("a peer that was heard lately and is late now holds others back for a first time-out", () => {
    const { app, peer, after, silence } = lockstep();
    app.asks("NON GET /1");
    peer.receives("NON GET $m1 token $t1 /1");
    peer.sends("NON 2.05 0x0001 token $t1");
    app.gets("2.05");
    app.asks("NON GET /a/long/path/2");
    app.asks("NON GET /a/long/path/3");
    peer.receives("NON GET $m2 token $t2 /a/long/path/2");
    silence(2999);
    after(1);
    peer.receives("NON GET $m3 token $t3 /a/long/path/3");
    peer.sends("NON 2.05 0x0002 token $t2");
    app.gets("2.05", 2);
    app.cancels(3);
  });
});

describe("message IDs", () => {
  afterEach(settle);

  it("differ at the start, from endpoint to endpoint and peer to peer (7252-4.4-2)", () => {
    const firsts = new Set<number>();
    for (let seed = 0; seed < 20; seed++) {
      const { app, peer, peerAt } = lockstep({ seed });
      const other = peerAt(5684);
      app.asks("CON GET /test");
      app.asks("CON GET /test", { to: other });
      firsts.add(peer.takes()[0]!.message.id).add(other.takes()[0]!.message.id);
      app.cancels(1);
      app.cancels(2);
    }
    assertEquals(firsts.size, 40);
  });

  it("of Confirmable and Non-confirmable messages come from one space (7252-4.3-4)", () => {
    const { app, peer } = lockstep({ serve: true, parameters: { nstart: 100 } });
    const all: Received[] = [];
    for (let n = 0; n < 90; n++) {
      if (n % 3 === 0) app.asks("CON GET /test");
      else if (n % 3 === 1) app.asks("NON GET /test");
      else {
        peer.sends(`NON GET 0x00${(n + 16).toString(16)} token 20 /test`);
        app.serves("GET /test");
        app.answers("2.05");
      }
      all.push(...peer.takes());
    }
    assertEquals(all.length, 90);
    assertEquals(new Set(all.map(({ message }) => message.id)).size, 90);
    for (let id = 1; id <= 90; id++) app.cancels(id);
  });

  /** Uses up all message IDs towards the peer: at 0 all but one, and that one a second later. */
  function exhausted(serve = false): Lockstep {
    const ladder = lockstep({ serve, parameters: { nstart: 2 } });
    const { engine, peer, now } = ladder;
    for (let n = 0; n < 65_535; n++) {
      engine.cancel(now, engine.request(now, peer.flow, { code: 1 }));
    }
    ladder.drain();
    assertEquals(new Set(peer.takes().map(({ message }) => message.id)).size, 65_535);
    ladder.after(1000);
    ladder.app.asks("CON GET /last");
    peer.receives("CON GET $last token $t /last");
    peer.sends("ACK 2.05 $last token $t");
    ladder.app.gets("2.05");
    return ladder;
  }

  it("are not used again within EXCHANGE_LIFETIME: the next request waits (7252-4.4-1)", () => {
    const { app, peer, after, silence } = exhausted();
    const id = app.asks("CON GET /waits");
    silence(245_999);
    after(1);
    assertEquals(peer.receives("CON GET $m token $u /waits").at, 247_000);
    peer.sends("ACK 2.05 $m token $u");
    app.gets("2.05", id);
  });

  it("a request that does not want to wait fails, wherever it stands in the queue", () => {
    const { app, peer, after, silence, engine } = exhausted();
    const hasty = app.asks("CON GET /hasty", { impatient: true });
    app.fails("message-ids", hasty);
    assertEquals(engine.sizes.exchanges, 0);
    const patient = app.asks("CON GET /patient");
    silence();
    app.asks("CON GET /hasty", { impatient: true });
    app.fails("message-ids");
    after(246_000);
    peer.receives("CON GET $m token $u /patient");
    app.cancels(patient);
  });

  it("one that waits can be canceled, and leaves no timer", () => {
    const { app, engine, silence } = exhausted();
    app.asks("CON GET /waits");
    app.asks("CON GET /waits");
    app.cancels();
    app.cancels(app.lastAsked - 1);
    assertEquals(engine.sizes.timers, 0);
    silence(1000);
  });

  it("a Non-confirmable response waits as well, and is forgotten when it has left", () => {
    const { app, peer, after, silence, engine } = exhausted(true);
    for (const n of [1, 2, 3]) {
      peer.sends(`NON GET 0x000${n} token 2${n} /test`);
      app.serves("GET /test");
      app.answers("2.05", { report: true });
    }
    silence(245_999);
    after(1);
    for (const n of [1, 2, 3]) {
      peer.receives(`NON 2.05 _ token 2${n}`);
      app.event("answered");
    }
    assertEquals(engine.sizes.timers, 0);
  });
});

describe("transmission parameters", () => {
  it("have the defaults of RFC 7252 section 4.8 (7252-4.8-1, 4 to 7)", () => {
    assertEquals(deriveParameters(), {
      ackTimeout: 2000,
      ackRandomFactor: 1.5,
      maxRetransmit: 4,
      nstart: 1,
      defaultLeisure: 5000,
      probingRate: 1,
      maxLatency: 100_000,
      emptyAckDelay: 500,
      maxTransmitSpan: 45_000,
      maxTransmitWait: 93_000,
      processingDelay: 2000,
      maxRtt: 202_000,
      exchangeLifetime: 247_000,
      nonLifetime: 145_000,
    });
  });

  it("give others when they change (7252-4.8-4)", () => {
    const parameters = deriveParameters({
      ackTimeout: 4000,
      ackRandomFactor: 1.2,
      maxRetransmit: 3,
    });
    assertEquals(parameters.maxTransmitSpan, 33_600);
    assertEquals(parameters.maxTransmitWait, 72_000);
    assertEquals(parameters.maxRtt, 204_000);
    assertEquals(parameters.exchangeLifetime, 237_600);
    assertEquals(parameters.nonLifetime, 133_600);
  });

  it("are refused out of their range, by name and value (7252-4.8-2)", () => {
    const wrong = {
      ackRandomFactor: 0.9,
      ackTimeout: 0,
      maxRetransmit: 1.5,
      nstart: 0,
      probingRate: 0,
      maxLatency: -1,
      emptyAckDelay: 2000,
      defaultLeisure: NaN,
    };
    for (const [name, value] of Object.entries(wrong)) {
      const error = assertThrows(() => deriveParameters({ [name]: value }), RangeError);
      assert(error.message.includes(name), error.message);
      assert(error.message.includes(`"${value}"`), error.message);
    }
    assertThrows(() => deriveParameters({ ackTimeOut: 1 } as never), RangeError, "ackTimeOut");
    assertNotEquals(deriveParameters({ ackTimeout: 100 }).emptyAckDelay, 500);
  });
});

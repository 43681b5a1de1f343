import {
  assert,
  assertEquals,
  assertGreater,
  assertGreaterOrEqual,
  assertLess,
  assertLessOrEqual,
} from "@std/assert";
import { afterEach, describe, it } from "node:test";
import { type Lockstep, lockstep, settle } from "../../testing/lockstep.ts";

/** Asks what nobody answers until it fails: the times of all transmissions, whose bytes are the same. */
function transmissions(ladder: Lockstep): number[] {
  const { app, peer, after } = ladder;
  app.asks('CON POST /test "content"');
  const all = peer.takes();
  while (!app.hasEvent) {
    after(100);
    all.push(...peer.takes());
  }
  app.fails("timeout");
  for (const { bytes } of all) assertEquals(bytes, all[0]!.bytes);
  return all.map(({ at }) => at);
}

describe("retransmission", () => {
  afterEach(settle);

  it("leaves at 0, t0, 3 t0, 7 t0 and 15 t0 with the same bytes, and fails at 31 t0 (7252-4.2-10 to 13)", () => {
    const ladder = lockstep();
    ladder.app.asks('CON PUT /test Content-Format:0 "content"');
    const first = ladder.peer.receives('CON PUT $m token $t /test Content-Format:0 "content"');
    assertEquals(first.at, 0);
    const times: number[] = [];
    for (let i = 1; i <= 4; i++) {
      while (ladder.peer.unread.length === 0) ladder.after(1);
      const { at, bytes } = ladder.peer.receives(
        'CON PUT $m token $t /test Content-Format:0 "content"',
      );
      assertEquals(bytes, first.bytes);
      times.push(at);
    }
    const t0 = times[0]!;
    for (const [i, factor] of [1, 3, 7, 15].entries()) {
      assertLess(Math.abs(times[i]! - factor * t0), 1e-6);
    }
    ladder.silence(31 * t0 - ladder.now - 1);
    ladder.after(1.001);
    ladder.app.fails("timeout");
    // No sixth datagram, no late event.
    ladder.silence(300_000);
    assertEquals(ladder.engine.stats.retransmissions, 4);
    assertEquals(ladder.engine.stats.gaveUp, 1);
  });

  it("draws the first time-out from 2 to 3 s, evenly and as a fraction (7252-4.2-10)", () => {
    const firsts: number[] = [];
    for (let seed = 0; seed < 200; seed++) {
      const times = transmissions(lockstep({ seed }));
      assertEquals(times.length, 5);
      assertLessOrEqual(times[4]!, 45_000);
      firsts.push(times[1]!);
    }
    assertGreaterOrEqual(Math.min(...firsts), 2000);
    assertLess(Math.max(...firsts), 3000);
    for (let tenth = 2000; tenth < 3000; tenth += 100) {
      const count = firsts.filter((t0) => t0 >= tenth && t0 < tenth + 100).length;
      assertGreater(count, 5, `${count} of 200 from ${tenth} ms`);
    }
    assert(firsts.some((t0) => !Number.isInteger(t0)));
  });

  it("follows the parameters it is given", () => {
    const parameters = { ackTimeout: 1000, ackRandomFactor: 1, maxRetransmit: 2, emptyAckDelay: 1 };
    assertEquals(transmissions(lockstep({ parameters })), [0, 1000, 3000]);
    assertEquals(transmissions(lockstep({ parameters: { maxRetransmit: 0 } })), [0]);
    for (let seed = 0; seed < 20; seed++) {
      // So wide a spread that one more would still be within MAX_TRANSMIT_SPAN.
      const ladder = lockstep({ seed, parameters: { ackRandomFactor: 4 } });
      assertEquals(transmissions(ladder).length, 5);
    }
  });

  it("stops at an Empty ACK, and the response may take its time (7252-4.2-14, 7252-5.2-11)", () => {
    const { app, peer, after, silence } = lockstep();
    app.asks("CON GET /slow");
    peer.misses("CON GET $m token $t /slow");
    after(3000);
    const { at } = peer.receives("CON GET $m token $t /slow");
    peer.sends("ACK Empty $m");
    silence(93_000 - (at + 1000));
    after(5000);
    app.fails("timeout");
    silence(10_000);
  });

  it("stops at a Reset, which fails the request (7252-4.2-15)", () => {
    const { app, peer, silence } = lockstep();
    app.asks("CON GET /test");
    peer.receives("CON GET $m token $t /test");
    peer.sends("RST Empty $m");
    app.fails("reset");
    silence(93_000);
  });

  it("stops at a separate response although the Empty ACK was lost (7252-4.2-16)", () => {
    for (const type of ["CON", "NON"]) {
      const { app, peer, silence } = lockstep();
      app.asks("CON GET /test");
      peer.receives("CON GET $m token $t /test");
      peer.sends(`${type} 2.05 0x1234 token $t "hello"`);
      if (type === "CON") peer.receives("ACK Empty 0x1234");
      app.gets('2.05 "hello"');
      silence(93_000);
    }
  });

  it("stops when the request is canceled (7252-4.2-19)", () => {
    const { app, peer, after, silence, engine } = lockstep();
    const id = app.asks("CON GET /test");
    peer.misses("CON GET $m token $t /test");
    after(3000);
    peer.misses("CON GET $m token $t /test");
    assert(app.cancels());
    assertEquals(app.cancels(id), false);
    assertEquals([engine.sizes.exchanges, engine.sizes.timers], [0, 0]);
    silence(93_000);
    // What still comes for it is nobody's.
    peer.sends("ACK 2.05 $m token $t");
    peer.sends("RST Empty $m");
    silence();
  });

  it("is that of a separate response as well, until any ACK or a Reset (7252-5.2-7)", () => {
    const endings = [
      ["ACK Empty $m", "acknowledged"],
      ['ACK 2.04 $m token 99 "ignored"', "acknowledged"],
      ["RST Empty $m", "reset"],
    ] as const;
    for (const [ending, outcome] of endings) {
      const { app, peer, after, silence } = lockstep({ serve: true });
      peer.sends("CON GET 0x7d38 token 53 /test");
      app.serves("GET /test");
      after(500);
      peer.receives("ACK Empty 0x7d38");
      app.answers('2.05 "hello"', { report: true });
      peer.misses('CON 2.05 $m token 53 "hello"');
      after(3000);
      peer.receives('CON 2.05 $m token 53 "hello"');
      peer.sends(ending);
      app.learns(outcome);
      silence(93_000);
    }
  });

  it("of a separate response gives up after MAX_TRANSMIT_WAIT and says so", () => {
    const { app, peer, after } = lockstep({ serve: true });
    peer.sends("CON GET 0x7d38 token 53 /test");
    app.serves("GET /test");
    after(500);
    peer.receives("ACK Empty 0x7d38");
    app.answers("2.05", { report: true });
    const all = peer.takes();
    while (!app.hasEvent) {
      after(100);
      all.push(...peer.takes());
    }
    app.learns("timeout");
    assertEquals(all.length, 5);
    for (const { bytes } of all) assertEquals(bytes, all[0]!.bytes);
  });
});

describe("a process that was suspended", () => {
  afterEach(settle);

  it("sends nothing later than MAX_TRANSMIT_SPAN after the first transmission (7252-4.2-18)", () => {
    const { app, peer, suspended, silence } = lockstep();
    app.asks("CON GET /test");
    peer.receives("CON GET $m token $t /test");
    suspended(60_000);
    app.fails("timeout");
    silence(93_000);
  });

  it("keeps ACK_TIMEOUT between transmissions that were late (7252-4.2-18)", () => {
    const { app, peer, suspended, after, silence } = lockstep();
    app.asks("CON GET /test");
    const times = peer.takes().map(({ at }) => at);
    suspended(20_000);
    while (!app.hasEvent) {
      times.push(...peer.takes().map(({ at }) => at));
      after(100);
    }
    app.fails("timeout");
    assertEquals(times.slice(0, 2), [0, 20_000]);
    for (const [i, at] of times.entries()) {
      assertLessOrEqual(at, 45_000);
      if (i > 0) assertGreaterOrEqual(at - times[i - 1]!, 2000);
    }
    silence(93_000);
  });

  it("loses no retransmission to timers that are a little late, even without a random factor", () => {
    const ladder = lockstep({ parameters: { ackRandomFactor: 1 } });
    const { app, peer, engine, suspended } = ladder;
    app.asks("CON GET /test");
    let count = peer.takes().length;
    while (!app.hasEvent) {
      suspended(engine.deadline + 15 - ladder.now);
      count += peer.takes().length;
    }
    app.fails("timeout");
    assertEquals(count, 5);
  });
});

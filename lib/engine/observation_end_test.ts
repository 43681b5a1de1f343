import { assert, assertEquals } from "@std/assert";
import { afterEach, describe, it } from "node:test";
import { blockOf, makeBody } from "../../testing/bodies.ts";
import { type Lockstep, lockstep, settle } from "../../testing/lockstep.ts";
import { observing, stop, untilHeard } from "../../testing/observed_servers.ts";

describe("the end of an observation, by the client", () => {
  afterEach(settle);

  it("says so with the same token and options but ETag; what still comes is rejected (7641-3.6-2)", () => {
    const { app, peer, silence } = lockstep();
    app.asks("CON GET ETag:0x01 ETag:0x02 Accept:50 /r ?q", { observe: true });
    peer.receives("CON GET $m token $t ETag:0x01 ETag:0x02 Observe:0 /r ?q Accept:50");
    peer.sends("ACK 2.05 $m token $t Observe:1");
    app.sees("2.05 Observe:1");
    app.cancels();
    peer.receives("CON GET $n token $t Observe:1 /r ?q Accept:50");
    peer.sends('ACK 2.05 $n token $t "state"');
    silence();
    peer.sends("CON 2.05 0x0001 token $t Observe:2");
    peer.receives("RST Empty 0x0001");
    peer.sends("NON 2.05 0x0002 token $t Observe:3");
    silence(300_000);
  });

  it("before the response came", () => {
    const { app, peer, silence } = lockstep();
    app.asks("CON GET /r", { observe: true });
    peer.receives("CON GET $m token $t Observe:0 /r");
    app.cancels();
    peer.receives("CON GET $n token $t Observe:1 /r");
    peer.sends("ACK 2.05 $m token $t Observe:1");
    peer.sends("ACK 2.05 $n token $t");
    silence(300_000);
  });

  it("before the request left: nothing is sent at all", () => {
    const { app, peer, silence } = lockstep();
    app.asks("CON GET /first");
    peer.receives("CON GET $m token $t /first");
    app.asks("CON GET /r", { observe: true });
    app.cancels();
    peer.sends("RST Empty $m");
    app.event("failed");
    silence(300_000);
  });

  it("after the last word: nothing is sent", () => {
    const ladder = observing();
    const { app, peer } = ladder;
    peer.sends("CON 4.04 0x0001 token $t");
    peer.receives("ACK Empty 0x0001");
    app.gets("4.04");
    assertEquals(app.cancels(), false);
    ladder.silence(300_000);
  });

  it("before the server answers that, notifications are rejected: they are no answer to it", () => {
    const ladder = observing();
    const { app, peer, after } = ladder;
    app.cancels();
    peer.misses("CON GET $n token $t Observe:1 /r");
    peer.sends('CON 2.05 0x0001 token $t Observe:11 "1"');
    peer.receives("RST Empty 0x0001");
    peer.sends('NON 2.05 0x0002 token $t Observe:12 "2"');
    after(3000);
    peer.receives("CON GET $n token $t Observe:1 /r");
    peer.sends("ACK Empty $n");
    peer.sends('CON 2.05 0x0003 token $t "the answer"');
    peer.receives("ACK Empty 0x0003");
    ladder.silence(300_000);
  });
});

describe("a large state observed, the client", () => {
  afterEach(settle);

  const [OLD, NEW] = [makeBody(150, 1), makeBody(150, 2)];

  /** Registered; the first state is OLD in 64-byte blocks with ETag 1. */
  function observingLarge(): Lockstep {
    const ladder = lockstep();
    const { app, peer } = ladder;
    app.asks("CON GET /r", { observe: true });
    peer.receives("CON GET $m token $t Observe:0 /r");
    peer.sends("ACK 2.05 $m token $t ETag:0x01 Observe:1 Block2:0/1/64", blockOf(OLD, 0, 64));
    gives(ladder, OLD, "01", 1);
    gives(ladder, OLD, "01", 2);
    app.sees("2.05 ETag:0x01 Observe:1", { payload: OLD });
    return ladder;
  }

  /** The peer is asked for a block with a new token and gives it. */
  function gives(
    { peer, bindings }: Lockstep,
    body: Uint8Array,
    etag: string,
    number: number,
  ): void {
    bindings.delete("$b");
    bindings.delete("$c");
    peer.receives(`CON GET $b token $c /r Block2:${number}/0/64`);
    const more = (number + 1) * 64 < body.length ? 1 : 0;
    const line = `ACK 2.05 $b token $c ETag:0x${etag} Block2:${number}/${more}/64`;
    peer.sends(line, blockOf(body, number, 64));
  }

  it("a newer notification ends the fetch of an older state (7959-2.6-5)", () => {
    const ladder = observingLarge();
    const { app, peer } = ladder;
    peer.sends("NON 2.05 0x0001 token $t ETag:0x02 Observe:2 Block2:0/1/64", blockOf(OLD, 0, 64));
    peer.receives("CON GET $x token $y /r Block2:1/0/64");
    peer.sends("NON 2.05 0x0002 token $t ETag:0x03 Observe:3 Block2:0/1/64", blockOf(NEW, 0, 64));
    peer.receives("CON GET $v token $w /r Block2:1/0/64");
    // What was asked for before comes late.
    peer.sends("ACK 2.05 $x token $y ETag:0x02 Block2:1/1/64", blockOf(OLD, 1, 64));
    ladder.silence();
    peer.sends("ACK 2.05 $v token $w ETag:0x03 Block2:1/1/64", blockOf(NEW, 1, 64));
    gives(ladder, NEW, "03", 2);
    app.sees("2.05 ETag:0x03 Observe:3", { payload: NEW });
    stop(ladder);
  });

  it("an older notification does not: the fetch goes on, nothing of the old state is seen", () => {
    const ladder = observingLarge();
    const { app, peer } = ladder;
    peer.sends("NON 2.05 0x0001 token $t ETag:0x03 Observe:3 Block2:0/1/64", blockOf(NEW, 0, 64));
    peer.receives("CON GET $x token $y /r Block2:1/0/64");
    peer.sends("NON 2.05 0x0002 token $t ETag:0x02 Observe:2 Block2:0/1/64", blockOf(OLD, 0, 64));
    peer.sends("ACK 2.05 $x token $y ETag:0x03 Block2:1/1/64", blockOf(NEW, 1, 64));
    gives(ladder, NEW, "03", 2);
    app.sees("2.05 ETag:0x03 Observe:3", { payload: NEW });
    stop(ladder);
  });

  it("told again under way, with the same ETag, is not begun anew", () => {
    const ladder = observingLarge();
    const { app, peer } = ladder;
    peer.sends("NON 2.05 0x0001 token $t ETag:0x02 Observe:2 Block2:0/1/64", blockOf(NEW, 0, 64));
    gives(ladder, NEW, "02", 1);
    peer.receives("CON GET $x token $y /r Block2:2/0/64");
    peer.sends("NON 2.05 0x0002 token $t ETag:0x02 Observe:3 Block2:0/1/64", blockOf(NEW, 0, 64));
    peer.sends("ACK 2.05 $x token $y ETag:0x02 Block2:2/0/64", blockOf(NEW, 2, 64));
    app.sees("2.05 ETag:0x02 Observe:2", { payload: NEW });
    stop(ladder);
  });

  it("that takes longer than its Max-Age arrives: no registration comes between", () => {
    const ladder = lockstep();
    const { app, peer, after } = ladder;
    app.asks("CON GET /r", { observe: true, timeout: 60_000 });
    peer.receives("CON GET $m token $t Observe:0 /r");
    const head = "ETag:0x01 Observe:1 Max-Age:1";
    peer.sends(`ACK 2.05 $m token $t ${head} Block2:0/1/64`, blockOf(OLD, 0, 64));
    for (const number of [1, 2]) {
      peer.receives(`CON GET $m${number} token $t${number} /r Block2:${number}/0/64`);
      peer.sends(`ACK Empty $m${number}`);
      after(50_000);
      const line = `token $t${number} ETag:0x01 Block2:${number}/${2 - number}/64`;
      peer.sends(`NON 2.05 0x000${number} ${line}`, blockOf(OLD, number, 64));
    }
    app.sees(`2.05 ${head}`, { payload: OLD });
    assert(untilHeard(ladder) <= 15_000);
    peer.receives("CON GET $n token $t Observe:0 /r");
    peer.sends("ACK 2.05 $n token $t Observe:2");
    app.sees("2.05 Observe:2");
    stop(ladder);
  });

  it("that changes under way: registered again at once, never mixed (7959-2.6-3)", () => {
    const ladder = observingLarge();
    const { app, peer } = ladder;
    peer.sends("NON 2.05 0x0001 token $t ETag:0x02 Observe:2 Block2:0/1/64", blockOf(OLD, 0, 64));
    gives(ladder, NEW, "03", 1);
    peer.receives("CON GET $n token $t Observe:0 /r");
    // The number of the state that could not be had: welcome all the same.
    peer.sends("ACK 2.05 $n token $t ETag:0x03 Observe:2 Block2:0/1/64", blockOf(NEW, 0, 64));
    gives(ladder, NEW, "03", 1);
    gives(ladder, NEW, "03", 2);
    app.sees("2.05 ETag:0x03 Observe:2", { payload: NEW });
    // Once it is whole the same number is old again.
    peer.sends('NON 2.05 0x0002 token $t Observe:2 "again"');
    app.sees('2.05 Observe:2 "again"', { latest: false });
    stop(ladder);
  });

  it("that changes each time is asked for ever more slowly", () => {
    const ladder = observingLarge();
    const { peer, bindings } = ladder;
    peer.sends("NON 2.05 0x0001 token $t ETag:0x02 Observe:2 Block2:0/1/64", blockOf(OLD, 0, 64));
    let etag = 3;
    const changes = (): void => gives(ladder, NEW, `${10 + etag++}`, 1);
    const renews = (): void => {
      bindings.delete("$n");
      peer.receives("CON GET $n token $t Observe:0 /r");
      const line = `ACK 2.05 $n token $t ETag:0x${10 + etag++} Observe:${etag} Block2:0/1/64`;
      peer.sends(line, blockOf(NEW, 0, 64));
    };
    for (let time = 0; time < 3; time++) {
      changes();
      renews();
    }
    for (let time = 0; time < 4; time++) {
      changes();
      const delay = untilHeard(ladder);
      assert(delay >= 5000 && delay <= 15_000, `${delay}`);
      renews();
    }
    peer.receives("CON GET $x token $y /r Block2:1/0/64");
    stop(ladder);
  });

  it("an error in place of a block is no state: registered again after a while", () => {
    for (const code of ["4.04", "4.08", "5.03"]) {
      const ladder = observingLarge();
      const { app, peer } = ladder;
      peer.sends("NON 2.05 0x0001 token $t ETag:0x02 Observe:2 Block2:0/1/64", blockOf(OLD, 0, 64));
      peer.receives("CON GET $x token $y /r Block2:1/0/64");
      peer.sends(`ACK ${code} $x token $y`);
      const delay = untilHeard(ladder);
      assert(delay >= 5000 && delay <= 15_000, `${delay}`);
      peer.receives("CON GET $n token $t Observe:0 /r");
      peer.sends('ACK 2.05 $n token $t Observe:2 "small"');
      app.sees('2.05 Observe:2 "small"');
      stop(ladder);
    }
  });

  it("blocks that never come: registered again after a while", () => {
    const ladder = observingLarge();
    const { app, peer } = ladder;
    peer.sends("NON 2.05 0x0001 token $t ETag:0x02 Observe:2 Block2:0/1/64", blockOf(OLD, 0, 64));
    peer.receives("CON GET $x token $y /r Block2:1/0/64");
    peer.sends("RST Empty $x");
    untilHeard(ladder);
    peer.receives("CON GET $n token $t Observe:0 /r");
    peer.sends('ACK 2.05 $n token $t Observe:3 "small"');
    app.sees('2.05 Observe:3 "small"');
    stop(ladder);
  });

  it("too large a state fails the observation", () => {
    const ladder = lockstep({ limits: { bodyBytes: 100 } });
    const { app, peer } = ladder;
    app.asks("CON GET /r", { observe: true });
    peer.receives("CON GET $m token $t Observe:0 /r");
    peer.sends("ACK 2.05 $m token $t ETag:0x01 Observe:1 Block2:0/1/64", blockOf(OLD, 0, 64));
    gives(ladder, OLD, "01", 1);
    app.fails("blockwise");
    peer.sends('CON 2.05 0x0001 token $t Observe:2 "x"');
    peer.receives("RST Empty 0x0001");
    ladder.silence(300_000);
  });

  it("a large last word of which a block is gone is none: it fails", () => {
    const ladder = observingLarge();
    const { app, peer } = ladder;
    // Without Observe: the server has removed us.
    peer.sends("CON 2.05 0x0001 token $t ETag:0x02 Block2:0/1/64", blockOf(NEW, 0, 64));
    peer.receives("ACK Empty 0x0001");
    peer.receives("CON GET $x token $y /r Block2:1/0/64");
    peer.sends("ACK 4.00 $x token $y");
    app.fails("blockwise");
  });

  it("a large last word is fetched, and the observation is over", () => {
    const ladder = observingLarge();
    const { app, peer } = ladder;
    peer.sends("CON 5.00 0x0001 token $t Block2:0/1/64", blockOf(NEW, 0, 64));
    peer.receives("ACK Empty 0x0001");
    peer.receives("CON GET $x token $y /r Block2:1/0/64");
    peer.sends("ACK 5.00 $x token $y Block2:1/0/64", NEW.subarray(64, 70));
    app.gets("5.00", undefined, NEW.subarray(0, 70));
    ladder.silence(300_000);
  });

  it("a last word that can not be fetched, or is not waited for", () => {
    for (const end of ["RST Empty $x", "ACK 2.05 $x token $y ETag:0x09 Block2:1/0/64", "cancel"]) {
      const ladder = observingLarge();
      const { app, peer } = ladder;
      peer.sends("CON 2.05 0x0001 token $t ETag:0x08 Block2:0/1/64", blockOf(NEW, 0, 64));
      peer.receives("ACK Empty 0x0001");
      peer.receives("CON GET $x token $y /r Block2:1/0/64");
      if (end === "cancel") assert(app.cancels());
      else {
        peer.sends(end);
        app.fails(end.startsWith("RST") ? "reset" : "blockwise");
      }
      ladder.silence(300_000);
    }
  });

  it("canceled while it is fetched", () => {
    const ladder = observingLarge();
    const { peer } = ladder;
    peer.sends("NON 2.05 0x0001 token $t ETag:0x02 Observe:2 Block2:0/1/64", blockOf(OLD, 0, 64));
    peer.receives("CON GET $x token $y /r Block2:1/0/64");
    stop(ladder);
    peer.sends("ACK 2.05 $x token $y ETag:0x02 Block2:1/1/64", blockOf(OLD, 1, 64));
    ladder.silence(300_000);
  });
});

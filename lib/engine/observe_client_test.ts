import { assert, assertEquals, assertThrows } from "@std/assert";
import { afterEach, describe, it } from "node:test";
import { blockOf, makeBody } from "../../testing/bodies.ts";
import { type Lockstep, lockstep, type LockstepOptions, settle } from "../../testing/lockstep.ts";
import { CoAPError } from "../errors.ts";
import { Code } from "../wire/code.ts";
import type { RequestOptions } from "./types.ts";

/** An engine that observes /r with token $t; the first state is "0" with number 10. */
function observing(
  options: LockstepOptions = {},
  request: RequestOptions = {},
  maxAge = "",
): Lockstep {
  const ladder = lockstep(options);
  const { app, peer } = ladder;
  app.asks("CON GET /r", { observe: true, ...request });
  peer.receives("CON GET $m token $t Observe:0 /r");
  peer.sends(`ACK 2.05 $m token $t Observe:10${maxAge} "0"`);
  app.sees(`2.05 Observe:10${maxAge} "0"`);
  return ladder;
}

/** The application has seen enough; the server confirms. */
function stop({ app, peer, bindings }: Lockstep, token = "$t", rest = "/r"): void {
  bindings.delete("$end");
  app.cancels();
  peer.receives(`CON GET $end token ${token} Observe:1 ${rest}`);
  peer.sends(`ACK 2.05 $end token ${token} "end"`);
}

/** Time passes until the peer hears something; answers how much. */
function untilHeard(ladder: Lockstep): number {
  const start = ladder.now;
  while (ladder.peer.unread.length === 0) ladder.after(100);
  return ladder.peer.unread[0]!.at - start;
}

describe("an observation, the client", () => {
  afterEach(settle);

  it("without Observe in the response: a plain response, the token is free (7641-3.1-1)", () => {
    for (const line of ['2.05 Max-Age:0 "x"', "4.04", "5.03 Max-Age:5"]) {
      const { app, peer, silence } = lockstep();
      app.asks("CON GET /r", { observe: true });
      peer.receives("CON GET $m token $t Observe:0 /r");
      peer.sends(`ACK ${line.replace(" ", " $m token $t ").replace(/^4.04$/, "4.04 $m token $t")}`);
      app.gets(line);
      peer.sends('CON 2.05 0x0001 token $t Observe:1 "y"');
      peer.receives("RST Empty 0x0001");
      silence(300_000);
    }
  });

  it("an error with Observe is the end as well", () => {
    const { app, peer } = lockstep();
    app.asks("CON GET /r", { observe: true });
    peer.receives("CON GET $m token $t Observe:0 /r");
    peer.sends("ACK 4.04 $m token $t Observe:7");
    app.gets("4.04 Observe:7");
  });

  it("takes notifications of either type, whatever the request was (7641-3.5-1, 3)", () => {
    for (const type of ["CON", "NON"]) {
      const ladder = lockstep();
      const { app, peer } = ladder;
      app.asks(`${type} GET /r`, { observe: true });
      peer.receives(`${type} GET $m token $t Observe:0 /r`);
      peer.sends('NON 2.05 0x0001 token $t Observe:1 "a"');
      app.sees('2.05 Observe:1 "a"');
      for (const [i, kind] of ["CON", "NON", "CON", "NON"].entries()) {
        peer.sends(`${kind} 2.05 0x001${i} token $t Observe:${i + 2} "${i}"`);
        if (kind === "CON") peer.receives(`ACK Empty 0x001${i}`);
        app.sees(`2.05 Observe:${i + 2} "${i}"`);
      }
      app.cancels();
      peer.receives(`${type} GET $n token $t Observe:1 /r`);
      peer.sends(type === "CON" ? "ACK 2.05 $n token $t" : "NON 2.05 0x0099 token $t");
    }
  });

  it("a Confirmable notification again: acknowledged again, delivered once", () => {
    const ladder = observing();
    const { app, peer } = ladder;
    for (const _time of [1, 2]) {
      peer.sends('CON 2.05 0x0001 token $t Observe:11 "1"');
      peer.receives("ACK Empty 0x0001");
      if (app.hasEvent) app.sees('2.05 Observe:11 "1"');
    }
    assertEquals(ladder.engine.stats.duplicates, 1);
    stop(ladder);
  });

  it("a notification before the response: its state counts, the late response is old", () => {
    const ladder = lockstep();
    const { app, peer, silence } = ladder;
    app.asks("CON GET /r", { observe: true });
    peer.receives("CON GET $m token $t Observe:0 /r");
    peer.sends('CON 2.05 0x0001 token $t Observe:11 "1"');
    peer.receives("ACK Empty 0x0001");
    app.sees('2.05 Observe:11 "1"');
    silence(5000);
    peer.sends('CON 2.05 0x0002 token $t Observe:10 "0"');
    peer.receives("ACK Empty 0x0002");
    app.sees('2.05 Observe:10 "0"', { latest: false });
    stop(ladder);
  });

  it("a notification with another token, port or address is none of ours (7641-3.5-1, 2)", () => {
    const ladder = observing();
    const { peer, peerAt } = ladder;
    peer.sends("CON 2.05 0x0001 token 0102 Observe:11");
    peer.receives("RST Empty 0x0001");
    for (const other of [peerAt(5684), peerAt(5683, { address: "192.0.2.2" })]) {
      other.sends("CON 2.05 0x0001 token $t Observe:11");
      other.receives("RST Empty 0x0001");
      other.sends("NON 2.05 0x0002 token $t Observe:11");
    }
    ladder.silence();
    stop(ladder);
  });

  it("ends with an error or a response without Observe, which the application gets (7641-3.2-1)", () => {
    for (const line of ["4.04", '4.04 "gone"', "5.03 Max-Age:5", '2.05 "last"', "2.03 ETag:0x01"]) {
      const ladder = observing();
      const { app, peer, silence } = ladder;
      const [code, ...rest] = line.split(" ");
      peer.sends(`CON ${code} 0x0001 token $t ${rest.join(" ")}`);
      peer.receives("ACK Empty 0x0001");
      app.gets(line);
      assertEquals(ladder.engine.sizes.exchanges, 0);
      peer.sends("CON 2.05 0x0002 token $t Observe:12");
      peer.receives("RST Empty 0x0002");
      silence(300_000);
    }
  });

  it("fails on a notification with an unknown critical option, which is rejected (7252-5.4-4)", () => {
    const ladder = observing();
    ladder.peer.sends("CON 2.05 0x0001 token $t Observe:11 65001:0x01");
    ladder.peer.receives("RST Empty 0x0001");
    ladder.app.fails("rejected-response");
    ladder.silence(300_000);
  });

  it("the time-out of the request is none of the observation", () => {
    const ladder = observing({}, { timeout: 5000 }, " Max-Age:4000");
    ladder.silence(1_000_000);
    stop(ladder);
  });

  it("FETCH with a body in blocks: registers once; what comes after the end is rejected", () => {
    const { app, peer, after } = lockstep({ blockSize: 16 });
    const [first, rest] = ["0123456789abcdef", "0123"];
    const fetch = "token $t Observe:0 /r Content-Format:50";
    app.asks(`CON FETCH Content-Format:50 /r "${first}${rest}"`, { observe: true });
    peer.receives(
      "CON FETCH $m token $s Observe:0 /r Content-Format:50 Block1:0/1/16 Size1:20 ...",
    );
    peer.sends("ACK 2.31 $m token $s Block1:0/1/16");
    peer.receives(`CON FETCH $n ${fetch} Block1:1/0/16 "${rest}"`);
    peer.sends('ACK 2.05 $n token $t Observe:1 Block1:1/0/16 Max-Age:1 "a"');
    app.sees('2.05 Observe:1 Block1:1/0/16 Max-Age:1 "a"');
    after(100_000);
    peer.sends('NON 2.05 0x0001 token $t Observe:2 "b"');
    app.sees('2.05 Observe:2 "b"');
    app.cancels();
    peer.sends('CON 2.05 0x0002 token $t Observe:3 "c"');
    peer.receives("RST Empty 0x0002");
  });

  it("only GET and FETCH observe, and only one server", () => {
    const { engine, peer, peerAt } = lockstep();
    for (const code of [Code.POST, Code.PUT, Code.DELETE, Code.PATCH]) {
      assertThrows(() => engine.request(0, peer.flow, { code }, { observe: true }), CoAPError);
    }
    const group = peerAt(5683, { address: "224.0.1.187", multicast: true });
    assertThrows(() => engine.request(0, group.flow, { code: Code.GET }, { observe: true }));
  });

  it("FETCH: registers with its body, and does all else with it (8132-2-7)", () => {
    const ladder = lockstep();
    const { app, peer } = ladder;
    app.asks('CON FETCH Content-Format:50 /r "[1]"', { observe: true });
    const line = (id: string, observe: number): string =>
      `CON FETCH ${id} token $t Observe:${observe} /r Content-Format:50 "[1]"`;
    peer.receives(line("$m", 0));
    peer.sends('ACK 2.05 $m token $t Observe:1 Max-Age:1 "a"');
    app.sees('2.05 Observe:1 Max-Age:1 "a"');
    untilHeard(ladder);
    peer.receives(line("$n", 0));
    peer.sends('ACK 2.05 $n token $t Observe:2 "b"');
    app.sees('2.05 Observe:2 "b"');
    app.cancels();
    peer.receives(line("$o", 1));
    peer.sends("ACK 2.05 $o token $t");
  });
});

describe("a registration made again", () => {
  afterEach(settle);

  it("5 to 15 s after Max-Age, with the same token and options, but Observe (7641-3.3-2, 3, 4)", () => {
    const delays: number[] = [];
    for (let seed = 1; seed <= 60; seed++) {
      const ladder = lockstep({ seed });
      const { app, peer, after } = ladder;
      app.asks("CON GET Accept:50 ETag:0x01 /r", { observe: true, blockSize: 64 });
      const request = "ETag:0x01 Observe:0 /r Accept:50 Block2:0/0/64";
      peer.receives(`CON GET $m token $t ${request}`);
      const state = "Observe:1 Max-Age:30";
      peer.sends(`ACK 2.05 $m token $t ${state}`);
      app.sees(`2.05 ${state}`);
      after(20_000);
      // A fresh one puts it off.
      peer.sends("NON 2.05 0x0001 token $t Observe:2 Max-Age:30");
      app.sees("2.05 Observe:2 Max-Age:30");
      delays.push(untilHeard(ladder));
      peer.receives(`CON GET $n token $t ${request}`);
      peer.sends("ACK 2.05 $n token $t Observe:3 Max-Age:4294967295");
      app.sees("2.05 Observe:3 Max-Age:4294967295");
      stop(ladder, "$t", "/r Accept:50 Block2:0/0/64");
    }
    assert(Math.min(...delays) >= 35_000, `${Math.min(...delays)}`);
    assert(Math.max(...delays) <= 45_000, `${Math.max(...delays)}`);
    assert(Math.max(...delays) - Math.min(...delays) > 8000);
  });

  it("without Max-Age: after 60 s (7252-5.4-10)", () => {
    const ladder = observing();
    const delay = untilHeard(ladder);
    assert(delay >= 65_000 && delay <= 75_000, `${delay}`);
    ladder.peer.receives("CON GET $n token $t Observe:0 /r");
    ladder.peer.sends('ACK 2.05 $n token $t Observe:11 "1"');
    ladder.app.sees('2.05 Observe:11 "1"');
    stop(ladder);
  });

  it("may be answered without Observe or with an error: the end", () => {
    for (const line of ["2.05", "4.04", "4.29 Max-Age:5"]) {
      const ladder = observing();
      untilHeard(ladder);
      ladder.peer.receives("CON GET $n token $t Observe:0 /r");
      const [code, ...rest] = line.split(" ");
      ladder.peer.sends(`ACK ${code} $n token $t ${rest.join(" ")}`);
      ladder.app.gets(line);
      ladder.silence(300_000);
    }
  });

  it("answered with a Reset or not at all, then with a new token; five times, then it fails", () => {
    for (const silent of [false, true]) {
      const ladder = observing({ parameters: { maxRetransmit: 0 } });
      const { app, peer, bindings } = ladder;
      const tokens = new Set<string>();
      for (let time = 0; time < 5; time++) {
        untilHeard(ladder);
        bindings.delete("$n");
        bindings.delete("$u");
        tokens.add(`${peer.receives("CON GET $n token $u Observe:0 /r").message.token}`);
        if (!silent) peer.sends("RST Empty $n");
        else if (time === 4) ladder.after(3000);
      }
      assertEquals(tokens.size, 5);
      app.fails(silent ? "timeout" : "reset");
      ladder.silence(300_000);
    }
  });

  it("that fails for a while ends well", () => {
    const ladder = observing({ parameters: { maxRetransmit: 0 } });
    const { app, peer, bindings } = ladder;
    for (let round = 0; round < 3; round++) {
      for (let time = 0; time < 4; time++) {
        untilHeard(ladder);
        bindings.delete("$n");
        bindings.delete("$u");
        peer.receives("CON GET $n token $u Observe:0 /r");
      }
      untilHeard(ladder);
      bindings.delete("$n");
      bindings.delete("$u");
      peer.receives("CON GET $n token $u Observe:0 /r");
      peer.sends(`ACK 2.05 $n token $u Observe:${11 + round} "${round}"`);
      app.sees(`2.05 Observe:${11 + round} "${round}"`);
    }
    stop(ladder, "$u");
  });

  it("is repeated with the Echo that the server asks for (9175-2.2-3)", () => {
    const ladder = observing();
    const { app, peer } = ladder;
    untilHeard(ladder);
    peer.receives("CON GET $n token $t Observe:0 /r");
    peer.sends("ACK 4.01 $n token $t Echo:0x0102");
    peer.receives("CON GET $o token $t Observe:0 /r Echo:0x0102");
    peer.sends('ACK 2.05 $o token $t Observe:11 "1"');
    app.sees('2.05 Observe:11 "1"');
    untilHeard(ladder);
    peer.receives("CON GET $p token $t Observe:0 /r");
    // Once for each registration: a second time is the end (9175-2.2-8).
    peer.sends("ACK 4.01 $p token $t Echo:0x03");
    peer.receives("CON GET $q token $t Observe:0 /r Echo:0x03");
    peer.sends("ACK 4.01 $q token $t Echo:0x04");
    app.gets("4.01 Echo:0x04");
    ladder.silence(300_000);
  });
});

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

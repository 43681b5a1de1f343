import { assert, assertEquals, assertThrows } from "@std/assert";
import { afterEach, describe, it } from "node:test";
import { lockstep, settle } from "../../testing/lockstep.ts";
import { CoAPError } from "../errors.ts";
import { Code } from "../wire/code.ts";
import { observing, stop, untilHeard } from "../../testing/observed_servers.ts";

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

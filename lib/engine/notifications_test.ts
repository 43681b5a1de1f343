import { assert, assertEquals, assertThrows } from "@std/assert";
import { afterEach, describe, it } from "node:test";
import { type Lockstep, type Received, settle } from "../../testing/lockstep.ts";
import { CoAPError } from "../errors.ts";
import { Code } from "../wire/code.ts";
import { OptionNumber } from "../wire/option.ts";
import { isNewer } from "./observation.ts";
import {
  acknowledge,
  nextId,
  NON,
  numberOf,
  register,
  reset,
  server,
  takeAll,
} from "../../testing/observing_clients.ts";

describe("notifications", () => {
  afterEach(settle);

  it("Confirmable: token, number, state; the next one follows the acknowledgement (7641-4.2-1, 3)", () => {
    const ladder = server();
    const { app, peer } = ladder;
    let last = register(ladder, { state: "2.05 Content-Format:0" });
    for (const text of ["1", "2", "3"]) {
      assertEquals(app.notifies("r", `2.05 Content-Format:0 Max-Age:7 "${text}"`), 1);
      const received = peer.receives(
        `CON 2.05 _ token 20 Observe:_ Content-Format:0 Max-Age:7 "${text}"`,
      );
      assert(isNewer(last, 0, numberOf(received), 1));
      last = numberOf(received);
      acknowledge(peer, received);
    }
    ladder.silence(93_000);
  });

  it("one outstanding; only the newest state follows (7641-4.5-1, 4.5-6)", () => {
    const ladder = server();
    const { app, peer, after } = ladder;
    register(ladder);
    app.notifies("r", '2.05 "1"');
    const first = peer.receives('CON 2.05 _ token 20 Observe:_ "1"');
    for (let i = 2; i <= 100; i++) {
      after(1);
      app.notifies("r", `2.05 "${i}"`);
    }
    ladder.silence();
    acknowledge(peer, first);
    const last = peer.receives('CON 2.05 _ token 20 Observe:_ "100"');
    assertEquals(numberOf(last), (numberOf(first) + 1) % 2 ** 24, "States not sent cost no number");
    acknowledge(peer, last);
    ladder.silence(93_000);
  });

  it("several observations of one peer take turns, each with its newest state (7641-4.5-6)", () => {
    const ladder = server();
    const { app, peer } = ladder;
    for (const token of ["01", "02", "03"]) register(ladder, { token });
    app.notifies("r", '2.05 "1"');
    const first = peer.receives('CON 2.05 _ token 01 Observe:_ "1"');
    app.notifies("r", '2.05 "2"');
    app.notifies("r", '2.05 "3"');
    ladder.silence();
    acknowledge(peer, first);
    // Those that waited for their turn carry the newest state, the first one follows with it.
    for (const token of ["02", "03", "01"]) {
      acknowledge(peer, peer.receives(`CON 2.05 _ token ${token} Observe:_ "3"`));
    }
    ladder.silence(93_000);
  });

  it("an error takes the place of a state that waits for its turn", () => {
    const ladder = server();
    const { app, peer } = ladder;
    for (const token of ["01", "02"]) register(ladder, { token });
    app.notifies("r", '2.05 "1"');
    const first = peer.receives('CON 2.05 _ token 01 Observe:_ "1"');
    app.notifies("r", "4.04");
    app.loses("error"); // token 02; 01 when its notification is acknowledged
    acknowledge(peer, first);
    app.loses("error");
    acknowledge(peer, peer.receives("CON 4.04 _ token 02"));
    acknowledge(peer, peer.receives("CON 4.04 _ token 01"));
    ladder.silence(93_000);
  });

  it("superseded: a new message ID, number and state; counter and time-out go on (7641-4.5-8)", () => {
    const ladder = server({ parameters: { ackRandomFactor: 1 } });
    const { app, peer, after } = ladder;
    register(ladder);
    const sent: Received[] = [];
    app.notifies("r", '2.05 "0"');
    sent.push(peer.receives('CON 2.05 _ token 20 Observe:_ "0"'));
    for (const [i, delay] of [2000, 4000, 8000, 16_000].entries()) {
      // Nothing new before the third retransmission: then the message is the same.
      const text = i === 2 ? "2" : `${i + 1}`;
      if (i !== 2) app.notifies("r", `2.05 "${text}"`);
      after(delay);
      sent.push(peer.receives(`CON 2.05 _ token 20 Observe:_ "${text}"`));
    }
    assertEquals(sent.map(({ at }) => at), [0, 2000, 6000, 14_000, 30_000]);
    const ids = sent.map(({ message }) => message.id);
    assertEquals([new Set(ids).size, ids[3]], [4, ids[2]]);
    const numbers = sent.map(numberOf);
    assertEquals(numbers.map((number) => number - numbers[0]!), [0, 1, 2, 2, 3]);
    // An acknowledgement of an earlier one keeps the observation, and ends nothing (7641-4.5-9).
    acknowledge(peer, sent[0]!);
    after(31_999);
    ladder.silence();
    after(1);
    app.loses("timeout"); // (7641-4.5-3)
    assertEquals(app.notifies("r", "2.05"), 0);
    ladder.silence(93_000);
  });

  it("retransmitted: Max-Age is that of the time (7252-5.10-8)", () => {
    const ladder = server({ parameters: { ackRandomFactor: 1 } });
    const { app, peer, after } = ladder;
    register(ladder);
    app.notifies("r", '2.05 Max-Age:10 "1"');
    peer.receives('CON 2.05 _ token 20 Observe:_ Max-Age:10 "1"');
    for (const [delay, maxAge] of [[2000, 8], [4000, 4], [8000, 0]] as const) {
      after(delay);
      const received = peer.receives(`CON 2.05 _ token 20 Observe:_ Max-Age:${maxAge} "1"`);
      if (maxAge === 0) acknowledge(peer, received);
    }
    ladder.silence(93_000);
  });

  it("a Reset ends it, also to an earlier, superseded or Non-confirmable one (7641-4.5-2, 5)", () => {
    const cases: ((ladder: Lockstep) => Received)[] = [
      ({ app, peer }) => {
        app.notifies("r", "2.05");
        return peer.receives("CON 2.05 _ token 20 Observe:_");
      },
      ({ app, peer }) => {
        app.notifies("r", "2.05", NON);
        return peer.receives("NON 2.05 _ token 20 Observe:_");
      },
      ({ app, peer }) => {
        app.notifies("r", "2.05");
        const first = peer.receives("CON 2.05 _ token 20 Observe:_");
        acknowledge(peer, first);
        for (let i = 0; i < 3; i++) {
          app.notifies("r", "2.05");
          acknowledge(peer, peer.receives("CON 2.05 _ token 20 Observe:_"));
        }
        return first;
      },
      ({ app, peer, after }) => {
        app.notifies("r", "2.05");
        const first = peer.receives("CON 2.05 _ token 20 Observe:_");
        app.notifies("r", "2.05");
        after(3000);
        peer.receives("CON 2.05 _ token 20 Observe:_");
        return first;
      },
    ];
    for (const run of cases) {
      const ladder = server();
      register(ladder);
      reset(ladder.peer, run(ladder));
      ladder.app.loses("reset");
      assertEquals(ladder.app.notifies("r", "2.05"), 0);
      ladder.silence(93_000);
    }
  });

  it("a Reset to one that came long before, in number or time, ends nothing", () => {
    const ladder = server();
    const { app, peer, engine, after } = ladder;
    register(ladder);
    const sent = Array.from({ length: 5 }, () => {
      app.notifies("r", "2.05");
      const message = peer.receives("CON 2.05 _ token 20 Observe:_");
      acknowledge(peer, message);
      return message;
    });
    reset(peer, sent[0]!);
    after(247_000);
    reset(peer, sent[4]!);
    assertEquals([engine.sizes.observers, engine.stats.rejectedUnexpected], [1, 2]);
    app.notifies("r", "2.05");
    reset(peer, peer.receives("CON 2.05 _ token 20 Observe:_"));
    app.loses("reset");
  });

  it("a Reset to something else, or from somebody else, ends nothing", () => {
    const ladder = server();
    const { app, peer, peerAt, engine } = ladder;
    register(ladder);
    app.notifies("r", "2.05", NON);
    const first = peer.receives("NON 2.05 _ token 20 Observe:_");
    reset(peerAt(40_000), first);
    peer.sends("RST Empty 0x7777");
    app.pings();
    reset(peer, peer.receives("CON Empty $m"));
    app.pongs();
    assertEquals(engine.sizes.observers, 1);
  });

  it("a Reset to a ping is one, though a notification had its message ID long ago", () => {
    const ladder = server({ parameters: { ackTimeout: 500 } });
    const { app, peer, engine, after } = ladder;
    register(ladder);
    app.notifies("r", "2.05", NON);
    const { id } = peer.receives("NON 2.05 _ token 20 Observe:_").message;
    // Until the IDs come round: requests of the peer whose responses take one each.
    for (let n = 0, last = id; last !== (id - 1 & 0xffff); n++) {
      if (n % 256 === 0) after(1000);
      const request = Uint8Array.of(0x50, Code.GET, n >> 8 & 255, n & 255);
      if (n === 0x10000) throw new Error("IDs do not come round");
      engine.receive(ladder.now, peer.flow, request);
      const event = engine.pollEvent();
      if (event?.type !== "request") continue;
      engine.respond(ladder.now, event.id, { code: Code.Content });
      const { bytes } = engine.pollTransmit()!;
      last = bytes[2]! << 8 | bytes[3]!;
      engine.pollTransmit();
    }
    after(300_000);
    app.pings();
    const ping = peer.receives("CON Empty $m");
    assertEquals(ping.message.id, id);
    reset(peer, ping);
    app.pongs();
    assertEquals(engine.sizes.observers, 1);
  });

  it("an error is the last one: Confirmable, without Observe (7641-4.2-2, 3)", () => {
    for (const options of [{}, NON]) {
      const ladder = server();
      const { app, peer } = ladder;
      register(ladder);
      assertEquals(app.notifies("r", '4.04 "gone"', options), 1);
      app.loses("error");
      const received = peer.receives('CON 4.04 _ token 20 "gone"');
      assertEquals(app.notifies("r", "2.05"), 0);
      acknowledge(peer, received);
      ladder.silence(93_000);
    }
  });

  it("of another Content-Format: 4.06, and the observation ends (7641-4.2-4)", () => {
    const ladder = server();
    const { app, peer } = ladder;
    register(ladder, { token: "01", state: '2.05 Content-Format:0 "0"' });
    register(ladder, { token: "02", state: "2.05 Content-Format:60" });
    register(ladder, { token: "03", state: "2.05" });
    register(ladder, { token: "04", state: "2.03 ETag:0x01" });
    assertEquals(app.notifies("r", '2.05 Content-Format:0 "1"'), 4);
    app.loses("error");
    app.loses("error");
    acknowledge(peer, peer.receives('CON 2.05 _ token 01 Observe:_ Content-Format:0 "1"'));
    for (const token of ["02", "03"]) {
      acknowledge(peer, peer.receives(`CON 4.06 _ token ${token}`));
    }
    // One that was answered 2.03 keeps to the format of its first state.
    acknowledge(peer, peer.receives('CON 2.05 _ token 04 Observe:_ Content-Format:0 "1"'));
    assertEquals(app.notifies("r", '2.05 "2"'), 2);
    app.loses("error");
    app.loses("error");
    for (const token of ["01", "04"]) {
      acknowledge(peer, peer.receives(`CON 4.06 _ token ${token}`));
    }
    ladder.silence(93_000);
  });

  it("2.03 to those who have the state, by the ETags of their newest request (7641-4.3-3, 4.1-2)", () => {
    const ladder = server();
    const { app, peer } = ladder;
    register(ladder, { token: "01", what: "/r".padStart(2) });
    const registers = (token: string, etags: string): void => {
      const id = nextId();
      peer.sends(`CON GET ${id} token ${token} ${etags} Observe:0 /r`);
      app.answers('2.05 "0"', { observe: "r", id: app.event("request").id });
      peer.takes();
    };
    registers("02", "ETag:0x0a ETag:0x0b");
    registers("03", "ETag:0x0c");
    app.notifies(
      "r",
      '2.05 ETag:0x0b Content-Format:65535 Max-Age:9 "b"'.replace("Content-Format:65535 ", ""),
    );
    acknowledge(peer, peer.receives('CON 2.05 _ token 01 ETag:0x0b Observe:_ Max-Age:9 "b"'));
    acknowledge(peer, peer.receives("CON 2.03 _ token 02 ETag:0x0b Observe:_ Max-Age:9"));
    acknowledge(peer, peer.receives('CON 2.05 _ token 03 ETag:0x0b Observe:_ Max-Age:9 "b"'));
    registers("02", "ETag:0x0d");
    app.notifies("r", '2.05 ETag:0x0b "b"');
    for (const token of ["01", "02", "03"]) {
      acknowledge(peer, peer.receives(`CON 2.05 _ token ${token} ETag:0x0b Observe:_ "b"`));
    }
  });

  it("2.03 and other successes of the application's own go as they are", () => {
    const ladder = server();
    const { app, peer } = ladder;
    register(ladder);
    app.notifies("r", "2.03 ETag:0x01");
    acknowledge(peer, peer.receives("CON 2.03 _ token 20 ETag:0x01 Observe:_"));
  });

  it("without a payload, to several observers", () => {
    const ladder = server();
    const { peerAt, app } = ladder;
    const peers = [1, 2, 3].map((i) => peerAt(40_000 + i));
    for (const peer of peers) register(ladder, { peer });
    app.notifies("r", "2.05");
    takeAll(peers.map((peer) => [peer, "CON 2.05 _ token 20 Observe:_"]));
  });

  it("to one kind of request alone", () => {
    const ladder = server();
    const { app, peer, engine } = ladder;
    register(ladder, { token: "01" });
    register(ladder, { token: "02", what: "/r Accept:50" });
    const variants = engine.observed("r");
    assertEquals(variants.length, 2);
    assertEquals(app.notifies("r", '2.05 "b"', { variant: variants[1]!.key }), 1);
    acknowledge(peer, peer.receives('CON 2.05 _ token 02 Observe:_ "b"'));
    assertEquals(app.notifies("r", '2.05 "a"', { variant: variants[0]!.key }), 1);
    acknowledge(peer, peer.receives('CON 2.05 _ token 01 Observe:_ "a"'));
    assertEquals([app.notifies("r", "2.05", { variant: "?" }), app.notifies("?", "2.05")], [0, 0]);
    ladder.silence();
  });

  it("that can not be sent are the caller's mistake; nothing changes", () => {
    const ladder = server();
    const { app, peer, engine } = ladder;
    register(ladder);
    app.notifies("r", '2.05 "1"');
    const first = peer.receives('CON 2.05 _ token 20 Observe:_ "1"');
    const bad = [{ number: OptionNumber.ETag, value: new Uint8Array(9) }];
    const twice = [{ number: OptionNumber.Observe, value: new Uint8Array(0) }];
    for (
      const outline of [
        { code: Code.GET },
        { code: Code.Empty },
        { code: Code.Content, options: bad },
        { code: Code.Content, options: twice },
      ]
    ) {
      assertThrows(() => engine.notify(ladder.now, "r", undefined, outline), CoAPError);
    }
    acknowledge(peer, first);
    ladder.silence(93_000);
  });

  it("report what becomes of them, where asked", () => {
    const ladder = server({ parameters: { maxRetransmit: 0 } });
    const { app, peer, after, engine } = ladder;
    register(ladder);
    const { id } = engine.observed("r")[0]!;
    app.notifies("r", "2.05", { report: true });
    acknowledge(peer, peer.receives("CON 2.05 _ token 20 Observe:_"));
    app.learns("acknowledged", id);
    app.notifies("r", "2.05", { report: true, confirmable: false });
    app.learns("sent", id);
    peer.receives("NON 2.05 _ token 20 Observe:_");
    after(3000);
    app.notifies("r", "2.05", { report: true });
    peer.receives("CON 2.05 _ token 20 Observe:_");
    after(3000);
    app.learns("timeout", id);
    app.loses("timeout", id);
    register(ladder);
    const last = engine.observed("r")[0]!.id;
    app.notifies("r", "4.04", { report: true });
    app.loses("error", last);
    acknowledge(peer, peer.receives("CON 4.04 _ token 20"));
    app.learns("acknowledged", last);
  });

  it("the response to a renewal is older than a state sent before it", () => {
    const ladder = server();
    const { app, peer } = ladder;
    register(ladder);
    peer.sends("CON GET 0xa001 token 20 Observe:0 /r");
    app.serves("GET Observe:0 /r");
    app.notifies("r", '2.05 "2"');
    const state = peer.receives('CON 2.05 _ token 20 Observe:_ "2"');
    app.answers('2.05 "1"', { observe: "r" }); // read before the change
    const response = peer.receives('ACK 2.05 0xa001 token 20 Observe:_ "1"');
    assert(isNewer(numberOf(response), 0, numberOf(state), 1));
    acknowledge(peer, state);
  });

  it("one that times out ends nothing where the registration was renewed after it was sent", () => {
    const ladder = server({ parameters: { maxRetransmit: 1, ackRandomFactor: 1 } });
    const { app, peer, after, engine } = ladder;
    register(ladder);
    app.notifies("r", '2.05 "1"');
    peer.misses('CON 2.05 _ token 20 Observe:_ "1"');
    after(2000);
    peer.misses('CON 2.05 _ token 20 Observe:_ "1"');
    register(ladder);
    after(4000);
    // It begins anew: the response to the renewal may be lost as well.
    peer.misses('CON 2.05 _ token 20 Observe:_ "1"');
    assertEquals(engine.sizes.observers, 1);
    after(2000);
    peer.misses('CON 2.05 _ token 20 Observe:_ "1"');
    after(4000);
    app.loses("timeout");
  });

  it("a state that waits is sent though the registration is renewed", () => {
    const ladder = server();
    const { app, peer } = ladder;
    register(ladder);
    app.notifies("r", '2.05 "1"');
    const first = peer.receives('CON 2.05 _ token 20 Observe:_ "1"');
    peer.sends("CON GET 0xa001 token 20 Observe:0 /r");
    app.serves("GET Observe:0 /r");
    app.notifies("r", '2.05 "2"');
    app.answers('2.05 "1"', { observe: "r" });
    const response = peer.receives('ACK 2.05 0xa001 token 20 Observe:_ "1"');
    acknowledge(peer, first);
    const second = peer.receives('CON 2.05 _ token 20 Observe:_ "2"');
    assert(isNewer(numberOf(response), 0, numberOf(second), 1));
    acknowledge(peer, second);
  });
});

import { assert, assertEquals, assertThrows } from "@std/assert";
import { afterEach, describe, it } from "node:test";
import { blockOf, makeBody } from "../../testing/bodies.ts";
import {
  type Lockstep,
  lockstep,
  type LockstepOptions,
  type Received,
  type ScriptedPeer,
  settle,
} from "../../testing/lockstep.ts";
import { CoAPError } from "../errors.ts";
import { Code } from "../wire/code.ts";
import { type Option, OptionNumber, uintOption } from "../wire/option.ts";
import { isNewer } from "./observation.ts";

let lastId = 0;

function nextId(): string {
  return `0x${(++lastId & 0xffff).toString(16).padStart(4, "0")}`;
}

interface Registration {
  peer?: ScriptedPeer;
  token?: string;
  /** Path and further options. */
  what?: string;
  state?: string;
  payload?: Uint8Array;
  resource?: string;
}

/** A peer registers and gets the state "0". Answers the number. */
function register(ladder: Lockstep, registration: Registration = {}): number {
  const { token = "20", what = "/r", state = '2.05 "0"', payload, resource = "r" } = registration;
  const { peer = ladder.peer } = registration;
  const id = nextId();
  peer.sends(`CON GET ${id} token ${token} Observe:0 ${what}`);
  ladder.app.serves(`GET Observe:0 ${what} ...`);
  ladder.app.answers(state, { observe: resource, payload });
  return numberOf(peer.receives(`ACK ${state.slice(0, 4)} ${id} token ${token} ...`));
}

function numberOf({ message }: Received): number {
  return uintOption(message.options, OptionNumber.Observe) ?? -1;
}

/** The peer acknowledges a notification. */
function acknowledge(peer: ScriptedPeer, { message }: Received): void {
  peer.sends(`ACK Empty 0x${message.id.toString(16).padStart(4, "0")}`);
}

/** Each peer receives the message of its line; then each acknowledges it. */
function takeAll(lines: [ScriptedPeer, string][]): void {
  const all = lines.map(([peer, line]) => [peer, peer.receives(line)] as const);
  for (const [peer, received] of all) acknowledge(peer, received);
}

function reset(peer: ScriptedPeer, { message }: Received): void {
  peer.sends(`RST Empty 0x${message.id.toString(16).padStart(4, "0")}`);
}

function server(options: LockstepOptions = {}): Lockstep {
  return lockstep({ serve: true, ...options });
}

const NON = { confirmable: false };

describe("a registration, the server", () => {
  afterEach(settle);

  it("is answered as a plain request where the application does not observe (7641-2-2)", () => {
    const { app, peer, engine } = server();
    peer.sends("CON GET 0x0001 token 20 Observe:0 /r");
    app.serves("GET Observe:0 /r");
    app.answers('2.05 "0"');
    peer.receives('ACK 2.05 0x0001 token 20 "0"');
    peer.sends("CON GET 0x0002 token 20 Observe:0 /r");
    app.serves("GET Observe:0 /r");
    app.answers("4.04", { observe: "r" });
    peer.receives("ACK 4.04 0x0002 token 20");
    assertEquals(engine.sizes.observers, 0);
  });

  it("is one by GET and FETCH with the value 0 alone (7641-2-3, 2-4, 8132-2-7)", () => {
    const { app, peer, engine } = server();
    const lines: [string, boolean][] = [
      ["GET Observe:0x", true],
      ["GET Observe:0x000000", true],
      ["FETCH Observe:0 Content-Format:50", true],
      ["GET Observe:1", false],
      ["GET Observe:2", false],
      ["GET Observe:16777215", false],
      ["GET Observe:0x00000000", false],
      ["POST Observe:0", false],
      ["PUT Observe:0", false],
      ["DELETE Observe:0", false],
      ["PATCH Observe:0 Content-Format:50", false],
    ];
    for (const [i, [line, observed]] of lines.entries()) {
      peer.sends(`CON ${line.replace(" ", ` 0x00${i + 10} token ${i + 10} `)} /r`);
      app.answers('2.05 "0"', { observe: "r", id: app.event("request").id });
      const { message } = peer.receives(`ACK 2.05 0x00${i + 10} token ${i + 10} ...`);
      const number = uintOption(message.options, OptionNumber.Observe);
      assertEquals(number !== undefined, observed, line);
    }
    assertEquals(engine.sizes.observers, 3);
  });

  it("is the peer's and the token's: the same again renews it (7641-4.1-2, 4.1-3)", () => {
    const ladder = server();
    const { app, peer, peerAt, engine } = ladder;
    const other = peerAt(40_000);
    const first = register(ladder);
    const again = register(ladder, { what: "/r Accept:50" });
    assert(isNewer(first, 0, again, 1), "The response of a renewal may be newer than any state");
    register(ladder, { token: "21" });
    register(ladder, { peer: other });
    assertEquals(engine.sizes.observers, 3);
    const variants = engine.observed("r").map(({ request }) => request.options.length);
    assertEquals(variants, [3, 2]);
    assertEquals(app.notifies("r", '2.05 "1"'), 3);
    takeAll([
      [other, 'CON 2.05 _ token 20 Observe:_ "1"'],
      [peer, 'CON 2.05 _ token 20 Observe:_ "1"'],
    ]);
    acknowledge(peer, peer.receives('CON 2.05 _ token 21 Observe:_ "1"'));
  });

  it("of another resource with the same token takes the place of the old one", () => {
    const ladder = server();
    const { app, peer, engine } = ladder;
    register(ladder);
    peer.sends("CON GET 0xa001 token 20 Observe:0 /s");
    app.serves("GET Observe:0 /s");
    app.answers("2.05", { observe: "s" });
    app.loses("replaced");
    peer.receives("ACK 2.05 0xa001 token 20 Observe:_");
    assertEquals([app.notifies("r", "2.05"), engine.sizes.observers], [0, 1]);
  });

  it("ends with Observe 1, whose request is answered as any (7641-4.1-4, 4.1-5)", () => {
    const ladder = server();
    const { app, peer, engine } = ladder;
    register(ladder);
    for (const [token, known] of [["21", false], ["20", true], ["20", false]] as const) {
      const id = nextId();
      peer.sends(`CON GET ${id} token ${token} Observe:1 /r`);
      if (known) app.loses("deregistered");
      app.serves("GET Observe:1 /r");
      app.answers('2.05 "0"', { observe: "r" });
      peer.receives(`ACK 2.05 ${id} token ${token} "0"`);
    }
    assertEquals([app.notifies("r", "2.05"), engine.sizes.observers], [0, 0]);
  });

  it("renewed and refused is none any more (7641-3.2-1)", () => {
    for (const [line, observe] of [["4.04", "r"], ["5.03", "r"], ["2.05", undefined]] as const) {
      const ladder = server();
      const { app, peer, engine } = ladder;
      register(ladder);
      peer.sends("CON GET 0xa001 token 20 Observe:0 /r");
      app.serves("GET Observe:0 /r");
      app.answers(line, { observe });
      app.loses("error");
      peer.receives(`ACK ${line} 0xa001 token 20`);
      assertEquals([app.notifies("r", "2.05"), engine.sizes.observers], [0, 0]);
    }
  });

  it("beyond the limits is answered as a plain request, and those known are renewed", () => {
    const ladder = server({ limits: { observers: 3, observersPerPeer: 2 } });
    const { app, peer, peerAt, engine } = ladder;
    const other = peerAt(40_000);
    const plain = (who: ScriptedPeer, token: string): void =>
      assertEquals(register(ladder, { peer: who, token }), -1);
    register(ladder, { token: "01" });
    register(ladder, { token: "02" });
    plain(peer, "03");
    register(ladder, { peer: other, token: "01" });
    plain(other, "02");
    assert(register(ladder, { token: "01" }) >= 0);
    assertEquals(engine.sizes.observers, 3);
    assertEquals(engine.stats.rejectedLimit, 2);
    // One that goes makes room.
    peer.sends("CON GET 0xa001 token 02 Observe:1 /r");
    app.loses("deregistered");
    app.serves("GET Observe:1 /r");
    app.answers("2.05");
    peer.takes();
    assert(register(ladder, { peer: other, token: "02" }) >= 0);
  });

  it("with large requests: these are bounded too, their options as their bodies", () => {
    const ladder = server({ limits: { transferBytes: 1006 } });
    const { app, peer, engine } = ladder;
    const asks = (token: string, length: number): boolean => {
      const id = nextId();
      const payload = new Uint8Array(length);
      peer.sends(`CON FETCH ${id} token ${token} Observe:0 /r Content-Format:42`, payload);
      app.answers("2.05", { observe: "r", id: app.event("request").id });
      return numberOf(peer.receives(`ACK 2.05 ${id} token ${token} ...`)) >= 0;
    };
    assertEquals([asks("01", 600), asks("02", 500), asks("03", 400)], [true, false, true]);
    assertEquals(asks("01", 300), true); // renewed with a smaller one
    assertEquals([asks("04", 400), asks("05", 300)], [false, true]);
    engine.forgetObservers(ladder.now);
    ladder.drain();
    for (let i = 0; i < 3; i++) app.loses("closed");
    assertEquals(asks("06", 1000), true);
    // Renewed with what there is no room for: the client reads that it observes no more.
    assertEquals(asks("06", 1005), false);
    app.loses("error");
    const query = `?${"q".repeat(250)}`;
    peer.sends(`CON GET 0x7000 token 07 Observe:0 /r ${query} ${query} ${query} ${query} ${query}`);
    app.answers("2.05", { observe: "r", id: app.event("request").id });
    assertEquals(numberOf(peer.receives("ACK 2.05 0x7000 token 07")), -1);
    assertEquals(engine.sizes.observers, 0);
  });

  it("all of them end when the application says so, without a word to the peers", () => {
    const ladder = server();
    const { app, engine, silence } = ladder;
    register(ladder);
    register(ladder, { token: "21", resource: "s" });
    app.notifies("r", "2.05", NON);
    ladder.peer.takes();
    app.notifies("r", "2.05", NON); // waits for its 3 s
    engine.forgetObservers(ladder.now);
    ladder.drain();
    app.loses("closed");
    app.loses("closed");
    silence(93_000);
  });

  it("is of one kind with those of the same request, whoever asks (7641-2-6)", () => {
    const ladder = server();
    const { peer, peerAt, app, engine } = ladder;
    const other = peerAt(40_000);
    const whats = [
      "/r",
      "/r Accept:50",
      "/r ?a",
      '/"r 11,1:x"',
      "/r/x",
      "/r 65000:0x01",
    ];
    whats.forEach((what, i) => register(ladder, { token: `0${i}`, what }));
    // ETag, block size and what is no part of a cache key make no other kind.
    register(ladder, { peer: other, token: "01", what: "/r" });
    register(ladder, { peer: other, token: "02", what: "/r Block2:0/0/64 Size2:0" });
    assertEquals(engine.observed("r").length, whats.length);
    const fetches = (who: ScriptedPeer, format: number, body: Uint8Array): void => {
      const id = nextId();
      const token = id.slice(2);
      who.sends(`CON FETCH ${id} token ${token} Observe:0 /r Content-Format:${format}`, body);
      app.answers("2.05", { observe: "r", id: app.event("request").id });
      who.takes();
    };
    const [a, b, long] = [Uint8Array.of(1), Uint8Array.of(2), new Uint8Array(1025)];
    fetches(peer, 50, a);
    fetches(other, 50, a); // the same
    fetches(peer, 60, a);
    fetches(peer, 50, b);
    assertEquals(engine.observed("r").length, whats.length + 3);
    fetches(peer, 50, long);
    fetches(other, 50, long); // long ones are not compared
    assertEquals(engine.observed("r").length, whats.length + 5);
    const keys = engine.observed("r").map(({ key }) => key);
    assertEquals(new Set(keys).size, keys.length);
  });
});

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

describe("Non-confirmable notifications", () => {
  afterEach(settle);

  it("at most one in 3 s, the newest state in the end (7641-4.5-1, 4.5-7)", () => {
    const ladder = server();
    const { app, peer, after } = ladder;
    register(ladder);
    const sent: Received[] = [];
    for (let i = 1; i <= 300; i++) {
      app.notifies("r", `2.05 "${i}"`, { confirmable: false, confirmableEvery: 100 });
      sent.push(...peer.takes());
      after(100);
      sent.push(...peer.takes());
    }
    after(3000);
    sent.push(...peer.takes());
    assertEquals(sent.length, 11);
    assertEquals(sent.map(({ at }) => at), sent.map((_, i) => i * 3000));
    assertEquals(new TextDecoder().decode(sent.at(-1)!.message.payload), "300");
    ladder.silence(93_000);
  });

  it("every fifth, or as the application says, is Confirmable (7641-4.5-4)", () => {
    for (const every of [undefined, 1, 3]) {
      const ladder = server();
      const { app, peer, after } = ladder;
      register(ladder);
      const types: number[] = [];
      for (let i = 1; i <= 15; i++) {
        after(3000);
        app.notifies("r", `2.05 "${i}"`, { confirmable: false, confirmableEvery: every });
        const [received] = peer.takes();
        types.push(received!.message.type);
        if (received!.message.type === 0) acknowledge(peer, received!);
      }
      const expected = types.map((_, i) => (i + 1) % (every ?? 5) === 0 ? 0 : 1);
      assertEquals(types, expected);
    }
  });

  it("after a day without one, it is Confirmable (7641-4.5-4)", () => {
    const ladder = server();
    const { app, peer, after } = ladder;
    register(ladder);
    const rare = { confirmable: false, confirmableEvery: 1e9 };
    const types: number[] = [];
    for (let hour = 1; hour <= 49; hour++) {
      after(3_600_000);
      app.notifies("r", "2.05", rare);
      const [received] = peer.takes();
      types.push(received!.message.type);
      if (received!.message.type === 0) acknowledge(peer, received!);
    }
    assertEquals(types.flatMap((type, i) => type === 0 ? [i + 1] : []), [24, 48]);
  });

  it("a state that waits for its 3 s gives way to an error at once", () => {
    const ladder = server();
    const { app, peer } = ladder;
    register(ladder);
    app.notifies("r", '2.05 "1"', NON);
    peer.receives('NON 2.05 _ token 20 Observe:_ "1"');
    app.notifies("r", '2.05 "2"', NON);
    ladder.silence(1000);
    app.notifies("r", "4.04");
    ladder.after(2000);
    app.loses("error");
    acknowledge(peer, peer.receives("CON 4.04 _ token 20"));
    ladder.silence(93_000);
  });
});

describe("large states, the server", () => {
  afterEach(settle);

  const BODY = makeBody(300);

  it("the first block of the size asked for; the rest without Observe (7959-2.6-1, 2.6-4)", () => {
    for (const [asked, own, size] of [[64, 1024, 64], [1024, 64, 64], [0, 128, 128]] as const) {
      const ladder = server({ blockSize: own });
      const { app, peer } = ladder;
      const block2 = asked === 0 ? "" : ` Block2:0/0/${asked}`;
      register(ladder, { what: `/r${block2}`, payload: BODY, state: "2.05" });
      for (const seed of [1, 2]) {
        const body = makeBody(300, seed);
        app.notifies("r", "2.05", { payload: body });
        const received = peer.receives(
          `CON 2.05 _ token 20 ETag:_ Observe:_ Block2:0/1/${size}`,
          blockOf(body, 0, size),
        );
        acknowledge(peer, received);
        for (let number = 1; number * size < 300; number++) {
          const more = (number + 1) * size < 300 ? 1 : 0;
          const id = nextId();
          peer.sends(`CON GET ${id} token 21 /r Block2:${number}/0/${size}`);
          peer.receives(
            `ACK 2.05 ${id} token 21 ETag:_ Block2:${number}/${more}/${size}`,
            blockOf(body, number, size),
          );
        }
      }
    }
  });

  it("the response to a registration: its further blocks have no Observe", () => {
    const ladder = server({ blockSize: 64 });
    const { peer } = ladder;
    register(ladder, { payload: BODY, state: "2.05" });
    peer.sends("CON GET 0xa001 token 21 /r Block2:1/0/64");
    peer.receives("ACK 2.05 0xa001 token 21 ETag:_ Block2:1/1/64", blockOf(BODY, 1, 64));
  });

  it("retransmitted and superseded, always the first block", () => {
    const ladder = server({ blockSize: 64, parameters: { ackRandomFactor: 1 } });
    const { app, peer, after } = ladder;
    register(ladder);
    app.notifies("r", "2.05", { payload: BODY });
    const line = "CON 2.05 _ token 20 ETag:_ Observe:_ Block2:0/1/64";
    peer.receives(line, blockOf(BODY, 0, 64));
    after(2000);
    peer.receives(line, blockOf(BODY, 0, 64));
    const other = makeBody(300, 1);
    app.notifies("r", "2.05", { payload: other });
    after(4000);
    acknowledge(peer, peer.receives(line, blockOf(other, 0, 64)));
    peer.sends("CON GET 0xa001 token 21 /r Block2:4/0/64");
    peer.receives("ACK 2.05 0xa001 token 21 ETag:_ Block2:4/0/64", blockOf(other, 4, 64));
    ladder.silence(93_000);
  });

  it("are not encoded again for each observer, only for each size and for those who have them", () => {
    const reads = (count: number, length: number): number => {
      const ladder = server({ parameters: { nstart: 1000 } });
      for (let i = 0; i < count; i++) {
        const size = [64, 256, 1024][i % 3]!;
        const peer = ladder.peerAt(10_000 + i);
        const etag = i % 2 === 0 ? " ETag:0x07" : "";
        peer.sends(`CON GET ${nextId()} token 20 Observe:0 /r Block2:0/0/${size}${etag}`);
        ladder.app.answers("2.05", { observe: "r", id: ladder.app.event("request").id });
        peer.takes();
      }
      let values = 0;
      const counted: Option = {
        number: 65_000,
        get value() {
          values++;
          return Uint8Array.of(1);
        },
      };
      const options = [{ number: OptionNumber.ETag, value: Uint8Array.of(7) }, counted];
      const outline = { code: Code.Content, options, payload: makeBody(length) };
      assertEquals(ladder.engine.notify(ladder.now, "r", undefined, outline), count);
      ladder.drain();
      for (let i = 0; i < count; i++) assertEquals(ladder.peerAt(10_000 + i).takes().length, 1);
      return values;
    };
    for (const length of [10, 200, 5000]) {
      const few = reads(6, length);
      assert(few > 0);
      assertEquals(reads(120, length), few, `${length}`);
    }
  });
});

describe("many notifications", () => {
  afterEach(settle);

  /** Registers a peer at each of so many ports, without a line of the script for each. */
  function registerMany(ladder: Lockstep, count: number): void {
    for (let i = 0; i < count; i++) {
      const { flow } = ladder.peerAt(1000 + i);
      const bytes = Uint8Array.of(0x41, Code.GET, 0, 1, 0x20, 0x60, 0x51, 0x72);
      ladder.engine.receive(ladder.now, flow, bytes);
      const event = ladder.engine.pollEvent()!;
      assert(event.type === "request");
      ladder.engine.respond(ladder.now, event.id, { code: Code.Content }, { observe: "r" });
      while (ladder.engine.pollTransmit() !== undefined);
    }
  }

  function takeMany(ladder: Lockstep, count: number): [ScriptedPeer, Received][] {
    const all: [ScriptedPeer, Received][] = [];
    for (let i = 0; i < count; i++) {
      const peer = ladder.peerAt(1000 + i);
      for (const received of peer.takes()) all.push([peer, received]);
    }
    return all;
  }

  it("leave in bursts of 128 each 10 ms, or as acknowledgements come", () => {
    const ladder = server();
    const { app, after } = ladder;
    registerMany(ladder, 1000);
    after(1); // numbers are given to so many in a millisecond
    assertEquals(app.notifies("r", '2.05 "1"'), 1000);
    const bursts: number[] = [];
    const all: [ScriptedPeer, Received][] = [];
    for (let i = 0; i < 8; i++) {
      const burst = takeMany(ladder, 1000);
      bursts.push(burst.length);
      all.push(...burst);
      after(10);
    }
    ladder.silence(100);
    assertEquals(bursts, [128, 128, 128, 128, 128, 128, 128, 104]);
    assertEquals(new Set(all.map(([peer]) => peer.flow.key)).size, 1000);
    for (const [peer, received] of all) acknowledge(peer, received);
    ladder.silence(20);
    // Acknowledged at once, all leave without a wait.
    app.notifies("r", '2.05 "2"');
    let [count, rounds] = [0, 0];
    for (let burst = takeMany(ladder, 1000); burst.length > 0; burst = takeMany(ladder, 1000)) {
      count += burst.length;
      rounds++;
      for (const [i, [peer, received]] of burst.entries()) {
        ladder.engine.receive(
          ladder.now,
          peer.flow,
          Uint8Array.of(0x60, 0, received.message.id >> 8, received.message.id & 255),
        );
        if (i === burst.length - 1) ladder.drain();
      }
    }
    assertEquals(count, 1000);
    assert(rounds > 1, `${rounds}`);
    ladder.silence(93_000);
  });

  it("a newer state before all have left: nobody gets the older one after it", () => {
    const ladder = server();
    const { app, after } = ladder;
    registerMany(ladder, 400);
    after(1);
    app.notifies("r", '2.05 "1"');
    const first = takeMany(ladder, 400);
    assertEquals(first.length, 128);
    app.notifies("r", '2.05 "2"');
    for (const [peer, { message: { id } }] of first) {
      ladder.engine.receive(ladder.now, peer.flow, Uint8Array.of(0x60, 0, id >> 8, id & 255));
    }
    ladder.drain();
    const rest = takeMany(ladder, 400);
    after(100);
    rest.push(...takeMany(ladder, 400));
    assertEquals(rest.length, 400);
    for (const [peer, received] of rest) {
      assertEquals(received.message.payload, Uint8Array.of(0x32));
      acknowledge(peer, received);
    }
    ladder.silence(93_000);
  });

  it("1,000,000 in 10 s: numbers grow, by less than 2^23 in 256 s (7641-4.4-1)", () => {
    const ladder = server({ parameters: { ackTimeout: 10_000 } });
    const { engine, peer } = ladder;
    const first = register(ladder);
    let [last, count, now] = [first, 0, ladder.now];
    const outline = { code: Code.Content };
    const start = now;
    for (let i = 0; i < 1_000_000; i++) {
      if (i % 100 === 0) {
        now = start + i / 100;
        if (engine.deadline <= now) engine.tick(now);
      }
      engine.notify(now, "r", undefined, outline);
      for (let sent = engine.pollTransmit(); sent; sent = engine.pollTransmit()) {
        const { bytes } = sent;
        const number = bytes[6]! << 16 | bytes[7]! << 8 | bytes[8]!;
        const length = bytes[5]! & 15;
        const value = number >> 8 * (3 - length);
        assert(isNewer(last, 0, value, 1), `${last} ${value}`);
        last = value;
        count++;
        engine.receive(now, peer.flow, Uint8Array.of(0x60, 0, bytes[2]!, bytes[3]!));
      }
    }
    assert(count > 10_000, `${count}`);
    // As many in 256 s would keep the bound.
    const grown = last - first & 0xffffff;
    assert(grown / 10 * 256 < 2 ** 23, `${grown}`);
    ladder.now = now;
    ladder.after(100);
    peer.takes().forEach((received) => acknowledge(peer, received));
  });

  it("go on with the numbers where a resource had no observers for a while (7641-4.4-1)", () => {
    for (let seed = 1; seed <= 20; seed++) {
      const ladder = server({ seed });
      const { app, peer, after } = ladder;
      let last = -1;
      for (let round = 0; round < 5; round++) {
        // The same token: its client may have the old numbers in mind.
        const number = register(ladder);
        if (last >= 0) assert(isNewer(last, 0, number, 1), `${last} ${number}`);
        app.notifies("r", "2.05");
        const received = peer.receives("CON 2.05 _ token 20 Observe:_");
        last = numberOf(received);
        reset(peer, received);
        app.loses("reset");
        after(1000);
      }
    }
  });
});

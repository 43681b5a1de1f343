import { assert, assertEquals, assertThrows } from "@std/assert";
import { afterEach, describe, it } from "node:test";
import { blockOf, makeBody } from "../../testing/bodies.ts";
import {
  type Lockstep,
  lockstep,
  type LockstepOptions,
  type ScriptedPeer,
  settle,
} from "../../testing/lockstep.ts";
import { CoAPError } from "../errors.ts";
import { Code } from "../wire/code.ts";
import { OptionNumber } from "../wire/option.ts";

const GROUP = { address: "224.0.1.187", multicast: true };
const BODY = makeBody(150);

function members(
  ladder: Lockstep,
  count: number,
): { group: ScriptedPeer; all: ScriptedPeer[] } {
  const all = Array.from(
    { length: count },
    (_, i) => ladder.peerAt(5683, { address: `192.0.2.${10 + i}` }),
  );
  return { group: ladder.peerAt(5683, GROUP), all };
}

describe("a request to a group", () => {
  afterEach(settle);

  it("is Non-confirmable, not retransmitted, and yields each response with its sender (7252-8-1, 8-6)", () => {
    const ladder = lockstep();
    const { app, silence, after } = ladder;
    const { group, all } = members(ladder, 3);
    const id = app.asks("NON GET /r ?q", { to: group });
    group.receives("NON GET $m token $t /r ?q");
    after(100);
    all[0]!.sends('NON 2.05 0x0001 token $t "a"');
    assertEquals(app.event("member", id).flow, all[0]!.flow);
    all[1]!.sends("NON 4.04 0x0001 token $t");
    assertEquals(app.event("member", id).message.code, Code.NotFound);
    after(7000);
    all[2]!.sends('CON 2.05 0x0001 token $t "c"'); // not asked for, but to be acknowledged
    all[2]!.receives("ACK Empty 0x0001");
    assertEquals(app.event("member", id).flow, all[2]!.flow);
    silence(899);
    after(1);
    app.event("groupEnd", id);
    // DEFAULT_LEISURE and a first time-out are over: what comes now is not waited for (7252-8-10).
    all[0]!.sends('NON 2.05 0x0002 token $t "late"');
    all[2]!.sends('CON 2.05 0x0002 token $t "late"');
    all[2]!.receives("RST Empty 0x0002");
    silence(93_000);
  });

  it("a duplicate of a response is delivered once; one with another token never", () => {
    const ladder = lockstep();
    const { app, after } = ladder;
    const { group, all: [member] } = members(ladder, 1);
    app.asks("NON GET /r", { to: group, timeout: 1000 });
    group.receives("NON GET $m token $t /r");
    for (let time = 0; time < 3; time++) {
      member!.sends("NON 2.05 0x0001 token $t");
      if (time === 0) app.event("member");
    }
    member!.sends("NON 2.05 0x0002 token 0102030405");
    member!.sends("NON 2.05 0x0003 token $t 65001:0x01"); // critical and not understood
    ladder.silence();
    after(1000);
    app.event("groupEnd");
  });

  it("is ended by the application", () => {
    const ladder = lockstep();
    const { app, silence } = ladder;
    const { group, all: [member] } = members(ladder, 1);
    app.asks("NON GET /r", { to: group });
    group.receives("NON GET $m token $t /r");
    assert(app.cancels());
    member!.sends("NON 2.05 0x0001 token $t");
    silence(93_000);
  });

  it("several at a time are told apart by their tokens", () => {
    const ladder = lockstep();
    const { app, after } = ladder;
    const { group, all: [member] } = members(ladder, 1);
    const ids = ["/a", "/b"].map((path) =>
      app.asks(`NON GET ${path}`, { to: group, timeout: 500 })
    );
    group.receives("NON GET $m token $a /a");
    group.receives("NON GET $n token $b /b");
    member!.sends("NON 2.05 0x0001 token $b");
    app.event("member", ids[1]);
    member!.sends("NON 2.05 0x0002 token $a");
    app.event("member", ids[0]);
    after(500);
    app.event("groupEnd", ids[0]);
    app.event("groupEnd", ids[1]);
  });

  it("avoids the message IDs in use towards any peer (7252-8-7)", () => {
    for (let seed = 1; seed <= 30; seed++) {
      const ladder = lockstep({ seed, parameters: { nstart: 300 } });
      const { app } = ladder;
      const { group, all } = members(ladder, 20);
      const used = new Set<number>();
      for (const member of all) {
        for (let i = 0; i < 5; i++) app.asks("NON GET /r", { to: member });
        for (const { message } of member.takes()) used.add(message.id);
      }
      app.asks("NON GET /r", { to: group, timeout: 10 });
      assert(!used.has(group.receives("NON GET $m token $t /r").message.id));
      ladder.after(10);
      app.event("groupEnd");
      for (let id = 1; id <= 100; id++) ladder.engine.cancel(ladder.now, id);
    }
  });

  it("Confirmable, with an ETag, in blocks or to observe: refused (7252-8-1, 8-8)", () => {
    const ladder = lockstep();
    const { engine } = ladder;
    const { flow } = ladder.peerAt(5683, GROUP);
    const GET = { code: Code.GET };
    assertThrows(() => engine.request(0, flow, GET, { confirmable: true }), RangeError);
    assertThrows(() => engine.request(0, flow, GET, { observe: true }), RangeError);
    const etag = [{ number: OptionNumber.ETag, value: Uint8Array.of(1) }];
    assertThrows(() => engine.request(0, flow, { ...GET, options: etag }), CoAPError, "ETag");
    const block = [{ number: OptionNumber.Block2, value: Uint8Array.of(0x10) }];
    assertThrows(() => engine.request(0, flow, { ...GET, options: block }), CoAPError, "blocks");
    const payload = new Uint8Array(1025);
    assertThrows(() => engine.request(0, flow, { code: Code.PUT, payload }), CoAPError, "blocks");
    ladder.silence();
  });

  it("large responses: each member is asked for the rest, alone (7959-2.8-1)", () => {
    const ladder = lockstep();
    const { app, after } = ladder;
    const { group, all } = members(ladder, 4);
    app.asks("NON GET Block2:0/0/64 /r", { to: group });
    group.receives("NON GET $m token $t /r Block2:0/0/64");
    const bodies = all.map((_, i) => makeBody(150, i));
    all.forEach((member, i) => {
      member.sends("NON 2.05 0x0001 token $t Block2:0/1/64", blockOf(bodies[i]!, 0, 64));
      member.receives(`CON GET $m${i} token $t${i} /r Block2:1/0/64`);
    });
    const gives = (i: number, number: number, rest = ""): void => {
      const block = `Block2:${number}/${number < 2 ? 1 : 0}/64`;
      all[i]!.sends(
        `ACK 2.05 $m${i} token $t${i}${rest} ${block}`,
        blockOf(bodies[i]!, number, 64),
      );
      if (number < 2) {
        ladder.bindings.delete(`$m${i}`);
        ladder.bindings.delete(`$t${i}`);
        all[i]!.receives(`CON GET $m${i} token $t${i} /r Block2:2/0/64`);
      }
    };
    after(1000);
    gives(0, 1);
    gives(1, 1);
    gives(0, 2);
    assertEquals(app.event("member").message.payload, bodies[0]);
    // One changes, one goes away: they are lost, without harm to the others.
    all[2]!.sends("ACK 2.05 $m2 token $t2 ETag:0x01 Block2:1/1/64", blockOf(BODY, 1, 64));
    all[3]!.sends("RST Empty $m3");
    after(7000);
    // The time is over, but one body is on its way.
    assert(all[1]!.takes().length > 0, "Retransmissions");
    gives(1, 2);
    assertEquals(app.event("member").message.payload, bodies[1]);
    app.event("groupEnd");
    ladder.silence(93_000);
  });

  it("is ended while bodies are fetched", () => {
    const ladder = lockstep();
    const { app } = ladder;
    const { group, all: [member] } = members(ladder, 1);
    app.asks("NON GET /r", { to: group });
    group.receives("NON GET $m token $t /r");
    member!.sends("NON 2.05 0x0001 token $t Block2:0/1/64", blockOf(BODY, 0, 64));
    member!.receives("CON GET $n token $u /r Block2:1/0/64");
    app.cancels();
    member!.sends("ACK 2.05 $n token $u Block2:1/1/64", blockOf(BODY, 1, 64));
    ladder.silence(93_000);
  });

  it("responses from ever more addresses stay within the limits", () => {
    const limits = { peers: 50, exchanges: 10 };
    const ladder = lockstep({ limits });
    const { engine } = ladder;
    const { group } = members(ladder, 0);
    ladder.app.asks("NON GET /r", { to: group });
    const { token } = group.receives("NON GET $m token $t /r").message;
    const head = [0x54, Code.Content, 0, 1, ...token, 0xd1, OptionNumber.Block2 - 13, 0x08, 0xff];
    const bytes = Uint8Array.from([...head, ...blockOf(BODY, 0, 16)]);
    for (let i = 0; i < 5000; i++) {
      const address = `198.51.${i >> 8}.${i & 255}`;
      const flow = { key: `${address}:5683`, address, port: 5683, multicast: false };
      engine.receive(ladder.now, flow, bytes.slice());
      while (engine.pollEvent() !== undefined);
      while (engine.pollTransmit() !== undefined);
    }
    assert(engine.sizes.peers <= 50 && engine.sizes.exchanges <= 10);
    ladder.app.cancels();
    assertEquals(engine.sizes.exchanges, 0);
  });
});

describe("a request that came to a group", () => {
  afterEach(settle);

  /** A server, and a client's way to it through the group. */
  function server(options: LockstepOptions = {}): { ladder: Lockstep; toGroup: ScriptedPeer } {
    const ladder = lockstep({ serve: true, ...options });
    return { ladder, toGroup: ladder.peerAt(40_000, { multicast: true }) };
  }

  it("is answered Non-confirmable after a random part of the leisure (7252-8-4, 8-5)", () => {
    const delays: number[] = [];
    for (let seed = 1; seed <= 100; seed++) {
      const { ladder, toGroup } = server({ seed, parameters: { defaultLeisure: 4000 } });
      toGroup.sends("NON GET 0x0001 token 20 /r");
      ladder.app.serves("GET /r");
      ladder.app.answers('2.05 "x"');
      ladder.after(4000);
      const { at, flow } = toGroup.receives('NON 2.05 $m token 20 "x"');
      assertEquals(flow.port, 40_000);
      delays.push(at);
      assertEquals(ladder.engine.sizes.handling, 0);
    }
    delays.sort((a, b) => a - b);
    assert(delays[0]! < 400 && delays[99]! > 3600 && delays[99]! <= 4000);
    assert(Math.abs(delays[50]! - 2000) < 800, `${delays[50]}`);
  });

  it("is not answered where that is of no use, unless No-Response says otherwise (7252-8-3, 7967-2-3)", () => {
    const cases: [string, string, boolean][] = [
      ["", "4.04", false],
      ["", "5.00", false],
      ["", "2.05", false], // an empty result
      ["", "2.04", true],
      ["", '2.05 "x"', true],
      [" No-Response:0", "4.04", true],
      [" No-Response:0", "2.05", true],
      [" No-Response:2", "4.04", true],
      [" No-Response:2", '2.05 "x"', false],
      [" No-Response:8", "4.04", false],
      [" No-Response:8", "5.00", true],
      [" No-Response:26", '2.05 "x"', false],
    ];
    for (const [option, answer, answered] of cases) {
      const { ladder, toGroup } = server();
      toGroup.sends(`NON GET 0x0001 token 20 /r${option}`);
      ladder.app.serves(`GET /r${option}`);
      ladder.app.answers(answer, { report: true });
      if (!answered) ladder.app.learns("suppressed");
      ladder.after(5000);
      if (answered) {
        toGroup.receives(`NON ${answer.replace(/^(....)/, "$1 $m token 20")}`);
        ladder.app.learns("sent");
      }
      ladder.silence(93_000);
    }
  });

  it("is never answered with a Reset, nor with what the engine itself would say (7252-8-2)", () => {
    const { ladder, toGroup } = server();
    for (
      const line of [
        "NON GET 0x0001 token 20 /r 65001:0x01", // 4.02 to one
        "NON GET 0x0002 token 20 /r Proxy-Scheme:coap",
        "NON GET 0x0003 token 20 /r Block2:0/0/2048",
        "NON 2.05 0x0004 token 20",
        "NON Empty 0x0005",
        "CON Empty 0x0006",
        "CON GET 0x0007 token 20 /r",
        "CON 2.05 0x0008 token 20",
        "NON 7.01 0x0009 token 20",
        "RST Empty 0x000a",
      ]
    ) toGroup.sends(line);
    for (const malformed of ["4f00000b", "5001000cff"]) {
      toGroup.sendsBytes(malformed);
      ladder.app.event("rejected");
    }
    ladder.silence(93_000);
  });

  it("a duplicate is one, also where it came to the server itself", () => {
    const { ladder, toGroup } = server();
    const direct = ladder.peerAt(40_000);
    toGroup.sends("NON GET 0x0001 token 20 /r");
    ladder.app.serves("GET /r");
    toGroup.sends("NON GET 0x0001 token 20 /r");
    direct.sends("NON GET 0x0001 token 20 /r");
    ladder.app.answers('2.05 "x"');
    ladder.after(5000);
    toGroup.receives('NON 2.05 $m token 20 "x"');
    ladder.silence(93_000);
  });

  it("a large response: its first block, the rest to whoever asks for it", () => {
    const { ladder, toGroup } = server({ blockSize: 64 });
    toGroup.sends("NON GET 0x0001 token 20 /r");
    ladder.app.serves("GET /r");
    ladder.app.answers("2.05", { payload: BODY });
    ladder.after(5000);
    toGroup.receives("NON 2.05 $m token 20 ETag:_ Block2:0/1/64", blockOf(BODY, 0, 64));
    const direct = ladder.peerAt(40_000);
    direct.sends("CON GET 0x0002 token 21 /r Block2:2/0/64");
    direct.receives("ACK 2.05 0x0002 token 21 ETag:_ Block2:2/0/64", blockOf(BODY, 2, 64));
  });

  it("registers no observer", () => {
    const { ladder, toGroup } = server();
    toGroup.sends("NON GET 0x0001 token 01 Observe:0 /r");
    ladder.app.serves("GET Observe:0 /r");
    ladder.app.answers('2.05 "x"', { observe: "r" });
    ladder.after(6000);
    toGroup.receives('NON 2.05 _ token 01 "x"');
    assertEquals(ladder.engine.sizes.observers, 0);
  });

  it("that can not be encoded is the application's mistake at once", () => {
    const { ladder, toGroup } = server();
    toGroup.sends("NON GET 0x0001 token 20 /r");
    const id = ladder.app.serves("GET /r");
    const options = [{ number: OptionNumber.ETag, value: new Uint8Array(9) }];
    const outline = { code: Code.Content, options, payload: BODY };
    assertThrows(() => ladder.engine.respond(ladder.now, id, outline), CoAPError, "ETag");
    ladder.engine.cancel(ladder.now, id);
    ladder.silence(93_000);
  });

  it("is no way to have others flooded: with amplification on, an address not proved gets little", () => {
    const { ladder, toGroup } = server({ amplification: 3 });
    toGroup.sends("NON GET 0x0001 token 20 /r");
    ladder.app.serves("GET /r");
    ladder.app.answers("2.05", { payload: BODY });
    ladder.after(5000);
    toGroup.receives("NON 4.01 $m token 20 Echo:_");
  });
});

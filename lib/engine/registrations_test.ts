import { assert, assertEquals } from "@std/assert";
import { afterEach, describe, it } from "node:test";
import { type ScriptedPeer, settle } from "../../testing/lockstep.ts";
import { OptionNumber, uintOption } from "../wire/option.ts";
import { isNewer } from "./observation.ts";
import {
  acknowledge,
  nextId,
  NON,
  numberOf,
  register,
  server,
  takeAll,
} from "../../testing/observing_clients.ts";

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

  it("that is not answered yet comes to nothing by Observe 1 (7641-4.1-4)", () => {
    const ladder = server();
    const { app, peer, engine } = ladder;
    peer.sends("NON GET 0xa001 token 20 Observe:0 /r");
    const first = app.serves("GET Observe:0 /r");
    peer.sends("NON GET 0xa002 token 21 Observe:0 /r");
    const other = app.serves("GET Observe:0 /r");
    peer.sends("NON GET 0xa003 token 20 Observe:1 /r");
    const last = app.serves("GET Observe:1 /r");
    app.answers("2.05", { observe: "r", id: first });
    app.loses("deregistered");
    peer.receives("NON 2.05 _ token 20");
    app.answers("2.05", { observe: "r", id: other });
    peer.receives("NON 2.05 _ token 21 Observe:_");
    app.answers("2.05", { observe: "r", id: last });
    peer.receives("NON 2.05 _ token 20");
    assertEquals(engine.sizes.observers, 1);
  });

  it("that is given up and asked for once more before it is answered stands", () => {
    const ladder = server();
    const { app, peer, engine } = ladder;
    const ids = [0, 1, 0].map((observe, i) => {
      peer.sends(`NON GET 0xb00${i} token 20 Observe:${observe} /r`);
      return app.serves(`GET Observe:${observe} /r`);
    });
    app.answers("2.05", { observe: "r", id: ids[2] });
    peer.receives("NON 2.05 _ token 20 Observe:_");
    for (const id of ids.slice(0, 2)) {
      app.answers("2.05", { observe: "r", id });
      peer.receives("NON 2.05 _ token 20");
    }
    assertEquals(engine.sizes.observers, 1);
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
    const plain = (who: ScriptedPeer, token: string): void => {
      assertEquals(register(ladder, { peer: who, token }), -1);
      app.loses("limit");
    };
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
    const ladder = server({ limits: { transferBytes: 5300 } });
    const { app, peer, engine } = ladder;
    const asks = (token: string, length: number): boolean => {
      const id = nextId();
      const payload = new Uint8Array(length);
      peer.sends(`CON FETCH ${id} token ${token} Observe:0 /r Content-Format:42`, payload);
      app.answers("2.05", { observe: "r", id: app.event("request").id });
      return numberOf(peer.receives(`ACK 2.05 ${id} token ${token} ...`)) >= 0;
    };
    // A body counts twice, as it came and as it is compared, and an option with 320 bytes: here 978 for all of them.
    assertEquals([asks("01", 900), asks("02", 800)], [true, false]);
    app.loses("limit");
    assertEquals(asks("03", 700), true);
    assertEquals(asks("01", 100), true); // renewed with a smaller one
    assertEquals(asks("04", 400), false);
    app.loses("limit");
    assertEquals(asks("05", 300), true);
    engine.forgetObservers(ladder.now);
    ladder.drain();
    for (let i = 0; i < 3; i++) app.loses("closed");
    assertEquals(asks("06", 1000), true);
    // Renewed with what there is no room for: the client reads that it observes no more.
    assertEquals(asks("06", 4400), false);
    app.loses("error");
    const query = `?${"q".repeat(250)}`;
    peer.sends(`CON GET 0x7000 token 07 Observe:0 /r${` ${query}`.repeat(6)}`);
    app.answers("2.05", { observe: "r", id: app.event("request").id });
    app.loses("limit");
    assertEquals(numberOf(peer.receives("ACK 2.05 0x7000 token 07")), -1);
    peer.sends(`CON GET 0x7001 token 07 Observe:0 /r${" ?".repeat(20)}`); // empty ones count as well
    app.answers("2.05", { observe: "r", id: app.event("request").id });
    app.loses("limit");
    assertEquals(numberOf(peer.receives("ACK 2.05 0x7001 token 07")), -1);
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

import { describe, it } from "node:test";
import { assert, assertEquals } from "@std/assert";
import { ConnectedBench, type ConnectedPeer } from "../../testing/connected.ts";
import { Code } from "../wire/code.ts";
import type { EngineEvent } from "./types.ts";

function bytes(length: number): Uint8Array {
  return new Uint8Array(length);
}

/** The peer observes; answers what the engine has sent. */
function observe(bench: ConnectedBench, peer: ConnectedPeer, token = "aa", state = "0"): void {
  peer.sends("0.01", { token, options: [[6], [11, "s"]] });
  const id = bench.asked("s");
  bench.does((engine, now) =>
    engine.respond(now, id, { code: Code.Content, payload: new TextEncoder().encode(state) }, {
      observe: "/s",
    })
  );
  assertEquals(textOf(peer), state);
}

function notify(bench: ConnectedBench, state: string | Uint8Array): number {
  const payload = typeof state === "string" ? new TextEncoder().encode(state) : state;
  return bench.does((engine, now) =>
    engine.notify(now, "/s", undefined, { code: Code.Content, payload })
  );
}

function textOf(peer: ConnectedPeer): string {
  return new TextDecoder().decode(peer.reads().payload);
}

function types(events: readonly EngineEvent[]): string[] {
  return events.map(({ type }) => type);
}

describe("observers over connections: RFC 8323 section 7", () => {
  it("are sent every state at once, with an empty Observe (8323-7-1)", () => {
    const bench = new ConnectedBench();
    const peer = bench.greet();
    observe(bench, peer);
    for (let i = 1; i <= 300; i++) notify(bench, `${i}`);
    for (let i = 1; i <= 300; i++) {
      const { code, options, payload } = peer.reads();
      assertEquals([code, options.length, options[0]!.number], [Code.Content, 1, 6]);
      assertEquals([options[0]!.value.length, payload.length], [0, `${i}`.length]);
    }
    peer.receivesNothing();
  });

  it("end with Observe 1, an error, and the connection (8323-7-3)", () => {
    const bench = new ConnectedBench();
    const [a, b, c] = [bench.greet(), bench.greet(), bench.greet()];
    for (const peer of [a, b, c]) observe(bench, peer);
    assertEquals(bench.engine.countObservers("/s"), 3);
    a.sends("0.01", { token: "aa", options: [[6, 1], [11, "s"]] });
    const [unobserved] = bench.events.splice(0, 1);
    assert(unobserved!.type === "unobserved" && unobserved!.reason === "deregistered");
    bench.answers(bench.asked());
    bench.does((engine, now) => engine.disconnected(now, b.flow, "Cut"));
    const lost = bench.nextEvent();
    assert(lost.type === "unobserved" && lost.reason === "disconnected");
    bench.does((engine, now) => engine.notify(now, "/s", undefined, { code: Code.NotFound }));
    c.receives("4.04 token aa");
    const gone = bench.nextEvent();
    assert(gone.type === "unobserved" && gone.reason === "error");
    assertEquals(bench.engine.countObservers("/s"), 0);
  });

  it("get large states whole where they fit, else their first block", () => {
    const bench = new ConnectedBench();
    const [large, small] = [bench.greet([[2, 100_000], [4]]), bench.greet()];
    observe(bench, large);
    observe(bench, small);
    notify(bench, bytes(5000));
    assertEquals(large.reads().payload.length, 5000);
    const { options, payload } = small.reads();
    assertEquals([payload.length, options.at(-1)!.number], [1024, 23]);
    small.sends("0.01", { token: "bb", options: [[11, "s"], [23, Uint8Array.of(0x46)]] });
    assertEquals(small.reads().payload.length, 904);
  });
});

describe("observing over a connection: section 7", () => {
  it("takes states in their order, whatever their numbers, and asks for none again", () => {
    const bench = new ConnectedBench();
    const peer = bench.greet();
    const id = bench.does((engine, now) =>
      engine.request(now, peer.flow, { code: Code.GET }, { observe: true })
    );
    const token = [...peer.reads().token].map((b) => b.toString(16).padStart(2, "0")).join("");
    for (const number of [5, 4, 0, 0xffffff, 3]) {
      peer.sends("2.05", { token, options: [[6, number], [14, 1]], payload: `${number}` });
      const event = bench.nextEvent();
      assert(event.type === "notification" && event.id === id && event.latest);
      assertEquals(new TextDecoder().decode(event.message.payload), `${number}`);
      bench.after(20_000); // Max-Age is over
      peer.receivesNothing();
    }
    // The end is said with its token (8323-7-2); what still comes is passed over.
    bench.does((engine, now) => engine.cancel(now, id));
    peer.receives(`0.01 token ${token} 6:01`);
    peer.sends("2.05", { token, options: [[6, 9]] });
    peer.sends("2.05", { token });
    bench.noEvents();
    peer.receivesNothing();
    bench.does((engine, now) => engine.disconnected(now, peer.flow, ""));
    bench.isAtRest();
  });

  it("fails with the connection", () => {
    const bench = new ConnectedBench();
    const peer = bench.greet();
    bench.does((engine, now) =>
      engine.request(now, peer.flow, { code: Code.GET }, { observe: true })
    );
    const token = [...peer.reads().token].map((b) => b.toString(16).padStart(2, "0")).join("");
    peer.sends("2.05", { token, options: [[6]] });
    bench.nextEvent();
    bench.does((engine, now) => engine.disconnected(now, peer.flow, "Cut"));
    const failed = bench.nextEvent();
    assert(failed.type === "failed" && failed.reason === "transport" && failed.detail === "Cut");
    bench.isAtRest();
  });
});

describe("a peer that does not read", () => {
  const LIMITS = { limits: { sendBytes: 1000 } };

  it("is not read from, until it has taken what was sent", () => {
    const bench = new ConnectedBench(LIMITS);
    const peer = bench.greet();
    const { engine } = bench;
    bench.takes(peer);
    assert(engine.accepts(peer.flow));
    peer.sends("0.01", { token: "01" });
    bench.answers(bench.asked(), bytes(900));
    assert(engine.accepts(peer.flow));
    peer.sends("0.01", { token: "02" });
    bench.answers(bench.asked(), bytes(100));
    assert(!engine.accepts(peer.flow));
    bench.noEvents();
    bench.takes(peer);
    assertEquals(bench.nextEvent(), { type: "resume", flow: peer.flow });
    assert(engine.accepts(peer.flow));
    bench.takes(peer);
    bench.noEvents();
  });

  it("is read from as far as there is room for answers like the last ones", () => {
    const bench = new ConnectedBench({ limits: { sendBytes: 64_000 } });
    const peer = bench.greet([[2, 1_000_000]]);
    bench.takes(peer);
    const asksAll = (): number => {
      let count = 0;
      for (; bench.engine.accepts(peer.flow); count++) {
        peer.sends("0.01", { token: (count + 0x1000).toString(16) });
      }
      return count;
    };
    const answersAll = (count: number, size: number): void => {
      const asked = Array.from({ length: count }, () => bench.asked());
      for (const id of asked) bench.answers(id, bytes(size));
      bench.takes(peer);
      assertEquals(bench.nextEvent().type, "resume");
      bench.noEvents();
    };
    assertEquals(asksAll(), 17); // nothing is known
    answersAll(17, 10);
    assertEquals(asksAll(), 256);
    answersAll(256, 100);
    assertEquals(asksAll(), 256);
    answersAll(256, 30_000);
    assertEquals(asksAll(), 3);
    answersAll(3, 10);
    assertEquals(asksAll(), 18);
  });

  it("is answered 5.03 what would be more than sendBytes and one message", () => {
    const limits = { sendBytes: 64_000, messageBytes: 100_000 };
    const bench = new ConnectedBench({ limits });
    const peer = bench.connect();
    peer.sends("7.01", { options: [[2, 1_000_000]] });
    peer.reads();
    assertEquals(bench.nextEvent().type, "ready");
    const asks = (count: number): number[] =>
      Array.from({ length: count }, (_, i) => {
        peer.sends("0.01", { token: (i + 0x1000).toString(16), options: [[6], [11, "s"]] });
        return bench.asked();
      });
    // Small answers at first, so that many more requests are let in.
    for (const id of asks(16)) bench.answers(id, "x");
    bench.takes(peer);
    peer.unread.length = 0;
    const ids = asks(200);
    for (const id of ids) {
      bench.does((engine, now) =>
        engine.respond(now, id, { code: Code.Content, payload: bytes(30_000) }, { observe: "/s" })
      );
    }
    const codes = peer.unread.map(({ code }) => code);
    const whole = codes.filter((code) => code === Code.Content).length;
    assertEquals(whole, Math.floor((limits.sendBytes + limits.messageBytes) / 30_000));
    assertEquals(codes.filter((code) => code === Code.ServiceUnavailable).length, 200 - whole);
    assert(peer.unread.at(-1)!.options.some(({ number }) => number === 14), "Max-Age is missing");
    assertEquals(bench.engine.stats.rejectedLimit, 200 - whole);
    // Who was refused observes nothing.
    assertEquals(bench.engine.countObservers("/s"), whole);
    assert(peer.untaken < limits.sendBytes + limits.messageBytes + 200 * 16);
  });

  it("is given up where too much waits over all connections and its bytes are the oldest", () => {
    const bench = new ConnectedBench({ limits: { sendBytes: 64_000, unsentBytes: 250_000 } });
    const peers = Array.from({ length: 5 }, () => bench.greet([[2, 1_000_000]]));
    for (const peer of peers) bench.takes(peer);
    const asksFor = (peer: ConnectedPeer, size: number): void => {
      peer.sends("0.01", { token: "aa" });
      bench.answers(bench.asked(), bytes(size));
    };
    for (const peer of peers) asksFor(peer, 60_000); // none of them is full
    bench.takes(peers[0]!); // it was the first, and reads
    peers.forEach((peer) => assertEquals(peer.reads().payload.length, 60_000));
    bench.after(0);
    bench.noEvents();
    asksFor(peers[0]!, 60_000);
    assertEquals(peers[0]!.reads().payload.length, 60_000);
    bench.after(0);
    peers[1]!.isAborted("Messages are not taken");
    bench.after(0);
    bench.noEvents();
    for (const peer of peers) {
      if (peer === peers[1]) bench.does((engine, now) => engine.disconnected(now, peer.flow, ""));
      else bench.takes(peer);
    }
    // Nothing is counted twice: the same again gives up nobody.
    for (const peer of peers.filter((peer) => peer !== peers[1])) asksFor(peer, 60_000);
    bench.after(0);
    bench.noEvents();
  });

  it("gets the newest state when it reads, and our requests then", () => {
    const bench = new ConnectedBench(LIMITS);
    const peer = bench.greet();
    observe(bench, peer);
    notify(bench, bytes(1000));
    assertEquals(peer.reads().payload.length, 1000);
    for (let i = 0; i < 10_000; i++) assertEquals(notify(bench, `${i}`), 1);
    const ids = Array.from(
      { length: 3 },
      () => bench.does((engine, now) => engine.request(now, peer.flow, { code: Code.GET })),
    );
    assertEquals(bench.engine.cancel(bench.now, ids[1]!), true);
    peer.receivesNothing();
    bench.takes(peer);
    assertEquals([peer.reads().code, peer.reads().code], [Code.GET, Code.GET]);
    assertEquals(textOf(peer), "9999");
    peer.receivesNothing();
  });

  it("has a time for it that grows with what it has to take, then it is given up", () => {
    const bench = new ConnectedBench(LIMITS);
    const peer = bench.greet();
    observe(bench, peer);
    notify(bench, bytes(1024));
    peer.reads();
    const lifetime = 30_000 + peer.untaken / 1.024;
    // A sign of life does not help.
    bench.after(20_000);
    peer.sends("0.00");
    bench.after(lifetime - 20_000 - 1);
    bench.noEvents();
    bench.after(2);
    assertEquals(bench.nextEvent().type, "unobserved");
    peer.isAborted("Messages are not taken");
    bench.isAtRest();
  });
});

describe("limits of connections", () => {
  it("requests at the application: further ones are not read", () => {
    const bench = new ConnectedBench({ limits: { requestsPerConnection: 2 } });
    const peer = bench.greet();
    peer.sends("0.01", { token: "01" });
    const first = bench.asked();
    assert(bench.engine.accepts(peer.flow));
    peer.sends("0.01", { token: "02" });
    bench.asked();
    assert(!bench.engine.accepts(peer.flow));
    bench.answers(first);
    assertEquals(bench.nextEvent().type, "resume");
  });

  it("connections: one more is aborted", () => {
    const bench = new ConnectedBench({ limits: { connections: 2 } });
    const [a] = [bench.greet(), bench.greet()];
    const c = bench.connect();
    assertEquals(c.reads().code, Code.CSM);
    c.isAborted("Too many connections");
    bench.does((engine, now) => engine.disconnected(now, a.flow, ""));
    bench.greet();
  });

  it("a message that does not become whole (slow loris)", () => {
    const bench = new ConnectedBench();
    const peer = bench.greet();
    bench.does((engine, now) => engine.partial(now, peer.flow, 1024));
    bench.after(20_000);
    bench.does((engine, now) => engine.partial(now, peer.flow, 1023));
    bench.after(30_999 - 20_000);
    bench.noEvents();
    bench.after(2);
    peer.isAborted("Message takes too long");
    bench.isAtRest();
  });

  it("a message that does in time has no consequences", () => {
    const bench = new ConnectedBench();
    const peer = bench.greet();
    bench.does((engine, now) => engine.partial(now, peer.flow, 1024));
    bench.after(30_000);
    peer.sends("7.02");
    peer.receives("7.03");
    bench.does((engine, now) => engine.partial(now, peer.flow, 1024));
    bench.after(30_000);
    bench.noEvents();
  });
});

describe("the health of connections: section 3.4", () => {
  it("one that nothing needs is released, after its time", () => {
    const bench = new ConnectedBench({ connection: { idleTimeout: 1000 } });
    const peer = bench.greet();
    bench.after(900);
    peer.sends("0.01", { token: "01" });
    bench.answers(bench.asked());
    peer.reads();
    bench.after(900);
    peer.sends("7.02"); // the peer wants to keep it, by a Ping or an Empty message
    peer.reads();
    bench.after(900);
    peer.sends("0.00");
    bench.after(999);
    bench.noEvents();
    bench.after(1);
    assertEquals([textOf(peer), types(bench.events.splice(0))], ["Idle", ["released"]]);
    bench.does((engine, now) => engine.disconnected(now, peer.flow, ""));
    bench.isAtRest();
  });

  it("one that something needs is pinged when the peer is quiet, and given up when it stays so", () => {
    const bench = new ConnectedBench();
    const peer = bench.greet();
    observe(bench, peer);
    for (let i = 0; i < 3; i++) {
      bench.after(60_000);
      peer.receives("7.02");
      bench.after(19_000);
      peer.sends("7.03");
    }
    notify(bench, "1");
    assertEquals(textOf(peer), "1");
    bench.after(60_000);
    peer.receives("7.02");
    bench.after(19_999);
    bench.noEvents();
    bench.after(3);
    assertEquals(bench.nextEvent().type, "unobserved");
    peer.isAborted("No sign of life");
    bench.isAtRest();
  });

  it("one that is to be kept for ever is pinged as well, that of a peer that has vanished is given up", () => {
    const bench = new ConnectedBench({ connection: { idleTimeout: Infinity } });
    const peer = bench.greet();
    for (let i = 0; i < 10; i++) {
      bench.after(60_000);
      peer.receives("7.02");
      peer.sends("7.03");
    }
    bench.after(60_000);
    peer.receives("7.02");
    bench.after(20_000);
    peer.isAborted("No sign of life");
    bench.isAtRest();
  });

  it("one that is busy with large messages is not taken for dead", () => {
    const bench = new ConnectedBench();
    const peer = bench.greet([[2, 10_000_000]]);
    observe(bench, peer);
    // 800 kB on their way to the peer, before the Ping that it has to answer.
    notify(bench, bytes(800_000));
    bench.after(60_000);
    assertEquals([peer.reads().payload.length, peer.reads().code], [800_000, Code.Ping]);
    bench.after(20_000 + 800_000 / 10.24 - 100);
    bench.noEvents();
    peer.sends("7.03");
    // And a large one of the peer, in front of its Pong.
    bench.after(60_000);
    peer.receives("7.02");
    for (let missing = 1_000_000; missing > 0; missing -= 100_000) {
      bench.does((engine, now) => engine.partial(now, peer.flow, missing));
      bench.after(19_000);
    }
    peer.sends("7.03");
    peer.receivesNothing();
    bench.noEvents();
  });

  it("can be left alone", () => {
    const times = { idleTimeout: Infinity, keepAlive: Infinity };
    const bench = new ConnectedBench({ connection: times });
    const [idle, observer] = [bench.greet(), bench.greet()];
    observe(bench, observer);
    bench.after(1e9);
    bench.noEvents();
    idle.receivesNothing();
    observer.receivesNothing();
    assertEquals(bench.engine.deadline, Infinity);
  });
});

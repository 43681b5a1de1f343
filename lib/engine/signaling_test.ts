import { describe, it } from "node:test";
import { assert, assertEquals, assertThrows } from "@std/assert";
import { ConnectedBench } from "../../testing/connected.ts";
import { fromHex, streams } from "../../testing/vectors.ts";
import { CoAPError } from "../errors.ts";
import { Code } from "../wire/code.ts";
import { frameSize, takeFrame } from "../wire/frame.ts";
import { makeOption, OptionNumber } from "../wire/option.ts";

const OWN_CSM = "7.01 2:800400 4:";
const PATH = { options: [makeOption(OptionNumber.UriPath, "a")] };

describe("CSM: RFC 8323 sections 3.3 and 5.3", () => {
  it("goes out at once, in front of everything (8323-3.3-1, 3.3-2)", () => {
    const bench = new ConnectedBench();
    const peer = bench.connect();
    bench.does((engine, now) => engine.request(now, peer.flow, { code: Code.GET }));
    assertEquals(peer.receives(OWN_CSM).token.length, 0);
    assertEquals(peer.reads().code, Code.GET);
  });

  it("says what tokens are taken, where they may be long (8974-2.2-1)", () => {
    new ConnectedBench({ extendedTokens: true }).connect().receives(`${OWN_CSM} 6:01010c`);
  });

  it("has to be the first message (8323-3.3-3)", () => {
    for (
      const [code, text] of [["0.01", "0.01"], ["2.05", "2.05"], ["7.02", "7.02"], ["0.00", "0.00"]]
    ) {
      const bench = new ConnectedBench();
      const peer = bench.connect();
      peer.reads();
      peer.sends(code!);
      peer.isAborted(`First message is ${text}, not a CSM`);
      bench.isAtRest();
    }
  });

  it("has to come in time", () => {
    const bench = new ConnectedBench();
    const peer = bench.connect();
    peer.reads();
    bench.after(9_999);
    peer.receivesNothing();
    bench.after(1);
    peer.isAborted("No CSM in time");
    bench.isAtRest();
  });

  it("with a critical option that is not known aborts, and names it (8323-5-1)", () => {
    const bench = new ConnectedBench();
    const peer = bench.connect();
    peer.reads();
    peer.sends("7.01", { options: [[1, "x"]] });
    peer.isAborted("Option 1 of 7.01 is critical and not understood", 1);
    bench.isAtRest();
  });

  it("with a Max-Message-Size of no use aborts, and names it", () => {
    const bench = new ConnectedBench();
    const peer = bench.connect();
    peer.reads();
    peer.sends("7.01", { options: [[2, 0]] });
    peer.isAborted("Max-Message-Size of 0 is too small", 2);
  });

  it("adds to the ones before (8323-5-3)", () => {
    const bench = new ConnectedBench();
    const peer = bench.greet([[2, 200]]);
    peer.sends("7.01");
    peer.sends("7.01", { options: [[1000, "elective"], [4]] });
    peer.sends("0.01", { token: "01" });
    bench.answers(bench.asked(), new Uint8Array(1000));
    peer.receives("2.05 token 01 4:441f486dc6816ac8 23:0b +128");
  });
});

describe("Ping and Pong: section 5.4", () => {
  it("a Ping is answered with its token, elective options passed over (8323-5-5, 5-2)", () => {
    const bench = new ConnectedBench();
    const peer = bench.greet();
    peer.sends("7.02", { token: "42", options: [[1000, "?"]] });
    peer.receives("7.03 token 42");
    peer.sends("7.02", { token: "42", options: [[1001, "?"]] });
    peer.isAborted("Option 1001 of 7.02 is critical and not understood");
  });

  it("with Custody waits for the answers to what came before (8323-5-6)", () => {
    const bench = new ConnectedBench();
    const peer = bench.greet();
    peer.sends("7.02", { token: "01", options: [[2]] });
    peer.receives("7.03 token 01 2:");
    peer.sends("0.01", { token: "aa" });
    const first = bench.asked();
    peer.sends("0.01", { token: "bb" });
    const second = bench.asked();
    peer.sends("7.02", { token: "02", options: [[2]] });
    peer.sends("7.02", { token: "03" });
    peer.receives("7.03 token 03");
    peer.sends("0.01", { token: "cc" });
    const third = bench.asked();
    bench.answers(third);
    peer.receives("2.05 token cc");
    bench.answers(second);
    peer.receives("2.05 token bb");
    peer.receivesNothing();
    bench.answers(first);
    peer.receives("2.05 token aa");
    peer.receives("7.03 token 02 2:");
  });

  it("ours ends with the Pong of its token", () => {
    const bench = new ConnectedBench();
    const peer = bench.greet();
    const id = bench.does((engine, now) => engine.ping(now, peer.flow));
    peer.receives("7.02 token 00000001");
    peer.sends("7.03", { token: "00000002" });
    peer.sends("7.03", { token: "01" });
    bench.noEvents();
    peer.sends("7.03", { token: "00000001" });
    assertEquals(bench.nextEvent(), { type: "pong", id, flow: peer.flow });
    const lost = bench.does((engine, now) => engine.ping(now, peer.flow));
    bench.does((engine, now) => engine.disconnected(now, peer.flow, "Cut"));
    const failed = {
      type: "failed",
      id: lost,
      flow: peer.flow,
      reason: "transport",
      detail: "Cut",
    };
    assertEquals(bench.nextEvent(), failed as ReturnType<typeof bench.nextEvent>);
    bench.isAtRest();
  });
});

describe("a Pong without the token of the Ping, as libcoap 4.3.1 sends it", () => {
  it("ends the oldest of ours", () => {
    const bench = new ConnectedBench();
    const peer = bench.greet();
    peer.sends("7.03");
    bench.noEvents();
    const ids = [1, 2].map(() => bench.does((engine, now) => engine.ping(now, peer.flow)));
    for (const id of ids) {
      peer.sends("7.03", { options: [[2]] });
      assertEquals(bench.nextEvent(), { type: "pong", id, flow: peer.flow });
    }
    bench.noEvents();
  });
});

describe("Release and Abort: sections 5.5 and 5.6", () => {
  it("a Release is followed by the answers, then by the end (8323-5-7)", () => {
    const bench = new ConnectedBench();
    const peer = bench.greet();
    peer.sends("0.01", { token: "aa" });
    const id = bench.asked();
    const own = bench.does((engine, now) => engine.request(now, peer.flow, { code: Code.GET }));
    const { token } = peer.reads();
    peer.sends("7.04", { options: [[2, "b.example:5684"], [2, "[::1]"], [4, 10]] });
    assertEquals(bench.nextEvent(), {
      type: "released",
      flow: peer.flow,
      alternatives: ["b.example:5684", "[::1]"],
      holdOff: 10,
    });
    const error = assertThrows(
      () => bench.engine.request(bench.now, peer.flow, { code: Code.GET }),
      CoAPError,
    );
    assertEquals(error.reason, "transport");
    peer.sends("0.01", { token: "bb" });
    bench.answers(id);
    peer.receives("2.05 token aa");
    bench.answers(bench.asked());
    peer.receives("2.05 token bb");
    bench.noEvents();
    peer.sends("2.05", { token: [...token].map((b) => b.toString(16).padStart(2, "0")).join("") });
    const response = bench.nextEvent();
    assert(response.type === "response" && response.id === own);
    peer.isClosed(false);
    bench.isAtRest();
  });

  it("the end of the last request of ours is the end, however it ends", () => {
    for (const way of ["canceled", "timeout", "No sign of life"]) {
      const bench = new ConnectedBench();
      const peer = bench.greet();
      const timeout = way === "timeout" ? 10_000 : Infinity;
      const id = bench.does((engine, now) =>
        engine.request(now, peer.flow, { code: Code.GET }, { timeout })
      );
      peer.reads();
      peer.sends("7.04");
      assertEquals(bench.nextEvent().type, "released");
      if (way === "canceled") bench.does((engine, now) => engine.cancel(now, id));
      bench.after(10_000);
      if (way === "No sign of life") {
        bench.noEvents();
        bench.after(70_000); // keepAlive and pongTimeout
        peer.receives("7.02");
        assertEquals(bench.nextEvent().type, "failed");
        peer.isAborted(way);
      } else {
        if (way === "timeout") assertEquals(bench.nextEvent().type, "failed");
        peer.isClosed(false);
      }
      bench.isAtRest();
    }
  });

  it("ours asks the peer to close, and does so itself after a while", () => {
    const bench = new ConnectedBench();
    const peer = bench.greet();
    bench.does((engine, now) => engine.shutDown(now, peer.flow, "Bye"));
    assertEquals(new TextDecoder().decode(peer.receives("7.04 +3").payload), "Bye");
    assertEquals(bench.nextEvent().type, "released");
    peer.sends("0.01", { token: "aa" });
    bench.answers(bench.asked());
    peer.receives("2.05 token aa");
    bench.after(4_999);
    bench.noEvents();
    bench.after(1);
    peer.isClosed(false);
    bench.isAtRest();
  });

  it("an Abort ends all at once (8323-5-8)", () => {
    const bench = new ConnectedBench();
    const peer = bench.greet();
    peer.sends("0.01", { token: "aa", options: [[6]] });
    const id = bench.asked();
    bench.does((engine, now) => engine.respond(now, id, { code: Code.Content }, { observe: "/" }));
    peer.sends("0.01", { token: "bb" });
    const handled = bench.asked();
    const own = bench.does((engine, now) => engine.request(now, peer.flow, { code: Code.GET }));
    peer.sends("7.05", { payload: "Out of memory" });
    const [unobserved, abandoned, failed] = [
      bench.nextEvent(),
      bench.nextEvent(),
      bench.nextEvent(),
    ];
    assert(unobserved.type === "unobserved" && unobserved.reason === "disconnected");
    assert(abandoned.type === "abandoned" && abandoned.id === handled);
    assert(failed.type === "failed" && failed.id === own && failed.reason === "refused");
    assertEquals(failed.detail, "Peer aborted the connection: Out of memory");
    peer.isClosed(true);
    bench.isAtRest();
    bench.answers(handled);
    bench.isAtRest();
  });
});

describe("messages", () => {
  it("empty ones are ignored (8323-3.4-1)", () => {
    const bench = new ConnectedBench();
    const peer = bench.greet();
    peer.sends("0.00");
    peer.sends("7.02");
    peer.receives("7.03");
  });

  it("signaling codes that are not registered are ignored, reserved codes abort", () => {
    const bench = new ConnectedBench();
    const peer = bench.greet();
    peer.sends("7.31", { payload: "?" });
    peer.receivesNothing();
    peer.sends("3.01");
    peer.isAborted("Code 3.01 is reserved");
  });

  for (const { id, hex_stream, why, expected } of streams.malformed) {
    it(`${id}: ${why}: ${expected} (8323-5-9)`, () => {
      const bench = new ConnectedBench({ extendedTokens: id === "tcp-bad-4" });
      const peer = bench.connect();
      peer.reads();
      const stream = fromHex(hex_stream);
      for (let at = 0; at < stream.length;) {
        const size = frameSize(stream, at, stream.length);
        if (size > bench.engine.limits.messageBytes) {
          bench.does((engine, now) => engine.failed(now, peer.flow, "Too large"));
          break;
        }
        peer.sendsBytes(takeFrame(stream, at, at + size));
        at += size;
      }
      if (id !== "tcp-bad-1") assertEquals(bench.nextEvent().type, "ready");
      if (expected.startsWith("ignored")) return peer.receivesNothing();
      const rejected = bench.events[0]?.type === "rejected" ? bench.nextEvent() : undefined;
      assertEquals(peer.reads().code, Code.Abort);
      assertEquals(rejected !== undefined, /bad-[23456]$/.test(id));
      peer.isClosed(true);
      bench.isAtRest();
    });
  }
});

describe("requests and responses", () => {
  it("in any order, with tokens of the connection's own (8323-3.3-4, 3.3-6)", () => {
    const bench = new ConnectedBench();
    const [a, b] = [bench.greet(), bench.greet()];
    a.sends("0.01", { token: "01" });
    const first = bench.asked();
    a.sends("0.01", { token: "02" });
    const second = bench.asked();
    b.sends("0.01", { token: "01" });
    const other = bench.asked();
    bench.answers(second, "2");
    bench.answers(other, "other");
    bench.answers(first, "1");
    a.receives("2.05 token 02 +1");
    a.receives("2.05 token 01 +1");
    b.receives("2.05 token 01 +5");
  });

  it("to who does not serve are answered 5.01 (8323-3.3-5)", () => {
    const bench = new ConnectedBench({ serve: false });
    const peer = bench.greet();
    peer.sends("0.01", { token: "01" });
    peer.receives("5.01 token 01");
  });

  it("refusals are no larger than what the peer takes either", () => {
    const bench = new ConnectedBench({ extendedTokens: true });
    const peer = bench.connect();
    peer.sends("7.01", { options: [[2, 32]] });
    peer.reads();
    peer.sends("0.01", { token: "01", options: [[9999, "critical"]] });
    peer.receives("4.02 token 01");
    // Not even its token fits into an answer.
    peer.sends("0.01", { token: "02".repeat(100), options: [[9999, "critical"]] });
    peer.receivesNothing();
    assertEquals(bench.engine.sizes.handling, 0);
  });

  it("fail with the connection; what nobody waits for is dropped", () => {
    const bench = new ConnectedBench();
    const peer = bench.greet();
    peer.sends("2.05", { token: "77" });
    const id = bench.does((engine, now) =>
      engine.request(now, peer.flow, { code: Code.GET, ...PATH })
    );
    peer.receives(`0.01 token ${tokenOf(bench, id)} 11:61`);
    bench.does((engine, now) => engine.disconnected(now, peer.flow, "Connection was closed"));
    const failed = bench.nextEvent();
    assert(failed.type === "failed" && failed.reason === "transport");
    assertEquals(failed.detail, "Connection was closed");
    bench.isAtRest();
    peer.sends("2.05", { token: "77" });
    bench.isAtRest();
  });

  it("need no acknowledgement where no response is wanted (RFC 7967)", () => {
    const bench = new ConnectedBench();
    const peer = bench.greet();
    const options = [makeOption(OptionNumber.NoResponse, 26)];
    const id = bench.does((engine, now) =>
      engine.request(now, peer.flow, { code: Code.PUT, options })
    );
    const event = bench.nextEvent();
    assert(event.type === "response" && event.id === id && event.message.code === Code.Empty);
  });

  it("fail in the order in which they were made, once the connection is lost", () => {
    const bench = new ConnectedBench();
    const peer = bench.greet();
    const ids = Array.from(
      { length: 20 },
      () => bench.does((engine, now) => engine.request(now, peer.flow, { code: Code.GET })),
    );
    bench.does((engine, now) => engine.disconnected(now, peer.flow, "Cut"));
    const failed = ids.map(() => bench.nextEvent());
    assertEquals(failed.map((event) => event.type === "failed" ? event.id : 0), ids);
  });

  it("time out like others, and the connection stays", () => {
    const bench = new ConnectedBench();
    const peer = bench.greet();
    bench.does((engine, now) =>
      engine.request(now, peer.flow, { code: Code.GET }, { timeout: 500 })
    );
    bench.after(500);
    const failed = bench.nextEvent();
    assert(failed.type === "failed" && failed.reason === "timeout");
    peer.reads();
    peer.sends("7.02");
    peer.receives("7.03");
  });
});

function tokenOf(bench: ConnectedBench, id: number): string {
  const token = bench.engine.token(id)!;
  return [...token].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

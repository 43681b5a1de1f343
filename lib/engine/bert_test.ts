import { describe, it } from "node:test";
import { assert, assertEquals, assertThrows } from "@std/assert";
import { ConnectedBench, type ConnectedPeer, lineOf } from "../../testing/connected.ts";
import { fromHex, streams } from "../../testing/vectors.ts";
import { CoAPError } from "../errors.ts";
import { Code } from "../wire/code.ts";
import { findOption, makeOption, OptionNumber } from "../wire/option.ts";

const BERT = (size: number): [number, number?][] => [[2, size], [4]];

function bytes(length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => i % 251);
}

function hexOf(value: Uint8Array | undefined): string | undefined {
  return value && [...value].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** The Block option of the next message as hexadecimal, and its payload. */
function readBlock(peer: ConnectedPeer, number: number): [string | undefined, Uint8Array, string] {
  const message = peer.reads();
  const value = findOption(message.options, number)?.value;
  return [hexOf(value), message.payload, hexOf(message.token)!];
}

const [get, put] = streams.bert;

describe("BERT: RFC 8323 section 6 (8323-6-1)", () => {
  it("figure 13 as the client: blocks of the server's sizes", () => {
    const bench = new ConnectedBench();
    const peer = bench.greet(BERT(8448));
    const body = bytes(get!.body);
    const id = bench.does((engine, now) => engine.request(now, peer.flow, { code: Code.GET }));
    let at = 0;
    let token = "";
    for (const { req, block2_hex, payload = 0 } of get!.steps) {
      if (req !== undefined) {
        const [block, , own] = readBlock(peer, OptionNumber.Block2);
        assertEquals(block, block2_hex);
        token = own;
        continue;
      }
      const options: [number, Uint8Array][] = [[OptionNumber.Block2, fromHex(block2_hex!)]];
      peer.sends("2.05", { token, options, payload: body.subarray(at, at + payload) });
      at += payload;
    }
    const event = bench.nextEvent();
    assert(event.type === "response" && event.id === id);
    assertEquals(event.message.payload, body);
    bench.noEvents();
  });

  it("figure 14 as the server: a body of blocks of the client's sizes", () => {
    const bench = new ConnectedBench();
    const peer = bench.greet(BERT(8448));
    const body = bytes(put!.body);
    let at = 0;
    for (const step of put!.steps) {
      if (step.req !== undefined) {
        peer.sends("0.03", {
          token: "01",
          options: [[11, "options"], [OptionNumber.Block1, fromHex(step.block1_hex!)]],
          payload: body.subarray(at, at + step.payload!),
        });
        at += step.payload!;
        if (at < body.length) continue;
        const event = bench.nextEvent();
        assert(event.type === "request");
        assertEquals(event.message.payload, body);
        bench.does((engine, now) => engine.respond(now, event.id, { code: Code.Changed }));
      } else {
        const message = peer.reads();
        assertEquals(lineOf(message), `${step.rsp} token 01 27:${step.block1_hex}`);
      }
    }
  });

  it("a body larger than the peer's Max-Message-Size goes in blocks as large as that", () => {
    const bench = new ConnectedBench();
    const peer = bench.greet(BERT(4200));
    const body = bytes(9000);
    const options = [makeOption(OptionNumber.UriPath, "a")];
    const outline = { code: Code.PUT, options, payload: body };
    const id = bench.does((engine, now) => engine.request(now, peer.flow, outline));
    const received: number[] = [];
    for (const [block, size] of [["0f", 4096], ["4f", 4096], ["87", 808]] as const) {
      const [value, payload, token] = readBlock(peer, OptionNumber.Block1);
      assertEquals([value, payload.length], [block, size]);
      received.push(...payload);
      const code = received.length < body.length ? "2.31" : "2.04";
      peer.sends(code, { token, options: [[OptionNumber.Block1, fromHex(block)]] });
    }
    assertEquals(Uint8Array.from(received), body);
    const event = bench.nextEvent();
    assert(event.type === "response" && event.id === id);
  });

  it("without Block-Wise-Transfer or above 1152 there are plain blocks", () => {
    for (
      const [csm, block] of [[[[2, 4200]], "0e"], [[[2, 1152], [4]], "0e"], [[], "0e"]] as const
    ) {
      const bench = new ConnectedBench();
      const peer = bench.greet(csm as unknown as [number, number?][]);
      const outline = { code: Code.PUT, payload: bytes(9000) };
      bench.does((engine, now) => engine.request(now, peer.flow, outline));
      const [value, payload] = readBlock(peer, OptionNumber.Block1);
      assertEquals([value, payload.length], [block, 1024]);
    }
  });

  it("a server that wants smaller blocks gets them", () => {
    const bench = new ConnectedBench();
    const peer = bench.greet(BERT(4200));
    const outline = { code: Code.PUT, payload: bytes(9000) };
    bench.does((engine, now) => engine.request(now, peer.flow, outline));
    const [value, , token] = readBlock(peer, OptionNumber.Block1);
    assertEquals(value, "0f");
    peer.sends("2.31", { token, options: [[OptionNumber.Block1, fromHex("0c")]] }); // 256
    const [next, payload] = readBlock(peer, OptionNumber.Block1);
    assertEquals([next, payload.length, payload[0]], ["010c", 256, 4096 % 251]);
  });

  it("means nothing to who has not announced it, and has to be even", () => {
    const own = { limits: { messageBytes: 1152 } };
    for (
      const [options, text] of [[own, "SZX 7 is reserved"], [
        {},
        "Block of 1024 bytes came with 1000",
      ]] as const
    ) {
      const bench = new ConnectedBench(options);
      const peer = bench.connect();
      peer.sends("7.01");
      peer.reads();
      bench.nextEvent();
      const payload = bytes(1000);
      peer.sends("0.03", { token: "01", options: [[OptionNumber.Block1, fromHex("0f")]], payload });
      const { code, payload: diagnostic } = peer.reads();
      assertEquals([code, new TextDecoder().decode(diagnostic)], [Code.BadRequest, text]);
    }
  });
});

describe("Max-Message-Size: section 5.3.1 (8323-5-4)", () => {
  it("what fits goes in one message, both ways", () => {
    const bench = new ConnectedBench();
    const peer = bench.greet(BERT(2_000_000));
    const body = bytes(1_000_000);
    bench.does((engine, now) => engine.request(now, peer.flow, { code: Code.PUT, payload: body }));
    assertEquals(peer.reads().payload, body);
    peer.sends("0.01", { token: "01" });
    bench.answers(bench.asked(), body);
    assertEquals(peer.reads().payload, body);
  });

  it("a peer that takes little gets little: block by block", () => {
    const bench = new ConnectedBench();
    const peer = bench.greet([[2, 200]]);
    const body = bytes(1000);
    const received: number[] = [];
    for (let number = 0; received.length < body.length; number++) {
      const block: [number, Uint8Array][] = number === 0
        ? []
        : [[OptionNumber.Block2, fromHex(((number << 4) | 3).toString(16).padStart(2, "0"))]];
      peer.sends("0.01", { token: "01", options: block });
      if (number === 0) bench.answers(bench.asked(), body);
      const message = peer.reads();
      received.push(...message.payload);
      assertEquals(message.payload.length, Math.min(128, body.length - number * 128));
    }
    assertEquals(Uint8Array.from(received), body);
  });

  it("what can not be made to fit fails clearly", () => {
    const bench = new ConnectedBench();
    const peer = bench.greet([[2, 200]]);
    const options = [makeOption(OptionNumber.UriPath, "a".repeat(200))];
    const error = assertThrows(
      () => bench.engine.request(bench.now, peer.flow, { code: Code.GET, options }),
      CoAPError,
    );
    assertEquals([error.reason, /Max-Message-Size/.test(error.message)], ["limit", true]);
    peer.sends("0.01", { token: "01" });
    const id = bench.asked();
    const large = {
      code: Code.Content,
      options: [makeOption(OptionNumber.LocationPath, "a".repeat(255))],
    };
    assertThrows(() => bench.engine.respond(bench.now, id, large), CoAPError);
    bench.answers(id, "", Code.InternalServerError);
    peer.receives("5.00 token 01");
  });

  it("an own block size is kept to", () => {
    const bench = new ConnectedBench({ blockSize: 64 });
    const peer = bench.greet(BERT(100_000));
    peer.sends("0.01", { token: "01" });
    bench.answers(bench.asked(), bytes(100));
    peer.receives("2.05 token 01 4:b0f47b6c6edaf6c1 23:0a +64".replace(/4:\w+/, etagIn(peer)));
    const settings = { blockSize: 32 };
    bench.does((engine, now) => engine.request(now, peer.flow, { code: Code.GET }, settings));
    const [block] = readBlock(peer, OptionNumber.Block2);
    assertEquals(block, "01");
  });
});

/** The ETag of the next message, as `lineOf` writes it. */
function etagIn(peer: ConnectedPeer): string {
  return /4:\w+/.exec(lineOf(peer.unread[0]!))![0];
}

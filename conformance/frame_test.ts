import { describe, it } from "node:test";
import { assert, assertEquals, assertMatch } from "@std/assert";
import { decodeFrame, encodeFrame } from "../lib/wire/frame.ts";
import { fromHex, toHex } from "./datagram.ts";
import { lineOf, wordsOf } from "./exchange_text.ts";
import { buildFrame, Cutter, describeFrame, parseFrame } from "./frame.ts";
import { svgLadder } from "./ladder_svg.ts";
import type { TraceDatagram } from "./probe.ts";

/** Payloads on both sides of each bound of the length: the marker counts. */
const SIZES = [0, 1, 11, 12, 267, 268, 65_803, 65_804, 70_000];

describe("the suite's codec of frames", () => {
  it("writes what the library reads, and reads what it writes, at all lengths", () => {
    for (const size of SIZES) {
      const token = Uint8Array.of(7, size & 255);
      const payload = new Uint8Array(size).fill(0x61);
      const bytes = buildFrame({ code: "2.05", token, payload });
      const message = decodeFrame(bytes);
      assertEquals([message.error, message.code, message.payload.length], [undefined, 69, size]);
      const same = encodeFrame({ code: 69, token, payload, options: [] });
      assertEquals(toHex(same), toHex(bytes));
      const frame = parseFrame(same);
      assert(typeof frame === "object");
      assertEquals([frame.code, toHex(frame.token)], ["2.05", toHex(token)]);
      assertEquals(frame.payload.length, size);
    }
  });

  it("says why bytes are no message", () => {
    const reasons: [hex: string, reason: RegExp][] = [
      ["11017fff", /^payload marker without payload$/],
      ["0f01", /^token length 15$/],
      ["1001f0", /^option delta or length 15$/],
      ["2001b374", /^option cut off$/],
      ["2001", /^cut off: 4 bytes announced$/],
      ["d3", /^cut off$/],
    ];
    for (const [hex, reason] of reasons) assertMatch(String(parseFrame(fromHex(hex))), reason);
    assertEquals(parseFrame(fromHex("10e2ff"), "none"), "Len 1 over a WebSocket");
    assertEquals(parseFrame(fromHex("00"), "none"), "shorter than 2 bytes");
    assertEquals(parseFrame(fromHex("0301"), "none"), "token cut off");
  });

  it("cuts a stream at any place into the same messages", () => {
    const frames = SIZES.slice(0, 6).map((size) =>
      buildFrame({ code: "2.05", token: Uint8Array.of(1), payload: "x".repeat(size) })
    );
    const stream = Uint8Array.from(frames.flatMap((bytes) => [...bytes]));
    for (const portion of [1, 2, 7, 300, 10_000]) {
      const cutter = new Cutter("length");
      const messages: Uint8Array[] = [];
      for (let at = 0; at < stream.length; at += portion) {
        messages.push(...cutter.cut(stream.subarray(at, at + portion)));
      }
      assertEquals(messages.map(toHex), frames.map(toHex));
      assertEquals(cutter.rest().length, 0);
    }
  });
});

function traced(hex: string, more: Partial<TraceDatagram> = {}): TraceDatagram {
  return {
    time: 5,
    direction: "received",
    socket: 1,
    peer: "127.0.0.1:5683",
    bytes: fromHex(hex),
    framing: "length",
    ...more,
  };
}

describe("frames in words", () => {
  const cases: [hex: string, head: string, details: string[]][] = [
    ["50e12380040020", "7.01 CSM", ["Max-Message-Size: 8389632", "Block-Wise-Transfer"]],
    ["11e24220", "7.02 Ping token 42", ["Custody"]],
    ["01e342", "7.03 Pong token 42", []],
    ["20e4413c", "7.04 Release", ["Hold-Off: 60"]],
    ["70e52109ff6f682a2a", "7.05 Abort", ["Bad-CSM-Option: 9", '4 bytes: "oh**"']],
    ["20e1913f", "7.01 CSM", ["critical option 9: 0x3f"]],
    ["5301c00000b474657374", "0.01 GET token c00000", ['Uri-Path: "test"']],
    ["0000", "0.00 Empty", []],
  ];
  for (const [hex, head, details] of cases) {
    it(head, () => {
      const words = wordsOf(traced(hex));
      assertEquals(words, { head, details, isMessage: true });
    });
  }

  it("what is none, and the end of a connection", () => {
    const none = wordsOf(traced("0f01"));
    assertEquals([none.head, none.isMessage], ["no message: token length 15", false]);
    const end = traced("", { event: "closed" });
    assertEquals(wordsOf(end).head, "closes the connection");
    assertMatch(lineOf(end), /← closes the connection \(connection 2\)$/);
    assertMatch(lineOf(traced("01e342")), /← 7\.03 token 42 options \[\] payload 0: 01e342/);
    assertEquals(describeFrame(fromHex("0f01")), "no message (token length 15): 0f01");
  });

  it("no control character of a peer gets through", () => {
    const { details } = wordsOf(traced("80e4271b5b326a00000a"));
    assertEquals(details, ["Alternative-Address: \\u{1b}[2j\\u{0}\\u{0}\\n"]);
  });

  it("ladders show them", () => {
    const svg = svgLadder([
      traced("50e12380040020"),
      traced("01e342"),
      traced("", {
        event: "closed",
      }),
    ]);
    for (const text of ["7.01 CSM", "Max-Message-Size: 8389632", "7.03 Pong token 42"]) {
      assert(svg.includes(text), text);
    }
    assert(svg.includes("closes the connection · connection 2"));
  });
});

import { describe, it } from "node:test";
import { assert, assertEquals, assertFalse, assertStringIncludes } from "@std/assert";
import { drawLadder, type LadderMessage } from "./ladder.ts";

/** Messages of one exchange: milliseconds, `>` to or `<` from the server (`x` lost), the datagram. */
function exchange(lines: string, peer = "127.0.0.1:5683"): LadderMessage[] {
  return lines.trim().split("\n").map((line) => {
    const [time, direction, hex] = line.trim().split(/\s+/) as [string, string, string];
    return {
      time: Number(time),
      direction: direction.includes(">") ? "out" : "in",
      peer,
      bytes: Uint8Array.from(hex.match(/../g)!, (byte) => parseInt(byte, 16)),
      lost: direction.includes("x"),
    };
  });
}

const DISCOVERY = exchange(`
  1000.0 >x 44011a2bc3a1b2d4bb2e77656c6c2d6b6e6f776e04636f72654772743d7469636b2128
  3141.5 >  44011a2bc3a1b2d4bb2e77656c6c2d6b6e6f776e04636f72654772743d7469636b2128
  3141.9 <  64451a2bc3a1b2d4430102038128213cff3c2f74696d653e3b69663d22636c6f636b223b72743d227469636b73223b7469746c653d22496e7465726e616c20436c6f636b223b63743d303b6f62732c3c2f3e3b7469746c653d2247656e6572616c20496e666f223b63743d30
`);

const SEPARATE = exchange(`
  0      >  44011a2cc3a1b2d4b56173796e63
  0.3    <  60001a2c
  1000.3 <  44450077c3a1b2d4ffe6b8a9e5baa62032312e350a
  1000.4 >x 60000077
  3100.3 <  44450077c3a1b2d4ffe6b8a9e5baa62032312e350a
  3100.4 >  60000077
  4000   >  40000009
  4000.2 <  70000009
`);

const REFUSED = exchange(`
  0      >  5402000ac3a1b2d4d10e3ae1fcc178ffff0102
  0.2    <  5482000bc3a1b2d4
  0.3    <  4f010203
`);

const ALL = [...DISCOVERY, ...SEPARATE, ...REFUSED];

/** Columns where no character is wide and none combines. */
function columns(line: string): number {
  return [...line].length;
}

describe("drawLadder", () => {
  it("draws what goes over a connection: signaling, and no types", () => {
    const messages = exchange(`
      0    >  00e12380040020
      0.1  <  00e1
      1    >  0101aab161
      2    <  0145aa
      3    >  0101aab161
      4    <  00e52104ff6e6f
    `);
    const text = drawLadder(messages.map((message) => ({ ...message, reliable: true })));
    for (
      const part of [
        "── 7.01 CSM ──",
        "Max-Message-Size: 8389632 · Block-Wise-Transfer",
        "── GET · token 0xaa ──",
        "── 2.05 Content · token 0xaa ──",
        "── 7.05 Abort ──",
        'Bad-CSM-Option: 4 · 2 bytes: "no"',
      ]
    ) assertStringIncludes(text, part);
    assertFalse(/retransmission|repetition|CON|separate/.test(text), text);
  });

  it("tells notifications from separate responses", () => {
    const observed = exchange(`
      0      >  41011a2d0160
      0.2    <  61451a2d016105
      900    <  41450078016106
    `);
    const text = drawLadder(observed);
    assertStringIncludes(text, "CON 0x0078 2.05 Content · token 0x01 · notification ──");
    assertFalse(text.includes("separate response"));
  });

  it("draws a lost request, its retransmission and the response", () => {
    assertEquals(
      drawLadder(DISCOVERY, { address: "127.0.0.1:40000" }),
      `\
            client 127.0.0.1:40000                                             server 127.0.0.1:5683
     0.0 ms │── CON 0x1a2b GET · token 0xc3a1b2d4 · lost ────────────────────────────╳             │
            │   Uri-Path: ".well-known" "core" · Uri-Query: "rt=tick"                              │
            │   Accept: application/link-format                                                    │
  2141.5 ms │╌╌ CON 0x1a2b GET · token 0xc3a1b2d4 · retransmission 1 ╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌►│
  2141.9 ms │◄─────────────────────────────────────── ACK 0x1a2b 2.05 Content · token 0xc3a1b2d4 ──│
            │           ETag: 0x010203 · Content-Format: application/link-format · Max-Age: 60 s   │
            │           91 bytes: "</time>;if="clock";rt="ticks";title="Internal Clock";ct=0;ob…   │
`,
    );
  });

  it("draws a separate response, its acknowledgement lost, and a ping", () => {
    assertEquals(
      drawLadder(SEPARATE),
      `\
            client                                                             server 127.0.0.1:5683
     0.0 ms │── CON 0x1a2c GET · token 0xc3a1b2d4 ────────────────────────────────────────────────►│
            │   Uri-Path: "async"                                                                  │
     0.3 ms │◄───────────────────────────────────────────────────────────────── ACK 0x1a2c Empty ──│
  1000.3 ms │◄─────────────────── CON 0x0077 2.05 Content · token 0xc3a1b2d4 · separate response ──│
            │                     12 bytes: "温度 21.5\\n"                                          │
  1000.4 ms │── ACK 0x0077 Empty · lost ───────────────────────────────────────╳                   │
  3100.3 ms │◄╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌ CON 0x0077 2.05 Content · token 0xc3a1b2d4 · retransmission 1 ╌╌│
  3100.4 ms │╌╌ ACK 0x0077 Empty · repetition 1 ╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌►│
  4000.0 ms │── CON 0x0009 Empty · ping ──────────────────────────────────────────────────────────►│
  4000.2 ms │◄────────────────────────────────────────────────────────── RST 0x0009 Empty · pong ──│
`,
    );
  });

  it("draws unknown options, binary payloads and what is no message", () => {
    assertEquals(
      drawLadder(REFUSED, { width: 90 }),
      `\
            client                                                   server 127.0.0.1:5683
     0.0 ms │── NON 0x000a POST · token 0xc3a1b2d4 ─────────────────────────────────────►│
            │   Block1: number 3, 64 bytes, more to come · critical option 65001: 0x78   │
            │   3 bytes: ff 01 02                                                        │
     0.2 ms │◄────────────────────────── NON 0x000b 4.02 Bad Option · token 0xc3a1b2d4 ──│
     0.3 ms │◄───────────────────────────────────── No message: token-length at byte 0 ──│
            │                                       4 bytes: 0x4f010203                  │
`,
    );
  });

  it("draws a ladder for each peer, with the server on the right whoever watched", () => {
    const watched = ["10.0.0.1:1000", "10.0.0.2:2000"].flatMap((peer) =>
      exchange("0 < 40010001\n 1 > 60450001", peer)
    );
    const lines = drawLadder(watched, { side: "server", address: "10.0.0.9:5683" }).split("\n");
    assertEquals(lines.map((line) => line.trim().split(/ {3,}/)[0]), [
      "client 10.0.0.1:1000",
      lines[1]!.trim(),
      lines[2]!.trim(),
      "",
      "client 10.0.0.2:2000",
      lines[5]!.trim(),
      lines[6]!.trim(),
      "",
    ]);
    assert(lines[0]!.endsWith("server 10.0.0.9:5683"));
    assertStringIncludes(lines[1]!, "│── CON 0x0001 GET ──");
    assertStringIncludes(lines[2]!, "── ACK 0x0001 2.05 Content ──│");
  });

  it("keeps every line as wide as asked for", () => {
    for (const width of [60, 80, 100, 140]) {
      const lines = drawLadder(ALL, { width }).trimEnd().split("\n");
      for (const line of lines.filter((line) => !/温/.test(line))) {
        assertEquals(columns(line), width, line);
      }
    }
  });

  it("lets no control character of a peer through", () => {
    // Uri-Path "\x1b[2J" and the payload "\x9b\u202e\r\n" in UTF-8, then a payload that only looks like text.
    const drawn = drawLadder(exchange(`
      0 > 40010001b41b5b324aff41
      1 > 40010002ffe280aec2a80d0a
      2 > 40010003ff4107
    `));
    assertFalse(/[^\P{C}\n]/u.test(drawn), drawn);
    assertStringIncludes(drawn, "Uri-Path: 0x1b5b324a");
    assertStringIncludes(drawn, 'bytes: "\\u{202e}¨\\r\\n"');
    assertStringIncludes(drawn, "2 bytes: 41 07");
  });

  it("colours only when asked to, and nothing but the colours differs", () => {
    const plain = drawLadder(ALL);
    const colored = drawLadder(ALL, { color: true });
    assertFalse(plain.includes("\x1b"));
    // deno-lint-ignore no-control-regex
    assertEquals(colored.replaceAll(/\x1b\[\d+m/g, ""), plain);
    assertStringIncludes(colored, "\x1b[32m");
  });

  it("draws nothing for nothing", () => {
    assertEquals(drawLadder([]), "");
  });
});

import { describe, it } from "node:test";
import { readFileSync } from "node:fs";
import { assert, assertEquals, assertThrows } from "@std/assert";
import recorded from "../fixtures/recorded/libcoap.json" with { type: "json" };
import { toHex } from "../testing/vectors.ts";
import { type Capture, readCapture } from "./pcap.ts";

function u16(value: number, little = false): number[] {
  const bytes = [value >> 8, value & 255];
  return little ? bytes.reverse() : bytes;
}

function u32(value: number, little = false): number[] {
  const bytes = [value >>> 24, value >> 16 & 255, value >> 8 & 255, value & 255];
  return little ? bytes.reverse() : bytes;
}

const PAYLOAD = [0x40, 0x01, 0x12, 0x34];
const UDP = [...u16(40000), ...u16(5683), ...u16(8 + PAYLOAD.length), 0, 0, ...PAYLOAD];

/** An IPv4 packet with a header of 24 bytes. */
function ipv4(fragment = 0): number[] {
  const head = [0x46, 0, ...u16(24 + UDP.length), 0, 0, ...u16(fragment), 64, 17, 0, 0];
  return [...head, 192, 0, 2, 1, 192, 0, 2, 2, 0, 0, 0, 0, ...UDP];
}

const FROM = [0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
const TO = [0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xfd];

function ipv6(next = 17, extensions: number[] = []): number[] {
  return [0x60, 0, 0, 0, ...u16(extensions.length + UDP.length), next, 64, ...FROM, ...TO]
    .concat(extensions, UDP);
}

function pcap(link: number, packet: number[], { little = true, nano = false } = {}): Uint8Array {
  const magic = nano ? 0xa1b23c4d : 0xa1b2c3d4;
  return Uint8Array.from([
    ...u32(magic, little),
    ...u16(2, little),
    ...u16(4, little),
    ...u32(0),
    ...u32(0),
    ...u32(65535, little),
    ...u32(link, little),
    ...u32(1_600_000_000, little),
    ...u32(nano ? 250_000_000 : 250_000, little),
    ...u32(packet.length, little),
    ...u32(packet.length, little),
    ...packet,
  ]);
}

function block(type: number, body: number[], little: boolean): number[] {
  const padded = [...body, ...new Array<number>(-body.length & 3).fill(0)];
  const length = u32(padded.length + 12, little);
  return [...u32(type, little), ...length, ...padded, ...length];
}

function pcapng(blocks: [type: number, body: number[]][], little: boolean): Uint8Array {
  const header = [...u32(0x1a2b3c4d, little), ...u16(1, little), ...u16(0), ...u32(-1), ...u32(-1)];
  const all: [number, number[]][] = [[0x0a0d0d0a, header], ...blocks];
  return Uint8Array.from(all.flatMap(([type, body]) => block(type, body, little)));
}

function only({ datagrams, packets }: Capture): string {
  assertEquals([datagrams.length, packets], [1, 1]);
  const { number, source, destination, bytes, cut } = datagrams[0]!;
  assertEquals([number, cut], [1, false]);
  return `${source.address} ${source.port} ${destination.address} ${destination.port} ${
    toHex(bytes)
  }`;
}

const OVER_IPV4 = "192.0.2.1 40000 192.0.2.2 5683 40011234";
const OVER_IPV6 = "2001:db8::1 40000 ff02::fd 5683 40011234";
const MACS = new Array<number>(12).fill(2);

describe("readCapture", () => {
  for (const little of [true, false]) {
    for (const nano of [true, false]) {
      const order = little ? "little" : "big";
      it(`reads pcap, ${order} endian, ${nano ? "nano" : "micro"}seconds`, () => {
        const capture = readCapture(pcap(1, [...MACS, 8, 0, ...ipv4()], { little, nano }));
        assertEquals(only(capture), OVER_IPV4);
        assertEquals(capture.datagrams[0]!.time, 1_600_000_000_250);
      });
    }
  }

  const links: [string, number, number[], string][] = [
    ["Ethernet with padding", 1, [...MACS, 8, 0, ...ipv4(), 0, 0, 0], OVER_IPV4],
    ["Ethernet, IPv6", 1, [...MACS, 0x86, 0xdd, ...ipv6()], OVER_IPV6],
    [
      "Ethernet with two tags",
      1,
      [...MACS, 0x88, 0xa8, 0, 1, 0x81, 0, 0, 2, 8, 0, ...ipv4()],
      OVER_IPV4,
    ],
    ["raw IP", 101, ipv6(), OVER_IPV6],
    ["raw IP of BSD", 12, ipv4(), OVER_IPV4],
    ["raw IPv4", 228, ipv4(), OVER_IPV4],
    ["raw IPv6", 229, ipv6(), OVER_IPV6],
    ["loopback of BSD, little endian", 0, [2, 0, 0, 0, ...ipv4()], OVER_IPV4],
    ["loopback of OpenBSD", 108, [0, 0, 0, 24, ...ipv6()], OVER_IPV6],
    ["cooked", 113, [...new Array<number>(14).fill(0), 8, 0, ...ipv4()], OVER_IPV4],
    [
      "cooked, version 2",
      276,
      [0x86, 0xdd, ...new Array<number>(18).fill(0), ...ipv6()],
      OVER_IPV6,
    ],
    [
      "IPv6 with options",
      101,
      ipv6(0, [60, 0, 1, 4, 0, 0, 0, 0, 17, 0, 1, 4, 0, 0, 0, 0]),
      OVER_IPV6,
    ],
    [
      "an IPv6 packet that is its only fragment",
      101,
      ipv6(44, [17, 0, 0, 0, 0, 0, 0, 1]),
      OVER_IPV6,
    ],
  ];
  for (const [name, link, packet, expected] of links) {
    it(`reads ${name}`, () => assertEquals(only(readCapture(pcap(link, packet))), expected));
  }

  it("counts fragments and passes over what is no UDP", () => {
    const fragments = [ipv4(0x2000), ipv4(10), ipv6(44, [17, 0, 0, 1, 0, 0, 0, 1])];
    for (const packet of fragments) {
      const { datagrams, packets, fragments } = readCapture(pcap(101, packet));
      assertEquals([datagrams.length, packets, fragments], [0, 1, 1]);
    }
    const others = [ipv6(6), [0x45], [], [0x50, ...UDP], ipv4().slice(0, 30)];
    for (const packet of others) {
      const { datagrams, packets, fragments } = readCapture(pcap(101, packet));
      assertEquals([datagrams.length, packets, fragments], [0, 1, 0]);
    }
    assertEquals(readCapture(pcap(127, ipv4())).datagrams, []);
  });

  it("marks a datagram that was not captured to its end", () => {
    const { datagrams } = readCapture(pcap(101, ipv4().slice(0, -1)));
    assertEquals([datagrams[0]!.cut, toHex(datagrams[0]!.bytes)], [true, "400112"]);
  });

  it("says that a file ends too early, wherever it is cut", () => {
    const file = pcap(101, ipv4());
    for (let end = 25; end < file.length; end++) {
      const { datagrams, truncated } = readCapture(file.subarray(0, end));
      assertEquals([datagrams.length, truncated], [0, true]);
    }
    const blocks = pcapng([[1, [...u16(101), ...u16(0), ...u32(0)]]], false);
    for (let end = 29; end < blocks.length; end++) {
      assertEquals(readCapture(blocks.subarray(0, end)).truncated, true);
    }
  });

  for (const little of [true, false]) {
    it(`reads pcapng, ${little ? "little" : "big"} endian, with all kinds of packets`, () => {
      const options = [...u16(9, little), ...u16(1, little), 9, 0, 0, 0].concat(
        ...[u16(14, little), u16(8, little), little ? [10, 0, 0, 0] : u32(0)],
        little ? u32(0) : u32(10),
        u32(0),
      );
      const raw = [...u16(101, little), 0, 0, ...u32(0)];
      const fine = [...u16(101, little), 0, 0, ...u32(0), ...options];
      const packet = ipv4();
      const length = u32(packet.length, little);
      const high = Math.floor(1_600_000_000e9 / 2 ** 32);
      const low = 1_600_000_000e9 - high * 2 ** 32;
      const capture = readCapture(pcapng([
        [1, raw],
        [1, fine],
        [5, [1, 2, 3, 4]],
        [6, [...u32(0), ...u32(0), ...u32(5000, little), ...length, ...length, ...packet]],
        [6, [
          ...u32(1, little),
          ...u32(high, little),
          ...u32(low, little),
          ...length,
          ...length,
          ...packet,
        ]],
        [2, [...u16(1, little), 0, 0, ...u32(0), ...u32(0), ...length, ...length, ...packet]],
        [3, [...length, ...packet]],
        [6, [...u32(7, little), ...u32(0), ...u32(0), ...length, ...length, ...packet]],
      ], little));
      assertEquals(capture.datagrams.map(({ time }) => time), [5, 1_600_000_010_000, 10_000, 0]);
      assertEquals(new Set(capture.datagrams.map(({ bytes }) => toHex(bytes))).size, 1);
    });
  }

  it("refuses other files", () => {
    assertThrows(() => readCapture(new Uint8Array(100)), SyntaxError, '"00 00 00 00"');
    assertThrows(() => readCapture(new Uint8Array(0)), SyntaxError, "Neither pcap nor pcapng");
    const broken = pcapng([], true);
    broken[4] = 29;
    assertThrows(() => readCapture(broken), SyntaxError, "impossible length");
  });

  const kept: [file: string, id: string, address: string][] = [
    ["get.pcap", "get", "127.0.0.1"],
    ["get-non-ipv6.pcap", "get-non", "::1"],
    ["separate-cooked.pcap", "separate", "127.0.0.1"],
    ["block1-cooked.pcap", "block1", "127.0.0.1"],
    ["observe.pcapng", "observe", "127.0.0.1"],
  ];
  for (const [file, id, address] of kept) {
    it(`reads ${file} as tshark does`, () => {
      const url = new URL(`../fixtures/recorded/${file}`, import.meta.url);
      const { datagrams } = readCapture(readFileSync(url));
      const expected = recorded.recordings.find((recording) => recording.id === id)!.datagrams;
      assertEquals(
        datagrams.map(({ bytes }) => toHex(bytes)),
        expected.map(({ hex }) => hex),
      );
      for (const [i, { time, source, destination }] of datagrams.entries()) {
        const { from, time: offset } = expected[i]!;
        assertEquals([source.address, destination.address], [address, address]);
        assertEquals((from === "client" ? destination : source).port, 5683);
        assert(Math.abs(time - datagrams[0]!.time - offset) < 0.01, `${time}`);
      }
    });
  }
});

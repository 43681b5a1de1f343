/**
 * The message codec beside that of coap-packet: same messages, same process, alternating rounds, medians.
 *
 * Each result is checked before anything is timed. Datagrams lie in one larger buffer, as a socket delivers them,
 * and results are kept for a while, so that the engine cannot leave out making them.
 */

import { Buffer } from "node:buffer";
import process from "node:process";
import { generate, type OptionName, type Packet, parse, type ParsedPacket } from "coap-packet";
import {
  Code,
  codeText,
  decode,
  encode,
  findOption,
  makeOption,
  type Message,
  type MessageInit,
  MessageType,
  optionName,
  OptionNumber,
  stringOptions,
  uintOption,
} from "../lib/wire/mod.ts";

const RING = 256;
const quick = process.argv.includes("--quick");
const ITERATIONS = quick ? 5_000 : 50_000;
const WARM_UP_ROUNDS = quick ? 1 : 5;
const ROUNDS = quick ? 3 : 21;

interface Case {
  name: string;
  message: Required<MessageInit>;
  packet: Packet;
  /** What an application reads, of either codec's result. */
  readOurs(message: Message): number;
  readPeers(packet: ParsedPacket): number;
}

function toPacket(message: Required<MessageInit>): Packet {
  return {
    code: codeText(message.code),
    messageId: message.id,
    confirmable: message.type === MessageType.Confirmable,
    ack: message.type === MessageType.Acknowledgement,
    reset: false,
    token: Buffer.from(message.token!),
    options: message.options!.map(({ number, value }) => ({
      name: optionName(number) as OptionName,
      value: Buffer.from(value),
    })),
    payload: Buffer.from(message.payload!),
  };
}

function makeCase(
  name: string,
  message: Required<MessageInit>,
  readOurs: Case["readOurs"],
  readPeers: Case["readPeers"],
): Case {
  return { name, message, packet: toPacket(message), readOurs, readPeers };
}

function peerOption(packet: ParsedPacket, name: string): Buffer | undefined {
  for (const option of packet.options) {
    if (option.name === name) return option.value as Buffer;
  }
  return undefined;
}

function peerUint(packet: ParsedPacket, name: string): number {
  const value = peerOption(packet, name);
  return value === undefined || value.length === 0 ? 0 : value.readUIntBE(0, value.length);
}

const CASES: Case[] = [
  makeCase(
    "empty ACK",
    {
      type: MessageType.Acknowledgement,
      code: Code.Empty,
      id: 0x1234,
      token: new Uint8Array(0),
      options: [],
      payload: new Uint8Array(0),
    },
    (message) => message.id,
    (packet) => packet.messageId,
  ),
  makeCase(
    "GET, 3 Uri-Path",
    {
      type: MessageType.Confirmable,
      code: Code.GET,
      id: 0x1234,
      token: Uint8Array.of(1, 2, 3, 4),
      options: [
        makeOption(OptionNumber.UriPath, "sensors"),
        makeOption(OptionNumber.UriPath, "room-3"),
        makeOption(OptionNumber.UriPath, "temperature"),
        makeOption(OptionNumber.Accept, 50),
      ],
      payload: new Uint8Array(0),
    },
    (message) => {
      const path = stringOptions(message.options, OptionNumber.UriPath);
      let sum = message.id + message.token[3]! +
        uintOption(message.options, OptionNumber.Accept)!;
      for (const segment of path) sum += segment.charCodeAt(segment.length - 1);
      return sum;
    },
    (packet) => {
      let sum = packet.messageId + packet.token[3]! +
        peerUint(packet, "Accept");
      for (const option of packet.options) {
        if (option.name !== "Uri-Path") continue;
        const segment = option.value.toString();
        sum += segment.charCodeAt(segment.length - 1);
      }
      return sum;
    },
  ),
  makeCase(
    "2.05, 64 bytes",
    {
      type: MessageType.Acknowledgement,
      code: Code.Content,
      id: 0x1234,
      token: Uint8Array.of(1, 2, 3, 4),
      options: [
        makeOption(OptionNumber.ETag, Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8)),
        makeOption(OptionNumber.ContentFormat, 50),
        makeOption(OptionNumber.MaxAge, 30),
      ],
      payload: new Uint8Array(64).fill(0x61),
    },
    (message) =>
      message.id + message.token[3]! +
      findOption(message.options, OptionNumber.ETag)!.value[7]! +
      uintOption(message.options, OptionNumber.ContentFormat)! +
      uintOption(message.options, OptionNumber.MaxAge)! + message.payload[63]!,
    (packet) =>
      packet.messageId + packet.token[3]! + peerOption(packet, "ETag")![7]! +
      peerUint(packet, "Content-Format") + peerUint(packet, "Max-Age") +
      packet.payload[63]!,
  ),
];

/** Reads one byte of every part as an array of bytes. */
function touchOurs(message: Message): number {
  let sum = message.type + message.code + message.id;
  if (message.token.length > 0) sum += message.token[0]!;
  for (let i = 0; i < message.options.length; i++) {
    const { number, value } = message.options[i]!;
    sum += number;
    if (value.length > 0) sum += value[0]!;
  }
  if (message.payload.length > 0) sum += message.payload[0]!;
  return sum;
}

function touchPeers(packet: ParsedPacket): number {
  let sum = packet.code.length + packet.messageId + (packet.ack ? 1 : 0);
  if (packet.token.length > 0) sum += packet.token[0]!;
  for (let i = 0; i < packet.options.length; i++) {
    const { name, value } = packet.options[i] as {
      name: string;
      value: Buffer;
    };
    sum += name.length;
    if (value.length > 0) sum += value[0]!;
  }
  if (packet.payload.length > 0) sum += packet.payload[0]!;
  return sum;
}

function assertSame(what: string, ours: unknown, theirs: unknown): void {
  if (JSON.stringify(ours) !== JSON.stringify(theirs)) {
    throw new Error(
      `${what}: "${JSON.stringify(ours)}" against "${JSON.stringify(theirs)}"`,
    );
  }
}

function check(test: Case): void {
  const bytes = encode(test.message);
  assertSame(`${test.name} encoded`, [...bytes], [...generate(test.packet)]);
  const message = decode(bytes);
  const packet = parse(Buffer.from(bytes));
  assertSame(`${test.name} error`, message.error, undefined);
  assertSame(
    `${test.name} decoded`,
    {
      code: codeText(message.code),
      id: message.id,
      ack: message.type === MessageType.Acknowledgement,
      token: [...message.token],
      options: message.options.map((
        { number, value },
      ) => [optionName(number), [...value]]),
      payload: [...message.payload],
    },
    {
      code: packet.code,
      id: packet.messageId,
      ack: packet.ack,
      token: [...packet.token],
      options: packet.options.map((
        { name, value },
      ) => [name, [...value as Buffer]]),
      payload: [...packet.payload],
    },
  );
  assertSame(
    `${test.name} read`,
    test.readOurs(message),
    test.readPeers(packet),
  );
}

const kept: unknown[] = new Array(RING).fill(undefined);
let sink = 0;

type Run = () => void;

/** Both codecs' runs of every operation on one case. */
function operations(
  { message, packet, readOurs, readPeers }: Case,
): [string, Run, Run][] {
  const bytes = encode(message);
  const stride = 128;
  const received = new ArrayBuffer(RING * stride);
  const datagrams: Uint8Array[] = [];
  const buffers: Buffer[] = [];
  for (let i = 0; i < RING; i++) {
    const datagram = new Uint8Array(received, i * stride, bytes.length);
    datagram.set(bytes);
    datagrams.push(datagram);
    buffers.push(Buffer.from(received, i * stride, bytes.length));
  }
  const mask = RING - 1;
  return [
    ["encode", () => {
      for (let i = 0; i < ITERATIONS; i++) kept[i & mask] = encode(message);
    }, () => {
      for (let i = 0; i < ITERATIONS; i++) kept[i & mask] = generate(packet);
    }],
    ["decode", () => {
      for (let i = 0; i < ITERATIONS; i++) {
        kept[i & mask] = decode(datagrams[i & mask]!);
      }
    }, () => {
      for (let i = 0; i < ITERATIONS; i++) {
        kept[i & mask] = parse(buffers[i & mask]!);
      }
    }],
    ["decode, values read", () => {
      for (let i = 0; i < ITERATIONS; i++) {
        const result = decode(datagrams[i & mask]!);
        sink += readOurs(result);
        kept[i & mask] = result;
      }
    }, () => {
      for (let i = 0; i < ITERATIONS; i++) {
        const result = parse(buffers[i & mask]!);
        sink += readPeers(result);
        kept[i & mask] = result;
      }
    }],
    ["decode, all as bytes", () => {
      for (let i = 0; i < ITERATIONS; i++) {
        const result = decode(datagrams[i & mask]!);
        sink += touchOurs(result);
        kept[i & mask] = result;
      }
    }, () => {
      for (let i = 0; i < ITERATIONS; i++) {
        const result = parse(buffers[i & mask]!);
        sink += touchPeers(result);
        kept[i & mask] = result;
      }
    }],
  ];
}

/** Time of one run, ns for each message. A run before it takes up the garbage that the other codec has left. */
function time(run: Run): number {
  run();
  const start = performance.now();
  run();
  return (performance.now() - start) * 1e6 / ITERATIONS;
}

function median(values: number[]): number {
  return values.sort((a, b) => a - b)[values.length >> 1]!;
}

const lines: { message: string; operation: string; ours: number; peers: number }[] = [];
for (const test of CASES) check(test);
for (const test of CASES) {
  for (const [operation, own, other] of operations(test)) {
    const times: [number[], number[]] = [[], []];
    for (let round = -WARM_UP_ROUNDS; round < ROUNDS; round++) {
      const ours = time(own);
      const peers = time(other);
      if (round >= 0) {
        times[0].push(ours);
        times[1].push(peers);
      }
    }
    const [ours, peers] = [median(times[0]), median(times[1])];
    lines.push({ message: test.name, operation, ours, peers });
  }
}
if (!Number.isFinite(sink)) {
  throw new Error(`Sum of what was read is "${sink}"`);
}
if (process.argv.includes("--json")) console.log(JSON.stringify(lines));
else {
  const { bun, deno, node } = process.versions as Record<string, string | undefined>;
  const runtime = bun ? `Bun ${bun}` : deno ? `Deno ${deno}` : `Node ${node}`;
  console.log(`${runtime}, ns per message, median of ${ROUNDS} rounds`);
  console.log(
    `${"".padEnd(38)}${"ours".padStart(8)}${"peer's".padStart(8)}${"ratio".padStart(8)}`,
  );
  for (const { message, operation, ours, peers } of lines) {
    console.log(
      `${message.padEnd(16)}  ${operation.padEnd(20)}${ours.toFixed(0).padStart(8)}` +
        `${peers.toFixed(0).padStart(8)}${(peers / ours).toFixed(1).padStart(8)}`,
    );
  }
}

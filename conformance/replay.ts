/**
 * Explains captures of CoAP over UDP, message by message, and marks what breaks the rules of the RFCs.
 *
 * @module
 */

import { decode, type Message } from "../lib/wire/mod.ts";
import { drawLadder, type LadderMessage } from "./ladder.ts";
import { headText, hexText, optionTexts, payloadText } from "./message_text.ts";
import { type Capture, readCapture } from "./pcap.ts";
import type { CapturedDatagram, Endpoint } from "./pcap_packet.ts";
import type { Finding } from "./replay_finding.ts";
import { Story } from "./replay_story.ts";

export {
  type FormatError,
  type FormatErrorReason,
  type Message,
  MessageType,
  type Option,
} from "../lib/wire/mod.ts";
export type { Capture } from "./pcap.ts";
export { readCapture } from "./pcap.ts";
export type { CapturedDatagram, Endpoint } from "./pcap_packet.ts";
export type { Finding } from "./replay_finding.ts";

/** What is explained. */
export interface ReplayOptions {
  /**
   * The ports of servers.
   *
   * @default 5683; where nothing goes there, all ports with datagrams that read as CoAP
   */
  ports?: readonly number[];
  /** Whether tokens may have more than 8 bytes (RFC 8974). @default {false} */
  extendedTokens?: boolean;
}

/** A message and what it means. */
export interface ExplainedMessage {
  /** Its position among the messages explained, from 1. Explanations refer to it as `#1`. */
  number: number;
  /** When it was captured, ms after the first one. */
  time: number;
  /** Whence it came. */
  source: Endpoint;
  /** Where it went. */
  destination: Endpoint;
  /** The datagram. */
  bytes: Uint8Array;
  /** What it says. */
  message: Message;
  /** What it means among the others. */
  explanation: string;
  /** What is wrong with it. */
  findings: Finding[];
}

/** The messages of a capture. */
export interface Replay {
  /** In the order in which they were captured. */
  messages: ExplainedMessage[];
  /** How many findings are violations. */
  violations: number;
  /** How many are not. */
  remarks: number;
  /** What could not be judged, in sentences. */
  notes: string[];
}

/** How a replay is written. */
export interface ReplayTextOptions {
  /** Columns of the ladders, at least 60. @default {100} */
  width?: number;
  /** Whether to colour by escape sequences. @default {false} */
  color?: boolean;
}

/** Node's way to read a file; Deno and Bun have it as well. */
interface Files {
  getBuiltinModule(name: "node:fs/promises"): {
    readFile(path: string | URL): Promise<Uint8Array>;
  };
}

const DEFAULT_PORT = 5683;

/**
 * Reads and explains a capture.
 *
 * @example What is wrong in a capture
 * ```ts ignore
 * import { readFile } from "node:fs/promises";
 * import { replay } from "@x/coap/conformance";
 *
 * for (const { number, findings } of replay(await readFile("capture.pcap")).messages) {
 *   for (const { row, text } of findings) console.log(number, row, text);
 * }
 * ```
 *
 * @param bytes a pcap or pcapng file
 * @throws {SyntaxError} where it is neither
 */
export function replay(bytes: Uint8Array, options: ReplayOptions = {}): Replay {
  const capture = readCapture(bytes);
  const chosen = choose(capture.datagrams, options.ports);
  const result = explain(chosen, options);
  result.notes.unshift(...notesOf(capture, chosen.length));
  return result;
}

/**
 * Reads and explains a capture in a file, where the runtime has files.
 *
 * @throws {SyntaxError} (the promise rejects) where it is neither pcap nor pcapng
 * @throws {Error} (the promise rejects) where it can not be read
 */
export async function replayFile(path: string | URL, options?: ReplayOptions): Promise<Replay> {
  const { process } = globalThis as unknown as { process?: Files };
  if (process?.getBuiltinModule === undefined) throw new Error("Not available on this runtime");
  return replay(await process.getBuiltinModule("node:fs/promises").readFile(path), options);
}

/**
 * Explains datagrams in their order.
 *
 * @example A ping that is acknowledged
 * ```ts
 * import { explain } from "@x/coap/conformance";
 *
 * const client = { address: "192.0.2.1", port: 40000 };
 * const server = { address: "192.0.2.2", port: 5683 };
 * const { messages } = explain([
 *   { number: 1, time: 0, source: client, destination: server, bytes: Uint8Array.of(0x40, 0, 0, 1), cut: false },
 *   { number: 2, time: 9, source: server, destination: client, bytes: Uint8Array.of(0x60, 0, 0, 1), cut: false },
 * ]);
 * console.log(messages[1]?.findings); // [ { severity: "violation", row: "7252-4.2-2", text: "#1 is a ping: a Reset is due" } ]
 * ```
 */
export function explain(
  datagrams: Iterable<CapturedDatagram>,
  options: ReplayOptions = {},
): Replay {
  const result: Replay = { messages: [], violations: 0, remarks: 0, notes: [] };
  const story = new Story(options.extendedTokens ?? false);
  let start: number | undefined;
  let cut = 0;
  let time = 0;
  for (const { time: at, source, destination, bytes, cut: isCut } of datagrams) {
    if (isCut) {
      cut++;
      continue;
    }
    start ??= at;
    time = at - start;
    const number = result.messages.length + 1;
    const meaning = story.tell({
      number,
      time,
      from: nameOf(source),
      to: nameOf(destination),
      port: destination.port,
      multicast: isMulticast(destination.address),
      bytes,
    });
    result.messages.push({ number, time, source, destination, bytes, ...meaning });
  }
  for (const [number, finding] of story.end(time)) {
    result.messages[number - 1]!.findings.push(finding);
  }
  for (const { severity } of result.messages.flatMap(({ findings }) => findings)) {
    if (severity === "violation") result.violations++;
    else result.remarks++;
  }
  if (cut > 0) {
    result.notes.push(`${count(cut, "datagram")} left out, the end of which was not captured`);
  }
  return result;
}

/**
 * A replay for people: a ladder for each pair of endpoints, then every message with its meaning and what is wrong with
 * it. Nothing in it is obeyed by a terminal but the colours.
 */
export function replayText(replay: Replay, options: ReplayTextOptions = {}): string {
  const { messages, violations, remarks, notes } = replay;
  const summary = [
    count(messages.length, "message"),
    count(violations, "violation"),
    count(remarks, "remark"),
  ].join(", ");
  return [
    ...drawLadders(messages, options),
    ...messages.map((message) => messageText(message, options.color ?? false)),
    [...notes.map((note) => `note: ${note}`), summary, ""].join("\n"),
  ].join("\n");
}

/** A ladder for each pair of endpoints; the one that sends the first request is the client. */
function drawLadders(
  messages: readonly ExplainedMessage[],
  options: ReplayTextOptions,
): string[] {
  const pairs = new Map<string, { client: string; rungs: LadderMessage[] }>();
  for (const { source, destination, time, bytes } of messages) {
    const from = nameOf(source);
    const to = nameOf(destination);
    let pair = pairs.get([from, to].sort().join(" "));
    if (pair === undefined) {
      pair = { client: isFromServer(bytes) ? to : from, rungs: [] };
      pairs.set([from, to].sort().join(" "), pair);
    }
    const out = from === pair.client;
    pair.rungs.push({ time, bytes, direction: out ? "out" : "in", peer: out ? to : from });
  }
  return [...pairs.values()].map(({ client, rungs }) =>
    drawLadder(rungs, { ...options, address: client, start: 0 })
  );
}

/** Whether what comes first can only be of a server. */
function isFromServer(bytes: Uint8Array): boolean {
  const { code, error } = decode(bytes, { extendedTokens: true });
  return error === undefined && code >= 0x40;
}

function messageText(explained: ExplainedMessage, color: boolean): string {
  const { number, time, source, destination, message, bytes, explanation, findings } = explained;
  const route = `${nameOf(source)} → ${nameOf(destination)}`;
  const lines = [`#${number}  ${time.toFixed(1)} ms  ${route}`];
  if (message.error === undefined) {
    const payload = payloadText(message.payload, 64);
    const content = [...optionTexts(message.options), ...payload === undefined ? [] : [payload]];
    lines.push(headText(message));
    if (content.length > 0) lines.push(content.join(" · "));
  } else {
    const size = bytes.length === 1 ? "1 byte" : `${bytes.length} bytes`;
    lines.push(`${size}: ${hexText(bytes.subarray(0, 64))}`);
  }
  lines.push(`= ${explanation}`);
  for (const { severity, row, text } of findings) {
    const line = `${severity === "violation" ? "✗" : "!"} ${severity} of ${row}: ${text}`;
    const code = severity === "violation" ? 31 : 33;
    lines.push(color ? `\x1b[${code}m${line}\x1b[0m` : line);
  }
  return `${lines.join("\n    ")}\n`;
}

/** The datagrams of the ports. */
function choose(
  datagrams: readonly CapturedDatagram[],
  ports: readonly number[] | undefined,
): CapturedDatagram[] {
  const on = (wanted: readonly number[]): CapturedDatagram[] =>
    datagrams.filter(({ source, destination }) =>
      wanted.includes(source.port) || wanted.includes(destination.port)
    );
  if (ports !== undefined) return on(ports);
  const usual = on([DEFAULT_PORT]);
  if (usual.length > 0) return usual;
  // Bytes of other protocols seldom read as CoAP, and CoAP has few datagrams that do not.
  const pairs = new Map<string, { all: number; good: number }>();
  const keyOf = ({ source, destination }: CapturedDatagram): string =>
    [nameOf(source), nameOf(destination)].sort().join(" ");
  for (const datagram of datagrams) {
    const pair = pairs.get(keyOf(datagram)) ?? { all: 0, good: 0 };
    pair.all++;
    if (decode(datagram.bytes, { extendedTokens: true }).error === undefined) pair.good++;
    pairs.set(keyOf(datagram), pair);
  }
  return datagrams.filter((datagram) => {
    const { all, good } = pairs.get(keyOf(datagram))!;
    return 2 * good > all;
  });
}

function notesOf({ datagrams, packets, fragments, truncated }: Capture, chosen: number): string[] {
  const notes: string[] = [];
  if (chosen < datagrams.length) {
    notes.push(`${count(datagrams.length - chosen, "datagram")} of other ports left out`);
  }
  const others = packets - datagrams.length - fragments;
  if (others > 0) notes.push(`${count(others, "packet")} of other protocols left out`);
  if (fragments > 0) notes.push(`${count(fragments, "fragment")} of IP packets left out`);
  if (truncated) notes.push("The file ends inside a packet");
  return notes;
}

function count(number: number, what: string): string {
  return `${number} ${what}${number === 1 ? "" : "s"}`;
}

function nameOf({ address, port }: Endpoint): string {
  return address.includes(":") ? `[${address}]:${port}` : `${address}:${port}`;
}

function isMulticast(address: string): boolean {
  if (address.includes(":")) return address.startsWith("ff");
  const first = Number(address.split(".")[0]);
  return first >= 224 && first < 240;
}

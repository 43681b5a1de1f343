/**
 * Plays the figures of the RFCs, as the vectors have them, against one engine in one of their roles. Message IDs and
 * tokens of the engine are its own: a figure's are names for them.
 *
 * @module
 */

import { decode, type Message, MessageType } from "../lib/wire/message.ts";
import { type Option, OptionNumber } from "../lib/wire/option.ts";
import type { Lockstep, ScriptedPeer } from "./lockstep.ts";
import { showMessage } from "./message_text.ts";
import { fromHex, type SequenceMessage, type Sequences, toHex } from "./vectors.ts";

/** How a figure is played. */
export interface FigureOptions {
  ladder: Lockstep;
  /** The messages; the events among them are left to `acts`. */
  messages: readonly SequenceMessage[];
  /** Who the engine is. */
  role: string;
  /** The other parties, by name. @default all of them are the ladder's `peer` */
  peers?: Record<string, ScriptedPeer>;
  /** What the application does and what time passes before the message or event of an index, or after the last. */
  acts?: Record<number, () => void>;
  /** Tokens of the figure that are one with us. */
  sameTokens?: Record<string, string>;
  /** The options expected in a message of the engine, where they are not the figure's. */
  choose?: (expected: Message, actual: Message) => readonly Option[];
}

const NONE = new Uint8Array(0);
const TYPES = ["CON", "NON", "ACK", "RST"];

/** The messages of a figure by its id. */
export function figure(sequences: Sequences, id: string): SequenceMessage[] {
  const found = sequences.sequences.find((sequence) => sequence.id === id);
  if (found === undefined) throw new Error(`No such figure: "${id}"`);
  return found.messages;
}

/** The message of an index, decoded. */
export function messageOf(messages: readonly SequenceMessage[], index: number): Message {
  return decode(fromHex(messages[index]!.hex!));
}

/** The body that the Block messages of one side carry, from one index to another, put together. */
export function bodyOf(
  messages: readonly SequenceMessage[],
  from: string,
  code?: string,
): Uint8Array {
  const body: number[] = [];
  const seen = new Set<string>();
  for (const { hex, from: sender, event, code: its } of messages) {
    if (hex === undefined || sender !== from || event === "lost" || seen.has(hex)) continue;
    if (code !== undefined && code !== its) continue;
    seen.add(hex);
    body.push(...decode(fromHex(hex)).payload);
  }
  return Uint8Array.from(body);
}

/** Plays a figure to its end. */
export function play(options: FigureOptions): void {
  const { messages, acts = {} } = options;
  const observing = new Set<string>();
  for (const { hex } of messages) {
    if (hex === undefined) continue;
    const { token, options } = decode(fromHex(hex));
    if (options.some(({ number }) => number === OptionNumber.Observe)) observing.add(toHex(token));
  }
  messages.forEach((message, index) => {
    acts[index]?.();
    if (message.hex !== undefined) step(options, message, observing);
  });
  acts[messages.length]?.();
}

function step(options: FigureOptions, message: SequenceMessage, observing: Set<string>): void {
  const { ladder, role, choose, peers = {} } = options;
  const { from, to, event, hex } = message as SequenceMessage & { to: string };
  const decoded = decode(fromHex(hex!));
  const line = (shown: readonly Option[]): string => toLine(options, message, observing, shown);
  if (from === role) {
    const peer = peers[to] ?? ladder.peer;
    const actual = peer.unread[0]?.message;
    const expected = choose && actual ? choose(decoded, actual) : decoded.options;
    peer.receives(line(expected), decoded.payload);
  } else if (to === role && event !== "lost") {
    (peers[from!] ?? ladder.peer).sends(line(decoded.options), decoded.payload);
  }
}

/** The message as a line; what the engine draws has a name. */
function toLine(
  { role, sameTokens = {} }: FigureOptions,
  message: SequenceMessage,
  observing: Set<string>,
  options: readonly Option[],
): string {
  const { type, code, id, token } = decode(fromHex(message.hex!));
  const opens = type === MessageType.Confirmable || type === MessageType.NonConfirmable;
  const hexId = id.toString(16).padStart(4, "0");
  const ours = (message.from === role) === opens;
  const shown = showMessage({ type, code, id: 0, token: NONE, options, payload: NONE })
    .replace(`${TYPES[type]!} `, "").split(" 0x0000");
  const words = [TYPES[type]!, shown[0]!, ours ? `$m${hexId}` : `0x${hexId}`];
  const hexToken = sameTokens[toHex(token)] ?? toHex(token);
  // The token is the one of whoever asked: of the engine for its requests and for responses to it.
  const asked = code < 0x20 ? message.from === role : message.from !== role;
  if (code !== 0) {
    if (asked) words.push("token", observing.has(hexToken) ? `$t${hexToken}` : `$t_${hexId}`);
    else if (hexToken !== "") words.push("token", hexToken);
  }
  return `${words.join(" ")}${shown.slice(1).join("")}`;
}

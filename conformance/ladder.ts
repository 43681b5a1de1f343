/** Draws an exchange of messages as a ladder: the client on the left, the server on the right. @module */

import {
  Code,
  decode,
  decodeFrame,
  findOption,
  isRequestCode,
  isResponseCode,
  isSuccess,
  type Message,
  MessageType,
  OptionNumber,
} from "../lib/wire/mod.ts";
import { headText, hexOf, hexText, isPing, optionTexts, payloadText } from "./message_text.ts";

/** A datagram as one of the two sides has seen it. */
export interface LadderMessage {
  /** When, ms. Only differences count. */
  time: number;
  /** Whether the side that watched has received or sent it. */
  direction: "in" | "out";
  /** The other side's address. Each has a ladder of its own. */
  peer: string;
  /** The datagram. */
  bytes: Uint8Array;
  /** Whether it is known not to have arrived. @default {false} */
  lost?: boolean;
  /** Whether it went over a connection: without type, message ID and length (RFC 8323). @default {false} */
  reliable?: boolean;
}

/** How a ladder is drawn. */
export interface LadderOptions {
  /** The side that watched. @default {"client"} */
  side?: "client" | "server";
  /** The address of the side that watched. */
  address?: string;
  /** The time that counts as 0, ms: that of the first message by default. */
  start?: number;
  /** Columns, at least 60. @default {100} */
  width?: number;
  /** Whether to colour by escape sequences. @default {false} */
  color?: boolean;
}

const GUTTER = 12;
const INDENT = "   ";
const COLORS = { request: 36, success: 32, error: 31, empty: 90, again: 33, lost: 31 } as const;
type Kind = keyof typeof COLORS;

/** What one message looks like. */
interface Rung {
  fromClient: boolean;
  head: string;
  details: string[];
  kind: Kind;
  again: boolean;
  lost: boolean;
}

/**
 * Draws messages in their order as text. A message that repeats an earlier one is dashed and says so, one that got
 * lost ends in a cross. Nothing that a peer sends reaches the terminal as a control character.
 */
export function drawLadder(
  messages: Iterable<LadderMessage>,
  options: LadderOptions = {},
): string {
  const { side = "client", width = 100, color = false } = options;
  const byPeer = new Map<string, LadderMessage[]>();
  let start = options.start;
  for (const message of messages) {
    start ??= message.time;
    const known = byPeer.get(message.peer);
    if (known === undefined) byPeer.set(message.peer, [message]);
    else known.push(message);
  }
  const inner = width - GUTTER - 2;
  const lines: string[] = [];
  for (const [peer, group] of byPeer) {
    if (lines.length > 0) lines.push("");
    const names = [options.address, peer].map((name) => name === undefined ? "" : ` ${name}`);
    if (side === "server") names.reverse();
    lines.push(headerLine(`client${names[0]}`, `server${names[1]}`, width));
    const story = new Story();
    for (const message of group) {
      const fromClient = (side === "client") === (message.direction === "out");
      const rung = story.tell(message, fromClient);
      const time = `${(message.time - start!).toFixed(1)} ms`.padStart(GUTTER - 1);
      const drawn = drawRung(rung, inner);
      drawn.forEach((line, i) => {
        const gutter = i === 0 ? time : " ".repeat(GUTTER - 1);
        const text = i === 0 || rung.lost ? paint(line, COLORS[rung.kind], color) : line;
        lines.push(`${paint(gutter, COLORS.empty, color)} │${text}│`);
      });
    }
  }
  return lines.map((line) => `${line}\n`).join("");
}

function headerLine(left: string, right: string, width: number): string {
  const room = width - GUTTER + 1 - columns(left) - columns(right);
  return " ".repeat(GUTTER - 1) + " " + left + " ".repeat(Math.max(room - 1, 2)) + right;
}

function paint(text: string, color: number, wanted: boolean): string {
  return wanted ? `\x1b[${color}m${text}\x1b[0m` : text;
}

/** Follows an exchange, to say what a message means in it. */
class Story {
  readonly #seen = new Map<string, number>();
  readonly #pings = new Set<string>();
  /** Tokens of Confirmable requests and who sent them. */
  readonly #confirmable = new Set<string>();

  tell({ bytes, lost = false, reliable = false }: LadderMessage, fromClient: boolean): Rung {
    const message = reliable ? decodeFrame(bytes, { length: false }) : decode(bytes);
    const rung: Rung = { fromClient, head: "", details: [], kind: "empty", again: false, lost };
    const notes: string[] = [];
    const key = `${fromClient} ${hexOf(bytes)}`;
    const before = reliable ? 0 : this.#seen.get(key) ?? 0;
    this.#seen.set(key, before + 1);
    rung.again = before > 0;
    if (message.error === undefined) {
      if (!reliable) notes.push(...this.#notes(message, fromClient));
      rung.head = headText(message, reliable);
      rung.details.push(...optionTexts(message.options, message.code));
      const payload = payloadText(message.payload);
      if (payload !== undefined) rung.details.push(payload);
      rung.kind = kindOf(message.code);
    } else {
      const { reason, offset } = message.error;
      rung.head = `No message: ${reason} at byte ${offset}`;
      const size = bytes.length === 1 ? "1 byte" : `${bytes.length} bytes`;
      rung.details.push(`${size}: ${hexText(bytes.subarray(0, 64))}`);
      rung.kind = "error";
    }
    if (rung.again) {
      const repeated = message.type === MessageType.Confirmable ? "retransmission" : "repetition";
      notes.splice(0, Infinity, `${repeated} ${before}`);
      rung.kind = "again";
      rung.details = [];
    }
    if (lost) {
      notes.push("lost");
      rung.kind = "lost";
    }
    if (notes.length > 0) rung.head += ` · ${notes.join(", ")}`;
    return rung;
  }

  #notes(message: Message, fromClient: boolean): string[] {
    const { type, id, code } = message;
    if (isPing(message)) {
      this.#pings.add(`${fromClient} ${id}`);
      return ["ping"];
    }
    if (type === MessageType.Reset) {
      return this.#pings.has(`${!fromClient} ${id}`) ? ["pong"] : [];
    }
    if (isRequestCode(code)) {
      const key = `${fromClient} ${hexOf(message.token)}`;
      if (type === MessageType.Confirmable) this.#confirmable.add(key);
      else this.#confirmable.delete(key);
    } else if (isResponseCode(code) && type !== MessageType.Acknowledgement) {
      if (this.#confirmable.has(`${!fromClient} ${hexOf(message.token)}`)) {
        const isState = findOption(message.options, OptionNumber.Observe) !== undefined;
        return [isState ? "notification" : "separate response"];
      }
    }
    return [];
  }
}

function kindOf(code: number): Kind {
  if (code === 0 || code >= Code.CSM && code < Code.Abort) return "empty";
  if (isRequestCode(code)) return "request";
  return isSuccess(code) ? "success" : "error";
}

/** The lines of one message, each of exactly `inner` columns. */
function drawRung(rung: Rung, inner: number): string[] {
  const room = inner - 2 * INDENT.length;
  const head = cut(rung.head, room - 8);
  const details = pack(rung.details, rung.fromClient ? room : room - 8);
  const lines = [drawArrow(rung, head, inner)];
  const block = Math.max(columns(head), ...details.map(columns));
  for (const detail of details) {
    const text = rung.fromClient ? detail : pad(detail, block);
    const line = rung.fromClient
      ? pad(INDENT + text, inner)
      : " ".repeat(inner - columns(text) - INDENT.length) + text + INDENT;
    lines.push(line);
  }
  return lines;
}

function drawArrow({ fromClient, again, lost }: Rung, head: string, inner: number): string {
  const dash = again ? "╌" : "─";
  const shaft = inner - columns(head) - 5;
  // A lost message goes most of the way.
  const gap = lost ? Math.floor(shaft / 3) : 0;
  const tip = lost ? "╳" : fromClient ? "►" : "◄";
  const flight = dash.repeat(shaft - gap);
  return fromClient
    ? `${dash}${dash} ${head} ${flight}${tip}${" ".repeat(gap)}`
    : `${" ".repeat(gap)}${tip}${flight} ${head} ${dash}${dash}`;
}

/** Items in as few lines as possible, none of them broken in two. */
function pack(items: readonly string[], room: number): string[] {
  const lines: string[] = [];
  for (const item of items) {
    const text = cut(item, room);
    const last = lines.at(-1);
    if (last !== undefined && columns(last) + 3 + columns(text) <= room) {
      lines[lines.length - 1] = `${last} · ${text}`;
    } else {
      lines.push(text);
    }
  }
  return lines;
}

const WIDE =
  /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{1f300}-\u{1faff}\u{20000}-\u{3fffd}]/u;
const MARK = /\p{M}/u;

/** Columns that a text takes on a terminal. */
function columns(text: string): number {
  let sum = 0;
  for (const character of text) sum += widthOf(character);
  return sum;
}

function widthOf(character: string): number {
  if (character < "\x7f") return 1;
  return MARK.test(character) ? 0 : WIDE.test(character) ? 2 : 1;
}

function pad(text: string, width: number): string {
  return text + " ".repeat(Math.max(width - columns(text), 0));
}

/** A text that is too long ends in an ellipsis. */
function cut(text: string, room: number): string {
  if (columns(text) <= room) return text;
  let result = "";
  let used = 1;
  for (const character of text) {
    used += widthOf(character);
    if (used > room) break;
    result += character;
  }
  return `${result}…`;
}

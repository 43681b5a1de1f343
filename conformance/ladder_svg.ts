/** The exchange of a case as a ladder diagram: the suite left, its subject right, time downwards. @module */

import { toHex } from "./datagram.ts";
import { MOST_SHOWN, wordsOf } from "./exchange_text.ts";
import type { TraceDatagram } from "./probe.ts";
import { escapeXml as escape } from "./report.ts";

const WIDTH = 880;
const LEFT = 92;
const RIGHT = WIDTH - 24;
const TEXT = LEFT + 18;
const DETAIL_HEIGHT = 16;

/** Characters that fit between the two lifelines. */
const HEAD_LENGTH = 94;
const DETAIL_LENGTH = 106;

const MOST_DETAILS = 12;

/**
 * Draws the exchange of a case. Each arrow has a tooltip with all its bytes.
 *
 * @param peer what stands over the line on the right
 */
export function svgLadder(exchange: readonly TraceDatagram[], peer = "server"): string {
  const drawn = exchange.slice(0, MOST_SHOWN);
  const body: string[] = [];
  let y = 54;
  for (const datagram of drawn) {
    const [svg, height] = arrow(datagram, y);
    body.push(svg);
    y += height;
  }
  if (exchange.length > MOST_SHOWN) {
    body.push(text("more", TEXT, y, `and ${exchange.length - MOST_SHOWN} more`));
    y += 24;
  }
  const end = y - 16;
  const lines = [LEFT, RIGHT].map((x) => `<line x1="${x}" x2="${x}" y1="26" y2="${end}"/>`);
  const names = text("name", LEFT, 16, "suite", "middle") +
    text("name", RIGHT, 16, peer, "end", 6);
  return `<svg class="ladder" viewBox="0 0 ${WIDTH} ${end + 6}" width="${WIDTH}" role="img" ` +
    `aria-label="${exchange.length} datagrams">${names}${lines.join("")}${body.join("")}</svg>`;
}

/** One datagram: its arrow, what it says, and how much room that takes. */
function arrow(datagram: TraceDatagram, top: number): [svg: string, height: number] {
  const { time, direction, socket, bytes, framing } = datagram;
  const { head, details, isMessage } = wordsOf(datagram);
  const shown = details.length <= MOST_DETAILS
    ? details
    : [...details.slice(0, MOST_DETAILS - 1), `and ${details.length - MOST_DETAILS + 1} more`];
  const one = framing === undefined ? "endpoint" : "connection";
  const who = socket === 0 ? "" : ` · ${one} ${socket + 1}`;
  const [from, to, tip] = direction === "sent" ? [LEFT, RIGHT, -8] : [RIGHT, LEFT, 8];
  const lines = shown.map((detail, i) =>
    text("detail", TEXT, top + DETAIL_HEIGHT * (i + 1), cut(detail, DETAIL_LENGTH))
  );
  const svg = `<g class="${direction}${isMessage ? "" : " bad"}">` +
    `<title>${bytes.length} bytes: ${escape(toHex(bytes.subarray(0, 1200)))}</title>` +
    text("time", LEFT - 12, top + 4, `${(time / 1000).toFixed(3)} s`, "end") +
    text("head", TEXT, top - 7, cut(head + who, HEAD_LENGTH)) +
    `<path class="shaft" d="M${from} ${top}H${to}"/>` +
    `<path class="tip" d="M${to} ${top}l${tip} -4.5v9z"/>${lines.join("")}</g>`;
  return [svg, DETAIL_HEIGHT * shown.length + 38];
}

function text(name: string, x: number, y: number, words: string, anchor = "start", dx = 0): string {
  return `<text class="${name}" x="${x + dx}" y="${y}" text-anchor="${anchor}">${
    escape(words)
  }</text>`;
}

function cut(words: string, length: number): string {
  return words.length <= length ? words : `${words.slice(0, length - 1)}…`;
}

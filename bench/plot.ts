/** The targets of a run as an SVG: a bar for each, as a multiple of what was wanted. @module */

import { isReached, type Report, shown } from "./report.ts";

/** What a character takes at most on average, in the widest of the usual fonts. */
const CHARACTER = 7;
const BARS = 370;
const RIGHT = 110;
const LINE = 20;
const HEAD = 30;
const TOP = 44;
/** Longer bars are cut. */
const LONGEST = 4;

function escape(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(
    ">",
    "&gt;",
  );
}

/** Draws a report. */
export function toSvg({ rows }: Report): string {
  const labels = rows.flatMap(({ targets }) => targets.map(({ text }) => text.length));
  const left = Math.max(...labels, 40) * CHARACTER + 20;
  const full = left + BARS + RIGHT;
  const scale = BARS / LONGEST;
  const body: string[] = [];
  let y = TOP;
  for (const { title, targets } of rows) {
    if (targets.length === 0) continue;
    y += HEAD;
    body.push(`<text class="head" x="12" y="${y - 8}">${escape(title)}</text>`);
    for (const target of targets) {
      const { text, ratio, wanted, below, unit = "" } = target;
      const times = below ? wanted / Math.max(ratio, 1e-9) : ratio / wanted;
      const width = Math.max(1, Math.min(times, LONGEST) * scale);
      const kind = isReached(target) ? "reached" : "short";
      const mark = times > LONGEST ? " ▸" : "";
      body.push(
        `<text class="label" x="${left - 8}" y="${y + 14}">${escape(text)}</text>`,
        `<rect class="${kind}" x="${left}" y="${y + 3}" width="${width.toFixed(1)}" height="14"/>`,
        `<text class="value" x="${(left + width + 6).toFixed(1)}" y="${y + 14}">` +
          `${shown(ratio)}${unit}${mark}</text>`,
      );
      y += LINE;
    }
  }
  const height = y + 16;
  const line = left + scale;
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${full} ${height}" font-family="system-ui, sans-serif">
<style>
rect.page { fill: #ffffff } text { font-size: 12px; fill: #1f2430 }
.title { font-size: 15px; font-weight: 600 } .head { font-weight: 600 } .label { text-anchor: end }
.note { fill: #667085; text-anchor: middle } .value { paint-order: stroke; stroke: #ffffff; stroke-width: 4px }
.reached { fill: #2f7d5b } .short { fill: #c2553a }
</style>
<rect class="page" width="${full}" height="${height}"/>
<text class="title" x="12" y="24">What was measured, as a multiple of what was wanted</text>
<line x1="${line}" x2="${line}" y1="${TOP}" y2="${y}" stroke="#98a2b3" stroke-dasharray="3 3"/>
<text class="note" x="${line}" y="${TOP - 5}">wanted</text>
${body.join("\n")}
</svg>
`;
}

/** A run as an SVG: a bar for each target, as a multiple of what was wanted, and for each other ratio. @module */

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
  const labels = rows.flatMap(({ targets, ratios = [] }) =>
    [...targets, ...ratios].map(({ text }) => text.length)
  );
  const left = Math.max(...labels, 40) * CHARACTER + 20;
  const full = left + BARS + RIGHT;
  const scale = BARS / LONGEST;
  const body: string[] = [];
  let y = TOP;
  const bar = (text: string, times: number, kind: string, value: string): void => {
    const width = Math.max(1, Math.min(times, LONGEST) * scale);
    const mark = times > LONGEST ? " ▸" : "";
    body.push(
      `<text class="label" x="${left - 8}" y="${y + 14}">${escape(text)}</text>`,
      `<rect class="${kind}" x="${left}" y="${y + 3}" width="${width.toFixed(1)}" height="14"/>`,
      `<text class="value" x="${(left + width + 6).toFixed(1)}" y="${y + 14}">` +
        `${value}${mark}</text>`,
    );
    y += LINE;
  };
  for (const { title, targets, ratios = [] } of rows) {
    if (targets.length + ratios.length === 0) continue;
    y += HEAD;
    body.push(`<text class="head" x="12" y="${y - 8}">${escape(title)}</text>`);
    for (const target of targets) {
      const { text, ratio, wanted, below, unit = "" } = target;
      const times = below ? wanted / Math.max(ratio, 1e-9) : ratio / wanted;
      bar(text, times, isReached(target) ? "reached" : "short", shown(ratio) + unit);
    }
    for (const { text, ratio } of ratios) bar(text, ratio, "plain", shown(ratio));
  }
  const height = y + 16;
  const line = left + scale;
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${full} ${height}" font-family="system-ui, sans-serif">
<style>
rect.page { fill: #ffffff } text { font-size: 12px; fill: #1f2430 }
.title { font-size: 15px; font-weight: 600 } .head { font-weight: 600 } .label { text-anchor: end }
.note { fill: #667085; text-anchor: middle } .value { paint-order: stroke; stroke: #ffffff; stroke-width: 4px }
.reached { fill: #2f7d5b } .short { fill: #c2553a } .plain { fill: #667085 }
</style>
<rect class="page" width="${full}" height="${height}"/>
<text class="title" x="12" y="24">What was measured, as a multiple of what was wanted; grey: of the other</text>
<line x1="${line}" x2="${line}" y1="${TOP}" y2="${y}" stroke="#98a2b3" stroke-dasharray="3 3"/>
<text class="note" x="${line}" y="${TOP - 5}">wanted</text>
${body.join("\n")}
</svg>
`;
}

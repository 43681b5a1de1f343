/** The report as one HTML page without anything outside it: results by section, exchanges as ladders. @module */

import { wordsOf } from "./exchange_text.ts";
import type { TraceDatagram } from "./probe.ts";
import { bySection, escapeXml as escape, type ReportHead, summaryOf } from "./report.ts";
import { type CaseResult, countOf, type Status } from "./runner.ts";

const STATUSES: readonly Status[] = [
  "passed",
  "failed",
  "skipped",
  "expected-failure",
  "unexpected-pass",
];

const STYLE = `
:root { color-scheme: light dark; --line: #8886; --good: #2e9e4f; --bad: #d43c3c; --dim: #888;
  --odd: #c98a00; font: 15px/1.45 system-ui, sans-serif; }
body { margin: 2rem auto; max-width: 68rem; padding: 0 1rem; }
h1 { font-size: 1.5rem; margin: 0; } h2 { font-size: 1.05rem; margin: 1.6rem 0 .4rem; }
table { border-collapse: collapse; } td, th { padding: .15rem .8rem .15rem 0; text-align: left; }
td + td, th + th { text-align: right; } tr:hover { background: #8881; }
nav { position: sticky; top: 0; background: Canvas; padding: .8rem 0; display: flex; gap: .4rem; flex-wrap: wrap; }
button, input { font: inherit; padding: .2rem .7rem; border: 1px solid var(--line); border-radius: .4rem;
  background: transparent; color: inherit; }
button[aria-pressed=true] { background: #8883; } input { flex: 1; min-width: 10rem; }
details { border-top: 1px solid var(--line); } summary { cursor: pointer; padding: .3rem 0; }
summary b { font-weight: 600; font-family: ui-monospace, monospace; } small { color: var(--dim); }
.passed > summary b { color: var(--good); } .failed > summary b { color: var(--bad); }
.unexpected-pass > summary b { color: var(--bad); } .skipped > summary b { color: var(--dim); }
.expected-failure > summary b { color: var(--odd); }
pre { white-space: pre-wrap; word-break: break-all; background: #8881; padding: .6rem; border-radius: .4rem; }
svg { max-width: 100%; height: auto; } svg text { font: 12px ui-monospace, monospace; fill: currentColor; }
svg .detail { fill: var(--dim); font-size: 11px; } svg line { stroke: var(--line); }
svg path { stroke: currentColor; fill: none; } svg .bad { fill: var(--bad); }
[hidden] { display: none; }`;

const SCRIPT = `
const cases = [...document.querySelectorAll("details.case")];
const buttons = [...document.querySelectorAll("button[data-status]")];
const search = document.querySelector("input");
function filter() {
  const wanted = buttons.filter((b) => b.getAttribute("aria-pressed") === "true").map((b) => b.dataset.status);
  const words = search.value.toLowerCase().split(/\\s+/).filter(Boolean);
  for (const one of cases) {
    const text = one.dataset.text;
    one.hidden = !(wanted.length === 0 || wanted.includes(one.dataset.status)) || !words.every((w) => text.includes(w));
  }
  for (const section of document.querySelectorAll("section")) {
    section.hidden = !section.querySelector("details.case:not([hidden])");
  }
}
for (const button of buttons) button.addEventListener("click", () => {
  button.setAttribute("aria-pressed", String(button.getAttribute("aria-pressed") !== "true"));
  filter();
});
search.addEventListener("input", filter);
const unfold = document.querySelector("#unfold");
unfold.addEventListener("click", () => {
  const open = cases.some((one) => !one.hidden && !one.open);
  for (const one of cases) if (!one.hidden) one.open = open;
});
function reveal() {
  const one = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (one?.matches("details")) one.open = true;
}
addEventListener("hashchange", reveal);
reveal();`;

const WIDTH = 860;
const LEFT = 90;
const RIGHT = WIDTH - 40;

/** More than this is not drawn: the JSON report has everything. */
const MOST_DRAWN = 60;

/** The exchange of a case as a ladder: the suite left, its subject right. */
export function svgLadder(exchange: readonly TraceDatagram[], peer = "server"): string {
  const body: string[] = [];
  let y = 42;
  for (const { time, direction, socket, bytes } of exchange.slice(0, MOST_DRAWN)) {
    const { head, details } = wordsOf(bytes);
    const who = socket === 0 ? "" : ` · endpoint ${socket + 1}`;
    const sent = direction === "sent";
    const bad = head.startsWith("No message") ? ' class="bad"' : "";
    body.push(`<text${bad} x="${LEFT + 14}" y="${y - 5}">${escape(cut(head + who, 100))}</text>`);
    body.push(`<text class="detail" x="0" y="${y + 3}">${(time / 1000).toFixed(3)} s</text>`);
    const [from, to, tip] = sent ? [LEFT, RIGHT, -7] : [RIGHT, LEFT, 7];
    body.push(`<path d="M${from} ${y}H${to}m${tip} -4l${-tip} 4l${tip} 4"/>`);
    for (const detail of details.slice(0, 8)) {
      y += 15;
      body.push(
        `<text class="detail" x="${LEFT + 14}" y="${y}">${escape(cut(detail, 108))}</text>`,
      );
    }
    y += 32;
  }
  if (exchange.length > MOST_DRAWN) {
    const rest = exchange.length - MOST_DRAWN;
    body.push(`<text class="detail" x="${LEFT + 14}" y="${y}">and ${rest} more</text>`);
    y += 20;
  }
  const lines = [LEFT, RIGHT].map((x) => `<line x1="${x}" x2="${x}" y1="20" y2="${y}"/>`).join("");
  const names = `<text x="${LEFT - 16}" y="12">suite</text><text x="${RIGHT - 20}" y="12">${
    escape(peer)
  }</text>`;
  return `<svg viewBox="0 0 ${WIDTH} ${y + 4}" width="${WIDTH}" role="img" ` +
    `aria-label="${exchange.length} datagrams">${names}${lines}${body.join("")}</svg>`;
}

function cut(text: string, length: number): string {
  return text.length <= length ? text : `${text.slice(0, length - 1)}…`;
}

function caseHtml(result: CaseResult, peer: string): string {
  const { id, level, requirement, expectation, status, reason, expected, actual, notes } = result;
  const text = escape(`${id} ${level} ${requirement} ${result.section}`.toLowerCase());
  const parts = [`<p>${escape(expectation)}</p>`];
  if (reason !== undefined) parts.push(`<p>${escape(reason)}</p>`);
  if (notes.length > 0) parts.push(`<p>Seen: ${escape(notes.join("; "))}</p>`);
  if (expected !== undefined) {
    parts.push(`<pre>expected: ${escape(expected)}\nactual:   ${escape(actual ?? "")}</pre>`);
  }
  if (result.exchange.length > 0) parts.push(svgLadder(result.exchange, peer));
  return `<details class="case ${status}" id="${escape(id)}" data-status="${status}" ` +
    `data-text="${text}"><summary><b>${escape(id)}</b> ${escape(requirement)} ` +
    `<small>${level} · ${status}</small></summary>${parts.join("")}</details>`;
}

/** The page. */
export function htmlReport(
  { subject, date }: ReportHead,
  results: readonly CaseResult[],
  peer = "server",
): string {
  const sections = [...bySection(results)];
  const counts = countOf(results);
  const present = STATUSES.filter((status) => counts[status] > 0);
  const rows = sections.map(([section, list], index) => {
    const own = countOf(list);
    const cells = present.map((status) => `<td>${own[status] || ""}</td>`).join("");
    return `<tr><td><a href="#s${index}">${escape(section)}</a></td>${cells}</tr>`;
  });
  const buttons = present.map((status) =>
    `<button type="button" data-status="${status}" aria-pressed="false">${status} ${
      counts[status]
    }</button>`
  );
  const bodies = sections.map(([section, list], index) =>
    `<section id="s${index}"><h2>${escape(section)}</h2>${
      list.map((result) => caseHtml(result, peer)).join("\n")
    }</section>`
  );
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>CoAP conformance of ${escape(subject)}</title><style>${STYLE}</style></head><body>
<h1>CoAP conformance of ${escape(subject)}</h1>
<p>${escape(date)} · ${escape(summaryOf(results))}</p>
<table><thead><tr><th>Section</th>${
    present.map((status) => `<th>${status}</th>`).join("")
  }</tr></thead><tbody>${rows.join("")}</tbody></table>
<nav>${buttons.join("")}<button type="button" id="unfold">unfold</button>
<input type="search" placeholder="Filter by words" aria-label="Filter by words"></nav>
${bodies.join("\n")}
<script>${SCRIPT}</script></body></html>
`;
}

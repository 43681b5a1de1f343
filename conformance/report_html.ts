/** The report as one HTML page without anything outside it: results by section, exchanges as ladders. @module */

import { svgLadder } from "./ladder_svg.ts";
import { bySection, escapeXml as escape, type ReportHead, summaryOf } from "./report.ts";
import { SCRIPT, STYLE } from "./report_page.ts";
import { type CaseResult, countOf, isGood, type Status } from "./runner.ts";

const STATUSES: readonly Status[] = [
  "passed",
  "failed",
  "unexpected-pass",
  "expected-failure",
  "skipped",
];

/** What the statuses are called on the page. */
const NAMES: Readonly<Record<Status, string>> = {
  passed: "passed",
  failed: "failed",
  "unexpected-pass": "passed unexpectedly",
  "expected-failure": "failed as expected",
  skipped: "skipped",
};

const TITLES: Readonly<Record<string, string>> = {
  "RFC 6690": "Link Format",
  "RFC 7252": "The Constrained Application Protocol",
  "RFC 7641": "Observing Resources",
  "RFC 7959": "Block-Wise Transfers",
  "RFC 7967": "No Server Response",
  "RFC 8132": "PATCH and FETCH",
  "RFC 8323": "TCP, TLS, and WebSockets",
  "RFC 8516": "Too Many Requests",
  "RFC 8768": "Hop-Limit",
  "RFC 8974": "Extended Tokens",
  "RFC 9175": "Echo, Request-Tag, and Token Processing",
  "RFC 9177": "Robust Block-Wise Transfers",
  Plugtest: "Interoperability Tests",
};

type Counts = Record<Status, number>;

/** How the results divide, as a bar. */
function bar(counts: Counts): string {
  const parts = STATUSES.filter((status) => counts[status] > 0).map((status) =>
    `<i class="${status}" style="flex:${counts[status]}"></i>`
  );
  return `<span class="bar" aria-hidden="true">${parts.join("")}</span>`;
}

/** The counts that matter in a row of the table: what is bad stands out, what passed is behind a stroke. */
function cells(counts: Counts, present: readonly Status[]): string {
  return present.map((status) => `<td class="${status}">${counts[status] || ""}</td>`).join("");
}

/** `RFC 7252 section 4.2` as `RFC 7252` and `4.2`. */
function partsOf(section: string): [group: string, name: string] {
  const [, group = section, name = section] =
    /^(RFC \d+|Plugtest) (?:section )?(.*)$/.exec(section) ??
      [];
  return [group, name];
}

/** The table of sections: the RFCs, their sections below them. */
function tableOf(sections: ReadonlyMap<string, CaseResult[]>, present: readonly Status[]): string {
  const groups = new Map<string, [id: string, name: string, list: CaseResult[]][]>();
  for (const [index, [section, list]] of [...sections].entries()) {
    const [group, name] = partsOf(section);
    groups.set(group, [...groups.get(group) ?? [], [`s${index}`, name, list]]);
  }
  const bodies = [...groups].map(([group, rows]) => {
    const all = countOf(rows.flatMap(([, , list]) => list));
    const title = TITLES[group];
    const head = `<tr class="group"><th scope="rowgroup"><a href="#${rows[0]![0]}">${
      escape(group)
    }</a>${title === undefined ? "" : ` <small>${escape(title)}</small>`}${bar(all)}</th>${
      cells(all, present)
    }</tr>`;
    const lines = rows.map(([id, name, list]) =>
      `<tr><td><a href="#${id}">${escape(name)}</a></td>${cells(countOf(list), present)}</tr>`
    );
    return `<tbody>${head}${lines.join("")}</tbody>`;
  });
  const heads = present.map((status) =>
    `<th scope="col" class="${status}" title="${NAMES[status]}"><i class="dot ${status}"></i></th>`
  );
  return `<table><thead><tr><th scope="col">Section</th>${heads.join("")}</tr></thead>${
    bodies.join("")
  }</table>`;
}

function caseHtml(result: CaseResult, peer: string): string {
  const { id, level, requirement, expectation, status, reason, expected, actual, notes } = result;
  const { section, exchange, duration } = result;
  const words = escape(`${id} ${level} ${requirement} ${section} ${status}`.toLowerCase());
  const parts = [`<dt>Test</dt><dd>${escape(expectation)}</dd>`];
  if (expected !== undefined) {
    parts.push(`<dt>Expected</dt><dd class="good"><code>${escape(expected)}</code></dd>`);
    parts.push(`<dt>Actual</dt><dd class="wrong"><code>${escape(actual ?? "")}</code></dd>`);
  }
  if (reason !== undefined) {
    parts.push(
      `<dt>${status === "skipped" ? "Skipped" : "Known"}</dt><dd>${escape(reason)}</dd>`,
    );
  }
  if (notes.length > 0) parts.push(`<dt>Seen</dt><dd>${escape(notes.join("; "))}</dd>`);
  if (exchange.length > 0) parts.push(`<dt>Took</dt><dd>${(duration / 1000).toFixed(3)} s</dd>`);
  const ladder = exchange.length === 0 ? "" : svgLadder(exchange, peer);
  return `<details class="case ${status}" id="${escape(id)}" data-status="${status}" ` +
    `data-text="${words}"><summary><i class="dot ${status}" role="img" aria-label="${
      NAMES[status]
    }"></i><b>${escape(id)}</b><span>${escape(requirement)}</span>` +
    `<small class="level ${level}">${level}</small></summary>` +
    `<div class="body"><dl>${parts.join("")}</dl>${ladder}</div></details>`;
}

function sectionHtml(index: number, section: string, list: CaseResult[], peer: string): string {
  const [, rfc, number] = /^RFC (\d+) section (.+)$/.exec(section) ?? [];
  const title = rfc === undefined
    ? escape(section)
    : `<a href="https://www.rfc-editor.org/rfc/rfc${rfc}#section-${number}">${escape(section)}</a>`;
  return `<section id="s${index}"><h2>${title}</h2>${
    list.map((result) => caseHtml(result, peer)).join("\n")
  }</section>`;
}

/** In few words; where something was left out or is known to deviate it is not said to conform. */
function verdictOf(
  results: readonly CaseResult[],
  counts: Readonly<Record<Status, number>>,
): string {
  if (!isGood(results)) return "Does not conform";
  if (counts["expected-failure"] > 0) return "Deviates as it is known to";
  return counts.skipped > 0 ? "Conforms as far as it was tried" : "Conforms";
}

/**
 * The page: a table of sections, and each case with its exchange as a ladder; it is filtered by outcome and by words.
 *
 * @param peer what was judged: it stands over the ladders
 */
export function htmlReport(
  { subject, date }: ReportHead,
  results: readonly CaseResult[],
  peer = "server",
): string {
  const sections = bySection(results);
  const counts = countOf(results);
  const present = STATUSES.filter((status) => counts[status] > 0);
  const buttons = present.map((status) =>
    `<button type="button" class="${status}" data-status="${status}" aria-pressed="false">` +
    `<b>${counts[status]}</b> ${NAMES[status]}</button>`
  );
  const bodies = [...sections].map(([section, list], index) =>
    sectionHtml(index, section, list, peer)
  );
  const title = `CoAP conformance of ${escape(subject)}`;
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>${title}</title><style>${STYLE}</style></head><body>
<header><h1>CoAP conformance of <code>${escape(subject)}</code></h1>
<p><strong class="${isGood(results) ? "good" : "wrong"}">${verdictOf(results, counts)}</strong> · ${
    escape(summaryOf(results))
  } · <time>${escape(date)}</time></p>
${bar(counts)}</header>
<main><aside>${tableOf(sections, present)}</aside>
<div><nav>${buttons.join("")}
<input type="search" placeholder="Filter by words" aria-label="Filter by words">
<button type="button" id="unfold">Unfold</button></nav>
<p id="none" hidden>No case is like that.</p>
${bodies.join("\n")}</div></main>
<script>${SCRIPT}</script></body></html>
`;
}

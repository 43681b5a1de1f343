/** How the HTML report looks, and what it does when it is clicked at. @module */

/** The style sheet: light and dark, wide and narrow. */
export const STYLE: string = `
:root { color-scheme: light dark; --back: light-dark(#fff, #16181d); --soft: light-dark(#f4f5f7, #1e2127);
  --line: light-dark(#d9dce1, #363b45); --text: light-dark(#1c1f24, #e4e6ea); --dim: light-dark(#656c78, #9aa1ad);
  --good: light-dark(#1a7f4b, #4fc583); --bad: light-dark(#c8322f, #ff7a70); --odd: light-dark(#a76a00, #e3ac4a);
  --sent: light-dark(#2b5fc0, #84adff); --gone: light-dark(#aeb4be, #6c7380);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", sans-serif; }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 90rem; padding: 1.6rem 2rem 4rem; background: var(--back); color: var(--text); }
code, summary b, .ladder text { font-family: ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace; }
a { color: inherit; text-decoration: none; } a:hover { text-decoration: underline; }
small { font-size: .82em; color: var(--dim); }
h1 { font-size: 1.5rem; font-weight: 650; margin: 0; } h1 code { font-size: .92em; }
header p { margin: .3rem 0 .9rem; color: var(--dim); }
.good { color: var(--good); } .wrong { color: var(--bad); }
.bar { display: flex; gap: 2px; height: 4px; border-radius: 2px; overflow: hidden; margin-top: .25rem; }
header .bar { height: 9px; border-radius: 5px; }
.bar i, .dot { background: var(--gone); }
i.passed { background: var(--good); } i.failed, i.unexpected-pass { background: var(--bad); }
i.expected-failure { background: var(--odd); }
.dot { display: inline-block; flex: none; width: .68rem; height: .68rem; border-radius: 50%; }
.dot.skipped { background: none; border: 2px solid var(--gone); }
.dot.unexpected-pass { border-radius: 2px; }
main { display: grid; grid-template-columns: 21rem minmax(0, 1fr); gap: 2.2rem; margin-top: 1.2rem; }
aside { position: sticky; top: 0; max-height: 100vh; overflow: auto; padding: .6rem 0; align-self: start;
  scrollbar-width: thin; }
table { border-collapse: collapse; width: 100%; font-size: .88rem; }
th { font-weight: 600; text-align: left; } th small { font-weight: 400; }
td, th { padding: .1rem .4rem; } td:first-child { padding-left: 1.1rem; }
td + td, th + td, thead th + th { text-align: right; width: 2.2rem; font-variant-numeric: tabular-nums; }
tbody tr:hover { background: var(--soft); }
tr.group th { padding-top: .8rem; } tr.group td { vertical-align: bottom; font-weight: 600; }
td.failed, td.unexpected-pass { color: var(--bad); font-weight: 600; } td.expected-failure { color: var(--odd); }
td.passed { color: var(--good); } td.skipped { color: var(--dim); }
nav { position: sticky; top: 0; z-index: 1; display: flex; flex-wrap: wrap; gap: .5rem; padding: .6rem 0;
  background: var(--back); border-bottom: 1px solid var(--line); }
button, input { font: inherit; font-size: .92rem; padding: .22rem .8rem; border: 1px solid var(--line);
  border-radius: 1rem; background: var(--back); color: inherit; }
button { cursor: pointer; } button:hover { background: var(--soft); }
button.passed b { color: var(--good); } button.failed b, button.unexpected-pass b { color: var(--bad); }
button.expected-failure b { color: var(--odd); }
button[aria-pressed=true] { background: var(--soft); border-color: var(--dim); box-shadow: inset 0 0 0 1px var(--dim); }
input { flex: 1; min-width: 9rem; }
h2 { font-size: 1rem; margin: 1.5rem 0 .4rem; scroll-margin-top: 3.6rem; }
section { scroll-margin-top: 2.8rem; }
details { border: 1px solid var(--line); margin-top: -1px; scroll-margin-top: 3.6rem; }
details.failed, details.unexpected-pass { border-left: 3px solid var(--bad); }
summary { cursor: pointer; display: flex; gap: .8rem; align-items: baseline; padding: .4rem .8rem; list-style: none; }
summary::-webkit-details-marker { display: none; }
summary:hover { background: var(--soft); } details[open] > summary { border-bottom: 1px solid var(--line); }
summary .dot { align-self: center; } summary b { font-weight: 600; font-size: .88rem; white-space: nowrap; min-width: 7.4rem; }
summary span { flex: 1; } .skipped > summary span { color: var(--dim); }
.level { border: 1px solid var(--line); border-radius: .3rem; padding: 0 .4rem; white-space: nowrap; }
.level.MUST { color: var(--text); font-weight: 600; }
.body { padding: .5rem .8rem 1rem; }
dl { display: grid; grid-template-columns: 5rem minmax(0, 1fr); gap: .15rem .6rem; margin: .2rem 0 .8rem; }
dt { color: var(--dim); font-size: .88rem; } dd { margin: 0; overflow-wrap: anywhere; }
dd code { font-size: .84rem; }
.ladder { display: block; max-width: 100%; height: auto; background: var(--soft); border-radius: .5rem;
  padding: .6rem .4rem; }
.ladder text { font-size: 12.5px; fill: var(--text); } .ladder .name { fill: var(--dim); }
.ladder .time { font-size: 11px; fill: var(--dim); } .ladder .detail, .ladder .more { font-size: 11.5px; fill: var(--dim); }
.ladder line { stroke: var(--line); stroke-width: 2; } .ladder .shaft { fill: none; stroke-width: 1.4; }
.sent .shaft { stroke: var(--sent); } .sent .tip { fill: var(--sent); } .sent .head { fill: var(--sent); }
.received .shaft { stroke: var(--text); } .received .tip { fill: var(--text); }
.ladder .bad .shaft { stroke-dasharray: 5 3; } .ladder g:hover .shaft { stroke-width: 2.4; }
[hidden] { display: none !important; }
@media (max-width: 62rem) { body { padding: 1rem; } main { display: block; }
  aside { position: static; max-height: none; } summary { flex-wrap: wrap; } summary span { flex-basis: 100%; order: 1; } }
@media print { nav { display: none; } aside { position: static; max-height: none; } }`;

/** Filters by outcome and words, unfolds, and opens what the address names. */
export const SCRIPT: string = `
const cases = [...document.querySelectorAll("details.case")];
const sections = [...document.querySelectorAll("section")];
const buttons = [...document.querySelectorAll("button[data-status]")];
const search = document.querySelector("input");
const unfold = document.querySelector("#unfold");
const shown = () => cases.filter((one) => !one.hidden);
const isPressed = (button) => button.getAttribute("aria-pressed") === "true";
function label() {
  unfold.textContent = shown().some((one) => !one.open) ? "Unfold" : "Fold";
}
function filter() {
  const wanted = buttons.filter(isPressed).map((button) => button.dataset.status);
  const words = search.value.toLowerCase().split(/\\s+/).filter(Boolean);
  for (const one of cases) {
    const { status, text } = one.dataset;
    one.hidden = !(wanted.length === 0 || wanted.includes(status)) || !words.every((word) => text.includes(word));
  }
  for (const section of sections) section.hidden = !section.querySelector("details.case:not([hidden])");
  document.querySelector("#none").hidden = shown().length > 0;
  label();
}
for (const button of buttons) button.addEventListener("click", () => {
  button.setAttribute("aria-pressed", String(!isPressed(button)));
  filter();
});
search.addEventListener("input", filter);
unfold.addEventListener("click", () => {
  const open = shown().some((one) => !one.open);
  for (const one of shown()) one.open = open;
  label();
});
for (const one of cases) one.addEventListener("toggle", label);
function reveal() {
  const one = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (one?.hidden) {
    for (const button of buttons) button.setAttribute("aria-pressed", "false");
    search.value = "";
    filter();
  }
  if (one?.matches("details")) one.open = true;
  one?.scrollIntoView();
}
addEventListener("hashchange", reveal);
reveal();`;

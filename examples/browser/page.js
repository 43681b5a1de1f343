/** Observes a resource over coap+ws and shows its states. @module */

import { CoAPClient } from "@x/coap";
import { Chart } from "./chart.js";

/** How long to wait before a lost observation is begun again, ms. */
const AGAIN = 2000;

const $ = (id) => document.getElementById(id);
const chart = new Chart($("chart"));
const client = new CoAPClient();
let leave = new AbortController();
let latest;
let count = 0;

const scheme = location.protocol === "https:" ? "coaps+ws" : "coap+ws";
$("uri").value = new URLSearchParams(location.search).get("uri") ??
  `${scheme}://${location.host}/temperature`;

$("form").addEventListener("submit", (event) => {
  event.preventDefault();
  observe($("uri").value);
});
observe($("uri").value);

async function observe(uri) {
  leave.abort();
  const { signal } = leave = new AbortController();
  chart.clear();
  count = 0;
  while (!signal.aborted) {
    show("connecting", "Connecting");
    try {
      for await (const state of client.observe(uri, { signal })) {
        if (!state.ok) throw new Error(`${state.codeText} ${state.text()}`);
        take(Number(state.text()));
        if (!state.observed) throw new Error("The resource can not be observed");
        latest = state;
        show("live", "Live");
      }
    } catch (error) {
      if (signal.aborted) return;
      latest = undefined;
      show("over", `${error.message}. Trying again`);
    }
    await new Promise((resolve) => setTimeout(resolve, AGAIN));
  }
}

// Where Max-Age has passed, notifications may have been lost.
setInterval(() => {
  if (latest?.isFresh === false) show("stale", "Late");
}, 1000);

function take(value) {
  if (!Number.isFinite(value)) throw new Error("The resource has no number");
  chart.add(Date.now(), value);
  const values = chart.points.map((point) => point.value);
  const mean = values.reduce((sum, one) => sum + one, 0) / values.length;
  $("value").value = value.toFixed(1);
  $("lowest").textContent = Math.min(...values).toFixed(1);
  $("mean").textContent = mean.toFixed(1);
  $("highest").textContent = Math.max(...values).toFixed(1);
  $("count").textContent = `${++count} notification${count === 1 ? "" : "s"}`;
  document.title = `${value.toFixed(1)} °C`;
}

function show(state, text) {
  $("status").dataset.state = state;
  $("status").textContent = text;
}

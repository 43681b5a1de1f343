import { describe, it } from "node:test";
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { assertEquals } from "@std/assert";
import { inPath } from "../scripts/runtimes.mjs";
import { judgeInMemory } from "../testing/conformance_harness.ts";
import { spoil } from "../testing/mutants.ts";
import { SERVER_MUTANTS } from "../testing/server_mutants.ts";
import { htmlReport } from "./report_html.ts";
import { SERVER_CASES } from "./server_cases.ts";

const chromium = ["chromium", "chromium-browser", "google-chrome"].map((name) => inPath(name))
  .find((path) => path !== undefined);
const required = process.env.COAP_REQUIRE_PEERS === "1" && process.platform === "linux";
const skip = chromium === undefined && !required ? "chromium is not in PATH" : false;

/** What a user does with the page, and what there is to see then. */
const VISIT = `<script>{
const shown = () => [...document.querySelectorAll("details.case")].filter((one) => one.offsetHeight > 0);
const rows = [...document.querySelectorAll("tbody tr")].filter((one) => one.offsetHeight > 0);
const seen = { rows: rows.map((one) => one.innerText.split(/\\s+/).filter(Boolean).join(" ")), cases: shown().length };
seen.sections = [...document.querySelectorAll("section")].filter((one) => one.offsetHeight > 0).length;
document.querySelector("button[data-status=failed]").click();
seen.failed = shown().map((one) => one.id);
const [first] = shown();
const folded = first.offsetHeight;
first.querySelector("summary").click();
seen.open = first.open;
const svg = first.querySelector("svg");
seen.grown = first.offsetHeight > folded + svg.getBoundingClientRect().height;
seen.ladder = [...svg.querySelectorAll("g")].map((one) => one.getAttribute("class") + ": " +
  [...one.querySelectorAll("text")].map((text) => text.textContent.replaceAll(/\\d/g, "0")).join(", "));
seen.inside = [...svg.querySelectorAll("text")].every((text) => {
  const { left, right } = text.getBoundingClientRect(), box = svg.getBoundingClientRect();
  return left >= box.left && right <= box.right;
});
seen.verdict = first.querySelector(".good").innerText + " / " + first.querySelector(".wrong").innerText;
document.querySelector("button[data-status=failed]").click();
const search = document.querySelector("input");
const find = (words) => {
  search.value = words;
  search.dispatchEvent(new Event("input"));
  return shown().map((one) => one.id);
};
seen.none = [find("no such words").length, document.querySelector("#none").offsetHeight > 0];
seen.found = find("ping");
document.querySelector("#unfold").click();
seen.unfolded = shown().every((one) => one.open);
document.documentElement.dataset.seen = JSON.stringify(seen);
}</script></body>`;

/** The page's DOM after its scripts have run. */
function visit(file: string, profile: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const args = ["--headless", "--no-sandbox", "--disable-gpu", `--user-data-dir=${profile}`];
    const child = spawn(chromium!, [...args, "--dump-dom", `file://${file}`], {
      stdio: ["ignore", "pipe", "ignore"],
      timeout: 60_000,
      killSignal: "SIGKILL",
    });
    let output = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => output += text);
    child.on("error", reject);
    child.on("close", () => resolve(output));
  });
}

describe("the HTML report in a browser", () => {
  it("renders, filters and unfolds", { skip }, async () => {
    const pings = SERVER_CASES.filter(({ id }) => id === "CORE_31" || id === "CORE_01");
    const mutant = SERVER_MUTANTS.find(({ caughtBy }) => caughtBy.includes("7252-4.2-2"))!;
    const broken = SERVER_CASES.find(({ id }) => id === "7252-4.2-2")!;
    const results = [
      ...await Promise.all(pings.map((one) => judgeInMemory(one))),
      await judgeInMemory(broken, spoil(mutant)),
    ];
    const html = htmlReport({ subject: "a server", date: "today" }, results);
    const folder = mkdtempSync(join(tmpdir(), "coap-report-"));
    try {
      const file = join(folder, "report.html");
      writeFileSync(file, html.replace("</body>", VISIT));
      const dom = await visit(file, join(folder, "profile"));
      const [, text = "{}"] = /data-seen="([^"]*)"/.exec(dom) ?? [];
      assertEquals(JSON.parse(text.replaceAll("&quot;", '"')), {
        rows: [
          "Plugtest Interoperability Tests 2",
          "CORE 2",
          "RFC 7252 The Constrained Application Protocol 1",
          "4.2 1",
        ],
        cases: 3,
        sections: 2,
        failed: ["7252-4.2-2"],
        open: true,
        grown: true,
        ladder: ["sent: 0.000 s, CON Empty id 0000", "received: 0.000 s, ACK Empty id 0000"],
        inside: true,
        verdict: "Reset 70001234 / ACK 0.00 id 1234 token none options [] payload 0: 60001234",
        none: [0, true],
        found: ["CORE_31", "7252-4.2-2"],
        unfolded: true,
      });
    } finally {
      rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
    }
  });
});

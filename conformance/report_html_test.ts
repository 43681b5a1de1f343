import { describe, it } from "node:test";
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { assertEquals } from "@std/assert";
import { inPath } from "../scripts/runtimes.mjs";
import { judgeInMemory } from "../testing/conformance_harness.ts";
import { MUTANTS, spoil } from "../testing/mutants.ts";
import { htmlReport } from "./report_html.ts";
import { SERVER_CASES } from "./server_cases.ts";

const chromium = ["chromium", "chromium-browser", "google-chrome"].map((name) => inPath(name))
  .find((path) => path !== undefined);
const required = process.env.COAP_REQUIRE_PEERS === "1" && process.platform === "linux";
const skip = chromium === undefined && !required ? "chromium is not in PATH" : false;

/** What a user does with the page, and what there is to see then. */
const VISIT = `<script>{
const shown = () => [...document.querySelectorAll("details.case")].filter((one) => one.offsetHeight > 0);
const seen = { rows: document.querySelectorAll("tbody tr").length, cases: shown().length };
document.querySelector("button[data-status=failed]").click();
seen.failed = shown().map((one) => one.id);
const [first] = shown();
const folded = first.offsetHeight;
first.querySelector("summary").click();
seen.open = first.open;
const svg = first.querySelector("svg");
seen.grown = first.offsetHeight > folded + svg.getBoundingClientRect().height;
seen.arrows = svg.querySelectorAll("path").length > 0;
document.querySelector("button[data-status=failed]").click();
const search = document.querySelector("input");
search.value = "ping";
search.dispatchEvent(new Event("input"));
seen.found = shown().map((one) => one.id);
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
    const mutant = MUTANTS.find(({ caughtBy }) => caughtBy === "7252-4.2-2")!;
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
        rows: 2,
        cases: 3,
        failed: ["7252-4.2-2"],
        open: true,
        grown: true,
        arrows: true,
        found: ["CORE_31", "7252-4.2-2"],
        unfolded: true,
      });
    } finally {
      rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
    }
  });
});

/** Reports of the conformance suite that are kept: in the folder that COAP_REPORTS names. @module */

import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { jsonReport, junitReport, tapReport, textReport } from "../conformance/report.ts";
import { htmlReport } from "../conformance/report_html.ts";
import type { CaseResult } from "../conformance/runner.ts";

const RUNTIME = process.versions.bun ? "bun" : process.versions.deno ? "deno" : "node";

/** Writes all reports of a run, where a folder is named for them: `name-runtime.html` and others. */
export function keepReports(
  name: string,
  subject: string,
  results: readonly CaseResult[],
  peer?: string,
): void {
  const folder = process.env.COAP_REPORTS;
  if (folder === undefined || folder === "") return;
  const head = { subject, date: new Date().toISOString() };
  const reports = {
    txt: textReport(head, results),
    json: jsonReport(head, results),
    xml: junitReport(head, results),
    tap: tapReport(results),
    html: htmlReport(head, results, peer),
  };
  mkdirSync(folder, { recursive: true });
  for (const [extension, text] of Object.entries(reports)) {
    writeFileSync(join(folder, `${name}-${RUNTIME}.${extension}`), text);
  }
}

import { describe, it } from "node:test";
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { parseJunit } from "../scripts/junit.ts";
import { jsonReport, junitReport, tapReport, textReport } from "./report.ts";
import { htmlReport } from "./report_html.ts";
import type { CaseResult, Status } from "./runner.ts";

const HEAD = { subject: "coap://<host>", date: "2026-01-02T03:04:05.000Z" };

function result(id: string, status: Status): CaseResult {
  return {
    id,
    section: "RFC 7252 section 4.2",
    level: "MUST",
    requirement: 'Ping <b>"&"</b>',
    expectation: "40 00 12 34 → 70 00 12 34",
    status,
    notes: [],
    duration: 12,
    exchange: [
      { time: 0, direction: "sent", socket: 0, peer: "h:1", bytes: Uint8Array.of(0x40, 0, 1, 2) },
      {
        time: 5,
        direction: "received",
        socket: 0,
        peer: "h:1",
        bytes: Uint8Array.of(0x60, 0, 1, 2),
      },
    ],
    ...(status === "failed" && { expected: "RST", actual: "ACK\u0001 60000102" }),
    ...((status === "skipped" || status === "expected-failure") && { reason: "known # so" }),
  };
}

const RESULTS = [
  result("a-1", "passed"),
  result("a-2", "failed"),
  result("a-3", "skipped"),
  result("a-4", "expected-failure"),
];

describe("reports", () => {
  it("the text shows what was expected and the exchange of what failed", () => {
    const text = textReport(HEAD, RESULTS);
    assertMatch(text, /✗ a-2 +MUST +Ping/);
    assertStringIncludes(text, "expected  RST");
    assertStringIncludes(text, "→ CON 0.00 id 0102");
    assertStringIncludes(text, "4 cases, 1 passed, 1 failed, 1 failed as expected, 1 skipped");
    assertStringIncludes(text, "1 skipped: known # so\nfailed: a-2\n");
  });

  it("the text has colours where it is to have them", () => {
    assert(!textReport(HEAD, RESULTS).includes("\x1b"));
    const colored = textReport(HEAD, RESULTS, { color: true });
    assertStringIncludes(colored, "\x1b[31m✗ a-2        \x1b[0m");
    // deno-lint-ignore no-control-regex
    const plain = colored.replaceAll(/\x1b\[\d+m/g, "");
    assertEquals(plain, textReport(HEAD, RESULTS));
  });

  it("shows the beginning of an exchange without end, and says how much is left out", () => {
    const [failed] = RESULTS.filter(({ status }) => status === "failed");
    const flood = { ...failed!, exchange: Array(1000).fill(failed!.exchange[0]!) };
    for (const write of [textReport, junitReport, htmlReport]) {
      const text = write(HEAD, [flood]);
      assertStringIncludes(text, "and 940 more");
      assert(text.length < 50_000, `${text.length}`);
    }
    assertEquals(JSON.parse(jsonReport(HEAD, [flood])).cases[0].exchange.length, 1000);
  });

  it("JSON has every byte", () => {
    const report = JSON.parse(jsonReport(HEAD, RESULTS));
    assertEquals([report.good, report.counts.failed], [false, 1]);
    assertEquals(report.cases[0].exchange[1].bytes, "60000102");
  });

  it("JUnit XML is read as what it says", () => {
    const xml = junitReport(HEAD, RESULTS);
    const { passed, failed, skipped } = parseJunit(xml);
    assertEquals([passed.length, failed.length, skipped.length], [1, 1, 2]);
    assert(!xml.includes("\u0001"));
  });

  it("TAP numbers all and says what is left out", () => {
    const lines = tapReport(RESULTS).split("\n");
    assertEquals(lines[1], "1..4");
    assertMatch(lines[2]!, /^ok 1 - a-1/);
    assertMatch(lines[3]!, /^not ok 2 - a-2/);
    assert(lines.some((line) => /^ok 3 .* # SKIP known \\# so$/.test(line)));
    assert(lines.some((line) => /^not ok 4 .* # TODO /.test(line)));
  });

  it("HTML holds nothing from outside and escapes what it shows", () => {
    const html = htmlReport(HEAD, RESULTS);
    // Links that somebody may follow are no part of the page.
    assert(!/(?:src|href)="(?!#|https:\/\/www\.rfc-editor\.org\/rfc\/)|@import|url\(/.test(html));
    assert(!/<link|<img|<script src/.test(html));
    assert(!html.includes('<b>"&"</b>'));
    assertEquals(html.match(/<svg /g)?.length, RESULTS.length);
  });
});

import { describe, it } from "node:test";
import { assertEquals } from "@std/assert";
import { parseJunit } from "./junit.ts";

const EXPECTED_FAILURE = { name: "outer > bad", text: 'Error: <x> & "y"\n  at a' };

describe("parseJunit", () => {
  it("reads a report of Deno, where a group is a test beside its steps", () => {
    const report = parseJunit(`<?xml version="1.0" encoding="UTF-8"?>
<testsuites name="deno test" tests="6" failures="2" errors="0" time="0.020">
  <testsuite name="./a_test.ts" tests="2" disabled="0" errors="0" failures="1">
    <testcase name="outer" classname="./a_test.ts" time="0.008" line="2" col="1">
      <failure message="1 test step failed">1 test step failed.</failure>
    </testcase>
    <testcase name="lone" classname="./a_test.ts" time="0.000" line="5" col="1">
    </testcase>
  </testsuite>
  <testsuite name="ext:deno_node/testing.ts" tests="4" disabled="1" errors="0" failures="1">
    <testcase name="outer &gt; inner" classname="x" time="0.001" line="1" col="2">
    </testcase>
    <testcase name="outer &gt; inner &gt; ok" classname="x" time="0.001" line="1" col="2">
    </testcase>
    <testcase name="outer &gt; none" classname="x" time="0.000" line="1" col="2">
      <skipped/>
    </testcase>
    <testcase name="outer &gt; bad" classname="x" time="0.001" line="1" col="2">
      <failure message="Uncaught">Error: &lt;x&gt; &amp; &quot;y&quot;
  at a</failure>
    </testcase>
  </testsuite>
</testsuites>`);
    assertEquals(report, {
      passed: ["lone", "outer > inner > ok"],
      failed: [EXPECTED_FAILURE],
      skipped: [{ name: "outer > none" }],
    });
  });

  it("counts a group of Deno that failed by itself", () => {
    const report = parseJunit(`<testsuite name="./a_test.ts">
      <testcase name="outer"><failure message="Hook">Hook failed</failure></testcase>
    </testsuite><testsuite name="ext:deno_node/testing.ts">
      <testcase name="outer &gt; ok"></testcase></testsuite>`);
    assertEquals(report.failed, [{ name: "outer", text: "Hook failed" }]);
    assertEquals(report.passed, ["outer > ok"]);
  });

  it("reads a report of Bun, with a suite per file and empty elements", () => {
    const report = parseJunit(`<testsuites name="bun test" tests="4">
  <testsuite name="lib/a_test.ts" file="lib/a_test.ts" tests="4" hostname="h">
    <testsuite name="outer" file="lib/a_test.ts" line="2" tests="3">
      <testcase name="ok" classname="outer" time="0.1" file="lib/a_test.ts" assertions="0" />
      <testcase name="none" classname="outer" time="0">
        <skipped />
      </testcase>
      <testcase name="bad" classname="outer" time="0.0003">
        <failure type="Error" message="&lt;x&gt;">Error: &lt;x&gt; &amp; &quot;y&quot;&#10;  at a</failure>
      </testcase>
    </testsuite>
    <testcase name="lone" classname="" time="0.00002" />
  </testsuite>
</testsuites>`);
    assertEquals(report, {
      passed: ["outer > ok", "lone"],
      failed: [EXPECTED_FAILURE],
      skipped: [{ name: "outer > none" }],
    });
  });

  it("reads a report of Node, with reasons and unescaped brackets", () => {
    const report = parseJunit(`<?xml version="1.0" encoding="utf-8"?>
<testsuites>
  <testsuite name="outer" time="0.003" tests="4" failures="1" skipped="2">
    <testsuite name="inner" time="0.003" tests="1">
      <testcase name="ok" time="0.0006" classname="inner" file="/a_test.ts"/>
    </testsuite>
    <testcase name="none" time="0.0001" classname="outer">
      <skipped type="skipped" message="no peer"/>
    </testcase>
    <testcase name="why" time="0.0001" classname="outer">
      <skipped type="skipped" message="true"/>
    </testcase>
    <testcase name="bad" time="0.0007" classname="outer" failure="boom &lt;x>">
      <failure type="testCodeFailure" message="boom &lt;x>">
Error: &lt;x> &amp; "y"
  at a
      </failure>
    </testcase>
  </testsuite>
  <testcase name="lone" time="0.00009" classname="test"/>
  <!-- <testcase name="no"/> -->
</testsuites>`);
    assertEquals(report, {
      passed: ["outer > inner > ok", "lone"],
      failed: [EXPECTED_FAILURE],
      skipped: [{ name: "outer > none", reason: "no peer" }, { name: "outer > why" }],
    });
  });

  it("keeps the message of a failure without text", () => {
    assertEquals(parseJunit('<testcase name="a"><failure message="m"/></testcase>').failed, [
      { name: "a", text: "m" },
    ]);
  });
});

/** Reads the JUnit reports that Deno, Bun and Node write. @module */

/** A test that did not run. */
export interface Skipped {
  /** The names from the outermost `describe` to the test, joined by " > ". */
  name: string;
  /** Why, where the runner tells; Deno and Bun do not. */
  reason?: string;
}

/** A test that failed. */
export interface Failure {
  /** The names from the outermost `describe` to the test, joined by " > ". */
  name: string;
  /** Message and stack. */
  text: string;
}

/** What a report says. */
export interface Report {
  passed: string[];
  failed: Failure[];
  skipped: Skipped[];
}

const ENTITIES: Record<string, string> = { lt: "<", gt: ">", quot: '"', apos: "'", amp: "&" };

function unescapeXml(text: string): string {
  return text.replace(/&(?:#x([0-9a-f]+)|#(\d+)|(\w+));/gi, (all, hex, decimal, name) => {
    if (name !== undefined) return ENTITIES[name] ?? all;
    return String.fromCodePoint(hex === undefined ? Number(decimal) : parseInt(hex, 16));
  });
}

function attribute(tag: string, name: string): string | undefined {
  const match = new RegExp(`\\s${name}="([^"]*)"`).exec(tag);
  return match === null ? undefined : unescapeXml(match[1]!);
}

/**
 * Reads a JUnit report. Groups are not counted: Deno reports a `describe` as a test beside its steps, Node and Bun
 * nest the suites. A group that failed by itself, in a hook, counts as a failure.
 */
export function parseJunit(xml: string): Report {
  const cases: { name: string; failure?: string; skipped?: string | true }[] = [];
  const suites: string[] = [];
  let current: typeof cases[number] | undefined;
  let textFrom = 0;
  const tags =
    /<!--[\s\S]*?-->|<(\/?)(testsuites|testsuite|testcase|failure|error|skipped)\b((?:[^>"]|"[^"]*")*?)(\/?)>/g;
  for (let tag = tags.exec(xml); tag !== null; tag = tags.exec(xml)) {
    const [, closing, kind, attributes = "", empty] = tag;
    if (kind === undefined) continue;
    if (kind === "testsuite") {
      if (closing) suites.pop();
      else if (!empty) suites.push(attribute(attributes, "name") ?? "");
    } else if (kind === "testcase") {
      if (closing) {
        current = undefined;
        continue;
      }
      const name = attribute(attributes, "name") ?? "";
      // Deno and Bun have a suite per file, which is no part of the name.
      const groups = suites.filter((suite) => !/\.[mc]?[jt]s(#\S*)?$/.test(suite));
      current = { name: [...groups, name].join(" > ") };
      cases.push(current);
      if (empty) current = undefined;
    } else if (current !== undefined && (kind === "failure" || kind === "error")) {
      if (closing) {
        current.failure = unescapeXml(xml.slice(textFrom, tag.index).trim()) || current.failure;
      } else {
        current.failure = attribute(attributes, "message") ?? "";
        textFrom = tags.lastIndex;
      }
    } else if (current !== undefined && kind === "skipped" && !closing) {
      const message = attribute(attributes, "message");
      current.skipped = message === undefined || message === "true" ? true : message;
    }
  }
  return sort(cases);
}

function sort(
  cases: { name: string; failure?: string; skipped?: string | true }[],
): Report {
  const groups = new Set<string>();
  for (const { name } of cases) {
    for (let at = name.indexOf(" > "); at !== -1; at = name.indexOf(" > ", at + 1)) {
      groups.add(name.slice(0, at));
    }
  }
  const report: Report = { passed: [], failed: [], skipped: [] };
  for (const { name, failure, skipped } of cases) {
    if (failure !== undefined) {
      if (groups.has(name) && /^\d+ test steps? failed/.test(failure)) continue;
      report.failed.push({ name, text: failure });
    } else if (groups.has(name)) continue;
    else if (skipped === undefined) report.passed.push(name);
    else report.skipped.push(skipped === true ? { name } : { name, reason: skipped });
  }
  return report;
}

/** Rules that the sources obey: who may import whom, and what stays out of the pure layers. @module */

import { dirname, join } from "node:path/posix";
import { type Token, tokenize } from "./tokens.ts";

/** Layers, and the layers each may import besides itself. The leaves are the files of `lib/` itself. */
const ARROWS: Record<string, readonly string[]> = {
  leaf: [],
  wire: ["leaf"],
  engine: ["leaf", "wire"],
  transport: ["leaf"],
  endpoint: ["leaf", "wire", "engine", "transport"],
  component: ["leaf", "wire", "engine", "endpoint"],
  conformance: ["leaf", "wire", "engine", "transport", "endpoint", "component", "face"],
  face: ["leaf", "wire", "engine", "transport", "endpoint", "component"],
};

/** Single files that may import what their layer may not. */
const EXCEPTIONS: Record<string, string> = {
  "lib/transport/tcp.ts": "lib/wire/frame.ts", // where a frame ends
};

/** The layers that get time and randomness as arguments and do no input and output. */
const PURE = new Set(["wire", "engine"]);

const IMPURE = new Set([
  "Date",
  "EventTarget",
  "async",
  "await",
  "crypto",
  "performance",
  "queueMicrotask",
  "setImmediate",
  "setInterval",
  "setTimeout",
]);

/** A rule that a file breaks. */
export interface Violation {
  path: string;
  line: number;
  text: string;
}

/** What a module imports. */
export interface Import {
  specifier: string;
  line: number;
  /** Whether the runtime sees it, too. */
  runtime: boolean;
}

/** The imports of a module: static, re-exported, dynamic, and in types. */
export function findImports(tokens: readonly Token[]): Import[] {
  const found: Import[] = [];
  for (let i = 0; i < tokens.length; i++) {
    const { kind, text, line } = tokens[i]!;
    if (kind !== "word" || (text !== "import" && text !== "export")) continue;
    if (tokens[i - 1]?.text === ".") continue;
    const next = tokens[i + 1];
    if (text === "import" && next?.text === "(") {
      const specifier = tokens[i + 2];
      found.push({
        specifier: specifier?.kind === "string" ? specifier.text : "",
        line,
        runtime: true,
      });
    } else if (text === "import" && next?.kind === "string") {
      found.push({ specifier: next.text, line, runtime: true });
    } else {
      const from = findFrom(tokens, i);
      // `import type from "x"` imports a value of that name.
      const isType = next?.text === "type" && tokens[i + 2]?.text !== "from";
      if (from !== undefined) found.push({ specifier: from.text, line, runtime: !isType });
    }
  }
  return found;
}

/** The specifier of the import or export clause that starts at `start`, if it is one with `from`. */
function findFrom(tokens: readonly Token[], start: number): Token | undefined {
  for (let i = start + 1; i < tokens.length; i++) {
    const { kind, text } = tokens[i]!;
    if (kind === "word" && text === "from" && tokens[i + 1]?.kind === "string") {
      return tokens[i + 1];
    }
    const inClause = kind === "word" || text === "{" || text === "}" || text === "," ||
      text === "*" ||
      kind === "string"; // names may be strings
    if (!inClause) return undefined;
    if (
      kind === "word" &&
      /^(?:class|const|let|var|function|interface|abstract|async|enum|declare|namespace)$/.test(
        text,
      ) &&
      tokens[i - 1]?.text === tokens[start]!.text
    ) return undefined;
  }
  return undefined;
}

/** The layer of a published file. */
function layerOf(path: string): string {
  const [top, folder, rest] = path.split("/");
  if (top === "mod.ts") return "face";
  if (top !== "lib") return top!;
  return rest === undefined ? "leaf" : folder!;
}

function checkImports(path: string, tokens: readonly Token[]): Violation[] {
  const violations: Violation[] = [];
  const layer = layerOf(path);
  for (const { specifier, line, runtime } of findImports(tokens)) {
    const refuse = (text: string): void => void violations.push({ path, line, text });
    if (!/^\.\.?\//.test(specifier)) {
      if (runtime) refuse(`Runtime import of "${specifier}" in a published file`);
      else if (!specifier.startsWith("node:")) refuse(`Import of the package "${specifier}"`);
      continue;
    }
    const target = join(dirname(path), specifier);
    const targetLayer = layerOf(target);
    if (target.endsWith("_test.ts") || ARROWS[targetLayer] === undefined) {
      refuse(`Import of "${target}", which is not published`);
    } else if (ARROWS[layer] === undefined) {
      refuse(`Unknown layer "${layer}"`);
    } else if (
      targetLayer !== layer && !ARROWS[layer].includes(targetLayer) && EXCEPTIONS[path] !== target
    ) {
      refuse(`${layer} may not import ${targetLayer} ("${target}")`);
    }
  }
  return violations;
}

function checkPurity(path: string, tokens: readonly Token[]): Violation[] {
  if (!PURE.has(layerOf(path))) return [];
  const violations: Violation[] = [];
  for (const [i, { kind, text, line }] of tokens.entries()) {
    if (kind !== "word") continue;
    if (IMPURE.has(text)) violations.push({ path, line, text: `"${text}" in ${layerOf(path)}` });
    // Math by any other use than its other members would let random through.
    if (text === "Math" && (tokens[i + 1]?.text !== "." || tokens[i + 2]?.text === "random")) {
      violations.push({ path, line, text: `"Math.random" in ${layerOf(path)}` });
    }
  }
  return violations;
}

/** The public face holds export lists in the order of their modules; `deno fmt` sorts the names in each. */
function checkFace(path: string, tokens: readonly Token[]): Violation[] {
  if (layerOf(path) !== "face") return [];
  const violations: Violation[] = [];
  let previous = "";
  for (let start = 0; start < tokens.length;) {
    const semicolon = tokens.findIndex(({ text }, at) => at > start && text === ";");
    const end = semicolon === -1 ? tokens.length : semicolon;
    const statement = tokens.slice(start, end);
    const { line, text: keyword } = tokens[start]!;
    const [from, ...more] = findImports(statement);
    start = end + 1;
    if (keyword !== "export" || from === undefined || more.length > 0) {
      violations.push({ path, line, text: "Something other than an export list" });
      continue;
    }
    if (statement.some(({ kind, text }) => kind === "punctuation" && text === "*")) {
      violations.push({ path, line, text: "Export of everything instead of a list" });
    }
    if (from.specifier < previous) {
      violations.push({ path, line, text: `Export from "${from.specifier}" is not in order` });
    }
    previous = from.specifier;
  }
  return violations;
}

/** All rules that a published file breaks. `path` is relative to the repository. */
export function checkSource(path: string, source: string): Violation[] {
  const tokens = tokenize(source);
  return [
    ...checkImports(path, tokens),
    ...checkPurity(path, tokens),
    ...checkFace(path, tokens),
  ];
}

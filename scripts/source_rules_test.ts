import { describe, it } from "node:test";
import { assertEquals, assertGreater } from "@std/assert";
import { listFiles, publishedModules, readText } from "./files.ts";
import { checkSource, findImports } from "./source_rules.ts";
import { tokenize } from "./tokens.ts";

function words(source: string): string[] {
  return tokenize(source).filter(({ kind }) => kind === "word").map(({ text }) => text);
}

/** The line and text of every violation. */
function check(path: string, source: string): string[] {
  return checkSource(path, source).map(({ line, text }) => `${line}: ${text}`);
}

describe("source rules: tokenize", () => {
  const cases: [string, string, string[]][] = [
    ["comments", "a // b\n/* c\n */ d", ["a", "d"]],
    ["strings", `a "b \\" c" 'd "' e`, ["a", "e"]],
    ["templates", "a `b ${c + `d ${e}`} f` g", ["a", "c", "e", "g"]],
    ["braces in substitutions", "`${{ a: { b } }} c` d", ["a", "b", "d"]],
    ["comment signs in strings", `"//" a '/*' b`, ["a", "b"]],
    ["quotes in comments", "/* don't */ a // it's\nb", ["a", "b"]],
    ["regular expressions", `a = /"[/"]\\/b/g; return /'c/.test(d)`, ["a", "return", "test", "d"]],
    ["divisions", `a / b / c; (d) / "e" / f`, ["a", "b", "c", "d", "f"]],
    ["private names", "this.#a", ["this", "#a"]],
    ["numbers", "1e3 0xff 2n 1_000 a", ["a"]],
  ];
  for (const [name, source, expected] of cases) {
    it(`reads ${name}`, () => assertEquals(words(source), expected));
  }

  it("counts lines", () => {
    assertEquals(
      tokenize('/*\n*/a\n`\n${b}\n`\n"c"').map(({ line }) => line),
      [2, 3, 4, 4, 6],
    );
  });
});

describe("source rules: findImports", () => {
  const cases: [string, [string, boolean][]][] = [
    ['import { a } from "./a.ts";', [["./a.ts", true]]],
    ['import a, * as b from "./a.ts";', [["./a.ts", true]]],
    ['import "./a.ts";', [["./a.ts", true]]],
    ['import type { a } from "./a.ts";', [["./a.ts", false]]],
    ['import { type a } from "./a.ts";', [["./a.ts", true]]],
    ['import type from "./a.ts";', [["./a.ts", true]]],
    ['export { a as from } from "./a.ts";', [["./a.ts", true]]],
    ['export type { a } from "./a.ts";', [["./a.ts", false]]],
    ['export * as a from "./a.ts";', [["./a.ts", true]]],
    ['const a = await import("./a.ts");', [["./a.ts", true]]],
    ["const a = import(name);", [["", true]]],
    ['import a from "./a.ts" with { type: "json" }; import "b";', [["./a.ts", true], ["b", true]]],
    ["export class A { from = 1 }", []],
    ['export { a }; const from = "./a.ts";', []],
    ['// import "./a.ts"\n"import \'./b.ts\'"; import.meta.url;', []],
  ];
  for (const [source, expected] of cases) {
    it(source.replaceAll("\n", " "), () => {
      const found = findImports(tokenize(source));
      assertEquals(found.map(({ specifier, runtime }) => [specifier, runtime]), expected);
    });
  }
});

describe("source rules: what they refuse", () => {
  const bad: [string, string, string[]][] = [
    ["lib/errors.ts", 'import "./wire/code.ts";', [
      '1: leaf may not import wire ("lib/wire/code.ts")',
    ]],
    [
      "lib/wire/code.ts",
      'import "../errors.ts";\nimport "../engine/mod.ts";',
      ['2: wire may not import engine ("lib/engine/mod.ts")'],
    ],
    [
      "lib/engine/a.ts",
      'import type { Flow } from "../transport/udp.ts";',
      ['1: engine may not import transport ("lib/transport/udp.ts")'],
    ],
    [
      "lib/transport/udp.ts",
      'import "../wire/frame.ts";',
      ['1: transport may not import wire ("lib/wire/frame.ts")'],
    ],
    [
      "lib/transport/tcp.ts",
      'import "../wire/frame.ts"; import "../wire/code.ts";',
      ['1: transport may not import wire ("lib/wire/code.ts")'],
    ],
    [
      "lib/endpoint/a.ts",
      'export { a } from "../component/a.ts";',
      ['1: endpoint may not import component ("lib/component/a.ts")'],
    ],
    ["lib/component/a.ts", 'import("../../mod.ts");', [
      '1: component may not import face ("mod.ts")',
    ]],
    ["lib/other/a.ts", 'import "../errors.ts";', ['1: Unknown layer "other"']],
    [
      "lib/wire/a.ts",
      'import "./b_test.ts"; import "../../testing/c.ts";',
      [
        '1: Import of "lib/wire/b_test.ts", which is not published',
        '1: Import of "testing/c.ts", which is not published',
      ],
    ],
    [
      "lib/transport/a.ts",
      'import type { Socket } from "node:dgram";\nimport { type A } from "node:net";',
      ['2: Runtime import of "node:net" in a published file'],
    ],
    [
      "lib/endpoint/a.ts",
      'import "lodash"; import type { A } from "@x/coap"; import(name);',
      [
        '1: Runtime import of "lodash" in a published file',
        '1: Import of the package "@x/coap"',
        '1: Runtime import of "" in a published file',
      ],
    ],
    ["lib/engine/a.ts", "Math.max(1);\nMath.random();", ['2: "Math.random" in engine']],
    ["lib/engine/a.ts", "const { random } = Math;", ['1: "Math.random" in engine']],
    ["mod.ts", "export const a = 1;", ["1: Something other than an export list"]],
    ["mod.ts", 'export * from "./lib/errors.ts";', ["1: Export of everything instead of a list"]],
    [
      "mod.ts",
      'export { b } from "./lib/flow.ts";\nexport { a } from "./lib/errors.ts";',
      ['2: Export from "./lib/errors.ts" is not in order'],
    ],
  ];
  for (const [path, source, expected] of bad) {
    it(`${path}: ${source.replaceAll("\n", " ")}`, () =>
      assertEquals(check(path, source), expected));
  }

  const impure = "Date EventTarget async await crypto performance queueMicrotask setImmediate " +
    "setInterval setTimeout";
  for (const word of impure.split(" ")) {
    it(`"${word}" in wire and engine`, () => {
      const source = `// ${word}\nconst a = "${word}";\nglobalThis.${word};`;
      assertEquals(check("lib/wire/a.ts", source), [`3: "${word}" in wire`]);
      assertEquals(check("lib/engine/a.ts", source), [`3: "${word}" in engine`]);
      assertEquals(check("lib/endpoint/a.ts", source), []);
    });
  }
});

describe("source rules: the sources", () => {
  const modules = publishedModules();

  it("are found", () => assertGreater(modules.length, 3));

  it("run on Node 22, which knows no using", () => {
    for (const path of listFiles().filter((path) => path.endsWith(".ts"))) {
      const tokens = tokenize(readText(path));
      const found = tokens.find(({ text }, i) =>
        text === "using" && tokens[i + 1]?.kind === "word" && tokens[i + 2]?.text === "="
      );
      assertEquals(found, undefined, path);
    }
  });

  for (const path of modules) {
    it(`${path} obeys`, () => assertEquals(check(path, readText(path)), []));
  }
});

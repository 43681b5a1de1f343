import { after, before, describe, it } from "node:test";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { assert, assertEquals, assertExists, assertStringIncludes } from "@std/assert";
import { CoAPResponse, serve } from "@x/coap";
import { buildNpm } from "./build_npm.ts";
import { readManifest, readText } from "./files.ts";
import { type Outcome, run } from "./process.ts";
import { findRuntime, inPath, ROOT } from "./runtimes.mjs";

const PAYLOAD = "21.5 degrees by the packed library";

/** The code block behind a marker of the README. */
function readmeExample(name: string): string {
  const pattern = new RegExp(`<!-- example: ${name} -->\\s*\`\`\`ts[^\\n]*\\n([\\s\\S]*?)\`\`\``);
  const code = pattern.exec(readText("README.md"))?.[1];
  assertExists(code, `README.md has no code block behind <!-- example: ${name} -->`);
  return code;
}

/** Runs npm without a network. */
async function npm(args: string[], cwd: string): Promise<string> {
  const offline = ["--offline", "--ignore-scripts", "--no-audit", "--no-fund"];
  const script = process.env.npm_execpath;
  const { code, stdout, output } = script?.endsWith(".js")
    ? await run(process.execPath, [script, ...args, ...offline], { cwd })
    : await run(inPath("npm") ?? "npm", [...args, ...offline], { cwd });
  assertEquals(code, 0, output);
  return stdout;
}

describe("the npm package", () => {
  const temporary = mkdtempSync(join(tmpdir(), "coap-npm-"));
  const built = join(temporary, "dist");
  const project = join(temporary, "project");
  const installed = join(project, "node_modules/@x/coap");
  let files: string[] = [];

  before(async () => {
    await buildNpm(built);
    const [packed] = JSON.parse(
      await npm(["pack", "--json", "--pack-destination", temporary], built),
    );
    files = packed.files.map(({ path }: { path: string }) => path);
    mkdirSync(project);
    writeFileSync(join(project, "package.json"), '{ "private": true, "type": "module" }\n');
    await npm(["install", join(temporary, packed.filename)], project);
  });
  after(() => rmSync(temporary, { recursive: true, force: true }));

  it("holds JavaScript, declarations, README, LICENSE and nothing else", () => {
    for (const file of ["LICENSE", "README.md", "mod.js", "mod.d.ts"]) {
      assert(files.includes(file), file);
    }
    const others = files.filter((file) => !/\.(js|d\.ts|md)$|^(LICENSE|package\.json)$/.test(file));
    assertEquals(others, ["conformance/checklist.json"]);
    assertEquals(files.filter((file) => /_test\./.test(file)), []);
  });

  it("installs alone", () => {
    assertEquals(
      readdirSync(join(project, "node_modules")).filter((name) => !name.startsWith(".")),
      [
        "@x",
      ],
    );
    const { dependencies } = JSON.parse(readFileSync(join(installed, "package.json"), "utf8"));
    assertEquals(dependencies, undefined);
  });

  it("has declarations that need neither Node's types nor those of another runtime", async () => {
    const names = Object.keys(readManifest("deno.json").exports).map((path) =>
      `@x/coap${path.slice(1)}`
    );
    writeFileSync(
      join(project, "types.ts"),
      names.map((name, i) => `import * as m${i} from "${name}";\nm${i} satisfies object;\n`).join(
        "",
      ),
    );
    writeFileSync(join(project, "example.ts"), readmeExample("client"));
    for (const module of ["nodenext", "preserve"]) {
      const { code, output } = await run(process.execPath, [
        join(ROOT, "node_modules/typescript/bin/tsc"),
        ...["--noEmit", "--strict", "--types", "", "--target", "es2024", "--module", module],
        ...["--lib", "es2024,esnext.disposable,dom,dom.asynciterable", "types.ts", "example.ts"],
      ], { cwd: project });
      assertEquals(code, 0, output);
    }
  });

  it("loads every entry point on Node and Bun", async () => {
    const names = Object.keys(readManifest("deno.json").exports).map((path) =>
      `@x/coap${path.slice(1)}`
    );
    const program = names.map((name) => `await import("${name}");`).join("") +
      'console.log("loaded");';
    writeFileSync(join(project, "load.mjs"), program);
    for (const runtime of ["node", "bun"] as const) {
      const { code, output } = await run(findRuntime(runtime)!, ["load.mjs"], { cwd: project });
      assertEquals([code, output], [0, "loaded\n"], runtime);
    }
  });

  for (const runtime of ["node", "bun"] as const) {
    it(`runs the README's client on ${runtime}`, async () => {
      const server = await serve(
        { hostname: "127.0.0.1", port: 0 },
        () => CoAPResponse.text(PAYLOAD),
      );
      let outcome: Outcome;
      try {
        const authority = `coap://127.0.0.1:${server.address.port}`;
        const code = readmeExample("client").replaceAll(/coap:\/\/[^/"'`\s]+/g, authority);
        assertStringIncludes(code, authority, "The README's client requests no coap URI");
        writeFileSync(join(project, "client.ts"), code);
        outcome = await run(findRuntime(runtime)!, ["client.ts"], {
          cwd: project,
          timeout: 20_000,
        });
      } finally {
        await server.close();
      }
      assertEquals(outcome.code, 0, outcome.output);
      assertStringIncludes(outcome.stdout, PAYLOAD);
    });
  }
});

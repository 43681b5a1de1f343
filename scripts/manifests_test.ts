import { describe, it } from "node:test";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { assert, assertEquals, assertMatch } from "@std/assert";
import { readManifest, readText } from "./files.ts";
import { ROOT } from "./runtimes.mjs";

const deno = readManifest("deno.json");

describe("manifests", () => {
  it("jsr.json mirrors the package fields of deno.json", () => {
    const { name, version, license, exports, publish } = deno;
    assertEquals<unknown>(readManifest("jsr.json"), { name, version, license, exports, publish });
  });

  it("package.json has the same name, version, license and entry points", () => {
    const { name, version, license, exports } = readManifest("package.json");
    assertEquals({ name, version, license, exports }, {
      name: deno.name,
      version: deno.version,
      license: deno.license,
      exports: deno.exports,
    });
  });

  it("the import map of deno.json reaches every entry point by its name", () => {
    const own = Object.entries(deno.imports ?? {}).filter(([name]) => name.startsWith(deno.name));
    assertEquals(
      Object.fromEntries(own),
      Object.fromEntries(
        Object.entries(deno.exports).map(([path, file]) => [deno.name + path.slice(1), file]),
      ),
    );
  });

  it("the import map of test:jsr differs in @std/assert alone", () => {
    const { imports } = readManifest("testing/jsr_import_map.json");
    const relative = Object.entries(deno.imports ?? {})
      .map(([name, target]) => [name, target.replace(/^\.\//, "../")]);
    assertEquals(imports, { ...Object.fromEntries(relative), "@std/assert": "jsr:@std/assert@^1" });
  });

  it("every entry point is a file", () => {
    for (const file of Object.values(deno.exports)) assert(existsSync(join(ROOT, file)), file);
  });

  it("the lock has the version of package.json", () => {
    const lock = JSON.parse(readText("package-lock.json"));
    assertEquals([lock.version, lock.packages[""].version], [deno.version, deno.version]);
  });

  it("the lock names no registry", () => {
    const lock: { packages: Record<string, { resolved?: string }> } = JSON.parse(
      readText("package-lock.json"),
    );
    for (const [path, { resolved }] of Object.entries(lock.packages)) {
      assert(resolved === undefined || !resolved.includes("://"), `${path}: ${resolved}`);
    }
  });

  it("development dependencies have one version everywhere", () => {
    const { devDependencies } = JSON.parse(readText("package.json"));
    for (const [name, version] of Object.entries<string>(devDependencies)) {
      assertMatch(version, /^(\d+\.\d+\.\d+|file:testing\/\w+)$/, name);
    }
    assertEquals(deno.imports?.["fast-check"], `npm:fast-check@${devDependencies["fast-check"]}`);
  });

  it("the changelog starts with the version", () => {
    const newest = /^## \[([^\]]+)\]/m.exec(readText("CHANGELOG.md"));
    assertEquals(newest?.[1], deno.version);
  });
});

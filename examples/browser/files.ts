/**
 * What the page loads: its own files, and the library's sources with their types taken out. All of its types can be
 * erased, so that this needs no build. A page for others is better off with a bundle.
 *
 * @module
 */

import { readFile } from "node:fs/promises";
import * as nodeModule from "node:module";

const ROOT = new URL("../../", import.meta.url);
const PAGE = new URL("./", import.meta.url);

const TYPES: Record<string, string> = {
  css: "text/css; charset=utf-8",
  html: "text/html; charset=utf-8",
  js: "text/javascript; charset=utf-8",
  ts: "text/javascript; charset=utf-8",
};

/** How Bun takes out types; Node and Deno have a function for it. */
interface Runtime {
  Bun?: { Transpiler: new (options: { loader: "ts" }) => { transformSync(code: string): string } };
}

function javaScript(source: string): string {
  const { Bun } = globalThis as Runtime;
  return Bun === undefined
    ? nodeModule.stripTypeScriptTypes(source)
    : new Bun.Transpiler({ loader: "ts" }).transformSync(source);
}

/** Which file a path stands for: no others than those that the page may load. */
function locate(path: string): URL | undefined {
  if (/^\/(?:mod|lib\/(?:\w+\/)?\w+)\.ts$/.test(path)) return new URL(`.${path}`, ROOT);
  if (path === "/") return new URL("index.html", PAGE);
  return /^\/\w+\.(?:css|js)$/.test(path) ? new URL(`.${path}`, PAGE) : undefined;
}

/** Answers a request for a file. */
export async function serveFile({ method, url }: Request): Promise<Response> {
  const { pathname } = new URL(url);
  const file = locate(pathname);
  if (method !== "GET" || file === undefined) return new Response("Not found\n", { status: 404 });
  try {
    const text = await readFile(file, "utf8");
    const extension = file.pathname.split(".").at(-1)!;
    return new Response(extension === "ts" ? javaScript(text) : text, {
      headers: { "content-type": TYPES[extension]!, "cache-control": "no-cache" },
    });
  } catch {
    return new Response("Not found\n", { status: 404 });
  }
}

/** What the library says of itself. @module */

/** The library's version, as in its manifests. */
export const VERSION = "0.1.0";

/** For people: the library and the runtime. */
export const BUILD_INFO: string = `@x/coap ${VERSION} (${runtime()})`;

/** For people: under what terms the library may be used. */
export const LICENSE_INFO = "Product: @x/coap; License Type: MIT, open source";

function runtime(): string {
  const { Deno: deno, Bun: bun, process } = globalThis as {
    Deno?: { version?: { deno?: string } };
    Bun?: { version?: string };
    process?: { version?: string };
  };
  if (bun?.version !== undefined) return `Bun ${bun.version}`;
  if (deno?.version?.deno !== undefined) return `Deno ${deno.version.deno}`;
  return process?.version === undefined ? "unknown runtime" : `Node ${process.version.slice(1)}`;
}

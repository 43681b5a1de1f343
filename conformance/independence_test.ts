import { dirname, join } from "node:path/posix";
import { it } from "node:test";
import { assert, assertEquals } from "@std/assert";
import { readText } from "../scripts/files.ts";
import { findImports } from "../scripts/source_rules.ts";
import { tokenize } from "../scripts/tokens.ts";

/** All modules that are loaded with some others. */
function loadedWith(roots: readonly string[]): Set<string> {
  const seen = new Set<string>();
  const rest = [...roots];
  for (let path = rest.pop(); path !== undefined; path = rest.pop()) {
    if (seen.has(path)) continue;
    seen.add(path);
    if (!path.endsWith(".ts")) continue;
    for (const { specifier, runtime } of findImports(tokenize(readText(path)))) {
      if (runtime) rest.push(join(dirname(path), specifier));
    }
  }
  return seen;
}

it("what judges uses nothing of the stack that it judges, not even to read messages", () => {
  const datagrams = ["runner", "probe", "tester", "client_case", "server_cases", "client_cases"];
  const streams = ["stream_runner", "stream_script", "stream_cases", "client_streams"];
  const judges = [...datagrams, ...streams];
  const loaded = loadedWith(judges.map((name) => `conformance/${name}.ts`));
  assert(loaded.has("conformance/server_messages.ts") && loaded.has("conformance/datagram.ts"));
  assert(loaded.has("conformance/server_streams.ts") && loaded.has("conformance/frame.ts"));
  // A clock knows no message; sockets are bound by whoever starts the suite.
  const stack = [...loaded].filter((path) => !path.startsWith("conformance/"));
  assertEquals(stack, ["lib/endpoint/clock.ts"]);
});

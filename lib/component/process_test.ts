import { describe, it } from "node:test";
import { assertEquals } from "@std/assert";
import { runChild, watchChild } from "../../testing/runtime.ts";

const CHILD = new URL("../../testing/component_child.ts", import.meta.url);

describe("a component and its process", () => {
  for (
    const [name, output] of [
      ["client", "done\n"],
      ["observed", "done\n"],
      ["stopped", "done\n"],
      ["deferred", "done\ncomplete 0\n"],
    ] as const
  ) {
    it(`with nothing pending, observed or listening lets it end: ${name}`, async () => {
      assertEquals(await runChild(CHILD, [name], 20_000), { code: 0, output });
    });
  }

  it("while it listens it keeps it alive", async () => {
    assertEquals(await watchChild(CHILD, ["listening"]), { code: null, output: "done\n" });
  });
});

import { assert, assertEquals } from "@std/assert";
import { describe, it } from "node:test";
import { FLOODS } from "../../testing/floods.ts";
import { GC_FLAGS } from "../../testing/garbage.ts";
import { runChild } from "../../testing/runtime.ts";

const MODULE = new URL("../../testing/flood_child.ts", import.meta.url);

/** What the documentation of `Limits` says is about so much, on three engines of JavaScript. */
const ABOUT = 1.3;
/** What a heap gains and loses by itself, bytes. */
const NOISE = 3_000_000;

describe("bounded whatever arrives: limits hold, counters tell, somebody else is answered", () => {
  for (const [index, { name }] of FLOODS.entries()) {
    it(name, async () => {
      const { code, output } = await runChild(MODULE, [`${index}`], 60_000, GC_FLAGS);
      assertEquals(code, 0, output);
      const { used, documented } = JSON.parse(output);
      assert(used <= documented * ABOUT + NOISE, `${used} bytes, ${documented} by the limits`);
    });
  }
});

import { assert } from "@std/assert";
import { describe, it } from "node:test";
import { decodeTarget } from "../../testing/fuzz/decode.ts";
import { linksTarget } from "../../testing/fuzz/links.ts";
import { describeFinding, fuzz, type FuzzTarget, replayCorpus } from "../../testing/fuzz/target.ts";
import { uriTarget } from "../../testing/fuzz/uri.ts";

describe("any input, as npm run fuzz tries more of", () => {
  for (const target of [decodeTarget, uriTarget, linksTarget] as FuzzTarget[]) {
    it(`${target.name}: what was kept`, () => {
      assert(replayCorpus(target) > 0);
    });

    it(`${target.name}: what is drawn`, () => {
      const { finding } = fuzz(target, { runs: 3000 });
      assert(finding === undefined, finding && describeFinding(target.name, finding));
    });
  }

  it("what fails is made small, and told with how to find it again", () => {
    const target: FuzzTarget<string> = {
      ...decodeTarget,
      check: (hex) => assert(!hex.includes("ff"), "There is an ff"),
    };
    const { finding } = fuzz(target as FuzzTarget, { seed: 1, runs: 3000 });
    assert(finding !== undefined && String(finding.input).length <= 16, `${finding?.input}`);
    const text = describeFinding("decode", finding);
    for (
      const part of ["There is an ff", "seed 1", `"${finding.input}"`, "fixtures/fuzz/decode.json"]
    ) {
      assert(text.includes(part), text);
    }
  });
});

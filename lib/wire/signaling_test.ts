import { describe, it } from "node:test";
import { assertEquals } from "@std/assert";
import { fromHex, streams, toHex } from "../../testing/vectors.ts";
import { Code, parseCode } from "./code.ts";
import { decodeFrame } from "./frame.ts";
import type { Option } from "./option.ts";
import {
  checkSignalingOptions,
  findSignalingOption,
  SignalingOption,
  signalingOption,
} from "./signaling.ts";

function option(number: number, hex = ""): Option {
  return { number, value: fromHex(hex) };
}

function find(code: number, number: number, ...options: Option[]): string | undefined {
  const found = findSignalingOption(code, options, number);
  return found && toHex(found.value);
}

describe("signaling options", () => {
  it("have numbers for each code: RFC 8323 table 2, RFC 8974 table 2", () => {
    const names = [Code.CSM, Code.Ping, Code.Pong, Code.Release, Code.Abort].map((code) =>
      [2, 4, 6].map((number) => signalingOption(code, number)?.name)
    );
    assertEquals(names, [
      ["Max-Message-Size", "Block-Wise-Transfer", "Extended-Token-Length"],
      ["Custody", undefined, undefined],
      ["Custody", undefined, undefined],
      ["Alternative-Address", "Hold-Off", undefined],
      ["Bad-CSM-Option", undefined, undefined],
    ]);
    assertEquals(signalingOption(Code.GET, 2), undefined);
  });

  it("critical ones are odd, and none is known", () => {
    assertEquals(checkSignalingOptions(Code.CSM, [option(2), option(1), option(3)])?.number, 1);
    assertEquals(checkSignalingOptions(Code.Ping, [option(2), option(4), option(1000)]), undefined);
    for (const { id, code, hex } of streams.signaling) {
      const { options } = decodeFrame(fromHex(hex));
      const critical = checkSignalingOptions(parseCode(code), options)?.number;
      assertEquals(critical, id === "csm-critical-unknown" ? 1 : undefined, id);
    }
  });

  it("of a length that they may not have are passed over", () => {
    const { MaxMessageSize, AlternativeAddress } = SignalingOption;
    assertEquals(find(Code.CSM, MaxMessageSize, option(2, "0480")), "0480");
    assertEquals(find(Code.CSM, MaxMessageSize, option(2, "0000000480")), undefined);
    assertEquals(find(Code.CSM, MaxMessageSize, option(2, "0000000480"), option(2, "01")), "01");
    assertEquals(find(Code.Release, AlternativeAddress, option(2)), undefined);
    assertEquals(find(Code.CSM, 8, option(8)), undefined);
  });
});

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, it } from "node:test";
import { assert, assertEquals, assertFalse, assertStringIncludes } from "@std/assert";
import { replayCommand } from "./replay_command.ts";

const GET = fileURLToPath(new URL("../fixtures/recorded/get.pcap", import.meta.url));

async function run(
  args: string[],
  terminal: { isTTY?: boolean; columns?: number } = {},
): Promise<{ code: number; output: string; errors: string }> {
  let output = "";
  let errors = "";
  const code = await replayCommand(args, {
    stdout: { ...terminal, write: (text) => void (output += text) },
    stderr: { write: (text) => void (errors += text) },
  });
  return { code, output, errors };
}

describe("replayCommand", () => {
  it("explains a file", async () => {
    const { code, output, errors } = await run([GET]);
    assertEquals([code, errors], [0, ""]);
    assertStringIncludes(output, "= Request: GET /\n");
    assertFalse(output.includes("\x1b"));
  });

  it("draws as a terminal shows it", async () => {
    const { output } = await run([GET], { isTTY: true, columns: 72 });
    assertStringIncludes(output, "\x1b[36m");
    // deno-lint-ignore no-control-regex
    const plain = output.replaceAll(/\x1b\[\d+m/g, "");
    const drawn = plain.split("\n").filter((line) => line.endsWith("│"));
    assert(drawn.length > 1);
    for (const line of drawn) assertEquals([...line].length, 72);
  });

  it("gives JSON", async () => {
    const { code, output } = await run(["--json", "--port", "5683", "--port=5684", GET]);
    const { messages, violations } = JSON.parse(output);
    assertEquals([code, violations, messages.length], [0, 0, 2]);
    assertEquals(messages[0].explanation, "Request: GET /");
    assertEquals(messages[0].bytes.slice(0, 4), "4101");
    assertEquals(messages[1].destination, messages[0].source);
  });

  it("tells by its exit code that something breaks the rules", async () => {
    const folder = mkdtempSync(join(tmpdir(), "coap-replay-"));
    try {
      const bytes = Uint8Array.from(readFileSync(GET));
      // The token length of the request, behind the headers of the file, the packet, Ethernet, IP and UDP.
      bytes[24 + 16 + 14 + 20 + 8] = 0x4d;
      const file = join(folder, "long-token.pcap");
      writeFileSync(file, bytes);
      assertEquals((await run([file])).code, 1);
      assertStringIncludes((await run([file])).output, "violation of 7252-3-7");
      const extended = await run(["--extended-tokens", file]);
      assertStringIncludes(extended.output, "violation of 7252-3-8");
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it("says how it is used", async () => {
    assertStringIncludes((await run(["--help"])).output, "Usage: conformance replay");
    for (const args of [[], [GET, GET], ["--port", "x", GET], ["--port"], ["--nothing", GET]]) {
      const { code, output, errors } = await run(args);
      assertEquals([code, output], [2, ""]);
      assertStringIncludes(errors, "Usage:");
    }
    const none = await run([`${GET}.none`]);
    assertEquals([none.code, none.output], [2, ""]);
    assertFalse(none.errors.includes("Usage:"));
  });
});

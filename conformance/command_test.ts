import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { AUTHORITY, SERVER_CERT, SERVER_KEY } from "../testing/certificates.ts";
import { SeededRandom } from "../testing/seeded_random.ts";
import { bindUdp } from "../lib/transport/udp.ts";
import type { Transport } from "../lib/transport/transport.ts";
import { runCommand } from "./command.ts";
import { host } from "./host.ts";
import { startTarget } from "./target.ts";

interface Ended {
  code: number;
  output: string;
  errors: string;
}

/** Runs the command as a terminal does, or not. */
async function run(args: readonly string[], isTTY = false): Promise<Ended> {
  let output = "";
  let errors = "";
  const code = await runCommand(args, {
    ...host(),
    stdout: { isTTY, write: (text) => void (output += text) },
    stderr: { isTTY, columns: 60, write: (text) => void (errors += text) },
  });
  return { code, output, errors };
}

async function withTarget(use: (uri: string) => Promise<void>): Promise<void> {
  const target = await startTarget({ hostname: "127.0.0.1", port: 0 });
  try {
    await use(`coap://127.0.0.1:${target.address.port}`);
  } finally {
    await target.close();
  }
}

/** A socket that answers all it gets with what `answer` makes of it. */
async function withPeer(
  answer: (bytes: Uint8Array) => Uint8Array | undefined,
  use: (uri: string) => Promise<void>,
): Promise<void> {
  let transport: Transport | undefined = undefined;
  const peer: Transport = transport = await bindUdp({ hostname: "127.0.0.1", port: 0 }, {
    receive: (flow, bytes) => {
      const reply = answer(bytes);
      if (reply === undefined) return;
      transport?.send(flow, reply);
      transport?.flush();
    },
    turn: () => {},
    error: () => {},
  });
  try {
    await use(`coap://127.0.0.1:${peer.address.port}`);
  } finally {
    await peer.close();
  }
}

describe("the command", () => {
  const mistakes: Record<string, [args: string[], message: RegExp]> = {
    "another scheme": [
      ["http://host"],
      /^Server must be given as SCHEME:\/\/host\[:port\]: it is "http/,
    ],
    "a port that is none": [["coap://127.0.0.1:99999"], /^Port must be 1 to 65535: it is "99999"/],
    "a client over what it is not judged over": [
      ["--client", "ours", "--scheme", "coap+ws"],
      /^Scheme must be coap or coap\+tcp: it is "coap\+ws"/,
    ],
    "no server": [[], /^No server is given/],
    "an unknown case": [["coap://127.0.0.1", "nope"], /^No case is meant by "nope"/],
    "an unknown case among others": [
      ["coap://127.0.0.1", "7252-4.2-2", "7252-4.2-99"],
      /^No case is meant by "7252-4.2-99"/,
    ],
    "an unknown option": [["--bogus"], /^Unknown option "--bogus"/],
    "an option without its value": [["--timeout"], /^Option --timeout needs a value/],
    "a time that is none": [
      ["--timeout=x", "coap://127.0.0.1"],
      /^Option --timeout must be above 0/,
    ],
    "a client without a place for the URI": [
      ["--client", "x"],
      /^Command must have a place for {uri}/,
    ],
    "a client that is no program": [
      ["--client", "no-such-program {uri}", "7252-5.2-3"],
      /^Could not start "no-such-program"/,
    ],
  };
  for (const [name, [args, message]] of Object.entries(mistakes)) {
    it(`refuses ${name}`, async () => {
      const { code, output, errors } = await run(args);
      assertEquals([code, output], [2, ""]);
      assertMatch(errors, message);
      assertEquals(errors.trimEnd().split("\n").length, 1);
    });
  }

  it("refuses known failures of cases that there are not", async () => {
    const folder = mkdtempSync(join(tmpdir(), "coap-known-"));
    try {
      const file = join(folder, "known.json");
      writeFileSync(file, '{"7252-0-0":"why"}');
      const { code, errors } = await run(["--known", file, "coap://127.0.0.1"]);
      assertEquals(code, 2);
      assertMatch(errors, /^There is no case "7252-0-0"/);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it("says so at once where nobody answers", async () => {
    await withPeer(() => undefined, async (uri) => {
      const { code, output, errors } = await run(["--timeout", "40", uri]);
      assertEquals([code, output], [2, ""]);
      assertMatch(errors, /^Nothing answers at 127\.0\.0\.1 port \d+: .* within 40 ms$/m);
    });
  });

  it("names the cases, those that are SHOULD only where they are asked for", async () => {
    const plain = await run(["--list"]);
    const strict = await run(["--list", "--strict"]);
    assertEquals([plain.code, strict.code], [0, 0]);
    assert(!plain.output.includes("\tSHOULD") && strict.output.includes("\tSHOULD"));
    assertMatch(plain.output, /^7252-4\.2-2\tMUST\t/m);
    const section = await run(["--list", "RFC 7641 section 4.5", "LINK"]);
    const ids = section.output.trim().split("\n").map((line) => line.split("\t")[0]!);
    assert(ids.every((id) => /^(7641-4\.5-|LINK_)/.test(id)), ids.join());
    const client = await run(["--list", "--client", "ours", "7641"]);
    assertMatch(client.output, /^7641-3\.4-1\t/m);
  });

  it("judges a server, with a line of progress and colours on a terminal", async () => {
    await withTarget(async (uri) => {
      const { code, output, errors } = await run([uri, "7252-4.2-2", "CORE_31"], true);
      assertEquals(code, 0);
      assertStringIncludes(errors, "1/2  7252-4.2-2  Confirmable Empty");
      assertStringIncludes(errors, "2/2  CORE_31  Ping");
      for (const line of errors.split("\r")) assert(line.replace("\x1b[2K", "").length < 60);
      assertStringIncludes(output, "\x1b[32m2 cases, 2 passed, 0 failed, 0 skipped\x1b[0m");
      const turned = await run(["CORE_31", uri, "7252-4.2-2"]);
      assertEquals(turned.code, 0, "the server may stand anywhere");
      assertStringIncludes(turned.output, "2 cases, 2 passed");
    });
  });

  it("judges servers and clients over TCP", async () => {
    const target = await startTarget({ udp: false, hostname: "127.0.0.1", tcp: { port: 0 } });
    try {
      const uri = `coap+tcp://127.0.0.1:${target.addresses.tcp!.port}`;
      const server = await run([uri, "8323-5-5", "CORE_01"]);
      assertEquals([server.code, server.errors], [0, ""]);
      assertStringIncludes(server.output, "2 cases, 2 passed, 0 failed, 0 skipped");
    } finally {
      await target.close();
    }
    const client = await run(["--scheme", "coap+tcp", "--client", "ours", "8323-3.3-2"]);
    assertStringIncludes(client.output, "1 cases, 1 passed, 0 failed, 0 skipped");
    const list = await run(["--list", "coap+tcp://127.0.0.1", "8323-5", "7641-4.1"]);
    assertMatch(list.output, /^8323-5-1\tMUST\t.*^7641-4\.1-1\t/ms);
    assert(!list.output.includes("8323-4-1"));
    const sockets = await run(["--list", "coap+ws://127.0.0.1", "8323"]);
    assertMatch(sockets.output, /^8323-4-1\tMUST\t/m);
    assert(!sockets.output.includes("8323-3.2-3"));
  });

  it("serves over UDP, TCP and TLS until it is told to end", async () => {
    const files: Record<string, string> = { cert: SERVER_CERT, key: SERVER_KEY, ca: AUTHORITY };
    const readFile = (name: string): string => files[name]!;
    let output = "";
    let end = (): void => {};
    const code = runCommand(["--serve", "--cert", "cert", "--key", "key", "0"], {
      ...host(),
      readFile,
      stdout: { write: (text) => void (output += text) },
      once: (_, listener) => void (end = listener),
    });
    while (!output.includes("coaps+tcp://")) await new Promise((resolve) => setTimeout(resolve, 5));
    assertMatch(output, /^coap:\/\/0\.0\.0\.0:\d+\ncoap\+tcp:\/\/0\.0\.0\.0:\d+\ncoaps\+tcp:/);
    const port = /coaps\+tcp:.*:(\d+)/.exec(output)![1];
    const judged = await runCommand(["--ca", "ca", `coaps+tcp://localhost:${port}`, "8323-5-5"], {
      ...host(),
      readFile,
      stdout: { write: (text) => void (output += text) },
    });
    assertEquals(judged, 0);
    end();
    assertEquals(await code, 0);
    assertStringIncludes(output, "1 cases, 1 passed, 0 failed, 0 skipped");
    const half = await run(["--serve", "--cert", "cert"]);
    assertMatch(half.errors, /^Options --cert and --key belong together/);
  });

  it("says so where nobody speaks CoAP over TCP", async () => {
    const server = createServer((socket) => void socket.resume().end("SSH-2.0"));
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as { port: number };
    const spoken = await run(["--timeout", "500", `coap+tcp://127.0.0.1:${port}`]);
    assertEquals(spoken.code, 2);
    assertMatch(spoken.errors, /^Nobody who speaks CoAP answers at 127\.0\.0\.1 port \d+: no CSM/);
    await new Promise((resolve) => server.close(resolve));
    const nobody = await run([`coap+tcp://127.0.0.1:${port}`]);
    assertEquals(nobody.code, 2);
    assertMatch(nobody.errors, /^No connection to 127\.0\.0\.1 port \d+: /);
  });

  it("writes every report", async () => {
    const folder = mkdtempSync(join(tmpdir(), "coap-reports-"));
    try {
      await withTarget(async (uri) => {
        const names = ["text", "json", "junit", "tap", "html"];
        const args = names.flatMap((name) => [`--${name}`, join(folder, name)]);
        const { code, output } = await run([...args, uri, "7252-4.2-2"]);
        assertEquals([code, output], [0, "1 cases, 1 passed, 0 failed, 0 skipped\n"]);
        for (const name of names) {
          assertStringIncludes(readFileSync(join(folder, name), "utf8"), "7252-4.2-2");
        }
      });
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it("comes to an end with a server that answers garbage", async () => {
    const random = new SeededRandom(3);
    const garbage = (bytes: Uint8Array): Uint8Array => {
      const noise = new Uint8Array(1 + bytes.length % 40);
      random.fill(noise);
      noise[0] = 0x40 | noise[0]! & 0x3f; // of version 1, so that some of it is read
      return noise;
    };
    await withPeer(garbage, async (uri) => {
      const args = ["--timeout", "20", "--quiet", "10", uri, "7252", "7641", "7959", "CORE"];
      const { code, output } = await run(args);
      assertEquals(code, 1);
      assertStringIncludes(output, "malformed");
      assert(!output.includes("no exception in the case"), output);
    });
  });

  it("fails where a client does not do as it must", async () => {
    const { code, output } = await run(["--timeout", "50", "--client", "true {uri}", "7252-5.2-3"]);
    assertEquals(code, 1);
    assertStringIncludes(output, "expected  a request");
  });
});

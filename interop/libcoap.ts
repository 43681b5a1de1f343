/**
 * Runs the programs of libcoap beside the library: `coap-server` and `coap-client`, on loopback only.
 *
 * @module
 */

import { type ChildProcess, spawn } from "node:child_process";
import process from "node:process";
import { inPath } from "../scripts/runtimes.mjs";
import { parsePdus, type Pdu } from "./libcoap_log.ts";

/** Packages carry the TLS library in the programs' names. Those without any start fastest. */
const SUFFIXES = ["-notls", "", "-openssl", "-gnutls", "-mbedtls", "-wolfssl", "-tinydtls"];

/** How to get the programs, for people. */
export const HOW_TO_INSTALL: string =
  "libcoap's programs: apt install libcoap3-bin (Debian, Ubuntu), brew install libcoap (macOS)";

/** Where the programs are. */
export interface Programs {
  client: string;
  server: string;
}

/** Finds both programs in PATH, or gives undefined where one is missing. */
export function findPrograms(): Programs | undefined {
  const find = (name: string): string | undefined =>
    SUFFIXES.map((suffix) => inPath(name + suffix)).find((path) => path !== undefined);
  const client = find("coap-client");
  const server = find("coap-server");
  return client === undefined || server === undefined ? undefined : { client, server };
}

/**
 * Why tests against libcoap are to be skipped; false where they are not.
 *
 * @throws {Error} where a program is missing although it has to be there
 */
export function whySkip(): string | false {
  if (findPrograms() !== undefined) return false;
  if (process.env.COAP_REQUIRE_PEERS === "1" || process.env.CI === "true") {
    throw new Error("coap-client and coap-server of libcoap are not in PATH");
  }
  return "libcoap's programs are not in PATH";
}

/** What a program that ended has left. */
export interface ClientRun {
  /** The messages in the order in which it sent and received them. */
  pdus: Pdu[];
  /** Everything it wrote. */
  output: string;
}

/** A running `coap-server`. */
export interface CoapServer extends AsyncDisposable {
  /** The port it got. */
  readonly port: number;
  /** Its address in front of a path: `coap://127.0.0.1:PORT`. */
  readonly origin: string;
  /** What it has sent and received so far. */
  pdus(): Pdu[];
  /** Ends it. */
  close(): Promise<void>;
}

const children = new Set<ChildProcess>();
process.on("exit", () => {
  for (const child of children) child.kill("SIGKILL");
});

/** Starts `coap-server` on a loopback port of its own and waits until the port is bound. */
export async function startCoapServer(args: readonly string[] = []): Promise<CoapServer> {
  const program = need().server;
  // With port 0 the system chooses, and the log tells what: nobody else can take it meanwhile.
  const server = start(program, ["-A", "127.0.0.1", "-p", "0", "-d", "100", "-v", "7", ...args]);
  try {
    await server.until(/created UDP {2}endpoint \S+:\d+\n/, 5_000);
  } catch (error) {
    await server.end();
    throw error;
  }
  const port = Number(/created UDP {2}endpoint \S+:(\d+)\n/.exec(server.output())![1]);
  return {
    port,
    origin: `coap://127.0.0.1:${port}`,
    pdus: () => parsePdus(server.output()),
    close: () => server.end(),
    [Symbol.asyncDispose]: () => server.end(),
  };
}

/**
 * Runs `coap-client` to its end. It exits with 0 whatever happens: look at the messages.
 *
 * @param timeout when to end it by force, ms
 * @throws {Error} where that was necessary
 */
export async function runCoapClient(
  args: readonly string[],
  timeout = 60_000,
): Promise<ClientRun> {
  const client = start(need().client, ["-v", "7", ...args]);
  const timer = Promise.withResolvers<"late">();
  const handle = setTimeout(() => timer.resolve("late"), timeout);
  const outcome = await Promise.race([client.ended, timer.promise]);
  clearTimeout(handle);
  await client.end();
  const output = client.output();
  if (outcome === "late") {
    throw new Error(`coap-client "${args.join(" ")}" ran for ${timeout} ms:\n${output}`);
  }
  return { pdus: parsePdus(output), output };
}

function need(): Programs {
  const programs = findPrograms();
  if (programs === undefined) throw new Error(`Not found: ${HOW_TO_INSTALL}`);
  return programs;
}

interface Running {
  output(): string;
  /** Resolves when it has ended and everything it wrote is there. */
  ended: Promise<void>;
  /** Waits until its output matches. */
  until(pattern: RegExp, timeout: number): Promise<void>;
  /** Asks it to end, then kills it. */
  end(): Promise<void>;
}

function start(program: string, args: readonly string[]): Running {
  const child = spawn(program, args, { stdio: ["ignore", "pipe", "pipe"] });
  children.add(child);
  const { promise: ended, resolve } = Promise.withResolvers<void>();
  let over = false;
  let output = "";
  let onOutput = (): void => {};
  const finish = (): void => {
    over = true;
    children.delete(child);
    resolve();
    onOutput();
  };
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text: string) => {
      output += text;
      onOutput();
    });
  }
  child.on("error", (error) => {
    output += error.message;
    finish();
  });
  child.on("close", finish);
  const until = (pattern: RegExp, timeout: number): Promise<void> =>
    new Promise((resolve, reject) => {
      const fail = (what: string): void => {
        onOutput = (): void => {};
        reject(new Error(`${program} ${what}:\n${output}`));
      };
      const timer = setTimeout(() => fail(`did not come up in ${timeout} ms`), timeout);
      onOutput = (): void => {
        if (!over && !pattern.test(output)) return;
        clearTimeout(timer);
        onOutput = (): void => {};
        if (pattern.test(output)) resolve();
        else fail("ended");
      };
      onOutput();
    });
  const end = async (): Promise<void> => {
    if (over) return;
    child.kill("SIGTERM");
    const timer = setTimeout(() => child.kill("SIGKILL"), 1_000);
    await ended;
    clearTimeout(timer);
  };
  return { output: () => output, ended, until, end };
}

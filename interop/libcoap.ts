/**
 * Runs the programs of libcoap beside the library: `coap-server` and `coap-client`, on loopback only.
 *
 * @module
 */

import { type ChildProcess, spawn } from "node:child_process";
import { createSocket } from "node:dgram";
import { createServer } from "node:net";
import process from "node:process";
import { inPath } from "../scripts/runtimes.mjs";
import { parsePdus, type Pdu } from "./libcoap_log.ts";

/** Packages carry the TLS library in the programs' names. Those without any start fastest. */
const SUFFIXES = ["-notls", "", "-openssl", "-gnutls", "-mbedtls", "-wolfssl", "-tinydtls"];
/** Those with TLS of which the tests know what they do; one without a suffix may have it. */
const TLS_SUFFIXES = ["-openssl", ""];

/** How to get the programs, for people. */
export const HOW_TO_INSTALL: string =
  "libcoap's programs: apt install libcoap3-bin (Debian, Ubuntu), brew install libcoap (macOS)";

/** Where the programs are. */
export interface Programs {
  client: string;
  server: string;
}

/** Finds both programs in PATH, with TLS on demand, or gives undefined where one is missing. */
export function findPrograms(tls = false): Programs | undefined {
  const suffixes = tls ? TLS_SUFFIXES : SUFFIXES;
  const find = (name: string): string | undefined =>
    suffixes.map((suffix) => inPath(name + suffix)).find((path) => path !== undefined);
  const client = find("coap-client");
  const server = find("coap-server");
  return client === undefined || server === undefined ? undefined : { client, server };
}

/**
 * Why tests against libcoap are to be skipped; false where they are not.
 *
 * @throws {Error} where a program is missing although it has to be there
 */
export function whySkip(tls = false): string | false {
  if (findPrograms(tls) !== undefined) return false;
  const which = tls ? " with OpenSSL" : "";
  if (process.env.COAP_REQUIRE_PEERS === "1" || process.env.CI === "true") {
    throw new Error(`coap-client and coap-server of libcoap${which} are not in PATH`);
  }
  return `libcoap's programs${which} are not in PATH`;
}

/** What a program that ended has left. */
export interface ClientRun {
  /** The messages in the order in which it sent and received them. */
  pdus: Pdu[];
  /** Everything it wrote, errors first. */
  output: string;
}

/** A running `coap-server`. */
export interface CoapServer {
  /** The port it got for UDP. */
  readonly port: number;
  /** Its address in front of a path: `coap://127.0.0.1:PORT`. */
  readonly origin: string;
  /** The same over TCP: `coap+tcp://127.0.0.1:PORT`. */
  readonly tcp: string;
  /** The same over TLS: `coaps+tcp://localhost:PORT`; undefined where it has no certificate. */
  readonly tls: string | undefined;
  /**
   * What it has sent and received, as soon as that is complete in the eyes of `check`: its log comes later than the
   * messages.
   *
   * @throws {Error} where it does not come to that within 6 s, which is enough for one retransmission
   */
  pdus(check: (pdus: Pdu[]) => boolean): Promise<Pdu[]>;
  /** Ends it. */
  close(): Promise<void>;
}

/** After this time a server is ended in any case, ms. */
const LIFETIME = 120_000;

const children = new Set<ChildProcess>();
process.on("exit", () => {
  for (const child of children) child.kill("SIGKILL");
});

const BOUND = /created (UDP|TCP|TLS) +endpoint \S+:(\d+)\n/g;
const NOT_BOUND = /cannot create \w+ endpoint/;

/** The port of each transport that a log tells of. */
function boundPorts(log: string): Map<string, number> {
  return new Map(Array.from(log.matchAll(BOUND), ([, name, port]) => [name!, Number(port)]));
}

/** Ports that are tried for a server that takes two in a row. */
const TRIES = 10;

/**
 * Starts `coap-server` on loopback ports of its own and waits until they are bound. It is ended after two minutes in
 * any case. With a certificate (`-c`) it takes TLS as well.
 */
export async function startCoapServer(args: readonly string[] = []): Promise<CoapServer> {
  const tls = args.includes("-c");
  const wanted = tls ? 3 : 2;
  const program = need(tls).server;
  for (let tries = 1;; tries++) {
    // With port 0 the system chooses, and the log tells what: nobody else can take it meanwhile. TLS has the next.
    const port = tls ? await pairOfPorts() : 0;
    const flags = ["-A", "127.0.0.1", "-p", `${port}`, "-d", "100", "-v", "7"];
    const server = start(program, [...flags, ...args], LIFETIME);
    try {
      await server.until(
        (output) => boundPorts(output).size === wanted || NOT_BOUND.test(server.errors()),
        "bind its ports",
        5_000,
      );
    } catch (error) {
      await server.end();
      throw error;
    }
    if (boundPorts(server.output()).size === wanted) return running(server);
    await server.end();
    if (tries === TRIES) throw new Error(`${program} can not bind its ports:\n${server.errors()}`);
  }
}

/** A port that is free, as is the next: probably, since others look for some at the same time. */
async function pairOfPorts(): Promise<number> {
  for (;;) {
    const port = await freePort(0);
    if (port === undefined || port === 65_535) continue;
    if (await freePort(port + 1) !== undefined) return port;
  }
}

/** A port of TCP that is free, if it is: any where it is 0. */
function freePort(wanted: number): Promise<number | undefined> {
  const server = createServer();
  return new Promise((resolve) => {
    server.on("error", () => resolve(undefined));
    server.listen(wanted, "127.0.0.1", () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });
}

function running(server: Running): CoapServer {
  const ports = boundPorts(server.output());
  const port = ports.get("UDP")!;
  return {
    port,
    origin: `coap://127.0.0.1:${port}`,
    tcp: `coap+tcp://127.0.0.1:${ports.get("TCP")}`,
    tls: ports.has("TLS") ? `coaps+tcp://localhost:${ports.get("TLS")}` : undefined,
    async pdus(check): Promise<Pdu[]> {
      const stop = poke(port);
      try {
        await server.until((output) => check(parsePdus(output)), "do what was expected", 6_000);
      } finally {
        stop();
      }
      return parsePdus(server.output());
    },
    close: () => server.end(),
  };
}

const POKED = /.* received 1 bytes\n/g;

/**
 * Makes the server write its log: the lines of a message stay in a buffer until something else happens. A datagram
 * of one byte is logged and otherwise ignored.
 */
function poke(port: number): () => void {
  const socket = createSocket("udp4");
  const timer = setInterval(() => socket.send(Uint8Array.of(0), port, "127.0.0.1"), 20);
  return () => {
    clearInterval(timer);
    socket.close();
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
  const tls = args.some((arg) => arg.startsWith("coaps"));
  const client = start(need(tls).client, ["-v", "7", ...args], timeout);
  const isLate = await client.ended;
  const output = client.errors() + client.output();
  if (isLate) {
    throw new Error(`coap-client "${args.join(" ")}" ran for ${timeout} ms:\n${output}`);
  }
  return { pdus: parsePdus(client.output()), output };
}

function need(tls: boolean): Programs {
  const programs = findPrograms(tls);
  if (programs === undefined) throw new Error(`Not found: ${HOW_TO_INSTALL}`);
  return programs;
}

interface Running {
  /** What it wrote to standard output: its log. */
  output(): string;
  /** What it wrote to standard error. */
  errors(): string;
  /** Resolves when it has ended and everything it wrote is there; true where its time was over. */
  ended: Promise<boolean>;
  /** Waits until its output is as wanted. */
  until(check: (output: string) => boolean, what: string, timeout: number): Promise<void>;
  /** Asks it to end, then kills it. */
  end(): Promise<void>;
}

function start(program: string, args: readonly string[], lifetime: number): Running {
  const child = spawn(program, args, { stdio: ["ignore", "pipe", "pipe"] });
  children.add(child);
  const { promise: ended, resolve } = Promise.withResolvers<boolean>();
  let late = false;
  const alarm = setTimeout(() => {
    late = true;
    child.kill("SIGKILL");
  }, lifetime);
  let over = false;
  let output = "";
  let errors = ""; // apart, since they would fall between the lines of a message
  let onOutput = (): void => {};
  const finish = (): void => {
    over = true;
    clearTimeout(alarm);
    children.delete(child);
    resolve(late);
    onOutput();
  };
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    output += text;
    onOutput();
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    errors += text;
    onOutput();
  });
  child.on("error", (error) => {
    errors += error.message;
    finish();
  });
  child.on("close", finish);
  const until = (
    check: (output: string) => boolean,
    what: string,
    timeout: number,
  ): Promise<void> =>
    new Promise((resolve, reject) => {
      const settle = (error?: Error): void => {
        clearTimeout(timer);
        onOutput = (): void => {};
        if (error === undefined) resolve();
        else reject(error);
      };
      const fail = (why: string): void =>
        settle(
          new Error(
            `${program} did not ${what}: ${why}\n${errors}${output.replaceAll(POKED, "")}`,
          ),
        );
      const timer = setTimeout(() => fail(`${timeout} ms are over`), timeout);
      onOutput = (): void => {
        if (check(output)) settle();
        else if (over) fail("it ended");
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
  return { output: () => output, errors: () => errors, ended, until, end };
}

/** What the interop tests share. @module */

import { describe, it } from "node:test";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { assertEquals, assertLess } from "@std/assert";
import type { Bind } from "@x/coap/udp";
import { whySkip } from "./libcoap.ts";
import type { Pdu } from "./libcoap_log.ts";

/** What is closed at the end. */
export interface Closable {
  close(): Promise<void>;
}

/** Hands its argument on and has it closed at the end of the test. */
export type Keep = <T extends Closable>(kept: T) => T;

/** Defines one test of a suite. */
export type DefineTest = (name: string, test: (keep: Keep) => Promise<void>) => void;

/**
 * A suite that needs libcoap, with TLS on demand. Without it every test is skipped; the reason is in the suite's name, since not every
 * runner reports one.
 */
export function describeWithLibcoap(
  name: string,
  define: (test: DefineTest) => void,
  tls = false,
): void {
  const reason = whySkip(tls);
  describe(
    reason === false ? name : `${name} (${reason})`,
    () => define((test, run) => void it(test, { skip: reason !== false }, () => keeping(run))),
  );
}

async function keeping(run: (keep: Keep) => Promise<void>): Promise<void> {
  const all: Closable[] = [];
  try {
    await run((kept) => {
      all.push(kept);
      return kept;
    });
  } finally {
    await Promise.all(all.map((kept) => kept.close()));
  }
}

/** Files for `-f` and `-o` of coap-client. */
export class Folder implements Closable {
  readonly #path: string = mkdtempSync(join(tmpdir(), "coap-interop-"));

  /** Where the file of that name is. */
  path(name: string): string {
    return join(this.#path, name);
  }

  /** Makes a file and gives its path. */
  write(name: string, bytes: Uint8Array): string {
    const path = this.path(name);
    writeFileSync(path, bytes);
    return path;
  }

  /** What a file holds. */
  read(name: string): Uint8Array {
    return Uint8Array.from(readFileSync(this.path(name)));
  }

  close(): Promise<void> {
    rmSync(this.#path, { recursive: true, force: true });
    return Promise.resolve();
  }
}

/** Waits for what comes from another process, at most `limit` ms. */
export async function waitUntil(check: () => boolean, limit = 5_000): Promise<void> {
  const start = performance.now();
  while (!check()) {
    assertLess(performance.now() - start, limit, `It did not come to that within ${limit} ms`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

/** Fails where bodies differ, without printing a megabyte. */
export function assertSame(actual: Uint8Array | undefined, expected: Uint8Array): void {
  assertEquals(actual?.length, expected.length);
  const at = expected.findIndex((byte, i) => byte !== actual![i]);
  assertEquals(at, -1, `Bodies differ from byte ${at} on`);
}

/** Messages in a few words, to compare a whole exchange at once: `"sent CON GET"`, `"lost CON GET"`. */
export function inWords(pdus: readonly Pdu[]): string[] {
  return pdus.map(({ direction, dropped, type, code }) =>
    `${dropped ? "lost" : direction} ${type} ${code}`
  );
}

/**
 * A transport that sends no datagram whose number, counted from 1, is in the list; the counterpart of libcoap's `-l`.
 *
 * @param list numbers and ranges, such as `"2,5,9-10"`
 */
export function withLosses(bind: Bind, list: string): Bind {
  const lost = parseList(list);
  return async (options, handler) => {
    const transport = await bind(options, handler);
    let count = 0;
    return {
      get address() {
        return transport.address;
      },
      flow: (address, port) => transport.flow(address, port),
      send(flow, bytes): void {
        if (!lost.has(++count)) transport.send(flow, bytes);
      },
      flush: () => transport.flush(),
      ref: () => transport.ref(),
      unref: () => transport.unref(),
      close: () => transport.close(),
    };
  };
}

/** The numbers in a list such as `"2,5,9-10"`. */
function parseList(list: string): Set<number> {
  const numbers = new Set<number>();
  for (const part of list.split(",")) {
    const match = /^(\d+)(?:-(\d+))?$/.exec(part);
    if (match === null) throw new Error(`List of numbers and ranges is malformed: "${list}"`);
    const first = Number(match[1]);
    const last = Number(match[2] ?? first);
    for (let number = first; number <= last; number++) numbers.add(number);
  }
  return numbers;
}

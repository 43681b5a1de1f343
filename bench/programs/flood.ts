/**
 * A flood: datagrams at a given rate, from many source ports and with no regard for what is answered. Of each four one is
 * a request with an ID and a token of chance, one a response that nobody has asked for, one a ping and one no message.
 *
 * `bun bench/programs/flood.ts '{"port":5683,"rate":50000}'` goes on until it is ended; it prints how many it has sent when
 * it is asked.
 *
 * @module
 */

import process from "node:process";
import { openSocket } from "./socket.ts";

/** What to flood, and how. */
export interface FloodOptions {
  readonly port: number;
  /** Datagrams per second. */
  readonly rate: number;
}

const SOURCES = 256;
/** Sent by one source port at once. */
const BATCH = 4;
/**
 * Pause between portions, ms. Timers know whole milliseconds, and what they let through at once would be a burst that
 * nobody gets past; so the thread sleeps, and looks after its sockets in between.
 */
const PAUSE = 0.05;
/** What the machine did not let us send for so long is not made up for, ms. */
const LATEST = 1;

const { port, rate }: FloodOptions = JSON.parse(process.argv[2]!);
const sockets = await Promise.all(
  Array.from({ length: SOURCES }, (_, i) => openSocket(port, () => {}, `127.2.0.${1 + i % 200}`)),
);
const random = new Uint32Array(BATCH);
const kinds = [
  Uint8Array.of(0x44, 1, 0, 0, 0, 0, 0, 0, 0xb4, 0x74, 0x65, 0x73, 0x74),
  Uint8Array.of(0x54, 0x45, 0, 0, 0, 0, 0, 0, 0xff, 0x68, 0x69),
  Uint8Array.of(0x40, 0, 0, 0),
  Uint8Array.of(0x4f, 1, 0, 0, 0xff, 0xff, 0xff, 0xff),
];
const batch = Array.from({ length: BATCH }, (_, i) => kinds[i % kinds.length]!.slice());
const asleep = new Int32Array(new SharedArrayBuffer(4));
let sent = 0;
/** How many were to be sent by `last`, without those that were left out. */
let due = 0;
let last = performance.now();
let turn = 0;

function pour(): void {
  const now = performance.now();
  due += Math.min(now - last, LATEST) / 1000 * rate;
  last = now;
  while (sent < due) {
    crypto.getRandomValues(random);
    batch.forEach((bytes, i) => {
      bytes[2] = random[i]! >>> 24;
      bytes[3] = random[i]! >>> 16 & 0xff;
      if (bytes.length > 8) bytes[4] = random[i]! & 0xff;
    });
    sockets[turn++ % SOURCES]!.send(batch);
    sent += BATCH;
  }
  Atomics.wait(asleep, 0, 0, PAUSE);
  setImmediate(pour);
}

process.stdin.on("data", () => console.log(sent));
console.log(port);
pour();

/**
 * Observers, each on a source port of its own, and one who changes the state when all of them have acknowledged the one
 * before. It knows nothing of the library that it loads.
 *
 * `bun bench/programs/observers.ts '{"port":5683,"observers":1000,"seconds":2}'` prints one line of JSON.
 *
 * @module
 */

import process from "node:process";
import { type LoadSocket, openSocket } from "./socket.ts";

/** What to observe: the server has `/state`, which POST changes. */
export interface ObserveOptions {
  readonly port: number;
  readonly observers: number;
  /** How long to go on changing the state before measuring, s. */
  readonly warmUp: number;
  readonly seconds: number;
  /** Whether the server also has `/resent`: how many messages it has sent again. */
  readonly tellsResent: boolean;
}

/** What came of it. */
export interface ObserveResult {
  /** Notifications that were measured, all of them acknowledged. */
  readonly notifications: number;
  /** Messages that the server has sent again, as their acknowledgement was lost; -1 where it does not tell. */
  readonly resent: number;
  /** Datagrams that should not have come. */
  readonly wrong: number;
  readonly seconds: number;
}

const PATH = [0xb5, ...new TextEncoder().encode("state")];
const TOKEN = [0x5a, 0xa5];
/** As many register at once. */
const BATCH = 50;
const STATE_LENGTH = 16;

let wrong = 0;
/** The state that was asked for last, and how many have it. */
let state = 0;
let reached = 0;
let onReached = (): void => {};

/** The state in a notification, -1 where it is none. */
function stateOf(bytes: Uint8Array): number {
  const start = bytes.length - STATE_LENGTH;
  if (bytes[1] !== 0x45 || bytes[4] !== TOKEN[0] || bytes[5] !== TOKEN[1]) return -1;
  if (start < 8 || bytes[start - 1] !== 0xff) return -1;
  let value = 0;
  for (let i = start; i < bytes.length; i++) value = value * 10 + bytes[i]! - 48;
  return value;
}

/** One observer. */
class Observer {
  #socket: LoadSocket | undefined = undefined;
  #state = -1;
  readonly #ack: Uint8Array = Uint8Array.of(0x60, 0, 0, 0);
  #onRegistered = (): void => {};

  async register(port: number, id: number): Promise<void> {
    this.#socket = await openSocket(port, (bytes) => this.#receive(bytes));
    const registered = new Promise<void>((resolve) => this.#onRegistered = resolve);
    // Observe: 0, then Uri-Path: 11 - 6 further.
    this.#socket.send([
      Uint8Array.of(0x42, 1, id >> 8, id & 0xff, ...TOKEN, 0x60, 0x55, ...PATH.slice(1)),
    ]);
    await registered;
  }

  #receive(bytes: Uint8Array): void {
    const type = bytes[0]! >> 4 & 3;
    const value = stateOf(bytes);
    if (value < 0 || type > 2) {
      wrong++;
      return;
    }
    if (type === 0) {
      this.#ack[2] = bytes[2]!;
      this.#ack[3] = bytes[3]!;
      this.#socket!.send([this.#ack]);
    }
    if (this.#state < 0) {
      this.#state = value;
      return this.#onRegistered();
    }
    if (type !== 0) wrong++;
    else if (value > this.#state) { // else it came again
      this.#state = value;
      if (value === state && ++reached === all) onReached();
    }
  }

  close(): void {
    this.#socket?.close();
  }
}

const options: ObserveOptions = JSON.parse(process.argv[2]!);
const all = options.observers;
const observers: Observer[] = [];
for (let first = 0; first < all; first += BATCH) {
  const batch = Array.from({ length: Math.min(BATCH, all - first) }, () => new Observer());
  await Promise.all(batch.map((observer, i) => observer.register(options.port, first + i)));
  observers.push(...batch);
}

let onChanged = (): void => {};
let onResent = (_count: number): void => {};
const changer = await openSocket(options.port, (bytes) => {
  if (bytes[1] === 0x44) onChanged();
  else if (bytes[1] === 0x45) {
    const payload = bytes.subarray(bytes.lastIndexOf(0xff) + 1);
    onResent(Number(new TextDecoder().decode(payload)));
  } else wrong++;
});

/** How many messages the server has sent again. */
function askResent(): Promise<number> {
  const resent = new Promise<number>((resolve) => onResent = resolve);
  const path = new TextEncoder().encode("resent");
  changer.send([Uint8Array.of(0x42, 1, 0xff, 0xff, ...TOKEN, 0xb6, ...path)]);
  return resent;
}

/** Changes the state and waits until all observers have it. */
async function change(): Promise<void> {
  state++;
  reached = 0;
  const changed = new Promise<void>((resolve) => onChanged = resolve);
  const all = new Promise<void>((resolve) => onReached = resolve);
  changer.send([Uint8Array.of(0x42, 2, state >> 8 & 0xff, state & 0xff, ...TOKEN, ...PATH)]);
  await Promise.all([changed, all]);
}

async function changeFor(seconds: number): Promise<[changes: number, seconds: number]> {
  const start = performance.now();
  let changes = 0;
  while (performance.now() - start < seconds * 1000) {
    await change();
    changes++;
  }
  return [changes, (performance.now() - start) / 1000];
}

await changeFor(options.warmUp);
const [changes, seconds] = await changeFor(options.seconds);
const resent = options.tellsResent ? await askResent() : -1;
const result: ObserveResult = { notifications: changes * all, resent, wrong, seconds };
console.log(JSON.stringify(result));
process.exit(0);

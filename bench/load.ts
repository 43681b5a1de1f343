/**
 * A load generator: Confirmable GETs over plain sockets, a window of them under way, every response checked. It knows
 * nothing of the library that it loads, and no source port uses a message ID twice.
 *
 * `node bench/load.ts PORT REQUESTS SOURCES WINDOW [PATH]` prints one line of JSON.
 *
 * @module
 */

import dgram, { type RemoteInfo, type Socket } from "node:dgram";
import process from "node:process";

/** What came of it. */
export interface LoadResult {
  /** Requests answered as they should be. */
  readonly answered: number;
  /** Requests sent again because no response came in time. */
  readonly repeated: number;
  /** Datagrams that were no right response. */
  readonly wrong: number;
  readonly seconds: number;
}

/** What to load. */
export interface LoadOptions {
  readonly port: number;
  readonly requests: number;
  /** Source ports in use. Each makes at most 65,536 requests. */
  readonly sources: number;
  /** Requests under way over all source ports. */
  readonly window: number;
  /** One path segment of at most 12 characters. */
  readonly path: string;
}

const TOKEN = 4;
const CONTENT = 0x45;
/** A request without a response is sent again after this, ms. */
const PATIENCE = 500;

/** One source port and what it has under way. */
class Source {
  readonly #socket: Socket;
  readonly #request: Uint8Array;
  readonly #options: LoadOptions;
  readonly #done: () => void;
  readonly #sentAt = new Map<number, number>();
  #next = 0;
  #left: number;
  answered = 0;
  repeated = 0;
  wrong = 0;

  constructor(options: LoadOptions, requests: number, done: () => void) {
    this.#options = options;
    this.#left = requests;
    this.#done = done;
    const path = new TextEncoder().encode(options.path);
    this.#request = new Uint8Array(4 + TOKEN + 1 + path.length);
    this.#request.set([0x40 | TOKEN, 1, 0, 0, 0xca, 0xfe, 0, 0, 0xb0 | path.length]);
    this.#request.set(path, 4 + TOKEN + 1);
    this.#socket = dgram.createSocket({ type: "udp4", recvBufferSize: 4 << 20 });
    this.#socket.on("message", (bytes, from) => this.#receive(bytes, from));
  }

  async start(window: number): Promise<void> {
    await new Promise<void>((resolve) => this.#socket.bind(0, "127.0.0.1", resolve));
    for (let i = 0; i < window && this.#left > 0; i++) this.#send(this.#next++);
  }

  #send(id: number): void {
    this.#left--;
    this.#sentAt.set(id, Date.now());
    this.#transmit(id);
  }

  #transmit(id: number): void {
    // The message ID is in the token as well, so that a response can be told from one to another request.
    const bytes = this.#request.slice();
    bytes[2] = bytes[6] = id >> 8;
    bytes[3] = bytes[7] = id & 0xff;
    this.#socket.send(bytes, this.#options.port, "127.0.0.1");
  }

  #receive(bytes: Uint8Array, from: RemoteInfo): void {
    const id = bytes[2]! << 8 | bytes[3]!;
    const right = bytes[0] === (0x60 | TOKEN) && bytes[1] === CONTENT && bytes[4] === 0xca &&
      bytes[5] === 0xfe && bytes[6] === bytes[2] && bytes[7] === bytes[3] &&
      bytes.length > 4 + TOKEN && from.port === this.#options.port && this.#sentAt.delete(id);
    if (!right) {
      this.wrong++;
      return;
    }
    this.answered++;
    if (this.#left > 0) this.#send(this.#next++);
    else if (this.#sentAt.size === 0) this.#done();
  }

  repeat(now: number): void {
    for (const [id, sentAt] of this.#sentAt) {
      if (now - sentAt < PATIENCE) continue;
      this.repeated++;
      this.#sentAt.set(id, now);
      this.#transmit(id);
    }
  }

  close(): void {
    this.#socket.close();
  }
}

/** Loads a server on this machine. */
export async function load(options: LoadOptions): Promise<LoadResult> {
  const { requests, window } = options;
  const sources: Source[] = [];
  let ended = 0;
  const count = Math.min(options.sources, requests);
  if (requests > count * 65_536) throw new RangeError(`Too few source ports: "${count}"`);
  const startedAt = performance.now();
  await new Promise<void>((resolve, reject) => {
    const done = (): void => {
      if (++ended === count) resolve();
    };
    for (let i = 0; i < count; i++) {
      const share = Math.floor(requests * (i + 1) / count) - Math.floor(requests * i / count);
      sources.push(new Source(options, share, done));
    }
    const each = Math.max(1, Math.round(window / count));
    Promise.all(sources.map((source) => source.start(each))).catch(reject);
    const timer = setInterval(() => {
      for (const source of sources) source.repeat(Date.now());
    }, 100);
    timer.unref();
  });
  const seconds = (performance.now() - startedAt) / 1000;
  const result = { answered: 0, repeated: 0, wrong: 0, seconds };
  for (const source of sources) {
    result.answered += source.answered;
    result.repeated += source.repeated;
    result.wrong += source.wrong;
    source.close();
  }
  return result;
}

if (import.meta.main ?? process.argv[1]?.endsWith("load.ts")) {
  const [port, requests, sources, window, path = "test"] = process.argv.slice(2);
  console.log(JSON.stringify(
    await load({
      port: Number(port),
      requests: Number(requests),
      sources: Number(sources),
      window: Number(window),
      path,
    }),
  ));
  process.exit(0);
}

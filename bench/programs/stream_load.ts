/**
 * The load generator over connections: GETs over TCP or WebSockets (RFC 8323), so many under way on each connection, every
 * response checked. It knows nothing of the library that it loads.
 *
 * `bun bench/programs/stream_load.ts '{"port":5683,"seconds":2}'` prints one line of JSON.
 *
 * @module
 */

import process from "node:process";
import { openStream, type StreamSocket } from "./stream_socket.ts";

/** What to load. */
export interface StreamLoadOptions {
  readonly port: number;
  /** Whether over WebSockets. @default {false} */
  readonly ws?: boolean;
  /** One path segment of at most 8 bytes. @default {"test"} */
  readonly path?: string;
  /** Requests under way on each connection, at most 1,000. @default {16} */
  readonly window?: number;
  /** Connections. @default {16} */
  readonly connections?: number;
  /** How long to measure, s. @default until `requests` are answered */
  readonly seconds?: number;
  /** How long to load before, s. @default {0} */
  readonly warmUp?: number;
  /** Requests in all, where `seconds` is absent. */
  readonly requests?: number;
  /** The server sends back what it gets. @default {false} */
  readonly echo?: boolean;
  /** The payload that is right; of any other length than that of the first response none is. */
  readonly payload?: string;
}

/** What came of it. */
export interface StreamLoadResult {
  /** Requests answered as they should be, while it was measured. */
  readonly answered: number;
  /** Messages that were no right response. */
  readonly wrong: number;
  /** How long was measured, s. */
  readonly seconds: number;
}

const TOKEN = 4;
const GET = 0x01;
const CONTENT = 0x45;
const CSM = 0xe1;
/** Sequence numbers of one connection, before they begin anew. */
const NUMBERS = 0x10000;
/** How long connections and their CSMs may take, ms. */
const PATIENCE = 5000;
/** The header of a WebSocket message from a client, whose mask changes nothing (RFC 6455 section 5.2). */
const WS_HEADER = 6;

/** A message with its header: over TCP that is its length, over WebSockets that of a frame. */
function message(
  ws: boolean,
  code: number,
  token: readonly number[],
  rest: Uint8Array,
): Uint8Array {
  const inner = [code, ...token, ...rest];
  const first = (ws ? 0 : rest.length << 4) | token.length;
  const header = ws ? [0x82, 0x80 | (inner.length + 1), 0, 0, 0, 0] : [];
  return Uint8Array.of(...header, first, ...inner);
}

/** Counters that all connections share, and what is right. */
class Load {
  readonly ws: boolean;
  readonly echo: boolean;
  readonly request: Uint8Array;
  /** Where its token begins. */
  readonly tokenAt: number;
  readonly payload: Uint8Array | undefined;
  readonly requests: number | undefined;
  answered = 0;
  wrong = 0;
  /** Length of the first response, from its token on. */
  length = 0;
  /** Requests that may still be begun. */
  left: number;
  readonly ended: Promise<void>;
  readonly #end: () => void;

  constructor(
    { ws = false, echo = false, path = "test", ...options }: StreamLoadOptions,
  ) {
    this.ws = ws;
    this.echo = echo;
    const segment = new TextEncoder().encode(path);
    const option = segment.length > 0 ? [0xb0 | segment.length, ...segment] : [];
    this.request = message(ws, GET, [0, 0, 0, 0], Uint8Array.from(option));
    this.tokenAt = (ws ? WS_HEADER : 0) + 2;
    this.payload = options.payload === undefined
      ? undefined
      : new TextEncoder().encode(options.payload);
    this.requests = options.requests;
    this.left = options.seconds === undefined ? options.requests ?? 0 : Infinity;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.ended = promise;
    this.#end = resolve;
  }

  /** Whether a message is a right response, but for its token, which begins at `at`. */
  isRight(
    bytes: Uint8Array,
    first: number,
    code: number,
    at: number,
    end: number,
  ): boolean {
    if (first !== TOKEN) return false;
    if (this.echo) {
      const { request, tokenAt } = this;
      if (code !== GET || end - at !== request.length - tokenAt) return false;
      for (let i = TOKEN; at + i < end; i++) {
        if (bytes[at + i] !== request[tokenAt + i]) return false;
      }
      return true;
    }
    if (code !== CONTENT) return false;
    if (this.length === 0) this.length = end - at;
    return end - at === this.length && this.#hasPayload(bytes, end);
  }

  #hasPayload(bytes: Uint8Array, end: number): boolean {
    const { payload } = this;
    if (payload === undefined) return this.length > TOKEN + 1;
    const start = end - payload.length;
    if (bytes[start - 1] !== 0xff) return false;
    for (let i = 0; i < payload.length; i++) {
      if (bytes[start + i] !== payload[i]) return false;
    }
    return true;
  }

  /** A message is no right response: that ends it. */
  miss(): void {
    this.wrong++;
    this.#end();
  }

  /** A request is answered. */
  count(): void {
    if (++this.answered === this.requests) this.#end();
  }
}

/** One connection and what it has under way. */
class Connection {
  readonly #load: Load;
  readonly #number: number;
  readonly #window: number;
  /** Whether the request of a number is under way. */
  readonly #waits = new Uint8Array(NUMBERS);
  /** Requests of a turn. */
  readonly #turn: Uint8Array;
  #length = 0;
  #next = 0;
  #socket: StreamSocket | undefined = undefined;
  /** The beginning of a message that is not whole. */
  #rest: Uint8Array | undefined = undefined;
  #ready = false;
  readonly #settings = Promise.withResolvers<void>();
  /** Rejects when it is closed, which only this end does. */
  readonly lost: Promise<never>;
  readonly #lose: (error: Error) => void;

  constructor(load: Load, number: number, window: number) {
    this.#load = load;
    this.#number = number;
    this.#window = window;
    this.#turn = new Uint8Array(load.request.length * window);
    const { promise, reject } = Promise.withResolvers<never>();
    promise.catch(() => {});
    this.lost = promise;
    this.#lose = reject;
  }

  /** Connects and exchanges the CSMs. */
  async open(port: number): Promise<void> {
    const { ws } = this.#load;
    this.#socket = await openStream(
      port,
      ws,
      (bytes) => this.#receive(bytes),
      this.#lose,
    );
    this.#socket.write(message(ws, CSM, [], new Uint8Array(0)));
    let timer: ReturnType<typeof setTimeout> | undefined = undefined;
    const late = new Promise<never>((_resolve, reject) => {
      timer = setTimeout(() => reject(new Error("There was no CSM")), PATIENCE);
    });
    await Promise.race([this.#settings.promise, late, this.lost]);
    clearTimeout(timer);
  }

  /** Begins as many requests as may be under way. */
  begin(): void {
    for (let i = 0; i < this.#window; i++) this.#request();
    this.#flush();
  }

  #request(): void {
    const load = this.#load;
    if (load.left === 0) return;
    load.left--;
    const turn = this.#turn;
    const number = this.#next;
    this.#next = (number + 1) % NUMBERS;
    this.#waits[number] = 1;
    turn.set(load.request, this.#length);
    const at = this.#length + load.tokenAt;
    turn[at] = this.#number >> 8;
    turn[at + 1] = this.#number;
    turn[at + 2] = number >> 8;
    turn[at + 3] = number;
    this.#length += load.request.length;
  }

  #flush(): void {
    if (this.#length === 0) return;
    this.#socket!.write(this.#turn.subarray(0, this.#length));
    this.#length = 0;
  }

  #receive(portion: Uint8Array): void {
    let bytes = portion;
    if (this.#rest !== undefined) {
      bytes = new Uint8Array(this.#rest.length + portion.length);
      bytes.set(this.#rest);
      bytes.set(portion, this.#rest.length);
      this.#rest = undefined;
    }
    let at = 0;
    while (at < bytes.length) {
      const size = this.#take(bytes, at);
      if (size === 0) break;
      at += size;
    }
    if (at < bytes.length) this.#rest = bytes.slice(at);
    this.#flush();
  }

  /** Takes the message at a place. Answers its size, 0 where it is not whole. */
  #take(bytes: Uint8Array, start: number): number {
    let at = start;
    let first = bytes[at++]!;
    let length: number;
    if (this.#load.ws) {
      if (at === bytes.length) return 0;
      length = bytes[at++]! - 2;
      if (first !== 0x82 || length > 123 || length < 0) {
        throw new Error(
          `Frame ${first.toString(16)} is no binary message, or not of the size expected`,
        );
      }
      if (at === bytes.length) return 0;
      first = bytes[at++]!;
    } else {
      length = first >> 4;
      first &= 0x0f;
      if (length === 13) length += at === bytes.length ? 0 : bytes[at++]!;
      else if (length > 13) throw new Error("Message is larger than expected");
      length += first;
    }
    const end = at + 1 + length;
    if (end > bytes.length) return 0;
    this.#message(bytes, first, bytes[at]!, at + 1, end);
    return end - start;
  }

  #message(
    bytes: Uint8Array,
    first: number,
    code: number,
    at: number,
    end: number,
  ): void {
    const load = this.#load;
    if (!this.#ready) {
      if (code !== CSM) load.miss();
      this.#ready = true;
      return this.#settings.resolve();
    }
    const number = bytes[at + 2]! << 8 | bytes[at + 3]!;
    const own = bytes[at]! << 8 | bytes[at + 1]!;
    if (
      !load.isRight(bytes, first, code, at, end) || own !== this.#number ||
      this.#waits[number] === 0
    ) {
      return load.miss();
    }
    this.#waits[number] = 0;
    load.count();
    this.#request();
  }

  close(): void {
    this.#socket?.close();
  }
}

function sleep(seconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, seconds * 1000));
}

/** Loads a server on this machine until something is wrong. Rejects where a connection is lost. */
export async function loadStream(
  options: StreamLoadOptions,
): Promise<StreamLoadResult> {
  const { port, seconds, warmUp = 0, window = 16, connections = 16 } = options;
  const load = new Load(options);
  const all = Array.from(
    { length: connections },
    (_, i) => new Connection(load, i, window),
  );
  try {
    for (const connection of all) await connection.open(port);
    const over = Promise.race([load.ended, ...all.map(({ lost }) => lost)]);
    let start = performance.now();
    let before = 0;
    for (const connection of all) connection.begin();
    if (seconds === undefined) await over;
    else {
      await Promise.race([sleep(warmUp), over]);
      start = performance.now();
      before = load.answered;
      await Promise.race([sleep(seconds), over]);
    }
    const { answered, wrong } = load;
    return {
      answered: answered - before,
      wrong,
      seconds: (performance.now() - start) / 1000,
    };
  } finally {
    for (const connection of all) connection.close();
  }
}

if (import.meta.main ?? process.argv[1]?.endsWith("stream_load.ts")) {
  console.log(JSON.stringify(await loadStream(JSON.parse(process.argv[2]!))));
  process.exit(0);
}

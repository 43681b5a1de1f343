/**
 * The load generator: Confirmable GETs over plain sockets, a window of them under way, every response checked. It knows
 * nothing of the library that it loads. No source port uses a message ID twice: after 50,000 requests its place is taken
 * by another one.
 *
 * `bun bench/programs/load.ts '{"port":5683,"seconds":2}'` prints one line of JSON. On Bun it is fast enough to load its
 * plain echo; it runs on Node and Deno as well.
 *
 * @module
 */

import process from "node:process";
import { type LoadSocket, openSocket } from "./socket.ts";

/** What to load. */
export interface LoadOptions {
  readonly port: number;
  /** One path segment of at most 12 bytes. @default {"test"} */
  readonly path?: string;
  /** Requests under way over all source ports. @default {16} */
  readonly window?: number;
  /** Source ports in use at a time. @default {4} */
  readonly sources?: number;
  /** How long to measure, s. @default until `requests` are answered */
  readonly seconds?: number;
  /** How long to load before, s. @default {0} */
  readonly warmUp?: number;
  /** Requests in all, where `seconds` is absent. */
  readonly requests?: number;
  /** Requests that a source port makes before another one takes its place, at most 65,536. @default {50000} */
  readonly perSource?: number;
  /** The server sends back what it gets. @default {false} */
  readonly echo?: boolean;
  /** The payload that is right; of any other length than that of the first response none is. */
  readonly payload?: string;
  /** Source ports that send one request each before, from other addresses of this machine. @default {0} */
  readonly idle?: number;
}

/** What came of it. */
export interface LoadResult {
  /** Requests answered as they should be, while it was measured. */
  readonly answered: number;
  /** Requests sent again because no response came in time. */
  readonly repeated: number;
  /** Datagrams that were no right response. */
  readonly wrong: number;
  /** How long was measured. */
  readonly seconds: number;
}

const TOKEN = 4;
const CONTENT = 0x45;
/** What is under way at a source port that hears nothing is sent again after this, ms. */
const PATIENCE = 500;
const WATCH = 100;
/**
 * Where each source port is on an address of its own: the system gives ports out again, and the server would take the
 * message IDs of another source for those of the one before.
 */
const HAS_ADDRESSES = process.platform === "linux";
/** Tells the addresses of this process from those of the one before. */
const NETWORK = 16 + Math.floor(Math.random() * 200);
/** Idle source ports that are open at a time: each batch has an address of its own. */
const BATCH = 200;

/** A request with one path segment, but for message ID and token. */
function template(path: string): Uint8Array {
  const segment = new TextEncoder().encode(path);
  return Uint8Array.of(
    ...[0x40 | TOKEN, 1, 0, 0, 0, 0, 0, 0],
    ...(segment.length > 0 ? [0xb0 | segment.length, ...segment] : []),
  );
}

/** Counters that all sources share. */
class Load {
  readonly options: LoadOptions;
  readonly request: Uint8Array;
  readonly payload: Uint8Array | undefined;
  answered = 0;
  repeated = 0;
  wrong = 0;
  /** Source ports so far. */
  opened = 0;
  /** Length of the first response. */
  length = 0;
  /** Requests that may still be begun. */
  left: number;
  /** Called when the last one is answered. */
  onEnd = (): void => {};
  /** Called where no socket is to be had. */
  onError: (error: unknown) => void = () => {};

  constructor(options: LoadOptions) {
    this.options = options;
    this.request = template(options.path ?? "test");
    this.payload = options.payload === undefined
      ? undefined
      : new TextEncoder().encode(options.payload);
    this.left = options.seconds === undefined ? options.requests ?? 0 : Infinity;
  }

  /** Whether a datagram is a right response, but for the request that it answers. */
  isRight(bytes: Uint8Array): boolean {
    const { request, options } = this;
    if (bytes[2] !== bytes[6] || bytes[3] !== bytes[7]) return false;
    if (options.echo) return bytes.length === request.length && bytes[0] === request[0];
    if (bytes[0] !== (0x60 | TOKEN) || bytes[1] !== CONTENT) return false;
    if (this.length === 0 && this.#hasPayload(bytes)) this.length = bytes.length;
    return bytes.length === this.length;
  }

  #hasPayload(bytes: Uint8Array): boolean {
    const { payload } = this;
    if (payload === undefined) return bytes.length > 4 + TOKEN;
    const start = bytes.length - payload.length;
    return bytes[start - 1] === 0xff && payload.every((byte, i) => bytes[start + i] === byte);
  }
}

/** One source port and what it has under way. */
class Source {
  readonly #load: Load;
  readonly #place: Place;
  /** Whether the request of a number, which is its message ID, is under way. */
  readonly #waits: Uint8Array;
  /** Datagrams of a turn, and the buffers they are written to. */
  readonly #turn: Uint8Array[] = [];
  readonly #buffers: Uint8Array[] = [];
  #socket: LoadSocket | undefined = undefined;
  #next = 0;
  #heard = 0;
  #heardBefore = -1;
  #silentSince = 0;
  #scheduled = false;
  /** Requests under way. */
  underWay = 0;

  constructor(load: Load, place: Place) {
    this.#load = load;
    this.#place = place;
    this.#waits = new Uint8Array(load.options.perSource ?? 50_000);
  }

  async open(): Promise<this> {
    const number = this.#load.opened++;
    this.#socket = await openSocket(
      this.#load.options.port,
      (bytes) => this.#receive(bytes),
      HAS_ADDRESSES ? `127.${NETWORK}.${number >> 8 & 0xff}.${number & 0xff}` : undefined,
    );
    return this;
  }

  /** Begins a request. Answers whether a message ID was left for it. */
  begin(): boolean {
    if (this.#next === this.#waits.length) return false;
    const id = this.#next++;
    this.#waits[id] = 1;
    this.underWay++;
    this.#push(id);
    return true;
  }

  #push(id: number): void {
    const turn = this.#turn;
    const bytes = this.#buffers[turn.length] ??= this.#load.request.slice();
    const salt = this.#place.number;
    // The message ID is in the token as well, so that a response can be told from one to another request.
    bytes[2] = bytes[6] = id >> 8;
    bytes[3] = bytes[7] = id & 0xff;
    bytes[4] = salt >> 8;
    bytes[5] = salt & 0xff;
    turn.push(bytes);
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(this.#flush);
  }

  readonly #flush = (): void => {
    this.#scheduled = false;
    this.#socket?.send(this.#turn);
    this.#turn.length = 0;
  };

  #receive(bytes: Uint8Array): void {
    const load = this.#load;
    const id = bytes[2]! << 8 | bytes[3]!;
    const salt = bytes[4]! << 8 | bytes[5]!;
    if (salt !== this.#place.number || id >= this.#next || !load.isRight(bytes)) {
      load.wrong++;
      return;
    }
    if (this.#waits[id] === 0) {
      // The second response to a request that was sent twice.
      if (load.repeated === 0) load.wrong++;
      return;
    }
    this.#waits[id] = 0;
    this.underWay--;
    this.#heard++;
    load.answered++;
    this.#place.next(this);
  }

  /** Sends again what is under way, where nothing has come for a while. */
  watch(now: number): void {
    if (this.#heard !== this.#heardBefore || this.underWay === 0) {
      this.#heardBefore = this.#heard;
      this.#silentSince = now;
    } else if (now - this.#silentSince >= PATIENCE) {
      this.#silentSince = now;
      this.#waits.forEach((waits, id) => {
        if (waits === 0) return;
        this.#load.repeated++;
        this.#push(id);
      });
    }
  }

  close(): void {
    this.#socket?.close();
    this.#socket = undefined;
  }
}

/** A place that one source port after the other takes. */
class Place {
  readonly #load: Load;
  readonly #sources: Source[] = [];
  #current: Source | undefined = undefined;
  /** Requests that wait for the next source port. */
  #owed: number;
  /** Tells its requests from those of other places. */
  readonly number: number;

  constructor(load: Load, number: number, window: number) {
    this.#load = load;
    this.number = number;
    this.#owed = window;
  }

  async open(): Promise<void> {
    this.#current = await new Source(this.#load, this).open();
    this.#sources.push(this.#current);
  }

  /** Begins the requests that are owed. */
  begin(): void {
    const owed = this.#owed;
    this.#owed = 0;
    for (let i = 0; i < owed && this.#load.left > 0; i++) this.#begin();
  }

  #begin(): void {
    if (this.#current!.begin()) {
      this.#load.left--;
      return;
    }
    if (this.#owed++ > 0) return;
    this.open().then(() => this.begin(), (error) => this.#load.onError(error));
  }

  /** A request is answered: the next one takes its turn. */
  next(source: Source): void {
    if (this.#load.left > 0) this.#begin();
    if (source !== this.#current && source.underWay === 0) {
      source.close();
      this.#sources.splice(this.#sources.indexOf(source), 1);
    }
    if (this.#load.left === 0 && this.#load.answered === this.#load.options.requests) {
      this.#load.onEnd();
    }
  }

  watch(now: number): void {
    for (const source of this.#sources) source.watch(now);
  }

  close(): void {
    for (const source of this.#sources) source.close();
  }
}

/** One request each from many source ports. */
async function visit(load: Load, count: number): Promise<void> {
  for (let first = 0; first < count; first += BATCH) {
    const size = Math.min(BATCH, count - first);
    // A port that was closed is given out again, but the address is another one.
    const local = `127.1.${first / BATCH >> 8}.${first / BATCH & 0xff}`;
    let answered = 0;
    const sockets: LoadSocket[] = [];
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error("An idle peer was not answered")), 5000);
      const heard = (): void => {
        if (++answered < size) return;
        clearTimeout(timer);
        resolve();
      };
      const open = async (): Promise<void> => {
        for (let i = 0; i < size; i++) {
          const socket = await openSocket(load.options.port, heard, local);
          sockets.push(socket);
          socket.send([load.request.slice()]);
        }
      };
      open().catch(reject);
    });
    for (const socket of sockets) socket.close();
  }
}

function sleep(seconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, seconds * 1000));
}

/** Loads a server on this machine. */
export async function load(options: LoadOptions): Promise<LoadResult> {
  const { seconds, warmUp = 0, window = 16, sources = 4, idle = 0 } = options;
  const load = new Load(options);
  if (idle > 0) await visit(load, idle);
  const places: Place[] = [];
  for (let i = 0; i < sources; i++) {
    const share = Math.floor(window * (i + 1) / sources) - Math.floor(window * i / sources);
    places.push(new Place(load, i, Math.max(1, share)));
  }
  for (const place of places) await place.open();
  const timer = setInterval(() => {
    for (const place of places) place.watch(Date.now());
  }, WATCH);
  try {
    const ended = new Promise<void>((resolve, reject) => {
      load.onEnd = resolve;
      load.onError = reject;
    });
    let start = performance.now();
    let before = 0;
    for (const place of places) place.begin();
    if (seconds === undefined) await ended;
    else {
      await Promise.race([sleep(warmUp), ended]);
      start = performance.now();
      before = load.answered;
      await Promise.race([sleep(seconds), ended]);
    }
    const { answered, repeated, wrong } = load;
    const time = (performance.now() - start) / 1000;
    return { answered: answered - before, repeated, wrong, seconds: time };
  } finally {
    clearInterval(timer);
    for (const place of places) place.close();
  }
}

if (import.meta.main ?? process.argv[1]?.endsWith("load.ts")) {
  console.log(JSON.stringify(await load(JSON.parse(process.argv[2]!))));
  process.exit(0);
}

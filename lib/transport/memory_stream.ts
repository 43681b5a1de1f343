/** A simulated network of byte streams: delay, portions, back-pressure and cuts that a seed repeats. @module */

import { CoAPError } from "../errors.ts";
import type { Address } from "../flow.ts";
import { parseIpAddress } from "./ip_address.ts";
import type { Scheduler } from "./memory.ts";
import { SeededRandom } from "./seeded_random.ts";
import type {
  ByteNetwork,
  ByteReceiver,
  ByteSocket,
  ClientTlsOptions,
  Listener,
  ListenOptions,
  Opened,
  StreamTarget,
} from "./stream.ts";

/** How the network treats bytes. They may be changed while it runs. */
export interface StreamConditions {
  /**
   * Time on the way, ms: a number, or the least and the greatest, between which each portion's is drawn. Portions never
   * overtake each other.
   *
   * @default {10}
   */
  latency: number | readonly [min: number, max: number];
  /**
   * Bytes that arrive together: the least and the greatest, between which each portion's number is drawn.
   *
   * @default {[1, 65536]}
   */
  portion: readonly [min: number, max: number];
  /**
   * Bytes under way and unread in one direction of a connection; further ones are not taken from the sender.
   *
   * @default {65536}
   */
  window: number;
}

/** How a network is made. */
export interface SimulatedStreamsOptions extends Partial<StreamConditions> {
  /** Where the time comes from. */
  clock: Scheduler;
  /**
   * Seed of all chances.
   *
   * @default {1}
   */
  seed?: number;
}

/** There is no wildcard here: what a server binds by default is where a client looks for it. */
const LOOPBACK: Readonly<Record<string, string>> = { "0.0.0.0": "127.0.0.1", "::": "::1" };
/** The first port given to a socket that asked for any. */
const EPHEMERAL = 49_152;

/** A network without sockets. TLS is not simulated: what asks for it gets none. */
export class SimulatedStreams implements ByteNetwork {
  /** What the network does to bytes from now on. */
  readonly conditions: StreamConditions;
  readonly #clock: Scheduler;
  readonly #random: SeededRandom;
  readonly #listeners = new Map<string, Opened>();
  readonly #sockets = new Set<SimulatedSocket>();
  #port = EPHEMERAL;

  /** Makes a network with nobody on it. */
  constructor({ clock, seed = 1, ...conditions }: SimulatedStreamsOptions) {
    this.#clock = clock;
    this.#random = new SeededRandom(seed);
    this.conditions = { latency: 10, portion: [1, 65_536], window: 65_536, ...conditions };
  }

  /** Ends that are open. */
  get open(): number {
    return this.#sockets.size;
  }

  /** Cuts all connections, as a router does that has forgotten them: both ends see an error. */
  cut(): void {
    for (const socket of [...this.#sockets]) socket.fail("ECONNRESET");
  }

  /** Runs a callback before time goes on. */
  readonly defer = (callback: () => void): void => {
    this.#clock.setTimer(callback, this.#clock.now());
  };

  listen(options: ListenOptions, opened: Opened): Promise<Listener> {
    const { hostname = "0.0.0.0", port = 5683 } = options;
    const text = LOOPBACK[hostname] ?? hostname;
    const address = { address: text, port: port === 0 ? this.#port++ : port };
    const key = keyOf(address);
    if (this.#listeners.has(key)) {
      const text = `Could not listen at "${hostname}" port ${port}: it is in use`;
      return Promise.reject(new CoAPError("transport", text));
    }
    this.#listeners.set(key, opened);
    return Promise.resolve({
      address,
      ref: () => {},
      unref: () => {},
      close: () => {
        this.#listeners.delete(key);
        return Promise.resolve();
      },
    });
  }

  connect(
    { host, address = host, port }: StreamTarget,
    _tls: ClientTlsOptions | undefined,
    opened: Opened,
    signal: AbortSignal,
  ): Promise<void> {
    return new Promise((resolve, reject) => {
      const remote = { address: parseIpAddress(address)?.text ?? address, port };
      signal.addEventListener("abort", () => reject(signal.reason));
      this.#clock.setTimer(() => {
        if (signal.aborted) return;
        const accept = this.#listeners.get(keyOf(remote));
        if (accept === undefined) {
          return reject(Object.assign(new Error("Nobody listens"), { code: "ECONNREFUSED" }));
        }
        const local = { address: "127.0.0.1", port: this.#port++ };
        const there = new SimulatedSocket(this, this.#clock, remote, local);
        const here = new SimulatedSocket(this, this.#clock, local, remote);
        here.other = there;
        there.other = here;
        this.#sockets.add(here).add(there);
        there.begin(accept);
        here.begin(opened);
        resolve();
      }, this.#clock.now() + this.delay());
    });
  }

  /** How long the next portion is on its way, ms. */
  delay(): number {
    const { latency } = this.conditions;
    const [min, max] = typeof latency === "number" ? [latency, latency] : latency;
    return min + (max - min) * this.#random.float();
  }

  /** How many bytes go together next. */
  portion(): number {
    const [min, max] = this.conditions.portion;
    return this.#random.integer(min, max);
  }

  /** An end is closed. */
  remove(socket: SimulatedSocket): void {
    this.#sockets.delete(socket);
  }
}

/** What waits to be sent. */
interface Written {
  bytes: Uint8Array;
  /** Called when the last of it is under way. */
  readonly taken: (() => void) | undefined;
}

/** One end of a connection. */
class SimulatedSocket implements ByteSocket {
  readonly local: Address;
  readonly remote: Address;
  other!: SimulatedSocket;
  readonly #network: SimulatedStreams;
  readonly #clock: Scheduler;
  #receiver: ByteReceiver | undefined = undefined;
  #queue: Written[] = [];
  /** Bytes under way and unread at the other end. */
  #inFlight = 0;
  /** When the last portion arrives, ms. */
  #arrivesAt = 0;
  /** Portions that have arrived while it was paused. */
  #unread: Uint8Array[] = [];
  #paused = false;
  /** Whether our end, and theirs, will send no more. */
  #ending = false;
  #ended = false;
  #finished = false;
  #isClosed = false;

  constructor(network: SimulatedStreams, clock: Scheduler, local: Address, remote: Address) {
    this.#network = network;
    this.#clock = clock;
    this.local = local;
    this.remote = remote;
  }

  begin(opened: Opened): void {
    this.#receiver = opened(this);
  }

  write(chunks: readonly Uint8Array[], taken: () => void): void {
    if (this.#ending || this.#isClosed) return;
    for (const [i, bytes] of chunks.entries()) {
      this.#queue.push({ bytes, taken: i === chunks.length - 1 ? taken : undefined });
    }
    this.#pump();
  }

  #pump(): void {
    const { window } = this.#network.conditions;
    while (this.#queue.length > 0 && this.#inFlight < window) {
      const first = this.#queue[0]!;
      const size = Math.min(first.bytes.length, this.#network.portion(), window - this.#inFlight);
      const portion = first.bytes.slice(0, size);
      first.bytes = first.bytes.subarray(size);
      if (first.bytes.length === 0) {
        this.#queue.shift();
        if (first.taken !== undefined) this.#network.defer(first.taken);
      }
      this.#inFlight += size;
      this.#send(() => this.other.#arrive(portion));
    }
    if (this.#queue.length === 0 && this.#ending && !this.#ended) {
      this.#ended = true;
      this.#send(() => this.other.#finish());
    }
  }

  #send(arrive: () => void): void {
    const at = this.#clock.now() + this.#network.delay();
    this.#arrivesAt = Math.max(this.#arrivesAt, at);
    this.#clock.setTimer(arrive, this.#arrivesAt);
  }

  #arrive(portion: Uint8Array): void {
    if (this.#isClosed) return;
    if (this.#paused) this.#unread.push(portion);
    else this.#read(portion);
  }

  #read(portion: Uint8Array): void {
    this.other.#inFlight -= portion.length;
    if (!this.#ending) this.#receiver!.data(portion);
    this.other.#pump();
  }

  /** The other end sends no more: this one does not either. */
  #finish(): void {
    if (this.#isClosed) return;
    this.#finished = true;
    if (this.#unread.length > 0) return;
    this.#ending = true;
    this.#pump();
    this.#close(undefined);
  }

  #close(error: Error | undefined): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#queue = [];
    this.#network.remove(this);
    this.#receiver?.closed(error);
  }

  /** The connection breaks. */
  fail(code: string): void {
    this.#close(Object.assign(new Error(code), { code }));
  }

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    this.#paused = false;
    while (!this.#paused && this.#unread.length > 0) this.#read(this.#unread.shift()!);
    if (this.#finished && this.#unread.length === 0) this.#finish();
  }

  end(patience: number): void {
    this.#ending = true;
    this.resume();
    this.#pump();
    this.#clock.setTimer(() => {
      this.other.#close(Object.assign(new Error("ECONNRESET"), { code: "ECONNRESET" }));
      this.#close(undefined);
    }, this.#clock.now() + patience);
  }

  ref(): void {
    // Nothing here keeps a process alive.
  }

  unref(): void {
    // Nothing here keeps a process alive.
  }
}

function keyOf(address: Address): string {
  return `${address.address}:${address.port}`;
}

/** What the UDP adapters share: flows, the turn, errors and the life cycle. @module */

import type { Address, Flow } from "../flow.ts";
import { checkPeer, makeFlow } from "./flows.ts";
import { type IpAddress, lacksZone } from "./ip_address.ts";
import type { Transport, TransportHandler } from "./transport.ts";

/** Bind options after checking and name resolution: what an adapter gets. */
export interface SocketOptions {
  /** The local address. */
  readonly address: IpAddress;
  /** The local port, 0 to 65535. */
  readonly port: number;
  /** Whether to set SO_REUSEADDR. */
  readonly reuseAddress: boolean;
  /** Receive buffer, bytes. */
  readonly receiveBufferSize?: number;
  /** Send buffer, bytes. */
  readonly sendBufferSize?: number;
  /** The one peer, an IP literal in canonical form and a port. */
  readonly connect?: Address;
  /** Groups to join. */
  readonly joins?: readonly Join[];
  /** By which interface datagrams to groups leave, in the form of `interfaceArgument`. */
  readonly multicastInterface?: string;
  /** Hops of datagrams to groups. */
  readonly multicastHops?: number;
  /** Whether datagrams to groups come back to this machine. */
  readonly multicastLoopback?: boolean;
}

/** A group to join on an interface. */
export interface Join {
  readonly group: string;
  /** In the form of `interfaceArgument`; chosen by the system where absent. */
  readonly via?: string;
}

/**
 * Bytes that may wait to be sent on one socket when the system takes no more, each datagram counted
 * with `DATAGRAM_OVERHEAD`; what exceeds it is dropped and reported.
 */
export const SEND_QUEUE_LIMIT: number = 16 * 1024 * 1024;
/** What a waiting datagram costs besides its bytes, about. */
export const DATAGRAM_OVERHEAD = 128;
/** Zones remembered for a runtime that leaves them out of the addresses it reports. */
const ZONE_LIMIT = 256;
/** Datagrams after which a turn ends though more may be waiting: what they caused is not held up by those. */
const FULL_TURN = 64;
/**
 * The same at the beginning of a reading, so that peers go on meanwhile: measured with 16 requests under way, answers
 * that leave all at the end halve the rate on Bun.
 */
const SHORT_TURN = 8;
/** How long, ms. Peers that are answered ask again, and while their requests are read on the reading never ends. */
const SHORT_TIME = 2;
/** Flows kept, by port: most datagrams come from peers that have sent one before. A power of two. */
const FLOWS = 1024;

/** The parts of the global scope that no library of types agrees on. */
const scope = globalThis as unknown as {
  setImmediate?: (callback: () => void) => unknown;
  process?: { getBuiltinModule?: (name: string) => unknown };
};

/**
 * Runs a callback once the datagrams waiting now have been read. An immediate runs after the poll for
 * I/O, a microtask after each single datagram: measured, that costs Bun a sixth of its throughput.
 * Taken at load, so that faked timers of a test do not stop the network.
 */
export const defer: (callback: () => void) => unknown = scope.setImmediate ?? queueMicrotask;

// Deno loads what is behind this function on its first call, and runs microtasks meanwhile. A second call in one of them
// would find that half done and throw: so the first one is made here, where nobody waits for a socket yet.
if ("Deno" in globalThis) scope.process?.getBuiltinModule?.("node:module");

/** A built-in module of Node, Bun or Deno without an import that other platforms could not follow. */
export function builtinModule<T>(name: string): T | undefined {
  return scope.process?.getBuiltinModule?.(name) as T | undefined;
}

/** The error for a datagram dropped because too many wait, with the code systems have for that. */
export function queueFull(): Error {
  return Object.assign(new Error(`More than ${SEND_QUEUE_LIMIT} bytes wait to be sent`), {
    code: "ENOBUFS",
  });
}

/** Keeps the process alive where the runtime's own `ref` comes too late (Deno). */
export class KeepAlive {
  #timer: ReturnType<typeof setInterval> | undefined;

  ref(): void {
    this.#timer ??= setInterval(() => {}, 2 ** 30);
  }

  unref(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }
}

/** A UDP socket of any runtime. */
export abstract class UdpTransport implements Transport {
  readonly address: Address;
  protected closed = false;
  readonly #handler: TransportHandler;
  readonly #bound: IpAddress;
  readonly #zones = new Map<string, string>();
  /** The flow of the last datagram for each place, the port modulo `FLOWS`. */
  readonly #flows: (Flow | undefined)[] = new Array(FLOWS).fill(undefined);
  #closing: Promise<void> | undefined;
  #turnDue = false;
  /** Datagrams read since the runtime was last seen to go on, and since the last turn. */
  #read = 0;
  #count = 0;
  /** When the reading began, ms. */
  #begun = 0;
  /** Datagrams after which this turn ends. */
  #turnSize = FULL_TURN;

  /** `port` is the port the system chose. */
  protected constructor(bound: IpAddress, port: number, handler: TransportHandler) {
    this.address = { address: bound.text, port };
    this.#bound = bound;
    this.#handler = handler;
  }

  /** Datagrams that the runtime reads at once, at least, where as many wait: after fewer there was nothing to read. */
  protected abstract readonly readsAtOnce: number;
  /** Datagrams after which the first turns of a reading end, unless the one before was as long as `readsAtOnce`. */
  protected readonly shortTurn: number = SHORT_TURN;
  abstract send(flow: Flow, bytes: Uint8Array): void;
  abstract flush(): void;
  abstract ref(): void;
  abstract unref(): void;
  /** Closes the runtime's socket; resolves when the port is free. */
  protected abstract release(): Promise<void>;

  flow(address: string, port: number): Flow {
    const known = this.#flows[port & (FLOWS - 1)];
    if (
      known !== undefined && known.port === port && known.address === address &&
      this.#bound.family === 4
    ) return known;
    const own = checkPeer(address, port, this.#bound.family);
    if (own.zone === "" || own.multicast) {
      return makeFlow(this.#withZone(own.text), port, own.multicast);
    }
    const bare = own.text.slice(0, own.text.indexOf("%"));
    const zone = this.zoneName(own.zone);
    this.#rememberZone(bare, zone);
    return makeFlow(`${bare}%${zone}`, port, false);
  }

  close(): Promise<void> {
    if (this.#closing === undefined) {
      this.flush();
      this.closed = true;
      this.#closing = this.release();
    }
    return this.#closing;
  }

  /** The zone as this runtime's socket reports it: most report a name where a number was given. */
  protected zoneName(zone: string): string {
    return zone;
  }

  /** The time, ms. */
  protected now(): number {
    return performance.now();
  }

  /** Hands a datagram on. */
  protected deliver(address: string, port: number, bytes: Uint8Array): void {
    // Nobody can be answered at port 0: the reply would fail in the socket.
    if (this.closed || port === 0) return;
    if (!this.#turnDue) {
      this.#turnDue = true;
      this.#begun = this.now();
      defer(this.#endOfReading);
    }
    this.#read++;
    this.#count++;
    try {
      this.#handler.receive(this.#flowOf(address, port), bytes);
    } catch (error) {
      this.report(error);
    }
    // Bun reads until nothing waits: under a load that it can not keep up with that is never.
    if (this.#count >= this.#turnSize && !this.#lengthens()) this.#turn(true);
  }

  /** Reports a failure; the transport lives on. */
  protected report(error: unknown, flow?: Flow): void {
    if (this.closed) return;
    try {
      this.#handler.error(error instanceof Error ? error : new Error(String(error)), flow);
    } catch {
      // An error handler that throws has nobody left to tell.
    }
  }

  /** Makes this turn a full one where there were short ones for long enough. Answers whether it has become one. */
  #lengthens(): boolean {
    if (this.#turnSize === FULL_TURN || this.now() - this.#begun < SHORT_TIME) return false;
    this.#turnSize = FULL_TURN;
    return true;
  }

  readonly #endOfReading = (): void => {
    this.#turnDue = false;
    const more = this.#read >= this.readsAtOnce;
    this.#read = 0;
    this.#turnSize = more ? FULL_TURN : this.shortTurn;
    this.#turn(more);
  };

  #turn(more: boolean): void {
    this.#count = 0;
    if (this.closed) return;
    try {
      this.#handler.turn(more);
    } catch (error) {
      this.report(error);
    }
  }

  /** The flow of a datagram: a new one is a new string to hash, so the last ones are kept. */
  #flowOf(reported: string, port: number): Flow {
    const address = this.#withZone(reported);
    const place = port & (FLOWS - 1);
    const known = this.#flows[place];
    if (known !== undefined && known.port === port && known.address === address) return known;
    return this.#flows[place] = makeFlow(address, port, false);
  }

  /** Deno reports link-local peers without their zone, and without it nobody can answer them. */
  #withZone(address: string): string {
    if (this.#bound.family === 4 || !lacksZone(address)) return address;
    const zone = this.#bound.zone === "" ? this.#zones.get(address) : this.#bound.zone;
    return zone === undefined ? address : `${address}%${zone}`;
  }

  #rememberZone(address: string, zone: string): void {
    this.#zones.delete(address);
    this.#zones.set(address, zone);
    if (this.#zones.size > ZONE_LIMIT) this.#zones.delete(this.#zones.keys().next().value!);
  }
}

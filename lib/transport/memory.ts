/** A simulated network: loss, delay, duplicates and disorder that a seed repeats. @module */

import { CoAPError } from "../errors.ts";
import type { Address, Flow } from "../flow.ts";
import { checkInteger, checkPeer, makeFlow, parseGroup } from "./flows.ts";
import { parseIpAddress } from "./ip_address.ts";
import { SeededRandom } from "./seeded_random.ts";
import type { Bind, BindOptions, Transport, TransportHandler } from "./transport.ts";

/** Where the network gets its time from; every `Clock` of the library is one. */
export interface Scheduler {
  /** The time, ms. */
  now(): number;
  /** Calls `callback` when the time is `at`. */
  setTimer(callback: () => void, at: number): unknown;
}

/** A datagram on its way. */
export interface SimulatedDatagram {
  /** Counted from 1 over the whole network, in the order of sending; each copy for a member of a group counts. */
  readonly number: number;
  /** The sender. */
  readonly from: Address;
  /** The destination. */
  readonly to: Address;
  /** What it carries; not to be changed. */
  readonly bytes: Uint8Array;
}

/**
 * What became of a datagram: `sent`, then `delivered` once, twice (a duplicate) or not at all: `lost` by
 * chance, `dropped` by the list, `too-big` for the MTU, `unreachable` when nobody had bound the address.
 */
export type Fate = "sent" | "delivered" | "lost" | "dropped" | "too-big" | "unreachable";

/** A line of the trace. */
export interface TraceEntry extends SimulatedDatagram {
  /** When it happened, ms. */
  readonly time: number;
  /** What happened. */
  readonly fate: Fate;
}

/** How the network treats datagrams. Probabilities are 0 to 1. They may be changed while it runs. */
export interface NetworkConditions {
  /**
   * Time on the way, ms: a number, or the least and the greatest, between which each datagram's is drawn.
   *
   * @default {10}
   */
  latency: number | readonly [min: number, max: number];
  /**
   * Probability that a datagram is lost.
   *
   * @default {0}
   */
  loss: number;
  /**
   * Probability that a datagram arrives twice, the second time with a latency of its own.
   *
   * @default {0}
   */
  duplication: number;
  /**
   * Probability that a datagram is held back by up to `reorderingDelay`, so that later ones overtake it.
   *
   * @default {0}
   */
  reordering: number;
  /**
   * Longest time a datagram is held back, ms.
   *
   * @default {100}
   */
  reorderingDelay: number;
  /**
   * Longest datagram, bytes of payload; the sender of a longer one gets an error with code `EMSGSIZE`.
   *
   * @default {65507}
   */
  mtu: number;
  /**
   * Whether the sender of a datagram to an address that nobody has bound gets an error with code
   * `ECONNREFUSED` (ICMP port unreachable).
   *
   * @default {false}
   */
  refuse: boolean;
  /**
   * Datagrams to drop: their numbers as a list (`"2,5,9-10"`), or a function that says so.
   *
   * @default {""}
   */
  drop: string | ((datagram: SimulatedDatagram) => boolean);
}

/** How a network is made. */
export interface SimulatedNetworkOptions extends Partial<NetworkConditions> {
  /**
   * Where the time comes from.
   *
   * @default the runtime's clock and timers
   */
  clock?: Scheduler;
  /**
   * Seed of all chances: the same seed and the same traffic give the same fates.
   *
   * @default {1}
   */
  seed?: number;
  /** Called with everything that happens to a datagram. */
  trace?: (entry: TraceEntry) => void;
}

const DEFAULT_CONDITIONS: NetworkConditions = {
  latency: 10,
  loss: 0,
  duplication: 0,
  reordering: 0,
  reorderingDelay: 100,
  mtu: 65_507,
  refuse: false,
  drop: "",
};

/** There is no wildcard here: what a server binds by default is where a client looks for it. */
const LOOPBACK: Readonly<Record<string, string>> = { "0.0.0.0": "127.0.0.1", "::": "::1" };

/** The first port given to a socket that asked for any (RFC 6335 section 6). */
const EPHEMERAL = 49_152;

const realTime: Scheduler = {
  now: () => performance.now(),
  setTimer: (callback, at) => setTimeout(callback, Math.max(0, Math.ceil(at - performance.now()))),
};

/**
 * A network without sockets: transports bound to it reach each other and nobody else. Groups reach their members,
 * whatever the interface.
 */
export class SimulatedNetwork {
  /** What the network does to datagrams from now on. */
  readonly conditions: NetworkConditions;
  readonly #clock: Scheduler;
  readonly #random: SeededRandom;
  readonly #trace: ((entry: TraceEntry) => void) | undefined;
  readonly #nodes = new Map<string, SimulatedSocket>();
  /** Members by group and port. */
  readonly #groups = new Map<string, Set<SimulatedSocket>>();
  #count = 0;
  #inFlight = 0;
  #port = EPHEMERAL;

  /**
   * Makes a network with nobody on it.
   *
   * @throws {RangeError} where `drop` is no list of numbers
   */
  constructor(options: SimulatedNetworkOptions = {}) {
    const { clock = realTime, seed = 1, trace, ...conditions } = options;
    this.conditions = { ...DEFAULT_CONDITIONS, ...conditions };
    if (typeof conditions.drop === "string") isListed(conditions.drop, 0); // throws what is no list
    this.#clock = clock;
    this.#random = new SeededRandom(seed);
    this.#trace = trace;
  }

  /** Copies of datagrams sent and not yet arrived. */
  get inFlight(): number {
    return this.#inFlight;
  }

  /**
   * Binds an address of this network; a wildcard stands for 127.0.0.1 or ::1. Names are not resolved. An
   * arrow, to be passed on as an endpoint's transport. Rejects with a `CoAPError` of reason `transport`
   * where the address is bound already.
   */
  readonly bind: Bind = (options, handler) => {
    try {
      return Promise.resolve(this.#bind(options, handler));
    } catch (error) {
      return Promise.reject(error);
    }
  };

  #bind(options: BindOptions, handler: TransportHandler): Transport {
    const { hostname = options.family === 6 ? "::" : "0.0.0.0", port = 0 } = options;
    const ip = parseIpAddress(LOOPBACK[hostname] ?? hostname);
    if (ip === undefined) {
      throw new CoAPError("name-resolution", `Not an IP address: "${hostname}"`);
    }
    checkInteger("Port", port, 0, 65_535);
    const address = { address: ip.text, port: port === 0 ? this.#freePort(ip.text) : port };
    const key = keyOf(address);
    if (this.#nodes.has(key)) {
      throw new CoAPError("transport", `Could not bind "${ip.text}" port ${port}: it is in use`);
    }
    const groups = (options.groups ?? []).map(({ group }) =>
      keyOf({ address: parseGroup(group).text, port: address.port })
    );
    const socket = new SimulatedSocket(address, ip.family, handler, {
      send: (to, bytes) => this.#send(socket, to, bytes),
      turn: (callback) => this.#clock.setTimer(callback, this.#clock.now()),
      close: () => {
        this.#nodes.delete(key);
        for (const group of groups) this.#groups.get(group)?.delete(socket);
      },
    });
    this.#nodes.set(key, socket);
    for (const group of groups) {
      const members = this.#groups.get(group) ?? new Set();
      this.#groups.set(group, members.add(socket));
    }
    return socket;
  }

  #freePort(address: string): number {
    for (let tries = 0; tries < 65_536 - EPHEMERAL; tries++) {
      const port = this.#port;
      this.#port = port === 65_535 ? EPHEMERAL : port + 1;
      if (!this.#nodes.has(keyOf({ address, port }))) return port;
    }
    throw new CoAPError("transport", `All ports of "${address}" are in use`);
  }

  #send(socket: SimulatedSocket, to: Flow, given: Uint8Array): void {
    // A flow's `multicast` is about what came by it; where its answer goes is its address.
    if (!isGroup(to)) return this.#sendTo(socket, to, to, given);
    // A copy for each member, with a fate of its own.
    const members = [...this.#groups.get(keyOf(to)) ?? []];
    for (const { address } of members) this.#sendTo(socket, to, address, given);
  }

  #sendTo(socket: SimulatedSocket, to: Flow, node: Address, given: Uint8Array): void {
    const { latency, loss, duplication, mtu } = this.conditions;
    // Each datagram draws the same numbers whatever becomes of it: one condition does not shift the others.
    const chances = [this.#random.float(), this.#random.float()] as const;
    const delays = [this.#delay(latency), this.#delay(latency)] as const;
    const datagram: SimulatedDatagram = {
      number: ++this.#count,
      from: socket.address,
      to: { address: to.address, port: to.port },
      bytes: given.slice(),
    };
    this.#tell(datagram, "sent");
    if (given.length > mtu) {
      this.#tell(datagram, "too-big");
      socket.fail("EMSGSIZE", to);
    } else if (this.#isDropped(datagram)) {
      this.#tell(datagram, "dropped");
    } else if (chances[0] < loss) {
      this.#tell(datagram, "lost");
    } else {
      this.#schedule(socket, to, node, datagram, delays[0]);
      if (chances[1] < duplication) this.#schedule(socket, to, node, datagram, delays[1]);
    }
  }

  #delay(latency: NetworkConditions["latency"]): number {
    const [min, max] = typeof latency === "number" ? [latency, latency] : latency;
    const { reordering, reorderingDelay } = this.conditions;
    const onTheWay = min + (max - min) * this.#random.float();
    const held = this.#random.float() < reordering;
    const heldBack = reorderingDelay * this.#random.float();
    return onTheWay + (held ? heldBack : 0);
  }

  #isDropped(datagram: SimulatedDatagram): boolean {
    const { drop } = this.conditions;
    return typeof drop === "string" ? isListed(drop, datagram.number) : drop(datagram);
  }

  #schedule(
    sender: SimulatedSocket,
    to: Flow,
    node: Address,
    datagram: SimulatedDatagram,
    delay: number,
  ): void {
    this.#inFlight++;
    this.#clock.setTimer(() => {
      this.#inFlight--;
      const receiver = this.#nodes.get(keyOf(node));
      if (receiver === undefined) {
        this.#tell(datagram, "unreachable");
        if (this.conditions.refuse) sender.fail("ECONNREFUSED", to);
      } else {
        this.#tell(datagram, "delivered");
        receiver.deliver(datagram, isGroup(to) ? to.address : undefined);
      }
    }, this.#clock.now() + delay);
  }

  #tell(datagram: SimulatedDatagram, fate: Fate): void {
    this.#trace?.({ ...datagram, time: this.#clock.now(), fate });
  }
}

/** What a socket asks of its network. */
interface Uplink {
  send(to: Flow, bytes: Uint8Array): void;
  turn(callback: () => void): void;
  close(): void;
}

class SimulatedSocket implements Transport {
  readonly address: Address;
  readonly #family: 4 | 6;
  readonly #handler: TransportHandler;
  readonly #uplink: Uplink;
  #queue: { to: Flow; bytes: Uint8Array }[] = [];
  #closed = false;
  #turnDue = false;

  constructor(address: Address, family: 4 | 6, handler: TransportHandler, uplink: Uplink) {
    this.address = address;
    this.#family = family;
    this.#handler = handler;
    this.#uplink = uplink;
  }

  flow(address: string, port: number): Flow {
    const own = checkPeer(address, port, this.#family);
    return makeFlow(own.text, port, own.multicast);
  }

  send(to: Flow, bytes: Uint8Array): void {
    if (!this.#closed) this.#queue.push({ to, bytes });
  }

  flush(): void {
    const queue = this.#queue;
    this.#queue = [];
    for (const { to, bytes } of queue) this.#uplink.send(to, bytes);
  }

  ref(): void {
    // Nothing here keeps a process alive.
  }

  unref(): void {
    // Nothing here keeps a process alive.
  }

  close(): Promise<void> {
    if (!this.#closed) {
      this.flush();
      this.#closed = true;
      this.#uplink.close();
    }
    return Promise.resolve();
  }

  deliver(datagram: SimulatedDatagram, group: string | undefined): void {
    if (this.#closed) return;
    if (!this.#turnDue) {
      this.#turnDue = true;
      this.#uplink.turn(() => {
        this.#turnDue = false;
        if (!this.#closed) this.#handler.turn();
      });
    }
    const { address, port } = datagram.from;
    const flow = makeFlow(address, port, false);
    this.#handler.receive(
      group === undefined ? flow : { ...flow, local: group, multicast: true },
      datagram.bytes.slice(),
    );
  }

  fail(code: string, to: Flow): void {
    if (this.#closed) return;
    const message = `${code}: ${to.address} port ${to.port}`;
    this.#handler.error(Object.assign(new Error(message), { code }), to);
  }
}

function keyOf(address: Address): string {
  return `${address.address}:${address.port}`;
}

function isGroup({ address }: Address): boolean {
  return parseIpAddress(address)?.multicast ?? false;
}

/** Whether a list such as `2,5,9-10` names the number. */
function isListed(list: string, number: number): boolean {
  for (const item of list.split(",")) {
    if (item.trim() === "") continue;
    const match = /^\s*(\d+)(?:-(\d+))?\s*$/.exec(item);
    if (match === null) throw new RangeError(`Not a number or range of datagrams: "${item}"`);
    const first = Number(match[1]);
    if (number >= first && number <= Number(match[2] ?? first)) return true;
  }
  return false;
}

/** Membership in groups: sockets bound to groups' addresses beside the one for unicast. @module */

import type { Address, Flow } from "../flow.ts";
import { parseGroup } from "./flows.ts";
import { externalInterfaces, interfaceArgument } from "./interfaces.ts";
import { type IpAddress, parseIpAddress } from "./ip_address.ts";
import type { BindOptions, GroupMembership, Transport, TransportHandler } from "./transport.ts";
import type { UdpAdapter } from "./udp_adapters.ts";
import { defer, type Join, type SocketOptions } from "./udp_socket.ts";

/** A socket to bind for a group. */
export interface GroupSocket {
  readonly address: IpAddress;
  readonly joins: readonly Join[];
}

/** Turns of the event loop that a datagram waits for its copy. */
const PATIENCE = 2;
/** Datagrams of groups remembered until their copies come, and for how long, ms. */
const REMEMBERED = 256;
const MEMORY = 2000;

/** Groups of the link (and of the interface) exist once for each zone. */
function needsZone({ text }: IpAddress): boolean {
  return /^ff.[12]:/.test(text);
}

function isWildcard(hostname: string): boolean {
  const text = parseIpAddress(hostname)?.text;
  return text === "0.0.0.0" || text === "::";
}

/** Whether the unicast socket shares its port with sockets of groups. */
export function sharesPort({ groups = [], hostname = "0.0.0.0" }: BindOptions): boolean {
  return groups.length > 0 && isWildcard(hostname);
}

/**
 * The sockets for groups: one for each group, of those of the link one for each interface.
 *
 * @throws {RangeError} where an address is no group's, or there is no such interface
 */
export function groupSockets(
  groups: readonly GroupMembership[],
  local: IpAddress,
): GroupSocket[] {
  return groups.flatMap(({ group, interface: given }) => {
    const address = parseGroup(group);
    const { family, zone } = address;
    if (family > local.family) {
      throw new RangeError(`Group "${group}" can not be joined at "${local.text}"`);
    }
    const bare = address.text.split("%")[0]!;
    const names = given !== undefined
      ? [given]
      : zone !== ""
      ? [`::%${zone}`]
      : isWildcard(local.text) || local.family !== family
      ? externalInterfaces(family)
      : [local.text];
    const joins: Join[] = names.map((name) => ({
      group: bare,
      via: name.startsWith("::%") ? name : interfaceArgument(name, family),
    }));
    if (joins.length === 0) joins.push({ group: bare });
    if (!needsZone(address)) return [{ address: parseGroup(bare), joins }];
    return joins.map((join) => ({
      address: parseGroup(join.via === undefined ? bare : bare + join.via.slice(2)),
      joins: [join],
    }));
  });
}

/** Binds the socket for unicast and those of the groups. */
export async function bindGrouped(
  adapter: UdpAdapter,
  memberAdapter: UdpAdapter,
  options: SocketOptions,
  groups: readonly GroupSocket[],
  handler: TransportHandler,
): Promise<Transport> {
  const shared = isWildcard(options.address.text);
  const transport = new GroupedTransport(handler, shared);
  if (shared && options.port !== 0 && !options.reuseAddress) {
    // Systems let two servers share a port that way, and one of them would get nothing.
    const probe = await adapter.bind(options, { receive() {}, turn() {}, error() {} });
    await probe.close();
  }
  await transport.open(adapter, memberAdapter, options, groups);
  return transport;
}

/** A datagram at the unicast socket that may be a group's. */
interface Held {
  readonly flow: Flow;
  readonly bytes: Uint8Array;
  turns: number;
}

/** A datagram that a group's socket got before the unicast socket did. */
interface Early {
  readonly flow: Flow;
  readonly bytes: Uint8Array;
  readonly at: number;
}

class GroupedTransport implements Transport {
  readonly #handler: TransportHandler;
  /** Whether the unicast socket gets what is sent to groups as well, and does not say which. */
  readonly #shared: boolean;
  readonly #members: Transport[] = [];
  #unicast!: Transport;
  #held: Held[] = [];
  #early: Early[] = [];
  #waiting = false;
  #closed = false;

  constructor(handler: TransportHandler, shared: boolean) {
    this.#handler = handler;
    this.#shared = shared;
  }

  async open(
    adapter: UdpAdapter,
    memberAdapter: UdpAdapter,
    options: SocketOptions,
    groups: readonly GroupSocket[],
  ): Promise<void> {
    const { receiveBufferSize } = options;
    const handler = this.#handler;
    const turn = (more?: boolean): void => handler.turn(more);
    const error = (error: Error, flow?: Flow): void => handler.error(error, flow);
    const unicast = { ...options, reuseAddress: this.#shared || options.reuseAddress };
    this.#unicast = await adapter.bind(unicast, {
      receive: this.#shared
        ? (flow, bytes) => this.#hold(flow, bytes)
        : (flow, bytes) => handler.receive(flow, bytes),
      turn,
      error,
    });
    const { port } = this.#unicast.address;
    let failure: unknown = undefined;
    for (const { address, joins } of groups) {
      const member = { address, joins, port, reuseAddress: true, receiveBufferSize };
      try {
        this.#members.push(
          await memberAdapter.bind(member, {
            receive: (flow, bytes) => this.#receive(address.text, flow, bytes),
            turn,
            error,
          }),
        );
      } catch (cause) {
        failure ??= cause;
      }
    }
    if (this.#members.length < groups.length) {
      await this.close();
      throw failure;
    }
  }

  get address(): Address {
    return this.#unicast.address;
  }

  flow(address: string, port: number): Flow {
    return this.#unicast.flow(address, port);
  }

  send(flow: Flow, bytes: Uint8Array): void {
    this.#unicast.send(flow, bytes);
  }

  flush(): void {
    this.#unicast.flush();
  }

  ref(): void {
    for (const socket of [this.#unicast, ...this.#members]) socket.ref();
  }

  unref(): void {
    for (const socket of [this.#unicast, ...this.#members]) socket.unref();
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#held = [];
    this.#early = [];
    await Promise.all([this.#unicast, ...this.#members].map((socket) => socket.close()));
  }

  /** A datagram at a group's socket. */
  #receive(group: string, flow: Flow, bytes: Uint8Array): void {
    if (this.#shared) {
      const index = this.#held.findIndex((held) => isCopy(held, flow, bytes));
      if (index >= 0) this.#held.splice(index, 1);
      else {
        this.#early.push({ flow, bytes, at: performance.now() });
        if (this.#early.length > REMEMBERED) this.#early.shift();
      }
    }
    const { address, port, key } = this.#unicast.flow(flow.address, flow.port);
    this.#handler.receive({ key, address, port, local: group, multicast: true }, bytes);
  }

  /** A datagram at a unicast socket that gets those of groups as well. */
  #hold(flow: Flow, bytes: Uint8Array): void {
    if (this.#early.length > 0) {
      const oldest = performance.now() - MEMORY;
      this.#early = this.#early.filter(({ at }) => at >= oldest);
      const index = this.#early.findIndex((early) => isCopy(early, flow, bytes));
      if (index >= 0) {
        this.#early.splice(index, 1);
        return;
      }
    }
    this.#held.push({ flow, bytes, turns: 0 });
    if (this.#waiting) return;
    this.#waiting = true;
    defer(this.#release);
  }

  /** Hands on what has waited long enough. */
  readonly #release = (): void => {
    this.#waiting = false;
    if (this.#closed) return;
    const waiting: Held[] = [];
    const due: Held[] = [];
    for (const held of this.#held) (++held.turns < PATIENCE ? waiting : due).push(held);
    this.#held = waiting;
    if (waiting.length > 0) {
      this.#waiting = true;
      defer(this.#release);
    }
    try {
      for (const { flow, bytes } of due) this.#handler.receive(flow, bytes);
      if (due.length > 0) this.#handler.turn();
    } catch (error) {
      this.#handler.error(error as Error);
    }
  };
}

function isCopy(one: { flow: Flow; bytes: Uint8Array }, flow: Flow, bytes: Uint8Array): boolean {
  return one.flow.port === flow.port && equalBytes(one.bytes, bytes) &&
    bareAddress(one.flow) === bareAddress(flow);
}

function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, index) => byte === b[index]);
}

/** Without zone, which not all runtimes report, and without the prefix of IPv4 in IPv6. */
function bareAddress({ address }: Flow): string {
  return address.replace(/^::ffff:|%.*$/g, "");
}

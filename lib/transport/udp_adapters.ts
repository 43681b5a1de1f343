/** The UDP adapters and the runtimes that have them. @module */

import { CoAPError } from "../errors.ts";
import { checkInteger, checkPeer } from "./flows.ts";
import { bindGrouped, groupSockets, sharesPort } from "./groups.ts";
import { interfaceArgument } from "./interfaces.ts";
import { parseIpAddress } from "./ip_address.ts";
import { resolveHost } from "./resolve.ts";
import type { BindOptions, Transport, TransportHandler } from "./transport.ts";
import { bindUdpBun, type BunRuntime } from "./udp_bun.ts";
import { bindUdpDeno, type DenoRuntime } from "./udp_deno.ts";
import { bindUdpNode, type DgramModule } from "./udp_node.ts";
import type { SocketOptions } from "./udp_socket.ts";

/** A way to bind a UDP socket in this runtime. */
export interface UdpAdapter {
  /** The runtime's name for it. */
  readonly name: "Bun.udpSocket" | "Deno.listenDatagram" | "node:dgram";
  /** Whether `reuseAddress` takes effect. */
  readonly reusesAddresses: boolean;
  /** Whether buffer sizes and what is said about groups take effect. */
  readonly setsOptions: boolean;
  /** Whether sockets can be connected; in Deno they only look so, and buffer sizes only look set. */
  readonly connects: boolean;
  /** Binds a socket to checked options; rejects with the runtime's own error. */
  bind(options: SocketOptions, handler: TransportHandler): Promise<Transport>;
}

/** The global scope, as far as it tells which runtime this is. */
export interface RuntimeScope {
  readonly Bun?: Partial<BunRuntime>;
  readonly Deno?: Partial<DenoRuntime>;
  readonly process?: { getBuiltinModule?(name: string): unknown };
}

/** The adapters this runtime has, the fastest first. Asked anew each time. */
export function udpAdapters(scope: RuntimeScope = globalThis as RuntimeScope): UdpAdapter[] {
  const { Bun: bun, Deno: deno } = scope;
  const dgram = scope.process?.getBuiltinModule?.("node:dgram") as DgramModule | undefined;
  const adapters: UdpAdapter[] = [];
  if (typeof bun?.udpSocket === "function") {
    adapters.push({
      name: "Bun.udpSocket",
      reusesAddresses: false,
      setsOptions: false,
      connects: false,
      bind: (options, handler) => bindUdpBun(bun as BunRuntime, options, handler),
    });
  }
  if (typeof deno?.listenDatagram === "function") {
    adapters.push({
      name: "Deno.listenDatagram",
      reusesAddresses: true,
      setsOptions: false,
      connects: false,
      bind: (options, handler) => bindUdpDeno(deno as DenoRuntime, options, handler),
    });
  }
  if (typeof dgram?.createSocket === "function") {
    adapters.push({
      name: "node:dgram",
      reusesAddresses: true,
      setsOptions: true,
      connects: deno === undefined,
      bind: (options, handler) => bindUdpNode(dgram, options, handler),
    });
  }
  return adapters;
}

/**
 * The fastest adapter that does what the options ask for, else the fastest.
 *
 * @throws {CoAPError} with reason `unsupported-scheme` where there is none
 */
export function chooseAdapter(adapters: readonly UdpAdapter[], options: BindOptions): UdpAdapter {
  const { receiveBufferSize, sendBufferSize } = options;
  const { multicastInterface, multicastHops, multicastLoopback } = options;
  const set = receiveBufferSize !== undefined || sendBufferSize !== undefined ||
    multicastInterface !== undefined || multicastHops !== undefined ||
    multicastLoopback !== undefined;
  const reuse = options.reuseAddress || sharesPort(options);
  const { connect } = options;
  if (connect !== undefined && !adapters.some(({ connects }) => connects)) {
    throw new CoAPError("transport", "This runtime can not connect UDP sockets");
  }
  const suits = (adapter: UdpAdapter) =>
    (adapter.reusesAddresses || !reuse) && (adapter.setsOptions || !set) &&
    (adapter.connects || connect === undefined);
  const chosen = adapters.find(suits) ?? adapters[0];
  if (chosen === undefined) {
    throw new CoAPError("unsupported-scheme", "This runtime has no UDP sockets");
  }
  return chosen;
}

/** What the sockets of this runtime offer beyond the ordinary. */
export interface UdpFeatures {
  /** Whether `connect` takes effect. */
  readonly connects: boolean;
  /** Whether buffer sizes take effect, and can be read. */
  readonly setsBufferSizes: boolean;
}

/** What the UDP sockets of this runtime offer. */
export function udpFeatures(): UdpFeatures {
  const able = udpAdapters().some(({ connects }) => connects);
  return { connects: able, setsBufferSizes: able };
}

/** The adapter for sockets that are members of groups. */
function memberAdapter(): UdpAdapter {
  const adapter = udpAdapters().find(({ setsOptions }) => setsOptions);
  if (adapter !== undefined) return adapter;
  throw new CoAPError("unsupported-scheme", "This runtime can not join groups");
}

/** Checks the options, resolves the name and binds with `adapter`. */
export async function bindWith(
  adapter: UdpAdapter,
  options: BindOptions,
  handler: TransportHandler,
): Promise<Transport> {
  const { port = 0, family = 4, reuseAddress = false } = options;
  checkInteger("Port", port, 0, 65_535);
  const { receiveBufferSize, sendBufferSize, multicastHops, multicastLoopback } = options;
  if (multicastHops !== undefined) checkInteger("Multicast hops", multicastHops, 1, 255);
  if (receiveBufferSize !== undefined) {
    checkInteger("Receive buffer size", receiveBufferSize, 1, 2 ** 31 - 1);
  }
  if (sendBufferSize !== undefined) {
    checkInteger("Send buffer size", sendBufferSize, 1, 2 ** 31 - 1);
  }
  const { hostname = family === 6 ? "::" : "0.0.0.0" } = options;
  const [found = hostname] = await resolveHost(hostname, options.family);
  const address = parseIpAddress(found);
  if (address === undefined) {
    throw new CoAPError("name-resolution", `Not an address to bind: "${found}"`);
  }
  const sockets = groupSockets(options.groups ?? [], address);
  const peer = options.connect &&
    checkPeer(options.connect.address, options.connect.port, address.family);
  const via = options.multicastInterface;
  const socket: SocketOptions = {
    address,
    port,
    reuseAddress,
    receiveBufferSize,
    sendBufferSize,
    connect: peer && { address: peer.text, port: options.connect!.port },
    multicastInterface: via === undefined ? undefined : interfaceArgument(via, address.family),
    multicastHops,
    multicastLoopback,
  };
  try {
    if (sockets.length === 0) return await adapter.bind(socket, handler);
    return await bindGrouped(adapter, memberAdapter(), socket, sockets, handler);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new CoAPError("transport", `Could not bind "${address.text}" port ${port}: ${why}`, {
      cause,
    });
  }
}

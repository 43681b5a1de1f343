/**
 * UDP sockets on Bun, Deno and Node behind one contract.
 *
 * @module
 */

import type { BindOptions, Transport, TransportHandler } from "./transport.ts";
import { bindWith, chooseAdapter, udpAdapters } from "./udp_adapters.ts";

export type { Address, Flow } from "../flow.ts";
export { type UdpFeatures, udpFeatures } from "./udp_adapters.ts";
export type {
  Bind,
  BindOptions,
  GroupMembership,
  Resolve,
  Transport,
  TransportHandler,
} from "./transport.ts";
export { resolveHost } from "./resolve.ts";

/**
 * Binds a UDP socket with the fastest that the runtime offers: `Bun.udpSocket`, then
 * `Deno.listenDatagram` (with `--unstable-net`), then `node:dgram`. On Bun `node:dgram` is taken where
 * `reuseAddress`, a buffer size, `connect` or something about sending to groups is asked for, on Deno for the last of
 * these; buffer sizes have no effect there, and `connect` fails.
 *
 * For each group there is a socket of `node:dgram` bound to the group's address, which Windows does not allow. A socket
 * bound to a wildcard gets what is sent to groups as well: there the port is shared (SO_REUSEADDR), and what arrives at
 * it waits two turns of the event loop for its copy to arrive at a group's socket. Bind to an address to
 * avoid both.
 *
 * Failures after that go to `handler.error` with the `code` of the system: `ECONNREFUSED` for a closed
 * port, where the runtime tells (Bun), `EMSGSIZE` for a datagram too long, `ENOBUFS` for one that was
 * dropped because 16 MiB wait already.
 *
 * Deno reports link-local peers without their zone. There bind to an address with a zone; a socket
 * bound to `::` can answer only peers whose zone it learnt from an earlier `flow`.
 *
 * @throws {RangeError} where the port or a size is out of range
 * @throws {CoAPError} with reason `transport` where the system refuses (port in use, no such address, no
 * permission), `name-resolution` where `hostname` has no address, `unsupported-scheme` where the runtime
 * has no UDP sockets
 *
 * @example Send a datagram to oneself
 * ```ts
 * import { bindUdp } from "@x/coap/udp";
 *
 * const socket = await bindUdp({ hostname: "127.0.0.1" }, {
 *   receive: (flow, bytes) => {
 *     console.log(flow.key, bytes);
 *     socket.close();
 *   },
 *   turn: () => {},
 *   error: (error) => console.error(error),
 * });
 * socket.send(socket.flow("127.0.0.1", socket.address.port), new Uint8Array([0x40, 0, 0, 1]));
 * socket.flush();
 * ```
 */
export async function bindUdp(options: BindOptions, handler: TransportHandler): Promise<Transport> {
  return await bindWith(chooseAdapter(udpAdapters(), options), options, handler);
}

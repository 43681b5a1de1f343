/** Whether groups can be tried out on this machine. @module */

import { networkInterfaces } from "node:os";
import { bindUdp } from "../lib/transport/udp.ts";
import { Recorder } from "./recorder.ts";

/** The group that tests use: All CoAP Nodes in IPv4. */
export const GROUP = "224.0.1.187";

/** How long the one datagram of a trial is waited for, ms. */
const PATIENCE = 500;

/** Why groups of an interface can not be reached, or false where they can. */
export async function groupsMissing(
  hostname: string,
  group: string,
  via: string,
): Promise<string | false> {
  const here = new Recorder();
  try {
    const socket = await bindUdp({
      hostname,
      multicastInterface: via,
      groups: [{ group, interface: via }],
    }, here);
    socket.send(socket.flow(group, socket.address.port), new Uint8Array([1]));
    socket.flush();
    const until = performance.now() + PATIENCE;
    while (here.received.length + here.errors.length === 0 && performance.now() < until) {
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    await socket.close();
  } catch (error) {
    return `no groups on ${via}: ${error}`;
  }
  if (here.received.length > 0) return false;
  return `no groups on ${via}: ${here.errors[0]?.error ?? "nothing arrives"}`;
}

/** The loopback interface by name. On Linux it is no place for groups of IPv6, on macOS it is. */
export function loopbackInterface(): string {
  const interfaces = Object.entries(networkInterfaces());
  const own = interfaces.find(([, addresses]) =>
    addresses?.some(({ address }) => address === "::1")
  );
  return own?.[0] ?? "lo";
}

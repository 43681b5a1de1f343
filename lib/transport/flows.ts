/** How transports make flows. @module */

import type { Flow } from "../flow.ts";
import { type IpAddress, parseIpAddress, toFamily } from "./ip_address.ts";

/** The flow to an address in canonical form. */
export function makeFlow(address: string, port: number, multicast: boolean): Flow {
  return { key: `${address}:${port}`, address, port, multicast };
}

/**
 * Checks a peer given by a caller and brings its address into the form that a socket of `family` reports.
 *
 * @throws {RangeError} where the address is no IP literal of that family, or the port out of range
 */
export function checkPeer(address: string, port: number, family: 4 | 6): IpAddress {
  const given = parseIpAddress(address);
  const own = given && toFamily(given, family);
  if (own === undefined) {
    throw new RangeError(`Address must be an IPv${family} literal: it is "${address}"`);
  }
  checkInteger("Port", port, 1, 65_535);
  return own;
}

/** @throws {RangeError} where `value` is no integer from `min` to `max` */
export function checkInteger(name: string, value: number, min: number, max: number): void {
  if (!Number.isInteger(value) || value < min || value > max) {
    throw new RangeError(`${name} must be an integer from ${min} to ${max}: it is "${value}"`);
  }
}

/** @throws {RangeError} where it is no group's address */
export function parseGroup(text: string): IpAddress {
  const ip = parseIpAddress(text);
  if (ip?.multicast) return ip;
  throw new RangeError(`Group must be an IP literal in 224.0.0.0/4 or ff00::/8: it is "${text}"`);
}

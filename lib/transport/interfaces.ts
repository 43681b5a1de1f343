/** Network interfaces: the addresses of this host, and where groups are joined. @module */

import { parseIpAddress } from "./ip_address.ts";
import { builtinModule } from "./udp_socket.ts";

/** `node:os`, as far as it is used. */
export interface OsModule {
  platform(): string;
  networkInterfaces(): Record<string, readonly InterfaceAddress[]>;
}

interface InterfaceAddress {
  readonly address: string;
  readonly family: "IPv4" | "IPv6";
  readonly internal: boolean;
  readonly scopeid?: number;
}

/** An interface with an address of a family. */
interface Found {
  readonly name: string;
  readonly address: string;
  readonly internal: boolean;
}

/** The interfaces with an address of the family. Empty where the runtime does not tell. */
function interfaces(family: 4 | 6, os: OsModule | undefined): Found[] {
  const found: Found[] = [];
  let all: Record<string, readonly InterfaceAddress[]> = {};
  try {
    all = os?.networkInterfaces() ?? {};
  } catch {
    // Deno asks for a permission: without it there is nothing to choose from.
  }
  for (const [name, addresses] of Object.entries(all)) {
    for (const { address, family: own, internal } of addresses) {
      if (own === `IPv${family}`) found.push({ name, address: address.split("%")[0]!, internal });
    }
  }
  return found;
}

/** All addresses of this host, without zones. Empty where the runtime does not tell. */
export function ownAddresses(os: OsModule | undefined = builtinModule("node:os")): string[] {
  return [...interfaces(4, os), ...interfaces(6, os)].map(({ address }) => address);
}

/** The interfaces of a family that lead elsewhere, by name. */
export function externalInterfaces(
  family: 4 | 6,
  os: OsModule | undefined = builtinModule("node:os"),
): string[] {
  const names = interfaces(family, os).filter(({ internal }) => !internal).map(({ name }) => name);
  return [...new Set(names)];
}

/**
 * An interface in the form that sockets take it: an IPv4 address, or a zone behind `::%`.
 *
 * @param given its name, its index (IPv6), or one of its addresses
 * @throws {RangeError} where there is none with an address of that family
 */
export function interfaceArgument(
  given: string,
  family: 4 | 6,
  os: OsModule | undefined = builtinModule("node:os"),
): string {
  const ip = parseIpAddress(given);
  if (ip !== undefined && ip.family === 4 && family === 4) return ip.text;
  if (ip !== undefined && ip.zone !== "") return `::%${ip.zone}`;
  const bare = ip?.text ?? given;
  const found = interfaces(family, os).find(({ name, address }) =>
    name === bare || address === bare
  );
  if (found !== undefined) return family === 4 ? found.address : `::%${found.name}`;
  // Zones go to the system as they are: it knows indices, and names that this process may not list.
  if (ip === undefined && family === 6) return `::%${given}`;
  throw new RangeError(`No interface "${given}" with an IPv${family} address`);
}

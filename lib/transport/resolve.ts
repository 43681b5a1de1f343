/** Name resolution with what the runtime offers. @module */

import { CoAPError } from "../errors.ts";
import { parseIpAddress } from "./ip_address.ts";
import { builtinModule } from "./udp_socket.ts";

/** `node:dns`, as far as it is used. */
interface DnsModule {
  lookup(
    hostname: string,
    options: { all: true; family: 0 | 4 | 6 },
    callback: (error: Error | null, addresses?: { address: string }[]) => void,
  ): void;
}

/** `Deno`, as far as it is used. */
interface DenoDns {
  resolveDns(hostname: string, type: "A" | "AAAA"): Promise<string[]>;
}

/**
 * Finds the addresses of a host name with the system's resolver, in its order (RFC 6724). An IP literal
 * is returned at once in canonical form (RFC 5952), with its zone.
 *
 * @param hostname a name or an IP literal without brackets
 * @param family restricts the answer to one address family
 * @throws {CoAPError} with reason `name-resolution` where there is no such address, with reason
 * `unsupported-scheme` where the runtime can not resolve names
 *
 * @example Resolve a literal
 * ```ts
 * import { resolveHost } from "@x/coap/udp";
 *
 * console.log(await resolveHost("0:0::1")); // ["::1"]
 * ```
 */
export async function resolveHost(hostname: string, family?: 4 | 6): Promise<string[]> {
  const literal = parseIpAddress(hostname);
  if (literal !== undefined) {
    if (family === undefined || family === literal.family) return [literal.text];
    throw new CoAPError("name-resolution", `Not an IPv${family} address: "${hostname}"`);
  }
  let found: string[];
  try {
    found = await lookUp(hostname, family);
  } catch (cause) {
    if (cause instanceof CoAPError) throw cause;
    throw new CoAPError("name-resolution", `Could not resolve the host "${hostname}"`, { cause });
  }
  if (found.length === 0) {
    throw new CoAPError("name-resolution", `The host "${hostname}" has no address`);
  }
  return found.map((address) => parseIpAddress(address)?.text ?? address);
}

function lookUp(hostname: string, family: 4 | 6 | undefined): Promise<string[]> {
  const dns = builtinModule<DnsModule>("node:dns");
  if (dns !== undefined) return lookUpWithNode(dns, hostname, family);
  const { Deno: deno } = globalThis as unknown as { Deno?: DenoDns };
  if (deno !== undefined) return lookUpWithDeno(deno, hostname, family);
  throw new CoAPError("unsupported-scheme", "This runtime can not resolve host names");
}

function lookUpWithNode(
  dns: DnsModule,
  hostname: string,
  family: 4 | 6 | undefined,
): Promise<string[]> {
  return new Promise((resolve, reject) => {
    dns.lookup(hostname, { all: true, family: family ?? 0 }, (error, addresses = []) => {
      if (error) reject(error);
      else resolve(addresses.map(({ address }) => address));
    });
  });
}

/** Asks the name servers alone: an old Deno offers nothing that reads the hosts file. */
async function lookUpWithDeno(
  deno: DenoDns,
  hostname: string,
  family: 4 | 6 | undefined,
): Promise<string[]> {
  const types = family === 4
    ? ["A" as const]
    : family === 6
    ? ["AAAA" as const]
    : ["A", "AAAA"] as const;
  const answers = await Promise.allSettled(types.map((type) => deno.resolveDns(hostname, type)));
  const found = answers.flatMap((answer) => answer.status === "fulfilled" ? answer.value : []);
  const failure = answers.find((answer) => answer.status === "rejected");
  if (found.length === 0 && failure !== undefined) throw failure.reason;
  return found;
}

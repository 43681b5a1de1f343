/** By which names a server with a proxy is known: RFC 7252 section 5.10.2. @module */

import { CoAPError } from "../errors.ts";
import type { Address } from "../flow.ts";
import { ownAddresses } from "../transport/interfaces.ts";
import { decomposeUri } from "../wire/uri.ts";

const WILDCARDS: ReadonlySet<string> = new Set(["0.0.0.0", "::"]);

/** A name of the server. */
interface Name {
  readonly host: string;
  /** Undefined stands for the server's. */
  readonly port: number | undefined;
}

/** The names and addresses of a server. */
export class OwnNames {
  readonly #names: readonly Name[];

  /** @throws {CoAPError} `invalid-uri` where a name is none */
  constructor(names: Iterable<string>) {
    this.#names = [...names].map(parseName);
  }

  /**
   * Whether a host and port are the server's own.
   *
   * @param host a name in lower case, or an address in canonical form
   * @param bound where the server is bound
   */
  include(host: string, port: number, bound: Address): boolean {
    for (const name of this.#names) {
      if (name.host === host && (name.port ?? bound.port) === port) return true;
    }
    if (port !== bound.port) return false;
    if (host === bound.address) return true;
    return WILDCARDS.has(bound.address) && (/^127\./.test(host) || ownAddresses().includes(host));
  }
}

function parseName(text: string): Name {
  try {
    const { host, port, options } = decomposeUri(`coap://${text}`);
    const explicit = /:\d+$/.test(text.replace(/^\[.*\]/, ""));
    if (options.every(({ number }) => number < 7)) {
      return { host, port: explicit ? port : undefined };
    }
  } catch {
    // It is told below.
  }
  throw new CoAPError("invalid-uri", `Name of a proxy must be a host, or host and port: "${text}"`);
}

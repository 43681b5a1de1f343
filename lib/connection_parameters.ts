/** How long connections of reliable transports wait for what. @module */

/** Times of a connection over TCP, TLS or WebSockets, ms where nothing else is said; `Infinity` waits for ever. RFC 8323 leaves all of them open. */
export interface ConnectionParameters {
  /**
   * From the beginning until a connection is there: host found, TCP, TLS or WebSocket set up, and the peer's CSM received.
   *
   * @default {10000}
   */
  connectTimeout: number;
  /**
   * From a new connection to the peer's CSM (RFC 8323 section 3.3). Without one the connection is aborted.
   *
   * @default {10000}
   */
  csmTimeout: number;
  /**
   * From the first byte of a message to its last, and for a peer to take what is sent, each with one second more for every
   * KiB. Then the connection is aborted.
   *
   * @default {30000}
   */
  messageTimeout: number;
  /**
   * After the last request, response or notification, or Ping or Empty message of the peer, until a connection that nothing
   * waits for, and on which nothing is observed, is released. `Infinity` keeps it, with Pings: so a device behind a NAT stays
   * within reach of the server that it has connected to (`server.client`).
   *
   * @default {300000}
   */
  idleTimeout: number;
  /**
   * After the last message of the peer, until it is sent a Ping (RFC 8323 section 5.4), where something waits for it, is observed,
   * or the connection is to be kept.
   *
   * @default {60000}
   */
  keepAlive: number;
  /**
   * From that Ping to a sign of life, with one second more for every 10 KiB that the peer has to take before it; else the
   * connection is aborted.
   *
   * @default {20000}
   */
  pongTimeout: number;
  /**
   * From a Release (RFC 8323 section 5.5) of ours until the peer has closed the connection; else it is closed here.
   *
   * @default {5000}
   */
  releaseTimeout: number;
  /**
   * From the loss of a connection on which something was observed to the attempt to open another, drawn from half of it
   * to one and a half; twice as long after each attempt that fails, up to a minute.
   *
   * @default {1000}
   */
  reconnectDelay: number;
  /**
   * Attempts in a row after which the observations fail.
   *
   * @default {10}
   */
  reconnectAttempts: number;
}

/** The defaults. */
export const DEFAULT_CONNECTION_PARAMETERS: Readonly<ConnectionParameters> = Object.freeze({
  connectTimeout: 10_000,
  csmTimeout: 10_000,
  messageTimeout: 30_000,
  idleTimeout: 300_000,
  keepAlive: 60_000,
  pongTimeout: 20_000,
  releaseTimeout: 5_000,
  reconnectDelay: 1_000,
  reconnectAttempts: 10,
});

/**
 * Fills in the defaults.
 *
 * @throws {RangeError} where one is not above 0
 */
export function deriveConnectionParameters(
  given: Partial<ConnectionParameters> = {},
): Readonly<ConnectionParameters> {
  const parameters: ConnectionParameters = { ...DEFAULT_CONNECTION_PARAMETERS };
  for (const name of Object.keys(given) as (keyof ConnectionParameters)[]) {
    const value = given[name];
    if (!(name in parameters)) throw new RangeError(`Unknown connection parameter "${name}"`);
    if (value === undefined) continue;
    if (!(typeof value === "number" && value > 0)) {
      throw new RangeError(`Connection parameter ${name} must be above 0: it is "${value}"`);
    }
    parameters[name] = value;
  }
  return Object.freeze(parameters);
}

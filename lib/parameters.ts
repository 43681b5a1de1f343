/** Transmission parameters (RFC 7252 section 4.8) and the limits that bound memory. @module */

/** Transmission parameters, RFC 7252 section 4.8. Durations are milliseconds. */
export interface TransmissionParameters {
  /**
   * Least time before the first retransmission, ms. Below 1000 only where the network has other congestion control.
   *
   * @default {2000}
   */
  ackTimeout: number;
  /**
   * The first time-out is drawn from `ackTimeout` to `ackTimeout * ackRandomFactor`; at least 1.
   *
   * @default {1.5}
   */
  ackRandomFactor: number;
  /**
   * Retransmissions after the first transmission, 0 to 20.
   *
   * @default {4}
   */
  maxRetransmit: number;
  /**
   * Interactions outstanding towards one peer, at least 1 (RFC 7252 section 4.7). Raise it only where
   * something else limits the load on the network.
   *
   * @default {1}
   */
  nstart: number;
  /**
   * Longest random delay of a response to a group request, ms (RFC 7252 section 8.2).
   *
   * @default {5000}
   */
  defaultLeisure: number;
  /**
   * Bytes per second on average towards a peer that does not respond (RFC 7252 section 4.7).
   * `Infinity` switches the limit off.
   *
   * @default {1}
   */
  probingRate: number;
  /**
   * Longest time a datagram is expected to travel, ms.
   *
   * @default {100000}
   */
  maxLatency: number;
  /**
   * How long the application may take before an empty acknowledgement goes out and the response follows
   * separately, ms; below `ackTimeout`.
   *
   * @default {500}
   */
  emptyAckDelay: number;
}

/** Parameters with the derived ones of RFC 7252 section 4.8.2, ms. */
export interface DerivedParameters extends TransmissionParameters {
  /** From the first transmission to the last retransmission, 45 s by default. */
  maxTransmitSpan: number;
  /** From the first transmission until giving up, 93 s by default. */
  maxTransmitWait: number;
  /** Time to process a message and answer, as long as `ackTimeout`. */
  processingDelay: number;
  /** Longest round trip, 202 s by default. */
  maxRtt: number;
  /** From the first transmission until a Confirmable message's ID may be used again, 247 s by default. */
  exchangeLifetime: number;
  /** The same for a Non-confirmable message, 145 s by default. */
  nonLifetime: number;
}

/** The defaults of RFC 7252 section 4.8. */
export const DEFAULT_PARAMETERS: Readonly<TransmissionParameters> = Object.freeze({
  ackTimeout: 2000,
  ackRandomFactor: 1.5,
  maxRetransmit: 4,
  nstart: 1,
  defaultLeisure: 5000,
  probingRate: 1,
  maxLatency: 100_000,
  emptyAckDelay: 500,
});

/** Each parameter's least and greatest value; `integer` where a fraction has no meaning. */
const RANGES: Record<keyof TransmissionParameters, { min: number; max: number; integer?: true }> = {
  ackTimeout: { min: 1, max: 3_600_000 },
  ackRandomFactor: { min: 1, max: 10 },
  maxRetransmit: { min: 0, max: 20, integer: true },
  nstart: { min: 1, max: 65_535, integer: true },
  defaultLeisure: { min: 0, max: 3_600_000 },
  probingRate: { min: 0.001, max: Infinity },
  maxLatency: { min: 0, max: 3_600_000 },
  emptyAckDelay: { min: 0, max: 3_600_000 },
};

/**
 * Fills in the defaults, checks the ranges and computes the derived parameters.
 *
 * @throws {RangeError} where a value is out of its range
 */
export function deriveParameters(
  given: Partial<TransmissionParameters> = {},
): Readonly<DerivedParameters> {
  const p: TransmissionParameters = { ...DEFAULT_PARAMETERS };
  for (const name of Object.keys(given) as (keyof TransmissionParameters)[]) {
    const range = RANGES[name];
    const value = given[name];
    if (range === undefined) throw new RangeError(`Unknown transmission parameter "${name}"`);
    if (value === undefined) continue;
    if (
      typeof value !== "number" || !(value >= range.min && value <= range.max) ||
      (range.integer && !Number.isInteger(value))
    ) {
      throw new RangeError(
        `Transmission parameter ${name} must be ${range.integer ? "an integer " : ""}from ` +
          `${range.min} to ${range.max}: it is "${value}"`,
      );
    }
    p[name] = value;
  }
  if (given.emptyAckDelay === undefined) {
    p.emptyAckDelay = Math.min(p.emptyAckDelay, p.ackTimeout / 2);
  } else if (p.emptyAckDelay >= p.ackTimeout) {
    throw new RangeError(
      `Transmission parameter emptyAckDelay must be below ackTimeout (${p.ackTimeout}): it is "${p.emptyAckDelay}"`,
    );
  }
  const maxTransmitSpan = p.ackTimeout * (2 ** p.maxRetransmit - 1) * p.ackRandomFactor;
  const maxTransmitWait = p.ackTimeout * (2 ** (p.maxRetransmit + 1) - 1) * p.ackRandomFactor;
  const processingDelay = p.ackTimeout;
  const maxRtt = 2 * p.maxLatency + processingDelay;
  return Object.freeze({
    ...p,
    maxTransmitSpan,
    maxTransmitWait,
    processingDelay,
    maxRtt,
    exchangeLifetime: maxTransmitSpan + maxRtt,
    nonLifetime: maxTransmitSpan + p.maxLatency,
  });
}

/** Limits that bound what peers can make an endpoint keep. Numbers of things, or bytes where the name says so. */
export interface Limits {
  /**
   * Peers known at a time, about 600 bytes each. When full, the one longest silent and with nothing pending goes.
   *
   * @default {65536}
   */
  peers: number;
  /**
   * Requests of ours without an outcome, about 1,500 bytes each with their message. One more is refused with reason `limit`.
   *
   * @default {65536}
   */
  exchanges: number;
  /**
   * Requests of peers at the application, about 500 bytes each and their message. One more is answered 5.03. As many
   * separate responses may wait to be acknowledged, for at most EXCHANGE_LIFETIME until they are sent; further ones go
   * Non-confirmable.
   *
   * @default {16384}
   */
  handling: number;
  /**
   * The same for one peer. One more is answered 4.29 (RFC 8516).
   *
   * @default {1024}
   */
  handlingPerPeer: number;
  /**
   * Options of a request, about 150 bytes each besides their values. One with more is answered 4.00: an empty option
   * takes a single byte in its datagram.
   *
   * @default {256}
   */
  options: number;
  /**
   * Messages remembered so that a duplicate is known, about 150 bytes each. When full, the oldest answered one goes.
   *
   * @default {65536}
   */
  duplicates: number;
  /**
   * The same for one peer.
   *
   * @default {16384}
   */
  duplicatesPerPeer: number;
  /**
   * Bytes of replies kept for duplicates. When full, the oldest answered one goes.
   *
   * @default {16777216}
   */
  replyBytes: number;
  /**
   * Bytes of one body where it is put together from blocks (RFC 7959). A larger request body is answered 4.13 with
   * this as Size1, a larger response fails with reason `blockwise`. Streamed bodies are not bounded by it.
   *
   * @default {8388608}
   */
  bodyBytes: number;
  /**
   * Blockwise transfers that a server keeps state for, request bodies and responses each: about 500 bytes and a
   * datagram each besides the body. A further request body is answered 5.03; for a further response the one longest
   * unused goes.
   *
   * @default {1024}
   */
  transfers: number;
  /**
   * The same for one peer, request bodies and responses each. A further request body is answered 4.29 (RFC 8516); for a
   * further response that peer's own one longest unused goes.
   *
   * @default {128}
   */
  transfersPerPeer: number;
  /**
   * Bytes of these bodies together, request bodies and responses each; full means the same as for `transfers`. The requests
   * that observe, their options of about 320 bytes each and bodies (FETCH), are bounded by as much: beyond it one is
   * answered as a plain request.
   *
   * @default {67108864}
   */
  transferBytes: number;
  /**
   * Bytes of these bodies of one peer, request bodies and responses each; full means the same as for
   * `transfersPerPeer`.
   *
   * @default {16777216} or twice `bodyBytes` where that is more
   */
  transferBytesPerPeer: number;
  /**
   * Observations that a server keeps, about 600 bytes each. A further one is answered as a plain request.
   *
   * @default {65536}
   */
  observers: number;
  /**
   * The same for one peer.
   *
   * @default {1024}
   */
  observersPerPeer: number;
  /**
   * Connections of reliable transports at a time, about 1 kB each with the runtime's socket. One more is aborted.
   *
   * @default {16384}
   */
  connections: number;
  /**
   * Bytes of one message over a reliable transport, its header included: what is announced as Max-Message-Size (RFC 8323
   * section 5.3.1), so from 1152 on with BERT. A larger one aborts the connection before it is received. Own messages are
   * not larger either.
   *
   * @default {8389632} 8 MiB and 1 KiB
   */
  messageBytes: number;
  /**
   * Bytes of messages of which the beginning has come, over all connections. A connection that goes beyond it is aborted.
   *
   * @default {67108864}
   */
  receiveBytes: number;
  /**
   * Bytes that a connection's peer has not taken yet. Beyond it nothing is read from it and its notifications wait, the
   * newest alone; it may be exceeded by one message, and by responses that are larger than those before: so many requests
   * are read at a time as there is room for responses of that size, 16 at the beginning. What would exceed it by more than
   * `messageBytes` is answered 5.03.
   *
   * @default {1048576}
   */
  sendBytes: number;
  /**
   * The same over all connections. Beyond it the connection is aborted that has not taken what it was sent for longest.
   *
   * @default {67108864}
   */
  unsentBytes: number;
  /**
   * Requests of one connection at the application. Beyond it nothing is read from the connection.
   *
   * @default {256}
   */
  requestsPerConnection: number;
}

/** The default limits. */
export const DEFAULT_LIMITS: Readonly<Limits> = Object.freeze({
  peers: 65_536,
  exchanges: 65_536,
  handling: 16_384,
  handlingPerPeer: 1024,
  options: 256,
  duplicates: 65_536,
  duplicatesPerPeer: 16_384,
  replyBytes: 16 * 1024 * 1024,
  bodyBytes: 8 * 1024 * 1024,
  transfers: 1024,
  transfersPerPeer: 128,
  transferBytes: 64 * 1024 * 1024,
  transferBytesPerPeer: 16 * 1024 * 1024,
  observers: 65_536,
  observersPerPeer: 1024,
  connections: 16_384,
  messageBytes: 8 * 1024 * 1024 + 1024,
  receiveBytes: 64 * 1024 * 1024,
  sendBytes: 1024 * 1024,
  unsentBytes: 64 * 1024 * 1024,
  requestsPerConnection: 256,
});

/**
 * Fills in the defaults and checks that every limit is a whole number of at least 1.
 *
 * @throws {RangeError} where one is not
 */
export function deriveLimits(given: Partial<Limits> = {}): Readonly<Limits> {
  const limits: Limits = { ...DEFAULT_LIMITS };
  for (const name of Object.keys(given) as (keyof Limits)[]) {
    const value = given[name];
    if (!(name in DEFAULT_LIMITS)) throw new RangeError(`Unknown limit "${name}"`);
    if (value === undefined) continue;
    if (value !== Infinity && !(Number.isInteger(value) && value >= 1)) {
      throw new RangeError(`Limit ${name} must be an integer of at least 1: it is "${value}"`);
    }
    limits[name] = value;
  }
  if (given.transferBytesPerPeer === undefined) {
    limits.transferBytesPerPeer = Math.max(limits.transferBytesPerPeer, 2 * limits.bodyBytes);
  }
  return Object.freeze(limits);
}

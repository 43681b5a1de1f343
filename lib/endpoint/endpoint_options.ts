/** How clients and servers are made. @module */

import type { ConnectionParameters } from "../connection_parameters.ts";
import type { RandomSource } from "../engine/entropy.ts";
import type { CoAPError } from "../errors.ts";
import type { Flow } from "../flow.ts";
import type { Limits, TransmissionParameters } from "../parameters.ts";
import type { BindStream, ClientTlsOptions, StreamScheme } from "../transport/stream.ts";
import { bindTcp } from "../transport/tcp.ts";
import { bindWebSocket } from "../transport/ws.ts";
import type { Bind, BindOptions, Resolve } from "../transport/transport.ts";
import type { CacheOptions } from "./cache.ts";
import type { Clock } from "./clock.ts";
import type { RawMessage } from "./driver.ts";
import type { ProxySettings } from "./via.ts";

/** What clients and servers have in common. */
export interface EndpointOptions {
  /**
   * Binds sockets: UDP, or a simulated network.
   *
   * @default {bindUdp}
   */
  transport?: Bind;
  /**
   * Makes the transports with connections (RFC 8323): TCP and TLS, or a simulated network.
   *
   * @default {bindTcp}
   */
  streamTransport?: BindStream;
  /**
   * Makes the transports of `coap+ws` and `coaps+ws`.
   *
   * @default {bindWebSocket}
   */
  webSocketTransport?: BindStream;
  /** Times of these connections that differ from the defaults. */
  connection?: Partial<ConnectionParameters>;
  /**
   * Finds the addresses of host names.
   *
   * @default {resolveHost}, and for connections what the system does
   */
  resolve?: Resolve;
  /**
   * Tells and keeps the time.
   *
   * @default {systemClock}
   */
  clock?: Clock;
  /**
   * The source of message IDs, tokens and random delays, with the contract of `crypto.getRandomValues`.
   *
   * @default {crypto.getRandomValues}
   */
  random?: RandomSource;
  /** Transmission parameters that differ from the defaults of RFC 7252 section 4.8. */
  parameters?: Partial<TransmissionParameters>;
  /** Limits on memory that differ from the defaults. */
  limits?: Partial<Limits>;
  /**
   * Largest blocks sent and asked for, bytes: a power of two from 16 to 1024. A larger payload goes in blocks
   * (RFC 7959), unseen; over connections, where this is not given, only what is larger than the peer's Max-Message-Size,
   * and in blocks as large as that (RFC 8323 section 6). A server acts on a body when all of its blocks are there: those before the last are answered
   * 2.31, those out of order 4.08, those whose payload does not suit their size 4.00, as is the request for a block
   * beyond the end.
   *
   * @default {1024}
   */
  blockSize?: number;
  /**
   * Accept tokens of more than 8 bytes in requests of peers and echo them (RFC 8974). Where not, they are malformed.
   * Those of more than 64,000 bytes are answered 4.00.
   *
   * @default {false}
   */
  extendedTokens?: boolean;
  /** Sees every datagram, and every message of connections, in and out. What it throws goes to `onError`. */
  onMessage?: (message: RawMessage) => void;
  /**
   * Hears of datagrams that are no message: an error with reason `malformed-message`, and whence it came. Empty
   * acknowledgements with a token, which some stacks send, are such, too: they acknowledge nothing (RFC 7252 section
   * 4.1).
   */
  onMalformed?: (error: CoAPError, peer: Flow) => void;
  /**
   * Longest datagram taken, bytes, at least 16; a longer one counts as malformed.
   *
   * @default {65535}
   */
  maxDatagramSize?: number;
  /**
   * Lets several sockets share the local port.
   *
   * @default {false}
   */
  reuseAddress?: boolean;
  /** Receive buffer asked of the system, bytes; the system's default where absent. */
  receiveBufferSize?: number;
  /** Send buffer asked of the system, bytes; the system's default where absent. */
  sendBufferSize?: number;
  /**
   * The network interface by which requests to groups leave: its name (`"eth0"`) or one of its addresses.
   *
   * @default by the system's routes
   */
  multicastInterface?: string;
  /**
   * Hops that requests to groups may take, 1 to 255: 1 stays on the link.
   *
   * @default {1}
   */
  multicastHops?: number;
  /**
   * Whether members on this machine receive requests to groups.
   *
   * @default {true}
   */
  multicastLoopback?: boolean;
}

/** What endpoints tell their transport about its sockets. */
export function socketOptions(options: EndpointOptions): BindOptions {
  const { reuseAddress, receiveBufferSize, sendBufferSize } = options;
  const { multicastInterface, multicastHops, multicastLoopback } = options;
  return {
    reuseAddress,
    receiveBufferSize,
    sendBufferSize,
    multicastInterface,
    multicastHops,
    multicastLoopback,
  };
}

/** How a client is made. */
export interface CoAPClientOptions extends EndpointOptions {
  /**
   * Local address to bind for UDP, an IP literal or a name. A literal binds the client to its family.
   *
   * @default {"0.0.0.0"} or `"::"` by the peer's address
   */
  hostname?: string;
  /**
   * Local port, 0 to 65535; 0 lets the system choose.
   *
   * @default {0}
   */
  port?: number;
  /** Use this address family alone, where a name has addresses of both. */
  family?: 4 | 6;
  /**
   * Use a connected socket for each peer: it receives from that peer alone, and where nobody listens there requests fail
   * at once, with reason `refused`. Not in Deno. A `port` other than 0 can be bound to one peer at a time only.
   *
   * @default {false}
   */
  connect?: boolean;
  /**
   * Store responses and use them again while they are fresh, validate them where they are not (RFC 7252 section 5.6):
   * those to GET and FETCH, and the states of observed resources. Requests that change a resource make what is stored
   * of it stale. Where a response is streamed (`stream`) it is not stored.
   *
   * @default {false}
   */
  cache?: boolean | CacheOptions;
  /**
   * Do not ask again what a server has answered 4.29 (Too Many Requests) before its Max-Age has passed: the same method,
   * URI and options are answered with that 4.29, its Max-Age lowered (RFC 8516 section 4). The last 256 are remembered.
   * Off, whoever can forge a response can not keep the client from asking.
   *
   * @default {true}
   */
  backOff?: boolean;
  /**
   * Send requests and observations to this forward proxy, which makes them in the client's place (RFC 7252 section 5.7):
   * `"coap://proxy.example"`. Then a URI may have any scheme that the proxy knows. Pings and requests to groups go
   * straight to where their URI says.
   *
   * @default {false}
   */
  proxy?: string | URL | ProxySettings | false;
  /**
   * Certificates for `coaps+tcp`: the authorities that servers' are checked against, and the own one if they ask for it.
   * The Web's `WebSocket` takes none: `coaps+ws` trusts whom the process trusts, which Node and Bun can be told by the
   * variable `NODE_EXTRA_CA_CERTS` and Deno by `DENO_CERT`.
   */
  tls?: ClientTlsOptions;
  /** Hears errors of the network, those too that no request fails of, and exceptions of `onMessage`. */
  onError?: (error: unknown) => void;
}

/** How to wait for an answer. */
export interface PingOptions {
  /** Gives up: the promise rejects with the signal's reason. */
  signal?: AbortSignal;
  /**
   * How long to wait, ms from the call, above 0; `Infinity` waits until retransmission gives up.
   *
   * @default {93000} MAX_TRANSMIT_WAIT
   */
  timeout?: number;
}

/** What to look for. */
export interface DiscoverOptions {
  /**
   * What the links must have, such as `{ rt: "temperature" }` or `["rt=temperature", "if=sensor*"]` (RFC 6690 section
   * 4.1). Servers need not filter.
   */
  query?: Readonly<Record<string, string>> | Iterable<string>;
  /** Whether the request is sent until it is acknowledged. @default {true} */
  confirmable?: boolean;
  /** The forward proxy to ask, as for any request. @default that of the client */
  proxy?: string | URL | ProxySettings | false;
  /** Gives up: the promise rejects with the signal's reason. */
  signal?: AbortSignal;
  /** How long to wait, ms, as for any request. @default {93000} MAX_TRANSMIT_WAIT */
  timeout?: number;
}

/** @throws {RangeError} where it is no port */
export function checkPort(port: number): number {
  if (Number.isInteger(port) && port >= 0 && port <= 65_535) return port;
  throw new RangeError(`Port must be an integer from 0 to 65535: it is "${port}"`);
}

/** @throws {RangeError} where it is no size of a block */
export function checkBlockSize(size: number | undefined): void {
  if (size === undefined || size >= 16 && size <= 1024 && Number.isInteger(Math.log2(size))) return;
  throw new RangeError(`Block size must be a power of two from 16 to 1024: it is "${size}"`);
}

/** @throws {RangeError} where it is no time to wait */
export function checkTimeout(timeout: number | undefined): void {
  if (timeout !== undefined && !(timeout > 0)) {
    throw new RangeError(`Timeout must be above 0 ms: it is "${timeout}"`);
  }
}

/** What makes the transports of each scheme with connections. */
export function streamBindings(
  { streamTransport = bindTcp, webSocketTransport = bindWebSocket }: Pick<
    EndpointOptions,
    "streamTransport" | "webSocketTransport"
  >,
): Readonly<Record<StreamScheme, BindStream>> {
  return {
    "coap+tcp": streamTransport,
    "coaps+tcp": streamTransport,
    "coap+ws": webSocketTransport,
    "coaps+ws": webSocketTransport,
  };
}

/** How gateways from HTTP are made. @module */

import type { CacheOptions } from "./cache.ts";
import type { CoAPClient } from "./client.ts";
import type { Clock } from "./clock.ts";
import { checkTimeout } from "./endpoint_options.ts";
import type { ProxyRule } from "./proxy_rule.ts";

/** The methods that a gateway knows. HEAD goes with GET. QUERY becomes FETCH (RFC 8132). */
export type HTTPMethod = "GET" | "POST" | "PUT" | "DELETE" | "PATCH" | "QUERY";

/** How a gateway is made. Either `target` or `allow` is there. */
export interface HTTPGatewayOptions {
  /**
   * What the gateway stands for: the beginning of a URI, such as `"coap://192.0.2.7/v1"`. The path below `base` is looked
   * up there, and nothing else can be reached (RFC 8075 section 5.2).
   */
  target?: string | URL;
  /**
   * What requests may name as their target themselves, by `template`; everything else is answered 403. Loopback,
   * link-local and private addresses are reached only where a list names their host. Groups never are.
   *
   * A function gets the HTTP request as well, and may look at its header fields. Of a `client` that is given, `resolve`
   * must keep names from leading to addresses that are not public. Over TCP and WebSocket the system resolves names: a
   * function reaches none there without `allowLocal`.
   *
   * @default {[]}: nothing
   */
  allow?: ProxyRule<Request>;
  /**
   * Let a function given as `allow` open addresses that are not public, too. Then it must know which hosts it opens: whoever
   * can have a name in the DNS can have it lead to any address behind the gateway.
   *
   * @default {false}
   */
  allowLocal?: boolean;
  /**
   * Path of the gateway in its HTTP server: the HC Proxy URI of RFC 8075.
   *
   * @default {"/"}
   */
  base?: string;
  /**
   * How a target is written behind `base` where requests name it: a URI mapping template of RFC 8075 section 5.4 in the
   * variables `tu`, or `s`, `hp`, `p` and either `q` or `qq`, such as `"?target={+tu}"` or `"{+s}/{+hp}{+p}{+qq}"`.
   *
   * @default {"{+tu}"}: the target's URI as it stands
   */
  template?: string;
  /**
   * The methods let through; others are answered 405.
   *
   * @default all of them
   */
  methods?: Iterable<HTTPMethod>;
  /**
   * Other origins, such as `"https://dashboard.example"`, whose pages may use the gateway, or `"*"` for all of them: it
   * answers their preflight requests (CORS). Without it OPTIONS is answered 501, and requests of other origins that are
   * more than GET, HEAD and QUERY are answered 403, as no page of another site is to switch anything.
   *
   * @default {[]}
   */
  origins?: Iterable<string>;
  /**
   * Let requests name content formats by number, as `application/coap-payload;cf=65000` (RFC 8075 section 6.2). Responses
   * of an unknown content format always have this type.
   *
   * @default {false}: 415, and 406 in Accept
   */
  anyFormat?: boolean;
  /**
   * The client to ask by, over any transport; `close` leaves it open.
   *
   * @default one of the gateway's own, with a cache
   */
  client?: CoAPClient;
  /**
   * The cache of the gateway's own client.
   *
   * @default {true}
   */
  cache?: boolean | CacheOptions;
  /**
   * Tells the time to the gateway and to its own client.
   *
   * @default {systemClock}
   */
  clock?: Clock;
  /**
   * How long a request may take, its body included, ms, above 0; then 504 is answered, or 408 where it is the body that
   * has not come. It stands for MAX_RTT and MAX_SERVER_RESPONSE_DELAY of RFC 8075 section 8.5.
   *
   * @default {60000}
   */
  timeout?: number;
  /**
   * Requests under way at a time; further ones are answered 503. Each may hold a body of either direction.
   *
   * @default {64}
   */
  maxRequests?: number;
  /**
   * Event streams open at a time; further ones are answered 503. Each takes one of the `maxRequests` until its first state.
   *
   * @default {64}
   */
  maxStreams?: number;
  /**
   * Longest body of an HTTP request, bytes; a longer one is answered 413.
   *
   * @default {1048576}
   */
  maxRequestBytes?: number;
  /**
   * Longest payload of a CoAP response, bytes; a longer one is answered 502.
   *
   * @default {8388608}
   */
  maxResponseBytes?: number;
  /**
   * How often an event stream without events sends a comment, ms: it keeps the connection open, and finds out when nobody
   * is there any more.
   *
   * @default {15000}
   */
  heartbeat?: number;
}

/** The limits of a gateway. */
export interface GatewayLimits {
  readonly requests: number;
  readonly streams: number;
  /** Bytes of a request's body. */
  readonly body: number;
  /** Bytes of a response's payload. */
  readonly response: number;
  readonly timeout: number;
  readonly heartbeat: number;
}

/** @throws {RangeError} where one is out of range */
export function gatewayLimits(options: HTTPGatewayOptions): GatewayLimits {
  const { timeout = 60_000, heartbeat = 15_000 } = options;
  checkTimeout(timeout);
  checkTimeout(heartbeat);
  const { maxRequests = 64, maxStreams = 64 } = options;
  const { maxRequestBytes = 1024 * 1024, maxResponseBytes = 8 * 1024 * 1024 } = options;
  for (
    const [name, value] of Object.entries({
      maxRequests,
      maxStreams,
      maxRequestBytes,
      maxResponseBytes,
    })
  ) {
    if (value === Infinity || Number.isInteger(value) && value >= 1) continue;
    throw new RangeError(`Limit ${name} must be an integer of at least 1: it is "${value}"`);
  }
  return {
    requests: maxRequests,
    streams: maxStreams,
    body: maxRequestBytes,
    response: maxResponseBytes,
    timeout,
    heartbeat,
  };
}

/** How proxies are made. @module */

import type { CacheOptions } from "./cache.ts";
import type { CoAPClientOptions } from "./endpoint_options.ts";
import type { ProxyRule } from "./proxy_rule.ts";

/** How a proxy is made. */
export interface ProxyOptions {
  /**
   * What a reverse proxy stands for: the beginning of a URI, such as `"coap://192.0.2.7/base"`. The path below the one at
   * which the proxy is mounted is looked up there. Without it the proxy is a forward proxy.
   */
  target?: string | URL;
  /**
   * What a forward proxy may reach; 5.05 is answered for everything else. Loopback, link-local and private addresses are
   * reached only where a list names their host: what is a public name may lead to a private address. Groups never are.
   *
   * @default {[]}: nothing
   */
  allow?: ProxyRule;
  /**
   * Let a function given as `allow` open addresses that are not public, too. Then it must know which hosts it opens: whoever
   * can have a name in the DNS can have it lead to any address behind the proxy.
   *
   * @default {false}
   */
  allowLocal?: boolean;
  /**
   * Further names and addresses of the server that the proxy is mounted on, such as `"gateway.example"` or
   * `"192.0.2.1:5683"`; without a port they go with that of the server. Proxy requests for them are requests to the
   * server itself (RFC 7252 section 5.7.2). The addresses it is bound to are known.
   *
   * @default {[]}
   */
  names?: Iterable<string>;
  /**
   * Store responses and use them for all clients while they are fresh, validate them where they are not (RFC 7252
   * section 5.6).
   *
   * @default {true}
   */
  cache?: boolean | CacheOptions;
  /**
   * Hops that a request may take from here on which does not say so itself, 1 to 255 (RFC 8768 section 3).
   *
   * @default {16}
   */
  hopLimit?: number;
  /**
   * Names the proxy in the diagnostic payload of 5.08 (Hop Limit Reached), without spaces: by it a loop is recognized and
   * found (RFC 8768 section 4).
   *
   * @default eight random hexadecimal digits
   */
  identifier?: string;
  /**
   * Whether requests to origin servers are sent until they are acknowledged, however they came.
   *
   * @default {true}
   */
  confirmable?: boolean;
  /**
   * How long to wait for an origin server, ms, above 0; then 5.04 is answered. Clients wait for MAX_TRANSMIT_WAIT, 93,000:
   * what comes later nobody hears.
   *
   * @default {60000}
   */
  timeout?: number;
  /**
   * How the sockets towards origin servers are made where that differs from the server's own. Of `parameters`, `nstart`
   * says how many requests an origin server may owe an acknowledgement, those of all clients together.
   */
  client?: Pick<
    CoAPClientOptions,
    "blockSize" | "family" | "limits" | "onMessage" | "parameters" | "resolve" | "transport"
  >;
}

/** How servers are made, and what they are. @module */

import type { UnobservedReason } from "../engine/types.ts";
import type { Address } from "../flow.ts";
import type { ListenOptions, ServerTlsOptions } from "../transport/stream.ts";
import type { WebSocketLike, WebSocketPeer } from "../transport/ws.ts";
import type { GroupMembership } from "../transport/transport.ts";
import type { CoAPClient } from "./client.ts";
import type { EndpointOptions } from "./endpoint_options.ts";
import type { IncomingRequest } from "./incoming_request.ts";
import type { CoAPProxy } from "./proxy.ts";
import type { CoAPResponse } from "./response.ts";
import type { EndpointStats } from "./stats.ts";

/**
 * Answers a request, at once or by a promise. Until the promise settles the peer is kept waiting with an empty
 * acknowledgement, and the response then goes out separately (RFC 7252 section 5.2.2). Bodies are whole in both
 * directions: a response of any size may be returned, and is held in memory until it has been fetched, block by block.
 *
 * What throws, rejects or returns anything else than a {@linkcode CoAPResponse} is answered 5.00 without a word of why;
 * `onError` is told.
 *
 * Two things are done to a 2.05 that answers GET or FETCH. Where its entity tag is one of those that the request lists
 * it becomes 2.03 without payload (RFC 7252 section 5.9.1.3); a payload without a tag has the one that the library
 * gives to bodies sent in blocks. Where it has another content format than the request accepts it becomes 4.06 (section
 * 5.10.4).
 */
export type Handler = (request: IncomingRequest) => CoAPResponse | Promise<CoAPResponse>;

/** What has a handler, such as a `Router`. */
export interface HandlerObject {
  /**
   * Answers a request.
   *
   * @param depth segments of the path by which a `Router` has come here (`Router.all`), 0 by default
   */
  handle(request: IncomingRequest, depth?: number): CoAPResponse | Promise<CoAPResponse>;
  /**
   * Whether it hands requests on, as a proxy does. Then it also gets those with options that are not known here but
   * Safe-to-Forward (RFC 7252 section 5.7.1), and has to refuse them itself where it does not hand them on.
   *
   * @default {false}
   */
  readonly forwards?: boolean;
}

/** How states of observed resources are sent. */
export interface NotificationOptions {
  /**
   * Whether notifications are sent until they are acknowledged. Of Non-confirmable ones an observer gets at most one in
   * three seconds, the newest (RFC 7641 section 4.5.1).
   *
   * @default {true}
   */
  confirmable?: boolean;
  /**
   * Every how many Non-confirmable notifications one is Confirmable, so that an observer that has gone is found out, an
   * integer of at least 1. One a day is in any case (RFC 7641 section 4.5).
   *
   * @default {5}
   */
  confirmableEvery?: number;
}

/** How the state of a resource is sent to its observers. */
export interface NotifyOptions extends NotificationOptions {
  /**
   * Whether only those are told whose request has the query that is given, or none where none is. Else a resource is
   * known by its path alone.
   *
   * @default {true} where a query is given, else `false`
   */
  exact?: boolean;
}

/** How a server is made. */
export interface ServeOptions extends EndpointOptions {
  /**
   * Local address to bind, an IP literal or a name. `"::"` takes IPv4 as well where the system does.
   *
   * @default {"0.0.0.0"} or `"::"` by `family`
   */
  hostname?: string;
  /**
   * Local port, 0 to 65535; 0 lets the system choose.
   *
   * @default {5683}
   */
  port?: number;
  /**
   * Address family where `hostname` does not tell.
   *
   * @default {4}
   */
  family?: 4 | 6;
  /**
   * Whether to serve over UDP, at `hostname` and `port`.
   *
   * @default {true}
   */
  udp?: boolean;
  /**
   * Serve over TCP as well (RFC 8323), with the same handler: where to listen, or `true` for the `hostname` and the port
   * of UDP.
   *
   * @default {false}
   */
  tcp?: boolean | Omit<ListenOptions, "tls">;
  /**
   * Serve over TLS as well (RFC 8323), with the same handler: where to listen, by default at `hostname` and port 5684,
   * and the certificates.
   *
   * @default none
   */
  tls?: ServerTls;
  /**
   * Serve over WebSockets as well (RFC 8323), with the same handler: those that `Server.accept` is given.
   *
   * @default {false}
   */
  ws?: boolean;
  /**
   * Groups to receive requests for (RFC 7252 section 8): their addresses, or `true` for All CoAP Nodes, 224.0.1.187 or
   * ff02::fd and ff05::fd by family. Such requests have `request.peer.multicast`; a `Router` answers them only for
   * resources with `multicast`, and `/.well-known/core`. Their responses leave after a random time up to
   * DEFAULT_LEISURE; errors, and 2.05 without payload, are not sent unless No-Response asks for them.
   *
   * Where `hostname` is a wildcard the port is shared with the sockets of the groups, see `bindUdp`.
   *
   * @default {false}
   */
  multicast?: boolean | Iterable<string | GroupMembership>;
  /**
   * A forward proxy for requests that ask for one, except where they name this server itself: those go to the handler
   * as all others do. Made by `proxy`. Without one they are answered 5.05.
   */
  proxy?: CoAPProxy;
  /** How notifications are sent where `notify` does not say. */
  notifications?: NotificationOptions;
  /**
   * Bytes sent to an address at most for each byte received from it, at least 1, until it has shown that it is there
   * (RFC 9175 section 2.4 suggests 3). Whoever forges the address of a victim then gains nothing by asking this server
   * for much (RFC 7252 section 11.3). It costs every new peer with a large response, or that observes, a round trip: it is
   * answered 4.01 with an Echo option, and repeats the request with it; peers that do not know RFC 9175 get no such
   * response at all.
   *
   * @default {Infinity}
   */
  amplification?: number;
  /**
   * How long an Echo value counts as fresh, ms: for `request.fresh`, and with `amplification`.
   *
   * @default {93000} MAX_TRANSMIT_WAIT
   */
  echoLifetime?: number;
  /**
   * Requests that a peer may make per second on average, as many at once, above 0; what goes beyond is answered 4.29 with
   * the time to wait (RFC 8516). Each block of a body is a request.
   *
   * @default {Infinity}
   */
  requestRate?: number;
  /**
   * Requests that the handler works on at a time, an integer of at least 1: until its promise settles. Further ones wait
   * for their turn, no longer than `maxWait`. To be set to what stands behind the handler can bear, such as a database;
   * those that are worked on or wait are bounded by the limits `handling` and `handlingPerPeer` besides.
   *
   * @default {Infinity}
   *
   * @example A handler of 20 ms, of which one runs at a time: 50 requests per second, and no more than that are taken
   * ```ts
   * import { CoAPClient, CoAPResponse, serve } from "@x/coap";
   *
   * const pause = () => new Promise((resolve) => setTimeout(resolve, 20));
   * await using server = await serve({
   *   hostname: "127.0.0.1",
   *   port: 0,
   *   concurrency: 1,
   *   maxWait: 100,
   * }, async () => {
   *   await pause();
   *   return CoAPResponse.text("done");
   * });
   * await using client = new CoAPClient({ parameters: { nstart: 20 } });
   *
   * const uri = `coap://127.0.0.1:${server.address.port}/`;
   * const responses = await Promise.all(Array.from({ length: 20 }, () => client.get(uri)));
   * // What is refused is told when to come again.
   * console.log(responses.map(({ codeText, maxAge }) => codeText === "5.03" ? maxAge : "done"));
   * ```
   */
  concurrency?: number;
  /**
   * Longest time that a request waits for the handler, ms, above 0: then it is answered 5.03 with a Max-Age of 1 to 4
   * seconds (RFC 7252 section 5.9.3.4), and counted as `rejectedLate`. So a server that has more to do than time goes on
   * doing as much as it can, for requests whose clients still wait.
   *
   * It is about the turns of `concurrency`, and about handlers that block the process: meanwhile requests wait in the
   * buffer of the socket. How long nobody tells, but where the socket has not been found empty for `maxWait`, and what
   * was read since is less than the buffer holds, those that come next are shed, until either has changed. Fast handlers
   * are never concerned, whatever the load, since a full buffer is soon read; nor are servers of a few clients that wait
   * for each answer: at most 31, on Windows 7. `Infinity` sheds nothing.
   *
   * @default {400} below `emptyAckDelay`, so that the refusal goes with the acknowledgement
   */
  maxWait?: number;
  /**
   * Whether the sender of this request, which was answered 2.xx, becomes an observer. Without a `Router` nobody does
   * where this is not given; with one it decides about observable resources, by default all are. Called again where an
   * observer registers again.
   */
  onObserve?: (request: IncomingRequest) => boolean | Promise<boolean>;
  /**
   * Hears that an observation has ended, of the request that registered it (not the same object) and why:
   * `deregistered` by the client, `replaced` by that of another resource with the same token, by a `reset` or a
   * `timeout`, with the connection when that was `disconnected`, by the `error` it was notified of, or the server was `closed`. With `limit` it never began: there are
   * too many observers, and the request was answered as one that does not ask to observe.
   */
  onUnobserve?: (request: IncomingRequest, reason: UnobservedReason) => void;
  /**
   * Hears what the peers are not told: what handlers and the functions above throw, together with the request, errors
   * of the network, and exceptions of `onMessage`. What it throws itself is dropped.
   */
  onError?: (error: unknown, request?: IncomingRequest) => void;
}

/** Where a server listens for TLS, and its certificates. */
export interface ServerTls extends ServerTlsOptions {
  /** Local address. @default that of the server */
  hostname?: string;
  /** Local port, 0 to 65535; 0 lets the system choose. @default {5684} */
  port?: number;
}

/** Where a server is bound, by transport; undefined where it does not serve over it. */
export interface ServerAddresses {
  /** Datagrams, `coap`. */
  readonly udp: Address | undefined;
  /** Connections, `coap+tcp`. */
  readonly tcp: Address | undefined;
  /** Secured connections, `coaps+tcp`. */
  readonly tls: Address | undefined;
}

/** A server that is up. */
export interface Server extends AsyncDisposable {
  /** The bound address and port: of UDP, else of the first of `tcp` and `tls`; empty where there is neither. */
  readonly address: Address;
  /** The bound addresses and ports of all transports. */
  readonly addresses: ServerAddresses;
  /**
   * A client on the server's own socket: what it sends comes from the server's port, through the same NAT binding. For
   * `${peer.scheme}://${peer.address}:${peer.port}` of a peer that has opened a connection it uses that; an IPv6 address
   * stands in brackets. Of a WebSocket `accept` has to be told the peer's address and port. Over TLS such a peer
   * has proved what its certificate says, and nothing where it has shown none. It ends with the server.
   */
  readonly client: CoAPClient;
  /**
   * Takes a WebSocket that an HTTP server has upgraded, with the subprotocol `coap`, and serves it: that of
   * `Deno.upgradeWebSocket`, of the package `ws` on Node; for `Bun.serve` see `bunWebSocket`.
   *
   * @param peer what is known of the other end: the request itself, or its URL and the peer's address
   * @throws {TypeError} where the server was made without the option `ws`
   *
   * @example CoAP beside HTTP, on Deno
   * ```ts ignore
   * import { CoAPResponse, serve } from "@x/coap";
   * import { isCoAPUpgrade } from "@x/coap/ws";
   *
   * const coap = await serve({ udp: false, ws: true }, () => CoAPResponse.text("22.5"));
   * Deno.serve((request, { remoteAddr: { hostname: address, port } }) => {
   *   if (!isCoAPUpgrade(request)) return new Response("Not Found", { status: 404 });
   *   const { socket, response } = Deno.upgradeWebSocket(request, { protocol: "coap" });
   *   coap.accept(socket, { url: request.url, remote: { address, port } });
   *   return response;
   * });
   * ```
   *
   * @example On Node, with the package `ws`
   * ```ts ignore
   * import { createServer } from "node:http";
   * import { WebSocketServer } from "ws";
   * import { CoAPResponse, serve } from "@x/coap";
   * import { isCoAPUpgrade } from "@x/coap/ws";
   *
   * const coap = await serve({ udp: false, ws: true }, () => CoAPResponse.text("22.5"));
   * const sockets = new WebSocketServer({
   *   noServer: true,
   *   handleProtocols: () => "coap",
   *   maxPayload: 16 * 1024 * 1024, // it is 100 MiB by default
   * });
   * const http = createServer((_, response) => response.writeHead(404).end());
   * http.on("upgrade", (incoming, socket, head) => {
   *   const { url: path, headers, socket: { remoteAddress = "", remotePort = 0 } } = incoming;
   *   const url = `http://${headers.host}${path}`;
   *   if (!isCoAPUpgrade({ url, headers: new Headers(headers) })) return socket.destroy();
   *   const remote = { address: remoteAddress, port: remotePort };
   *   sockets.handleUpgrade(incoming, socket, head, (ws) => coap.accept(ws, { url, remote }));
   * });
   * http.listen(8080);
   * ```
   */
  accept(socket: WebSocketLike, peer?: WebSocketPeer): void;
  /**
   * Sends the state of a resource to its observers (RFC 7641 section 4.2). Without a response the handler is asked for
   * the state, once for each different request by which the resource is observed, with that request, whenever it was
   * made: over connections once for each scheme and host name, and for each peer that has shown a certificate. While a handler is still at it a further call has it run once more afterwards, never twice at a time. A
   * response outside 2.xx, a handler's 5.00 included, ends the observations; so does one with another content format
   * than the first, as 4.06.
   *
   * States are sent at the pace of each observer: a newer one takes the place of one that could not leave yet, the
   * newest always arrives or the observation ends.
   *
   * @param resource the path, or a URI of which path and query count, percent-encoded where necessary
   * @returns the number of observers that the newest state was handed to, which says nothing about its arrival
   * @throws {CoAPError} (the promise rejects) `invalid-uri` where there is no such path
   * @throws {RangeError} (the promise rejects) where an option is out of its range
   *
   * @example A clock
   * ```ts
   * import { CoAPClient, CoAPResponse, Router, serve } from "@x/coap";
   *
   * let time = 0;
   * const router = new Router()
   *   .get("/time", () => CoAPResponse.text(`${time}`), { observable: true });
   * const server = await serve({ hostname: "127.0.0.1", port: 0 }, router);
   * const client = new CoAPClient();
   *
   * for await (const state of client.observe(`coap://127.0.0.1:${server.address.port}/time`)) {
   *   console.log(state.text()); // 0, 1, 2
   *   if (time === 2) break;
   *   time++;
   *   await server.notify("/time");
   * }
   * await client.close();
   * await server.close();
   * ```
   */
  notify(
    resource: string | URL,
    response?: CoAPResponse,
    options?: NotifyOptions,
  ): Promise<number>;
  /**
   * Counters and gauges of the server's socket, and of those by which its proxies reach other servers. Cheap enough to
   * be asked for every second; after `close` they stay as they were.
   *
   * @example How many requests were served, and what was refused
   * ```ts
   * import { CoAPClient, CoAPResponse, serve } from "@x/coap";
   *
   * await using server = await serve(
   *   { hostname: "127.0.0.1", port: 0 },
   *   () => CoAPResponse.text("22.5"),
   * );
   * await using client = new CoAPClient();
   * await client.get(`coap://127.0.0.1:${server.address.port}/`);
   *
   * const { counters, gauges } = server.stats();
   * console.log(counters.requestsServed, counters.rejectedMalformed, gauges.peers); // 1 0 1
   * ```
   */
  stats(): EndpointStats;
  /**
   * Closes the server and its client. Responses that are ready leave; the signals of requests still being handled are
   * aborted and their responses dropped, observers are forgotten without a word, connections are released (RFC 8323
   * section 5.5). Resolves when the port is free; a second call does nothing more.
   */
  close(): Promise<void>;
}

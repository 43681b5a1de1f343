/** A client, a proxy and an origin server on the simulated network: the proxy between two scripted peers. @module */

import { proxy } from "../lib/endpoint/proxy.ts";
import type { ProxyOptions } from "../lib/endpoint/proxy_options.ts";
import { CoAPResponse } from "../lib/endpoint/response.ts";
import type { Handler, ServeOptions, Server } from "../lib/endpoint/server.ts";
import { NetworkPeer } from "./network_peer.ts";
import { Simulation } from "./simulated_endpoints.ts";

/** The address of the origin server. */
export const ORIGIN = "192.0.2.7";

/** Its authority as a URI. */
export const ORIGIN_URI: string = `coap://${ORIGIN}`;

/** The proxy is at 127.0.0.1, the default of the simulated network. */
export class Proxied {
  readonly net: Simulation = new Simulation();
  /** Errors that the proxy's server reported. */
  readonly errors: unknown[] = [];

  /** A scripted client; a second one has another address. */
  async client(address = "192.0.2.1"): Promise<NetworkPeer> {
    return (await new NetworkPeer(this.net).bind(address, 40_000)).talksTo();
  }

  /** The scripted origin server. */
  origin(): Promise<NetworkPeer> {
    return new NetworkPeer(this.net).bind(ORIGIN);
  }

  /** A server with a forward proxy that may reach the origin server. */
  forward(
    options: ProxyOptions = {},
    handler: Handler = () => CoAPResponse.text("local"),
    serving: ServeOptions = {},
  ): Promise<Server> {
    return this.net.serve(handler, {
      proxy: proxy({ allow: [ORIGIN, "origin.example"], identifier: "p1", ...options }),
      onError: (error) => this.errors.push(error),
      resolve: (name) => Promise.resolve(name === "local.example" ? ["127.0.0.1"] : [ORIGIN]),
      ...serving,
    });
  }

  /** A server that is a reverse proxy as a whole. */
  reverse(options: ProxyOptions = {}): Promise<Server> {
    return this.net.serve(proxy({ target: ORIGIN_URI, identifier: "p1", ...options }), {
      onError: (error) => this.errors.push(error),
    });
  }

  /** After a test: all tables are empty in the end. */
  async rest(): Promise<void> {
    await this.net.rest(100_000); // it deregisters from several resources of an origin server that is gone
    await this.net.close();
  }
}

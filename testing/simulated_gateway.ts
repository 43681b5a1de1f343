/** A gateway from HTTP before a simulated network. @module */

import { assertEquals } from "@std/assert";
import {
  type HTTPGateway,
  httpGateway,
  type HTTPGatewayOptions,
} from "../lib/endpoint/http_gateway.ts";
import type { IncomingRequest } from "../lib/endpoint/incoming_request.ts";
import { CoAPResponse, type CoAPResponseInit } from "../lib/endpoint/response.ts";
import { SERVER, Simulation } from "./simulated_endpoints.ts";

/** Where gateways are. */
export const ORIGIN = "http://gateway.example";

/** A network, and what asks its servers by way of HTTP. */
export class GatewaySimulation extends Simulation {
  /** Requests as the server of `answers` has seen them. */
  readonly seen: IncomingRequest[] = [];

  /** A server that answers everything with one response. */
  async answers(code: number, init: CoAPResponseInit = {}, payload = ""): Promise<void> {
    await this.serve((request) => {
      this.seen.push(request);
      return new CoAPResponse(new TextEncoder().encode(payload), { code, ...init });
    });
  }

  /** What that has seen, in words. */
  get texts(): string[] {
    return this.seen.map(({ method, pathname, query, payload }) =>
      `${method} ${pathname}${query.map((part) => `?${part}`).join("")} ${
        new TextDecoder().decode(payload)
      }`.trimEnd()
    );
  }

  /** A gateway with a caching client on the network. */
  gateway(options: HTTPGatewayOptions = {}): HTTPGateway {
    const gateway = httpGateway({
      ...(options.allow === undefined && { target: SERVER }),
      client: this.client({ cache: options.cache ?? true }),
      clock: this.clock,
      ...options,
    });
    this.closeLater(gateway);
    return gateway;
  }

  /** What a gateway answers to a request. */
  ask(gateway: HTTPGateway, path: string, init?: RequestInit): Promise<Response> {
    return this.run(gateway(new Request(ORIGIN + path, init)));
  }

  /** What a gateway answers: status, body, and the header fields that are named. */
  async tell(
    gateway: HTTPGateway,
    path: string,
    init?: RequestInit,
    ...names: string[]
  ): Promise<unknown[]> {
    const response = await this.ask(gateway, path, init);
    const fields = names.map((name) => response.headers.get(name));
    return [response.status, await response.text(), ...fields];
  }

  /** Lets all lifetimes pass, after which nothing is left, and closes everything. */
  async end(): Promise<void> {
    await this.rest();
    await this.close();
    assertEquals(this.clock.referenced, 0);
  }
}

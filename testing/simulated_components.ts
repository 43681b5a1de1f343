/** Components on a simulated network under a clock that the test moves. @module */

import { CoAP, type CoAPOptions } from "../lib/component/coap.ts";
import type { CoAPEventMap, CoAPEventName } from "../lib/component/events.ts";
import { SeededRandom } from "./seeded_random.ts";
import { Simulation } from "./simulated_endpoints.ts";

/** All names of events. */
export const EVENT_NAMES: readonly CoAPEventName[] = [
  "Error",
  "Log",
  "Notification",
  "Register",
  "Request",
  "RequestComplete",
  "ResponseComplete",
  "Unregistered",
];

/** A simulated network with components on it. */
export class ComponentSimulation extends Simulation {
  readonly #components: CoAP[] = [];
  #seed = 0;

  /** A component on the network. */
  component(options: CoAPOptions = {}): CoAP {
    const coap = new CoAP({
      transport: this.network.bind,
      clock: this.clock,
      random: new SeededRandom(++this.#seed).fill,
      resolve: (name) =>
        name === "server"
          ? Promise.resolve(["127.0.0.1"])
          : Promise.reject(new Error(`Nobody is called "${name}"`)),
      ...options,
    });
    this.#components.push(coap);
    return coap;
  }

  /** A component that listens at 127.0.0.1 port 5683. */
  async listener(options?: CoAPOptions): Promise<CoAP> {
    const coap = this.component(options);
    coap.localPort = 5683;
    await coap.startListening();
    return coap;
  }

  override async close(): Promise<void> {
    await Promise.all(this.#components.map((coap) => coap.shutdown()));
    await super.close();
  }
}

/** An event with its own fields, those apart that hold objects. */
export type Told = readonly [name: CoAPEventName, fields: Record<string, unknown>];

const OBJECTS = new Set(["error", "isTrusted", "request", "response", "tokenB"]);

/** Collects the events of a component, with their fields as they are when they are delivered. */
export function listen(
  coap: CoAP,
  names: readonly CoAPEventName[] = EVENT_NAMES.filter((name) => name !== "Log"),
): Told[] {
  const told: Told[] = [];
  for (const name of names) {
    coap.on(name, (event: CoAPEventMap[CoAPEventName]) => {
      const fields = Object.entries(event).filter(([key]) => !OBJECTS.has(key));
      told.push([name, Object.fromEntries(fields)]);
    });
  }
  return told;
}

/** What was told, in few words: name, and error number where there is one. */
export function inWords(told: readonly Told[]): string[] {
  return told.map(([name, { errorCode, requestId }]) =>
    [name, requestId, errorCode].filter((word) => word !== undefined).join(" ")
  );
}

/** Bytes as text. */
export function text(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}

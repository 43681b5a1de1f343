/** The sockets of a client, and the way to a host through them. @module */

import { CoAPError } from "../errors.ts";
import type { Flow } from "../flow.ts";
import type { Bind, BindOptions, Resolve } from "../transport/transport.ts";
import type { Clock } from "./clock.ts";
import { Driver, type DriverOptions } from "./driver.ts";

/** Gives the driver for a peer. */
export interface Sockets {
  /** At once where it is bound already. */
  driver(family: 4 | 6, address: string, port: number): Driver | Promise<Driver>;
  /** Those that are bound. */
  readonly drivers: readonly Driver[];
  /** Closes them, also those that are just being bound. */
  close(): Promise<void>;
}

/** One socket for each address family or, where they are connected, for each peer; bound on first use. */
export class OwnSockets implements Sockets {
  readonly #bind: Bind;
  readonly #bindOptions: BindOptions;
  readonly #driverOptions: DriverOptions;
  readonly #connect: boolean;
  readonly #bound = new Map<number | string, Driver>();
  readonly #binding = new Map<number | string, Promise<Driver>>();

  constructor(
    bind: Bind,
    bindOptions: BindOptions,
    driverOptions: DriverOptions,
    connect = false,
  ) {
    this.#bind = bind;
    this.#bindOptions = bindOptions;
    this.#driverOptions = driverOptions;
    this.#connect = connect;
  }

  driver(family: 4 | 6, address: string, port: number): Driver | Promise<Driver> {
    const key = this.#connect ? `${address}:${port}` : family;
    const bound = this.#bound.get(key) ?? this.#binding.get(key);
    if (bound !== undefined) return bound;
    const connect = this.#connect ? { address, port } : undefined;
    const binding = new Driver(this.#driverOptions)
      .bind(this.#bind, { ...this.#bindOptions, family, connect })
      .then((driver) => {
        this.#bound.set(key, driver);
        return driver;
      })
      .finally(() => this.#binding.delete(key));
    this.#binding.set(key, binding);
    return binding;
  }

  get drivers(): Driver[] {
    return [...this.#bound.values()];
  }

  async close(): Promise<void> {
    await Promise.allSettled(this.#binding.values());
    await Promise.all([...this.#bound.values()].map((driver) => driver.close()));
  }
}

/** Where a request goes. */
export interface Route {
  readonly driver: Driver;
  readonly flow: Flow;
}

/** How long the addresses of a name are taken for granted, ms. */
const NAME_LIFETIME = 10_000;

/** Names remembered at a time. */
const NAMES = 256;

/** Finds the way to hosts. */
export class Routes {
  readonly #sockets: Sockets;
  readonly #resolve: Resolve;
  readonly #clock: Clock;
  readonly #family: 4 | 6 | undefined;
  readonly #names = new Map<string, { addresses: Promise<string[]>; until: number }>();

  /** @param family the only family to use, where there is one */
  constructor(sockets: Sockets, resolve: Resolve, clock: Clock, family: 4 | 6 | undefined) {
    this.#sockets = sockets;
    this.#resolve = resolve;
    this.#clock = clock;
    this.#family = family;
  }

  /**
   * The way to a host: at once where it is given by an address whose family has a bound socket.
   *
   * @throws {CoAPError} `name-resolution` or `transport`
   */
  find(host: string, isAddress: boolean, port: number): Route | Promise<Route> {
    if (!isAddress) return this.#findByName(host, port);
    const family = familyOf(host);
    if (this.#family === undefined || this.#family === family) {
      const driver = this.#sockets.driver(family, host, port);
      if (driver instanceof Driver) return route(driver, host, host, port);
    }
    return this.#try([host], host, port);
  }

  async #findByName(name: string, port: number): Promise<Route> {
    return this.#try(await this.#lookUp(name), name, port);
  }

  /** The first address that a socket can be had for. */
  async #try(addresses: readonly string[], host: string, port: number): Promise<Route> {
    let failure: unknown = undefined;
    for (const address of addresses) {
      const family = familyOf(address);
      if (this.#family !== undefined && family !== this.#family) continue;
      try {
        return route(await this.#sockets.driver(family, address, port), address, host, port);
      } catch (error) {
        failure ??= error;
      }
    }
    if (failure instanceof CoAPError) throw failure;
    throw new CoAPError(
      "transport",
      failure === undefined
        ? `Host "${host}" has no IPv${this.#family} address`
        : `No socket could be bound to reach "${host}"`,
      { cause: failure },
    );
  }

  #lookUp(name: string): Promise<string[]> {
    const now = this.#clock.now();
    const known = this.#names.get(name);
    if (known !== undefined && now < known.until) return known.addresses;
    this.#names.delete(name);
    const addresses = this.#resolveName(name);
    const entry = { addresses, until: now + NAME_LIFETIME };
    this.#names.set(name, entry);
    if (this.#names.size > NAMES) this.#names.delete(this.#names.keys().next().value!);
    addresses.catch(() => {
      if (this.#names.get(name) === entry) this.#names.delete(name);
    });
    return addresses;
  }

  async #resolveName(name: string): Promise<string[]> {
    let addresses: string[];
    try {
      addresses = await this.#resolve(name, this.#family);
    } catch (error) {
      if (error instanceof CoAPError) throw error;
      throw new CoAPError("name-resolution", `Host "${name}" is not known`, { cause: error });
    }
    if (addresses.length > 0) return addresses;
    throw new CoAPError("name-resolution", `Host "${name}" has no address`);
  }
}

function route(driver: Driver, address: string, host: string, port: number): Route {
  try {
    return { driver, flow: driver.flow(address, port) };
  } catch (cause) {
    const bound = driver.address.address;
    throw new CoAPError("transport", `Socket at "${bound}" can not reach "${host}"`, { cause });
  }
}

/** The family of an address literal. */
export function familyOf(address: string): 4 | 6 {
  return address.includes(":") ? 6 : 4;
}

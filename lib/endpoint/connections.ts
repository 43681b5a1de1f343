/** The connections of a client: one for each peer, opened when it is needed. @module */

import { CoAPError } from "../errors.ts";
import type { Flow } from "../flow.ts";
import type { StreamScheme, StreamTarget } from "../transport/stream.ts";
import type { Resolve } from "../transport/transport.ts";
import type { UriParts } from "../wire/uri.ts";
import type { Clock } from "./clock.ts";
import type { Route } from "./sockets.ts";
import type { ConnectionUser, StreamDriver } from "./stream_driver.ts";

/** Peers remembered that do not want to be connected to for a while. */
const HELD_OFF = 256;

/** A connection of the pool, there or on its way. */
class Entry implements ConnectionUser {
  flow: Flow | undefined = undefined;
  opening: Promise<Flow> | undefined = undefined;
  /** Why it is not to be used any more. */
  over: Error | undefined = undefined;
  readonly #onOver: (entry: Entry, holdOff: number) => void;

  constructor(onOver: (entry: Entry, holdOff: number) => void) {
    this.#onOver = onOver;
  }

  onOver(error: Error, holdOff: number): void {
    this.over = error;
    this.#onOver(this, holdOff);
  }
}

/** Pools connections by scheme, host and port. */
export class Connections {
  readonly #driver: () => StreamDriver;
  readonly #clock: Clock;
  readonly #resolve: Resolve | undefined;
  readonly #family: 4 | 6 | undefined;
  readonly #entries = new Map<string, Entry>();
  /** Until when peers do not want a connection, ms. */
  readonly #heldOff = new Map<string, number>();

  /**
   * @param driver makes the driver when it is first needed
   * @param resolve finds the addresses of names, where that is not left to the system
   * @param family the only family to use, where there is one
   */
  constructor(
    driver: () => StreamDriver,
    clock: Clock,
    resolve?: Resolve,
    family?: 4 | 6,
  ) {
    this.#driver = driver;
    this.#clock = clock;
    this.#resolve = resolve;
    this.#family = family;
  }

  /**
   * The way to the host of a URI: at once where there is a connection.
   *
   * @throws {CoAPError} (also by the promise) where there can be none
   */
  find({ scheme, host, hostIsAddress, port }: UriParts): Route | Promise<Route> {
    const target = { scheme: scheme as StreamScheme, host, port };
    const key = `${scheme} ${host}:${port}`;
    const driver = this.#driver();
    let entry = this.#entries.get(key);
    const flow = entry?.flow ?? driver.accepted(scheme, host, port);
    if (flow !== undefined && driver.isOpen(flow)) return { driver, flow };
    // It is just ending, and what ended with it is sent again.
    if (entry?.flow !== undefined) entry = undefined;
    this.#checkHold(key, target);
    if (entry === undefined) {
      entry = new Entry((entry, holdOff) => this.#over(key, entry, holdOff));
      this.#entries.set(key, entry);
    }
    entry.opening ??= this.#open(key, entry, target, hostIsAddress);
    return entry.opening.then((flow) => ({ driver, flow }));
  }

  async #open(
    key: string,
    entry: Entry,
    target: StreamTarget,
    isAddress: boolean,
  ): Promise<Flow> {
    try {
      const flow = await (isAddress || this.#resolve === undefined
        ? this.#driver().connect(target, entry)
        : this.#connect(target, entry, this.#resolve));
      if (entry.over !== undefined) {
        throw entry.over; // the end came together with the peer's CSM
      }
      return entry.flow = flow;
    } catch (error) {
      this.#remove(key, entry);
      throw error;
    } finally {
      entry.opening = undefined;
    }
  }

  /** Connects by the addresses of the host, the first one that can be had. */
  async #connect(target: StreamTarget, entry: Entry, resolve: Resolve): Promise<Flow> {
    const { host } = target;
    let failure: unknown = undefined;
    for (const address of await resolve(host, this.#family)) {
      try {
        return await this.#driver().connect({ ...target, address }, entry);
      } catch (error) {
        failure = error;
      }
    }
    throw failure ?? new CoAPError("name-resolution", `Host "${host}" has no address`);
  }

  #remove(key: string, entry: Entry): void {
    if (this.#entries.get(key) === entry) this.#entries.delete(key);
  }

  #checkHold(key: string, { host, port }: StreamTarget): void {
    const until = this.#heldOff.get(key);
    if (until === undefined) return;
    const left = until - this.#clock.now();
    if (left <= 0) {
      this.#heldOff.delete(key);
      return;
    }
    const text = `"${host}" port ${port} wants no connection for another ${Math.ceil(left)} ms`;
    throw new CoAPError("refused", text);
  }

  #over(key: string, entry: Entry, holdOff: number): void {
    this.#remove(key, entry);
    if (holdOff === 0) return;
    this.#heldOff.delete(key);
    this.#heldOff.set(key, this.#clock.now() + holdOff * 1000);
    if (this.#heldOff.size > HELD_OFF) this.#heldOff.delete(this.#heldOff.keys().next().value!);
  }
}

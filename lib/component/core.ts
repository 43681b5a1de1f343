/** What the two modes of the component share: state and events. @module */

import { CoAPError } from "../errors.ts";
import { type Clock, systemClock } from "../endpoint/clock.ts";
import type { RawMessage } from "../endpoint/driver.ts";
import type { EndpointOptions } from "../endpoint/endpoint_options.ts";
import { deriveLimits, deriveParameters } from "../parameters.ts";
import { describeDatagram } from "./datagram_text.ts";
import { CoAPErrorEvent, CoAPLogEvent } from "./events.ts";
import { Listeners, type Outcome } from "./listeners.ts";
import { MessageProperties, ResponseProperties } from "./message_properties.ts";
import { CoAPRequestMap } from "./request_map.ts";
import { Settings, type SettingsHost } from "./settings.ts";

/** How a component is made: nothing of it is needed in ordinary use. */
export interface CoAPOptions extends
  Pick<
    EndpointOptions,
    "clock" | "limits" | "parameters" | "random" | "resolve" | "transport"
  > {
  /**
   * Requests that may wait while the listeners of another are at work, at least 1; further ones are answered 5.03.
   *
   * @default {1000}
   */
  maxWaiting?: number;
}

/** Levels of log lines. */
export const LogLevel = { Info: 1, Verbose: 2, Debug: 3 } as const;

const DEFAULT_TIMEOUT = 60;
/** Malformed datagrams make one error in this time at most, ms. */
const MALFORMED_PAUSE = 1000;

/** `doEvents` waits for so many turns of the event loop, each so long, ms, where nothing happens. */
const IDLE_TURNS = 4;
const TURN = 5;

/** Bytes of a packet for what is not the payload. */
const BESIDE_BLOCK = 128;

/** The component's state. */
export class Core {
  readonly options: CoAPOptions & { maxWaiting: number };
  readonly clock: Clock;
  readonly settings: Settings;
  readonly request: MessageProperties = new MessageProperties("request");
  readonly response: ResponseProperties = new ResponseProperties();
  readonly pending: CoAPRequestMap = new CoAPRequestMap();
  readonly listeners: Listeners = new Listeners((error) => this.fail(error));
  #timeout: number = DEFAULT_TIMEOUT;
  #confirmable: boolean | undefined = undefined;
  /** Events delivered, log lines apart. */
  #delivered = 0;
  readonly #dispatch: (event: Event) => void;
  #malformedAt = -Infinity;

  /** @throws {RangeError} where an option is out of its range */
  constructor(options: CoAPOptions, host: SettingsHost, dispatch: (event: Event) => void) {
    deriveParameters(options.parameters);
    deriveLimits(options.limits);
    const { maxWaiting = 1000 } = options;
    if (!(maxWaiting >= 1)) {
      throw new RangeError(`maxWaiting must be at least 1: it is "${maxWaiting}"`);
    }
    this.options = { ...options, maxWaiting };
    this.clock = options.clock ?? systemClock;
    this.settings = new Settings(host);
    this.#dispatch = dispatch;
  }

  /** Seconds. */
  get timeout(): number {
    return this.#timeout;
  }
  set timeout(seconds: number) {
    if (!(typeof seconds === "number" && seconds >= 0)) {
      throw new RangeError(`timeout must be at least 0 s: it is "${seconds}"`);
    }
    this.#timeout = seconds;
  }

  /** What the application has said of messages, undefined where it has not. */
  get confirmable(): boolean | undefined {
    return this.#confirmable;
  }
  set confirmable(use: boolean) {
    if (typeof use !== "boolean") {
      throw new TypeError(`useConfirmableMessages must be a boolean: it is "${String(use)}"`);
    }
    this.#confirmable = use;
  }

  /** The bytes of a payload. */
  toBytes(data: Uint8Array | string): Uint8Array {
    return typeof data === "string" ? this.settings.codePage.encode(data) : data;
  }

  /** All properties and settings to their defaults. */
  reset(): void {
    this.settings.reset();
    this.request.reset();
    this.response.reset();
    this.#timeout = DEFAULT_TIMEOUT;
    this.#confirmable = undefined;
  }

  // -------------------------------------------------------------- events

  /** Delivers an event; listeners that fail become `Error` events. Answers the promises that listeners returned. */
  tell(event: Event): PromiseLike<unknown>[] {
    const { thrown, promises } = this.#deliver(event);
    for (const error of thrown) this.fail(error);
    for (const promise of promises) promise.then(undefined, (error) => this.fail(error));
    return promises;
  }

  /** Delivers an event and waits for its listeners. Answers whether none has failed; those that have, as with `tell`. */
  async ask(event: Event): Promise<boolean> {
    const { thrown, promises } = this.#deliver(event);
    if (promises.length > 0) {
      for (const result of await Promise.allSettled(promises)) {
        if (result.status === "rejected") thrown.push(result.reason);
      }
    }
    for (const error of thrown) this.fail(error);
    return thrown.length === 0;
  }

  /** Fires `Error`. What its listeners throw ends there. */
  fail(error: unknown): void {
    const code = error instanceof CoAPError ? error.code : 0;
    const text = error instanceof Error ? error.message : String(error);
    const { promises } = this.#deliver(new CoAPErrorEvent(code, text, error));
    for (const promise of promises) promise.then(undefined, () => {});
  }

  /** Writes a line for the log; `text` is worked out only where somebody may read it. */
  log(level: number, text: string | (() => string)): void {
    if (level > this.settings.logLevel) return;
    this.tell(new CoAPLogEvent(level, typeof text === "string" ? text : text()));
  }

  /** Waits until an event was delivered, for a short time. */
  async doEvents(): Promise<void> {
    const before = this.#delivered;
    for (let turn = 0; turn < IDLE_TURNS && this.#delivered === before; turn++) {
      await new Promise((resolve) => setTimeout(resolve, TURN));
    }
  }

  #deliver(event: Event): Outcome {
    if (!(event instanceof CoAPLogEvent)) this.#delivered++;
    return this.listeners.collect(() => this.#dispatch(event));
  }

  // -------------------------------------------------------------- what endpoints are made with

  /** The options that clients and servers have in common. */
  endpointOptions(): EndpointOptions & { hostname?: string; port: number; family: 4 | 6 } {
    const { clock, limits, parameters, random, resolve, transport } = this.options;
    const { settings } = this;
    return {
      clock,
      limits,
      parameters,
      random,
      resolve,
      transport,
      hostname: settings.localHost === "" ? undefined : settings.localHost,
      port: settings.localPort,
      family: settings.useIPv6 ? 6 : 4,
      reuseAddress: settings.shareLocalPort,
      receiveBufferSize: settings.inBufferSize === 0 ? undefined : settings.inBufferSize,
      sendBufferSize: settings.outBufferSize === 0 ? undefined : settings.outBufferSize,
      maxDatagramSize: settings.maxPacketSize,
      blockSize: this.blockSize,
      onMessage: (message) => this.#onMessage(message),
      onMalformed: (error) => this.#onMalformed(error),
    };
  }

  /** The largest blocks that fit in packets of `MaxPacketSize`; undefined where all do. */
  get blockSize(): number | undefined {
    const { maxPacketSize } = this.settings;
    if (maxPacketSize >= 1024 + BESIDE_BLOCK) return undefined;
    let size = 512;
    while (size > 16 && size + BESIDE_BLOCK > maxPacketSize) size /= 2;
    return size;
  }

  #onMessage(message: RawMessage): void {
    this.log(LogLevel.Debug, () => describeDatagram(message, this.settings.codePage));
  }

  #onMalformed(error: CoAPError): void {
    const now = this.clock.now();
    if (now - this.#malformedAt < MALFORMED_PAUSE) return;
    this.#malformedAt = now;
    this.fail(error);
  }
}

/**
 * The sockets of the suite: they say and hear raw datagrams and write down what went over the wire.
 *
 * @module
 */

import type { Clock } from "../lib/endpoint/clock.ts";
import type { Flow } from "../lib/flow.ts";
import type { Bind, Transport } from "../lib/transport/transport.ts";
import { type Datagram, parse } from "./datagram.ts";
import type { Framing } from "./frame.ts";

/** A datagram that went over the wire during a case. */
export interface TraceDatagram {
  /** Since the case began, ms. */
  time: number;
  /** As the suite sees it. */
  direction: "sent" | "received";
  /** Which of the suite's sockets, from 0. */
  socket: number;
  /** The peer's address and port. */
  peer: string;
  /** The datagram; over a connection the message, or so much of it as there was. */
  bytes: Uint8Array;
  /** What tells the lengths of messages, over a connection; then `socket` is which of those. */
  framing?: Framing;
  /** What happened instead of a message. */
  event?: "closed";
}

/** What a probe hears. */
export interface Heard {
  /** The datagram. */
  bytes: Uint8Array;
  /** The message, or why it is none. */
  message: Datagram | string;
  /** Since the case began, ms. */
  time: number;
  /** Where it came from. */
  from: Flow;
}

/** What the probes of one case share. */
export interface ProbeSettings {
  /** Binds the sockets. */
  bind: Bind;
  /** Tells the time. */
  clock: Clock;
  /** The time at which the case began. */
  start: number;
  /** What went over the wire. */
  trace: TraceDatagram[];
}

/** One socket of the suite. */
export class Probe {
  readonly #settings: ProbeSettings;
  readonly #number: number;
  readonly #unread: Heard[] = [];
  #transport: Transport | undefined = undefined;
  #wake: (() => void) | undefined = undefined;

  /**
   * Makes a socket that is not yet bound.
   *
   * @param number which of the sockets, from 0
   */
  constructor(settings: ProbeSettings, number: number) {
    this.#settings = settings;
    this.#number = number;
  }

  /** Binds the socket. */
  async open(options: { hostname?: string; port?: number; family?: 4 | 6 } = {}): Promise<this> {
    this.#transport = await this.#settings.bind(options, {
      receive: (from, bytes) => {
        this.#note("received", from, bytes);
        this.#unread.push({ bytes, message: parse(bytes), time: this.now, from });
        this.#wake?.();
      },
      turn: () => {},
      error: () => {}, // an unreachable port is silence to a case
    });
    return this;
  }

  /** The local port. */
  get port(): number {
    return this.#transport!.address.port;
  }

  /** Since the case began, ms. */
  get now(): number {
    return this.#settings.clock.now() - this.#settings.start;
  }

  /** The flow to a peer. */
  flow(address: string, port: number): Flow {
    return this.#transport!.flow(address, port);
  }

  /** Sends a datagram. */
  send(to: Flow, bytes: Uint8Array): void {
    this.#note("sent", to, bytes);
    this.#transport!.send(to, bytes);
    this.#transport!.flush();
  }

  /** The next datagram, or undefined where none comes within `ms`. */
  async next(ms: number): Promise<Heard | undefined> {
    if (this.#unread.length > 0) return this.#unread.shift();
    const { clock } = this.#settings;
    await new Promise<void>((resolve) => {
      const done = (): void => {
        clock.clearTimer(timer);
        this.#wake = undefined;
        resolve();
      };
      const timer = clock.setTimer(done, clock.now() + ms);
      this.#wake = done;
    });
    return this.#unread.shift();
  }

  /** Forgets what has arrived and not been looked at. */
  clear(): void {
    this.#unread.length = 0;
  }

  /** Closes the socket. */
  async close(): Promise<void> {
    this.#wake?.(); // who still waits is told that nothing comes
    await this.#transport?.close();
  }

  #note(direction: "sent" | "received", { address, port }: Flow, bytes: Uint8Array): void {
    const host = address.includes(":") ? `[${address}]` : address;
    this.#settings.trace.push({
      time: this.now,
      direction,
      socket: this.#number,
      peer: `${host}:${port}`,
      bytes: bytes.slice(),
    });
  }
}

/** Waits. */
export function wait(clock: Clock, ms: number): Promise<void> {
  return new Promise((resolve) => void clock.setTimer(resolve, clock.now() + ms));
}

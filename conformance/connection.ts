/**
 * The suite's ends of connections (RFC 8323): they say and hear raw bytes, and write down what went over the wire.
 *
 * @module
 */

import type { Clock } from "../lib/endpoint/clock.ts";
import type {
  ByteNetwork,
  ByteReceiver,
  ByteSocket,
  ClientTlsOptions,
  StreamScheme,
  StreamTarget,
} from "../lib/transport/stream.ts";
import { Cutter, type Frame, type Framing, parseFrame } from "./frame.ts";
import type { TraceDatagram } from "./probe.ts";

/** What came on a connection. */
export interface Arrived {
  /** The bytes of a whole message, or what was left when the connection ended. */
  bytes: Uint8Array;
  /** The message, or why it is none. */
  frame: Frame | string;
  /** Since the case began, ms. */
  time: number;
}

/** What the connections of one case share. */
export interface ConnectionSettings {
  /** Where there are connections to be had. */
  network: ByteNetwork;
  /** TLS of connections that are opened. */
  tls?: ClientTlsOptions;
  /** Tells the time. */
  clock: Clock;
  /** The time at which the case began. */
  start: number;
  /** What went over the wire. */
  trace: TraceDatagram[];
  /** The connections so far, to be closed in the end. */
  connections: Connection[];
}

/** What tells where a message ends on connections of a scheme. */
function framingOf(scheme: StreamScheme): Framing {
  return scheme.endsWith("+ws") ? "none" : "length";
}

/** How long a peer has to close its end, ms, once the case is over. */
const PATIENCE = 1_000;

/** One connection. */
export class Connection implements ByteReceiver {
  /** What tells where a message ends. */
  readonly framing: Framing;
  readonly #settings: ConnectionSettings;
  /** Which of the case's connections, from 0. */
  readonly number: number;
  readonly #socket: ByteSocket;
  readonly #unread: Arrived[] = [];
  readonly #in: Cutter;
  readonly #out: Cutter;
  #closed = false;
  #ended = false;
  #wake: (() => void) | undefined = undefined;

  /** Takes a socket that is open. */
  constructor(settings: ConnectionSettings, socket: ByteSocket, framing: Framing) {
    this.#settings = settings;
    this.#socket = socket;
    this.framing = framing;
    this.#in = new Cutter(framing);
    this.#out = new Cutter(framing);
    this.number = settings.connections.push(this) - 1;
  }

  /**
   * Opens a connection.
   *
   * @param timeout how long that may take, ms
   * @throws {Error} (the promise rejects) where there is none to be had
   */
  static async open(
    settings: ConnectionSettings,
    target: StreamTarget,
    timeout: number,
  ): Promise<Connection> {
    const { network, tls, clock } = settings;
    const controller = new AbortController();
    const timer = clock.setTimer(
      () => controller.abort(new Error(`No connection within ${timeout} ms`)),
      clock.now() + timeout,
    );
    let connection: Connection | undefined = undefined;
    try {
      await network.connect(target, tls, (socket) => {
        return connection = new Connection(settings, socket, framingOf(target.scheme));
      }, controller.signal);
    } finally {
      clock.clearTimer(timer);
    }
    return connection!;
  }

  /** Since the case began, ms. */
  get now(): number {
    return this.#settings.clock.now() - this.#settings.start;
  }

  /** The address and port at the other end. */
  get peer(): string {
    const { address, port } = this.#socket.remote;
    return `${address.includes(":") ? `[${address}]` : address}:${port}`;
  }

  /** Sends bytes, in one portion. */
  send(bytes: Uint8Array): void {
    for (const message of this.#out.cut(bytes)) this.#note("sent", message);
    if (!this.#closed) this.#socket.write([bytes.slice()], () => {});
  }

  /** Closes our end. */
  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#noteRest("sent", this.#out);
    if (this.#closed) return;
    this.#event("sent", "closed");
    this.#socket.end(PATIENCE);
    this.#wake?.(); // who still waits is told that nothing comes
  }

  /** What comes next: a message, the end of the connection, or nothing within `ms`. */
  async next(ms: number): Promise<Arrived | "closed" | undefined> {
    const { clock } = this.#settings;
    if (this.#unread.length === 0 && !this.#closed && !this.#ended) {
      await new Promise<void>((resolve) => {
        const done = (): void => {
          clock.clearTimer(timer);
          this.#wake = undefined;
          resolve();
        };
        const timer = clock.setTimer(done, clock.now() + ms);
        this.#wake = done;
      });
    }
    return this.#unread.shift() ?? (this.#closed || this.#ended ? "closed" : undefined);
  }

  // -------------------------------------------------------------- what the socket tells

  /** @ignore */
  data(bytes: Uint8Array): void {
    for (const message of this.#in.cut(bytes)) this.#arrived(message);
  }

  /** @ignore */
  invalid(detail: string): void {
    this.#unread.push({ bytes: new Uint8Array(0), frame: detail, time: this.now });
    this.#wake?.();
  }

  /** @ignore */
  closed(): void {
    if (this.#closed) return;
    const rest = this.#in.rest();
    if (rest.length > 0) this.#arrived(rest);
    this.#noteRest("sent", this.#out);
    this.#closed = true;
    if (!this.#ended) this.#event("received", "closed");
    this.#wake?.();
  }

  #arrived(bytes: Uint8Array): void {
    this.#note("received", bytes);
    this.#unread.push({ bytes, frame: parseFrame(bytes, this.framing), time: this.now });
    this.#wake?.();
  }

  // -------------------------------------------------------------- the trace

  #noteRest(direction: "sent" | "received", cutter: Cutter): void {
    const rest = cutter.rest();
    if (rest.length > 0) this.#note(direction, rest);
  }

  #note(direction: "sent" | "received", bytes: Uint8Array): void {
    this.#settings.trace.push({ ...this.#rung(direction), bytes: bytes.slice() });
  }

  #event(direction: "sent" | "received", event: "closed"): void {
    this.#settings.trace.push({ ...this.#rung(direction), bytes: new Uint8Array(0), event });
  }

  #rung(direction: "sent" | "received"): Omit<TraceDatagram, "bytes"> {
    const { framing, peer } = this;
    return { time: this.now, direction, socket: this.number, peer, framing };
  }
}

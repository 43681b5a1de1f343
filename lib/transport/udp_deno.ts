/** UDP on `Deno.listenDatagram`, which exists with `--unstable-net` (or `"unstable": ["net"]`). @module */

import type { Flow } from "../flow.ts";
import type { IpAddress } from "./ip_address.ts";
import type { Transport, TransportHandler } from "./transport.ts";
import {
  DATAGRAM_OVERHEAD,
  KeepAlive,
  queueFull,
  SEND_QUEUE_LIMIT,
  type SocketOptions,
  UdpTransport,
} from "./udp_socket.ts";

interface DenoAddress {
  transport: "udp";
  hostname: string;
  port: number;
}

/** The socket, as far as it is used. */
interface DenoSocket {
  readonly addr: DenoAddress;
  /** Fills `buffer` and returns a view of it. */
  receive(buffer: Uint8Array): Promise<[Uint8Array, DenoAddress]>;
  send(bytes: Uint8Array, to: DenoAddress): Promise<number>;
  unref?(): void;
  close(): void;
}

/** `Deno`, as far as it is used. */
export interface DenoRuntime {
  listenDatagram(options: DenoAddress & { reuseAddress: boolean }): DenoSocket;
}

/**
 * Receives in flight, each with a buffer of its own (64 KiB): a burst is read in one turn. Without a
 * buffer Deno allocates 64 KiB for each datagram, at half the speed.
 */
const RECEIVES = 8;
/** Pause after a failed receive, ms, so that a broken socket does not take all the time. */
const PAUSE = 20;

/** Binds a socket of Deno; buffer sizes are not offered there. */
export function bindUdpDeno(
  runtime: DenoRuntime,
  options: SocketOptions,
  handler: TransportHandler,
): Promise<Transport> {
  // A denied permission throws here, synchronously.
  return new Promise((resolve) => {
    const socket = runtime.listenDatagram({
      transport: "udp",
      hostname: options.address.text,
      port: options.port,
      reuseAddress: options.reuseAddress,
    });
    resolve(new DenoTransport(options.address, socket, handler));
  });
}

class DenoTransport extends UdpTransport {
  /** 128 operations, sends among them, then others have their turn. */
  protected readonly readsAtOnce: number = 32;
  /** Each datagram is an operation of its own: sending early gains nothing. */
  protected override readonly shortTurn: number = 64;
  readonly #socket: DenoSocket;
  readonly #keepAlive = new KeepAlive();
  readonly #loops: Promise<void>[] = [];
  #pendingBytes = 0;

  constructor(bound: IpAddress, socket: DenoSocket, handler: TransportHandler) {
    super(bound, socket.addr.port, handler);
    this.#socket = socket;
    // Of several receives in flight a later unref would reach the last one only.
    socket.unref?.();
    this.#keepAlive.ref();
    for (let i = 0; i < RECEIVES; i++) this.#loops.push(this.#receive(new Uint8Array(65_536)));
  }

  send(flow: Flow, bytes: Uint8Array): void {
    if (this.closed) return;
    const cost = bytes.length + DATAGRAM_OVERHEAD;
    if (this.#pendingBytes + cost > SEND_QUEUE_LIMIT) {
      this.report(queueFull(), flow);
      return;
    }
    this.#pendingBytes += cost;
    this.#socket.send(bytes, { transport: "udp", hostname: flow.address, port: flow.port }).then(
      () => {
        this.#pendingBytes -= cost;
      },
      (error) => {
        this.#pendingBytes -= cost;
        this.report(error, flow);
      },
    );
  }

  flush(): void {
    // A datagram leaves with `send`: Deno has no call for several.
  }

  ref(): void {
    if (!this.closed) this.#keepAlive.ref();
  }

  unref(): void {
    if (!this.closed) this.#keepAlive.unref();
  }

  protected async release(): Promise<void> {
    this.#socket.close();
    // The receives are unreferenced: without this Deno would end before they have.
    this.#keepAlive.ref();
    await Promise.all(this.#loops);
    this.#keepAlive.unref();
  }

  async #receive(buffer: Uint8Array): Promise<void> {
    while (!this.closed) {
      try {
        const [bytes, from] = await this.#socket.receive(buffer);
        this.deliver(from.hostname, from.port, bytes.slice());
      } catch (error) {
        if (this.closed) return;
        this.report(error);
        await new Promise((resolve) => setTimeout(resolve, PAUSE));
      }
    }
  }
}

/** UDP on `Bun.udpSocket`. @module */

import type { Flow } from "../flow.ts";
import { makeFlow } from "./flows.ts";
import type { IpAddress } from "./ip_address.ts";
import type { Transport, TransportHandler } from "./transport.ts";
import {
  DATAGRAM_OVERHEAD,
  queueFull,
  SEND_QUEUE_LIMIT,
  type SocketOptions,
  UdpTransport,
} from "./udp_socket.ts";
import { interfaceName } from "./udp_node.ts";

/** The socket, as far as it is used. */
interface BunSocket {
  readonly port: number;
  /** Takes [bytes, port, address, ...]; returns how many the system took, throws if the first failed. */
  sendMany(packets: readonly (Uint8Array | number | string)[]): number;
  ref(): void;
  unref(): void;
  close(): void;
}

/** `Bun`, as far as it is used. */
export interface BunRuntime {
  udpSocket(options: {
    hostname: string;
    port: number;
    binaryType: "uint8array";
    socket: {
      data(socket: unknown, bytes: Uint8Array, port: number, address: string): void;
      drain(): void;
      /** Some versions pass the error alone, the documentation says socket and error. */
      error(...args: unknown[]): void;
    };
  }): Promise<BunSocket>;
}

/** Datagrams given to the system at once, at most. */
const BATCH = 256;
/** Places a datagram takes in the queue. */
const STRIDE = 3;

/** Binds a socket of Bun; `reuseAddress` and buffer sizes are not offered there. */
export function bindUdpBun(
  runtime: BunRuntime,
  options: SocketOptions,
  handler: TransportHandler,
): Promise<Transport> {
  return BunTransport.open(runtime, options, handler);
}

class BunTransport extends UdpTransport {
  /** It reads until nothing waits. */
  protected readonly readsAtOnce: number = Infinity;
  readonly #socket: BunSocket;
  /** Bytes, port and address of each datagram: the argument of `sendMany`. */
  readonly #queue: (Uint8Array | number | string)[] = [];
  #queuedBytes = 0;
  #blocked = false;
  #flushing = false;

  static async open(
    runtime: BunRuntime,
    options: SocketOptions,
    handler: TransportHandler,
  ): Promise<Transport> {
    // deno-lint-ignore prefer-const -- the handlers below refer to it
    let transport: BunTransport | undefined;
    const socket = await runtime.udpSocket({
      hostname: options.address.text,
      port: options.port,
      binaryType: "uint8array",
      socket: {
        data: (_socket, bytes, port, address) => transport?.deliver(address, port, bytes),
        drain: () => transport?.flush(),
        // Without this handler an ICMP error ends the process.
        error: (...args) => transport?.report(args.at(-1)),
      },
    });
    transport = new BunTransport(options.address, socket, handler);
    return transport;
  }

  constructor(bound: IpAddress, socket: BunSocket, handler: TransportHandler) {
    super(bound, socket.port, handler);
    this.#socket = socket;
  }

  send(flow: Flow, bytes: Uint8Array): void {
    if (this.closed) return;
    const cost = bytes.length + DATAGRAM_OVERHEAD;
    if (this.#queuedBytes + cost > SEND_QUEUE_LIMIT) {
      this.report(queueFull(), flow);
      return;
    }
    this.#queue.push(bytes, flow.port, flow.address);
    this.#queuedBytes += cost;
    if (this.#queue.length >= BATCH * STRIDE && !this.#blocked) this.flush();
  }

  flush(): void {
    // An error handler may send: what it adds is sent by the loop that called it.
    if (this.closed || this.#flushing) return;
    this.#flushing = true;
    this.#blocked = false;
    let failed = false;
    while (this.#queue.length > 0 && !this.#blocked) {
      const whole = this.#queue.length <= BATCH * STRIDE;
      try {
        const sent = this.#socket.sendMany(
          whole ? this.#queue : this.#queue.slice(0, BATCH * STRIDE),
        );
        failed = false;
        if (sent > 0) this.#shift(sent);
        else this.#blocked = true; // `drain` goes on, or the next flush.
      } catch (error) {
        // The system may report with this datagram what an earlier one met (ICMP): ask again.
        if (failed) {
          const port = this.#queue[1] as number;
          const address = this.#queue[2] as string;
          this.#shift(1);
          this.report(error, makeFlow(address, port, false));
        }
        failed = !failed;
      }
    }
    this.#flushing = false;
  }

  ref(): void {
    if (!this.closed) this.#socket.ref();
  }

  unref(): void {
    if (!this.closed) this.#socket.unref();
  }

  protected override zoneName(zone: string): string {
    return interfaceName(zone);
  }

  protected release(): Promise<void> {
    this.#queue.length = 0;
    this.#socket.close();
    return Promise.resolve();
  }

  /** Takes the first `count` datagrams out of the queue. */
  #shift(count: number): void {
    const end = count * STRIDE;
    if (end >= this.#queue.length) {
      this.#queue.length = 0;
      this.#queuedBytes = 0;
      return;
    }
    for (let i = 0; i < end; i += STRIDE) {
      this.#queuedBytes -= (this.#queue[i] as Uint8Array).length + DATAGRAM_OVERHEAD;
    }
    this.#queue.splice(0, end);
  }
}

/**
 * CoAP over TCP and TLS (RFC 8323) on Node, Bun and Deno.
 *
 * @module
 */

import type { Flow } from "../flow.ts";
import { frameSize, stripLength, takeFrame, writeFrame, writeLength } from "../wire/frame.ts";
import type {
  BindStream,
  ByteNetwork,
  ByteSocket,
  StreamHandler,
  StreamOptions,
  StreamTransport,
} from "./stream.ts";
import { ConnectionTransport, type MessageConnection } from "./stream_transport.ts";
import { nodeNetwork } from "./tcp_node.ts";

export type { Address, Flow } from "../flow.ts";
export type {
  BindStream,
  ByteNetwork,
  ByteReceiver,
  ByteSocket,
  ClientTlsOptions,
  Listener,
  ListenOptions,
  Opened,
  ServerTlsOptions,
  StreamHandler,
  StreamOptions,
  StreamScheme,
  StreamTarget,
  StreamTransport,
  TlsOptions,
} from "./stream.ts";

/** Bytes of a frame's beginning that tell its size. */
const HEAD = 8;
/** A message that is not whole gets so much memory at first, bytes, and twice as much whenever that is full. */
const FIRST_MEMORY = 4096;
/** Messages up to this size are copied into one piece with others, bytes; a larger one is sent from where it is. */
const COPIED = 16_384;
/** How long a peer has to close its end when ours is closed, ms; and one that is sent an Abort. */
const PATIENCE = 10_000;
const LINGER = 1000;
/** Length and first byte of a message. */
const LENGTH = 5;

/** Bytes of messages that are not whole, over all connections of a transport. */
interface Budget {
  left: number;
}

/** Cuts the bytes of one connection into messages, and joins messages into bytes. */
class FramedConnection implements MessageConnection {
  readonly flow: Flow;
  readonly socket: ByteSocket;
  readonly #owner: ConnectionTransport;
  readonly #budget: Budget;
  readonly #messageBytes: number;
  /** The beginning of a message whose size is not known yet. */
  readonly #head = new Uint8Array(HEAD);
  #headLength = 0;
  /** A message that is not whole: its memory, its size, and how much of it is there. */
  #memory: Uint8Array | undefined = undefined;
  #size = 0;
  #filled = 0;
  /** What arrived while nothing was to be handed on. */
  #held: Uint8Array[] = [];
  #paused = false;
  #closed = false;
  #queue: Uint8Array[] = [];
  #writing = 0;
  readonly #taken = (): void => {
    if (--this.#writing === 0 && !this.#closed) this.#owner.taken(this);
  };

  constructor(
    owner: ConnectionTransport,
    socket: ByteSocket,
    flow: Flow,
    budget: Budget,
    messageBytes: number,
  ) {
    this.#owner = owner;
    this.socket = socket;
    this.flow = flow;
    this.#budget = budget;
    this.#messageBytes = messageBytes;
  }

  // -------------------------------------------------------------- in

  data(bytes: Uint8Array): void {
    if (this.#closed) return;
    // What is read next may be read into the same memory. (`slice` of a Buffer would not copy.)
    if (this.#paused) this.#held.push(new Uint8Array(bytes));
    else this.#cut(bytes);
  }

  closed(error?: Error): void {
    if (this.#release()) this.#owner.lost(this, error);
  }

  /** Nothing more is handed on. Answers whether that is new. */
  #release(): boolean {
    if (this.#closed) return false;
    this.#closed = true;
    this.#budget.left += this.#memory?.length ?? 0;
    this.#memory = undefined;
    this.#held = [];
    this.#queue = [];
    return true;
  }

  resume(): void {
    if (!this.#paused || this.#closed) return;
    this.#paused = false;
    const held = this.#held;
    this.#held = [];
    for (const bytes of held) this.data(bytes);
    if (!this.#paused && !this.#closed) this.socket.resume();
  }

  /** Hands on the messages in a portion. */
  #cut(bytes: Uint8Array): void {
    const end = bytes.length;
    let at = 0;
    while (at < end) {
      if (this.#memory !== undefined || this.#headLength > 0) {
        at = this.#continue(bytes, at);
        if (at < 0) return;
      } else {
        const size = frameSize(bytes, at, end);
        if (size > this.#messageBytes) return this.#refuse(size);
        if (size < 0) {
          this.#head.set(bytes.subarray(at));
          this.#headLength = end - at;
          break;
        }
        if (at + size > end) {
          if (!this.#begin(size, bytes, at)) return;
          break;
        }
        this.#deliver(takeFrame(bytes, at, at + size));
        at += size;
      }
      if (this.#closed) return;
      if (this.#paused && at < end) {
        this.#held.unshift(new Uint8Array(bytes.subarray(at)));
        return;
      }
    }
    if (this.#closed) return;
    if (this.#headLength > 0) this.#owner.partial(this, HEAD);
    else if (this.#memory !== undefined) this.#owner.partial(this, this.#size - this.#filled);
  }

  /** Goes on with a message that has begun. Answers the place behind its bytes, -1 where it is no message. */
  #continue(bytes: Uint8Array, start: number): number {
    let at = start;
    while (this.#memory === undefined) {
      if (at === bytes.length) return at;
      this.#head[this.#headLength++] = bytes[at++]!;
      const size = frameSize(this.#head, 0, this.#headLength);
      if (size < 0) continue;
      if (size > this.#messageBytes) {
        this.#refuse(size);
        return -1;
      }
      const head = this.#head.subarray(0, this.#headLength);
      this.#headLength = 0;
      if (!this.#begin(size, head, 0)) return -1;
    }
    const taken = Math.min(bytes.length - at, this.#size - this.#filled);
    if (!this.#reserve(this.#filled + taken)) return -1;
    this.#memory.set(bytes.subarray(at, at + taken), this.#filled);
    this.#filled += taken;
    if (this.#filled === this.#size) {
      const memory = this.#memory;
      this.#memory = undefined;
      this.#budget.left += memory.length;
      this.#deliver(stripLength(memory));
    }
    return at + taken;
  }

  /** Begins a message that is not whole. */
  #begin(size: number, bytes: Uint8Array, at: number): boolean {
    const length = bytes.length - at;
    this.#size = size;
    this.#memory = new Uint8Array(0);
    if (!this.#reserve(Math.max(length, Math.min(size, FIRST_MEMORY)))) return false;
    this.#memory.set(bytes.subarray(at));
    this.#filled = length;
    return true;
  }

  /** Makes room for so much of the message. It grows with what is there, whatever was announced. */
  #reserve(length: number): boolean {
    const memory = this.#memory!;
    if (length <= memory.length) return true;
    const capacity = Math.min(this.#size, Math.max(length, memory.length * 2));
    if (capacity - memory.length > this.#budget.left) {
      this.#fail("Too many messages are not whole");
      return false;
    }
    this.#budget.left -= capacity - memory.length;
    const larger = new Uint8Array(capacity);
    larger.set(memory.subarray(0, this.#filled));
    this.#memory = larger;
    return true;
  }

  #refuse(size: number): void {
    this.#fail(`Message of ${size} bytes is larger than ${this.#messageBytes}`);
  }

  #fail(detail: string): void {
    this.#owner.failed(this, detail);
  }

  #deliver(message: Uint8Array): void {
    if (this.#owner.deliver(this, message) || this.#closed) return;
    this.#paused = true;
    this.socket.pause();
  }

  // -------------------------------------------------------------- out

  /** Queues a message. Answers whether it is the first. */
  push(message: Uint8Array): boolean {
    return !this.#closed && this.#queue.push(message) === 1;
  }

  /** Writes what is queued: small messages in one piece, large ones from where they are. */
  flush(): void {
    const messages = this.#queue;
    if (this.#closed || messages.length === 0) return;
    this.#queue = [];
    let copied = 0;
    for (const { length } of messages) copied += LENGTH + (length > COPIED ? 0 : length);
    const piece = new Uint8Array(copied);
    const chunks: Uint8Array[] = [];
    let from = 0;
    let at = 0;
    for (const message of messages) {
      if (message.length > COPIED) {
        at = writeLength(piece, at, message);
        chunks.push(piece.subarray(from, at), message.subarray(1));
        from = at;
      } else at = writeFrame(piece, at, message);
    }
    if (at > from) chunks.push(piece.subarray(from, at));
    this.#writing++;
    this.socket.write(chunks, this.#taken);
  }

  /** Closes it after what is queued. */
  close(abort: boolean): void {
    this.flush();
    if (!this.#release()) return;
    this.socket.end(abort ? LINGER : PATIENCE);
  }
}

/** Makes the stream transport of a network of bytes. */
export function framed(network: ByteNetwork): BindStream {
  return (options, handler) => {
    const budget = { left: options.receiveBytes };
    return new ConnectionTransport(
      network,
      options,
      handler,
      (transport, socket, flow) =>
        new FramedConnection(transport, socket, flow, budget, options.messageBytes),
    ).open();
  };
}

/**
 * Listens for connections over TCP or TLS, where `options.listen` is given, and opens them: with `node:net` and
 * `node:tls`, which Node, Bun and Deno have.
 *
 * What arrives and leaves are messages without their length, as over WebSockets (RFC 8323 section 4.2).
 *
 * @throws {CoAPError} (the promise rejects) with reason `transport` where the system refuses, `unsupported-scheme` where
 * the runtime has no TCP
 *
 * @example The first message of whoever connects
 * ```ts
 * import { bindTcp } from "@x/coap/tcp";
 *
 * const settings = { messageBytes: 1152, receiveBytes: 100_000 };
 * const silent = {
 *   connected: () => {},
 *   receive: () => true,
 *   partial: () => {},
 *   failed: () => {},
 *   writable: () => {},
 *   disconnected: () => {},
 *   turn: () => {},
 *   error: () => {},
 * };
 * const arrived = Promise.withResolvers<Uint8Array>();
 * const listen = { hostname: "127.0.0.1", port: 0 };
 * const server = await bindTcp({ ...settings, listen }, {
 *   ...silent,
 *   receive: (_flow, bytes) => (arrived.resolve(bytes), true),
 * });
 * const client = await bindTcp(settings, silent);
 * const target = { scheme: "coap+tcp", host: "127.0.0.1", port: server.address!.port } as const;
 * const flow = await client.connect(target, AbortSignal.timeout(1000));
 * client.send(flow, Uint8Array.of(0x00, 0xe1)); // a CSM
 * client.flush();
 * console.log(await arrived.promise); // 00 e1
 * await client.close();
 * await server.close();
 * ```
 */
export function bindTcp(options: StreamOptions, handler: StreamHandler): Promise<StreamTransport> {
  return framed(nodeNetwork)(options, handler);
}

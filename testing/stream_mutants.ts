/** Servers and clients broken on purpose: what goes through their connections is changed. @module */

import type { OptionSpec } from "../conformance/datagram.ts";
import {
  buildFrame,
  Cutter,
  type Frame,
  type FrameSpec,
  parseFrame,
} from "../conformance/frame.ts";
import type { ByteNetwork, ByteReceiver, ByteSocket, Opened } from "../lib/transport/stream.ts";

/** One connection of a mutant. */
export interface Link {
  /** Which of its connections, from 0. */
  readonly index: number;
  /** Hands a message to the subject. */
  deliver(bytes: Uint8Array): void;
  /** Sends a message to the peer. */
  transmit(bytes: Uint8Array): void;
  /** The connections so far. */
  readonly all: readonly Link[];
}

/** What becomes of a message: it, others, or nothing. */
export type Fate = Uint8Array | readonly Uint8Array[] | undefined;

/** What a mutant does to the messages of its connections. */
export interface StreamHooks {
  /** Called when a connection is there. */
  opened?(link: Link): void;
  /** What the subject gets of a portion of bytes, before it is cut into messages. */
  data?(bytes: Uint8Array): Uint8Array | undefined;
  /** What the subject gets for a message of the peer; a text in place of the message says why it is none. */
  receive?(frame: Frame | string, bytes: Uint8Array, link: Link): Fate;
  /** What the peer gets for a message of the subject. */
  send?(frame: Frame, bytes: Uint8Array, link: Link): Fate;
  /** Does not close its end, and does not hear that the peer has. */
  holds?: boolean;
}

/** Something broken on purpose, and the cases that are there to notice. */
export interface StreamMutant {
  readonly name: string;
  readonly caughtBy: readonly string[];
  readonly make: () => StreamHooks;
}

function listOf(fate: Fate): readonly Uint8Array[] {
  if (fate === undefined) return [];
  return fate instanceof Uint8Array ? [fate] : fate;
}

/** Puts a mutant between a subject and its connections. */
export function spoilStreams({ make }: StreamMutant): (network: ByteNetwork) => ByteNetwork {
  return (network) => {
    const hooks = make();
    const links: Link[] = [];
    const wrap = (opened: Opened): Opened => (socket) => {
      const spoiled = new SpoiledSocket(socket, hooks, links);
      spoiled.receiver = opened(spoiled);
      hooks.opened?.(spoiled);
      return spoiled;
    };
    return {
      listen: (options, opened, failed) => network.listen(options, wrap(opened), failed),
      connect: (target, tls, opened, signal) => network.connect(target, tls, wrap(opened), signal),
    };
  };
}

/** A socket to the subject, a receiver to the real socket. */
class SpoiledSocket implements ByteSocket, ByteReceiver, Link {
  readonly #socket: ByteSocket;
  readonly #hooks: StreamHooks;
  readonly #in = new Cutter("length");
  readonly #out = new Cutter("length");
  readonly all: Link[];
  readonly index: number;
  receiver!: ByteReceiver;

  constructor(socket: ByteSocket, hooks: StreamHooks, all: Link[]) {
    this.#socket = socket;
    this.#hooks = hooks;
    this.all = all;
    this.index = all.push(this) - 1;
  }

  get local(): ByteSocket["local"] {
    return this.#socket.local;
  }

  get remote(): ByteSocket["remote"] {
    return this.#socket.remote;
  }

  deliver(bytes: Uint8Array): void {
    this.receiver.data(bytes);
  }

  transmit(bytes: Uint8Array): void {
    this.#socket.write([bytes], () => {});
  }

  data(bytes: Uint8Array): void {
    const { data, receive } = this.#hooks;
    const left = data === undefined ? bytes : data(bytes);
    if (left === undefined) return;
    if (receive === undefined) return this.deliver(left);
    for (const message of this.#in.cut(left)) {
      for (const one of listOf(receive(parseFrame(message), message, this))) this.deliver(one);
    }
  }

  closed(error?: Error): void {
    if (!this.#hooks.holds) this.receiver.closed(error);
  }

  write(chunks: readonly Uint8Array[], taken: () => void): void {
    const { send } = this.#hooks;
    if (send === undefined) return this.#socket.write(chunks, taken);
    for (const chunk of chunks) {
      for (const message of this.#out.cut(chunk)) {
        const frame = parseFrame(message);
        const fate = typeof frame === "string" ? message : send(frame, message, this);
        for (const one of listOf(fate)) this.transmit(one);
      }
    }
    this.#socket.write([new Uint8Array(0)], taken);
  }

  end(patience: number): void {
    if (!this.#hooks.holds) this.#socket.end(patience);
  }

  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  ref(): void {}

  unref(): void {}
}

// -------------------------------------------------------------- ways to make them

/** A mutant; the cases that notice are named with spaces between them. */
export function breaks(name: string, caughtBy: string, make: () => StreamHooks): StreamMutant {
  return { name, caughtBy: caughtBy.split(" "), make };
}

/** A message with some of it changed. */
export function changed(frame: Frame, changes: Partial<FrameSpec>): Uint8Array {
  const options = frame.options.map(({ number, value }): OptionSpec => [number, value]);
  return buildFrame({ ...frame, options, ...changes });
}

/** A mutant that changes what it sends. */
export function says(
  name: string,
  caughtBy: string,
  send: NonNullable<StreamHooks["send"]>,
): StreamMutant {
  return breaks(name, caughtBy, () => ({ send }));
}

/** A mutant that changes what it hears; what is no message it hears as it is. */
export function hears(
  name: string,
  caughtBy: string,
  receive: (frame: Frame, bytes: Uint8Array, link: Link) => Fate,
): StreamMutant {
  return breaks(name, caughtBy, () => ({
    receive: (frame, bytes, link) =>
      typeof frame === "string" ? bytes : receive(frame, bytes, link),
  }));
}

/** The options of a message but for some. */
export function optionsBut({ options }: Frame, isGone: (number: number) => boolean): OptionSpec[] {
  return options.filter(({ number }) => !isGone(number))
    .map(({ number, value }): OptionSpec => [number, value]);
}

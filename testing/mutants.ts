/** Servers and clients broken on purpose: what goes through their sockets is changed. @module */

import {
  build,
  type Datagram,
  type DatagramSpec,
  Opt,
  type OptionSpec,
  parse,
  textOf,
  uintOf,
  valueOf,
  valuesOf,
} from "../conformance/datagram.ts";
import type { Flow } from "../lib/flow.ts";
import type { Bind } from "../lib/transport/transport.ts";

/** What a mutant does to datagrams; nothing given is nothing done, `undefined` loses the datagram. */
export interface Hooks {
  receive?(
    bytes: Uint8Array,
    message: Datagram | undefined,
    reply: (bytes: Uint8Array) => void,
    peer: string,
  ): Uint8Array | undefined;
  send?(bytes: Uint8Array, message: Datagram, peer: string): Uint8Array | Uint8Array[] | undefined;
  /** Whom a datagram is taken to come from: by its sender and the first sender of all. */
  sender?(flow: Flow, first: Flow, message: Datagram | undefined): Flow;
  /** Sends from another port than it listens at. */
  elsewhere?: boolean;
}

/** Something broken on purpose, and the cases that are there to notice. */
export interface Mutant {
  readonly name: string;
  readonly caughtBy: readonly string[];
  readonly make: () => Hooks;
}

/** Puts a mutant between a server and its socket. */
export function spoil(mutant: Mutant): (bind: Bind) => Bind {
  return (bind) => async (options, handler) => {
    const { receive, send, sender, elsewhere } = mutant.make();
    let first: Flow | undefined = undefined;
    const messageOf = (bytes: Uint8Array): Datagram | undefined => {
      const message = parse(bytes);
      return typeof message === "string" ? undefined : message;
    };
    const transport = await bind(options, {
      ...handler,
      receive: (from, bytes) => {
        first ??= from;
        const flow = sender?.(from, first, messageOf(bytes)) ?? from;
        if (receive === undefined) return handler.receive(flow, bytes);
        const reply = (answer: Uint8Array): void => {
          transport.send(flow, answer);
          transport.flush();
        };
        const changed = receive(bytes, messageOf(bytes), reply, flow.key);
        if (changed !== undefined) handler.receive(flow, changed);
      },
      turn: (more) => handler.turn(more),
      error: (error, flow) => handler.error(error, flow),
    });
    if (send === undefined && !elsewhere) return transport;
    const other = elsewhere ? await bind({}, handler) : transport;
    const original = other.send.bind(other);
    return Object.assign(Object.create(transport), {
      address: transport.address,
      flow: transport.flow.bind(transport),
      flush: (): void => (transport.flush(), other.flush()),
      ref: transport.ref.bind(transport),
      unref: transport.unref.bind(transport),
      close: async (): Promise<void> => {
        await transport.close();
        await other.close();
      },
      send: (flow: Parameters<typeof original>[0], bytes: Uint8Array): void => {
        const message = messageOf(bytes);
        const changed = message === undefined || send === undefined
          ? bytes
          : send(bytes, message, flow.key);
        if (changed === undefined) return;
        for (const one of Array.isArray(changed) ? changed : [changed]) original(flow, one);
      },
    });
  };
}

/** How a message is changed, if it is. */
export type Change = (message: Datagram) => Partial<DatagramSpec> | undefined;

/** A message with some of it changed. */
export function rebuild(message: Datagram, changes: Partial<DatagramSpec>): Uint8Array {
  const options = message.options.map(({ number, value }): OptionSpec => [number, value]);
  return build({ ...message, options, ...changes });
}

/** The options of a message but for some. */
export function without({ options }: Datagram, ...numbers: number[]): OptionSpec[] {
  return options.filter(({ number }) => !numbers.includes(number))
    .map(({ number, value }): OptionSpec => [number, value]);
}

/** The options of a message, one of them replaced or added. */
export function withOption(message: Datagram, option: OptionSpec): OptionSpec[] {
  return [...without(message, option[0]), option];
}

/** A mutant; the cases that notice are named with spaces between them. */
export function mutant(name: string, caughtBy: string, make: () => Hooks): Mutant {
  return { name, caughtBy: caughtBy.split(" "), make };
}

/** A mutant that changes what it sends. */
export function sends(name: string, caughtBy: string, change: Change): Mutant {
  return sendsWith(name, caughtBy, () => change);
}

/** A mutant that changes what it sends, and remembers. */
export function sendsWith(name: string, caughtBy: string, make: () => Change): Mutant {
  return mutant(name, caughtBy, () => {
    const change = make();
    return {
      send: (bytes, message) => {
        const changes = change(message);
        return changes === undefined ? bytes : rebuild(message, changes);
      },
    };
  });
}

/** A mutant that changes what it receives. */
export function receives(name: string, caughtBy: string, change: Change): Mutant {
  return reads(name, caughtBy, (bytes, message) => {
    const changes = message === undefined ? undefined : change(message);
    return changes === undefined ? bytes : rebuild(message!, changes);
  });
}

/** A mutant that changes the bytes it receives. */
export function reads(
  name: string,
  caughtBy: string,
  receive: NonNullable<Hooks["receive"]>,
): Mutant {
  return mutant(name, caughtBy, () => ({ receive }));
}

/** A mutant that does not heed an option of requests. */
export function blindTo(option: number, name: string, caughtBy: string): Mutant {
  return receives(
    name,
    caughtBy,
    (message) =>
      valueOf(message, option) === undefined ? undefined : { options: without(message, option) },
  );
}

/** A mutant that refuses messages: they get a critical option that nobody knows. */
export function refuses(
  name: string,
  caughtBy: string,
  which: (message: Datagram) => boolean,
): Mutant {
  return receives(
    name,
    caughtBy,
    (message) => which(message) ? { options: withOption(message, [65_001, "?"]) } : undefined,
  );
}

/** A mutant that calls one code another. */
export function recodes(name: string, caughtBy: string, from: string, to: string): Mutant {
  return sends(name, caughtBy, ({ code }) => code === from ? { code: to } : undefined);
}

/** A mutant that adds an option to what it sends. */
export function adds(
  name: string,
  caughtBy: string,
  option: OptionSpec,
  which: (message: Datagram) => boolean,
): Mutant {
  return sends(
    name,
    caughtBy,
    (message) => which(message) ? { options: [...without(message), option] } : undefined,
  );
}

/** Whether a message is a response. */
export function isResponse({ code }: Datagram): boolean {
  return code >= "2";
}

/** Whether a message is a notification in a message of its own. */
export function isNotification(message: Datagram): boolean {
  return message.type !== "ACK" && valueOf(message, Opt.Observe) !== undefined;
}

/** The path of a request. */
export function pathIn(message: Datagram): string {
  return valuesOf(message, Opt.UriPath).map((value) => `/${textOf(value)}`).join("");
}

/** What differs where the value of a block option is changed. */
export function changedBlock(
  message: Datagram,
  option: number,
  change: (value: number) => number,
): Partial<DatagramSpec> | undefined {
  const value = valueOf(message, option);
  if (value === undefined) return undefined;
  return { options: withOption(message, [option, change(uintOf(value))]) };
}

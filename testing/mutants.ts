/** Servers broken on purpose: what goes through their sockets is changed. @module */

import {
  blockOf,
  build,
  bytesOf,
  type Datagram,
  type DatagramSpec,
  Opt,
  type OptionSpec,
  parse,
  uintBytes,
  uintOf,
  valueOf,
} from "../conformance/datagram.ts";
import type { Bind } from "../lib/transport/transport.ts";

/** What a mutant does to datagrams; nothing given is nothing done, `undefined` loses the datagram. */
interface Hooks {
  receive?(
    bytes: Uint8Array,
    message: Datagram | undefined,
    reply: (bytes: Uint8Array) => void,
    peer: string,
  ): Uint8Array | undefined;
  send?(bytes: Uint8Array, message: Datagram, peer: string): Uint8Array | Uint8Array[] | undefined;
}

/** A broken server, and the case that is there to notice. */
export interface Mutant {
  readonly name: string;
  readonly caughtBy: string;
  readonly make: () => Hooks;
}

/** Puts a mutant between a server and its socket. */
export function spoil(mutant: Mutant): (bind: Bind) => Bind {
  return (bind) => async (options, handler) => {
    const { receive, send } = mutant.make();
    const messageOf = (bytes: Uint8Array): Datagram | undefined => {
      const message = parse(bytes);
      return typeof message === "string" ? undefined : message;
    };
    const transport = await bind(options, {
      ...handler,
      receive: (flow, bytes) => {
        if (receive === undefined) return handler.receive(flow, bytes);
        const reply = (answer: Uint8Array): void => {
          transport.send(flow, answer);
          transport.flush();
        };
        const changed = receive(bytes, messageOf(bytes), reply, flow.key);
        if (changed !== undefined) handler.receive(flow, changed);
      },
      turn: () => handler.turn(),
      error: (error, flow) => handler.error(error, flow),
    });
    if (send === undefined) return transport;
    const original = transport.send.bind(transport);
    return Object.assign(Object.create(transport), {
      address: transport.address,
      flow: transport.flow.bind(transport),
      flush: transport.flush.bind(transport),
      ref: transport.ref.bind(transport),
      unref: transport.unref.bind(transport),
      close: transport.close.bind(transport),
      send: (flow: Parameters<typeof original>[0], bytes: Uint8Array): void => {
        const message = messageOf(bytes);
        const changed = message === undefined ? bytes : send(bytes, message, flow.key);
        if (changed === undefined) return;
        for (const one of Array.isArray(changed) ? changed : [changed]) original(flow, one);
      },
    });
  };
}

type Change = (message: Datagram) => Partial<DatagramSpec> | undefined;

function rebuild(message: Datagram, changes: Partial<DatagramSpec>): Uint8Array {
  const options = message.options.map(({ number, value }): OptionSpec => [number, value]);
  return build({ ...message, options, ...changes });
}

function without({ options }: Datagram, ...numbers: number[]): OptionSpec[] {
  return options.filter(({ number }) => !numbers.includes(number))
    .map(({ number, value }): OptionSpec => [number, value]);
}

function withOption(message: Datagram, option: OptionSpec): OptionSpec[] {
  return [...without(message, option[0]), option];
}

/** A mutant that changes what it sends. */
function sends(name: string, caughtBy: string, change: Change): Mutant {
  return {
    name,
    caughtBy,
    make: () => ({
      send: (bytes, message) => {
        const changes = change(message);
        return changes === undefined ? bytes : rebuild(message, changes);
      },
    }),
  };
}

/** A mutant that changes what it receives. */
function receives(name: string, caughtBy: string, change: Change): Mutant {
  return {
    name,
    caughtBy,
    make: () => ({
      receive: (bytes, message) => {
        const changes = message === undefined ? undefined : change(message);
        return changes === undefined ? bytes : rebuild(message!, changes);
      },
    }),
  };
}

/** A mutant that does not heed an option of requests. */
function blindTo(option: number, name: string, caughtBy: string): Mutant {
  return receives(
    name,
    caughtBy,
    (message) =>
      valueOf(message, option) === undefined ? undefined : { options: without(message, option) },
  );
}

/** A mutant that changes the bytes it receives. */
function reads(
  name: string,
  caughtBy: string,
  receive: NonNullable<Hooks["receive"]>,
): Mutant {
  return { name, caughtBy, make: () => ({ receive }) };
}

function isResponse({ code }: Datagram): boolean {
  return code >= "2";
}

/** A mutant that takes each copy of a message for a new one. */
function forgetful(type: "CON" | "NON", caughtBy: string): Mutant {
  return {
    name: `no deduplication of ${type}`,
    caughtBy,
    make: () => {
      const originals = new Map<number, number>();
      let next = 1;
      return {
        receive: (bytes, message) => {
          if (message?.type !== type || message.code === "0.00") return bytes;
          originals.set(next, message.id);
          return rebuild(message, { id: next++ });
        },
        send: (bytes, message) => {
          const id = message.type === "ACK" ? originals.get(message.id) : undefined;
          return id === undefined ? bytes : rebuild(message, { id });
        },
      };
    },
  };
}

function changedBlock(
  message: Datagram,
  option: number,
  change: (value: number) => number,
): Partial<DatagramSpec> | undefined {
  const value = valueOf(message, option);
  if (value === undefined) return undefined;
  return { options: withOption(message, [option, change(uintOf(value))]) };
}

/** All of them. */
export const MUTANTS: readonly Mutant[] = [
  sends("wrong token", "7252-5.3.1-1", (message) => {
    if (!isResponse(message)) return undefined;
    return { token: message.token.map((byte) => byte ^ 1) };
  }),
  sends(
    "token taken for a number",
    "7252-5.3.1-4",
    (message) => isResponse(message) ? { token: uintBytes(uintOf(message.token)) } : undefined,
  ),
  sends(
    "token of one byte for an empty one",
    "CORE_12",
    (message) =>
      isResponse(message) && message.token.length === 0 ? { token: Uint8Array.of(0) } : undefined,
  ),
  sends(
    "wrong ID in Acknowledgements",
    "CORE_01",
    ({ type, id }) => type === "ACK" ? { id: id ^ 1 } : undefined,
  ),
  sends(
    "wrong ID in Resets",
    "7252-4.2-7",
    ({ type, id }) => type === "RST" ? { id: id ^ 1 } : undefined,
  ),
  {
    name: "something behind the header of a Reset",
    caughtBy: "7252-4.2-5",
    make: () => ({
      send: (bytes, { type }) => type === "RST" ? Uint8Array.of(...bytes, 0xff, 1) : bytes,
    }),
  },
  sends(
    "pings acknowledged",
    "7252-4.2-2",
    ({ type }) => type === "RST" ? { type: "ACK" } : undefined,
  ),
  {
    name: "pings ignored",
    caughtBy: "CORE_31",
    make: () => ({ send: (bytes, { type }) => type === "RST" ? undefined : bytes }),
  },
  forgetful("CON", "7252-4.5-1"),
  forgetful("NON", "7252-4.5-3"),
  {
    name: "deduplication by message ID alone",
    caughtBy: "7252-4.5-5",
    make: () => {
      const answers = new Map<number, { peer: string; bytes: Uint8Array }>();
      return {
        receive: (bytes, message, reply, peer) => {
          const answer = answers.get(message?.id ?? -1);
          if (answer === undefined || answer.peer === peer) return bytes;
          reply(answer.bytes);
          return undefined;
        },
        send: (bytes, { type, id }, peer) => {
          if (type === "ACK") answers.set(id, { peer, bytes: bytes.slice() });
          return bytes;
        },
      };
    },
  },
  reads("Reset to every NON", "7252-5.2-9", (bytes, message, reply) => {
    if (message?.type === "NON") reply(build({ type: "RST", id: message.id }));
    return message?.type === "NON" ? undefined : bytes;
  }),
  sends(
    "Non-confirmable requests acknowledged",
    "7252-4.3-2",
    ({ type }) => type === "NON" ? { type: "ACK" } : undefined,
  ),
  reads("Reset to Acknowledgements nobody waits for", "7252-4.2-9", (bytes, message, reply) => {
    if (message?.type === "ACK") reply(build({ type: "RST", id: message.id }));
    return bytes;
  }),
  reads("version not looked at", "7252-3-2", (bytes) => {
    if (bytes.length > 0) bytes[0] = bytes[0]! & 0x3f | 0x40;
    return bytes;
  }),
  reads("Reset to what is no message", "7252-3-3", (bytes, _message, reply) => {
    if (bytes.length < 4) reply(Uint8Array.of(0x70, 0, 0, 0));
    return bytes;
  }),
  reads(
    "payload marker without payload accepted",
    "7252-3-10",
    (bytes, message) => message === undefined && bytes.at(-1) === 0xff ? bytes.slice(0, -1) : bytes,
  ),
  reads(
    "token of 9 bytes accepted",
    "7252-3-7",
    (bytes) => (bytes[0]! & 15) === 9 ? Uint8Array.of(bytes[0]! - 1, ...bytes.slice(1, 12)) : bytes,
  ),
  reads("token that is cut off accepted", "7252-3-8", (bytes) => {
    const missing = 4 + (bytes[0]! & 15) - bytes.length;
    return bytes.length >= 4 && (bytes[0]! & 15) <= 8 && missing > 0
      ? Uint8Array.of(...bytes, ...new Uint8Array(missing))
      : bytes;
  }),
  reads(
    "option that is cut off accepted",
    "7252-3.1-5",
    (bytes, message) =>
      message === undefined && parse(bytes) === "option cut off"
        ? bytes.slice(0, 4 + (bytes[0]! & 15))
        : bytes,
  ),
  reads(
    "option length 15 taken for a payload marker",
    "7252-3.1-4",
    (bytes, message) =>
      message === undefined && parse(bytes) === "option delta or length 15"
        ? bytes.slice(0, 4 + (bytes[0]! & 15))
        : bytes,
  ),
  reads("Empty message with a token accepted as a request", "7252-4.1-1", (bytes, message) => {
    if (message !== undefined || bytes[1] !== 0) return bytes;
    return Uint8Array.of(0x40, 1, bytes[2]!, bytes[3]!);
  }),
  reads("reserved code class taken for a method", "7252-4.2-3", (bytes) => {
    const isReserved = bytes.length >= 4 && bytes[1]! >> 5 === 1;
    return isReserved ? Uint8Array.of(bytes[0]!, 1, ...bytes.slice(2)) : bytes;
  }),
  receives("critical option ignored", "7252-5.4-3", (message) => ({
    options: without(message, 2049, 65_001),
  })),
  receives("critical option ignored that stands twice", "7252-5.4-13", (message) => ({
    options: message.options.filter(({ number }, index) =>
      number === Opt.UriPath || number === Opt.UriQuery ||
      message.options.findIndex((other) => other.number === number) === index
    ).map(({ number, value }): OptionSpec => [number, value]),
  })),
  receives(
    "elective option refused",
    "7252-5.4-2",
    (message) =>
      valueOf(message, 65_000) === undefined
        ? undefined
        : { options: withOption(message, [65_001, "?"]) },
  ),
  blindTo(Opt.Accept, "Accept ignored", "7252-5.10-6"),
  blindTo(Opt.IfMatch, "If-Match ignored", "7252-5.10-12"),
  blindTo(Opt.IfNoneMatch, "If-None-Match ignored", "7252-5.10-13"),
  blindTo(Opt.ETag, "ETags of requests ignored", "7252-5.8-2"),
  blindTo(Opt.ProxyUri, "Proxy-Uri ignored", "7252-5.7-7"),
  blindTo(Opt.UriQuery, "filters of links ignored", "6690-4-3"),
  blindTo(Opt.RequestTag, "Request-Tag ignored", "9175-3-3"),
  receives("paths decoded once too often", "7252-5.10-3", (message) => ({
    options: message.options.map(({ number, value }): OptionSpec => [
      number,
      number === Opt.UriPath ? decodeURIComponent(new TextDecoder().decode(value)) : value,
    ]),
  })),
  sends(
    "method not allowed called not found",
    "7252-5.8-1",
    ({ code }) => code === "4.05" ? { code: "4.04" } : undefined,
  ),
  sends(
    "payload in 2.03",
    "7252-5.9-1",
    ({ code }) => code === "2.03" ? { payload: "valid" } : undefined,
  ),
  sends("integers in four bytes", "7252-3.2-1", (message) => {
    const value = valueOf(message, Opt.MaxAge);
    if (value === undefined) return undefined;
    const padded = Uint8Array.of(...new Uint8Array(4 - value.length), ...value);
    return { options: withOption(message, [Opt.MaxAge, padded]) };
  }),
  sends("links without their format", "7252-7-2", (message) => ({
    options: without(message, Opt.ContentFormat),
  })),
  {
    name: "no Empty Acknowledgement",
    caughtBy: "7252-5.2-4",
    make: () => ({
      send: (bytes, { type, code }) => type === "ACK" && code === "0.00" ? undefined : bytes,
    }),
  },
  sends(
    "separate response in an Acknowledgement",
    "7252-5.2-5",
    (message) => message.type === "CON" && isResponse(message) ? { type: "ACK" } : undefined,
  ),
  reads(
    "Acknowledgements with a code not recognized",
    "7252-5.2-7",
    (bytes, message) => message?.type === "ACK" && message.code !== "0.00" ? undefined : bytes,
  ),
  sends(
    "number of the next block",
    "7959-2.4-7",
    (message) => changedBlock(message, Opt.Block2, (value) => value + 16),
  ),
  sends(
    "every block the last",
    "BLOCK_01",
    (message) => changedBlock(message, Opt.Block2, (value) => value & ~8),
  ),
  sends(
    "blocks a byte short",
    "7959-2.4-5",
    (message) =>
      blockOf(message, Opt.Block2) === undefined
        ? undefined
        : { payload: message.payload.slice(0, -1) },
  ),
  sends("another ETag in each block", "7959-2.4-8", (message) => {
    const block = valueOf(message, Opt.Block2);
    return block === undefined
      ? undefined
      : { options: withOption(message, [Opt.ETag, Uint8Array.of(7, ...block)]) };
  }),
  receives(
    "block size of the server's choice",
    "7959-2.4-3",
    (message) =>
      changedBlock(message, Opt.Block2, (value) => {
        const at = (value >> 4) * (16 << (value & 7));
        return Math.floor(at / 1024) * 16 + 6;
      }),
  ),
  receives("reserved SZX taken for 1024", "7959-2.2-4", (message) => {
    const reserved = (option: number) =>
      ((valueOf(message, option)?.at(-1) ?? 0) & 7) === 7 ? option : undefined;
    const option = reserved(Opt.Block2) ?? reserved(Opt.Block1);
    return option === undefined
      ? undefined
      : changedBlock(message, option, (value) => value & ~15 | 6);
  }),
  sends(
    "Continue without Block1",
    "7959-2.3-4",
    (message) => message.code === "2.31" ? { options: without(message, Opt.Block1) } : undefined,
  ),
  sends(
    "Block1 of the next block",
    "7959-2.5-12",
    (message) => changedBlock(message, Opt.Block1, (value) => value + 16),
  ),
  sends(
    "missing blocks not missed",
    "7959-2.5-3",
    ({ code }) => code === "4.08" ? { code: "2.04" } : undefined,
  ),
  {
    name: "repeated block appended twice",
    caughtBy: "7959-2.5-13",
    make: () => {
      const seen = new Set<number>();
      let shift = 0;
      return {
        receive: (bytes, message) => {
          const block = message && blockOf(message, Opt.Block1);
          if (block === undefined || message === undefined) return bytes;
          if (seen.has(message.id)) shift++;
          seen.add(message.id);
          const number = block.number + shift;
          const value = number * 16 + (block.more ? 8 : 0) + Math.log2(block.size) - 4;
          const id = message.id + shift & 0xffff;
          return rebuild(message, { id, options: withOption(message, [Opt.Block1, value]) });
        },
      };
    },
  },
  {
    name: "notifications out of order",
    caughtBy: "7641-4.4-1",
    make: () => {
      let count = 0;
      return {
        send: (bytes, message) =>
          message.type === "CON" && valueOf(message, Opt.Observe) !== undefined
            ? rebuild(message, { options: withOption(message, [Opt.Observe, 1000 - count++]) })
            : bytes,
      };
    },
  },
  sends(
    "notifications with another token",
    "7641-4.2-1",
    (message) =>
      message.type === "CON" && isResponse(message)
        ? { token: message.token.map((byte) => byte ^ 1) }
        : undefined,
  ),
  sends(
    "Observe in an error",
    "7641-4.2-3",
    (message) =>
      message.code === "4.04" ? { options: withOption(message, [Opt.Observe, 5]) } : undefined,
  ),
  sends(
    "Observe where nothing is observed",
    "7641-2-2",
    (message) =>
      message.code === "2.05" ? { options: withOption(message, [Opt.Observe, 5]) } : undefined,
  ),
  receives(
    "deregistration ignored",
    "7641-4.1-4",
    (message) =>
      (valueOf(message, Opt.Observe)?.length ?? 0) > 0
        ? { options: without(message, Opt.Observe) }
        : undefined,
  ),
  reads(
    "Reset to a notification ignored",
    "7641-4.5-2",
    (bytes, message) => message?.type === "RST" ? undefined : bytes,
  ),
  {
    name: "second notification before the first is acknowledged",
    caughtBy: "7641-4.5-6",
    make: () => ({
      send: (bytes, message) =>
        message.type === "CON" && valueOf(message, Opt.Observe) !== undefined
          ? [bytes, rebuild(message, { id: message.id ^ 0x8000 })]
          : bytes,
    }),
  },
  sends(
    "another format in a notification",
    "7641-4.2-4",
    (message) =>
      message.type === "CON" && message.code === "2.05"
        ? { options: withOption(message, [Opt.ContentFormat, 50]) }
        : undefined,
  ),
  receives(
    "No-Response for all classes",
    "7967-2-3",
    (message) =>
      valueOf(message, Opt.NoResponse) === undefined
        ? undefined
        : { options: withOption(message, [Opt.NoResponse, 26]) },
  ),
  blindTo(Opt.Echo, "Echo never enough", "9175-2.2-6"),
  sends(
    "diagnostic message without end",
    "7252-5.5-4",
    ({ code }) => code === "4.04" ? { payload: bytesOf("no".repeat(200)) } : undefined,
  ),
];

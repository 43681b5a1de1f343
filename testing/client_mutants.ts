/** Clients broken on purpose. @module */

import {
  blockOf,
  blockValue,
  build,
  type Datagram,
  Opt,
  parse,
  textOf,
  uintOption,
  valueOf,
  valuesOf,
} from "../conformance/datagram.ts";
import {
  adds,
  blindTo,
  changedBlock,
  type Hooks,
  isResponse,
  type Mutant,
  mutant,
  reads,
  rebuild,
  receives,
  sends,
  sendsWith,
  withOption,
  without,
} from "./mutants.ts";

/** A mutant that does not hear some messages. */
function deafTo(
  name: string,
  caughtBy: string,
  which: (message: Datagram) => boolean,
): Mutant {
  return reads(
    name,
    caughtBy,
    (bytes, message) => message !== undefined && which(message) ? undefined : bytes,
  );
}

/** A mutant that sends its request again, with a new ID, where it hears some messages. */
function asksAgain(
  name: string,
  caughtBy: string,
  when: (message: Datagram) => boolean,
  change: (request: Datagram, message: Datagram) => Uint8Array,
): Mutant {
  return mutant(name, caughtBy, (): Hooks => {
    let request: Datagram | undefined;
    return {
      send: (bytes, message) => {
        if (!isResponse(message) && message.code > "0.00") request = message;
        return bytes;
      },
      receive: (bytes, message, reply) => {
        if (message !== undefined && request !== undefined && when(message)) {
          const again = change(request, message);
          request = parse(again) as Datagram;
          reply(again);
        }
        return bytes;
      },
    };
  });
}

const nextId = ({ id }: Datagram): number => id + 1 & 0xffff;
const isEmptyAck = ({ type, code }: Datagram): boolean => type === "ACK" && code === "0.00";
const isLaterBlock = (message: Datagram): boolean =>
  (blockOf(message, Opt.Block2)?.number ?? 0) > 0;

/** Messages. */
const MESSAGES: readonly Mutant[] = [
  reads("version not looked at", "7252-3-2", (bytes) => {
    if (bytes.length > 0) bytes[0] = bytes[0]! & 0x3f | 0x40;
    return bytes;
  }),
  reads("Reset to what is no message", "7252-3-3", (bytes, _message, reply) => {
    if (bytes.length < 4) reply(Uint8Array.of(0x70, 0, 0, 0));
    return bytes;
  }),
  reads(
    "Reset to each malformed message",
    "7252-3-7 7252-3-8 7252-3.1-3 7252-3.1-5 7252-4.1-1",
    (bytes, message, reply) => {
      if (message !== undefined || bytes.length < 4) return bytes;
      return void reply(Uint8Array.of(0x70, 0, bytes[2]!, bytes[3]!));
    },
  ),
  reads(
    "malformed messages ignored, Confirmable or not",
    "7252-3.1-4 7252-4.2-5",
    (bytes, message) => message === undefined ? undefined : bytes,
  ),
  reads(
    "payload marker without payload accepted",
    "7252-3-10",
    (bytes, message) => message === undefined && bytes.at(-1) === 0xff ? bytes.slice(0, -1) : bytes,
  ),
  deafTo("reserved codes ignored", "7252-4.2-3", ({ code }) => /^[17]/.test(code)),
  reads("code of class 3 acknowledged", "7252-4.2-4", (bytes, message, reply) => {
    if (message?.code[0] !== "3") return bytes;
    return void reply(build({ type: "ACK", id: message.id }));
  }),
  reads(
    "Reset to Acknowledgements and Resets",
    "7252-4.2-8 7252-4.2-9",
    (bytes, message, reply) => {
      if (message?.type === "ACK" || message?.type === "RST") {
        reply(build({ type: "RST", id: message.id }));
      }
      return bytes;
    },
  ),
  reads(
    "Non-confirmable messages acknowledged",
    "7252-4.3-3 7641-3.5-2",
    (bytes, message, reply) => {
      if (message?.type === "NON") reply(build({ type: "ACK", id: message.id }));
      return bytes;
    },
  ),
  sends(
    "unexpected messages acknowledged",
    "7252-4.2-2 7252-5.3.2-4 7252-5.3.2-5 7641-3.1-1 7641-3.2-1 7641-3.5-1",
    ({ type }) => type === "RST" ? { type: "ACK" } : undefined,
  ),
  mutant("two transmissions at once", "7252-4.2-10", () => ({
    send: (bytes, { type }) => type === "CON" ? [bytes, bytes] : bytes,
  })),
  counts(
    "a retransmission left out",
    "7252-4.2-11",
    (count, bytes) => count === 3 ? undefined : bytes,
  ),
  counts(
    "a sixth transmission",
    "7252-4.2-12",
    (count, bytes) => count === 5 ? [bytes, bytes] : bytes,
  ),
  counts(
    "retransmission with a new ID",
    "7252-4.2-13",
    (count, bytes, message) => count === 1 ? bytes : rebuild(message, { id: nextId(message) }),
  ),
  deafTo("Empty Acknowledgements not heard", "7252-4.2-14 7252-5.2-11", isEmptyAck),
  deafTo("Resets not heard", "7252-4.2-15", ({ type }) => type === "RST"),
  asksAgain(
    "asks on although the response has come",
    "7252-4.2-16",
    (message) => message.type === "CON" && isResponse(message),
    ({ bytes }) => bytes,
  ),
  mutant("copies not acknowledged", "7252-4.5-4", () => {
    const seen = new Set<number>();
    return {
      send: (bytes, { type, id }) => {
        if (type !== "ACK") return bytes;
        const isCopy = seen.has(id);
        seen.add(id);
        return isCopy ? undefined : bytes;
      },
    };
  }),
];

/** A mutant that does something to the transmissions of its request, counted from 1. */
function counts(
  name: string,
  caughtBy: string,
  send: (
    count: number,
    bytes: Uint8Array,
    message: Datagram,
  ) => ReturnType<NonNullable<Hooks["send"]>>,
): Mutant {
  return mutant(name, caughtBy, () => {
    let count = 0;
    return {
      send: (bytes, message) => message.type === "CON" ? send(++count, bytes, message) : bytes,
    };
  });
}

/** Requests and responses. */
const REQUESTS: readonly Mutant[] = [
  deafTo(
    "codes that it does not know ignored",
    "7252-5.2-1 7252-5.2-2",
    ({ code }) => code === "4.27" || code === "2.17",
  ),
  reads("piggybacked responses acknowledged", "7252-5.2-3", (bytes, message, reply) => {
    if (message?.type === "ACK" && isResponse(message)) {
      reply(build({ type: "ACK", id: message.id }));
    }
    return bytes;
  }),
  mutant("separate responses not acknowledged", "7252-5.2-6", () => ({
    send: (bytes, { type }) => type === "ACK" ? undefined : bytes,
  })),
  mutant("responses before the Acknowledgement refused", "7252-5.2-8", () => {
    let isAcknowledged = false;
    return {
      receive: (bytes, message, reply) => {
        isAcknowledged ||= message?.type === "ACK";
        if (message?.type !== "CON" || isAcknowledged) return bytes;
        return void reply(build({ type: "RST", id: message.id }));
      },
    };
  }),
  deafTo(
    "Non-confirmable responses not taken",
    "7252-5.2-10 7641-3.4-3",
    (message) => message.type === "NON" && isResponse(message),
  ),
  sends("token of two bytes", "7252-5.3.1-3", ({ token }) => ({ token: token.slice(0, 2) })),
  mutant("responses of anybody taken", "7252-5.3.2-1", () => ({ sender: (_, first) => first })),
  receives(
    "ID of piggybacked responses not looked at",
    "7252-5.3.2-2",
    (message) => message.type === "ACK" && isResponse(message) ? { type: "NON" } : undefined,
  ),
  mutant("IDs of both sides taken for one", "7252-5.3.2-3", () => {
    let id = -1;
    return {
      send: (bytes, message) => {
        if (message.type === "CON") id = message.id;
        return bytes;
      },
      receive: (bytes, message) => message?.type === "CON" && message.id === id ? undefined : bytes,
    };
  }),
  receives("critical option ignored", "7252-5.4-4 7252-5.4-6", (message) => ({
    options: without(message, 65_001),
  })),
  deafTo(
    "responses with an elective option refused",
    "7252-5.4-2",
    (message) => valueOf(message, 65_000) !== undefined,
  ),
  deafTo(
    "responses with a long ETag refused",
    "7252-5.4-8",
    (message) => (valueOf(message, Opt.ETag)?.length ?? 0) > 8,
  ),
  asksAgain(
    "asks again where it was refused",
    "7252-5.9-2",
    ({ code }) => code === "4.02" || code === "4.01",
    (request) => rebuild(request, { id: nextId(request) }),
  ),
  adds("dot segments sent", "7252-5.10-1", [Opt.UriPath, ".."], ({ code }) => code === "0.01"),
  adds("Uri-Port although that is where it goes", "7252-5.10-4", [Opt.UriPort, 5683], () => true),
  sends(
    "Uri-Path for the root",
    "7252-6.4-4",
    (message) =>
      valueOf(message, Opt.UriPath) === undefined
        ? { options: withOption(message, [Opt.UriPath, ""]) }
        : undefined,
  ),
  sends("query in one option", "7252-6.4-5", (message) => {
    const query = valuesOf(message, Opt.UriQuery).map(textOf).join("&");
    return { options: withOption(message, [Opt.UriQuery, query]) };
  }),
  sends("Echo of at most 8 bytes", "9175-2.2-2", (message) => {
    const echo = valueOf(message, Opt.Echo);
    return echo && { options: withOption(message, [Opt.Echo, echo.slice(0, 8)]) };
  }),
  blindTo(Opt.Echo, "Echo not sent back", "9175-2.2-3"),
  asksAgain(
    "fresh Echo values sent back for ever",
    "9175-2.2-8",
    ({ code }) => code === "4.01",
    (request, message) => {
      const echo = valueOf(message, Opt.Echo)!;
      return rebuild(request, {
        id: nextId(request),
        options: withOption(request, [Opt.Echo, echo]),
      });
    },
  ),
];

/** Bodies in blocks. */
const BLOCKS: readonly Mutant[] = [
  receives(
    "reserved SZX taken for 1024",
    "7959-2.2-5",
    (message) =>
      (uintOption(message, Opt.Block2) ?? 0) % 8 === 7
        ? { options: withOption(message, [Opt.Block2, blockValue(0, false, 1024)]) }
        : undefined,
  ),
  sends("block size kept although smaller ones come", "7959-2.3-3", (message) => {
    const { number = 0, size } = blockOf(message, Opt.Block2) ?? {};
    return size === 32
      ? { options: withOption(message, [Opt.Block2, blockValue(number >> 1, false, 64)]) }
      : undefined;
  }),
  sends(
    "query left out of later requests",
    "7959-2.4-1",
    (message) => isLaterBlock(message) ? { options: without(message, Opt.UriQuery) } : undefined,
  ),
  sends(
    "larger blocks asked for",
    "7959-2.4-4",
    (message) => changedBlock(message, Opt.Block2, (value) => value & ~7 | 6),
  ),
  blindTo(Opt.ETag, "ETags not compared", "7959-2.4-9 7959-2.4-10 7959-2.6-3"),
  deafTo(
    "wrong sizes told not borne",
    "7959-2.4-11",
    (message) => valueOf(message, Opt.Size2) !== undefined,
  ),
  mutant("time between blocks", "7959-2.4-13", () => {
    const sent = new Set<number>();
    return {
      send: (bytes, message) => {
        if (!isLaterBlock(message) || sent.has(message.id)) return bytes;
        sent.add(message.id);
        return undefined;
      },
    };
  }),
  mutant("numbers of blocks not looked at", "7959-2.4-14", () => {
    let asked = 0;
    return {
      send: (bytes, message) => {
        asked = blockOf(message, Opt.Block2)?.number ?? asked;
        return bytes;
      },
      receive: (bytes, message) => {
        const { more = false, size = 0 } = message && blockOf(message, Opt.Block2) || {};
        if (size === 0) return bytes;
        const value = blockValue(asked, more && asked < 1, size);
        return rebuild(message!, { options: withOption(message!, [Opt.Block2, value]) });
      },
    };
  }),
  sends("block size kept although smaller ones are wanted", "7959-2.5-1", (message) => {
    const block = blockOf(message, Opt.Block1);
    return block === undefined || block.number === 0
      ? undefined
      : { options: withOption(message, [Opt.Block1, blockValue(1, block.more, 1024)]) };
  }),
  sends(
    "blocks a byte short",
    "7959-2.5-5",
    (message) =>
      blockOf(message, Opt.Block1)?.more ? { payload: message.payload.slice(0, -1) } : undefined,
  ),
  receives(
    "end where a block is too large",
    "7959-2.5-10",
    (message) => message.code === "4.13" ? { options: without(message, Opt.Block1) } : undefined,
  ),
];

/** Observations. */
const OBSERVATIONS: readonly Mutant[] = [
  adds("Observe in requests for later blocks", "7959-2.6-2", [Opt.Observe, 0], isLaterBlock),
  mutant("no newer state while blocks are fetched", "7959-2.6-5", () => ({
    receive: (bytes, message, reply) => {
      if (message?.type !== "CON" || valueOf(message, Opt.Observe) === undefined) return bytes;
      return void reply(build({ type: "ACK", id: message.id }));
    },
  })),
  asksAgain(
    "registers again at once",
    "7641-3.3-3 OBS_04",
    (message) => message.type === "ACK" && isResponse(message),
    (request) => rebuild(request, { id: nextId(request) }),
  ),
  mutant("order of arrival taken for the order", "7641-3.4-1 7641-3.4-2", () => {
    let last = -1;
    return {
      receive: (bytes, message) => {
        const value = message && uintOption(message, Opt.Observe);
        if (value === undefined) return bytes;
        last = last < 0 ? value : last + 1 & 0xffffff;
        return rebuild(message!, { options: withOption(message!, [Opt.Observe, last]) });
      },
    };
  }),
  deafTo(
    "Confirmable notifications not heard",
    "7641-3.5-3",
    (message) => message.type === "CON" && valueOf(message, Opt.Observe) !== undefined,
  ),
  sends(
    "deregistration with another token",
    "7641-3.6-2",
    (message) =>
      uintOption(message, Opt.Observe) === 1
        ? { token: message.token.map((byte) => byte ^ 1) }
        : undefined,
  ),
  sendsWith("registration with Observe 1", "7641-3.6-2", () => {
    let isFirst = true;
    return (message) => {
      if (uintOption(message, Opt.Observe) !== 0 || !isFirst) return undefined;
      isFirst = false;
      return { options: withOption(message, [Opt.Observe, 1]) };
    };
  }),
];

/** The mutants that client cases are to catch. */
export const CLIENT_MUTANTS: readonly Mutant[] = [
  ...MESSAGES,
  ...REQUESTS,
  ...BLOCKS,
  ...OBSERVATIONS,
];

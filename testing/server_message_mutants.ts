/** Servers broken in what they do with messages: RFC 7252 sections 3 and 4. @module */

import { build, Opt, parse, uintBytes, uintOf, valueOf } from "../conformance/datagram.ts";
import {
  isResponse,
  type Mutant,
  mutant,
  pathIn,
  reads,
  rebuild,
  receives,
  refuses,
  sends,
  sendsWith,
} from "./mutants.ts";

/** A mutant that takes each copy of a message for a new one. */
function forgetful(type: "CON" | "NON", caughtBy: string): Mutant {
  return mutant(`no deduplication of ${type}`, caughtBy, () => {
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
  });
}

/** What a mutant takes to be cut off where the message says so. */
function lenient(name: string, caughtBy: string, reason: string): Mutant {
  return reads(
    name,
    caughtBy,
    (bytes) => parse(bytes) === reason ? bytes.slice(0, 4 + (bytes[0]! & 15)) : bytes,
  );
}

/** A mutant that hears nothing any more once it was sent something. */
function dies(name: string, caughtBy: string, by: (bytes: Uint8Array) => boolean): Mutant {
  return mutant(name, caughtBy, () => {
    let isDead = false;
    return {
      receive: (bytes) => {
        isDead ||= by(bytes);
        return isDead ? undefined : bytes;
      },
    };
  });
}

const isEmpty = (code: string): boolean => code === "0.00";

/** Tokens and IDs, versions and types. */
const HEADERS: readonly Mutant[] = [
  sends("wrong token", "7252-5.3.1-1 CORE_11", (message) => {
    if (!isResponse(message)) return undefined;
    return { token: message.token.map((byte) => byte ^ 1) };
  }),
  sends(
    "token taken for a number",
    "7252-5.3.1-4",
    (message) => isResponse(message) ? { token: uintBytes(uintOf(message.token)) } : undefined,
  ),
  sends(
    "token of at most 7 bytes",
    "7252-3-5 CORE_10",
    (message) => isResponse(message) ? { token: message.token.slice(0, 7) } : undefined,
  ),
  sends(
    "token of one byte for an empty one",
    "CORE_12",
    (message) =>
      isResponse(message) && message.token.length === 0 ? { token: Uint8Array.of(0) } : undefined,
  ),
  sends(
    "bytes of the ID changed over",
    "7252-3-4 CORE_01",
    ({ type, id }) => type === "ACK" ? { id: (id & 255) << 8 | id >> 8 } : undefined,
  ),
  sends(
    "wrong ID in Resets",
    "7252-4.2-7",
    ({ type, id }) => type === "RST" ? { id: id ^ 1 } : undefined,
  ),
  mutant("something behind the header of a Reset", "7252-4.2-5 7252-4.1-2 8974-2.2-2", () => ({
    send: (bytes, { type }) => type === "RST" ? Uint8Array.of(...bytes, 0xff, 1) : bytes,
  })),
  mutant("Non-confirmable messages of version 2", "7252-3-1", () => ({
    send: (bytes, { type }) =>
      type === "NON" ? Uint8Array.of(bytes[0]! & 0x3f | 0x80, ...bytes.slice(1)) : bytes,
  })),
  mutant("payload marker without payload", "7252-3-9", () => ({
    send: (bytes, message) =>
      isResponse(message) && message.payload.length === 0 ? Uint8Array.of(...bytes, 0xff) : bytes,
  })),
  sends("payload that ends at a zero", "7252-3-12", ({ payload }) => {
    const end = payload.indexOf(0);
    return end < 0 ? undefined : { payload: payload.slice(0, end) };
  }),
  mutant("answers from another port", "7252-4.1-4 7252-8-5", () => ({ elsewhere: true })),
  sendsWith("one message ID for all", "7252-4.3-4", () => {
    return ({ type }) => type === "NON" || type === "CON" ? { id: 0x4444 } : undefined;
  }),
  sends(
    "message IDs of one byte",
    "7252-4.4-1",
    ({ type, id }) => type === "NON" ? { id: id & 255 } : undefined,
  ),
  sendsWith("message IDs from 0", "7252-4.4-2", () => {
    let next = 0;
    return ({ type }) => type === "NON" ? { id: next++ } : undefined;
  }),
];

/** What is no message, and what is none of the server's business. */
const MALFORMED: readonly Mutant[] = [
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
    "7252-3-10 7252-3-11",
    (bytes, message) => message === undefined && bytes.at(-1) === 0xff ? bytes.slice(0, -1) : bytes,
  ),
  reads(
    "token of 9 bytes accepted",
    "7252-3-7",
    (bytes) => (bytes[0]! & 15) === 9 ? Uint8Array.of(bytes[0]! - 1, ...bytes.slice(1, 12)) : bytes,
  ),
  reads(
    "token length 15 taken for none",
    "8974-2.1-2",
    (bytes) => (bytes[0]! & 15) === 15 ? Uint8Array.of(bytes[0]! & 0xf0, ...bytes.slice(1)) : bytes,
  ),
  reads("token that is cut off accepted", "7252-3-8", (bytes) => {
    const missing = 4 + (bytes[0]! & 15) - bytes.length;
    return bytes.length >= 4 && (bytes[0]! & 15) <= 8 && missing > 0
      ? Uint8Array.of(...bytes, ...new Uint8Array(missing))
      : bytes;
  }),
  lenient("option that is cut off accepted", "7252-3.1-5", "option cut off"),
  lenient(
    "option delta or length 15 taken for the end",
    "7252-3.1-3 7252-3.1-4",
    "option delta or length 15",
  ),
  reads("option numbers modulo 65536", "7252-3.1-6", (bytes, message) => {
    if (message?.options.some(({ number }) => number > 65_535) !== true) return bytes;
    return rebuild(message, {
      options: message.options.map(({ number, value }) => [number & 0xffff, value]),
    });
  }),
  refuses(
    "integers with leading zeros refused",
    "7252-3.2-2",
    (message) => valueOf(message, Opt.ContentFormat)?.[0] === 0,
  ),
  receives("paths normalised", "7252-3.2-3", (message) => ({
    options: message.options.map(({ number, value }) => [
      number,
      number === Opt.UriPath ? new TextDecoder().decode(value).normalize() : value,
    ]),
  })),
  reads("Empty message with a token accepted as a request", "7252-4.1-1", (bytes, message) => {
    if (message !== undefined || bytes[1] !== 0) return bytes;
    return Uint8Array.of(0x40, 1, bytes[2]!, bytes[3]!);
  }),
  reads("reserved code class taken for a method", "7252-4.2-3 7252-4.3-3", (bytes) => {
    const isReserved = bytes.length >= 4 && (bytes[1]! >> 5 === 1 || bytes[1]! >> 5 === 6);
    return isReserved ? Uint8Array.of(bytes[0]!, 1, ...bytes.slice(2)) : bytes;
  }),
  reads("code of class 3 acknowledged", "7252-4.2-4", (bytes, message, reply) => {
    if (message?.type !== "CON" || message.code[0] !== "3") return bytes;
    reply(build({ type: "ACK", id: message.id }));
    return undefined;
  }),
  reads("Reset to what is rejected in silence", "7252-4.2-8", (bytes, message, reply) => {
    const isEmptyOne = message === undefined || isEmpty(message.code);
    if (!isEmptyOne && (message.type === "ACK" || message.type === "RST")) {
      reply(build({ type: "RST", id: message.id }));
    }
    return bytes;
  }),
  reads("Reset to Acknowledgements nobody waits for", "7252-4.2-9", (bytes, message, reply) => {
    if (message?.type === "ACK") reply(build({ type: "RST", id: message.id }));
    return bytes;
  }),
  dies("nothing heard after a large datagram", "7252-4.6-2", ({ length }) => length > 2000),
];

/** Confirmable and Non-confirmable, once and twice. */
const EXCHANGES: readonly Mutant[] = [
  sends(
    "pings acknowledged",
    "7252-4.2-2",
    ({ type }) => type === "RST" ? { type: "ACK" } : undefined,
  ),
  mutant("pings ignored", "CORE_31", () => ({
    send: (bytes, { type }) => type === "RST" ? undefined : bytes,
  })),
  sends(
    "Confirmable requests answered Non-confirmable",
    "7252-4.2-1",
    (message) => message.type === "ACK" && isResponse(message) ? { type: "NON" } : undefined,
  ),
  sends(
    "method in an Acknowledgement",
    "7252-4.2-6",
    ({ type, code }) => type === "ACK" && isEmpty(code) ? { code: "0.01" } : undefined,
  ),
  forgetful("CON", "7252-4.2-17 7252-4.5-1 7252-5.2-5 8132-3-2 CORE_16"),
  forgetful("NON", "7252-4.5-3"),
  mutant("copies of requests ignored", "7252-4.5-2 CORE_15", () => {
    const seen = new Set<number>();
    return {
      receive: (bytes, message) => {
        if (message?.type !== "CON" || isEmpty(message.code)) return bytes;
        if (seen.has(message.id)) return undefined;
        seen.add(message.id);
        return bytes;
      },
    };
  }),
  mutant("deduplication by message ID alone", "7252-4.1-3 7252-4.5-5", () => {
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
  }),
  mutant("message IDs remembered for ever", "7252-4.5-6", () => {
    const seen = new Set<number>();
    const answers = new Map<string, Uint8Array>();
    return {
      receive: (bytes, message, reply) => {
        if (message === undefined || isEmpty(message.code)) return bytes;
        const answer = answers.get(message.token.join());
        if (seen.has(message.id) && answer !== undefined) return void reply(answer);
        seen.add(message.id);
        return bytes;
      },
      send: (bytes, message) => {
        if (isResponse(message)) answers.set(message.token.join(), bytes.slice());
        return bytes;
      },
    };
  }),
  reads("Reset to every NON", "7252-5.2-9 7252-8-2 7252-8-3", (bytes, message, reply) => {
    if (message?.type === "NON") reply(build({ type: "RST", id: message.id }));
    return message?.type === "NON" ? undefined : bytes;
  }),
  sends(
    "Non-confirmable requests acknowledged",
    "7252-4.3-2 9175-2.2-7 CORE_05 CORE_17",
    ({ type }) => type === "NON" ? { type: "ACK" } : undefined,
  ),
  mutant(
    "message ID of the request in Non-confirmable responses",
    "CORE_06 CORE_07 CORE_08",
    () => {
      const ids = new Map<string, number>();
      return {
        receive: (bytes, message) => {
          if (message !== undefined) ids.set(message.token.join(), message.id);
          return bytes;
        },
        send: (bytes, message) =>
          message.type === "NON" ? rebuild(message, { id: ids.get(message.token.join())! }) : bytes,
      };
    },
  ),
  mutant("no Empty Acknowledgement", "7252-5.2-4 7967-2-4 CORE_09", () => ({
    send: (bytes, { type, code }) => type === "ACK" && isEmpty(code) ? undefined : bytes,
  })),
  mutant("Acknowledgements of anybody taken", "7252-4.4-3", () => ({
    sender: (flow, first, message) => message?.type === "ACK" ? first : flow,
  })),
  reads(
    "Acknowledgements with a code not recognized",
    "7252-5.2-7",
    (bytes, message) => message?.type === "ACK" && !isEmpty(message.code) ? undefined : bytes,
  ),
  mutant("two transmissions at once", "7252-4.2-18", () => ({
    send: (bytes, { type }) => type === "CON" ? [bytes, bytes] : bytes,
  })),
  mutant("the end where somebody does not acknowledge", "7252-4.2-20", () => {
    const sent = new Map<number, number>();
    let isDead = false;
    return {
      receive: (bytes) => isDead ? undefined : bytes,
      send: (bytes, { type, id }) => {
        if (type === "CON") sent.set(id, (sent.get(id) ?? 0) + 1);
        isDead ||= (sent.get(id) ?? 0) > 1;
        return bytes;
      },
    };
  }),
  sends(
    "1100 bytes in a block",
    "7252-4.6-1",
    (message) =>
      valueOf(message, Opt.Block2) === undefined ? undefined : { payload: new Uint8Array(1100) },
  ),
  mutant("a limit for all peers together", "7252-4.7-6", () => {
    let isOver = false;
    return {
      send: (bytes, message) => {
        isOver ||= message.code === "4.29";
        return isOver && message.code === "2.05" ? rebuild(message, { code: "4.29" }) : bytes;
      },
    };
  }),
  sends(
    "4.29 without Max-Age",
    "8516-3-1",
    (message) => message.code === "4.29" ? { options: [] } : undefined,
  ),
  reads("4.29 to each request", "8516-3-2", (_bytes, message, reply) => {
    const { id = 0, token } = message ?? {};
    reply(build({ type: "NON", code: "4.29", id, token }));
    return undefined;
  }),
  reads(
    "requests for hosts that are no names ignored",
    "7252-6.5-2",
    (bytes, message) =>
      message !== undefined && valueOf(message, Opt.UriHost)?.includes(32) ? undefined : bytes,
  ),
  reads("answers to a group at once", "7252-8-4", (bytes, message, reply) => {
    if (message === undefined || pathIn(message) !== "/group") return bytes;
    reply(build({ type: "NON", code: "2.05", id: message.id, token: message.token }));
    return undefined;
  }),
  reads("all answered that goes to a group", "7252-11.3-2 6690-4-5", (bytes, message, reply) => {
    if (message?.type !== "NON") return bytes;
    reply(build({ type: "NON", code: "2.05", id: message.id, token: message.token }));
    return undefined;
  }),
];

/** All of them. */
export const MESSAGE_MUTANTS: readonly Mutant[] = [...HEADERS, ...MALFORMED, ...EXCHANGES];

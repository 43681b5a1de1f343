/** Servers broken in how they observe and cut bodies into blocks: RFC 7641 and RFC 7959. @module */

import {
  blockOf,
  blockValue,
  build,
  Opt,
  type OptionSpec,
  uintOption,
  valueOf,
} from "../conformance/datagram.ts";
import {
  adds,
  blindTo,
  changedBlock,
  isNotification,
  isResponse,
  type Mutant,
  mutant,
  reads,
  rebuild,
  receives,
  recodes,
  sends,
  sendsWith,
  withOption,
  without,
} from "./mutants.ts";

/** Bodies that the server sends. */
const DOWNLOADS: readonly Mutant[] = [
  blindTo(Opt.Block2, "Block2 ignored", "7959-2.1-2 BLOCK_01 BLOCK_06"),
  sends(
    "number of the next block",
    "7959-2.4-7 7959-2.3-6",
    (message) => changedBlock(message, Opt.Block2, (value) => value + 16),
  ),
  receives(
    "number of the block not looked at",
    "7959-2.2-1",
    (message) => changedBlock(message, Opt.Block2, (value) => value & 15),
  ),
  sends(
    "every block the last",
    "OBS_14",
    (message) => changedBlock(message, Opt.Block2, (value) => value & ~8),
  ),
  sends(
    "blocks a byte short",
    "7959-2.4-5 7959-2.2-2",
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
    "7959-2.4-3 7959-2.2-6 7959-2.6-4",
    (message) =>
      changedBlock(message, Opt.Block2, (value) => {
        const at = (value >> 4) * (16 << (value & 7));
        return Math.floor(at / 1024) * 16 + 6;
      }),
  ),
  receives(
    "numbers of blocks not scaled",
    "BLOCK_02",
    (message) =>
      changedBlock(message, Opt.Block2, (value) => value >> 4 === 16 ? 16 + (value & 15) : value),
  ),
  sends(
    "reserved SZX in responses",
    "7959-2.2-3",
    (message) => changedBlock(message, Opt.Block2, (value) => value | 7),
  ),
  receives("reserved SZX taken for 1024", "7959-2.2-4", (message) => {
    const reserved = (option: number): number | undefined =>
      ((valueOf(message, option)?.at(-1) ?? 0) & 7) === 7 ? option : undefined;
    const option = reserved(Opt.Block2) ?? reserved(Opt.Block1);
    return option === undefined
      ? undefined
      : changedBlock(message, option, (value) => value & ~15 | 6);
  }),
  sendsWith("a body that changes after a while", "7959-2.4-12", () => {
    let count = 0;
    return (message) =>
      blockOf(message, Opt.Block2) !== undefined && count++ >= 20 ? { payload: "?" } : undefined;
  }),
  sends(
    "wrong size told",
    "7959-4-4",
    (message) =>
      valueOf(message, Opt.Size2) === undefined
        ? undefined
        : { options: withOption(message, [Opt.Size2, 7]) },
  ),
  mutant("each large response in two datagrams", "7252-11.3-1", () => ({
    send: (bytes, message) =>
      valueOf(message, Opt.Block2) === undefined
        ? bytes
        : [bytes, rebuild(message, { type: "NON", id: message.id ^ 1 })],
  })),
];

/** Bodies that the server is sent. */
const UPLOADS: readonly Mutant[] = [
  blindTo(Opt.Block1, "Block1 ignored", "8132-2-7 BLOCK_03 BLOCK_04"),
  sends(
    "Continue without Block1",
    "7959-2.3-4",
    (message) => message.code === "2.31" ? { options: without(message, Opt.Block1) } : undefined,
  ),
  sends(
    "payload in Continue",
    "7959-2.9-1",
    ({ code }) => code === "2.31" ? { payload: "more" } : undefined,
  ),
  sends(
    "Block1 of the next block",
    "7959-2.5-12 7959-2.5-11",
    (message) => changedBlock(message, Opt.Block1, (value) => value + 16),
  ),
  sends(
    "last response without Block1",
    "7959-2.5-2 7959-2.7-1 7959-2.7-3 BLOCK_05",
    (message) => message.code === "2.04" ? { options: without(message, Opt.Block1) } : undefined,
  ),
  recodes("missing blocks not missed", "7959-2.5-3 7959-2.5-4", "4.08", "2.04"),
  recodes("blocks without their beginning taken", "7959-2.5-8", "4.08", "2.31"),
  recodes("anything taken, however large", "7959-7-2", "4.13", "2.31"),
  recodes("too large called bad", "7959-2.5-9 7252-5.9-3", "4.13", "4.00"),
  receives("format of later blocks ignored", "7959-2.3-5", (message) => {
    const isLater = (blockOf(message, Opt.Block1)?.number ?? 0) > 0;
    return isLater ? { options: withOption(message, [Opt.ContentFormat, 0]) } : undefined;
  }),
  receives("short blocks filled up", "7959-2.3-1", (message) => {
    const { more = false, size = 0 } = blockOf(message, Opt.Block1) ?? {};
    if (!more || message.payload.length >= size) return undefined;
    return { payload: Uint8Array.of(...message.payload, ...new Uint8Array(size)).slice(0, size) };
  }),
  receives("what is longer than its block cut off", "7959-2.3-2", (message) => {
    const { more = true, size = 0 } = blockOf(message, Opt.Block1) ?? {};
    return more ? undefined : { payload: message.payload.slice(0, size) };
  }),
  appendsAgain("repeated block appended twice", "7959-2.5-13", ({ id }) => id),
  appendsAgain("block appended that came before", "7959-2.5-14", ({ number }) => number),
  mutant("what was begun is gone on with", "7959-2.5-6", () => {
    let beginnings = 0;
    return {
      receive: (bytes, message) => {
        const block = message && blockOf(message, Opt.Block1);
        if (message === undefined || block === undefined) return bytes;
        if (block.number === 0) beginnings++;
        const number = block.number + (beginnings > 1 ? 2 : 0);
        return rebuild(message, {
          options: withOption(message, [Opt.Block1, blockValue(number, block.more, block.size)]),
        });
      },
    };
  }),
  mutant("bodies of all peers together", "7959-2.5-7", () => ({
    sender: (flow, first, message) =>
      message !== undefined && blockOf(message, Opt.Block1) !== undefined ? first : flow,
  })),
  sendsWith("no more than 50 bodies begun", "7959-7-1", () => {
    let count = 0;
    return ({ code }) => code === "2.31" && ++count > 50 ? { code: "5.00" } : undefined;
  }),
];

/** A mutant that takes a block for the next one where it has seen it before. */
function appendsAgain(
  name: string,
  caughtBy: string,
  keyOf: (block: { id: number; number: number }) => number,
): Mutant {
  return mutant(name, caughtBy, () => {
    let seen = new Set<number>();
    let shift = 0;
    return {
      receive: (bytes, message) => {
        const block = message && blockOf(message, Opt.Block1);
        if (message === undefined || block === undefined) return bytes;
        if (block.number === 0) [seen, shift] = [new Set(), 0];
        const key = keyOf({ id: message.id, number: block.number });
        if (seen.has(key)) shift++;
        seen.add(key);
        const value = blockValue(block.number + shift, block.more, block.size);
        const id = message.id + shift & 0xffff;
        return rebuild(message, { id, options: withOption(message, [Opt.Block1, value]) });
      },
      send: (bytes, message) => {
        // It looks as if all were well.
        const changes = shift === 0
          ? undefined
          : changedBlock(message, Opt.Block1, (value) => value - 16 * shift);
        return changes === undefined
          ? bytes
          : rebuild(message, { id: message.id - shift & 0xffff, ...changes });
      },
    };
  });
}

/** Observations. */
const OBSERVATIONS: readonly Mutant[] = [
  mutant("notifications out of order", "7641-4.4-1 7641-4.4-2", () => {
    let count = 0;
    return {
      send: (bytes, message) =>
        isNotification(message)
          ? rebuild(message, { options: withOption(message, [Opt.Observe, 1000 - count++]) })
          : bytes,
    };
  }),
  sends(
    "Observe always the same",
    "OBS_01 OBS_02",
    (message) =>
      valueOf(message, Opt.Observe) === undefined
        ? undefined
        : { options: withOption(message, [Opt.Observe, 5]) },
  ),
  sends(
    "Observe of four bytes",
    "7641-2-1",
    (message) =>
      valueOf(message, Opt.Observe) === undefined
        ? undefined
        : { options: withOption(message, [Opt.Observe, Uint8Array.of(0, 0, 0, 5)]) },
  ),
  sends(
    "notifications with another token",
    "7641-4.2-1",
    (message) =>
      message.type === "CON" && isResponse(message)
        ? { token: message.token.map((byte) => byte ^ 1) }
        : undefined,
  ),
  sends(
    "notifications of the old state",
    "7641-4.1-1 7641-4.5-1 8132-2-7 OBS_09",
    (message) => isNotification(message) ? { payload: "state 0" } : undefined,
  ),
  sends(
    "2.03 for a state that nobody has",
    "7641-4.3-3",
    (message) => isNotification(message) ? { code: "2.03", payload: "" } : undefined,
  ),
  sends(
    "Max-Age of a second in notifications",
    "7641-4.3-1",
    (message) =>
      isNotification(message) ? { options: withOption(message, [Opt.MaxAge, 1]) } : undefined,
  ),
  adds(
    "Observe in an error",
    "7641-4.2-2 7641-4.2-3 OBS_07",
    [Opt.Observe, 5],
    ({ code }) => code === "4.04",
  ),
  adds(
    "Observe where nothing is observed",
    "7641-2-2 7641-2-3 7641-4.1-5 OBS_10",
    [Opt.Observe, 5],
    (message) => message.code === "2.05" && valueOf(message, Opt.Observe) === undefined,
  ),
  adds("Observe in the answer to PUT", "7641-2-4", [Opt.Observe, 5], ({ code }) => code === "2.04"),
  adds(
    "Observe in later blocks",
    "OBS_13",
    [Opt.Observe, 5],
    (message) => (blockOf(message, Opt.Block2)?.number ?? 0) > 0,
  ),
  sends(
    "large notifications without Block2",
    "7959-2.6-1",
    (message) => isNotification(message) ? { options: without(message, Opt.Block2) } : undefined,
  ),
  receives(
    "deregistration ignored",
    "7641-4.1-4 OBS_12",
    (message) =>
      (valueOf(message, Opt.Observe)?.length ?? 0) > 0
        ? { options: without(message, Opt.Observe) }
        : undefined,
  ),
  reads(
    "Reset to a notification ignored",
    "7252-4.4-4 7641-4.5-2 7641-4.5-5 OBS_06",
    (bytes, message) => message?.type === "RST" ? undefined : bytes,
  ),
  reads(
    "Acknowledgements taken for Resets",
    "7641-4.5-9",
    (bytes, message) => message?.type === "ACK" ? build({ type: "RST", id: message.id }) : bytes,
  ),
  mutant("a second registration beside the first", "7641-4.1-2", () => ({
    send: (bytes, message) =>
      isNotification(message) ? [bytes, rebuild(message, { id: message.id ^ 0x8000 })] : bytes,
  })),
  mutant("one observation for each peer", "7641-4.1-3", () => {
    let observer: string | undefined;
    return {
      receive: (bytes, message) => {
        const isRegistration = message?.code === "0.01" &&
          uintOption(message, Opt.Observe) === 0;
        if (isRegistration) observer = message.token.join();
        return bytes;
      },
      send: (bytes, message) =>
        isNotification(message) && message.token.join() !== observer ? undefined : bytes,
    };
  }),
  mutant("second notification before the first is acknowledged", "7641-4.5-6 OBS_11", () => ({
    send: (bytes, message) =>
      message.type === "CON" && isNotification(message)
        ? [bytes, rebuild(message, { id: message.id ^ 0x8000 })]
        : bytes,
  })),
  mutant("the old state under a new ID", "7641-4.5-8", () => {
    let old: Uint8Array | undefined;
    return {
      send: (bytes, message) => {
        if (message.type !== "CON" || !isNotification(message)) return bytes;
        const isFirst = old === undefined;
        old ??= message.payload.slice();
        return rebuild(message, { id: isFirst ? message.id : message.id ^ 0x8000, payload: old });
      },
    };
  }),
  mutant("four transmissions and no more", "7641-4.5-3 OBS_05", () => {
    let count = 0;
    return { send: (bytes, { type }) => type === "CON" && ++count > 4 ? undefined : bytes };
  }),
  sends(
    "no Confirmable notification among others",
    "7641-4.5-4",
    (message) => message.type === "CON" && isNotification(message) ? { type: "NON" } : undefined,
  ),
  mutant("each notification three times", "7641-4.5-7", () => ({
    send: (bytes, message) => {
      if (message.type !== "NON" || !isNotification(message)) return bytes;
      const again = [0x4000, 0x8000].map((bit) => rebuild(message, { id: message.id ^ bit }));
      return [bytes, ...again];
    },
  })),
  sends("another format in a notification", "7641-4.2-4", (message) => {
    const options: OptionSpec[] = withOption(message, [Opt.ContentFormat, 50]);
    return isNotification(message) ? { options } : undefined;
  }),
  recodes("changed format not acceptable, but content", "OBS_08", "4.06", "2.05"),
];

/** All of them. */
export const TRANSFER_MUTANTS: readonly Mutant[] = [...DOWNLOADS, ...UPLOADS, ...OBSERVATIONS];

/** Servers broken on purpose, over connections. @module */

import { blockOf, blockValue, Opt, textOf, toHex, valueOf } from "../conformance/datagram.ts";
import { buildFrame, Cutter, type Frame, Signal, SignalOpt } from "../conformance/frame.ts";
import { isResponse, mends, otherToken, SHARED } from "./shared_stream_mutants.ts";
import {
  breaks,
  changed,
  hears,
  type Link,
  optionsBut,
  says,
  type StreamHooks,
  type StreamMutant,
} from "./stream_mutants.ts";

/** The CSM comes after what was to come second. */
function lateCSM(): StreamHooks {
  const held = new Map<number, Uint8Array | undefined>();
  return {
    send: ({ code }, bytes, { index }) => {
      const csm = held.get(index);
      held.set(index, code === Signal.CSM ? bytes : undefined);
      if (code === Signal.CSM) return undefined;
      return csm === undefined ? bytes : [bytes, csm];
    },
  };
}

/** Of requests on a connection only the last is answered. */
function forgetful(): StreamHooks {
  const last = new Map<number, string>();
  return {
    receive: (frame, bytes, { index }) => {
      if (typeof frame === "object" && frame.code < "1") last.set(index, toHex(frame.token));
      return bytes;
    },
    send: (frame, bytes, { index }) =>
      isResponse(frame) && last.get(index) !== toHex(frame.token) ? undefined : bytes,
  };
}

/** Whoever connects is sent what is for others that are gone. */
function haunted(): StreamHooks {
  return {
    holds: true,
    send: (frame, bytes, link) => {
      if (valueOf(frame, Opt.Observe) === undefined) return bytes;
      for (const other of link.all) if (other !== link) other.transmit(bytes);
      return bytes;
    },
  };
}

/** A token stands for the request of whichever connection. */
function confused(): StreamHooks {
  const askers = new Map<string, Link>();
  return {
    receive: (frame, bytes, link) => {
      if (typeof frame === "object" && frame.code < "1") askers.set(toHex(frame.token), link);
      return bytes;
    },
    send: (frame, bytes, link) => {
      const asker = isResponse(frame) ? askers.get(toHex(frame.token)) : undefined;
      if (asker === undefined || asker === link) return bytes;
      asker.transmit(bytes);
      return undefined;
    },
  };
}

/** What is sent for a response with a BERT block that is not the last. */
function spoilsBert(name: string, spoil: (frame: Frame) => Uint8Array): StreamMutant {
  return says(name, "8323-6-1", (frame, bytes) => {
    const block = blockOf(frame, Opt.Block2);
    return block?.size === 2048 && block.more ? spoil(frame) : bytes;
  });
}

function isNotification(frame: Frame): boolean {
  return isResponse(frame) && valueOf(frame, Opt.Observe) !== undefined;
}

/** The mutants. */
export const SERVER_STREAM_MUTANTS: readonly StreamMutant[] = [
  ...SHARED,
  breaks("the CSM comes second", "8323-3.3-1", lateCSM),
  says("messages have an ID", "8323-3.2-2", (frame, bytes) => {
    return frame.code === Signal.CSM
      ? bytes
      : changed(frame, { token: Uint8Array.from([0, 1, ...frame.token]) });
  }),
  breaks("of a portion the first message alone is read", "8323-3.2-3", () => ({
    data: (bytes) => new Cutter("length").cut(bytes)[0] ?? bytes,
  })),
  breaks("a token is that of the last connection that used it", "8323-3.3-4", confused),
  says(
    "responses have another token",
    "8323-3.3-4",
    (frame, bytes) => isResponse(frame) ? changed(frame, { token: otherToken(frame) }) : bytes,
  ),
  breaks("a request makes it forget the one before", "8323-3.3-6", forgetful),
  breaks("observers outlive their connection", "8323-3.4-2 8323-7-3", haunted),
  hears("an option is the same in all signaling messages", "8323-5-3", (frame, bytes, link) => {
    const isCustody = frame.code === Signal.Ping && valueOf(frame, SignalOpt.Custody) !== undefined;
    if (isCustody) link.deliver(buildFrame({ code: Signal.CSM, options: [[2, 8192]] }));
    return bytes;
  }),
  hears(
    "no Pong waits for responses",
    "8323-5-6",
    (frame, bytes) => frame.code === Signal.Ping ? changed(frame, { options: [] }) : bytes,
  ),
  says(
    "a Pong has no Custody",
    "8323-5-6",
    (frame, bytes) => frame.code === Signal.Pong ? changed(frame, { options: [] }) : bytes,
  ),
  mends(
    "what is no message is answered as one",
    "8323-5-9",
    () =>
      buildFrame({ code: "0.01", token: Uint8Array.of(0x71), options: [[Opt.UriPath, "test"]] }),
  ),
  spoilsBert(
    "a BERT block is no multiple of 1024 bytes",
    (frame) => changed(frame, { payload: frame.payload.subarray(1) }),
  ),
  spoilsBert("a BERT block lacks its middle", (frame) => {
    const bytes = [...frame.payload.subarray(0, 1024), ...frame.payload.subarray(2048)];
    return changed(frame, { payload: Uint8Array.from(bytes) });
  }),
  says("BERT blocks go to everybody", "8323-6-1", (frame, bytes) => {
    const block = blockOf(frame, Opt.Block2);
    if (block === undefined) return bytes;
    const options = optionsBut(frame, (number) => number === Opt.Block2);
    const value = blockValue(block.number, block.more, 2048);
    return changed(frame, { options: [...options, [Opt.Block2, value]] });
  }),
  says(
    "notifications have no Observe",
    "8323-7-1",
    (frame, bytes) =>
      isNotification(frame) && textOf(frame.payload) === "two"
        ? changed(frame, { options: optionsBut(frame, (number) => number === Opt.Observe) })
        : bytes,
  ),
  says(
    "Observe has four bytes",
    "8323-7-1",
    (frame, bytes) =>
      isNotification(frame)
        ? changed(frame, {
          options: [
            ...optionsBut(frame, (number) => number === Opt.Observe),
            [Opt.Observe, Uint8Array.of(0, 0, 0, 1)],
          ],
        })
        : bytes,
  ),
  breaks("of three states the second is not told", "8323-7-1", () => ({
    send: (frame, bytes) =>
      isNotification(frame) && textOf(frame.payload) === "two" ? undefined : bytes,
  })),
];

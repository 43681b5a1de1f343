/** What servers and clients can do wrong alike on connections: RFC 8323. @module */

import { blockOf, blockValue, Opt, type OptionSpec } from "../conformance/datagram.ts";
import { buildFrame, Cutter, type Frame, Signal, SignalOpt } from "../conformance/frame.ts";
import {
  breaks,
  changed,
  type Fate,
  hears,
  optionsBut,
  says,
  type StreamHooks,
  type StreamMutant,
} from "./stream_mutants.ts";

const LARGE: OptionSpec = [SignalOpt.MaxMessageSize, 8192];

/** A CSM that says nothing. */
const PLAIN_CSM: Uint8Array = buildFrame({ code: Signal.CSM });

function isSignal({ code }: Frame): boolean {
  return code.startsWith("7.");
}

export function isResponse({ code }: Frame): boolean {
  return code >= "2" && code < "6";
}

/** A token that differs. */
export function otherToken({ token }: Frame): Uint8Array {
  return token.length === 0 ? Uint8Array.of(1) : token.map((byte) => byte ^ 1);
}

/** A mutant that changes what is no message. */
export function mends(
  name: string,
  caughtBy: string,
  mend: (bytes: Uint8Array) => Fate,
): StreamMutant {
  return breaks(name, caughtBy, () => ({
    receive: (frame, bytes) => typeof frame === "string" ? mend(bytes) : bytes,
  }));
}

/** Only the first CSM of a connection goes as it is. */
function laterCSM(change: (frame: Frame) => Uint8Array): StreamHooks {
  const greeted = new Set<number>();
  return {
    receive: (frame, bytes, { index }) => {
      if (typeof frame === "string" || frame.code !== Signal.CSM) return bytes;
      if (greeted.has(index)) return change(frame);
      greeted.add(index);
      return bytes;
    },
  };
}

/** The number of a Block option with SZX 7, changed. */
export function shifted(frame: Frame, option: number, by: number): Uint8Array | undefined {
  const block = blockOf(frame, option);
  if (block?.size !== 2048 || block.number === 0) return undefined;
  const value = blockValue(block.number + by, block.more, block.size);
  return changed(frame, {
    options: [...optionsBut(frame, (number) => number === option), [option, value]],
  });
}

/** What both can do wrong. The cases that notice have the same ids. */
export const SHARED: readonly StreamMutant[] = [
  says(
    "no CSM is sent",
    "8323-3.3-1",
    ({ code }, bytes) => code === Signal.CSM ? undefined : bytes,
  ),
  breaks("the peer's CSM is not asked for", "8323-3.3-1 8323-3.3-3", () => ({
    opened: (link) => link.deliver(PLAIN_CSM),
    receive: (frame, bytes) => typeof frame === "string" ? undefined : bytes,
  })),
  hears(
    "messages of 65,805 bytes are lost",
    "8323-3.2-1",
    (_, bytes) => bytes[0]! >> 4 === 15 ? undefined : bytes,
  ),
  breaks("what does not come in one piece is lost", "8323-3.2-3", () => ({
    data: (bytes) => {
      const cutter = new Cutter("length");
      cutter.cut(bytes);
      return cutter.rest().length === 0 ? bytes : undefined;
    },
  })),
  breaks("Empty messages are answered", "8323-3.4-1", () => ({
    receive: (frame, bytes, link) => {
      if (typeof frame === "object" && frame.code === "0.00") link.transmit(bytes);
      return bytes;
    },
  })),
  hears(
    "Empty messages end the connection",
    "8323-3.4-1",
    ({ code }, bytes) => code === "0.00" ? buildFrame({ code: Signal.Abort }) : bytes,
  ),
  hears(
    "critical options of signaling are passed over",
    "8323-5-1",
    (frame, bytes) =>
      isSignal(frame) ? changed(frame, { options: optionsBut(frame, (n) => n % 2 === 1) }) : bytes,
  ),
  hears(
    "elective options of signaling end the connection",
    "8323-5-2",
    (frame, bytes) =>
      isSignal(frame) && frame.options.some(({ number }) => number === 1000)
        ? changed(frame, { options: [[9, "?"]] })
        : bytes,
  ),
  breaks(
    "a CSM takes back what others said",
    "8323-5-3",
    () => laterCSM((frame) => changed(frame, { options: [LARGE] })),
  ),
  hears(
    "Max-Message-Size is passed over",
    "8323-5-4",
    (frame, bytes) => frame.code === Signal.CSM ? changed(frame, { options: [LARGE] }) : bytes,
  ),
  says(
    "a Pong has another token",
    "8323-5-5",
    (frame, bytes) =>
      frame.code === Signal.Pong ? changed(frame, { token: otherToken(frame) }) : bytes,
  ),
  says(
    "a Pong has no token",
    "8323-5-5",
    (frame, bytes) =>
      frame.code === Signal.Pong ? changed(frame, { token: new Uint8Array(0) }) : bytes,
  ),
  hears(
    "a Release is passed over",
    "8323-5-7",
    ({ code }, bytes) => code === Signal.Release ? undefined : bytes,
  ),
  hears(
    "a Release ends the connection at once",
    "8323-5-7",
    ({ code }, bytes) => code === Signal.Release ? buildFrame({ code: Signal.Abort }) : bytes,
  ),
  hears(
    "an Abort is passed over",
    "8323-5-8",
    ({ code }, bytes) => code === Signal.Abort ? undefined : bytes,
  ),
  mends("what is no message is passed over", "8323-5-9", () => undefined),
  says(
    "BERT blocks are counted by their size",
    "8323-6-1",
    (frame, bytes) => shifted(frame, Opt.Block2, 1) ?? shifted(frame, Opt.Block1, 1) ?? bytes,
  ),
];

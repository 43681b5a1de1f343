/** Clients broken on purpose, over connections. @module */

import { Opt, uintOption, valueOf } from "../conformance/datagram.ts";
import { buildFrame, type Frame } from "../conformance/frame.ts";
import { isResponse, SHARED } from "./shared_stream_mutants.ts";
import {
  breaks,
  changed,
  hears,
  says,
  type StreamHooks,
  type StreamMutant,
} from "./stream_mutants.ts";

/** Says nothing before it has heard something. */
function shy(): StreamHooks {
  const held: Uint8Array[] = [];
  let heard = false;
  return {
    receive: (_, bytes, link) => {
      heard = true;
      for (const one of held.splice(0)) link.transmit(one);
      return bytes;
    },
    send: (_, bytes) => {
      if (heard) return bytes;
      held.push(bytes);
      return undefined;
    },
  };
}

/** Takes any response for that to its request. */
function credulous(): StreamHooks {
  let token: Uint8Array = new Uint8Array(0);
  return {
    send: (frame, bytes) => {
      if (frame.code < "1" && frame.code > "0.00") token = frame.token;
      return bytes;
    },
    receive: (frame, bytes) =>
      typeof frame === "object" && isResponse(frame) ? changed(frame, { token }) : bytes,
  };
}

/** Passes over states with a smaller Observe value than before. */
function counting(): StreamHooks {
  let last = 0;
  return {
    receive: (frame, bytes) => {
      const value = typeof frame === "object" ? uintOption(frame, Opt.Observe) : undefined;
      if (value === undefined) return bytes;
      if (value < last) return undefined;
      last = value;
      return bytes;
    },
  };
}

function isRequest({ code }: Frame): boolean {
  return code > "0.00" && code < "1";
}

/** The mutants. */
export const CLIENT_STREAM_MUTANTS: readonly StreamMutant[] = [
  ...SHARED,
  breaks("it waits for the server's CSM", "8323-3.3-2", shy),
  breaks("any response is taken", "8323-3.3-4", credulous),
  hears(
    "requests are not answered",
    "8323-3.3-5",
    (frame, bytes) => isRequest(frame) ? undefined : bytes,
  ),
  says(
    "requests are answered with nothing in particular",
    "8323-3.3-5",
    (frame, bytes) => isResponse(frame) ? changed(frame, { code: "2.05" }) : bytes,
  ),
  breaks("states with a smaller number are old", "8323-7-1", counting),
  says(
    "it forgets what it observes without a word",
    "8323-7-2",
    (frame, bytes) => uintOption(frame, Opt.Observe) === 1 ? undefined : bytes,
  ),
  says(
    "it deregisters with another token",
    "8323-7-2",
    (frame, bytes) =>
      uintOption(frame, Opt.Observe) === 1 && valueOf(frame, Opt.Observe)!.length === 1
        ? changed(frame, { token: Uint8Array.of(9, 9, 9) })
        : bytes,
  ),
  breaks("stray notifications are asked about", "8323-7-4", () => ({
    receive: (frame, bytes, link) => {
      if (typeof frame === "object" && new TextDecoder().decode(frame.payload) === "stray") {
        link.transmit(buildFrame({ code: "0.01", token: frame.token }));
      }
      return bytes;
    },
  })),
];

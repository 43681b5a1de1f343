/** Captures written down as scripts, and what the explainer finds in them. @module */

import {
  type CapturedDatagram,
  explain,
  type Replay,
  type ReplayOptions,
} from "../conformance/replay.ts";
import type { Endpoint } from "../conformance/pcap_packet.ts";
import { parseLine, toBytes } from "./message_text.ts";
import { fromHex } from "./vectors.ts";

const CLIENT: Endpoint = { address: "192.0.2.1", port: 40000 };
const SERVER: Endpoint = { address: "192.0.2.2", port: 5683 };
const OTHER: Endpoint = { address: "192.0.2.3", port: 5683 };
const GROUP: Endpoint = { address: "224.0.1.187", port: 5683 };

const ROUTES: Record<string, [source: Endpoint, destination: Endpoint]> = {
  ">": [CLIENT, SERVER],
  "<": [SERVER, CLIENT],
  ">>": [CLIENT, GROUP],
  "<<": [OTHER, CLIENT],
};

function datagram(time: number, route: string, bytes: Uint8Array): CapturedDatagram {
  const [source, destination] = ROUTES[route]!;
  return { number: 0, time, source, destination, bytes, cut: false };
}

/**
 * Explains a script. Each line has milliseconds, a route (`>` to the server, `<` back, `>>` to a group, `<<` from another
 * server) and a message as `message_text.ts` writes them, or in hexadecimal behind `#`.
 */
export function tell(script: string, options?: ReplayOptions): Replay {
  const datagrams = script.trim().split("\n").map((line) => {
    const [, time, route, text] = /^\s*(\d+) (\S+) (.*)$/.exec(line)!;
    const bytes = text!.startsWith("#")
      ? fromHex(text!.slice(1))
      : toBytes(parseLine(text!), new Map());
    return datagram(Number(time), route!, bytes);
  });
  return explain(datagrams, options);
}

/** What was found: the position, `✗` for a violation or `!` for a remark, the row. */
export function found({ messages }: Replay): string[] {
  return messages.flatMap(({ number, findings }) =>
    findings.map(({ severity, row }) => `${number}${severity === "violation" ? "✗" : "!"} ${row}`)
  );
}

/**
 * Plays the message layer of RFC 7252 to cases that know datagrams alone, over connections that have none: what a case
 * says goes as a message without type and ID, and what comes gets those that a server over UDP may have given it.
 *
 * @module
 */

import type { Flow } from "../lib/flow.ts";
import type { Bind } from "../lib/transport/transport.ts";
import type { Conversation } from "./conversation.ts";
import {
  build,
  type Datagram,
  type DatagramSpec,
  type OptionSpec,
  parse,
  toHex,
} from "./datagram.ts";
import { type Frame, SignalOpt } from "./frame.ts";

/** As over UDP: blocks, and messages of 1152 bytes. */
const AS_DATAGRAMS: readonly OptionSpec[] = [[SignalOpt.BlockWiseTransfer, ""]];

/** Opens connections. */
interface Connector {
  connect(options: readonly OptionSpec[]): Promise<Conversation>;
}

/** A message without what connections do not have. */
export function specOf(
  { code, token, options, payload }: Omit<Datagram, "type" | "id" | "bytes">,
): Omit<DatagramSpec, "type" | "id"> {
  return { code, token, payload, options: options.map(({ number, value }) => [number, value]) };
}

/** Sockets that are connections of their own to the server. */
export function playMessages(connector: Connector): Bind {
  return async (_options, handler) => {
    const conversation = await connector.connect(AS_DATAGRAMS);
    const { connection } = conversation;
    /** Requests without a response by their token. */
    const open = new Map<string, Datagram>();
    let flow: Flow | undefined = undefined;
    let isOver = false;
    let id = 0;

    const play = (frame: Frame): Uint8Array | undefined => {
      if (frame.code >= "7" || frame.code === "0.00") return undefined;
      const token = toHex(frame.token);
      const asked = open.get(token);
      open.delete(token);
      if (asked?.type === "CON") return build({ ...specOf(frame), type: "ACK", id: asked.id });
      return build({ ...specOf(frame), type: asked?.type ?? "CON", id: id++ });
    };

    const listen = async (): Promise<void> => {
      while (!isOver) {
        const heard = await connection.next(1_000_000);
        if (heard === "closed") return;
        if (heard === undefined || flow === undefined) continue;
        const bytes = typeof heard.frame === "string" ? heard.bytes : play(heard.frame);
        if (bytes !== undefined) handler.receive(flow, bytes);
      }
    };
    void listen();

    return {
      address: { address: "", port: 0 },
      flow: (address, port) => ({ key: `${address} ${port}`, address, port, multicast: false }),
      send: (to, bytes) => {
        flow ??= to;
        const message = parse(bytes);
        if (typeof message === "string") throw new TypeError(`Not for connections: ${message}`);
        const { type, code, token } = message;
        if (type === "ACK" || type === "RST" || code === "0.00") return; // TCP has acknowledged it
        open.set(toHex(token), message);
        conversation.say(specOf(message));
      },
      flush: () => {},
      ref: () => {},
      unref: () => {},
      close: () => {
        isOver = true;
        connection.end();
        return Promise.resolve();
      },
    };
  };
}

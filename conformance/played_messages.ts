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
function specOf(
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

/** Where the suite listens for clients. */
interface Acceptor {
  /** The port. */
  readonly port: number;
  /** Hands on each connection that comes, on which nothing was said. */
  onConnection(take: (conversation: Conversation) => void): void;
}

/** A socket of a server that is all connections of its clients: what they ask is Confirmable, what they get arrives. */
export function playServer(acceptor: Acceptor): Bind {
  return (_options, handler) => {
    const conversations = new Map<string, Conversation>();
    let isOver = false;
    let id = 0;

    const listen = async (conversation: Conversation, from: Flow): Promise<void> => {
      const { connection } = conversation;
      while (!isOver) {
        const heard = await connection.next(1_000_000);
        if (heard === "closed") return;
        if (heard === undefined) continue;
        const { frame } = heard;
        if (typeof frame === "string") handler.receive(from, heard.bytes);
        else if (frame.code < "7" && frame.code !== "0.00") {
          handler.receive(from, build({ ...specOf(frame), type: "CON", id: id++ }));
        }
      }
    };
    acceptor.onConnection((conversation) => {
      const { peer, number } = conversation.connection;
      const from = { key: `${peer} ${number}`, address: peer, port: number, multicast: false };
      conversations.set(from.key, conversation);
      conversation.greet(AS_DATAGRAMS);
      void listen(conversation, from);
    });

    return Promise.resolve({
      address: { address: "", port: acceptor.port },
      flow: (address: string, port: number) => ({
        key: `${address} ${port}`,
        address,
        port,
        multicast: false,
      }),
      send: (to: Flow, bytes: Uint8Array) => {
        const message = parse(bytes);
        if (typeof message === "string") throw new TypeError(`Not for connections: ${message}`);
        if (message.code === "0.00") return;
        conversations.get(to.key)?.say(specOf(message));
        if (message.type === "CON") handler.receive(to, build({ type: "ACK", id: message.id }));
      },
      flush: () => {},
      ref: () => {},
      unref: () => {},
      close: () => {
        isOver = true;
        return Promise.resolve();
      },
    });
  };
}

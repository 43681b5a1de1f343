/** A WebSocket client that writes whatever frames a test wants (RFC 6455 section 5.2). @module */

import { connect, type Socket } from "node:net";
import { decodeFrame } from "../lib/wire/frame.ts";

/** Kinds of frames (RFC 6455 section 11.8). */
export const Opcode = { Continuation: 0, Text: 1, Binary: 2, Close: 8, Ping: 9, Pong: 10 } as const;

/** How a frame differs from a whole binary message. */
export interface FrameOptions {
  opcode?: number;
  /** Whether the message ends with it. */
  final?: boolean;
  /** The reserved bits. */
  reserved?: number;
  /** Whether it is masked, as those of clients have to be. */
  masked?: boolean;
  /** The length that it announces. */
  length?: number;
}

/** The bytes of a frame; the mask is 0, which leaves the payload as it is. */
export function webSocketFrame(
  payload: Uint8Array,
  { opcode = Opcode.Binary, final = true, reserved = 0, masked = true, length }: FrameOptions = {},
): Uint8Array {
  const size = length ?? payload.length;
  const head = [(final ? 0x80 : 0) | reserved << 4 | opcode, masked ? 0x80 : 0];
  if (size < 126) head[1]! |= size;
  else if (size < 0x10000) {
    head[1]! |= 126;
    head.push(size >> 8, size & 0xff);
  } else {
    head[1]! |= 127;
    for (let i = 7; i >= 0; i--) head.push(Math.floor(size / 2 ** (8 * i)) % 256);
  }
  if (masked) head.push(0, 0, 0, 0);
  const bytes = new Uint8Array(head.length + payload.length);
  bytes.set(head);
  bytes.set(payload, head.length);
  return bytes;
}

/** A frame of the server. */
export interface ReceivedFrame {
  readonly opcode: number;
  readonly payload: Uint8Array;
}

/** What a frame of the server says in CoAP: code and text. */
export function inCoAP({ payload }: ReceivedFrame): [code: number, text: string] {
  const message = decodeFrame(payload, { length: false });
  return [message.code, new TextDecoder().decode(message.payload)];
}

/** One end of a connection, after the handshake. */
export class RawWebSocket {
  readonly socket: Socket;
  /** Resolves when the server has closed the connection. */
  readonly ended: Promise<void>;
  readonly #frames: ReceivedFrame[] = [];
  #bytes = new Uint8Array(0);
  #isOver = false;
  #wake: () => void = () => {};

  private constructor(socket: Socket, rest: Uint8Array) {
    this.socket = socket;
    this.ended = new Promise((resolve) =>
      socket.once("close", () => {
        this.#isOver = true;
        this.#wake();
        resolve();
      })
    );
    this.#take(rest);
    socket.on("data", (chunk: Uint8Array) => this.#take(chunk));
    socket.on("end", () => socket.end());
  }

  /** Opens one for CoAP. */
  static open(port: number): Promise<RawWebSocket> {
    const socket = connect(port, "127.0.0.1");
    socket.write([
      "GET /.well-known/coap HTTP/1.1",
      `Host: 127.0.0.1:${port}`,
      "Upgrade: websocket",
      "Connection: Upgrade",
      "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
      "Sec-WebSocket-Version: 13",
      "Sec-WebSocket-Protocol: coap",
      "\r\n",
    ].join("\r\n"));
    return new Promise((resolve, reject) => {
      let head = new Uint8Array(0);
      const take = (chunk: Uint8Array): void => {
        head = joined(head, chunk);
        const text = new TextDecoder("latin1").decode(head);
        const end = text.indexOf("\r\n\r\n");
        if (end < 0) return;
        socket.off("data", take);
        if (!text.startsWith("HTTP/1.1 101 ")) return reject(new Error(text));
        resolve(new RawWebSocket(socket, head.subarray(end + 4)));
      };
      socket.on("data", take);
      socket.on("error", (error) => reject(error)); // later ones end it as well
    });
  }

  /** Writes a frame. */
  send(payload: Uint8Array, options?: FrameOptions): void {
    this.socket.write(webSocketFrame(payload, options));
  }

  /** The next frame of the server; undefined where the connection is closed. */
  async next(): Promise<ReceivedFrame | undefined> {
    while (this.#frames.length === 0 && !this.#isOver) {
      await new Promise<void>((resolve) => this.#wake = resolve);
    }
    return this.#frames.shift();
  }

  /** All that still comes, until the connection is closed. */
  async rest(): Promise<ReceivedFrame[]> {
    await this.ended;
    return this.#frames.splice(0);
  }

  #take(chunk: Uint8Array): void {
    let bytes = joined(this.#bytes, chunk);
    for (;;) {
      const short = bytes[1]! & 0x7f;
      const start = short < 126 ? 2 : short === 126 ? 4 : 10;
      if (bytes.length < start) break;
      const size = bytes.subarray(start === 2 ? 1 : 2, start)
        .reduce((sum, byte) => sum * 256 + (start === 2 ? byte & 0x7f : byte), 0);
      if (bytes.length < start + size) break;
      const payload = bytes.slice(start, start + size);
      const opcode = bytes[0]! & 0x0f;
      this.#frames.push({ opcode, payload });
      if (opcode === Opcode.Close) this.socket.end(webSocketFrame(payload, { opcode }));
      bytes = bytes.subarray(start + size);
    }
    this.#bytes = bytes.slice();
    this.#wake();
  }
}

function joined(a: Uint8Array, b: Uint8Array): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(a.length + b.length);
  bytes.set(a);
  bytes.set(b, a.length);
  return bytes;
}

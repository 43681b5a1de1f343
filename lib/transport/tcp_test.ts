import { Buffer } from "node:buffer";
import { describe, it } from "node:test";
import { assert, assertEquals, assertLess } from "@std/assert";
import fc from "fast-check";
import type { Flow } from "../flow.ts";
import { decodeFrame, encodeFrame } from "../wire/frame.ts";
import type {
  ByteNetwork,
  ByteReceiver,
  ByteSocket,
  Opened,
  StreamHandler,
  StreamOptions,
  StreamTransport,
} from "./stream.ts";
import { framed } from "./tcp.ts";

const ADDRESS = { address: "192.0.2.1", port: 5683 };
const OPTIONS: StreamOptions = { listen: {}, messageBytes: 10_000, receiveBytes: 20_000 };

/** A socket that only notes what is done to it. */
class NotedSocket implements ByteSocket {
  readonly local = ADDRESS;
  readonly remote = { address: "192.0.2.2", port: 4000 };
  readonly written: Uint8Array[] = [];
  readonly notes: string[] = [];
  /** What waits to be taken. */
  readonly pending: (() => void)[] = [];
  receiver!: ByteReceiver;

  write(chunks: readonly Uint8Array[], taken: () => void): void {
    this.written.push(...chunks.map((chunk) => chunk.slice()));
    this.pending.push(taken);
  }

  pause(): void {
    this.notes.push("pause");
  }

  resume(): void {
    this.notes.push("resume");
  }

  end(patience: number): void {
    this.notes.push(`end ${patience}`);
  }

  ref(): void {
    this.notes.push("ref");
  }

  unref(): void {
    this.notes.push("unref");
  }
}

/** A transport, its connections, and what it has told. */
class Bench implements StreamHandler {
  transport!: StreamTransport;
  readonly messages: Uint8Array[] = [];
  readonly told: string[] = [];
  readonly flows: Flow[] = [];
  /** Messages that are accepted before one is not. */
  accepts = Infinity;
  #opened!: Opened;
  #turns: (() => void)[] = [];

  static async start(options: Partial<StreamOptions> = {}): Promise<Bench> {
    const bench = new Bench();
    const network: ByteNetwork = {
      defer: (callback) => void bench.#turns.push(callback),
      listen: (_options, opened) => {
        bench.#opened = opened;
        return Promise.resolve({
          address: ADDRESS,
          ref: () => {},
          unref: () => {},
          close: () => Promise.resolve(),
        });
      },
      connect: () => Promise.reject(new Error("Not here")),
    };
    bench.transport = await framed(network)({ ...OPTIONS, ...options }, bench);
    return bench;
  }

  open(): NotedSocket {
    const socket = new NotedSocket();
    socket.receiver = this.#opened(socket);
    return socket;
  }

  /** What has been deferred happens. */
  turns(): number {
    const turns = this.#turns.splice(0);
    for (const turn of turns) turn();
    return turns.length;
  }

  connected(flow: Flow): void {
    this.flows.push(flow);
  }

  receive(_flow: Flow, bytes: Uint8Array): boolean {
    this.messages.push(bytes);
    return --this.accepts > 0;
  }

  partial(_flow: Flow, missing: number): void {
    this.told.push(`partial ${missing}`);
  }

  failed(_flow: Flow, detail: string): void {
    this.told.push(`failed: ${detail}`);
  }

  writable(): void {
    this.told.push("writable");
  }

  disconnected(_flow: Flow, error?: Error): void {
    this.told.push(`disconnected ${error?.message}`);
  }

  turn(): void {
    this.told.push("turn");
  }

  error(error: Error): void {
    this.told.push(`error: ${error.message}`);
  }
}

function frame(length: number, token = 0): Uint8Array {
  return encodeFrame({
    code: 0x45,
    token: new Uint8Array(token),
    payload: Uint8Array.from({ length }, (_, i) => i),
  }, { extendedTokens: true });
}

function join(...parts: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

function payloadLengths(messages: readonly Uint8Array[]): number[] {
  return messages.map((message) => {
    const { error, payload } = decodeFrame(message, { length: false, extendedTokens: true });
    assertEquals(error, undefined);
    assertEquals(payload, Uint8Array.from(payload, (_, i) => i));
    return payload.length;
  });
}

describe("messages out of a stream", () => {
  it("are the same whatever the portions (8323-3.2-3)", async () => {
    const length = fc.oneof(fc.integer({ min: 0, max: 20 }), fc.integer({ min: 0, max: 9000 }));
    const lengths = fc.array(length, { maxLength: 6 });
    await fc.assert(
      fc.asyncProperty(
        lengths,
        fc.array(fc.integer({ min: 1, max: 3000 }), { minLength: 1 }),
        async (lengths, portions) => {
          const bench = await Bench.start();
          const socket = bench.open();
          const stream = join(...lengths.map((length) => frame(length, length % 300)));
          for (let at = 0, i = 0; at < stream.length; i++) {
            const end = at + portions[i % portions.length]!;
            const portion = stream.slice(at, end);
            socket.receiver.data(portion);
            portion.fill(0xee); // what has been handed over is not looked at again
            at = end;
          }
          assertEquals(payloadLengths(bench.messages), lengths);
        },
      ),
      { numRuns: 150 },
    );
  });

  it("byte by byte, in time that grows with their size alone", async () => {
    const bench = await Bench.start({ messageBytes: 300_000, receiveBytes: 300_000 });
    const { receiver } = bench.open();
    const stream = frame(250_000);
    for (let i = 0; i < stream.length; i++) receiver.data(stream.subarray(i, i + 1));
    assertEquals(payloadLengths(bench.messages), [250_000]);
    // Each portion that leaves a message unfinished says what is missing.
    assertEquals(bench.told.length, stream.length - 1);
    assertEquals(bench.told.at(-1), "partial 1");
  });

  it("that are too large are refused before anything is kept", async () => {
    const bench = await Bench.start();
    const socket = bench.open();
    for (const byte of [0xf0, 0xff, 0xff, 0xff, 0xff]) socket.receiver.data(Uint8Array.of(byte));
    socket.receiver.data(frame(1));
    assertEquals(bench.told.filter((told) => !told.startsWith("partial")), [
      `failed: Message of ${6 + 0xffffffff + 65_805} bytes is larger than 10000`,
    ]);
    assertEquals(bench.messages, []);
    assertEquals(socket.notes, ["end 1000"]);
    // The largest that is allowed, and one byte more.
    const [fits, not] = [bench.open(), bench.open()];
    fits.receiver.data(frame(10_000 - 5));
    assertEquals(payloadLengths(bench.messages), [9_995]);
    not.receiver.data(frame(10_000 - 4));
    assertEquals(bench.told.at(-1), "failed: Message of 10001 bytes is larger than 10000");
  });

  it("that are not whole take no more together than the limit, and as they come", async () => {
    const bench = await Bench.start();
    const begin = frame(9000).subarray(0, 5000);
    const sockets = [bench.open(), bench.open(), bench.open(), bench.open()];
    for (const socket of sockets) socket.receiver.data(begin);
    assertEquals(bench.told, Array(4).fill("partial 4005"));
    const refused = bench.open();
    refused.receiver.data(begin);
    assertEquals(bench.told.at(-1), "failed: Too many messages are not whole");
    // A connection that ends, and a message that is whole, make room.
    sockets[0]!.receiver.closed();
    sockets[1]!.receiver.data(frame(9000).subarray(5000));
    assertEquals(payloadLengths(bench.messages), [9000]);
    const next = bench.open();
    next.receiver.data(begin);
    assertEquals(bench.told.at(-1), "partial 4005");
    // 4 GiB that are only announced take a first piece alone.
    const many = await Bench.start({ messageBytes: 2 ** 33, receiveBytes: 4096 * 10 });
    for (let i = 0; i < 10; i++) {
      many.open().receiver.data(Uint8Array.of(0xf0, 0xff, 0xff, 0xff, 0xff, 0x45));
    }
    assert(many.told.every((told) => told.startsWith("partial")));
  });

  it("wait while the driver wants none, the rest of a portion as well", async () => {
    const bench = await Bench.start();
    bench.accepts = 2;
    const socket = bench.open();
    socket.receiver.data(join(frame(1), frame(2), frame(3), frame(4).subarray(0, 4)));
    socket.receiver.data(frame(4).subarray(4));
    assertEquals(payloadLengths(bench.messages), [1, 2]);
    assertEquals(socket.notes, ["pause"]);
    bench.accepts = 1;
    bench.transport.resume(bench.flows[0]!);
    assertEquals(payloadLengths(bench.messages), [1, 2, 3]);
    assertEquals(socket.notes, ["pause", "pause"]);
    bench.accepts = Infinity;
    bench.transport.resume(bench.flows[0]!);
    assertEquals(payloadLengths(bench.messages), [1, 2, 3, 4]);
    assertEquals(socket.notes, ["pause", "pause", "resume"]);
  });

  it("are kept in memory of their own, also out of a Buffer that is used again", async () => {
    const bench = await Bench.start();
    bench.accepts = 1;
    const socket = bench.open();
    const portions = [join(frame(1), frame(100)), join(frame(20), frame(3).subarray(0, 2))];
    for (const portion of portions) {
      const bytes = Buffer.from(portion);
      socket.receiver.data(bytes);
      bytes.fill(0xff);
    }
    bench.accepts = Infinity;
    bench.transport.resume(bench.flows[0]!);
    const last = Buffer.from(frame(3).subarray(2));
    socket.receiver.data(last);
    last.fill(0xff);
    assertEquals(payloadLengths(bench.messages), [1, 100, 20, 3]);
  });

  it("are not handed on once the driver has closed the connection", async () => {
    const bench = await Bench.start();
    const socket = bench.open();
    bench.receive = (flow, bytes) => {
      bench.messages.push(bytes);
      bench.transport.disconnect(flow, true);
      return true;
    };
    socket.receiver.data(join(frame(1), frame(2)));
    socket.receiver.data(frame(3));
    socket.receiver.closed();
    assertEquals(payloadLengths(bench.messages), [1]);
    assertEquals(bench.told, []);
  });
});

describe("messages into a stream", () => {
  const message = (length: number) =>
    encodeFrame({ code: 0x45, payload: new Uint8Array(length) }, { length: false });

  it("leave together, with their lengths, large ones uncopied", async () => {
    const bench = await Bench.start();
    const socket = bench.open();
    const [flow] = bench.flows;
    for (const length of [0, 300, 70_000, 5]) bench.transport.send(flow!, message(length));
    assertEquals(socket.written, []);
    bench.transport.flush();
    const expected = [0, 300, 70_000, 5].map((length) =>
      encodeFrame({ code: 0x45, payload: new Uint8Array(length) })
    );
    assertEquals(join(...socket.written), join(...expected));
    assertEquals(socket.written.length, 3);
    assertEquals(socket.pending.length, 1);
    bench.transport.flush();
    assertEquals(socket.written.length, 3);
  });

  it("are reported when the system has all of them", async () => {
    const bench = await Bench.start();
    const socket = bench.open();
    const [flow] = bench.flows;
    for (let i = 0; i < 2; i++) {
      bench.transport.send(flow!, message(1));
      bench.transport.flush();
    }
    socket.pending[0]!();
    assertEquals(bench.told, []);
    socket.pending[1]!();
    assertEquals(bench.told, ["writable"]);
  });

  it("leave before the connection is closed; afterwards nothing happens", async () => {
    const bench = await Bench.start();
    const socket = bench.open();
    const [flow] = bench.flows;
    bench.transport.send(flow!, message(1));
    bench.transport.disconnect(flow!, false);
    assertEquals([socket.written.length, socket.notes], [1, ["end 10000"]]);
    bench.transport.send(flow!, message(1));
    bench.transport.flush();
    bench.transport.resume(flow!);
    bench.transport.disconnect(flow!, false);
    socket.pending[0]!();
    assertEquals([socket.written.length, socket.notes, bench.told], [1, ["end 10000"], []]);
  });
});

describe("connections", () => {
  it("have flows of their own, say so when they are gone, and turns are few", async () => {
    const bench = await Bench.start();
    const sockets = Array.from({ length: 3 }, () => bench.open());
    assertEquals(new Set(bench.flows.map(({ key }) => key)).size, 3);
    const { address, port, scheme, local, multicast } = bench.flows[0]!;
    assertEquals([address, port, scheme, local, multicast], [
      "192.0.2.2",
      4000,
      "coap+tcp",
      "192.0.2.1",
      false,
    ]);
    for (const { receiver } of sockets) receiver.data(join(frame(1), frame(2)));
    assertEquals(bench.turns(), 1);
    sockets[0]!.receiver.closed();
    sockets[0]!.receiver.closed();
    sockets[1]!.receiver.closed(new Error("ECONNRESET"));
    assertEquals(bench.told, ["turn", "disconnected undefined", "disconnected ECONNRESET"]);
  });

  it("keep the process alive as the transport does", async () => {
    const bench = await Bench.start();
    const before = bench.open();
    bench.transport.unref();
    const after = bench.open();
    bench.transport.ref();
    assertEquals([before.notes, after.notes], [["unref", "ref"], ["unref", "ref"]]);
  });

  it("of a closed transport are closed, and nobody is told", async () => {
    const bench = await Bench.start();
    const socket = bench.open();
    await bench.transport.close();
    await bench.transport.close();
    assertEquals(socket.notes, ["end 10000"]);
    const late = bench.open();
    assertEquals(late.notes, ["end 1000"]);
    socket.receiver.data(frame(1));
    late.receiver.data(frame(1));
    bench.turns();
    assertEquals([bench.told, bench.messages, bench.flows.length], [[], [], 1]);
  });

  it("survive what a handler throws", async () => {
    const bench = await Bench.start();
    const socket = bench.open();
    bench.receive = () => {
      throw new Error("Handler");
    };
    socket.receiver.data(join(frame(1), frame(2)));
    assertEquals(bench.told, ["error: Handler", "error: Handler"]);
    assertLess(bench.turns(), 2);
  });
});

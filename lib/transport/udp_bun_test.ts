import { describe, it } from "node:test";
import { assertEquals } from "@std/assert";
import { Recorder } from "../../testing/recorder.ts";
import type { Flow } from "../flow.ts";
import { parseIpAddress } from "./ip_address.ts";
import type { Transport } from "./transport.ts";
import { bindUdpBun, type BunRuntime } from "./udp_bun.ts";
import { DATAGRAM_OVERHEAD, SEND_QUEUE_LIMIT } from "./udp_socket.ts";

type Packets = readonly (Uint8Array | number | string)[];
type Events = Parameters<BunRuntime["udpSocket"]>[0]["socket"];

/** A runtime whose socket takes what `take` says: how many datagrams, or an error to throw. */
async function fake(take: (packets: Packets) => number | Error): Promise<{
  events: Events;
  recorder: Recorder;
  sent: number[];
  calls: number;
  transport: Transport;
  flow: Flow;
}> {
  let events: Events | undefined;
  const recorder = new Recorder();
  const state = { recorder, sent: [] as number[], calls: 0 };
  const runtime: BunRuntime = {
    udpSocket: (options) => {
      events = options.socket;
      return Promise.resolve({
        port: 5683,
        sendMany(packets) {
          state.calls++;
          const taken = take(packets);
          if (taken instanceof Error) throw taken;
          for (let i = 0; i < taken; i++) state.sent.push((packets[i * 3] as Uint8Array)[0]!);
          return taken;
        },
        ref() {},
        unref() {},
        close() {},
      });
    },
  };
  const address = parseIpAddress("127.0.0.1")!;
  const transport = await bindUdpBun(runtime, { address, port: 0, reuseAddress: false }, recorder);
  return Object.assign(state, { transport, flow: transport.flow("127.0.0.1", 9), events: events! });
}

function sendNumbers(transport: Transport, flow: Flow, count: number, from = 0): void {
  for (let i = from; i < from + count; i++) transport.send(flow, new Uint8Array([i]));
}

const count = (packets: Packets): number => packets.length / 3;
const codes = (recorder: Recorder): unknown[] =>
  recorder.errors.map(({ error, flow }) => [(error as { code?: string }).code, flow?.key]);

describe("UDP on Bun, when the system is not willing", () => {
  it("a load that never lets it come to an end: turns end all the same", async () => {
    const { events, recorder } = await fake(count);
    for (let n = 0; n < 200; n++) events.data({}, new Uint8Array(4), 9, "127.0.0.1");
    assertEquals([recorder.turns, recorder.more, recorder.seenByTurn], [3, true, 192]);
    await recorder.until("the last turn", () => recorder.turns === 4);
    assertEquals([recorder.more, recorder.seenByTurn], [false, 200]);
  });

  it("sends a turn's datagrams with one call", async () => {
    const socket = await fake(count);
    sendNumbers(socket.transport, socket.flow, 16);
    assertEquals(socket.calls, 0);
    socket.transport.flush();
    socket.transport.flush();
    assertEquals([socket.calls, socket.sent.length], [1, 16]);
  });

  it("goes on where the system stopped", async () => {
    const socket = await fake((packets) => Math.min(2, count(packets)));
    sendNumbers(socket.transport, socket.flow, 5);
    socket.transport.flush();
    assertEquals(socket.sent, [0, 1, 2, 3, 4]);
    assertEquals(socket.recorder.errors.length, 0);
  });

  it("waits for drain when the system takes nothing", async () => {
    let room = 2;
    const socket = await fake((packets) => {
      const taken = Math.min(room, count(packets));
      room -= taken;
      return taken;
    });
    sendNumbers(socket.transport, socket.flow, 4);
    socket.transport.flush();
    assertEquals(socket.sent, [0, 1]);
    sendNumbers(socket.transport, socket.flow, 2, 4);
    room = 10;
    socket.events.drain();
    assertEquals(socket.sent, [0, 1, 2, 3, 4, 5]);
    assertEquals(socket.recorder.errors.length, 0);
  });

  it("sends again what failed for an earlier datagram", async () => {
    const failures = [Object.assign(new Error("refused"), { code: "ECONNREFUSED" })];
    const socket = await fake((packets) => failures.shift() ?? count(packets));
    sendNumbers(socket.transport, socket.flow, 3);
    socket.transport.flush();
    assertEquals(socket.sent, [0, 1, 2]);
    assertEquals(socket.recorder.errors.length, 0);
  });

  it("drops and reports what fails twice, and sends the rest", async () => {
    const socket = await fake((packets) => {
      const bad = packets.findIndex((part) => part instanceof Uint8Array && part[0] === 1);
      if (bad === 0) return Object.assign(new Error("too long"), { code: "EMSGSIZE" });
      return bad < 0 ? count(packets) : bad / 3;
    });
    sendNumbers(socket.transport, socket.flow, 4);
    socket.transport.flush();
    assertEquals(socket.sent, [0, 2, 3]);
    assertEquals(codes(socket.recorder), [["EMSGSIZE", socket.flow.key]]);
  });

  it("ends when every datagram fails", async () => {
    const socket = await fake(() => Object.assign(new Error("down"), { code: "ENETDOWN" }));
    sendNumbers(socket.transport, socket.flow, 3);
    socket.transport.flush();
    assertEquals(codes(socket.recorder).length, 3);
  });

  it("keeps no more than the limit and reports what it drops", async () => {
    let blocked = true;
    const socket = await fake((packets) => blocked ? 0 : count(packets));
    const size = 65_000;
    const fits = Math.floor(SEND_QUEUE_LIMIT / (size + DATAGRAM_OVERHEAD));
    for (let i = 0; i < fits + 3; i++) socket.transport.send(socket.flow, new Uint8Array(size));
    assertEquals(codes(socket.recorder), new Array(3).fill(["ENOBUFS", socket.flow.key]));
    blocked = false;
    socket.events.drain();
    assertEquals(socket.sent.length, fits);
    socket.transport.send(socket.flow, new Uint8Array(size));
    socket.transport.flush();
    assertEquals(socket.sent.length, fits + 1);
    assertEquals(socket.recorder.errors.length, 3);
  });

  it("does not let a large burst wait for the limit", async () => {
    const socket = await fake(count);
    const size = 60_000;
    const burst = 2 * Math.ceil(SEND_QUEUE_LIMIT / size);
    for (let i = 0; i < burst; i++) socket.transport.send(socket.flow, new Uint8Array(size));
    socket.transport.flush();
    assertEquals([socket.sent.length, socket.recorder.errors.length], [burst, 0]);
  });

  it("reports the socket's errors in either form of the handler", async () => {
    const socket = await fake(count);
    const refused = Object.assign(new Error("refused"), { code: "ECONNREFUSED" });
    socket.events.error(refused);
    socket.events.error({}, refused);
    assertEquals(codes(socket.recorder), new Array(2).fill(["ECONNREFUSED", undefined]));
  });

  it("lets an error handler send", async () => {
    const failures = [1, 2].map(() => new Error("once"));
    const socket = await fake((packets) => failures.shift() ?? count(packets));
    const { transport, flow, recorder } = socket;
    recorder.error = () => {
      transport.send(flow, new Uint8Array([9]));
      transport.flush();
    };
    sendNumbers(transport, flow, 2);
    transport.flush();
    assertEquals(socket.sent, [1, 9]);
  });

  it("drops what comes from port 0", async () => {
    const socket = await fake(count);
    socket.events.data({}, new Uint8Array([1]), 0, "127.0.0.1");
    socket.events.data({}, new Uint8Array([2]), 1, "127.0.0.1");
    assertEquals(socket.recorder.received.map(({ bytes }) => bytes[0]), [2]);
  });
});

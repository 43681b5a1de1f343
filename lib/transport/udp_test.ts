import { describe, it } from "node:test";
import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { Recorder } from "../../testing/recorder.ts";
import { CoAPError } from "../errors.ts";
import { parseIpAddress } from "./ip_address.ts";
import { bindUdp } from "./udp.ts";
import { chooseAdapter, type RuntimeScope, type UdpAdapter, udpAdapters } from "./udp_adapters.ts";
import { bindUdpDeno, type DenoRuntime } from "./udp_deno.ts";
import { bindUdpNode, type DgramModule, interfaceName } from "./udp_node.ts";
import { DATAGRAM_OVERHEAD, SEND_QUEUE_LIMIT } from "./udp_socket.ts";

const loopback = { address: parseIpAddress("127.0.0.1")!, port: 0, reuseAddress: false };

describe("bindUdp", () => {
  it("binds with what this runtime has and echoes", async () => {
    const recorder = new Recorder();
    const transport = await bindUdp({ hostname: "127.0.0.1" }, recorder);
    transport.send(transport.flow("127.0.0.1", transport.address.port), new Uint8Array([1]));
    transport.flush();
    await recorder.until("the datagram", () => recorder.received.length === 1);
    await transport.close();
  });

  it("prefers Bun, then Deno, then node:dgram", () => {
    const Bun = { udpSocket: () => Promise.reject() };
    const Deno = {
      listenDatagram: () => {
        throw new Error("Not bound in this test");
      },
    };
    const process = { getBuiltinModule: () => ({ createSocket: () => {} }) };
    const names = (scope: RuntimeScope) => udpAdapters(scope).map(({ name }) => name);
    assertEquals(names({ Bun, process }), ["Bun.udpSocket", "node:dgram"]);
    assertEquals(names({ Deno, process }), ["Deno.listenDatagram", "node:dgram"]);
    assertEquals(names({ Deno: {}, process }), ["node:dgram"]); // without --unstable-net
    assertEquals(names({ process }), ["node:dgram"]);
    assertEquals(names({ process: {} }), []); // an old Node, a bundler's shim
    assertEquals(names({}), []);
  });

  it("takes the adapter that does what is asked for", () => {
    const adapter = (name: UdpAdapter["name"], reusesAddresses: boolean, setsOptions: boolean) =>
      ({
        name,
        reusesAddresses,
        setsOptions,
        connects: name === "node:dgram",
        bind: () => Promise.reject(),
      }) satisfies UdpAdapter;
    const bun = adapter("Bun.udpSocket", false, false);
    const deno = adapter("Deno.listenDatagram", true, false);
    const node = adapter("node:dgram", true, true);
    assertEquals(chooseAdapter([bun, node], {}), bun);
    assertEquals(chooseAdapter([bun, node], { reuseAddress: false }), bun);
    assertEquals(chooseAdapter([bun, node], { reuseAddress: true }), node);
    assertEquals(chooseAdapter([deno, node], { reuseAddress: true }), deno);
    assertEquals(chooseAdapter([deno, node], { receiveBufferSize: 65_536 }), node);
    assertEquals(chooseAdapter([deno], { sendBufferSize: 65_536 }), deno);
    const connect = { address: "127.0.0.1", port: 9 };
    assertEquals(chooseAdapter([bun, node], { connect }), node);
    assertThrows(() => chooseAdapter([deno], { connect }), CoAPError, "connect");
  });

  it("says so where there are no sockets", () => {
    const error = assertThrows(() => chooseAdapter([], {}), CoAPError, "no UDP sockets");
    assertEquals(error.reason, "unsupported-scheme");
  });

  it("rejects buffer sizes out of range", async () => {
    for (const size of [0, -1, 1.5, 2 ** 31]) {
      const options = { hostname: "127.0.0.1" };
      await assertRejects(
        () => bindUdp({ ...options, receiveBufferSize: size }, new Recorder()),
        RangeError,
        `"${size}"`,
      );
      await assertRejects(
        () => bindUdp({ ...options, sendBufferSize: size }, new Recorder()),
        RangeError,
        `"${size}"`,
      );
    }
  });
});

describe("UDP on node:dgram, when the system is not willing", () => {
  type Socket = ReturnType<DgramModule["createSocket"]>;
  type Callback = Parameters<Socket["send"]>[3];

  async function fake(queued: (() => number) | undefined) {
    const sends: { bytes: Uint8Array; callback: Callback }[] = [];
    const listeners: Record<string, (...args: never[]) => void> = {};
    const recorder = new Recorder();
    let closed = false;
    const socket: Socket = {
      on: (event: string, listener: (...args: never[]) => void) => {
        listeners[event] = listener;
      },
      bind: (_options, listener) => listener(),
      addMembership() {},
      setMulticastInterface() {},
      setMulticastTTL() {},
      setMulticastLoopback() {},
      address: () => ({ port: 5683 }),
      connect() {},
      getRecvBufferSize: () => 0,
      getSendBufferSize: () => 0,
      send: (bytes, _port, _address, callback) => {
        sends.push({ bytes, callback });
      },
      ref() {},
      unref() {},
      close: (callback) => {
        closed = true;
        callback();
      },
    };
    if (queued !== undefined) socket.getSendQueueSize = queued;
    const transport = await bindUdpNode({ createSocket: () => socket }, loopback, recorder);
    const flow = transport.flow("127.0.0.1", 9);
    return { sends, listeners, recorder, transport, flow, isClosed: () => closed };
  }

  const size = 65_000;
  const fits = Math.floor(SEND_QUEUE_LIMIT / (size + DATAGRAM_OVERHEAD));

  for (
    const [what, queued, sent] of [
      ["the queue is full", () => SEND_QUEUE_LIMIT, fits],
      ["the system can not tell", undefined, fits],
      ["callbacks are late", () => 0, fits + 3],
    ] as const
  ) {
    it(`sends ${sent} of ${fits + 3} datagrams when ${what}`, async () => {
      const { sends, recorder, transport, flow } = await fake(queued);
      for (let i = 0; i < fits + 3; i++) transport.send(flow, new Uint8Array(size));
      assertEquals(sends.length, sent);
      assertEquals(recorder.errors.length, fits + 3 - sent);
      for (const { error } of recorder.errors) {
        assertEquals((error as { code?: string }).code, "ENOBUFS");
      }
      for (const { callback } of sends.splice(0)) callback(null);
      transport.send(flow, new Uint8Array(size));
      assertEquals(sends.length, 1);
    });
  }

  it("sends once more before it reports", async () => {
    const { sends, recorder, transport, flow } = await fake(() => 0);
    transport.send(flow, new Uint8Array([1]));
    sends[0]!.callback(new Error("left over"));
    assertEquals([sends.length, recorder.errors.length], [2, 0]);
    assertEquals(sends[1]!.bytes, new Uint8Array([1]));
    const failure = new Error("its own");
    sends[1]!.callback(failure);
    assertEquals(sends.length, 2);
    assertEquals(recorder.errors, [{ error: failure, flow }]);
  });

  it("closes the socket that could not be bound", async () => {
    for (const isClosed of [false, true]) { // Node leaves it open, Deno has closed it
      let closed = 0;
      const failure = new Error("in use");
      let fail = (_error: Error): void => {};
      const socket = {
        on: (event: string, listener: (error: Error) => void) => {
          if (event === "error") fail = listener;
        },
        unref() {},
        bind: () => fail(failure),
        close: () => {
          closed++;
          if (isClosed) throw new Error("Not running");
        },
      } as unknown as Socket;
      const error = await assertRejects(
        () => bindUdpNode({ createSocket: () => socket }, loopback, new Recorder()),
        Error,
      );
      assertEquals([error, closed], [failure, 1]);
    }
  });

  it("closes when what was sent has left", async () => {
    const { sends, transport, flow, isClosed } = await fake(() => 0);
    transport.send(flow, new Uint8Array([1]));
    const closing = transport.close();
    await Promise.resolve();
    assertEquals(isClosed(), false);
    sends[0]!.callback(null);
    await closing;
    assertEquals(isClosed(), true);
  });

  it("drops what comes from port 0 and copies out of a common buffer", async () => {
    const { listeners, recorder } = await fake(() => 0);
    const emit = listeners["message"] as unknown as (bytes: Uint8Array, from: unknown) => void;
    const common = new Uint8Array([1, 2, 3, 4]);
    emit(common.subarray(0, 2), { address: "127.0.0.1", port: 0 });
    emit(common.subarray(2, 4), { address: "127.0.0.1", port: 1 });
    common.fill(0);
    assertEquals(recorder.received.map(({ bytes }) => bytes), [new Uint8Array([3, 4])]);
  });
});

describe("UDP on Deno, when the system is not willing", () => {
  type Socket = ReturnType<DenoRuntime["listenDatagram"]>;
  type Datagram = Awaited<ReturnType<Socket["receive"]>>;

  async function fake() {
    const receives: { buffer: Uint8Array; settle: PromiseWithResolvers<Datagram> }[] = [];
    const sends: PromiseWithResolvers<number>[] = [];
    const recorder = new Recorder();
    const socket: Socket = {
      addr: { transport: "udp", hostname: "127.0.0.1", port: 5683 },
      receive: (buffer) => {
        const settle = Promise.withResolvers<Datagram>();
        receives.push({ buffer, settle });
        return settle.promise;
      },
      send: () => {
        sends.push(Promise.withResolvers<number>());
        return sends.at(-1)!.promise;
      },
      unref() {},
      close: () => {
        for (const { settle } of receives) settle.reject(new Error("closed"));
      },
    };
    const transport = await bindUdpDeno({ listenDatagram: () => socket }, loopback, recorder);
    return { receives, sends, recorder, transport, flow: transport.flow("127.0.0.1", 9) };
  }

  const from = (port: number) => ({ transport: "udp" as const, hostname: "127.0.0.1", port });

  it("keeps several receives in flight and copies out of their buffers", async () => {
    const { receives, recorder, transport } = await fake();
    assert(receives.length > 1);
    const { buffer, settle } = receives[0]!;
    buffer.set([1, 2]);
    settle.resolve([buffer.subarray(0, 2), from(1)]);
    await recorder.until("the datagram", () => recorder.received.length === 1);
    buffer.fill(0);
    assertEquals(recorder.received[0]!.bytes, new Uint8Array([1, 2]));
    assertEquals(receives.at(-1)!.buffer, buffer);
    receives.at(-1)!.settle.resolve([buffer.subarray(0, 1), from(0)]);
    await transport.close();
    assertEquals(recorder.received.length, 1);
  });

  it("goes on after a failed receive", async () => {
    const { receives, recorder, transport } = await fake();
    const count = receives.length;
    const failure = new Error("reset");
    receives[0]!.settle.reject(failure);
    await recorder.until("the error", () => recorder.errors.length === 1);
    assertEquals(recorder.errors[0]!.error, failure);
    while (receives.length === count) await new Promise((resolve) => setTimeout(resolve, 5));
    receives.at(-1)!.settle.resolve([new Uint8Array([3]), from(1)]);
    await recorder.until("the datagram", () => recorder.received.length === 1);
    await transport.close();
  });

  it("keeps no more than the limit and reports what it drops", async () => {
    const { sends, recorder, transport, flow } = await fake();
    const size = 65_000;
    const fits = Math.floor(SEND_QUEUE_LIMIT / (size + DATAGRAM_OVERHEAD));
    for (let i = 0; i < fits + 2; i++) transport.send(flow, new Uint8Array(size));
    assertEquals([sends.length, recorder.errors.length], [fits, 2]);
    const failure = new Error("unreachable");
    sends[0]!.reject(failure);
    sends[1]!.resolve(size);
    await recorder.until("the failure", () => recorder.errors.length === 3);
    assertEquals(recorder.errors[2], { error: failure, flow });
    transport.send(flow, new Uint8Array(size));
    transport.send(flow, new Uint8Array(size));
    transport.send(flow, new Uint8Array(size));
    assertEquals([sends.length, recorder.errors.length], [fits + 2, 4]);
    for (const send of sends) send.resolve(size);
    await transport.close();
  });

  it("rejects when the permission is denied", async () => {
    const denied = new Error("Requires net access");
    const runtime: DenoRuntime = {
      listenDatagram: () => {
        throw denied;
      },
    };
    const error = await assertRejects(() => bindUdpDeno(runtime, loopback, new Recorder()), Error);
    assertEquals(error, denied);
  });
});

describe("interfaceName", () => {
  it("leaves names and unknown numbers alone", () => {
    assertEquals(interfaceName("eth0"), "eth0");
    assertEquals(interfaceName("999999"), "999999");
  });
});

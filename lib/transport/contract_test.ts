import { after, afterEach, before, describe, it } from "node:test";
import process from "node:process";
import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { Recorder } from "../../testing/recorder.ts";
import { hasIpv6, linkLocal, runChild, watchChild } from "../../testing/runtime.ts";
import { CoAPError } from "../errors.ts";
import { SimulatedNetwork } from "./memory.ts";
import type { Bind, BindOptions, Transport } from "./transport.ts";
import { bindWith, udpAdapters } from "./udp_adapters.ts";

interface Candidate {
  name: string;
  bind: Bind;
  /** Whether the datagrams go through the system. */
  real: boolean;
  /** Whether the runtime tells of closed ports. */
  tellsRefused: boolean;
  reusesAddresses: boolean;
}

const candidates: Candidate[] = udpAdapters().map((adapter) => ({
  name: adapter.name,
  bind: (options, handler) => bindWith(adapter, options, handler),
  real: true,
  tellsRefused: adapter.name === "Bun.udpSocket" && process.platform === "linux",
  reusesAddresses: adapter.reusesAddresses,
}));
candidates.push({
  name: "SimulatedNetwork",
  bind: new SimulatedNetwork({ latency: 1, refuse: true }).bind,
  real: false,
  tellsRefused: true,
  reusesAddresses: false,
});

const noIpv6 = hasIpv6() ? false : "this machine has no IPv6 loopback address";
const scoped = linkLocal();
const noZone = scoped ? false : "this machine has no link-local IPv6 address";

for (const candidate of candidates) {
  describe(`transport on ${candidate.name}`, () => {
    const open = new Set<Transport>();

    async function bind(options: BindOptions, handler: Recorder): Promise<Transport> {
      const transport = await candidate.bind(options, handler);
      open.add(transport);
      return transport;
    }

    /** Two sockets and the way from the first to the second. */
    async function pair(hostname = "127.0.0.1") {
      const here = new Recorder();
      const there = new Recorder();
      const from = await bind({ hostname }, here);
      const to = await bind({ hostname }, there);
      return { here, there, from, to, flow: from.flow(hostname, to.address.port) };
    }

    afterEach(async () => {
      await Promise.all([...open].map((transport) => transport.close()));
      open.clear();
    });

    it("carries a datagram there and back", async () => {
      const { here, there, from, to, flow } = await pair();
      there.onReceive = (back, bytes) => to.send(back, bytes);
      from.send(flow, new Uint8Array([1, 2, 3]));
      from.flush();
      await there.until("the datagram", () => there.seenByTurn === 1);
      to.flush();
      await here.until("the answer", () => here.received.length === 1);
      const [{ flow: back, bytes }] = here.received as [typeof here.received[0]];
      assertEquals(bytes, new Uint8Array([1, 2, 3]));
      assertEquals(back, flow);
      assertEquals([back.address, back.port, back.multicast], [
        "127.0.0.1",
        to.address.port,
        false,
      ]);
      assertEquals(there.received[0]!.flow.key, to.flow("127.0.0.1", from.address.port).key);
    });

    it("hands on plain bytes that belong to the receiver", async () => {
      const { there, from, flow } = await pair();
      for (let i = 0; i < 20; i++) from.send(flow, new Uint8Array(30).fill(i));
      from.flush();
      await there.until("20 datagrams", () => there.received.length === 20);
      const all = there.received.map(({ bytes }) => bytes);
      for (const bytes of all) {
        assertEquals(Object.getPrototypeOf(bytes), Uint8Array.prototype);
        assertEquals(bytes, new Uint8Array(30).fill(bytes[0]!));
        assertEquals(bytes.buffer.byteLength, 30);
      }
      assertEquals(new Set(all.map((bytes) => bytes[0])).size, 20);
    });

    it("calls turn after the datagrams that were waiting", async () => {
      const { there, from, flow } = await pair();
      for (let i = 0; i < 100; i++) from.send(flow, new Uint8Array(4));
      from.flush();
      await there.until("the last turn", () => there.seenByTurn === 100);
      assert(there.turns < 100, `${there.turns} turns for 100 datagrams`);
    });

    it("takes every spelling of an address for one peer", { skip: noIpv6 }, async () => {
      const { there, from, to, flow } = await pair("::1");
      for (const spelling of ["::1", "0:0:0:0:0:0:0:1", "0000::0001", "::0.0.0.1"]) {
        assertEquals(from.flow(spelling, to.address.port), flow);
      }
      from.send(from.flow("0:0::0:1", to.address.port), new Uint8Array(1));
      from.flush();
      await there.until("the datagram", () => there.received.length === 1);
      assertEquals(there.received[0]!.flow, to.flow("0:0:0::1", from.address.port));
    });

    it("names a group as one", () => {
      return pair().then(({ from }) => {
        assertEquals(from.flow("224.0.1.187", 5683).multicast, true);
        assertEquals(from.flow("192.0.2.1", 5683).multicast, false);
      });
    });

    it("rejects bad flows with the value", async () => {
      const transport = await bind({ hostname: "127.0.0.1" }, new Recorder());
      for (const address of ["::1", "localhost", "", "[::1]"]) {
        assertThrows(() => transport.flow(address, 5683), RangeError, `"${address}"`);
      }
      for (const port of [0, -1, 65_536, 1.5, NaN]) {
        assertThrows(() => transport.flow("127.0.0.1", port), RangeError, `"${port}"`);
      }
    });

    it("binds the port asked for and rejects it while it is in use", async () => {
      const first = await bind({ hostname: "127.0.0.1" }, new Recorder());
      const { port } = first.address;
      assert(port > 0);
      const error = await assertRejects(
        () => bind({ hostname: "127.0.0.1", port }, new Recorder()),
        CoAPError,
        `"127.0.0.1" port ${port}`,
      );
      assertEquals(error.reason, "transport");
      if (candidate.real) assertEquals((error.cause as { code: string }).code, "EADDRINUSE");
      await first.close();
      const second = await bind({ hostname: "127.0.0.1", port }, new Recorder());
      assertEquals(second.address, { address: "127.0.0.1", port });
    });

    it("rejects options out of range", async () => {
      for (const port of [-1, 65_536, 0.5, NaN]) {
        await assertRejects(() => bind({ port }, new Recorder()), RangeError, `"${port}"`);
      }
    });

    it("carries 60,000 bytes, and none", async () => {
      const { there, from, flow } = await pair();
      const big = Uint8Array.from({ length: 60_000 }, (_, i) => i);
      from.send(flow, big);
      from.send(flow, new Uint8Array());
      from.send(flow, new Uint8Array([9]));
      from.flush();
      const sized = (size: number) => there.received.filter(({ bytes }) => bytes.length === size);
      await there.until("both", () => sized(1).length === 1 && sized(60_000).length === 1);
      assertEquals(sized(60_000)[0]!.bytes, big);
    });

    it("reports a datagram too long with its peer and sends the others", async () => {
      const { here, there, from, flow } = await pair();
      from.send(flow, new Uint8Array([1]));
      from.send(flow, new Uint8Array(65_508));
      from.send(flow, new Uint8Array([2]));
      from.send(flow, new Uint8Array(65_508));
      from.send(flow, new Uint8Array(65_508));
      from.send(flow, new Uint8Array([3]));
      from.flush();
      await there.until("the others", () => there.received.length === 3);
      assertEquals(there.received.map(({ bytes }) => bytes[0]).sort(), [1, 2, 3]);
      const reported = () => here.errors.filter(({ flow }) => flow !== undefined);
      await here.until("three errors", () => reported().length === 3);
      for (const { error, flow: to } of reported()) {
        assertEquals((error as { code?: string }).code, "EMSGSIZE");
        assertEquals(to!.key, flow.key);
      }
    });

    it("survives a peer that is gone", async () => {
      const { here, there, from, to, flow } = await pair();
      await to.close();
      const other = await bind({ hostname: "127.0.0.1" }, there);
      const alive = from.flow("127.0.0.1", other.address.port);
      for (let i = 0; i < 10; i++) {
        from.send(flow, new Uint8Array(1));
        from.send(alive, new Uint8Array([i]));
        from.flush();
        await there.until("the other peer's", () => there.received.length === i + 1);
      }
      if (!candidate.tellsRefused) return;
      await here.until("an error", () => here.errors.length > 0);
      assertEquals((here.errors[0]!.error as { code?: string }).code, "ECONNREFUSED");
    });

    it("calls no handler after close", async () => {
      const { there, from, to, flow } = await pair();
      let calls: number | undefined;
      let closed: Promise<void> | undefined;
      there.onReceive = () => {
        closed = to.close();
        calls = there.calls;
      };
      for (let i = 0; i < 50; i++) from.send(flow, new Uint8Array(10));
      from.flush();
      await there.until("a datagram", () => there.received.length > 0);
      await closed;
      for (let i = 0; i < 50; i++) from.send(flow, new Uint8Array(10));
      from.flush();
      await new Promise((resolve) => setTimeout(resolve, 50));
      assertEquals(there.calls, calls);
    });

    it("closes twice and ignores what comes after", async () => {
      const { here, from, flow } = await pair();
      const first = from.close();
      await from.close();
      await first;
      await from.close();
      from.send(flow, new Uint8Array(1));
      from.flush();
      from.ref();
      from.unref();
      assertEquals(here.calls, 0);
    });

    it("sends what is queued before it closes", async () => {
      const { there, from, flow } = await pair();
      from.send(flow, new Uint8Array([7]));
      await from.close();
      await there.until("the datagram", () => there.received.length === 1);
    });

    it("lets sockets share a port where that is asked for", {
      skip: candidate.reusesAddresses ? false : "not offered here",
    }, async () => {
      const options = { hostname: "127.0.0.1", reuseAddress: true };
      const first = await bind(options, new Recorder());
      const second = await bind({ ...options, port: first.address.port }, new Recorder());
      assertEquals(second.address, first.address);
    });

    if (!candidate.real) return;

    it("survives a handler that throws", async () => {
      const { there, from, flow } = await pair();
      const failure = new Error("Thrown by the test");
      there.onReceive = () => {
        throw failure;
      };
      for (let i = 0; i < 3; i++) from.send(flow, new Uint8Array(1));
      from.flush();
      await there.until("three errors", () => there.errors.length === 3);
      assertEquals(there.errors[0]!.error, failure);
      await there.until("the turn", () => there.seenByTurn === 3);
    });

    it("takes a host name and buffer sizes", async () => {
      const recorder = new Recorder();
      const transport = await bind({
        hostname: "localhost",
        family: 4,
        receiveBufferSize: 262_144,
        sendBufferSize: 262_144,
      }, recorder);
      assertEquals(transport.address.address, "127.0.0.1");
      const own = transport.flow("127.0.0.1", transport.address.port);
      transport.send(own, new Uint8Array([5]));
      transport.flush();
      await recorder.until("the datagram", () => recorder.received.length === 1);
    });

    it("rejects an address of another machine and an unknown name", async () => {
      const foreign = await assertRejects(
        () => bind({ hostname: "192.0.2.1" }, new Recorder()),
        CoAPError,
        '"192.0.2.1"',
      );
      assertEquals(foreign.reason, "transport");
      const unknown = await assertRejects(
        () => bind({ hostname: "nowhere.invalid" }, new Recorder()),
        CoAPError,
        '"nowhere.invalid"',
      );
      assertEquals(unknown.reason, "name-resolution");
    });

    it("reaches IPv4 from a dual-stack socket", { skip: noIpv6 }, async () => {
      const here = new Recorder();
      const there = new Recorder();
      const dual = await bind({ family: 6 }, here);
      const plain = await bind({ hostname: "127.0.0.1" }, there);
      const flow = dual.flow("127.0.0.1", plain.address.port);
      assertEquals(flow.address, "::ffff:127.0.0.1");
      dual.send(flow, new Uint8Array([1]));
      dual.flush();
      await there.until("the datagram", () => there.received.length === 1);
      const back = there.received[0]!.flow;
      assertEquals(back, plain.flow("::ffff:127.0.0.1", dual.address.port));
      plain.send(back, new Uint8Array([2]));
      plain.flush();
      await here.until("the answer", () => here.received.length === 1);
      assertEquals(here.received[0]!.flow, flow);
    });

    it("keeps the zones of link-local addresses", { skip: noZone }, async () => {
      const hostname = `${scoped!.address}%${scoped!.name}`;
      const { here, there, from, to, flow } = await pair(hostname);
      assertEquals(from.address.address, hostname);
      assertEquals(flow.address, hostname);
      from.send(flow, new Uint8Array([1]));
      from.flush();
      await there.until("the datagram", () => there.received.length === 1);
      const back = there.received[0]!.flow;
      assertEquals(back, to.flow(hostname, from.address.port));
      to.send(back, new Uint8Array([2]));
      to.flush();
      await here.until("the answer", () => here.received.length === 1);
      assertEquals(here.received[0]!.flow, flow);
    });

    it("answers a link-local peer from a socket bound to ::", { skip: noZone }, async () => {
      const here = new Recorder();
      const there = new Recorder();
      const wild = await bind({ family: 6 }, here);
      const peer = await bind({ hostname: `${scoped!.address}%${scoped!.name}` }, there);
      const flow = wild.flow(`${scoped!.address}%${scoped!.name}`, peer.address.port);
      wild.send(flow, new Uint8Array([1]));
      wild.flush();
      await there.until("the datagram", () => there.received.length === 1);
      peer.send(there.received[0]!.flow, new Uint8Array([2]));
      peer.flush();
      await here.until("the answer", () => here.received.length === 1);
      assertEquals(here.received[0]!.flow, flow);
    });

    it("takes the number of a zone for its name", {
      skip: noZone ||
        (candidate.name === "node:dgram" && "Deno" in globalThis
          ? "Deno reports no zones"
          : candidate.name === "Deno.listenDatagram" && "Deno reports no zones"),
    }, async () => {
      const transport = await bind({ family: 6 }, new Recorder());
      assertEquals(
        transport.flow(`${scoped!.address}%${scoped!.index}`, 5683),
        transport.flow(`${scoped!.address}%${scoped!.name}`, 5683),
      );
    });

    describe("as the only thing in a process", () => {
      const child = new URL("../../testing/udp_child.ts", import.meta.url);
      let slow: Promise<{ code: number | null; output: string }>;
      before(() => {
        slow = watchChild(child, [candidate.name, "ref"]);
      });
      after(() => slow);

      for (const task of ["unref", "unref twice, ref, unref", "close"]) {
        it(`lets it end: ${task}`, async () => {
          const { code, output } = await runChild(child, [candidate.name, task], 20_000);
          assertEquals([code, output.trim()], [0, "done"]);
        });
      }

      it("keeps it alive: ref", async () => {
        const { code, output } = await slow;
        assertEquals([code, output.trim()], [null, "done"]);
      });

      it("does not end it: a dead peer", async () => {
        const { code, output } = await runChild(child, [candidate.name, "dead peer"], 20_000);
        const seen = candidate.tellsRefused ? "received 3 ECONNREFUSED" : "received 3";
        assertEquals([code, output.trim()], [0, `done\n${seen}`]);
      });
    });
  });
}

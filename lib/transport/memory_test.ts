import { describe, it } from "node:test";
import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { ManualClock } from "../../testing/manual_clock.ts";
import { Recorder } from "../../testing/recorder.ts";
import { CoAPError } from "../errors.ts";
import type { Flow } from "../flow.ts";
import { SimulatedNetwork, type SimulatedNetworkOptions, type TraceEntry } from "./memory.ts";
import type { Transport } from "./transport.ts";

/** Two sockets on a network under a manual clock. */
async function network(options: SimulatedNetworkOptions = {}) {
  const clock = new ManualClock(1000);
  const trace: TraceEntry[] = [];
  const simulated = new SimulatedNetwork({
    clock,
    trace: (entry) => trace.push(entry),
    ...options,
  });
  const here = new Recorder();
  const there = new Recorder();
  const from = await simulated.bind({ hostname: "192.0.2.1", port: 5683 }, here);
  const to = await simulated.bind({ hostname: "192.0.2.2", port: 5683 }, there);
  return { clock, trace, simulated, here, there, from, to, flow: from.flow("192.0.2.2", 5683) };
}

/** Sends datagrams numbered from 1, each in a flush of its own. */
function sendNumbers(transport: Transport, flow: Flow, count: number): void {
  for (let i = 1; i <= count; i++) {
    transport.send(flow, new Uint8Array([i & 0xff]));
    transport.flush();
  }
}

const first = (recorder: Recorder): number[] => recorder.received.map(({ bytes }) => bytes[0]!);

describe("SimulatedNetwork", () => {
  it("delivers after the latency and not before flush", async () => {
    const { clock, there, from, flow, simulated } = await network({ latency: 25 });
    from.send(flow, new Uint8Array([1]));
    clock.advance(100);
    assertEquals(simulated.inFlight, 0);
    from.flush();
    assertEquals(simulated.inFlight, 1);
    clock.advance(24);
    assertEquals(there.received.length, 0);
    clock.advance(1);
    assertEquals(first(there), [1]);
    assertEquals([there.turns, there.seenByTurn, simulated.inFlight, clock.timers], [1, 1, 0, 0]);
    assertEquals(there.received[0]!.flow.key, "192.0.2.1:5683");
  });

  it("gives one turn to what arrives together", async () => {
    const { clock, there, from, flow } = await network();
    sendNumbers(from, flow, 5);
    clock.runUntilIdle();
    assertEquals([first(there), there.turns], [[1, 2, 3, 4, 5], 1]);
  });

  it("takes the bytes as they are when they are sent", async () => {
    const { clock, there, from, flow } = await network({ duplication: 1 });
    const bytes = new Uint8Array([1]);
    from.send(flow, bytes);
    from.flush();
    bytes[0] = 2;
    there.onReceive = (_flow, received) => received.fill(9, 1);
    clock.runUntilIdle();
    assertEquals(first(there), [1, 1]);
    assert(there.received[0]!.bytes !== there.received[1]!.bytes);
  });

  it("drops the datagrams of a list", async () => {
    const { clock, there, trace, from, flow } = await network({ drop: "2,5, 9-10" });
    sendNumbers(from, flow, 11);
    clock.runUntilIdle();
    assertEquals(first(there), [1, 3, 4, 6, 7, 8, 11]);
    const dropped = trace.filter(({ fate }) => fate === "dropped").map(({ number }) => number);
    assertEquals(dropped, [2, 5, 9, 10]);
  });

  it("asks a function what to drop", async () => {
    const { clock, there, from, flow } = await network({
      drop: ({ bytes, to }) => to.address === "192.0.2.2" && bytes[0]! > 2,
    });
    sendNumbers(from, flow, 4);
    clock.runUntilIdle();
    assertEquals(first(there), [1, 2]);
  });

  it("rejects what is no list", () => {
    for (const drop of ["a", "1-", "1;2", "-3"]) {
      assertThrows(() => new SimulatedNetwork({ drop }), RangeError, `"${drop}"`);
    }
  });

  it("loses and duplicates about as often as it is told", async () => {
    const { clock, there, from, flow, trace } = await network({ loss: 0.3, duplication: 0.2 });
    sendNumbers(from, flow, 2000);
    clock.runUntilIdle();
    const lost = trace.filter(({ fate }) => fate === "lost").length;
    assert(lost > 500 && lost < 700, `${lost} lost of 2000 with probability 0.3`);
    const twice = there.received.length - (2000 - lost);
    assert(twice > 220 && twice < 340, `${twice} of ${2000 - lost} twice with probability 0.2`);
  });

  it("keeps the order without jitter, and loses it with reordering", async () => {
    const ordered = await network({ latency: 5 });
    sendNumbers(ordered.from, ordered.flow, 50);
    ordered.clock.runUntilIdle();
    assertEquals(first(ordered.there), Array.from({ length: 50 }, (_, i) => i + 1));
    const mixed = await network({ latency: 5, reordering: 0.3, reorderingDelay: 50 });
    sendNumbers(mixed.from, mixed.flow, 50);
    mixed.clock.runUntilIdle();
    assert(first(mixed.there).some((value, i) => value !== i + 1));
    assertEquals(first(mixed.there).sort((a, b) => a - b), first(ordered.there));
    assert(mixed.clock.now() <= 1055 && mixed.clock.now() > 1005);
  });

  it("draws latencies from a range", async () => {
    const { clock, trace, from, flow } = await network({ latency: [10, 20] });
    sendNumbers(from, flow, 200);
    clock.runUntilIdle();
    const times = trace.filter(({ fate }) => fate === "delivered").map(({ time }) => time - 1000);
    assert(Math.min(...times) >= 10 && Math.max(...times) < 20);
    assert(Math.max(...times) - Math.min(...times) > 8);
  });

  it("repeats everything from the seed", async () => {
    const run = async (seed: number): Promise<string> => {
      const { clock, trace, from, flow } = await network({
        seed,
        latency: [1, 50],
        loss: 0.2,
        duplication: 0.2,
        reordering: 0.2,
      });
      sendNumbers(from, flow, 100);
      clock.runUntilIdle();
      return JSON.stringify(trace.map(({ time, number, fate }) => [time, number, fate]));
    };
    assertEquals(await run(7), await run(7));
    assert(await run(7) !== await run(8));
  });

  it("tells the sender what is too big", async () => {
    const { clock, here, there, from, flow } = await network({ mtu: 100 });
    from.send(flow, new Uint8Array(101));
    from.send(flow, new Uint8Array(100));
    from.flush();
    clock.runUntilIdle();
    assertEquals(there.received.length, 1);
    assertEquals(here.errors.map(({ flow }) => flow), [flow]);
    assertEquals((here.errors[0]!.error as { code?: string }).code, "EMSGSIZE");
  });

  it("is silent about addresses that nobody has bound, or refuses", async () => {
    const { clock, here, simulated, trace, from } = await network();
    const nobody = from.flow("192.0.2.9", 5683);
    from.send(nobody, new Uint8Array(1));
    from.flush();
    clock.runUntilIdle();
    assertEquals([trace.at(-1)!.fate, here.errors.length], ["unreachable", 0]);
    simulated.conditions.refuse = true;
    from.send(nobody, new Uint8Array(1));
    from.flush();
    clock.runUntilIdle();
    assertEquals(here.errors.map(({ flow }) => flow), [nobody]);
    assertEquals((here.errors[0]!.error as { code?: string }).code, "ECONNREFUSED");
  });

  it("traces a datagram from its sending on", async () => {
    const { clock, trace, from, flow } = await network({ latency: 10, duplication: 1 });
    from.send(flow, new Uint8Array([8]));
    from.flush();
    clock.runUntilIdle();
    const datagram = {
      number: 1,
      from: { address: "192.0.2.1", port: 5683 },
      to: { address: "192.0.2.2", port: 5683 },
      bytes: new Uint8Array([8]),
    };
    assertEquals(trace, [
      { ...datagram, time: 1000, fate: "sent" },
      { ...datagram, time: 1010, fate: "delivered" },
      { ...datagram, time: 1010, fate: "delivered" },
    ]);
  });

  it("delivers nothing to a closed socket, nor the turn that was due", async () => {
    const { clock, there, trace, from, to, flow } = await network();
    sendNumbers(from, flow, 2);
    there.onReceive = () => void to.close();
    clock.runUntilIdle();
    assertEquals([there.received.length, there.turns], [1, 0]);
    assertEquals(trace.at(-1)!.fate, "unreachable");
  });

  it("gives out ports and takes them back", async () => {
    const simulated = new SimulatedNetwork({ clock: new ManualClock() });
    const one = await simulated.bind({}, new Recorder());
    const two = await simulated.bind({}, new Recorder());
    assertEquals(one.address.address, "127.0.0.1");
    assert(one.address.port !== two.address.port);
    const again = { hostname: "127.0.0.1", port: one.address.port };
    const error = await assertRejects(() => simulated.bind(again, new Recorder()), CoAPError);
    assertEquals(error.reason, "transport");
    await one.close();
    assertEquals((await simulated.bind(again, new Recorder())).address, one.address);
    assertEquals((await simulated.bind({ family: 6 }, new Recorder())).address.address, "::1");
  });

  it("resolves no names", async () => {
    const simulated = new SimulatedNetwork();
    await assertRejects(
      () => simulated.bind({ hostname: "localhost" }, new Recorder()),
      CoAPError,
      '"localhost"',
    );
  });
});

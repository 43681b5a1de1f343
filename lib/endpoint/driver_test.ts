import { assertEquals } from "@std/assert";
import { beforeEach, describe, it } from "node:test";
import { ManualClock, settle } from "../../testing/manual_clock.ts";
import { SeededRandom } from "../../testing/seeded_random.ts";
import type { Flow } from "../flow.ts";
import type { Bind, Transport, TransportHandler } from "../transport/transport.ts";
import { Code } from "../wire/code.ts";
import { decode, encode, type MessageInit, MessageType } from "../wire/message.ts";
import type { Clock } from "./clock.ts";
import { type Call, type CallEvent, Driver, type DriverOptions } from "./driver.ts";

const PEER: Flow = { key: "peer", address: "192.0.2.1", port: 5683, multicast: false };

/** A transport that writes down what is done to it. */
class Probe implements Transport {
  readonly address = { address: "192.0.2.2", port: 1 };
  readonly log: string[] = [];
  /** The message ID sent last. */
  lastId = 0;
  handler: TransportHandler | undefined;
  readonly bind: Bind = (_options, handler) => {
    this.handler = handler;
    return Promise.resolve(this);
  };
  flow(): Flow {
    return PEER;
  }
  send(_flow: Flow, bytes: Uint8Array): void {
    const { type, code, id } = decode(bytes);
    this.lastId = id;
    this.log.push(`send ${type} ${code}`);
  }
  flush(): void {
    this.log.push("flush");
  }
  ref(): void {
    this.log.push("ref");
  }
  unref(): void {
    this.log.push("unref");
  }
  close(): Promise<void> {
    this.log.push("close");
    return Promise.resolve();
  }
  /** What happened since the last time. */
  take(): string[] {
    return this.log.splice(0);
  }
}

describe("Driver", () => {
  let clock: ManualClock;
  let probe: Probe;
  let events: string[];
  let call: Call;
  beforeEach(() => {
    clock = new ManualClock();
    probe = new Probe();
    events = [];
    call = {
      flow: PEER,
      onEvent: (event: CallEvent) => void events.push(event.type),
      onUnreachable: (error: Error) => void events.push(error.message),
    };
  });

  async function start(options: Partial<DriverOptions> = {}): Promise<Driver> {
    const random = new SeededRandom(1).fill;
    const driver = new Driver({ clock, random, keepAlive: false, ...options });
    return await driver.bind(probe.bind, {});
  }

  function receive(message: MessageInit, flow = PEER): void {
    probe.handler!.receive(flow, encode(message));
  }

  const GET: MessageInit = { code: Code.GET, id: 7 };

  it("keeps the process alive while a call is under way", async () => {
    const driver = await start();
    assertEquals(probe.take(), ["unref"]);
    const first = driver.ping(PEER, call);
    const second = driver.ping(PEER, call);
    assertEquals(probe.take(), ["ref"]);
    driver.cancel(first);
    driver.cancel(second);
    assertEquals(probe.take(), ["unref"]);
    await settle();
    assertEquals(clock.referenced, 0);
  });

  it("keeps it alive all the time for a server", async () => {
    const driver = await start({ keepAlive: true });
    driver.cancel(driver.ping(PEER, call));
    await settle();
    assertEquals(probe.take(), ["send 0 0", "flush"]); // neither ref nor unref
  });

  it("sends the calls of one turn together", async () => {
    const driver = await start({ parameters: { nstart: 3 } });
    probe.take();
    for (let i = 0; i < 3; i++) driver.ping(PEER, call);
    assertEquals(probe.take(), ["ref"]);
    await settle();
    assertEquals(probe.take(), ["send 0 0", "send 0 0", "send 0 0", "flush"]);
  });

  it("answers in the turn in which the request came, once for all of them", async () => {
    const driver = await start({
      keepAlive: true,
      serve: true,
      onRequest: ({ id }) => driver.respond(id, { code: Code.Content }),
    });
    receive({ code: Code.GET, id: 1 });
    receive({ code: Code.GET, id: 2 });
    assertEquals(probe.take(), []);
    probe.handler!.turn();
    assertEquals(probe.take(), ["send 2 69", "send 2 69", "flush"]);
    await settle();
    assertEquals(probe.take(), []);
  });

  it("a turn with more to read does what is due", async () => {
    let blocked = 0;
    const slow: Clock = {
      now: () => clock.now() + blocked,
      setTimer: (callback, at) => clock.setTimer(callback, at),
      clearTimer: (timer) => clock.clearTimer(timer as Parameters<ManualClock["clearTimer"]>[0]),
    };
    await start({ clock: slow, keepAlive: true, serve: true, onRequest: () => {} });
    receive(GET);
    probe.handler!.turn(true);
    assertEquals(probe.take(), []);
    blocked = 1000;
    probe.handler!.turn(true);
    assertEquals(probe.take(), ["send 2 0", "flush"]); // the empty acknowledgement
  });

  it("answers later in a turn of its own", async () => {
    const ids: number[] = [];
    const driver = await start({
      keepAlive: true,
      serve: true,
      onRequest: ({ id }) => void ids.push(id),
    });
    receive(GET);
    probe.handler!.turn();
    assertEquals(probe.take(), []);
    driver.respond(ids[0]!, { code: Code.Content });
    await settle();
    assertEquals(probe.take(), ["send 2 69", "flush"]);
  });

  it("sets one timer, and again only where an earlier deadline comes", async () => {
    const driver = await start();
    const id = driver.ping(PEER, call);
    await settle();
    assertEquals(clock.timers, 1);
    const first = clock.next;
    driver.cancel(id);
    await settle();
    assertEquals([clock.timers, clock.next], [1, first]); // it fires in vain
    await clock.advanceToAsync(first);
    assertEquals(clock.timers, 1);
    await clock.advanceAsync(1_000_000);
    assertEquals(clock.timers, 0);
    assertEquals(events, []);
  });

  it("retransmits and gives up by its timer", async () => {
    const driver = await start();
    driver.ping(PEER, call);
    await clock.advanceAsync(100_000);
    assertEquals(probe.log.filter((line) => line === "send 0 0").length, 5);
    assertEquals(events, ["failed"]);
  });

  it("drops a datagram from port 0", async () => {
    let handled = 0;
    await start({ keepAlive: true, serve: true, onRequest: () => void handled++ });
    receive(GET, { ...PEER, key: "nobody", port: 0 });
    receive({ code: Code.Empty }, { ...PEER, key: "nobody", port: 0 });
    probe.handler!.turn();
    assertEquals([probe.take(), handled], [[], 0]);
  });

  it("outlives what its listeners throw", async () => {
    const errors: unknown[] = [];
    const thrown = (): never => {
      throw new Error("Careless");
    };
    const driver = await start({
      keepAlive: true,
      serve: true,
      onRequest: thrown,
      onMessage: thrown,
      onError: (error) => errors.push((error as Error).message),
    });
    receive(GET);
    probe.handler!.turn();
    driver.ping(PEER, { ...call, onEvent: thrown });
    await settle();
    receive({ type: MessageType.Reset, code: Code.Empty, id: probe.lastId });
    probe.handler!.turn();
    assertEquals(errors, Array(5).fill("Careless")); // two in, one out, request, outcome
    receive({ code: Code.Empty, id: 9 });
    probe.handler!.turn();
    assertEquals(probe.take().slice(-2), ["send 3 0", "flush"]);
  });

  describe("an error of the network", () => {
    const error = (code: string): Error => Object.assign(new Error(code), { code });

    it("ends the calls to that peer alone", async () => {
      const driver = await start();
      const other = { ...PEER, key: "other" };
      driver.ping(PEER, call);
      driver.ping(other, { ...call, flow: other, onUnreachable: () => events.push("wrong") });
      await settle();
      probe.handler!.error(error("EHOSTUNREACH"), PEER);
      assertEquals(events, ["EHOSTUNREACH"]);
    });

    it("ends nothing where it passes, or names no peer", async () => {
      const errors: unknown[] = [];
      const driver = await start({ onError: (error) => errors.push((error as Error).message) });
      driver.ping(PEER, call);
      await settle();
      probe.handler!.error(error("ENOBUFS"), PEER);
      probe.handler!.error(error("EHOSTUNREACH"));
      assertEquals(events, []);
      assertEquals(errors, ["ENOBUFS", "EHOSTUNREACH"]);
    });
  });

  it("does nothing after close", async () => {
    const driver = await start({ keepAlive: true, serve: true });
    const id = driver.ping(PEER, call);
    const closing = driver.close();
    assertEquals(probe.take(), ["send 0 0", "flush", "close"]);
    assertEquals(driver.close(), closing);
    driver.respond(1, { code: Code.Content });
    driver.cancel(id);
    receive(GET);
    probe.handler!.turn();
    probe.handler!.error(new Error("late"), PEER);
    await settle();
    assertEquals([probe.take(), events, clock.timers], [[], [], 0]);
  });

  it("takes what came before the transport was there", async () => {
    const driver = new Driver({
      clock,
      random: new SeededRandom(1).fill,
      keepAlive: true,
      serve: true,
      onRequest: ({ id }) => driver.respond(id, { code: Code.Content }),
    });
    await driver.bind((_options, handler) => {
      probe.handler = handler;
      receive(GET);
      handler.turn();
      return Promise.resolve(probe);
    }, {});
    assertEquals(probe.take(), ["send 2 69", "flush"]);
  });
});

import { afterEach, describe, it } from "node:test";
import process from "node:process";
import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { ManualClock } from "../../testing/manual_clock.ts";
import { GROUP, groupsMissing, loopbackInterface } from "../../testing/multicast.ts";
import { Recorder } from "../../testing/recorder.ts";
import { CoAPError } from "../errors.ts";
import { groupSockets } from "./groups.ts";
import { externalInterfaces, interfaceArgument, type OsModule } from "./interfaces.ts";
import { parseIpAddress } from "./ip_address.ts";
import { SimulatedNetwork } from "./memory.ts";
import type { BindOptions, Transport, TransportHandler } from "./transport.ts";
import { bindWith, chooseAdapter, udpAdapters } from "./udp_adapters.ts";
import { bindUdpNode, type DgramModule } from "./udp_node.ts";

const QUIET: TransportHandler = { receive() {}, turn() {}, error() {} };

const zone = loopbackInterface();
const noIpv4 = await groupsMissing("127.0.0.1", GROUP, "127.0.0.1");
const noIpv6 = await groupsMissing("::1", `ff02::fd%${zone}`, zone);

describe("groups", () => {
  const open: Transport[] = [];
  async function bind(
    options: BindOptions,
    handler: TransportHandler = QUIET,
    adapter = chooseAdapter(udpAdapters(), options),
  ): Promise<Transport> {
    const transport = await bindWith(adapter, options, handler);
    open.push(transport);
    return transport;
  }
  afterEach(async () => {
    await Promise.all(open.splice(0).map((transport) => transport.close()));
  });

  const member = { group: GROUP, interface: "127.0.0.1" };
  const sender = { hostname: "127.0.0.1", multicastInterface: "127.0.0.1" };

  for (const adapter of udpAdapters()) {
    it(`${adapter.name}: tells what came to a group, and answers from the unicast address`, {
      skip: noIpv4,
    }, async () => {
      const [here, there] = [new Recorder(), new Recorder()];
      const server = await bind({ hostname: "127.0.0.1", groups: [member] }, there, adapter);
      const client = await bind(sender, here);
      const { port } = server.address;
      there.onReceive = (flow) => {
        server.send(flow, new Uint8Array([flow.multicast ? 1 : 2]));
        server.flush();
      };
      const group = client.flow(GROUP, port);
      const unicast = client.flow("127.0.0.1", port);
      assertEquals([group.multicast, unicast.multicast], [true, false]);
      for (const flow of [group, unicast]) client.send(flow, new Uint8Array([0]));
      client.flush();
      await here.until("both answers", () => here.received.length === 2);
      assertEquals(here.received.map(({ bytes }) => bytes[0]).sort(), [1, 2]);
      assertEquals(here.received.map(({ flow }) => flow), [unicast, unicast]);
      const { key, address } = server.flow("127.0.0.1", client.address.port);
      const came = there.received.map(({ flow }) => flow);
      assertEquals(came.map((flow) => flow.key), [key, key]);
      assertEquals(came.find(({ multicast }) => multicast), {
        key,
        address,
        port: client.address.port,
        local: GROUP,
        multicast: true,
      });
    });
  }

  it("tells them apart at a wildcard address as well, each one once", {
    skip: noIpv4,
  }, async () => {
    const there = new Recorder();
    const server = await bind({ hostname: "0.0.0.0", groups: [member] }, there);
    const client = await bind(sender);
    const { port } = server.address;
    const flows = [client.flow(GROUP, port), client.flow("127.0.0.1", port)];
    for (let i = 0; i < 200; i += 2) {
      client.send(flows[0]!, new Uint8Array([i]));
      client.send(flows[1]!, new Uint8Array([i + 1]));
      client.flush();
      if (i % 10 === 0) await there.until("some", () => there.received.length >= i);
    }
    await there.until("all", () => there.received.length >= 200);
    await there.until("the turn", () => there.seenByTurn >= 200);
    const seen = there.received.map(({ bytes, flow }) => [bytes[0]!, flow.multicast] as const);
    assertEquals(
      seen.sort(([a], [b]) => a - b),
      Array.from({ length: 200 }, (_, i) => [i, i % 2 === 0] as const),
    );
  });

  it("are shared by several servers of a machine", {
    skip: noIpv4 || (process.platform !== "linux" && "only Linux has all of 127.0.0.0/8"),
  }, async () => {
    const [one, two] = [new Recorder(), new Recorder()];
    const first = await bind({ hostname: "127.0.0.1", groups: [member] }, one);
    const { port } = first.address;
    await bind({ hostname: "127.0.0.2", port, groups: [member] }, two);
    const client = await bind(sender);
    client.send(client.flow(GROUP, port), new Uint8Array([7]));
    client.flush();
    await one.until("the datagram", () => one.received.length === 1);
    await two.until("the datagram", () => two.received.length === 1);
  });

  it("do not hide that a port is taken", { skip: noIpv4 }, async () => {
    const first = await bind({ hostname: "0.0.0.0", groups: [member] });
    const { port } = first.address;
    const options = { hostname: "0.0.0.0", port, groups: [member] };
    const error = await assertRejects(() => bind(options), CoAPError, `port ${port}`);
    assertEquals(error.reason, "transport");
    await first.close();
    await bind(options);
  });

  it("exist in IPv6, one for each zone", { skip: noIpv6 }, async () => {
    for (const hostname of ["::1", "::"]) {
      const there = new Recorder();
      const server = await bind({
        hostname,
        groups: [{ group: "ff02::fd", interface: zone }, { group: `ff05::fd%${zone}` }],
      }, there);
      const client = await bind({ hostname: "::1", multicastInterface: zone });
      const { port } = server.address;
      for (const group of [`ff02::fd%${zone}`, "ff05::fd"]) {
        client.send(client.flow(group, port), new Uint8Array([1]));
      }
      client.send(client.flow("::1", port), new Uint8Array([1]));
      client.flush();
      await there.until("all three", () => there.received.length === 3);
      assertEquals(
        there.received.map(({ flow }) => flow.local).sort(),
        [`ff02::fd%${zone}`, "ff05::fd", undefined],
      );
      assertEquals(new Set(there.received.map(({ flow }) => flow.key)).size, 1);
    }
  });

  it("are refused where they are none", async () => {
    const cases: [options: BindOptions, text: string][] = [
      [{ groups: [{ group: "192.0.2.1" }] }, '"192.0.2.1"'],
      [{ groups: [{ group: "all.coap.nodes" }] }, '"all.coap.nodes"'],
      [{ groups: [{ group: "ff02::fd" }] }, '"ff02::fd"'],
      [{ groups: [{ group: GROUP, interface: "none0" }] }, '"none0"'],
      [{ multicastInterface: "none0" }, '"none0"'],
      [{ multicastHops: 0 }, '"0"'],
    ];
    for (const [options, text] of cases) {
      await assertRejects(() => bind({ hostname: "127.0.0.1", ...options }), RangeError, text);
    }
  });

  it("say so where they can not be joined, and leave the port free", async () => {
    const first = await bind({ hostname: "127.0.0.1" });
    const { port } = first.address;
    await first.close();
    const options = { hostname: "127.0.0.1", port };
    const error = await assertRejects(
      () => bind({ ...options, groups: [{ group: GROUP, interface: "203.0.113.9" }] }),
      CoAPError,
    );
    assertEquals(error.reason, "transport");
    await bind(options);
  });

  it("need the system's options to be sent to", () => {
    const names = (options: BindOptions) => chooseAdapter(udpAdapters(), options).name;
    const fastest = udpAdapters()[0]!.name;
    for (const option of [{ multicastInterface: "lo" }, { multicastHops: 2 }]) {
      assertEquals(names(option), "node:dgram");
    }
    assertEquals(names({ hostname: "127.0.0.1", groups: [member] }), fastest);
    if (fastest === "Bun.udpSocket") assertEquals(names({ groups: [member] }), "node:dgram");
  });
});

describe("sockets of groups", () => {
  it("get what is said about groups, and are closed where they can not join one", async () => {
    const calls: unknown[][] = [];
    const note = (name: string) => (...args: unknown[]): void => {
      if (args.includes("bad")) throw new Error("No such device");
      calls.push([name, ...args]);
    };
    const socket: ReturnType<DgramModule["createSocket"]> = {
      on() {},
      bind: (_options, listener) => listener(),
      addMembership: note("join"),
      setMulticastInterface: note("interface"),
      setMulticastTTL: note("hops"),
      setMulticastLoopback: note("loopback"),
      address: () => ({ port: 5683 }),
      connect() {},
      getRecvBufferSize: () => 0,
      getSendBufferSize: () => 0,
      send() {},
      ref() {},
      unref() {},
      close: (callback) => {
        calls.push(["close"]);
        callback();
      },
    };
    const bind = (vias: string[]) =>
      bindUdpNode({ createSocket: () => socket }, {
        address: local(GROUP),
        port: 0,
        reuseAddress: true,
        joins: vias.map((via) => ({ group: GROUP, via })),
        multicastInterface: "127.0.0.1",
        multicastHops: 3,
        multicastLoopback: false,
      }, QUIET);
    await bind(["bad", "192.0.2.1"]);
    assertEquals(calls.splice(0), [
      ["join", GROUP, "192.0.2.1"],
      ["interface", "127.0.0.1"],
      ["hops", 3],
      ["loopback", false],
    ]);
    await assertRejects(() => bind(["bad", "bad"]), Error, "No such device");
    assertEquals(calls, [["close"]]);
  });

  const local = (text: string) => parseIpAddress(text)!;
  const plan = (group: string, hostname: string, via?: string) =>
    groupSockets([{ group, interface: via }], local(hostname))
      .map(({ address, joins }) => [address.text, joins]);

  it("are joined by the interface given, that of the zone, or that of the address", () => {
    assertEquals(plan(GROUP, "0.0.0.0", "192.0.2.7"), [
      [GROUP, [{ group: GROUP, via: "192.0.2.7" }]],
    ]);
    assertEquals(plan(GROUP, "127.0.0.1"), [[GROUP, [{ group: GROUP, via: "127.0.0.1" }]]]);
    assertEquals(plan("ff02::fd", "::", "fe80::1%x0"), [
      ["ff02::fd%x0", [{ group: "ff02::fd", via: "::%x0" }]],
    ]);
    assertEquals(plan("ff02:0::fd%x1", "::"), [
      ["ff02::fd%x1", [{ group: "ff02::fd", via: "::%x1" }]],
    ]);
    assertEquals(plan("ff05::fd%x1", "::"), [
      ["ff05::fd", [{ group: "ff05::fd", via: "::%x1" }]],
    ]);
  });

  it("are joined by every interface that leads elsewhere at a wildcard", () => {
    const names = externalInterfaces(4);
    assertEquals(
      plan(GROUP, "0.0.0.0").map(([, joins]) => (joins as unknown[]).length),
      [Math.max(names.length, 1)],
    );
  });

  const os: OsModule = {
    platform: () => "linux",
    networkInterfaces: () => ({
      lo: [
        { address: "127.0.0.1", family: "IPv4", internal: true },
        { address: "::1", family: "IPv6", internal: true, scopeid: 0 },
      ],
      x0: [
        { address: "192.0.2.1", family: "IPv4", internal: false },
        { address: "198.51.100.1", family: "IPv4", internal: false },
        { address: "fe80::1", family: "IPv6", internal: false, scopeid: 2 },
      ],
      x1: [{ address: "2001:db8::1", family: "IPv6", internal: false, scopeid: 0 }],
    }),
  };

  it("know interfaces by name, index and address", () => {
    assertEquals([externalInterfaces(4, os), externalInterfaces(6, os)], [["x0"], ["x0", "x1"]]);
    const table: [given: string, family: 4 | 6, argument: string][] = [
      ["x0", 4, "192.0.2.1"],
      ["198.51.100.1", 4, "198.51.100.1"],
      ["203.0.113.1", 4, "203.0.113.1"],
      ["x0", 6, "::%x0"],
      ["fe80::1", 6, "::%x0"],
      ["fe80::9%x7", 6, "::%x7"],
      ["2001:db8:0::1", 6, "::%x1"],
      ["2", 6, "::%2"],
    ];
    for (const [given, family, argument] of table) {
      assertEquals(interfaceArgument(given, family, os), argument, given);
    }
    for (
      const [given, family] of [["x1", 4], ["192.0.2.1", 6], ["::1:1", 6], ["::1", 4]] as const
    ) {
      assertThrows(() => interfaceArgument(given, family, os), RangeError, `"${given}"`);
    }
  });

  it("are left to the system where the runtime does not tell", () => {
    const denied: OsModule = {
      platform: () => "linux",
      networkInterfaces: () => {
        throw new Error("Requires sys access");
      },
    };
    assertEquals(externalInterfaces(4, denied), []);
  });
});

describe("groups of a simulated network", () => {
  it("reach their members at that port, each copy with a fate of its own", async () => {
    const clock = new ManualClock();
    const network = new SimulatedNetwork({ clock, drop: "2" });
    const recorders = [new Recorder(), new Recorder(), new Recorder(), new Recorder()];
    const options: BindOptions[] = [
      { hostname: "10.0.0.1", port: 5683, groups: [{ group: GROUP }, { group: "224.0.0.9" }] },
      { hostname: "10.0.0.2", port: 5683, groups: [{ group: GROUP, interface: "any" }] },
      { hostname: "10.0.0.3", port: 5683, groups: [{ group: GROUP }] },
      { hostname: "10.0.0.4", port: 5684, groups: [{ group: GROUP }] },
    ];
    const [first] = await Promise.all(options.map((o, i) => network.bind(o, recorders[i]!)));
    const client = await network.bind({ hostname: "10.0.0.9", port: 9 }, QUIET);
    client.send(client.flow(GROUP, 5683), new Uint8Array([1]));
    client.flush();
    clock.advance(100);
    assertEquals(recorders.map(({ received }) => received.length), [1, 0, 1, 0]);
    assertEquals(recorders[0]!.received[0]!.flow, {
      key: first!.flow("10.0.0.9", 9).key,
      address: "10.0.0.9",
      port: 9,
      local: GROUP,
      multicast: true,
    });
    await first!.close();
    client.send(client.flow(GROUP, 5683), new Uint8Array([2]));
    client.send(client.flow("224.0.0.9", 5683), new Uint8Array([3]));
    client.flush();
    clock.advance(100);
    assertEquals(recorders.map(({ received }) => received.length), [1, 1, 2, 0]);
    await assertRejects(
      () => network.bind({ groups: [{ group: "10.0.0.1" }] }, QUIET),
      RangeError,
      '"10.0.0.1"',
    );
    assert(recorders.every(({ errors }) => errors.length === 0));
  });
});

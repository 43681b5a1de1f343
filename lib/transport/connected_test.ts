import { afterEach, describe, it } from "node:test";
import { assert, assertEquals, assertRejects } from "@std/assert";
import { Recorder } from "../../testing/recorder.ts";
import { CoAPError } from "../errors.ts";
import type { BindOptions, Transport } from "./transport.ts";
import { bindUdp, udpFeatures } from "./udp.ts";

const hostname = "127.0.0.1";
const { connects, setsBufferSizes } = udpFeatures();

describe("a connected UDP socket", () => {
  const open: Transport[] = [];

  async function bind(options: BindOptions, recorder = new Recorder()): Promise<Transport> {
    const transport = await bindUdp({ hostname, ...options }, recorder);
    open.push(transport);
    return transport;
  }

  afterEach(async () => {
    await Promise.all(open.splice(0).map((transport) => transport.close()));
  });

  const skip = connects ? false : "this runtime can not connect UDP sockets";

  it("sends to its peer and receives from nobody else", { skip }, async () => {
    const there = new Recorder();
    const here = new Recorder();
    const peer = await bind({}, there);
    const stranger = await bind({});
    const socket = await bind({ connect: peer.address }, here);
    there.onReceive = (flow, bytes) => {
      stranger.send(flow, Uint8Array.of(9));
      stranger.flush();
      setTimeout(() => {
        peer.send(flow, bytes);
        peer.flush();
      }, 20);
    };
    socket.send(socket.flow(hostname, peer.address.port), Uint8Array.of(1));
    socket.flush();
    await here.until("the echo", () => here.received.length > 0);
    assertEquals(here.received.map(({ bytes }) => [...bytes]), [[1]]);
    assertEquals(here.received[0]!.flow.port, peer.address.port);
  });

  it("hears that nobody listens there, and who that is", { skip }, async () => {
    const gone = await bind({});
    await gone.close();
    const here = new Recorder();
    const socket = await bind({ connect: gone.address }, here);
    const flow = socket.flow(hostname, gone.address.port);
    socket.send(flow, Uint8Array.of(1));
    socket.flush();
    await here.until("the error", () => here.errors.length > 0);
    const { error, flow: peer } = here.errors[0]!;
    assertEquals((error as Error & { code?: string }).code, "ECONNREFUSED");
    assertEquals(peer?.key, flow.key);
  });

  it("is one of the runtime, or an error", async () => {
    const connect = { address: hostname, port: 9 };
    if (connects) return void await bind({ connect });
    const error = await assertRejects(() => bind({ connect }), CoAPError, "can not connect");
    assertEquals(error.reason, "transport");
  });

  it("wants an address of its family", async () => {
    const connect = { address: "::1", port: 9 };
    await assertRejects(() => bindUdp({ hostname, connect }, new Recorder()), Error);
  });
});

describe("the buffers of a UDP socket", () => {
  it("can be read where they can be set", async () => {
    const transport = await bindUdp({ hostname, receiveBufferSize: 50_000 }, new Recorder());
    const { bufferSizes } = transport;
    await transport.close();
    assertEquals(bufferSizes !== undefined, setsBufferSizes);
    if (bufferSizes !== undefined) assert(bufferSizes.receive >= 50_000);
  });
});

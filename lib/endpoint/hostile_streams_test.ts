import { describe, it } from "node:test";
import { assert, assertEquals, assertGreater, assertLess, assertMatch } from "@std/assert";
import {
  type RawConnection,
  STREAM_SERVER,
  StreamSimulation,
} from "../../testing/simulated_streams.ts";
import { SeededRandom } from "../../testing/seeded_random.ts";
import { fromHex } from "../../testing/vectors.ts";
import { Code } from "../wire/code.ts";
import { encodeFrame } from "../wire/frame.ts";
import { makeOption, OptionNumber } from "../wire/option.ts";
import type { CoAPClient } from "./client.ts";
import { CoAPResponse } from "./response.ts";
import type { ServeOptions, Server } from "./server.ts";

const CSM = { code: Code.CSM };
const LARGE = new Uint8Array(100_000);

function get(path: string, token = 1): Parameters<RawConnection["send"]>[0] {
  const options = [makeOption(OptionNumber.UriPath, path)];
  return { code: Code.GET, token: Uint8Array.of(token), options };
}

/** A server with an honest client beside whoever is not. */
class Scene {
  readonly sim: StreamSimulation;
  server!: Server;
  client!: CoAPClient;

  constructor(sim: StreamSimulation) {
    this.sim = sim;
  }

  static async start(options: ServeOptions = {}, seed = 1): Promise<Scene> {
    const scene = new Scene(new StreamSimulation({ latency: [1, 5] }, seed));
    scene.server = await scene.sim.serve(
      ({ pathname }) => pathname === "/large" ? new CoAPResponse(LARGE) : CoAPResponse.text("ok"),
      options,
    );
    scene.client = scene.sim.client();
    return scene;
  }

  /** The server goes on. */
  async goesOn(): Promise<void> {
    const response = await this.sim.run(this.client.get(`${STREAM_SERVER}/x`));
    assertEquals(response.text(), "ok");
  }

  /** The connection was aborted with that text, and the server goes on. */
  async aborted(raw: RawConnection, text: string | RegExp): Promise<void> {
    await this.sim.after(20);
    let last = raw.read();
    for (let next = last; next !== undefined; next = raw.read()) last = next;
    assertEquals(last?.code, Code.Abort);
    const diagnostic = new TextDecoder().decode(last!.payload);
    if (typeof text === "string") assertEquals(diagnostic, text);
    else assertMatch(diagnostic, text);
    assert(raw.isClosed);
    await this.end();
  }

  async end(): Promise<void> {
    await this.goesOn();
    await this.client.close();
    await this.sim.rest();
    await this.sim.close();
  }
}

describe("hostile streams", () => {
  it("garbage in place of the CSM", async () => {
    for (
      const [hex, text] of [
        ["474554202f20485454502f312e310d0a0d0a", "Message format error: option-delta"],
        ["160301020001000100", "First message is 0.03, not a CSM"],
        ["0101ff", "First message is 0.01, not a CSM"],
      ] as const
    ) {
      const scene = await Scene.start();
      const raw = await scene.sim.raw();
      raw.write(fromHex(hex));
      await scene.aborted(raw, hex.startsWith("47") ? /^(Message format|First message)/ : text);
    }
  });

  it("an unknown critical option in the CSM", async () => {
    const scene = await Scene.start();
    const raw = await scene.sim.raw();
    raw.send({ code: Code.CSM, options: [{ number: 9, value: new Uint8Array(0) }] });
    await scene.aborted(raw, "Option 9 of 7.01 is critical and not understood");
  });

  it("nothing at all", async () => {
    const scene = await Scene.start();
    const raw = await scene.sim.raw();
    await scene.sim.after(9_900);
    assert(!raw.isClosed);
    await scene.sim.after(200);
    await scene.aborted(raw, "No CSM in time");
  });

  it("a message of 4 GiB", async () => {
    const scene = await Scene.start();
    const raw = await scene.sim.raw();
    raw.send(CSM);
    raw.write(fromHex("f0ffffffff01"));
    await scene.aborted(raw, "Message of 4295033106 bytes is larger than 8389632");
  });

  it("half a message", async () => {
    const scene = await Scene.start();
    const raw = await scene.sim.raw();
    raw.send(CSM);
    const whole = encodeFrame(get("large"));
    raw.write(whole.subarray(0, whole.length - 1));
    await scene.sim.after(29_000);
    assert(!raw.isClosed);
    await scene.goesOn();
    await scene.sim.after(1_100);
    await scene.aborted(raw, "Message takes too long");
  });

  it("byte by byte, but in time", async () => {
    const scene = await Scene.start();
    const raw = await scene.sim.raw();
    for (const message of [CSM, get("x"), { code: Code.Ping, token: Uint8Array.of(0x42) }]) {
      for (const byte of encodeFrame(message)) raw.write(Uint8Array.of(byte));
    }
    await scene.sim.after(500);
    const codes = [raw.read()!.code, raw.read()!.code, raw.read()!.code];
    assertEquals(codes, [Code.CSM, Code.Content, Code.Pong]);
    raw.socket.end(0);
    await scene.end();
  });

  it("a drop now and then (slow loris)", async () => {
    const scene = await Scene.start();
    const raw = await scene.sim.raw();
    raw.send(CSM);
    const frame = encodeFrame({ code: Code.PUT, payload: new Uint8Array(5000) });
    for (let at = 0; !raw.isClosed; at++) {
      assertLess(at, 50);
      raw.write(frame.subarray(at, at + 1));
      await scene.sim.after(1000);
    }
    await scene.aborted(raw, "Message takes too long");
  });

  it("who never reads, and asks for much", async () => {
    const scene = await Scene.start();
    const raw = await scene.sim.raw();
    raw.send(CSM);
    raw.send({ code: Code.CSM, options: [{ number: 2, value: fromHex("00ffffff") }] });
    await scene.sim.after(100);
    raw.socket.pause();
    const before = scene.server.stats().counters.sentBytes;
    for (let i = 0; i < 5_000; i++) raw.send(get("large", i % 256));
    await scene.sim.after(5_000);
    const { counters } = scene.server.stats();
    // As much as is allowed to wait, one message more, and what the network holds.
    assertGreater(counters.sentBytes - before, 1024 * 1024);
    assertLess(counters.sentBytes - before, 1024 * 1024 + LARGE.length + 1000);
    assertLess(counters.requestsServed, 15);
    await scene.goesOn();
    assert(!raw.isClosed);
    // It has half a minute and a second for every KiB.
    await scene.sim.after(1_200_000);
    assert(raw.isClosed);
    await scene.end();
  });

  it("who reads late loses nothing", async () => {
    const scene = await Scene.start();
    const raw = await scene.sim.raw();
    raw.send({ code: Code.CSM, options: [{ number: 2, value: fromHex("00ffffff") }] });
    raw.socket.pause();
    for (let i = 0; i < 50; i++) raw.send(get("large", i));
    await scene.sim.after(10_000);
    raw.socket.resume();
    await scene.sim.after(60_000);
    assertEquals(raw.read()!.code, Code.CSM);
    for (let i = 0; i < 50; i++) {
      const { token, payload } = raw.read()!;
      assertEquals([token[0], payload.length], [i, LARGE.length]);
    }
    raw.socket.end(0);
    await scene.end();
  });

  it("10,000 connections that do nothing", async () => {
    const scene = await Scene.start({ limits: { connections: 10_000 } });
    await scene.goesOn();
    // What comes at one time comes together, and time passes without a turn of the event loop for each timer.
    scene.sim.network.conditions.latency = 1;
    const connecting = Array.from({ length: 10_000 }, () => scene.sim.connect());
    scene.sim.clock.advance(1);
    const raws = await Promise.all(connecting);
    for (const raw of raws) raw.send(CSM);
    scene.sim.clock.advance(100);
    assertEquals(scene.server.stats().gauges.peers, 10_000);
    // One of them was too many: the honest client's was there before.
    assertEquals(raws.filter(({ isClosed }) => isClosed).length, 1);
    await scene.goesOn();
    scene.sim.clock.advance(400_000);
    assertEquals(raws.filter(({ isClosed }) => !isClosed).length, 0);
    assertEquals(scene.server.stats().gauges.peers, 0);
    await scene.end();
  });

  it("anything, from 60 seeds", async () => {
    for (let seed = 1; seed <= 60; seed++) {
      const random = new SeededRandom(seed);
      const errors: unknown[] = [];
      const scene = await Scene.start({ onError: (error) => errors.push(error) }, seed);
      const raws: RawConnection[] = [];
      for (let i = 0; i < 5; i++) {
        const raw = await scene.sim.raw();
        raws.push(raw);
        if (random.float() < 0.9) raw.send(CSM);
        for (let n = random.integer(0, 20); n > 0; n--) raw.write(anything(random));
        await scene.sim.after(random.integer(0, 50));
        if (random.float() < 0.3) raw.socket.end(random.integer(0, 1000));
        if (random.float() < 0.1) raw.socket.pause();
      }
      await scene.goesOn();
      await scene.sim.after(100_000);
      if (random.float() < 0.5) scene.sim.network.cut();
      for (const raw of raws) raw.socket.resume();
      await scene.end();
      assertEquals(errors, [], `Seed ${seed}`);
    }
  });
});

/** A message that is well-formed or not, or bytes. */
function anything(random: SeededRandom): Uint8Array {
  const bytes = new Uint8Array(random.integer(1, 30));
  random.fill(bytes);
  if (random.float() < 0.1) return bytes;
  const frame = encodeFrame({
    code: random.float() < 0.5 ? random.integer(1, 7) : random.integer(0xe0, 0xe6),
    token: bytes.subarray(0, random.integer(0, Math.min(8, bytes.length))),
    options: Array.from({ length: random.integer(0, 3) }, () => ({
      number: random.integer(0, 30),
      value: bytes.subarray(0, random.integer(0, bytes.length)),
    })),
    payload: random.float() < 0.5 ? bytes : undefined,
  }, { checkOptions: false });
  if (random.float() < 0.1) frame[random.integer(0, frame.length - 1)] = random.integer(0, 255);
  return frame;
}

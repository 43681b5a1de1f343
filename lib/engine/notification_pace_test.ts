import { assert, assertEquals } from "@std/assert";
import { afterEach, describe, it } from "node:test";
import { blockOf, makeBody } from "../../testing/bodies.ts";
import { type Lockstep, type Received, type ScriptedPeer, settle } from "../../testing/lockstep.ts";
import { Code } from "../wire/code.ts";
import { type Option, OptionNumber } from "../wire/option.ts";
import { Entropy } from "./entropy.ts";
import { isNewer } from "./observation.ts";
import {
  acknowledge,
  nextId,
  NON,
  numberOf,
  register,
  reset,
  server,
} from "../../testing/observing_clients.ts";

describe("Non-confirmable notifications", () => {
  afterEach(settle);

  it("at most one in 3 s, the newest state in the end (7641-4.5-1, 4.5-7)", () => {
    const ladder = server();
    const { app, peer, after } = ladder;
    register(ladder);
    const sent: Received[] = [];
    for (let i = 1; i <= 300; i++) {
      app.notifies("r", `2.05 "${i}"`, { confirmable: false, confirmableEvery: 100 });
      sent.push(...peer.takes());
      after(100);
      sent.push(...peer.takes());
    }
    after(3000);
    sent.push(...peer.takes());
    assertEquals(sent.length, 11);
    assertEquals(sent.map(({ at }) => at), sent.map((_, i) => i * 3000));
    assertEquals(new TextDecoder().decode(sent.at(-1)!.message.payload), "300");
    ladder.silence(93_000);
  });

  it("every fifth, or as the application says, is Confirmable (7641-4.5-4)", () => {
    for (const every of [undefined, 1, 3]) {
      const ladder = server();
      const { app, peer, after } = ladder;
      register(ladder);
      const types: number[] = [];
      for (let i = 1; i <= 15; i++) {
        after(3000);
        app.notifies("r", `2.05 "${i}"`, { confirmable: false, confirmableEvery: every });
        const [received] = peer.takes();
        types.push(received!.message.type);
        if (received!.message.type === 0) acknowledge(peer, received!);
      }
      const expected = types.map((_, i) => (i + 1) % (every ?? 5) === 0 ? 0 : 1);
      assertEquals(types, expected);
    }
  });

  it("after a day without one, it is Confirmable (7641-4.5-4)", () => {
    const ladder = server();
    const { app, peer, after } = ladder;
    register(ladder);
    const rare = { confirmable: false, confirmableEvery: 1e9 };
    const types: number[] = [];
    for (let hour = 1; hour <= 49; hour++) {
      after(3_600_000);
      app.notifies("r", "2.05", rare);
      const [received] = peer.takes();
      types.push(received!.message.type);
      if (received!.message.type === 0) acknowledge(peer, received!);
    }
    assertEquals(types.flatMap((type, i) => type === 0 ? [i + 1] : []), [24, 48]);
  });

  it("a state that waits for its 3 s gives way to an error at once", () => {
    const ladder = server();
    const { app, peer } = ladder;
    register(ladder);
    app.notifies("r", '2.05 "1"', NON);
    peer.receives('NON 2.05 _ token 20 Observe:_ "1"');
    app.notifies("r", '2.05 "2"', NON);
    ladder.silence(1000);
    app.notifies("r", "4.04");
    ladder.after(2000);
    app.loses("error");
    acknowledge(peer, peer.receives("CON 4.04 _ token 20"));
    ladder.silence(93_000);
  });
});

describe("large states, the server", () => {
  afterEach(settle);

  const BODY = makeBody(300);

  it("the first block of the size asked for; the rest without Observe (7959-2.6-1, 2.6-4)", () => {
    for (const [asked, own, size] of [[64, 1024, 64], [1024, 64, 64], [0, 128, 128]] as const) {
      const ladder = server({ blockSize: own });
      const { app, peer } = ladder;
      const block2 = asked === 0 ? "" : ` Block2:0/0/${asked}`;
      register(ladder, { what: `/r${block2}`, payload: BODY, state: "2.05" });
      for (const seed of [1, 2]) {
        const body = makeBody(300, seed);
        app.notifies("r", "2.05", { payload: body });
        const received = peer.receives(
          `CON 2.05 _ token 20 ETag:_ Observe:_ Block2:0/1/${size}`,
          blockOf(body, 0, size),
        );
        acknowledge(peer, received);
        for (let number = 1; number * size < 300; number++) {
          const more = (number + 1) * size < 300 ? 1 : 0;
          const id = nextId();
          peer.sends(`CON GET ${id} token 21 /r Block2:${number}/0/${size}`);
          peer.receives(
            `ACK 2.05 ${id} token 21 ETag:_ Block2:${number}/${more}/${size}`,
            blockOf(body, number, size),
          );
        }
      }
    }
  });

  it("the response to a registration: its further blocks have no Observe", () => {
    const ladder = server({ blockSize: 64 });
    const { peer } = ladder;
    register(ladder, { payload: BODY, state: "2.05" });
    peer.sends("CON GET 0xa001 token 21 /r Block2:1/0/64");
    peer.receives("ACK 2.05 0xa001 token 21 ETag:_ Block2:1/1/64", blockOf(BODY, 1, 64));
  });

  it("retransmitted and superseded, always the first block", () => {
    const ladder = server({ blockSize: 64, parameters: { ackRandomFactor: 1 } });
    const { app, peer, after } = ladder;
    register(ladder);
    app.notifies("r", "2.05", { payload: BODY });
    const line = "CON 2.05 _ token 20 ETag:_ Observe:_ Block2:0/1/64";
    peer.receives(line, blockOf(BODY, 0, 64));
    after(2000);
    peer.receives(line, blockOf(BODY, 0, 64));
    const other = makeBody(300, 1);
    app.notifies("r", "2.05", { payload: other });
    after(4000);
    acknowledge(peer, peer.receives(line, blockOf(other, 0, 64)));
    peer.sends("CON GET 0xa001 token 21 /r Block2:4/0/64");
    peer.receives("ACK 2.05 0xa001 token 21 ETag:_ Block2:4/0/64", blockOf(other, 4, 64));
    ladder.silence(93_000);
  });

  it("are not encoded again for each observer, only for each size and for those who have them", () => {
    const reads = (count: number, length: number): number => {
      const ladder = server({ parameters: { nstart: 1000 } });
      for (let i = 0; i < count; i++) {
        const size = [64, 256, 1024][i % 3]!;
        const peer = ladder.peerAt(10_000 + i);
        const etag = i % 2 === 0 ? " ETag:0x07" : "";
        peer.sends(`CON GET ${nextId()} token 20 Observe:0 /r Block2:0/0/${size}${etag}`);
        ladder.app.answers("2.05", { observe: "r", id: ladder.app.event("request").id });
        peer.takes();
      }
      let values = 0;
      const counted: Option = {
        number: 65_000,
        get value() {
          values++;
          return Uint8Array.of(1);
        },
      };
      const options = [{ number: OptionNumber.ETag, value: Uint8Array.of(7) }, counted];
      const outline = { code: Code.Content, options, payload: makeBody(length) };
      assertEquals(ladder.engine.notify(ladder.now, "r", undefined, outline), count);
      ladder.drain();
      for (let i = 0; i < count; i++) assertEquals(ladder.peerAt(10_000 + i).takes().length, 1);
      return values;
    };
    for (const length of [10, 200, 5000]) {
      const few = reads(6, length);
      assert(few > 0);
      assertEquals(reads(60, length), few, `${length}`);
    }
  });
});

describe("many notifications", () => {
  afterEach(settle);

  /** Registers a peer at each of so many ports, without a line of the script for each. */
  function registerMany(ladder: Lockstep, count: number): void {
    for (let i = 0; i < count; i++) {
      const { flow } = ladder.peerAt(1000 + i);
      const bytes = Uint8Array.of(0x41, Code.GET, 0, 1, 0x20, 0x60, 0x51, 0x72);
      ladder.engine.receive(ladder.now, flow, bytes);
      const event = ladder.engine.pollEvent()!;
      assert(event.type === "request");
      ladder.engine.respond(ladder.now, event.id, { code: Code.Content }, { observe: "r" });
      while (ladder.engine.pollTransmit() !== undefined);
    }
  }

  function takeMany(ladder: Lockstep, count: number): [ScriptedPeer, Received][] {
    const all: [ScriptedPeer, Received][] = [];
    for (let i = 0; i < count; i++) {
      const peer = ladder.peerAt(1000 + i);
      for (const received of peer.takes()) all.push([peer, received]);
    }
    return all;
  }

  it("leave in bursts of 64 each 10 ms, or as acknowledgements come", () => {
    const ladder = server();
    const { app, after } = ladder;
    registerMany(ladder, 1000);
    after(1); // numbers are given to so many in a millisecond
    assertEquals(app.notifies("r", '2.05 "1"'), 1000);
    const bursts: number[] = [];
    const all: [ScriptedPeer, Received][] = [];
    for (let i = 0; i < 16; i++) {
      const burst = takeMany(ladder, 1000);
      bursts.push(burst.length);
      all.push(...burst);
      after(10);
    }
    ladder.silence(100);
    assertEquals(bursts, [...new Array(15).fill(64), 40]);
    assertEquals(new Set(all.map(([peer]) => peer.flow.key)).size, 1000);
    for (const [peer, received] of all) acknowledge(peer, received);
    ladder.silence(20);
    // Acknowledged at once, all leave without a wait.
    app.notifies("r", '2.05 "2"');
    let [count, rounds] = [0, 0];
    for (let burst = takeMany(ladder, 1000); burst.length > 0; burst = takeMany(ladder, 1000)) {
      count += burst.length;
      rounds++;
      for (const [i, [peer, received]] of burst.entries()) {
        ladder.engine.receive(
          ladder.now,
          peer.flow,
          Uint8Array.of(0x60, 0, received.message.id >> 8, received.message.id & 255),
        );
        if (i === burst.length - 1) ladder.drain();
      }
    }
    assertEquals(count, 1000);
    assert(rounds > 1, `${rounds}`);
    ladder.silence(93_000);
  });

  it("leave no faster while acknowledgements come than these", () => {
    const ladder = server();
    const { app, after } = ladder;
    registerMany(ladder, 300);
    after(1);
    app.notifies("r", '2.05 "1"');
    const waiting = takeMany(ladder, 300);
    let acknowledged = 0;
    // One acknowledgement in 5 ms: those on their way stay as many, and so fit into a socket's buffer.
    for (let i = 0; i < 20; i++) {
      after(5);
      acknowledge(...waiting.shift()!);
      acknowledged++;
      ladder.drain();
      waiting.push(...takeMany(ladder, 300));
      assertEquals(waiting.length, 64, `after ${acknowledged}`);
    }
  });

  it("a newer state before all have left: nobody gets the older one after it", () => {
    const ladder = server();
    const { app, after } = ladder;
    registerMany(ladder, 400);
    after(1);
    app.notifies("r", '2.05 "1"');
    const first = takeMany(ladder, 400);
    assertEquals(first.length, 64);
    app.notifies("r", '2.05 "2"');
    for (const [peer, { message: { id } }] of first) {
      ladder.engine.receive(ladder.now, peer.flow, Uint8Array.of(0x60, 0, id >> 8, id & 255));
    }
    ladder.drain();
    const rest = takeMany(ladder, 400);
    after(100);
    rest.push(...takeMany(ladder, 400));
    assertEquals(rest.length, 400);
    for (const [peer, received] of rest) {
      assertEquals(received.message.payload, Uint8Array.of(0x32));
      acknowledge(peer, received);
    }
    ladder.silence(93_000);
  });

  it("1,000,000 in 10 s: numbers grow, by less than 2^23 in 256 s (7641-4.4-1)", () => {
    const ladder = server({ parameters: { ackTimeout: 10_000 } });
    const { engine, peer } = ladder;
    const first = register(ladder);
    let [last, count, now] = [first, 0, ladder.now];
    const outline = { code: Code.Content };
    const start = now;
    for (let i = 0; i < 1_000_000; i++) {
      if (i % 100 === 0) {
        now = start + i / 100;
        if (engine.deadline <= now) engine.tick(now);
      }
      engine.notify(now, "r", undefined, outline);
      for (let sent = engine.pollTransmit(); sent; sent = engine.pollTransmit()) {
        const { bytes } = sent;
        const number = bytes[6]! << 16 | bytes[7]! << 8 | bytes[8]!;
        const length = bytes[5]! & 15;
        const value = number >> 8 * (3 - length);
        assert(isNewer(last, 0, value, 1), `${last} ${value}`);
        last = value;
        count++;
        engine.receive(now, peer.flow, Uint8Array.of(0x60, 0, bytes[2]!, bytes[3]!));
      }
    }
    assert(count > 10_000, `${count}`);
    // As many in 256 s would keep the bound.
    const grown = last - first & 0xffffff;
    assert(grown / 10 * 256 < 2 ** 23, `${grown}`);
    ladder.now = now;
    ladder.after(100);
    peer.takes().forEach((received) => acknowledge(peer, received));
  });

  it("after 0xffffff comes 0, and each is newer than the one before (7641-4.4-3)", () => {
    // All resources share the numbers: a busy server comes there within hours, a test by its first number alone.
    const { uint16 } = Entropy.prototype;
    Entropy.prototype.uint16 = () => 0xfffffc;
    let ladder: Lockstep;
    try {
      ladder = server();
    } finally {
      Entropy.prototype.uint16 = uint16;
    }
    const numbers = [register(ladder)];
    for (let i = 0; i < 5; i++) {
      ladder.app.notifies("r", "2.05");
      const received = ladder.peer.receives("CON 2.05 _ token 20 Observe:_");
      numbers.push(numberOf(received));
      acknowledge(ladder.peer, received);
    }
    assertEquals(numbers, [0xfffffd, 0xfffffe, 0xffffff, 0, 1, 2]);
    for (let i = 1; i < numbers.length; i++) assert(isNewer(numbers[i - 1]!, 0, numbers[i]!, 1));
  });

  it("go on with the numbers where a resource had no observers for a while (7641-4.4-1)", () => {
    for (let seed = 1; seed <= 20; seed++) {
      const ladder = server({ seed });
      const { app, peer, after } = ladder;
      let last = -1;
      for (let round = 0; round < 5; round++) {
        // The same token: its client may have the old numbers in mind.
        const number = register(ladder);
        if (last >= 0) assert(isNewer(last, 0, number, 1), `${last} ${number}`);
        app.notifies("r", "2.05");
        const received = peer.receives("CON 2.05 _ token 20 Observe:_");
        last = numberOf(received);
        reset(peer, received);
        app.loses("reset");
        after(1000);
      }
    }
  });
});

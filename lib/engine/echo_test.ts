import { assert, assertEquals, assertNotEquals } from "@std/assert";
import { afterEach, describe, it } from "node:test";
import { blockOf, makeBody } from "../../testing/bodies.ts";
import { type Lockstep, lockstep, type LockstepOptions, settle } from "../../testing/lockstep.ts";
import { fromHex, toHex } from "../../testing/message_text.ts";
import { SeededRandom } from "../../testing/seeded_random.ts";
import { findOption, OptionNumber } from "../wire/option.ts";
import { EchoMint, EchoValues, sipHash } from "./echo.ts";
import { Entropy } from "./entropy.ts";

function mint(seed: number): EchoMint {
  return new EchoMint(new Entropy(new SeededRandom(seed).fill));
}

describe("SipHash-2-4", () => {
  it("gives the values of its authors", () => {
    // The key 00..0f and the first inputs of 0, 1, ... bytes 00, 01, ... from the reference implementation.
    const key = Uint8Array.from({ length: 16 }, (_, i) => i);
    const known: [number, string][] = [
      [0, "310e0edd47db6f72"],
      [1, "fd67dc93c539f874"],
      [7, "37d1018bf50002ab"],
      [8, "6224939a79f5f593"],
      [15, "e545be4961ca29a1"],
      [16, "db9bc2577fcc2a3f"],
      [63, "724506eb4c328a95"],
    ];
    for (const [length, hash] of known) {
      const input = Uint8Array.from({ length }, (_, i) => i);
      assertEquals(toHex(sipHash(key, input)), hash, `${length} bytes`);
    }
  });
});

describe("Echo values of a server", () => {
  it("are good for their peer and their time alone (9175-2.2-6)", () => {
    const echoes = mint(1);
    const value = echoes.make(1000.7, "192.0.2.1:5683");
    assertEquals(value.length, 12);
    for (
      const [now, peer, good] of [
        [1000.7, "192.0.2.1:5683", true],
        [6000, "192.0.2.1:5683", true],
        [6001, "192.0.2.1:5683", false],
        [999, "192.0.2.1:5683", false],
        [2000, "192.0.2.1:5684", false],
        [2000, "192.0.2.1:56830", false],
        [2000, "192.0.2.11:5683", false],
        [2000, "", false],
      ] as const
    ) assertEquals(echoes.check(now, peer, value, 5000), good, `${now} ${peer}`);
    assertEquals(mint(2).check(1000, "192.0.2.1:5683", value, 5000), false);
  });

  it("are not guessed: any changed bit or length makes them bad", () => {
    const echoes = mint(1);
    const value = echoes.make(1e9, "peer");
    for (let bit = 0; bit < 96; bit++) {
      const other = value.slice();
      other[bit >> 3]! ^= 1 << (bit & 7);
      assertEquals(echoes.check(1e9, "peer", other, 1e12), false, `${bit}`);
    }
    for (const other of ["", toHex(value).slice(2), `${toHex(value)}00`, "00".repeat(40)]) {
      assertEquals(echoes.check(1e9, "peer", fromHex(other), 1e12), false);
    }
  });

  it("go on when 32 bits of milliseconds are over", () => {
    const echoes = mint(1);
    for (const now of [2 ** 32 - 1, 2 ** 32, 2 ** 40 + 0.5]) {
      const value = echoes.make(now, "peer");
      assertEquals(echoes.check(now + 5000, "peer", value, 5000), true);
      assertEquals(echoes.check(now + 5002, "peer", value, 5000), false);
      assertEquals(echoes.check(now + 2 ** 32, "peer", value, 5000), false); // 50 days old, not new
    }
  });
});

describe("Echo values of a client", () => {
  it("are kept for so many peers, the newest, once", () => {
    const values = new EchoValues();
    for (let i = 0; i < 2000; i++) values.put(`${i}`, Uint8Array.of(i & 255));
    values.put("1999", Uint8Array.of(1, 2));
    assertEquals(values.take("0"), undefined);
    assertEquals(values.take("1999"), Uint8Array.of(1, 2));
    assertEquals(values.take("1999"), undefined);
    let count = 0;
    for (let i = 0; i < 2000; i++) if (values.take(`${i}`) !== undefined) count++;
    assertEquals(count, 1023);
  });
});

describe("Echo, the client", () => {
  afterEach(settle);

  it("4.01 with it: the request again, once, with a new message ID and token (9175-2.2-2, 2.2-3)", () => {
    for (const value of ["00", "ff".repeat(40), "0102030405060708090a0b0c"]) {
      const { app, peer, silence } = lockstep();
      app.asks('CON PUT /r ?q Content-Format:0 "on"');
      const first = peer.receives('CON PUT $m token $t /r Content-Format:0 ?q "on"');
      peer.sends(`ACK 4.01 $m token $t Echo:0x${value}`);
      const second = peer.receives(
        `CON PUT $n token $u /r Content-Format:0 ?q Echo:0x${value} "on"`,
      );
      assertNotEquals(second.message.id, first.message.id);
      peer.sends("ACK 2.04 $n token $u");
      app.gets("2.04");
      silence(93_000);
    }
  });

  it("a second 4.01 is the response (9175-2.2-8)", () => {
    const { app, peer, silence } = lockstep();
    app.asks("CON GET /r");
    peer.receives("CON GET $m token $t /r");
    peer.sends("ACK 4.01 $m token $t Echo:0x01");
    peer.receives("CON GET $n token $u /r Echo:0x01");
    peer.sends("ACK 4.01 $n token $u Echo:0x02");
    app.gets("4.01 Echo:0x02");
    silence(93_000);
  });

  it("4.01 without it, or with one of no length or too many bytes, is the response", () => {
    for (const option of ["", "Echo:0x", `Echo:0x${"00".repeat(41)}`]) {
      const { app, peer, silence } = lockstep();
      app.asks("CON GET /r");
      peer.receives("CON GET $m token $t /r");
      peer.sends(`ACK 4.01 $m token $t ${option}`);
      app.gets(`4.01 ${option}`);
      silence();
    }
  });

  it("in another response: in the next request to that server, and no other (9175-2.2-4, 2.2-5)", () => {
    const { app, peer, peerAt } = lockstep({ parameters: { nstart: 3 } });
    const other = peerAt(5684);
    app.asks("CON GET /a");
    peer.receives("CON GET $m token $t /a");
    peer.sends("ACK 2.05 $m token $t Echo:0x0102");
    app.gets("2.05 Echo:0x0102");
    app.asks("CON GET /b", { to: other });
    other.receives("CON GET $m1 token $t1 /b");
    other.sends("ACK 2.05 $m1 token $t1");
    app.gets("2.05");
    app.asks("CON GET /c");
    peer.receives("CON GET $m2 token $t2 /c Echo:0x0102");
    peer.sends("ACK 2.05 $m2 token $t2");
    app.gets("2.05");
    app.asks("CON GET /d");
    peer.receives("CON GET $m3 token $t3 /d");
    peer.sends("ACK 2.05 $m3 token $t3");
    app.gets("2.05");
  });

  it("asked for in the middle of a body, in either direction", () => {
    const ladder = lockstep({ blockSize: 64 });
    const { app, peer } = ladder;
    const [body, answer] = [makeBody(100), makeBody(150, 1)];
    app.asks("CON PUT /r", { payload: body });
    peer.receives("CON PUT $a token $b /r Block1:0/1/64 Size1:100", blockOf(body, 0, 64));
    peer.sends("ACK 2.31 $a token $b Block1:0/1/64");
    peer.receives("CON PUT $c token $d /r Block1:1/0/64", blockOf(body, 1, 64));
    peer.sends("ACK 4.01 $c token $d Echo:0x01");
    peer.receives("CON PUT $e token $f /r Block1:1/0/64 Echo:0x01", blockOf(body, 1, 64));
    peer.sends("ACK 2.04 $e token $f Block2:0/1/64 Block1:1/0/64", blockOf(answer, 0, 64));
    peer.receives("CON PUT $g token $h /r Block2:1/0/64");
    peer.sends("ACK 4.01 $g token $h Echo:0x02");
    peer.receives("CON PUT $i token $j /r Block2:1/0/64 Echo:0x02");
    peer.sends("ACK 2.04 $i token $j Block2:1/1/64", blockOf(answer, 1, 64));
    peer.receives("CON PUT $k token $l /r Block2:2/0/64 Echo:0x02");
    peer.sends("ACK 2.04 $k token $l Block2:2/0/64", blockOf(answer, 2, 64));
    app.gets("2.04 Block1:1/0/64", undefined, answer);
  });
});

describe("Echo, the server", () => {
  afterEach(settle);

  /** Answers a request with a challenge and gives the value. */
  function challenge(ladder: Lockstep, line: string): string {
    const { app, peer, engine } = ladder;
    peer.sends(line);
    engine.challenge(ladder.now, app.event("request").id);
    ladder.drain();
    const { message } = peer.receives("ACK 4.01 _ token 20 Echo:_");
    return toHex(findOption(message.options, OptionNumber.Echo)!.value);
  }

  it("a request is fresh with a value of ours that is not too old (9175-2.2-6)", () => {
    const ladder = lockstep({ serve: true, echoLifetime: 10_000, start: 1e6 });
    const { app, peer, peerAt, after } = ladder;
    const value = challenge(ladder, "CON PUT 0x0001 token 20 /r");
    let id = 2;
    const isFresh = (from: typeof peer, echo: string): boolean => {
      from.sends(`CON PUT 0x000${id} token 20 /r Echo:0x${echo}`);
      const event = app.event("request");
      app.answers("2.04", { id: event.id });
      from.receives(`ACK 2.04 0x000${id++} token 20`);
      return event.fresh;
    };
    after(10_000);
    assertEquals(isFresh(peer, value), true);
    assertEquals(isFresh(peerAt(5684), value), false);
    assertEquals(isFresh(peer, "00".repeat(12)), false);
    after(1);
    assertEquals(isFresh(peer, value), false);
    const again = challenge(ladder, `CON PUT 0x00ff token 20 /r Echo:0x${value}`);
    assertNotEquals(again, value);
    assertEquals(isFresh(peer, again), true);
  });

  it("a challenge is piggybacked or Non-confirmable (9175-2.2-7)", () => {
    const ladder = lockstep({ serve: true });
    const { app, peer, after, engine } = ladder;
    peer.sends("CON PUT 0x0001 token 20 /r");
    const id = app.serves("PUT /r");
    after(500);
    peer.receives("ACK Empty 0x0001");
    engine.challenge(ladder.now, id);
    ladder.drain();
    peer.receives("NON 4.01 $m token 20 Echo:_");
    peer.sends("NON PUT 0x0002 token 21 /r");
    engine.challenge(ladder.now, app.serves("PUT /r"));
    ladder.drain();
    peer.receives("NON 4.01 $n token 21 Echo:_");
    assertEquals(engine.sizes.handling, 0);
    ladder.silence(93_000);
  });
});

describe("amplification (9175-2.4-1)", () => {
  afterEach(settle);

  const BODY = makeBody(300);

  function server(options: LockstepOptions = {}): Lockstep {
    return lockstep({ serve: true, amplification: 3, ...options });
  }

  it("a small response goes as it is, a larger one to a safe request after an Echo", () => {
    const ladder = server();
    const { app, peer } = ladder;
    peer.sends("CON GET 0x0001 token 20 /r");
    app.serves("GET /r");
    app.answers('2.05 "small"');
    peer.receives('ACK 2.05 0x0001 token 20 "small"');
    peer.sends("CON GET 0x0002 token 20 /r");
    app.serves("GET /r");
    app.answers("2.05", { payload: BODY });
    const { message } = peer.receives("ACK 4.01 0x0002 token 20 Echo:_");
    const echo = toHex(findOption(message.options, OptionNumber.Echo)!.value);
    peer.sends(`CON GET 0x0003 token 20 /r Echo:0x${echo}`);
    app.serves(`GET /r Echo:0x${echo}`);
    app.answers("2.05", { payload: BODY });
    peer.receives("ACK 2.05 0x0003 token 20", BODY);
    // From now on the address is known to be true.
    peer.sends("CON GET 0x0004 token 20 /r");
    app.serves("GET /r");
    app.answers("2.05", { payload: BODY });
    peer.receives("ACK 2.05 0x0004 token 20", BODY);
  });

  it("never sends more than three times what came, whatever comes", () => {
    const random = new SeededRandom(5);
    for (let seed = 1; seed <= 40; seed++) {
      const ladder = server({ seed });
      const { app, engine, peer } = ladder;
      for (let i = 0; i < 60; i++) {
        // Few message IDs, so that many are duplicates of larger or smaller requests.
        const id = `0x000${random.integer(0, 9)}`;
        const type = random.float() < 0.7 ? "CON" : "NON";
        const method = ["GET", "PUT", "POST", "FETCH"][random.integer(0, 3)];
        const extra = "x".repeat(random.float() < 0.3 ? random.integer(0, 250) : 0);
        const observe = random.float() < 0.2 ? " Observe:0" : "";
        const before = engine.stats.receivedBytes;
        peer.sends(`${type} ${method} ${id} token 20 /r?${extra}${observe}`);
        const came = engine.stats.receivedBytes - before;
        if (app.hasEvent) {
          const { id: exchange } = app.event("request");
          if (random.float() < 0.3) ladder.after(600);
          const payload = makeBody(random.integer(0, 400));
          app.answers("2.05", { id: exchange, payload, observe: "r" });
        }
        const sent = peer.takes().reduce((sum, { bytes }) => sum + bytes.length, 0);
        assert(sent <= 3 * came, `Seed ${seed}: ${sent} bytes for ${came}`);
        ladder.after(100);
        assertEquals(peer.takes(), [], "Nothing is retransmitted to it");
        app.notifies("r", "2.05", { payload: BODY });
        assertEquals(peer.takes(), [], "It can not observe");
      }
    }
  });

  it("a large response to another request is cut to a small block", () => {
    const ladder = server();
    const { app, peer } = ladder;
    peer.sends("CON POST 0x0001 token 20 /resource/with/a/path");
    app.serves("POST /resource/with/a/path");
    app.answers("2.04", { payload: BODY });
    peer.receives("ACK 2.04 0x0001 token 20 ETag:_ Block2:0/1/32", blockOf(BODY, 0, 32));
    peer.sends("CON POST 0x0002 token 20 /resource/with/a/path Block2:1/0/32");
    peer.receives("ACK 2.04 0x0002 token 20 ETag:_ Block2:1/1/32", blockOf(BODY, 1, 32));
    // Asked for more than it may get, from another place.
    peer.sends("CON POST 0x0003 token 20 /resource/with/a/path Block2:1/0/128");
    peer.receives("ACK 2.04 0x0003 token 20 ETag:_ Block2:2/1/64", blockOf(BODY, 2, 64));
    // What acknowledges the request's last block stays.
    peer.sends("CON POST 0x0004 token 20 /resource/with/a/path Block2:0/0/128 Block1:0/0/16");
    app.serves("POST /resource/with/a/path Block2:0/0/128");
    app.answers("2.04", { payload: BODY });
    const line = "ACK 2.04 0x0004 token 20 ETag:_ Block2:0/1/64 Block1:0/0/16";
    peer.receives(line, blockOf(BODY, 0, 64));
  });

  it("what does not fit at all is the bare code", () => {
    const ladder = server({ amplification: 1 });
    const { app, peer } = ladder;
    for (const [id, method, code] of [[1, "POST", "2.04"], [2, "GET", "4.01"]] as const) {
      peer.sends(`CON ${method} 0x000${id} token 20`);
      app.serves(method);
      app.answers("2.04", { payload: BODY });
      peer.receives(`ACK ${code} 0x000${id} token 20`);
    }
  });

  it("to observe needs an Echo, whatever the size of the state", () => {
    const ladder = server();
    const { app, peer, engine } = ladder;
    peer.sends("CON GET 0x0001 token 20 Observe:0 /r");
    const { message } = peer.receives("ACK 4.01 0x0001 token 20 Echo:_");
    const echo = toHex(findOption(message.options, OptionNumber.Echo)!.value);
    peer.sends(`CON GET 0x0002 token 20 Observe:0 /r Echo:0x${echo}`);
    app.serves(`GET Observe:0 /r Echo:0x${echo}`);
    app.answers("2.05", { observe: "r" });
    peer.receives("ACK 2.05 0x0002 token 20 Observe:_");
    assertEquals(engine.sizes.observers, 1);
  });

  it("costs nothing for addresses that only pretend", () => {
    const ladder = server({ limits: { peers: 10 } });
    const { engine } = ladder;
    const bytes = Uint8Array.of(0x41, 1, 0, 1, 0x20, 0x60); // GET, Observe
    for (let i = 0; i < 10_000; i++) {
      const flow = { ...ladder.peer.flow, key: `${i}`, port: 1 + i };
      engine.receive(ladder.now, flow, bytes.slice());
      assertEquals(engine.pollEvent(), undefined);
      assert(engine.pollTransmit()!.bytes.length <= 3 * bytes.length + 9);
      assertEquals(engine.pollTransmit(), undefined);
    }
    assert(engine.sizes.peers <= 10);
  });
});

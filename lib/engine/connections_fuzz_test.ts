import { describe, it } from "node:test";
import { assertEquals } from "@std/assert";
import { SeededRandom } from "../../testing/seeded_random.ts";
import type { Flow } from "../flow.ts";
import { Code } from "../wire/code.ts";
import { decodeFrame, encodeFrame } from "../wire/frame.ts";
import { encodeUint, makeOption, OptionNumber } from "../wire/option.ts";
import { Engine } from "./engine.ts";
import type { ExchangeId } from "./types.ts";

const WITHOUT_LENGTH = { length: false, checkOptions: false, extendedTokens: true };
const CODES = [
  Code.Empty,
  Code.GET,
  Code.POST,
  Code.FETCH,
  Code.Content,
  Code.Continue,
  Code.Valid,
  Code.BadRequest,
  Code.RequestEntityIncomplete,
  Code.RequestEntityTooLarge,
  Code.Unauthorized,
  Code.CSM,
  Code.Ping,
  Code.Pong,
];
/** Seldom: they end the connection. */
const ENDS = [Code.Release, Code.Abort, 0x61, 0xff];
const NUMBERS = [
  1,
  2,
  4,
  OptionNumber.ETag,
  OptionNumber.Observe,
  OptionNumber.UriPath,
  OptionNumber.MaxAge,
  OptionNumber.Block2,
  OptionNumber.Block1,
  OptionNumber.Size2,
  OptionNumber.Echo,
  OptionNumber.NoResponse,
];

/** One engine and a peer that says what it likes, and all that an application may do meanwhile. */
class Chaos {
  readonly #random: SeededRandom;
  readonly #engine: Engine;
  readonly #flow: Flow = { key: "a", address: "192.0.2.1", port: 1, multicast: false };
  readonly #asked: ExchangeId[] = [];
  readonly #own: ExchangeId[] = [];
  readonly #tokens: Uint8Array[] = [new Uint8Array(0)];
  #now = 0;

  constructor(seed: number) {
    this.#random = new SeededRandom(seed);
    this.#engine = new Engine({
      random: this.#random.fill,
      reliable: true,
      serve: this.#random.float() < 0.9,
      extendedTokens: this.#random.float() < 0.5,
      limits: {
        sendBytes: 2000,
        messageBytes: this.#random.integer(100, 5000),
        transfers: 3,
        observers: 3,
        handling: 5,
      },
    });
  }

  run(steps: number): number {
    let lives = 0;
    for (let step = 0; step < steps; step++) {
      if (this.#engine.isOpen(this.#flow) === undefined) {
        lives++;
        this.#engine.connected(this.#now, this.#flow);
        if (this.#random.float() < 0.95) {
          this.#receive(encodeFrame({ code: Code.CSM }, WITHOUT_LENGTH));
        }
      } else this.#step();
      this.#drain();
    }
    this.#engine.disconnected(this.#now, this.#flow, "End");
    this.#drain();
    for (const [name, size] of Object.entries(this.#engine.sizes)) {
      assertEquals([name, size], [name, 0]);
    }
    assertEquals(this.#engine.deadline, Infinity);
    return lives;
  }

  #one<T>(list: readonly T[]): T {
    return list[this.#random.integer(0, list.length - 1)]!;
  }

  #receive(bytes: Uint8Array): void {
    this.#engine.receive(this.#now, this.#flow, bytes);
  }

  #step(): void {
    const random = this.#random;
    const kind = random.float();
    if (kind < 0.6) this.#receive(this.#message());
    else if (kind < 0.7) this.#ask();
    else if (kind < 0.8 && this.#asked.length > 0) this.#answer();
    else if (kind < 0.83 && this.#own.length > 0) {
      this.#engine.cancel(this.#now, this.#one(this.#own));
    } else if (kind < 0.88) this.#engine.writable(this.#now, this.#flow);
    else if (kind < 0.9) this.#engine.partial(this.#now, this.#flow, random.integer(1, 5000));
    else if (kind < 0.95) {
      const payload = new Uint8Array(random.integer(0, 3000));
      const code = random.float() < 0.95 ? Code.Content : Code.NotFound;
      this.#engine.notify(this.#now, "/r", undefined, { code, payload });
    } else {
      this.#now += random.float() ** 4 * 100_000;
      this.#engine.tick(this.#now);
    }
  }

  #message(): Uint8Array {
    const random = this.#random;
    const code = random.float() < 0.99 ? this.#one(CODES) : this.#one(ENDS);
    const options = Array.from({ length: random.integer(0, 4) }, () => {
      const value = random.float() < 0.7
        ? encodeUint(random.integer(0, 300))
        : new Uint8Array(random.integer(0, 40));
      return { number: this.#one(NUMBERS), value };
    });
    const critical = code >= 0xe0 && random.float() < 0.9;
    const bytes = encodeFrame({
      code,
      token: code === 0 ? undefined : this.#one(this.#tokens),
      options: code === 0
        ? []
        : critical
        ? options.filter(({ number }) => number % 2 === 0)
        : options,
      payload: code > 0 && random.float() < 0.5
        ? new Uint8Array(random.float() < 0.5 ? 1024 : random.integer(1, 3000))
        : undefined,
    }, WITHOUT_LENGTH);
    if (random.float() < 0.003) {
      const at = random.integer(0, bytes.length - 1);
      bytes[at] = bytes[at]! ^ 1 << random.integer(0, 7);
    }
    return bytes;
  }

  #ask(): void {
    const random = this.#random;
    const body = new Uint8Array(random.integer(0, 8000));
    const observe = random.float() < 0.3;
    const outline = {
      code: observe ? Code.GET : Code.PUT,
      options: [makeOption(OptionNumber.UriPath, "r")],
      payload: observe ? undefined : body,
    };
    try {
      const { flow } = { flow: this.#flow };
      if (random.float() < 0.2) this.#own.push(this.#engine.ping(this.#now, flow));
      else {
        this.#own.push(this.#engine.request(this.#now, flow, outline, {
          observe,
          download: random.float() < 0.2,
          timeout: random.integer(1, 100_000),
        }));
      }
    } catch (error) {
      // What the caller asks for may not be possible; what peers say never throws.
      assertEquals((error as Error).name, "CoAPError");
    }
    if (this.#own.length > 20) this.#own.shift();
  }

  #answer(): void {
    const id = this.#asked.splice(this.#random.integer(0, this.#asked.length - 1), 1)[0]!;
    const payload = new Uint8Array(this.#random.integer(0, 4000));
    try {
      this.#engine.respond(this.#now, id, { code: Code.Content, payload }, { observe: "/r" });
    } catch (error) {
      assertEquals((error as Error).name, "CoAPError");
      this.#engine.cancel(this.#now, id);
    }
  }

  #drain(): void {
    const engine = this.#engine;
    for (let event = engine.pollEvent(); event !== undefined; event = engine.pollEvent()) {
      if (event.type === "request") this.#asked.push(event.id);
      if (event.type === "response" && event.more) engine.consume(this.#now, event.id);
    }
    for (let sent = engine.pollTransmit(); sent !== undefined; sent = engine.pollTransmit()) {
      const { error, token } = decodeFrame(sent.bytes.slice(), WITHOUT_LENGTH);
      assertEquals(error, undefined);
      this.#tokens.push(token);
      if (this.#tokens.length > 10) this.#tokens.shift();
    }
  }
}

describe("connections, whatever the peer says", () => {
  for (let first = 1; first <= 200; first += 50) {
    it(`nothing throws and nothing is left: seeds ${first} to ${first + 49}`, () => {
      let lives = 0;
      for (let seed = first; seed < first + 50; seed++) {
        try {
          lives += new Chaos(seed).run(400);
        } catch (error) {
          throw new Error(`Seed ${seed}: ${error}`, { cause: error });
        }
      }
      assertEquals(lives > 50, true, "Connections end and begin again");
    });
  }
});

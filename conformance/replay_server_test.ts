/**
 * What libcoap's client sent, sent again to the library's server: it answers as libcoap's server did. The resources
 * have what the recorded responses show; message IDs that a server chooses are its own.
 */

import { afterEach, describe, it } from "node:test";
import { assert, assertEquals, assertRejects, fail } from "@std/assert";
import { CoAPResponse, type IncomingRequest, type Server } from "@x/coap";
import type { Flow } from "../lib/flow.ts";
import type { Transport } from "../lib/transport/transport.ts";
import {
  Code,
  decode,
  encode,
  findOption,
  isRequestCode,
  type Message,
  MessageType,
  OptionNumber,
  uintOption,
} from "../lib/wire/mod.ts";
import {
  Names,
  normalize,
  opens,
  type RecordedMessage,
  recordings,
} from "../testing/recordings.ts";
import { Simulation } from "../testing/simulated_endpoints.ts";
import { fromHex, toHex } from "../testing/vectors.ts";

/** Options that belong to the delivery, not to the representation. */
const DELIVERY: readonly number[] = [
  OptionNumber.Observe,
  OptionNumber.Block1,
  OptionNumber.Block2,
  OptionNumber.Size2,
];

/** Options in which the servers differ by choice, and why. */
const DIFFERENCES: Record<string, { without: number[]; why: string }> = {
  block1: { without: [OptionNumber.Block1], why: "ours says of the last block, too, that it came" },
  "lost-acknowledgement": {
    without: [OptionNumber.MaxAge],
    why: "ours brings Max-Age up to date when it sends again",
  },
  block2: { without: [OptionNumber.Size2], why: "ours tells the size where it is asked for" },
};

/** A client that says what was recorded. */
class RecordedClient {
  readonly unread: { message: Message; hex: string }[] = [];
  #transport: Transport | undefined = undefined;
  #server: Flow | undefined = undefined;

  async bind(simulation: Simulation, port: number): Promise<void> {
    this.#transport = await simulation.network.bind({ port }, {
      receive: (_, bytes) =>
        this.unread.push({ message: decode(bytes.slice()), hex: toHex(bytes) }),
      turn: () => {},
      error: () => {},
    });
    simulation.closeLater(this.#transport);
    this.#server = this.#transport.flow("127.0.0.1", 5683);
  }

  send(bytes: Uint8Array): void {
    this.#transport!.send(this.#server!, bytes);
    this.#transport!.flush();
  }
}

/** One recording against our server. */
class Replayed {
  readonly #simulation: Simulation;
  readonly #messages: readonly RecordedMessage[];
  readonly #without: readonly number[];
  readonly #names = new Names();
  readonly #clients: RecordedClient[] = [];
  /** The latest Observe by client and token, of ours. */
  readonly #states = new Map<string, number>();
  #server: Server | undefined = undefined;

  constructor(simulation: Simulation, messages: readonly RecordedMessage[], without: number[]) {
    this.#simulation = simulation;
    this.#messages = messages;
    this.#without = without;
  }

  async run(): Promise<void> {
    this.#server = await this.#simulation.serve((request) => this.#handle(request), {
      onObserve: () => true,
    });
    for (const { client } of this.#messages) {
      if (this.#clients[client] !== undefined) continue;
      this.#clients[client] = new RecordedClient();
      await this.#clients[client].bind(this.#simulation, 40000 + client);
    }
    for (let i = 0; i < this.#messages.length;) {
      const { from, time, client } = this.#messages[i]!;
      await this.#until(time);
      if (from === "client") {
        this.#send(i++);
        await this.#simulation.after(0);
        continue;
      }
      // What comes without anything in between may come in any order.
      const expected: RecordedMessage[] = [];
      while (this.#messages[i]?.from === "server") expected.push(this.#messages[i++]!);
      for (const message of expected) await this.#notify(message);
      await this.#expect(client, expected);
    }
    for (const { unread } of this.#clients) assertEquals(unread.map(({ hex }) => hex), []);
  }

  async #until(time: number): Promise<void> {
    const { clock } = this.#simulation;
    if (time > clock.now()) await clock.advanceToAsync(time);
  }

  #send(index: number): void {
    const { message, hex, client } = this.#messages[index]!;
    const { unread } = this.#clients[client]!;
    const repeated = this.#messages.slice(0, index).some((earlier) => earlier.hex === hex);
    // The answer to what is repeated was lost, before it could be captured.
    if (repeated) assertEquals(unread.splice(0).length, 1);
    const bytes = opens(message)
      ? fromHex(hex)
      : encode({ type: message.type, code: message.code, id: this.#names.get("id", message.id) });
    this.#clients[client]!.send(bytes);
  }

  /** The next messages for a client are the expected ones. */
  async #expect(client: number, expected: RecordedMessage[]): Promise<void> {
    const { unread } = this.#clients[client]!;
    const { clock } = this.#simulation;
    const patience = clock.now() + 5000;
    while (unread.length < expected.length && clock.next <= patience) {
      await clock.advanceToAsync(clock.next);
    }
    const actual = unread.splice(0, expected.length).map(({ message }) => message);
    if (actual.length < expected.length) fail(`Missing: ${expected.map(({ hex }) => hex)}`);
    for (const message of actual) this.#checkState(client, message);
    const sorted = [...expected].sort((a, b) => order(a.message) - order(b.message));
    actual.sort((a, b) => order(a) - order(b));
    for (const [i, { message }] of sorted.entries()) this.#compare(actual[i]!, message);
  }

  #compare(actual: Message, expected: Message): void {
    const id = opens(expected) ? this.#names.resolve("id", expected.id, actual.id) : expected.id;
    const without = this.#without;
    assertEquals(
      normalize(actual, { id: actual.id, token: actual.token, without, anyObserve: true }),
      normalize(expected, { id, token: expected.token, without, anyObserve: true }),
    );
  }

  /** Numbers of states grow; only a retransmission has one from before. */
  #checkState(client: number, { id, token, options }: Message): void {
    const state = uintOption(options, OptionNumber.Observe);
    if (state === undefined) return;
    const observer = `${client} ${toHex(token)}`;
    const last = this.#states.get(observer);
    const isRepeated = this.#states.has(`${observer} ${id}`);
    assert(last === undefined || isRepeated || state > last, `Observe ${state} after ${last}`);
    this.#states.set(observer, state).set(`${observer} ${id}`, state);
  }

  async #notify({ message, time, client }: RecordedMessage): Promise<void> {
    if (!this.#isNotification(message, client)) return;
    // A retransmission comes by itself.
    const isFirst = this.#messages.findIndex((other) => other.message.id === message.id) ===
      this.#messages.findIndex((other) => other.time === time);
    if (!isFirst) return;
    assertEquals(await this.#server!.notify("/time", responseOf(message, message.payload)), 1);
  }

  #isNotification(message: Message, client: number): boolean {
    const registered = this.#messages.some((other) =>
      other.client === client && other.from === "server" &&
      other.message.type === MessageType.Acknowledgement &&
      findOption(other.message.options, OptionNumber.Observe) !== undefined
    );
    return registered && opens(message) &&
      findOption(message.options, OptionNumber.Observe) !== undefined;
  }

  /** Gives the recorded response, when it was given. */
  async #handle(request: IncomingRequest): Promise<CoAPResponse> {
    const client = request.peer.port - 40000;
    const tokens = this.#tokensOf(request, client);
    const responses = this.#messages.filter(({ from, message, client: to }) =>
      from === "server" && to === client && message.code !== Code.Empty &&
      message.code !== Code.Continue && tokens.includes(toHex(message.token)) &&
      !this.#isNotification(message, to)
    );
    // A token may be used again: for what begins and ends an observation.
    const observed = request.observe === 1 ? responses.slice(-1) : responses.slice();
    const chosen = request.observe === 0 ? observed.slice(0, 1) : observed;
    const { message, time } = chosen[0]!;
    await new Promise<void>((resolve) => {
      const { clock } = this.#simulation;
      if (message.type === MessageType.Acknowledgement) resolve();
      else clock.setTimer(resolve, Math.max(time, clock.now()));
    });
    const body = chosen.flatMap(({ message: { payload } }) => [...payload]);
    return responseOf(message, Uint8Array.from(body));
  }

  /** The tokens of a request and of those for its further blocks. */
  #tokensOf(request: IncomingRequest, client: number): string[] {
    const isBlock = ({ options }: Message): boolean =>
      [OptionNumber.Block1, OptionNumber.Block2].some((number) => findOption(options, number));
    const further = this.#messages.filter(({ from, message, client: sender }) =>
      from === "client" && sender === client && isRequestCode(message.code) && isBlock(message)
    );
    return [toHex(request.token), ...further.map(({ message }) => toHex(message.token))];
  }
}

/** What may come in any order is compared in this one. */
function order({ type, code, token }: Message): number {
  return type * 0x10000 + code * 0x100 + token.length;
}

/** A response as a handler would have made it. */
function responseOf(message: Message, payload: Uint8Array): CoAPResponse {
  const { code, options } = message;
  const kept = options.filter(({ number }) => !DELIVERY.includes(number));
  return new CoAPResponse(payload, {
    code,
    options: kept.map(({ number, value }) => ({ number, value })),
  });
}

describe("our server, as libcoap's client talks", () => {
  let simulation: Simulation;
  afterEach(() => simulation.close());

  for (const { id, title, messages } of recordings) {
    const difference = DIFFERENCES[id];
    it(`${id}, ${title}${difference === undefined ? "" : ` (${difference.why})`}`, async () => {
      simulation = new Simulation({ latency: 0 });
      await new Replayed(simulation, messages, difference?.without ?? []).run();
    });
    if (difference === undefined) continue;
    it(`${id}: and the difference is there`, async () => {
      for (const left of difference.without) {
        simulation = new Simulation({ latency: 0 });
        const without = difference.without.filter((number) => number !== left);
        await assertRejects(() => new Replayed(simulation, messages, without).run(), Error);
      }
    });
  }
});

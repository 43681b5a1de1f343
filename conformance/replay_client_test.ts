/**
 * What libcoap's server sent, sent again to the library's client, which asks for what libcoap's client asked for: it
 * says the same. Message IDs and tokens are its own.
 */

import { afterEach, describe, it } from "node:test";
import { assert, assertEquals, assertRejects, fail } from "@std/assert";
import type { CoAPClient } from "@x/coap";
import type { Flow } from "../lib/flow.ts";
import type { Transport } from "../lib/transport/transport.ts";
import {
  blockNumber,
  blockSize,
  blockSzx,
  Code,
  decode,
  encode,
  isRequestCode,
  type Message,
  MessageType,
  OptionNumber,
  stringOptions,
  uintOption,
} from "../lib/wire/mod.ts";
import { settle } from "../testing/manual_clock.ts";
import {
  Names,
  normalize,
  opens,
  type RecordedMessage,
  recordings,
} from "../testing/recordings.ts";
import { SERVER, Simulation } from "../testing/simulated_endpoints.ts";
import { toHex } from "../testing/vectors.ts";

/** In what the clients differ by choice, and why. */
interface Difference {
  why: string;
  /** Options that are not compared. */
  without?: number[];
  /** Acknowledgements of ours that libcoap's client did not send, or that it lost. */
  acknowledgements?: number;
}

const DIFFERENCES: Record<string, Difference> = {
  "block1": {
    without: [OptionNumber.RequestTag, OptionNumber.Size1, OptionNumber.Block2],
    why: "ours has a Request-Tag only where bodies could be mixed up, Size1 with the first block " +
      "alone, and says with the last how large blocks of the response may be",
  },
  "lost-acknowledgement": {
    acknowledgements: 2,
    why: "ours acknowledges a notification each time it comes",
  },
};

/** One recording against our client. */
class Replayed {
  readonly #simulation: Simulation;
  readonly #messages: readonly RecordedMessage[];
  readonly #difference: Partial<Difference>;
  readonly #names = new Names();
  readonly #clients: CoAPClient[] = [];
  readonly #unread: { flow: Flow; message: Message }[] = [];
  /** Where each client is. */
  readonly #flows: Flow[] = [];
  readonly #results: Promise<unknown>[] = [];
  #observation: AsyncIterator<unknown> | undefined = undefined;
  #transport: Transport | undefined = undefined;
  #acknowledgements = 0;
  /** What the application saw: codes and payloads. */
  readonly seen: string[] = [];

  constructor(
    simulation: Simulation,
    messages: readonly RecordedMessage[],
    difference: Partial<Difference>,
  ) {
    this.#simulation = simulation;
    this.#messages = messages;
    this.#difference = difference;
  }

  async run(): Promise<void> {
    this.#transport = await this.#simulation.network.bind({ port: 5683 }, {
      receive: (flow, bytes) => this.#unread.push({ flow, message: decode(bytes.slice()) }),
      turn: () => {},
      error: () => {},
    });
    this.#simulation.closeLater(this.#transport);
    for (const [i, { time, from }] of this.#messages.entries()) {
      await this.#until(time);
      if (from === "server") this.#send(i);
      else await this.#expect(i);
      await this.#simulation.after(0);
    }
    this.#skipAcknowledgements();
    assertEquals(this.#unread.map(({ message }) => message.id), []);
    assertEquals(this.#acknowledgements, this.#difference.acknowledgements ?? 0);
    await Promise.all(this.#results);
  }

  async #until(time: number): Promise<void> {
    const { clock } = this.#simulation;
    if (time > clock.now()) await clock.advanceToAsync(time);
  }

  #send(index: number): void {
    const { message, client } = this.#messages[index]!;
    const { type, code, options, payload } = message;
    const id = opens(message) ? message.id : this.#names.get(`id ${client}`, message.id);
    const token = this.#names.get(`token ${client}`, message.token);
    this.#transport!.send(
      this.#flows[client]!,
      encode({ type, code, id, token, options, payload }, { checkOptions: false }),
    );
    this.#transport!.flush();
  }

  /** The client says what was recorded; if need be the application asks for it first. */
  async #expect(index: number): Promise<void> {
    const { message: expected, client, hex } = this.#messages[index]!;
    const repeated = this.#messages.slice(0, index).some((earlier) => earlier.hex === hex);
    if (opens(expected) && !repeated && !isFurther(expected)) this.#act(expected, client);
    await settle();
    this.#skipAcknowledgements(expected);
    const { clock } = this.#simulation;
    const patience = clock.now() + 3100;
    while (this.#unread.length === 0 && clock.next <= patience) {
      await clock.advanceToAsync(clock.next);
    }
    const next = this.#unread.shift() ?? fail(`Nothing came, expected: ${hex}`);
    this.#flows[client] = next.flow;
    const actual = next.message;
    const id = opens(expected)
      ? this.#names.resolve(`id ${client}`, expected.id, actual.id)
      : expected.id;
    const token = expected.code === Code.Empty
      ? expected.token
      : this.#names.resolve(`token ${client}`, expected.token, actual.token);
    const { without = [] } = this.#difference;
    assertEquals(
      normalize(actual, { id: actual.id, token: actual.token, without }),
      normalize(expected, { id, token, without }),
    );
  }

  /** Acknowledgements that libcoap's client did not send, where there may be some. */
  #skipAcknowledgements(expected?: Message): void {
    if (this.#difference.acknowledgements === undefined) return;
    const isEmpty = ({ type, code }: Message): boolean =>
      type === MessageType.Acknowledgement && code === Code.Empty;
    while (this.#unread.length > 0 && isEmpty(this.#unread[0]!.message)) {
      if (expected !== undefined && isEmpty(expected)) return;
      this.#unread.shift();
      this.#acknowledgements++;
    }
  }

  /** Does what makes a client send the message. */
  #act(expected: Message, index: number): void {
    const { code, options, payload, type } = expected;
    const observe = uintOption(options, OptionNumber.Observe);
    if (observe === 1) {
      void this.#observation!.return!();
      return;
    }
    // Where the same endpoint forgot its observation another client has taken its place.
    const isRestarted = this.#observation !== undefined && isRequestCode(code);
    if (this.#clients[index] === undefined || isRestarted) {
      this.#clients[index] = this.#simulation.client();
    }
    const client = this.#clients[index]!;
    if (code === Code.Empty) {
      this.#await(client.ping(SERVER));
      return;
    }
    const query = stringOptions(options, OptionNumber.UriQuery).join("&");
    const path = stringOptions(options, OptionNumber.UriPath).join("/");
    const uri = `${SERVER}/${path}${query === "" ? "" : `?${query}`}`;
    const format = uintOption(options, OptionNumber.ContentFormat);
    const block = uintOption(options, OptionNumber.Block1) ??
      uintOption(options, OptionNumber.Block2);
    const init = {
      confirmable: type === MessageType.Confirmable,
      ...block !== undefined && { blockSize: blockSize(blockSzx(block)) },
    };
    if (observe === 0) {
      const states = client.observe(uri, { ...init, stale: true });
      this.#observation = states[Symbol.asyncIterator]();
      this.#watch(this.#observation).catch(() => {}); // what is missing is found out in the end
      return;
    }
    const body = Uint8Array.from(
      block === undefined
        ? payload
        : this.#messages.flatMap(({ from, message }) =>
          from === "client" ? [...message.payload] : []
        ),
    );
    this.#await(
      client.request(code, uri, {
        ...init,
        ...body.length > 0 && { payload: body },
        ...format !== undefined && { contentFormat: format },
      }).then((response) => this.seen.push(`${response.codeText} ${toHex(response.payload)}`)),
    );
  }

  /** Waits for it in the end; where something else fails before, that is what counts. */
  #await(result: Promise<unknown>): void {
    result.catch(() => {});
    this.#results.push(result);
  }

  async #watch(states: AsyncIterator<unknown>): Promise<void> {
    while (true) {
      const { done, value } = await states.next();
      if (done) return;
      const { codeText, payload } = value as { codeText: string; payload: Uint8Array };
      this.seen.push(`${codeText} ${toHex(payload)}`);
    }
  }
}

/** Whether a message asks for a further block, or brings it: the client sends it by itself. */
function isFurther({ options }: Message): boolean {
  return [OptionNumber.Block1, OptionNumber.Block2].some((number) =>
    blockNumber(uintOption(options, number) ?? 0) > 0
  );
}

/** What an application gets to see of a recording: every state and response once, bodies as a whole. */
function contentsOf(messages: readonly RecordedMessage[]): string[] {
  const contents: string[] = [];
  const responses = messages.filter(({ from, message, hex }, i) =>
    from === "server" && message.code !== Code.Empty && message.code !== Code.Continue &&
    messages.findIndex((other) => other.hex === hex) === i &&
    !messages.some(({ message: { type, id } }) =>
      type === MessageType.Reset && id === message.id
    ) && !answersDeregistration(messages, message)
  );
  for (const { message } of responses) {
    const { code, payload } = message;
    if (isFurther(message)) contents[contents.length - 1] += toHex(payload);
    else contents.push(`${code >> 5}.${`${code & 31}`.padStart(2, "0")} ${toHex(payload)}`);
  }
  return contents;
}

function answersDeregistration(messages: readonly RecordedMessage[], message: Message): boolean {
  return messages.some(({ from, message: { id, options } }) =>
    from === "client" && message.type === MessageType.Acknowledgement && id === message.id &&
    uintOption(options, OptionNumber.Observe) === 1
  );
}

describe("our client, as libcoap's server talks", () => {
  let simulation: Simulation;
  afterEach(() => simulation.close());

  for (const { id, title, messages } of recordings) {
    const difference = DIFFERENCES[id];
    it(`${id}, ${title}${difference === undefined ? "" : ` (${difference.why})`}`, async () => {
      simulation = new Simulation({ latency: 0 });
      const replayed = new Replayed(simulation, messages, difference ?? {});
      await replayed.run();
      assertEquals(replayed.seen, contentsOf(messages));
      assert(replayed.seen.length > 0);
    });
    if (difference === undefined) continue;
    it(`${id}: and the difference is there`, async () => {
      simulation = new Simulation({ latency: 0 });
      await assertRejects(() => new Replayed(simulation, messages, {}).run(), Error);
    });
  }
});

/** A scripted peer on the simulated network: it says and expects messages line by line. @module */

import { fail } from "@std/assert";
import type { Flow } from "../lib/flow.ts";
import type { Transport } from "../lib/transport/transport.ts";
import { decode, type Message } from "../lib/wire/message.ts";
import { type Bindings, compare, parseLine, showMessage, toBytes } from "./message_text.ts";
import type { Simulation } from "./simulated_endpoints.ts";

/** How long a message is waited for, ms. */
const PATIENCE = 200_000;

/** An endpoint whose every message stands in the test, as `message_text.ts` writes them. */
export class NetworkPeer {
  /** What `$` names stand for; peers may share them. */
  readonly bindings: Bindings;
  readonly #net: Simulation;
  readonly #unread: Message[] = [];
  #transport: Transport | undefined = undefined;
  #flow: Flow | undefined = undefined;

  constructor(net: Simulation, bindings: Bindings = new Map()) {
    this.#net = net;
    this.bindings = bindings;
  }

  /** Binds an address, by default that of the server, and joins groups. */
  async bind(hostname = "127.0.0.1", port = 5683, ...groups: string[]): Promise<this> {
    const handler = {
      receive: (flow: Flow, bytes: Uint8Array): void => {
        this.#flow = flow;
        this.#unread.push(decode(bytes, { extendedTokens: true }));
      },
      turn: (): void => {},
      error: (): void => {},
    };
    this.#transport = await this.#net.network.bind({
      hostname,
      port,
      groups: groups.map((group) => ({ group })),
    }, handler);
    this.#net.closeLater(this.#transport);
    return this;
  }

  /** What it sends goes there, until it hears of somebody else. */
  talksTo(address = "127.0.0.1", port = 5683): this {
    this.#flow = this.#transport!.flow(address, port);
    return this;
  }

  /** The next message is that of the line; it is waited for. */
  async receives(text: string, payload?: Uint8Array): Promise<void> {
    const next = await this.#next();
    if (next === undefined) fail(`Nothing came, expected:\n  ${text}`);
    const difference = compare(next, parseLine(text, payload), this.bindings);
    if (difference === undefined) return;
    fail(`Another message came:\n  ${difference.actual}\nexpected:\n  ${difference.expected}`);
  }

  async #next(): Promise<Message | undefined> {
    const { clock } = this.#net;
    const until = clock.now() + PATIENCE;
    await clock.advanceAsync(0);
    while (this.#unread.length === 0 && clock.next <= until) {
      await clock.advanceToAsync(clock.next);
    }
    return this.#unread.shift();
  }

  /** Nothing has come, and nothing comes for a time, ms. */
  async hearsNothing(ms: number): Promise<void> {
    await this.#net.after(ms);
    const [first] = this.#unread;
    if (first !== undefined) fail(`A message came:\n  ${showMessage(first)}`);
  }

  /** Sends the message of the line to where the last one came from that `heard` received. */
  async sends(text: string, payload?: Uint8Array, heard: NetworkPeer = this): Promise<void> {
    const transport = this.#transport!;
    transport.send(heard.#flow!, toBytes(parseLine(text, payload), this.bindings));
    transport.flush();
    await this.#net.after(this.#net.latency);
  }
}

/** What server cases are written with: a socket, message IDs, tokens, and expectations. @module */

import type { Clock } from "../lib/endpoint/clock.ts";
import type { Address } from "../lib/flow.ts";
import { CaseFailure, NotApplicable } from "./case.ts";
import {
  build,
  type Datagram,
  type DatagramSpec,
  describe,
  pathOptions,
  toHex,
} from "./datagram.ts";
import { type Expectation, inWords, matches } from "./expectation.ts";
import { type Heard, Probe, type ProbeSettings, wait } from "./probe.ts";

/** What a case is told about its subject. */
export interface TesterSettings extends ProbeSettings {
  /** The server. */
  target: Address;
  /** The address of a group that the server is a member of. */
  group?: string;
  /** The address at which the server finds the suite, where it is a forward proxy. */
  proxy?: string;
  /** How long an answer is waited for, ms. */
  timeout: number;
  /** How long nothing must come, ms. */
  quiet: number;
  /** Sockets to close in the end. */
  probes: Probe[];
  /** Which of several allowed reactions was seen. */
  notes: string[];
}

/** A request as cases write it. */
export interface RequestSpec extends Partial<DatagramSpec> {
  /** Path and query, such as `"/a/b?c=1"`: Uri-Path and Uri-Query besides `options`. */
  path?: string;
}

/** One endpoint of the suite in a conversation with the server. */
export class Tester {
  /** What the case was told. */
  readonly settings: TesterSettings;
  /** Its socket. */
  readonly probe: Probe;
  #id: number;
  #tokens: number;

  private constructor(settings: TesterSettings, probe: Probe) {
    this.settings = settings;
    this.probe = probe;
    const [id, token] = crypto.getRandomValues(new Uint16Array(2));
    // Clear of the IDs of bad datagrams, all below 0x2100: one used twice would get the answer to the other.
    this.#id = 0x2100 + id! % 0xd000;
    this.#tokens = token!;
  }

  /** Opens a socket. */
  static async open(settings: TesterSettings): Promise<Tester> {
    const { address } = settings.target;
    const probe = new Probe(settings, settings.probes.length);
    settings.probes.push(probe);
    const six = address.includes(":");
    return new Tester(settings, await probe.open({ hostname: six ? "::" : "0.0.0.0" }));
  }

  /** A second endpoint: another port of the same host. */
  other(): Promise<Tester> {
    return Tester.open(this.settings);
  }

  /** Tells the time. */
  get clock(): Clock {
    return this.settings.clock;
  }

  /** A new message ID. */
  id(): number {
    this.#id = (this.#id + 1) & 0xffff;
    return this.#id;
  }

  /** A new token of 4 bytes. */
  token(): Uint8Array {
    const number = this.#tokens++;
    return Uint8Array.of(0xc0, 0xa9, number >> 8 & 255, number & 255);
  }

  /** Lets time pass. */
  wait(ms: number): Promise<void> {
    return wait(this.clock, ms);
  }

  /** Writes down which of several allowed reactions was seen. */
  note(text: string): void {
    if (!this.settings.notes.includes(text)) this.settings.notes.push(text);
  }

  /** Ends the case: it has nothing to say about this server. */
  notApplicable(why: string): never {
    throw new NotApplicable(why);
  }

  /** Fails the case. */
  fail(expected: string, actual: Datagram | Uint8Array | string | undefined): never {
    throw new CaseFailure(
      expected,
      actual === undefined
        ? "nothing"
        : typeof actual === "string"
        ? actual
        : describe(actual instanceof Uint8Array ? actual : actual.bytes),
    );
  }

  /** Fails the case where the condition does not hold. */
  check(condition: boolean, expected: string, actual?: Datagram | string): asserts condition {
    if (!condition) this.fail(expected, actual);
  }

  /** A whole request: Confirmable GET with a new message ID and token where nothing else is said. */
  spec({ path = "", options = [], ...rest }: RequestSpec = {}): DatagramSpec & {
    token: Uint8Array;
  } {
    return {
      type: "CON",
      code: "0.01",
      id: rest.id ?? this.id(),
      ...rest,
      token: rest.token ?? this.token(),
      options: [...options, ...pathOptions(path)],
    };
  }

  /** Sends a request, and gives it whole. */
  send(spec: RequestSpec): DatagramSpec & { token: Uint8Array } {
    const whole = this.spec(spec);
    this.sendBytes(build(whole));
    return whole;
  }

  /** Sends bytes. */
  sendBytes(bytes: Uint8Array, to: Address = this.settings.target): void {
    this.probe.send(this.probe.flow(to.address, to.port), bytes);
  }

  /** Sends an Empty Acknowledgement or a Reset. */
  reply(type: "ACK" | "RST", { id }: { id: number }): void {
    this.sendBytes(build({ type, id }));
  }

  /** The next datagram, whatever it is. */
  hear(ms: number = this.settings.timeout): Promise<Heard | undefined> {
    return this.probe.next(ms);
  }

  /** The next message; fails where none comes or it is malformed. */
  async next(expected: string, ms: number = this.settings.timeout): Promise<Datagram> {
    const heard = await this.hear(ms);
    if (heard === undefined) this.fail(expected, undefined);
    const { message, bytes } = heard;
    return typeof message === "string" ? this.fail(expected, bytes) : message;
  }

  /** The next message, which has to be as expected. */
  async expect(expectation: Expectation, ms?: number): Promise<Datagram> {
    const text = inWords(expectation);
    return this.match(await this.next(text, ms), expectation);
  }

  /** A message that has to be as expected. */
  match(message: Datagram, expectation: Expectation): Datagram {
    this.check(matches(message, expectation), inWords(expectation), message);
    return message;
  }

  /** Fails where anything comes. */
  async silence(ms: number = this.settings.quiet): Promise<void> {
    const heard = await this.hear(ms);
    if (heard !== undefined) this.fail("silence", heard.bytes);
  }

  /** Fails where anything but a Reset of that ID comes. */
  async silenceOrReset(id: number): Promise<void> {
    const heard = await this.hear(this.settings.quiet);
    this.note(heard === undefined ? "silence" : "Reset");
    if (heard === undefined) return;
    const expected = build({ type: "RST", id });
    this.check(
      toHex(heard.bytes) === toHex(expected),
      `silence or ${toHex(expected)}`,
      describe(heard.bytes),
    );
  }

  /** Expects exactly the Reset of that ID. */
  async reset(id: number): Promise<void> {
    const expected = build({ type: "RST", id });
    const heard = await this.hear();
    if (heard === undefined || toHex(heard.bytes) !== toHex(expected)) {
      this.fail(`Reset ${toHex(expected)}`, heard?.bytes);
    }
  }

  /** Expects the Empty Acknowledgement of that ID. */
  async emptyAck(id: number): Promise<void> {
    const expected = build({ type: "ACK", id });
    const heard = await this.hear();
    if (heard === undefined || toHex(heard.bytes) !== toHex(expected)) {
      this.fail(`Empty Acknowledgement ${toHex(expected)}`, heard?.bytes);
    }
  }

  /**
   * The response to a request: by its token, in the Acknowledgement or separately, then acknowledged. Other messages
   * are passed over, Confirmable ones acknowledged.
   */
  async response(
    request: DatagramSpec,
    expectation: Expectation = {},
    ms: number = this.settings.timeout,
  ): Promise<Datagram> {
    const { type = "CON", id, token = new Uint8Array(0) } = request;
    const wanted = `${inWords(expectation, "a response")} to the request with token ${
      toHex(token) || "none"
    }`;
    let last: Datagram | undefined;
    const end = this.clock.now() + ms;
    for (;;) {
      const heard = await this.hear(Math.max(end - this.clock.now(), 0));
      if (heard === undefined) this.fail(wanted, last);
      const { message, bytes } = heard;
      if (typeof message === "string") this.fail(wanted, bytes);
      last = message;
      if (message.type === "RST" && message.id === id) this.fail(wanted, message);
      if (message.type === "CON") this.reply("ACK", message);
      if (message.code < "2" || toHex(message.token) !== toHex(token)) continue;
      if (message.type === "ACK" && (type !== "CON" || message.id !== id)) {
        this.fail(wanted, message);
      }
      return this.match(message, expectation);
    }
  }

  /** Sends a request and gives the response. */
  request(spec: RequestSpec, expectation?: Expectation, ms?: number): Promise<Datagram> {
    return this.response(this.send(spec), expectation, ms);
  }

  /** Checks that the server still answers. */
  async alive(): Promise<void> {
    await this.request({ path: "/test" }, { code: "2.05" });
  }
}

/** What cases over connections are written with: messages to say, and expectations of what comes. @module */

import { CaseFailure } from "./case.ts";
import type { Arrived, Connection } from "./connection.ts";
import { type OptionSpec, pathOptions, toHex } from "./datagram.ts";
import { type Expectation, inWords, matches } from "./expectation.ts";
import {
  buildFrame,
  describeFrame,
  type Frame,
  type FrameSpec,
  Signal,
  SignalOpt,
} from "./frame.ts";

/** A request as cases write it. */
export interface StreamRequest extends FrameSpec {
  /** Path and query, such as `"/a/b?c=1"`: Uri-Path and Uri-Query besides `options`. */
  path?: string;
}

/** What a message over a connection is to be like. */
export type FrameExpectation = Omit<Expectation, "type" | "id">;

/** How long is waited. */
export interface Patience {
  /** For an answer, ms. */
  readonly timeout: number;
  /** Where silence is expected, ms. */
  readonly quiet: number;
}

/** Tells capabilities: more than the base size, and block-wise transfers, so that BERT may be used (section 6). */
export const CAPABLE: readonly OptionSpec[] = [
  [SignalOpt.MaxMessageSize, 8 * 1024],
  [SignalOpt.BlockWiseTransfer, ""],
];

/** Signaling that answers nothing. */
const HARMLESS: ReadonlySet<string> = new Set([Signal.CSM, Signal.Ping, Signal.Release]);

/** A connection of the suite with its subject. */
export class Conversation {
  /** The connection. */
  readonly connection: Connection;
  readonly #patience: Patience;
  #tokens = 0;

  /** Begins on a connection on which nothing was said. */
  constructor(connection: Connection, patience: Patience) {
    this.connection = connection;
    this.#patience = patience;
  }

  // -------------------------------------------------------------- to say

  /** A token of 3 bytes that this connection has not seen. */
  token(): Uint8Array {
    const number = this.#tokens++;
    return Uint8Array.of(0xc0 + this.connection.number % 16, number >> 8 & 255, number & 255);
  }

  /** Says a message. */
  say(spec: FrameSpec): void {
    this.sayBytes(this.build(spec));
  }

  /** The bytes of a message. */
  build(spec: FrameSpec): Uint8Array {
    return buildFrame(spec, this.connection.framing);
  }

  /** Says bytes, in one portion. */
  sayBytes(bytes: Uint8Array): void {
    this.connection.send(bytes);
  }

  /** Says a CSM (section 5.3). */
  greet(options: readonly OptionSpec[] = []): void {
    this.say({ code: Signal.CSM, options });
  }

  /** A whole request: GET with a new token where nothing else is said. */
  spec({ path = "", options = [], ...rest }: StreamRequest = {}):
    & Required<
      Pick<FrameSpec, "token">
    >
    & FrameSpec {
    const token = rest.token ?? this.token();
    return { code: "0.01", ...rest, token, options: [...options, ...pathOptions(path)] };
  }

  /** Sends a request, and gives its token. */
  ask(request: StreamRequest): Uint8Array {
    const whole = this.spec(request);
    this.say(whole);
    return whole.token;
  }

  // -------------------------------------------------------------- to hear

  /** What comes next, whatever it is. */
  hear(ms: number = this.#patience.timeout): Promise<Arrived | "closed" | undefined> {
    return this.connection.next(ms);
  }

  /** The next message; fails where none comes or it is malformed. */
  async next(expected: string, ms?: number): Promise<Frame> {
    const heard = await this.hear(ms);
    if (heard === undefined || heard === "closed") {
      return this.fail(expected, heard === undefined ? "nothing" : "end of the connection");
    }
    if (typeof heard.frame === "string") return this.fail(expected, heard.bytes);
    return heard.frame;
  }

  /** The next message, which has to be as expected. */
  async expect(expectation: FrameExpectation, ms?: number): Promise<Frame> {
    return this.match(await this.next(inWords(expectation), ms), expectation);
  }

  /** A message that has to be as expected. */
  match(frame: Frame, expectation: FrameExpectation): Frame {
    this.check(matches(frame, expectation), inWords(expectation), frame);
    return frame;
  }

  /** The message with a token; others are passed over. */
  async response(token: Uint8Array, expectation: FrameExpectation = {}): Promise<Frame> {
    const wanted = `${inWords(expectation, "a response")} with token ${toHex(token) || "none"}`;
    for (let others = 0; others < 1000; others++) {
      const frame = await this.next(wanted);
      if (frame.code < "2" || frame.code >= "6" || toHex(frame.token) !== toHex(token)) continue;
      return this.match(frame, expectation);
    }
    return this.fail(wanted, "a thousand other messages");
  }

  /** Sends a request and gives the response. */
  request(request: StreamRequest, expectation?: FrameExpectation): Promise<Frame> {
    return this.response(this.ask(request), expectation);
  }

  /** Fails where anything comes. */
  async silence(ms: number = this.#patience.quiet): Promise<void> {
    const heard = await this.hear(ms);
    if (heard === undefined) return;
    this.fail("silence", heard === "closed" ? "end of the connection" : heard.bytes);
  }

  /** Says a Ping and expects its Pong as the next message (section 5.4). */
  async ping(token: Uint8Array, options: readonly OptionSpec[] = []): Promise<Frame> {
    this.say({ code: Signal.Ping, token, options });
    return await this.expect({ code: Signal.Pong, token });
  }

  /** Says a Ping and expects a Pong, whatever its token: the connection stands, and nothing else came. */
  async stands(options: readonly OptionSpec[] = []): Promise<void> {
    this.say({ code: Signal.Ping, token: this.token(), options });
    await this.expect({ code: Signal.Pong });
  }

  /**
   * Expects the end of the connection, an Abort before it or not, and gives that. What comes besides may be a CSM, a
   * Release and requests, not an answer.
   */
  async aborted(why: string): Promise<Frame | undefined> {
    let abort: Frame | undefined = undefined;
    const expected = `end of the connection: ${why}`;
    for (let messages = 0; messages < 8; messages++) {
      const heard = await this.hear();
      if (heard === "closed") return abort;
      if (heard === undefined) this.fail(expected, abort ?? "nothing");
      if (typeof heard.frame === "string") this.fail(expected, heard.bytes);
      const { code } = heard.frame;
      if (code === Signal.Abort) abort = heard.frame;
      else if (code >= "2" && !HARMLESS.has(code)) this.fail(expected, heard.frame);
    }
    return this.fail(expected, "other messages");
  }

  // -------------------------------------------------------------- to judge

  /** Fails the case. */
  fail(expected: string, actual: Frame | Uint8Array | string): never {
    const { framing } = this.connection;
    throw new CaseFailure(
      expected,
      typeof actual === "string"
        ? actual
        : describeFrame(actual instanceof Uint8Array ? actual : actual.bytes, framing),
    );
  }

  /** Fails the case where the condition does not hold. */
  check(condition: boolean, expected: string, actual: Frame | string): void {
    if (!condition) this.fail(expected, actual);
  }

  /** Closes our end of the connection. */
  end(): void {
    this.connection.end();
  }
}

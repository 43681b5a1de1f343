/** Server cases for connections and their signaling: RFC 8323 sections 3 to 5. @module */

import { type Case, rowCase } from "./case.ts";
import { CAPABLE, type Conversation } from "./conversation.ts";
import { Opt, type OptionSpec, toHex, uintOption, valueOf } from "./datagram.ts";
import { type Frame, Signal, SignalOpt } from "./frame.ts";
import type { StreamTester } from "./stream_tester.ts";
import { bodyOf, TEXT } from "./transfers.ts";

/** A case that a server is put through over connections. */
export type StreamServerCase = Case<StreamTester>;

const TEST = { needs: ["/test"] };
const LARGE = { needs: ["/large-update"] };
const BLOCKS: OptionSpec = [SignalOpt.BlockWiseTransfer, ""];
const FOUND = { code: "2.05" };
const REGISTER: OptionSpec = [Opt.Observe, 0];

/** Asks for `/test` until the message has a certain length of options and payload. */
function padded(one: Conversation, size: number): { token: Uint8Array; bytes: Uint8Array } {
  const token = one.token();
  const path = one.spec({ path: "/test", token });
  // Of the query there are two or three bytes of header, of the payload its marker.
  const query: OptionSpec = [Opt.UriQuery, "x".repeat(Math.min(size, 255))];
  const options = size < 13 ? path.options! : [...path.options!, query];
  const payload = size > 300 ? new Uint8Array(size) : undefined;
  return { token, bytes: one.build({ ...path, options, payload }) };
}

/** What a server says before an end of the connection is not looked at but for what would be an answer. */
async function refused(t: StreamTester, one: Conversation, why: string): Promise<void> {
  const abort = await one.aborted(why);
  t.note(abort === undefined ? "closed" : "Abort");
}

/** The server is there for others. */
async function serves(t: StreamTester): Promise<void> {
  const other = await t.connect();
  await other.request({ path: "/test" }, FOUND);
  other.end();
}

/** A new state of `/obs`, by a connection of its own. */
export async function change(t: StreamTester, payload: string): Promise<void> {
  const other = await t.connect();
  const options: OptionSpec[] = [[Opt.ContentFormat, 0]];
  await other.request({ code: "0.03", path: "/obs", options, payload }, { code: "2." });
  other.end();
}

/** Makes `/large-update` larger than small messages are. */
async function storeLarge(t: StreamTester): Promise<void> {
  const one = await t.connect();
  const payload = bodyOf(1_000);
  const put = { code: "0.03", path: "/large-update", options: [TEXT], payload };
  await one.request(put, { code: "2." });
  one.end();
}

/** Registers at `/obs`, and gives the token. */
export async function observe(one: Conversation, token?: Uint8Array): Promise<Uint8Array> {
  const own = one.ask({ path: "/obs", options: [REGISTER], token });
  await one.response(own, { code: "2.05", has: [Opt.Observe] });
  return own;
}

/** The size of all messages up to the response, which have to be in bounds. */
async function within(one: Conversation, token: Uint8Array, size: number): Promise<Frame> {
  const text = `messages of at most ${size} bytes`;
  for (;;) {
    const frame = await one.next(text);
    one.check(frame.bytes.length <= size, text, frame);
    if (toHex(frame.token) === toHex(token)) return frame;
  }
}

/** Bytes behind a CSM that are no message, or none that may come. */
export const VIOLATIONS: Readonly<Record<string, readonly number[]>> = {
  "payload marker without payload": [0x11, 0x01, 0x71, 0xff],
  "token length 15": [0x0f, 0x01],
  "option delta 15": [0x10, 0x01, 0xf0],
  "option beyond the end": [0x20, 0x01, 0xb3, 0x74],
};

/** The cases of sections 3 to 5. */
export const CONNECTION_CASES: readonly StreamServerCase[] = [
  rowCase("8323-3.2-1", TEST, async (t: StreamTester) => {
    const one = await t.connect();
    for (const size of [5, 100, 1000]) {
      const { token, bytes } = padded(one, size);
      one.sayBytes(bytes);
      await one.response(token, FOUND);
    }
    const [other, csm] = await t.meet();
    if ((uintOption(csm, SignalOpt.MaxMessageSize) ?? 1152) < 67_000) {
      return t.note("takes no message with four bytes of length");
    }
    const { token, bytes } = padded(other, 66_000);
    other.sayBytes(bytes);
    await other.response(token);
    await other.stands();
  }),
  rowCase("8323-3.2-2", TEST, async (t: StreamTester) => {
    const one = await t.connect();
    for (const hex of ["01e242", "00e2"]) {
      const ping = Uint8Array.from(hex.match(/../g)!, (digits) => parseInt(digits, 16));
      one.sayBytes(ping);
      const pong = await one.expect({ code: Signal.Pong });
      const expected = hex.replace("e2", "e3");
      // Options may follow, of which there is no reason here.
      one.check(toHex(pong.bytes) === expected, expected, pong);
    }
  }),
  rowCase("8323-3.2-3", TEST, async (t: StreamTester) => {
    const slow = await t.open();
    const message = slow.build({ code: Signal.CSM, options: CAPABLE });
    const ask = (): [Uint8Array, Uint8Array] => {
      const spec = slow.spec({ path: "/test?first=1&second=2", payload: "x".repeat(20) });
      return [spec.token, slow.build(spec)];
    };
    const [token, request] = ask();
    for (const byte of [...message, ...request]) {
      slow.sayBytes(Uint8Array.of(byte));
      await t.wait(1);
    }
    await slow.expect({ code: Signal.CSM });
    await slow.response(token, FOUND);
    const fast = await t.open();
    const asks = [ask(), ask(), ask()];
    const ping = fast.build({ code: Signal.Ping, token: Uint8Array.of(1) });
    fast.sayBytes(
      Uint8Array.from([
        message,
        ...asks.map(([, bytes]) => bytes),
        ping,
      ].flatMap((bytes) => [...bytes])),
    );
    await fast.expect({ code: Signal.CSM });
    const wanted = new Set([...asks.map(([token]) => toHex(token)), "01"]);
    while (wanted.size > 0) {
      const frame = await fast.next("three responses and a Pong");
      fast.check(wanted.delete(toHex(frame.token)), `a token of ${[...wanted].join()}`, frame);
    }
  }),
  rowCase("8323-3.3-1", {}, async (t: StreamTester) => {
    const one = await t.open();
    one.greet();
    await one.expect({ code: Signal.CSM });
    await one.stands();
    const other = await t.open();
    other.ask({ path: "/test" });
    await refused(t, other, "the first message is no CSM");
  }),
  rowCase("8323-3.3-3", {}, async (t: StreamTester) => {
    const missing = await t.open();
    missing.say({ code: Signal.Ping, token: Uint8Array.of(7) });
    await refused(t, missing, "the first message is a Ping");
    const invalid = await t.open();
    invalid.sayBytes(Uint8Array.of(0x20, 0xe1, 0x25, 0x01)); // an option of five bytes, of which one is there
    await refused(t, invalid, "the CSM is malformed");
    await serves(t);
  }),
  rowCase("8323-3.3-4", { needs: ["/test", "/obs"] }, async (t: StreamTester) => {
    const token = Uint8Array.of(0x71);
    const one = await t.connect();
    const other = await t.connect();
    await observe(one, token);
    other.ask({ path: "/.well-known/core", token });
    const links = await other.response(token, FOUND);
    other.check(uintOption(links, Opt.ContentFormat) === 40, "links", links);
    await change(t, "new");
    await one.expect({ code: "2.05", token, has: [Opt.Observe] });
    await other.silence();
  }),
  rowCase("8323-3.3-6", { needs: ["/test", "/separate"] }, async (t: StreamTester) => {
    const one = await t.connect();
    const slow = one.ask({ path: "/separate" });
    const fast = one.ask({ path: "/test" });
    const order: string[] = [];
    for (let i = 0; i < 2; i++) {
      order.push(toHex((await one.expect(FOUND, 10_000)).token));
    }
    const both = [slow, fast].map(toHex);
    const isBoth = order.toSorted().join() === both.toSorted().join();
    one.check(isBoth, `responses to ${both.join(" and ")}`, order.join());
    t.note(order[0] === toHex(fast) ? "the fast one first" : "in the order of the requests");
  }),
  rowCase("8323-3.4-1", TEST, async (t: StreamTester) => {
    const one = await t.connect();
    one.sayBytes(Uint8Array.of(0, 0));
    one.say({ code: "0.00" });
    await one.silence();
    const token = one.token();
    one.sayBytes(Uint8Array.of(0, 0));
    one.ask({ path: "/test", token });
    one.sayBytes(Uint8Array.of(0, 0));
    await one.response(token, FOUND);
    await one.stands();
  }),
  rowCase("8323-3.4-2", { needs: ["/obs"] }, async (t: StreamTester) => {
    const one = await t.connect([[SignalOpt.MaxMessageSize, 300]]);
    await observe(one);
    one.end();
    const other = await t.connect();
    await change(t, "new");
    await other.stands();
    await other.silence();
  }),
  rowCase("8323-5-1", {}, async (t: StreamTester) => {
    const one = await t.open();
    one.greet([[9, "?"]]);
    const abort = await one.aborted("a critical option of the CSM is not understood");
    t.note(abort === undefined ? "closed" : badOption(abort));
    const other = await t.connect();
    other.say({ code: Signal.Ping, token: other.token(), options: [[9, "?"]] });
    await refused(t, other, "a critical option of a Ping is not understood");
  }),
  rowCase("8323-5-2", {}, async (t: StreamTester) => {
    const one = await t.connect([...CAPABLE, [1000, "?"]]);
    await one.stands([[1000, "?"]]);
    one.greet([[1000, "?"]]);
    await one.stands();
  }),
  rowCase("8323-5-3", LARGE, async (t: StreamTester) => {
    await storeLarge(t);
    const one = await t.connect([[SignalOpt.MaxMessageSize, 300], BLOCKS]);
    one.greet();
    await one.stands();
    await within(one, one.ask({ path: "/large-update" }), 300);
    // Of another code the number is another option.
    await one.stands([[SignalOpt.Custody, ""]]);
    await within(one, one.ask({ path: "/large-update" }), 300);
  }),
  rowCase("8323-5-4", LARGE, async (t: StreamTester) => {
    await storeLarge(t);
    const small: OptionSpec = [SignalOpt.MaxMessageSize, 200];
    const one = await t.connect([small, BLOCKS]);
    const response = await within(one, one.ask({ path: "/large-update" }), 200);
    t.note(valueOf(response, Opt.Block2) === undefined ? response.code : "block-wise");
    const other = await t.connect([small]);
    const without = await within(other, other.ask({ path: "/large-update" }), 200);
    t.note(`without Block-Wise-Transfer: ${without.code}`);
  }),
  rowCase("8323-5-5", {}, async (t: StreamTester) => {
    const one = await t.connect();
    for (const token of [[0x42], [], [1, 2, 3, 4, 5, 6, 7, 8], [0]]) {
      await one.ping(Uint8Array.from(token));
    }
  }),
  rowCase("8323-5-6", { needs: ["/separate"] }, async (t: StreamTester) => {
    const one = await t.connect();
    const request = one.ask({ path: "/separate" });
    const ping = one.token();
    one.say({ code: Signal.Ping, token: ping, options: [[SignalOpt.Custody, ""]] });
    await one.expect({ ...FOUND, token: request }, 10_000);
    await one.expect({ code: Signal.Pong, token: ping, has: [SignalOpt.Custody] });
  }),
  rowCase("8323-5-7", { needs: ["/separate"] }, async (t: StreamTester) => {
    const one = await t.connect();
    const request = one.ask({ path: "/separate" });
    one.say({ code: Signal.Release });
    await one.expect({ ...FOUND, token: request }, 10_000);
    await one.aborted("it was released and all is answered");
  }),
  rowCase("8323-5-8", TEST, async (t: StreamTester) => {
    const one = await t.connect();
    one.say({ code: Signal.Abort, payload: "Enough" });
    await one.aborted("it was aborted");
    await serves(t);
  }),
  rowCase("8323-5-9", { needs: ["/test"] }, async (t: StreamTester) => {
    for (const [name, bytes] of Object.entries(VIOLATIONS)) {
      const one = await t.connect();
      one.sayBytes(violation(one, bytes));
      await refused(t, one, name);
    }
    await serves(t);
  }),
];

/** Over WebSockets the length is not in front. */
export function violation({ connection }: Conversation, bytes: readonly number[]): Uint8Array {
  const own = Uint8Array.from(bytes);
  if (connection.framing === "none") own[0]! &= 15;
  return own;
}

export function badOption(abort: Frame): string {
  const number = uintOption(abort, SignalOpt.BadCSMOption);
  return number === undefined ? "Abort" : `Abort, Bad-CSM-Option ${number}`;
}

/** Server cases for bodies and observations over connections: RFC 8323 sections 6 and 7. @module */

import { rowCase } from "./case.ts";
import type { Conversation } from "./conversation.ts";
import {
  blockOf,
  blockValue,
  Opt,
  type OptionSpec,
  textOf,
  toHex,
  uintOption,
  valueOf,
} from "./datagram.ts";
import { type Frame, Signal, SignalOpt } from "./frame.ts";
import { change, observe, type StreamServerCase } from "./server_streams.ts";
import type { StreamTester } from "./stream_tester.ts";
import { bodyOf, TEXT } from "./transfers.ts";

/** Stands for SZX 7, as `blockOf` gives it. */
export const BERT = 2048;

/** Positions of BERT blocks count blocks of this size, bytes. */
export const UNIT = 1024;

/** Takes several BERT blocks of at most 8 KiB. */
const BODY = bodyOf(20_000, 7);

/** Whether somebody takes BERT blocks: its CSM says so (section 6). */
export function takesBert(csm: Frame): boolean {
  return valueOf(csm, SignalOpt.BlockWiseTransfer) !== undefined &&
    (uintOption(csm, SignalOpt.MaxMessageSize) ?? 0) > 1152;
}

/** Fetches a body, asking for BERT blocks, and checks the arithmetic of each. */
async function fetchAll(one: Conversation, path: string): Promise<[Uint8Array, sizes: number[]]> {
  const parts: number[] = [];
  const sizes: number[] = [];
  for (let asked = BERT;;) {
    const number = parts.length / Math.min(asked, UNIT);
    const options: OptionSpec[] = [[Opt.Block2, blockValue(number, false, asked)]];
    const response = await one.request({ path, options }, { code: "2.05" });
    const { length } = response.payload;
    const block = blockOf(response, Opt.Block2);
    if (block === undefined) {
      one.check(parts.length === 0, `Block2 with number ${number}`, response);
      return [response.payload, [length]];
    }
    const unit = Math.min(block.size, UNIT);
    const place = block.number * unit;
    one.check(place === parts.length, `a block at byte ${parts.length}`, response);
    const full = block.size === BERT ? length > 0 && length % UNIT === 0 : length === unit;
    one.check(
      !block.more || full,
      `a payload of ${block.size === BERT ? "n × " : ""}${unit} bytes`,
      response,
    );
    for (const byte of response.payload) parts.push(byte);
    sizes.push(length);
    if (!block.more) return [Uint8Array.from(parts), sizes];
    asked = block.size;
  }
}

/** Sends a body in blocks, smaller than the first where the server wants that. */
async function store(
  one: Conversation,
  path: string,
  body: Uint8Array,
  first: number,
): Promise<void> {
  let [size, szx] = [first === BERT ? 4 * UNIT : first, first];
  for (let place = 0;;) {
    const more = place + size < body.length;
    const number = place / Math.min(szx, UNIT);
    const response = await one.request({
      code: "0.03",
      path,
      options: [TEXT, [Opt.Block1, blockValue(number, more, szx)]],
      payload: body.subarray(place, place + size),
    }, { code: more ? "2.31" : "2.0", has: [Opt.Block1] });
    const block = blockOf(response, Opt.Block1)!;
    one.check(block.number === number, `Block1 with number ${number}`, response);
    if (!more) return;
    place += size;
    if (block.size < szx) [size, szx] = [block.size, block.size];
  }
}

/** What has come for a token; resources may change by themselves besides. */
async function notifications(one: Conversation, token: Uint8Array): Promise<Frame[]> {
  const states = [await one.expect({ token })];
  one.say({ code: Signal.Ping, token: one.token() });
  for (;;) {
    const frame = await one.next("notifications and a Pong");
    if (frame.code === Signal.Pong) return states;
    states.push(one.match(frame, { token }));
  }
}

/** How many of the notifications have this state. */
function told(states: readonly Frame[], text: string): number {
  return states.filter(({ payload }) => textOf(payload) === text).length;
}

function describe(states: readonly Frame[]): string {
  return states.map(({ payload }) => textOf(payload)).join(", ");
}

/** The cases of sections 6 and 7. */
export const STREAM_BODY_CASES: readonly StreamServerCase[] = [
  rowCase("8323-6-1", { needs: ["/large-update"] }, async (t: StreamTester) => {
    const [one, csm] = await t.meet();
    await store(one, "/large-update", BODY, takesBert(csm) ? BERT : UNIT);
    const [body, sizes] = await fetchAll(one, "/large-update");
    one.check(
      toHex(body) === toHex(BODY),
      `the ${BODY.length} bytes put`,
      `${body.length} bytes: ${textOf(body.subarray(0, 64))}`,
    );
    t.note(`blocks of ${[...new Set(sizes)].join(", ")} bytes`);
    // To whom has not said that it takes them none may be sent.
    for (const options of [[], [[SignalOpt.BlockWiseTransfer, ""]]] as OptionSpec[][]) {
      const base = await t.connect(options);
      const response = await base.request({ path: "/large-update" });
      const isBert = blockOf(response, Opt.Block2)?.size === BERT;
      base.check(!isBert, "no BERT block", response);
    }
  }),
  rowCase("8323-7-1", { needs: ["/obs"] }, async (t: StreamTester) => {
    const one = await t.connect();
    const token = await observe(one);
    for (const text of ["one", "two", "three"]) {
      await change(t, text);
      const states = await notifications(one, token);
      for (const frame of states) {
        one.match(frame, { code: "2.05", has: [Opt.Observe] });
        const { length } = valueOf(frame, Opt.Observe)!;
        one.check(length <= 3, "Observe of at most 3 bytes", frame);
        t.note(length === 0 ? "Observe is empty" : "Observe has numbers");
      }
      one.check(told(states, text) === 1, `the state ${text}`, describe(states));
    }
  }),
  rowCase("8323-7-3", { needs: ["/obs"] }, async (t: StreamTester) => {
    const closed = await t.connect();
    const token = await observe(closed);
    closed.end();
    const aborted = await t.connect();
    await observe(aborted, token);
    aborted.say({ code: Signal.Abort });
    await aborted.aborted("it was aborted");
    // On a connection with the same tokens there is one observer, not three.
    const one = await t.connect();
    await observe(one, token);
    await change(t, "new");
    const states = await notifications(one, token);
    one.check(told(states, "new") === 1, "one notification of the state new", describe(states));
  }),
];

/** Client cases over connections: RFC 8323. @module */

import { CaseFailure, rowCase } from "./case.ts";
import { CLIENT_CASES } from "./client_cases.ts";
import type { Conversation } from "./conversation.ts";
import { blockOf, blockValue, Opt, type OptionSpec, toHex, uintOption } from "./datagram.ts";
import { clientOverConnections } from "./over_connections.ts";
import { type Frame, Signal, SignalOpt } from "./frame.ts";
import { BERT, takesBert, UNIT } from "./server_stream_bodies.ts";
import { badOption, violation, VIOLATIONS } from "./server_streams.ts";
import type { StreamClientCase, StreamScript } from "./stream_script.ts";
import { bodyOf } from "./transfers.ts";

/** The client gives the connection up, and the task with it. */
async function gaveUp(s: StreamScript, one: Conversation, why: string): Promise<void> {
  const abort = await one.aborted(why);
  s.note(abort === undefined ? "closed" : badOption(abort));
  await s.fails();
}

/** Takes a body in messages of at most `size` bytes, and checks the arithmetic of its blocks. */
async function takeBody(s: StreamScript, one: Conversation, size: number): Promise<void> {
  for (let place = 0;;) {
    const request = await s.request(one);
    one.check(request.bytes.length <= size, `messages of at most ${size} bytes`, request);
    const block = blockOf(request, Opt.Block1);
    if (block === undefined) return one.fail("Block1", request);
    const unit = Math.min(block.size, UNIT);
    const { length } = request.payload;
    one.check(block.number * unit === place, `a block at byte ${place}`, request);
    const full = block.size === BERT ? length > 0 && length % UNIT === 0 : length === unit;
    one.check(!block.more || full, `a payload of ${unit} bytes or, with BERT, a multiple`, request);
    place += length;
    const options: OptionSpec[] = [[Opt.Block1, blockValue(block.number, block.more, block.size)]];
    s.answer(one, request, { code: block.more ? "2.31" : "2.04", options, payload: "" });
    if (!block.more) return await s.delivers("", "2.04");
  }
}

/** The client's registration. */
async function registered(s: StreamScript, observe: number): Promise<[Conversation, Frame]> {
  const [one, request] = await s.asked({ observe });
  one.check(uintOption(request, Opt.Observe) === 0, "GET with Observe 0", request);
  return [one, request];
}

const SMALL: readonly OptionSpec[] = [
  [SignalOpt.MaxMessageSize, 300],
  [SignalOpt.BlockWiseTransfer, ""],
];

/** The cases of RFC 8323, in its order. */
const OWN_CASES: readonly StreamClientCase[] = [
  rowCase("8323-3.2-1", {}, async (s: StreamScript) => {
    for (const size of [5, 100, 1000, 70_000]) {
      const [one, csm] = await s.meet();
      const request = await s.request(one);
      if (size > (uintOption(csm, SignalOpt.MaxMessageSize) ?? 1152) - 50) {
        return s.note("takes no message with four bytes of length");
      }
      const payload = "x".repeat(size);
      s.answer(one, request, { payload });
      await s.delivers(payload, "2.05");
    }
  }),
  rowCase("8323-3.2-3", {}, async (s: StreamScript) => {
    s.start();
    const one = await s.accept();
    const trickle = async (bytes: Uint8Array): Promise<void> => {
      for (const byte of bytes) {
        one.sayBytes(Uint8Array.of(byte));
        await s.wait(1);
      }
    };
    await trickle(one.build({ code: Signal.CSM, options: SMALL }));
    await one.expect({ code: Signal.CSM });
    const { token } = await s.request(one);
    await trickle(one.build({ code: "2.05", token, payload: "byte by byte" }));
    await s.delivers("byte by byte", "2.05");
  }),
  rowCase("8323-3.3-1", {}, async (s: StreamScript) => {
    s.start();
    const one = await s.accept();
    await one.expect({ code: Signal.CSM });
    one.say({ code: Signal.Ping, token: Uint8Array.of(1) });
    await gaveUp(s, one, "the server's first message is no CSM");
  }),
  rowCase("8323-3.3-2", {}, async (s: StreamScript) => {
    s.start();
    const one = await s.accept();
    await one.expect({ code: Signal.CSM });
    one.greet();
    s.answer(one, await s.request(one));
    await s.delivers("done", "2.05");
  }),
  rowCase("8323-3.3-3", {}, async (s: StreamScript) => {
    s.start();
    const one = await s.accept();
    one.sayBytes(Uint8Array.of(0x20, 0xe1, 0x25, 0x01));
    await gaveUp(s, one, "the CSM is malformed");
  }),
  rowCase("8323-3.3-4", {}, async (s: StreamScript) => {
    const [one, request] = await s.asked();
    const other = request.token.slice();
    if (other.length === 0) s.notApplicable("the token is empty");
    other[other.length - 1]! ^= 1;
    s.answer(one, request, { token: other, payload: "wrong" });
    await s.wait(20);
    s.answer(one, request);
    await s.delivers("done", "2.05");
  }),
  rowCase("8323-3.3-5", {}, async (s: StreamScript) => {
    const [one, request] = await s.asked();
    const response = await one.request({ path: "/test" });
    one.check(response.code >= "4", "an error", response);
    s.note(response.code);
    s.answer(one, request);
    await s.delivers("done", "2.05");
  }),
  rowCase("8323-3.4-1", {}, async (s: StreamScript) => {
    const [one, request] = await s.asked();
    one.sayBytes(Uint8Array.of(0, 0, 0, 0));
    await one.silence();
    await one.stands();
    s.answer(one, request);
    await s.delivers("done", "2.05");
  }),
  rowCase("8323-5-1", {}, async (s: StreamScript) => {
    s.start();
    const one = await s.accept();
    one.greet([[9, "?"]]);
    await gaveUp(s, one, "a critical option of the CSM is not understood");
  }),
  rowCase("8323-5-2", {}, async (s: StreamScript) => {
    const [one, request] = await s.asked({}, [[1000, "?"]]);
    await one.stands([[1000, "?"]]);
    s.answer(one, request);
    await s.delivers("done", "2.05");
  }),
  rowCase("8323-5-3", {}, async (s: StreamScript) => {
    s.start({ method: "PUT", payload: bodyOf(1000) });
    const one = await s.accept();
    const csm = [...one.build({ code: Signal.CSM, options: SMALL })];
    one.sayBytes(Uint8Array.from([...csm, ...one.build({ code: Signal.CSM })]));
    await one.expect({ code: Signal.CSM });
    await takeBody(s, one, 300);
  }),
  rowCase("8323-5-4", {}, async (s: StreamScript) => {
    const [one] = await s.meet({ method: "PUT", payload: bodyOf(1000) }, SMALL);
    await takeBody(s, one, 300);
  }),
  rowCase("8323-5-5", {}, async (s: StreamScript) => {
    const [one, request] = await s.asked();
    for (const token of [[0x42], [], [1, 2, 3, 4, 5, 6, 7, 8]]) {
      await one.ping(Uint8Array.from(token));
    }
    s.answer(one, request);
    await s.delivers("done", "2.05");
  }),
  rowCase("8323-5-7", {}, async (s: StreamScript) => {
    const [one, request] = await s.asked();
    one.say({ code: Signal.Release });
    await s.wait(20);
    s.answer(one, request);
    await s.delivers("done", "2.05");
    // That it closes the connection tells little where it has nothing more to do.
    const [other, registration] = await registered(s, 10_000);
    s.answer(other, registration, { options: [[Opt.Observe, ""]] });
    await other.stands();
    other.say({ code: Signal.Release });
    await other.aborted("it was released and all is answered");
  }),
  rowCase("8323-5-8", {}, async (s: StreamScript) => {
    const [one] = await s.asked();
    one.say({ code: Signal.Abort, payload: "Enough" });
    await one.aborted("it was aborted");
    await s.fails();
  }),
  rowCase("8323-5-9", {}, async (s: StreamScript) => {
    for (const [name, bytes] of Object.entries(VIOLATIONS)) {
      const [one] = await s.asked();
      one.sayBytes(violation(one, bytes));
      await gaveUp(s, one, name);
    }
  }),
  rowCase("8323-6-1", {}, async (s: StreamScript) => {
    const body = bodyOf(9000, 3);
    const [one, csm] = await s.meet();
    const parts = takesBert(csm) ? [3072, 5120, 808] : [1024, 1024];
    const end = parts.reduce((sum, length) => sum + length);
    for (let place = 0, request = await s.request(one);;) {
      const length = parts.shift()!;
      const more = place + length < end;
      const szx = takesBert(csm) ? BERT : UNIT;
      const options: OptionSpec[] = [[Opt.Block2, blockValue(place / UNIT, more, szx)]];
      s.answer(one, request, { options, payload: body.subarray(place, place + length) });
      place += length;
      if (!more) break;
      request = await s.request(one);
      const block = blockOf(request, Opt.Block2);
      if (block === undefined) return one.fail("Block2", request);
      const asked = block.number * Math.min(block.size, UNIT);
      one.check(asked === place, `a request for the block at byte ${place}`, request);
    }
    s.note(takesBert(csm) ? "BERT" : "the client takes no BERT blocks");
    await s.delivers(new TextDecoder().decode(body.subarray(0, end)), "2.05");
    const [other] = await s.meet({ method: "PUT", payload: body }, [
      [SignalOpt.MaxMessageSize, 4000],
      [SignalOpt.BlockWiseTransfer, ""],
    ]);
    await takeBody(s, other, 4000);
  }),
  rowCase("8323-7-1", {}, async (s: StreamScript) => {
    const [one, request] = await registered(s, 1_000);
    const states = ["one", "two", "three", "four"];
    for (const [i, value] of ["", 5, 3, ""].entries()) {
      s.answer(one, request, { options: [[Opt.Observe, value]], payload: states[i] });
      await s.wait(50);
    }
    // It deregisters when its time is over.
    s.answer(one, await s.request(one), { payload: "over" });
    const outcome = await s.outcome();
    if (outcome === undefined) return s.note("judged by the wire alone");
    const seen = (outcome.payloads ?? []).slice(0, 4);
    if (seen.join() !== states.join()) {
      throw new CaseFailure(states.join(), JSON.stringify(outcome));
    }
  }),
  rowCase("8323-7-2", {}, async (s: StreamScript) => {
    const [one, request] = await registered(s, 1_000);
    s.answer(one, request, { options: [[Opt.Observe, ""]], payload: "first" });
    const cancel = await s.request(one);
    const isRight = cancel.code === "0.01" && uintOption(cancel, Opt.Observe) === 1 &&
      toHex(cancel.token) === toHex(request.token);
    one.check(isRight, `GET with Observe 1 and token ${toHex(request.token)}`, cancel);
    s.answer(one, cancel);
    await s.delivers("first", "2.05");
  }),
  rowCase("8323-7-4", {}, async (s: StreamScript) => {
    const [one, request] = await registered(s, 1_000);
    s.answer(one, request, { options: [[Opt.Observe, ""]], payload: "first" });
    const token = request.token.map((byte) => byte ^ 0xff);
    if (token.length === 0) s.notApplicable("the token is empty");
    one.say({ code: "2.05", token, options: [[Opt.Observe, ""]], payload: "stray" });
    let heard = await one.hear(300);
    // Whoever sends Resets over UDP may send Empty messages, which say nothing.
    while (typeof heard === "object" && toHex(heard.bytes) === "0000") {
      s.note("an Empty message");
      heard = await one.hear(300);
    }
    if (heard === undefined) {
      s.note("ignored");
      s.answer(one, request, { options: [[Opt.Observe, ""]], payload: "second" });
      s.answer(one, await s.request(one));
      return await s.delivers("second", "2.05");
    }
    s.note("aborted");
    const isAbort = heard === "closed" ||
      typeof heard.frame === "object" && heard.frame.code === Signal.Abort;
    if (!isAbort) one.fail("silence or an Abort", typeof heard === "string" ? heard : heard.bytes);
  }),
];

/** The cases that clients are put through over connections: those of RFC 8323, then those of others that apply. */
export const STREAM_CLIENT_CASES: readonly StreamClientCase[] = [
  ...OWN_CASES,
  ...clientOverConnections(CLIENT_CASES),
];

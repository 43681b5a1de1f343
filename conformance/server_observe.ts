/** Server cases for observing: RFC 7641. @module */

import { type ServerCase, serverCase } from "./case.ts";
import {
  blockOf,
  blockValue,
  build,
  type Datagram,
  Opt,
  type OptionSpec,
  toHex,
  uintOption,
  valueOf,
} from "./datagram.ts";
import { bodyOf, upload } from "./transfers.ts";
import { meet } from "./server_messages.ts";
import type { RequestSpec, Tester } from "./tester.ts";

const REGISTER: OptionSpec = [Opt.Observe, 0];
const DEREGISTER: OptionSpec = [Opt.Observe, 1];

/** Longer than observable resources take to change by themselves, ms. */
const CHANGE = 8_000;

/** Registers, and gives the token. */
export async function register(
  t: Tester,
  path: string,
  spec: RequestSpec = {},
): Promise<[Uint8Array, Datagram]> {
  const request = t.spec({ path, ...spec, options: [REGISTER, ...spec.options ?? []] });
  t.sendBytes(build(request));
  return [request.token, await t.response(request, { code: "2.05", has: [Opt.Observe] })];
}

/** Changes a resource from another endpoint. */
export async function change(
  t: Tester,
  path: string,
  payload: string | Uint8Array,
  format = 0,
): Promise<void> {
  const options: OptionSpec[] = [[Opt.ContentFormat, format]];
  await t.request({ code: "0.03", path, options, payload }, { code: "2." });
}

/** The next notification for a token, acknowledged where it asks for that. */
export async function notification(
  t: Tester,
  token: Uint8Array,
  ms: number = CHANGE,
): Promise<Datagram> {
  const message = await t.expect({ type: ["CON", "NON"], token }, ms);
  if (message.type === "CON") t.reply("ACK", message);
  return message;
}

/** Fails where a notification for a token comes; others are acknowledged. */
async function quiet(t: Tester, token: Uint8Array, ms: number): Promise<void> {
  const end = t.clock.now() + ms;
  for (;;) {
    const heard = await t.hear(Math.max(end - t.clock.now(), 0));
    if (heard === undefined) return;
    const { message, bytes } = heard;
    if (typeof message === "string") t.fail("a message", bytes);
    if (message.type === "CON") t.reply("ACK", message);
    t.check(toHex(message.token) !== toHex(token), "no further notification", message);
  }
}

/** A Reset to a Non-confirmable notification ends the observation, or the next is Confirmable. */
async function resetToNon(t: Tester): Promise<void> {
  const [token] = await register(t, "/obs-non");
  t.reply("RST", await t.expect({ type: ["NON", "CON"], token }, CHANGE));
  const heard = await t.hear(CHANGE);
  t.note(heard === undefined ? "removed" : "goes on with CON");
  if (typeof heard?.message === "object") {
    t.reply("RST", t.match(heard.message, { type: "CON", token }));
    await quiet(t, token, 2 * CHANGE);
  }
}

const OBS = { needs: ["/obs"] };

/** The cases. */
export const OBSERVE_CASES: readonly ServerCase[] = [
  serverCase("7641-2-1", OBS, async (t: Tester) => {
    const [, response] = await register(t, "/obs");
    t.check(valueOf(response, Opt.Observe)!.length <= 3, "Observe of at most 3 bytes", response);
  }),
  serverCase("7641-2-2", { needs: ["/test"] }, async (t: Tester) => {
    await t.request({ path: "/large", options: [REGISTER] }, {
      code: ["2.05", "4.04"],
      hasNot: [Opt.Observe],
    });
  }),
  serverCase("7641-2-3", OBS, async (t: Tester) => {
    await meet(t, "M112");
    await t.request({ path: "/obs", options: [[Opt.Observe, 2]] }, {
      code: "2.05",
      hasNot: [Opt.Observe],
    });
    const long: OptionSpec = [Opt.Observe, Uint8Array.of(0, 0, 0, 0)];
    await t.request({ path: "/obs", options: [long] }, { code: "2.05", hasNot: [Opt.Observe] });
  }),
  serverCase("7641-2-4", OBS, async (t: Tester) => {
    const options: OptionSpec[] = [[Opt.ContentFormat, 0], REGISTER];
    const request = t.send({ code: "0.03", path: "/obs", options, payload: "by PUT" });
    await t.response(request, { code: "2.", hasNot: [Opt.Observe] });
    await change(await t.other(), "/obs", "again");
    await quiet(t, request.token, t.settings.quiet);
  }),
  serverCase("7641-4.1-1", OBS, async (t: Tester) => {
    const [token] = await register(t, "/obs");
    await change(await t.other(), "/obs", "new");
    t.match(await notification(t, token), {
      code: "2.05",
      payload: new TextEncoder().encode("new"),
    });
  }),
  serverCase("7641-4.1-2", OBS, async (t: Tester) => {
    const [token] = await register(t, "/obs");
    await register(t, "/obs", { token });
    await change(await t.other(), "/obs", "new");
    const { payload } = t.match(await notification(t, token), { code: "2.05" });
    const heard = await t.hear(t.settings.quiet);
    // What changes by itself may tell its next state.
    if (typeof heard?.message !== "object") return;
    const isAgain = toHex(heard.message.payload) === toHex(payload);
    t.check(!isAgain, "no second notification of a state", heard.message);
  }),
  serverCase("7641-4.1-3", OBS, async (t: Tester) => {
    // Two requests that differ: a client must not register twice for one target (RFC 7641 section 3.1).
    const [first] = await register(t, "/obs");
    const [second] = await register(t, "/obs", { options: [[Opt.Accept, 0]] });
    await change(await t.other(), "/obs", "new");
    const tokens: string[] = [];
    for (let i = 0; i < 2; i++) {
      const message = await t.expect({ code: "2.05", type: ["CON", "NON"] });
      if (message.type === "CON") t.reply("ACK", message);
      tokens.push(toHex(message.token));
    }
    const expected = [first, second].map(toHex);
    t.check(
      tokens.toSorted().join() === expected.toSorted().join(),
      "one for each token",
      tokens.join(),
    );
  }),
  serverCase("7641-4.1-4", OBS, async (t: Tester) => {
    const [token] = await register(t, "/obs");
    const request = t.send({ path: "/obs", token, options: [DEREGISTER] });
    await t.response(request, { code: "2.05", hasNot: [Opt.Observe] });
    await change(await t.other(), "/obs", "new");
    await quiet(t, token, t.settings.quiet);
  }),
  serverCase("7641-4.1-5", OBS, async (t: Tester) => {
    await t.request({ path: "/obs", options: [DEREGISTER] }, {
      code: "2.05",
      hasNot: [Opt.Observe],
    });
  }),
  serverCase("7641-4.2-1", OBS, async (t: Tester) => {
    const token = Uint8Array.of(0, 0xff, 0, 0xff, 0, 1);
    await register(t, "/obs", { token });
    const other = await t.other();
    for (const text of ["one", "two"]) {
      await change(other, "/obs", text);
      await notification(t, token);
    }
  }),
  serverCase("7641-4.2-2", OBS, async (t: Tester) => {
    const [token] = await register(t, "/obs");
    const other = await t.other();
    await other.request({ code: "0.04", path: "/obs" }, { code: "2.02" });
    t.match(await notification(t, token), { code: "4.04", hasNot: [Opt.Observe] });
    await change(other, "/obs", "back");
    await quiet(t, token, t.settings.quiet);
  }),
  serverCase("7641-4.2-3", OBS, async (t: Tester) => {
    const [token] = await register(t, "/obs");
    const other = await t.other();
    await change(other, "/obs", "new");
    t.match(await notification(t, token), { code: "2.", has: [Opt.Observe] });
    await other.request({ code: "0.04", path: "/obs" }, { code: "2.02" });
    t.match(await notification(t, token), { code: "4.", hasNot: [Opt.Observe] });
    await change(other, "/obs", "back");
  }),
  serverCase("7641-4.2-4", OBS, async (t: Tester) => {
    const [token, first] = await register(t, "/obs");
    const other = await t.other();
    const format = uintOption(first, Opt.ContentFormat);
    await change(other, "/obs", "same");
    const second = await notification(t, token);
    t.check(uintOption(second, Opt.ContentFormat) === format, `Content-Format ${format}`, second);
    await change(other, "/obs", "{}", 50);
    t.match(await notification(t, token), { code: "4.06", hasNot: [Opt.Observe] });
    await change(other, "/obs", "text");
    await quiet(t, token, t.settings.quiet);
  }),
  serverCase("7641-4.3-1", OBS, async (t: Tester) => {
    const [token, first] = await register(t, "/obs");
    await change(await t.other(), "/obs", "new");
    const second = await notification(t, token);
    const age = uintOption(first, Opt.MaxAge);
    t.check(uintOption(second, Opt.MaxAge) === age, `Max-Age ${age}`, second);
  }),
  serverCase("7641-4.3-3", OBS, async (t: Tester) => {
    const [token, first] = await register(t, "/obs");
    const etag = valueOf(first, Opt.ETag);
    if (etag === undefined) t.notApplicable("/obs has no ETag");
    const again = t.send({ path: "/obs", token, options: [REGISTER, [Opt.ETag, etag]] });
    await t.response(again, { code: ["2.03", "2.05"], has: [Opt.Observe] });
    const other = await t.other();
    await change(other, "/obs", first.payload);
    const { code } = t.match(await notification(t, token), { code: ["2.03", "2.05"] });
    t.note(code);
    await change(other, "/obs", "what the client has not");
    const next = t.match(await notification(t, token), { code: "2.05", has: [Opt.ETag] });
    t.check(toHex(valueOf(next, Opt.ETag)!) !== toHex(etag), "another ETag", next);
  }),
  serverCase("7641-4.4-1", OBS, async (t: Tester) => {
    const [token, first] = await register(t, "/obs");
    const other = await t.other();
    let previous = uintOption(first, Opt.Observe)!;
    for (let i = 0; i < 8; i++) {
      await change(other, "/obs", `change ${i}`);
      const message = await notification(t, token);
      const value = uintOption(t.match(message, { has: [Opt.Observe] }), Opt.Observe)!;
      const step = (value - previous) & 0xffffff;
      t.check(step > 0 && step < 1 << 23, `Observe above ${previous}`, message);
      previous = value;
    }
  }),
  serverCase("7641-4.4-2", { ...OBS, slow: true }, async (t: Tester) => {
    const [token] = await register(t, "/obs");
    await change(await t.other(), "/obs", "new");
    const first = await t.expect({ type: "CON", token });
    const again = await t.expect({ type: "CON", token }, 5_000);
    const step = (uintOption(again, Opt.Observe)! - uintOption(first, Opt.Observe)!) & 0xffffff;
    t.check(step < 1 << 23, "Observe no smaller than before", again);
    t.note(step === 0 ? "Observe stays" : "Observe grows");
    t.reply("RST", again);
  }),
  serverCase("7641-4.5-1", OBS, async (t: Tester) => {
    const [token] = await register(t, "/obs");
    const other = await t.other();
    for (let i = 0; i < 50; i++) await change(other, "/obs", `state ${i}`);
    const last = toHex(new TextEncoder().encode("state 49"));
    for (let heard = 0; heard < 60; heard++) {
      const message = await notification(t, token);
      if (toHex(message.payload) === last) return;
    }
    t.fail("the last state", "others");
  }),
  serverCase("7641-4.5-2", { ...OBS, slow: true }, async (t: Tester) => {
    const [token] = await register(t, "/obs");
    const other = await t.other();
    await change(other, "/obs", "one");
    t.reply("RST", await t.expect({ type: "CON", token }));
    await change(other, "/obs", "two");
    await quiet(t, token, CHANGE);
  }),
  serverCase("7641-4.5-3", { ...OBS, slow: true }, async (t: Tester) => {
    const [token] = await register(t, "/obs");
    const times: number[] = [];
    const end = t.clock.now() + 200_000;
    for (;;) {
      const heard = await t.hear(Math.max(end - t.clock.now(), 0));
      if (heard === undefined) break;
      times.push(heard.time);
    }
    t.check(times.length >= 5, "5 transmissions", `${times.length}`);
    const [first, last] = [times[0]!, times.at(-1)!];
    t.check(last - first <= 93_000 + 10_000, "the end after at most 93 s", `${last - first} ms`);
    await t.request({ path: "/obs", token }, { code: "2.05", hasNot: [Opt.Observe] });
  }),
  serverCase("7641-4.5-4", { needs: ["/obs-non"], slow: true }, async (t: Tester) => {
    const [token] = await register(t, "/obs-non");
    for (let i = 0; i < 30; i++) {
      if ((await notification(t, token)).type === "CON") return t.note(`the ${i + 1}th is CON`);
    }
    t.fail("a CON among 30 notifications", "30 NON");
  }),
  serverCase("7252-4.4-4", { needs: ["/obs-non"], slow: true }, resetToNon),
  serverCase("7641-4.5-5", { needs: ["/obs-non"], slow: true }, resetToNon),
  serverCase("7641-4.5-6", OBS, async (t: Tester) => {
    const [token] = await register(t, "/obs");
    const other = await t.other();
    await change(other, "/obs", "one");
    const first = await t.expect({ type: "CON", token });
    for (const text of ["two", "three"]) await change(other, "/obs", text);
    const heard = await t.hear(t.settings.quiet);
    const { message } = heard ?? {};
    if (typeof message === "object") t.match(message, { type: "CON", id: first.id });
    t.reply("RST", first);
  }),
  serverCase("7641-4.5-7", { needs: ["/obs-non"], slow: true }, async (t: Tester) => {
    const [token] = await register(t, "/obs-non");
    const other = await t.other();
    const end = t.clock.now() + 30_000;
    for (let i = 0; t.clock.now() < end; i++) {
      await change(other, "/obs-non", `state ${i}`);
      await t.wait(100);
    }
    let count = 0;
    for (;;) {
      const heard = await t.hear(0);
      if (heard === undefined) break;
      if (typeof heard.message === "object" && heard.message.type === "NON") count++;
      if (typeof heard.message === "object" && heard.message.type === "CON") {
        t.reply("ACK", heard.message);
      }
    }
    t.check(count > 0 && count <= 11, "1 to 11 NON in 30 s", `${count}`);
    t.reply("RST", await t.expect({ token }, CHANGE));
  }),
  serverCase("7641-4.5-8", { ...OBS, slow: true }, async (t: Tester) => {
    const [token] = await register(t, "/obs");
    const other = await t.other();
    await change(other, "/obs", "old");
    const first = await t.expect({ type: "CON", token });
    await change(other, "/obs", "new");
    const second = await t.expect({ type: "CON", token }, 5_000);
    const superseded = second.id !== first.id;
    t.note(superseded ? "superseded with a new ID" : "retransmitted");
    // With the same ID it is the same message.
    if (superseded) t.match(second, { payload: new TextEncoder().encode("new") });
    else t.match(second, { payload: first.payload });
    t.reply("RST", second);
  }),
  serverCase("7641-4.5-9", { ...OBS, slow: true }, async (t: Tester) => {
    const [token] = await register(t, "/obs");
    const other = await t.other();
    await change(other, "/obs", "old");
    const first = await t.expect({ type: "CON", token });
    await change(other, "/obs", "new");
    await t.expect({ type: "CON", token }, 5_000);
    t.reply("ACK", first);
    const next = await t.expect({ type: "CON", token }, 60_000);
    t.reply("ACK", next);
    await change(other, "/obs", "newer");
    await notification(t, token, 20_000);
  }),
  serverCase("7959-2.6-1", { needs: ["/obs-large"] }, async (t: Tester) => {
    const other = await t.other();
    const what = { code: "0.03", path: "/obs-large", size: 256 };
    other.match(await upload(other, { ...what, body: bodyOf(1500, 9) }), { code: "2.04" });
    const [token, first] = await register(t, "/obs-large");
    t.check(blockOf(first, Opt.Block2)?.more === true, "Block2 with M", first);
    const body = bodyOf(1500, 77);
    other.match(await upload(other, { ...what, body }), { code: "2.04" });
    const message = await notification(t, token);
    t.match(message, { code: "2.05", has: [Opt.Observe, Opt.Block2] });
    const block = blockOf(message, Opt.Block2)!;
    t.check(block.number === 0 && block.more, "Block2 0/1", message);
    t.match(message, { payload: body.slice(0, block.size) });
    const options: OptionSpec[] = [[Opt.Block2, blockValue(1, false, block.size)]];
    await t.request({ path: "/obs-large", options }, {
      code: "2.05",
      hasNot: [Opt.Observe],
      payload: body.slice(block.size, 2 * block.size),
    });
  }),
  serverCase("7959-2.6-4", { needs: ["/obs-large"], slow: true }, async (t: Tester) => {
    const block: OptionSpec = [Opt.Block2, blockValue(0, false, 64)];
    const [token, first] = await register(t, "/obs-large", { options: [block] });
    for (const message of [first, await notification(t, token)]) {
      const found = blockOf(message, Opt.Block2);
      t.check(
        found !== undefined && found.size <= 64 && found.number === 0,
        "block 0 of 64 bytes",
        message,
      );
      t.check(message.payload.length <= 64, "at most 64 bytes", message);
    }
  }),
];

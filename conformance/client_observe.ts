/** Client cases for observing: RFC 7641, and RFC 7959 section 2.6. @module */

import { plugtestCase } from "./case.ts";
import { type ClientCase, clientCase, type Script } from "./client_case.ts";
import {
  blockOf,
  blockValue,
  type Datagram,
  Opt,
  type OptionSpec,
  toHex,
  uintOption,
  valueOf,
} from "./datagram.ts";

const OBSERVE_TIME = 3_000;

/** A response with Observe. */
function state(number: number, payload: string): { options: OptionSpec[]; payload: string } {
  return { options: [[Opt.Observe, number], [Opt.MaxAge, 60]], payload };
}

/** Takes the registration of an observation and answers it. */
async function registered(s: Script, first = 10): Promise<Datagram> {
  s.start({ path: "/obs", observe: OBSERVE_TIME });
  const request = await s.request();
  s.check(uintOption(request, Opt.Observe) === 0, "Observe 0", request);
  s.answer(request, state(first, "first"));
  return request;
}

/** Takes the registration of an observation and answers with the first of two blocks. */
async function registeredInBlocks(s: Script): Promise<Datagram> {
  s.start({ path: "/obs-large", observe: OBSERVE_TIME });
  const request = await s.request();
  s.answer(request, {
    options: [[Opt.ETag, "v1"], [Opt.Observe, 10], [Opt.Block2, blockValue(0, true, 16)]],
    payload: "0123456789abcdef",
  });
  return request;
}

/** A registration of which nothing comes for longer than its Max-Age. */
async function registersAgain(s: Script): Promise<void> {
  s.start({ path: "/obs", observe: 60_000 });
  const first = await s.request();
  s.check(uintOption(first, Opt.Observe) === 0, "Observe 0", first);
  const { token } = first;
  s.answer(first, { options: [[Opt.Observe, 1], [Opt.MaxAge, 5]], payload: "first" });
  const begin = s.now;
  const again = await s.next("another registration", 40_000).catch(() => undefined);
  if (again === undefined) s.notApplicable("the client does not register again by itself");
  const seconds = (s.now - begin) / 1000;
  s.note("registers again by itself");
  s.check(seconds >= 9.5, "nothing before Max-Age and 5 s", `${seconds.toFixed(1)} s`);
  s.check(uintOption(again!, Opt.Observe) === 0, "Observe 0", again);
  s.check(toHex(again!.token) === toHex(token), "the same token", again);
  const alike = (message: Datagram): string =>
    message.options.filter(({ number }) => number !== Opt.ETag)
      .map(({ number, value }) => `${number}=${toHex(value)}`).join();
  s.check(alike(again!) === alike(first), "the same options but ETag", again);
  s.answer(again!, state(20, "again"));
}

/** The cases. */
export const CLIENT_OBSERVE_CASES: readonly ClientCase[] = [
  clientCase("7641-3.1-1", {}, async (s: Script) => {
    s.start({ path: "/test", observe: 1_000 });
    const request = await s.request();
    s.answer(request);
    await s.wait(300);
    const id = s.id();
    s.say({ type: "CON", id, code: "2.05", token: request.token, ...state(5, "unasked") });
    await s.unlessEnded(s.empty("RST", id));
  }),
  clientCase("7641-3.2-1", {}, async (s: Script) => {
    const { token } = await registered(s);
    const id = s.id();
    s.say({ type: "CON", id, code: "4.04", token });
    await s.empty("ACK", id);
    await s.wait(100);
    const late = s.id();
    s.say({ type: "CON", id: late, code: "2.05", token, ...state(12, "late") });
    await s.empty("RST", late);
  }),
  clientCase("7641-3.3-3", { slow: true }, registersAgain),
  plugtestCase(
    "OBS_04",
    "Registration lost",
    "no notification for Max-Age and 5 to 15 s → GET with Observe 0 and the same token",
    { slow: true },
    registersAgain,
  ),
  clientCase("7641-3.4-2", {}, async (s: Script) => {
    const { token } = await registered(s);
    for (const [number, payload] of [[12, "newer"], [11, "older"]] as const) {
      const id = s.id();
      s.say({ type: "CON", id, code: "2.05", token, ...state(number, payload) });
      await s.empty("ACK", id);
    }
    await s.delivers("newer");
  }),
  clientCase("7641-3.4-1", {}, async (s: Script) => {
    const { token } = await registered(s, 0xfffffe);
    for (const [number, payload] of [[1, "wrapped"], [0xffffff, "older"]] as const) {
      const id = s.id();
      s.say({ type: "CON", id, code: "2.05", token, ...state(number, payload) });
      await s.empty("ACK", id);
    }
    await s.delivers("wrapped");
  }),
  clientCase("7641-3.4-3", {}, async (s: Script) => {
    const { token } = await registered(s, 9);
    s.say({ type: "NON", id: s.id(), code: "2.05", token, ...state(16, "next") });
    await s.delivers("next");
  }),
  clientCase("7641-3.5-1", {}, async (s: Script) => {
    const { token } = await registered(s);
    const known = s.id();
    s.say({ type: "CON", id: known, code: "2.05", token, ...state(11, "known") });
    await s.empty("ACK", known);
    const unknown = s.id();
    const wrong = token.map((byte) => byte ^ 1);
    s.say({ type: "CON", id: unknown, code: "2.05", token: wrong, ...state(12, "unknown") });
    await s.empty("RST", unknown);
  }),
  clientCase("7641-3.5-2", {}, async (s: Script) => {
    await registered(s);
    const id = s.id();
    s.say({ type: "NON", id, code: "2.05", token: Uint8Array.of(0x99), ...state(12, "unknown") });
    await s.silenceOrReset(id);
  }),
  clientCase("7641-3.5-3", {}, async (s: Script) => {
    const { token } = await registered(s);
    s.say({ type: "NON", id: s.id(), code: "2.05", token, ...state(11, "by NON") });
    const id = s.id();
    s.say({ type: "CON", id, code: "2.05", token, ...state(12, "by CON") });
    await s.empty("ACK", id);
    s.say({ type: "NON", id: s.id(), code: "2.05", token, ...state(13, "by NON again") });
    await s.delivers("by NON again");
  }),
  clientCase("7641-3.6-2", {}, async (s: Script) => {
    const { token } = await registered(s);
    const request = await s.next("GET with Observe 1", OBSERVE_TIME + 2_000);
    s.check(uintOption(request, Opt.Observe) === 1, "Observe 1", request);
    s.check(toHex(request.token) === toHex(token), "the same token", request);
    s.answer(request);
  }),
  clientCase("7959-2.6-2", {}, async (s: Script) => {
    const registration = await registeredInBlocks(s);
    const next = await s.request();
    const token = toHex(registration.token);
    s.check(toHex(next.token) !== token, `another token than ${token}`, next);
    s.check(valueOf(next, Opt.Observe) === undefined, "no Observe", next);
    s.check(blockOf(next, Opt.Block2)?.number === 1, "Block2 1/0/16", next);
    s.answer(next, {
      options: [[Opt.ETag, "v1"], [Opt.Block2, blockValue(1, false, 16)]],
      payload: "end",
    });
    await s.delivers("0123456789abcdefend");
  }),
  clientCase("7959-2.6-3", {}, async (s: Script) => {
    await registeredInBlocks(s);
    s.answer(await s.request(), {
      options: [[Opt.ETag, "v2"], [Opt.Block2, blockValue(1, false, 16)]],
      payload: "other",
    });
    const outcome = await s.outcome();
    s.check(outcome?.payload !== "0123456789abcdefother", "no mixture", "a mixture");
  }),
  clientCase("7959-2.6-5", {}, async (s: Script) => {
    const { token } = await registeredInBlocks(s);
    const old = await s.request();
    const id = s.id();
    s.say({
      type: "CON",
      id,
      code: "2.05",
      token,
      options: [[Opt.ETag, "v2"], [Opt.Observe, 11], [Opt.Block2, blockValue(0, true, 16)]],
      payload: "FEDCBA9876543210",
    });
    await s.empty("ACK", id);
    s.answer(old, {
      options: [[Opt.ETag, "v1"], [Opt.Block2, blockValue(1, false, 16)]],
      payload: "old",
    });
    let next = await s.request();
    if (blockOf(next, Opt.Block2)?.number === 0) {
      s.note("fetches the newer state from its beginning");
      s.answer(next, {
        options: [[Opt.ETag, "v2"], [Opt.Block2, blockValue(0, true, 16)]],
        payload: "FEDCBA9876543210",
      });
      next = await s.request();
    }
    s.check(blockOf(next, Opt.Block2)?.number === 1, "block 1 of the newer state", next);
    s.answer(next, {
      options: [[Opt.ETag, "v2"], [Opt.Block2, blockValue(1, false, 16)]],
      payload: "new",
    });
    await s.delivers("FEDCBA9876543210new");
  }),
];

/** Client cases: what a client under test must do with what a scripted server says. @module */

import { type ClientCase, clientCase, pathOf, type Script } from "./client_case.ts";
import {
  blockOf,
  blockValue,
  bytesOf,
  type Datagram,
  fromHex,
  Opt,
  type OptionSpec,
  toHex,
  uintOption,
  valueOf,
  valuesOf,
} from "./datagram.ts";

const OBSERVE_TIME = 3_000;

function identical(s: Script, first: Datagram, again: Datagram): void {
  s.check(toHex(first.bytes) === toHex(again.bytes), toHex(first.bytes), again);
}

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

/** Answers GETs of a body block by block. */
async function serveBlocks(
  s: Script,
  body: string,
  size: number,
  first?: Datagram,
): Promise<Datagram[]> {
  const bytes = bytesOf(body);
  const requests: Datagram[] = [];
  for (let number = 0;; number++) {
    const request = number === 0 && first !== undefined ? first : await s.request();
    requests.push(request);
    const asked = blockOf(request, Opt.Block2);
    if (number > 0) {
      s.check(
        asked?.number === number && asked.size === size,
        `Block2 ${number}/0/${size}`,
        request,
      );
      s.check(!asked?.more, "Block2 without M", request);
    }
    const more = (number + 1) * size < bytes.length;
    s.answer(request, {
      options: [[Opt.ETag, "v1"], [Opt.Block2, blockValue(number, more, size)]],
      payload: bytes.subarray(number * size, (number + 1) * size),
    });
    if (!more) return requests;
  }
}

const LONG = Array.from({ length: 30 }, (_, i) => `${i} is a number, `).join("");
const PUT_BODY = new Uint8Array(2500).fill(0x61);

/** The cases. */
export const CLIENT_CASES: readonly ClientCase[] = [
  clientCase("7252-4.2-10", { slow: true }, async (s: Script) => {
    s.start();
    const begin = s.now;
    await s.request();
    const sent = s.now;
    await s.request(4_000);
    const gap = s.now - sent;
    s.check(sent - begin < 1_500, "the first transmission at once", `after ${sent - begin} ms`);
    s.check(gap >= 1_900 && gap <= 3_200, "a gap of 2 to 3 s", `${gap} ms`);
    s.note(`${Math.round(gap)} ms`);
  }),
  clientCase("7252-4.2-11", { slow: true }, async (s: Script) => {
    s.start();
    const times: number[] = [];
    for (let i = 0; i < 5; i++) {
      await s.request(60_000);
      times.push(s.now);
    }
    const gaps = times.slice(1).map((time, i) => time - times[i]!);
    for (let i = 1; i < gaps.length; i++) {
      const ratio = gaps[i]! / gaps[i - 1]!;
      s.check(
        Math.abs(ratio - 2) < 0.1,
        "each gap twice the one before",
        gaps.map(Math.round).join(),
      );
    }
  }),
  clientCase("7252-4.2-12", { slow: true }, async (s: Script) => {
    s.start();
    for (let i = 0; i < 5; i++) await s.request(60_000);
    await s.silence(100_000);
    await s.fails();
  }),
  clientCase("7252-4.2-13", { slow: true }, async (s: Script) => {
    s.start();
    const first = await s.request();
    const again = await s.request();
    identical(s, first, again);
    s.answer(again);
    await s.delivers("done");
  }),
  clientCase("7252-4.2-14", { slow: true }, async (s: Script) => {
    s.start();
    await s.request();
    const { id, token } = await s.request();
    s.say({ type: "ACK", id });
    await s.silence(15_000);
    s.say({ type: "NON", id: s.id(), code: "2.05", token, payload: "late" });
    await s.delivers("late");
  }),
  clientCase("7252-4.2-15", {}, async (s: Script) => {
    s.start();
    const { id } = await s.request();
    s.say({ type: "RST", id });
    await s.silence(4_000);
    await s.fails();
  }),
  clientCase("7252-4.2-16", {}, async (s: Script) => {
    s.start();
    const { token } = await s.request();
    const id = s.id();
    s.say({ type: "CON", id, code: "2.05", token, payload: "separate" });
    await s.empty("ACK", id);
    await s.silence(4_000);
    await s.delivers("separate");
  }),
  clientCase("7252-4.5-4", {}, async (s: Script) => {
    s.start({ observe: undefined });
    const request = await s.request();
    s.say({ type: "ACK", id: request.id });
    const id = s.id();
    const response = {
      type: "CON",
      id,
      code: "2.05",
      token: request.token,
      payload: "once",
    } as const;
    s.say(response);
    s.say(response);
    await s.empty("ACK", id);
    const second = await s.next("a second ACK, or RST where the client is done");
    s.check(
      second.id === id && (second.type === "ACK" || second.type === "RST"),
      "ACK or RST",
      second,
    );
    s.note(second.type);
    await s.delivers("once");
  }),
  clientCase("7252-5.2-1", {}, async (s: Script) => {
    s.start();
    s.answer(await s.request(), { code: "4.27", payload: "" });
    await s.delivers("", "4.27");
  }),
  clientCase("7252-5.2-2", {}, async (s: Script) => {
    s.start();
    s.answer(await s.request(), { code: "2.17" });
    await s.delivers("done", "2.17");
  }),
  clientCase("7252-5.2-3", {}, async (s: Script) => {
    s.start();
    s.answer(await s.request());
    await s.silence();
    await s.delivers("done", "2.05");
  }),
  clientCase("7252-5.2-6", {}, async (s: Script) => {
    s.start();
    const request = await s.request();
    s.say({ type: "ACK", id: request.id });
    await s.silence();
    const id = s.id();
    s.say({ type: "CON", id, code: "2.05", token: request.token, payload: "separate" });
    await s.empty("ACK", id);
    await s.delivers("separate", "2.05");
  }),
  clientCase("7252-5.2-8", {}, async (s: Script) => {
    s.start();
    const request = await s.request();
    const id = s.id();
    s.say({ type: "CON", id, code: "2.05", token: request.token, payload: "early" });
    s.say({ type: "ACK", id: request.id });
    await s.empty("ACK", id);
    await s.delivers("early");
  }),
  clientCase("7252-5.2-10", {}, async (s: Script) => {
    s.start();
    const request = await s.request();
    s.say({ type: "NON", id: s.id(), code: "2.05", token: request.token, payload: "by NON" });
    await s.silence();
    await s.delivers("by NON");
  }),
  clientCase("7252-5.2-11", { slow: true }, async (s: Script) => {
    s.start();
    s.say({ type: "ACK", id: (await s.request()).id });
    await s.silence(60_000);
  }),
  clientCase("7252-5.3.1-3", {}, async (s: Script) => {
    s.start();
    const request = await s.request();
    s.answer(request);
    s.check(request.token.length >= 4, "a token of 4 bytes or more", request);
    await s.outcome();
  }),
  clientCase("7252-5.3.2-1", {}, async (s: Script) => {
    s.start();
    const request = await s.request();
    s.say({ type: "ACK", id: request.id });
    const other = await s.other();
    s.say(
      { type: "NON", id: s.id(), code: "2.05", token: request.token, payload: "forged" },
      other,
    );
    await s.wait(100);
    s.say({ type: "NON", id: s.id(), code: "2.05", token: request.token, payload: "true" });
    await s.delivers("true");
  }),
  clientCase("7252-5.3.2-2", {}, async (s: Script) => {
    s.start();
    const request = await s.request();
    const token = request.token.map((byte) => byte ^ 1);
    s.say({
      type: "ACK",
      id: request.id ^ 1,
      code: "2.05",
      token: request.token,
      payload: "wrong ID",
    });
    s.say({ type: "ACK", id: request.id, code: "2.05", token, payload: "wrong token" });
    await s.silence();
    s.say({ type: "NON", id: s.id(), code: "2.05", token: request.token, payload: "right" });
    await s.delivers("right");
  }),
  clientCase("7252-5.3.2-3", {}, async (s: Script) => {
    s.start();
    const request = await s.request();
    s.say({ type: "ACK", id: request.id });
    s.say({ type: "CON", id: request.id, code: "2.05", token: request.token, payload: "any ID" });
    await s.empty("ACK", request.id);
    await s.delivers("any ID");
  }),
  clientCase("7252-5.3.2-4", {}, async (s: Script) => {
    s.start();
    const request = await s.request();
    s.say({ type: "ACK", id: request.id });
    const token = Uint8Array.of(0x99, 0x98, 0x97);
    const con = s.id();
    s.say({ type: "CON", id: con, code: "2.05", token, payload: "?" });
    await s.empty("RST", con);
    const non = s.id();
    s.say({ type: "NON", id: non, code: "2.05", token, payload: "?" });
    await s.silenceOrReset(non);
    s.say({ type: "ACK", id: s.id(), code: "2.05", token, payload: "?" });
    await s.silence();
    s.say({ type: "NON", id: s.id(), code: "2.05", token: request.token, payload: "expected" });
    await s.delivers("expected");
  }),
  clientCase("7252-5.4-4", {}, async (s: Script) => {
    s.start();
    const request = await s.request();
    s.say({ type: "ACK", id: request.id });
    const id = s.id();
    const { token } = request;
    s.say({ type: "CON", id, code: "2.05", token, options: [[65_001, "?"]], payload: "bad" });
    await s.empty("RST", id);
    await s.fails();
  }),
  clientCase("7252-5.4-6", {}, async (s: Script) => {
    s.start();
    const request = await s.request();
    s.say({ type: "ACK", id: request.id });
    const id = s.id();
    const { token } = request;
    s.say({ type: "NON", id, code: "2.05", token, options: [[65_001, "?"]], payload: "bad" });
    await s.silenceOrReset(id);
    const outcome = await Promise.race([s.outcome(), s.wait(300)]);
    s.check(outcome?.payload !== "bad", "the response not delivered", "delivered");
  }),
  clientCase("7252-5.4-8", {}, async (s: Script) => {
    s.start();
    s.answer(await s.request(), { options: [[Opt.ETag, "nine bytes"]] });
    await s.delivers("done");
  }),
  clientCase("7252-5.4-2", {}, async (s: Script) => {
    s.start();
    s.answer(await s.request(), { options: [[65_000, "elective"]] });
    await s.delivers("done");
  }),
  clientCase("7252-3-10", { slow: true }, async (s: Script) => {
    s.start();
    const { id, token } = await s.request();
    const [high, low] = [id >> 8, id & 255];
    s.sayBytes(Uint8Array.of(0x60 | token.length, 0x45, high, low, ...token, 0xff));
    s.answer(await s.request());
    await s.delivers("done");
  }),
  clientCase("7252-3-2", {}, async (s: Script) => {
    s.start();
    const { id, token } = await s.request();
    const [high, low] = [id >> 8, id & 255];
    s.sayBytes(Uint8Array.of(0xa0 | token.length, 0x45, high, low, ...token, 0xff, 0x78));
    await s.silence();
    s.say({ type: "NON", id: s.id(), code: "2.05", token, payload: "version 1" });
    await s.delivers("version 1");
  }),
  clientCase("7252-4.2-2", {}, async (s: Script) => {
    s.start();
    const request = await s.request();
    s.sayBytes(fromHex("40001234"));
    await s.empty("RST", 0x1234);
    s.answer(request);
    await s.delivers("done");
  }),
  clientCase("7252-5.10-1", {}, async (s: Script) => {
    s.start({ path: "/a/../b" });
    const request = await s.request();
    s.answer(request);
    s.check(!/\/\.\.?(\/|$)/.test(pathOf(request)), "no dot segment", request);
    await s.outcome();
  }),
  clientCase("7252-5.10-4", {}, async (s: Script) => {
    s.start();
    const request = await s.request();
    s.answer(request);
    s.check(valueOf(request, Opt.UriPort) === undefined, "no Uri-Port", request);
    s.check(valueOf(request, Opt.UriHost) === undefined, "no Uri-Host for an IP literal", request);
    await s.outcome();
  }),
  clientCase("7252-6.4-4", {}, async (s: Script) => {
    for (const [path, count] of [["/", 0], ["/a/b", 2], ["/a/", 2]] as const) {
      s.start({ path });
      const request = await s.request();
      s.answer(request);
      s.check(
        valuesOf(request, Opt.UriPath).length === count,
        `${count} Uri-Path for ${path}`,
        request,
      );
      await s.outcome();
    }
  }),
  clientCase("7252-6.4-5", {}, async (s: Script) => {
    s.start({ path: "/q?a=1&b=2" });
    const request = await s.request();
    s.answer(request);
    s.check(valuesOf(request, Opt.UriQuery).length === 2, "two Uri-Query", request);
    await s.outcome();
  }),
  clientCase("7641-3.1-1", {}, async (s: Script) => {
    s.start({ path: "/test", observe: 1_000 });
    const request = await s.request();
    s.answer(request);
    await s.wait(300);
    const id = s.id();
    s.say({ type: "CON", id, code: "2.05", token: request.token, ...state(5, "unasked") });
    await s.empty("RST", id);
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
  clientCase("7959-2.2-5", {}, async (s: Script) => {
    s.start();
    s.answer(await s.request(), { options: [[Opt.Block2, 0x0f]], payload: new Uint8Array(1024) });
    await s.silence();
    await s.fails();
  }),
  clientCase("7959-2.4-1", {}, async (s: Script) => {
    s.start({ path: "/large?a=1" });
    const [first, ...rest] = await serveBlocks(s, LONG, 64);
    for (const request of rest) {
      s.check(pathOf(request) === pathOf(first!), "the same path", request);
      s.check(valuesOf(request, Opt.UriQuery).length === 1, "the same query", request);
    }
    await s.delivers(LONG);
  }),
  clientCase("7959-2.4-4", {}, async (s: Script) => {
    s.start({ path: "/large" });
    await serveBlocks(s, LONG, 32);
    await s.delivers(LONG);
  }),
  clientCase("7959-2.4-9", {}, async (s: Script) => {
    s.start({ path: "/large" });
    const size = 64;
    const block = (number: number, more: boolean, etag: string): OptionSpec[] => [
      [Opt.ETag, etag],
      [Opt.Block2, blockValue(number, more, size)],
    ];
    s.answer(await s.request(), { options: block(0, true, "v1"), payload: "a".repeat(64) });
    s.answer(await s.request(), { options: block(1, false, "v2"), payload: "b".repeat(10) });
    const outcome = await Promise.race([s.outcome(), s.wait(500)]);
    s.check(outcome?.payload !== "a".repeat(64) + "b".repeat(10), "no mixture", "a mixture");
    s.note(outcome?.error ?? "begins again");
  }),
  clientCase("7959-2.4-11", {}, async (s: Script) => {
    s.start({ path: "/large" });
    const options: OptionSpec[] = [[Opt.Size2, 5], [Opt.Block2, blockValue(0, true, 16)]];
    s.answer(await s.request(), { options, payload: "0123456789abcdef" });
    s.answer(await s.request(), {
      options: [[Opt.Block2, blockValue(1, false, 16)]],
      payload: "end",
    });
    await s.delivers("0123456789abcdefend");
  }),
  clientCase("7959-2.4-14", {}, async (s: Script) => {
    s.start({ path: "/large" });
    const block = (number: number): OptionSpec[] => [[Opt.Block2, blockValue(number, true, 16)]];
    s.answer(await s.request(), { options: block(0), payload: "0123456789abcdef" });
    s.answer(await s.request(), { options: block(5), payload: "0123456789abcdef" });
    const outcome = await Promise.race([s.outcome(), s.wait(500)]);
    s.check(outcome?.payload === undefined, "no body out of wrong blocks", outcome?.payload);
  }),
  clientCase("7959-2.5-1", {}, async (s: Script) => {
    s.start({ method: "PUT", path: "/large-update", payload: PUT_BODY });
    const first = await s.request();
    const block = blockOf(first, Opt.Block1);
    if (block === undefined) s.notApplicable("the client sends 2500 bytes in one message");
    s.check(block!.number === 0 && block!.more, "Block1 0/1", first);
    s.answer(first, {
      code: "2.31",
      payload: "",
      options: [[Opt.Block1, blockValue(0, true, 64)]],
    });
    const second = await s.request();
    const next = blockOf(second, Opt.Block1)!;
    s.note(`${next.number}/1/${next.size}`);
    const at = next.number * next.size;
    s.check(at === first.payload.length, `a block at byte ${first.payload.length}`, second);
    s.check(next.size === 64, "blocks of 64 bytes", second);
    s.say({ type: "RST", id: second.id });
    await s.outcome();
  }),
  clientCase("7959-2.5-5", {}, async (s: Script) => {
    s.start({ method: "PUT", path: "/large-update", payload: PUT_BODY });
    let at = 0;
    for (;;) {
      const request = await s.request();
      const block = blockOf(request, Opt.Block1);
      if (block === undefined) s.notApplicable("the client sends 2500 bytes in one message");
      s.check(block!.number * block!.size === at, `a block at byte ${at}`, request);
      s.check(!block!.more || request.payload.length === block!.size, "a full block", request);
      at += request.payload.length;
      const value = blockValue(block!.number, block!.more, block!.size);
      s.answer(request, {
        code: block!.more ? "2.31" : "2.04",
        payload: "",
        options: [[Opt.Block1, value]],
      });
      if (!block!.more) break;
    }
    s.check(at === PUT_BODY.length, `${PUT_BODY.length} bytes`, `${at}`);
    await s.delivers("", "2.04");
  }),
  clientCase("9175-2.2-3", {}, async (s: Script) => {
    s.start();
    const first = await s.request();
    s.answer(first, { code: "4.01", payload: "", options: [[Opt.Echo, "fresh"]] });
    const second = await s.request();
    s.check(
      toHex(valueOf(second, Opt.Echo) ?? new Uint8Array(0)) === toHex(bytesOf("fresh")),
      "Echo",
      second,
    );
    s.check(second.id !== first.id, "a new message ID", second);
    s.answer(second);
    await s.delivers("done");
  }),
  clientCase("9175-2.2-8", {}, async (s: Script) => {
    s.start();
    let count = 0;
    for (; count < 20; count++) {
      const request = await s.next("a request or nothing", 500).catch(() => undefined);
      if (request === undefined) break;
      s.answer(request, { code: "4.01", payload: "", options: [[Opt.Echo, `try ${count}`]] });
    }
    s.check(count < 10, "an end after a few tries", `${count} tries`);
  }),
];

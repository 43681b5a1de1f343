/** Client cases for requests and their responses: RFC 7252 sections 5 and 6, RFC 9175. @module */

import { type ClientCase, clientCase, pathOf, type Script } from "./client_case.ts";
import { bytesOf, Opt, toHex, valueOf, valuesOf } from "./datagram.ts";

/** The cases. */
export const CLIENT_REQUEST_CASES: readonly ClientCase[] = [
  clientCase("7252-5.2-1", {}, async (s: Script) => {
    s.start();
    s.answer(await s.request(), { code: "4.27", payload: "" });
    await s.delivers("", "4.27", "4.00"); // as which it is treated
  }),
  clientCase("7252-5.2-2", {}, async (s: Script) => {
    s.start();
    s.answer(await s.request(), { code: "2.17" });
    await s.delivers("done", "2.17", "2.00");
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
  clientCase("7252-5.3.2-5", {}, async (s: Script) => {
    s.start();
    const { id, token } = await s.request();
    s.say({ type: "ACK", id });
    const first = s.id();
    s.say({ type: "CON", id: first, code: "2.05", token, payload: "in time" });
    await s.empty("ACK", first);
    await s.delivers("in time");
    const late = s.id();
    s.say({ type: "CON", id: late, code: "2.05", token, payload: "too late" });
    await s.unlessEnded(s.empty("RST", late));
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
  clientCase("7252-5.9-2", {}, async (s: Script) => {
    for (const code of ["4.01", "4.02"]) {
      s.start();
      s.answer(await s.request(), { code, payload: "no" });
      await s.silence(1_000);
      await s.delivers("no", code);
    }
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
  clientCase("9175-2.2-2", {}, async (s: Script) => {
    const echo = Uint8Array.from({ length: 40 }, (_, i) => i * 37 & 255);
    s.start();
    s.answer(await s.request(), { code: "4.01", payload: "", options: [[Opt.Echo, echo]] });
    const second = await s.request();
    const found = toHex(valueOf(second, Opt.Echo) ?? new Uint8Array(0));
    s.check(found === toHex(echo), `Echo ${toHex(echo)}`, second);
    s.answer(second);
    await s.delivers("done");
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
    s.check(count > 0 && count < 10, "1 to 9 tries", `${count}`);
    await s.delivers("", "4.01");
  }),
];

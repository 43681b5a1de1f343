/** Server cases for requests and responses: RFC 7252 sections 5 to 8 and 11. @module */

import { type ServerCase, serverCase } from "./case.ts";
import {
  build,
  type Datagram,
  Opt,
  textOf,
  toHex,
  uintOption,
  valueOf,
  valuesOf,
} from "./datagram.ts";
import { meet } from "./server_messages.ts";
import type { Tester } from "./tester.ts";

const TEXT_FORMAT = [Opt.ContentFormat, 0] as const;

async function etagOf(t: Tester, path: string): Promise<[Uint8Array, Datagram]> {
  const response = await t.request({ path }, { code: "2.05", has: [Opt.ETag] });
  return [valueOf(response, Opt.ETag)!, response];
}

function put(t: Tester, path: string, payload: string, options: [number, Uint8Array][] = []) {
  return t.request({ code: "0.03", path, options: [TEXT_FORMAT, ...options], payload });
}

function bad(id: string, ids: string): ServerCase {
  return serverCase(id, { needs: ["/test"] }, (t) => meet(t, ids));
}

/** The cases. */
export const REQUEST_CASES: readonly ServerCase[] = [
  serverCase("7252-5.1-1", { needs: ["/test", "/counter"] }, async (t: Tester) => {
    const first = await t.request({ path: "/counter" }, { code: "2.05" });
    for (let i = 0; i < 3; i++) {
      await t.request({ path: "/counter" }, { code: "2.05", payload: first.payload });
    }
    for (const code of ["0.03", "0.04"]) {
      const request = { code, path: "/test", options: [TEXT_FORMAT], payload: "same" };
      const once = await t.request(request, { code: "2." });
      await t.request(request, { code: once.code === "2.01" ? "2." : once.code });
    }
  }),
  serverCase("7252-5.4-1", { needs: ["/test"] }, async (t: Tester) => {
    await t.request({ path: "/test", options: [[Opt.MaxAge, 5]] }, { code: "2.05" });
    await meet(t, "M116");
  }),
  bad("7252-5.4-2", "M098"),
  serverCase("7252-5.4-3", { needs: ["/test"] }, async (t: Tester) => {
    const request = t.send({ path: "/test", options: [[65_001, "?"]] });
    const answer = await t.expect({
      type: "ACK",
      id: request.id,
      code: "4.02",
      token: request.token,
    });
    t.note(answer.payload.length > 0 ? "with a diagnostic payload" : "without diagnostic payload");
    await meet(t, "M100");
  }),
  serverCase("7252-5.4-5", { needs: ["/test"] }, async (t: Tester) => {
    const request = t.send({ type: "NON", path: "/test", options: [[65_001, "?"]] });
    const heard = await t.hear(t.settings.quiet);
    if (heard === undefined) return t.note("silence");
    const { message, bytes } = heard;
    if (typeof message === "string") t.fail("silence, RST or NON 4.02", bytes);
    t.note(message.type === "RST" ? "Reset" : message.code);
    if (message.type === "RST") t.match(message, { id: request.id, code: "0.00" });
    else t.match(message, { type: ["NON", "CON"], code: "4.02", token: request.token });
  }),
  bad("7252-5.4-7", "M101 M103 M104 M106 M107 M109 M110 M112 M113 M115 M118"),
  serverCase("7252-5.4-11", { needs: ["/test"] }, async (t: Tester) => {
    const response = await t.request({ code: "0.04", path: "/test" }, { code: "2.02" });
    t.note(valueOf(response, Opt.MaxAge) === undefined ? "Max-Age left out" : "Max-Age explicit");
    t.check(uintOption(response, Opt.MaxAge) !== 60, "the default Max-Age left out", response);
  }),
  serverCase("7252-5.4-12", { needs: ["/test", "/validate"] }, async (t: Tester) => {
    for (const path of ["/test", "/validate", "/.well-known/core"]) {
      const response = await t.request({ path });
      for (const number of [Opt.ContentFormat, Opt.MaxAge, Opt.ETag, Opt.Block2]) {
        t.check(valuesOf(response, number).length <= 1, `option ${number} once`, response);
      }
    }
  }),
  bad("7252-5.4-13", "M119 M121 M122 M124"),
  serverCase("7252-5.4-15", { needs: ["/test"] }, async (t: Tester) => {
    for (const path of ["/test", "/.well-known/core"]) {
      const response = await t.request({ path }, { code: "2.05" });
      t.check(response.options.every(({ number }) => number < 65_000), "no such option", response);
      t.check((uintOption(response, Opt.ContentFormat) ?? 0) < 65_000, "no such format", response);
    }
  }),
  serverCase("7252-5.5-1", { needs: ["/test"] }, async (t: Tester) => {
    const plain = await t.request({ path: "/test" }, { code: "2.05" });
    await t.request({ path: "/test", payload: "ignored" }, {
      code: "2.05",
      payload: plain.payload,
    });
  }),
  serverCase("7252-5.5-3", {}, async (t: Tester) => {
    const response = await t.request({ path: "/no-such-resource" }, { code: "4.04" });
    if (valueOf(response, Opt.ContentFormat) !== undefined) return t.note("payload has a format");
    try {
      new TextDecoder("utf-8", { fatal: true }).decode(response.payload);
    } catch {
      t.fail("a diagnostic message in UTF-8", response);
    }
  }),
  serverCase("7252-5.5-4", {}, async (t: Tester) => {
    const response = await t.request({ path: "/no-such-resource" }, { code: "4.04" });
    t.check(response.payload.length < 256, "a short diagnostic message or none", response);
  }),
  bad("7252-5.7-7", "M131"),
  serverCase("7252-5.8-1", { needs: ["/test"] }, async (t: Tester) => {
    await meet(t, "M133");
    const request = t.send({ type: "NON", code: "0.30", path: "/test" });
    const heard = await t.hear(t.settings.quiet);
    if (heard === undefined) return t.note("NON: silence");
    const { message, bytes } = heard;
    if (typeof message === "string") t.fail("4.05 or silence", bytes);
    t.match(message, { type: ["NON", "CON"], code: ["4.05", "5.01"], token: request.token });
  }),
  serverCase("7252-5.8-2", { needs: ["/validate"] }, async (t: Tester) => {
    const [etag] = await etagOf(t, "/validate");
    const response = await t.request({ path: "/validate", options: [[Opt.ETag, etag]] }, {
      code: "2.03",
      payload: new Uint8Array(0),
    });
    t.check(
      toHex(valueOf(response, Opt.ETag) ?? new Uint8Array(0)) === toHex(etag),
      "that ETag",
      response,
    );
  }),
  serverCase("7252-5.8-3", { needs: ["/test", "/counter"] }, async (t: Tester) => {
    await t.request({ code: "0.02", path: "/test", options: [TEXT_FORMAT], payload: "x" }, {
      code: "2.01",
      has: [Opt.LocationPath],
    });
    await t.request({ code: "0.02", path: "/counter" }, { code: "2.04" });
  }),
  serverCase("7252-5.8-4", { needs: ["/test"] }, async (t: Tester) => {
    await t.request({ code: "0.04", path: "/create1" }, { code: ["2.02", "4.04"] });
    const created = await put(t, "/create1", "new");
    t.match(created, { code: "2.01" });
    t.match(await put(t, "/create1", "again"), { code: "2.04" });
    await t.request({ code: "0.04", path: "/create1" }, { code: "2.02" });
  }),
  serverCase("7252-5.8-5", { needs: ["/test"] }, async (t: Tester) => {
    for (let i = 0; i < 2; i++) {
      await t.request({ code: "0.04", path: "/create1" }, { code: "2.02" });
    }
  }),
  serverCase("7252-5.9-1", { needs: ["/validate"] }, async (t: Tester) => {
    const [etag] = await etagOf(t, "/validate");
    await t.request({ path: "/validate", options: [[Opt.ETag, etag]] }, {
      code: "2.03",
      has: [Opt.ETag],
      payload: new Uint8Array(0),
    });
  }),
  serverCase("7252-5.10-2", { needs: ["/test"] }, async (t: Tester) => {
    for (const segments of [["no", "..", "test"], [".", "test"], ["..", "test"]]) {
      const options = segments.map((segment): [number, string] => [Opt.UriPath, segment]);
      const { code } = await t.request({ options }, { code: ["4.00", "4.02", "4.04"] });
      t.note(code);
    }
  }),
  serverCase("7252-5.10-3", { needs: ["/query"] }, async (t: Tester) => {
    const response = await t.request({ path: "/query", options: [[Opt.UriQuery, "a%2Fb"]] }, {
      code: "2.05",
    });
    t.check(textOf(response.payload).includes("a%2Fb"), "the query as it was sent", response);
    // Were "%2F" decoded or "/" taken for a separator this would reach /test.
    await t.request({ options: [[Opt.UriPath, "seg1/seg2"]] }, { code: "4.04" });
    await t.request({ options: [[Opt.UriPath, "%74est"]] }, { code: "4.04" });
  }),
  serverCase("7252-5.10-5", { needs: ["/test"] }, async (t: Tester) => {
    const options = [[Opt.ProxyUri, "coap://elsewhere.invalid/"]] as const;
    // The Uri-Path of a resource of ours must not count.
    await t.request({ path: "/test", options }, { code: ["5.05", "5.02", "5.04", "4.02"] });
  }),
  serverCase("7252-5.10-6", { needs: ["/test"] }, async (t: Tester) => {
    await t.request({ path: "/test", options: [[Opt.Accept, 41]] }, { code: "4.06" });
    await t.request({ path: "/test", options: [[Opt.Accept, 0]] }, { code: "2.05" });
  }),
  serverCase("7252-5.10-7", { needs: ["/document"] }, async (t: Tester) => {
    const options = [[Opt.ContentFormat, 65_000]] as const;
    await t.request({ code: "0.03", path: "/document", options, payload: "{}" }, { code: "4.15" });
  }),
  serverCase("7252-5.10-9", { needs: ["/validate"] }, async (t: Tester) => {
    const [etag] = await etagOf(t, "/validate");
    const options = [Uint8Array.of(1, 2, 3), etag, Uint8Array.of(4)]
      .map((value): [number, Uint8Array] => [Opt.ETag, value]);
    const response = await t.request({ path: "/validate", options }, { code: ["2.03", "2.05"] });
    t.note(response.code);
    t.check(valuesOf(response, Opt.ETag).length === 1, "one ETag", response);
    const value = toHex(valueOf(response, Opt.ETag)!);
    t.check(value === toHex(etag), `ETag ${toHex(etag)}`, response);
  }),
  serverCase("7252-5.10-11", { needs: ["/test", "/location-query"] }, async (t: Tester) => {
    for (const path of ["/test", "/location-query"]) {
      const response = await t.request({
        code: "0.02",
        path,
        options: [TEXT_FORMAT],
        payload: "x",
      });
      for (const value of valuesOf(response, Opt.LocationPath)) {
        t.check(!/^\.\.?$/.test(textOf(value)), "no dot segment", response);
      }
      for (const number of [128, 132, 136, 140]) t.match(response, { hasNot: [number] });
    }
  }),
  serverCase("7252-5.10-12", { needs: ["/validate"] }, async (t: Tester) => {
    const [, before] = await etagOf(t, "/validate");
    const wrong = await put(t, "/validate", "refused", [[Opt.IfMatch, Uint8Array.of(0xee, 0xee)]]);
    t.match(wrong, { code: "4.12" });
    const [etag] = await etagOf(t, "/validate");
    await t.request({ path: "/validate" }, { payload: before.payload });
    t.match(await put(t, "/validate", "taken", [[Opt.IfMatch, etag]]), { code: "2.04" });
    const any = await put(t, "/validate", "any", [[Opt.IfMatch, new Uint8Array(0)]]);
    t.match(any, { code: "2.04" });
    await t.request({ code: "0.04", path: "/create1" });
    const missing = await put(t, "/create1", "x", [[Opt.IfMatch, new Uint8Array(0)]]);
    t.match(missing, { code: "4.12" });
  }),
  serverCase("7252-5.10-13", { needs: ["/test"] }, async (t: Tester) => {
    const none: [number, Uint8Array] = [Opt.IfNoneMatch, new Uint8Array(0)];
    await t.request({ code: "0.04", path: "/create1" });
    t.match(await put(t, "/create1", "new", [none]), { code: "2.01" });
    t.match(await put(t, "/create1", "again", [none]), { code: "4.12" });
    await t.request({ code: "0.04", path: "/create1" }, { code: "2.02" });
  }),
  serverCase("7252-5.10-14", { needs: ["/test"] }, async (t: Tester) => {
    const wrong: [number, Uint8Array] = [Opt.IfMatch, Uint8Array.of(0xee)];
    const { code } = await t.request(
      // Not what other cases take for missing: a server that makes it keeps it.
      { code: "0.02", path: "/missing-to-post", options: [wrong] },
      { code: "4." },
    );
    t.note(code);
  }),
  serverCase("7252-5.10-16", { needs: ["/multi-format"] }, async (t: Tester) => {
    for (const format of [0, 41, 50]) {
      const response = await t.request({ path: "/multi-format", options: [[Opt.Accept, format]] }, {
        code: "2.05",
      });
      t.check(uintOption(response, Opt.ContentFormat) === format, `format ${format}`, response);
    }
  }),
  serverCase("7252-6.5-2", { needs: ["/test"] }, async (t: Tester) => {
    const { code } = await t.request({ path: "/test", options: [[Opt.UriHost, "a b/c"]] }, {
      code: ["2.05", "4.00", "4.02", "4.04", "5.05"],
    });
    t.note(code);
    await t.alive();
  }),
  serverCase("7252-7-1", {}, async (t: Tester) => {
    const { port } = t.settings.target;
    if (port !== 5683) t.notApplicable(`the server under test listens at port ${port}`);
    await t.request({ path: "/.well-known/core" }, { code: "2.05" });
  }),
  serverCase("7252-7-2", {}, async (t: Tester) => {
    const response = await t.request({ path: "/.well-known/core" }, { code: "2.05" });
    const format = uintOption(response, Opt.ContentFormat);
    t.check(format === 40, "Content-Format 40", response);
  }),
  serverCase("7252-8-2", { group: true }, async (t: Tester) => {
    const group = { address: t.settings.group!, port: t.settings.target.port };
    t.sendBytes(build({ type: "NON", code: "2.05", id: t.id(), token: t.token() }), group);
    t.sendBytes(build({ type: "NON", id: t.id() }), group);
    t.sendBytes(Uint8Array.of(0x51, 0x01, 0x77, 0x01), group);
    await t.silence(10_000);
  }),
  serverCase("7252-8-3", { group: true }, async (t: Tester) => {
    const group = { address: t.settings.group!, port: t.settings.target.port };
    t.sendBytes(build(t.spec({ type: "NON", path: "/no-such-resource" })), group);
    const heard = await t.hear(10_000);
    t.note(heard === undefined ? "silence" : "answered");
    const { message } = heard ?? {};
    if (message !== undefined) {
      t.check(typeof message === "object", "a message");
      t.match(message, { type: "NON", code: "4.04" });
    }
  }),
  serverCase("7252-8-4", { group: true, slow: true }, async (t: Tester) => {
    const group = { address: t.settings.group!, port: t.settings.target.port };
    const delays: number[] = [];
    for (let i = 0; i < 30; i++) {
      const begin = t.probe.now;
      t.sendBytes(build(t.spec({ type: "NON", path: "/group" })), group);
      await t.expect({ type: "NON", code: "2.05" }, 10_000);
      delays.push(t.probe.now - begin);
    }
    const [least, most] = [Math.min(...delays), Math.max(...delays)];
    t.check(most <= 5_500, "all within 5 s", `${most} ms`);
    t.check(most - least > 1_000, "delays that differ", `${least} to ${most} ms`);
  }),
  serverCase("7252-8-5", { group: true }, async (t: Tester) => {
    const { address, port } = t.settings.target;
    const request = t.spec({ type: "NON", path: "/group" });
    t.sendBytes(build(request), { address: t.settings.group!, port });
    const heard = await t.hear(10_000);
    t.check(typeof heard?.message === "object", "NON 2.05");
    t.match(heard.message, { type: "NON", code: "2.05", token: request.token });
    const from = `${heard.from.address} ${heard.from.port}`;
    t.check(from === `${address} ${port}`, `from ${address} ${port}`, from);
  }),
  serverCase("7252-11.3-1", { needs: ["/large"] }, async (t: Tester) => {
    const request = t.send({ path: "/large" });
    const answer = await t.response(request, { code: ["2.05", "4.01"] });
    t.note(`${answer.bytes.length} bytes for ${build(request).length}`);
    t.check(answer.bytes.length <= 1152, "one datagram of at most 1152 bytes", answer);
    await t.silence();
  }),
  serverCase("7252-11.3-2", { group: true, needs: ["/test"] }, async (t: Tester) => {
    const group = { address: t.settings.group!, port: t.settings.target.port };
    t.sendBytes(build(t.spec({ type: "NON", path: "/test" })), group);
    await t.silence(10_000);
  }),
];

/** Server cases for FETCH, PATCH, No-Response, Echo, Request-Tag, long tokens, links and hop limits. @module */

import { type ServerCase, serverCase } from "./case.ts";
import {
  blockValue,
  build,
  type Datagram,
  fromHex,
  Opt,
  type OptionSpec,
  textOf,
  uintOption,
  valueOf,
} from "./datagram.ts";
import {
  bodyOf,
  continueWith,
  holds,
  locationOf,
  sendBlock,
  type Upload,
  upload,
} from "./transfers.ts";
import { meet } from "./server_messages.ts";
import type { Expectation } from "./expectation.ts";
import type { Tester } from "./tester.ts";

const JSON_FORMAT: OptionSpec = [Opt.ContentFormat, 50];
const DOCUMENT = { needs: ["/document"] };

function ask(
  t: Tester,
  code: string,
  payload: string,
  expectation?: Expectation,
  options: readonly OptionSpec[] = [JSON_FORMAT],
): Promise<Datagram> {
  return t.request({ code, path: "/document", options, payload }, expectation);
}

async function documentOf(t: Tester): Promise<string> {
  return textOf((await t.request({ path: "/document" }, { code: "2.05" })).payload);
}

/** The hrefs of a list of links. */
export function hrefsOf(response: Datagram): string[] {
  return [...textOf(response.payload).matchAll(/<([^>]*)>/g)].map(([, href]) => href!);
}

/** The cases. */
export const OTHER_CASES: readonly ServerCase[] = [
  serverCase("8132-2-1", DOCUMENT, async (t: Tester) => {
    await ask(t, "0.05", '["a"]', { code: "2.05" });
    await ask(t, "0.06", '{"a":1}', { code: "2.04" });
    await ask(t, "0.07", '{"a":1}', { code: "2.04" });
  }),
  serverCase("8132-2-2", DOCUMENT, async (t: Tester) => {
    const before = await documentOf(t);
    const a = await ask(t, "0.05", '["a"]', { code: "2.05" });
    const b = await ask(t, "0.05", '["b"]', { code: "2.05" });
    t.check(textOf(a.payload) !== textOf(b.payload), "two results for two queries", b);
    t.check(await documentOf(t) === before, before, "another state");
  }),
  serverCase("8132-2-4", DOCUMENT, async (t: Tester) => {
    await meet(t, "M137");
    const { code } = await ask(t, "0.05", '["a"]', { code: "4." }, []);
    t.note(code);
  }),
  serverCase("8132-2-6", DOCUMENT, async (t: Tester) => {
    await ask(t, "0.05", "[", { code: "4.00" });
    await ask(t, "0.05", "[]", { code: "4.15" }, [[Opt.ContentFormat, 65_000]]);
    await ask(t, "0.06", '{"a":"text"}', { code: "4.22" });
  }),
  serverCase("8132-2-7", DOCUMENT, async (t: Tester) => {
    const what = { code: "0.05", path: "/document", size: 16, options: [] };
    const body = new TextEncoder().encode('["a","b","no such member"]');
    for (let number = 0; number * 16 < body.length; number++) {
      const more = (number + 1) * 16 < body.length;
      const options: OptionSpec[] = [JSON_FORMAT, [Opt.Block1, blockValue(number, more, 16)]];
      const payload = body.subarray(number * 16, number * 16 + 16);
      await t.request({ code: what.code, path: what.path, options, payload }, {
        code: more ? "2.31" : "2.05",
      });
    }
    const options: OptionSpec[] = [JSON_FORMAT, [Opt.Observe, 0]];
    const request = t.send({ code: "0.05", path: "/document", options, payload: '["a"]' });
    const first = await t.response(request, { code: "2.05" });
    if (valueOf(first, Opt.Observe) === undefined) return t.note("FETCH does not observe");
    await ask(await t.other(), "0.07", '{"a":77}', { code: "2.04" });
    const next = await t.expect({ type: ["CON", "NON"], token: request.token, code: "2.05" });
    if (next.type === "CON") t.reply("RST", next);
    t.check(textOf(next.payload) === '{"a":77}', '{"a":77}', next);
  }),
  serverCase("8132-3-1", DOCUMENT, async (t: Tester) => {
    const before = await documentOf(t);
    await ask(t, "0.06", '{"a":99,"b":"text"}', { code: "4." });
    t.check(await documentOf(t) === before, before, "another state");
  }),
  serverCase("8132-3-2", { needs: ["/counter"] }, async (t: Tester) => {
    const request = t.spec({ code: "0.06", path: "/counter" });
    const counts: string[] = [];
    for (let i = 0; i < 2; i++) {
      t.sendBytes(build(request));
      counts.push(textOf((await t.expect({ type: "ACK", code: "2.04" })).payload));
    }
    t.check(counts[0] === counts[1], `${counts[0]} twice`, counts.join());
  }),
  serverCase("8132-3-3", DOCUMENT, async (t: Tester) => {
    await ask(t, "0.06", '{"a":5}', { code: "2.04" });
    await ask(t, "0.07", '{"a":5}', { code: "2.04" });
    await ask(t, "0.06", '{"a":6}', { code: "4.12" }, [
      [Opt.IfMatch, Uint8Array.of(0xee)],
      JSON_FORMAT,
    ]);
    await t.request({
      code: "0.06",
      path: "/missing-to-patch",
      options: [JSON_FORMAT],
      payload: "{}",
    }, {
      code: "4.04",
    });
  }),
  serverCase("7967-2-2", { needs: ["/test"] }, async (t: Tester) => {
    const outcome = async (value: number): Promise<string> => {
      const options: OptionSpec[] = [[Opt.ContentFormat, 0], [Opt.NoResponse, value]];
      t.send({ type: "NON", code: "0.03", path: "/test", options, payload: "x" });
      const heard = await t.hear(t.settings.quiet);
      if (heard === undefined) return "suppressed";
      t.check(typeof heard.message === "object", "a message");
      t.match(heard.message, { code: "2." });
      return "sent all the same";
    };
    t.note(`26: ${await outcome(26)}`);
    t.note(`2: ${await outcome(2)}`);
  }),
  serverCase("7967-2-3", { needs: ["/test"] }, async (t: Tester) => {
    const only = (value: number): OptionSpec[] => [[Opt.NoResponse, value]];
    await t.request({ type: "NON", path: "/no-such-resource", options: only(2) }, { code: "4.04" });
    await t.request({ type: "NON", path: "/test", options: only(24) }, { code: "2.05" });
    await t.request({ type: "NON", path: "/test", options: only(0) }, { code: "2.05" });
  }),
  serverCase("7967-2-4", { needs: ["/test"] }, async (t: Tester) => {
    const options: OptionSpec[] = [[Opt.ContentFormat, 0], [Opt.NoResponse, 26]];
    const { id } = t.send({ code: "0.03", path: "/test", options, payload: "x" });
    const answer = await t.expect({ type: "ACK", id, code: ["0.00", "2."] });
    t.note(answer.code === "0.00" ? "Empty ACK" : "response sent all the same");
    await t.silence();
  }),
  serverCase("8516-3-1", { needs: ["/test"] }, async (t: Tester) => {
    for (let i = 0; i < 100; i++) {
      const response = await t.request({ path: "/test" }, { code: ["2.05", "4.29"] });
      if (response.code === "4.29") return void t.match(response, { has: [Opt.MaxAge] });
    }
    t.notApplicable("100 requests in a row are answered: no limit is set");
  }),
  serverCase("8516-3-2", { needs: ["/test"] }, async (t: Tester) => {
    for (let i = 0; i < 200; i++) t.send({ type: "NON", path: "/test" });
    const codes: string[] = [];
    for (;;) {
      const heard = await t.hear(t.settings.quiet);
      if (heard === undefined) break;
      if (typeof heard.message === "object") codes.push(heard.message.code);
    }
    if (!codes.includes("4.29")) t.notApplicable("no request of 200 at once is answered 4.29");
    t.note(`${codes.length} responses to 200 requests`);
    t.check(codes.length < 200, "fewer responses than requests", `${codes.length}`);
  }),
  serverCase("9175-2.2-6", { needs: ["/fresh"] }, async (t: Tester) => {
    const options: OptionSpec[] = [[Opt.ContentFormat, 0]];
    const base = { code: "0.03", path: "/fresh", payload: "x" };
    const refused = await t.request({ ...base, options }, { code: "4.01", has: [Opt.Echo] });
    const echo: OptionSpec = [Opt.Echo, valueOf(refused, Opt.Echo)!];
    await t.request({ ...base, options: [...options, echo] }, { code: "2.04" });
    const forged: OptionSpec = [Opt.Echo, fromHex("0102030405060708")];
    await t.request({ ...base, options: [...options, forged] }, { code: "4.01", has: [Opt.Echo] });
  }),
  serverCase("9175-2.2-7", { needs: ["/fresh"] }, async (t: Tester) => {
    const base = { code: "0.03", path: "/fresh", options: [[Opt.ContentFormat, 0]] as const };
    const { id } = t.send({ ...base, payload: "x" });
    await t.expect({ type: "ACK", id, code: "4.01", has: [Opt.Echo] });
    t.send({ ...base, type: "NON", payload: "x" });
    await t.expect({ type: "NON", code: "4.01", has: [Opt.Echo] });
  }),
  serverCase("9175-2.4-1", { needs: ["/large"] }, async (t: Tester) => {
    const request = t.send({ path: "/large" });
    const answer = await t.response(request, { code: ["2.05", "4.01"] });
    const limit = 3 * build(request).length;
    if (answer.code === "2.05" && answer.bytes.length > limit) {
      t.notApplicable("a large response is sent to whoever asks: no limit is set");
    }
    if (answer.code === "4.01") t.match(answer, { has: [Opt.Echo] });
  }),
  serverCase("9175-3-3", { needs: ["/large-create"] }, async (t: Tester) => {
    const tagged = (tag: string, seed: number): Upload => ({
      code: "0.02",
      path: "/large-create",
      size: 64,
      body: bodyOf(128, seed),
      options: [[Opt.RequestTag, tag]],
    });
    const [a, b] = [tagged("a", 1000), tagged("b", 2000)];
    await continueWith(t, a, 0);
    await continueWith(t, b, 0);
    for (const what of [a, b]) {
      const done = t.match(await sendBlock(t, what, 1), { code: "2.01", has: [Opt.LocationPath] });
      await holds(t, locationOf(done), what.body);
    }
  }),
  serverCase("9175-3-4", { needs: ["/test"] }, async (t: Tester) => {
    await t.request({ path: "/test", options: [[Opt.RequestTag, "a"]] }, {
      code: "2.05",
      hasNot: [Opt.RequestTag],
    });
  }),
  serverCase("9175-4-1", { needs: ["/large-update"] }, async (t: Tester) => {
    const tags = new Set<string>();
    for (let seed = 0; seed < 5; seed++) {
      const body = bodyOf(200, seed * 100);
      t.match(await upload(t, { code: "0.03", path: "/large-update", body, size: 64 }), {
        code: "2.04",
      });
      const response = await t.request({
        path: "/large-update",
        options: [[Opt.Block2, blockValue(0, false, 64)]],
      }, { code: "2.05" });
      const tag = valueOf(response, Opt.ETag);
      if (tag === undefined) t.notApplicable("/large-update has no ETag");
      t.check(!tags.has(tag.join()), "an ETag that was not used before", response);
      tags.add(tag.join());
    }
  }),
  serverCase("8974-2.1-2", { needs: ["/test"] }, async (t: Tester) => {
    await meet(t, "M020");
    await t.alive();
  }),
  serverCase("8974-2.2-2", { needs: ["/test"] }, async (t: Tester) => {
    const token = new Uint8Array(20).fill(0xab);
    const id = t.id();
    const header = [0x4d, 0x01, id >> 8, id & 255, token.length - 13, ...token];
    t.sendBytes(Uint8Array.from([...header, 0xb4, ...new TextEncoder().encode("test")]));
    const heard = await t.hear();
    t.check(heard !== undefined, "an answer");
    if (heard!.bytes[0]! >> 4 === 7) {
      t.note("not supported");
      return void t.check(heard!.bytes.length === 4, "an Empty Reset");
    }
    t.note("supported");
    const echoed = heard!.bytes.slice(5, 25).join();
    t.check((heard!.bytes[0]! & 15) === 13 && echoed === token.join(), "the token of 20 bytes");
  }),
  serverCase("6690-4-1", {}, async (t: Tester) => {
    const response = await t.request({ path: "/.well-known/core" }, { code: "2.05" });
    t.check(uintOption(response, Opt.ContentFormat) === 40, "Content-Format 40", response);
  }),
  serverCase("6690-4-3", { needs: ["/link1"] }, async (t: Tester) => {
    const filters: Record<string, string[]> = {
      "rt=Type1": ["/link1", "/link3"],
      "rt=Type*": ["/link1", "/link2", "/link3"],
      "if=If1": ["/link1"],
      "href=/link2": ["/link2"],
      "rt=none": [],
    };
    for (const [filter, expected] of Object.entries(filters)) {
      const found: string[] = [];
      let response: Datagram;
      for (let number = 0;; number++) {
        const options: OptionSpec[] = [[Opt.Block2, blockValue(number, false, 1024)]];
        response = await t.request({ path: `/.well-known/core?${filter}`, options }, {
          code: "2.05",
        });
        found.push(...hrefsOf(response));
        if (((uintOption(response, Opt.Block2) ?? 0) & 8) === 0) break;
      }
      t.check(
        found.toSorted().join() === expected.join(),
        `${filter}: ${expected.join()}`,
        response,
      );
    }
  }),
  serverCase("6690-4-4", {}, async (t: Tester) => {
    await t.request({ path: "/.well-known/core?no-such-attribute=x" }, { code: "2.05" });
  }),
  serverCase("6690-4-5", { group: true }, async (t: Tester) => {
    const group = { address: t.settings.group!, port: t.settings.target.port };
    t.sendBytes(build(t.spec({ type: "NON", path: "/.well-known/core?rt=no-such-type" })), group);
    await t.silence(10_000);
  }),
  serverCase("8768-3-2", { needs: ["/test"] }, async (t: Tester) => {
    const [zero, two] = [[0], [1, 0]].map((bytes): OptionSpec => [
      Opt.HopLimit,
      Uint8Array.from(bytes),
    ]);
    for (const option of [zero!, two!]) {
      const response = await t.request({ path: "/test", options: [option] }, {
        code: ["4.00", "2.05"],
      });
      t.note(response.code === "4.00" ? "refused" : "not known, so ignored");
    }
    await t.request({ path: "/test", options: [[Opt.HopLimit, 1]] }, { code: "2.05" });
  }),
  serverCase("9177-4-1", { needs: ["/test"] }, async (t: Tester) => {
    const response = await t.request({
      path: "/test",
      options: [[19, 0]],
      code: "0.03",
      payload: "x",
    }, {
      code: ["4.02", "2."],
    });
    t.note(response.code === "4.02" ? "not offered" : "offered");
  }),
];

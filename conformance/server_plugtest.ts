/** Server cases of the plugtests: CORE, LINK, BLOCK and OBS as far as they are about servers. @module */

import { plugtestCase, type ServerCase } from "./case.ts";
import {
  blockOf,
  blockValue,
  build,
  type Datagram,
  Opt,
  type OptionSpec,
  textOf,
  toHex,
  uintOption,
  valueOf,
  valuesOf,
} from "./datagram.ts";
import { bodyOf, download, holds, locationOf, upload } from "./server_blocks.ts";
import { change, notification, register } from "./server_observe.ts";
import { hrefsOf } from "./server_others.ts";
import type { Expectation, Tester } from "./tester.ts";

const TEXT: OptionSpec = [Opt.ContentFormat, 0];
const LINKS = "/.well-known/core";
const SEPARATE = { needs: ["/separate"], slow: true };

/** What the four methods are answered with. */
const METHODS = [
  ["GET", "0.01", ["2.05"]],
  ["DELETE", "0.04", ["2.02"]],
  ["PUT", "0.03", ["2.04", "2.01"]],
  ["POST", "0.02", ["2.01", "2.04"]],
] as const;

function methodCases(): ServerCase[] {
  return (["CON", "NON"] as const).flatMap((type, row) =>
    METHODS.map(([name, method, code], column) => {
      const id = `CORE_0${row * 4 + column + 1}`;
      const answer = type === "CON" ? "ACK with the same ID" : "NON with an ID of its own";
      return plugtestCase(
        id,
        `${name}, ${type}`,
        `${type} ${name} /test → ${answer} and the same token, ${code.join(" or ")}`,
        { needs: ["/test"] },
        async (t: Tester) => {
          const body = method === "0.01" || method === "0.04"
            ? {}
            : { options: [TEXT], payload: "plugtest" };
          let borrowed = 0;
          for (let i = 0; i < 2; i++) {
            const request = t.send({ type, code: method, path: "/test", ...body });
            const expected: Expectation = { code, token: request.token };
            const response = await t.expect(
              type === "CON"
                ? { ...expected, type: "ACK", id: request.id }
                : { ...expected, type: "NON" },
            );
            if (type === "NON" && response.id === request.id) borrowed++;
            t.check(borrowed < 2, "a message ID of the server's own", response);
            if (response.payload.length > 0) t.match(response, { has: [Opt.ContentFormat] });
            t.check(name !== "GET" || response.payload.length > 0, "a payload", response);
          }
        },
      );
    })
  );
}

function separate(id: string, requirement: string, token?: Uint8Array): ServerCase {
  return plugtestCase(
    id,
    requirement,
    "CON GET /separate → Empty ACK; later CON 2.05 with the same token and an ID of its own",
    SEPARATE,
    async (t: Tester) => {
      const request = t.send({ path: "/separate", ...(token && { token }) });
      await t.emptyAck(request.id);
      const { id } = await t.response(request, {
        type: "CON",
        code: "2.05",
        has: [Opt.ContentFormat],
      }, 10_000);
      t.check(id !== request.id, "an ID of the server's own", `id ${id}`);
      await t.silence(4_000);
    },
  );
}

/** All links that match a query. */
async function links(t: Tester, query = ""): Promise<Map<string, string>> {
  const { body, responses } = await download(t, LINKS + query, undefined);
  const format = uintOption(responses[0]!, Opt.ContentFormat);
  t.check(format === 40, "Content-Format 40", responses[0]);
  return new Map(
    textOf(body).split(/,(?=<)/).filter((link) => link !== "").map((link) => [
      link.slice(1, link.indexOf(">")),
      link,
    ]),
  );
}

function linkCase(
  id: string,
  query: string,
  expected: string,
  isRight: (hrefs: string[], links: Map<string, string>) => boolean,
): ServerCase {
  return plugtestCase(
    id,
    `Discovery with ${query}`,
    `GET ${LINKS}?${query} → ${expected}`,
    { needs: ["/link1"] },
    async (t: Tester) => {
      const found = await links(t, `?${query}`);
      const hrefs = [...found.keys()].toSorted();
      t.check(isRight(hrefs, found), expected, hrefs.join(" "));
    },
  );
}

/** The notification after a change that is about a deleted or changed resource, and silence after it. */
async function ended(t: Tester, token: Uint8Array, code: string): Promise<void> {
  t.match(await notification(t, token), { code, hasNot: [Opt.Observe] });
  await change(await t.other(), "/obs", "still there");
  await t.silence();
}

function largeBody(): Uint8Array {
  return bodyOf(1280).map((byte) => byte === 48 ? 97 : byte);
}

function uploadCase(id: string, code: string, path: string, final: string): ServerCase {
  return plugtestCase(
    id,
    `Body of 1280 bytes to ${path}`,
    `Block1 0/1/… → 2.31 for each, the last ${final}; what was sent is there afterwards`,
    { needs: [path] },
    async (t: Tester) => {
      const body = bodyOf(1280, id.length);
      const response = t.match(await upload(t, { code, path, body, size: 64 }), {
        code: final,
        has: [Opt.Block1],
      });
      await holds(t, final === "2.01" ? locationOf(response) : path, body);
    },
  );
}

/** The cases. */
export const PLUGTEST_CASES: readonly ServerCase[] = [
  ...methodCases(),
  separate("CORE_09", "Separate response"),
  plugtestCase(
    "CORE_10",
    "Tokens of 1 to 8 bytes",
    "CON GET /test → ACK 2.05 with the same token",
    { needs: ["/test"] },
    async (t: Tester) => {
      for (let length = 1; length <= 8; length++) {
        const token = Uint8Array.from({ length }, (_, i) => 255 - i);
        const { id } = t.send({ path: "/test", token });
        await t.expect({ type: "ACK", id, code: "2.05", token });
      }
    },
  ),
  separate("CORE_11", "Separate response with a token", Uint8Array.of(0xbe, 0xef)),
  plugtestCase("CORE_12", "Empty token", "CON GET /test without token → ACK 2.05 without token", {
    needs: ["/test"],
  }, async (t: Tester) => {
    const token = new Uint8Array(0);
    const { id } = t.send({ path: "/test", token });
    await t.expect({ type: "ACK", id, code: "2.05", token });
  }),
  plugtestCase("CORE_13", "Several Uri-Path", "CON GET /seg1/seg2/seg3 → 2.05", {
    needs: ["/seg1/seg2/seg3"],
  }, async (t: Tester) => {
    await t.request({ path: "/seg1/seg2/seg3" }, { code: "2.05", has: [Opt.ContentFormat] });
  }),
  plugtestCase(
    "CORE_14",
    "Several Uri-Query",
    "GET /query?first=1&second=2&third=3 → 2.05 with them",
    {
      needs: ["/query"],
    },
    async (t: Tester) => {
      const response = await t.request({ path: "/query?first=1&second=2&third=3" }, {
        code: "2.05",
      });
      for (const argument of ["first=1", "second=2", "third=3"]) {
        t.check(textOf(response.payload).includes(argument), argument, response);
      }
    },
  ),
  plugtestCase(
    "CORE_15",
    "Lost piggybacked response",
    "the request repeated → the same ACK, byte for byte",
    { needs: ["/test"] },
    async (t: Tester) => {
      const request = t.spec({ code: "0.02", path: "/test", options: [TEXT], payload: "x" });
      const seen = new Set<string>();
      for (let i = 0; i < 4; i++) {
        t.sendBytes(build(request));
        seen.add(toHex((await t.expect({ type: "ACK", id: request.id })).bytes));
      }
      t.check(seen.size === 1, "four equal Acknowledgements", [...seen].join(" "));
    },
  ),
  plugtestCase(
    "CORE_16",
    "Lost parts of a separate response",
    "the CON response repeated until it is acknowledged; a repeated request → Empty ACK",
    SEPARATE,
    async (t: Tester) => {
      const request = t.send({ path: "/separate" });
      await t.emptyAck(request.id);
      const first = await t.expect({ type: "CON", code: "2.05", token: request.token }, 10_000);
      const again = await t.expect({ type: "CON", code: "2.05", token: request.token }, 4_000);
      t.check(toHex(first.bytes) === toHex(again.bytes), toHex(first.bytes), again);
      t.reply("ACK", again);
      t.sendBytes(build(request));
      await t.emptyAck(request.id);
      await t.silence(10_000);
    },
  ),
  plugtestCase(
    "CORE_17",
    "Separate response, NON",
    "NON GET /separate → no ACK; later NON 2.05",
    SEPARATE,
    async (t: Tester) => {
      const request = t.send({ type: "NON", path: "/separate" });
      await t.expect({ type: "NON", code: "2.05", token: request.token }, 10_000);
    },
  ),
  plugtestCase(
    "CORE_18",
    "Location-Path",
    "POST /test → 2.01 with location1, location2, location3",
    {
      needs: ["/test"],
    },
    async (t: Tester) => {
      const response = await t.request({
        code: "0.02",
        path: "/test",
        options: [TEXT],
        payload: "x",
      }, {
        code: "2.01",
      });
      const found = valuesOf(response, Opt.LocationPath).map(textOf);
      t.check(found.join() === "location1,location2,location3", "three Location-Path", response);
    },
  ),
  plugtestCase("CORE_19", "Location-Query", "POST /location-query → 2.01 with first=1, second=2", {
    needs: ["/location-query"],
  }, async (t: Tester) => {
    const response = await t.request({
      code: "0.02",
      path: "/location-query",
      options: [TEXT],
      payload: "x",
    }, {
      code: "2.01",
    });
    const found = valuesOf(response, Opt.LocationQuery).map(textOf).join();
    t.check(found === "first=1,second=2", "two Location-Query", response);
  }),
  plugtestCase(
    "CORE_20",
    "Accept",
    "GET /multi-format with Accept 0, 41 → that format; another → 4.06",
    {
      needs: ["/multi-format"],
    },
    async (t: Tester) => {
      for (const format of [0, 41, 50, 60]) {
        const response = await t.request(
          { path: "/multi-format", options: [[Opt.Accept, format]] },
          {
            code: "2.05",
          },
        );
        t.check(uintOption(response, Opt.ContentFormat) === format, `format ${format}`, response);
      }
      await t.request({ path: "/multi-format", options: [[Opt.Accept, 64_999]] }, { code: "4.06" });
    },
  ),
  plugtestCase(
    "CORE_21",
    "Validation by ETag",
    "GET → E1; GET with E1 → 2.03; after a change → 2.05 with E2",
    {
      needs: ["/validate"],
    },
    async (t: Tester) => {
      const first = await t.request({ path: "/validate" }, { code: "2.05", has: [Opt.ETag] });
      const etag = valueOf(first, Opt.ETag)!;
      const options: OptionSpec[] = [[Opt.ETag, etag]];
      await t.request({ path: "/validate", options }, { code: "2.03", payload: new Uint8Array(0) });
      await t.request({
        code: "0.03",
        path: "/validate",
        options: [TEXT],
        payload: toHex(t.token()),
      });
      const changed = await t.request({ path: "/validate", options }, {
        code: "2.05",
        has: [Opt.ETag],
      });
      t.check(toHex(valueOf(changed, Opt.ETag)!) !== toHex(etag), "another ETag", changed);
    },
  ),
  plugtestCase(
    "CORE_22",
    "If-Match",
    "PUT with the current ETag → 2.04, with a stale one → 4.12 and no change",
    {
      needs: ["/validate"],
    },
    async (t: Tester) => {
      const put = (payload: string, etag?: Uint8Array): Promise<Datagram> =>
        t.request({
          code: "0.03",
          path: "/validate",
          options: etag === undefined ? [TEXT] : [TEXT, [Opt.IfMatch, etag]],
          payload,
        });
      const get = (): Promise<Datagram> =>
        t.request({ path: "/validate" }, { code: "2.05", has: [Opt.ETag] });
      const first = valueOf(await get(), Opt.ETag)!;
      t.match(await put("by condition", first), { code: "2.04" });
      const state = await get();
      t.check(textOf(state.payload) === "by condition", "the new state", state);
      const second = valueOf(state, Opt.ETag)!;
      t.check(toHex(second) !== toHex(first), "another ETag", state);
      t.match(await put("by another"), { code: "2.04" });
      t.match(await put("too late", second), { code: "4.12" });
      t.check(textOf((await get()).payload) === "by another", "the state unchanged", await get());
    },
  ),
  plugtestCase(
    "CORE_23",
    "If-None-Match",
    "PUT /create1 with If-None-Match → 2.01, repeated → 4.12",
    {
      needs: ["/test"],
    },
    async (t: Tester) => {
      const options: OptionSpec[] = [TEXT, [Opt.IfNoneMatch, ""]];
      await t.request({ code: "0.04", path: "/create1" });
      await t.request({ code: "0.03", path: "/create1", options, payload: "x" }, { code: "2.01" });
      await t.request({ code: "0.03", path: "/create1", options, payload: "y" }, { code: "4.12" });
      await t.request({ code: "0.04", path: "/create1" });
    },
  ),
  plugtestCase(
    "CORE_31",
    "Ping",
    "CON Empty of 4 bytes → RST of 4 bytes with the same ID",
    {},
    async (t: Tester) => {
      const id = t.id();
      t.sendBytes(build({ id }));
      await t.reset(id);
    },
  ),
  plugtestCase("LINK_01", "Discovery", `GET ${LINKS} → 2.05, format 40`, {}, async (t: Tester) => {
    await links(t);
  }),
  linkCase("LINK_02", "rt=Type1", "/link1 and /link3", (hrefs) => hrefs.join() === "/link1,/link3"),
  linkCase(
    "LINK_03",
    "rt=*",
    "the links that have rt",
    (hrefs, found) =>
      hrefs.includes("/link1") && [...found.values()].every((link) => link.includes(";rt=")),
  ),
  linkCase("LINK_04", "rt=Type2", "/link1 and /link2", (hrefs) => hrefs.join() === "/link1,/link2"),
  linkCase("LINK_05", "if=If*", "/link1 and /link2", (hrefs) => hrefs.join() === "/link1,/link2"),
  linkCase(
    "LINK_06",
    "sz=*",
    "the links that have sz",
    (hrefs, found) =>
      hrefs.length > 0 && [...found.values()].every((link) => link.includes(";sz=")),
  ),
  linkCase("LINK_07", "href=/link1", "/link1 alone", (hrefs) => hrefs.join() === "/link1"),
  linkCase(
    "LINK_08",
    "href=/link*",
    "/link1, /link2 and /link3",
    (hrefs) => hrefs.join() === "/link1,/link2,/link3",
  ),
  plugtestCase(
    "LINK_09",
    "A collection",
    "/path has ct=40 and lists its parts, each answers 2.05",
    {
      needs: ["/path"],
    },
    async (t: Tester) => {
      const link = (await links(t)).get("/path");
      t.check(link !== undefined && /;ct="?40/.test(link), "</path>;ct=40", link ?? "no such link");
      const list = await t.request({ path: "/path" }, { code: "2.05" });
      t.check(uintOption(list, Opt.ContentFormat) === 40, "Content-Format 40", list);
      const parts = hrefsOf(list);
      t.check(parts.length === 3, "three parts", list);
      for (const path of parts) await t.request({ path }, { code: "2.05" });
    },
  ),
  plugtestCase("BLOCK_01", "GET with early negotiation", "Block2 0/0/64 → all blocks of 64 bytes", {
    needs: ["/large"],
  }, async (t: Tester) => {
    const { responses } = await download(t, "/large", 64);
    t.check(responses.length > 1, "more than one block", responses[0]);
  }),
  plugtestCase(
    "BLOCK_02",
    "GET with late negotiation",
    "0/1/1024, then 16-times the number with blocks of 64",
    {
      needs: ["/large"],
    },
    async (t: Tester) => {
      const first = await t.request({ path: "/large" }, { code: "2.05", has: [Opt.Block2] });
      const { size } = blockOf(first, Opt.Block2)!;
      const options: OptionSpec[] = [[Opt.Block2, blockValue(size / 64, false, 64)]];
      const next = await t.request({ path: "/large", options }, { code: "2.05" });
      const { body } = await download(t, "/large", 64);
      t.match(next, { payload: body.slice(size, size + 64) });
    },
  ),
  uploadCase("BLOCK_03", "0.03", "/large-update", "2.04"),
  uploadCase("BLOCK_04", "0.02", "/large-create", "2.01"),
  plugtestCase(
    "BLOCK_05",
    "POST with large bodies both ways",
    "/large-post → the body in capitals, in blocks",
    {
      needs: ["/large"],
    },
    async (t: Tester) => {
      const body = largeBody();
      const post = { code: "0.02", path: "/large-post" };
      const options: OptionSpec[] = [[Opt.Block2, blockValue(0, false, 64)]];
      let response = await upload(t, { ...post, body, size: 256, options });
      if (response.code === "4.04") t.notApplicable("the server has no /large-post");
      t.match(response, { code: "2.04", has: [Opt.Block1, Opt.Block2] });
      const parts = [...response.payload];
      while (blockOf(response, Opt.Block2)?.more) {
        const number = parts.length / 64;
        response = await t.request({
          ...post,
          options: [TEXT, [Opt.Block2, blockValue(number, false, 64)]],
        }, {
          code: "2.04",
        });
        parts.push(...response.payload);
      }
      const text = textOf(Uint8Array.from(parts));
      t.check(text === textOf(body).toUpperCase(), "the body in capitals", text.slice(0, 80));
    },
  ),
  plugtestCase("BLOCK_06", "GET in blocks of 16 bytes", "Block2 0/0/16 → all blocks of 16 bytes", {
    needs: ["/large"],
  }, async (t: Tester) => {
    const { responses } = await download(t, "/large", 16);
    t.check(responses.length === 80, "80 blocks", `${responses.length}`);
  }),
  ...(["/obs", "/obs-non"] as const).map((path, i) =>
    plugtestCase(
      `OBS_0${i + 1}`,
      i === 0 ? "Confirmable notifications" : "Non-confirmable notifications",
      `GET ${path} with Observe 0 → notifications with the same token and format, Observe growing`,
      { needs: [path], slow: true },
      async (t: Tester) => {
        const [token, first] = await register(t, path);
        let previous = uintOption(first, Opt.Observe)!;
        for (let i = 0; i < 3; i++) {
          const message = await notification(t, token);
          const value = uintOption(
            t.match(message, { code: "2.05", has: [Opt.Observe] }),
            Opt.Observe,
          )!;
          t.check(
            ((value - previous) & 0xffffff) < 1 << 23 && value !== previous,
            "Observe grown",
            message,
          );
          const format = uintOption(first, Opt.ContentFormat);
          t.check(uintOption(message, Opt.ContentFormat) === format, `format ${format}`, message);
          previous = value;
        }
      },
    )
  ),
  plugtestCase(
    "OBS_05",
    "Client switched off",
    "an unacknowledged CON is repeated, then the observer removed",
    {
      needs: ["/obs"],
      slow: true,
    },
    async (t: Tester) => {
      await register(t, "/obs");
      let count = 0;
      const end = t.clock.now() + 150_000;
      for (; t.clock.now() < end; count++) {
        if (await t.hear(end - t.clock.now()) === undefined) break;
      }
      t.check(count >= 5, "five transmissions or more", `${count}`);
      await t.silence(30_000);
    },
  ),
  plugtestCase("OBS_06", "Reset", "RST to a notification → the observer removed", {
    needs: ["/obs"],
    slow: true,
  }, async (t: Tester) => {
    const [token] = await register(t, "/obs");
    const other = await t.other();
    await change(other, "/obs", "new");
    t.reply("RST", await t.expect({ token, code: "2.05" }));
    await change(other, "/obs", "newer");
    await t.silence(8_000);
  }),
  plugtestCase("OBS_07", "Resource deleted", "DELETE → 4.04 without Observe, then nothing", {
    needs: ["/obs"],
  }, async (t: Tester) => {
    const [token] = await register(t, "/obs");
    await (await t.other()).request({ code: "0.04", path: "/obs" }, { code: "2.02" });
    await ended(t, token, "4.04");
  }),
  plugtestCase(
    "OBS_08",
    "Format changed",
    "PUT with another format → 4.06 without Observe, then nothing",
    {
      needs: ["/obs"],
    },
    async (t: Tester) => {
      const [token] = await register(t, "/obs");
      await change(await t.other(), "/obs", "<a/>", 41);
      await ended(t, token, "4.06");
    },
  ),
  plugtestCase(
    "OBS_09",
    "State changed",
    "PUT with the same format → a notification with the new state",
    {
      needs: ["/obs"],
    },
    async (t: Tester) => {
      const [token] = await register(t, "/obs");
      await change(await t.other(), "/obs", "by another");
      t.match(await notification(t, token), {
        code: "2.05",
        payload: new TextEncoder().encode("by another"),
      });
    },
  ),
  plugtestCase(
    "OBS_10",
    "Plain GET",
    "GET with another token and no Observe → the observation goes on",
    {
      needs: ["/obs"],
    },
    async (t: Tester) => {
      const [token] = await register(t, "/obs");
      await t.request({ path: "/obs" }, { code: "2.05", hasNot: [Opt.Observe] });
      await change(await t.other(), "/obs", "new");
      await notification(t, token);
    },
  ),
  plugtestCase("OBS_11", "Lost notifications", "never more than one CON outstanding", {
    needs: ["/obs"],
  }, async (t: Tester) => {
    const [token] = await register(t, "/obs");
    const other = await t.other();
    for (let i = 0; i < 3; i++) await change(other, "/obs", `state ${i}`);
    const first = await t.expect({ type: "CON", token });
    await t.silence();
    t.reply("ACK", first);
    t.match(await notification(t, token), { payload: new TextEncoder().encode("state 2") });
  }),
  plugtestCase(
    "OBS_12",
    "Proactive cancellation",
    "GET with Observe 1 and the token → 2.05 without Observe, then nothing",
    {
      needs: ["/obs"],
    },
    async (t: Tester) => {
      const [token] = await register(t, "/obs");
      await t.request({ path: "/obs", token, options: [[Opt.Observe, 1]] }, {
        code: "2.05",
        hasNot: [Opt.Observe],
      });
      await change(await t.other(), "/obs", "new");
      await t.silence();
    },
  ),
  plugtestCase("OBS_13", "Large state", "2.05 with Observe and Block2 0/1; the rest by plain GET", {
    needs: ["/obs-large"],
  }, async (t: Tester) => {
    const what = { code: "0.03", path: "/obs-large", size: 256, body: bodyOf(1500) };
    t.match(await upload(t, what), { code: "2.04" });
    const [, first] = await register(t, "/obs-large");
    const block = blockOf(first, Opt.Block2);
    t.check(block !== undefined && block.number === 0 && block.more, "Block2 0/1", first);
    const options: OptionSpec[] = [[Opt.Block2, blockValue(1, false, block!.size)]];
    await t.request({ path: "/obs-large", options }, {
      code: "2.05",
      has: [Opt.Block2],
      hasNot: [Opt.Observe],
    });
  }),
  plugtestCase(
    "OBS_14",
    "State of varying size",
    "small and large notifications in one observation",
    {
      needs: ["/obs-pumping"],
      slow: true,
    },
    async (t: Tester) => {
      const options: OptionSpec[] = [[Opt.Block2, blockValue(0, false, 64)]];
      const [token] = await register(t, "/obs-pumping", { options });
      const seen = new Set<boolean>();
      for (let i = 0; i < 4; i++) {
        const message = await notification(t, token);
        seen.add(blockOf(message, Opt.Block2)?.more ?? false);
      }
      t.check(seen.size === 2, "notifications with and without Block2", [...seen].join());
    },
  ),
];

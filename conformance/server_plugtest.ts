/** Server cases of the plugtests: LINK, BLOCK and OBS as far as they are about servers. @module */

import { plugtestCase, type ServerCase } from "./case.ts";
import { blockOf, blockValue, Opt, type OptionSpec, textOf, uintOption } from "./datagram.ts";
import { change, notification, register } from "./server_observe.ts";
import { hrefsOf } from "./server_others.ts";
import type { Tester } from "./tester.ts";
import { bodyOf, download, holds, locationOf, TEXT, upload } from "./transfers.ts";

const LINKS = "/.well-known/core";

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

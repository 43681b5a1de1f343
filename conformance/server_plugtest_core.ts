/** Server cases of the plugtests: CORE as far as it is about servers. @module */

import { plugtestCase, type ServerCase } from "./case.ts";
import {
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
import type { Expectation } from "./expectation.ts";
import type { Tester } from "./tester.ts";
import { TEXT } from "./transfers.ts";

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

/** The cases. */
export const CORE_PLUGTESTS: readonly ServerCase[] = [
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
];

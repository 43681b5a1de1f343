/** Server cases for proxies: the suite is the client, and the origin server behind the proxy as well. @module */

import { plugtestCase, type ServerCase, serverCase } from "./case.ts";
import {
  build,
  type Datagram,
  type DatagramSpec,
  Opt,
  type OptionSpec,
  textOf,
  toHex,
  uintOption,
  valueOf,
  valuesOf,
} from "./datagram.ts";
import type { Expectation } from "./expectation.ts";
import type { RequestSpec, Tester } from "./tester.ts";
import { TEXT } from "./transfers.ts";

const PROXY = { proxy: true };

/** The origin server of a case. */
class Origin {
  readonly #t: Tester;
  readonly #socket: Tester;

  private constructor(t: Tester, socket: Tester) {
    this.#t = t;
    this.#socket = socket;
  }

  /** Binds its socket. */
  static async open(t: Tester): Promise<Origin> {
    return new Origin(t, await t.other());
  }

  /** Sends a request for a resource of the origin server to the proxy. */
  ask({ path, options = [], ...rest }: RequestSpec): DatagramSpec & { token: Uint8Array } {
    const host = this.#t.settings.proxy!;
    const authority = `${host.includes(":") ? `[${host}]` : host}:${this.#socket.probe.port}`;
    const uri: OptionSpec = [Opt.ProxyUri, `coap://${authority}${path}`];
    return this.#t.send({ ...rest, options: [...options, uri] });
  }

  /** The request that the proxy hands on, which has to be as expected; answers it. */
  async serves(expectation: Expectation, answer: Partial<DatagramSpec>): Promise<Datagram> {
    const heard = await this.#socket.hear();
    if (heard === undefined) this.#t.fail("a request at the origin server", undefined);
    const { message, bytes, from } = heard;
    if (typeof message === "string") this.#t.fail("a request at the origin server", bytes);
    this.#t.match(message, expectation);
    const { id, token, type } = message;
    const kind = type === "CON"
      ? { type: "ACK", id } as const
      : { type, id: this.#t.id() } as const;
    this.#socket.probe.send(from, build({ ...kind, token, code: "2.05", ...answer }));
    return message;
  }

  /** Fails where the proxy asks it for anything. */
  silence(): Promise<void> {
    return this.#socket.silence();
  }
}

function path(message: Datagram): string {
  return valuesOf(message, Opt.UriPath).map((value) => `/${textOf(value)}`).join("");
}

/** An exchange through the proxy: what is asked, expected at the origin server, answered, and expected of that. */
async function relays(
  t: Tester,
  origin: Origin,
  request: RequestSpec,
  answer: Partial<DatagramSpec>,
  expectation: Expectation,
): Promise<[forwarded: Datagram, response: Datagram]> {
  const sent = origin.ask(request);
  const forwarded = await origin.serves({ code: request.code ?? "0.01" }, answer);
  return [forwarded, await t.response(sent, expectation)];
}

/** The cases for rows of the checklist. */
export const PROXY_CASES: readonly ServerCase[] = [
  serverCase("7252-5.7-1", { ...PROXY, slow: true }, async (t: Tester) => {
    const origin = await Origin.open(t);
    const request = origin.ask({ path: "/silent" });
    await t.response(request, { code: "5.04" }, 120_000);
  }),
  serverCase("7252-5.7-2", PROXY, async (t: Tester) => {
    const origin = await Origin.open(t);
    const options: OptionSpec[] = [[65_003, "?"]]; // critical and Unsafe
    await relays(t, origin, { path: "/odd" }, { options }, { code: "5.02" });
  }),
  serverCase("7252-5.7-4", PROXY, async (t: Tester) => {
    const origin = await Origin.open(t);
    const request = origin.ask({ path: "/test", options: [[65_002, "?"]] }); // Unsafe
    await t.response(request, { code: "4.02" });
    await origin.silence();
  }),
  serverCase("7252-5.7-5", PROXY, async (t: Tester) => {
    const origin = await Origin.open(t);
    const safe: OptionSpec[] = [[65_000, "elective"], [65_001, "critical"]];
    const [forwarded, response] = await relays(
      t,
      origin,
      { path: "/test", options: safe },
      { options: safe, payload: "x" },
      { code: "2.05" },
    );
    for (const message of [forwarded, response]) {
      for (const [number, value] of safe) {
        const found = textOf(valueOf(message, number) ?? new Uint8Array(0));
        t.check(found === value, `option ${number} unchanged`, message);
      }
    }
  }),
  serverCase("7252-5.7-9", PROXY, async (t: Tester) => {
    const origin = await Origin.open(t);
    const [forwarded] = await relays(t, origin, { path: "/a/b?c=d&e" }, { payload: "x" }, {
      code: "2.05",
    });
    t.match(forwarded, { hasNot: [Opt.ProxyUri, Opt.ProxyScheme] });
    const query = valuesOf(forwarded, Opt.UriQuery).map(textOf).join("&");
    t.check(
      path(forwarded) === "/a/b" && query === "c=d&e",
      "Uri-Path a, b and Uri-Query c=d, e",
      forwarded,
    );
  }),
  serverCase("8768-3-3", PROXY, async (t: Tester) => {
    const origin = await Origin.open(t);
    const hops = (count: number): OptionSpec[] => [[Opt.HopLimit, count]];
    const [forwarded] = await relays(t, origin, { path: "/near", options: hops(5) }, {}, {
      code: "2.05",
    });
    const left = uintOption(forwarded, Opt.HopLimit);
    // What a proxy does not understand it forwards as it is: the option is elective and Safe-to-Forward.
    if (left === 5) t.notApplicable("the proxy does not know Hop-Limit");
    t.check(left === 4, "Hop-Limit 4", forwarded);
    const request = origin.ask({ path: "/far", options: hops(1) });
    const answer = await t.response(request, { code: ["5.08", "2."] });
    t.note(answer.code);
    await origin.silence();
  }),
];

/** The cases of the plugtests with a proxy. */
export const PROXY_PLUGTESTS: readonly ServerCase[] = [
  plugtestCase(
    "CORE_24",
    "Location-Path through a proxy",
    "POST → the origin's 2.01 with three Location-Path, as they are",
    PROXY,
    async (t: Tester) => {
      const origin = await Origin.open(t);
      const segments = ["location1", "location2", "location3"];
      const [, response] = await relays(
        t,
        origin,
        { code: "0.02", path: "/test", options: [TEXT], payload: "x" },
        { code: "2.01", options: segments.map((one): OptionSpec => [Opt.LocationPath, one]) },
        { code: "2.01" },
      );
      const found = valuesOf(response, Opt.LocationPath).map(textOf);
      t.check(found.join() === segments.join(), "three Location-Path", response);
    },
  ),
  plugtestCase(
    "CORE_25",
    "Location-Query through a proxy",
    "POST → the origin's 2.01 with two Location-Query, as they are",
    PROXY,
    async (t: Tester) => {
      const origin = await Origin.open(t);
      const [, response] = await relays(
        t,
        origin,
        { code: "0.02", path: "/location-query", options: [TEXT], payload: "x" },
        {
          code: "2.01",
          options: [[Opt.LocationQuery, "first=1"], [Opt.LocationQuery, "second=2"]],
        },
        { code: "2.01" },
      );
      const found = valuesOf(response, Opt.LocationQuery).map(textOf);
      t.check(found.join() === "first=1,second=2", "two Location-Query", response);
    },
  ),
  plugtestCase(
    "CORE_26",
    "Accept through a proxy",
    "GET with Accept 0, then 41 → both reach the origin: what was stored for one format is not given for another",
    PROXY,
    async (t: Tester) => {
      const origin = await Origin.open(t);
      for (const format of [0, 41]) {
        const [forwarded, response] = await relays(
          t,
          origin,
          { path: "/multi-format", options: [[Opt.Accept, format]] },
          { options: [[Opt.ContentFormat, format], [Opt.MaxAge, 60]], payload: `as ${format}` },
          { code: "2.05" },
        );
        t.check(uintOption(forwarded, Opt.Accept) === format, `Accept ${format}`, forwarded);
        t.check(uintOption(response, Opt.ContentFormat) === format, `format ${format}`, response);
      }
    },
  ),
  plugtestCase(
    "CORE_27",
    "If-Match through a proxy",
    "PUT with If-Match reaches the origin each time; 2.04 and 4.12 are handed on",
    PROXY,
    async (t: Tester) => {
      const origin = await Origin.open(t);
      const etag = Uint8Array.of(1, 2, 3);
      for (const code of ["2.04", "4.12"]) {
        const [forwarded] = await relays(
          t,
          origin,
          { code: "0.03", path: "/validate", options: [TEXT, [Opt.IfMatch, etag]], payload: "x" },
          { code },
          { code },
        );
        const found = toHex(valueOf(forwarded, Opt.IfMatch) ?? new Uint8Array(0));
        t.check(found === toHex(etag), `If-Match ${toHex(etag)}`, forwarded);
      }
    },
  ),
  plugtestCase(
    "CORE_28",
    "If-None-Match through a proxy",
    "PUT with If-None-Match reaches the origin each time; 2.01 and 4.12 are handed on",
    PROXY,
    async (t: Tester) => {
      const origin = await Origin.open(t);
      for (const code of ["2.01", "4.12"]) {
        const [forwarded] = await relays(
          t,
          origin,
          { code: "0.03", path: "/create1", options: [TEXT, [Opt.IfNoneMatch, ""]], payload: "x" },
          { code },
          { code },
        );
        t.match(forwarded, { has: [Opt.IfNoneMatch] });
      }
    },
  ),
  plugtestCase(
    "CORE_29",
    "Max-Age at a proxy",
    "GET is answered from the cache while it is fresh, with the age taken off; then validated by ETag at the origin",
    { ...PROXY, slow: true },
    async (t: Tester) => {
      const origin = await Origin.open(t);
      const etag: OptionSpec = [Opt.ETag, Uint8Array.of(7)];
      const answer = { options: [etag, [Opt.MaxAge, 30]] as OptionSpec[], payload: "stored" };
      const payload = new TextEncoder().encode("stored");
      await relays(t, origin, { path: "/validate" }, answer, { code: "2.05", payload });
      await t.wait(10_000);
      const fresh = await t.response(origin.ask({ path: "/validate" }), { code: "2.05", payload });
      await origin.silence();
      const age = uintOption(fresh, Opt.MaxAge) ?? 60;
      t.check(age <= 20, "Max-Age 20 at most", fresh);
      await t.wait(25_000);
      const [forwarded] = await relays(
        t,
        origin,
        { path: "/validate" },
        { code: "2.03", options: [etag, [Opt.MaxAge, 30]] },
        { code: "2.05", payload },
      );
      t.check(valueOf(forwarded, Opt.ETag)?.join() === "7", "ETag 07", forwarded);
    },
  ),
];

import { assert, assertEquals, assertMatch } from "@std/assert";
import { afterEach, beforeEach, describe, it } from "node:test";
import { GatewaySimulation } from "../../testing/simulated_gateway.ts";
import { Code, codeText } from "../wire/code.ts";
import { ContentFormat } from "../wire/content_format.ts";
import { findOption, findOptions, OptionNumber, uintOption } from "../wire/option.ts";
import { CoAPResponse } from "./response.ts";
import { Router } from "./router.ts";

describe("httpGateway", () => {
  let net: GatewaySimulation;
  beforeEach(() => net = new GatewaySimulation());
  afterEach(() => net.end());

  it("gets what the server has, with its type, entity tag and freshness", async () => {
    const etag = Uint8Array.of(0, 0xab);
    await net.answers(Code.Content, { contentFormat: ContentFormat.JSON, etag, maxAge: 10 }, "[1]");
    const response = await net.ask(net.gateway(), "/sensors/t%C3%A9mp?unit=c&x=%26");
    assertEquals([response.status, await response.text()], [200, "[1]"]);
    assertEquals(Object.fromEntries(response.headers), {
      "cache-control": "max-age=10",
      "content-length": "3",
      "content-security-policy": "default-src 'none'; sandbox",
      "content-type": "application/json",
      "etag": '"00ab"',
      "vary": "accept",
      "x-content-type-options": "nosniff",
    });
    assertEquals(net.seen[0]!.path, ["sensors", "témp"]);
    assertEquals(net.seen[0]!.query, ["unit=c", "x=&"]);
    assertEquals(uintOption(net.seen[0]!.options, OptionNumber.HopLimit), 16);
    assertEquals(net.seen[0]!.accept, undefined);
  });

  it("has a method for each of HTTP's, and 501 for the others (7252-10-1)", async () => {
    await net.answers(Code.Content, {}, "x");
    const gateway = net.gateway({ cache: false });
    const body = "1";
    for (const method of ["POST", "PUT", "PATCH", "QUERY"]) {
      await net.ask(gateway, "/a", { method, body, headers: { "content-type": "text/plain" } });
    }
    for (const method of ["GET", "DELETE"]) await net.ask(gateway, "/a", { method });
    assertEquals(net.texts, [
      "POST /a 1",
      "PUT /a 1",
      "PATCH /a 1",
      "FETCH /a 1",
      "GET /a",
      "DELETE /a",
    ]);
    assertEquals(await net.tell(gateway, "/a", { method: "HEAD" }, "content-length"), [
      200,
      "",
      "1",
    ]);
    for (const method of ["OPTIONS", "PROPFIND", "SEARCH"]) {
      const answer = await net.tell(gateway, "/a", { method });
      assertEquals(answer, [501, "CoAP has no such method\n"]);
    }
    assertEquals(net.seen.length, 7);
  });

  it("lets through only the methods that it is to", async () => {
    await net.answers(Code.Content);
    const gateway = net.gateway({ methods: ["GET"] });
    const answer = await net.tell(gateway, "/", { method: "PUT", body: "x" }, "allow");
    assertEquals(answer, [405, "Method is not allowed\n", "GET, HEAD"]);
    assertEquals(net.seen.length, 0);
    assertEquals((await net.ask(gateway, "/", { method: "HEAD" })).status, 200);
  });

  const STATUS: [code: number, empty: number, full?: number][] = [
    [Code.Created, 201],
    [Code.Deleted, 204, 200],
    [Code.Changed, 204, 200],
    [Code.Content, 200],
    [0x5e, 204, 200],
    [Code.BadRequest, 400],
    [Code.Unauthorized, 403],
    [Code.BadOption, 500],
    [Code.Forbidden, 403],
    [Code.NotFound, 404],
    [Code.MethodNotAllowed, 400],
    [Code.NotAcceptable, 406],
    [Code.Conflict, 409],
    [Code.PreconditionFailed, 412],
    [Code.UnsupportedContentFormat, 415],
    [Code.UnprocessableEntity, 422],
    [Code.TooManyRequests, 429],
    [0x9c, 400],
    [Code.InternalServerError, 500],
    [Code.NotImplemented, 501],
    [Code.BadGateway, 502],
    [Code.ServiceUnavailable, 503],
    [Code.GatewayTimeout, 504],
    [Code.ProxyingNotSupported, 502],
    [Code.HopLimitReached, 508],
    [0xbf, 500],
  ];
  for (const [code, empty, full = empty] of STATUS) {
    it(`${codeText(code)} becomes ${empty}, with a payload ${full} (RFC 8075 table 2)`, async () => {
      let payload = "";
      await net.serve(() => new CoAPResponse(new TextEncoder().encode(payload), { code }));
      const gateway = net.gateway();
      const init = { method: "POST", body: "1" };
      const response = await net.ask(gateway, "/a", init);
      const text = empty < 400 ? /^$/ : new RegExp(`^CoAP server returned ${codeText(code)}`);
      assertMatch(await response.text(), text);
      assertEquals(response.status, empty);
      payload = "A\r\nB: C";
      const [status, body, type] = await net.tell(gateway, "/b", init, "content-type");
      assertEquals([status, body], [full, payload]);
      assertEquals(type, full >= 400 ? "text/plain;charset=utf-8" : null);
    });
  }

  it("says in the reason, too, that it was the server that does not know the method", async () => {
    await net.answers(Code.MethodNotAllowed);
    const response = await net.ask(net.gateway(), "/a");
    assertMatch(response.statusText, /^CoAP server returned 4\.05/);
  });

  it("4.02 becomes 400 where a header field has become a critical option", async () => {
    await net.answers(Code.BadOption);
    const gateway = net.gateway();
    const headers = { "if-match": '"00"' };
    assertEquals((await net.ask(gateway, "/a", { method: "PUT", headers })).status, 400);
    assertEquals((await net.ask(gateway, "/b", { headers: { accept: "text/plain" } })).status, 400);
    assertEquals((await net.ask(gateway, "/c")).status, 500);
  });

  it("says nothing about an entity tag, a place and freshness where there is none", async () => {
    const etag = Uint8Array.of(1);
    await net.serve(({ pathname }) => {
      const code = pathname === "/no" ? Code.PreconditionFailed : Code.Changed;
      return new CoAPResponse(undefined, { code, etag, locationPath: ["a"] });
    });
    const gateway = net.gateway();
    const init = { method: "PUT", body: "1", headers: { "content-type": "text/plain" } };
    const names = ["etag", "location", "cache-control", "vary"];
    const put = (path: string): Promise<unknown[]> => net.tell(gateway, path, init, ...names);
    assertEquals((await put("/yes")).slice(2), ['"01"', "/a", null, null]);
    assertEquals((await put("/no")).slice(2), [null, null, null, null]);
  });

  it("4.29 and 5.03 say when to come again (RFC 8075 table 2 note 8, RFC 8516)", async () => {
    await net.serve(({ pathname }) =>
      pathname === "/many"
        ? CoAPResponse.error(Code.TooManyRequests)
        : new CoAPResponse(undefined, { code: Code.ServiceUnavailable, maxAge: 7 })
    );
    const gateway = net.gateway();
    const field = "retry-after";
    assertEquals((await net.tell(gateway, "/many", {}, field))[2], "60");
    assertEquals((await net.tell(gateway, "/", {}, field))[2], "7");
  });

  it("gives the place of what was created as a path of its own", async () => {
    let location: string[] = [];
    await net.serve(() =>
      new CoAPResponse(undefined, {
        code: Code.Created,
        locationPath: location,
        locationQuery: ["q=\r\nX: y"],
      })
    );
    const gateway = net.gateway({ target: "coap://127.0.0.1/v1", base: "/iot" });
    const at = async (...path: string[]): Promise<unknown> => {
      location = path;
      return (await net.tell(gateway, "/iot/x", { method: "POST" }, "location"))[2];
    };
    const query = "?q=%0D%0AX:%20y";
    assertEquals(await at("v1", "a b", "é/"), `/iot/a%20b/%C3%A9%2F${query}`);
    assertEquals(await at("v1"), `/iot/${query}`);
    assertEquals([await at("v10"), await at("v2", "v1"), await at()], [null, null, null]);
    const named = net.gateway({ allow: ["127.0.0.1"], base: "/hc/" });
    location = ["a"];
    const answer = await net.tell(named, "/hc/coap://127.0.0.1/x", { method: "POST" }, "location");
    assertEquals(answer[2], `/hc/coap://127.0.0.1/a${query}`);
  });

  it("sends a body with its format, by blocks where it is long", async () => {
    await net.answers(Code.Changed);
    const gateway = net.gateway();
    const body = "x".repeat(5000);
    const headers = { "content-type": "application/json; charset=utf-8" };
    assertEquals((await net.ask(gateway, "/a", { method: "PUT", body, headers })).status, 204);
    assertEquals(net.seen[0]!.contentFormat, ContentFormat.JSON);
    assertEquals(net.seen[0]!.payload.length, 5000);
    await net.ask(gateway, "/a", { method: "PUT", body: new Uint8Array(2) });
    assertEquals([net.seen[1]!.contentFormat, net.seen[1]!.payload.length], [undefined, 2]);
    await net.ask(gateway, "/a", { method: "POST" });
    assertEquals([net.seen[2]!.contentFormat, net.seen[2]!.payload.length], [undefined, 0]);
    const compressed = { "content-type": "application/cbor", "content-encoding": "deflate" };
    await net.ask(gateway, "/a", { method: "PUT", body, headers: compressed });
    assertEquals(net.seen[3]!.contentFormat, 11060);
  });

  it("answers 415 to what no content format stands for, and does not ask the server", async () => {
    await net.answers(Code.Changed);
    const gateway = net.gateway();
    const put = async (headers: Record<string, string>): Promise<unknown> =>
      (await net.ask(gateway, "/a", { method: "PUT", body: "a", headers })).status;
    const formatted = { "content-type": "application/coap-payload;cf=65000" };
    const wrong: Record<string, string>[] = [
      { "content-type": "application/x-www-form-urlencoded" },
      { "content-type": "text/plain", "content-encoding": "gzip" },
      { "content-encoding": "deflate" },
      formatted,
    ];
    for (const headers of wrong) assertEquals(await put(headers), 415);
    const query = { method: "QUERY", body: new Uint8Array(1) };
    assertEquals((await net.ask(gateway, "/a", query)).status, 415);
    assertEquals(net.seen.length, 0);
    const any = net.gateway({ anyFormat: true });
    assertEquals(
      (await net.ask(any, "/", { method: "PUT", body: "a", headers: formatted })).status,
      204,
    );
    assertEquals(net.seen[0]!.contentFormat, 65_000);
  });

  it("gives any content format a type", async () => {
    await net.serve(({ path }) => new CoAPResponse("x", { contentFormat: Number(path[0]) }));
    const gateway = net.gateway();
    const typeOf = async (path: string): Promise<unknown> =>
      (await net.tell(gateway, path, {}, "content-type", "content-encoding")).slice(2);
    assertEquals(await typeOf("/0"), ["text/plain; charset=utf-8", null]);
    assertEquals(await typeOf("/65000"), ["application/coap-payload;cf=65000", null]);
    assertEquals(await typeOf("/11050"), ["application/json", "deflate"]);
    assertEquals(await typeOf("/16"), ['application/cose; cose-type="cose-encrypt0"', null]);
  });

  it("asks for one format after another until there is one", async () => {
    const formats: unknown[] = [];
    await net.serve(({ accept }) => {
      formats.push(accept);
      return accept === undefined || accept === 60
        ? new CoAPResponse("x", { contentFormat: 60 })
        : CoAPResponse.error(Code.NotAcceptable);
    });
    const gateway = net.gateway({ cache: false });
    const accepting = async (accept: string): Promise<unknown[]> => {
      formats.length = 0;
      const { status } = await net.ask(gateway, "/a", { headers: { accept } });
      return [status, ...formats];
    };
    assertEquals(await accepting("*/*"), [200, undefined]);
    assertEquals(await accepting("application/json, text/plain, */*"), [200, 50, 0, undefined]);
    assertEquals(await accepting("application/json;q=0.1, application/cbor"), [200, 60]);
    assertEquals(await accepting("application/json, application/xml;q=0.9"), [406, 50, 41]);
    assertEquals(await accepting("text/html,application/xml;q=0.9,*/*;q=0.8"), [200, undefined]);
    assertEquals(await accepting("application/coap-payload;cf=60"), [406]);
  });

  it("answers 304 where the client has it, whether the server says so or not", async () => {
    let etag = Uint8Array.of(1);
    await net.serve((request) => {
      net.seen.push(request);
      const known = findOptions(request.options, OptionNumber.ETag).length > 0;
      return etag[0] === 1 && known
        ? new CoAPResponse(undefined, { code: Code.Valid, etag, maxAge: 3 })
        : new CoAPResponse("x", { etag });
    });
    const gateway = net.gateway({ cache: false });
    const having = (field: string): Promise<unknown[]> =>
      net.tell(gateway, "/a", { headers: { "if-none-match": field } }, "etag", "cache-control");
    assertEquals(await having('"7f", W/"01"'), [304, "", '"01"', "max-age=3"]);
    assertEquals(findOptions(net.seen[0]!.options, OptionNumber.ETag).length, 2);
    assertEquals(await having("*"), [304, "", '"01"', "max-age=60"]);
    etag = Uint8Array.of(2);
    assertEquals(await having('"02"'), [304, "", '"02"', "max-age=60"]);
    assertEquals(await having('"01"'), [200, "x", '"02"', "max-age=60"]);
    assertEquals(await having('"a foreign one, or 123456789"'), [200, "x", '"02"', "max-age=60"]);
  });

  it("hands conditions on, and refuses what CoAP has no word for", async () => {
    await net.answers(Code.PreconditionFailed);
    const gateway = net.gateway();
    const put = async (headers: Record<string, string>): Promise<unknown> =>
      (await net.ask(gateway, "/a", { method: "PUT", body: "1", headers })).status;
    assertEquals(await put({ "if-match": '"01ff", W/"02", "x"' }), 412);
    assertEquals(await put({ "if-match": "*" }), 412);
    assertEquals(await put({ "if-none-match": "*" }), 412);
    const [match, any, none] = net.seen.map(({ options }) => options);
    assertEquals(findOptions(match!, OptionNumber.IfMatch).map(({ value }) => [...value]), [[
      1,
      255,
    ]]);
    assertEquals(findOption(any!, OptionNumber.IfMatch)?.value.length, 0);
    assert(findOption(none!, OptionNumber.IfNoneMatch) !== undefined);
    assertEquals(await put({ "if-match": 'W/"01", "zz"' }), 412);
    assertEquals(await put({ "if-none-match": '"01"' }), 501);
    assertEquals(net.seen.length, 3);
  });

  it("asks once for what is fresh, unless the client wants it new (RFC 8075 section 8.1)", async () => {
    let value = 0;
    await net.serve(() => CoAPResponse.text(`${++value}`, { maxAge: 20 }));
    const gateway = net.gateway();
    const get = (control = ""): Promise<unknown[]> =>
      net.tell(gateway, "/a", { headers: { "cache-control": control } }, "cache-control");
    assertEquals(await get(), [200, "1", "max-age=20"]);
    await net.after(5000);
    assertEquals(await get(), [200, "1", "max-age=15"]);
    assertEquals(await get("no-cache"), [200, "2", "max-age=20"]);
    assertEquals(await get("max-age=0"), [200, "3", "max-age=20"]);
    assertEquals(await get("max-age=01"), [200, "3", "max-age=20"]);
    assertEquals(await get("no-store"), [200, "4", "max-age=20"]);
    assertEquals((await get())[1], "3");
  });

  it("mounts a router's resources with their answers of their own", async () => {
    await net.serve(new Router().get("/a", () => CoAPResponse.text("x")));
    const gateway = net.gateway();
    assertEquals((await net.ask(gateway, "/a")).status, 200);
    assertEquals((await net.ask(gateway, "/b")).status, 404);
    assertEquals((await net.ask(gateway, "/a", { method: "DELETE" })).status, 400);
    const core = await net.tell(gateway, "/.well-known/core", {}, "content-type");
    assertEquals(core, [200, "</a>", "application/link-format"]);
  });
});

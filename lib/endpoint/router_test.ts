import { assertEquals, assertInstanceOf, assertThrows } from "@std/assert";
import { describe, it } from "node:test";
import { CoAPError } from "../errors.ts";
import { Code } from "../wire/code.ts";
import { ContentFormat } from "../wire/content_format.ts";
import { decode, encode } from "../wire/message.ts";
import { makeOption, type Option, OptionNumber } from "../wire/option.ts";
import { IncomingRequest } from "./incoming_request.ts";
import { CoAPResponse } from "./response.ts";
import { Router } from "./router.ts";

const FLOW = { key: "peer", address: "192.0.2.1", port: 5683, multicast: false };

/** A request for path segments. */
function request(code: number, path: readonly string[], options: Option[] = []): IncomingRequest {
  const segments = path.map((segment) => makeOption(OptionNumber.UriPath, segment));
  return new IncomingRequest(decode(encode({ code, options: [...segments, ...options] })), FLOW, {
    address: "192.0.2.2",
    port: 5683,
  });
}

function handle(router: Router, ...args: Parameters<typeof request>): CoAPResponse {
  const response = router.handle(request(...args));
  assertInstanceOf(response, CoAPResponse);
  return response;
}

function get(router: Router, ...path: string[]): string {
  const response = handle(router, Code.GET, path);
  return response.ok ? response.text() : response.codeText;
}

describe("Router", () => {
  describe("matches", () => {
    const router = new Router();
    const patterns = [
      ...["/", "/a", "/a/", "/a/b", "/a%2Fb", "/a/:x", "/a/:x/c", "/:first/z", "/files/*"],
      ...["/%3Ax", "/files/:one/info", "/é", "//"],
    ];
    for (const pattern of patterns) {
      router.get(
        pattern,
        (incoming) => CoAPResponse.text(`${pattern} ${JSON.stringify(incoming.params)}`),
      );
    }
    const table: [path: string[], answer: string][] = [
      [[], "/ {}"],
      [["a"], "/a {}"],
      [["a", ""], "/a/ {}"],
      [["a", "b"], "/a/b {}"],
      [["a/b"], "/a%2Fb {}"],
      [["a", "q"], '/a/:x {"x":"q"}'],
      [["a", "b", "c"], '/a/:x/c {"x":"b"}'],
      [["a", "b", "d"], "4.04"],
      [["a", "z"], '/a/:x {"x":"z"}'],
      [["q", "z"], '/:first/z {"first":"q"}'],
      [["", "z"], "4.04"],
      [["files"], "4.04"],
      [["files", ""], '/files/* {"*":[""]}'],
      [["files", "x", "y/z"], '/files/* {"*":["x","y/z"]}'],
      [["files", "x", "info"], '/files/:one/info {"one":"x"}'],
      [["files", "z"], '/files/* {"*":["z"]}'],
      [[":x"], "/%3Ax {}"],
      [["é"], "/é {}"],
      [["e\u0301"], "4.04"],
      [["", ""], "// {}"],
      [[""], "4.04"],
      [["A"], "4.04"],
      [["__proto__"], "4.04"],
      [["constructor", "z"], '/:first/z {"first":"constructor"}'],
    ];
    for (const [path, answer] of table) {
      it(`${JSON.stringify(path)}: ${answer}`, () => assertEquals(get(router, ...path), answer));
    }

    it("everything with /*", () => {
      const all = new Router().get("/*", ({ params }) => CoAPResponse.json(params["*"]));
      assertEquals(get(all), "[]");
      assertEquals(get(all, "a", "b"), '["a","b"]');
    });

    it("parameters by their types", () => {
      new Router()
        .get("/rooms/:room/lamps/:lamp", ({ params }) => {
          const text: string = params.room + params.lamp;
          // @ts-expect-error there is no such parameter
          return CoAPResponse.text(text + params.floor);
        })
        .get("/files/*", ({ params }) => CoAPResponse.text(params["*"].join("/")));
    });
  });

  it("finds the method after the resource", () => {
    const router = new Router()
      .get("/a", () => CoAPResponse.text("get"))
      .post("/a", () => CoAPResponse.text("post"))
      .put("/a", () => CoAPResponse.text("put"))
      .delete("/a", () => CoAPResponse.text("delete"))
      .fetch("/a", () => CoAPResponse.text("fetch"))
      .patch("/a", () => CoAPResponse.text("patch"))
      .ipatch("/a", () => CoAPResponse.text("ipatch"))
      .route(31, "/a", () => CoAPResponse.text("31"))
      .put("/:any", ({ params }) => CoAPResponse.text(`put ${params.any}`))
      .get("/b", () => CoAPResponse.text("b"));
    const texts = [1, 2, 3, 4, 5, 6, 7, 31].map((code) => handle(router, code, ["a"]).text());
    assertEquals(texts, ["get", "post", "put", "delete", "fetch", "patch", "ipatch", "31"]);
    assertEquals(handle(router, 30, ["a"]).code, Code.MethodNotAllowed);
    assertEquals(handle(router, Code.PUT, ["x"]).text(), "put x");
    assertEquals(handle(router, Code.PUT, ["b"]).code, Code.MethodNotAllowed);
    assertEquals(handle(router, Code.PUT, ["x", "y"]).code, Code.NotFound);
  });

  it("refuses a pattern that is none", () => {
    const handler = (): CoAPResponse => CoAPResponse.text("");
    for (
      const pattern of [
        ...["", "a", "/:", "/:1", "/:a-b", "/*/a", "/:a/:a", "/./a", "/..", "/%GG", "/%C3"],
      ]
    ) {
      assertThrows(() => new Router().get(pattern, handler), TypeError, `"${pattern}"`);
    }
  });

  it("refuses a second route", () => {
    const handler = (): CoAPResponse => CoAPResponse.text("");
    const router = new Router().get("/a", handler).get("/:x", handler).get("/f/*", handler);
    router.put("/a", handler);
    assertThrows(() => router.get("/a", handler), TypeError, 'GET already: "/a"');
    assertThrows(() => router.get("/%61", handler), TypeError, 'GET already: "/%61"');
    assertThrows(() => router.get("/:y", handler), TypeError, '"/:y"');
    assertThrows(() => router.get("/f/*", handler), TypeError, '"/f/*"');
    assertThrows(() => router.resource("/a", {}, { put: handler }), TypeError, '"/a"');
    router.resource("/a", { rt: "x" }, { post: handler });
    assertThrows(() => router.resource("/a", { rt: "y" }, {}), TypeError, 'already: "/a"');
  });

  it("refuses a handler or a method that is none", () => {
    const router = new Router();
    assertThrows(() => router.get("/a", undefined!), TypeError, 'GET must be a function: "/a"');
    assertThrows(() => router.route("BREW", "/a", undefined!), CoAPError, '"BREW"');
    assertThrows(() => router.resource("/a", {}, { brew: () => {} } as object), CoAPError);
    assertThrows(() => router.resource("/a", { "r t": "x" }, {}), CoAPError, '"r t"');
    assertEquals(get(router, "a"), "4.04");
  });

  describe("/.well-known/core", () => {
    const handler = (): CoAPResponse => CoAPResponse.text("");
    const router = new Router()
      .get("/plain", handler)
      .get("/sensors/:id", handler)
      .get("/files/*", handler)
      .resource("/temp", {
        rt: ["temperature-c", "temperature"],
        if: "sensor",
        ct: [0, 50],
        title: 'Outside "north"',
        sz: 4,
        observable: true,
        hidden: false,
        unit: "C",
      }, { get: handler })
      .resource("/light level/ä", { rt: "light-lux", if: "sensor" }, { get: handler });

    function core(...query: string[]): string {
      const options = query.map((filter) => makeOption(OptionNumber.UriQuery, filter));
      return handle(router, Code.GET, [".well-known", "core"], options).text();
    }

    it("lists what has no parameter, with its attributes", () => {
      assertEquals(
        core(),
        '</plain>,</temp>;rt="temperature-c temperature";if="sensor";ct="0 50";' +
          'title="Outside \\"north\\"";sz=4;unit="C";obs,' +
          '</light%20level/%C3%A4>;rt="light-lux";if="sensor"',
      );
      const response = handle(router, Code.GET, [".well-known", "core"]);
      assertEquals(response.code, Code.Content);
      assertEquals(response.contentFormat, ContentFormat.LinkFormat);
    });

    const filters: [query: string[], hrefs: string[]][] = [
      [["rt=temperature"], ["/temp"]],
      [["rt=temp*"], ["/temp"]],
      [["rt=temp"], []],
      [["if=sensor"], ["/temp", "/light%20level/%C3%A4"]],
      [["if=sensor", "rt=light-lux"], ["/light%20level/%C3%A4"]],
      [["href=/temp"], ["/temp"]],
      [["href=/*"], ["/plain", "/temp", "/light%20level/%C3%A4"]],
      [["ct=50"], ["/temp"]],
      [["obs"], ["/temp"]],
      [["rt="], []],
    ];
    for (const [query, hrefs] of filters) {
      it(`filters by ${query.join(" and ")}`, () => {
        assertEquals([...core(...query).matchAll(/<([^>]*)>/g)].map(([, href]) => href), hrefs);
      });
    }

    it("is empty where nothing matches, or there is nothing (6690-4-2)", () => {
      assertEquals(core("rt=none"), "");
      assertEquals(get(new Router(), ".well-known", "core"), "");
    });

    it("knows GET and link format alone", () => {
      const path = [".well-known", "core"];
      assertEquals(handle(router, Code.PUT, path).code, Code.MethodNotAllowed);
      const accept = (format: number): Option[] => [makeOption(OptionNumber.Accept, format)];
      assertEquals(handle(router, Code.GET, path, accept(50)).code, Code.NotAcceptable);
      assertEquals(handle(router, Code.GET, path, accept(40)).code, Code.Content);
    });

    it("yields to a route of its own, and follows what is added", () => {
      const own = new Router();
      assertEquals(get(own, ".well-known", "core"), "");
      own.get("/later", handler);
      assertEquals(get(own, ".well-known", "core"), "</later>");
      own.get("/.well-known/core", () => CoAPResponse.text("mine"));
      assertEquals(get(own, ".well-known", "core"), "mine");
    });
  });
});

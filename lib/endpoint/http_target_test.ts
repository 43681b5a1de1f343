import { assertEquals, assertThrows } from "@std/assert";
import { describe, it } from "node:test";
import { composeUri, decomposeUri } from "../wire/uri.ts";
import { Refusal } from "./http_refusal.ts";
import { FixedMapping, normalBase, TemplateMapping, type URIMapping } from "./http_target.ts";

const PROXY = "https://p.example.com";

function map(mapping: URIMapping, path: string): string | number {
  try {
    return composeUri(mapping.toCoAP(new URL(PROXY + path)));
  } catch (error) {
    if (error instanceof Refusal) return error.status;
    throw error;
  }
}

describe("TemplateMapping", () => {
  /** Rows: template, target, hosting URI. */
  const EXAMPLES: [section: string, template: string, target: string, hosting: string][] = [
    ["5.3", "{+tu}", "coap://s.example.com/light", "/hc/coap://s.example.com/light"],
    ["5.3.2", "{+tu}", "coap://[2001:db8::1]/light?on", "/hc/coap://%5B2001:db8::1%5D/light?on"],
    [
      "5.4.1.1",
      "?target_uri={+tu}",
      "coap://s.example.com/light",
      "/hc/?target_uri=coap://s.example.com/light",
    ],
    [
      "5.4.1.1",
      "forward/{+tu}",
      "coaps://s.example.com/light",
      "/hc/forward/coaps://s.example.com/light",
    ],
    [
      "5.4.2.1",
      "{+s}/{+hp}{+p}{+qq}",
      "coap://s.example.com/light?on",
      "/hc/coap/s.example.com/light?on",
    ],
    [
      "5.4.2.1",
      "?s={+s}&hp={+hp}&p={+p}&q={+q}",
      "coap://s.example.com/light",
      "/hc/?s=coap&hp=s.example.com&p=/light&q=",
    ],
    [
      "5.4.2.1",
      "?s={+s}&hp={+hp}&p={+p}&q={+q}",
      "coaps://s.example.com/light?on",
      "/hc/?s=coaps&hp=s.example.com&p=/light&q=on",
    ],
    [
      "8323",
      "{+tu}",
      "coap+tcp://s.example.com:5700/a/b?c=1&d",
      "/hc/coap+tcp://s.example.com:5700/a/b?c=1&d",
    ],
  ];
  for (const [section, template, target, hosting] of EXAMPLES) {
    it(`${section}: ${hosting}`, () => {
      const mapping = new TemplateMapping(template, "/hc/");
      assertEquals(map(mapping, hosting), target);
      assertEquals(mapping.toHTTP(target), hosting);
    });
  }

  it("takes brackets as they are, and what scripts have encoded in a query", () => {
    const query = new TemplateMapping("?uri={+tu}", "/");
    const uri = "coap+ws://[2001:db8::1]:81/a%20b?c&d=%25";
    assertEquals(map(query, `/?uri=${encodeURIComponent(uri)}`), uri);
    assertEquals(
      map(query, `/?${new URLSearchParams({ uri: "coap://h/a?b&c" })}`),
      "coap://h/a?b&c",
    );
    assertEquals(map(query, "/?uri=coap%3A%2F%2Fh%2F%ZZ"), 400);
    assertEquals(map(new TemplateMapping("{+tu}", "/"), "/coap://[::1]/a|b"), "coap://[::1]/a%7Cb");
  });

  it("refuses what is no target: 400, and other paths: 404", () => {
    const mapping = new TemplateMapping("{+s}/{+hp}{+p}{+qq}", "/hc/");
    for (
      const path of [
        "/hc/",
        "/hc/coap",
        "/hc/coap/",
        "/hc/http/h/",
        "/hc/coap/h:0/",
        "/hc/s.example/light",
      ]
    ) {
      assertEquals(map(mapping, path), 400, path);
    }
    assertEquals(map(mapping, "/hc/coap/h"), "coap://h/");
    assertEquals([map(mapping, "/"), map(mapping, "/hcx")], [404, 404]);
  });

  it("is not made of what is no template", () => {
    for (
      const template of [
        "",
        "a",
        "{+s}{+p}",
        "{+tu}{+q}",
        "{+tu}{+tu}",
        "{+s}{+hp}{+q}{+qq}",
        "{tu}",
        "{+x}",
        "{+s}{+hp}{+x}",
      ]
    ) assertThrows(() => new TemplateMapping(template, "/"), TypeError);
  });
});

describe("FixedMapping", () => {
  it("keeps the target's host and port, and puts paths below its own", () => {
    const mapping = new FixedMapping(decomposeUri("coap://s.example.com:5700/v1"), "/a/");
    assertEquals(map(mapping, "/a/b/c?d"), "coap://s.example.com:5700/v1/b/c?d");
    assertEquals(map(mapping, "/a"), "coap://s.example.com:5700/v1");
    assertEquals(map(mapping, "/a?x"), "coap://s.example.com:5700/v1?x");
    assertEquals(map(mapping, "/b"), 404);
    assertEquals(mapping.toHTTP("coap://s.example.com:5700/v1/b/c?d"), "/a/b/c?d");
    assertEquals(mapping.toHTTP("coap://s.example.com:5700/v2"), undefined);
    const root = new FixedMapping(decomposeUri("coap+ws://[::1]"), "/");
    assertEquals(map(root, "/"), "coap+ws://[::1]/");
    assertEquals(map(root, "/a/?"), "coap+ws://[::1]/a/");
    assertEquals(root.toHTTP("coap+ws://[::1]/a?b"), "/a?b");
    assertEquals(root.toHTTP("coap+ws://[::1]/"), "/");
  });
});

describe("normalBase", () => {
  it("has a slash at both ends", () => {
    assertEquals(["/", "/a", "/a/", "/a/../b c"].map(normalBase), ["/", "/a/", "/a/", "/b%20c/"]);
  });
});

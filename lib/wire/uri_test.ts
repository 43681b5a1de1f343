import { describe, it } from "node:test";
import { assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { codecValid, type NamedOption, toHex, uris } from "../../testing/vectors.ts";
import { CoAPError } from "../errors.ts";
import {
  makeOption,
  type Option,
  optionDefinition,
  optionName,
  OptionNumber,
  stringOptions,
  uintOption,
} from "./option.ts";
import {
  composeUri,
  decomposeUri,
  equalUris,
  locationReference,
  normalizeUri,
  resolveUri,
  type UriScheme,
} from "./uri.ts";

const NUMBERS = new Map(codecValid.option_table.map(({ name, number }) => [name, number]));

function toOption([name, value]: NamedOption): Option {
  return makeOption(NUMBERS.get(name)!, value);
}

function named(options: readonly Option[]): NamedOption[] {
  return options.map((option) => {
    const { number } = option;
    const value = optionDefinition(number)!.format === "uint"
      ? uintOption([option], number)!
      : stringOptions([option], number)[0]!;
    return [optionName(number), value];
  });
}

function refusal(run: () => unknown, ...parts: string[]): void {
  const error = assertThrows(run, CoAPError);
  assertEquals(error.reason, "invalid-uri");
  for (const part of parts) {
    assertEquals(error.message.includes(part), true, `"${part}" in "${error.message}"`);
  }
}

describe("composeUri (7252-6.5-1)", () => {
  for (const row of uris.compose) {
    it(`${row.id} ${row.uri}`, () => {
      const options = row.options.map(toOption);
      // Appendix B prints "%2F" in a query where section 6.5 leaves "/" alone.
      const expected = row.uri_by_algorithm ?? row.uri;
      assertEquals(composeUri({ host: row.dst, port: row.port, options }), expected);
      assertEquals(equalUris(row.uri, expected), true);
    });
  }

  it("takes the host with and without brackets, in any case and with a zone", () => {
    assertEquals(composeUri({ host: "2001:DB8:0::1" }), "coap://[2001:db8::1]/");
    assertEquals(composeUri({ host: "[2001:db8::1]" }), "coap://[2001:db8::1]/");
    assertEquals(composeUri({ host: "fe80::1%eth0" }), "coap://[fe80::1%25eth0]/");
    assertEquals(composeUri({ host: "[fe80::1%25eth0]" }), "coap://[fe80::1%25eth0]/");
    assertEquals(composeUri({ host: "192.0.2.1", port: 5684 }), "coap://192.0.2.1:5684/");
  });

  it("leaves out each scheme's default port", () => {
    const ports: [UriScheme, number][] = [
      ["coap", 5683],
      ["coaps", 5684],
      ["coap+tcp", 5683],
      ["coaps+tcp", 5684],
      ["coap+ws", 80],
      ["coaps+ws", 443],
    ];
    for (const [scheme, port] of ports) {
      assertEquals(composeUri({ scheme, host: "h", port }), `${scheme}://h/`);
      assertEquals(composeUri({ scheme, host: "h" }), `${scheme}://h/`);
      assertEquals(composeUri({ scheme, host: "h", port: 1000 }), `${scheme}://h:1000/`);
    }
  });

  it("prefers Uri-Host and Uri-Port", () => {
    const options = [
      makeOption(OptionNumber.UriHost, "example.net"),
      makeOption(OptionNumber.UriPort, 61616),
    ];
    assertEquals(composeUri({ host: "::1", port: 5683, options }), "coap://example.net:61616/");
  });

  it("takes a Uri-Host that is an address, has a percent-encoding or is beyond ASCII", () => {
    const uriHost = (host: string) =>
      composeUri({ host: "::1", options: [makeOption(OptionNumber.UriHost, host)] });
    assertEquals(uriHost("[2001:db8::1]"), "coap://[2001:db8::1]/");
    assertEquals(uriHost("a%2Fb"), "coap://a%2Fb/");
    assertEquals(uriHost("ö.example"), "coap://%C3%B6.example/");
  });

  for (const host of ["a b/c", "a/b", "a%zz", "[::1", "[nonsense]", "a:1", "::1"]) {
    it(`refuses Uri-Host "${host}"`, () => {
      const options = [makeOption(OptionNumber.UriHost, host)];
      refusal(() => composeUri({ host: "::1", options }), `"${host}"`);
    });
  }

  it("refuses no host and ports out of range", () => {
    refusal(() => composeUri({ host: "" }), '""');
    for (const port of [0, 65536, 1.5, NaN]) {
      refusal(() => composeUri({ host: "h", port }), `"${port}"`);
    }
  });
});

describe("decomposeUri (7252-6.1-1, 6.1-2, 6.4-1 to 3)", () => {
  for (const { uri, dst, dst_port, options } of uris.decompose) {
    it(uri, () => {
      const parts = decomposeUri(uri, { address: dst, port: dst_port });
      assertEquals(named(parts.options), options);
      if (dst !== undefined) assertEquals(parts.host, dst);
      assertEquals(parts.hostIsAddress, dst !== undefined);
    });
  }

  for (const { uri, why } of uris.decompose_fail) {
    it(`refuses ${uri}: ${why}`, () => refusal(() => decomposeUri(uri), `"${uri}"`));
  }

  const refused: [string, string][] = [
    ["", "not absolute"],
    ["coap://", "no host"],
    ["coap://:5683/", "no host"],
    ["coap://user@host/", "user information"],
    ["coap://h:0/", '"0"'],
    ["coap://h:65536/", '"65536"'],
    ["coap://h:x/", '"h:x"'],
    ["coap://h:1:2/", '"h:1:2"'],
    ["coap://::1/", '"::1"'],
    ["coap://[::1/", '"[::1"'],
    ["coap://[]/", '"[]"'],
    ["coap://[1::2::3]/", '"[1::2::3]"'],
    ["coap://[v1.x]/", '"[v1.x]"'],
    ["coap://[::1]x/", '"[::1]x"'],
    ["coap://a b/", 'character " "'],
    ["coap://h/a b", 'character " "'],
    ["coap://h/a?b c", 'character " "'],
    ["coap://h/a\\b", 'character "\\"'],
    ["coap://h/\n", 'character "\n"'],
    ["coap://h/%", '"%"'],
    ["coap://h/%2", '"%2"'],
    ["coap://h/%zz", '"%zz"'],
    ["coap://h?%4", '"%4"'],
    ["coap://%ff/", "no UTF-8"],
    ["coap://h/\ud800", "surrogate"],
    ["coap://h/#", "fragment"],
    [`coap://h/${"a".repeat(256)}`, "Uri-Path"],
    [`coap://h?${"a".repeat(256)}`, "Uri-Query"],
    [`coap://${"a".repeat(256)}/`, "Uri-Host"],
    ["mailto:someone@example.com", '"mailto"'],
  ];
  for (const [uri, why] of refused) {
    it(`refuses ${JSON.stringify(uri.slice(0, 40))}`, () => {
      refusal(() => decomposeUri(uri), `"${uri}"`, why);
    });
  }

  it("knows schemes, security and default ports (8323-8-1)", () => {
    const cases: [string, UriScheme, boolean, number][] = [
      ["coap://h", "coap", false, 5683],
      ["COAPS://h", "coaps", true, 5684],
      ["coap+tcp://h", "coap+tcp", false, 5683],
      ["coaps+tcp://h", "coaps+tcp", true, 5684],
      ["coap+ws://h", "coap+ws", false, 80],
      ["coaps+WS://h", "coaps+ws", true, 443],
      ["coap://h:05683", "coap", false, 5683],
      ["coap://h:61616", "coap", false, 61616],
    ];
    for (const [uri, scheme, secure, port] of cases) {
      const parts = decomposeUri(uri);
      assertEquals([parts.scheme, parts.secure, parts.port], [scheme, secure, port]);
      assertEquals(named(parts.options), [["Uri-Host", "h"]]);
    }
  });

  it("reads hosts of every kind", () => {
    const cases: [string, string, boolean][] = [
      ["coap://192.0.2.1/", "192.0.2.1", true],
      ["coap://192.0.2.256/", "192.0.2.256", false],
      ["coap://192.0.2.01/", "192.0.2.01", false],
      ["coap://[2001:DB8:0:0::1]/", "2001:db8::1", true],
      ["coap://[fe80::1%25eth0]:1000/", "fe80::1%eth0", true],
      ["coap://[fe80::1%eth0]/", "fe80::1%eth0", true],
      ["coap://[FE80::1%25Eth%2E1]/", "fe80::1%Eth.1", true],
      ["coap://EXAMPLE.net/", "example.net", false],
      ["coap://EX%41MPLE.net/", "example.net", false],
      ["coap://bücher.example/", "bücher.example", false],
      ["coap://b%C3%BCcher.example/", "bücher.example", false],
    ];
    for (const [uri, host, isAddress] of cases) {
      const parts = decomposeUri(uri);
      assertEquals([parts.host, parts.hostIsAddress], [host, isAddress]);
      assertEquals(named(parts.options), isAddress ? [] : [["Uri-Host", host]]);
    }
  });

  it("names host and port where the destination is another", () => {
    const options = (uri: string, address?: string, port?: number) =>
      named(decomposeUri(uri, { address, port }).options);
    assertEquals(options("coap://192.0.2.1/x", "192.0.2.2"), [
      ["Uri-Host", "192.0.2.1"],
      ["Uri-Path", "x"],
    ]);
    assertEquals(options("coap://[2001:db8::1]/", "2001:db8::2"), [["Uri-Host", "[2001:db8::1]"]]);
    assertEquals(options("coap://[2001:db8::1]/", "2001:DB8:0::1"), []);
    assertEquals(options("coap://[fe80::1%25eth0]/", "fe80::1"), []);
    assertEquals(options("coap://[fe80::1%25eth0]/", "::1"), [["Uri-Host", "[fe80::1]"]]);
    assertEquals(options("coap://[::1]:5684/", "::1", 5683), [["Uri-Port", 5684]]);
    assertEquals(options("coap://h/", "::1", 61616), [["Uri-Host", "h"], ["Uri-Port", 5683]]);
  });

  it("decodes every percent-encoding, and none twice", () => {
    const { options } = decomposeUri("coap://h/%2525/%41%c3%a9/é?%26=%3D&%ff+");
    assertEquals(options.slice(1).map(({ value }) => toHex(value)), [
      "253235",
      "41c3a9",
      "c3a9",
      "263d3d",
      "ff2b",
    ]);
  });

  it("resolves dot segments, also encoded ones, and never sends them", () => {
    const path = (path: string) =>
      stringOptions(decomposeUri(`coap://h${path}`).options, OptionNumber.UriPath);
    assertEquals(path("/a/./b/../c"), ["a", "c"]);
    assertEquals(path("/a/%2e%2E/b"), ["b"]);
    assertEquals(path("/a/.%2e"), []);
    assertEquals(path("/.."), []);
    assertEquals(path("/../../a"), ["a"]);
    assertEquals(path("/a/."), ["a", ""]);
    assertEquals(path("/a/b/.."), ["a", ""]);
    assertEquals(path("/..."), ["..."]);
    assertEquals(path("/a//../b"), ["a", "b"]);
  });

  it("takes a URL", () => {
    const parts = decomposeUri(new URL("coap://example.net:61616/a?b"));
    assertEquals([parts.host, parts.port], ["example.net", 61616]);
    assertEquals(named(parts.options).slice(1), [["Uri-Path", "a"], ["Uri-Query", "b"]]);
  });
});

describe("equalUris (7252-6.3-1)", () => {
  for (const group of uris.equivalent) {
    it(group.join(" = "), () => {
      for (const a of group) {
        for (const b of group) assertEquals(equalUris(a, b), true);
      }
    });
  }
  for (const [a, b] of uris.not_equivalent) {
    it(`${a} ≠ ${b}`, () => assertEquals(equalUris(a, b), false));
  }

  it("compares addresses in their recommended form", () => {
    assertEquals(equalUris("coap://[::1]/", "coap://[0:0::0:1]"), true);
    assertEquals(equalUris("coap://[fe80::1%25a]/", "coap://[fe80::1%25b]"), false);
  });

  it("tells an empty query from none", () => {
    assertEquals(equalUris("coap://h/?", "coap://h/"), false);
    assertEquals(equalUris("coap://h/?a&", "coap://h/?a"), false);
  });
});

describe("normalizeUri", () => {
  it("gives the normal form", () => {
    assertEquals(
      normalizeUri("COAP://EXAMPLE.com:5683/%7esensors/a%2fb/./é?x=%26"),
      "coap://example.com/~sensors/a%2Fb/%C3%A9?x=%26",
    );
    assertEquals(normalizeUri("coap://a%2Fb"), "coap://a%2Fb/");
    assertEquals(normalizeUri("coap://[fe80:0::1%25eth0]:5684"), "coap://[fe80::1%25eth0]:5684/");
  });
});

describe("resolveUri", () => {
  const base = "coap://a/b/c/d;p?q";
  // RFC 3986 section 5.4, with the base's scheme.
  const cases: [string, string][] = [
    ["g:h", "g:h"],
    ["g", "coap://a/b/c/g"],
    ["./g", "coap://a/b/c/g"],
    ["g/", "coap://a/b/c/g/"],
    ["/g", "coap://a/g"],
    ["//g", "coap://g"],
    ["?y", "coap://a/b/c/d;p?y"],
    ["g?y", "coap://a/b/c/g?y"],
    ["#s", "coap://a/b/c/d;p?q#s"],
    ["g#s", "coap://a/b/c/g#s"],
    ["g?y#s", "coap://a/b/c/g?y#s"],
    [";x", "coap://a/b/c/;x"],
    ["g;x", "coap://a/b/c/g;x"],
    ["", "coap://a/b/c/d;p?q"],
    [".", "coap://a/b/c/"],
    ["./", "coap://a/b/c/"],
    ["..", "coap://a/b/"],
    ["../g", "coap://a/b/g"],
    ["../..", "coap://a/"],
    ["../../g", "coap://a/g"],
    ["../../../g", "coap://a/g"],
    ["/./g", "coap://a/g"],
    ["/../g", "coap://a/g"],
    ["g.", "coap://a/b/c/g."],
    ["..g", "coap://a/b/c/..g"],
    ["./../g", "coap://a/b/g"],
    ["./g/.", "coap://a/b/c/g/"],
    ["g/./h", "coap://a/b/c/g/h"],
    ["g/../h", "coap://a/b/c/h"],
    ["g;x=1/../y", "coap://a/b/c/y"],
    ["g?y/../x", "coap://a/b/c/g?y/../x"],
    ["http://www.example.com/t", "http://www.example.com/t"],
    ["coap:g", "coap:g"],
  ];
  for (const [reference, target] of cases) {
    it(`${reference} is ${target}`, () => assertEquals(resolveUri(base, reference), target));
  }

  it("puts a slash before a path where the base has none", () => {
    assertEquals(resolveUri("coap://a", "g"), "coap://a/g");
    assertEquals(resolveUri("coap://a?x", ""), "coap://a?x");
  });

  it("refuses a base that is not absolute", () => refusal(() => resolveUri("/a", "b"), '"/a"'));
});

describe("locationReference", () => {
  it("is an absolute path with its query (7252-5.10-10)", () => {
    const at = (...options: [number, string][]) =>
      locationReference(options.map(([number, value]) => makeOption(number, value)));
    const { LocationPath, LocationQuery } = OptionNumber;
    assertEquals(at(), undefined);
    assertEquals(at([LocationPath, "a"], [LocationPath, "b/c"]), "/a/b%2Fc");
    assertEquals(
      at([LocationPath, "a"], [LocationQuery, "x=1"], [LocationQuery, "&"]),
      "/a?x=1&%26",
    );
    // RFC 7252 section 5.10.7: without Location-Path the path is "/".
    assertEquals(at([LocationQuery, "x"]), "/?x");
    assertEquals(resolveUri("coap://h/b/c", at([LocationPath, "a"])!), "coap://h/a");
  });
});

describe("URIs and options", () => {
  const value = fc.uint8Array({ maxLength: 20 });
  const host = fc.oneof(
    fc.ipV4(),
    fc.ipV6(),
    fc.domain(),
    fc.string({ unit: "grapheme", minLength: 1, maxLength: 20 }).filter((text) =>
      text.isWellFormed()
    ),
  );
  const uri = fc.record({
    scheme: fc.constantFrom<UriScheme>(
      ...["coap", "coaps", "coap+tcp", "coaps+tcp", "coap+ws", "coaps+ws"] as const,
    ),
    host,
    port: fc.integer({ min: 1, max: 65535 }),
    path: fc.array(value).filter((path) =>
      // One empty segment is the same as none, and dot segments are resolved.
      !(path.length === 1 && path[0]!.length === 0) &&
      path.every((segment) => !["2e", "2e2e"].includes(toHex(segment)))
    ),
    query: fc.array(value),
  });

  it("come back as they were put in", () => {
    fc.assert(
      fc.property(uri, ({ scheme, host, port, path, query }) => {
        const options = [
          ...path.map((segment) => makeOption(OptionNumber.UriPath, segment)),
          ...query.map((argument) => makeOption(OptionNumber.UriQuery, argument)),
        ];
        const text = composeUri({ scheme, host, port, options });
        const parts = decomposeUri(text);
        const hex = (list: readonly Option[]) =>
          list.map(({ number, value }) => [number, toHex(value)]);
        assertEquals([parts.scheme, parts.port], [scheme, port]);
        if (!parts.hostIsAddress) {
          assertEquals(parts.host, host.replace(/[A-Z]/g, (letter) => letter.toLowerCase()));
        }
        assertEquals(
          hex(parts.options.filter(({ number }) => number !== OptionNumber.UriHost)),
          hex(options),
        );
        assertEquals(normalizeUri(normalizeUri(text)), normalizeUri(text));
        assertEquals(equalUris(text, normalizeUri(text)), true);
      }),
      { numRuns: 500 },
    );
  });

  it("are refused with a CoAPError or taken apart, whatever the text", () => {
    const text = fc.oneof(
      fc.string({ unit: "binary" }),
      fc.string({ unit: "binary-ascii" }).map((rest) => `coap://${rest}`),
      fc.array(fc.constantFrom(..."coap://[]%25.?#&@:/ab1é")).map((parts) =>
        `coap://h${parts.join("")}`
      ),
    );
    let good = 0;
    fc.assert(
      fc.property(text, (text) => {
        try {
          normalizeUri(text);
          good++;
        } catch (error) {
          if (!(error instanceof CoAPError && error.reason === "invalid-uri")) throw error;
        }
      }),
      { numRuns: 2000 },
    );
    assertEquals(good > 50, true, `${good} good`);
  });
});

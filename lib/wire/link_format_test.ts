import { describe, it } from "node:test";
import { assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { links as vectors } from "../../testing/vectors.ts";
import { CoAPError } from "../errors.ts";
import {
  filterLinks,
  formatLinks,
  type Link,
  type LinkAttribute,
  linkAttribute,
  linkValues,
  parseLinks,
} from "./link_format.ts";
import { OptionNumber, stringOptions } from "./option.ts";
import { decomposeUri } from "./uri.ts";

const documents = new Map(vectors.documents.map(({ id, text }) => [id, text]));

describe("link format documents (6690-2-1, 2-3, 2-4)", () => {
  for (const { id, text, links, lenient } of vectors.documents) {
    it(id, () => {
      const parsed = parseLinks(text);
      assertEquals(parsed.map(({ href }) => href), links.map(({ href }) => href));
      for (const [i, { attrs }] of links.entries()) {
        for (const [name, value] of attrs) {
          assertEquals(linkAttribute(parsed[i]!, name), value ?? "");
        }
        if (lenient) continue;
        assertEquals(
          parsed[i]!.attributes.map(([name, value]) => [name, value ?? null]),
          attrs,
        );
      }
      if (!lenient) assertEquals(parseLinks(formatLinks(parsed)), parsed);
    });
  }

  it("of RFC 6690 section 5 are written as they were read", () => {
    for (const [id, text] of documents) {
      if (id.startsWith("6690-")) assertEquals(formatLinks(parseLinks(text)), text);
    }
  });

  for (const { text, why } of vectors.malformed) {
    it(`refuses ${text}: ${why}`, () => {
      const error = assertThrows(() => parseLinks(text), CoAPError, "at offset ");
      assertEquals(error.reason, "malformed-message");
    });
  }

  const offsets: [string, string][] = [
    ["</a", 'offset 3: expected ">", found its end'],
    ["/a;rt=x", 'offset 0: expected "<", found "/a;rt=x"'],
    ["</a>;", "offset 5: expected an attribute's name, found its end"],
    ['</a>;rt="x', "offset 10: expected a closing quote, found its end"],
    ['</a>;rt="x\\', "offset 11: expected a closing quote, found its end"],
    ['</a>;rt="x"y', 'offset 11: expected ";" or ",", found "y"'],
    ["</a>,", 'offset 5: expected "<", found its end'],
    ["</a>;sz=01,</b>", 'offset 8: expected a size without leading zeros, found "01,</b>"'],
    ["</a>;rt=,</b>", 'offset 8: expected a value of rt, found ",</b>"'],
    ["</a>;r t=x", 'offset 6: expected ";" or ",", found " t=x"'],
  ];
  for (const [text, message] of offsets) {
    it(`tells where ${text} is wrong`, () => {
      assertThrows(() => parseLinks(text), CoAPError, message);
    });
  }
});

describe("attributes", () => {
  const [link] = parseLinks('</a>;rt="x y";rt="z";if=one;if=two;foo=1;foo=2;obs;ct="0 40"');

  it("keep order and repetition", () => {
    assertEquals(
      link!.attributes.map(([name]) => name),
      ["rt", "rt", "if", "if", "foo", "foo", "obs", "ct"],
    );
  });

  it("are looked up by name, the first one counting", () => {
    assertEquals(linkAttribute(link!, "rt"), "x y");
    assertEquals(linkAttribute(link!, "obs"), "");
    assertEquals(linkAttribute(link!, "title"), undefined);
    assertEquals(linkValues(link!, "rt"), ["x", "y"]);
    assertEquals(linkValues(link!, "if"), ["one"]);
    assertEquals(linkValues(link!, "foo"), ["1", "2"]);
    assertEquals(linkValues(link!, "ct"), ["0", "40"]);
    assertEquals(linkValues(link!, "obs"), [""]);
    assertEquals(linkValues(link!, "title"), []);
  });

  it("are written once where they may occur once", () => {
    assertEquals(formatLinks([link!]), '</a>;rt="x y";if="one";foo="1";foo="2";obs;ct="0 40"');
    assertEquals(formatLinks(parseLinks("</a>;ct=40;ct=41")), "</a>;ct=40");
  });
});

describe("formatLinks", () => {
  it("quotes what is neither number, language nor extended value", () => {
    const attributes: LinkAttribute[] = [
      ["ct", "40"],
      ["sz", "0"],
      ["hreflang", "en-GB"],
      ["title*", "UTF-8'en'%e2%82%ac"],
      ["title", 'a "b" \\ c, d; e>'],
      ["empty", ""],
      ["n", "40"],
    ];
    const text = formatLinks([{ href: "/a", attributes }]);
    assertEquals(
      text,
      '</a>;ct=40;sz=0;hreflang=en-GB;title*=UTF-8\'en\'%e2%82%ac;title="a \\"b\\" \\\\ c, d; e>"' +
        ';empty="";n="40"',
    );
    assertEquals(parseLinks(text)[0]!.attributes, attributes);
    assertEquals(formatLinks([]), "");
  });

  const refused: [Link, string][] = [
    [{ href: "/a>b", attributes: [] }, '"/a>b"'],
    [{ href: "/a", attributes: [["", "x"]] }, '""'],
    [{ href: "/a", attributes: [["a b", "x"]] }, '"a b"'],
    [{ href: "/a", attributes: [["a=", "x"]] }, '"a="'],
    [{ href: "/a", attributes: [["sz", "01"]] }, '"01"'],
    [{ href: "/a", attributes: [["title*", "a b"]] }, '"a b"'],
  ];
  for (const [link, part] of refused) {
    it(`refuses ${part}`, () => {
      const error = assertThrows(() => formatLinks([link]), CoAPError, part);
      assertEquals(error.reason, "malformed-message");
    });
  }
});

describe("filterLinks", () => {
  for (const { doc, query, expect } of vectors.filters) {
    it(`${query} on ${doc}`, () => {
      // In a request the value is percent-decoded already.
      const uri = `coap://h/.well-known/core?${query.replaceAll(" ", "%20")}`;
      const filters = stringOptions(decomposeUri(uri).options, OptionNumber.UriQuery);
      const found = filterLinks(parseLinks(documents.get(doc)!), filters);
      assertEquals(found.map(({ href }) => href), expect);
    });
  }

  const links = parseLinks('</a>;obs;ct="0 40",</b>;rt="x";sz=1,</c>;rt="x";obs');
  const cases: [string[], string[]][] = [
    [[], ["/a", "/b", "/c"]],
    [["rt=x", "obs"], ["/c"]],
    [["obs"], ["/a", "/c"]],
    [["obs=*"], ["/a", "/c"]],
    [["obs=x"], []],
    [["ct=40"], ["/a"]],
    [["ct=4"], []],
    [["href=*"], ["/a", "/b", "/c"]],
    [["rt=X"], []],
    [[""], []],
    [["="], []],
  ];
  for (const [query, expected] of cases) {
    it(`${JSON.stringify(query)}`, () => {
      assertEquals(filterLinks(links, query).map(({ href }) => href), expected);
    });
  }
});

describe("links", () => {
  const name = fc.string({
    unit: fc.constantFrom(..."abcxyzABC019!#$&+-.^_`|~"),
    minLength: 1,
    maxLength: 8,
  }).filter((name) => name !== "sz");
  const attribute: fc.Arbitrary<LinkAttribute> = fc.oneof(
    fc.tuple(name, fc.option(fc.string({ unit: "grapheme" }), { nil: undefined })),
    fc.tuple(fc.constantFrom("rt", "if", "ct", "title"), fc.string({ unit: "binary" })),
    fc.tuple(fc.constant("sz"), fc.nat().map(String)),
  );
  const link: fc.Arbitrary<Link> = fc.record({
    href: fc.oneof(
      fc.webUrl(),
      fc.string({ unit: "grapheme" }).filter((text) => !text.includes(">")),
    ),
    attributes: fc.uniqueArray(attribute, { selector: ([name]) => name, maxLength: 5 }),
  }, { noNullPrototype: true });

  it("come back as they were written", () => {
    fc.assert(
      fc.property(fc.array(link, { maxLength: 5 }), (links) => {
        assertEquals(parseLinks(formatLinks(links)), links);
      }),
      { numRuns: 500 },
    );
  });

  it("are refused with a CoAPError or read, whatever the text", () => {
    const text = fc.array(fc.constantFrom(...'<<>>;;,,=="\\ abz/*', "<a>", ";rt=", ',<b>;x="y"'))
      .map((parts) => `<a>${parts.join("")}`);
    let good = 0;
    fc.assert(
      fc.property(text, (text) => {
        let links: Link[];
        try {
          links = parseLinks(text);
        } catch (error) {
          if (error instanceof CoAPError && error.reason === "malformed-message") return;
          throw error;
        }
        good++;
        // A repeated attribute may be written once, so that only the second round is stable.
        const once = formatLinks(links);
        assertEquals(formatLinks(parseLinks(once)), once);
      }),
      { numRuns: 2000 },
    );
    assertEquals(good > 50, true, `${good} good`);
  });
});

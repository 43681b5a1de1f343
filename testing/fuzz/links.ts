/** Any text as a list of links: refused, or what is written of it reads the same. @module */

import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { CoAPError } from "../../lib/errors.ts";
import { filterLinks, formatLinks, type Link, parseLinks } from "../../lib/wire/link_format.ts";
import { corpusOf, type FuzzTarget } from "./target.ts";

// deno-fmt-ignore -- a table
const PIECES = [
  "<", ">", "</a>", "</a/b?c>", "<>", "<coap://h/x>", ",", ";", "=", '"', '""', '"a b"', '"\\""', "\\", "rt", "if",
  "sz", "ct", "obs", "title", "title*", "rel", "anchor", "=40", '="40 41"', '="core.s"', "=x", "*", "UTF-8''%e2%82%ac",
  " ", "\t", "\n", "é", "%20", "a", "1", "</.well-known/core>;ct=40",
];

const pieces = fc.array(fc.constantFrom(...PIECES), { maxLength: 12 });
const corpus = corpusOf<string>("links").map(({ input }) => input);

function parse(text: string): Link[] | undefined {
  try {
    return parseLinks(text);
  } catch (error) {
    if (error instanceof CoAPError || error instanceof SyntaxError) return undefined;
    throw error;
  }
}

export const linksTarget: FuzzTarget<string> = {
  name: "links",
  arbitrary: fc.oneof(
    fc.string({ unit: "binary", maxLength: 60 }),
    pieces.map((parts) => parts.join("")),
    pieces.map((parts) => `</a>;${parts.join("")}`),
    fc.tuple(fc.constantFrom("</a>", ...corpus), fc.nat(100), pieces).map(
      ([text, at, parts]) => text.slice(0, at) + parts.join("") + text.slice(at),
    ),
  ),
  check(text) {
    const links = parse(text);
    if (links === undefined) return;
    let written: string;
    try {
      written = formatLinks(links);
    } catch (error) {
      // An attribute with "*" is read in quotes as well, though it has none (RFC 8187 section 3.2).
      const starred = links.some(({ attributes }) =>
        attributes.some(([name]) => name.endsWith("*"))
      );
      if (error instanceof CoAPError && starred) return;
      throw error;
    }
    const again = parse(written);
    assertEquals(again?.map(({ href }) => href), links.map(({ href }) => href), written);
    // Once written nothing changes any more.
    assertEquals(formatLinks(again!), written);
    for (const query of ["href=/a*", "rt=x", "if=*", "ct=40", ""]) {
      const found = filterLinks(links, [query]);
      assertEquals(found.every((link) => links.includes(link)), true);
    }
  },
};

import { describe, it } from "node:test";
import { assertEquals, assertNotEquals } from "@std/assert";
import { contentCoding, ContentFormat, contentFormat, mediaType } from "./content_format.ts";

describe("Content-Formats", () => {
  for (const [name, number] of Object.entries(ContentFormat)) {
    it(`${number} ${name}`, () => {
      const type = mediaType(number);
      assertNotEquals(type, undefined);
      assertEquals(contentFormat(type!, contentCoding(number)), number);
    });
  }

  it("of RFC 7252 have the numbers of section 12.3", () => {
    const rows: [string, number][] = [
      ["text/plain; charset=utf-8", 0],
      ["application/link-format", 40],
      ["application/xml", 41],
      ["application/octet-stream", 42],
      ["application/exi", 47],
      ["application/json", 50],
    ];
    for (const [type, number] of rows) {
      assertEquals(contentFormat(type), number);
      assertEquals(mediaType(number), type);
    }
  });

  it("are found whatever the case, the quotes and the white space", () => {
    for (
      const type of ["TEXT/plain;charset=UTF-8", ' text/plain ; charset="utf-8"', "text/plain"]
    ) {
      assertEquals(contentFormat(type), ContentFormat.Text);
    }
    assertEquals(contentFormat("application/cose;cose-type=cose-sign1"), ContentFormat.COSESign1);
  });

  it("in a content coding are formats of their own", () => {
    assertEquals([contentFormat("application/json", "Deflate"), mediaType(11050)], [
      11050,
      "application/json",
    ]);
    assertEquals([contentCoding(11060), contentCoding(60)], ["deflate", undefined]);
  });

  it("are undefined where they are not known", () => {
    assertEquals(contentFormat("text/plain; charset=latin-1"), undefined);
    assertEquals(contentFormat("application/cose"), undefined);
    assertEquals(contentFormat(""), undefined);
    assertEquals(contentFormat("application/json", "gzip"), undefined);
    assertEquals(contentFormat("text/css", "deflate"), undefined);
    assertEquals(contentFormat("x/y", "deflate"), undefined);
    assertEquals(mediaType(65000), undefined);
  });
});

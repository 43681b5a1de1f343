import { assertEquals, assertThrows } from "@std/assert";
import { describe, it } from "node:test";
import { formatOfBody, isText, typeOfFormat, wantedBy } from "./http_media_type.ts";
import { Refusal } from "./http_refusal.ts";

describe("formatOfBody", () => {
  function format(type?: string, coding?: string, any = false): number | undefined {
    const headers = new Headers();
    if (type !== undefined) headers.set("content-type", type);
    if (coding !== undefined) headers.set("content-encoding", coding);
    try {
      return formatOfBody(headers, any);
    } catch (error) {
      if (error instanceof Refusal) return error.status;
      throw error;
    }
  }

  it("knows media types, with parameters and codings", () => {
    assertEquals(format(), undefined);
    assertEquals(format(undefined, "identity"), undefined);
    assertEquals(format("text/plain"), 0);
    assertEquals(format("Text/Plain;Charset=UTF-8"), 0);
    assertEquals(format("application/json"), 50);
    assertEquals(format('application/json; charset="utf-8"'), 50);
    assertEquals(format("application/json", "Identity"), 50);
    assertEquals(format("application/json;charset=utf-8", "Deflate"), 11050);
    assertEquals(format('application/cose; cose-type="cose-sign1"'), 18);
  });

  it("answers 415 to others", () => {
    for (
      const type of [
        "text/plain; charset=latin-1",
        "application/json; charset=utf-16",
        "text/html",
        "",
        "x",
      ]
    ) {
      assertEquals(format(type), 415, type);
    }
    assertEquals(format("application/json", "gzip"), 415);
    assertEquals(format("application/json", "deflate, deflate"), 415);
    assertEquals(format("text/css", "deflate"), 415);
    const error = assertThrows(
      () => formatOfBody(new Headers({ "content-encoding": "br" }), false),
      Refusal,
    );
    assertEquals(error.headers, { "accept-encoding": "identity, deflate" });
  });

  it("takes numbers where it is told to", () => {
    const type = "application/coap-payload";
    assertEquals(format(`${type};cf=65000`), 415);
    assertEquals(format(`${type};cf=65000`, undefined, true), 65000);
    assertEquals(format(`${type.toUpperCase()} ; CF = "0"`, undefined, true), 0);
    for (const wrong of ["", ";cf", ";cf=65536", ";cf=-1", ";cf=1;cf=2", ";cf=1x", ";x=1"]) {
      assertEquals(format(type + wrong, undefined, true), 415, wrong);
    }
    assertEquals(format(`${type};cf=1`, "deflate", true), 415);
  });
});

describe("wantedBy", () => {
  const formats = (accept: string | null, any = false): unknown => wantedBy(accept, any).formats;

  it("any where nothing is said, or */* (RFC 8075 section 6.1)", () => {
    for (const accept of [null, "", "*/*", ",", "text/*", "*/*;q=0.5, application/json;q=0.1"]) {
      assertEquals(formats(accept), [undefined], String(accept));
    }
  });

  it("the formats from the most preferred down to what has none", () => {
    assertEquals(formats("application/json"), [50]);
    assertEquals(formats("application/json;q=0.2, text/plain, application/xml;q=0.5"), [0, 41, 50]);
    assertEquals(formats("application/json, text/html, text/plain"), [50, undefined]);
    assertEquals(formats("application/json;q=0, text/plain;q=0.000"), [undefined]);
    assertEquals(formats("application/json;q=x, application/json;q=0.1;x=y"), [50]);
    assertEquals(formats('application/cose;cose-type="cose-sign";q=0.1'), [98]);
    assertEquals(formats('a/b;c=",application/json,", text/plain'), [undefined]);
    assertEquals(formats("image/gif,image/png,image/jpeg,text/css,text/plain"), [
      21,
      23,
      22,
      20000,
    ]);
    assertEquals(formats("text/plain, text/plain;charset=utf-8"), [0]);
  });

  it("events where they come first", () => {
    assertEquals(wantedBy("text/event-stream", false), { formats: [undefined], events: true });
    const both = wantedBy("Text/Event-Stream, application/json;q=0.5", false);
    assertEquals(both, { formats: [50], events: true });
    assertEquals(wantedBy("application/json, text/event-stream", false).events, false);
    assertEquals(wantedBy("text/event-stream;q=0", false).events, false);
  });

  it("numbers where it is told to take them, else 406", () => {
    const accept = "application/coap-payload;cf=65000";
    assertEquals(formats(accept, true), [65000]);
    assertEquals(assertThrows(() => wantedBy(accept, false), Refusal).status, 406);
    assertEquals(formats(`${accept};q=0`), [undefined]);
  });
});

describe("typeOfFormat", () => {
  it("gives every number a type", () => {
    assertEquals(typeOfFormat(60), { "content-type": "application/cbor" });
    assertEquals(typeOfFormat(9999), { "content-type": "application/coap-payload;cf=9999" });
    assertEquals(typeOfFormat(11060), {
      "content-type": "application/cbor",
      "content-encoding": "deflate",
    });
  });
});

describe("isText", () => {
  it("text, JSON, XML and links are, and what does not say", () => {
    const text = [0, 40, 41, 50, 51, 110, 310, 432, 10002, 20000, 30000, undefined];
    const bytes = [16, 21, 42, 47, 60, 112, 114, 11050, 11542, 65000];
    assertEquals(text.filter((format) => !isText(format)), []);
    assertEquals(bytes.filter(isText), []);
  });
});

import { assertEquals, assertFalse, assertThrows } from "@std/assert";
import { describe, it } from "node:test";
import { CoAPError } from "../errors.ts";
import { Code } from "../wire/code.ts";
import { ContentFormat } from "../wire/content_format.ts";
import { decode, encode } from "../wire/message.ts";
import { OptionNumber } from "../wire/option.ts";
import { CoAPResponse, received } from "./response.ts";

const FLOW = { key: "peer", address: "192.0.2.1", port: 5683, multicast: false };

describe("CoAPResponse", () => {
  it("is 2.05 without anything by default (7252-5.5-2)", () => {
    const response = new CoAPResponse();
    assertEquals([response.code, response.codeText, response.ok], [69, "2.05", true]);
    assertEquals([response.payload.length, response.options.length], [0, 0]);
    assertEquals([response.contentFormat, response.etag, response.peer], [
      undefined,
      undefined,
      undefined,
    ]);
    assertEquals([response.maxAge, response.retryAfter], [60, undefined]);
    assertEquals([response.locationPath, response.locationQuery], [undefined, undefined]);
  });

  it("gives a text its content format, a diagnostic message none", () => {
    assertEquals(new CoAPResponse("é").contentFormat, ContentFormat.Text);
    assertEquals(new CoAPResponse("é").payload, Uint8Array.of(0xc3, 0xa9));
    assertEquals(new CoAPResponse("{}", { contentFormat: 50 }).contentFormat, 50);
    assertEquals(new CoAPResponse("no", { code: Code.NotFound }).contentFormat, undefined);
    assertEquals(new CoAPResponse(Uint8Array.of(1)).contentFormat, undefined);
    assertEquals(CoAPResponse.text("a", { code: Code.NotFound }).contentFormat, 0);
    const json = CoAPResponse.json({ a: [1] }, { maxAge: 0 });
    assertEquals([json.contentFormat, json.text(), json.maxAge], [50, '{"a":[1]}', 0]);
    assertEquals(json.json(), { a: [1] });
    const error = CoAPResponse.error(Code.BadRequest, "why");
    assertEquals([error.code, error.text(), error.options.length], [128, "why", 0]);
    assertFalse(error.ok);
  });

  it("writes what the init says", () => {
    const response = new CoAPResponse(undefined, {
      code: Code.Created,
      etag: Uint8Array.of(1),
      maxAge: 256,
      locationPath: ["a/b", "c"],
      locationQuery: ["d"],
      options: [[65_000, "x"], [OptionNumber.MaxAge, 5], [OptionNumber.LocationPath, "e"]],
    });
    const { options } = decode(encode(response));
    assertEquals(options.map(({ number, value }) => [number, ...value]), [
      [OptionNumber.ETag, 1],
      [OptionNumber.LocationPath, 97, 47, 98],
      [OptionNumber.LocationPath, 99],
      [OptionNumber.LocationPath, 101],
      [OptionNumber.MaxAge, 5],
      [OptionNumber.LocationQuery, 100],
      [65_000, 120],
    ]);
    assertEquals(response.locationPath, ["a/b", "c", "e"]);
    assertEquals(response.locationQuery, ["d"]);
    assertEquals(response.etag, Uint8Array.of(1));
  });

  it("does not trust a location next to a reserved option", () => {
    const located = new CoAPResponse(undefined, { locationQuery: ["a"] });
    assertEquals([located.locationPath, located.locationQuery], [[], ["a"]]);
    const reserved = new CoAPResponse(undefined, { locationPath: ["a"], options: [[128, "x"]] });
    assertEquals([reserved.locationPath, reserved.locationQuery], [undefined, undefined]);
  });

  it("says when to try again (7252-5.9-4)", () => {
    const busy = new CoAPResponse(undefined, { code: Code.ServiceUnavailable, maxAge: 10 });
    assertEquals(busy.retryAfter, 10);
    assertEquals(CoAPResponse.error(Code.TooManyRequests).retryAfter, 60);
    assertEquals(CoAPResponse.error(Code.NotFound).retryAfter, undefined);
  });

  it("refuses what does not fit", () => {
    for (const code of [0, 1, 0x60, 0xe1, 300, 69.5, NaN, -1]) {
      assertThrows(() => new CoAPResponse("", { code }), CoAPError, `"${code}"`);
    }
    assertThrows(() => CoAPResponse.error(Code.Content), CoAPError, '"69"');
    assertThrows(() => CoAPResponse.json(undefined), TypeError, '"undefined"');
    assertThrows(() => new CoAPResponse(7 as unknown as string), TypeError, '"7"');
    assertThrows(() => CoAPResponse.text("", { contentFormat: 70_000_000 }), CoAPError, "70000000");
    assertThrows(() => CoAPResponse.text("", { etag: new Uint8Array() }), CoAPError, "ETag");
    assertThrows(() => CoAPResponse.text("", { maxAge: -1 }), CoAPError, '"-1"');
    assertThrows(
      () => CoAPResponse.text("", { options: [[OptionNumber.UriPath, "a"]] }),
      CoAPError,
      'Option "Uri-Path" does not belong in a response',
    );
  });

  it("takes what came as it is", () => {
    const bytes = Uint8Array.of(
      ...[0x60, Code.Valid, 0, 1],
      ...[0x49, ...Array(9).fill(1)], // an ETag too long
      ...[0x80, 0], // Content-Format 0, and again as 1
      ...[0x01, 1],
      ...[0xff, 0x61],
    );
    const valid = received(decode(bytes), FLOW, "coap://192.0.2.1/a");
    assertEquals(valid.etag, undefined);
    assertEquals(valid.contentFormat, 0);
    assertEquals(valid.peer, FLOW);
    assertEquals(valid.payload.length, 0); // 2.03 has none
    bytes[1] = Code.Content;
    assertEquals(received(decode(bytes), FLOW, "coap://192.0.2.1/a").text(), "a");
  });

  it("streams its payload", async () => {
    const chunks: Uint8Array[] = [];
    for await (const chunk of new CoAPResponse("abc").body) chunks.push(chunk);
    assertEquals(chunks, [Uint8Array.of(97, 98, 99)]);
    for await (const _ of new CoAPResponse().body) throw new Error("There is nothing");
  });
});

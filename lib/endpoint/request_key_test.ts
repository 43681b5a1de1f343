import { assert, assertEquals, assertNotEquals } from "@std/assert";
import { describe, it } from "node:test";
import { makeBody } from "../../testing/bodies.ts";
import type { Outline } from "../engine/types.ts";
import { Code } from "../wire/code.ts";
import { makeOption, type Option, OptionNumber } from "../wire/option.ts";
import { bytesKey } from "../wire/bytes.ts";
import { requestKey, resourceKey } from "./request_key.ts";

const { Accept, ETag, Size2, UriHost, UriPath, UriQuery } = OptionNumber;

function options(...pairs: [number, string | number][]): Option[] {
  return pairs.map(([number, value]) => makeOption(number, value));
}

describe("request keys", () => {
  const key = (request: Partial<Outline>, origin = "coap h"): string =>
    requestKey(origin, { code: Code.GET, ...request }, new Set([ETag]));

  it("are equal for equal requests, whatever the order of different options", () => {
    const a = options([UriPath, "a"], [Accept, 0], [UriPath, "b"]);
    const b = options([Accept, 0], [UriPath, "a"], [UriPath, "b"]);
    assertEquals(key({ options: a }), key({ options: b }));
    assertEquals(key({}), key({ options: [] }));
  });

  it("leave out NoCacheKey options and those that are excepted", () => {
    const plain = options([UriPath, "a"]);
    const more = options([UriPath, "a"], [ETag, "e"], [Size2, 5], [65_052, "x"]);
    assertEquals(key({ options: plain }), key({ options: more }));
  });

  it("differ for different requests", () => {
    const path = (...segments: string[]): Partial<Outline> => ({
      options: segments.map((segment) => makeOption(UriPath, segment)),
    });
    const bytes = (...values: number[]): Partial<Outline> => ({
      options: [makeOption(65_000, Uint8Array.from(values))],
    });
    const keys = [
      key({}),
      key({}, "coaps h"),
      key({ code: Code.FETCH }),
      key({ code: Code.FETCH, payload: Uint8Array.of(1) }),
      key({ code: Code.FETCH, payload: Uint8Array.of(1, 0) }),
      ...[path(""), path("a"), path("a", "b"), path("b", "a"), path("a/b"), path("ab"), path("é")]
        .map((request) => key(request)),
      key({ options: options([UriQuery, "a"]) }),
      key({ options: options([UriHost, "a"]) }),
      // What looks like the key of two options is the value of one.
      key({ options: options([UriPath, "a11,1:b"]) }),
      ...[bytes(0x80), bytes(0xff), bytes(0xef, 0xbf, 0xbd), bytes(0), bytes(0, 0)]
        .map((request) => key(request)),
    ];
    assertEquals(new Set(keys).size, keys.length);
  });

  it("of resources hold what names them alone", () => {
    const a = options([UriPath, "a"], [Accept, 0], [65_000, "x"]);
    assertEquals(resourceKey("o", a), resourceKey("o", options([UriPath, "a"])));
    assertNotEquals(resourceKey("o", a), resourceKey("p", a));
    for (const number of [UriHost, UriPath, UriQuery]) {
      assertNotEquals(resourceKey("o", []), resourceKey("o", options([number, "a"])));
    }
  });

  it("hold payloads of any length", () => {
    const body = makeBody(100_000);
    const other = body.slice();
    other[99_999]! ^= 1;
    assertEquals(bytesKey(body).length, 100_000);
    assert(bytesKey(body) !== bytesKey(other));
    assertEquals(bytesKey(body), bytesKey(body.slice()));
  });
});

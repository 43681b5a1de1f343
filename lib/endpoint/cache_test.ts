import { assert, assertEquals, assertThrows } from "@std/assert";
import { beforeEach, describe, it } from "node:test";
import { makeBody } from "../../testing/bodies.ts";
import { Code } from "../wire/code.ts";
import { findOption, makeOption, type Option, OptionNumber, uintOption } from "../wire/option.ts";
import { ResponseCache } from "./cache.ts";
import type { Content } from "./response.ts";

const { ETag, MaxAge, Observe, ContentFormat } = OptionNumber;

/** A response with options by number, and its ETag as one byte. */
function response(
  text: string,
  given: Readonly<Record<number, number>> = {},
  code: number = Code.Content,
): Content {
  const options: Option[] = Object.entries(given).map(([number, value]) =>
    makeOption(Number(number), Number(number) === ETag ? Uint8Array.of(value) : value)
  );
  return { code, options, payload: new TextEncoder().encode(text) };
}

const text = (content: Content | undefined): string | undefined =>
  content && new TextDecoder().decode(content.payload);

describe("ResponseCache", () => {
  let cache: ResponseCache;
  beforeEach(() => {
    cache = new ResponseCache();
  });

  const put = (now: number, content: Content, key = "a"): void =>
    cache.store(now, `resource of ${key}`, key, content);
  const find = (now: number, key = "a"): string | undefined => text(cache.find(now, key));
  const tags = (): number[] => cache.etags("a").map(({ value }) => value[0]!);

  it("7252-5.6-3: serves a response until its age is greater than 60 s, or its Max-Age", () => {
    put(1000, response("x"));
    assertEquals(find(1000), "x");
    assertEquals(find(61_000), "x");
    assertEquals(find(61_001), undefined);
    put(1000, response("y", { [MaxAge]: 5 }));
    assertEquals(find(6000), "y");
    assertEquals(find(6001), undefined);
    put(1000, response("z", { [MaxAge]: 0xffff_ffff }));
    assertEquals(find(1000 + 0xffff_ffff * 1000), "z");
  });

  it("7252-5.6-3: stores nothing with Max-Age 0, and forgets what it had", () => {
    put(0, response("x"));
    put(0, response("y", { [MaxAge]: 0 }));
    assertEquals([find(0), cache.size, cache.bytes], [undefined, 0, 0]);
  });

  it("7252-5.7-3: lowers Max-Age by the age, and never says more than is left", () => {
    put(0, response("x", { [MaxAge]: 10, [ContentFormat]: 0 }));
    const ages = [0, 1, 1000, 1001, 9999, 10_000]
      .map((now) => uintOption(cache.find(now, "a")!.options, MaxAge));
    assertEquals(ages, [10, 9, 9, 8, 0, 0]);
    assertEquals(cache.find(5000, "a")!.options.map(({ number }) => number), [
      ContentFormat,
      MaxAge,
    ]);
  });

  it("7252-5.6-2, -8: stores no success but 2.05", () => {
    const codes = [Code.Created, Code.Deleted, Code.Valid, Code.Changed, Code.Continue, 0x51, 0x46];
    for (const code of codes) {
      put(0, response("old"));
      put(0, response("x", {}, code));
      assertEquals(find(0), undefined);
    }
    assertEquals(cache.size, 0);
  });

  it("7252-5.6-9: stores errors by Max-Age, to be validated by nothing", () => {
    for (const code of [Code.NotFound, Code.InternalServerError, 0x9f, 0xbf]) {
      put(0, response("x", { [MaxAge]: 30, [ETag]: 1 }, code));
      assertEquals(cache.find(30_000, "a")?.code, code);
      assertEquals(cache.find(30_001, "a"), undefined);
    }
    cache.invalidate("resource of a");
    assertEquals(cache.size, 0);
  });

  it("7641-2-5: stores no Observe and no block options", () => {
    put(0, response("x", { [Observe]: 5, [OptionNumber.Block2]: 6, [OptionNumber.Size2]: 1 }));
    const numbers = cache.find(0, "a")!.options.map(({ number }) => number);
    assertEquals(numbers, [MaxAge, OptionNumber.Size2]);
  });

  it("copies what it stores", () => {
    const bytes = Uint8Array.of(1, 2, 3);
    const etag = Uint8Array.of(9);
    put(0, { code: Code.Content, options: [{ number: ETag, value: etag }], payload: bytes });
    bytes[0] = etag[0] = 0xff;
    const found = cache.find(0, "a")!;
    assertEquals([found.payload[0], findOption(found.options, ETag)!.value[0]], [1, 9]);
  });

  describe("validation", () => {
    it("7252-5.6-5: names the entity tags of all that is stored, the newest first", () => {
      put(0, response("x", { [ETag]: 1 }));
      put(0, response("y", { [ETag]: 2 }));
      put(0, response("error", {}, Code.NotFound));
      assertEquals(tags(), [2, 1]);
      put(0, response("x again", { [ETag]: 1 }));
      assertEquals(tags(), [1, 2]);
      put(0, response("no tag"));
      assertEquals([tags(), find(0)], [[1, 2], "no tag"]);
    });

    it("keeps four representations", () => {
      for (let i = 1; i <= 6; i++) put(0, response(`${i}`, { [ETag]: i }));
      assertEquals(tags(), [6, 5, 4, 3]);
    });

    it("7252-5.6-6: a 2.03 makes the response it names fresh for its Max-Age", () => {
      put(0, response("x", { [ETag]: 1, [MaxAge]: 10 }));
      put(0, response("y", { [ETag]: 2, [MaxAge]: 10 }));
      const valid = response("", { [ETag]: 1, [MaxAge]: 5 }, Code.Valid);
      const updated = cache.refresh(20_000, "a", valid)!;
      assertEquals([text(updated), updated.code, uintOption(updated.options, MaxAge)], [
        "x",
        Code.Content,
        5,
      ]);
      assertEquals([find(25_000), find(25_001), tags()], ["x", undefined, [1, 2]]);
      // Without Max-Age it is 60 s, whatever it was.
      cache.refresh(30_000, "a", response("", { [ETag]: 2 }, Code.Valid));
      assertEquals([find(90_000), find(90_001)], ["y", undefined]);
      cache.refresh(100_000, "a", response("", { [ETag]: 2, [MaxAge]: 0 }, Code.Valid));
      assertEquals([find(100_000), tags()], [undefined, [2, 1]]);
    });

    it("7252-5.6-6: a 2.03 replaces the Safe-to-Forward options of the types that it has", () => {
      const safe = 65_000;
      const other = 65_004;
      const unsafe = 65_002;
      put(0, {
        code: Code.Content,
        options: [
          makeOption(ETag, Uint8Array.of(1)),
          makeOption(ContentFormat, 0),
          ...["a", "b"].map((value) => makeOption(safe, value)),
          makeOption(other, "kept"),
          makeOption(unsafe, "kept too"),
        ],
        payload: Uint8Array.of(1),
      });
      cache.refresh(0, "a", {
        code: Code.Valid,
        options: [
          makeOption(ETag, Uint8Array.of(1)),
          makeOption(safe, "c"),
          makeOption(unsafe, "not this"),
        ],
        payload: new Uint8Array(),
      });
      const shown = cache.find(0, "a")!.options
        .filter(({ number }) => number > 60_000)
        .map(({ number, value }) => [number, new TextDecoder().decode(value)]);
      assertEquals(shown, [[safe, "c"], [unsafe, "kept too"], [other, "kept"]]);
    });

    it("a 2.03 with another entity tag, or none, names nothing", () => {
      put(0, response("x", { [ETag]: 1 }));
      assertEquals(cache.refresh(0, "a", response("", { [ETag]: 3 }, Code.Valid)), undefined);
      assertEquals(cache.refresh(0, "a", response("", {}, Code.Valid)), undefined);
      assertEquals(cache.refresh(0, "b", response("", { [ETag]: 1 }, Code.Valid)), undefined);
    });
  });

  it("7252-5.6-8: marks all that is stored of a resource as not fresh", () => {
    cache.store(0, "r", "json", response("{}", { [ETag]: 1 }));
    cache.store(0, "r", "text", response("text"));
    cache.store(0, "other", "o", response("o"));
    cache.invalidate("r");
    cache.invalidate("nobody");
    assertEquals([find(0, "json"), find(0, "text"), find(0, "o")], [undefined, undefined, "o"]);
    assertEquals(cache.etags("json").length, 1);
    assertEquals(cache.size, 2);
    cache.refresh(0, "json", response("", { [ETag]: 1 }, Code.Valid));
    assertEquals(find(0, "json"), "{}");
  });

  describe("bytes", () => {
    it("are bounded; what was longest unused goes first", () => {
      cache = new ResponseCache({ maxBytes: 5000 });
      const content = response("x".repeat(1000));
      for (const key of ["a", "b", "c"]) put(0, content, key);
      assertEquals(cache.size, 3);
      assertEquals(find(0, "a")?.length, 1000);
      put(0, content, "d");
      assertEquals(["a", "b", "c", "d"].map((key) => find(0, key)?.length), [
        1000,
        undefined,
        1000,
        1000,
      ]);
      assert(cache.bytes <= 5000, `${cache.bytes}`);
      put(0, response("x".repeat(3000)), "e");
      assertEquals(["a", "c", "d", "e"].map((key) => find(0, key)?.length), [
        undefined,
        undefined,
        1000,
        3000,
      ]);
    });

    it("count keys, options and each response, and are given back", () => {
      put(0, response("x".repeat(100), { [ETag]: 1 }));
      const one = cache.bytes;
      assert(one > 400 && one < 600, `${one}`);
      put(0, response("y".repeat(100), { [ETag]: 2 }));
      const two = cache.bytes;
      assert(two > one + 200, `${two}`);
      cache.store(0, "r", "k".repeat(10_000), response(""));
      assert(cache.bytes > two + 10_000);
      cache.store(0, "r", "k".repeat(10_000), response("", { [MaxAge]: 0 }));
      assertEquals(cache.bytes, two);
      put(0, response("x"), "b");
      cache.invalidate("resource of b");
      assertEquals([cache.bytes, cache.size], [two, 1]);
    });

    it("of one response may not be more than all: it is not stored", () => {
      cache = new ResponseCache({ maxBytes: 1000 });
      put(0, response("small"));
      put(0, { code: Code.Content, options: [], payload: makeBody(1000) });
      assertEquals([cache.size, cache.bytes, find(0)], [0, 0, undefined]);
    });

    it("must be above 0", () => {
      for (const maxBytes of [0, -1, NaN]) {
        assertThrows(() => new ResponseCache({ maxBytes }), RangeError, `"${maxBytes}"`);
      }
    });
  });
});

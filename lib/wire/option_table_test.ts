import { describe, it } from "node:test";
import { assertEquals, assertStrictEquals } from "@std/assert";
import { codecValid } from "../../testing/vectors.ts";
import {
  isCritical,
  isNoCacheKey,
  isUnsafe,
  optionDefinition,
  optionName,
  OptionNumber,
} from "./option_table.ts";

describe("option table (7959-2.1-1, 7959-4-1, 9175-2.2-1, 9175-3-1, 8768-3-1)", () => {
  for (const row of codecValid.option_table) {
    it(`${row.number} ${row.name}`, () => {
      const definition = optionDefinition(row.number)!;
      assertEquals(definition.number, row.number);
      assertEquals(definition.name, row.name);
      assertEquals(definition.format, row.format);
      assertEquals(definition.min, row.min_length);
      assertEquals(definition.max, row.max_length);
      const uses = [definition.request, definition.response];
      assertEquals(uses.includes("repeatable"), row.repeatable);
      // A default that depends on the destination is no number.
      assertEquals(
        definition.default ?? null,
        typeof row.default === "number" ? row.default : null,
      );
      assertEquals(optionName(row.number), row.name);
    });
  }

  it("has no other numbers", () => {
    assertEquals(
      Object.values<number>(OptionNumber).sort((a, b) => a - b),
      codecValid.option_table.map(({ number }) => number),
    );
    const known = new Set<number>(Object.values(OptionNumber));
    for (let number = 0; number <= 65535; number++) {
      assertStrictEquals(optionDefinition(number) !== undefined, known.has(number));
    }
    assertEquals(optionName(65001), "option 65001");
  });

  it("says which options belong to requests and which to responses", () => {
    const of = (use: "request" | "response") =>
      Object.values(OptionNumber).filter((number) => optionDefinition(number)![use] === "never")
        .map(optionName);
    assertEquals(of("request"), ["Location-Path", "Max-Age", "Location-Query"]);
    assertEquals(of("response"), [
      ...["If-Match", "Uri-Host", "If-None-Match", "Uri-Port", "Uri-Path", "Uri-Query"],
      ...["Hop-Limit", "Accept", "Proxy-Uri", "Proxy-Scheme", "No-Response", "Request-Tag"],
    ]);
  });

  it("lets ETag and Q-Block2 be repeated in requests only", () => {
    for (const number of [OptionNumber.ETag, OptionNumber.QBlock2]) {
      assertEquals(optionDefinition(number)!.request, "repeatable");
      assertEquals(optionDefinition(number)!.response, "once");
    }
  });
});

describe("option properties (7252-5.4-14)", () => {
  for (const row of codecValid.option_properties) {
    it(`${row.number} ${row.name ?? ""}`, () => {
      assertEquals(isCritical(row.number), row.critical);
      assertEquals(isUnsafe(row.number), row.unsafe);
      assertEquals(isNoCacheKey(row.number), row.no_cache_key);
    });
  }
});

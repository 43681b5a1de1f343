import { describe, it } from "node:test";
import { assertEquals, assertThrows } from "@std/assert";
import { codecValid } from "../../testing/vectors.ts";
import { CoAPError } from "../errors.ts";
import {
  Code,
  codeClass,
  codeName,
  codeText,
  isRequestCode,
  isResponseCode,
  isSuccess,
  parseCode,
} from "./code.ts";

describe("codes", () => {
  for (const { code, byte, name } of codecValid.codes) {
    it(`${code} ${name}`, () => {
      const number = parseInt(byte, 16);
      assertEquals(parseCode(code), number);
      assertEquals(codeText(number), code);
      assertEquals(codeName(number), name);
      assertEquals(codeClass(number), Number(code[0]));
    });
  }

  it("are all of the registry, and no more", () => {
    assertEquals(
      Object.values<number>(Code).sort((a, b) => a - b),
      codecValid.codes.map(({ byte }) => parseInt(byte, 16)),
    );
  });

  it("without a registration have a text and no name", () => {
    assertEquals(codeText(0x1f), "0.31");
    assertEquals(codeText(0xff), "7.31");
    assertEquals(codeName(0x1f), undefined);
  });
});

describe("parseCode", () => {
  for (const text of ["", "2", "2.5", "8.00", "2.32", "2.045", "02.05", "GET", " 2.05", "-1.00"]) {
    it(`refuses "${text}"`, () => {
      const error = assertThrows(() => parseCode(text), CoAPError, `"${text}"`);
      assertEquals(error.reason, "invalid-code");
    });
  }

  it("is the inverse of codeText", () => {
    for (let code = 0; code < 256; code++) assertEquals(parseCode(codeText(code)), code);
  });
});

describe("classes of codes", () => {
  it("tell requests, responses and success apart", () => {
    for (let code = 0; code < 256; code++) {
      const kind = Number(codeText(code)[0]);
      assertEquals(isRequestCode(code), kind === 0 && code !== Code.Empty);
      assertEquals(isResponseCode(code), kind === 2 || kind === 4 || kind === 5);
      assertEquals(isSuccess(code), kind === 2);
    }
  });
});

/** Methods by name. @module */

import { CoAPError } from "../errors.ts";
import { Code, codeText, isRequestCode } from "../wire/code.ts";

/** The methods that have a name (RFC 7252 section 12.1.1, RFC 8132). */
export type Method = "GET" | "POST" | "PUT" | "DELETE" | "FETCH" | "PATCH" | "iPATCH";

const NAMES: readonly Method[] = ["GET", "POST", "PUT", "DELETE", "FETCH", "PATCH", "iPATCH"];

/** The name of a method code, or `"0.31"` and the like where it has none. */
export function methodName(code: number): string {
  return NAMES[code - Code.GET] ?? codeText(code);
}

/**
 * The code of a method given by name, in any case, or by number.
 *
 * @throws {CoAPError} `invalid-code` where there is no such method
 */
export function methodCode(method: string | number): number {
  if (typeof method === "number") {
    if (Number.isInteger(method) && isRequestCode(method)) return method;
    throw new CoAPError("invalid-code", `Method must be 1 to 31: it is "${method}"`);
  }
  const wanted = method.toUpperCase();
  const index = NAMES.findIndex((name) => name.toUpperCase() === wanted);
  if (index >= 0) return index + Code.GET;
  throw new CoAPError("invalid-code", `Unknown method "${method}"`);
}

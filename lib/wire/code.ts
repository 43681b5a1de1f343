/** Message codes: methods, response codes and signals (RFC 7252 sections 3 and 12.1). @module */

import { CoAPError } from "../errors.ts";

/**
 * The registered codes as numbers, `class << 5 | detail`, by their RFC names.
 *
 * @example Numbers and names
 * ```ts
 * import { Code, codeName, codeText } from "@x/coap/wire";
 *
 * console.log(Code.NotFound, codeText(Code.NotFound), codeName(Code.NotFound)); // 132 4.04 Not Found
 * ```
 */
export const Code = {
  /** 0.00: no request, no response. */
  Empty: 0x00,
  /** 0.01 */
  GET: 0x01,
  /** 0.02 */
  POST: 0x02,
  /** 0.03 */
  PUT: 0x03,
  /** 0.04 */
  DELETE: 0x04,
  /** 0.05, RFC 8132 */
  FETCH: 0x05,
  /** 0.06, RFC 8132 */
  PATCH: 0x06,
  /** 0.07, RFC 8132 */
  iPATCH: 0x07,
  /** 2.01 */
  Created: 0x41,
  /** 2.02 */
  Deleted: 0x42,
  /** 2.03 */
  Valid: 0x43,
  /** 2.04 */
  Changed: 0x44,
  /** 2.05 */
  Content: 0x45,
  /** 2.31, RFC 7959 */
  Continue: 0x5f,
  /** 4.00 */
  BadRequest: 0x80,
  /** 4.01 */
  Unauthorized: 0x81,
  /** 4.02 */
  BadOption: 0x82,
  /** 4.03 */
  Forbidden: 0x83,
  /** 4.04 */
  NotFound: 0x84,
  /** 4.05 */
  MethodNotAllowed: 0x85,
  /** 4.06 */
  NotAcceptable: 0x86,
  /** 4.08, RFC 7959 */
  RequestEntityIncomplete: 0x88,
  /** 4.09, RFC 8132 */
  Conflict: 0x89,
  /** 4.12 */
  PreconditionFailed: 0x8c,
  /** 4.13 */
  RequestEntityTooLarge: 0x8d,
  /** 4.15 */
  UnsupportedContentFormat: 0x8f,
  /** 4.22, RFC 8132 */
  UnprocessableEntity: 0x96,
  /** 4.29, RFC 8516 */
  TooManyRequests: 0x9d,
  /** 5.00 */
  InternalServerError: 0xa0,
  /** 5.01 */
  NotImplemented: 0xa1,
  /** 5.02 */
  BadGateway: 0xa2,
  /** 5.03 */
  ServiceUnavailable: 0xa3,
  /** 5.04 */
  GatewayTimeout: 0xa4,
  /** 5.05 */
  ProxyingNotSupported: 0xa5,
  /** 5.08, RFC 8768 */
  HopLimitReached: 0xa8,
  /** 7.01, RFC 8323: reliable transports only, as all of class 7. */
  CSM: 0xe1,
  /** 7.02 */
  Ping: 0xe2,
  /** 7.03 */
  Pong: 0xe3,
  /** 7.04 */
  Release: 0xe4,
  /** 7.05 */
  Abort: 0xe5,
} as const;

/** One of the registered codes. A peer may send any number from 0 to 255. */
export type Code = (typeof Code)[keyof typeof Code];

/** "MethodNotAllowed" is the registry's "Method Not Allowed"; methods and CSM stay as they are. */
const NAMES: ReadonlyMap<number, string> = new Map(
  Object.entries(Code).map(([key, code]) => [code, key.replace(/([a-z])([A-Z])/g, "$1 $2")]),
)
  .set(Code.iPATCH, "iPATCH")
  .set(Code.UnsupportedContentFormat, "Unsupported Content-Format");

/** The code as the RFCs write it, such as `"2.05"`. */
export function codeText(code: number): string {
  const detail = code & 0x1f;
  return `${code >> 5}.${detail < 10 ? "0" : ""}${detail}`;
}

/** The registry's name of the code, such as `"Not Found"`, or undefined where it has none. */
export function codeName(code: number): string | undefined {
  return NAMES.get(code);
}

/**
 * The number of a code as the RFCs write it: `parseCode("2.05")` is 69.
 *
 * @throws {CoAPError} `invalid-code` unless it is a class from 0 to 7, a dot and two digits from 00 to 31
 */
export function parseCode(text: string): number {
  const match = /^([0-7])\.([0-2]\d|3[01])$/.exec(text);
  if (match === null) {
    throw new CoAPError("invalid-code", `Code must be 0.00 to 7.31: it is "${text}"`);
  }
  return Number(match[1]) << 5 | Number(match[2]);
}

/** The class, 0 to 7. */
export function codeClass(code: number): number {
  return code >> 5;
}

/** Whether the code is a method, 0.01 to 0.31, registered or not. */
export function isRequestCode(code: number): boolean {
  return code > 0 && code < 0x20;
}

/** Whether the code is of class 2, 4 or 5. Class 3 is reserved. */
export function isResponseCode(code: number): boolean {
  const kind = code >> 5;
  return kind === 2 || kind === 4 || kind === 5;
}

/** Whether the code is of class 2. */
export function isSuccess(code: number): boolean {
  return code >> 5 === 2;
}

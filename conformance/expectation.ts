/** What a message is to be like. @module */

import { type Datagram, toHex, type TypeName, valueOf } from "./datagram.ts";

/** What a message is to be like. What is not given is not looked at. */
export interface Expectation {
  /** The type; messages of reliable transports have none. */
  type?: TypeName | readonly TypeName[];
  /** A code or its beginning: `"4."` is any client error. */
  code?: string | readonly string[];
  /** The message ID; messages of reliable transports have none. */
  id?: number;
  /** The token. */
  token?: Uint8Array;
  /** Numbers of options that it has. */
  has?: readonly number[];
  /** Numbers of options that it has not. */
  hasNot?: readonly number[];
  /** The payload. */
  payload?: Uint8Array;
}

/** A message of any transport. */
type AnyMessage = Omit<Datagram, "type" | "id" | "bytes"> & Partial<Pick<Datagram, "type" | "id">>;

function isOneOf(value: string, wanted: string | readonly string[] | undefined): boolean {
  if (wanted === undefined) return true;
  return typeof wanted === "string"
    ? value.startsWith(wanted)
    : wanted.some((one) => value.startsWith(one));
}

/** Whether a message is as expected. */
export function matches(message: AnyMessage, expectation: Expectation): boolean {
  const { type, code, id, token, has = [], hasNot = [], payload } = expectation;
  return isOneOf(message.type ?? "", type) && isOneOf(message.code, code) &&
    (id === undefined || id === message.id) &&
    (token === undefined || toHex(token) === toHex(message.token)) &&
    has.every((number) => valueOf(message, number) !== undefined) &&
    hasNot.every((number) => valueOf(message, number) === undefined) &&
    (payload === undefined || toHex(payload) === toHex(message.payload));
}

/** An expectation in words. */
export function inWords(expectation: Expectation, anything = "a message"): string {
  const { type, code, id, token, has, hasNot, payload } = expectation;
  const words: string[] = [];
  const list = (value: string | readonly string[]): string =>
    typeof value === "string" ? value : value.join(" or ");
  if (type !== undefined) words.push(list(type));
  words.push(code === undefined ? anything : list(code).replaceAll(/\.(?= |$)/g, ".xx"));
  if (id !== undefined) words.push(`id ${id.toString(16).padStart(4, "0")}`);
  if (token !== undefined) words.push(`token ${toHex(token) || "none"}`);
  if (has !== undefined) words.push(`with option ${has.join(", ")}`);
  if (hasNot !== undefined) words.push(`without option ${hasNot.join(", ")}`);
  if (payload !== undefined) words.push(`payload ${toHex(payload.subarray(0, 48)) || "none"}`);
  return words.join(" ");
}

/** Options: making them, finding them, and which of them a receiver must refuse. @module */

import { CoAPError } from "../errors.ts";
import { allocate, EMPTY_BYTES, encodeText, toHex } from "./bytes.ts";
import {
  isCritical,
  type OptionDefinition,
  optionDefinition,
  optionName,
  OptionNumber,
} from "./option_table.ts";
import { readUint, valueLength, valueText, valueUint } from "./option_view.ts";

export {
  isCritical,
  isNoCacheKey,
  isUnsafe,
  type OptionDefinition,
  optionDefinition,
  type OptionFormat,
  optionName,
  OptionNumber,
  type OptionUse,
} from "./option_table.ts";

/** One option of a message. Do not write to `value`: it may share memory with the datagram it came in. */
export interface Option {
  /** The option number, 0 to 65535. */
  readonly number: number;
  /** The value, 0 to 65804 bytes. */
  readonly value: Uint8Array;
}

/** Critical options that have a definition but no implementation here: to be refused like unknown ones. */
const UNSUPPORTED: readonly number[] = [
  OptionNumber.OSCORE,
  OptionNumber.QBlock1,
  OptionNumber.QBlock2,
];

/**
 * The shortest bytes of an unsigned integer; none for 0 (RFC 7252 section 3.2).
 *
 * @throws {CoAPError} `invalid-option` unless it is an integer from 0 to 2^53 - 1
 */
export function encodeUint(value: number): Uint8Array {
  if (!Number.isSafeInteger(value) || value < 0) {
    throw new CoAPError(
      "invalid-option",
      `Unsigned integer must be 0 to 2^53 - 1: it is "${value}"`,
    );
  }
  let length = 0;
  for (let rest = value; rest > 0; rest = Math.floor(rest / 256)) length++;
  if (length === 0) return EMPTY_BYTES;
  const bytes = allocate(length);
  let rest = value;
  for (let i = length - 1; i >= 0; i--) {
    bytes[i] = rest % 256;
    rest = Math.floor(rest / 256);
  }
  return bytes;
}

/**
 * The unsigned integer in the bytes, most significant first; leading zeros are allowed. Exact up to 2^53 - 1,
 * which is more than any registered option can hold.
 */
export function decodeUint(bytes: Uint8Array): number {
  return readUint(bytes, 0, bytes.length);
}

/**
 * Makes an option, converting the value by the option's format. An option without a definition takes bytes,
 * a string as UTF-8 or a number as an unsigned integer. Bytes are not copied.
 *
 * @example A path segment and a media type
 * ```ts
 * import { ContentFormat, makeOption, OptionNumber } from "@x/coap/wire";
 *
 * const options = [
 *   makeOption(OptionNumber.UriPath, "sensors"),
 *   makeOption(OptionNumber.Accept, ContentFormat.CBOR),
 * ];
 * console.log(options.length); // 2
 * ```
 *
 * @throws {CoAPError} `invalid-option` where the number is outside 0 to 65535, or the value does not suit the
 * format or has a length that the option may not have
 */
export function makeOption(
  number: number,
  value: Uint8Array | string | number = EMPTY_BYTES,
): Option {
  if ((number & 0xffff) !== number) {
    throw new CoAPError("invalid-option", `Option number must be 0 to 65535: it is "${number}"`);
  }
  const definition = optionDefinition(number);
  const bytes = toBytes(number, value, definition);
  if (definition !== undefined && !fits(definition, bytes.length)) {
    throw lengthError(definition, bytes.length, value);
  }
  return { number, value: bytes };
}

function toBytes(
  number: number,
  value: Uint8Array | string | number,
  definition: OptionDefinition | undefined,
): Uint8Array {
  if (value instanceof Uint8Array) return value;
  const format = definition?.format;
  if (typeof value === "string" && format !== "uint") return encodeText(value);
  if (typeof value === "number" && (format === undefined || format === "uint")) {
    if (Number.isSafeInteger(value) && value >= 0) return encodeUint(value);
  }
  throw new CoAPError(
    "invalid-option",
    `${optionName(number)} must be ${WANTED[format ?? "any"]}: it is "${String(value)}"`,
  );
}

const WANTED = {
  any: "bytes, a string or an unsigned integer",
  empty: "empty",
  opaque: "bytes or a string",
  string: "a string or bytes",
  uint: "an unsigned integer or bytes",
} as const;

/** The error for a value of a length that the option may not have. */
export function lengthError(
  definition: OptionDefinition,
  length: number,
  value: Uint8Array | string | number,
): CoAPError {
  const { name, min, max } = definition;
  let shown = value instanceof Uint8Array ? toHex(value.subarray(0, 32)) : String(value);
  if (shown.length > 64) shown = `${shown.slice(0, 64)}…`;
  const range = min === max ? `${min}` : `${min} to ${max}`;
  return new CoAPError(
    "invalid-option",
    `${name} must have ${range} bytes: "${shown}" has ${length}`,
  );
}

function fits(definition: OptionDefinition, length: number): boolean {
  return length >= definition.min && length <= definition.max;
}

/** Whether the length is one that the option may have; any length for an option without a definition. */
function hasLegalLength(option: Option): boolean {
  const definition = optionDefinition(option.number);
  return definition === undefined || fits(definition, valueLength(option));
}

/**
 * The first option of that number. It is undefined as well where that option has an illegal length, since a
 * receiver ignores such an elective option (RFC 7252 section 5.4.3); of a doubled one only the first counts.
 */
export function findOption(options: readonly Option[], number: number): Option | undefined {
  for (let i = 0; i < options.length; i++) {
    const option = options[i]!;
    if (option.number === number) return hasLegalLength(option) ? option : undefined;
  }
  return undefined;
}

/** All options of that number in their order, without those of illegal length. */
export function findOptions(options: readonly Option[], number: number): Option[] {
  return options.filter((option) => option.number === number && hasLegalLength(option));
}

/** The value of the option that {@linkcode findOption} finds as an unsigned integer. */
export function uintOption(options: readonly Option[], number: number): number | undefined {
  const option = findOption(options, number);
  return option === undefined ? undefined : valueUint(option);
}

/**
 * The values of all options of that number as strings, without those of illegal length. U+FFFD stands for
 * bytes that are no UTF-8.
 */
export function stringOptions(options: readonly Option[], number: number): string[] {
  const values: string[] = [];
  for (let i = 0; i < options.length; i++) {
    const option = options[i]!;
    if (option.number === number && hasLegalLength(option)) values.push(valueText(option));
  }
  return values;
}

/**
 * The first option of a request that must be answered 4.02 (Bad Option), or undefined where there is none: a
 * critical option that is not known, has an illegal length, occurs too often or is not defined for requests
 * (RFC 7252 section 5.4).
 *
 * @param options in ascending order, as `decode` gives them
 * @param recognized critical options that the application handles though this library does not
 */
export function checkRequestOptions(
  options: readonly Option[],
  recognized?: ReadonlySet<number>,
): Option | undefined {
  return firstRefused(options, true, recognized);
}

/**
 * The first option for which a response must be rejected, or undefined where there is none. The counterpart of
 * {@linkcode checkRequestOptions}.
 */
export function checkResponseOptions(
  options: readonly Option[],
  recognized?: ReadonlySet<number>,
): Option | undefined {
  return firstRefused(options, false, recognized);
}

function firstRefused(
  options: readonly Option[],
  request: boolean,
  recognized: ReadonlySet<number> | undefined,
): Option | undefined {
  let previous = -1;
  for (let i = 0; i < options.length; i++) {
    const option = options[i]!;
    const number = option.number;
    if (isCritical(number)) {
      const definition = optionDefinition(number);
      const known = definition !== undefined && !UNSUPPORTED.includes(number);
      if (!known && !recognized?.has(number)) return option;
      if (definition !== undefined) {
        const use = request ? definition.request : definition.response;
        if (use === "never" || !fits(definition, valueLength(option))) return option;
        if (use === "once" && number === previous) return option;
      }
    }
    previous = number;
  }
  return undefined;
}

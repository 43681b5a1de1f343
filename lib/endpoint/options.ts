/** Options as callers give them. @module */

import { CoAPError } from "../errors.ts";
import { makeOption, type Option, optionDefinition, optionName } from "../wire/option.ts";

/**
 * An option: an object with number and value, or a pair of them. The value is converted by the option's format;
 * an option without a definition takes bytes, a string as UTF-8 or a number as an unsigned integer.
 */
export type OptionInput =
  | Option
  | readonly [number: number, value: Uint8Array | string | number];

function isPair(given: OptionInput): given is Exclude<OptionInput, Option> {
  return Array.isArray(given);
}

/**
 * Adds options to those the library has set. One that may stand in a message only once takes the place of the
 * library's.
 *
 * @throws {CoAPError} `invalid-option` where a value does not fit, an option is given twice that may stand only
 * once, or does not belong in such a message (RFC 7252 section 5.4)
 */
export function addOptions(
  options: Option[],
  given: Iterable<OptionInput>,
  use: "request" | "response",
): void {
  const once = new Set<number>();
  for (const item of given) {
    const option = isPair(item)
      ? makeOption(item[0], item[1])
      : makeOption(item.number, item.value);
    const { number } = option;
    switch (optionDefinition(number)?.[use]) {
      case "never":
        throw new CoAPError(
          "invalid-option",
          `Option "${optionName(number)}" does not belong in a ${use}`,
        );
      case "once": {
        if (once.has(number)) {
          throw new CoAPError("invalid-option", `Option "${optionName(number)}" is given twice`);
        }
        once.add(number);
        const index = options.findIndex((other) => other.number === number);
        if (index >= 0) options.splice(index, 1);
      }
    }
    options.push(option);
  }
}

/** Adds an option for each value, where there are any. */
export function addEach<T extends Uint8Array | string>(
  options: Option[],
  number: number,
  values: T | Iterable<T> | undefined,
): void {
  if (values === undefined) return;
  if (typeof values === "string" || values instanceof Uint8Array) {
    options.push(makeOption(number, values));
  } else for (const value of values) options.push(makeOption(number, value));
}

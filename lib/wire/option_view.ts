/** An option inside a datagram, and readers that need no view of its value. @module */

import { decodeText, view } from "./bytes.ts";
import type { Option } from "./option.ts";

/**
 * An option that still lies in its datagram. Most values are read as a number or a string, so that the view is
 * made only when it is asked for.
 *
 * The fields are no `#private` ones: deep comparison skips those, and two different options would seem equal.
 */
export class OptionView implements Option {
  readonly number: number;
  readonly source: Uint8Array;
  readonly start: number;
  readonly end: number;
  private bytes: Uint8Array | undefined;

  constructor(number: number, source: Uint8Array, start: number, end: number) {
    this.number = number;
    this.source = source;
    this.start = start;
    this.end = end;
    this.bytes = undefined;
  }

  get value(): Uint8Array {
    return this.bytes ??= view(this.source, this.start, this.end);
  }
}

// Printed as what it stands for, by console.log of all three runtimes.
Object.defineProperty(OptionView.prototype, Symbol.for("nodejs.util.inspect.custom"), {
  value(this: OptionView): Option {
    return { number: this.number, value: this.value };
  },
});

/** Length of the option's value, bytes. */
export function valueLength(option: Option): number {
  return option instanceof OptionView ? option.end - option.start : option.value.length;
}

/** The option's value as an unsigned integer. */
export function valueUint(option: Option): number {
  if (option instanceof OptionView) return readUint(option.source, option.start, option.end);
  return readUint(option.value, 0, option.value.length);
}

/** The option's value as a string. */
export function valueText(option: Option): string {
  if (option instanceof OptionView) return decodeText(option.source, option.start, option.end);
  return decodeText(option.value);
}

/** Whether all bytes of the option's value are ASCII. */
export function isAscii(option: Option): boolean {
  return option instanceof OptionView
    ? isAsciiBetween(option.source, option.start, option.end)
    : isAsciiBetween(option.value, 0, option.value.length);
}

function isAsciiBetween(bytes: Uint8Array, start: number, end: number): boolean {
  for (let i = start; i < end; i++) if (bytes[i]! > 0x7f) return false;
  return true;
}

/** The unsigned integer in network order from `start` to `end`. */
export function readUint(bytes: Uint8Array, start: number, end: number): number {
  let value = 0;
  for (let i = start; i < end; i++) value = value * 256 + bytes[i]!;
  return value;
}

/** Options as the component shows them: a number and a text. @module */

import { CoAPError } from "../errors.ts";
import { toHex } from "../wire/bytes.ts";
import {
  decodeUint,
  encodeUint,
  isCritical,
  isNoCacheKey,
  isUnsafe,
  makeOption,
  type Option,
  optionDefinition,
  type OptionFormat,
  optionName,
} from "../wire/option.ts";

/** How the text of an option's value is to be read. */
export const CoAPOptionValueTypes = {
  /** The text itself, as UTF-8. */
  ovtString: 0,
  /** An unsigned integer, 0 to 4294967295, in decimal digits. */
  ovtUInt: 1,
  /** Bytes, two hexadecimal digits each. */
  ovtBinary: 2,
} as const;

/** One of the value types. */
export type CoAPOptionValueTypes = (typeof CoAPOptionValueTypes)[keyof typeof CoAPOptionValueTypes];

const { ovtString, ovtUInt, ovtBinary } = CoAPOptionValueTypes;

const TYPE_OF: Record<OptionFormat, CoAPOptionValueTypes> = {
  empty: ovtBinary,
  opaque: ovtBinary,
  string: ovtString,
  uint: ovtUInt,
};

/** The greatest value of `ovtUInt`. */
const MAX_UINT = 0xffffffff;

/** No option has a longer one (RFC 7252 section 3.1). */
const MAX_LENGTH = 65_804;

const UTF8 = new TextEncoder();
const TEXT = new TextDecoder("utf-8", { ignoreBOM: true });
const STRICT_TEXT = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/**
 * A CoAP option (RFC 7252 section 5.4): a number, and a value as text whose form `valueType` tells.
 *
 * Number, value and type may be set in any order: whether they suit each other is seen when the option is sent, and
 * is error 701 then.
 *
 * @example Options of the three types
 * ```ts
 * import { CoAPOption, CoAPOptionValueTypes } from "@x/coap";
 *
 * const accept = new CoAPOption(17, "50"); // Accept is known: an unsigned integer
 * const match = new CoAPOption(1, "0a0b"); // If-Match is known: bytes
 * const own = new CoAPOption(65000, "7");
 * own.valueType = CoAPOptionValueTypes.ovtUInt;
 * console.log(accept.valueType, match.valueType, own.critical); // 1 2 false
 * ```
 */
export class CoAPOption {
  #number = 0;
  #value = "";
  #valueType: CoAPOptionValueTypes = ovtString;

  /**
   * Makes an option; without arguments number 0 with an empty value.
   *
   * @throws {RangeError} where the number is out of its range
   * @throws {TypeError} where the value is no string
   */
  constructor(number?: number, value?: string) {
    if (number !== undefined) this.number = number;
    if (value !== undefined) this.value = value;
  }

  /**
   * The option's number, 0 to 65535. Setting the number of an option that is known sets `valueType` as well.
   *
   * @default {0}
   * @throws {RangeError} when it is set to anything else
   */
  get number(): number {
    return this.#number;
  }
  set number(number: number) {
    if (!Number.isInteger(number) || number < 0 || number > 0xffff) {
      throw new RangeError(`Option number must be an integer from 0 to 65535: it is "${number}"`);
    }
    this.#number = number;
    const definition = optionDefinition(number);
    if (definition !== undefined) this.#valueType = TYPE_OF[definition.format];
  }

  /**
   * The option's value in the form that `valueType` tells.
   *
   * @default {""}
   * @throws {TypeError} when it is set to anything but a string
   */
  get value(): string {
    return this.#value;
  }
  set value(value: string) {
    if (typeof value !== "string") {
      throw new TypeError(`Option value must be a string: it is "${String(value)}"`);
    }
    this.#value = value;
  }

  /**
   * How the value is to be read. It need be set only for numbers that are not known.
   *
   * @default {CoAPOptionValueTypes.ovtString}
   * @throws {RangeError} when it is set to anything but 0, 1 or 2
   */
  get valueType(): CoAPOptionValueTypes {
    return this.#valueType;
  }
  set valueType(valueType: CoAPOptionValueTypes) {
    if (valueType !== ovtString && valueType !== ovtUInt && valueType !== ovtBinary) {
      throw new RangeError(`Option value type must be 0, 1 or 2: it is "${String(valueType)}"`);
    }
    this.#valueType = valueType;
  }

  /** Whether a receiver that does not know the option must answer 4.02 instead of ignoring it (RFC 7252 section 5.4.1). */
  get critical(): boolean {
    return isCritical(this.#number);
  }

  /** Whether a proxy that does not know the option must not forward it (RFC 7252 section 5.4.2). */
  get unsafe(): boolean {
    return isUnsafe(this.#number);
  }

  /** Whether the option is no part of the key under which responses are cached (RFC 7252 section 5.4.2). */
  get noCacheKey(): boolean {
    return isNoCacheKey(this.#number);
  }
}

/**
 * A list of options. It reads like an array.
 *
 * @example An option more for the next requests
 * ```ts
 * import { CoAP, CoAPOption } from "@x/coap";
 *
 * const coap = new CoAP();
 * coap.requestOptions.add(new CoAPOption(17, "50"));
 * console.log(coap.requestOptions.length, coap.requestOptions[0]?.value); // 1 50
 * ```
 */
export class CoAPOptionList extends Array<CoAPOption> {
  /** What `map` and the like make is a plain array. @ignore */
  static override get [Symbol.species](): ArrayConstructor {
    return Array;
  }

  /** Makes an empty list. */
  constructor() {
    super();
  }

  /**
   * Appends an option.
   *
   * @throws {TypeError} where it is no `CoAPOption`
   */
  add(option: CoAPOption): void {
    if (!(option instanceof CoAPOption)) throw notAnOption(option);
    this.push(option);
  }

  /** Removes an option, or the one at an index. Answers whether it was there. */
  remove(option: CoAPOption | number): boolean {
    const index = typeof option === "number" ? option : this.indexOf(option);
    if (!Number.isInteger(index) || index < 0 || index >= this.length) return false;
    this.splice(index, 1);
    return true;
  }

  /** Removes all options. */
  clear(): void {
    this.length = 0;
  }
}

/** Options of a message as the component shows them. */
export function fromWire(options: readonly Option[]): CoAPOptionList {
  const list = new CoAPOptionList();
  for (const { number, value } of options) {
    const option = new CoAPOption(number);
    if (optionDefinition(number) === undefined || !suits(option.valueType, value)) {
      option.valueType = ovtBinary; // the one form that holds any bytes
    }
    option.value = option.valueType === ovtString
      ? TEXT.decode(value)
      : option.valueType === ovtUInt
      ? String(decodeUint(value))
      : toHex(value);
    list.push(option);
  }
  return list;
}

function suits(type: CoAPOptionValueTypes, value: Uint8Array): boolean {
  if (type === ovtUInt) return value.length <= 4;
  if (type === ovtBinary) return true;
  try {
    STRICT_TEXT.decode(value);
    return true;
  } catch {
    return false;
  }
}

/**
 * Options of the component as they go into a message.
 *
 * @throws {TypeError} where something else is among them
 * @throws {CoAPError} `invalid-option` where a value does not fit its type or the option
 */
export function toWire(options: Iterable<CoAPOption>): Option[] {
  return Array.from(options, (option) => {
    if (!(option instanceof CoAPOption)) throw notAnOption(option);
    const bytes = toBytes(option);
    if (bytes.length > MAX_LENGTH) throw misfit(option, `at most ${MAX_LENGTH} bytes`);
    return makeOption(option.number, bytes);
  });
}

function notAnOption(value: unknown): TypeError {
  return new TypeError(`Only a CoAPOption is an option: it is "${String(value)}"`);
}

function misfit({ number, value }: CoAPOption, wanted: string): CoAPError {
  const shown = value.length > 64 ? `${value.slice(0, 64)}…` : value;
  return new CoAPError(
    "invalid-option",
    `${optionName(number)} must be ${wanted}: it is "${shown}"`,
  );
}

function toBytes(option: CoAPOption): Uint8Array {
  const { value, valueType } = option;
  if (valueType === ovtString) return UTF8.encode(value);
  if (valueType === ovtUInt) {
    if (!/^\d{1,10}$/.test(value) || Number(value) > MAX_UINT) {
      throw misfit(option, `an integer from 0 to ${MAX_UINT}`);
    }
    return encodeUint(Number(value));
  }
  if (!/^(?:[\da-f]{2})*$/i.test(value)) {
    throw misfit(option, "an even number of hexadecimal digits");
  }
  const bytes = new Uint8Array(value.length / 2);
  for (let i = 0; i < bytes.length; i++) bytes[i] = parseInt(value.slice(2 * i, 2 * i + 2), 16);
  return bytes;
}

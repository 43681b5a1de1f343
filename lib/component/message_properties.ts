/** The Request and the Response properties. @module */

import { CoAPError } from "../errors.ts";
import { CoAPResponse } from "../endpoint/response.ts";
import { Code, isResponseCode, parseCode } from "../wire/code.ts";
import type { Option } from "../wire/option.ts";
import { CoAPOptionList, fromWire, toWire } from "./option_list.ts";

const EMPTY = new Uint8Array(0);

/** A message as it came. */
interface Received {
  readonly options: readonly Option[];
  readonly payload: Uint8Array;
}

/** Content format, data, entity tag and options of a message. */
export class MessageProperties {
  /** The property group's name, for errors. */
  readonly #name: "request" | "response";
  #contentFormat = -1;
  #data: Uint8Array = EMPTY;
  #etag: Uint8Array = EMPTY;
  #options: CoAPOptionList | undefined = undefined;
  /** Options that came and that nobody has looked at yet. */
  #received: readonly Option[] = [];

  constructor(name: "request" | "response") {
    this.#name = name;
  }

  get contentFormat(): number {
    return this.#contentFormat;
  }
  set contentFormat(value: number | "") {
    const format = value === "" ? -1 : value;
    if (!Number.isInteger(format) || format < -1 || format > 0xffff) {
      throw new RangeError(
        `${this.#name}ContentFormat must be an integer from -1 to 65535: it is "${value}"`,
      );
    }
    this.#contentFormat = format;
  }

  get data(): Uint8Array {
    return this.#data;
  }
  set data(value: Uint8Array) {
    if (!(value instanceof Uint8Array)) {
      throw new TypeError(
        `${this.#name}Data must be a Uint8Array or a string: it is "${String(value)}"`,
      );
    }
    this.#data = value;
  }

  get etag(): Uint8Array {
    return this.#etag;
  }
  set etag(value: Uint8Array) {
    if (!(value instanceof Uint8Array)) {
      throw new TypeError(`${this.#name}ETag must be a Uint8Array: it is "${String(value)}"`);
    }
    if (value.length > 8) {
      throw new RangeError(`${this.#name}ETag must have 0 to 8 bytes: it has "${value.length}"`);
    }
    this.#etag = value;
  }

  get options(): CoAPOptionList {
    return this.#options ??= fromWire(this.#received);
  }
  set options(value: CoAPOptionList) {
    if (!(value instanceof CoAPOptionList)) {
      throw new TypeError(
        `${this.#name}Options must be a CoAPOptionList: it is "${String(value)}"`,
      );
    }
    this.#options = value;
  }

  /**
   * The options as they are sent.
   *
   * @throws {CoAPError} `invalid-option` where one does not fit
   */
  get wireOptions(): readonly Option[] {
    return this.#options === undefined ? this.#received : toWire(this.#options);
  }

  /** All to the defaults. */
  reset(): void {
    this.#contentFormat = -1;
    this.#data = this.#etag = EMPTY;
    this.#options = undefined;
    this.#received = [];
  }

  /** All to what a message says. */
  load(
    message: Received,
    contentFormat: number | undefined,
    etag: Uint8Array | undefined,
  ): void {
    this.#contentFormat = contentFormat ?? -1;
    this.#data = message.payload;
    this.#etag = etag ?? EMPTY;
    this.#options = undefined;
    this.#received = message.options;
  }
}

/** The Response properties: those and the code. */
export class ResponseProperties extends MessageProperties {
  #code = "";

  constructor() {
    super("response");
  }

  get code(): string {
    return this.#code;
  }
  set code(value: string) {
    if (value !== "" && parseCode(value) >> 5 < 2) {
      throw new CoAPError("invalid-code", `Response code must be 2.00 to 7.31: it is "${value}"`);
    }
    this.#code = value;
  }

  override reset(): void {
    super.reset();
    this.#code = "";
  }

  /** All to what a response says. */
  take(response: CoAPResponse): void {
    this.load(response, response.contentFormat, response.etag);
    this.#code = response.code === Code.Empty ? "" : response.codeText; // no response was asked for
  }

  /**
   * The response that they describe.
   *
   * @throws {CoAPError} `invalid-code` where the code is none of class 2, 4 or 5, `invalid-option` where an option does
   * not fit
   */
  toResponse(): CoAPResponse {
    const { contentFormat, data, etag, wireOptions } = this;
    const code = this.#code === "" ? 0 : parseCode(this.#code);
    if (!isResponseCode(code)) {
      const text = `Response code must be of class 2, 4 or 5: it is "${this.#code}"`;
      throw new CoAPError("invalid-code", text);
    }
    return new CoAPResponse(data, {
      code,
      contentFormat: contentFormat < 0 ? undefined : contentFormat,
      etag: etag.length === 0 ? undefined : etag,
      options: wireOptions,
    });
  }
}

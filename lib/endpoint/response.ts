/** Responses, as clients get them and as servers give them. @module */

import { CoAPError } from "../errors.ts";
import type { Flow } from "../flow.ts";
import { payloadText } from "../wire/bytes.ts";
import { Code, codeText, isResponseCode, isSuccess } from "../wire/code.ts";
import { ContentFormat } from "../wire/content_format.ts";
import {
  findOption,
  makeOption,
  type Option,
  OptionNumber,
  stringOptions,
  uintOption,
} from "../wire/option.ts";
import { locationReference, resolveUri } from "../wire/uri.ts";
import { addEach, addOptions, type OptionInput } from "./options.ts";

const EMPTY = new Uint8Array(0);
const UTF8 = new TextEncoder();

/** What a response holds besides its payload. */
export interface CoAPResponseInit {
  /**
   * The response code, class 2, 4 or 5.
   *
   * @default {Code.Content}
   */
  code?: number;
  /**
   * The payload's content format, 0 to 65535 (RFC 7252 section 5.10.3).
   *
   * @default `ContentFormat.Text` where the payload is a string and the code of class 2, else none. The payload of
   * an error without a format is a diagnostic message (RFC 7252 section 5.5.2).
   */
  contentFormat?: number;
  /** The representation's entity tag, 1 to 8 bytes (RFC 7252 section 5.10.6). */
  etag?: Uint8Array;
  /**
   * How long the response may be cached, seconds, 0 to 4,294,967,295 (RFC 7252 section 5.10.5). With 5.03 and 4.29:
   * when to try again.
   *
   * @default none, which means 60
   */
  maxAge?: number;
  /** Segments of the path of what was created (RFC 7252 section 5.10.7). */
  locationPath?: Iterable<string>;
  /** Arguments of the query of what was created. */
  locationQuery?: Iterable<string>;
  /** Further options. One that may stand only once takes the place of the one from the fields above. */
  options?: Iterable<OptionInput>;
}

/** A response without what belongs to its delivery alone. */
export interface Content {
  readonly code: number;
  readonly options: readonly Option[];
  readonly payload: Uint8Array;
}

/** What came from a peer is taken as it is. */
export class Received {
  readonly code: number;
  readonly options: readonly Option[];
  readonly peer: Flow;
  readonly uri: string;
  /** The payload where it is still under way. */
  readonly body: ReadableStream<Uint8Array> | undefined;

  constructor(content: Content, peer: Flow, uri: string, body?: ReadableStream<Uint8Array>) {
    this.code = content.code;
    this.options = content.options;
    this.peer = peer;
    this.uri = uri;
    this.body = body;
  }
}

/** A response out of a message that came from a peer, to a request for `uri`. */
export function received(
  content: Content,
  peer: Flow,
  uri: string,
  body?: ReadableStream<Uint8Array>,
): CoAPResponse {
  const init = new Received(content, peer, uri, body) as CoAPResponseInit;
  return new CoAPResponse(content.payload, init);
}

/** Numbers reserved for further Location options: where one of them stands, the others say half of it. */
const RESERVED_LOCATION = [128, 132, 136, 140];

/**
 * A response. A client gets it for a request, a server's handler returns it. It never changes, so that a handler
 * may return the same one again and again.
 *
 * @example Responses of a server
 * ```ts
 * import { CoAPResponse, Code, ContentFormat } from "@x/coap";
 *
 * const text = CoAPResponse.text("22.5", { maxAge: 10 });
 * const object = CoAPResponse.json({ celsius: 22.5 });
 * const created = new CoAPResponse(undefined, { code: Code.Created, locationPath: ["jobs", "7"] });
 * const error = CoAPResponse.error(Code.Forbidden, "Not on Sundays");
 * const bytes = new CoAPResponse(Uint8Array.of(1, 2), { contentFormat: ContentFormat.OctetStream });
 * console.log(text.codeText, object.json(), created.locationPath, error.text(), bytes.payload);
 * ```
 */
export class CoAPResponse {
  /**
   * The code as a number, `class << 5 | detail`, to compare with those of `Code`. 0 (Empty) stands for the response that
   * `noResponse` asked the server not to send.
   */
  readonly code: number;
  /** All options. Do not write to their values. */
  readonly options: readonly Option[];
  /** Whence the response came; undefined for one that was made here. */
  readonly peer: Flow | undefined;
  /**
   * The URI it is about, the base of references in it: the request's, in a response of a group's member with the
   * member's address (RFC 7252 section 8.2). Undefined for one that was made here.
   */
  readonly uri: string | undefined;
  readonly #payload: Uint8Array;
  /** The payload where it is still under way. */
  readonly #stream: ReadableStream<Uint8Array> | undefined;

  /**
   * Makes a response.
   *
   * @param payload bytes, which are not copied, or a string to be sent as UTF-8
   * @throws {CoAPError} `invalid-code` or `invalid-option` where a value is out of its range
   */
  constructor(payload: Uint8Array | string = EMPTY, init: CoAPResponseInit = {}) {
    const code = init.code ?? Code.Content;
    this.code = code;
    if (init instanceof Received) {
      // What a code defines no payload for is ignored (RFC 7252 section 5.5).
      this.#payload = code === Code.Valid ? EMPTY : payload as Uint8Array;
      this.options = init.options;
      this.peer = init.peer;
      this.uri = init.uri;
      this.#stream = init.body;
      return;
    }
    if (!Number.isInteger(code) || code > 0xff || !isResponseCode(code)) {
      throw new CoAPError(
        "invalid-code",
        `Response code must be of class 2, 4 or 5: it is "${code}"`,
      );
    }
    this.#payload = toBytes(payload);
    this.options = makeOptions(init, typeof payload === "string" && isSuccess(code));
    this.peer = undefined;
    this.uri = undefined;
    this.#stream = undefined;
  }

  /**
   * A response with a text, by default 2.05 with content format 0 (text/plain; charset=utf-8).
   *
   * @throws {CoAPError} as the constructor
   */
  static text(text: string, init?: CoAPResponseInit): CoAPResponse {
    return new CoAPResponse(UTF8.encode(text), {
      ...init,
      contentFormat: init?.contentFormat ?? ContentFormat.Text,
    });
  }

  /**
   * A response with a value as JSON, by default 2.05 with content format 50 (application/json).
   *
   * @throws {TypeError} where JSON has no form for the value
   * @throws {CoAPError} as the constructor
   */
  static json(value: unknown, init?: CoAPResponseInit): CoAPResponse {
    const text = JSON.stringify(value);
    if (text === undefined) throw new TypeError(`No JSON for the value "${String(value)}"`);
    return new CoAPResponse(UTF8.encode(text), {
      ...init,
      contentFormat: init?.contentFormat ?? ContentFormat.JSON,
    });
  }

  /**
   * A response of class 4 or 5 with a diagnostic message (RFC 7252 section 5.5.2).
   *
   * @throws {CoAPError} `invalid-code` where the code is of another class
   */
  static error(code: number, diagnostic?: string): CoAPResponse {
    if (isSuccess(code)) {
      throw new CoAPError("invalid-code", `Error code must be of class 4 or 5: it is "${code}"`);
    }
    return new CoAPResponse(diagnostic, { code });
  }

  /** The code as the RFCs write it, such as `"2.05"`. */
  get codeText(): string {
    return codeText(this.code);
  }

  /** Whether the code is of class 2. */
  get ok(): boolean {
    return isSuccess(this.code);
  }

  /**
   * The payload; empty where there is none.
   *
   * @throws {TypeError} where it was asked for with `stream` and is still under way: then it is in `body` alone
   */
  get payload(): Uint8Array {
    if (this.#stream === undefined) return this.#payload;
    throw new TypeError("Payload is streamed: it is to be read from the body");
  }

  /** The payload as UTF-8. */
  text(): string {
    return payloadText(this.payload);
  }

  /**
   * The payload as JSON.
   *
   * @throws {SyntaxError} where it is none
   */
  json(): unknown {
    return JSON.parse(this.text());
  }

  /**
   * The payload as a stream. Asked for with `stream` it fetches each block when it is read, and `cancel` ends the
   * transfer; of another response it is a new stream each time.
   */
  get body(): ReadableStream<Uint8Array> {
    if (this.#stream !== undefined) return this.#stream;
    const payload = this.#payload;
    return new ReadableStream({
      start(controller): void {
        if (payload.length > 0) controller.enqueue(payload);
        controller.close();
      },
    });
  }

  /** The payload's content format, or undefined: there is no default (RFC 7252 section 5.5.1). */
  get contentFormat(): number | undefined {
    return uintOption(this.options, OptionNumber.ContentFormat);
  }

  /** The entity tag, or undefined. */
  get etag(): Uint8Array | undefined {
    return findOption(this.options, OptionNumber.ETag)?.value;
  }

  /** How long the response may be cached, seconds: 60 where it does not say (RFC 7252 section 5.10.5). */
  get maxAge(): number {
    return uintOption(this.options, OptionNumber.MaxAge) ?? 60;
  }

  /**
   * When to try again, seconds, where the code is 5.03 or 4.29 (RFC 7252 section 5.9.3.4, RFC 8516 section 4); else
   * undefined.
   */
  get retryAfter(): number | undefined {
    const { code } = this;
    return code === Code.ServiceUnavailable || code === Code.TooManyRequests
      ? this.maxAge
      : undefined;
  }

  /**
   * Segments of the path of what was created, or undefined where neither it nor a query is given (RFC 7252 section
   * 5.10.7). Empty where only the query is.
   */
  get locationPath(): string[] | undefined {
    return this.#hasLocation() ? stringOptions(this.options, OptionNumber.LocationPath) : undefined;
  }

  /** Arguments of the query of what was created, or undefined where neither they nor a path are given. */
  get locationQuery(): string[] | undefined {
    return this.#hasLocation()
      ? stringOptions(this.options, OptionNumber.LocationQuery)
      : undefined;
  }

  /**
   * The URI of what was created, resolved against `uri`, or undefined where the response names none (RFC 7252 section
   * 5.10.7). In a response made here it is relative to the server.
   */
  get location(): string | undefined {
    const reference = this.#hasLocation() ? locationReference(this.options) : undefined;
    return reference === undefined || this.uri === undefined
      ? reference
      : resolveUri(this.uri, reference);
  }

  #hasLocation(): boolean {
    return this.options.some(({ number }) =>
      number === OptionNumber.LocationPath || number === OptionNumber.LocationQuery
    ) && !this.options.some(({ number }) => RESERVED_LOCATION.includes(number));
  }
}

/**
 * The bytes of a payload.
 *
 * @throws {TypeError} where it is something else than bytes or a string
 */
export function toBytes(payload: Uint8Array | string): Uint8Array {
  if (payload instanceof Uint8Array) return payload;
  if (typeof payload === "string") return UTF8.encode(payload);
  throw new TypeError(`Payload must be bytes or a string: it is "${String(payload)}"`);
}

function makeOptions(init: CoAPResponseInit, isText: boolean): Option[] {
  const options: Option[] = [];
  const contentFormat = init.contentFormat ?? (isText ? ContentFormat.Text : undefined);
  if (init.etag !== undefined) options.push(makeOption(OptionNumber.ETag, init.etag));
  addEach(options, OptionNumber.LocationPath, init.locationPath);
  if (contentFormat !== undefined) {
    options.push(makeOption(OptionNumber.ContentFormat, contentFormat));
  }
  if (init.maxAge !== undefined) options.push(makeOption(OptionNumber.MaxAge, init.maxAge));
  addEach(options, OptionNumber.LocationQuery, init.locationQuery);
  if (init.options !== undefined) addOptions(options, init.options, "response");
  return options;
}

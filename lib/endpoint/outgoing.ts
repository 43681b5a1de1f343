/** What a client sends, out of what its caller gives. @module */

import type { Outline } from "../engine/types.ts";
import { Code } from "../wire/code.ts";
import { ContentFormat } from "../wire/content_format.ts";
import { makeOption, type Option, OptionNumber } from "../wire/option.ts";
import type { UriParts } from "../wire/uri.ts";
import { methodName } from "./methods.ts";
import { addEach, addOptions, type OptionInput } from "./options.ts";
import { toBytes } from "./response.ts";

/** What a request may hold besides method and URI. */
export interface CoAPRequestInit {
  /**
   * The payload: bytes, which are not copied, or a string to be sent as UTF-8. GET and DELETE carry none (RFC 7252
   * section 5.5).
   */
  payload?: Uint8Array | string;
  /**
   * The payload's content format, 0 to 65535 (RFC 7252 section 5.10.3). FETCH needs one (RFC 8132 section 2.3.1).
   *
   * @default `ContentFormat.Text` where the payload is a string, else none
   */
  contentFormat?: number;
  /** The content format wanted, 0 to 65535 (RFC 7252 section 5.10.4). */
  accept?: number;
  /** Entity tags of representations at hand, 1 to 8 bytes each: 2.03 means that one of them still holds. */
  etag?: Uint8Array | Iterable<Uint8Array>;
  /** Only if the resource has one of these entity tags, 0 to 8 bytes each; an empty one: if it exists at all. */
  ifMatch?: Uint8Array | Iterable<Uint8Array>;
  /**
   * Only if the resource does not exist.
   *
   * @default {false}
   */
  ifNoneMatch?: boolean;
  /**
   * Whether the request is sent until it is acknowledged. Of one that is not, nobody learns that it was lost.
   *
   * @default {true}
   */
  confirmable?: boolean;
  /** Gives the request up: it rejects with the signal's reason. */
  signal?: AbortSignal;
  /**
   * How long to wait for the response, ms from the first transmission, above 0; `Infinity` waits for ever. A
   * Confirmable request that nobody acknowledges fails when retransmission gives up, 62 to 93 s by default.
   *
   * @default {93000} MAX_TRANSMIT_WAIT
   */
  timeout?: number;
  /**
   * Size of the blocks in which the payload is sent and the response asked for, bytes: a power of two from 16 to 1024
   * (RFC 7959).
   *
   * @default that of the client
   */
  blockSize?: number;
  /**
   * Fail with reason `message-ids` instead of waiting where all 65,536 message IDs towards the peer are in use.
   *
   * @default {false}
   */
  impatient?: boolean;
  /** Further options. One that may stand only once takes the place of the one from the fields above or the URI. */
  options?: Iterable<OptionInput>;
}

/**
 * The content of a request.
 *
 * @throws {TypeError} where the method and the payload do not suit each other
 * @throws {CoAPError} `invalid-option` where a value does not fit its option
 */
export function makeOutline(code: number, uri: UriParts, init: CoAPRequestInit): Outline {
  const { payload } = init;
  const contentFormat = init.contentFormat ??
    (typeof payload === "string" ? ContentFormat.Text : undefined);
  if (payload !== undefined && (code === Code.GET || code === Code.DELETE)) {
    throw new TypeError(`Method "${methodName(code)}" carries no payload`);
  }
  if (contentFormat === undefined && code === Code.FETCH) {
    throw new TypeError(`Method "FETCH" needs the content format of its payload`);
  }
  const options: Option[] = [...uri.options];
  addEach(options, OptionNumber.IfMatch, init.ifMatch);
  addEach(options, OptionNumber.ETag, init.etag);
  if (init.ifNoneMatch) options.push(makeOption(OptionNumber.IfNoneMatch));
  if (contentFormat !== undefined) {
    options.push(makeOption(OptionNumber.ContentFormat, contentFormat));
  }
  if (init.accept !== undefined) options.push(makeOption(OptionNumber.Accept, init.accept));
  if (init.options !== undefined) addOptions(options, init.options, "request");
  return { code, options, payload: payload === undefined ? undefined : toBytes(payload) };
}

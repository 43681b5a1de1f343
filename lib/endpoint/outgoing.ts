/** What a client sends, out of what its caller gives. @module */

import { CoAPError } from "../errors.ts";
import type { Flow } from "../flow.ts";
import type { Outline } from "../engine/types.ts";
import type { StreamScheme } from "../transport/stream.ts";
import { Code } from "../wire/code.ts";
import { ContentFormat } from "../wire/content_format.ts";
import { makeOption, type Option, OptionNumber } from "../wire/option.ts";
import { decomposeUri, type UriParts } from "../wire/uri.ts";
import type { CacheMode } from "./cache.ts";
import { methodName } from "./methods.ts";
import { addEach, addOptions, type OptionInput } from "./options.ts";
import { toBytes } from "./response.ts";
import type { ProxySettings } from "./via.ts";

/** Whether connections are made for a URI scheme (RFC 8323 section 8). */
export function isStream(scheme: UriParts["scheme"]): scheme is StreamScheme {
  return scheme.endsWith("+tcp") || scheme.endsWith("+ws");
}

/** How far a transfer in blocks has come. */
export interface TransferProgress {
  /** Whether it is the request's payload that goes, or the response's that comes. */
  readonly direction: "upload" | "download";
  /** Bytes that the peer has acknowledged, or that have come. */
  readonly bytes: number;
  /** Bytes in all, where that is known. */
  readonly total: number | undefined;
}

/** What a request may hold besides method and URI. */
export interface CoAPRequestInit {
  /**
   * The payload: bytes, which are not copied, a string to be sent as UTF-8, or a stream of bytes. GET and DELETE carry
   * none (RFC 7252 section 5.5).
   *
   * A stream may be of any length: it is read as the server takes its blocks (RFC 7959 section 2.5), canceled where the
   * request ends before it, and an error of it rejects the request.
   */
  payload?: Uint8Array | string | ReadableStream<Uint8Array>;
  /**
   * Resolve with the first block of the response's payload and leave the rest in its `body`, where each block is asked
   * for when somebody reads. There is no limit to its length. Read it or cancel it: until then the request is not over.
   *
   * @default {false}: `payload` is whole, and bounded by the limit `bodyBytes`
   */
  stream?: boolean;
  /** Hears how far transfers in blocks have come, after each block. The server is asked for the total (Size2). */
  onProgress?: (progress: TransferProgress) => void;
  /**
   * Responses that the server need not send, all of them or those of the classes named: 2 for 2.xx, 4 and 5 (RFC 7967).
   * Where none is wanted the promise resolves when the request is acknowledged, or sent where it is Non-confirmable;
   * otherwise, when no response comes until `timeout`. The response then has code 0 (Empty): it does not say that the
   * request succeeded. Between many such requests, at less than 3 s each, make one that is answered (section 3.2).
   *
   * @default {false}
   */
  noResponse?: boolean | Iterable<2 | 4 | 5>;
  /**
   * How the request uses the client's cache, where it has one: `"default"`, `"no-cache"` to have what is stored
   * validated, `"reload"` to store the response without a look at what is stored, `"no-store"` to do neither.
   *
   * @default {"default"}
   */
  cache?: CacheMode;
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
  /**
   * Hears the token and the peer when the request has been handed on to be sent. Each block of a body has a token of its
   * own: this is the first one's.
   */
  onSend?: (sent: { readonly token: Uint8Array; readonly peer: Flow }) => void;
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
  /**
   * The forward proxy to ask; false for none.
   *
   * @default that of the client
   */
  proxy?: string | URL | ProxySettings | false;
  /**
   * Further options. One that may stand only once takes the place of the one from the fields above or the URI.
   *
   * With a Block1 option the payload is sent as that one block, and with a Block2 option of a number above 0 the
   * response is that one block: access to any part of a large resource, see `CoAPClient.request`.
   */
  options?: Iterable<OptionInput>;
}

/**
 * Takes a URI apart.
 *
 * @throws {CoAPError} `invalid-uri`, or `unsupported-scheme` where there is no transport for it
 */
export function parseUri(uri: string | URL): UriParts {
  const parts = decomposeUri(uri);
  if (parts.scheme !== "coap" && !isStream(parts.scheme)) {
    throw new CoAPError("unsupported-scheme", `No transport for "${parts.scheme}" yet: "${uri}"`);
  }
  return parts;
}

/**
 * The content of a request, without the payload where that is a stream.
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
  const quiet = quietClasses(init.noResponse);
  if (quiet !== 0) options.push(makeOption(OptionNumber.NoResponse, quiet));
  if (init.options !== undefined) addOptions(options, init.options, "request");
  const bytes = payload === undefined || payload instanceof ReadableStream
    ? undefined
    : toBytes(payload);
  return { code, options, payload: bytes };
}

/** The value of No-Response: bit n - 1 for the class n (RFC 7967 section 2.1). */
function quietClasses(classes: CoAPRequestInit["noResponse"] = false): number {
  if (typeof classes === "boolean") return classes ? 0b11010 : 0;
  let bits = 0;
  for (const kind of classes) {
    if (kind !== 2 && kind !== 4 && kind !== 5) {
      throw new RangeError(`Class of responses must be 2, 4 or 5: it is "${kind}"`);
    }
    bits |= 1 << kind - 1;
  }
  return bits;
}

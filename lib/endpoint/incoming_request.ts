/** Requests as a server's handler gets them. @module */

import type { Address, Flow } from "../flow.ts";
import { EMPTY_BYTES, payloadText } from "../wire/bytes.ts";
import { Code } from "../wire/code.ts";
import { type Message, MessageType } from "../wire/message.ts";
import {
  findOptions,
  type Option,
  OptionNumber,
  stringOptions,
  uintOption,
} from "../wire/option.ts";
import { isAscii } from "../wire/option_view.ts";
import { composeUri } from "../wire/uri.ts";
import { methodName } from "./methods.ts";
import { CoAPResponse } from "./response.ts";

const STRICT_TEXT = new TextDecoder("utf-8", { fatal: true });
const NO_PARAMS = Object.freeze({});

/** Options that name a resource. */
const TARGET: ReadonlySet<number> = new Set([
  OptionNumber.UriHost,
  OptionNumber.UriPort,
  OptionNumber.UriPath,
  OptionNumber.UriQuery,
]);

/** Demands an Echo round trip: the server sends a value in its place. */
export const CHALLENGE: CoAPResponse = CoAPResponse.error(Code.Unauthorized);

/** Sets what a router has found: the parameters, and whether the resource can be observed. */
export let setRoute: (request: IncomingRequest, params: unknown, observable: boolean) => void;

/** Whether a router's resource can be observed; undefined where no router has seen the request. */
export let isObservable: (request: IncomingRequest) => boolean | undefined;

/** The GET that asks for the state that another request would change. */
export let stateRequest: (request: IncomingRequest) => IncomingRequest;

/** Aborts the signal of a request. */
export let abort: (request: IncomingRequest, reason: unknown) => void;

/**
 * A request that a peer sent. Everything beyond the bytes is worked out when asked for.
 *
 * `Params` are the values of the parameters in the pattern that a `Router` found.
 */
export class IncomingRequest<Params = unknown> {
  /** The method code, 1 to 31, to compare with those of `Code`. */
  readonly code: number;
  /** The payload; empty where there is none. */
  readonly payload: Uint8Array;
  /** All options, in ascending order. Do not write to their values. */
  readonly options: readonly Option[];
  /** Whether the request came in a Confirmable message, or over a reliable transport. */
  readonly confirmable: boolean;
  /** Whence the request came; `multicast` where it was sent to a group. */
  readonly peer: Flow;
  /** Values of the parameters in the pattern of the route, percent-free. Empty without a `Router`. */
  readonly params: Params = NO_PARAMS as Params;
  /**
   * Whether the sender has shown, by an Echo value of this server not older than `echoLifetime`, that it sent this
   * request a moment ago and is where it says (RFC 9175 section 2.3).
   */
  readonly fresh: boolean;
  readonly #message: Pick<Message, "token">;
  readonly #local: Address;
  #observable: boolean | undefined = undefined;
  #path: readonly string[] | undefined = undefined;
  #controller: AbortController | undefined = undefined;
  #aborted: { reason: unknown } | undefined = undefined;

  /** @ignore */
  constructor(
    message: Pick<Message, "type" | "code" | "token" | "options" | "payload">,
    peer: Flow,
    local: Address,
    fresh = false,
  ) {
    this.code = message.code;
    this.payload = message.payload;
    this.options = message.options;
    this.confirmable = message.type === MessageType.Confirmable;
    this.peer = peer;
    this.fresh = fresh;
    this.#message = message;
    this.#local = local;
  }

  static {
    setRoute = (request, params, observable) => {
      if (params !== undefined) (request as { params: unknown }).params = params;
      request.#observable = observable;
    };
    isObservable = (request) => request.#observable;
    stateRequest = (request) => {
      const { token, peer, fresh } = request;
      const type = request.confirmable ? MessageType.Confirmable : MessageType.NonConfirmable;
      const options = request.options.filter(({ number }) => TARGET.has(number));
      const message = { type, code: Code.GET, token, options, payload: EMPTY_BYTES };
      return new IncomingRequest(message, peer, request.#local, fresh);
    };
    abort = (request, reason) => {
      request.#aborted = { reason };
      request.#controller?.abort(reason);
    };
  }

  /** The token, 0 to 8 bytes. */
  get token(): Uint8Array {
    return this.#message.token;
  }

  /** The method's name: `"GET"`, `"POST"`, `"PUT"`, `"DELETE"`, `"FETCH"`, `"PATCH"`, `"iPATCH"`, or `"0.31"` and the like. */
  get method(): string {
    return methodName(this.code);
  }

  /**
   * The path's segments, free of percent-encoding: `["a", "b/c"]` for `/a/b%2Fc`, `["a", ""]` for `/a/`, none for
   * `/`.
   */
  get path(): readonly string[] {
    return this.#path ??= stringOptions(this.options, OptionNumber.UriPath);
  }

  /** The path as it stands in a URI: it begins with `/` and is percent-encoded where necessary. */
  get pathname(): string {
    return composePath(this.path);
  }

  /** The query's arguments, free of percent-encoding, such as `["unit=C", "verbose"]`. */
  get query(): string[] {
    return stringOptions(this.options, OptionNumber.UriQuery);
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

  /** The payload's content format, or undefined: there is no default (RFC 7252 section 5.5.1). */
  get contentFormat(): number | undefined {
    return uintOption(this.options, OptionNumber.ContentFormat);
  }

  /** The content format that the client accepts, or undefined where it does not say (RFC 7252 section 5.10.4). */
  get accept(): number | undefined {
    return uintOption(this.options, OptionNumber.Accept);
  }

  /** Entity tags of the representations that the client holds (RFC 7252 section 5.10.6.2). */
  get etags(): Uint8Array[] {
    return findOptions(this.options, OptionNumber.ETag).map(({ value }) => value);
  }

  /**
   * Entity tags of which the resource must have one, else 4.12; an empty one is fulfilled where the resource exists
   * (RFC 7252 section 5.10.8.1). No condition where there are none.
   */
  get ifMatch(): Uint8Array[] {
    return findOptions(this.options, OptionNumber.IfMatch).map(({ value }) => value);
  }

  /** Whether the request is meant only for a resource that does not exist, else 4.12 (RFC 7252 section 5.10.8.2). */
  get ifNoneMatch(): boolean {
    return this.options.some(({ number }) => number === OptionNumber.IfNoneMatch);
  }

  /** The Observe option: 0 asks to register, 1 to deregister (RFC 7641 section 2); undefined where there is none. */
  get observe(): number | undefined {
    return uintOption(this.options, OptionNumber.Observe);
  }

  /**
   * The URI of the request (RFC 7252 section 6.5); the address the server is bound to stands for the host where the
   * request does not name one.
   *
   * @throws {CoAPError} `invalid-uri` where the host that the peer sent is none
   */
  get uri(): string {
    const { scheme = "coap", hostname, local, localPort = this.#local.port } = this.peer;
    return composeUri({
      scheme,
      host: hostname ?? local ?? this.#local.address,
      port: localPort,
      options: this.options,
    });
  }

  /**
   * The response that makes a client show that it is there and that its request is no old one: 4.01 with an Echo value,
   * with which the client sends the request again; then it is `fresh` (RFC 9175 section 2.3).
   *
   * @example A door that no recorded message opens
   * ```ts
   * import { CoAPClient, CoAPResponse, Code, serve } from "@x/coap";
   *
   * const opened = new CoAPResponse(undefined, { code: Code.Changed });
   * const server = await serve(
   *   { hostname: "127.0.0.1", port: 0 },
   *   (request) => request.fresh ? opened : request.challenge(),
   * );
   * const client = new CoAPClient();
   *
   * // The client sends it twice, the second time with the value.
   * const response = await client.post(`coap://127.0.0.1:${server.address.port}/door`);
   * console.log(response.codeText); // 2.04
   * await client.close();
   * await server.close();
   * ```
   */
  challenge(): CoAPResponse {
    return CHALLENGE;
  }

  /**
   * Aborted when nobody waits for the response any more: the server was closed. To be handed to what the handler
   * awaits.
   */
  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.#aborted !== undefined) this.#controller.abort(this.#aborted.reason);
    }
    return this.#controller.signal;
  }
}

/** A path as it stands in a URI. */
export function composePath(segments: readonly string[]): string {
  return `/${segments.map(encodeSegment).join("/")}`;
}

function encodeSegment(segment: string): string {
  // What RFC 3986 lets stand in a segment, encodeURIComponent encodes in part; a lone surrogate it throws at.
  return encodeURIComponent(segment.toWellFormed()).replace(
    /%(?:2[46BC]|3[ABD]|40)/g,
    decodeURIComponent,
  );
}

/** Whether all segments of a path are UTF-8. */
export function hasTextPath(request: IncomingRequest): boolean {
  for (const option of request.options) {
    if (option.number === OptionNumber.UriPath && !isAscii(option)) {
      return isTextPath(request.options);
    }
  }
  return true;
}

function isTextPath(options: readonly Option[]): boolean {
  try {
    for (const { value } of findOptions(options, OptionNumber.UriPath)) STRICT_TEXT.decode(value);
    return true;
  } catch {
    return false;
  }
}

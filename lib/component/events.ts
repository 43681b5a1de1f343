/** The component's events. @module */

import type { CoAPNotification } from "../endpoint/notification.ts";
import type { IncomingRequest } from "../endpoint/incoming_request.ts";
import type { CoAPResponse } from "../endpoint/response.ts";
import { toHex } from "../wire/bytes.ts";
import type { CoAPRequest } from "./request_map.ts";
import type { RequestTarget } from "./request_target.ts";

/** The events by name. */
export interface CoAPEventMap {
  /** Something exceptional happened. */
  Error: CoAPErrorEvent;
  /** A line for a log. */
  Log: CoAPLogEvent;
  /** Client: the state of an observed resource came. */
  Notification: CoAPNotificationEvent;
  /** Server: a client wants to observe a resource. */
  Register: CoAPRegisterEvent;
  /** Server: a request came. */
  Request: CoAPRequestEvent;
  /** Client: a request is over, with a response or without. */
  RequestComplete: CoAPRequestCompleteEvent;
  /** Server: a response or a notification was sent, or could not be. */
  ResponseComplete: CoAPResponseCompleteEvent;
  /** Server: a client does not observe a resource any more. */
  Unregistered: CoAPUnregisteredEvent;
}

/** The name of an event. */
export type CoAPEventName = keyof CoAPEventMap;

/**
 * Hears an event. What it throws, and what the promise that it returns rejects with, becomes an `Error` event.
 *
 * The promise is awaited for `Register` and `Request`: the next of these is delivered when it has settled.
 */
export type CoAPListener<Name extends CoAPEventName> = (event: CoAPEventMap[Name]) => unknown;

/** A listener as `addEventListener` takes it: a function, or an object with `handleEvent`. */
export type CoAPEventListener<Name extends CoAPEventName> =
  | CoAPListener<Name>
  | { handleEvent: CoAPListener<Name> };

/**
 * Something exceptional happened in the processing of messages: the event `Error`.
 *
 * @example What goes wrong
 * ```ts
 * import { CoAP } from "@x/coap";
 *
 * const coap = new CoAP();
 * coap.on("Error", (e) => console.error(e.errorCode, e.description));
 * ```
 */
export class CoAPErrorEvent extends Event {
  /** The number, 700 to 712, or 0 where there is none: then `description` says what it was. */
  readonly errorCode: number;
  /** The error in words. */
  readonly description: string;
  /** The error itself. */
  readonly error: unknown;

  /** @ignore Made by the component alone. */
  constructor(errorCode: number, description: string, error: unknown) {
    super("Error");
    this.errorCode = errorCode;
    this.description = description;
    this.error = error;
  }
}

/**
 * A line for a log: the event `Log`. How many there are the setting `LogLevel` tells.
 *
 * @example All that it says
 * ```ts
 * import { CoAP } from "@x/coap";
 *
 * const coap = new CoAP();
 * await coap.config("LogLevel=3");
 * coap.on("Log", (e) => console.log(e.logLevel, e.message));
 * ```
 */
export class CoAPLogEvent extends Event {
  /** Of which level the line is: 1 informational, 2 verbose, 3 for debugging. */
  readonly logLevel: number;
  /** The line. */
  readonly message: string;

  /** @ignore Made by the component alone. */
  constructor(logLevel: number, message: string) {
    super("Log");
    this.logLevel = logLevel;
    this.message = message;
  }
}

/**
 * The state of an observed resource came: the event `Notification`. The Response properties hold it.
 *
 * @example Until it is over 70 degrees
 * ```ts
 * import { CoAP } from "@x/coap";
 *
 * const coap = new CoAP();
 * coap.on("Notification", (e) => {
 *   const degrees = Number(e.response.text());
 *   if (e.isLatest) console.log(e.URI, degrees);
 *   e.stopObserving = degrees > 70;
 * });
 * ```
 */
export class CoAPNotificationEvent extends Event {
  /** The URI, as it was given to `startObserving`. */
  readonly URI: string;
  /** Whether nothing newer came before it (RFC 7641 section 3.4). */
  readonly isLatest: boolean;
  /** The state itself. It stays valid. */
  readonly response: CoAPNotification;
  #stopObserving: boolean;
  readonly #over: boolean;

  /** @ignore Made by the component alone. */
  constructor(URI: string, response: CoAPNotification) {
    super("Notification");
    this.URI = URI;
    this.isLatest = response.isLatest;
    this.response = response;
    this.#over = !response.observed;
    this.#stopObserving = this.#over;
  }

  /**
   * Set it to true to end the observation; it is read when the listeners have returned. True, whatever it is set to,
   * where the server has ended the observation, with a response code outside 2.xx.
   *
   * @default {false}
   */
  get stopObserving(): boolean {
    return this.#stopObserving;
  }
  set stopObserving(stop: boolean) {
    this.#stopObserving = this.#over || Boolean(stop);
  }
}

/** What events of a server about a resource have in common. */
export abstract class CoAPResourceEvent extends Event {
  /** The client's address. */
  readonly remoteHost: string;
  /** The client's port, 1 to 65535. */
  readonly remotePort: number;
  /** The host in the URI: what the request names, or else the address that the component is bound to. */
  readonly URIHost: string;
  /** The port in the URI. */
  readonly URIPort: number;
  /** The path in the URI. It begins with "/" and is percent-encoded where necessary. */
  readonly URIPath: string;
  /** The query in the URI without "?", percent-encoded where necessary; empty where there is none. */
  readonly URIQuery: string;
  /** The request itself. It stays valid. */
  readonly request: IncomingRequest;

  /** @ignore Made by the component alone. */
  constructor(name: CoAPEventName, request: IncomingRequest, target: RequestTarget) {
    super(name);
    this.remoteHost = request.peer.address;
    this.remotePort = request.peer.port;
    this.URIHost = target.host;
    this.URIPort = target.port;
    this.URIPath = target.path;
    this.URIQuery = target.query;
    this.request = request;
  }
}

/**
 * A client wants to observe a resource: the event `Register`. The Request properties hold its request; what the Response
 * properties hold when the listeners have ended is the answer, accepted or not. With an empty `responseCode` the event
 * `Request` follows.
 *
 * @example Whom it lets observe
 * ```ts
 * import { CoAP } from "@x/coap";
 *
 * const coap = new CoAP();
 * coap.on("Register", (e) => {
 *   e.accept = e.URIPath.startsWith("/sensors/");
 *   coap.responseCode = e.accept ? "2.05" : "4.03";
 * });
 * ```
 */
export class CoAPRegisterEvent extends CoAPResourceEvent {
  /** The URI of the resource, to be given to `sendNotification` as it is. */
  readonly URI: string;
  /** The request's token in lower-case hexadecimal digits. */
  readonly token: string;
  /** The request's token, 0 to 8 bytes. */
  readonly tokenB: Uint8Array;
  /**
   * Set it to true to make the client an observer of the resource.
   *
   * @default {false}
   */
  accept = false;

  /** @ignore Made by the component alone. */
  constructor(request: IncomingRequest, target: RequestTarget) {
    super("Register", request, target);
    this.URI = target.uri;
    this.token = toHex(request.token);
    this.tokenB = request.token;
  }
}

/**
 * A request came: the event `Request`. The Request properties hold it; what the Response properties hold when the
 * listeners have ended is the answer, 4.04 where `responseCode` is empty.
 *
 * @example By method and path
 * ```ts
 * import { CoAP } from "@x/coap";
 *
 * const coap = new CoAP();
 * coap.on("Request", (e) => {
 *   if (e.method !== 1) coap.responseCode = "4.05";
 *   else if (e.URIPath === "/slow") e.sendResponse = false; // e.requestId is for sendResponse
 *   else {
 *     coap.responseCode = "2.05";
 *     coap.responseData = `${e.URIPath} with ${e.URIQuery || "no query"}`;
 *   }
 * });
 * ```
 */
export class CoAPRequestEvent extends CoAPResourceEvent {
  /** The method code, 1 to 31: 1 GET, 2 POST, 3 PUT, 4 DELETE, 5 FETCH, 6 PATCH, 7 iPATCH. */
  readonly method: number;
  /** The request's token in lower-case hexadecimal digits. */
  readonly token: string;
  /** The request's token, 0 to 8 bytes. */
  readonly tokenB: Uint8Array;
  /** The name of the request for `sendResponse` and `cancelRequest`. */
  readonly requestId: string;
  /**
   * Set it to false to answer later by `sendResponse`.
   *
   * @default {true}
   */
  sendResponse = true;

  /** @ignore Made by the component alone. */
  constructor(request: IncomingRequest, target: RequestTarget, requestId: string) {
    super("Request", request, target);
    this.method = request.code;
    this.token = toHex(request.token);
    this.tokenB = request.token;
    this.requestId = requestId;
  }
}

/**
 * A request is over: the event `RequestComplete`. The Response properties hold the response where one came.
 *
 * @example Each outcome
 * ```ts
 * import { CoAP } from "@x/coap";
 *
 * const coap = new CoAP();
 * coap.on("RequestComplete", (e) => {
 *   if (e.errorCode === 0 && e.response !== undefined) console.log(e.URI, coap.responseCode);
 *   else console.error(e.requestId, e.errorCode, e.errorDescription);
 * });
 * ```
 */
export class CoAPRequestCompleteEvent extends Event {
  /** The method code, 1 to 31. */
  readonly method: number;
  /** The URI, as it was given. */
  readonly URI: string;
  /** The name of the request. */
  readonly requestId: string;
  /** 0 with a response of class 2, 709 with another, else the number of what went wrong; see `errorDescription`. */
  readonly errorCode: number;
  /** What went wrong, with 709 the response code such as "4.04 Not Found"; empty where nothing did. */
  readonly errorDescription: string;
  /** The request. It stays valid. */
  readonly request: CoAPRequest;
  /** The response, undefined where none came. It stays valid. */
  readonly response: CoAPResponse | undefined;

  /** @ignore Made by the component alone. */
  constructor(
    request: CoAPRequest,
    response: CoAPResponse | undefined,
    errorCode: number,
    errorDescription: string,
  ) {
    super("RequestComplete");
    this.method = request.method;
    this.URI = request.URI;
    this.requestId = request.requestId;
    this.errorCode = errorCode;
    this.errorDescription = errorDescription;
    this.request = request;
    this.response = response;
  }
}

/**
 * A response or notification was sent: the event `ResponseComplete`.
 *
 * @example Has it arrived?
 * ```ts
 * import { CoAP } from "@x/coap";
 *
 * const coap = new CoAP();
 * coap.on("ResponseComplete", (e) => {
 *   console.log(e.requestId, e.errorCode === 0 ? "answered" : e.errorDescription);
 * });
 * ```
 */
export class CoAPResponseCompleteEvent extends Event {
  /** The name of the request that was answered; for a notification of the one that registered its observer. */
  readonly requestId: string;
  /**
   * 0 where it was sent and, if it had to be, acknowledged; 704 where no acknowledgement came, 708 where a Reset did, 711
   * where it was canceled.
   */
  readonly errorCode: number;
  /** What went wrong; empty where nothing did. */
  readonly errorDescription: string;
  /** The request that was answered, or that registered. It stays valid. */
  readonly request: IncomingRequest;
  /**
   * The response or notification that was sent; undefined where none was. It stays valid.
   *
   * An observer that can not be sent another content format than its first response had gets 4.06 instead.
   */
  readonly response: CoAPResponse | undefined;

  /** @ignore Made by the component alone. */
  constructor(
    requestId: string,
    request: IncomingRequest,
    response: CoAPResponse | undefined,
    errorCode: number,
    errorDescription: string,
  ) {
    super("ResponseComplete");
    this.requestId = requestId;
    this.errorCode = errorCode;
    this.errorDescription = errorDescription;
    this.request = request;
    this.response = response;
  }
}

/**
 * A client does not observe a resource any more, however that came: the event `Unregistered`. It also fires for a client
 * that was accepted where there are too many observers already.
 *
 * @example How many observe
 * ```ts
 * import { CoAP } from "@x/coap";
 *
 * const coap = new CoAP();
 * const observers = new Set<string>();
 * coap.on("Register", (e) => {
 *   e.accept = true;
 *   observers.add(`${e.remoteHost} ${e.remotePort} ${e.URI}`); // it may register again
 * });
 * coap.on("Unregistered", (e) => {
 *   observers.delete(`${e.remoteHost} ${e.remotePort} ${e.URI}`);
 *   console.log(observers.size);
 * });
 * ```
 */
export class CoAPUnregisteredEvent extends CoAPResourceEvent {
  /** The URI of the resource, as in the event `Register`. */
  readonly URI: string;

  /** @ignore Made by the component alone. */
  constructor(request: IncomingRequest, target: RequestTarget) {
    super("Unregistered", request, target);
    this.URI = target.uri;
  }
}

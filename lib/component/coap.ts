/** The component: one object that is client and server, with properties, methods and events. @module */

import { CoAPError } from "../errors.ts";
import { Code } from "../wire/code.ts";
import { ClientMode } from "./client_mode.ts";
import { type CoAPOptions, Core } from "./core.ts";
import type { CoAPEventListener, CoAPEventName, CoAPListener } from "./events.ts";
import type { Listener } from "./listeners.ts";
import type { CoAPOptionList } from "./option_list.ts";
import type { CoAPRequestMap } from "./request_map.ts";
import { ServerMode, unknownRequest } from "./server_mode.ts";

export type { CoAPOptions } from "./core.ts";

/**
 * A CoAP client and server as one component with properties, methods and events.
 *
 * As a client it sends requests (`get`, `post`, `put`, `delete`, `sendCustomRequest`) made of the Request properties, and
 * fires `RequestComplete` when the Response properties hold the response; it observes resources (`startObserving`) and
 * fires `Notification` for each state. After `startListening` it is a server until `shutdown`: it fires `Request` for
 * each request, and answers with what its listeners have put into the Response properties; it fires `Register` for
 * clients that want to observe, and tells them of changes by `sendNotification`.
 *
 * Every property has two forms with one state: an accessor (`coap.localPort`) and a pair of methods (`getLocalPort()`,
 * `setLocalPort(5683)`). A value out of range throws at once and leaves the old one. With nothing pending, nothing
 * observed and not listening it lets the process end.
 *
 * @example Client: a request
 * ```ts
 * import { CoAP, CoAPResponse, serve } from "@x/coap";
 *
 * const server = await serve({ hostname: "127.0.0.1", port: 0 }, () => CoAPResponse.text("22.5"));
 *
 * const coap = new CoAP();
 * coap.on("RequestComplete", (e) => console.log(e.requestId, e.errorCode, coap.responseCode)); // 1 0 2.05
 * await coap.get(`coap://127.0.0.1:${server.address.port}/temperature`);
 * console.log(new TextDecoder().decode(coap.responseData)); // 22.5
 *
 * await coap.shutdown();
 * await server.close();
 * ```
 *
 * @example Server: requests
 * ```ts
 * import { CoAP } from "@x/coap";
 *
 * const coap = new CoAP();
 * coap.on("Request", (e) => {
 *   if (e.method === 1) {
 *     coap.responseCode = "2.05";
 *     coap.responseData = `You asked for ${e.URIPath}`;
 *   } else coap.responseCode = "4.05";
 * });
 * coap.localPort = 0; // 5683 for everybody to find it
 * await coap.startListening();
 * console.log(coap.localPort > 0, coap.listening); // true true
 * await coap.shutdown();
 * ```
 */
export class CoAP extends EventTarget implements AsyncDisposable {
  readonly #core: Core;
  readonly #client: ClientMode;
  readonly #server: ServerMode;

  /**
   * Makes a component; in ordinary use without arguments.
   *
   * @throws {RangeError} where an option is out of its range
   */
  constructor(options: CoAPOptions = {}) {
    super();
    this.#core = new Core(options, {
      socket: () => this.#server.socket ?? this.#client.socket,
      isOpen: () => this.#server.isOpen || this.#client.isOpen,
      ownTransport: options.transport !== undefined,
    }, (event) => super.dispatchEvent(event));
    this.#client = new ClientMode(this.#core);
    this.#server = new ServerMode(this.#core);
  }

  // -------------------------------------------------------------- properties: the socket

  /**
   * Whether it takes requests of clients: from `startListening` to `stopListening`. Read-only.
   *
   * @default {false}
   *
   * @example Before and after
   * ```ts
   * import { CoAP } from "@x/coap";
   *
   * await using coap = new CoAP();
   * coap.localHost = "127.0.0.1";
   * console.log(coap.listening); // false
   * await coap.startListening();
   * console.log(coap.listening, coap.isListening()); // true true
   * ```
   */
  get listening(): boolean {
    return this.#server.listening;
  }
  /** The same as {@linkcode CoAP.listening}. */
  isListening(): boolean {
    return this.listening;
  }

  /**
   * The local interface, an address or a name of this host; empty lets the system choose. While a socket is open it
   * reads as the address that is bound.
   *
   * @default {""}
   * @throws {CoAPError} 712 when it is set while a socket is open
   *
   * @example One interface
   * ```ts
   * import { CoAP } from "@x/coap";
   *
   * await using coap = new CoAP();
   * coap.localHost = "localhost";
   * await coap.startListening();
   * console.log(coap.localHost); // 127.0.0.1
   * ```
   */
  get localHost(): string {
    return this.#core.settings.config("LocalHost");
  }
  set localHost(host: string) {
    this.#core.settings.setLocalHost(host);
  }
  /** The same as {@linkcode CoAP.localHost}. */
  getLocalHost(): string {
    return this.localHost;
  }
  /** The same as setting {@linkcode CoAP.localHost}. */
  setLocalHost(host: string): void {
    this.localHost = host;
  }

  /**
   * The local UDP port, 0 to 65535; servers are looked for at 5683. 0 lets the system choose, and while a socket is open
   * the property reads as the port chosen.
   *
   * @default {0}
   * @throws {RangeError} when it is set to anything else
   * @throws {CoAPError} 712 when it is set while a socket is open
   *
   * @example A port that the system chooses
   * ```ts
   * import { CoAP } from "@x/coap";
   *
   * await using coap = new CoAP();
   * coap.localHost = "127.0.0.1";
   * await coap.startListening();
   * console.log(coap.localPort > 0); // true
   * ```
   */
  get localPort(): number {
    return Number(this.#core.settings.config("LocalPort"));
  }
  set localPort(port: number) {
    this.#core.settings.setLocalPort(port);
  }
  /** The same as {@linkcode CoAP.localPort}. */
  getLocalPort(): number {
    return this.localPort;
  }
  /** The same as setting {@linkcode CoAP.localPort}. */
  setLocalPort(port: number): void {
    this.localPort = port;
  }

  /**
   * The pending requests by their ids: as a client those sent and not answered, as a server those received and not
   * answered. Read-only, and always up to date.
   *
   * @default an empty map
   *
   * @example Who waits
   * ```ts
   * import { CoAP } from "@x/coap";
   *
   * const coap = new CoAP();
   * for (const [id, request] of coap.pendingRequests) console.log(id, request.method, request.URI);
   * ```
   */
  get pendingRequests(): CoAPRequestMap {
    return this.#core.pending;
  }
  /** The same as {@linkcode CoAP.pendingRequests}. */
  getPendingRequests(): CoAPRequestMap {
    return this.pendingRequests;
  }

  // -------------------------------------------------------------- properties: the request

  /**
   * The content format of `requestData`, 0 to 65535 as registered with IANA, -1 (or "" when it is set) for none. Client:
   * sent with `post`, `put` and `sendCustomRequest`. Server: that of the request at hand.
   *
   * @default {-1}
   * @throws {RangeError} when it is set to anything else
   *
   * @example None, JSON, none
   * ```ts
   * import { CoAP } from "@x/coap";
   *
   * const coap = new CoAP();
   * console.log(coap.requestContentFormat); // -1
   * coap.requestContentFormat = 50; // application/json
   * coap.requestContentFormat = ""; // -1 again
   * ```
   */
  get requestContentFormat(): number {
    return this.#core.request.contentFormat;
  }
  set requestContentFormat(format: number | "") {
    this.#core.request.contentFormat = format;
  }
  /** The same as {@linkcode CoAP.requestContentFormat}. */
  getRequestContentFormat(): number {
    return this.requestContentFormat;
  }
  /** The same as setting {@linkcode CoAP.requestContentFormat}. */
  setRequestContentFormat(format: number | ""): void {
    this.requestContentFormat = format;
  }

  /**
   * The payload. Client: sent with `post`, `put` and `sendCustomRequest` (other than GET and DELETE), of any length, and
   * not copied. Server: that of the request at hand. A string is set as bytes by the setting `CodePage`.
   *
   * @default an empty array
   * @throws {RangeError} when it is set to a string that the code page can not hold
   *
   * @example Text and bytes
   * ```ts
   * import { CoAP } from "@x/coap";
   *
   * const coap = new CoAP();
   * coap.requestData = "22.5";
   * coap.requestContentFormat = 0; // text/plain; charset=utf-8
   * console.log(coap.requestData.length); // 4
   * coap.requestData = Uint8Array.of(1, 2, 3);
   * ```
   */
  get requestData(): Uint8Array {
    return this.#core.request.data;
  }
  set requestData(data: Uint8Array | string) {
    this.#core.request.data = this.#core.toBytes(data);
  }
  /** The same as {@linkcode CoAP.requestData}. */
  getRequestData(): Uint8Array {
    return this.requestData;
  }
  /** The same as setting {@linkcode CoAP.requestData}. */
  setRequestData(data: Uint8Array | string): void {
    this.requestData = data;
  }

  /**
   * An entity tag, 0 to 8 bytes; empty for none. Client: sent with all requests, it names the representation at hand
   * (RFC 7252 section 5.10.6.2). Server: the first one of the request at hand.
   *
   * @default an empty array
   * @throws {RangeError} when it is set to more bytes
   *
   * @example Has it changed?
   * ```ts
   * import { CoAP, CoAPResponse, Code, serve } from "@x/coap";
   *
   * await using server = await serve({ hostname: "127.0.0.1", port: 0 }, (request) =>
   *   request.etags.length > 0
   *     ? new CoAPResponse(undefined, { code: Code.Valid })
   *     : CoAPResponse.text("22.5", { etag: Uint8Array.of(1) }));
   * await using coap = new CoAP();
   *
   * const uri = `coap://127.0.0.1:${server.address.port}/`;
   * await coap.get(uri);
   * coap.requestETag = coap.responseETag;
   * await coap.get(uri);
   * console.log(coap.responseCode); // 2.03
   * ```
   */
  get requestETag(): Uint8Array {
    return this.#core.request.etag;
  }
  set requestETag(etag: Uint8Array) {
    this.#core.request.etag = etag;
  }
  /** The same as {@linkcode CoAP.requestETag}. */
  getRequestETag(): Uint8Array {
    return this.requestETag;
  }
  /** The same as setting {@linkcode CoAP.requestETag}. */
  setRequestETag(etag: Uint8Array): void {
    this.requestETag = etag;
  }

  /**
   * Further options. Client: sent with all requests. Server: all those of the request at hand.
   *
   * @default an empty list
   * @throws {TypeError} when it is set to anything but a `CoAPOptionList`
   *
   * @example Ask for JSON
   * ```ts
   * import { CoAP, CoAPOption } from "@x/coap";
   *
   * const coap = new CoAP();
   * coap.requestOptions.add(new CoAPOption(17, "50")); // Accept: application/json
   * console.log(coap.requestOptions.length); // 1
   * coap.requestOptions.clear();
   * ```
   */
  get requestOptions(): CoAPOptionList {
    return this.#core.request.options;
  }
  set requestOptions(options: CoAPOptionList) {
    this.#core.request.options = options;
  }
  /** The same as {@linkcode CoAP.requestOptions}. */
  getRequestOptions(): CoAPOptionList {
    return this.requestOptions;
  }
  /** The same as setting {@linkcode CoAP.requestOptions}. */
  setRequestOptions(options: CoAPOptionList): void {
    this.requestOptions = options;
  }

  // -------------------------------------------------------------- properties: the response

  /**
   * The response code, "2.00" to "7.31" as the RFCs write it, or "". Client: that of the response that came, "" where
   * No-Response asked not to send one. Server: that of the response or notification to be sent, of class 2, 4 or 5.
   *
   * @default {""}
   * @throws {CoAPError} 707 when it is set to anything else
   *
   * @example What it takes
   * ```ts
   * import { CoAP, CoAPError } from "@x/coap";
   *
   * const coap = new CoAP();
   * coap.responseCode = "2.05";
   * try {
   *   coap.responseCode = "1.05";
   * } catch (error) {
   *   if (error instanceof CoAPError) console.log(error.code, coap.responseCode); // 707 2.05
   * }
   * ```
   */
  get responseCode(): string {
    return this.#core.response.code;
  }
  set responseCode(code: string) {
    this.#core.response.code = code;
  }
  /** The same as {@linkcode CoAP.responseCode}. */
  getResponseCode(): string {
    return this.responseCode;
  }
  /** The same as setting {@linkcode CoAP.responseCode}. */
  setResponseCode(code: string): void {
    this.responseCode = code;
  }

  /**
   * The content format of `responseData`, 0 to 65535 as registered with IANA, -1 (or "" when it is set) for none. Client:
   * that of the response that came. Server: that of the response or notification to be sent; what an observer is sent
   * must keep the content format of the first response to it (RFC 7641 section 4.2).
   *
   * @default {-1}
   * @throws {RangeError} when it is set to anything else
   *
   * @example An answer in JSON
   * ```ts
   * import { CoAP } from "@x/coap";
   *
   * const coap = new CoAP();
   * coap.on("Request", () => {
   *   coap.responseCode = "2.05";
   *   coap.responseData = JSON.stringify({ celsius: 22.5 });
   *   coap.responseContentFormat = 50; // application/json
   * });
   * ```
   */
  get responseContentFormat(): number {
    return this.#core.response.contentFormat;
  }
  set responseContentFormat(format: number | "") {
    this.#core.response.contentFormat = format;
  }
  /** The same as {@linkcode CoAP.responseContentFormat}. */
  getResponseContentFormat(): number {
    return this.responseContentFormat;
  }
  /** The same as setting {@linkcode CoAP.responseContentFormat}. */
  setResponseContentFormat(format: number | ""): void {
    this.responseContentFormat = format;
  }

  /**
   * The payload, of any length. Client: that of the response that came. Server: that of the response or notification to
   * be sent, not copied. A string is set as bytes by the setting `CodePage`.
   *
   * @default an empty array
   * @throws {RangeError} when it is set to a string that the code page can not hold
   *
   * @example As text
   * ```ts
   * import { CoAP, CoAPResponse, serve } from "@x/coap";
   *
   * await using server = await serve({ hostname: "127.0.0.1", port: 0 }, () => CoAPResponse.text("22.5"));
   * await using coap = new CoAP();
   *
   * await coap.get(`coap://127.0.0.1:${server.address.port}/`);
   * console.log(new TextDecoder().decode(coap.responseData)); // 22.5
   * ```
   */
  get responseData(): Uint8Array {
    return this.#core.response.data;
  }
  set responseData(data: Uint8Array | string) {
    this.#core.response.data = this.#core.toBytes(data);
  }
  /** The same as {@linkcode CoAP.responseData}. */
  getResponseData(): Uint8Array {
    return this.responseData;
  }
  /** The same as setting {@linkcode CoAP.responseData}. */
  setResponseData(data: Uint8Array | string): void {
    this.responseData = data;
  }

  /**
   * The entity tag, 0 to 8 bytes; empty for none. Client: that of the response that came. Server: that of the response or
   * notification to be sent.
   *
   * @default an empty array
   * @throws {RangeError} when it is set to more bytes
   *
   * @example The version of what is sent
   * ```ts
   * import { CoAP } from "@x/coap";
   *
   * const coap = new CoAP();
   * coap.on("Request", () => {
   *   coap.responseCode = "2.05";
   *   coap.responseData = "22.5";
   *   coap.responseETag = Uint8Array.of(1);
   * });
   * ```
   */
  get responseETag(): Uint8Array {
    return this.#core.response.etag;
  }
  set responseETag(etag: Uint8Array) {
    this.#core.response.etag = etag;
  }
  /** The same as {@linkcode CoAP.responseETag}. */
  getResponseETag(): Uint8Array {
    return this.responseETag;
  }
  /** The same as setting {@linkcode CoAP.responseETag}. */
  setResponseETag(etag: Uint8Array): void {
    this.responseETag = etag;
  }

  /**
   * Further options. Client: all those of the response that came. Server: sent with the response or notification.
   *
   * @default an empty list
   * @throws {TypeError} when it is set to anything but a `CoAPOptionList`
   *
   * @example How long an answer holds
   * ```ts
   * import { CoAP, CoAPOption } from "@x/coap";
   *
   * const coap = new CoAP();
   * coap.on("Request", () => {
   *   coap.responseCode = "2.05";
   *   coap.responseOptions.add(new CoAPOption(14, "5")); // Max-Age, seconds
   * });
   * ```
   */
  get responseOptions(): CoAPOptionList {
    return this.#core.response.options;
  }
  set responseOptions(options: CoAPOptionList) {
    this.#core.response.options = options;
  }
  /** The same as {@linkcode CoAP.responseOptions}. */
  getResponseOptions(): CoAPOptionList {
    return this.responseOptions;
  }
  /** The same as setting {@linkcode CoAP.responseOptions}. */
  setResponseOptions(options: CoAPOptionList): void {
    this.responseOptions = options;
  }

  // -------------------------------------------------------------- properties: how messages are sent

  /**
   * How long a request may take, seconds from the call, at least 0; the methods then settle when it is complete. With 0
   * they resolve at once, to the id of the request, which waits for its response without limit; see `get`.
   *
   * @default {60}
   * @throws {RangeError} when it is set to less
   *
   * @example Nobody answers
   * ```ts
   * import { CoAP } from "@x/coap";
   *
   * await using coap = new CoAP();
   * coap.timeout = 0.1;
   * const error = await coap.get("coap://127.0.0.1:9/").catch((error) => error);
   * console.log(error.code); // 704
   * ```
   */
  get timeout(): number {
    return this.#core.timeout;
  }
  set timeout(seconds: number) {
    this.#core.timeout = seconds;
  }
  /** The same as {@linkcode CoAP.timeout}. */
  getTimeout(): number {
    return this.timeout;
  }
  /** The same as setting {@linkcode CoAP.timeout}. */
  setTimeout(seconds: number): void {
    this.timeout = seconds;
  }

  /**
   * Whether messages are sent until they are acknowledged: requests of a client; separate responses and notifications of
   * a server. A Non-confirmable request gets a Non-confirmable response unless the property was set.
   *
   * @default {true}
   * @throws {TypeError} when it is set to anything but a boolean
   *
   * @example Once, whether it arrives or not
   * ```ts
   * import { CoAP, CoAPResponse, serve } from "@x/coap";
   *
   * await using server = await serve({ hostname: "127.0.0.1", port: 0 }, () => CoAPResponse.text("ok"));
   * await using coap = new CoAP();
   *
   * coap.useConfirmableMessages = false;
   * await coap.get(`coap://127.0.0.1:${server.address.port}/`);
   * ```
   */
  get useConfirmableMessages(): boolean {
    return this.#core.confirmable ?? true;
  }
  set useConfirmableMessages(use: boolean) {
    this.#core.confirmable = use;
  }
  /** The same as {@linkcode CoAP.useConfirmableMessages}. */
  isUseConfirmableMessages(): boolean {
    return this.useConfirmableMessages;
  }
  /** The same as setting {@linkcode CoAP.useConfirmableMessages}. */
  setUseConfirmableMessages(use: boolean): void {
    this.useConfirmableMessages = use;
  }

  // -------------------------------------------------------------- methods: client

  /**
   * Sends a GET for `coap://host:port/path?query`, with `requestETag` and `requestOptions`. The port is 5683 where the URI
   * has none.
   *
   * With `timeout` above 0 it resolves to "" when a response of any code came, after `RequestComplete`; it rejects, after
   * the event as well, where none came. With 0 it resolves at once to the id of the request: `RequestComplete` tells the
   * rest, and `cancelRequest` ends it. A Confirmable request fails when retransmission gives up, after 62 to 93 s by
   * default; one that was acknowledged, or is Non-confirmable, is then pending until it is answered or canceled.
   *
   * @throws {CoAPError} (the promise rejects) before anything is sent: 700 where the URI is malformed, 701 where an
   * option does not fit, 712 where it is a server; afterwards 702, 704, 705, 708, 711, or code 0 for what has no number
   *
   * @example A hundred requests at once
   * ```ts
   * import { CoAP, CoAPResponse, serve } from "@x/coap";
   *
   * const server = await serve({ hostname: "127.0.0.1", port: 0 }, () => CoAPResponse.text("ok"));
   * const coap = new CoAP();
   * let open = 100;
   * const done = new Promise<void>((resolve) =>
   *   coap.on("RequestComplete", () => void (--open === 0 && resolve()))
   * );
   *
   * coap.timeout = 0;
   * for (let i = 0; i < 100; i++) await coap.get(`coap://127.0.0.1:${server.address.port}/${i}`);
   * await done;
   * console.log(coap.pendingRequests.size); // 0
   * await coap.shutdown();
   * await server.close();
   * ```
   */
  get(uri: string): Promise<string> {
    return this.#send(Code.GET, uri);
  }

  /**
   * Sends a POST with `requestData` and `requestContentFormat`; otherwise as {@linkcode CoAP.get}.
   *
   * @example A text
   * ```ts
   * import { CoAP, CoAPResponse, serve } from "@x/coap";
   *
   * await using server = await serve({ hostname: "127.0.0.1", port: 0 }, (request) => CoAPResponse.text(request.text()));
   * await using coap = new CoAP();
   *
   * coap.requestData = "on";
   * coap.requestContentFormat = 0; // text/plain; charset=utf-8
   * await coap.post(`coap://127.0.0.1:${server.address.port}/light`);
   * console.log(coap.responseCode); // 2.05
   * ```
   */
  post(uri: string): Promise<string> {
    return this.#send(Code.POST, uri);
  }

  /**
   * Sends a PUT with `requestData` and `requestContentFormat`; otherwise as {@linkcode CoAP.get}.
   *
   * @example Many bytes
   * ```ts
   * import { CoAP, CoAPResponse, Code, serve } from "@x/coap";
   *
   * await using server = await serve({ hostname: "127.0.0.1", port: 0 }, (request) => {
   *   console.log(request.payload.length); // 100000
   *   return new CoAPResponse(undefined, { code: Code.Changed });
   * });
   * await using coap = new CoAP();
   *
   * coap.requestData = new Uint8Array(100_000);
   * await coap.put(`coap://127.0.0.1:${server.address.port}/firmware`);
   * ```
   */
  put(uri: string): Promise<string> {
    return this.#send(Code.PUT, uri);
  }

  /**
   * Sends a DELETE; otherwise as {@linkcode CoAP.get}.
   *
   * @example What is not there
   * ```ts
   * import { CoAP, CoAPResponse, Code, serve } from "@x/coap";
   *
   * await using server = await serve({ hostname: "127.0.0.1", port: 0 }, () => CoAPResponse.error(Code.NotFound));
   * await using coap = new CoAP();
   *
   * coap.on("RequestComplete", (e) => console.log(e.errorCode, e.errorDescription)); // 709 4.04 Not Found
   * await coap.delete(`coap://127.0.0.1:${server.address.port}/jobs/7`);
   * ```
   */
  delete(uri: string): Promise<string> {
    return this.#send(Code.DELETE, uri);
  }

  /**
   * Sends a request of any method, 1 to 31, with `requestData` and `requestContentFormat` unless it is GET or DELETE;
   * otherwise as {@linkcode CoAP.get}. 5 is FETCH, which needs a content format (RFC 8132 section 2.3.1), 6 PATCH, 7 iPATCH.
   *
   * @throws {RangeError} (the promise rejects) where the method is out of its range
   *
   * @example FETCH
   * ```ts
   * import { CoAP, CoAPResponse, serve } from "@x/coap";
   *
   * await using server = await serve({ hostname: "127.0.0.1", port: 0 }, (request) => CoAPResponse.text(request.method));
   * await using coap = new CoAP();
   *
   * coap.requestData = '["temperature"]';
   * coap.requestContentFormat = 50;
   * await coap.sendCustomRequest(`coap://127.0.0.1:${server.address.port}/`, 5);
   * console.log(new TextDecoder().decode(coap.responseData)); // FETCH
   * ```
   */
  sendCustomRequest(uri: string, method: number): Promise<string> {
    return this.#send(method, uri);
  }

  /**
   * Begins to observe a resource (RFC 7641): each state fires `Notification`, the first one too. Otherwise as
   * {@linkcode CoAP.get}, but where the server accepts there is no `RequestComplete`. Of a server that does not, the
   * response is that to a GET, `RequestComplete` fires, and `Error` with 710. A URI that is observed already is not
   * observed twice: nothing is sent.
   *
   * @throws {CoAPError} (the promise rejects) as `get` does
   *
   * @example Until it is warm
   * ```ts
   * import { CoAP } from "@x/coap";
   *
   * async function warm(coap: CoAP, uri: string): Promise<void> {
   *   coap.on("Notification", (e) => {
   *     if (e.isLatest && Number(e.response.text()) > 20) e.stopObserving = true;
   *   });
   *   await coap.startObserving(uri);
   * }
   * ```
   */
  startObserving(uri: string): Promise<string> {
    return this.#asClient(() => this.#client.observe(uri));
  }

  /**
   * Ends an observation, by the URI with which it began, and tells the server, which answers with the resource's state:
   * `RequestComplete` fires. Otherwise as {@linkcode CoAP.get}, but it resolves to nothing. A registration that is under
   * way is ended by `cancelRequest`.
   *
   * @throws {CoAPError} (the promise rejects) as `get` does, 710 where the URI is not observed
   *
   * @example Three minutes
   * ```ts
   * import { CoAP } from "@x/coap";
   *
   * async function threeMinutes(coap: CoAP, uri: string): Promise<void> {
   *   await coap.startObserving(uri);
   *   setTimeout(() => coap.stopObserving(uri).catch(console.error), 180_000);
   * }
   * ```
   */
  stopObserving(uri: string): Promise<void> {
    return this.#asClient(() => this.#client.unobserve(uri)).then(() => undefined);
  }

  // -------------------------------------------------------------- methods: server

  /**
   * Opens the server's socket at `localHost` and `localPort` and takes requests. What it had open as a client ends:
   * requests complete with 711. After `stopListening` it takes requests again. Where it listens already nothing happens.
   *
   * @throws {CoAPError} (the promise rejects) with code 0 where the socket can not be bound, 712 with the setting
   * `UseConnection`
   *
   * @example A server and its URI
   * ```ts
   * import { CoAP } from "@x/coap";
   *
   * await using coap = new CoAP();
   * coap.on("Request", () => void (coap.responseCode = "2.05"));
   * coap.localHost = "127.0.0.1";
   * await coap.startListening();
   * console.log(`coap://${coap.localHost}:${coap.localPort}`);
   * ```
   */
  async startListening(): Promise<void> {
    await this.#server.listen(() => this.#client.close());
  }

  /**
   * Takes no further requests: they are answered 5.03. The socket stays open: what is pending can be answered, and
   * observers notified, until `shutdown`. Nobody is told.
   *
   * @throws {CoAPError} (the promise rejects) 712 where it is no server
   *
   * @example An orderly end
   * ```ts
   * import { CoAP } from "@x/coap";
   *
   * async function end(coap: CoAP): Promise<void> {
   *   await coap.stopListening();
   *   while (coap.pendingRequests.size > 0) await coap.doEvents();
   *   await coap.shutdown();
   * }
   * ```
   */
  stopListening(): Promise<void> {
    return this.#asServer(() => this.#server.stop());
  }

  /**
   * Answers a pending request with the Response properties as they are; resolves when the response was handed to the
   * transport. `ResponseComplete` tells what became of it.
   *
   * @throws {CoAPError} (the promise rejects) 706 where no such request is pending; 707 where `responseCode` is not of
   * class 2, 4 or 5, 701 where an option does not fit, and then it is still pending; 712 where it is no server
   *
   * @example An answer that comes later
   * ```ts
   * import { CoAP } from "@x/coap";
   *
   * const coap = new CoAP();
   * coap.on("Request", (e) => {
   *   e.sendResponse = false;
   *   setTimeout(async () => {
   *     if (!coap.pendingRequests.has(e.requestId)) return; // canceled meanwhile
   *     coap.responseCode = "2.05";
   *     await coap.sendResponse(e.requestId);
   *   }, 1000);
   * });
   * ```
   */
  sendResponse(requestId: string): Promise<void> {
    return this.#asServer(() => this.#server.respond(requestId));
  }

  /**
   * Sends the Response properties, as they are, to every observer of exactly that URI, which is that of the event
   * `Register`; resolves when they were handed on. `ResponseComplete` tells for each what became of it, with the id of
   * the request that registered. With a code outside 2.xx they are no observers afterwards. Without observers nothing
   * is sent.
   *
   * States are sent at each observer's pace: a newer one takes the place of one that could not leave yet.
   *
   * @throws {CoAPError} (the promise rejects) 700 where the URI is malformed, 707 and 701 as `sendResponse`, 712 where it
   * is no server
   *
   * @example A resource that changes
   * ```ts
   * import { CoAP } from "@x/coap";
   *
   * const server = new CoAP();
   * let uri = "";
   * server.on("Register", (e) => {
   *   uri = e.URI;
   *   e.accept = true;
   *   server.responseCode = "2.05";
   *   server.responseData = "20";
   * });
   * await server.startListening();
   *
   * const client = new CoAP();
   * const seen = new Promise<void>((resolve) =>
   *   client.on("Notification", (e) => {
   *     console.log(new TextDecoder().decode(client.responseData)); // 20, 21
   *     if (e.response.text() === "21") resolve();
   *   })
   * );
   * await client.startObserving(`coap://127.0.0.1:${server.localPort}/temperature`);
   *
   * server.responseCode = "2.05";
   * server.responseData = "21";
   * await server.sendNotification(uri);
   * await seen;
   * await client.shutdown();
   * await server.shutdown();
   * ```
   */
  sendNotification(uri: string): Promise<void> {
    return this.#asServer(() => this.#server.notify(uri));
  }

  // -------------------------------------------------------------- methods: both

  /**
   * Cancels a pending request. As a client nobody waits for its response any more, and `RequestComplete` fires with
   * 711; as a server no response is sent, and `ResponseComplete` fires with 711.
   *
   * @throws {CoAPError} (the promise rejects) 706 where no such request is pending
   *
   * @example Nobody waits for it any more
   * ```ts
   * import { CoAP } from "@x/coap";
   *
   * const coap = new CoAP();
   * coap.on("RequestComplete", (e) => console.log(e.requestId, e.errorCode)); // 1 711
   * coap.timeout = 0;
   * const id = await coap.get("coap://127.0.0.1:9/");
   * await coap.cancelRequest(id);
   * await coap.shutdown();
   * ```
   */
  async cancelRequest(requestId: string): Promise<void> {
    if (this.#server.cancel(requestId)) return;
    const over = this.#client.cancel(requestId);
    if (over === undefined) throw unknownRequest(requestId);
    await over;
  }

  /**
   * Sets a setting ("Name=value", resolves to "") or reads it ("Name"). Names and booleans may be in any case; booleans
   * read as "True" and "False". What this platform can not do throws instead of having no effect. The settings are
   * listed in `docs/component.md`.
   *
   * @throws {TypeError} (the promise rejects) where it is no string
   * @throws {RangeError} (the promise rejects) where there is no such setting, or it does not take the value
   * @throws {CoAPError} (the promise rejects) 712 where a setting of the socket is set while one is open
   *
   * @example The lines of a log
   * ```ts
   * import { CoAP } from "@x/coap";
   *
   * const coap = new CoAP();
   * coap.on("Log", (e) => console.log(e.logLevel, e.message));
   * await coap.config("LogLevel=2");
   * console.log(await coap.config("loglevel")); // 2
   * ```
   */
  config(text: string): Promise<string> {
    return attempt(() => this.#core.settings.config(text));
  }

  /**
   * Returns when what has arrived already was handled, or after 20 ms where nothing had.
   *
   * @example Wait for all
   * ```ts
   * import { CoAP } from "@x/coap";
   *
   * async function all(coap: CoAP, uris: string[]): Promise<void> {
   *   coap.timeout = 0;
   *   for (const uri of uris) await coap.get(uri);
   *   while (coap.pendingRequests.size > 0) await coap.doEvents();
   * }
   * ```
   */
  doEvents(): Promise<void> {
    return this.#core.doEvents();
  }

  /**
   * Shuts down, and sets all properties and settings to their defaults. Listeners stay.
   *
   * @example As new
   * ```ts
   * import { CoAP } from "@x/coap";
   *
   * const coap = new CoAP();
   * coap.timeout = 5;
   * await coap.config("LogLevel=3");
   * await coap.reset();
   * console.log(coap.timeout, await coap.config("LogLevel")); // 60 1
   * ```
   */
  async reset(): Promise<void> {
    await this.shutdown();
    this.#core.reset();
  }

  /**
   * Ends everything and closes the socket: pending requests complete with 711, `Unregistered` fires for each observer, and
   * the servers of observed resources are told. Afterwards it can be used again, in either mode; until the promise
   * resolves requests are refused with 712, and `startListening` waits.
   *
   * @example From server to client
   * ```ts
   * import { CoAP, CoAPResponse, serve } from "@x/coap";
   *
   * await using server = await serve({ hostname: "127.0.0.1", port: 0 }, () => CoAPResponse.text("ok"));
   * const coap = new CoAP();
   * coap.localHost = "127.0.0.1";
   * await coap.startListening();
   * await coap.shutdown();
   * await coap.get(`coap://127.0.0.1:${server.address.port}/`);
   * await coap.shutdown();
   * ```
   */
  async shutdown(): Promise<void> {
    await Promise.all([this.#client.close(), this.#server.close()]);
  }

  /**
   * Shuts down at the end of `await using`.
   *
   * @example A component for a block
   * ```ts
   * import { CoAP } from "@x/coap";
   *
   * {
   *   await using coap = new CoAP();
   *   coap.localHost = "127.0.0.1";
   *   await coap.startListening();
   * } // its socket is closed
   * ```
   */
  [Symbol.asyncDispose](): Promise<void> {
    return this.shutdown();
  }

  // -------------------------------------------------------------- events

  /**
   * Adds a listener. Listeners are called in the order in which they were added; one that throws, or whose promise
   * rejects, fires `Error`, and as it answers a request the client gets 5.00.
   *
   * @example An answer that takes its time
   * ```ts
   * import { CoAP } from "@x/coap";
   *
   * const coap = new CoAP();
   * coap.on("Request", async (e) => {
   *   const text = await Promise.resolve(`slow ${e.URIPath}`); // the next Request waits
   *   coap.responseCode = "2.05";
   *   coap.responseData = text;
   * });
   * coap.on("Error", (e) => console.error(e.errorCode, e.description));
   * ```
   */
  on<Name extends CoAPEventName>(name: Name, listener: CoAPListener<Name>): this {
    this.addEventListener(name, listener);
    return this;
  }

  /**
   * Adds a listener for the next such event alone.
   *
   * @example The next one
   * ```ts
   * import { CoAP } from "@x/coap";
   *
   * const coap = new CoAP();
   * coap.once("RequestComplete", (e) => console.log(e.URI, e.errorCode));
   * ```
   */
  once<Name extends CoAPEventName>(name: Name, listener: CoAPListener<Name>): this {
    this.addEventListener(name, listener, { once: true });
    return this;
  }

  /**
   * Removes a listener.
   *
   * @example Not any more
   * ```ts
   * import { CoAP } from "@x/coap";
   *
   * const coap = new CoAP();
   * const log = (e: { message: string }): void => console.log(e.message);
   * coap.on("Log", log);
   * coap.off("Log", log);
   * ```
   */
  off<Name extends CoAPEventName>(name: Name, listener: CoAPListener<Name>): this {
    this.removeEventListener(name, listener);
    return this;
  }

  /**
   * Adds a listener, as {@linkcode CoAP.on} does, with the platform's options.
   *
   * @example As long as a signal says
   * ```ts
   * import { CoAP } from "@x/coap";
   *
   * const coap = new CoAP();
   * const { signal } = new AbortController();
   * coap.addEventListener("Error", (e) => console.error(e.description), { signal });
   * ```
   */
  override addEventListener<Name extends CoAPEventName>(
    name: Name,
    listener: CoAPEventListener<Name> | null,
    options?: Parameters<EventTarget["addEventListener"]>[2],
  ): void {
    if (listener !== null) super.addEventListener(name, this.#wrap(listener), options);
  }

  /**
   * Removes a listener that was added with the same options.
   *
   * @example An object that listens
   * ```ts
   * import { CoAP } from "@x/coap";
   *
   * const coap = new CoAP();
   * const counter = { count: 0, handleEvent: () => void counter.count++ };
   * coap.addEventListener("Request", counter);
   * coap.removeEventListener("Request", counter);
   * ```
   */
  override removeEventListener<Name extends CoAPEventName>(
    name: Name,
    listener: CoAPEventListener<Name> | null,
    options?: Parameters<EventTarget["removeEventListener"]>[2],
  ): void {
    if (listener !== null) super.removeEventListener(name, this.#wrap(listener), options);
  }

  // -------------------------------------------------------------- inside

  #wrap<Name extends CoAPEventName>(listener: CoAPEventListener<Name>): (event: Event) => void {
    return this.#core.listeners.wrap(listener as Listener); // it gets no other events
  }

  #send(method: number, uri: string): Promise<string> {
    return this.#asClient(() => this.#client.send(method, uri));
  }

  /** The promise is handed on as it is: whoever awaits it runs before the next event. */
  #asClient(call: () => Promise<string>): Promise<string> {
    try {
      if (this.#server.isOpen) {
        throw new CoAPError("wrong-mode", "It is a server until it is shut down");
      }
      if (this.#client.isClosing) throw new CoAPError("wrong-mode", "It is being shut down");
      return call();
    } catch (error) {
      return Promise.reject(error);
    }
  }

  #asServer(call: () => void): Promise<void> {
    return attempt(() => {
      if (this.#server.socket !== undefined) return call();
      throw new CoAPError("wrong-mode", "It is no server: startListening was not called");
    });
  }
}

/** What a call returns or throws, as a promise. */
function attempt<T>(call: () => T): Promise<T> {
  return new Promise((resolve) => resolve(call()));
}

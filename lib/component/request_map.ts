/** Requests that are pending. @module */

import { toHex } from "../wire/bytes.ts";

/** What is known of a request; token and address of one that is being sent come later. */
export interface RequestRecord {
  method: number;
  remoteHost: string;
  remotePort: number;
  requestId: string;
  token: Uint8Array;
  URI: string;
}

/**
 * A pending request: sent and not answered, or received and not answered. Read-only.
 *
 * @example What is pending
 * ```ts
 * import { CoAP } from "@x/coap";
 *
 * const coap = new CoAP();
 * for (const request of coap.pendingRequests.values()) {
 *   console.log(request.requestId, request.method, request.URI, request.token);
 * }
 * ```
 */
export class CoAPRequest {
  readonly #record: RequestRecord;

  /** @ignore Made by the component alone. */
  constructor(record: RequestRecord) {
    this.#record = record;
  }

  /** The method code, 1 to 31: 1 GET, 2 POST, 3 PUT, 4 DELETE, 5 FETCH, 6 PATCH, 7 iPATCH. */
  get method(): number {
    return this.#record.method;
  }

  /** To whom the request was sent, as the URI names the host, or the address from which it was received. */
  get remoteHost(): string {
    return this.#record.remoteHost;
  }

  /** The port of the remote host, 1 to 65535. */
  get remotePort(): number {
    return this.#record.remotePort;
  }

  /** The name that the component gave the request, to be used with `cancelRequest` and `sendResponse`. */
  get requestId(): string {
    return this.#record.requestId;
  }

  /** The token in lower-case hexadecimal digits; empty while the address of the host is still being looked up. */
  get token(): string {
    return toHex(this.#record.token);
  }

  /** The token, 0 to 8 bytes. */
  get tokenB(): Uint8Array {
    return this.#record.token;
  }

  /** The URI. */
  get URI(): string {
    return this.#record.URI;
  }
}

/** The component's way to put requests into the map. */
export let addRequest: (map: CoAPRequestMap, request: CoAPRequest) => void;
/** The component's way to take requests out. */
export let removeRequest: (map: CoAPRequestMap, requestId: string) => void;

/**
 * The pending requests by their ids, in the order in which they came. Read-only, and always up to date.
 *
 * @example Give all up
 * ```ts
 * import { CoAP } from "@x/coap";
 *
 * const coap = new CoAP();
 * for (const id of [...coap.pendingRequests.keys()]) await coap.cancelRequest(id);
 * ```
 */
export class CoAPRequestMap implements ReadonlyMap<string, CoAPRequest> {
  readonly #requests: Map<string, CoAPRequest> = new Map();

  static {
    addRequest = (map, request) => void map.#requests.set(request.requestId, request);
    removeRequest = (map, requestId) => void map.#requests.delete(requestId);
  }

  /** How many there are. */
  get size(): number {
    return this.#requests.size;
  }

  /** The request of that id, or undefined where none is pending. */
  get(requestId: string): CoAPRequest | undefined {
    return this.#requests.get(requestId);
  }

  /** Whether a request of that id is pending. */
  has(requestId: string): boolean {
    return this.#requests.has(requestId);
  }

  /** The ids. */
  keys(): MapIterator<string> {
    return this.#requests.keys();
  }

  /** The requests. */
  values(): MapIterator<CoAPRequest> {
    return this.#requests.values();
  }

  /** Pairs of id and request. */
  entries(): MapIterator<[string, CoAPRequest]> {
    return this.#requests.entries();
  }

  /** Calls a function for each request. */
  forEach(
    callback: (request: CoAPRequest, requestId: string, map: CoAPRequestMap) => void,
    thisArg?: unknown,
  ): void {
    for (const [id, request] of this.#requests) callback.call(thisArg, request, id, this);
  }

  /** Pairs of id and request. */
  [Symbol.iterator](): MapIterator<[string, CoAPRequest]> {
    return this.#requests.entries();
  }
}

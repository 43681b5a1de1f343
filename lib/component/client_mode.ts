/** The component as a client. @module */

import { CoAPError } from "../errors.ts";
import { CoAPClient, driversOf } from "../endpoint/client.ts";
import type { ClockTimer } from "../endpoint/clock.ts";
import type { CoAPNotification } from "../endpoint/notification.ts";
import { addOptions } from "../endpoint/options.ts";
import type { CoAPRequestInit } from "../endpoint/outgoing.ts";
import type { CoAPResponse } from "../endpoint/response.ts";
import { type Watch, watch } from "../endpoint/watch.ts";
import { Code, codeName } from "../wire/code.ts";
import { OptionNumber, uintOption } from "../wire/option.ts";
import { decomposeUri, normalizeUri } from "../wire/uri.ts";
import { type Core, LogLevel } from "./core.ts";
import { CoAPNotificationEvent, CoAPRequestCompleteEvent } from "./events.ts";
import { addRequest, CoAPRequest, removeRequest, type RequestRecord } from "./request_map.ts";
import type { SocketInfo } from "./settings.ts";
import { toError } from "./to_error.ts";

const NO_TOKEN = new Uint8Array(0);

/** A request until it is complete. */
interface Call {
  readonly record: RequestRecord;
  readonly request: CoAPRequest;
  /** What became of it: "", or why not. */
  readonly result: PromiseWithResolvers<string>;
  /** Resolves when the request is complete and its event was delivered. */
  readonly over: PromiseWithResolvers<void>;
  timer: ClockTimer | undefined;
  /** Ends the exchange beneath, which then fails with that error. */
  abort(reason: CoAPError): void;
}

/** A resource that is observed or about to be. */
interface Observed {
  readonly uri: string;
  watch: Watch | undefined;
  /** The request that began it. */
  readonly call: Call;
  /** Whether the server has accepted. */
  accepted: boolean;
}

/** Requests and observations of the component. */
export class ClientMode {
  readonly #core: Core;
  readonly #calls = new Map<string, Call>();
  /** By the normal form of the URI. */
  readonly #observed = new Map<string, Observed>();
  #client: CoAPClient | undefined = undefined;
  #closing: Promise<void> | undefined = undefined;
  #lastId = 0;
  /**
   * Events are delivered one after the other, each with a turn of its own: whoever awaits a request finds its response
   * in the properties.
   */
  #turns: Promise<void> = Promise.resolve();

  constructor(core: Core) {
    this.#core = core;
  }

  /** Whether a socket is open or about to be. */
  get isOpen(): boolean {
    return this.#client !== undefined;
  }

  /** Whether it is being closed: then there are no further requests. */
  get isClosing(): boolean {
    return this.#closing !== undefined;
  }

  /** The socket that is open. */
  get socket(): SocketInfo | undefined {
    const driver = this.#client && driversOf(this.#client)[0];
    return driver && { ...driver.address, bufferSizes: driver.bufferSizes };
  }

  // -------------------------------------------------------------- requests

  /** Sends a request with the Request properties. Throws what is wrong with it. */
  send(method: number, uri: string): Promise<string> {
    if (!Number.isInteger(method) || method < 1 || method > 31) {
      throw new RangeError(`Method must be an integer from 1 to 31: it is "${method}"`);
    }
    const init = this.#describe(method);
    const controller = new AbortController();
    const call = this.#begin(method, uri, (reason) => controller.abort(reason));
    this.#open().request(method, uri, {
      ...init,
      timeout: Infinity, // the component has a timer of its own, which runs from the call
      signal: controller.signal,
      onSend: ({ token }) => void (call.record.token = token),
    }).then(
      (response) => this.#later(() => this.#complete(call, response)),
      (error) => this.#later(() => this.#fail(call, error)),
    );
    return this.#resultOf(call);
  }

  /** Cancels a request; resolves when its event was delivered. Answers undefined where it is not pending. */
  cancel(requestId: string): Promise<void> | undefined {
    const call = this.#calls.get(requestId);
    if (call === undefined) return undefined;
    call.abort(new CoAPError("canceled", `Request "${requestId}" is canceled`));
    return call.over.promise;
  }

  /** What the Request properties say of a request. */
  #describe(method: number): CoAPRequestInit {
    const { request } = this.#core;
    const { etag } = request;
    let options = request.wireOptions;
    addOptions([], options, "request"); // throws what can not be sent, before anything is
    const init: CoAPRequestInit = {
      // Where blocks have to be small the server is told with the first request.
      blockSize: this.#core.blockSize,
      confirmable: this.#core.confirmable ?? true,
      etag: etag.length === 0 ? undefined : etag,
      options,
    };
    if (method === Code.GET || method === Code.DELETE) return init;
    let contentFormat = request.contentFormat;
    if (contentFormat < 0) {
      contentFormat = uintOption(options, OptionNumber.ContentFormat) ?? -1;
      options = options.filter(({ number }) => number !== OptionNumber.ContentFormat);
    }
    if (contentFormat < 0 && method === Code.FETCH) {
      throw new CoAPError("invalid-option", "Method FETCH needs requestContentFormat");
    }
    return {
      ...init,
      options,
      payload: request.data,
      contentFormat: contentFormat < 0 ? undefined : contentFormat,
    };
  }

  /** Makes a request pending. */
  #begin(method: number, uri: string, abort: Call["abort"]): Call {
    const { host, port } = decomposeUri(uri);
    const requestId = String(++this.#lastId);
    const record: RequestRecord = {
      method,
      remoteHost: host,
      remotePort: port,
      requestId,
      token: NO_TOKEN,
      URI: uri,
    };
    const call: Call = {
      record,
      request: new CoAPRequest(record),
      result: Promise.withResolvers(),
      over: Promise.withResolvers(),
      timer: undefined,
      abort,
    };
    this.#limit(call);
    this.#calls.set(requestId, call);
    addRequest(this.#core.pending, call.request);
    return call;
  }

  /** Gives a request the time that the property says, from now on. */
  #limit(call: Call): void {
    const { timeout, clock } = this.#core;
    if (timeout === 0 || timeout === Infinity) return;
    const text = `No response from "${call.record.URI}" within ${timeout} s`;
    call.timer = clock.setTimer(
      () => call.abort(new CoAPError("timeout", text)),
      clock.now() + timeout * 1000,
    );
  }

  /** What a method returns: at once the id, or what becomes of the request. */
  #resultOf({ record: { requestId }, result: { promise } }: Call): Promise<string> {
    if (this.#core.timeout > 0) return promise;
    promise.catch(() => {}); // the event tells it
    return Promise.resolve(requestId);
  }

  /** Takes a request out of the pending ones. */
  #end(call: Call): void {
    const { requestId } = call.record;
    if (call.timer !== undefined) this.#core.clock.clearTimer(call.timer);
    this.#calls.delete(requestId);
    removeRequest(this.#core.pending, requestId);
  }

  /** A response came. */
  #complete(call: Call, response: CoAPResponse): void {
    this.#end(call);
    this.#core.response.take(response);
    const { ok, code, codeText } = response;
    const fine = ok || code === Code.Empty; // that stands for the one that No-Response asked not to send
    const description = fine ? "" : [codeText, codeName(code)].join(" ").trimEnd();
    this.#told(call, response, fine ? 0 : 709, description);
    call.result.resolve("");
  }

  /** No response will come. */
  #fail(call: Call, reason: unknown): void {
    this.#end(call);
    const error = toError(reason);
    this.#told(call, undefined, error.code, error.message);
    call.result.reject(error);
    this.#discard();
  }

  #told(call: Call, response: CoAPResponse | undefined, code: number, description: string): void {
    const { method, URI } = call.record;
    const outcome = response === undefined ? description : response.codeText;
    this.#core.log(LogLevel.Info, `Request ${method} "${URI}": ${outcome}`);
    this.#core.tell(new CoAPRequestCompleteEvent(call.request, response, code, description));
    call.over.resolve();
  }

  #later(deliver: () => void): void {
    this.#turns = this.#turns.then(deliver).catch((error) => this.#core.fail(error));
  }

  // -------------------------------------------------------------- observations

  /** Observes a resource. Throws what is wrong with the request. */
  observe(uri: string): Promise<string> {
    const key = normalizeUri(uri);
    const known = this.#observed.get(key);
    if (known !== undefined) {
      const { call, accepted } = known;
      if (!accepted && call.timer === undefined) this.#limit(call);
      return this.#resultOf(call);
    }
    const init = this.#describe(Code.GET);
    const { timeout } = this.#core;
    const call = this.#begin(Code.GET, uri, (reason) => observed.watch!.fail(reason));
    const observed: Observed = { uri, watch: undefined, call, accepted: false };
    this.#observed.set(key, observed);
    try {
      observed.watch = watch(this.#open(), uri, {
        ...init,
        timeout: timeout === 0 ? Infinity : timeout * 1000,
        onSend: ({ token }) => void (call.record.token = token),
      }, {
        onState: (state) => this.#later(() => this.#onState(key, observed, state)),
        onFailed: (reason) => this.#later(() => this.#onFailed(key, observed, reason)),
      });
    } catch (error) {
      this.#observed.delete(key);
      this.#end(call);
      throw error;
    }
    return this.#resultOf(call);
  }

  /** Ends an observation and asks the server, as a GET does. Throws where there is none. */
  unobserve(uri: string): Promise<string> {
    const key = normalizeUri(uri);
    const observed = this.#observed.get(key);
    if (observed === undefined || !observed.accepted) {
      throw new CoAPError("not-observed", `Not observed: "${uri}"`);
    }
    this.#observed.delete(key);
    const own = observed.watch!;
    const call = this.#begin(Code.GET, uri, (reason) => own.fail(reason));
    // As with any request: the property of now, and the component's own timer.
    const confirmable = this.#core.confirmable ?? true;
    own.farewell({ confirmable, timeout: Infinity }).then(
      (response) => this.#later(() => this.#complete(call, response)),
      (error) => this.#later(() => this.#fail(call, error)),
    );
    return this.#resultOf(call);
  }

  #onState(key: string, observed: Observed, state: CoAPNotification): void {
    if (this.#observed.get(key) !== observed) return; // it was left meanwhile
    if (!state.observed) this.#observed.delete(key);
    const { call, accepted } = observed;
    if (!accepted && !state.observed) {
      this.#complete(call, state);
      const text = `Not observable, answered ${state.codeText}: "${observed.uri}"`;
      return this.#core.fail(new CoAPError("not-observed", text));
    }
    if (!accepted) {
      observed.accepted = true;
      this.#end(call);
    }
    this.#core.response.take(state);
    this.#core.log(LogLevel.Info, `Notification "${observed.uri}": ${state.codeText}`);
    const event = new CoAPNotificationEvent(observed.uri, state);
    const promises = this.#core.tell(event);
    call.result.resolve("");
    call.over.resolve();
    const check = (): void => {
      if (!event.stopObserving || this.#observed.get(key) !== observed) return;
      this.#observed.delete(key);
      observed.watch!.leave();
    };
    check();
    if (promises.length > 0) Promise.allSettled(promises).then(check);
  }

  #onFailed(key: string, observed: Observed, reason: unknown): void {
    const known = this.#observed.get(key) === observed;
    if (known) this.#observed.delete(key);
    if (!observed.accepted) this.#fail(observed.call, reason);
    else if (known) this.#core.fail(toError(reason)); // else it was left meanwhile
  }

  // -------------------------------------------------------------- the socket

  #open(): CoAPClient {
    return this.#client ??= new CoAPClient({
      ...this.#core.endpointOptions(),
      connect: this.#core.settings.useConnection,
      // Requests that it makes fail hear of it themselves.
      onError: (error) => this.#core.log(LogLevel.Info, () => `Network error: ${error}`),
    });
  }

  /** Settings may change again where no socket could be bound. */
  #discard(): void {
    const client = this.#client;
    // What is observed over a connection needs no socket that was bound here.
    if (client === undefined || this.#calls.size > 0 || this.#observed.size > 0) return;
    if (driversOf(client).length > 0) return;
    this.#client = undefined;
    client.close();
  }

  /** Cancels everything and closes the socket; resolves when all events were delivered. */
  close(): Promise<void> {
    if (this.#client === undefined) return Promise.resolve();
    return this.#closing ??= this.#close(this.#client).finally(() => this.#closing = undefined);
  }

  async #close(client: CoAPClient): Promise<void> {
    const calls = [...this.#calls.values()];
    for (const { abort, record: { requestId } } of calls) {
      abort(new CoAPError("canceled", `Request "${requestId}" is canceled: shut down`));
    }
    for (const [key, { accepted }] of this.#observed) if (accepted) this.#observed.delete(key);
    await Promise.all(calls.map(({ over }) => over.promise));
    this.#observed.clear(); // those accepted at the last moment
    await client.close();
    this.#client = undefined;
  }
}

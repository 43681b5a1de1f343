/** The component as a server. @module */

import type { AnswerOutcome } from "../engine/types.ts";
import { CoAPError } from "../errors.ts";
import { ExchangeServer } from "../endpoint/exchange_server.ts";
import type { IncomingRequest } from "../endpoint/incoming_request.ts";
import { isRefusal } from "../endpoint/pending.ts";
import { asksToObserve } from "../endpoint/representation.ts";
import { CoAPResponse } from "../endpoint/response.ts";
import { Code } from "../wire/code.ts";
import { normalizeUri } from "../wire/uri.ts";
import { type Core, LogLevel } from "./core.ts";
import {
  CoAPRegisterEvent,
  CoAPRequestEvent,
  CoAPResponseCompleteEvent,
  CoAPUnregisteredEvent,
} from "./events.ts";
import { addRequest, CoAPRequest, removeRequest } from "./request_map.ts";
import { type RequestTarget, targetOf } from "./request_target.ts";
import type { SocketInfo } from "./settings.ts";
import { toError } from "./to_error.ts";

const UNAVAILABLE = CoAPResponse.error(Code.ServiceUnavailable);
const NOT_FOUND = CoAPResponse.error(Code.NotFound);
const INTERNAL_ERROR = CoAPResponse.error(Code.InternalServerError);

/** What became of a response: number and words. */
const OUTCOMES: Record<AnswerOutcome, [code: number, text: string]> = {
  sent: [0, ""],
  acknowledged: [0, ""],
  suppressed: [0, ""],
  timeout: [704, "Response was never acknowledged"],
  reset: [708, "Client answered the response with a Reset"],
};
const CANCELED = 711;

/** A request that came and is not answered. */
interface Entry {
  /** The server's number of it. */
  readonly id: number;
  readonly requestId: string;
  readonly request: IncomingRequest;
  readonly target: RequestTarget;
  /** Whether its sender becomes an observer with a response of class 2. */
  accept: boolean;
  /** Whether it is answered or canceled. */
  over: boolean;
}

/** Requests that wait for the listeners of another; each socket has its own. */
interface Queue {
  readonly waiting: Entry[];
  busy: boolean;
}

/** Requests of clients, and observers. */
export class ServerMode {
  readonly #core: Core;
  readonly #entries = new Map<string, Entry>();
  /** Answered requests of whose response the outcome is not known, by the server's number. */
  readonly #answering = new Map<number, { entry: Entry; response: CoAPResponse }>();
  #server: ExchangeServer | undefined = undefined;
  /** Openings and closings of the socket, one after the other in the order of the calls. */
  #transition: Promise<void> = Promise.resolve();
  /** Openings that wait or are under way. */
  #openings = 0;
  #listening = false;
  /** Whether the socket keeps the process alive. */
  #keepsAlive = true;
  #queue: Queue = { waiting: [], busy: false };
  /** Sockets so far: their numbers of requests start anew. */
  #generation = 0;

  constructor(core: Core) {
    this.#core = core;
  }

  /** Whether requests are taken. */
  get listening(): boolean {
    return this.#listening;
  }

  /** Whether the socket is open or about to be. */
  get isOpen(): boolean {
    return this.#server !== undefined || this.#openings > 0;
  }

  /** The socket that is open. */
  get socket(): SocketInfo | undefined {
    const driver = this.#server?.driver;
    return driver && { ...driver.address, bufferSizes: driver.bufferSizes };
  }

  // -------------------------------------------------------------- the socket

  /**
   * Binds the socket where it is not, as soon as the client's is closed, and takes requests.
   *
   * @throws {CoAPError} `wrong-mode` where sockets are to be connected
   */
  listen(closeClient: () => Promise<void>): Promise<void> {
    if (this.#core.settings.useConnection) {
      throw new CoAPError("wrong-mode", "A connected socket can not listen: see UseConnection");
    }
    const clientClosed = closeClient();
    this.#openings++;
    return this.#next(async () => {
      await clientClosed;
      if (this.#server === undefined) return this.#bind();
      this.#listening = true;
      this.#keepAlive();
    }).finally(() => this.#openings--);
  }

  /** Ends everything and closes the socket; events say so. */
  close(): Promise<void> {
    return this.#next(() => this.#close());
  }

  #next(step: () => Promise<void>): Promise<void> {
    const done = this.#transition.then(step);
    this.#transition = done.catch(() => {}); // whoever called hears of it
    return done;
  }

  async #bind(): Promise<void> {
    const options = this.#core.endpointOptions();
    const server = new ExchangeServer({
      ...options,
      onError: (error) => this.#core.fail(toRefusal(error)),
    }, {
      onRequest: (id, request) => this.#onRequest(id, request),
      onAnswered: (id, outcome) => this.#onAnswered(id, outcome),
      onNotified: (id, outcome, request, state) => {
        this.#told(`${this.#generation}.${id}`, request, state, ...OUTCOMES[outcome]);
      },
      onUnobserved: (_id, request) => this.#onUnobserved(request),
    });
    try {
      await server.bind();
    } catch (error) {
      throw toError(error);
    }
    this.#generation++;
    this.#queue = { waiting: [], busy: false };
    this.#server = server;
    this.#listening = this.#keepsAlive = true;
    server.begin();
    const { address, port } = server.driver.address;
    this.#core.log(LogLevel.Info, `Listening at ${address} port ${port}`);
  }

  /** Takes no further requests. */
  stop(): void {
    this.#listening = false;
    this.#keepAlive();
    this.#core.log(LogLevel.Info, "Stopped listening");
  }

  async #close(): Promise<void> {
    const server = this.#server;
    if (server === undefined) return;
    this.#listening = false;
    for (const entry of [...this.#entries.values()]) this.#cancel(entry, "shut down");
    const unsure = [...this.#answering.values()];
    this.#answering.clear();
    for (const { entry, response } of unsure) {
      const { requestId, request } = entry;
      const text = "Shut down before the response was acknowledged";
      this.#told(requestId, request, response, CANCELED, text);
    }
    await server.close();
    this.#server = undefined;
    this.#core.request.reset(); // what came is not to be sent
  }

  /** After the end of listening the process may end when nothing is pending. */
  #keepAlive(): void {
    const keeps = this.#listening || this.#entries.size > 0 || this.#answering.size > 0;
    if (this.#server === undefined || this.#keepsAlive === keeps) return;
    this.#keepsAlive = keeps;
    this.#server.driver.keepAlive = keeps;
  }

  // -------------------------------------------------------------- requests

  #onRequest(id: number, request: IncomingRequest): void {
    const server = this.#server!;
    const { waiting, busy } = this.#queue;
    if (!this.#listening || waiting.length >= this.#core.options.maxWaiting) {
      return server.driver.respond(id, UNAVAILABLE);
    }
    let target: RequestTarget;
    try {
      target = targetOf(request);
    } catch (error) {
      const refusal = CoAPResponse.error(Code.BadRequest, (error as Error).message);
      return server.driver.respond(id, refusal);
    }
    const { address, port } = request.peer;
    const requestId = `${this.#generation}.${id}`;
    const entry: Entry = { id, requestId, request, target, accept: false, over: false };
    this.#entries.set(requestId, entry);
    addRequest(
      this.#core.pending,
      new CoAPRequest({
        method: request.code,
        remoteHost: address,
        remotePort: port,
        requestId,
        token: request.token,
        URI: target.uri,
      }),
    );
    this.#core.log(
      LogLevel.Verbose,
      () => `Request ${request.method} "${target.uri}" of ${address} port ${port}`,
    );
    waiting.push(entry);
    if (!busy) this.#work(this.#queue);
  }

  /** Delivers the requests, one at a time. */
  async #work(queue: Queue): Promise<void> {
    const { waiting } = queue;
    queue.busy = true;
    for (let entry = waiting.shift(); entry !== undefined; entry = waiting.shift()) {
      if (!entry.over) await this.#deliver(entry);
    }
    queue.busy = false;
  }

  async #deliver(entry: Entry): Promise<void> {
    const { request, target, requestId } = entry;
    const { response } = this.#core;
    if (asksToObserve(request)) {
      this.#load(request);
      const event = new CoAPRegisterEvent(request, target);
      const fine = await this.#core.ask(event);
      if (entry.over) return;
      if (!fine) return this.#respond(entry, INTERNAL_ERROR);
      entry.accept = event.accept;
      if (response.code !== "") return this.#answer(entry);
    }
    this.#load(request);
    const event = new CoAPRequestEvent(request, target, requestId);
    const fine = await this.#core.ask(event);
    if (entry.over) return;
    if (!fine) return this.#respond(entry, INTERNAL_ERROR);
    if (!event.sendResponse) return;
    if (response.code === "") this.#respond(entry, NOT_FOUND);
    else this.#answer(entry);
  }

  /** The properties are those of a request to be answered. */
  #load(request: IncomingRequest): void {
    this.#core.request.load(request, request.contentFormat, request.etags[0]);
    this.#core.response.reset();
  }

  /** Answers with the Response properties; where they make no response, 5.00. */
  #answer(entry: Entry): void {
    try {
      this.#respond(entry, this.#core.response.toResponse());
    } catch (error) {
      this.#core.fail(error);
      this.#respond(entry, INTERNAL_ERROR);
    }
  }

  /** Throws where the response can not be sent; then the request still waits. */
  #respond(entry: Entry, response: CoAPResponse): void {
    const { id, target } = entry;
    const answer = { entry, response };
    this.#answering.set(id, answer); // the outcome may be known at once
    try {
      this.#server!.respond(id, response, {
        confirmable: this.#core.confirmable,
        observe: entry.accept ? normalizeUri(target.uri) : undefined,
      });
    } catch (error) {
      this.#answering.delete(id);
      throw error;
    }
    this.#end(entry);
  }

  #end(entry: Entry): void {
    entry.over = true;
    this.#entries.delete(entry.requestId);
    removeRequest(this.#core.pending, entry.requestId);
    this.#keepAlive();
  }

  /** Answers a pending request with the Response properties. Throws where it is none, or they make no response. */
  respond(requestId: string): void {
    const entry = this.#entries.get(requestId);
    if (entry === undefined) throw unknownRequest(requestId);
    this.#respond(entry, this.#core.response.toResponse());
  }

  /** Leaves a pending request without an answer. Answers false where it is none. */
  cancel(requestId: string): boolean {
    const entry = this.#entries.get(requestId);
    if (entry === undefined) return false;
    this.#cancel(entry, "canceled");
    return true;
  }

  #cancel(entry: Entry, why: string): void {
    this.#server!.ignore(entry.id);
    this.#end(entry);
    const { requestId, request } = entry;
    this.#told(requestId, request, undefined, CANCELED, `Request "${requestId}" is ${why}`);
  }

  #onAnswered(id: number, outcome: AnswerOutcome): void {
    const answer = this.#answering.get(id);
    if (answer === undefined) return; // told at shutdown
    const { entry, response } = answer;
    this.#answering.delete(id);
    this.#keepAlive();
    this.#told(entry.requestId, entry.request, response, ...OUTCOMES[outcome]);
  }

  #told(
    requestId: string,
    request: IncomingRequest,
    response: CoAPResponse | undefined,
    code: number,
    text: string,
  ): void {
    this.#core.log(
      LogLevel.Verbose,
      () => `Response ${response?.codeText ?? ""} to request "${requestId}": ${text || "sent"}`,
    );
    this.#core.tell(new CoAPResponseCompleteEvent(requestId, request, response, code, text));
  }

  // -------------------------------------------------------------- observers

  /** Sends the Response properties to the observers of a URI. Throws where they make no response. */
  notify(uri: string): void {
    const name = normalizeUri(uri);
    const server = this.#server!;
    if (server.driver.countObservers(name) === 0) return;
    const state = this.#core.response.toResponse();
    const count = server.notify(name, state, this.#core.confirmable ?? true);
    this.#core.log(LogLevel.Info, `Notification "${uri}" to ${count}: ${state.codeText}`);
  }

  #onUnobserved(request: IncomingRequest): void {
    const target = targetOf(request);
    this.#core.log(LogLevel.Info, `Unregistered from "${target.uri}": ${request.peer.key}`);
    this.#core.tell(new CoAPUnregisteredEvent(request, target));
  }
}

/** The error for an id that is not pending. */
export function unknownRequest(requestId: string): CoAPError {
  return new CoAPError("unknown-request", `No request is pending with the id "${requestId}"`);
}

/** What the network reports of a client that is gone has a number. */
function toRefusal(error: unknown): unknown {
  if (!isRefusal(error)) return error;
  return new CoAPError("refused", "Message was refused by the client's host", { cause: error });
}

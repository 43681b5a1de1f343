/** A server whose requests are answered by their numbers, at any time: what the component needs. @module */

import type {
  AnsweredEvent,
  AnswerOutcome,
  ExchangeId,
  RequestEvent,
  UnobservedReason,
} from "../engine/types.ts";
import type { Address } from "../flow.ts";
import { bindUdp } from "../transport/udp.ts";
import { systemClock } from "./clock.ts";
import { Driver, systemRandom } from "./driver.ts";
import { checkPort, type EndpointOptions, socketOptions } from "./endpoint_options.ts";
import { IncomingRequest } from "./incoming_request.ts";
import { CoAPResponse } from "./response.ts";
import { refuse } from "./server.ts";

/** What happens at such a server. */
export interface ExchangeHandler {
  /** A request came, to be answered by `respond` or left by `ignore`. */
  onRequest(id: ExchangeId, request: IncomingRequest): void;
  /** A response is out of our hands. */
  onAnswered(id: ExchangeId, outcome: AnswerOutcome): void;
  /**
   * A notification is out of our hands: the number of the request that registered, this request, which is another
   * object than it was, and the state, the 4.06 where that took its place.
   */
  onNotified(
    id: ExchangeId,
    outcome: AnswerOutcome,
    request: IncomingRequest,
    state: CoAPResponse,
  ): void;
  /** The sender of that request does not observe any more. The request is another object than it was. */
  onUnobserved(id: ExchangeId, request: IncomingRequest, reason: UnobservedReason): void;
}

/** How such a server is made. */
export interface ExchangeServerOptions extends EndpointOptions {
  /** Local address to bind. @default {"0.0.0.0"} or `"::"` by `family` */
  hostname?: string;
  /** Local port, 0 to 65535. @default {5683} */
  port?: number;
  /** Address family where `hostname` does not tell. @default {4} */
  family?: 4 | 6;
  /** Hears errors of the network. */
  onError?: (error: unknown) => void;
}

/** How a request is answered. */
export interface AnswerOptions {
  /** Whether a separate response is Confirmable. @default as the request was */
  confirmable?: boolean;
  /** Where the response is 2.xx, register the sender as an observer of what is named so. @default none */
  observe?: string;
}

/** A server that is up. What the protocol settles it answers by itself, as `serve` does. */
export class ExchangeServer {
  readonly #handler: ExchangeHandler;
  readonly #options: ExchangeServerOptions;
  readonly #driver: Driver;
  #address: Address = { address: "", port: 0 };
  /** Requests that came before `begin`. */
  #early: RequestEvent[] | undefined = [];

  /** @throws {RangeError} where a parameter or limit is out of range */
  constructor(options: ExchangeServerOptions, handler: ExchangeHandler) {
    this.#options = options;
    this.#handler = handler;
    this.#driver = new Driver({
      clock: options.clock ?? systemClock,
      random: options.random ?? systemRandom,
      parameters: options.parameters,
      limits: options.limits,
      blockSize: options.blockSize,
      extendedTokens: options.extendedTokens,
      maxDatagramSize: options.maxDatagramSize,
      serve: true,
      keepAlive: true,
      onRequest: (event) => {
        if (this.#early === undefined) this.#onRequest(event);
        else this.#early.push(event);
      },
      onAnswered: (event) => this.#onAnswered(event),
      onUnobserved: ({ id, flow, request, reason }) =>
        this.#handler.onUnobserved(id, new IncomingRequest(request, flow, this.#address), reason),
      onMessage: options.onMessage,
      onMalformed: options.onMalformed,
      onError: options.onError,
    });
  }

  /**
   * Binds the socket; the process stays alive for it.
   *
   * @throws {CoAPError} (the promise rejects) with reason `transport` where the address can not be bound
   */
  async bind(): Promise<void> {
    const { transport = bindUdp, hostname, port = 5683, family } = this.#options;
    const options = { ...socketOptions(this.#options), hostname, port: checkPort(port), family };
    await this.#driver.bind(transport, options);
    this.#address = this.#driver.address;
  }

  /** From now on the handler gets requests, at first those that have come already. */
  begin(): void {
    const early = this.#early ?? [];
    this.#early = undefined;
    for (const event of early) this.#onRequest(event);
  }

  #onRequest({ id, flow, message, fresh }: RequestEvent): void {
    const request = new IncomingRequest(message, flow, this.#address, fresh);
    const refusal = refuse(request);
    if (refusal === undefined) this.#handler.onRequest(id, request);
    else this.#driver.respond(id, refusal);
  }

  #onAnswered({ id, flow, outcome, notification }: AnsweredEvent): void {
    if (notification === undefined) return this.#handler.onAnswered(id, outcome);
    const { state } = notification;
    const request = new IncomingRequest(notification.request, flow, this.#address);
    const response = state instanceof CoAPResponse ? state : CoAPResponse.error(state.code);
    this.#handler.onNotified(id, outcome, request, response);
  }

  /** The driver of its socket. */
  get driver(): Driver {
    return this.#driver;
  }

  /**
   * Answers a request and reports the outcome. Of one that is answered already, nothing happens.
   *
   * @throws {CoAPError} `invalid-option` where the response can not be encoded; the request still waits
   */
  respond(id: ExchangeId, response: CoAPResponse, options: AnswerOptions = {}): void {
    this.#driver.respond(id, response, { ...options, report: true });
  }

  /** Leaves a request without an answer. */
  ignore(id: ExchangeId): void {
    this.#driver.cancel(id);
  }

  /**
   * Sends a state to all observers of what is named so, and reports the outcomes. Answers how many they are.
   *
   * @throws {CoAPError} `invalid-option` where it can not be encoded
   */
  notify(name: string, state: CoAPResponse, confirmable: boolean): number {
    // Whether one is Confirmable is for the caller to say; one a day is in any case (RFC 7641 section 4.5).
    const options = { confirmable, confirmableEvery: Infinity, report: true };
    return this.#driver.notify(name, undefined, state, options);
  }

  /** Forgets all observers, each with a word to the handler, and closes the socket. */
  close(): Promise<void> {
    this.#driver.forgetObservers();
    return this.#driver.close();
  }
}

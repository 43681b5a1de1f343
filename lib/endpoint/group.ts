/** Requests to groups: RFC 7252 section 8. @module */

import { CoAPError } from "../errors.ts";
import type { IdMap } from "../engine/id_map.ts";
import type { ExchangeId, FailedEvent, Outline, RequestOptions } from "../engine/types.ts";
import type { Flow } from "../flow.ts";
import { OptionNumber } from "../wire/option.ts";
import { composeUri, type UriParts } from "../wire/uri.ts";
import { Channel } from "./channel.ts";
import type { CallEvent } from "./driver.ts";
import { checkTimeout } from "./endpoint_options.ts";
import { methodCode, methodName } from "./methods.ts";
import { type CoAPRequestInit, makeOutline, parseUri } from "./outgoing.ts";
import { type ClientCore, Pending } from "./pending.ts";
import { type CoAPResponse, received } from "./response.ts";
import type { Route } from "./sockets.ts";

/** What a request to a group may hold besides its URI. It is never Confirmable. */
export interface GroupInit extends
  Pick<
    CoAPRequestInit,
    "accept" | "blockSize" | "contentFormat" | "noResponse" | "options" | "signal"
  > {
  /**
   * The method, as for `CoAPClient.request`.
   *
   * @default {"GET"}
   */
  method?: string | number;
  /** The payload, of one block at most: bytes, which are not copied, or a string to be sent as UTF-8. */
  payload?: Uint8Array | string;
  /**
   * How long responses are taken, ms, above 0.
   *
   * @default {8000} DEFAULT_LEISURE and a first time-out
   */
  timeout?: number;
}

/** Responses that may wait for somebody to read them; what comes beyond is dropped. */
const MAX_WAITING = 4096;

/** Asks a group, from the first `next` on. */
export function askGroup(
  client: ClientCore,
  uri: string | URL,
  init: GroupInit,
): Channel<CoAPResponse> {
  return new Channel<CoAPResponse>({
    signal: init.signal,
    open: (channel) => {
      const code = methodCode(init.method ?? "GET");
      const parts = parseUri(uri);
      const { blockSize, timeout } = init;
      checkTimeout(timeout);
      const outline = makeOutline(code, parts, init);
      const what = `${methodName(code)} "${uri}"`;
      const pending = new PendingGroup(client.all, what, channel, parts, outline, {
        confirmable: false,
        blockSize,
        timeout,
      });
      client.start(pending, parts);
      return () => pending.leave();
    },
    keep: (waiting, response) => {
      if (waiting.length < MAX_WAITING) waiting.push(response);
    },
  });
}

/** A request to a group while its members may answer. */
class PendingGroup extends Pending {
  readonly #channel: Channel<CoAPResponse>;
  readonly #parts: UriParts;
  readonly #outline: Outline;
  readonly #options: RequestOptions;

  constructor(
    all: IdMap<Pending>,
    what: string,
    channel: Channel<CoAPResponse>,
    parts: UriParts,
    outline: Outline,
    options: RequestOptions,
  ) {
    super(all, what);
    this.#channel = channel;
    this.#parts = parts;
    this.#outline = outline;
    this.#options = options;
  }

  leave(): void {
    this.drop();
  }

  protected override send({ driver, flow }: Route): ExchangeId {
    if (!flow.multicast) {
      throw new CoAPError("invalid-uri", `"${flow.address}" is no group: it is asked by "request"`);
    }
    return driver.request(flow, this.#outline, this.#options, this);
  }

  protected override take(event: Exclude<CallEvent, FailedEvent>): void {
    if (event.type === "member") {
      this.#channel.push(received(event.message, event.flow, this.#uriAt(event.flow)));
    } else if (event.type === "groupEnd") {
      this.end();
      this.#channel.end();
    }
  }

  protected override failed(reason: unknown): void {
    this.#channel.fail(reason);
  }

  /** The resource of that member (RFC 7252 section 8.2). */
  #uriAt({ address, port }: Flow): string {
    const options = this.#outline.options?.filter(({ number }) =>
      number === OptionNumber.UriPath || number === OptionNumber.UriQuery
    );
    return composeUri({ scheme: this.#parts.scheme, host: address, port, options });
  }
}

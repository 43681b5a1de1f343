/** An observation of ours: RFC 7641 section 3. @module */

import type { Flow } from "../flow.ts";
import { Code, codeText, isSuccess } from "../wire/code.ts";
import type { Message } from "../wire/message.ts";
import { encodeUint, findOption, type Option, OptionNumber, uintOption } from "../wire/option.ts";
import { etagOf } from "./assembly.ts";
import type { CallHost } from "./call.ts";
import { Download, type DownloadOwner, failureOf } from "./download.ts";
import type { ClientExchange, ClientOwner } from "./exchange.ts";
import type { StartOptions } from "./exchanges.ts";
import type { Timed } from "./timers.ts";
import type { ExchangeId, FailureReason } from "./types.ts";

/** The order of notifications is by time alone after this, ms (RFC 7641 section 3.4). */
const FORGET_ORDER = 128_000;
/** Registrations in a row that may fail before the observation does. */
const MAX_ATTEMPTS = 5;
/** States in a row that may change while they are fetched before the next attempt waits. */
const MAX_RESTARTS = 3;
/** A lost observation is registered again after a random delay in this range, ms (RFC 7641 section 3.3.1). */
const DELAY = { from: 5_000, to: 15_000 };
const DEFAULT_MAX_AGE = 60;
const NOTHING = new Uint8Array(0);

/** Whether a notification with number `v2` at `t2` is newer than one with `v1` at `t1` (RFC 7641 section 3.4). */
export function isNewer(v1: number, t1: number, v2: number, t2: number): boolean {
  return (v1 < v2 && v2 - v1 < 0x800000) || (v1 > v2 && v1 - v2 > 0x800000) ||
    t2 > t1 + FORGET_ORDER;
}

/** Nobody waits for the answer to a deregistration. */
const NOBODY: ClientOwner = { onResponse(): void {}, onFailed(): void {} };

/** Keeps one resource observed until it is canceled or the server ends it. */
export class Observation implements ClientOwner, DownloadOwner, Timed {
  at = 0;
  slot = -1;
  readonly #host: CallHost;
  readonly #id: ExchangeId;
  readonly #flow: Flow;
  readonly #code: number;
  readonly #options: readonly Option[];
  readonly #payload: Uint8Array | undefined;
  readonly #start: StartOptions;
  readonly #limit: number;
  readonly #size: number;
  #exchange: ClientExchange | undefined = undefined;
  #number = 0;
  #numberAt = 0;
  /** Whether the state of this number could not be fetched: it is welcome once more. */
  #incomplete = false;
  /** Whether the server's last word came. */
  #over = false;
  #attempts = 0;
  #restarts = 0;
  /** The Echo that the server asked for. */
  #echo: Option | undefined = undefined;
  /** Fetches the further blocks of the newest state. */
  #download: Download | undefined = undefined;

  /**
   * @param payload the request's body; undefined where it went in blocks: then nothing is registered again
   * @param limit bytes of a state
   * @param size largest blocks to ask for, bytes
   */
  constructor(
    host: CallHost,
    id: ExchangeId,
    flow: Flow,
    code: number,
    options: readonly Option[],
    payload: Uint8Array | undefined,
    start: StartOptions,
    limit: number,
    size: number,
  ) {
    this.#host = host;
    this.#id = id;
    this.#flow = flow;
    this.#code = code;
    this.#options = options;
    this.#payload = payload;
    this.#start = start;
    this.#limit = limit;
    this.#size = size;
  }

  /** Takes over after the first response. */
  begin(now: number, exchange: ClientExchange, message: Message): void {
    this.#exchange = exchange;
    this.#numberAt = -Infinity;
    this.onResponse(now, exchange, this.#flow, message);
  }

  onResponse(now: number, exchange: ClientExchange, flow: Flow, message: Message): void {
    const echo = findOption(message.options, OptionNumber.Echo);
    if (message.code === Code.Unauthorized && echo !== undefined && this.#echo === undefined) {
      this.#echo = { number: OptionNumber.Echo, value: echo.value };
      return this.#register(now);
    }
    this.#attempts = 0;
    this.#echo = undefined;
    const number = uintOption(message.options, OptionNumber.Observe);
    if (number === undefined || !isSuccess(message.code)) {
      // The server has removed us (RFC 7641 section 3.2), or does not observe any more: the last word.
      this.#stop(now);
      this.#over = true;
      this.#exchange = undefined;
      exchange.kept = false;
      this.#host.exchanges.end(now, exchange);
      return this.#deliver(now, flow, message);
    }
    const maxAge = uintOption(message.options, OptionNumber.MaxAge) ?? DEFAULT_MAX_AGE;
    // Over a reliable transport the order of arrival is that of the states (RFC 8323 section 7.1).
    const { reliable } = this.#host.exchanges;
    const newer = reliable || this.#numberAt === -Infinity ||
      isNewer(this.#number, this.#numberAt, number, now) ||
      (this.#incomplete && number === this.#number);
    if (!newer) {
      if (this.slot < 0) this.#registerIn(now, maxAge * 1000);
      // The further blocks of an old state can not be had any more.
      const block = uintOption(message.options, OptionNumber.Block2) ?? 0;
      if ((block & 8) !== 0) return;
      return this.#host.emit({ type: "notification", id: this.#id, flow, message, latest: false });
    }
    this.#number = number;
    this.#numberAt = now;
    this.#incomplete = false;
    // There a Ping tells whether the server is alive, for all observations at once (section 7.3).
    if (!reliable) this.#registerIn(now, maxAge * 1000);
    this.#deliver(now, flow, message);
  }

  /** Fetches what is missing of a state and hands it on; the fetch of another state is given up. */
  #deliver(now: number, flow: Flow, message: Message): void {
    const more = findOption(message.options, OptionNumber.Block2) !== undefined;
    const head = this.#download?.assembly.head;
    if (more && head !== undefined && !this.#over) {
      const etag = etagOf(message);
      if (etag !== undefined && etag === etagOf(head)) return;
    }
    this.#download?.cancel(now);
    this.#download = undefined;
    if (!more) return this.onWhole(now, flow, message);
    this.#fetch().take(now, flow, message);
  }

  #fetch(): Download {
    return this.#download = new Download(
      this.#host.exchanges,
      this.#flow,
      this.#code,
      this.#options,
      { ...this.#start, token: undefined },
      this,
      this.#limit,
      this.#size,
      false,
    );
  }

  onBlock(): void {}

  onWhole(now: number, flow: Flow, message: Message): void {
    const isGone = this.#download?.isGone ?? false;
    this.#download = undefined;
    if (this.#over && isGone) {
      const detail = `Response "${codeText(message.code)}" came in place of a block`;
      return this.#fail(now, "blockwise", detail);
    }
    if (this.#over) {
      return this.#host.settle({ type: "response", id: this.#id, flow, message, more: false });
    }
    // An error in place of a block says nothing of the observation, whose end is notified with its token.
    if (!isSuccess(message.code)) return this.#retry(now);
    this.#restarts = 0;
    this.#host.emit({ type: "notification", id: this.#id, flow, message, latest: true });
  }

  /** A newer state exists: its notification is on the way, or a new registration brings it. */
  onChanged(now: number): void {
    if (this.#over) {
      return this.#fail(now, "blockwise", "The resource changed while its blocks were fetched");
    }
    this.#download = undefined;
    if (++this.#restarts > MAX_RESTARTS || this.#payload === undefined) return this.#retry(now);
    this.#incomplete = true;
    this.#register(now);
  }

  onDownloadFailed(now: number, reason: FailureReason, detail: string | undefined): void {
    this.#download = undefined;
    if (this.#over || reason === "blockwise" || reason === "transport") {
      return this.#fail(now, reason, detail);
    }
    this.#retry(now);
  }

  /** The newest state could not be fetched: another registration brings it, after a while. */
  #retry(now: number): void {
    this.#incomplete = true;
    this.#registerIn(now, 0);
  }

  onFailed(now: number, _exchange: ClientExchange, reason: FailureReason, detail?: string): void {
    this.#exchange = undefined;
    const final = reason === "rejected-response" || reason === "transport" || reason === "refused";
    if (final || ++this.#attempts >= MAX_ATTEMPTS) {
      return this.#fail(now, reason, detail);
    }
    this.#registerIn(now, 0);
  }

  expire(now: number): void {
    // A large state on its way comes first: else one that takes longer than its Max-Age would never arrive.
    if (this.#download !== undefined) this.#registerIn(now, 0);
    else this.#register(now);
  }

  #registerIn(now: number, delay: number): void {
    if (this.#payload === undefined) return;
    const extra = this.#host.shared.entropy.between(DELAY.from, DELAY.to);
    this.#host.shared.timers.set(this, now + delay + extra);
  }

  /** Registers again: with the same token while the old registration may stand (RFC 7641 section 3.3.1). */
  #register(now: number): void {
    const old = this.#exchange;
    if (old !== undefined) this.#host.exchanges.end(now, old);
    const options = [...this.#options, { number: OptionNumber.Observe, value: encodeUint(0) }];
    if (this.#echo !== undefined) options.push(this.#echo);
    const outline = { code: this.#code, options, payload: this.#payload };
    const start = { ...this.#start, token: old?.token };
    try {
      this.#exchange = this.#host.exchanges.start(now, this.#flow, outline, this, start);
      this.#exchange.kept = true;
    } catch (error) {
      this.#fail(now, failureOf(error), error instanceof Error ? error.message : String(error));
    }
  }

  /** Ends it here, without a word to the server. Answers the exchange of the registration, where one stands. */
  release(now: number): ClientExchange | undefined {
    this.#stop(now);
    const exchange = this.#exchange;
    if (exchange !== undefined) this.#host.exchanges.end(now, exchange);
    return exchange;
  }

  /** The application has seen enough: tells the server. */
  cancel(now: number): void {
    const exchange = this.release(now);
    if (exchange === undefined) return;
    // Without its body the request can not be repeated: a Reset to the next notification tells as well. Where there is
    // no Reset the token has to do.
    if (this.#payload === undefined && !this.#host.exchanges.reliable) return;
    Observation.deregister(
      now,
      this.#host,
      exchange,
      this.#code,
      this.#options,
      this.#payload ?? NOTHING,
      this.#start,
    );
  }

  /**
   * Deregisters the observation of an ended exchange (RFC 7641 section 3.6).
   *
   * @param owner waits for the answer
   * @returns the exchange, undefined where there is no room for it
   */
  static deregister(
    now: number,
    host: CallHost,
    exchange: ClientExchange,
    code: number,
    options: readonly Option[],
    payload: Uint8Array,
    start: StartOptions,
    owner: ClientOwner = NOBODY,
  ): ClientExchange | undefined {
    const observe = { number: OptionNumber.Observe, value: encodeUint(1) };
    const outline = {
      code,
      options: [...options.filter(({ number }) => number !== OptionNumber.ETag), observe],
      payload,
    };
    try {
      return host.exchanges.start(now, exchange.flow, outline, owner, {
        ...start,
        token: exchange.token,
        deregisters: true,
      });
    } catch {
      return undefined; // the server finds out with its next notification
    }
  }

  #stop(now: number): void {
    this.#host.shared.timers.clear(this);
    this.#download?.cancel(now);
    this.#download = undefined;
  }

  #fail(now: number, reason: FailureReason, detail: string | undefined): void {
    this.#stop(now);
    if (this.#exchange !== undefined) this.#host.exchanges.end(now, this.#exchange);
    this.#exchange = undefined;
    this.#host.settle({ type: "failed", id: this.#id, flow: this.#flow, reason, detail });
  }
}

/** The blocks of a response after the first: RFC 7959 section 2.4, client side. @module */

import { CoAPError } from "../errors.ts";
import type { Flow } from "../flow.ts";
import { Code } from "../wire/code.ts";
import type { Message } from "../wire/message.ts";
import { encodeUint, findOption, type Option, OptionNumber } from "../wire/option.ts";
import { Assembled, Assembly, BERT_UNIT, blockValue } from "./assembly.ts";
import type { ClientExchange, ClientOwner } from "./exchange.ts";
import type { Exchanges, StartOptions } from "./exchanges.ts";
import type { FailureReason } from "./types.ts";

/** Who wants the body. */
export interface DownloadOwner {
  /** A block came; the body goes on. */
  onBlock(now: number, flow: Flow, message: Message, download: Download): void;
  /** The body is whole: `message` is its last block where blocks are handed on. */
  onWhole(now: number, flow: Flow, message: Message, download: Download): void;
  /** The representation changed under way. */
  onChanged(now: number, download: Download): void;
  /** There will be no whole body. */
  onDownloadFailed(now: number, reason: FailureReason, detail: string | undefined): void;
}

/** Why a further request of ours could not be made. */
export function failureOf(error: unknown): FailureReason {
  return error instanceof CoAPError && error.reason === "transport" ? "transport" : "blockwise";
}

/** Options of the first request that those for further blocks leave out. */
function isFirstOnly(number: number): boolean {
  return number === OptionNumber.Observe || number === OptionNumber.Block1 ||
    number === OptionNumber.Block2 || number === OptionNumber.Size1 ||
    number === OptionNumber.Size2 || number === OptionNumber.IfNoneMatch ||
    number === OptionNumber.ETag;
}

/** What servers answer for a block that the representation, having changed, does not have any more. */
const GONE: ReadonlySet<number> = new Set([Code.BadRequest, Code.RequestEntityIncomplete]);

/** Fetches block after block, each with a token of its own. */
export class Download implements ClientOwner {
  readonly assembly: Assembly;
  /** Whether what is whole is no body but an error that came in place of a further block, as that block is gone. */
  isGone = false;
  readonly #exchanges: Exchanges;
  readonly #flow: Flow;
  readonly #code: number;
  #options: readonly Option[];
  readonly #start: StartOptions;
  readonly #owner: DownloadOwner;
  readonly #paused: boolean;
  #challenged = false;
  #exchange: ClientExchange | undefined = undefined;

  /**
   * @param options those of the request
   * @param size largest blocks to ask for, bytes
   * @param paused whether a further block waits for `next`
   */
  constructor(
    exchanges: Exchanges,
    flow: Flow,
    code: number,
    options: readonly Option[],
    start: StartOptions,
    owner: DownloadOwner,
    limit: number,
    size: number,
    paused: boolean,
  ) {
    this.#exchanges = exchanges;
    this.#flow = flow;
    this.#code = code;
    this.#options = options.filter(({ number }) => !isFirstOnly(number));
    this.#start = start;
    this.#owner = owner;
    this.#paused = paused;
    this.assembly = new Assembly(limit, !paused, size, exchanges.reliable);
  }

  /** Takes a response: the first one from outside, the further ones from the exchanges. */
  take(now: number, flow: Flow, message: Message): void {
    const further = this.assembly.head !== undefined;
    switch (this.assembly.take(message)) {
      case Assembled.Whole:
        this.isGone = further && this.assembly.head === message && GONE.has(message.code);
        return this.#owner.onWhole(now, flow, this.#paused ? message : this.assembly.whole(), this);
      case Assembled.More:
        this.#owner.onBlock(now, flow, message, this);
        if (!this.#paused) this.next(now);
        return;
      case Assembled.Changed:
        return this.#owner.onChanged(now, this);
      default:
        return this.#owner.onDownloadFailed(now, "blockwise", this.assembly.fault);
    }
  }

  /** Asks for the next block, unless that has been done. */
  next(now: number): void {
    if (this.#exchange !== undefined) return;
    const { received, size } = this.assembly;
    if (received / Math.min(size, BERT_UNIT) > 0xfffff) {
      const detail = `Body is larger than blocks of ${size} bytes can number`;
      return this.#owner.onDownloadFailed(now, "blockwise", detail);
    }
    const block = {
      number: OptionNumber.Block2,
      value: encodeUint(blockValue(received, false, size)),
    };
    const outline = { code: this.#code, options: [...this.#options, block] };
    try {
      this.#exchange = this.#exchanges.start(now, this.#flow, outline, this, this.#start);
    } catch (error) {
      // What a peer sends makes nothing throw.
      const detail = error instanceof Error ? error.message : String(error);
      this.#owner.onDownloadFailed(now, failureOf(error), detail);
    }
  }

  cancel(now: number): void {
    if (this.#exchange !== undefined) this.#exchanges.end(now, this.#exchange);
    this.#exchange = undefined;
  }

  onResponse(now: number, _exchange: ClientExchange, flow: Flow, message: Message): void {
    this.#exchange = undefined;
    if (message.code === Code.Unauthorized && !this.#challenged) {
      const echo = findOption(message.options, OptionNumber.Echo);
      if (echo !== undefined) {
        this.#challenged = true;
        const others = this.#options.filter(({ number }) => number !== OptionNumber.Echo);
        this.#options = [...others, { number: OptionNumber.Echo, value: echo.value }];
        return this.next(now);
      }
    }
    this.take(now, flow, message);
  }

  onFailed(now: number, _exchange: ClientExchange, reason: FailureReason, detail?: string): void {
    this.#exchange = undefined;
    this.#owner.onDownloadFailed(now, reason, detail);
  }
}

/** A request of ours as the application knows it: bodies whole or streamed, blocks unseen. @module */

import { CoAPError } from "../errors.ts";
import type { Flow } from "../flow.ts";
import { Code, codeText, isSuccess } from "../wire/code.ts";
import { type Message, MessageType } from "../wire/message.ts";
import { encodeUint, findOption, type Option, OptionNumber, uintOption } from "../wire/option.ts";
import { BERT_UNIT, blockSizeOf, blockValue } from "./assembly.ts";
import type { BlockRules } from "./block_rules.ts";
import { Download, type DownloadOwner, failureOf } from "./download.ts";
import type { ClientExchange, ClientOwner } from "./exchange.ts";
import type { Exchanges, StartOptions } from "./exchanges.ts";
import { Observation } from "./observation.ts";
import type { Shared } from "./layers.ts";
import type {
  DeregisterOptions,
  EngineEvent,
  ExchangeId,
  FailureReason,
  Outline,
  RequestOptions,
} from "./types.ts";

/** What a call needs of the engine. */
export interface CallHost {
  readonly exchanges: Exchanges;
  readonly shared: Shared;
  readonly rules: BlockRules;
  /** Uploads under way, by peer and resource: for the Request-Tag. */
  readonly uploads: Map<string, number>;
  /** Echo values to repeat, by peer. */
  readonly echoes: Echoes;
  nextTag(): number;
  emit(event: EngineEvent): void;
  /** The call is over with this event. */
  settle(event: EngineEvent & { id: ExchangeId }): void;
}

/** Echo values received outside of 4.01, each for the next request to its peer (RFC 9175 section 2.3). */
export interface Echoes {
  take(key: string): Uint8Array | undefined;
  put(key: string, value: Uint8Array): void;
}

const NOTHING = new Uint8Array(0);
/** Stands for the response that No-Response asked not to send. */
const EMPTY: Message = {
  type: MessageType.Acknowledgement,
  code: Code.Empty,
  id: 0,
  token: NOTHING,
  options: [],
  payload: NOTHING,
};
/** No-Response for responses of the classes 2, 4 and 5. */
const ALL_CLASSES = 26;
/** Bytes of a streamed body that go in one message at most. */
const STREAMED = 64 * 1024;
/** How often a changed representation is fetched anew. */
const MAX_RESTARTS = 3;

/** A request of ours. */
export class Call implements ClientOwner, DownloadOwner {
  readonly id: ExchangeId;
  readonly #host: CallHost;
  readonly #flow: Flow;
  readonly #code: number;
  /** The options asked for. */
  readonly #options: Option[];
  readonly #settings: RequestOptions;
  #start: StartOptions;
  /** A Block option of the caller's own switches the handling of that direction off. */
  readonly #rawUpload: boolean;
  readonly #rawDownload: boolean;
  /** Largest blocks of the response, bytes. */
  readonly #preferred: number;
  #exchange: ClientExchange | undefined = undefined;
  #download: Download | undefined = undefined;
  #observation: Observation | undefined = undefined;

  /** What is known of the body, from `#bodyAt` on. */
  #body: Uint8Array;
  #bodyAt = 0;
  #bodyEnds: boolean;
  #wantsBody = false;
  /** Bytes acknowledged. */
  #offset = 0;
  /** Bytes of the block under way. */
  #sending = 0;
  /** The largest body that goes whole, bytes. */
  readonly #fits: number;
  /** Size of the blocks sent, until the server asks for smaller ones; above 1024 they are BERT (RFC 8323 section 6). */
  #size: number;
  #inBlocks = false;
  #tag: Option | undefined = undefined;
  #uploadKey: string | undefined = undefined;
  #echo: Option | undefined = undefined;
  #challenged = false;
  #restarts = 0;
  /** Whether the response was handed on, and its body follows block by block. */
  #handsOn = false;
  /** The classes of responses that No-Response asks not to send, as bits (RFC 7967). */
  readonly #quiet: number;
  #observes: boolean;

  constructor(
    host: CallHost,
    id: ExchangeId,
    flow: Flow,
    outline: Outline,
    settings: RequestOptions,
    start: StartOptions,
  ) {
    this.#host = host;
    this.id = id;
    this.#flow = flow;
    this.#code = outline.code;
    this.#options = [...outline.options ?? []];
    this.#settings = settings;
    this.#observes = settings.observe ?? false;
    this.#start = start;
    this.#rawUpload = findOption(this.#options, OptionNumber.Block1) !== undefined;
    const block2 = uintOption(this.#options, OptionNumber.Block2);
    this.#rawDownload = block2 !== undefined && block2 >>> 4 > 0;
    this.#quiet = (uintOption(this.#options, OptionNumber.NoResponse) ?? 0) & ALL_CLASSES;
    this.#body = outline.payload ?? NOTHING;
    this.#bodyEnds = !settings.upload;
    const peer = host.exchanges.known(flow);
    const rule = host.rules.for(peer, outline.options, settings.blockSize);
    // A stream is not to be gathered until it makes the largest message that could go.
    const most = settings.upload ? STREAMED : Infinity;
    this.#fits = Math.min(rule.whole, most);
    this.#size = Math.min(rule.size, most);
    this.#preferred = host.rules.preferred(peer, settings.blockSize);
    if (settings.blockSize !== undefined && block2 === undefined) {
      this.#add(OptionNumber.Block2, blockValue(0, false, this.#size));
    }
    if (settings.progress && !this.#rawDownload) this.#add(OptionNumber.Size2, 0);
    const unit = Math.min(this.#size, BERT_UNIT);
    if (this.#bodyEnds && this.#body.length / unit > 0x100000) {
      throw new CoAPError(
        "blockwise",
        `Body of "${this.#body.length}" bytes is more than blocks of ${unit} bytes can number`,
      );
    }
  }

  #add(number: number, value: number): void {
    if (findOption(this.#options, number) === undefined) {
      this.#options.push({ number, value: encodeUint(value) });
    }
  }

  /** @throws {CoAPError} where the request can not be encoded or a limit is reached */
  start(now: number): void {
    const echo = this.#settings.proxy ? undefined : this.#host.echoes.take(this.#flow.key);
    if (echo !== undefined) this.#echo = { number: OptionNumber.Echo, value: echo };
    // Further blocks of a response are asked for without the payload that it depends on.
    const depends = this.#code === Code.FETCH || this.#code === Code.POST;
    if (depends && !this.#observes && !this.#rawUpload && !this.#rawDownload) this.#claimTag();
    try {
      this.#upload(now);
    } catch (error) {
      this.#endUpload();
      throw error;
    }
  }

  // -------------------------------------------------------------- the request's body

  /** Sends the next part of the body, or asks for more of it. */
  #upload(now: number): void {
    const rest = this.#body.length - (this.#offset - this.#bodyAt);
    const fits = this.#inBlocks ? this.#size : this.#fits;
    if (!this.#bodyEnds && rest <= fits) {
      this.#wantsBody = true;
      const length = fits + 1 - rest;
      return this.#host.emit({ type: "needBody", id: this.id, length });
    }
    if (rest > fits && !this.#inBlocks && !this.#rawUpload) this.#beginBlocks();
    this.#sending = this.#inBlocks ? Math.min(rest, this.#size) : rest;
    const from = this.#offset - this.#bodyAt;
    const whole = this.#sending === this.#body.length;
    this.#send(now, whole ? this.#body : this.#body.subarray(from, from + this.#sending));
  }

  #beginBlocks(): void {
    this.#inBlocks = true;
    this.#claimTag();
  }

  /** A second transfer to a peer must not mix with the first (RFC 9175 section 3.3). */
  #claimTag(): void {
    if (this.#uploadKey !== undefined) return;
    this.#uploadKey = this.#flow.key;
    const { uploads } = this.#host;
    const others = uploads.get(this.#uploadKey) ?? 0;
    uploads.set(this.#uploadKey, others + 1);
    if (others > 0 && findOption(this.#options, OptionNumber.RequestTag) === undefined) {
      this.#tag = { number: OptionNumber.RequestTag, value: encodeUint(this.#host.nextTag()) };
    }
  }

  get #more(): boolean {
    return !this.#bodyEnds ||
      this.#offset - this.#bodyAt + this.#sending < this.#body.length;
  }

  #send(now: number, payload: Uint8Array): void {
    const more = this.#inBlocks && this.#more;
    // If-None-Match would meet what the first block made (RFC 7959 section 2.10). The response's blocks matter where
    // it comes, after the last block (section 3.3).
    const options = !this.#inBlocks
      ? this.#options.slice()
      : this.#options.filter(({ number }) =>
        !(number === OptionNumber.IfNoneMatch && this.#offset > 0) &&
        !(number === OptionNumber.Block2 && more)
      );
    if (this.#inBlocks) {
      const value = encodeUint(blockValue(this.#offset, more, this.#size));
      options.push({ number: OptionNumber.Block1, value });
      if (this.#offset === 0 && this.#bodyEnds) {
        options.push({ number: OptionNumber.Size1, value: encodeUint(this.#body.length) });
      }
    }
    if (this.#tag !== undefined) options.push(this.#tag);
    if (this.#echo !== undefined) options.push(this.#echo);
    const observes = this.#observes;
    if (observes) options.push({ number: OptionNumber.Observe, value: NOTHING });
    const outline = { code: this.#code, options, payload };
    const quiet = !more && this.#quiet === ALL_CLASSES;
    const start = quiet ? { ...this.#start, quiet } : this.#start;
    const exchange = this.#host.exchanges.start(now, this.#flow, outline, this, start);
    this.#exchange = exchange;
    if (observes && !more) exchange.kept = true;
  }

  /** More of a streamed body. */
  provide(now: number, bytes: Uint8Array, last: boolean): void {
    if (this.#bodyEnds) return;
    const from = this.#offset - this.#bodyAt;
    const rest = this.#body.subarray(from);
    this.#bodyAt = this.#offset;
    if (rest.length === 0) this.#body = bytes;
    else {
      this.#body = new Uint8Array(rest.length + bytes.length);
      this.#body.set(rest);
      this.#body.set(bytes, rest.length);
    }
    this.#bodyEnds = last;
    if (!this.#wantsBody) return;
    this.#wantsBody = false;
    this.#attempt(() => this.#upload(now));
  }

  /** Whether a response only took a part of the body, or asks for it anew: then the upload goes on. */
  #goesOn(now: number, message: Message): boolean {
    const { code, options } = message;
    const block = uintOption(options, OptionNumber.Block1);
    const szx = block === undefined ? 7 : block & 7;
    const bert = szx === 7 && this.#size > BERT_UNIT;
    const size = szx === 7 ? this.#size : blockSizeOf(szx);
    if (this.#rawUpload) return false;
    if (code === Code.RequestEntityTooLarge) {
      const hint = (szx !== 7 || bert) && (size < this.#size || !this.#inBlocks) &&
        this.#body.length > size;
      if (!hint || this.#bodyAt > 0) return false;
      this.#size = Math.min(size, this.#size);
      if (!this.#inBlocks) this.#beginBlocks();
      return this.#beginAgain(now);
    }
    if (!this.#inBlocks) return false;
    if (code === Code.RequestEntityIncomplete) {
      if (this.#offset === 0 || this.#bodyAt > 0 || this.#restarts++ > 0) return false;
      return this.#beginAgain(now);
    }
    if (code !== Code.Continue && !(isSuccess(code) && this.#more)) return false;
    const number = this.#offset / Math.min(this.#size, BERT_UNIT);
    if (code !== Code.Continue && block === undefined) {
      // libcoap 4.3.1 takes a first block of BERT without Size1 for the whole body.
      this.#fail("blockwise", `Response to block ${number} of the request takes it for the last`);
      return true;
    }
    // Without Block1 it can only mean the one block under way: libcoap 4.3 answers so where it creates a resource.
    if (block !== undefined && block >>> 4 !== number || !this.#more) {
      this.#fail("blockwise", `Response does not continue block ${number} of the request`);
      return true;
    }
    this.#offset += this.#sending;
    this.#progress(
      "upload",
      this.#offset,
      this.#bodyEnds ? this.#bodyAt + this.#body.length : undefined,
    );
    this.#size = Math.min(size, this.#size);
    this.#attempt(() => this.#upload(now));
    return true;
  }

  #beginAgain(now: number): boolean {
    this.#offset = 0;
    this.#attempt(() => this.#upload(now));
    return true;
  }

  /** The token of the message that it waits for an answer to. */
  get token(): Uint8Array | undefined {
    return this.#exchange?.token;
  }

  // -------------------------------------------------------------- responses

  onResponse(now: number, exchange: ClientExchange, flow: Flow, message: Message): void {
    if (this.#observation !== undefined) {
      return this.#observation.onResponse(now, exchange, flow, message);
    }
    const echo = findOption(message.options, OptionNumber.Echo);
    if (echo !== undefined && this.#answerEcho(now, exchange, message, echo)) return;
    if (this.#goesOn(now, message)) return this.#letGo(now, exchange);
    if (this.#inBlocks) {
      this.#progress("upload", this.#offset + this.#sending, this.#bodyAt + this.#body.length);
    }
    // A response that comes in blocks itself needs the tag a while longer.
    if (this.#rawDownload || findOption(message.options, OptionNumber.Block2) === undefined) {
      this.#endUpload();
    }
    if (exchange.kept) {
      if (
        isSuccess(message.code) && uintOption(message.options, OptionNumber.Observe) !== undefined
      ) {
        this.#observation = new Observation(
          this.#host,
          this.id,
          flow,
          this.#code,
          this.#tag === undefined ? this.#options : [...this.#options, this.#tag],
          this.#inBlocks ? undefined : this.#body,
          this.#start,
          this.#host.shared.limits.bodyBytes,
          this.#preferred,
        );
        this.#endUpload();
        return this.#observation.begin(now, exchange, message);
      }
      this.#letGo(now, exchange);
    }
    this.#exchange = undefined;
    const block2 = this.#rawDownload ? undefined : findOption(message.options, OptionNumber.Block2);
    if (block2 === undefined) return this.#whole(flow, message);
    this.#download = new Download(
      this.#host.exchanges,
      this.#flow,
      this.#code,
      // The Request-Tag of the request's blocks stays (RFC 9175 section 3.4).
      this.#tag === undefined ? this.#options : [...this.#options, this.#tag],
      this.#start,
      this,
      this.#host.shared.limits.bodyBytes,
      this.#preferred,
      this.#settings.download ?? false,
    );
    this.#download.take(now, flow, message);
  }

  #letGo(now: number, exchange: ClientExchange): void {
    exchange.kept = false;
    this.#host.exchanges.end(now, exchange);
  }

  /** Repeats the request once where the server wants an Echo; else keeps the value for the next request. */
  #answerEcho(now: number, exchange: ClientExchange, message: Message, echo: Option): boolean {
    if (this.#settings.proxy) return false; // only the client can say that it still wants this
    if (message.code !== Code.Unauthorized) {
      this.#host.echoes.put(this.#flow.key, echo.value);
      return false;
    }
    if (this.#challenged) return false;
    this.#challenged = true;
    this.#echo = { number: OptionNumber.Echo, value: echo.value };
    this.#letGo(now, exchange);
    this.#attempt(() => this.#upload(now));
    return true;
  }

  onBlock(_now: number, flow: Flow, message: Message, download: Download): void {
    const { received, total } = download.assembly;
    this.#progress("download", received, total);
    if (!this.#settings.download) return;
    if (!this.#handsOn) {
      this.#handsOn = true;
      this.#host.emit({ type: "response", id: this.id, flow, message, more: true });
    } else {
      this.#host.emit({ type: "body", id: this.id, bytes: message.payload, last: false });
    }
  }

  onWhole(now: number, flow: Flow, message: Message, download: Download): void {
    const { received, total, head } = download.assembly;
    if (this.#handsOn && head === message) {
      const detail = `Response "${codeText(message.code)}" came in place of a block`;
      return this.#fail("blockwise", detail);
    }
    // The question was right: what was wrong is the block, of a body that has changed.
    if (download.isGone && this.#mayRestart()) return this.#restart(now);
    this.#progress("download", received, total ?? received);
    if (this.#handsOn) {
      this.#host.settle({ type: "body", id: this.id, bytes: message.payload, last: true });
    } else this.#whole(flow, message);
  }

  #whole(flow: Flow, message: Message): void {
    this.#endUpload();
    this.#host.settle({ type: "response", id: this.id, flow, message, more: false });
  }

  onChanged(now: number): void {
    if (this.#mayRestart()) return this.#restart(now);
    this.#fail("blockwise", "The resource changed while its blocks were fetched");
  }

  /** Whether the request may be made once more. */
  #mayRestart(): boolean {
    const safe = this.#code === Code.GET || this.#code === Code.FETCH;
    return safe && !this.#settings.download && this.#bodyAt === 0 &&
      this.#restarts < MAX_RESTARTS;
  }

  #restart(now: number): void {
    this.#restarts++;
    this.#download = undefined;
    this.#beginAgain(now);
  }

  onDownloadFailed(_now: number, reason: FailureReason, detail: string | undefined): void {
    this.#fail(reason, detail);
  }

  /** No response is wanted: that the request was sent, or acknowledged, is the whole outcome. */
  onQuiet(now: number, exchange: ClientExchange): void {
    this.#letGo(now, exchange);
    this.#whole(exchange.flow, EMPTY);
  }

  onFailed(now: number, exchange: ClientExchange, reason: FailureReason, detail?: string): void {
    const arrived = exchange.acknowledged || !this.#start.confirmable;
    if (reason === "timeout" && this.#quiet !== 0 && arrived) {
      return this.#whole(exchange.flow, EMPTY);
    }
    if (this.#observation === undefined) this.#fail(reason, detail);
    else this.#observation.onFailed(now, exchange, reason, detail);
  }

  /** The next block of a streamed response is wanted. */
  consume(now: number): void {
    this.#download?.next(now);
  }

  // -------------------------------------------------------------- the end

  /**
   * Ends an observation and waits for what the server answers to that, as a request does. Answers false where there is
   * none whose registration could be named: then nothing happens.
   */
  deregister(now: number, options: DeregisterOptions): boolean {
    if (this.#observation === undefined || this.#inBlocks) return false;
    const { confirmable = this.#start.confirmable, timeout = this.#start.timeout } = options;
    this.#start = { ...this.#start, confirmable, timeout };
    const registration = this.#observation.release(now);
    this.#observation = undefined;
    this.#observes = false;
    this.#exchange = registration && Observation.deregister(
      now,
      this.#host,
      registration,
      this.#code,
      this.#options,
      this.#body,
      this.#start,
      this,
    );
    if (this.#exchange === undefined) this.#fail("timeout", "Registration was lost");
    return true;
  }

  /** The application gives up; an observation is deregistered. */
  cancel(now: number): void {
    this.#endUpload();
    this.#download?.cancel(now);
    if (this.#observation !== undefined) return this.#observation.cancel(now);
    const exchange = this.#exchange;
    if (exchange === undefined) return;
    this.#host.exchanges.end(now, exchange);
    if (exchange.kept && exchange.sent!.id >= 0 && !this.#inBlocks) {
      Observation.deregister(
        now,
        this.#host,
        exchange,
        this.#code,
        this.#options,
        this.#body,
        this.#start,
      );
    }
  }

  #fail(reason: FailureReason, detail: string | undefined): void {
    this.#endUpload();
    this.#host.settle({ type: "failed", id: this.id, flow: this.#flow, reason, detail });
  }

  #endUpload(): void {
    const key = this.#uploadKey;
    if (key === undefined) return;
    this.#uploadKey = undefined;
    const { uploads } = this.#host;
    const others = uploads.get(key)! - 1;
    if (others === 0) uploads.delete(key);
    else uploads.set(key, others);
  }

  /** A further request that can not be made ends the call: what a peer sends makes nothing throw. */
  #attempt(step: () => void): void {
    try {
      step();
    } catch (error) {
      this.#fail(failureOf(error), error instanceof Error ? error.message : String(error));
    }
  }

  #progress(direction: "upload" | "download", bytes: number, total: number | undefined): void {
    if (!this.#settings.progress) return;
    this.#host.emit({ type: "progress", id: this.id, direction, bytes, total });
  }
}

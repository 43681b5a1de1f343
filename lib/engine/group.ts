/** Requests to groups: RFC 7252 section 8, client side. @module */

import { CoAPError } from "../errors.ts";
import type { Flow } from "../flow.ts";
import { EMPTY_BYTES } from "../wire/bytes.ts";
import { Code } from "../wire/code.ts";
import { encode, type Message, MessageType } from "../wire/message.ts";
import { findOption, OptionNumber, uintOption } from "../wire/option.ts";
import type { CallHost } from "./call.ts";
import { Download, type DownloadOwner } from "./download.ts";
import type { StartOptions } from "./exchanges.ts";
import type { Timed } from "./timers.ts";
import type { ExchangeId, Outline } from "./types.ts";

/** Fetches the further blocks of one member's response, from that member alone (RFC 7959 section 2.8). */
class Member implements DownloadOwner {
  readonly download: Download;
  readonly #call: GroupCall;

  constructor(call: GroupCall, host: CallHost, flow: Flow, outline: Outline, start: StartOptions) {
    this.#call = call;
    this.download = new Download(
      host.exchanges,
      flow,
      outline.code,
      outline.options ?? [],
      start,
      this,
      host.shared.limits.bodyBytes,
      host.rules.preferred(undefined),
      false,
    );
  }

  onBlock(): void {}

  onWhole(now: number, flow: Flow, message: Message): void {
    this.#call.memberAnswered(now, this, flow, message);
  }

  onChanged(now: number): void {
    this.#call.memberLost(now, this);
  }

  onDownloadFailed(now: number): void {
    this.#call.memberLost(now, this);
  }
}

/** A Non-confirmable request to a group, and the responses of its members for a time. */
export class GroupCall implements Timed {
  at = 0;
  slot = -1;
  readonly id: ExchangeId;
  readonly #host: CallHost;
  readonly #flow: Flow;
  readonly #outline: Outline;
  readonly #start: StartOptions;
  readonly #members: Set<Member> = new Set();
  /** The time for responses is over; only bodies are still fetched. */
  #over = false;
  #release: (() => void) | undefined = undefined;
  #token: Uint8Array = EMPTY_BYTES;

  constructor(host: CallHost, id: ExchangeId, flow: Flow, outline: Outline, start: StartOptions) {
    this.#host = host;
    this.id = id;
    this.#flow = flow;
    this.#outline = outline;
    // A member is asked for its further blocks alone, reliably.
    this.#start = { ...start, confirmable: true };
    if (outline.code === Code.GET && findOption(outline.options ?? [], OptionNumber.ETag)) {
      throw new CoAPError("invalid-option", "A GET to a group can not have an ETag");
    }
    const block2 = uintOption(outline.options ?? [], OptionNumber.Block2);
    if (
      (outline.payload?.length ?? 0) > host.rules.preferred(undefined) || (block2 ?? 0) >>> 4 > 0
    ) {
      throw new CoAPError("blockwise", "A request to a group can not go in blocks");
    }
  }

  start(now: number): void {
    const { exchanges, shared } = this.#host;
    this.#token = exchanges.drawGroupToken();
    const bytes = encode({
      type: MessageType.NonConfirmable,
      code: this.#outline.code,
      token: this.#token,
      options: this.#outline.options,
      payload: this.#outline.payload,
    }, shared);
    this.#release = exchanges.startGroup(now, this.#flow, bytes, this);
    shared.timers.set(this, now + this.#start.timeout);
  }

  /** The token of the request. */
  get token(): Uint8Array {
    return this.#token;
  }

  /** A member answered. */
  onResponse(now: number, flow: Flow, message: Message): void {
    const block = uintOption(message.options, OptionNumber.Block2);
    if (block === undefined || (block & 8) === 0) return this.#emit(flow, message);
    const member = new Member(this, this.#host, flow, this.#outline, this.#start);
    this.#members.add(member);
    member.download.take(now, flow, message);
  }

  memberAnswered(now: number, member: Member, flow: Flow, message: Message): void {
    this.#emit(flow, message);
    this.memberLost(now, member);
  }

  memberLost(_now: number, member: Member): void {
    this.#members.delete(member);
    if (this.#over && this.#members.size === 0) this.#end();
  }

  #emit(flow: Flow, message: Message): void {
    this.#host.emit({ type: "member", id: this.id, flow, message });
  }

  expire(): void {
    this.#over = true;
    this.#release!();
    if (this.#members.size === 0) this.#end();
  }

  #end(): void {
    this.#host.settle({ type: "groupEnd", id: this.id, flow: this.#flow });
  }

  cancel(now: number): void {
    this.#host.shared.timers.clear(this);
    for (const member of this.#members) member.download.cancel(now);
    if (!this.#over) this.#release!();
  }
}

/** One who observes a resource of ours, and the states on their way to it. @module */

import type { Flow } from "../flow.ts";
import { Code, isSuccess } from "../wire/code.ts";
import type { Message } from "../wire/message.ts";
import { OptionNumber, uintOption } from "../wire/option.ts";
import { type ServerExchange, tokenKey } from "./exchange.ts";
import type { Observers } from "./observers.ts";
import type { Peer } from "./peers.ts";
import type { Sent, SentFailure, SentOwner } from "./sent.ts";
import { requestKey } from "./server_blocks.ts";
import type { Timed } from "./timers.ts";
import type { AnswerOutcome, ExchangeId, NotifyOptions, Outline } from "./types.ts";

/** Message IDs of earlier notifications by which a Reset still finds the observer. */
const REMEMBERED_IDS = 4;

/** A state on its way to observers: encoded once for each block size, and once more for those who have it. */
export class State {
  /** As it was given. */
  readonly given: Outline;
  /** As it is sent: with what blocks need. */
  outline: Outline;
  readonly confirmable: boolean;
  readonly every: number;
  readonly at: number;
  /** The value of Observe, -1 before the first notification. */
  number = -1;
  readonly tails: Map<number, Uint8Array> = new Map<number, Uint8Array>();

  constructor(outline: Outline, options: NotifyOptions, now: number) {
    this.given = this.outline = outline;
    this.confirmable = options.confirmable ?? true;
    this.every = options.confirmableEvery ?? 5;
    this.at = now;
  }

  get final(): boolean {
    return !isSuccess(this.outline.code);
  }
}

/** The observers of one resource. */
export interface Resource {
  readonly name: string;
  readonly observers: Set<Observer>;
  /** The number of the last state sent. */
  number: number;
}

/** One registration. */
export class Observer implements SentOwner, Timed {
  at = 0;
  slot = -1;
  id: ExchangeId;
  readonly peer: Peer;
  readonly flow: Flow;
  readonly key: number | string;
  resource: Resource;
  request: Message;
  /** Bytes that its request keeps. */
  cost = 0;
  variant: string;
  /** The SZX of its blocks, -1 where it did not say and what fits goes whole. */
  szx: number;
  /** The Content-Format it was first answered with, -1 for none; undefined where that is not known. */
  format: number | undefined;
  /** The newest state it has not been sent. */
  pending: State | undefined = undefined;
  /** The state on its way. */
  state: State | undefined = undefined;
  sent: Sent | undefined = undefined;
  queued = false;
  removed = false;
  /** Non-confirmable notifications since the last Confirmable one. */
  unconfirmed = 0;
  confirmedAt: number;
  /** When it was registered last, ms. */
  renewedAt: number;
  /** When the next Non-confirmable one may leave, ms. */
  freeAt = 0;
  /** The message IDs of its last notifications and when they were sent, ms, in turn; and the place of the next one. */
  readonly #notified: number[] = [];
  #next = 0;
  /** Whether the application is told what becomes of its notifications. */
  report = false;
  readonly #observers: Observers;

  constructor(
    observers: Observers,
    exchange: ServerExchange,
    resource: Resource,
    variant: string,
    szx: number,
    format: number | undefined,
    now: number,
  ) {
    this.#observers = observers;
    this.id = exchange.id;
    this.peer = exchange.peer;
    this.flow = exchange.flow;
    this.request = exchange.request;
    this.key = tokenKey(exchange.request.token);
    this.resource = resource;
    this.variant = variant;
    this.szx = szx;
    this.format = format;
    this.confirmedAt = now;
    this.renewedAt = now;
  }

  /** Keeps the message ID of a notification, by which a Reset finds the observer. */
  remember(now: number, id: number): void {
    this.#notified[this.#next] = id;
    this.#notified[this.#next + 1] = now;
    this.#next = (this.#next + 2) % (2 * REMEMBERED_IDS);
  }

  /** When one of its last notifications was sent with that message ID, ms; -Infinity where none was. */
  notifiedAt(id: number): number {
    const notified = this.#notified;
    let at = -Infinity;
    for (let i = 0; i < notified.length; i += 2) {
      if (notified[i] === id && notified[i + 1]! > at) at = notified[i + 1]!;
    }
    return at;
  }

  onSent(now: number, sent: Sent): void {
    this.remember(now, sent.id);
    this.confirmedAt = now;
    this.unconfirmed = 0;
  }

  onAcknowledged(now: number): boolean {
    this.#observers.acknowledged(now, this);
    return true;
  }

  onFailed(now: number, sent: Sent, reason: SentFailure): void {
    this.sent = undefined;
    // Who has asked anew in the meantime is there.
    if (reason === "timeout" && this.renewedAt > sent.sentAt) {
      this.pending ??= this.state;
      this.state = undefined;
      return this.#observers.resume(now, this);
    }
    this.#observers.failed(now, this, reason === "reset" ? "reset" : "timeout");
  }

  onRetransmit(now: number, sent: Sent): void {
    this.#observers.supersede(now, this, sent);
  }

  expire(now: number): void {
    this.#observers.resume(now, this);
  }
}

/** The last word to an observer, which is none any more. */
export class Farewell implements SentOwner {
  readonly #report: ((outcome: AnswerOutcome) => void) | undefined;

  /** @param report hears what became of it */
  constructor(report: ((outcome: AnswerOutcome) => void) | undefined) {
    this.#report = report;
  }

  onSent(): void {}

  onAcknowledged(): boolean {
    this.#report?.("acknowledged");
    return true;
  }

  onFailed(_now: number, _sent: Sent, reason: SentFailure): void {
    this.#report?.(reason === "reset" ? "reset" : "timeout");
  }
}

/** A body up to this size tells representations apart; a longer one makes its observer a kind of its own. */
const COMPARED_BODY = 1024;

/**
 * What of a peer a representation may depend on: how it came here, and by which name. Whoever has shown a certificate
 * is somebody: what is made for one is not for others.
 */
function whoIs({ key, scheme, certificate, hostname, localPort }: Flow): string {
  if (scheme === undefined) return "";
  return certificate === undefined ? `${scheme}://${hostname ?? ""}:${localPort}` : key;
}

/** What tells the representations of a resource apart. */
export function variantOf({ id, flow, request }: ServerExchange): string {
  const { payload, options } = request;
  const key = requestKey(whoIs(flow), request);
  if (payload.length === 0) return key;
  if (payload.length > COMPARED_BODY) return `${key} #${id}`;
  const format = uintOption(options, OptionNumber.ContentFormat);
  return `${key} ${format}=${String.fromCharCode(...payload)}`;
}

/** The Content-Format of a representation, -1 where it has none; undefined of what is no representation. */
export function formatOf({ code, options = [] }: Outline): number | undefined {
  return code === Code.Content ? uintOption(options, OptionNumber.ContentFormat) ?? -1 : undefined;
}

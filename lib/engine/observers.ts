/** Those who observe our resources: RFC 7641 section 4. @module */

import { allocate, equalBytes } from "../wire/bytes.ts";
import { Code } from "../wire/code.ts";
import { encode, type Message, MessageType } from "../wire/message.ts";
import { encodeUint, findOption, findOptions, OptionNumber, uintOption } from "../wire/option.ts";
import { szxOf, withOptions } from "./assembly.ts";
import type { BlockRule } from "./block_rules.ts";
import { type ServerExchange, tokenKey } from "./exchange.ts";
import { Outgoing } from "./message_states.ts";
import { Farewell, formatOf, Observer, type Resource, State, variantOf } from "./observer.ts";
import type { Connection } from "./connection.ts";
import type { Peer } from "./peers.ts";
import type { MessageLayer, Shared } from "./layers.ts";
import { ageMaxAge } from "./max_age.ts";
import { Sent } from "./sent.ts";
import { type ServerBlocks, sizeFor } from "./server_blocks.ts";
import type { Timed } from "./timers.ts";
import type {
  AnswerOutcome,
  EngineEvent,
  NotifyOptions,
  Outline,
  UnobservedReason,
  Variant,
} from "./types.ts";

/**
 * Notifications that may leave at once, and one more for each acknowledgement. Where none has come for `PACE` ms as many
 * leave again: several times that is what a socket's buffer holds of acknowledgements.
 */
const BURST = 64;
const PACE = 10;
/** Longest run of time without a Confirmable notification, ms (RFC 7641 section 4.5). */
const DAY = 24 * 3600 * 1000;
const NUMBERS = 0x1000000;
/**
 * Numbers given in a millisecond at most, to states and to registrations: together below 2^23 in 256 s
 * (RFC 7641 section 4.4).
 */
const NUMBERS_PER_MS = 16;
/** What numbers are given to. */
const Kind = { State: 0, Registration: 1 } as const;

/** Lets further notifications leave though none is acknowledged. */
class Pace implements Timed {
  at = 0;
  slot = -1;
  readonly #observers: Observers;

  constructor(observers: Observers) {
    this.#observers = observers;
  }

  expire(now: number): void {
    this.#observers.pump(now);
  }
}

/** What an option takes besides its value, bytes: a datagram can have 60,000 that are empty. */
const OPTION_COST = 320;

/** Stands for the option that notifications have. */
const OBSERVE = { number: OptionNumber.Observe, value: new Uint8Array(3) };

/** The registrations of an engine, and their notifications. */
export class Observers {
  /** Registrations. */
  size = 0;
  readonly #shared: Shared;
  readonly #layer: MessageLayer;
  readonly #blocks: ServerBlocks;
  readonly #emit: (event: EngineEvent) => void;
  readonly #resources = new Map<string, Resource>();
  readonly #pace: Pace;
  #queue: Observer[] = [];
  #head = 0;
  #credit = BURST;
  /** When the last acknowledgement came, or the credit was renewed without one, ms. */
  #creditedAt = -Infinity;
  /** Bytes of the requests of registrations. */
  #requestBytes = 0;
  /** The number given last, to whatever resource: a resource that is forgotten and comes back goes on with it. */
  #number: number;
  #numberedAt = 0;
  readonly #numbered: [number, number] = [0, 0];

  constructor(
    shared: Shared,
    layer: MessageLayer,
    blocks: ServerBlocks,
    emit: (event: EngineEvent) => void,
  ) {
    this.#shared = shared;
    this.#layer = layer;
    this.#blocks = blocks;
    this.#emit = emit;
    this.#pace = new Pace(this);
    // Over reliable transports there are no numbers: the option is empty (RFC 8323 section 7.1).
    this.#number = layer.reliable ? 0 : shared.entropy.uint16();
  }

  // -------------------------------------------------------------- registrations

  /**
   * Gives the request of a known observer its number when it arrives: a state that is sent before the response to it
   * will be newer than this response. Else -1.
   */
  reserve(now: number, peer: Peer, token: Uint8Array): number {
    const known = peer.observers?.get(tokenKey(token));
    if (known === undefined) return -1;
    this.#advance(now, known.resource, Kind.Registration);
    return known.resource.number;
  }

  /**
   * Registers the sender of a request, or renews its registration. Answers the value of Observe for the response,
   * -1 where a limit forbids it.
   */
  register(now: number, exchange: ServerExchange, name: string, outline: Outline): number {
    const { peer, request } = exchange;
    const key = tokenKey(request.token);
    const known = peer.observers?.get(key);
    if (exchange.withdrawn) {
      // Unless it has registered once more since.
      if (known?.resource.name !== name) this.#unobserved(exchange, name, "deregistered");
      return -1;
    }
    const block2 = uintOption(request.options, OptionNumber.Block2);
    const szx = block2 !== undefined
      ? block2 & 7
      : this.#layer.reliable
      ? -1
      : szxOf(this.#blocks.rules.for(peer, undefined).size);
    const format = formatOf(outline);
    const variant = variantOf(exchange);
    const cost = costOf(request, variant, name);
    const { limits, stats } = this.#shared;
    if (known !== undefined && known.resource.name === name) {
      if (!this.#hasRoom(cost - known.cost)) {
        stats.rejectedLimit++;
        return -1;
      }
      this.#requestBytes += cost - known.cost;
      known.cost = cost;
      known.id = exchange.id;
      known.request = request;
      known.variant = variant;
      known.szx = szx;
      known.format = format;
      known.renewedAt = now;
      return exchange.number >= 0 ? exchange.number : known.resource.number;
    }
    if (known !== undefined) this.remove(now, known, "replaced");
    if (
      this.size >= limits.observers || (peer.observers?.size ?? 0) >= limits.observersPerPeer ||
      !this.#hasRoom(cost)
    ) {
      stats.rejectedLimit++;
      this.#unobserved(exchange, name, "limit");
      return -1;
    }
    let resource = this.#resources.get(name);
    if (resource === undefined) {
      resource = { name, observers: new Set(), number: this.#number };
      this.#resources.set(name, resource);
    }
    // Its observation may be an old one that was given up here: the number must be new to it.
    this.#advance(now, resource, Kind.Registration);
    const observer = new Observer(this, exchange, resource, variant, szx, format, now);
    observer.cost = cost;
    this.#requestBytes += cost;
    resource.observers.add(observer);
    (peer.observers ??= new Map()).set(observer.key, observer);
    peer.holds++;
    this.size++;
    return resource.number;
  }

  /** Whoever let it register has to hear that it observes nothing. */
  #unobserved(
    { id, flow, request }: ServerExchange,
    resource: string,
    reason: UnobservedReason,
  ): void {
    this.#emit({ type: "unobserved", id, flow, request, resource, reason });
  }

  #hasRoom(cost: number): boolean {
    return this.#requestBytes + cost <= this.#shared.limits.transferBytes;
  }

  /** A request ends its sender's registration (RFC 7641 section 4.1). */
  deregister(now: number, peer: Peer, token: Uint8Array, reason: UnobservedReason): void {
    const observer = peer.observers?.get(tokenKey(token));
    if (observer !== undefined) this.remove(now, observer, reason);
  }

  /** A Reset that answers no message under way: perhaps an earlier notification (RFC 7641 section 4.5). */
  onReset(now: number, peer: Peer, id: number): boolean {
    let observer: Observer | undefined;
    // After that a message ID may stand for another message.
    let latest = now - this.#shared.parameters.exchangeLifetime;
    for (const one of peer.observers?.values() ?? []) {
      const at = one.notifiedAt(id);
      if (at > latest) {
        latest = at;
        observer = one;
      }
    }
    if (observer === undefined) return false;
    this.remove(now, observer, "reset");
    return true;
  }

  remove(now: number, observer: Observer, reason: UnobservedReason): void {
    if (observer.removed) return;
    observer.removed = true;
    const { peer, resource, sent } = observer;
    peer.observers!.delete(observer.key);
    if (peer.observers!.size === 0) peer.observers = undefined;
    peer.holds--;
    this.size--;
    this.#requestBytes -= observer.cost;
    resource.observers.delete(observer);
    if (resource.observers.size === 0) this.#resources.delete(resource.name);
    this.#shared.timers.clear(observer);
    peer.connection?.waiting.delete(observer);
    observer.pending = observer.state = observer.sent = undefined;
    if (sent !== undefined) this.#layer.release(now, sent);
    this.#emit({
      type: "unobserved",
      id: observer.id,
      flow: observer.flow,
      request: observer.request,
      resource: resource.name,
      reason,
    });
  }

  /** Removes every registration without telling anybody. */
  clear(now: number): void {
    for (const resource of [...this.#resources.values()]) {
      for (const observer of [...resource.observers]) this.remove(now, observer, "closed");
    }
  }

  // -------------------------------------------------------------- notifications

  /** The different requests by which a resource is observed, one of each kind. */
  variants(name: string): Variant[] {
    const variants = new Map<string, Variant>();
    for (const { variant, request, flow, id } of this.#resources.get(name)?.observers ?? []) {
      if (!variants.has(variant)) variants.set(variant, { key: variant, id, flow, request });
    }
    return [...variants.values()];
  }

  /** How many observe a resource. */
  count(name: string): number {
    return this.#resources.get(name)?.observers.size ?? 0;
  }

  /** Sends a state to the observers of a resource, or of one variant of it. Answers how many they are. */
  notify(
    now: number,
    name: string,
    variant: string | undefined,
    outline: Outline,
    options: NotifyOptions,
  ): number {
    const resource = this.#resources.get(name);
    if (resource === undefined) return 0;
    // What can not be encoded is the caller's mistake now, and nobody's later.
    encode({ code: outline.code, options: [OBSERVE, ...outline.options ?? []] });
    const state = new State(outline, options, now);
    const format = formatOf(outline);
    let count = 0;
    let refusal: State | undefined;
    for (const observer of resource.observers) {
      if (variant !== undefined && observer.variant !== variant) continue;
      count++;
      observer.pending = state;
      if (format !== undefined) {
        observer.format ??= format;
        // Notifications keep to the first response's format (RFC 7641 section 4.2).
        if (observer.format !== format) {
          observer.pending = refusal ??= new State({ code: Code.NotAcceptable }, options, now);
        }
      }
      observer.report = options.report ?? false;
      this.#enqueue(now, observer);
    }
    this.pump(now);
    return count;
  }

  /** The time of an observer has come. */
  resume(now: number, observer: Observer): void {
    this.#enqueue(now, observer);
    this.pump(now);
  }

  /** Puts an observer in the queue, unless a notification of its is under way. */
  #enqueue(now: number, observer: Observer): void {
    if (observer.removed || observer.queued || observer.pending === undefined) return;
    const { sent } = observer;
    if (sent !== undefined) {
      // One that waits for its turn at the peer carries the newest state; one under way is superseded or followed.
      if (sent.state === Outgoing.Queued) this.#rewrite(now, observer, sent);
      return;
    }
    if (observer.slot >= 0) return;
    const { connection } = observer.peer;
    if (connection?.isFull) {
      connection.waiting.add(observer);
      return;
    }
    observer.queued = true;
    this.#queue.push(observer);
  }

  acknowledged(now: number, observer: Observer): void {
    const { state } = observer;
    observer.sent = observer.state = undefined;
    if (this.#credit < BURST) this.#credit++;
    this.#creditedAt = now;
    if (observer.report) this.#answered(observer, state!, "acknowledged");
    this.resume(now, observer);
  }

  /** A notification did not get through: its observer has gone. */
  failed(now: number, observer: Observer, outcome: "timeout" | "reset"): void {
    if (observer.report) this.#answered(observer, observer.state!, outcome);
    this.remove(now, observer, outcome);
  }

  #answered({ id, flow, request }: Observer, { given }: State, outcome: AnswerOutcome): void {
    const notification = { request, state: given };
    this.#emit({ type: "answered", id, flow, outcome, notification });
  }

  /** Sends what waits, as far as the pace allows. */
  pump(now: number): void {
    if (now - this.#creditedAt >= PACE) {
      this.#creditedAt = now;
      this.#credit = BURST;
    }
    const paced = !this.#layer.reliable; // where connections are, each paces itself
    while (this.#head < this.#queue.length && (this.#credit > 0 || !paced)) {
      const observer = this.#queue[this.#head]!;
      if (!observer.removed && observer.pending !== undefined && !this.#numbers(now, observer)) {
        this.#credit = 0;
        break;
      }
      this.#head++;
      observer.queued = false;
      if (!observer.removed && observer.pending !== undefined) this.#send(now, observer);
    }
    if (this.#head === this.#queue.length) {
      this.#queue = [];
      this.#head = 0;
      return;
    }
    if (paced && this.#pace.slot < 0) this.#shared.timers.set(this.#pace, this.#creditedAt + PACE);
  }

  /** Numbers a state when it is first sent: states that nobody was sent cost no numbers. */
  #numbers(now: number, observer: Observer): boolean {
    const state = observer.pending!;
    if (state.number >= 0 || state.final) return true;
    if (!this.#advance(now, observer.resource, Kind.State)) return false;
    state.number = observer.resource.number;
    return true;
  }

  /** Gives a resource the next number, unless there have been too many. */
  #advance(now: number, resource: Resource, kind: 0 | 1): boolean {
    if (this.#layer.reliable) return true;
    if (now - this.#numberedAt >= 1) {
      this.#numberedAt = Math.floor(now);
      this.#numbered.fill(0);
    }
    if (this.#numbered[kind]++ >= NUMBERS_PER_MS) return false;
    resource.number = this.#number = (this.#number + 1) % NUMBERS;
    return true;
  }

  #send(now: number, observer: Observer): void {
    const { peer, flow } = observer;
    if (peer.connection !== undefined) return this.#sendOver(now, observer, peer.connection);
    const state = observer.pending!;
    const confirmable = state.confirmable || state.final ||
      observer.unconfirmed + 1 >= state.every || now - observer.confirmedAt >= DAY;
    if (!confirmable && now < observer.freeAt) {
      return this.#shared.timers.set(observer, observer.freeAt);
    }
    observer.pending = undefined;
    this.#credit--;
    const bytes = this.#encode(now, observer, state, confirmable);
    if (state.final) {
      const owner = observer.report
        ? new Farewell((outcome) => this.#answered(observer, state, outcome))
        : FAREWELL;
      const farewell = new Sent(this.#layer, peer, flow, true, bytes, owner);
      farewell.expires = now + this.#shared.parameters.exchangeLifetime;
      this.#layer.send(now, farewell);
      return this.remove(now, observer, "error");
    }
    if (!confirmable) {
      const { ackTimeout, ackRandomFactor } = this.#shared.parameters;
      observer.freeAt = now + ackTimeout * ackRandomFactor;
      observer.unconfirmed++;
      if (this.#layer.sendOnce(now, peer, flow, bytes)) {
        observer.remember(now, bytes[2]! << 8 | bytes[3]!);
      }
      if (observer.report) this.#answered(observer, state, "sent");
      return;
    }
    observer.state = state;
    observer.sent = new Sent(this.#layer, peer, flow, true, bytes, observer);
    this.#layer.send(now, observer.sent);
  }

  /** Over a connection a notification that is sent arrives, in its order (RFC 8323 section 7.2). */
  #sendOver(now: number, observer: Observer, connection: Connection): void {
    if (connection.isFull) {
      connection.waiting.add(observer);
      return;
    }
    const { peer, flow } = observer;
    let state = observer.pending!;
    observer.pending = undefined;
    let bytes = this.#encode(now, observer, state, true);
    if (bytes.length > this.#layer.largest(peer)) {
      // Not even its options fit: there is nothing to observe for this peer.
      state = new State({ code: Code.InternalServerError }, {}, now);
      bytes = this.#encode(now, observer, state, true);
    }
    this.#layer.sendOnce(now, peer, flow, bytes);
    if (observer.report) this.#answered(observer, state, "sent");
    if (state.final) this.remove(now, observer, "error");
  }

  /** A connection takes notifications again. */
  onWritable(now: number, waiting: Iterable<Observer>): void {
    for (const observer of waiting) this.#enqueue(now, observer);
    this.pump(now);
  }

  /** The newest state takes the place of one that has not left yet. */
  #rewrite(now: number, observer: Observer, sent: Sent): void {
    if (!this.#numbers(now, observer)) return;
    const state = observer.pending!;
    if (state.final) {
      observer.sent = undefined;
      this.#layer.release(now, sent);
      return this.#enqueue(now, observer);
    }
    observer.pending = undefined;
    observer.state = state;
    sent.bytes = this.#encode(now, observer, state, true);
  }

  /**
   * Before a retransmission: a newer state takes the place of the old one, with a message ID of its own and the
   * retry counter kept (RFC 7641 section 4.5.2); else Max-Age is brought up to date.
   */
  supersede(now: number, observer: Observer, sent: Sent): void {
    const pending = observer.pending;
    if (pending !== undefined && !pending.final && this.#numbers(now, observer)) {
      if (!this.#layer.renumber(now, sent)) return;
      observer.pending = undefined;
      observer.state = pending;
      observer.remember(now, sent.id);
    }
    const { id } = sent;
    sent.bytes = this.#encode(now, observer, observer.state!, true);
    sent.bytes[2] = id >> 8;
    sent.bytes[3] = id & 0xff;
  }

  #encode(now: number, observer: Observer, state: State, confirmable: boolean): Uint8Array {
    const { request: { token }, peer } = observer;
    const type = confirmable ? MessageType.Confirmable : MessageType.NonConfirmable;
    const known = this.#isKnown(observer, state);
    const rule = this.#blocks.rules.for(peer, state.outline.options);
    const asked = known ? -1 : askedBlock(observer, state.outline, rule);
    if (asked >= 0) {
      state.outline = this.#blocks.identify(state.outline);
      this.#blocks.keep(now, peer.key, observer.request, state.outline);
    }
    if (token.length > 8 || now - state.at >= 1000) {
      return encode(
        { type, token, ...this.#outline(now, state, known, asked, rule) },
        this.#shared,
      );
    }
    // A block of a state is told by its SZX and size, from the whole and from 2.03.
    const variant = known ? -1 : asked < 0 ? -2 : asked + 8 * sizeFor(asked, rule);
    let tail = state.tails.get(variant);
    if (tail === undefined) {
      tail = encode(this.#outline(now, state, known, asked, rule)).subarray(4);
      state.tails.set(variant, tail);
    }
    const bytes = allocate(4 + token.length + tail.length);
    bytes[0] = 0x40 | type << 4 | token.length;
    bytes[1] = known ? Code.Valid : state.outline.code;
    bytes.set(token, 4);
    bytes.set(tail, 4 + token.length);
    return bytes;
  }

  /** Whether the observer said that it has this representation (RFC 7641 section 4.3.3). */
  #isKnown(observer: Observer, state: State): boolean {
    if (state.outline.code !== Code.Content) return false;
    const etag = findOption(state.outline.options ?? [], OptionNumber.ETag);
    return etag !== undefined &&
      findOptions(observer.request.options, OptionNumber.ETag)
        .some(({ value }) => equalBytes(value, etag.value));
  }

  #outline(now: number, state: State, known: boolean, asked: number, rule: BlockRule): Outline {
    let { outline } = state;
    if (known) {
      const options = outline.options!.filter(({ number }) =>
        number === OptionNumber.ETag || number === OptionNumber.MaxAge
      );
      outline = { code: Code.Valid, options };
    } else if (asked >= 0) outline = this.#blocks.slice(outline, asked, rule);
    const options = ageMaxAge(outline.options ?? [], now - state.at);
    if (state.final) return withOptions(outline, options);
    const observe = { number: OptionNumber.Observe, value: encodeUint(state.number) };
    return withOptions(outline, [observe, ...options]);
  }
}

/** The block of a state that is its notification, as a Block2 would ask for it; -1 where it goes whole. */
function askedBlock({ szx }: Observer, { payload }: Outline, rule: BlockRule): number {
  const length = payload === undefined ? 0 : payload.length;
  if (szx < 0) return length > rule.whole ? szxOf(rule.size) : -1;
  return length > sizeFor(szx, rule) ? szx : -1;
}

/** Bytes that a registration keeps of its request, and of the names that are made of it. */
function costOf({ options, payload, token }: Message, variant: string, name: string): number {
  let cost = payload.length + token.length * 2 + variant.length + name.length +
    options.length * OPTION_COST;
  for (const { value } of options) cost += value.length;
  return cost;
}

/** Nobody asks what becomes of it. */
const FAREWELL = new Farewell(undefined);

/** The message layer over datagrams: RFC 7252 section 4. @module */

import { CoAPError } from "../errors.ts";
import type { Flow } from "../flow.ts";
import { decode, type Message, MessageType } from "../wire/message.ts";
import { isRequestCode, isResponseCode } from "../wire/code.ts";
import { MAX_DATAGRAM } from "./exchanges.ts";
import { IdMap } from "./id_map.ts";
import { MessageIds } from "./message_ids.ts";
import {
  ARRIVAL,
  Arrival,
  effectOf,
  INCOMING,
  Incoming,
  IncomingEffect,
  IncomingInput,
  Kind,
  nextOf,
  NO_STEP,
  OUTGOING,
  Outgoing,
  OutgoingEffect,
  OutgoingInput,
  UNMATCHED,
} from "./message_states.ts";
import type { MessageLayer, Shared, Upper } from "./layers.ts";
import { Outbox, typeCount } from "./outbox.ts";
import { Peer, Peers } from "./peers.ts";
import { IdWait, type Sent } from "./sent.ts";
import { Answered } from "./answered.ts";
import { Seen } from "./seen.ts";
import type { Transmit } from "./types.ts";

/** Tables are swept at whole seconds, so that a stream of messages does not wake the endpoint for each. */
const SWEEP = 1000;

/** Timers are a little late, and without a random factor the last transmission is due at the end of the span. ms */
const LATENESS = 100;

function sweepAt(time: number): number {
  return Math.ceil(time / SWEEP) * SWEEP;
}

/** Confirmable and Non-confirmable messages, duplicates, acknowledgements and Resets. */
export class Reliability implements MessageLayer {
  readonly reliable = false;
  readonly peers: Peers = new Peers();
  /** Messages received and answered. */
  readonly remembered: Answered;
  readonly #shared: Shared;
  readonly #upper: Upper;
  readonly #outbox: Outbox;
  #lastPeer = 0;
  /** Confirmable requests at the application, in the order in which their empty acknowledgement falls due. */
  #firstDue: Seen | undefined = undefined;
  #lastDue: Seen | undefined = undefined;

  constructor(shared: Shared, upper: Upper) {
    this.#shared = shared;
    this.#upper = upper;
    this.remembered = new Answered(
      shared.limits,
      shared.stats,
      shared.entropy.uint16() << 16 | shared.entropy.uint16(),
    );
    this.#outbox = new Outbox(shared.stats);
  }

  /** The next datagram to send; the object is used again by the next call. */
  pollTransmit(): Transmit | undefined {
    return this.#outbox.poll();
  }

  // -------------------------------------------------------------- datagrams in

  /** Takes a datagram in. */
  receive(now: number, flow: Flow, bytes: Uint8Array): void {
    const { stats } = this.#shared;
    stats.receivedBytes += bytes.length;
    if (flow.port === 0) {
      // Nobody can be answered there.
      stats.rejectedUnexpected++;
      return;
    }
    const message = decode(bytes, this.#shared);
    const { type, code, error } = message;
    if (error !== undefined && (error.reason === "too-short" || error.reason === "version")) {
      stats.rejectedMalformed++;
      return this.#upper.onRejected(now, flow, message, bytes);
    }
    typeCount(stats, type, false);
    const kind = error !== undefined
      ? Kind.Malformed
      : code === 0
      ? Kind.Empty
      : isRequestCode(code)
      ? Kind.Request
      : isResponseCode(code)
      ? Kind.Response
      : Kind.Reserved;
    switch (ARRIVAL[kind]![type]) {
      case Arrival.Reset:
        if (kind === Kind.Empty) stats.receivedPing++;
        else this.#reject(now, flow, message, kind, bytes);
        return this.#outbox.reset(flow, message);
      case Arrival.Process:
        return this.#request(now, flow, message, bytes.length);
      case Arrival.Match:
        return this.#response(now, flow, message);
      case Arrival.Acknowledged:
        return this.#acknowledged(now, flow, message);
      case Arrival.Rejected:
        return this.#rejected(now, flow, message);
      default:
        if (kind !== Kind.Empty) this.#reject(now, flow, message, kind, bytes);
    }
  }

  #reject(now: number, flow: Flow, message: Message, kind: number, bytes: Uint8Array): void {
    if (kind === Kind.Malformed) {
      this.#shared.stats.rejectedMalformed++;
      this.#upper.onRejected(now, flow, message, bytes);
    } else this.#shared.stats.rejectedUnexpected++;
  }

  #request(now: number, flow: Flow, message: Message, size: number): void {
    const confirmable = message.type === MessageType.Confirmable;
    // A group request is Non-confirmable (RFC 7252 section 8.1).
    const peer = flow.multicast && confirmable ? undefined : this.peer(now, flow);
    if (peer === undefined) {
      this.#shared.stats.rejectedLimit++;
      return;
    }
    peer.heardAt = now;
    const input = confirmable ? IncomingInput.Confirmable : IncomingInput.NonConfirmable;
    if (this.#isDuplicate(now, peer, flow, message.id, input, size)) return;
    const step = INCOMING.steps[Incoming.New * INCOMING.inputs + input]!;
    const expires = now + this.#lifetime(confirmable);
    const seen = new Seen(peer, message.id, nextOf(step), expires, size);
    if (confirmable) this.#appendDue(seen, flow);
    const taken = this.#upper.onRequest(now, peer, flow, message, seen);
    if (taken) return;
    if (confirmable) this.#removeDue(seen);
    seen.forget();
    if (taken === undefined) return;
    this.#shared.stats.rejectedUnexpected++;
    if (confirmable) this.#outbox.reset(flow, message);
  }

  /** How long a message ID stands for one message. */
  #lifetime(confirmable: boolean): number {
    const { exchangeLifetime, nonLifetime } = this.#shared.parameters;
    return confirmable ? exchangeLifetime : nonLifetime;
  }

  /** Whether a message came before; then its duplicate is dealt with. */
  #isDuplicate(
    now: number,
    peer: Peer,
    flow: Flow,
    id: number,
    input: number,
    size: number,
  ): boolean {
    const seen = peer.seen?.get(id);
    const active = seen !== undefined && seen.expires > now;
    const entry = active ? -1 : this.remembered.find(peer, id, now);
    if (!active && entry < 0) return false;
    this.#shared.stats.duplicates++;
    const state = active ? seen.state : this.remembered.state(entry);
    // A duplicate changes no state.
    switch (effectOf(INCOMING.steps[state * INCOMING.inputs + input]!)) {
      case IncomingEffect.EmptyAck:
        this.#outbox.acknowledge(flow, id);
        break;
      case IncomingEffect.Repeat: {
        const reply = this.remembered.reply(entry);
        // A message ID alone makes a duplicate: a small one must not get what a large one did.
        const { amplification } = this.#shared;
        if (peer.validated || reply.length <= size * amplification) this.#outbox.emit(flow, reply);
      }
    }
    return true;
  }

  #response(now: number, flow: Flow, message: Message): void {
    const peer = this.peers.get(flow.key);
    const confirmable = message.type === MessageType.Confirmable;
    if (peer !== undefined) {
      peer.heardAt = now;
      const input = confirmable ? IncomingInput.Confirmable : IncomingInput.NonConfirmable;
      if (this.#isDuplicate(now, peer, flow, message.id, input, 0)) return;
    }
    const place = this.#outbox.length;
    if (!this.#upper.onResponse(now, peer, flow, message)) {
      this.#shared.stats.rejectedUnexpected++;
      if (UNMATCHED[message.type] === Arrival.Reset) this.#outbox.reset(flow, message);
      return;
    }
    const known = this.peer(now, flow);
    // Before the requests that the response gives rise to, as in RFC 7959 figure 12.
    if (confirmable && !flow.multicast) this.#outbox.acknowledgeAt(place, flow, message.id);
    if (known === undefined) return;
    const state = confirmable ? Incoming.Acknowledged : Incoming.Closed;
    const expires = now + this.#lifetime(confirmable);
    this.remembered.add(known, message.id, state, expires, undefined);
  }

  #acknowledged(now: number, flow: Flow, message: Message): void {
    const sent = this.#matching(now, flow, message);
    if (sent === undefined) return;
    const step = OUTGOING.steps[sent.state * OUTGOING.inputs + OutgoingInput.Acknowledgement]!;
    if (effectOf(step) !== OutgoingEffect.Settle) return;
    if (!sent.owner.onAcknowledged(now, sent, message)) {
      this.#shared.stats.rejectedUnexpected++;
      return;
    }
    this.#end(now, sent, nextOf(step));
  }

  #rejected(now: number, flow: Flow, message: Message): void {
    const peer = this.peers.get(flow.key);
    // A message under way comes before an earlier notification: their message ID may be the same by now.
    const underWay = peer?.sent?.get(message.id) !== undefined;
    if (peer !== undefined && !underWay && this.#upper.onStrayReset(now, peer, message.id)) return;
    const sent = this.#matching(now, flow, message);
    if (sent === undefined) return;
    const step = OUTGOING.steps[sent.state * OUTGOING.inputs + OutgoingInput.Reset]!;
    this.#end(now, sent, nextOf(step));
    sent.owner.onFailed(now, sent, "reset");
  }

  #matching(now: number, flow: Flow, message: Message): Sent | undefined {
    const peer = this.peers.get(flow.key);
    const sent = peer?.sent?.get(message.id);
    if (sent === undefined) this.#shared.stats.rejectedUnexpected++;
    else {
      peer!.heardAt = now;
      this.peers.touch(peer!, now);
    }
    return sent;
  }

  // -------------------------------------------------------------- messages sent

  /** Sends a message as soon as NSTART, PROBING_RATE and the message IDs allow. */
  send(now: number, sent: Sent): void {
    const { peer } = sent;
    if (sent.impatient && peer.idWait !== undefined) {
      sent.state = Outgoing.Ended;
      return sent.owner.onFailed(now, sent, "message-ids");
    }
    sent.before = peer.lastWaiting;
    if (peer.lastWaiting === undefined) peer.firstWaiting = sent;
    else peer.lastWaiting.after = sent;
    peer.lastWaiting = sent;
    this.pump(now, peer);
  }

  /** Sends a Non-confirmable message that nobody asks after: a response. */
  sendOnce(now: number, peer: Peer, flow: Flow, bytes: Uint8Array): boolean {
    const id = this.#lease(now, peer, false);
    if (id < 0) return false;
    bytes[2] = id >> 8;
    bytes[3] = id & 0xff;
    this.peers.touch(peer, now);
    this.#outbox.emit(flow, bytes);
    return true;
  }

  /**
   * Sends a request to a group, with a message ID that is not in use towards any peer (RFC 7252 section 8.1).
   */
  sendToGroup(now: number, flow: Flow, bytes: Uint8Array): void {
    const start = this.#shared.entropy.uint16();
    let id = start;
    // Whole segments are in use or not: a stride of half a segment meets all of them.
    for (let tries = 0; tries < 128; tries++) {
      id = (start + tries * 512) & 0xffff;
      if (this.peers.every((peer) => peer.ids === undefined || peer.ids.isFree(id, now))) break;
    }
    bytes[2] = id >> 8;
    bytes[3] = id & 0xff;
    this.#outbox.emit(flow, bytes);
  }

  /** Gives a message under way a new message ID, for other content. Answers whether one was free. */
  renumber(now: number, sent: Sent): boolean {
    const { peer } = sent;
    const id = this.#lease(now, peer, sent.confirmable);
    if (id < 0) return false;
    peer.sent!.delete(sent.id);
    peer.sent!.set(id, sent);
    sent.id = id;
    return true;
  }

  /** Gives a message up, wherever it is: no retransmission, no match. */
  release(now: number, sent: Sent): void {
    const step = OUTGOING.steps[sent.state * OUTGOING.inputs + OutgoingInput.Release]!;
    if (effectOf(step) !== OutgoingEffect.Free) return;
    // Giving up early does not free the place at a silent peer: PROBING_RATE is kept all the same.
    const keepsPlace = sent.state === Outgoing.Unreliable && this.#isSilent(now, sent.peer);
    this.#end(now, sent, nextOf(step), keepsPlace);
  }

  /** Sends what waits for a peer, as far as it may leave. */
  pump(now: number, peer: Peer): void {
    const { parameters, entropy, timers } = this.#shared;
    while (peer.firstWaiting !== undefined && peer.outstanding < parameters.nstart) {
      const sent = peer.firstWaiting;
      if (sent.expires <= now) {
        this.#end(now, sent, Outgoing.Ended);
        sent.owner.onFailed(now, sent, "timeout");
        continue;
      }
      const id = this.#lease(now, peer, sent.confirmable);
      if (id < 0) {
        if (peer.idWait !== undefined) return;
        peer.idWait = new IdWait(this, peer);
        timers.set(peer.idWait, peer.ids!.availableAt);
        return this.#failImpatient(now, peer);
      }
      this.#unqueue(sent);
      const input = sent.confirmable
        ? OutgoingInput.SendConfirmable
        : OutgoingInput.SendNonConfirmable;
      sent.state = nextOf(OUTGOING.steps[sent.state * OUTGOING.inputs + input]!);
      sent.id = id;
      sent.bytes[2] = id >> 8;
      sent.bytes[3] = id & 0xff;
      sent.sentAt = now;
      if (sent.once) {
        sent.state = Outgoing.Ended;
        this.peers.touch(peer, now);
        this.#outbox.emit(sent.flow, sent.bytes);
        sent.owner.onSent(now, sent);
        continue;
      }
      sent.counts = true;
      peer.outstanding++;
      (peer.sent ??= new IdMap()).set(id, sent);
      if (sent.confirmable) {
        const { ackTimeout, ackRandomFactor } = parameters;
        sent.timeout = entropy.between(ackTimeout, ackTimeout * ackRandomFactor);
        timers.set(sent, now + sent.timeout);
      } else timers.set(sent, now + this.#patience(now, sent));
      this.peers.touch(peer, now);
      this.#outbox.emit(sent.flow, sent.bytes);
      sent.owner.onSent(now, sent);
    }
  }

  /** Fails those in a peer's queue that do not want to wait for a message ID. */
  #failImpatient(now: number, peer: Peer): void {
    for (let sent = peer.firstWaiting; sent !== undefined;) {
      const { after } = sent;
      if (sent.impatient) {
        this.#end(now, sent, Outgoing.Ended);
        sent.owner.onFailed(now, sent, "message-ids");
      }
      sent = after;
    }
  }

  /**
   * How long a Non-confirmable message counts towards NSTART when nothing comes back: until it keeps PROBING_RATE
   * towards a silent peer (RFC 7252 section 4.7), though no longer than a peer is remembered, and no longer than a
   * first time-out towards one that was heard lately.
   */
  #patience(now: number, sent: Sent): number {
    const { parameters } = this.#shared;
    const probing = sent.bytes.length * parameters.nstart / parameters.probingRate * 1000;
    const longest = this.#isSilent(now, sent.peer)
      ? parameters.exchangeLifetime
      : parameters.ackTimeout * parameters.ackRandomFactor;
    return Math.min(probing, longest);
  }

  /** Whether a peer was not heard within MAX_TRANSMIT_SPAN. */
  #isSilent(now: number, peer: Peer): boolean {
    return now - peer.heardAt > this.#shared.parameters.maxTransmitSpan;
  }

  /** The time-out of a message of ours. */
  expireSent(now: number, sent: Sent): void {
    const { parameters, stats, timers } = this.#shared;
    // What could not leave within MAX_TRANSMIT_SPAN (a suspended process) does not leave at all.
    const late = now > sent.sentAt + parameters.maxTransmitSpan + LATENESS;
    const last = sent.confirmable && (late || sent.retransmissions >= parameters.maxRetransmit);
    const input = last ? OutgoingInput.LastTimeout : OutgoingInput.Timeout;
    const step = OUTGOING.steps[sent.state * OUTGOING.inputs + input]!;
    switch (effectOf(step)) {
      case OutgoingEffect.Retransmit:
        sent.retransmissions++;
        sent.timeout *= 2;
        stats.retransmissions++;
        sent.owner.onRetransmit?.(now, sent);
        timers.set(sent, now + sent.timeout);
        this.peers.touch(sent.peer, now);
        return this.#outbox.emit(sent.flow, sent.bytes);
      case OutgoingEffect.GiveUp:
        stats.gaveUp++;
        this.#end(now, sent, nextOf(step));
        return sent.owner.onFailed(now, sent, "timeout");
      case OutgoingEffect.Yield:
        sent.counts = false;
        sent.peer.outstanding--;
        return this.pump(now, sent.peer);
    }
  }

  #end(now: number, sent: Sent, state: number, keepsPlace = false): void {
    const { peer } = sent;
    if (sent.state === Outgoing.Queued) this.#unqueue(sent);
    else if (peer.sent?.get(sent.id) === sent) peer.sent.delete(sent.id);
    sent.state = state;
    if (keepsPlace && sent.counts) return;
    this.#shared.timers.clear(sent);
    if (!sent.counts) return;
    sent.counts = false;
    peer.outstanding--;
    if (peer.firstWaiting !== undefined) this.pump(now, peer);
  }

  #unqueue(sent: Sent): void {
    const { peer } = sent;
    if (sent.before === undefined) peer.firstWaiting = sent.after;
    else sent.before.after = sent.after;
    if (sent.after === undefined) peer.lastWaiting = sent.before;
    else sent.after.before = sent.before;
    sent.before = sent.after = undefined;
    if (peer.firstWaiting === undefined && peer.idWait !== undefined) {
      this.#shared.timers.clear(peer.idWait);
      peer.idWait = undefined;
    }
  }

  #lease(now: number, peer: Peer, confirmable: boolean): number {
    const { parameters, entropy } = this.#shared;
    peer.ids ??= new MessageIds(entropy.uint16());
    const lifetime = confirmable ? parameters.exchangeLifetime : parameters.nonLifetime;
    return peer.ids.lease(now, now + lifetime);
  }

  // -------------------------------------------------------------- answers

  /** Whether the answer to a request goes into its acknowledgement. */
  piggybacks(seen: Seen): boolean {
    return seen.state === Incoming.Handling;
  }

  /**
   * Ends the handling of a request. With `reply`, an encoded acknowledgement, where `piggybacks`; without, its
   * answer goes separately (`silent` false) or not at all.
   */
  answer(
    _now: number,
    flow: Flow,
    seen: Seen,
    reply: Uint8Array | undefined,
    silent: boolean,
  ): void {
    const input = silent ? IncomingInput.Silence : IncomingInput.Answer;
    const step = INCOMING.steps[seen.state * INCOMING.inputs + input]!;
    if (step === NO_STEP) return;
    if (seen.state === Incoming.Handling) this.#removeDue(seen);
    seen.state = nextOf(step);
    switch (effectOf(step)) {
      case IncomingEffect.Piggyback:
        this.#outbox.emit(flow, reply!);
        break;
      case IncomingEffect.EmptyAck:
        this.#outbox.acknowledge(flow, seen.id);
    }
    seen.forget();
    const repeated = seen.state === Incoming.Answered ? reply : undefined;
    this.remembered.add(seen.peer, seen.id, seen.state, seen.expires, repeated);
  }

  #appendDue(seen: Seen, flow: Flow): void {
    seen.flow = flow;
    seen.older = this.#lastDue;
    if (this.#lastDue === undefined) this.#firstDue = seen;
    else this.#lastDue.newer = seen;
    this.#lastDue = seen;
  }

  #removeDue(seen: Seen): void {
    if (seen.older === undefined) this.#firstDue = seen.newer;
    else seen.older.newer = seen.newer;
    if (seen.newer === undefined) this.#lastDue = seen.older;
    else seen.newer.older = seen.older;
    seen.older = seen.newer = seen.flow = undefined;
  }

  #dueAt(seen: Seen): number {
    const { exchangeLifetime, emptyAckDelay } = this.#shared.parameters;
    return seen.expires - exchangeLifetime + emptyAckDelay;
  }

  // -------------------------------------------------------------- time and peers

  /** When `tick` has something to do, ms. */
  get deadline(): number {
    let at = this.remembered.deadline;
    const oldest = this.peers.oldest;
    if (oldest !== undefined) {
      at = Math.min(at, oldest.activeAt + this.#shared.parameters.exchangeLifetime);
    }
    if (at !== Infinity) at = sweepAt(at);
    return this.#firstDue === undefined ? at : Math.min(at, this.#dueAt(this.#firstDue));
  }

  /** Sends the empty acknowledgements that are due and forgets what has expired. */
  tick(now: number): void {
    while (this.#firstDue !== undefined && this.#dueAt(this.#firstDue) <= now) {
      const seen = this.#firstDue;
      const flow = seen.flow!;
      this.#removeDue(seen);
      seen.state = nextOf(INCOMING.steps[seen.state * INCOMING.inputs + IncomingInput.AckDelay]!);
      this.#outbox.acknowledge(flow, seen.id);
    }
    this.remembered.expire(now);
    const { exchangeLifetime } = this.#shared.parameters;
    let oldest = this.peers.oldest;
    while (oldest !== undefined && oldest.activeAt + exchangeLifetime <= now) {
      // What it sent has expired, though behind later answers of a slow application.
      this.remembered.forget(oldest);
      if (this.#idle(now, oldest)) this.peers.remove(oldest);
      else this.peers.touch(oldest, now);
      oldest = this.peers.oldest;
    }
  }

  /** The peer of a flow, new where needed; undefined where the table is full of busy ones. */
  peer(now: number, flow: Flow): Peer | undefined {
    const known = this.peers.get(flow.key);
    if (known !== undefined) {
      this.peers.touch(known, now);
      return known;
    }
    if (this.peers.size >= this.#shared.limits.peers && !this.#evict(now)) return undefined;
    const peer = new Peer(flow, ++this.#lastPeer >>> 0, now);
    this.peers.add(peer);
    return peer;
  }

  refusal(): CoAPError {
    return new CoAPError("limit", `More than "${this.peers.size}" peers are known`);
  }

  largest(): number {
    return MAX_DATAGRAM;
  }

  /** A datagram leaves, whether anybody takes it or not. */
  takes(): boolean {
    return true;
  }

  #idle(now: number, peer: Peer): boolean {
    return peer.holds === 0 && peer.answered === 0 &&
      (peer.sent === undefined || peer.sent.size === 0) &&
      peer.firstWaiting === undefined && (peer.ids === undefined || peer.ids.until <= now);
  }

  #evict(now: number): boolean {
    // A few tries bound the work: busy peers move to the other end, so that the next call finds others.
    for (let tries = 0; tries < 16; tries++) {
      const peer = this.peers.oldest!;
      const underWay = peer.sent !== undefined && peer.sent.size > 0;
      if (peer.holds === 0 && !underWay && peer.firstWaiting === undefined) {
        this.remembered.forget(peer);
        this.peers.remove(peer);
        this.#shared.stats.evictedPeers++;
        return true;
      }
      this.peers.touch(peer, now);
    }
    return false;
  }
}

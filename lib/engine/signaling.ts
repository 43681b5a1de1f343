/** The message layer over reliable transports: RFC 8323. @module */

import type { ConnectionParameters } from "../connection_parameters.ts";
import { CoAPError } from "../errors.ts";
import type { Flow } from "../flow.ts";
import { decodeText, encodeText } from "../wire/bytes.ts";
import { Code, codeText, isRequestCode, isResponseCode } from "../wire/code.ts";
import { decodeFrame, withoutLength } from "../wire/frame.ts";
import { encode, type Message } from "../wire/message.ts";
import { decodeUint, encodeUint, type Option } from "../wire/option.ts";
import { checkSignalingOptions, findSignalingOption, SignalingOption } from "../wire/signaling.ts";
import { Connection, ConnectionReceipt, Phase, type Pinger } from "./connection.ts";
import { allowance, dueAt, judge, ping, Verdict } from "./connection_health.ts";
import type { MessageLayer, Receipt, Shared, Upper } from "./layers.ts";
import { Outgoing } from "./message_states.ts";
import { Outbox, typeCount } from "./outbox.ts";
import { Peer, Peers } from "./peers.ts";
import type { Sent } from "./sent.ts";
import type { FailureReason, Transmit } from "./types.ts";

const NOTHING = new Uint8Array(0);
/** Longest diagnostic taken from a peer, bytes. */
const DIAGNOSTIC = 512;
/** What a length of a TCP frame may add to a message, less what `encode` has more of a header. */
const HEADER_DIFFERENCE = 2;
/** With less nothing can be exchanged. */
const LEAST_MESSAGE_SIZE = 32;
/** Stands for the acknowledgement that the transport gives. */
const TAKEN = {
  type: 2,
  code: Code.Empty,
  id: 0,
  token: NOTHING,
  options: [],
  payload: NOTHING,
} as const satisfies Message;

/** Connections with their signaling; what is sent arrives. */
export class Signaling implements MessageLayer {
  readonly reliable = true;
  readonly peers: Peers = new Peers();
  readonly remembered = { size: 0, bytes: 0 } as const;
  /** All that waits here has a timer. */
  readonly deadline: number = Infinity;
  readonly #shared: Shared;
  readonly #upper: Upper;
  readonly #outbox: Outbox;
  readonly #times: Readonly<ConnectionParameters>;
  readonly #codec: { extendedTokens: boolean; length: false };
  readonly #csm: readonly Option[];
  #lastPeer = 0;
  /** Bytes that peers have not taken, and their connections, those with the oldest bytes first. */
  #unsent = 0;
  readonly #untaken: Set<Connection> = new Set();

  constructor(shared: Shared, upper: Upper, times: Readonly<ConnectionParameters>) {
    this.#shared = shared;
    this.#upper = upper;
    this.#times = times;
    this.#outbox = new Outbox(shared.stats);
    this.#codec = { extendedTokens: shared.extendedTokens, length: false };
    const size = Math.min(shared.limits.messageBytes, 0xffffffff);
    this.#csm = [
      { number: SignalingOption.MaxMessageSize, value: encodeUint(size) },
      { number: SignalingOption.BlockWiseTransfer, value: NOTHING },
    ];
    if (shared.extendedTokens) {
      const value = encodeUint(65_804);
      this.#csm = [...this.#csm, { number: SignalingOption.ExtendedTokenLength, value }];
    }
  }

  pollTransmit(): Transmit | undefined {
    return this.#outbox.poll();
  }

  tick(): void {}

  // -------------------------------------------------------------- connections

  /** A connection is there: a CSM goes out at once (RFC 8323 section 3.3). */
  connected(now: number, flow: Flow): void {
    if (this.peers.get(flow.key) !== undefined) return;
    const peer = new Peer(flow, ++this.#lastPeer >>> 0, now);
    // Whoever has set a connection up is where it says.
    peer.validated = true;
    const connection = peer.connection = new Connection(this, peer, flow, now);
    connection.hear(now);
    connection.replyBytes = this.#shared.limits.sendBytes >> 4;
    this.peers.add(peer);
    this.#signal(now, connection, Code.CSM, NOTHING, this.#csm);
    if (this.peers.size > this.#shared.limits.connections) {
      this.#shared.stats.rejectedLimit++;
      return this.#abort(now, connection, "Too many connections");
    }
    this.#arm(now, connection);
  }

  /** A connection is gone. */
  disconnected(now: number, flow: Flow, detail: string): void {
    const connection = this.#connection(flow);
    if (connection !== undefined) this.#end(now, connection, "transport", detail);
  }

  /** What came on a connection can not be a message: `detail` says why, to the peer as well. */
  failed(now: number, flow: Flow, detail: string): void {
    const connection = this.#connection(flow);
    if (connection === undefined) return;
    this.#shared.stats.rejectedMalformed++;
    this.#abort(now, connection, detail);
  }

  /** The peer has taken all that was sent. */
  writable(now: number, flow: Flow): void {
    const connection = this.#connection(flow);
    if (connection === undefined) return;
    this.#taken(connection);
    if (!connection.isFull) return this.#resume(connection);
    connection.fullSince = -1;
    for (let sent = connection.peer.firstWaiting; sent !== undefined && !connection.isFull;) {
      const { after } = sent;
      this.#unqueue(sent);
      this.#send(now, connection, sent);
      sent = after;
    }
    if (connection.waiting.size > 0) {
      const waiting = [...connection.waiting];
      connection.waiting.clear();
      this.#upper.onWritable(now, waiting);
    }
    this.#resume(connection);
  }

  /** The beginning of a message has come, of which so many bytes are missing. */
  partial(now: number, flow: Flow, missing: number): void {
    const connection = this.#connection(flow);
    if (connection === undefined) return;
    connection.hear(now);
    // Progress does not prolong it: whoever sends byte by byte would go on for ever.
    if (connection.partialSince < 0) {
      connection.partialSince = now;
      connection.missing = missing;
    } else if (missing > connection.missing) connection.missing = missing; // its size was not known
    else return;
    connection.wholeBy = connection.partialSince + allowance(connection.missing, this.#times);
    this.#arm(now, connection);
  }

  /** Whether the peer's CSM has come; undefined where there is no connection, or one that is released. */
  isOpen(flow: Flow): boolean | undefined {
    const phase = this.#connection(flow)?.phase;
    return phase === Phase.Open ? true : phase === Phase.Opening ? false : undefined;
  }

  /** Whether the next message of a connection is to be handed over; else there will be an event `resume`. */
  accepts(flow: Flow): boolean {
    const connection = this.#connection(flow);
    if (connection === undefined) return true; // what still comes is dropped
    if (this.#hasRoom(connection)) return true;
    connection.paused = true;
    return false;
  }

  /** Whether there is room for the answers to all requests that are open and one more: they come together, if late. */
  #hasRoom({ isFull, open, unsent, replyBytes }: Connection): boolean {
    const { requestsPerConnection, sendBytes } = this.#shared.limits;
    if (isFull || open >= requestsPerConnection) return false;
    return open === 0 || unsent + open * replyBytes <= sendBytes;
  }

  #resume(connection: Connection): void {
    if (!connection.paused || !this.#hasRoom(connection)) return;
    connection.paused = false;
    this.#upper.emit({ type: "resume", flow: connection.flow });
  }

  #connection(flow: Flow): Connection | undefined {
    return this.peers.get(flow.key)?.connection;
  }

  /** Announces that we close a connection, or closes it where the peer has announced that (RFC 8323 section 5.5). */
  shutDown(now: number, flow: Flow, detail: string): void {
    const connection = this.#connection(flow);
    if (connection === undefined || connection.phase >= Phase.Releasing) return;
    if (connection.phase === Phase.Opening) {
      return this.#close(now, connection, "transport", detail, false);
    }
    this.#signal(now, connection, Code.Release, NOTHING, [], encodeText(detail));
    connection.phase = Phase.Releasing;
    connection.closedBy = now + this.#times.releaseTimeout;
    this.#upper.emit({ type: "released", flow: connection.flow, alternatives: [], holdOff: 0 });
    this.#arm(now, connection);
  }

  /** Announces the end of all connections. */
  shutDownAll(now: number, detail: string): void {
    for (const { connection, flow } of this.peers) {
      if (connection!.phase === Phase.Open) this.shutDown(now, flow, detail);
    }
  }

  /** Gives a connection up, and tells the peer why (RFC 8323 section 5.6). */
  #abort(
    now: number,
    connection: Connection,
    detail: string,
    options: readonly Option[] = [],
  ): void {
    this.#signal(now, connection, Code.Abort, NOTHING, options, encodeText(detail));
    this.#close(now, connection, "transport", `Connection was aborted: ${detail}`, true);
  }

  #close(
    now: number,
    connection: Connection,
    reason: FailureReason,
    detail: string,
    abort: boolean,
  ): void {
    if (connection.phase === Phase.Closed) return;
    this.#end(now, connection, reason, detail);
    this.#upper.emit({ type: "disconnect", flow: connection.flow, reason, detail, abort });
  }

  /** Removes all that belongs to a connection. */
  #end(now: number, connection: Connection, reason: FailureReason, detail: string): void {
    if (connection.phase === Phase.Closed) return;
    connection.phase = Phase.Closed;
    const { peer } = connection;
    this.#shared.timers.clear(connection);
    this.#upper.onDisconnected(now, peer, reason, detail);
    for (const pinger of [...connection.pings.values()]) pinger.onLost(now, reason, detail);
    connection.pings.clear();
    connection.waiting.clear();
    this.#taken(connection);
    this.peers.remove(peer);
  }

  // -------------------------------------------------------------- time

  #arm(now: number, connection: Connection): void {
    this.#shared.timers.set(connection, dueAt(now, connection, this.#times));
  }

  /** The time of a connection has come. */
  expireConnection(now: number, connection: Connection): void {
    if (connection.phase === Phase.Released && this.#closeReleased(now, connection)) return;
    const [verdict, detail] = judge(now, connection, this.#times);
    switch (verdict) {
      case Verdict.Abort:
        this.#abort(now, connection, detail);
        return this.#relieve(now);
      case Verdict.Close:
        return this.#close(now, connection, "transport", detail, false);
      case Verdict.Release:
        return this.shutDown(now, connection.flow, detail);
      case Verdict.Ping:
        ping(now, connection, this.#times);
        this.#signal(now, connection, Code.Ping, NOTHING, []);
    }
    this.#arm(now, connection);
  }

  // -------------------------------------------------------------- messages in

  /** Takes a message in. */
  receive(now: number, flow: Flow, bytes: Uint8Array): void {
    const { stats } = this.#shared;
    const connection = this.#connection(flow);
    if (connection === undefined) return;
    const { peer } = connection;
    stats.receivedBytes += bytes.length;
    connection.hear(now);
    connection.wholeBy = Infinity;
    connection.partialSince = -1;
    const message = decodeFrame(bytes, this.#codec);
    if (message.error !== undefined) {
      stats.rejectedMalformed++;
      this.#upper.onRejected(now, flow, message, bytes);
      return this.#abort(now, connection, `Message format error: ${message.error.reason}`);
    }
    typeCount(stats, message.type, false);
    const { code } = message;
    if (connection.phase === Phase.Opening && code !== Code.CSM) {
      return this.#abort(now, connection, `First message is ${codeText(code)}, not a CSM`);
    }
    if (isRequestCode(code)) this.#request(now, connection, message, bytes.length);
    else if (isResponseCode(code)) {
      connection.usedAt = now;
      if (!this.#upper.onResponse(now, peer, flow, message)) stats.rejectedUnexpected++;
      if (connection.phase === Phase.Released) this.#closeReleased(now, connection);
    } else if (code >= 0xe0) this.#signaling(now, connection, message);
    else if (code === Code.Empty) connection.usedAt = now; // the peer wants to keep it
    else {
      stats.rejectedMalformed++;
      this.#abort(now, connection, `Code ${codeText(code)} is reserved`);
    }
  }

  #request(now: number, connection: Connection, message: Message, size: number): void {
    const { peer, flow } = connection;
    connection.usedAt = now;
    const receipt = new ConnectionReceipt(connection, size);
    connection.open++;
    const taken = this.#upper.onRequest(now, peer, flow, message, receipt);
    if (taken) return;
    if (taken === false) {
      this.#shared.stats.rejectedUnexpected++;
      const { token } = message;
      this.#emit(now, connection, encode({ code: Code.NotImplemented, token }, this.#shared));
    }
    this.#settle(now, receipt);
  }

  #signaling(now: number, connection: Connection, message: Message): void {
    const { code, options, token } = message;
    const critical = checkSignalingOptions(code, options);
    if (critical !== undefined) {
      const bad = code === Code.CSM
        ? [{ number: SignalingOption.BadCSMOption, value: encodeUint(critical.number) }]
        : [];
      const text = `Option ${critical.number} of ${codeText(code)} is critical and not understood`;
      return this.#abort(now, connection, text, bad);
    }
    switch (code) {
      case Code.CSM:
        return this.#settings(now, connection, options);
      case Code.Ping: {
        this.#shared.stats.receivedPing++;
        connection.usedAt = now;
        const custody = findSignalingOption(code, options, SignalingOption.Custody) !== undefined;
        if (!custody || !connection.delay(token)) {
          this.#pong(now, connection, token, custody && connection.open === 0);
        }
        return;
      }
      case Code.Pong:
        return this.#ponged(now, connection, token);
      case Code.Release:
        return this.#released(now, connection, message);
      case Code.Abort:
        return this.#close(
          now,
          connection,
          "refused",
          `Peer aborted the connection: ${diagnosticOf(message) || "it does not say why"}`,
          true,
        );
    }
    // Others are not registered; like elective options they are passed over.
  }

  #settings(now: number, connection: Connection, options: readonly Option[]): void {
    const size = findSignalingOption(Code.CSM, options, SignalingOption.MaxMessageSize);
    const blocks = findSignalingOption(Code.CSM, options, SignalingOption.BlockWiseTransfer);
    if (size !== undefined) {
      const bytes = decodeUint(size.value);
      if (bytes < LEAST_MESSAGE_SIZE) {
        const number = encodeUint(SignalingOption.MaxMessageSize);
        const bad = [{ number: SignalingOption.BadCSMOption, value: number }];
        return this.#abort(now, connection, `Max-Message-Size of ${bytes} is too small`, bad);
      }
      connection.maxMessageSize = bytes;
    }
    if (blocks !== undefined) connection.blockwise = true;
    if (connection.phase !== Phase.Opening) return;
    connection.phase = Phase.Open;
    this.#upper.emit({ type: "ready", flow: connection.flow });
    this.#arm(now, connection);
  }

  #pong(now: number, connection: Connection, token: Uint8Array, custody: boolean): void {
    const options = custody ? [{ number: SignalingOption.Custody, value: NOTHING }] : [];
    this.#signal(now, connection, Code.Pong, token, options);
  }

  #ponged(now: number, connection: Connection, token: Uint8Array): void {
    const { pings } = connection;
    let number: number | undefined;
    if (token.length === 4) number = decodeUint(token);
    // libcoap up to 4.3.1 leaves the token out: that answers the oldest.
    else if (token.length === 0) number = pings.keys().next().value;
    const pinger = number === undefined ? undefined : pings.get(number);
    if (pinger === undefined) return;
    pings.delete(number!);
    pinger.onPong(now);
  }

  #released(now: number, connection: Connection, { options }: Message): void {
    if (connection.phase === Phase.Open) {
      connection.phase = Phase.Released;
      const hold = findSignalingOption(Code.Release, options, SignalingOption.HoldOff);
      const alternatives = options.filter(({ number }) =>
        number === SignalingOption.AlternativeAddress
      );
      this.#upper.emit({
        type: "released",
        flow: connection.flow,
        alternatives: alternatives.map(({ value }) => decodeText(value)),
        holdOff: hold === undefined ? 0 : decodeUint(hold.value),
      });
    }
    this.#closeReleased(now, connection);
  }

  /** Closes a connection that the peer has released, once everything asked on it is answered. Answers whether it is. */
  #closeReleased(now: number, connection: Connection): boolean {
    if (connection.phase === Phase.Closed) return true;
    if (connection.open > 0) return false;
    // Observations do not end by themselves: what keeps it open is a request of ours without a response.
    if (connection.peer.tokens?.every((exchange) => exchange.kept) === false) return false;
    this.#close(now, connection, "transport", "Peer released the connection", false);
    return true;
  }

  // -------------------------------------------------------------- messages out

  #signal(
    now: number,
    connection: Connection,
    code: number,
    token: Uint8Array,
    options: readonly Option[],
    payload?: Uint8Array,
  ): void {
    this.#emit(now, connection, encode({ code, token, options, payload }, this.#shared));
  }

  #emit(now: number, connection: Connection, bytes: Uint8Array): void {
    if (connection.phase === Phase.Closed) return;
    const message = withoutLength(bytes);
    if (connection.unsent === 0) this.#untaken.add(connection);
    this.#unsent += message.length;
    connection.unsent += message.length;
    connection.unheard += message.length;
    if (this.#unsent > this.#shared.limits.unsentBytes) this.#relieve(now);
    if (connection.unsent > this.#shared.limits.sendBytes && !connection.isFull) {
      connection.fullSince = now;
      this.#arm(now, connection);
    }
    this.#outbox.emit(connection.flow, message);
  }

  /** What was sent on a connection does not wait any more. */
  #taken(connection: Connection): void {
    this.#untaken.delete(connection);
    this.#unsent -= connection.unsent;
    connection.unsent = 0;
    connection.overdue = false;
  }

  /** Where too much waits, gives up the connection with the oldest bytes, but not in the middle of what it is doing. */
  #relieve(now: number): void {
    if (this.#unsent <= this.#shared.limits.unsentBytes) return;
    const oldest = this.#untaken.values().next().value!;
    if (oldest.overdue) return;
    oldest.overdue = true;
    this.#arm(now, oldest);
  }

  takes(peer: Peer, bytes: number): boolean {
    const { isFull, unsent } = peer.connection!;
    const { sendBytes, messageBytes } = this.#shared.limits;
    return !isFull || unsent + bytes <= sendBytes + messageBytes;
  }

  /** Sends a ping. Answers how it is taken back. */
  ping(now: number, connection: Connection, pinger: Pinger): () => void {
    const number = connection.lastPing = (connection.lastPing + 1) >>> 0;
    connection.pings.set(number, pinger);
    const token = Uint8Array.of(number >>> 24, number >>> 16, number >>> 8, number);
    this.#signal(now, connection, Code.Ping, token, []);
    return () => connection.pings.delete(number);
  }

  send(now: number, sent: Sent): void {
    const connection = sent.peer.connection!;
    if (!connection.isFull) return this.#send(now, connection, sent);
    const { peer } = sent;
    sent.before = peer.lastWaiting;
    if (peer.lastWaiting === undefined) peer.firstWaiting = sent;
    else peer.lastWaiting.after = sent;
    peer.lastWaiting = sent;
  }

  #send(now: number, connection: Connection, sent: Sent): void {
    connection.usedAt = now;
    sent.state = Outgoing.Ended;
    sent.id = 0;
    sent.sentAt = now;
    this.#emit(now, connection, sent.bytes);
    sent.owner.onSent(now, sent);
    // The transport sees to it that it arrives.
    if (sent.confirmable) sent.owner.onAcknowledged(now, sent, TAKEN);
  }

  sendOnce(now: number, peer: Peer, _flow: Flow, bytes: Uint8Array): boolean {
    const connection = peer.connection!;
    if (connection.phase === Phase.Closed) return false;
    connection.usedAt = now;
    this.#emit(now, connection, bytes);
    return true;
  }

  /** There are no groups (RFC 8323 section 8). */
  sendToGroup(): void {}

  /** What is sent has arrived: there is nothing to change. */
  renumber(): boolean {
    return false;
  }

  release(now: number, sent: Sent): void {
    const connection = sent.peer.connection!;
    // A request that is over may have been the last; what goes on with another block does so in this call.
    if (connection.phase === Phase.Released) this.#shared.timers.set(connection, now);
    if (sent.state !== Outgoing.Queued) return;
    this.#unqueue(sent);
    sent.state = Outgoing.Ended;
  }

  #unqueue(sent: Sent): void {
    const { peer } = sent;
    if (sent.before === undefined && peer.firstWaiting !== sent) return; // it never waited
    if (sent.before === undefined) peer.firstWaiting = sent.after;
    else sent.before.after = sent.after;
    if (sent.after === undefined) peer.lastWaiting = sent.before;
    else sent.after.before = sent.before;
    sent.before = sent.after = undefined;
  }

  expireSent(): void {}

  pump(): void {}

  // -------------------------------------------------------------- answers

  /** A response goes as it is, whenever it comes. */
  piggybacks(): boolean {
    return true;
  }

  answer(now: number, _flow: Flow, receipt: Receipt, reply: Uint8Array | undefined): void {
    const own = receipt as ConnectionReceipt;
    const { connection } = own;
    if (connection.phase === Phase.Closed || own.done) return;
    if (reply !== undefined) this.#emit(now, connection, reply);
    connection.replyBytes = Math.max(reply?.length ?? 0, connection.replyBytes >> 1);
    this.#settle(now, own);
  }

  #settle(now: number, receipt: ConnectionReceipt): void {
    const { connection } = receipt;
    receipt.done = true;
    for (const token of connection.answered(receipt)) this.#pong(now, connection, token, true);
    this.#resume(connection);
    if (connection.phase === Phase.Released) this.#closeReleased(now, connection);
  }

  // -------------------------------------------------------------- peers

  /** Only whom there is a connection to. */
  peer(_now: number, flow: Flow): Peer | undefined {
    const peer = this.peers.get(flow.key);
    return peer !== undefined && peer.connection!.phase < Phase.Releasing ? peer : undefined;
  }

  refusal({ address, port }: Flow): CoAPError {
    return new CoAPError("transport", `There is no connection to "${address}" port ${port}`);
  }

  largest({ connection }: Peer): number {
    const size = Math.min(connection!.maxMessageSize, this.#shared.limits.messageBytes);
    return size - HEADER_DIFFERENCE;
  }
}

/** What an Abort or a Release says, in a length fit for an error. */
function diagnosticOf({ payload }: Message): string {
  return decodeText(payload.subarray(0, DIAGNOSTIC));
}

/** The one place where an engine meets a transport and a clock. @module */

import { CoAPError } from "../errors.ts";
import type { Address, Flow } from "../flow.ts";
import { Engine, type EngineSizes } from "../engine/engine.ts";
import type { RandomSource } from "../engine/entropy.ts";
import { IdMap } from "../engine/id_map.ts";
import type { Stats } from "../engine/stats.ts";
import type {
  AbandonedEvent,
  AnsweredEvent,
  BodyEvent,
  ConnectionEvent,
  DeregisterOptions,
  EngineEvent,
  EngineOptions,
  ExchangeId,
  FailedEvent,
  GroupEndEvent,
  MemberEvent,
  NeedBodyEvent,
  NotificationEvent,
  NotifyOptions,
  Outline,
  PongEvent,
  ProgressEvent,
  RequestEvent,
  RequestOptions,
  ResponseEvent,
  ResponseOptions,
  UnobservedEvent,
  Variant,
} from "../engine/types.ts";
import type { Bind, BindOptions, Transport, TransportHandler } from "../transport/transport.ts";
import type { Backlog } from "./backlog.ts";
import type { Clock, ClockTimer } from "./clock.ts";

/** A datagram that came or went, or a message of a connection. */
export interface RawMessage {
  /** Whether it was received or sent. */
  readonly direction: "in" | "out";
  /** The peer. */
  readonly flow: Flow;
  /** The datagram; over a connection the message without its length (RFC 8323 section 4.2). Do not write to it. */
  readonly bytes: Uint8Array;
  /** When, by the endpoint's clock, ms. */
  readonly time: number;
}

/** What happens to a request of ours or a ping. */
export type CallEvent =
  | BodyEvent
  | FailedEvent
  | GroupEndEvent
  | MemberEvent
  | NeedBodyEvent
  | NotificationEvent
  | PongEvent
  | ProgressEvent
  | ResponseEvent;

/** Who waits for the outcome of a request of ours or a ping. */
export interface Call {
  /** Where it went. */
  readonly flow: Flow | undefined;
  /** Something happened. */
  onEvent(event: CallEvent): void;
  /** It is over because the transport can not reach the peer. */
  onUnreachable(error: Error): void;
}

/** Where what is sent goes out. */
export interface Outlet {
  /** Queues a message. */
  send(flow: Flow, bytes: Uint8Array): void;
  /** Sends what is queued. */
  flush(): void;
  /** Keeps the process alive. */
  ref(): void;
  /** Lets the process end. */
  unref(): void;
  /** Closes it. */
  close(): Promise<void>;
}

/** How a driver is made. */
export interface DriverOptions extends EngineOptions {
  /** Tells and keeps the time. */
  clock: Clock;
  /** Keeps the process alive also while no call is under way: a server. */
  keepAlive: boolean;
  /** Takes the requests of peers, where the engine serves. */
  onRequest?: (event: RequestEvent) => void;
  /** Knows which of them have waited too long. */
  backlog?: Backlog;
  /** Hears of the responses that were asked to report. */
  onAnswered?: (event: AnsweredEvent) => void;
  /** Hears of observers that are none any more. */
  onUnobserved?: (event: UnobservedEvent) => void;
  /** Hears of requests whose peer's connection is gone. */
  onAbandoned?: (event: AbandonedEvent) => void;
  /** Hears of datagrams that are no message. */
  onMalformed?: (error: CoAPError, peer: Flow) => void;
  /** Longest datagram taken, bytes. @default {65535} */
  maxDatagramSize?: number;
  /** Sees every datagram. */
  onMessage?: (message: RawMessage) => void;
  /** Hears what nobody else is told: errors of the network, exceptions of the functions above. */
  onError?: (error: unknown) => void;
}

/** The system's source of random bytes. */
export const systemRandom: RandomSource = (bytes) => crypto.getRandomValues(bytes);

/** What the system has too little of for a moment. */
const PASSING = new Set(["EAGAIN", "EINTR", "ENOBUFS", "ENOMEM", "EWOULDBLOCK"]);

/** Whether a failure to send passes, so that a retransmission may do better. */
function isPassing(error: Error): boolean {
  return PASSING.has((error as { code?: string }).code ?? "");
}

/** Drives an engine over one transport. */
export class Driver implements TransportHandler {
  protected readonly engine: Engine;
  protected readonly clock: Clock;
  protected readonly options: DriverOptions;
  readonly #calls = new IdMap<Call>();
  readonly #fire = (): void => this.#expire();
  readonly #flushSoon = (): void => {
    this.#scheduled = false;
    this.flush();
  };
  protected outlet: Outlet | undefined = undefined;
  #transport: Transport | undefined = undefined;
  #keepAlive: boolean;
  #held = 0;
  protected closing: Promise<void> | undefined = undefined;
  /** Whether the transport is about to call `turn`. */
  protected turning = false;
  #scheduled = false;
  #draining = false;
  #timer: ClockTimer | undefined = undefined;
  /** When the timer fires, `Infinity` where none is set. */
  #armedFor = Infinity;

  /** @throws {RangeError} where a parameter or limit is out of range */
  constructor(options: DriverOptions) {
    this.engine = new Engine(options);
    this.clock = options.clock;
    this.options = options;
    this.#keepAlive = options.keepAlive;
  }

  /** Binds a transport. Rejects with what `bind` rejects with. */
  async bind(bind: Bind, options: BindOptions): Promise<this> {
    this.#transport = await bind(options, this);
    const { backlog } = this.options;
    const size = this.#transport.bufferSizes?.receive;
    if (backlog !== undefined && size !== undefined) backlog.bufferSize = size;
    this.attach(this.#transport);
    this.flush(); // what came before the promise had settled
    return this;
  }

  /** What is sent goes out here. */
  protected attach(outlet: Outlet): void {
    this.outlet = outlet;
    if (!this.#keepAlive && this.#calls.size === 0 && this.#held === 0) outlet.unref();
  }

  /** Keeps the process alive until `letGo`, for what is not a call yet. */
  protected hold(): void {
    if (++this.#held === 1 && this.#calls.size === 0 && !this.#keepAlive) this.outlet!.ref();
  }

  protected letGo(): void {
    if (--this.#held === 0 && this.#calls.size === 0 && !this.#keepAlive) this.outlet!.unref();
  }

  /** The bound address. */
  get address(): Address {
    return this.#transport!.address;
  }

  /** The buffers of its socket, where they are known. */
  get bufferSizes(): Transport["bufferSizes"] {
    return this.#transport!.bufferSizes;
  }

  /** Keeps the process alive also while no call is under way, or does not any more. */
  set keepAlive(keepAlive: boolean) {
    this.#keepAlive = keepAlive;
    if (this.#calls.size > 0 || this.#held > 0) return;
    if (keepAlive) this.outlet!.ref();
    else this.outlet!.unref();
  }

  /** What the engine has counted. */
  get stats(): Stats {
    return this.engine.stats;
  }

  /** What the engine holds. */
  get sizes(): EngineSizes {
    return this.engine.sizes;
  }

  /** The path to a peer. */
  flow(address: string, port: number): Flow {
    return this.#transport!.flow(address, port);
  }

  // -------------------------------------------------------------- what the application does

  /** Sends a request. Throws as `Engine.request`. */
  request(flow: Flow, outline: Outline, options: RequestOptions, call: Call): ExchangeId {
    return this.#start(this.engine.request(this.clock.now(), flow, outline, options), call);
  }

  /** Sends a ping. Throws as `Engine.ping`. */
  ping(flow: Flow, call: Call): ExchangeId {
    return this.#start(this.engine.ping(this.clock.now(), flow), call);
  }

  #start(id: ExchangeId, call: Call): ExchangeId {
    this.#calls.set(id, call);
    if (this.#calls.size === 1 && !this.#keepAlive && this.#held === 0) this.outlet!.ref();
    this.schedule();
    return id;
  }

  /** Gives more of the body of a request of ours, as asked for by `needBody`. */
  provide(id: ExchangeId, bytes: Uint8Array, last: boolean): void {
    if (this.closing !== undefined) return;
    this.engine.provide(this.clock.now(), id, bytes, last);
    this.schedule();
  }

  /** Asks for the next block of a response that is streamed. */
  consume(id: ExchangeId): void {
    if (this.closing !== undefined) return;
    this.engine.consume(this.clock.now(), id);
    this.schedule();
  }

  /** Answers a request of a peer. Throws as `Engine.respond`; after `close` nothing happens. */
  respond(id: ExchangeId, outline: Outline, options?: ResponseOptions): void {
    if (this.closing !== undefined) return;
    this.engine.respond(this.clock.now(), id, outline, options);
    this.schedule();
  }

  /** Answers a request of a peer 4.01 with an Echo value. */
  challenge(id: ExchangeId): void {
    if (this.closing !== undefined) return;
    this.engine.challenge(this.clock.now(), id);
    this.schedule();
  }

  /** Answers a request of a peer 5.03: there is no time for it. */
  shed(id: ExchangeId): void {
    if (this.closing !== undefined) return;
    this.engine.shed(this.clock.now(), id);
    this.schedule();
  }

  /** The different requests by which a resource is observed. */
  observed(resource: string): Variant[] {
    return this.engine.observed(resource);
  }

  /** How many observe a resource. */
  countObservers(resource: string): number {
    return this.engine.countObservers(resource);
  }

  /** Sends a state to observers. Throws as `Engine.notify`; after `close` there are none. */
  notify(
    resource: string,
    variant: string | undefined,
    outline: Outline,
    options?: NotifyOptions,
  ): number {
    if (this.closing !== undefined) return 0;
    const count = this.engine.notify(this.clock.now(), resource, variant, outline, options);
    this.schedule();
    return count;
  }

  /** Forgets all observers, without a word to them. */
  forgetObservers(): void {
    if (this.closing !== undefined) return;
    this.engine.forgetObservers(this.clock.now());
    this.drain();
  }

  /** The token of a request of ours that waits for a response. */
  token(id: ExchangeId): Uint8Array | undefined {
    return this.engine.token(id);
  }

  /** Ends an observation of ours, whose exchange goes on until the server has answered. Answers whether there is one. */
  deregister(id: ExchangeId, options: DeregisterOptions): boolean {
    if (this.closing !== undefined) return false;
    const done = this.engine.deregister(this.clock.now(), id, options);
    this.schedule();
    return done;
  }

  /** Gives up a request of ours, a ping, or a request of a peer. */
  cancel(id: ExchangeId): void {
    if (this.closing !== undefined) return;
    this.engine.cancel(this.clock.now(), id);
    this.#end(id);
    this.schedule();
  }

  /** Sends what is ready to leave and closes the transport. Calls under way get no outcome. */
  close(): Promise<void> {
    if (this.closing === undefined) {
      this.flush();
      this.#disarm();
      this.closing = this.outlet?.close() ?? Promise.resolve();
    }
    return this.closing;
  }

  #end(id: ExchangeId): Call | undefined {
    const call = this.#calls.get(id);
    if (call === undefined) return undefined;
    this.#calls.delete(id);
    if (this.#calls.size === 0 && !this.#keepAlive && this.#held === 0) this.outlet!.unref();
    return call;
  }

  // -------------------------------------------------------------- what the transport tells

  /** @ignore */
  receive(flow: Flow, bytes: Uint8Array): void {
    if (this.closing !== undefined) return;
    const now = this.clock.now();
    const { backlog } = this.options;
    if (backlog !== undefined) backlog.read(now);
    this.turning = true;
    if (this.options.onMessage !== undefined) this.show("in", flow, bytes, now);
    const { maxDatagramSize } = this.options;
    if (maxDatagramSize !== undefined && bytes.length > maxDatagramSize) {
      return this.#reject(flow, `${bytes.length} bytes are too many`);
    }
    this.engine.receive(now, flow, bytes);
    this.drain();
  }

  /** @ignore */
  turn(more = false): void {
    this.turning = false;
    if (more) this.#tick(); // the timer may have to wait for long
    this.flush();
    const { backlog } = this.options;
    if (backlog !== undefined) backlog.turned(this.clock.now(), more);
  }

  /** @ignore */
  error(error: Error, flow?: Flow): void {
    if (this.closing !== undefined) return;
    if (flow !== undefined && !isPassing(error)) {
      for (const [id, call] of this.#calls.entries()) {
        if (call.flow?.key !== flow.key) continue;
        this.cancel(id);
        call.onUnreachable(error);
      }
    }
    this.report(error);
  }

  // -------------------------------------------------------------- a turn

  /** Calls of one turn of the event loop leave together. */
  protected schedule(): void {
    if (this.#scheduled || this.turning) return;
    this.#scheduled = true;
    queueMicrotask(this.#flushSoon);
  }

  #expire(): void {
    this.#timer = undefined;
    this.#armedFor = Infinity;
    this.#tick();
    this.flush();
  }

  #tick(): void {
    const now = this.clock.now();
    // An early timer (a request has ended meanwhile, a clamped delay) is only set again.
    if (this.engine.deadline <= now) this.engine.tick(now);
  }

  /** Sends what is ready to leave. */
  protected flush(): void {
    const { outlet } = this;
    if (outlet === undefined || this.closing !== undefined) return;
    this.drain();
    this.transmit(outlet);
    const { deadline } = this.engine;
    if (deadline < this.#armedFor) this.#arm(deadline);
  }

  /** Hands all that is ready to the transport. */
  protected transmit(outlet: Outlet): void {
    let transmit = this.engine.pollTransmit();
    if (transmit !== undefined) {
      const now = this.options.onMessage === undefined ? 0 : this.clock.now();
      do {
        if (this.options.onMessage !== undefined) {
          this.show("out", transmit.flow, transmit.bytes, now);
        }
        outlet.send(transmit.flow, transmit.bytes);
        transmit = this.engine.pollTransmit();
      } while (transmit !== undefined);
      outlet.flush();
    }
  }

  #arm(at: number): void {
    this.#disarm();
    this.#armedFor = at;
    this.#timer = this.clock.setTimer(this.#fire, at);
    this.clock.unref?.(this.#timer); // it is the transport that keeps the process alive
  }

  #disarm(): void {
    if (this.#timer !== undefined) this.clock.clearTimer(this.#timer);
    this.#timer = undefined;
  }

  /** Hands on what the engine has to tell. */
  protected drain(): void {
    if (this.#draining) return;
    this.#draining = true;
    let event = this.engine.pollEvent();
    while (event !== undefined) {
      try {
        this.#dispatch(event);
      } catch (error) {
        this.report(error);
      }
      event = this.engine.pollEvent();
    }
    this.#draining = false;
  }

  #dispatch(event: EngineEvent): void {
    switch (event.type) {
      case "request":
        if (this.options.backlog?.isLate) return this.shed(event.id);
        return this.options.onRequest?.(event);
      case "failed":
      case "groupEnd":
      case "pong":
        return this.#end(event.id)?.onEvent(event);
      case "response":
        return (event.more ? this.#calls.get(event.id) : this.#end(event.id))?.onEvent(event);
      case "body":
        return (event.last ? this.#end(event.id) : this.#calls.get(event.id))?.onEvent(event);
      case "member":
      case "needBody":
      case "notification":
      case "progress":
        return this.#calls.get(event.id)?.onEvent(event);
      case "answered":
        return this.options.onAnswered?.(event);
      case "unobserved":
        return this.options.onUnobserved?.(event);
      case "rejected":
        return this.#reject(event.flow, event.message.error!.reason);
      case "abandoned":
        return this.options.onAbandoned?.(event);
      default:
        return this.onConnection(event);
    }
  }

  /** Something happened to a connection: there are none here. */
  protected onConnection(_event: ConnectionEvent): void {}

  #reject(peer: Flow, why: string): void {
    const { onMalformed } = this.options;
    if (onMalformed === undefined) return;
    const what = this.options.reliable ? "Message" : "Datagram";
    const text = `${what} from "${peer.address}" port ${peer.port} is no message: ${why}`;
    try {
      onMalformed(new CoAPError("malformed-message", text), peer);
    } catch (error) {
      this.report(error);
    }
  }

  protected show(direction: "in" | "out", flow: Flow, bytes: Uint8Array, time: number): void {
    try {
      this.options.onMessage!({ direction, flow, bytes, time });
    } catch (error) {
      this.report(error);
    }
  }

  protected report(error: unknown): void {
    try {
      this.options.onError?.(error);
    } catch {
      // There is nobody left to tell.
    }
  }
}

/** Drives an engine over transports with connections: RFC 8323. @module */

import { CoAPError } from "../errors.ts";
import type { Address, Flow } from "../flow.ts";
import { type ConnectionParameters, deriveConnectionParameters } from "../connection_parameters.ts";
import { deriveLimits } from "../parameters.ts";
import type { ConnectionEvent } from "../engine/types.ts";
import type {
  BindStream,
  ClientTlsOptions,
  ListenOptions,
  StreamHandler,
  StreamScheme,
  StreamTarget,
  StreamTransport,
} from "../transport/stream.ts";
import type { WebSocketLike, WebSocketPeer, WebSocketTransport } from "../transport/ws.ts";
import { Driver, type DriverOptions } from "./driver.ts";

/** How such a driver is made. */
export interface StreamDriverOptions extends DriverOptions {
  /** Makes the transports of each scheme. */
  readonly bindings: Readonly<Partial<Record<StreamScheme, BindStream>>>;
  /** TLS of connections that are opened. */
  readonly tls?: ClientTlsOptions;
}

/** Hears of a connection that is not to be used for anything new. */
export interface ConnectionUser {
  /**
   * It is gone, or will be soon: also while the promise of `connect` waits for its turn. `holdOff` is how long the peer
   * does not want another, s.
   */
  onOver(error: Error, holdOff: number): void;
}

/** Who waits for a connection to be ready. */
interface Waiting {
  readonly user: ConnectionUser;
  resolve(): void;
  reject(error: Error): void;
}

/** One engine over any number of stream transports. */
export class StreamDriver extends Driver implements StreamHandler {
  readonly #settings: StreamDriverOptions;
  readonly #times: Readonly<ConnectionParameters>;
  readonly #messageBytes: number;
  readonly #receiveBytes: number;
  /** The transport of each scheme. */
  readonly #transports = new Map<StreamScheme, StreamTransport>();
  readonly #opening = new Map<StreamScheme, Promise<StreamTransport>>();
  readonly #waiting = new Map<string, Waiting>();
  readonly #users = new Map<string, ConnectionUser>();
  /** Connections that peers have opened, by their address. */
  readonly #accepted = new Map<string, Flow>();
  #referenced = true;

  /** @throws {RangeError} where a parameter, time or limit is out of range */
  constructor(options: StreamDriverOptions) {
    super({ ...options, reliable: true, maxDatagramSize: undefined, backlog: undefined });
    this.#settings = options;
    this.#times = deriveConnectionParameters(options.connection);
    const { messageBytes, receiveBytes } = deriveLimits(options.limits);
    this.#messageBytes = messageBytes;
    this.#receiveBytes = receiveBytes;
    this.attach({
      send: (flow, bytes) => this.#transports.get(flow.scheme!)?.send(flow, bytes),
      flush: () => this.#each((transport) => transport.flush()),
      ref: () => this.#reference(true),
      unref: () => this.#reference(false),
      close: () => this.#closeAll(),
    });
  }

  #each(act: (transport: StreamTransport) => void): void {
    for (const transport of new Set(this.#transports.values())) act(transport);
  }

  #reference(referenced: boolean): void {
    this.#referenced = referenced;
    this.#each((transport) => referenced ? transport.ref() : transport.unref());
  }

  async #closeAll(): Promise<void> {
    for (const { reject } of this.#waiting.values()) reject(closed());
    this.#waiting.clear();
    await Promise.allSettled(this.#opening.values());
    await Promise.all([...this.#transports.values()].map((transport) => transport.close()));
  }

  // -------------------------------------------------------------- transports

  /** Listens for connections of a scheme. */
  async listen(scheme: StreamScheme, listen: ListenOptions): Promise<Address> {
    const transport = await this.#open(scheme, listen);
    return transport.address!;
  }

  /** Takes a WebSocket, where it listens for them. */
  accept(socket: WebSocketLike, peer: WebSocketPeer): void {
    (this.#transports.get("coap+ws") as WebSocketTransport).accept(socket, peer);
  }

  /** Where it listens for connections of a scheme. */
  addressOf(scheme: StreamScheme): Address | undefined {
    return this.#transports.get(scheme)?.address;
  }

  /** Where it listens for the connection, or its own end of it. */
  override get address(): Address {
    for (const { address } of this.#transports.values()) if (address !== undefined) return address;
    return { address: "", port: 0 };
  }

  /** Whether connections of a scheme can be had. */
  supports(scheme: StreamScheme): boolean {
    return this.#settings.bindings[scheme] !== undefined;
  }

  async #transport(scheme: StreamScheme): Promise<StreamTransport> {
    return this.#transports.get(scheme) ?? await this.#open(scheme, undefined);
  }

  #open(scheme: StreamScheme, listen: ListenOptions | undefined): Promise<StreamTransport> {
    const known = this.#opening.get(scheme);
    if (known !== undefined) return known;
    const opening = this.#bind(scheme, listen).finally(() => this.#opening.delete(scheme));
    this.#opening.set(scheme, opening);
    return opening;
  }

  async #bind(
    scheme: StreamScheme,
    listen: ListenOptions | undefined,
  ): Promise<StreamTransport> {
    const bind = this.#settings.bindings[scheme];
    if (bind === undefined) {
      throw new CoAPError("unsupported-scheme", `No transport for "${scheme}"`);
    }
    const transport = await bind({
      listen,
      tls: this.#settings.tls,
      messageBytes: this.#messageBytes,
      receiveBytes: this.#receiveBytes,
    }, this);
    this.#transports.set(scheme, transport);
    // Whether a WebSocket is secured, the HTTP server beneath it knows.
    if (scheme === "coap+ws" && listen !== undefined) this.#transports.set("coaps+ws", transport);
    if (!this.#referenced) transport.unref();
    this.flush(); // what came before the promise had settled
    return transport;
  }

  // -------------------------------------------------------------- connections

  /** Whether a connection can be used. */
  isOpen(flow: Flow): boolean {
    return this.engine.isOpen(flow) === true;
  }

  /** A connection that a peer has opened, by its address. */
  accepted(scheme: string, address: string, port: number): Flow | undefined {
    return this.#accepted.get(nameOf(scheme, address, port));
  }

  /**
   * Opens a connection; it can be used when the promise resolves: the peer's CSM is there.
   *
   * @param user hears when it is not to be used any more
   * @throws {CoAPError} (the promise rejects) with reason `refused`, `timeout`, `transport` or `name-resolution`
   */
  async connect(target: StreamTarget, user: ConnectionUser): Promise<Flow> {
    this.hold();
    const controller = new AbortController();
    const { connectTimeout } = this.#times;
    const timeout = new CoAPError("timeout", `No connection within ${connectTimeout} ms`);
    const timer = connectTimeout === Infinity ? undefined : this.clock.setTimer(
      () => {
        controller.abort(timeout);
        this.#settle(flow, (waiting) => waiting.reject(timeout));
      },
      this.clock.now() + connectTimeout,
    );
    let flow: Flow | undefined = undefined;
    try {
      const transport = await this.#transport(target.scheme);
      if (this.closing !== undefined) throw closed();
      flow = await transport.connect(target, controller.signal);
      const { key } = flow;
      this.#accepted.delete(nameOf(target.scheme, flow.address, flow.port));
      const isOpen = this.engine.isOpen(flow);
      if (isOpen === undefined) throw new CoAPError("transport", "Connection was closed at once");
      if (isOpen) this.#users.set(key, user);
      else {
        await new Promise<void>((resolve, reject) =>
          this.#waiting.set(key, { user, resolve, reject })
        );
      }
      return flow;
    } catch (error) {
      if (flow !== undefined) this.release(flow, "No CSM");
      throw reasonOf(error, target);
    } finally {
      if (timer !== undefined) this.clock.clearTimer(timer);
      this.letGo();
    }
  }

  #settle(flow: Flow | undefined, tell: (waiting: Waiting) => void): void {
    const waiting = flow && this.#waiting.get(flow.key);
    if (waiting === undefined) return;
    this.#waiting.delete(flow!.key);
    tell(waiting);
  }

  /** Releases a connection. */
  release(flow: Flow, detail: string): void {
    if (this.closing !== undefined) return;
    this.engine.shutDown(this.clock.now(), flow, detail);
    this.schedule();
  }

  /** Sends what is ready to leave, releases the connections and closes them. Nothing that the peers still say is waited for. */
  override close(): Promise<void> {
    if (this.closing === undefined) this.engine.shutDownAll(this.clock.now(), "Endpoint is closed");
    return super.close();
  }

  protected override onConnection(event: ConnectionEvent): void {
    const { flow } = event;
    switch (event.type) {
      case "ready":
        return this.#settle(flow, ({ user, resolve }) => {
          this.#users.set(flow.key, user);
          resolve();
        });
      case "released":
        return this.#over(flow, released(), event.holdOff);
      case "resume":
        return this.#transports.get(flow.scheme!)?.resume(flow);
      case "disconnect":
        this.transmit(this.outlet!);
        this.#transports.get(flow.scheme!)?.disconnect(flow, event.abort);
        return this.#lost(flow, new CoAPError(event.reason, event.detail));
    }
  }

  #over(flow: Flow, error: Error, holdOff: number): void {
    const name = nameOf(flow.scheme!, flow.address, flow.port);
    if (this.#accepted.get(name)?.key === flow.key) this.#accepted.delete(name);
    const user = this.#users.get(flow.key);
    this.#users.delete(flow.key);
    user?.onOver(error, holdOff);
  }

  #lost(flow: Flow, error: Error): void {
    this.#settle(flow, ({ reject }) => reject(error));
    this.#over(flow, error, 0);
  }

  // -------------------------------------------------------------- what transports tell

  /** @ignore */
  connected(flow: Flow): void {
    if (this.closing !== undefined) return;
    this.turning = true;
    this.#accepted.set(nameOf(flow.scheme!, flow.address, flow.port), flow);
    this.engine.connected(this.clock.now(), flow);
    this.drain();
  }

  /** @ignore */
  override receive(flow: Flow, bytes: Uint8Array): boolean {
    super.receive(flow, bytes);
    return this.closing !== undefined || this.engine.accepts(flow);
  }

  /** @ignore */
  partial(flow: Flow, missing: number): void {
    this.turning = true;
    this.engine.partial(this.clock.now(), flow, missing);
  }

  /** @ignore */
  failed(flow: Flow, detail: string): void {
    this.turning = true;
    this.engine.failed(this.clock.now(), flow, detail);
    this.drain();
  }

  /** @ignore */
  writable(flow: Flow): void {
    this.turning = true;
    this.engine.writable(this.clock.now(), flow);
    this.drain();
  }

  /** @ignore */
  disconnected(flow: Flow, error?: Error): void {
    this.turning = true;
    const detail = error === undefined
      ? "Connection was closed"
      : `Connection is lost: ${error.message}`;
    this.engine.disconnected(this.clock.now(), flow, detail);
    this.drain();
    this.#lost(flow, new CoAPError("transport", detail, { cause: error }));
  }
}

function nameOf(scheme: string, address: string, port: number): string {
  return `${scheme} ${address}:${port}`;
}

function closed(): CoAPError {
  return new CoAPError("closed", "Endpoint is closed");
}

function released(): CoAPError {
  return new CoAPError("transport", "Connection was released");
}

const UNKNOWN = new Set(["ENOTFOUND", "EAI_AGAIN", "EAI_NODATA", "EAI_NONAME"]);

/** Why there is no connection, in the library's terms. */
function reasonOf(error: unknown, { host, port }: StreamTarget): CoAPError {
  if (error instanceof CoAPError) return error;
  const code = (error as { code?: string } | undefined)?.code ?? "";
  const text = error instanceof Error ? error.message : String(error);
  if (code === "ECONNREFUSED") {
    return new CoAPError("refused", `Nobody listens at "${host}" port ${port}`, { cause: error });
  }
  if (UNKNOWN.has(code)) {
    return new CoAPError("name-resolution", `Host "${host}" is not known`, { cause: error });
  }
  const what = `No connection to "${host}" port ${port}: ${text}`;
  return new CoAPError("transport", what, { cause: error });
}

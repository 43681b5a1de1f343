/** TCP and TLS on `node:net` and `node:tls`: Node, and what Deno and Bun offer under these names. @module */

import { CoAPError } from "../errors.ts";
import type { Address } from "../flow.ts";
import { parseIpAddress } from "./ip_address.ts";
import type {
  ByteNetwork,
  ByteReceiver,
  ByteSocket,
  ClientTlsOptions,
  Listener,
  ListenOptions,
  Opened,
  StreamTarget,
  TlsOptions,
} from "./stream.ts";
import { builtinModule, defer } from "./udp_socket.ts";

/** The port at which a server of CoAP over TLS need not know ALPN (RFC 8323 section 8.2). */
const WITHOUT_ALPN = 5684;

/** The socket, as far as it is used. */
interface NodeSocket {
  readonly localAddress?: string;
  readonly localPort?: number;
  readonly remoteAddress?: string;
  readonly remotePort?: number;
  /** TLS. */
  readonly alpnProtocol?: string | false | null;
  readonly servername?: string | false | null;
  getPeerCertificate?(): { raw?: Uint8Array } | null;
  on(event: "data", listener: (bytes: Uint8Array) => void): void;
  on(event: "error", listener: (error: Error) => void): void;
  on(event: "close" | "connect" | "secureConnect", listener: () => void): void;
  write(bytes: Uint8Array, callback?: (error?: Error | null) => void): boolean;
  cork(): void;
  uncork(): void;
  pause(): void;
  resume(): void;
  end(): void;
  destroy(): void;
  setNoDelay(on: boolean): void;
  ref(): void;
  unref(): void;
}

/** The listener, as far as it is used. */
interface NodeServer {
  on(event: "error", listener: (error: Error) => void): void;
  on(event: "tlsClientError", listener: (error: Error, socket?: NodeSocket) => void): void;
  listen(options: { port: number; host: string }, listener: () => void): void;
  address(): { address: string; port: number };
  ref(): void;
  unref(): void;
  close(callback: () => void): void;
}

interface NodeTls {
  readonly cert?: string;
  readonly key?: string;
  readonly ca?: string | string[];
  readonly ALPNProtocols: readonly string[];
}

interface NetModule {
  createServer(options: { noDelay: boolean }, opened: (socket: NodeSocket) => void): NodeServer;
  connect(options: { host: string; port: number }): NodeSocket;
}

interface TlsModule {
  createServer(
    options: NodeTls & {
      requestCert: boolean;
      rejectUnauthorized: boolean;
      handshakeTimeout: number;
    },
    opened: (socket: NodeSocket) => void,
  ): NodeServer;
  connect(
    options: NodeTls & { host: string; port: number; servername?: string },
  ): NodeSocket;
}

/** How long a handshake of a peer may take, ms. */
const HANDSHAKE_TIMEOUT = 10_000;

function load<T>(name: string): T {
  const found = builtinModule<T>(name);
  if (found !== undefined) return found;
  throw new CoAPError("unsupported-scheme", `This runtime has no TCP: "${name}" is missing`);
}

/** An address as other transports write it. */
function addressOf(address: string | undefined, port: number | undefined): Address {
  return { address: parseIpAddress(address ?? "")?.text ?? address ?? "", port: port ?? 0 };
}

class NodeByteSocket implements ByteSocket {
  readonly local: Address;
  readonly remote: Address;
  readonly serverName: string | undefined;
  readonly certificate: Uint8Array | undefined;
  readonly #socket: NodeSocket;
  #receiver: ByteReceiver | undefined = undefined;
  #error: Error | undefined = undefined;
  #linger: ReturnType<typeof setTimeout> | undefined = undefined;

  constructor(socket: NodeSocket, secure: boolean) {
    this.#socket = socket;
    this.local = addressOf(socket.localAddress, socket.localPort);
    this.remote = addressOf(socket.remoteAddress, socket.remotePort);
    this.serverName = secure ? socket.servername || undefined : undefined;
    const raw = secure ? socket.getPeerCertificate?.()?.raw : undefined;
    this.certificate = raw && new Uint8Array(raw);
    socket.setNoDelay(true); // a turn's messages leave together anyway
  }

  /** Reads from now on. */
  begin(opened: Opened): void {
    const socket = this.#socket;
    socket.on("error", (error) => this.#error ??= error);
    socket.on("close", () => {
      clearTimeout(this.#linger);
      this.#receiver?.closed(this.#error);
    });
    this.#receiver = opened(this);
    // Messages are copied out of it: that it is a Buffer, maybe of a larger memory, does not matter. A plain array of
    // it costs a sixth of a small request on Bun.
    socket.on("data", (bytes) => this.#receiver!.data(bytes));
  }

  write(chunks: readonly Uint8Array[], taken: () => void): void {
    const socket = this.#socket;
    const last = chunks.length - 1;
    if (last > 0) socket.cork();
    for (let i = 0; i < last; i++) socket.write(chunks[i]!);
    socket.write(chunks[last]!, (error) => {
      if (!error) taken();
    });
    if (last > 0) socket.uncork();
  }

  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  end(patience: number): void {
    this.#socket.end();
    this.#socket.resume();
    this.#linger = setTimeout(() => this.#socket.destroy(), patience);
    (this.#linger as { unref?: () => void }).unref?.();
  }

  ref(): void {
    this.#socket.ref();
  }

  unref(): void {
    this.#socket.unref();
  }
}

/**
 * Some runtimes pass over what is no PEM, and fail with each handshake.
 *
 * @throws {TypeError}
 */
function checkPem({ cert, key, ca }: TlsOptions): void {
  const check = (name: string, text: string | undefined, what: string): void => {
    if (text === undefined || new RegExp(`-----BEGIN [A-Z0-9 ]*${what}-----`).test(text)) return;
    throw new TypeError(`"${name}" is no ${what.toLowerCase()} in PEM`);
  };
  check("cert", cert, "CERTIFICATE");
  check("key", key, "PRIVATE KEY");
  for (const text of [ca].flat()) check("ca", text, "CERTIFICATE");
}

async function listen(
  options: ListenOptions,
  opened: Opened,
  failed: (error: Error) => void,
): Promise<Listener> {
  const { tls, family = 4 } = options;
  if (tls !== undefined) checkPem(tls);
  const hostname = options.hostname ?? (family === 6 ? "::" : "0.0.0.0");
  const port = options.port ?? (tls === undefined ? 5683 : 5684);
  const take = (socket: NodeSocket): void => {
    new NodeByteSocket(socket, tls !== undefined).begin(opened);
  };
  const server = tls === undefined
    ? load<NetModule>("node:net").createServer({ noDelay: true }, take)
    : load<TlsModule>("node:tls").createServer({
      cert: tls.cert,
      key: tls.key,
      ca: tls.ca,
      ALPNProtocols: ["coap"],
      requestCert: tls.requestCert ?? false,
      rejectUnauthorized: tls.requestCert ?? false,
      handshakeTimeout: tls.handshakeTimeout ?? HANDSHAKE_TIMEOUT,
    }, take);
  server.on("tlsClientError", (error, socket) => {
    socket?.destroy(); // after a time-out nobody else does
    failed(error);
  });
  await new Promise<void>((resolve, reject) => {
    let bound = false;
    server.on("error", (cause) => {
      if (bound) return failed(cause);
      const text = `Could not listen at "${hostname}" port ${port}`;
      reject(new CoAPError("transport", text, { cause }));
    });
    server.listen({ port, host: hostname }, () => {
      bound = true;
      resolve();
    });
  });
  const bound = server.address();
  return {
    address: addressOf(bound.address, bound.port),
    ref: () => server.ref(),
    unref: () => server.unref(),
    close: () =>
      new Promise((resolve) => {
        // It would call back when all connections have ended, too: the port is free before.
        server.close(() => {});
        defer(() => resolve());
      }),
  };
}

function connect(
  { scheme, host, address = host, port }: StreamTarget,
  tls: ClientTlsOptions | undefined,
  opened: Opened,
  signal: AbortSignal,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const secure = scheme === "coaps+tcp";
    if (secure && tls !== undefined) checkPem(tls);
    // An address is no name to ask for (RFC 6066 section 3).
    const name = tls?.serverName ?? (parseIpAddress(host) === undefined ? host : undefined);
    const socket = secure
      ? load<TlsModule>("node:tls").connect({
        host: address,
        port,
        servername: name,
        cert: tls?.cert,
        key: tls?.key,
        ca: tls?.ca,
        ALPNProtocols: ["coap"],
      })
      : load<NetModule>("node:net").connect({ host: address, port });
    let isOpen = false;
    const fail = (error: unknown): void => {
      if (isOpen) return;
      isOpen = true;
      signal.removeEventListener("abort", abort);
      socket.destroy();
      reject(error);
    };
    const abort = (): void => fail(signal.reason);
    signal.addEventListener("abort", abort);
    socket.on("error", fail);
    socket.on("close", () => fail(new Error("Connection was closed")));
    socket.on(secure ? "secureConnect" : "connect", () => {
      if (isOpen) return;
      if (secure && socket.alpnProtocol !== "coap" && port !== WITHOUT_ALPN) {
        return fail(new Error(`Server does not speak "coap" at port ${port} (ALPN)`));
      }
      isOpen = true;
      signal.removeEventListener("abort", abort);
      new NodeByteSocket(socket, secure).begin(opened);
      resolve();
    });
    if (signal.aborted) abort();
  });
}

/** The network as `node:net` and `node:tls` reach it. */
export const nodeNetwork: ByteNetwork = { listen, connect };

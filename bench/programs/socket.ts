/** Sockets of the load generators, connected to the server: those of Bun send many datagrams with one call. @module */

import dgram from "node:dgram";

/** A socket on a source port of its own. */
export interface LoadSocket {
  /** Sends copies of the bytes. What the system does not take is lost. */
  send(datagrams: readonly Uint8Array[]): void;
  close(): void;
}

/** `Bun`, as far as it is used. */
interface BunScope {
  Bun?: {
    udpSocket(options: unknown): Promise<{
      sendMany(datagrams: readonly Uint8Array[]): number;
      close(): void;
    }>;
  };
}

/** Asked of the system where it can be, so that a burst is not lost. */
const BUFFER = 4 << 20;

/**
 * Opens a socket towards a port of this machine.
 *
 * @param local the address to send from; 127.0.0.0/8 has many, each with all the ports
 */
export async function openSocket(
  port: number,
  receive: (bytes: Uint8Array) => void,
  local = "127.0.0.1",
): Promise<LoadSocket> {
  const { Bun } = globalThis as BunScope;
  if (Bun !== undefined) {
    const socket = await Bun.udpSocket({
      hostname: local,
      connect: { hostname: "127.0.0.1", port },
      binaryType: "uint8array",
      socket: {
        data: (_socket: unknown, bytes: Uint8Array) => receive(bytes),
        error: () => {}, // an ICMP error would end the process
      },
    });
    return {
      send(datagrams): void {
        try {
          socket.sendMany(datagrams);
        } catch {
          // Refused, for instance: it is repeated.
        }
      },
      close: () => socket.close(),
    };
  }
  const socket = dgram.createSocket({ type: "udp4", recvBufferSize: BUFFER });
  socket.on("message", receive);
  socket.on("error", () => {});
  await new Promise<void>((resolve) => socket.bind(0, local, resolve));
  await new Promise<void>((resolve) => socket.connect(port, "127.0.0.1", resolve));
  return {
    send(datagrams): void {
      for (const bytes of datagrams) socket.send(bytes.slice());
    },
    close: () => socket.close(),
  };
}

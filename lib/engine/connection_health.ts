/** When something has to be done about a connection, and what: RFC 8323 leaves its times open. @module */

import type { ConnectionParameters } from "../connection_parameters.ts";
import { type Connection, Phase } from "./connection.ts";

type Times = Readonly<ConnectionParameters>;

/** Bytes per ms that a peer has to send and take at least. */
const RATE = 1.024;
/** The same for what it has to take before it can see a Ping. */
const PING_RATE = 10.24;

/** What is to be done about a connection. */
export const Verdict = {
  /** Nothing yet. */
  Wait: 0,
  /** It is given up. */
  Abort: 1,
  /** It is closed: the peer was to do so. */
  Close: 2,
  /** The peer is asked to close it. */
  Release: 3,
  /** The peer is asked whether it is alive. */
  Ping: 4,
} as const;

/** How long so many bytes may take, ms. */
export function allowance(bytes: number, { messageTimeout }: Times): number {
  return messageTimeout + bytes / RATE;
}

/** A Ping goes out. */
export function ping(now: number, connection: Connection, { pongTimeout }: Times): void {
  connection.pingedAt = now;
  connection.pongBy = now + pongTimeout + connection.unheard / PING_RATE;
}

/** When to look at it, ms. That is rather too often than to set the timer with each message. */
export function dueAt(now: number, connection: Connection, times: Times): number {
  const { phase, peer, fullSince, unsent } = connection;
  if (connection.overdue) return now;
  let at = Math.min(connection.wholeBy, connection.closedBy);
  if (fullSince >= 0) at = Math.min(at, fullSince + allowance(unsent, times));
  if (phase === Phase.Opening) return Math.min(at, connection.openedAt + times.csmTimeout);
  if (phase !== Phase.Open && phase !== Phase.Released) return at;
  if (connection.pingedAt >= 0) return Math.min(at, connection.pongBy);
  const quiet = peer.heardAt + times.keepAlive;
  const idle = phase === Phase.Open ? connection.usedAt + times.idleTimeout : Infinity;
  return Math.min(at, quiet > now ? quiet : now + times.keepAlive, idle > now ? idle : Infinity);
}

/** What is to be done about it now, and why. */
export function judge(now: number, connection: Connection, times: Times): [number, string] {
  const { phase, peer, fullSince, unsent } = connection;
  if (now >= connection.wholeBy) return [Verdict.Abort, "Message takes too long"];
  if (now >= connection.closedBy) return [Verdict.Close, "Connection was released"];
  if (phase === Phase.Opening && now >= connection.openedAt + times.csmTimeout) {
    return [Verdict.Abort, "No CSM in time"];
  }
  const isLate = fullSince >= 0 && now >= fullSince + allowance(unsent, times);
  if (isLate || connection.overdue) {
    return [Verdict.Abort, "Messages are not taken"];
  }
  if (phase !== Phase.Open && phase !== Phase.Released) return [Verdict.Wait, ""];
  if (connection.pingedAt >= 0 && now >= connection.pongBy) {
    return [Verdict.Abort, "No sign of life"];
  }
  // What waits for the peer or is observed holds it; one to be kept for ever would outlive a peer that has vanished.
  const isHeld = peer.holds > 0 || connection.pings.size > 0 || times.idleTimeout === Infinity;
  if (!isHeld) {
    const isIdle = phase === Phase.Open && now >= connection.usedAt + times.idleTimeout;
    return isIdle ? [Verdict.Release, "Idle"] : [Verdict.Wait, ""];
  }
  const isQuiet = connection.pingedAt < 0 && now >= peer.heardAt + times.keepAlive;
  return [isQuiet ? Verdict.Ping : Verdict.Wait, ""];
}

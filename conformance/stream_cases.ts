/** All cases that servers are put through over connections. @module */

import type { StreamScheme } from "../lib/transport/stream.ts";
import { REQUIREMENTS } from "./case.ts";
import { overConnections } from "./over_connections.ts";
import { SERVER_CASES } from "./server_cases.ts";
import { STREAM_BODY_CASES } from "./server_stream_bodies.ts";
import { CONNECTION_CASES, type StreamServerCase } from "./server_streams.ts";
import { WEB_SOCKET_CASES } from "./server_web_sockets.ts";

const ORDER = new Map(REQUIREMENTS.map(({ id }, index) => [id, index]));

/** The cases that servers are put through over connections: those of RFC 8323, then those of others that apply. */
export const STREAM_SERVER_CASES: readonly StreamServerCase[] = [
  ...[...CONNECTION_CASES, ...STREAM_BODY_CASES]
    .toSorted((a, b) => ORDER.get(a.id)! - ORDER.get(b.id)!),
  ...overConnections(SERVER_CASES),
];

/** About the length in front of messages, which those of WebSockets have not. */
const WITH_LENGTH: ReadonlySet<string> = new Set(["8323-3.2-1", "8323-3.2-3"]);

/** The cases for servers over connections of a scheme. */
export function streamServerCases(scheme: StreamScheme): readonly StreamServerCase[] {
  if (!scheme.endsWith("+ws")) return STREAM_SERVER_CASES;
  return [...WEB_SOCKET_CASES, ...STREAM_SERVER_CASES.filter(({ id }) => !WITH_LENGTH.has(id))];
}

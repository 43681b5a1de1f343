/**
 * Serves a function of `Request` and `Response` by Node's HTTP server, as `Deno.serve` and `Bun.serve` do by themselves.
 *
 * @module
 */

import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import type { ReadableStream as NodeStream } from "node:stream/web";

/** A handler of requests, such as a gateway. */
export type Handler = (request: Request) => Promise<Response>;

/** A server that is to be told where to listen. */
export function createFetchServer(handler: Handler): Server {
  return createServer((incoming, outgoing) => {
    answer(handler, incoming, outgoing).catch(() => outgoing.destroy()); // the client has left
  });
}

async function answer(
  handler: Handler,
  incoming: IncomingMessage,
  outgoing: ServerResponse,
): Promise<void> {
  const { method, url, headers } = incoming;
  const gone = new AbortController();
  outgoing.once("close", () => gone.abort());
  let request: Request;
  try {
    // Readable.toWeb ends the connection, and the process, where nobody reads a body to its end.
    const chunks = incoming.iterator({ destroyOnReturn: false });
    const body = method === "GET" || method === "HEAD" ? null : ReadableStream.from(chunks);
    const init = { method, body, duplex: "half", signal: gone.signal };
    request = new Request(`http://${headers.host}${url}`, init as unknown as RequestInit);
    for (const [name, value] of Object.entries(headers)) request.headers.set(name, String(value));
  } catch {
    outgoing.writeHead(400).end(); // a host or a method that is none
    return;
  }
  const { status, statusText, headers: fields, body } = await handler(request);
  outgoing.writeHead(status, statusText, [...fields].flat());
  if (body === null) outgoing.end();
  else await pipeline(Readable.fromWeb(body as unknown as NodeStream), outgoing);
}

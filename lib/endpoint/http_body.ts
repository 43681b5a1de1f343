/** Bodies of HTTP requests. @module */

import { Refusal } from "./http_refusal.ts";

/**
 * The body of a request.
 *
 * @param limit the longest one taken, bytes
 * @param signal gives it up
 * @throws {Refusal} 413 where it is longer, 400 where it breaks off, 408 where it is given up because of the time
 */
export async function readBody(
  { body, headers }: Request,
  limit: number,
  signal: AbortSignal,
): Promise<Uint8Array> {
  if (body === null) return new Uint8Array(0);
  const reader: ReadableStreamDefaultReader<Uint8Array> = body.getReader();
  // What a source says to that helps nobody.
  const cancel = (): void => void reader.cancel().catch(() => {});
  signal.addEventListener("abort", cancel);
  try {
    if (Number(headers.get("content-length")) > limit) throw tooLarge(limit);
    const chunks: Uint8Array[] = [];
    let length = 0;
    while (true) {
      signal.throwIfAborted();
      const { done, value } = await reader.read();
      if (done) break;
      length += value.length;
      if (length > limit) throw tooLarge(limit);
      chunks.push(value);
    }
    signal.throwIfAborted();
    return joined(chunks, length);
  } catch (error) {
    cancel();
    if (signal.aborted) {
      const { reason } = signal;
      throw reason.status === 504 ? new Refusal(408, "Body has not come in time") : reason;
    }
    throw error instanceof Refusal ? error : new Refusal(400, "Body has broken off");
  } finally {
    signal.removeEventListener("abort", cancel);
  }
}

function tooLarge(limit: number): Refusal {
  return new Refusal(413, `Body may have ${limit} bytes`);
}

function joined(chunks: readonly Uint8Array[], length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  let position = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, position);
    position += chunk.length;
  }
  return bytes;
}

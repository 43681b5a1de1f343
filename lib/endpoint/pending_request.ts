/** A request that waits for its response, or for the rest of it. @module */

import { CoAPError } from "../errors.ts";
import type {
  ExchangeId,
  FailedEvent,
  Outline,
  RequestOptions,
  ResponseEvent,
} from "../engine/types.ts";
import { Code } from "../wire/code.ts";
import type { UriParts } from "../wire/uri.ts";
import { DownloadStream, Upload } from "./body.ts";
import type { CacheMode } from "./cache.ts";
import type { CallEvent } from "./driver.ts";
import { checkTimeout } from "./endpoint_options.ts";
import { methodName } from "./methods.ts";
import { type CoAPRequestInit, isStream, makeOutline, type TransferProgress } from "./outgoing.ts";
import { type ClientCore, Pending } from "./pending.ts";
import type { Memory, Recall } from "./recall.ts";
import { type CoAPResponse, received } from "./response.ts";
import type { Route } from "./sockets.ts";

/** What is to be sent, and what for. */
interface Job {
  readonly uri: string;
  readonly parts: UriParts;
  readonly outline: Outline;
  readonly options: RequestOptions;
  /** The payload where it comes from a stream. */
  readonly upload: Upload | undefined;
  readonly mode: CacheMode | undefined;
  readonly onProgress: ((progress: TransferProgress) => void) | undefined;
  readonly onSend: CoAPRequestInit["onSend"];
  resolve(response: CoAPResponse): void;
  reject(reason: unknown): void;
}

/**
 * Makes a request and sends it off.
 *
 * @throws what `CoAPClient.request` rejects with where there is something wrong with it
 */
export function startRequest(
  client: ClientCore,
  code: number,
  uri: string | URL,
  init: CoAPRequestInit,
  resolve: (response: CoAPResponse) => void,
  reject: (reason: unknown) => void,
): void {
  const parts = client.destination(uri, init);
  const { blockSize, confirmable, impatient, onProgress, onSend } = init;
  const { payload, stream, timeout } = init;
  checkTimeout(timeout);
  const outline = makeOutline(code, parts, init);
  const upload = payload instanceof ReadableStream ? new Upload(payload) : undefined;
  const options = {
    blockSize,
    confirmable,
    impatient,
    timeout,
    upload: upload !== undefined,
    download: stream,
    progress: onProgress !== undefined,
  };
  const pending = new PendingRequest(client, `${methodName(code)} "${uri}"`, init.signal, {
    uri: String(uri),
    parts,
    outline,
    options,
    upload,
    // What a stream brings is not known beforehand: nothing stored can answer it.
    mode: upload === undefined ? init.cache : "no-store",
    onProgress,
    onSend,
    resolve,
    reject,
  });
  client.start(pending, parts);
}

/** @throws {CoAPError} `invalid-uri` where the request is for one endpoint and goes to a group */
export function refuseGroup({ flow }: Route): void {
  if (flow.multicast) {
    const text = `"${flow.address}" is a group: its members are asked by the method "group"`;
    throw new CoAPError("invalid-uri", text);
  }
}

/** Methods that do the same once and twice (RFC 7252 section 5.8, RFC 8132 sections 2 and 3). */
const IDEMPOTENT: ReadonlySet<number> = new Set([
  Code.GET,
  Code.PUT,
  Code.DELETE,
  Code.FETCH,
  Code.iPATCH,
]);

/** A request without an outcome, or one whose response is still being read. */
class PendingRequest extends Pending {
  readonly #client: ClientCore;
  readonly #memory: Memory;
  readonly #job: Job;
  #repeated = false;
  #recall: Recall | undefined = undefined;
  #download: DownloadStream | undefined = undefined;

  constructor(client: ClientCore, what: string, signal: AbortSignal | undefined, job: Job) {
    super(client.all, what, signal);
    this.#client = client;
    this.#memory = client.memory;
    this.#job = job;
  }

  override get patience(): number {
    return this.#job.options.timeout ?? Infinity;
  }

  protected override send(route: Route): ExchangeId | undefined {
    refuseGroup(route);
    const { driver, flow } = route;
    const { uri, parts: { scheme }, outline, options, mode, onSend } = this.#job;
    const recall = this.#recall = this.#memory.recall(scheme, flow, outline, mode);
    if (recall.answer === undefined) {
      const id = driver.request(flow, recall.request, options, this);
      onSend?.({ token: driver.token(id)!, peer: flow });
      return id;
    }
    this.#finish();
    this.#job.resolve(received(recall.answer, flow, uri));
    return undefined;
  }

  protected override take(event: Exclude<CallEvent, FailedEvent>): void {
    switch (event.type) {
      case "response":
        return this.#respond(event);
      case "body":
        if (event.last) this.end();
        return this.#download!.push(event.bytes, event.last);
      case "needBody":
        return this.#job.upload!.next(this);
      case "progress": {
        const { direction, bytes, total } = event;
        return this.#job.onProgress?.({ direction, bytes, total });
      }
    }
  }

  override fail(error: unknown): void {
    if (!this.#repeats(error)) super.fail(error);
  }

  /**
   * A peer may have closed a connection that was not used for a while before the request came: it is sent once more, over
   * a new one, where that does no harm.
   */
  #repeats(error: unknown): boolean {
    const { parts, outline, upload } = this.#job;
    if (
      this.ended || this.#repeated || !this.reuses || !isStream(parts.scheme) ||
      this.#download !== undefined || upload !== undefined || !IDEMPOTENT.has(outline.code) ||
      !(error instanceof CoAPError && error.reason === "transport")
    ) return false;
    this.#repeated = true;
    this.beginAgain();
    this.#client.start(this, parts);
    return true;
  }

  protected override failed(reason: unknown): void {
    this.#job.upload?.cancel(reason);
    if (this.#download === undefined) this.#job.reject(reason);
    else this.#download.fail(reason);
  }

  #respond({ flow, message, more }: ResponseEvent): void {
    const content = this.#recall!.take(message, !more);
    if (more) {
      this.#job.upload?.cancel();
      this.#download = new DownloadStream(
        message.payload,
        () => this.consume(),
        () => void this.drop(),
      );
    } else this.#finish();
    this.#job.resolve(received(content, flow, this.#job.uri, this.#download?.stream));
  }

  #finish(): void {
    this.end();
    this.#job.upload?.cancel();
  }
}

/** A request that waits for its response, or for the rest of it. @module */

import { CoAPError } from "../errors.ts";
import type {
  ExchangeId,
  FailedEvent,
  Outline,
  RequestOptions,
  ResponseEvent,
} from "../engine/types.ts";
import { DownloadStream, type Upload } from "./body.ts";
import type { CacheMode } from "./cache.ts";
import type { CallEvent } from "./driver.ts";
import type { TransferProgress } from "./outgoing.ts";
import { Pending } from "./pending.ts";
import type { Memory, Recall } from "./recall.ts";
import { type CoAPResponse, received } from "./response.ts";
import type { Route } from "./sockets.ts";

/** What is to be done. */
export interface Job {
  readonly uri: string;
  readonly scheme: string;
  readonly outline: Outline;
  readonly options: RequestOptions;
  readonly signal: AbortSignal | undefined;
  /** The payload where it comes from a stream. */
  readonly upload: Upload | undefined;
  readonly mode: CacheMode | undefined;
  readonly memory: Memory;
  readonly onProgress: ((progress: TransferProgress) => void) | undefined;
}

/** @throws {CoAPError} `invalid-uri` where the request is for one endpoint and goes to a group */
export function refuseGroup({ flow }: Route): void {
  if (flow.multicast) {
    const text = `"${flow.address}" is a group: its members are asked by the method "group"`;
    throw new CoAPError("invalid-uri", text);
  }
}

/** A request without an outcome, or one whose response is still being read. */
export class PendingRequest extends Pending {
  readonly #job: Job;
  readonly #resolve: (response: CoAPResponse) => void;
  readonly #reject: (reason: unknown) => void;
  #recall: Recall | undefined = undefined;
  #download: DownloadStream | undefined = undefined;

  constructor(
    all: Set<Pending>,
    what: string,
    job: Job,
    resolve: (response: CoAPResponse) => void,
    reject: (reason: unknown) => void,
  ) {
    super(all, what, job.signal);
    this.#job = job;
    this.#resolve = resolve;
    this.#reject = reject;
  }

  protected override send(route: Route): ExchangeId | undefined {
    refuseGroup(route);
    const { driver, flow } = route;
    const { uri, scheme, memory, outline, options, mode } = this.#job;
    const recall = this.#recall = memory.recall(scheme, flow, outline, mode);
    if (recall.answer === undefined) return driver.request(flow, recall.request, options, this);
    this.#finish();
    this.#resolve(received(recall.answer, flow, uri));
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

  protected override failed(reason: unknown): void {
    this.#job.upload?.cancel(reason);
    if (this.#download === undefined) this.#reject(reason);
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
    this.#resolve(received(content, flow, this.#job.uri, this.#download?.stream));
  }

  #finish(): void {
    this.end();
    this.#job.upload?.cancel();
  }
}

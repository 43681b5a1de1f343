/** States of an observed resource as Server-Sent Events: section 9.2 of the HTML standard. @module */

import { codeName } from "../wire/code.ts";
import type { Clock, ClockTimer } from "./clock.ts";
import { EVENT_STREAM, isText } from "./http_media_type.ts";
import type { CoAPNotification } from "./notification.ts";

const UTF8 = new TextEncoder();
const COMMENT = UTF8.encode(":\n\n");

/** The states of a resource, as `CoAPClient.observe` gives them. */
export type States = AsyncIterator<CoAPNotification, undefined>;

/** How an event stream is made. */
export interface EventsInit {
  readonly clock: Clock;
  /** How often to send a comment where there is no event, ms. */
  readonly heartbeat: number;
  /** The client is gone. */
  readonly signal: AbortSignal;
  /** Called once, when it has ended. */
  over(stream: EventStream): void;
}

/**
 * A state as an event: `message` with the payload where that is text, `binary` with it in base64 where it is not, and
 * `end` with the code where the observation ended with an error.
 */
function toEvent(state: CoAPNotification): string {
  const { code, contentFormat, payload } = state;
  if (!state.ok) {
    return `event: end\ndata: ${state.codeText} ${codeName(code) ?? ""}`.trimEnd() + "\n\n";
  }
  // An EventSource comes again when a stream has ended: not before there may be another state.
  const again = state.observed ? "" : `retry: ${Math.max(1, state.maxAge) * 1000}\n`;
  if (!isText(contentFormat)) return `${again}event: binary\ndata: ${base64(payload)}\n\n`;
  const lines = state.text().split(/\r\n|\r|\n/).map((line) => `data: ${line}\n`);
  return `${again}${lines.join("")}\n`;
}

function base64(bytes: Uint8Array): string {
  let text = "";
  for (let i = 0; i < bytes.length; i += 8192) {
    text += String.fromCharCode(...bytes.subarray(i, i + 8192));
  }
  return btoa(text);
}

/**
 * An event stream. It asks for a state when its reader wants one: of those that a slow reader has missed it gets the
 * newest, so that nothing piles up.
 */
export class EventStream {
  readonly response: Response;
  readonly #states: States;
  readonly #init: EventsInit;
  #controller!: ReadableStreamDefaultController<Uint8Array>;
  /** What is to be sent when the reader wants it. */
  #next: Uint8Array | undefined;
  #asked = false;
  #timer: ClockTimer | undefined = undefined;
  /** Ends the reader's wait. */
  #resume: (() => void) | undefined = undefined;
  #ended = false;

  /** @param first the first state; it is a success */
  constructor(first: CoAPNotification, states: States, init: EventsInit) {
    this.#states = states;
    this.#init = init;
    this.#next = UTF8.encode(toEvent(first));
    init.signal.addEventListener("abort", this);
    const body = new ReadableStream<Uint8Array>({
      start: (controller) => void (this.#controller = controller),
      pull: () => this.#pull(),
      cancel: () => this.#end(),
    }, { highWaterMark: 0 });
    this.response = new Response(body, {
      headers: {
        "content-type": EVENT_STREAM,
        "cache-control": "no-store",
        "x-accel-buffering": "no", // nginx would hold events back
        "x-content-type-options": "nosniff",
      },
    });
  }

  /** Ends it from this side. */
  close(): void {
    if (this.#ended) return;
    this.#end();
    this.#controller.close();
  }

  /** @ignore The signal calls it. */
  handleEvent(): void {
    this.close();
  }

  #pull(): Promise<void> | undefined {
    if (this.#next !== undefined) return void this.#send();
    const { clock, heartbeat } = this.#init;
    this.#timer = clock.setTimer(() => {
      this.#next = COMMENT;
      this.#send();
    }, clock.now() + heartbeat);
    this.#ask();
    return new Promise((resolve) => this.#resume = resolve);
  }

  /** Asks for the next state; it may be there before its reader. */
  #ask(): void {
    if (this.#asked) return;
    this.#asked = true;
    this.#states.next().then((result) => {
      this.#asked = false;
      if (result.done) return this.close();
      const event = toEvent(result.value);
      this.#next = UTF8.encode(event);
      if (this.#resume !== undefined) this.#send();
    }).catch(() => this.close()); // the client may come again and hear what is wrong
  }

  #send(): void {
    if (this.#ended) return;
    this.#controller.enqueue(this.#next!);
    this.#next = undefined;
    this.#rest();
  }

  /** The reader waits no longer. */
  #rest(): void {
    if (this.#timer !== undefined) this.#init.clock.clearTimer(this.#timer);
    this.#timer = undefined;
    this.#resume?.();
    this.#resume = undefined;
  }

  #end(): void {
    if (this.#ended) return;
    this.#ended = true;
    const { signal, over } = this.#init;
    signal.removeEventListener("abort", this);
    this.#rest();
    void this.#states.return?.();
    over(this);
  }
}

/** What client cases have in common, whatever the transport: a client that is told what to do. @module */

import { CaseFailure, NotApplicable } from "./case.ts";
import type { ClientOutcome, ClientSettings, ClientTask } from "./client_case.ts";
import { wait } from "./probe.ts";

/** What is asked of the client in one case, and what came of it. */
export class Errand {
  /** Which of several allowed reactions was seen. */
  readonly notes: string[] = [];
  readonly #settings: Pick<ClientSettings, "client" | "hostname" | "clock">;
  #outcome: Promise<ClientOutcome> | undefined = undefined;
  /** A program that is judged by the wire alone has ended. */
  #ended = false;
  /** Rejects where the client breaks down. */
  protected broken: Promise<never> = new Promise(() => {});

  /** Begins without a task. */
  constructor(settings: Pick<ClientSettings, "client" | "hostname" | "clock">) {
    this.#settings = settings;
  }

  /** Tells the client what to do with a resource at a port of the suite. */
  protected tell(
    scheme: string,
    port: number,
    { path = "/test", ...rest }: Partial<ClientTask> & { path?: string },
  ): void {
    const { client, hostname = "127.0.0.1" } = this.#settings;
    const whole: ClientTask = {
      method: "GET",
      uri: `${scheme}://${hostname}:${port}${path}`,
      ...rest,
    };
    if (client.can?.(whole) === false) throw new NotApplicable("the client can not be told to");
    this.#outcome = client.run(whole);
    this.#ended = false;
    // A rejection is looked at in the end, or not at all.
    this.#outcome.then(() => void (this.#ended = !client.tells), () => {});
    this.broken = this.#outcome.then(() => new Promise<never>(() => {}));
    this.broken.catch(() => {});
  }

  /** Lets time pass. */
  wait(ms: number): Promise<void> {
    return wait(this.#settings.clock, ms);
  }

  /** What the client makes of it; undefined where it does not tell. */
  async outcome(): Promise<ClientOutcome | undefined> {
    return this.#settings.client.tells ? await this.#outcome! : undefined;
  }

  /** Expects the client to end with this payload. */
  async delivers(payload: string, ...codes: string[]): Promise<void> {
    const outcome = await this.outcome();
    if (outcome === undefined) return this.note("judged by the wire alone");
    const isRight = outcome.payload === payload &&
      (codes.length === 0 || codes.includes(outcome.code ?? ""));
    if (!isRight) {
      throw new CaseFailure(
        `${codes.join(" or ")} "${payload}" delivered`,
        JSON.stringify(outcome),
      );
    }
  }

  /** Expects the client to end without a response. */
  async fails(): Promise<void> {
    const outcome = await this.outcome();
    if (outcome === undefined) return this.note("judged by the wire alone");
    if (outcome.error === undefined) {
      throw new CaseFailure("an error", JSON.stringify(outcome));
    }
  }

  /** What is expected after the response: of a program that is gone by then nothing can come. */
  async unlessEnded<T>(expected: Promise<T>): Promise<T> {
    try {
      return await expected;
    } catch (error) {
      const isSilence = error instanceof CaseFailure && error.actual === "nothing";
      if (isSilence && this.#ended) this.notApplicable("the client ends with the response");
      throw error;
    }
  }

  /** Writes down which of several allowed reactions was seen. */
  note(text: string): void {
    if (!this.notes.includes(text)) this.notes.push(text);
  }

  /** Ends the case: it has nothing to say about this client. */
  notApplicable(why: string): never {
    throw new NotApplicable(why);
  }
}

/** The client of this library as a client under test. @module */

import { CoAPClient } from "../lib/endpoint/client.ts";
import type { CoAPClientOptions } from "../lib/endpoint/endpoint_options.ts";
import { systemClock } from "../lib/endpoint/clock.ts";
import type { ClientOutcome, ClientTask, ClientUnderTest } from "./client_case.ts";
import { wait } from "./probe.ts";

/** How long the client keeps its socket when it is done, ms. */
const LINGER = 2_000;

/**
 * The client of this library, a new one for each task.
 *
 * @param timeout how long it waits for a response, ms, as `get` has it
 */
export function ourClient(options: CoAPClientOptions, timeout?: number): ClientUnderTest {
  return {
    tells: true,
    async run(task: ClientTask): Promise<ClientOutcome> {
      const client = new CoAPClient(options);
      try {
        return task.observe === undefined
          ? await ask(client, task, timeout)
          : await observe(client, task, options);
      } catch (error) {
        return { error: error instanceof Error ? error.message : String(error) };
      } finally {
        // What comes late finds a client that knows what to do with it.
        void wait(options.clock ?? systemClock, LINGER).then(() => client.close());
      }
    },
  };
}

async function ask(
  client: CoAPClient,
  task: ClientTask,
  timeout: number | undefined,
): Promise<ClientOutcome> {
  const { method, uri, payload, confirmable } = task;
  const response = await client.request(method, uri, { payload, confirmable, timeout });
  return { code: response.codeText, payload: response.text() };
}

async function observe(
  client: CoAPClient,
  { uri, observe = 0 }: ClientTask,
  { clock = systemClock }: CoAPClientOptions,
): Promise<ClientOutcome> {
  const payloads: string[] = [];
  const outcome: ClientOutcome = { payloads };
  const states = client.observe(uri)[Symbol.asyncIterator]();
  const over = wait(clock, observe).then(() => undefined);
  for (;;) {
    const next = await Promise.race([states.next(), over]);
    if (next === undefined || next.done) break;
    outcome.code = next.value.codeText;
    outcome.payload = next.value.text();
    payloads.push(outcome.payload);
  }
  await states.return?.();
  return outcome;
}

import { describe, it } from "node:test";
import { assert, assertEquals, assertLessOrEqual } from "@std/assert";
import { STREAM_SERVER, StreamSimulation } from "../../testing/simulated_streams.ts";
import { SeededRandom } from "../../testing/seeded_random.ts";
import { CoAPError } from "../errors.ts";
import { Code } from "../wire/code.ts";
import { CoAPResponse } from "./response.ts";
import type { Server } from "./server.ts";

const SEEDS = 150;
/** How long things go on, ms. */
const SPAN = 60_000;

/** What may become of a request whose connection is cut, or that is given up. */
const REASONS = ["transport", "timeout", "refused"];

interface Report {
  answered: number;
  failed: number;
  aborted: number;
  states: number;
  cuts: number;
}

/** Clients that ask and observe while connections are cut and the server restarts. */
async function runSeed(seed: number): Promise<Report> {
  const random = new SeededRandom(seed);
  const sim = new StreamSimulation({
    latency: [1, random.integer(2, 200)],
    portion: [1, random.integer(1, 2000)],
    window: random.integer(500, 70_000),
  }, seed);
  const report = { answered: 0, failed: 0, aborted: 0, states: 0, cuts: 0 };
  const runs = new Map<string, number>();
  const later = (what: () => void): void =>
    void sim.clock.setTimer(what, sim.clock.now() + random.float() * SPAN);
  const limits = random.float() < 0.5 ? { messageBytes: random.integer(200, 5000) } : undefined;
  let state = 0;
  let server: Server | undefined;
  const start = async (): Promise<void> => {
    server = await sim.serve(({ pathname, payload, observe }) => {
      if (pathname === "/state") return CoAPResponse.text(`${state}`);
      assertEquals(observe, undefined);
      runs.set(pathname, (runs.get(pathname) ?? 0) + 1);
      const response = new CoAPResponse(payload, { code: Code.Content });
      if (random.float() < 0.5) return response;
      const delay = random.float() * 5000;
      return new Promise((resolve) =>
        sim.clock.setTimer(() => resolve(response), sim.clock.now() + delay)
      );
    }, { limits, onObserve: () => true });
  };
  await start();
  const clients = [sim.client(), sim.client({ limits: { messageBytes: 3000 } })];
  const outcomes: Promise<void>[] = [];
  // An observer sees states in their order, and in the end the last one. What can not even begin fails at once.
  const observer = clients[0]!.observe(`${STREAM_SERVER}/state`);
  await sim.run(observer.next());
  for (const client of clients) {
    for (let i = 0; i < 15; i++) {
      const body = Uint8Array.from({ length: random.integer(0, 9000) }, (_, at) => at + i);
      const controller = new AbortController();
      const path = `/${clients.indexOf(client)}/${i}`;
      outcomes.push(
        new Promise((resolve) => {
          later(() => {
            client.post(STREAM_SERVER + path, { payload: body, signal: controller.signal })
              .then((response) => {
                assertEquals(response.payload, body, path);
                assertEquals(runs.get(path), 1);
                report.answered++;
              })
              .catch((error) => {
                if (error === "aborted") report.aborted++;
                else {
                  assert(error instanceof CoAPError && REASONS.includes(error.reason), `${error}`);
                  report.failed++;
                }
              })
              .finally(resolve);
          });
        }),
      );
      if (random.float() < 0.1) later(() => controller.abort("aborted"));
    }
  }
  const seen: number[] = [];
  const observing = (async () => {
    for await (const notification of observer) {
      seen.push(Number(notification.text()));
      report.states++;
    }
  })();
  for (let i = 0; i < 10; i++) {
    later(() => {
      state++;
      server?.notify("/state");
    });
  }
  for (let i = random.integer(0, 4); i > 0; i--) {
    later(() => {
      report.cuts++;
      sim.network.cut();
    });
  }
  if (random.float() < 0.3) {
    later(async () => {
      await server!.close();
      server = undefined;
      sim.clock.setTimer(() => void start(), sim.clock.now() + random.float() * 10_000);
    });
  }
  await sim.run(Promise.all(outcomes));
  await sim.after(SPAN * 3);
  assertEquals(seen.at(-1), state, "The last state");
  for (let i = 1; i < seen.length; i++) assertLessOrEqual(seen[i - 1]!, seen[i]!);
  for (const [path, count] of runs) assertEquals(count, 1, path);
  await sim.run(observer.return!());
  await observing;
  await sim.rest();
  await sim.close();
  return report;
}

describe("connections that are late, cut and made again", () => {
  const all: Report = { answered: 0, failed: 0, aborted: 0, states: 0, cuts: 0 };

  for (let first = 1; first <= SEEDS; first += 25) {
    const last = first + 24;
    const what = "requests end once, handlers run once, observers know the last state";
    it(`seeds ${first} to ${last}: ${what}`, async () => {
      for (let seed = first; seed <= last; seed++) {
        try {
          const report = await runSeed(seed);
          for (const name of Object.keys(all) as (keyof Report)[]) all[name] += report[name];
        } catch (error) {
          throw new Error(`Seed ${seed}: ${error}`, { cause: error });
        }
      }
    });
  }

  it("all of it has happened", () => {
    assertEquals(all.answered + all.failed + all.aborted, SEEDS * 30);
    for (const [name, count] of Object.entries(all)) assert(count > SEEDS / 3, `${name}: ${count}`);
  });
});

import { describe, it } from "node:test";
import { assert, assertEquals } from "@std/assert";
import { ComponentSimulation } from "../../testing/simulated_components.ts";
import { SeededRandom } from "../../testing/seeded_random.ts";
import { SERVER } from "../../testing/simulated_endpoints.ts";
import { CoAPError } from "../errors.ts";
import { toHex } from "../wire/bytes.ts";
import type { CoAP } from "./coap.ts";

/** Names of resources. Those of `/o…` can be observed. */
const PATHS = ["/now", "/slow", "/later", "/never", "/throws", "/o1", "/o2", "/refused"];

function count(counts: Map<string, number>, name: string): void {
  counts.set(name, (counts.get(name) ?? 0) + 1);
}

/** What a component must keep to, whatever happens: each request is told once, each promise agrees with its event. */
class Accounts {
  readonly #random: SeededRandom;
  readonly #net: ComponentSimulation;
  readonly #client: CoAP;
  readonly #server: CoAP;
  /** The client's requests: their events, and what became of their promises. */
  readonly events = new Map<string, number[]>();
  readonly wrong: string[] = [];
  /** The server's requests, and how many events told of their responses. */
  readonly delivered = new Map<string, number>();
  /** How often an observer, by port, token and path, has registered and unregistered. */
  readonly registered = new Map<string, number>();
  readonly unregistered = new Map<string, number>();
  readonly #settled: Promise<void>[] = [];
  #deferred: string[] = [];

  constructor(net: ComponentSimulation, seed: number, client: CoAP, server: CoAP) {
    this.#random = new SeededRandom(seed);
    this.#net = net;
    this.#client = client;
    this.#server = server;
    client.on("RequestComplete", (e) => {
      this.events.set(e.requestId, [...this.events.get(e.requestId) ?? [], e.errorCode]);
      if (client.pendingRequests.has(e.requestId)) this.wrong.push(`${e.requestId} still pending`);
      if (e.response !== undefined && client.responseData !== e.response.payload) {
        this.wrong.push(`${e.requestId} in the properties`);
      }
    });
    server.on("Request", async (e) => {
      this.delivered.set(e.requestId, 0);
      if (e.URIPath === "/throws") throw new Error("thrown");
      if (e.URIPath === "/slow") await this.#wait(3000);
      if (e.URIPath === "/never" || e.URIPath === "/later") {
        e.sendResponse = false;
        if (e.URIPath === "/later") this.#deferred.push(e.requestId);
      }
      server.responseCode = "2.05";
      server.responseData = e.URIPath;
    });
    server.on("Register", (e) => {
      e.accept = e.URIPath.startsWith("/o");
      if (e.accept) count(this.registered, `${e.remotePort} ${e.token} ${e.URIPath}`);
    });
    server.on("Unregistered", (e) => {
      count(this.unregistered, `${e.remotePort} ${toHex(e.request.token)} ${e.URIPath}`);
    });
    server.on("ResponseComplete", (e) => {
      if (this.delivered.has(e.requestId)) count(this.delivered, e.requestId);
    });
  }

  #wait(ms: number): Promise<void> {
    const { clock } = this.#net;
    return new Promise((resolve) => void clock.setTimer(resolve, clock.now() + ms));
  }

  /** One act of somebody's, by chance. */
  async act(): Promise<void> {
    const random = this.#random;
    const client = this.#client;
    const server = this.#server;
    const pick = <T>(list: readonly T[]): T => list[random.integer(0, list.length - 1)]!;
    const path = pick(PATHS);
    switch (random.integer(0, 9)) {
      case 0:
      case 1:
      case 2:
      case 3: {
        client.timeout = pick([0, 0.3, 2, 60]);
        client.useConfirmableMessages = random.float() < 0.7;
        this.#check(client.timeout, () => client.get(SERVER + path));
        break;
      }
      case 4:
        client.timeout = pick([0, 60]);
        this.#check(client.timeout, () => client.startObserving(SERVER + path));
        break;
      case 5:
        client.timeout = 60;
        this.#settled.push(client.stopObserving(SERVER + path).catch(() => {}));
        break;
      case 6: {
        const ids = [...client.pendingRequests.keys()];
        if (ids.length > 0) await client.cancelRequest(pick(ids)).catch(() => {});
        break;
      }
      case 7:
        server.responseCode = "2.05";
        await server.sendNotification(SERVER + path);
        break;
      case 8:
        for (const id of this.#deferred.splice(0)) {
          if (!server.pendingRequests.has(id)) continue;
          server.responseCode = "2.05";
          if (random.float() < 0.8) await server.sendResponse(id);
          else await server.cancelRequest(id);
        }
        break;
      case 9:
        if (random.float() < 0.1) await client.shutdown();
    }
    await this.#net.after(random.integer(0, 500));
  }

  /** A promise must agree with the event, and come after it. */
  #check(timeout: number, call: () => Promise<string>): void {
    const before = new Set(this.#client.pendingRequests.keys());
    const promise = call();
    const id = [...this.#client.pendingRequests.keys()].find((one) => !before.has(one));
    const settled = promise.then((value) => {
      if (timeout === 0) {
        if (id !== undefined && value !== id) this.wrong.push(`${id} is called ${value}`);
      } else if (value !== "") this.wrong.push(`${id} resolved to ${value}`);
      else if (id !== undefined) this.#agree(id, [[], [0], [709]]);
    }, (error: unknown) => {
      if (!(error instanceof CoAPError)) this.wrong.push(`${id} rejected with ${error}`);
      else if (id !== undefined) this.#agree(id, [[error.code]]);
    });
    this.#settled.push(settled);
  }

  #agree(id: string, expected: number[][]): void {
    const events = JSON.stringify(this.events.get(id) ?? []);
    if (!expected.some((one) => JSON.stringify(one) === events)) {
      this.wrong.push(`${id}: ${events} instead of ${JSON.stringify(expected)}`);
    }
  }

  /** Everything ends, and all accounts are settled. */
  async close(): Promise<void> {
    await this.#net.run(Promise.all([this.#client.shutdown(), this.#server.shutdown()]));
    await this.#net.run(Promise.all(this.#settled));
    assertEquals(this.wrong, []);
    assertEquals([this.#client.pendingRequests.size, this.#server.pendingRequests.size], [0, 0]);
    for (const [id, codes] of this.events) assertEquals(codes.length, 1, `request ${id}`);
    for (const [id, times] of this.delivered) assert(times > 0, `response to ${id}`);
    assertEquals([...this.unregistered.keys()].sort(), [...this.registered.keys()].sort());
    for (const [observer, times] of this.unregistered) {
      assert(times <= this.registered.get(observer)!, `observer ${observer}`);
    }
  }
}

describe("the accounts of CoAP", () => {
  for (let seed = 1; seed <= 20; seed++) {
    it(`are settled whatever happens, seed ${seed}`, async () => {
      const net = new ComponentSimulation({ loss: 0.1, duplication: 0.1, reordering: 0.2 });
      const server = await net.listener();
      const accounts = new Accounts(net, seed, net.component(), server);
      for (let i = 0; i < 60; i++) await accounts.act();
      await accounts.close();
      await net.close();
    });
  }
});

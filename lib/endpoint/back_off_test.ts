import { assertEquals } from "@std/assert";
import { afterEach, beforeEach, describe, it } from "node:test";
import { SERVER, Simulation } from "../../testing/simulated_endpoints.ts";
import { Code } from "../wire/code.ts";
import { BackOff } from "./back_off.ts";
import type { CoAPClient } from "./client.ts";
import { CoAPResponse } from "./response.ts";

const URI = `${SERVER}/a`;

describe("8516-4-1: after a 4.29 the client", () => {
  let net: Simulation;
  let client: CoAPClient;
  let requests: number;
  /** Max-Age of the server's 4.29, seconds; 2.05 where it is null. */
  let busy: number | undefined | null;
  beforeEach(async () => {
    net = new Simulation();
    client = net.client();
    requests = 0;
    await net.serve(() => {
      requests++;
      return busy === null
        ? CoAPResponse.text("at last")
        : new CoAPResponse("slowly", { code: Code.TooManyRequests, maxAge: busy });
    });
  });
  afterEach(async () => {
    await net.rest();
    await net.close();
  });

  /** The code and, where it is none of class 2, how long to wait, seconds. */
  async function ask(request: Promise<CoAPResponse>): Promise<string> {
    const { codeText, retryAfter } = await net.run(request);
    return retryAfter === undefined ? codeText : `${codeText} ${retryAfter}`;
  }

  it("answers the same request itself until Max-Age has passed", async () => {
    busy = 30;
    assertEquals(await ask(client.get(URI)), "4.29 30");
    const told = net.clock.now();
    await net.after(10_000);
    const response = await net.run(client.get(URI));
    assertEquals([response.text(), response.retryAfter, requests], ["slowly", 20, 1]);
    assertEquals(response.peer?.port, 5683);
    await net.after(told + 29_990 - net.clock.now());
    assertEquals([await ask(client.get(URI)), requests], ["4.29 0", 1]);
    await net.after(10);
    busy = null;
    assertEquals([await ask(client.get(URI)), requests], ["2.05", 2]);
    assertEquals([await ask(client.get(URI)), requests], ["2.05", 3]);
  });

  it("waits 60 s where the server does not say how long, and not at all for 0 s", async () => {
    busy = undefined;
    assertEquals(await ask(client.get(URI)), "4.29 60");
    await net.after(59_000);
    assertEquals([await ask(client.get(URI)), requests], ["4.29 1", 1]);
    await net.after(1000);
    busy = 0;
    assertEquals(await ask(client.get(URI)), "4.29 0");
    assertEquals([await ask(client.get(URI)), requests], ["4.29 0", 3]);
  });

  it("makes requests that differ in method, URI or options", async () => {
    busy = 30;
    await net.run(client.put(URI, { payload: "x" }));
    assertEquals([await ask(client.put(URI, { payload: "y" })), requests], ["4.29 30", 1]);
    busy = null;
    assertEquals(await ask(client.get(URI)), "2.05");
    assertEquals(await ask(client.post(URI, { payload: "x" })), "2.05");
    assertEquals(await ask(client.put(`${URI}?q`, { payload: "x" })), "2.05");
    assertEquals(await ask(client.put(URI, { payload: "x", accept: 50 })), "2.05");
    assertEquals(await ask(client.put("coap://server/a", { payload: "x" })), "2.05");
    assertEquals(await ask(client.put(URI, { payload: "x", ifNoneMatch: true })), "2.05");
  });

  it("does not observe either, and cancels a payload that nobody takes", async () => {
    busy = 30;
    await net.run(client.get(URI));
    const states = client.observe(URI);
    const { value } = await net.run(states.next());
    assertEquals([value!.codeText, value!.observed, requests], ["4.29", false, 1]);
    assertEquals((await states.next()).done, true);
    await net.run(client.put(URI, { payload: "x" }));
    let canceled = false;
    const payload = new ReadableStream<Uint8Array>({ cancel: () => void (canceled = true) });
    const held = await client.put(URI, { payload, contentFormat: 0 });
    assertEquals([held.codeText, canceled, requests], ["4.29", true, 2]);
  });

  it("heeds the 4.29 to an observation as well", async () => {
    busy = 30;
    const { value } = await net.run(client.observe(URI).next());
    assertEquals([value!.codeText, value!.observed], ["4.29", false]);
    assertEquals([await ask(client.get(URI)), requests], ["4.29 30", 1]);
  });

  it("asks nevertheless where backOff is off", async () => {
    client = net.client({ backOff: false });
    busy = 30;
    await net.run(client.get(URI));
    await net.run(client.get(URI));
    assertEquals(requests, 2);
  });
});

describe("BackOff", () => {
  it("remembers 256 requests, the newest ones", () => {
    const held = new BackOff();
    const response = { code: Code.TooManyRequests, options: [], payload: new Uint8Array() };
    for (let i = 0; i < 300; i++) held.put(i, `${i}`, response);
    assertEquals(held.size, 256);
    assertEquals(held.find(300, "43"), undefined);
    assertEquals(held.find(300, "44")?.code, Code.TooManyRequests);
    assertEquals(held.find(60_044, "44"), undefined);
    assertEquals(held.size, 255);
  });

  it("keeps words of the server, not bodies, and no datagrams", () => {
    const held = new BackOff();
    const datagram = new Uint8Array(60_000);
    for (const [length, kept] of [[1024, 1024], [1025, 0]] as const) {
      const payload = datagram.subarray(0, length);
      held.put(0, "a", { code: Code.TooManyRequests, options: [], payload });
      const found = held.find(0, "a")!.payload;
      assertEquals([found.length, found.buffer.byteLength], [kept, kept]);
    }
  });
});

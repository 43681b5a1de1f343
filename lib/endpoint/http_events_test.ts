import { assert, assertEquals } from "@std/assert";
import { afterEach, beforeEach, describe, it } from "node:test";
import { settle } from "../../testing/manual_clock.ts";
import { GatewaySimulation, ORIGIN } from "../../testing/simulated_gateway.ts";
import { Code } from "../wire/code.ts";
import { OptionNumber, uintOption } from "../wire/option.ts";
import { EventStream, type States } from "./http_events.ts";
import type { HTTPGateway, HTTPGatewayOptions } from "./http_gateway.ts";
import type { CoAPNotification } from "./notification.ts";
import { CoAPResponse } from "./response.ts";
import { Router } from "./router.ts";
import type { Server } from "./server.ts";

describe("event streams", () => {
  let net: GatewaySimulation;
  let server: Server;
  let state: CoAPResponse;
  let left: string[];
  let observers: number;
  const decoder = new TextDecoder();

  beforeEach(async () => {
    net = new GatewaySimulation();
    left = [];
    observers = 0;
    state = CoAPResponse.text("1");
    const router = new Router()
      .get("/a", () => state, { observable: true })
      .get("/plain", () => state);
    server = await net.serve(router, {
      onObserve: () => ++observers > 0,
      onUnobserve: (_, reason) => void left.push(reason),
    });
  });
  afterEach(() => net.end());

  /** A reader of an event stream. */
  async function open(
    gateway: HTTPGateway,
    path = "/a",
    signal: AbortSignal | null = null,
  ): Promise<ReadableStreamDefaultReader<Uint8Array>> {
    const response = await net.ask(gateway, path, {
      headers: { accept: "text/event-stream" },
      signal,
    });
    assertEquals(response.status, 200, path);
    assertEquals(response.headers.get("content-type"), "text/event-stream");
    assertEquals(response.headers.get("cache-control"), "no-store");
    return response.body!.getReader();
  }

  const read = async (
    reader: ReadableStreamDefaultReader<Uint8Array>,
  ): Promise<string | undefined> => {
    const { value } = await net.run(reader.read());
    return value && decoder.decode(value);
  };

  /** The resource has a new state. */
  async function become(next: CoAPResponse): Promise<void> {
    state = next;
    server.notify("/a");
    await net.after(10);
  }

  it("tell every state to a reader that keeps up, and the server when it leaves", async () => {
    const reader = await open(net.gateway());
    assertEquals(await read(reader), "data: 1\n\n");
    await become(CoAPResponse.text("2\r\n3\r4\n"));
    assertEquals(await read(reader), "data: 2\ndata: 3\ndata: 4\ndata: \n\n");
    assertEquals(uintOption(net.messages[0]!.options, OptionNumber.HopLimit), 16);
    await reader.cancel();
    await net.after(10);
    assertEquals(left, ["deregistered"]);
  });

  it("give text as it is, and bytes in base64", async () => {
    const bytes = Uint8Array.of(0, 255, 10);
    const rows: [CoAPResponse, string][] = [
      [CoAPResponse.json({ a: 1 }), 'data: {"a":1}\n\n'],
      [new CoAPResponse("no type"), "data: no type\n\n"],
      [new CoAPResponse(bytes, { contentFormat: 60 }), "event: binary\ndata: AP8K\n\n"],
      [
        new CoAPResponse(new Uint8Array(9000), { contentFormat: 42 }),
        `event: binary\ndata: ${"A".repeat(12_000)}\n\n`,
      ],
    ];
    for (const [next, event] of rows) {
      state = next;
      const reader = await open(net.gateway());
      assertEquals(await read(reader), event);
      await reader.cancel();
      await net.after(10);
    }
  });

  it("give a slow reader the newest state", async () => {
    const reader = await open(net.gateway());
    for (let n = 2; n <= 50; n++) await become(CoAPResponse.text(`${n}`));
    await net.after(5000);
    assertEquals(await read(reader), "data: 1\n\n");
    assertEquals(await read(reader), "data: 50\n\n");
    await reader.cancel();
  });

  it("of one resource are one observation, and the last one to leave ends it", async () => {
    const gateway = net.gateway();
    const readers = [await open(gateway), await open(gateway), await open(gateway)];
    for (const reader of readers) assertEquals(await read(reader), "data: 1\n\n");
    await become(CoAPResponse.text("2"));
    for (const reader of readers) assertEquals(await read(reader), "data: 2\n\n");
    assertEquals(observers, 1);
    for (const reader of readers) {
      assertEquals(left, []);
      await reader.cancel();
      await net.after(10);
    }
    assertEquals(left, ["deregistered"]);
  });

  it("send a comment where nothing happens, one at a time", async () => {
    const reader = await open(net.gateway({ heartbeat: 1000 }));
    assertEquals(await read(reader), "data: 1\n\n");
    const start = net.clock.now();
    assertEquals([await read(reader), net.clock.now() - start], [":\n\n", 1000]);
    assertEquals([await read(reader), net.clock.now() - start], [":\n\n", 2000]);
    await net.after(10_000); // nobody reads
    await become(CoAPResponse.text("2"));
    await become(CoAPResponse.text("3"));
    assertEquals(await read(reader), "data: 2\n\n"); // it was asked for before it came
    assertEquals(await read(reader), "data: 3\n\n");
    await reader.cancel();
    assertEquals(left, []);
  });

  it("send it when nothing has happened for that long", async () => {
    const reader = await open(net.gateway({ heartbeat: 1000 }));
    assertEquals(await read(reader), "data: 1\n\n");
    const next = reader.read();
    await net.after(600);
    await become(CoAPResponse.text("2"));
    await next;
    const start = net.clock.now();
    assertEquals([await read(reader), net.clock.now() - start], [":\n\n", 1000]);
    await reader.cancel();
  });

  it("ask for one state at a time, however long nothing happens", async () => {
    let asked = 0;
    const states: States = {
      next: () => (asked++, new Promise(() => {})),
      return: () => Promise.resolve({ done: true, value: undefined }),
    };
    const first = { ok: true, observed: true, payload: new Uint8Array(0), text: () => "" };
    const { response } = new EventStream(first as CoAPNotification, states, {
      clock: net.clock,
      heartbeat: 1000,
      signal: new AbortController().signal,
      over: () => {},
    });
    const reader = response.body!.getReader();
    for (let n = 0; n < 5; n++) await read(reader);
    assertEquals(asked, 1);
    await reader.cancel();
  });

  it("end with their request", async () => {
    const controller = new AbortController();
    const reader = await open(net.gateway(), "/a", controller.signal);
    assertEquals(await read(reader), "data: 1\n\n");
    const next = reader.read();
    await settle();
    controller.abort();
    assertEquals((await next).done, true);
    await net.after(10);
    assertEquals(left, ["deregistered"]);
    const gone = new Request(ORIGIN + "/a", {
      headers: { accept: "text/event-stream" },
      signal: controller.signal,
    });
    assertEquals((await net.gateway()(gone)).status, 499);
  });

  it("end with the observation, which says why", async () => {
    const reader = await open(net.gateway());
    assertEquals(await read(reader), "data: 1\n\n");
    await become(CoAPResponse.error(Code.NotFound, "Gone\n\ndata: x"));
    assertEquals(await read(reader), "event: end\ndata: 4.04 Not Found\n\n");
    assertEquals(await read(reader), undefined);
  });

  it("are no streams where the resource is not there, or nobody answers", async () => {
    const init = { headers: { accept: "text/event-stream" } };
    assertEquals((await net.ask(net.gateway(), "/b", init)).status, 404);
    const silent = net.gateway({ target: "coap://127.0.0.1:7", timeout: 3000 });
    assertEquals((await net.ask(silent, "/", init)).status, 504);
  });

  it("of what can not be observed have its state, and are read again when that is old", async () => {
    state = CoAPResponse.text("1", { maxAge: 7 });
    const reader = await open(net.gateway({ cache: false }), "/plain");
    assertEquals(await read(reader), "retry: 7000\ndata: 1\n\n");
    assertEquals(await read(reader), undefined);
    state = CoAPResponse.text("2", { maxAge: 0 });
    const next = await open(net.gateway({ cache: false }), "/plain");
    assertEquals(await read(next), "retry: 1000\ndata: 2\n\n");
    await next.cancel();
  });

  it("are bounded in number", async () => {
    const options: HTTPGatewayOptions = { maxStreams: 2, maxRequests: 3 };
    const gateway = net.gateway(options);
    const readers = [await open(gateway), await open(gateway)];
    const init = { headers: { accept: "text/event-stream" } };
    const answer = await net.tell(gateway, "/a", init, "retry-after");
    assertEquals(answer, [503, "Gateway has too many event streams\n", "1"]);
    assertEquals((await net.ask(gateway, "/a")).status, 200);
    await readers[0]!.cancel();
    await (await open(gateway)).cancel();
    await readers[1]!.cancel();
    const opening = [1, 2, 3].map(() => gateway(new Request(ORIGIN + "/a", init)));
    const statuses = await Promise.all(opening.map((one) => net.run(one)));
    assertEquals(statuses.map(({ status }) => status), [200, 200, 503]);
    for (const { body } of statuses.slice(0, 2)) await body!.cancel();
  });

  it("end when the gateway is closed", async () => {
    const gateway = net.gateway();
    const reader = await open(gateway);
    assertEquals(await read(reader), "data: 1\n\n");
    const next = reader.read();
    await gateway.close();
    assertEquals((await next).done, true);
    await net.after(10);
    assertEquals(left, ["deregistered"]);
  });

  it("end when the registration fails, so that the client comes again and hears why", async () => {
    const reader = await open(net.gateway());
    assertEquals(await read(reader), "data: 1\n\n");
    await server.close();
    let last: string | undefined;
    do last = await read(reader); while (last === ":\n\n");
    assert(last === undefined || last.startsWith("event: end"), last);
  });

  it("are for GET alone", async () => {
    const init = { method: "HEAD", headers: { accept: "text/event-stream" } };
    const head = await net.ask(net.gateway(), "/a", init);
    assertEquals([head.status, head.headers.get("content-type")], [
      200,
      "text/plain; charset=utf-8",
    ]);
  });
});

import { assert, assertEquals, assertMatch } from "@std/assert";
import { afterEach, beforeEach, describe, it } from "node:test";
import { settle } from "../../testing/manual_clock.ts";
import { GatewaySimulation, ORIGIN } from "../../testing/simulated_gateway.ts";
import { CoAPError, type CoAPErrorReason } from "../errors.ts";
import { Code } from "../wire/code.ts";
import { encode, MessageType } from "../wire/message.ts";
import { httpGateway } from "./http_gateway.ts";

describe("a gateway", () => {
  let net: GatewaySimulation;
  beforeEach(() => net = new GatewaySimulation());
  afterEach(() => net.end());

  describe("says nothing of what went wrong inside", () => {
    const TABLE: [CoAPErrorReason, number][] = [
      ["timeout", 504],
      ["refused", 502],
      ["reset", 502],
      ["transport", 502],
      ["name-resolution", 502],
      ["rejected-response", 502],
      ["blockwise", 502],
      ["limit", 503],
      ["message-ids", 503],
      ["closed", 503],
      ["invalid-uri", 400],
      ["invalid-option", 400],
      ["unsupported-scheme", 501],
    ];
    for (const [reason, status] of TABLE) {
      it(`${reason}: ${status}`, async () => {
        const client = net.client();
        client.request = () => Promise.reject(new CoAPError(reason, "secret.internal"));
        const [got, text] = await net.tell(net.gateway({ client }), "/a");
        assertEquals(got, status);
        assertMatch(String(text), /^[A-Z][\w ]+\n$/);
        assert(!String(text).includes("secret"));
      });
    }

    it("an exception: 500", async () => {
      const allow = (): boolean => {
        throw new Error("secret");
      };
      const answer = await net.tell(net.gateway({ allow }), "/coap://server/");
      assertEquals(answer, [500, "Gateway has failed\n"]);
    });

    it("a Reset: 502", async () => {
      await net.peer(({ id }) => encode({ type: MessageType.Reset, code: 0, id }));
      const answer = await net.tell(net.gateway(), "/", {}, "cache-control");
      assertEquals(answer, [502, "Origin server has rejected the request\n", "no-store"]);
    });
  });

  describe("bounds", () => {
    it("the time: 504", async () => {
      const start = net.clock.now();
      const answer = await net.tell(net.gateway({ timeout: 5000 }), "/a");
      assertEquals(answer, [504, "CoAP server does not answer\n"]);
      assertEquals(net.clock.now() - start, 5000);
    });

    it("the time that a body takes: 408", async () => {
      let canceled = false;
      const body = new ReadableStream<Uint8Array>({
        start: (controller) => controller.enqueue(Uint8Array.of(1)),
        cancel: () => void (canceled = true),
      });
      const init = { method: "PUT", body, duplex: "half" } as RequestInit;
      const answer = await net.tell(net.gateway(), "/a", init);
      assertEquals(answer, [408, "Body has not come in time\n"]);
      assertEquals([canceled, net.sent.length], [true, 0]);
    });

    it("bodies of requests: 413, whether they say their length or not", async () => {
      await net.answers(Code.Changed);
      const gateway = net.gateway({ maxRequestBytes: 10 });
      const put = (body: RequestInit["body"], headers = {}): Promise<unknown[]> =>
        net.tell(gateway, "/a", { method: "PUT", body, headers, duplex: "half" } as RequestInit);
      assertEquals(await put(new Uint8Array(10)), [204, ""]);
      assertEquals(await put(new Uint8Array(11)), [413, "Body may have 10 bytes\n"]);
      let pulled = 0;
      const endless = new ReadableStream<Uint8Array>({
        pull: (controller) => {
          pulled++;
          controller.enqueue(new Uint8Array(6));
        },
      });
      assertEquals((await put(endless))[0], 413);
      assert(pulled < 5);
      const silent = new ReadableStream<Uint8Array>();
      assertEquals((await put(silent, { "content-length": "11" }))[0], 413);
      const broken = new ReadableStream<Uint8Array>({
        start: (controller) => controller.error(new Error("secret")),
      });
      assertEquals(await put(broken), [400, "Body has broken off\n"]);
      assertEquals(net.seen.length, 1);
    });

    it("payloads of responses: 502", async () => {
      await net.answers(Code.Content, {}, "x".repeat(3000));
      assertEquals((await net.ask(net.gateway({ maxResponseBytes: 3000 }), "/a")).status, 200);
      assertEquals((await net.ask(net.gateway({ maxResponseBytes: 2999 }), "/a")).status, 502);
      const client = net.client({ limits: { bodyBytes: 2000 } });
      assertEquals((await net.ask(net.gateway({ client }), "/a")).status, 502);
    });

    it("requests under way: 503", async () => {
      const gateway = net.gateway({ maxRequests: 2, timeout: 1000 });
      const first = [1, 2].map((n) => gateway(new Request(`${ORIGIN}/${n}`)));
      const field = "retry-after";
      assertEquals(await net.tell(gateway, "/3", {}, field), [503, "Gateway is busy\n", "1"]);
      for (const answer of first) assertEquals((await net.run(answer)).status, 504);
      assertEquals((await net.ask(gateway, "/4")).status, 504);
    });
  });

  it("gives up when the client is gone", async () => {
    const gateway = net.gateway();
    const controller = new AbortController();
    const request = new Request(`${ORIGIN}/a`, { signal: controller.signal });
    const answer = gateway(request);
    await settle();
    assertEquals(net.sent.length, 1);
    controller.abort();
    assertEquals((await answer).status, 499);
    await net.after(60_000);
    assertEquals(net.sent.length, 1);
    assertEquals((await gateway(request)).status, 499);
    assertEquals(net.sent.length, 1);
  });

  it("leaves no listener on the signals of requests", async () => {
    await net.answers(Code.Content);
    const gateway = net.gateway();
    let listeners = 0;
    for (const accept of ["*/*", "text/event-stream"]) {
      const request = new Request(`${ORIGIN}/a`, { headers: { accept } });
      const { signal } = request;
      const count = (name: "addEventListener" | "removeEventListener", by: number): void => {
        const method = signal[name].bind(signal) as (...args: unknown[]) => void;
        Object.defineProperty(signal, name, {
          value: (...args: unknown[]) => (listeners += by, method(...args)),
        });
      };
      count("addEventListener", 1);
      count("removeEventListener", -1);
      const response = await net.run(gateway(request));
      assertEquals(listeners, accept === "*/*" ? 0 : 1);
      await response.body?.cancel();
      assertEquals(listeners, 0);
    }
  });

  it("is closed: what is under way and what comes is answered 503", async () => {
    const client = net.client();
    const gateway = net.gateway({ client });
    const answer = gateway(new Request(`${ORIGIN}/a`));
    await settle();
    await gateway.close();
    assertEquals((await answer).status, 503);
    assertEquals(await net.tell(gateway, "/"), [503, "Gateway is closed\n"]);
    await net.answers(Code.Content);
    assertEquals((await net.run(client.get("coap://server/"))).code, Code.Content);
    const own = httpGateway({ target: "coap://127.0.0.1" });
    await own.close();
    await own.close();
    assertEquals((await own(new Request(ORIGIN))).status, 503);
  });

  it("asks once for all who ask at the same time, and gives up when all have", async () => {
    await net.answers(Code.Content, {}, "x");
    const gateway = net.gateway({ cache: false });
    const controllers = [1, 2, 3].map(() => new AbortController());
    const ask = ({ signal }: AbortController, path = "/a"): Promise<Response> =>
      gateway(new Request(ORIGIN + path, { signal }));
    const [first, second, third] = controllers.map((controller) => ask(controller));
    controllers[0]!.abort();
    assertEquals((await first!).status, 499);
    assertEquals((await net.run(second!)).status, 200);
    assertEquals(await (await third!).text(), "x");
    assertEquals(net.texts, ["GET /a"]);
    const gone = [new AbortController(), new AbortController()];
    const late = gone.map((controller) => ask(controller, "/b"));
    for (const controller of gone) controller.abort();
    const anew = ask(new AbortController(), "/b");
    for (const answer of late) assertEquals((await answer).status, 499);
    assertEquals((await net.run(anew)).status, 200);
    assertEquals(net.texts.at(-1), "GET /b");
  });
});

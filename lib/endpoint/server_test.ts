import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { afterEach, beforeEach, describe, it } from "node:test";
import { failure, SERVER, Simulation } from "../../testing/simulated_endpoints.ts";
import type { RawMessage } from "./driver.ts";
import { Code } from "../wire/code.ts";
import { ContentFormat } from "../wire/content_format.ts";
import { decode, encode, type MessageInit, MessageType } from "../wire/message.ts";
import { makeOption, OptionNumber } from "../wire/option.ts";
import type { IncomingRequest } from "./incoming_request.ts";
import { CoAPResponse } from "./response.ts";
import { Router } from "./router.ts";
import { type Handler, serve } from "./server.ts";

const UTF8 = new TextEncoder();

describe("serve", () => {
  let net: Simulation;
  beforeEach(() => {
    net = new Simulation();
  });
  afterEach(async () => {
    await net.rest();
    await net.close();
  });

  /** Sends one message from a bare socket and gives back the first answer. */
  async function ask(message: MessageInit): Promise<ReturnType<typeof decode> | undefined> {
    let answer: ReturnType<typeof decode> | undefined;
    const transport = await net.network.bind({ port: 40_000 }, {
      receive: (_flow, bytes) => {
        answer ??= decode(bytes);
      },
      turn: () => {},
      error: () => {},
    });
    transport.send(transport.flow("127.0.0.1", 5683), encode(message));
    transport.flush();
    await net.after(1000);
    await transport.close();
    return answer;
  }

  function path(...segments: (string | Uint8Array)[]): ReturnType<typeof makeOption>[] {
    return segments.map((segment) => makeOption(OptionNumber.UriPath, segment));
  }

  it("hands the request to the handler as it came", async () => {
    let request: IncomingRequest | undefined;
    await net.serve((incoming) => {
      request = incoming;
      return CoAPResponse.json([incoming.method, incoming.path, incoming.query]);
    });
    const client = net.client({ port: 40_001 });
    const response = await net.run(client.request("PATCH", "coap://server/a/b%2Fc/?x=1&y", {
      payload: '{"on":true}',
      contentFormat: ContentFormat.JSON,
      accept: ContentFormat.JSON,
      etag: Uint8Array.of(7),
      ifMatch: [Uint8Array.of(8), new Uint8Array()],
      confirmable: false,
    }));
    assertEquals(response.json(), ["PATCH", ["a", "b/c", ""], ["x=1", "y"]]);
    assert(request !== undefined);
    assertEquals(request.code, Code.PATCH);
    assertEquals(request.pathname, "/a/b%2Fc/");
    assertEquals(request.uri, "coap://server/a/b%2Fc/?x=1&y");
    assertEquals(request.json(), { on: true });
    assertEquals([request.contentFormat, request.accept], [50, 50]);
    assertEquals(request.etags, [Uint8Array.of(7)]);
    assertEquals(request.ifMatch, [Uint8Array.of(8), new Uint8Array()]);
    assertEquals([request.ifNoneMatch, request.confirmable, request.observe], [
      false,
      false,
      undefined,
    ]);
    assertEquals([request.peer.address, request.peer.port], ["127.0.0.1", 40_001]);
    assertEquals(request.token.length, 4);
    assertEquals(request.params, {});
  });

  it("composes the URI from its own address where the request names no host", async () => {
    await net.serve((request) => CoAPResponse.text(request.uri), { port: 6000 });
    const response = await net.run(net.client().get("coap://127.0.0.1:6000/a?b"));
    assertEquals(response.text(), "coap://127.0.0.1:6000/a?b");
  });

  it("takes a handler alone, and refuses what is none", async () => {
    await assertRejects(() => serve({ port: 1 } as unknown as Handler), TypeError, "Handler");
    await assertRejects(() => serve({ port: 70_000 }, () => CoAPResponse.text("")), RangeError);
    const server = await net.serve({ handle: () => CoAPResponse.text("object") });
    assertEquals(server.address, { address: "127.0.0.1", port: 5683 });
    assertEquals((await net.run(net.client().get(SERVER))).text(), "object");
  });

  it("fails with reason transport where the port is taken", async () => {
    await net.serve(() => CoAPResponse.text(""));
    assertEquals((await failure(net.serve(() => CoAPResponse.text("")))).reason, "transport");
  });

  it("answers at once in the acknowledgement, in the same turn", async () => {
    await net.serve(() => CoAPResponse.text("now"));
    await net.run(net.client().get(SERVER));
    assertEquals(net.messages.map(({ type }) => type), [0, 2]);
    assertEquals(net.clock.now(), 20); // two times the latency
  });

  it("acknowledges first and answers separately where the handler is slow", async () => {
    const { promise, resolve } = Promise.withResolvers<CoAPResponse>();
    await net.serve(() => promise);
    const pending = net.client().get(SERVER);
    await net.after(600);
    assertEquals(net.messages.map(({ type, code }) => [type, code]), [[0, 1], [2, 0]]);
    resolve(CoAPResponse.text("slow"));
    assertEquals((await net.run(pending)).text(), "slow");
    assertEquals(net.messages[2]!.type, MessageType.Confirmable);
  });

  it("runs the handler once for a duplicate", async () => {
    let runs = 0;
    net.network.conditions.duplication = 1;
    await net.serve(async () => {
      runs++;
      await Promise.resolve();
      return CoAPResponse.text("once");
    });
    assertEquals((await net.run(net.client().get(SERVER))).text(), "once");
    await net.after(1000);
    assertEquals(runs, 1);
  });

  describe("answers 5.00 without a word of why", () => {
    const careless: [name: string, handler: Handler, says: string][] = [
      ["where the handler throws", () => {
        throw new Error("secret");
      }, "secret"],
      [
        "where the handler throws nothing",
        () => {
          // deno-lint-ignore no-throw-literal
          throw undefined;
        },
        "undefined",
      ],
      ["where the handler rejects", () => Promise.reject(new Error("secret")), "secret"],
      [
        "where the handler returns nothing",
        () => undefined as unknown as CoAPResponse,
        'must return a CoAPResponse: it is "undefined"',
      ],
      [
        "where the handler returns something else",
        () => "secret" as unknown as CoAPResponse,
        'must return a CoAPResponse: it is "secret"',
      ],
      [
        "where the promise settles with something else",
        () => Promise.resolve(5 as unknown as CoAPResponse),
        'it is "5"',
      ],
    ];
    for (const [name, handler, says] of careless) {
      it(name, async () => {
        const told: [string, string | undefined][] = [];
        await net.serve(handler, {
          onError: (error, request) => {
            told.push([String(error), request?.pathname]);
            throw new Error("The hook is careless as well");
          },
        });
        const client = net.client();
        for (let i = 0; i < 2; i++) {
          const response = await net.run(client.get(`${SERVER}/a`));
          assertEquals(response.code, Code.InternalServerError);
          assertEquals(response.payload.length, 0);
          assertEquals(response.options, []);
        }
        assertEquals(told.map(([, where]) => where), ["/a", "/a"]);
        assertStringIncludes(told[0]![0], says);
      });
    }
  });

  describe("answers by itself", () => {
    let handled = 0;
    beforeEach(async () => {
      handled = 0;
      await net.serve(() => {
        handled++;
        return CoAPResponse.text("");
      });
    });

    it("4.00 to a dot segment", async () => {
      for (const segment of [".", ".."]) {
        const answer = await ask({ code: Code.GET, options: path("a", segment, "b") });
        assertEquals(answer?.code, Code.BadRequest);
      }
      assertEquals(handled, 0);
      await ask({ code: Code.GET, id: 1, options: path("...", ".a") });
      assertEquals(handled, 1);
    });

    it("4.04 to a path that is no UTF-8", async () => {
      const answer = await ask({ code: Code.GET, options: path(Uint8Array.of(0xff, 0xfe)) });
      assertEquals(answer?.code, Code.NotFound);
      assertEquals(handled, 0);
      // U+FFFD itself is UTF-8.
      await ask({ code: Code.GET, id: 1, options: path("\uFFFD") });
      assertEquals(handled, 1);
    });

    it("4.00 to a FETCH without Content-Format", async () => {
      const answer = await ask({ code: Code.FETCH, payload: UTF8.encode("x") });
      assertEquals(answer?.code, Code.BadRequest);
      assertEquals(handled, 0);
    });

    it("5.05 to a request for a proxy", async () => {
      const options = [makeOption(OptionNumber.ProxyUri, "coap://example.net/")];
      assertEquals((await ask({ code: Code.GET, options }))?.code, Code.ProxyingNotSupported);
      assertEquals(handled, 0);
    });

    it("4.02 to a critical option that nobody knows", async () => {
      const options = [makeOption(65_001, "")];
      assertEquals((await ask({ code: Code.GET, options }))?.code, Code.BadOption);
      assertEquals(handled, 0);
    });
  });

  it("never mixes up the two ways to write the same bytes", async () => {
    await net.serve((request) => CoAPResponse.json(request.path));
    const client = net.client();
    const paths: unknown[] = [];
    for (const uri of ["a/b", "a%2Fb", "a/b/", "%C3%A9", "e%CC%81", "%EF%BB%BFa", "", "/"]) {
      paths.push((await net.run(client.get(`${SERVER}/${uri}`))).json());
    }
    assertEquals(paths, [
      ...[["a", "b"], ["a/b"], ["a", "b", ""], ["é"], ["e\u0301"], ["\uFEFFa"], []],
      ["", ""],
    ]);
  });

  describe("server.client", () => {
    it("asks from the server's own port, in both directions", async () => {
      const device = await net.serve(
        (request) => CoAPResponse.text(`device saw ${request.peer.port}`),
        { port: 7001 },
      );
      const gateway = await net.serve(() => CoAPResponse.text("gateway"), { port: 7000 });
      const [down, up] = await net.run(Promise.all([
        gateway.client.get("coap://127.0.0.1:7001"),
        device.client.get("coap://127.0.0.1:7000"),
      ]));
      assertEquals([down!.text(), up!.text()], ["device saw 7000", "gateway"]);
      assertEquals(new Set(net.sent.map(({ from }) => from.port)), new Set([7000, 7001]));
    });

    it("asks the peer back from within a handler", async () => {
      const device = await net.serve(() => CoAPResponse.text("reading"), { port: 7001 });
      const gateway = await net.serve(async (request) => {
        const { address, port } = request.peer;
        const back = await gateway.client.get(`coap://${address}:${port}/back`);
        return CoAPResponse.text(`${back.text()} of ${port}`);
      }, { port: 7000 });
      const response = await net.run(device.client.post("coap://127.0.0.1:7000"));
      assertEquals(response.text(), "reading of 7001");
    });

    it("ends by itself without ending the server, and with the server", async () => {
      const server = await net.serve(() => CoAPResponse.text("up"));
      const pending = server.client.get("coap://192.0.2.1");
      await server.client.close();
      assertEquals((await failure(pending)).reason, "closed");
      assertEquals((await failure(server.client.get(SERVER))).reason, "closed");
      assertEquals((await net.run(net.client().get(SERVER))).text(), "up");

      const other = await net.serve(() => CoAPResponse.text(""), { port: 7000 });
      const asking = other.client.get("coap://192.0.2.1");
      await net.after(1);
      const closing = other.close();
      assertEquals((await failure(asking)).reason, "closed");
      await closing;
    });

    it("does not reach the other address family", async () => {
      const server = await net.serve(() => CoAPResponse.text(""));
      const error = await failure(server.client.get("coap://[::1]/a"));
      assertEquals(error.reason, "transport");
      assertStringIncludes(error.message, 'Socket at "127.0.0.1" can not reach "::1"');
    });
  });

  describe("close", () => {
    it("aborts the signals of requests being handled and drops their responses", async () => {
      const signals: AbortSignal[] = [];
      const { promise, resolve } = Promise.withResolvers<CoAPResponse>();
      let late: IncomingRequest | undefined;
      const server = await net.serve((request) => {
        if (request.path[0] === "late") late = request;
        else signals.push(request.signal);
        return promise;
      });
      const client = net.client({ parameters: { nstart: 2 } });
      const pending = [client.get(`${SERVER}/a`), client.get(`${SERVER}/late`)].map(failure);
      await net.after(100);
      assertEquals(signals.map(({ aborted }) => aborted), [false]);
      const closing = server.close();
      assertEquals(signals.map(({ aborted }) => aborted), [true]);
      assertEquals(signals[0]!.reason.reason, "closed");
      assertEquals(late!.signal.aborted, true); // asked for after the fact
      assertEquals(server.close(), closing);
      await closing;
      resolve(CoAPResponse.text("nobody hears it"));
      await client.close();
      await Promise.all(pending);
      await net.after(1000);
      assert(net.messages.every(({ code }) => code !== Code.Content));
      assertEquals(net.clock.timers, 0);
    });

    it("within a handler lets the response leave", async () => {
      const server = await net.serve(() => {
        server.close();
        return CoAPResponse.text("good-bye");
      });
      assertEquals((await net.run(net.client().get(SERVER))).text(), "good-bye");
      await net.serve(() => CoAPResponse.text("")); // the port is free
    });

    it("at the end of await using", async () => {
      const server = await net.serve(() => CoAPResponse.text(""));
      assertEquals(server.address.port, 5683);
      await server[Symbol.asyncDispose]();
      await net.serve(() => CoAPResponse.text("")); // the port is free
    });
  });

  it("shows every datagram to onMessage, malformed ones too", async () => {
    const shown: string[] = [];
    await net.serve(() => CoAPResponse.text(""), {
      onMessage: ({ direction, bytes, flow }: RawMessage) =>
        shown.push(`${direction} ${flow.port} ${bytes[0]!.toString(16)}`),
    });
    await ask({ code: Code.Empty });
    const transport = await net.network.bind({ port: 40_000 }, {
      receive() {},
      turn() {},
      error() {},
    });
    transport.send(transport.flow("127.0.0.1", 5683), Uint8Array.of(0xff));
    await transport.close();
    await net.after(100);
    assertEquals(shown, ["in 40000 40", "out 40000 70", "in 40000 ff"]);
  });

  it("tells onError of the network's errors", async () => {
    net = new Simulation({ refuse: true });
    const told: unknown[] = [];
    await net.serve(() => new Promise((resolve) => resolve(CoAPResponse.text(""))), {
      onError: (error, request) => told.push([(error as { code: string }).code, request]),
    });
    await ask({ code: Code.GET, type: MessageType.NonConfirmable });
    net.network.conditions.latency = 2000;
    await ask({ code: Code.GET, type: MessageType.NonConfirmable, id: 1 });
    await net.after(10_000);
    assertEquals(told, [["ECONNREFUSED", undefined]]);
  });

  it("keeps nothing when all is over", async () => {
    const router = new Router().get("/a", () => CoAPResponse.text(""));
    await net.serve(router);
    const client = net.client();
    for (let i = 0; i < 10; i++) await net.run(client.get(`${SERVER}/a`));
    await net.after(1_000_000);
    assertEquals(net.clock.timers, 0);
  });
});

import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { afterEach, beforeEach, describe, it } from "node:test";
import { failure, SERVER, Simulation } from "../../testing/simulated_endpoints.ts";
import { settle } from "../../testing/manual_clock.ts";
import { CoAPError } from "../errors.ts";
import { Code } from "../wire/code.ts";
import { ContentFormat } from "../wire/content_format.ts";
import { decode, encode, MessageType } from "../wire/message.ts";
import { findOption, OptionNumber, stringOptions, uintOption } from "../wire/option.ts";
import { CoAPResponse } from "./response.ts";
import { Router } from "./router.ts";

describe("CoAPClient", () => {
  let net: Simulation;
  beforeEach(() => {
    net = new Simulation();
  });
  afterEach(async () => {
    await net.rest();
    await net.close();
  });

  it("gets what the server answers", async () => {
    await net.serve(() => CoAPResponse.text("22.5", { maxAge: 10, etag: Uint8Array.of(1, 2) }));
    const response = await net.run(net.client().get(`${SERVER}/temperature?unit=c`));
    assertEquals(response.code, Code.Content);
    assertEquals(response.codeText, "2.05");
    assert(response.ok);
    assertEquals(response.text(), "22.5");
    assertEquals(response.contentFormat, ContentFormat.Text);
    assertEquals(response.maxAge, 10);
    assertEquals(response.etag, Uint8Array.of(1, 2));
    assertEquals(response.peer?.address, "127.0.0.1");
    assertEquals(response.peer?.port, 5683);
    const [request, reply] = net.messages;
    assertEquals(request!.type, MessageType.Confirmable);
    assertEquals(stringOptions(request!.options, OptionNumber.UriPath), ["temperature"]);
    assertEquals(stringOptions(request!.options, OptionNumber.UriQuery), ["unit=c"]);
    assertEquals(findOption(request!.options, OptionNumber.UriHost), undefined);
    assertEquals(reply!.type, MessageType.Acknowledgement);
    assertEquals(net.sent.length, 2);
  });

  it("sends no FETCH without the content format of its payload (8132-2-3)", async () => {
    const client = net.client();
    const payload = Uint8Array.of(1);
    await assertRejects(() => client.fetch(SERVER, { payload }), TypeError, '"FETCH"');
    assertEquals(net.sent.length, 0);
  });

  it("has a method for each method of the protocol", async () => {
    await net.serve((request) => CoAPResponse.text(`${request.method} ${request.text()}`));
    const client = net.client();
    const uri = `${SERVER}/`;
    const init = { payload: "x" };
    const texts: string[] = [];
    for (
      const response of [
        client.get(uri),
        client.post(uri, init),
        client.put(uri, init),
        client.delete(uri),
        client.fetch(uri, init),
        client.patch(uri, init),
        client.ipatch(uri, init),
        client.request("iPatch", uri, init),
        client.request(31, uri),
      ]
    ) texts.push((await net.run(response)).text());
    assertEquals(texts, [
      ...["GET ", "POST x", "PUT x", "DELETE ", "FETCH x", "PATCH x", "iPATCH x", "iPATCH x"],
      "0.31 ",
    ]);
  });

  it("resolves with a response of any code", async () => {
    await net.serve(() => CoAPResponse.error(Code.Forbidden, "Not on Sundays"));
    const response = await net.run(net.client().get(SERVER));
    assertEquals([response.ok, response.codeText, response.text()], [
      false,
      "4.03",
      "Not on Sundays",
    ]);
  });

  it("sends what the init says", async () => {
    await net.serve(() => CoAPResponse.text(""));
    const client = net.client();
    await net.run(client.put("coap://server:5683/a", {
      payload: Uint8Array.of(1, 2, 3),
      contentFormat: ContentFormat.CBOR,
      accept: ContentFormat.JSON,
      etag: [Uint8Array.of(1), Uint8Array.of(2)],
      ifMatch: Uint8Array.of(3),
      ifNoneMatch: true,
      confirmable: false,
      options: [[OptionNumber.UriQuery, "q"], { number: 65_000, value: Uint8Array.of(9) }],
    }));
    const { type, options, payload } = net.messages[0]!;
    assertEquals(type, MessageType.NonConfirmable);
    assertEquals(payload, Uint8Array.of(1, 2, 3));
    assertEquals(
      options.map(({ number, value }) => [number, ...value]),
      [
        [OptionNumber.IfMatch, 3],
        [OptionNumber.UriHost, ...new TextEncoder().encode("server")],
        [OptionNumber.ETag, 1],
        [OptionNumber.ETag, 2],
        [OptionNumber.IfNoneMatch],
        [OptionNumber.UriPath, 97],
        [OptionNumber.ContentFormat, 60],
        [OptionNumber.UriQuery, 113],
        [OptionNumber.Accept, 50],
        [65_000, 9],
      ],
    );
  });

  it("sends a string as text/plain", async () => {
    await net.serve((request) => CoAPResponse.json([request.contentFormat, request.text()]));
    const client = net.client();
    assertEquals((await net.run(client.put(SERVER, { payload: "é" }))).json(), [0, "é"]);
    const bytes = await net.run(client.put(SERVER, { payload: Uint8Array.of(65) }));
    assertEquals(bytes.json(), [null, "A"]);
  });

  it("lets an option of the caller take the place of the URI's", async () => {
    await net.serve((request) => CoAPResponse.text(request.uri));
    const options = [[OptionNumber.UriHost, "example.net"]] as const;
    const response = await net.run(net.client().get("coap://server/a", { options }));
    assertEquals(response.text(), "coap://example.net/a");
  });

  it("answers a hundred requests at a time", async () => {
    await net.serve((request) => CoAPResponse.text(request.path[0]!));
    const client = net.client({ parameters: { nstart: 10 } });
    const numbers = Array.from({ length: 100 }, (_, i) => `${i}`);
    const all = Promise.all(numbers.map((number) => client.get(`${SERVER}/${number}`)));
    assertEquals((await net.run(all)).map((response) => response.text()), numbers);
  });

  it("waits for a separate response", async () => {
    const { promise, resolve } = Promise.withResolvers<CoAPResponse>();
    await net.serve(() => promise);
    const pending = net.client().get(SERVER);
    await net.after(20_000);
    resolve(CoAPResponse.text("late"));
    assertEquals((await net.run(pending)).text(), "late");
    assertEquals(
      net.messages.map(({ type, code }) => [type, code]),
      [
        [MessageType.Confirmable, Code.GET],
        [MessageType.Acknowledgement, Code.Empty],
        [MessageType.Confirmable, Code.Content],
        [MessageType.Acknowledgement, Code.Empty],
      ],
    );
  });

  it("binds one socket for each address family", async () => {
    await net.serve((request) => CoAPResponse.text(request.peer.address));
    await net.serve((request) => CoAPResponse.text(request.peer.address), { family: 6 });
    const client = net.client();
    assertEquals((await net.run(client.get("coap://127.0.0.1"))).text(), "127.0.0.1");
    assertEquals((await net.run(client.get("coap://[::1]"))).text(), "::1");
    await net.run(client.get("coap://127.0.0.1"));
    const requests = net.sent.filter(({ to }) => to.port === 5683);
    assertEquals(requests[0]!.from, requests[2]!.from);
  });

  it("takes the first address of a name that a socket can be had for", async () => {
    await net.serve(() => CoAPResponse.text("here"));
    const asked: string[] = [];
    const client = net.client({
      resolve: (name) => {
        asked.push(name);
        return Promise.resolve(["::1", "127.0.0.1"]);
      },
      transport: (options, handler) =>
        options.family === 6
          ? Promise.reject(new Error("No IPv6 here"))
          : net.network.bind(options, handler),
    });
    assertEquals((await net.run(client.get("coap://two.example"))).text(), "here");
    assertEquals((await net.run(client.get("coap://two.example"))).text(), "here");
    assertEquals(asked, ["two.example"]); // asked once within ten seconds
    await net.after(10_000);
    await net.run(client.get("coap://two.example"));
    assertEquals(asked.length, 2);
  });

  it("moves bodies of any size in blocks, unseen", async () => {
    let requests = 0;
    await net.serve((request) => {
      requests++;
      return new CoAPResponse(request.payload.toReversed());
    });
    const payload = Uint8Array.from({ length: 5000 }, (_, i) => i % 251);
    const client = net.client({ blockSize: 512 });
    const response = await net.run(client.post(SERVER, { payload }));
    assertEquals(response.payload, payload.toReversed());
    assertEquals(requests, 1);
    const up = net.sent.filter(({ to }) => to.port === 5683);
    assertEquals(Math.max(...up.map(({ bytes }) => decode(bytes).payload.length)), 512);
    const small = await net.run(client.post(SERVER, { payload, blockSize: 64 }));
    assertEquals(small.payload, payload.toReversed());
    await assertRejects(
      () => net.run(client.get(SERVER, { blockSize: 100 })),
      RangeError,
      '"100"',
    );
  });

  describe("ping", () => {
    it("resolves with the peer's Reset", async () => {
      await net.serve(() => CoAPResponse.text(""));
      assertEquals(await net.run(net.client().ping(SERVER)), undefined);
      assertEquals(net.messages.map(({ type }) => type), [0, 3]);
    });

    it("fails when its time is over, and not before", async () => {
      const pending = failure(net.client().ping("coap://192.0.2.1", { timeout: 3500 }));
      await net.after(3499);
      const stillSent = net.sent.length;
      const error = await net.run(pending);
      assertEquals(net.clock.now(), 3500);
      assertEquals([error.reason, error.code], ["timeout", 704]);
      assertEquals(error.message, 'Ping "coap://192.0.2.1": No answer within 3500 ms');
      await net.after(100_000);
      assertEquals(net.sent.length, stillSent);
    });

    it("is given up by its signal", async () => {
      const controller = new AbortController();
      const pending = net.client().ping("coap://192.0.2.1", { signal: controller.signal });
      await net.after(10);
      const reason = { why: "tired" };
      controller.abort(reason);
      assertEquals(await pending.catch((error: unknown) => error), reason);
    });
  });

  describe("discover", () => {
    const router = new Router()
      .resource("/a", { rt: "one" }, { get: () => CoAPResponse.text("") })
      .resource("/b", { rt: ["two", "three"] }, { get: () => CoAPResponse.text("") })
      .get("/text", () => CoAPResponse.text("</a>"))
      .get("/broken", () => CoAPResponse.text("<a", { contentFormat: ContentFormat.LinkFormat }))
      .get("/list", () => CoAPResponse.text("</x>", { contentFormat: ContentFormat.LinkFormat }));

    it("reads the server's links", async () => {
      await net.serve(router);
      const client = net.client();
      const links = await net.run(client.discover(SERVER));
      assertEquals(links.map(({ href }) => href), ["/a", "/b", "/text", "/broken", "/list"]);
      assertEquals(links[1]!.attributes, [["rt", "two three"]]);
      assertEquals(uintOption(net.messages[0]!.options, OptionNumber.Accept), 40);
      const three = await net.run(client.discover(SERVER, { query: { rt: "three" } }));
      assertEquals(three.map(({ href }) => href), ["/b"]);
      const list = await net.run(client.discover(`${SERVER}/`, { query: ["rt=t*", "href=/b"] }));
      assertEquals(list.map(({ href }) => href), ["/b"]);
      assertEquals((await net.run(client.discover(`${SERVER}/list`)))[0]!.href, "/x");
    });

    it("fails where there are no links", async () => {
      await net.serve(router);
      const client = net.client();
      const missing = await net.run(failure(client.discover(`${SERVER}/none`)));
      assertEquals([missing.reason, missing.code], ["error-response", 709]);
      assertStringIncludes(missing.message, '"coap://127.0.0.1/none" was answered with "4.04"');
      const text = await net.run(failure(client.discover(`${SERVER}/text`)));
      assertEquals(text.reason, "error-response");
      assertStringIncludes(text.message, '"4.06"');
      await net.peer(({ id, token }) =>
        encode({
          type: MessageType.Acknowledgement,
          code: Code.Content,
          id,
          token,
          options: [{ number: OptionNumber.ContentFormat, value: Uint8Array.of(50) }],
        }), 5700);
      const json = await net.run(failure(client.discover(`${SERVER}:5700`)));
      assertEquals(json.reason, "malformed-message");
      assertStringIncludes(json.message, 'content format "50"');
      const broken = await net.run(failure(client.discover(`${SERVER}/broken`)));
      assertEquals([broken.reason, broken.code], ["malformed-message", 703]);
      assert(broken.cause instanceof CoAPError);
    });
  });

  it("shows every datagram to onMessage and survives what it throws", async () => {
    await net.serve(() => CoAPResponse.text("seen"));
    const shown: unknown[] = [];
    const errors: unknown[] = [];
    const client = net.client({
      onMessage: ({ direction, flow, bytes, time }) => {
        shown.push([direction, flow.port, bytes[1], time]);
        throw new Error("Careless");
      },
      onError: (error) => {
        errors.push((error as Error).message);
        throw new Error("Worse");
      },
    });
    assertEquals((await net.run(client.get(SERVER))).text(), "seen");
    assertEquals(shown, [["out", 5683, Code.GET, 0], ["in", 5683, Code.Content, 20]]);
    assertEquals(errors, ["Careless", "Careless"]);
  });

  it("makes a request out of a response's handler, and two in a row", async () => {
    await net.serve((request) => CoAPResponse.text(request.path.join()));
    const client = net.client();
    const texts = client.get(`${SERVER}/1`).then(async (first) => {
      const second = await client.get(`${SERVER}/2`);
      const third = await client.get(`${SERVER}/3`);
      return [first.text(), second.text(), third.text()];
    });
    assertEquals(await net.run(texts), ["1", "2", "3"]);
  });

  it("sends the calls of one turn as one batch", async () => {
    let flushes = 0;
    const client = net.client({
      parameters: { nstart: 10 },
      transport: async (options, handler) => {
        const transport = await net.network.bind(options, handler);
        return Object.assign(Object.create(transport), {
          flow: transport.flow.bind(transport),
          send: transport.send.bind(transport),
          flush: () => (flushes++, transport.flush()),
          ref: () => {},
          unref: () => {},
          close: () => transport.close(),
        });
      },
    });
    await net.serve(() => CoAPResponse.text(""));
    await net.run(client.get(SERVER));
    flushes = 0;
    const all = Promise.all([1, 2, 3, 4].map((i) => client.get(`${SERVER}/${i}`)));
    await settle();
    assertEquals(flushes, 1);
    await net.run(all);
  });
});

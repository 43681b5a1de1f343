import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { afterEach, beforeEach, describe, it } from "node:test";
import { failure, SERVER, Simulation } from "../../testing/simulated_endpoints.ts";
import { settle } from "../../testing/manual_clock.ts";
import { Code } from "../wire/code.ts";
import { encode, MessageType } from "../wire/message.ts";
import { OptionNumber } from "../wire/option.ts";
import { CoAPClient } from "./client.ts";
import { CoAPResponse } from "./response.ts";

describe("CoAPClient without a response", () => {
  let net: Simulation;
  beforeEach(() => {
    net = new Simulation();
  });
  afterEach(async () => {
    await net.rest();
    await net.close();
  });

  describe("an abort", () => {
    it("before the call sends nothing", async () => {
      const client = net.client();
      const pending = client.get(SERVER, { signal: AbortSignal.abort("no") });
      assertEquals(await pending.catch((error: unknown) => error), "no");
      await net.after(1000);
      assertEquals(net.sent.length, 0);
    });

    it("while the name is looked up sends nothing", async () => {
      const { promise, resolve } = Promise.withResolvers<string[]>();
      const client = net.client({ resolve: () => promise });
      const controller = new AbortController();
      const pending = client.get("coap://slow.example", { signal: controller.signal });
      controller.abort();
      const error = await pending.catch((error: unknown) => error);
      assertEquals(error, controller.signal.reason);
      resolve(["127.0.0.1"]);
      await net.after(1000);
      assertEquals(net.sent.length, 0);
    });

    it("while it waits ends retransmission and frees the place", async () => {
      const client = net.client();
      const controller = new AbortController();
      const first = client.get(`${SERVER}/1`, { signal: controller.signal });
      const second = client.get(`${SERVER}/2`); // waits, by NSTART
      await net.after(100);
      assertEquals(net.sent.length, 1);
      controller.abort("enough");
      assertEquals(await first.catch((error: unknown) => error), "enough");
      await net.serve((request) => CoAPResponse.text(request.path[0]!));
      assertEquals((await net.run(second)).text(), "2");
      assertEquals(net.sent.filter(({ to }) => to.port === 5683).length, 2);
    });

    it("after the response does nothing, and no listener stays", async () => {
      await net.serve(() => CoAPResponse.text("done"));
      const controller = new AbortController();
      const { signal } = controller;
      let listeners = 0;
      const { addEventListener, removeEventListener } = signal;
      signal.addEventListener = (...args: Parameters<typeof addEventListener>): void => {
        listeners++;
        addEventListener.apply(signal, args);
      };
      signal.removeEventListener = (...args: Parameters<typeof removeEventListener>): void => {
        listeners--;
        removeEventListener.apply(signal, args);
      };
      const response = await net.run(net.client().get(SERVER, { signal }));
      assertEquals(listeners, 0);
      controller.abort();
      assertEquals(response.text(), "done");
    });
  });

  describe("fails with reason", () => {
    it("timeout where nobody acknowledges, by MAX_TRANSMIT_WAIT at the latest", async () => {
      const error = await net.run(failure(net.client().get("coap://192.0.2.1/a")));
      assertEquals([error.reason, error.code], ["timeout", 704]);
      assertStringIncludes(error.message, 'GET "coap://192.0.2.1/a"');
      assertEquals(net.sent.length, 5);
      assert(net.clock.now() >= 62_000 && net.clock.now() <= 93_000, `${net.clock.now()}`);
    });

    it("timeout at the time given", async () => {
      const server = await net.serve(() => new Promise<CoAPResponse>(() => {}));
      const client = net.client();
      const error = await net.run(failure(client.get(SERVER, { timeout: 1234 })));
      assertEquals([error.reason, net.clock.now()], ["timeout", 1234]);
      await server.close();
    });

    it("no reason at all where the time is infinite", async () => {
      const { promise, resolve } = Promise.withResolvers<CoAPResponse>();
      await net.serve(() => promise);
      const pending = net.client().get(SERVER, { timeout: Infinity });
      await net.after(10_000_000);
      resolve(CoAPResponse.text("at last"));
      assertEquals((await net.run(pending)).text(), "at last");
    });

    it("reset", async () => {
      await net.peer(({ id }) => Uint8Array.of(0x70, 0, id >> 8, id & 0xff));
      const error = await net.run(failure(net.client().get(`${SERVER}/a`)));
      assertEquals([error.reason, error.code], ["reset", 708]);
      assertEquals(error.message, 'GET "coap://127.0.0.1/a": Peer answered with a Reset');
    });

    it("rejected-response", async () => {
      await net.peer(({ id, token }) =>
        encode({
          type: MessageType.Acknowledgement,
          code: Code.Content,
          id,
          token,
          options: [{ number: 65_001, value: new Uint8Array() }],
        })
      );
      const error = await net.run(failure(net.client().get(SERVER)));
      assertEquals(error.reason, "rejected-response");
      assertStringIncludes(error.message, '"65001"');
    });

    it("refused where the peer's host says so", async () => {
      net = new Simulation({ refuse: true });
      const heard: unknown[] = [];
      const client = net.client({ onError: (error) => heard.push(error) });
      const other = failure(client.get("coap://127.0.0.1:6000"));
      const error = await net.run(failure(client.get("coap://127.0.0.1:5999/a")));
      assertEquals([error.reason, error.code], ["refused", 705]);
      assertEquals(
        error.message,
        'GET "coap://127.0.0.1:5999/a": Nobody listens at "127.0.0.1" port 5999',
      );
      assertEquals(error.cause, heard.find((cause) => cause === error.cause));
      assertEquals((await net.run(other)).reason, "refused");
    });

    it("transport where a datagram can not be sent", async () => {
      net = new Simulation({ mtu: 20 });
      const payload = new Uint8Array(100);
      const error = await net.run(failure(net.client().put(SERVER, { payload })));
      assertEquals([error.reason, error.code], ["transport", 0]);
    });

    it("transport where no socket can be bound", async () => {
      const cause = new Error("EACCES");
      const client = net.client({ transport: () => Promise.reject(cause) });
      const error = await failure(client.get(SERVER));
      assertEquals(error.reason, "transport");
      assertEquals(error.cause, cause);
      assertStringIncludes(error.message, 'GET "coap://127.0.0.1"');
    });

    it("transport where the address is of the other family", async () => {
      const client = net.client({ hostname: "127.0.0.1" });
      const error = await failure(client.get("coap://[::1]"));
      assertEquals(error.reason, "transport");
      assertStringIncludes(error.message, '"::1" has no IPv4 address');
    });

    it("name-resolution", async () => {
      const error = await failure(net.client().get("coap://nowhere.example/a"));
      assertEquals(error.reason, "name-resolution");
      assertStringIncludes(error.message, 'GET "coap://nowhere.example/a"');
      const empty = net.client({ resolve: () => Promise.resolve([]) });
      assertEquals((await failure(empty.get("coap://a.example"))).reason, "name-resolution");
      const broken = net.client({ resolve: () => Promise.reject(new Error("ENOTFOUND")) });
      assertEquals((await failure(broken.get("coap://a.example"))).reason, "name-resolution");
    });

    it("limit", async () => {
      const client = net.client({ limits: { exchanges: 2 } });
      const first = client.get(SERVER);
      const second = client.get(SERVER);
      const error = await failure(client.get(SERVER));
      assertEquals(error.reason, "limit");
      await client.close();
      assertEquals((await failure(first)).reason, "closed");
      assertEquals((await failure(second)).reason, "closed");
    });

    it("message-ids where the caller does not want to wait", async () => {
      const client = net.client({
        parameters: { nstart: 65_535, probingRate: Infinity },
        limits: { exchanges: 100_000, duplicates: 1 },
      });
      const pending = Array.from({ length: 65_537 }, () =>
        client.get("coap://192.0.2.1", {
          confirmable: false,
          impatient: true,
          timeout: 1000,
        }));
      const reasons = new Map<string, number>();
      for (const result of await net.run(Promise.allSettled(pending))) {
        const reason = result.status === "rejected" ? result.reason.reason : "none";
        reasons.set(reason, (reasons.get(reason) ?? 0) + 1);
      }
      assertEquals(reasons.get("message-ids"), 1);
      assertEquals(reasons.get("timeout"), 65_536);
    });
  });

  describe("tells the caller what is wrong with", () => {
    const refused: [
      name: string,
      call: (client: CoAPClient) => Promise<unknown>,
      says: string[],
    ][] = [
      ["a URI that is none", (c) => c.get("no uri"), ["invalid-uri", '"no uri"']],
      ["a URI without a host", (c) => c.get("coap:///a"), ["invalid-uri", '"coap:///a"']],
      ["a fragment", (c) => c.get("coap://h/#x"), ["invalid-uri", '"coap://h/#x"']],
      ["the scheme of the web", (c) => c.get("http://h/"), ["invalid-uri", '"http"']],
      ["a URI for DTLS", (c) => c.get("coaps://h/"), ["unsupported-scheme", '"coaps"']],
      ["a URI for DTLS", (c) => c.get("coaps://h/"), ["unsupported-scheme", '"coaps"']],
      ["a ping's URI", (c) => c.ping("coap:x"), ["invalid-uri", '"coap:x"']],
      ["a discovery's URI", (c) => c.discover("coap:x"), ["invalid-uri", '"coap:x"']],
      ["an Accept", (c) => c.get(SERVER, { accept: 70_000_000 }), ["invalid-option", "70000000"]],
      ["an ETag", (c) => c.get(SERVER, { etag: new Uint8Array(9) }), ["invalid-option", "ETag"]],
      [
        "an option's value",
        (c) => c.get(SERVER, { options: [[OptionNumber.UriQuery, "q".repeat(256)]] }),
        ["invalid-option", "Uri-Query"],
      ],
      [
        "an option's number",
        (c) => c.get(SERVER, { options: [[65_536, "x"]] }),
        ["invalid-option", '"65536"'],
      ],
      [
        "an option of responses",
        (c) => c.get(SERVER, { options: [[OptionNumber.MaxAge, 5]] }),
        ["invalid-option", '"Max-Age"'],
      ],
      [
        "an option given twice",
        (c) => c.get(SERVER, { options: [[OptionNumber.Accept, 0], [OptionNumber.Accept, 1]] }),
        ["invalid-option", '"Accept"'],
      ],
      ["a method's name", (c) => c.request("BREW", SERVER), ["invalid-code", '"BREW"']],
      ["a method's number", (c) => c.request(Code.Content, SERVER), ["invalid-code", '"69"']],
    ];
    for (const [name, call, [reason, says]] of refused) {
      it(name, async () => {
        const error = await failure(call(net.client()));
        assertEquals(error.reason, reason);
        assertStringIncludes(error.message, says!);
        await net.after(1000);
        assertEquals(net.sent.length, 0);
      });
    }

    it("a payload that has no place or no form", async () => {
      const client = net.client();
      const { BadRequest } = Code;
      await assertRejects(() => client.get(SERVER, { payload: "x" }), TypeError, '"GET"');
      await assertRejects(() => client.delete(SERVER, { payload: "x" }), TypeError, '"DELETE"');
      await assertRejects(
        () => client.fetch(SERVER, { payload: Uint8Array.of(1) }),
        TypeError,
        "content format",
      );
      await assertRejects(
        () => client.put(SERVER, { payload: BadRequest as unknown as string }),
        TypeError,
        '"128"',
      );
    });

    it("a time-out", async () => {
      const client = net.client();
      for (const timeout of [0, -1, NaN]) {
        await assertRejects(() => client.get(SERVER, { timeout }), RangeError, `"${timeout}"`);
        await assertRejects(() => client.ping(SERVER, { timeout }), RangeError, `"${timeout}"`);
      }
    });

    it("the options of the client", () => {
      const made = (options: ConstructorParameters<typeof CoAPClient>[0]): string => {
        try {
          new CoAPClient(options);
          return "";
        } catch (error) {
          assert(error instanceof RangeError);
          return error.message;
        }
      };
      assertStringIncludes(made({ port: 65_536 }), '"65536"');
      assertStringIncludes(made({ parameters: { nstart: 0 } }), '"0"');
      assertStringIncludes(made({ limits: { peers: 1.5 } }), '"1.5"');
    });
  });

  describe("close", () => {
    it("ends what is pending and refuses what comes", async () => {
      const client = net.client();
      const pending = client.get(`${SERVER}/a`);
      const ping = client.ping(SERVER);
      await net.after(10);
      const closing = client.close();
      const error = await failure(pending);
      assertEquals([error.reason, error.code], ["closed", 0]);
      assertEquals(error.message, 'GET "coap://127.0.0.1/a": Client is closed');
      assertEquals((await failure(ping)).reason, "closed");
      await closing;
      assertEquals(client.close(), closing);
      assertEquals((await failure(client.get(SERVER))).reason, "closed");
      assertEquals((await failure(client.ping(SERVER, { timeout: 10 }))).reason, "closed");
      assertEquals((await failure(client.discover(SERVER))).reason, "closed");
      const sent = net.sent.length;
      await net.after(100_000);
      assertEquals(net.sent.length, sent);
      assertEquals(net.clock.timers, 0);
    });

    it("ends what is pending in the order in which it was begun", async () => {
      const client = net.client({ parameters: { nstart: 10 } });
      const ended: number[] = [];
      const all = Array.from(
        { length: 10 },
        (_, n) => client.get(`${SERVER}/${n}`).catch(() => ended.push(n)),
      );
      await client.close();
      await Promise.all(all);
      assertEquals(ended, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    });

    it("while a name is looked up or a socket is bound", async () => {
      const { promise, resolve } = Promise.withResolvers<string[]>();
      const client = net.client({ resolve: () => promise });
      const named = client.get("coap://slow.example");
      const bound = client.get(SERVER);
      const closing = client.close();
      assertEquals((await failure(named)).reason, "closed");
      assertEquals((await failure(bound)).reason, "closed");
      resolve(["127.0.0.1"]);
      await closing;
      await net.after(1000);
      assertEquals(net.sent.length, 0);
      // The port is free again: the socket that was being bound has been closed.
      await net.network.bind({ port: 49_152 }, { receive() {}, turn() {}, error() {} });
    });

    it("at the end of await using", async () => {
      const client = net.client();
      await client[Symbol.asyncDispose]();
      assertEquals((await failure(client.get(SERVER))).reason, "closed");
    });

    it("before the first request", async () => {
      await net.client().close();
      await settle();
    });
  });
});

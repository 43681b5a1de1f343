import { afterEach, beforeEach, describe, it } from "node:test";
import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { ComponentSimulation, inWords, listen, text } from "../../testing/simulated_components.ts";
import { settle } from "../../testing/manual_clock.ts";
import { failure, SERVER } from "../../testing/simulated_endpoints.ts";
import { CoAPResponse } from "../endpoint/response.ts";
import { Code } from "../wire/code.ts";
import { toHex } from "../wire/bytes.ts";
import { encode, MessageType } from "../wire/message.ts";
import { findOptions, OptionNumber, stringOptions, uintOption } from "../wire/option.ts";
import type { CoAP } from "./coap.ts";
import { CoAPOption } from "./option_list.ts";

describe("CoAP as a client", () => {
  let net: ComponentSimulation;
  let coap: CoAP;
  beforeEach(() => {
    net = new ComponentSimulation();
    coap = net.component();
  });
  afterEach(() => net.close());

  /** The messages sent to the server. */
  const asked = () => net.sent.filter(({ to }) => to.port === 5683).length;

  it("get: resolves to nothing when the properties hold the response", async () => {
    const response = new CoAPResponse("22.5", {
      contentFormat: 0,
      etag: Uint8Array.of(7),
      maxAge: 5,
    });
    await net.serve(() => response);
    const told = listen(coap);
    let during: unknown[] = [];
    coap.once("RequestComplete", (e) => {
      during = [coap.responseCode, text(coap.responseData), coap.pendingRequests.size];
      assertEquals(e.request.URI, e.URI);
      assertEquals(e.response?.text(), "22.5");
    });
    assertEquals(await net.run(coap.get("coap://server/a")), "");
    assertEquals(during, ["2.05", "22.5", 0]);
    assertEquals(coap.getResponseCode(), "2.05");
    assertEquals(text(coap.getResponseData()), "22.5");
    assertEquals(coap.getResponseContentFormat(), 0);
    assertEquals(coap.getResponseETag(), Uint8Array.of(7));
    assertEquals(
      coap.getResponseOptions().map(({ number, value }) => [number, value]),
      [[4, "07"], [12, "0"], [14, "5"]],
    );
    assertEquals(told, [["RequestComplete", {
      method: 1,
      URI: "coap://server/a",
      requestId: "1",
      errorCode: 0,
      errorDescription: "",
    }]]);
  });

  it("sends what the Request properties say, by method", async () => {
    await net.serve((request) =>
      CoAPResponse.json([
        request.code,
        request.text(),
        request.contentFormat ?? -1,
        request.etags.map(toHex),
        stringOptions(request.options, OptionNumber.UriQuery),
        request.accept ?? -1,
      ])
    );
    coap.requestData = '{"on":true}';
    coap.requestContentFormat = 50;
    coap.requestETag = Uint8Array.of(0xab);
    coap.requestOptions.add(new CoAPOption(15, "x=1"));
    coap.requestOptions.add(new CoAPOption(17, "50"));
    const seen: unknown[] = [];
    coap.on("RequestComplete", () => void seen.push(JSON.parse(text(coap.responseData))));
    const uri = `${SERVER}/?a`;
    await net.run(coap.get(uri));
    await net.run(coap.post(uri));
    await net.run(coap.put(uri));
    await net.run(coap.delete(uri));
    for (const method of [1, 4, 5, 6, 7, 31]) await net.run(coap.sendCustomRequest(uri, method));
    const bare = ["", -1, ["ab"], ["a", "x=1"], 50];
    const full = ['{"on":true}', 50, ["ab"], ["a", "x=1"], 50];
    assertEquals(seen, [
      [1, ...bare],
      [2, ...full],
      [3, ...full],
      [4, ...bare],
      [1, ...bare],
      [4, ...bare],
      [5, ...full],
      [6, ...full],
      [7, ...full],
      [31, ...full],
    ]);
  });

  it("takes the content format from the options where the property says none", async () => {
    await net.serve((request) => CoAPResponse.json([request.contentFormat, request.text()]));
    coap.requestData = "x";
    coap.requestOptions.add(new CoAPOption(12, "0"));
    await net.run(coap.sendCustomRequest(SERVER, 5));
    assertEquals(text(coap.responseData), '[0,"x"]');
    coap.requestOptions.clear();
    const error = await failure(coap.sendCustomRequest(SERVER, 5));
    assertEquals([error.code, error.message.includes("FETCH")], [701, true]);
  });

  it("keeps a request as it was when the method was called", async () => {
    await net.serve((request) => CoAPResponse.text(request.text()));
    coap.requestData = "first";
    const done = coap.post(SERVER);
    coap.requestData = "second";
    await net.run(done);
    assertEquals(text(coap.responseData), "first");
  });

  it("encodes strings by the code page", async () => {
    await net.serve((request) => new CoAPResponse(request.payload));
    await coap.config("CodePage=1252");
    coap.requestData = "é€";
    await net.run(coap.post(SERVER));
    assertEquals(coap.responseData, Uint8Array.of(0xe9, 0x80));
  });

  it("bodies of any size go in blocks, unseen", async () => {
    await net.serve((request) => new CoAPResponse(request.payload.toReversed()));
    coap.requestData = Uint8Array.from({ length: 100_000 }, (_, i) => i);
    await net.run(coap.put(SERVER));
    assertEquals(coap.responseData, coap.requestData.toReversed());
  });

  it("a response outside 2.xx resolves, with 709 and its code in words", async () => {
    const codes = [Code.NotFound, Code.ServiceUnavailable, 0x9f];
    await net.serve(() => new CoAPResponse("why", { code: codes.shift()! }));
    const told = listen(coap);
    for (const words of ["4.04 Not Found", "5.03 Service Unavailable", "4.31"]) {
      assertEquals(await net.run(coap.get(SERVER)), "");
      const [, fields] = told.at(-1)!;
      assertEquals([fields.errorCode, fields.errorDescription], [709, words]);
      assertEquals([coap.responseCode, text(coap.responseData)], [words.slice(0, 4), "why"]);
    }
  });

  it("without a response it rejects after the event, and the properties stay", async () => {
    const handler = { answer: true };
    await net.serve(() =>
      handler.answer ? CoAPResponse.text("old") : new Promise<CoAPResponse>(() => {})
    );
    await net.run(coap.get(SERVER));
    handler.answer = false;
    const told = listen(coap);
    coap.timeout = 7;
    const start = net.clock.now();
    const promise = coap.get(SERVER);
    promise.catch(() => told.push(["Log", {}]));
    const error = await failure(net.run(promise));
    assertEquals([error.code, error.reason, error.message], [
      704,
      "timeout",
      'No response from "coap://127.0.0.1" within 7 s',
    ]);
    assertEquals(net.clock.now() - start, 7000);
    assertEquals(inWords(told), ["RequestComplete 2 704", "Log"]);
    assertEquals(told[0]![1].errorDescription, error.message);
    assertEquals([coap.responseCode, text(coap.responseData)], ["2.05", "old"]);
    assertEquals(coap.pendingRequests.size, 0);
  });

  it("the time runs from the call, the look-up of the name included", async () => {
    const slow = net.component({ resolve: () => new Promise(() => {}) });
    slow.timeout = 0.5;
    const start = net.clock.now();
    const error = await failure(net.run(slow.get("coap://server/")));
    assertEquals([error.code, net.clock.now() - start], [704, 500]);
  });

  it("a Confirmable request gives up when retransmission does, a time-out of 0 or not", async () => {
    net.network.conditions.loss = 1;
    for (const timeout of [0, 1000]) {
      coap.timeout = timeout;
      const told = listen(coap);
      const start = net.clock.now();
      const result = coap.get(SERVER);
      if (timeout === 0) assertEquals(await result, "1");
      else assertEquals((await failure(net.run(result))).code, 704);
      await net.after(93_000 - (net.clock.now() - start));
      assertEquals(inWords(told), [`RequestComplete ${timeout === 0 ? 1 : 2} 704`]);
      assertEquals(coap.pendingRequests.size, 0);
    }
  });

  it("timeout 0: after the acknowledgement, or Non-confirmable, it waits without limit", async () => {
    await net.serve(() => new Promise<CoAPResponse>(() => {}));
    coap.timeout = 0;
    const told = listen(coap);
    assertEquals(await coap.get(SERVER), "1");
    coap.useConfirmableMessages = false;
    assertEquals(await coap.get(SERVER), "2");
    await net.after(1_000_000);
    assertEquals([told, [...coap.pendingRequests.keys()]], [[], ["1", "2"]]);
    await coap.cancelRequest("1");
    await coap.cancelRequest("2");
    assertEquals(inWords(told), ["RequestComplete 1 711", "RequestComplete 2 711"]);
  });

  it("useConfirmableMessages decides on the type of the message", async () => {
    await net.serve(() => CoAPResponse.text(""));
    for (const use of [true, false]) {
      coap.useConfirmableMessages = use;
      net.sent.length = 0;
      await net.run(coap.get(SERVER));
      const { Confirmable, NonConfirmable } = MessageType;
      assertEquals(net.messages[0]!.type, use ? Confirmable : NonConfirmable);
    }
  });

  it("pendingRequests holds what was sent and not answered", async () => {
    await net.serve(() => CoAPResponse.text(""));
    coap.requestData = "x";
    const done = coap.put("coap://server:5683/a?b");
    const [[id, request]] = [...coap.pendingRequests] as [[string, never]];
    const { method, remoteHost, remotePort, requestId, URI } = coap.pendingRequests.get(id)!;
    assertEquals([id, method, remoteHost, remotePort, requestId, URI], [
      "1",
      3,
      "server",
      5683,
      "1",
      "coap://server:5683/a?b",
    ]);
    const pending = coap.pendingRequests.get(id)!;
    assertEquals([pending.token, pending.tokenB.length], ["", 0]); // the name is being looked up
    await settle();
    assertEquals(pending.tokenB, net.messages[0]!.token);
    assertEquals(pending.token, toHex(net.messages[0]!.token));
    assertEquals([coap.pendingRequests.has("1"), coap.pendingRequests.size], [true, 1]);
    assertEquals([...coap.pendingRequests.values()], [request]);
    await net.run(done);
    assertEquals(coap.pendingRequests.size, 0);
    assertEquals(pending.token, toHex(net.messages[0]!.token)); // the object stays as it was
    for (const name of ["method", "token", "URI"]) {
      assertThrows(() => Object.assign(pending, { [name]: "" }), TypeError);
    }
  });

  it("each of many requests at once finds its response in the properties", async () => {
    await net.serve((request) => CoAPResponse.text(request.path.join()));
    const seen = await net.run(Promise.all(
      Array.from({ length: 50 }, async (_, i) => {
        await coap.get(`${SERVER}/${i}`);
        return text(coap.responseData) === `${i}`;
      }),
    ));
    assertEquals(seen, seen.map(() => true));
  });

  it("a hundred requests with timeout 0, some of them canceled", async () => {
    const waiting = new Map<string, () => void>();
    await net.serve(({ path }) =>
      new Promise((resolve) => waiting.set(path[0]!, () => resolve(CoAPResponse.text(path[0]!))))
    );
    coap = net.component({ parameters: { nstart: 100 } });
    coap.timeout = 0;
    const seen = new Map<string, string>();
    coap.on("RequestComplete", (e) => {
      const i = e.URI.split("/").at(-1)!;
      seen.set(i, e.errorCode === 0 ? text(coap.responseData) : `${e.errorCode}`);
    });
    const ids: string[] = [];
    for (let i = 0; i < 100; i++) ids.push(await coap.get(`${SERVER}/${i}`));
    assertEquals(new Set(ids).size, 100);
    assertEquals([...coap.pendingRequests.keys()], ids);
    await net.after(1000);
    assertEquals(waiting.size, 100);
    await Promise.all(ids.filter((_, i) => i % 3 === 0).map((id) => coap.cancelRequest(id)));
    for (const [i, answer] of [...waiting].toReversed()) if (Number(i) % 3 !== 1) answer();
    await net.after(10_000);
    for (let i = 0; i < 100; i++) {
      const expected = i % 3 === 0 ? "711" : i % 3 === 2 ? `${i}` : undefined;
      assertEquals(seen.get(`${i}`), expected, `${i}`);
    }
    assertEquals([...coap.pendingRequests.keys()], ids.filter((_, i) => i % 3 === 1));
  });

  it("cancelRequest stops retransmission, and of an id that is not pending it rejects", async () => {
    net.network.conditions.loss = 1;
    coap.timeout = 0;
    await coap.get(SERVER);
    await net.after(1);
    assertEquals(asked(), 1);
    await coap.cancelRequest("1");
    await net.after(100_000);
    assertEquals(asked(), 1);
    const error = await failure(coap.cancelRequest("1"));
    assertEquals([error.code, error.reason], [706, "unknown-request"]);
  });

  it("a canceled request rejects where somebody waits for it", async () => {
    const promise = coap.get(SERVER);
    const told = listen(coap);
    await coap.cancelRequest("1");
    assertEquals(inWords(told), ["RequestComplete 1 711"]);
    assertEquals((await failure(promise)).code, 711);
  });

  it("shutdown cancels what is pending, and the component works again", async () => {
    await net.serve(() => CoAPResponse.text("x"));
    coap.timeout = 0;
    for (let i = 0; i < 3; i++) await coap.get(SERVER);
    const told = listen(coap);
    await coap.shutdown();
    assertEquals(inWords(told), [1, 2, 3].map((id) => `RequestComplete ${id} 711`));
    assertEquals(coap.pendingRequests.size, 0);
    coap.timeout = 60;
    assertEquals(await net.run(coap.get(SERVER)), "");
  });

  it("a response that No-Response asked not to send completes without a code", async () => {
    await net.serve(() => CoAPResponse.text("x"));
    await net.run(coap.get(SERVER));
    coap.requestOptions.add(new CoAPOption(258, "26"));
    const told = listen(coap);
    assertEquals(await net.run(coap.get(SERVER)), "");
    assertEquals(inWords(told), ["RequestComplete 2 0"]);
    assertEquals([told[0]![1].errorDescription, coap.responseCode, coap.responseData.length], [
      "",
      "",
      0,
    ]);
  });

  it("a listener may shut it down", async () => {
    await net.serve(() => CoAPResponse.text("x"));
    let down: Promise<void> | undefined;
    coap.once("RequestComplete", () => down = coap.shutdown());
    assertEquals(await net.run(coap.get(SERVER)), "");
    await down;
    assertEquals(await net.run(coap.get(SERVER)), "");
  });

  it("what is no option among the options is a TypeError, before anything is sent", async () => {
    for (const junk of ["x", { number: 15, value: "a" }, undefined]) {
      coap.requestOptions.clear();
      (coap.requestOptions as unknown[]).push(junk);
      await assertRejects(() => coap.get(SERVER), TypeError, "Only a CoAPOption");
    }
    assertEquals([net.sent.length, coap.pendingRequests.size], [0, 0]);
  });

  it("refuses methods out of range before anything is sent", async () => {
    for (const method of [0, 32, 1.5, NaN]) {
      await assertRejects(() => coap.sendCustomRequest(SERVER, method), RangeError, `"${method}"`);
    }
    assertEquals([net.sent.length, coap.pendingRequests.size], [0, 0]);
  });

  it("what has no number has code 0 and says it in the message", async () => {
    const told = listen(coap);
    const name = await failure(net.run(coap.get("coap://nowhere/")));
    assertEquals([name.code, name.reason], [0, "name-resolution"]);
    const scheme = await failure(net.run(coap.get("coaps://127.0.0.1/")));
    assertEquals([scheme.code, scheme.reason], [0, "unsupported-scheme"]);
    assertEquals(inWords(told), ["RequestComplete 1 0", "RequestComplete 2 0"]);
    assert(told.every(([, { errorDescription }]) => errorDescription !== ""));
  });

  it("an IPv6 address wants UseIPv6", async () => {
    assertEquals((await failure(net.run(coap.get("coap://[::1]/")))).code, 0);
    await coap.config("UseIPv6=True");
    await net.serve(() => CoAPResponse.text("six"), { family: 6 });
    await net.run(coap.get("coap://[::1]/"));
    assertEquals([text(coap.responseData), coap.localHost], ["six", "::1"]);
  });

  it("a listener may send the next request", async () => {
    await net.serve((request) => CoAPResponse.text(request.path.join()));
    const seen: string[] = [];
    coap.on("RequestComplete", async (e) => {
      seen.push(text(coap.responseData));
      if (e.URI.endsWith("/1")) await coap.get(`${SERVER}/2`);
    });
    await net.run(coap.get(`${SERVER}/1`));
    await net.after(1000);
    assertEquals(seen, ["1", "2"]);
  });

  it("a request with a separate response completes with the response", async () => {
    await net.peer((message) => {
      if (message.type !== MessageType.Confirmable) return undefined;
      const { token, options } = message;
      assertEquals(findOptions(options, OptionNumber.Observe), []);
      assertEquals(uintOption(options, OptionNumber.Accept), undefined);
      return encode({ type: MessageType.Confirmable, code: Code.Content, id: 7, token });
    });
    assertEquals(await net.run(coap.get(SERVER)), "");
  });
});

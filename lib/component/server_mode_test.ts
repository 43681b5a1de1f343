import { afterEach, beforeEach, describe, it } from "node:test";
import { assert, assertEquals } from "@std/assert";
import { ComponentSimulation, inWords, listen, text } from "../../testing/simulated_components.ts";
import { settle } from "../../testing/manual_clock.ts";
import { failure, SERVER } from "../../testing/simulated_endpoints.ts";
import type { CoAPClient } from "../endpoint/client.ts";
import { Code } from "../wire/code.ts";
import { toHex } from "../wire/bytes.ts";
import { decode, encode, type Message, MessageType } from "../wire/message.ts";
import { makeOption, OptionNumber } from "../wire/option.ts";
import type { CoAP } from "./coap.ts";
import { CoAPOption } from "./option_list.ts";

/** A promise that resolves some time later. */
const later = (net: ComponentSimulation, ms: number): Promise<void> =>
  new Promise((resolve) => void net.clock.setTimer(resolve, net.clock.now() + ms));

describe("CoAP as a server", () => {
  let net: ComponentSimulation;
  let coap: CoAP;
  let client: CoAPClient;
  beforeEach(async () => {
    net = new ComponentSimulation();
    coap = await net.listener();
    client = net.client({ port: 40_000, parameters: { nstart: 1000 } });
  });
  afterEach(() => net.close());

  /** Answers of the server on the wire: type and code. */
  const answers = (): string[] =>
    net.sent.filter(({ from }) => from.port === 5683)
      .map(({ bytes }) => decode(bytes))
      .map(({ type, code }) => `${["CON", "NON", "ACK", "RST"][type]} ${code}`);

  it("Request: every field, and the Request properties", async () => {
    const told = listen(coap);
    const seen: unknown[] = [];
    coap.on("Request", (e) => {
      assertEquals(e.token, toHex(e.tokenB));
      assertEquals(e.tokenB, net.messages[0]!.token);
      assertEquals(e.request.text(), "body");
      seen.push(
        text(coap.requestData),
        coap.requestContentFormat,
        coap.requestETag,
        coap.requestOptions.map(({ number, value }) => `${number}=${value}`),
        [...coap.pendingRequests.values()].map((
          { requestId, URI, method, remotePort },
        ) => [requestId, URI, method, remotePort]),
      );
      coap.responseCode = "2.04";
    });
    const response = await net.run(client.put("coap://server/a%2Fb/é?x=%26&y", {
      payload: "body",
      contentFormat: 0,
      etag: [Uint8Array.of(1), Uint8Array.of(2)],
    }));
    assertEquals(response.code, Code.Changed);
    assertEquals(told, [
      ["Request", {
        remoteHost: "127.0.0.1",
        remotePort: 40_000,
        URIHost: "server",
        URIPort: 5683,
        URIPath: "/a%2Fb/%C3%A9",
        URIQuery: "x=%26&y",
        method: 3,
        token: toHex(net.messages[0]!.token),
        requestId: "1.1",
        sendResponse: true,
      }],
      ["ResponseComplete", { requestId: "1.1", errorCode: 0, errorDescription: "" }],
    ]);
    assertEquals(seen, [
      "body",
      0,
      Uint8Array.of(1),
      ["3=server", "4=01", "4=02", "11=a/b", "11=é", "12=0", "15=x=&", "15=y"],
      [["1.1", "coap://server/a%2Fb/%C3%A9?x=%26&y", 3, 40_000]],
    ]);
    assertEquals(coap.pendingRequests.size, 0);
  });

  it("the bound address stands for the host that a request does not name", async () => {
    const told = listen(coap, ["Request"]);
    await net.run(client.get(SERVER));
    const [, { URIHost, URIPort, URIPath, URIQuery }] = told[0]!;
    assertEquals([URIHost, URIPort, URIPath, URIQuery], ["127.0.0.1", 5683, "/", ""]);
    const bare = [coap.requestData.length, coap.requestContentFormat, coap.requestETag.length];
    assertEquals([...bare, coap.requestOptions.length], [0, -1, 0, 0]);
  });

  it("answers with the Response properties", async () => {
    coap.on("Request", () => {
      coap.responseCode = "2.05";
      coap.responseData = "22.5";
      coap.responseContentFormat = 0;
      coap.responseETag = Uint8Array.of(7);
      coap.responseOptions.add(new CoAPOption(14, "5"));
    });
    const response = await net.run(client.get(SERVER));
    assertEquals([response.codeText, response.text(), response.contentFormat, response.maxAge], [
      "2.05",
      "22.5",
      0,
      5,
    ]);
    assertEquals(response.etag, Uint8Array.of(7));
  });

  it("resets the Response properties before each request", async () => {
    const seen: unknown[] = [];
    coap.on("Request", () => {
      seen.push([
        coap.responseCode,
        coap.responseData.length,
        coap.responseContentFormat,
        coap.responseETag.length,
        coap.responseOptions.length,
      ]);
      coap.responseCode = "2.05";
      coap.responseData = "x";
      coap.responseContentFormat = 0;
      coap.responseETag = Uint8Array.of(7);
      coap.responseOptions.add(new CoAPOption(14, "5"));
    });
    for (let i = 0; i < 2; i++) await net.run(client.get(SERVER));
    assertEquals(seen, [["", 0, -1, 0, 0], ["", 0, -1, 0, 0]]);
  });

  it("an empty responseCode is 4.04, with listeners or without", async () => {
    assertEquals((await net.run(client.get(SERVER))).code, Code.NotFound);
    coap.on("Request", () => void (coap.responseData = "x"));
    assertEquals((await net.run(client.get(SERVER))).code, Code.NotFound);
  });

  it("piggybacks what is ready in time, and sends the rest separately", async () => {
    const told = listen(coap, ["ResponseComplete"]);
    let wait = 0;
    coap.on("Request", async () => {
      if (wait > 0) await later(net, wait);
      coap.responseCode = "2.05";
    });
    await net.run(client.get(SERVER));
    assertEquals(answers(), ["ACK 69"]);
    net.sent.length = 0;
    wait = 10_000;
    assertEquals((await net.run(client.get(SERVER))).code, Code.Content);
    await net.after(100);
    assertEquals(answers(), ["ACK 0", "CON 69"]);
    assertEquals(inWords(told), ["ResponseComplete 1.1 0", "ResponseComplete 1.2 0"]);
  });

  const types: [confirmable: boolean, set: boolean | undefined, type: string][] = [
    [true, undefined, "CON 69"],
    [true, true, "CON 69"],
    [true, false, "NON 69"],
    [false, undefined, "NON 69"],
    [false, true, "CON 69"],
    [false, false, "NON 69"],
  ];
  for (const [confirmable, set, type] of types) {
    it(`a separate response to ${confirmable ? "CON" : "NON"}, with ${set}: ${type}`, async () => {
      if (set !== undefined) coap.useConfirmableMessages = set;
      coap.on("Request", async () => {
        await later(net, 3000);
        coap.responseCode = "2.05";
      });
      await net.run(client.get(SERVER, { confirmable }));
      assertEquals(answers().at(-1), type);
    });
  }

  it("ResponseComplete tells of acknowledgements, of giving up and of Resets", async () => {
    const told = listen(coap, ["ResponseComplete"]);
    const ids: string[] = [];
    coap.on("Request", (e) => {
      ids.push(e.requestId);
      e.sendResponse = false;
    });
    for (const port of [1, 2, 3]) {
      const [first] = [port === 2 ? MessageType.Reset : MessageType.Acknowledgement];
      const transport = await net.network.bind({ port }, {
        receive: (flow, bytes) => {
          const { type, id } = decode(bytes);
          if (type !== MessageType.Confirmable || port === 3) return;
          transport.send(flow, encode({ type: first, code: 0, id }));
        },
        turn: () => transport.flush(),
        error: () => {},
      });
      transport.send(
        transport.flow("127.0.0.1", 5683),
        encode({ type: MessageType.NonConfirmable, code: Code.GET, id: port }),
      );
      transport.flush();
    }
    await net.after(1000);
    coap.useConfirmableMessages = true;
    coap.responseCode = "2.05";
    for (const id of ids) await coap.sendResponse(id);
    assertEquals([told, coap.pendingRequests.size], [[], 0]);
    await net.after(100_000);
    assertEquals(told.map(([, { requestId, errorCode }]) => [requestId, errorCode]), [
      [ids[0], 0],
      [ids[1], 708],
      [ids[2], 704],
    ]);
    assert(told[2]![1].errorDescription !== "");
  });

  it("sendResponse answers later, out of order, in the properties of the moment", async () => {
    const ids = new Map<string, string>();
    coap.on("Request", (e) => {
      ids.set(e.URIPath, e.requestId);
      e.sendResponse = false;
      coap.responseCode = "5.00"; // of no effect: the properties count when it is sent
    });
    const answers = ["a", "b", "c"].map((path) => client.get(`${SERVER}/${path}`));
    await net.after(5000);
    assertEquals([...coap.pendingRequests.keys()], [...ids.values()]);
    for (const path of ["/c", "/a", "/b"]) {
      coap.responseCode = "2.05";
      coap.responseData = path;
      await coap.sendResponse(ids.get(path)!);
    }
    assertEquals(coap.pendingRequests.size, 0);
    const texts = (await net.run(Promise.all(answers))).map((response) => response.text());
    assertEquals(texts, ["/a", "/b", "/c"]);
    assertEquals((await failure(coap.sendResponse(ids.get("/a")!))).code, 706);
  });

  it("a hundred answers that come later, in reverse, while some of the requests are canceled", async () => {
    await coap.shutdown();
    coap = await net.listener({ parameters: { emptyAckDelay: 0 } });
    const waiting: [id: string, path: string][] = [];
    coap.on("Request", (e) => {
      e.sendResponse = false;
      waiting.push([e.requestId, e.URIPath]);
    });
    const told = listen(coap, ["ResponseComplete"]);
    const asking = net.component();
    asking.timeout = 0;
    const seen: string[] = [];
    asking.on("RequestComplete", (e) => {
      const path = e.errorCode === 0 ? text(asking.responseData) : String(e.errorCode);
      seen.push(e.errorCode === 0 ? String(e.URI === `${SERVER}${path}`) : path);
    });
    const ids: string[] = [];
    for (let i = 0; i < 100; i++) ids.push(await asking.get(`${SERVER}/${i}`));
    await net.after(5000); // one after the other, each when the last is acknowledged
    assertEquals([asking.pendingRequests.size, coap.pendingRequests.size], [100, 100]);
    for (let i = 0; i < 100; i += 10) await asking.cancelRequest(ids[i]!);
    for (const [id, path] of waiting.toReversed()) {
      coap.responseCode = "2.05";
      coap.responseData = path;
      await coap.sendResponse(id);
    }
    await net.after(5000);
    assertEquals(seen, [...Array(10).fill("711"), ...Array(90).fill("true")]);
    const codes = told.map(([, { errorCode }]) => errorCode);
    assertEquals([codes.filter((code) => code === 0).length, codes.length], [90, 100]);
    assertEquals(codes.filter((code) => code === 708).length, 10); // nobody waits for these
    assertEquals([asking.pendingRequests.size, coap.pendingRequests.size], [0, 0]);
  });

  it("sendResponse resolves when the response has left", async () => {
    coap.on("Request", (e) => void (e.sendResponse = false));
    const answer = client.get(SERVER);
    await net.after(1000);
    net.sent.length = 0;
    coap.responseCode = "2.05";
    await coap.sendResponse("1.1");
    assertEquals(answers(), ["CON 69"]);
    await net.run(answer);
  });

  it("sendResponse works inside the listener, too", async () => {
    coap.on("Request", async (e) => {
      coap.responseCode = "2.05";
      coap.responseData = "inside";
      await coap.sendResponse(e.requestId);
      coap.responseCode = "4.00";
    });
    assertEquals((await net.run(client.get(SERVER))).text(), "inside");
  });

  it("707 and 701 leave the request pending", async () => {
    coap.on("Request", (e) => void (e.sendResponse = false));
    const answer = client.get(SERVER);
    await net.after(1000);
    for (const code of ["", "3.00", "6.00", "7.00"]) {
      coap.responseCode = code;
      assertEquals((await failure(coap.sendResponse("1.1"))).code, 707, code);
    }
    coap.responseCode = "2.05";
    coap.responseOptions.add(new CoAPOption(14, "x"));
    assertEquals((await failure(coap.sendResponse("1.1"))).code, 701);
    assertEquals(coap.pendingRequests.size, 1);
    coap.responseOptions.clear();
    await coap.sendResponse("1.1");
    assertEquals((await net.run(answer)).code, Code.Content);
  });

  it("707 and 701 in a listener: the client gets 5.00, Error tells why", async () => {
    const told = listen(coap, ["Error"]);
    const [bad] = [["3.00", "6.00", "2.05"]];
    coap.on("Request", () => {
      coap.responseCode = bad.shift()!;
      coap.responseOptions.add(new CoAPOption(14, "x"));
    });
    for (const code of [701, 701, 701]) {
      const response = await net.run(client.get(SERVER));
      assertEquals([response.codeText, response.text()], ["5.00", ""]);
      assertEquals(told.shift()![1].errorCode, code);
    }
    coap.on("Request", () => {
      coap.responseOptions.clear();
      coap.responseCode = "6.00";
    });
    bad.push("");
    assertEquals((await net.run(client.get(SERVER))).codeText, "5.00");
    assertEquals(told.map(([, { errorCode }]) => errorCode), [707]);
  });

  it("cancelRequest answers nothing, and ResponseComplete says 711", async () => {
    const told = listen(coap, ["ResponseComplete"]);
    coap.on("Request", (e) => void (e.sendResponse = false));
    const answer = failure(client.get(SERVER, { timeout: 20_000 }));
    await net.after(1000);
    await coap.cancelRequest("1.1");
    assertEquals(told.map(([, { errorCode }]) => errorCode), [711]);
    assertEquals(coap.pendingRequests.size, 0);
    assertEquals((await net.run(answer)).reason, "timeout");
    assertEquals(answers(), ["ACK 0"]);
    assertEquals((await failure(coap.cancelRequest("1.1"))).code, 706);
  });

  it("delivers one request at a time, in the order in which they came", async () => {
    const log: string[] = [];
    coap.on("Request", async (e) => {
      log.push(`begin ${e.URIPath}`);
      await later(net, 1000);
      coap.responseCode = "2.05";
      coap.responseData = e.URIPath;
      await later(net, 1000);
      log.push(`end ${e.URIPath}`);
    });
    const paths = ["/a", "/b", "/c"];
    const answers = paths.map((path) => client.get(`${SERVER}${path}`));
    await net.after(100);
    assertEquals([log, coap.pendingRequests.size], [["begin /a"], 3]);
    const texts = (await net.run(Promise.all(answers))).map((response) => response.text());
    assertEquals(texts, paths);
    assertEquals(log, paths.flatMap((path) => [`begin ${path}`, `end ${path}`]));
  });

  it("a canceled request that waits for its turn is not delivered", async () => {
    const log: string[] = [];
    coap.on("Request", async (e) => {
      log.push(e.URIPath);
      await later(net, 1000);
    });
    const answers = ["/a", "/b"].map((path) =>
      client.get(`${SERVER}${path}`, { timeout: 10_000 }).catch(() => {})
    );
    await net.after(100);
    await coap.cancelRequest("1.2");
    await net.run(Promise.all(answers));
    assertEquals(log, ["/a"]);
  });

  it("answers 5.03 where too many wait", async () => {
    await coap.shutdown();
    coap = await net.listener({ maxWaiting: 2 });
    coap.on("Request", () => later(net, 5000));
    const answers = Array.from({ length: 5 }, () => client.get(SERVER));
    await net.after(100);
    assertEquals(coap.pendingRequests.size, 3); // one at its listener, two wait
    const codes = (await net.run(Promise.all(answers))).map(({ codeText }) => codeText);
    assertEquals(codes.sort(), ["4.04", "4.04", "4.04", "5.03", "5.03"]);
  });

  it("a thousand requests may wait", async () => {
    client = net.client({ parameters: { nstart: 2000 } });
    coap.on("Request", () => later(net, 50));
    const answers = Array.from({ length: 1010 }, () => client.get(SERVER));
    await net.after(20);
    assertEquals(coap.pendingRequests.size, 1001);
    const codes = (await net.run(Promise.all(answers))).map(({ codeText }) => codeText);
    assertEquals(codes.filter((code) => code === "5.03").length, 9);
  });

  it("listeners that throw or reject: 5.00 without a word of why, and Error", async () => {
    const told = listen(coap, ["Error", "ResponseComplete"]);
    const fail = [
      () => {
        throw new TypeError("secret");
      },
      () => Promise.reject(new Error("secret later")),
      async () => {
        await later(net, 3000);
        throw new Error("secret text");
      },
    ];
    coap.on("Request", () => void (coap.responseCode = "2.05"));
    for (const listener of fail) {
      coap.once("Request", listener);
      const response = await net.run(client.get(SERVER));
      assertEquals([response.codeText, response.payload.length], ["5.00", 0]);
    }
    assertEquals(
      told.filter(([name]) => name === "Error").map(([, fields]) => fields),
      ["secret", "secret later", "secret text"].map((description) => ({
        errorCode: 0,
        description,
      })),
    );
    assertEquals((await net.run(client.get(SERVER))).codeText, "2.05");
  });

  it("an Error listener that throws ends there", async () => {
    coap.on("Error", () => {
      throw new Error("again");
    });
    coap.on("Error", () => Promise.reject(new Error("and again")));
    coap.on("Request", () => {
      throw new Error("first");
    });
    assertEquals((await net.run(client.get(SERVER))).codeText, "5.00");
    await settle();
  });

  it("after stopListening no request is taken, and what is pending can be answered", async () => {
    coap.on("Request", (e) => void (e.sendResponse = false));
    const [first, second] = [
      client.get(`${SERVER}/1`),
      client.get(`${SERVER}/2`, {
        timeout: 10_000,
      }),
    ];
    const gone = failure(second);
    await net.after(1000);
    await coap.stopListening();
    assertEquals([coap.listening, coap.isListening()], [false, false]);
    assertEquals((await net.run(client.get(`${SERVER}/3`))).codeText, "5.03");
    assertEquals([...coap.pendingRequests.keys()], ["1.1", "1.2"]);
    coap.responseCode = "2.05";
    await coap.sendResponse("1.1");
    await coap.cancelRequest("1.2");
    assertEquals((await net.run(first)).codeText, "2.05");
    assertEquals((await net.run(gone)).reason, "timeout");
    await coap.startListening();
    assertEquals(coap.listening, true);
    const again = client.get(`${SERVER}/4`);
    await net.after(1000);
    assertEquals(coap.pendingRequests.size, 1);
    coap.responseCode = "2.05";
    await coap.sendResponse([...coap.pendingRequests.keys()][0]!);
    await net.run(again);
  });

  it("shutdown cancels what is pending, and the socket is free", async () => {
    const told = listen(coap);
    coap.on("Request", (e) => void (e.sendResponse = false));
    client.get(SERVER, { timeout: 1000 }).catch(() => {});
    await net.after(100);
    told.length = 0;
    await coap.shutdown();
    assertEquals(inWords(told), ["ResponseComplete 1.1 711"]);
    assertEquals([coap.listening, coap.pendingRequests.size], [false, 0]);
    assertEquals(coap.requestOptions.length, 0);
    await coap.startListening(); // localPort is still 5683
    assertEquals(coap.localPort, 5683);
  });

  it("listeners of before a shutdown do not hold up requests after it", async () => {
    coap.once("Request", () => new Promise(() => {}));
    client.get(SERVER, { timeout: 1000 }).catch(() => {});
    await net.after(100);
    await coap.shutdown();
    await coap.startListening();
    coap.on("Request", () => void (coap.responseCode = "2.05"));
    assertEquals((await net.run(client.get(SERVER))).codeText, "2.05");
  });

  it("startListening rejects where the port is in use, and can be tried again", async () => {
    const other = net.component();
    other.localPort = 5683;
    const error = await failure(other.startListening());
    assertEquals([error.code, error.reason], [0, "transport"]);
    assertEquals(other.listening, false);
    other.localPort = 5684;
    await Promise.all([other.startListening(), other.startListening()]);
    await other.startListening();
    assertEquals([other.listening, other.localPort], [true, 5684]);
  });

  it("the last call of startListening and shutdown decides, awaited or not", async () => {
    const other = net.component();
    for (const last of ["startListening", "shutdown", "startListening", "reset"] as const) {
      const calls = ["shutdown", "startListening", "shutdown", "startListening", last] as const;
      await Promise.all(calls.map((name) => other[name]()));
      assertEquals([other.listening, other.localPort > 0], Array(2).fill(last[1] === "t"), last);
    }
  });

  it("a listener may shut it down, and the client hears nothing more", async () => {
    const told = listen(coap, ["Error", "ResponseComplete"]);
    coap.on("Request", async () => {
      await coap.shutdown();
      coap.responseCode = "2.05";
    });
    const error = await failure(net.run(client.get(SERVER, { timeout: 1000 })));
    assertEquals([error.code, inWords(told)], [704, ["ResponseComplete 1.1 711"]]);
    assertEquals([coap.listening, coap.localPort], [false, 5683]); // as it was set
  });

  it("startListening ends what was open as a client", async () => {
    const other = net.component();
    coap.on("Request", (e) => void (e.sendResponse = false));
    other.timeout = 0;
    await other.get(SERVER);
    await net.after(100);
    const told = listen(other);
    await other.startListening();
    assertEquals(inWords(told), ["RequestComplete 1 711"]);
    assertEquals(other.listening, true);
  });

  it("bodies of any size come and go in blocks, unseen", async () => {
    const payload = Uint8Array.from({ length: 50_000 }, (_, i) => i * 7);
    let requests = 0;
    coap.on("Request", () => {
      requests++;
      coap.responseCode = "2.05";
      coap.responseData = coap.requestData.toReversed();
    });
    const response = await net.run(client.put(SERVER, { payload }));
    assertEquals(response.payload, payload.toReversed());
    assertEquals(requests, 1);
  });

  it("a separate response in blocks can be fetched after stopListening", async () => {
    coap.on("Request", (e) => void (e.sendResponse = false));
    const answer = client.get(SERVER);
    await net.after(1000);
    await coap.stopListening();
    coap.responseCode = "2.05";
    coap.responseData = new Uint8Array(5000).fill(7);
    await coap.sendResponse("1.1");
    assertEquals((await net.run(answer)).payload, new Uint8Array(5000).fill(7));
  });

  it("answers 4.00 to a host that is none, without an event", async () => {
    const told = listen(coap);
    const answer = await ask(net, {
      code: Code.GET,
      options: [makeOption(OptionNumber.UriHost, "a b")],
    });
    assertEquals([answer?.code, told.length], [Code.BadRequest, 0]);
  });

  it("a request that No-Response quiets completes", async () => {
    const told = listen(coap, ["ResponseComplete"]);
    coap.on("Request", () => void (coap.responseCode = "2.04"));
    await net.run(client.put(SERVER, { payload: "x", noResponse: true }));
    assertEquals(inWords(told), ["ResponseComplete 1.1 0"]);
  });
});

/** Sends a message from a bare socket and gives back the first answer. */
async function ask(
  net: ComponentSimulation,
  message: Parameters<typeof encode>[0],
): Promise<Message | undefined> {
  let answer: Message | undefined;
  const transport = await net.network.bind({ port: 40_001 }, {
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

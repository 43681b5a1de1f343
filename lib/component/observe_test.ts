import { afterEach, beforeEach, describe, it } from "node:test";
import { assertEquals } from "@std/assert";
import { ComponentSimulation, inWords, listen, text } from "../../testing/simulated_components.ts";
import { failure, SERVER } from "../../testing/simulated_endpoints.ts";
import { CoAPResponse } from "../endpoint/response.ts";
import { Code } from "../wire/code.ts";
import { toHex } from "../wire/bytes.ts";
import { decode, encode, type Message, MessageType } from "../wire/message.ts";
import { makeOption, OptionNumber, uintOption } from "../wire/option.ts";
import type { CoAP } from "./coap.ts";

const URI = `${SERVER}/t?unit=C`;

/** The value of Observe in a message, -1 where it has none. */
const observeOf = ({ options }: Message): number => uintOption(options, OptionNumber.Observe) ?? -1;

/** Whether a message deregisters. */
const leaves = (message: Message): boolean => message.code === Code.GET && observeOf(message) === 1;

describe("observing, CoAP as a client", () => {
  let net: ComponentSimulation;
  let coap: CoAP;
  beforeEach(() => {
    net = new ComponentSimulation();
    coap = net.component();
  });
  afterEach(() => net.close());

  /** A server that does as its script says; answers how it sends by itself. */
  async function script(
    answer: (message: Message) => Parameters<typeof encode>[0] | undefined,
  ): Promise<(message: Parameters<typeof encode>[0]) => void> {
    let send: (message: Parameters<typeof encode>[0]) => void = () => {};
    const transport = await net.network.bind({ port: 5683 }, {
      receive: (flow, bytes) => {
        send = (message) => {
          transport.send(flow, encode(message));
          transport.flush();
        };
        const message = decode(bytes);
        const { type, id, token } = message;
        if (type !== MessageType.Confirmable) return;
        const reply = answer(message);
        if (reply !== undefined) {
          send({ type: MessageType.Acknowledgement, id, token, ...reply });
        }
      },
      turn: () => {},
      error: () => {},
    });
    return (message) => send(message);
  }

  const observed = (number: number) => [makeOption(OptionNumber.Observe, number)];

  it("accepted: Notification alone, each with the state in the properties", async () => {
    let token = new Uint8Array();
    const send = await script((message) => {
      token = message.token.slice();
      return { code: Code.Content, options: observed(5), payload: new TextEncoder().encode("a") };
    });
    const told = listen(coap);
    const states: unknown[] = [];
    coap.on("Notification", (e) => {
      states.push([
        coap.responseCode,
        text(coap.responseData),
        e.isLatest,
        e.stopObserving,
        coap.pendingRequests.size,
      ]);
      assertEquals(e.response.payload, coap.responseData);
    });
    const started = coap.startObserving(URI);
    assertEquals([...coap.pendingRequests.values()].map(({ method, URI }) => [method, URI]), [
      [1, URI],
    ]);
    assertEquals(await net.run(started), "");
    assertEquals(observeOf(net.messages[0]!), 0);
    // The third one is late (RFC 7641 section 3.4).
    for (const [number, state] of [[6, "b"], [9, "c"], [7, "late"], [10, "d"]] as const) {
      send({
        type: MessageType.NonConfirmable,
        id: number,
        code: Code.Content,
        token,
        options: observed(number),
        payload: new TextEncoder().encode(state),
      });
      await net.after(100);
    }
    assertEquals(states, [
      ["2.05", "a", true, false, 0],
      ["2.05", "b", true, false, 0],
      ["2.05", "c", true, false, 0],
      ["2.05", "late", false, false, 0],
      ["2.05", "d", true, false, 0],
    ]);
    assertEquals(told[0], ["Notification", { URI, isLatest: true }]);
    assertEquals(new Set(told.map(([name]) => name)), new Set(["Notification"]));
    assertEquals(coap.pendingRequests.size, 0);
  });

  it("timeout 0 resolves at once to the id, which can be canceled", async () => {
    coap.timeout = 0;
    const told = listen(coap);
    assertEquals(await coap.startObserving(URI), "1");
    assertEquals(coap.pendingRequests.get("1")?.URI, URI);
    await coap.cancelRequest("1");
    assertEquals([inWords(told), coap.pendingRequests.size], [["RequestComplete 1 711"], 0]);
    assertEquals((await failure(coap.stopObserving(URI))).code, 710);
  });

  it("a registration that is under way is not observed yet: 710, and cancelRequest ends it", async () => {
    coap.timeout = 0;
    await coap.startObserving(URI);
    assertEquals((await failure(coap.stopObserving(URI))).code, 710);
    assertEquals(coap.pendingRequests.size, 1);
    await coap.cancelRequest("1");
    await script(() => ({ code: Code.Content, options: observed(1) }));
    coap.timeout = 60;
    assertEquals(await net.run(coap.startObserving(URI)), ""); // and can be made anew
    await net.run(coap.stopObserving(URI));
  });

  it("timeout 0 and accepted: nothing is pending any more", async () => {
    await script(() => ({ code: Code.Content, options: observed(1) }));
    coap.timeout = 0;
    const told = listen(coap);
    await coap.startObserving(URI);
    await net.after(100);
    assertEquals([inWords(told), coap.pendingRequests.size], [["Notification"], 0]);
    assertEquals((await failure(coap.cancelRequest("1"))).code, 706);
  });

  for (const code of [Code.Content, Code.NotFound]) {
    it(`a server that answers without Observe makes it a GET: ${code}`, async () => {
      await script(() => ({ code, payload: Uint8Array.of(0x78) }));
      const told = listen(coap);
      assertEquals(await net.run(coap.startObserving(URI)), "");
      const expected = code === Code.Content ? 0 : 709;
      assertEquals(inWords(told), [`RequestComplete 1 ${expected}`, "Error 710"]);
      assertEquals(text(coap.responseData), "x");
      assertEquals((await failure(coap.stopObserving(URI))).code, 710);
    });
  }

  it("without a response it fails as a GET does", async () => {
    const told = listen(coap);
    coap.timeout = 3;
    const error = await failure(net.run(coap.startObserving(URI)));
    assertEquals([error.code, inWords(told)], [704, ["RequestComplete 1 704"]]);
    assertEquals(coap.pendingRequests.size, 0);
  });

  it("the same URI twice is one observation", async () => {
    await script(() => ({ code: Code.Content, options: observed(1) }));
    const told = listen(coap);
    const both = [coap.startObserving(URI), coap.startObserving("COAP://127.0.0.1:5683/t?unit=C")];
    assertEquals(await net.run(Promise.all(both)), ["", ""]);
    assertEquals(await net.run(coap.startObserving(URI)), "");
    const registrations = net.messages.filter(({ code }) => code === Code.GET);
    assertEquals([registrations.length, inWords(told)], [1, ["Notification"]]);
    await net.run(coap.stopObserving(URI));
    assertEquals((await failure(coap.stopObserving(URI))).code, 710);
  });

  it("the same URI while its registration is under way: one request, each caller by its timeout", async () => {
    await script(() => undefined);
    coap.timeout = 0;
    assertEquals(await coap.startObserving(URI), "1");
    coap.timeout = 5;
    const told = listen(coap);
    const start = net.clock.now();
    const error = await failure(net.run(coap.startObserving(URI)));
    assertEquals([error.code, net.clock.now() - start], [704, 5000]);
    assertEquals(inWords(told), ["RequestComplete 1 704"]);
    await net.close();

    net = new ComponentSimulation();
    coap = net.component();
    await script(() => ({ code: Code.Content, options: observed(1) }));
    coap.timeout = 0;
    const first = coap.startObserving(URI);
    coap.timeout = 5;
    const second = coap.startObserving(URI);
    assertEquals(await net.run(Promise.all([first, second])), ["1", ""]);
    await net.after(10_000); // the limit is off
    coap.timeout = 0;
    assertEquals(await coap.startObserving(URI), "1");
  });

  it("shutdown while a registration is under way ends it with 711", async () => {
    const told = listen(coap);
    const started = failure(coap.startObserving(URI));
    await net.after(100);
    await coap.shutdown();
    assertEquals([(await started).code, inWords(told)], [711, ["RequestComplete 1 711"]]);
  });

  for (const accepted of [true, false]) {
    it(`shutdown by a listener as the response arrives, accepted ${accepted}`, async () => {
      coap = net.component({ parameters: { nstart: 2 } });
      const replies: Parameters<typeof encode>[0][] = [];
      const send = await script(({ id, token, options }) => {
        const observes = options.some(({ number }) => number === OptionNumber.Observe);
        replies.push({
          type: MessageType.Acknowledgement,
          id,
          token: token.slice(),
          code: Code.Content,
          options: observes && accepted ? observed(1) : [],
        });
        return undefined;
      });
      const told = listen(coap);
      let down: Promise<void> | undefined;
      coap.once("RequestComplete", () => down = coap.shutdown());
      const got = coap.get(SERVER);
      const started = coap.startObserving(URI).catch((error) => error.code);
      await net.after(15);
      for (const reply of replies) send(reply); // both arrive together
      assertEquals(await net.run(got), "");
      await net.run(Promise.resolve(down));
      assertEquals([await started, inWords(told)], [711, [
        "RequestComplete 1 0",
        "RequestComplete 2 711",
      ]]);
    });
  }

  it("stopObserving sends Observe 1 with the same token, and behaves as get", async () => {
    await script((message) => ({
      code: Code.Content,
      options: observeOf(message) === 0 ? observed(1) : [],
      payload: new TextEncoder().encode(observeOf(message) === 0 ? "first" : "last"),
    }));
    await net.run(coap.startObserving(URI));
    const told = listen(coap);
    const stopped = coap.stopObserving(URI);
    const [pending] = [...coap.pendingRequests.values()];
    assertEquals([pending?.method, pending?.URI], [1, URI]);
    assertEquals(await net.run(stopped), undefined);
    const [first, last] = net.messages.filter(({ code }) => code === Code.GET);
    assertEquals([observeOf(last!), toHex(last!.token)], [1, toHex(first!.token)]);
    assertEquals(inWords(told), ["RequestComplete 2 0"]);
    assertEquals([text(coap.responseData), coap.pendingRequests.size], ["last", 0]);
  });

  it("stopObserving with timeout 0 resolves at once, and fails as get does", async () => {
    let answers = true;
    await script(() => answers ? { code: Code.Content, options: observed(1) } : undefined);
    await net.run(coap.startObserving(URI));
    answers = false;
    coap.timeout = 0;
    const told = listen(coap);
    assertEquals(await coap.stopObserving(URI), undefined);
    assertEquals([...coap.pendingRequests.keys()], ["2"]);
    await net.after(100_000);
    assertEquals(inWords(told), ["RequestComplete 2 704"]);

    answers = true;
    await coap.startObserving(URI);
    await net.after(100);
    answers = false;
    coap.timeout = 2;
    const error = await failure(net.run(coap.stopObserving(URI)));
    assertEquals(error.code, 704);
  });

  it("stopObserving takes timeout and useConfirmableMessages as they are at the call", async () => {
    const ends: Message[] = [];
    const send = await script((message) => {
      if (observeOf(message) === 0) return { code: Code.Content, options: observed(1) };
      ends.push(message);
      return { code: Code.Empty, token: undefined }; // the response comes later
    });
    for (const [timeout, after] of [[20, 15_000], [0, 200_000]] as const) {
      coap.timeout = 5;
      await net.run(coap.startObserving(URI));
      coap.timeout = timeout;
      const told = listen(coap, ["RequestComplete"]);
      const stopped = coap.stopObserving(URI);
      await net.after(after);
      assertEquals([told, coap.pendingRequests.size], [[], 1], `${timeout}`);
      const { token } = ends.at(-1)!;
      send({ type: MessageType.NonConfirmable, code: Code.Content, id: after % 0xffff, token });
      await net.run(stopped);
      await net.after(100);
      assertEquals(told.map(([, { errorCode }]) => errorCode), [0]);
    }
    await coap.startObserving(URI);
    await net.after(100);
    coap.useConfirmableMessages = false;
    net.sent.length = 0;
    await coap.stopObserving(URI);
    await net.after(100);
    assertEquals(net.messages.map(({ type }) => type), [MessageType.NonConfirmable]);
  });

  it("stopObserving of what was never observed is 710", async () => {
    const error = await failure(coap.stopObserving(URI));
    assertEquals([error.code, net.sent.length], [710, 0]);
    assertEquals((await failure(coap.stopObserving("nonsense"))).code, 700);
  });

  for (const when of ["in the listener", "after an await"]) {
    it(`stopObserving of the event, set ${when}`, async () => {
      await script((message) => ({
        code: Code.Content,
        options: observeOf(message) === 0 ? observed(1) : [],
      }));
      coap.on("Notification", async (e) => {
        assertEquals(e.stopObserving, false);
        if (when === "after an await") await Promise.resolve();
        e.stopObserving = true;
      });
      const told = listen(coap);
      await net.run(coap.startObserving(URI));
      await net.after(1000);
      assertEquals(net.messages.filter(leaves).length, 1);
      assertEquals(inWords(told), ["Notification"]);
      assertEquals((await failure(coap.stopObserving(URI))).code, 710);
    });
  }

  it("a notification outside 2.xx ends it, whatever stopObserving is set to", async () => {
    let token = new Uint8Array();
    const send = await script((message) => {
      token = message.token.slice();
      return { code: Code.Content, options: observed(5) };
    });
    await net.run(coap.startObserving(URI));
    const seen: unknown[] = [];
    coap.on("Notification", (e) => {
      seen.push(e.stopObserving);
      e.stopObserving = false;
      seen.push(e.stopObserving, coap.responseCode, e.isLatest);
    });
    send({ type: MessageType.Confirmable, id: 9, code: Code.NotFound, token });
    await net.after(100);
    assertEquals(seen, [true, true, "4.04", true]);
    assertEquals((await failure(coap.stopObserving(URI))).code, 710);
    assertEquals(net.messages.filter(leaves), []);
  });

  it("an observation that is lost is an Error", async () => {
    await script(() => ({
      code: Code.Content,
      options: [...observed(5), makeOption(OptionNumber.MaxAge, 1)],
    }));
    await net.run(coap.startObserving(URI));
    const told = listen(coap);
    net.network.conditions.loss = 1;
    await net.after(1_000_000); // it registers again and again
    assertEquals(inWords(told), ["Error 704"]);
    assertEquals((await failure(coap.stopObserving(URI))).code, 710);
  });

  it("shutdown tells the servers", async () => {
    await script(() => ({ code: Code.Content, options: observed(5) }));
    await net.run(coap.startObserving(URI));
    await coap.shutdown();
    await net.after(100);
    assertEquals(net.messages.filter(leaves).length, 1);
  });

  it("states of any size come in blocks, unseen", async () => {
    const state = new CoAPResponse(Uint8Array.from({ length: 5000 }, (_, i) => i));
    const server = await net.serve(() => state, { onObserve: () => true });
    await net.run(coap.startObserving(URI));
    assertEquals(coap.responseData, state.payload);
    const newer = new CoAPResponse(new Uint8Array(4000).fill(7));
    await server.notify("/t", newer);
    await net.after(5000);
    assertEquals(coap.responseData, newer.payload);
  });
});

describe("observers, CoAP as a server", () => {
  let net: ComponentSimulation;
  let server: CoAP;
  let client: CoAP;
  beforeEach(async () => {
    net = new ComponentSimulation();
    server = await net.listener();
    client = net.component();
  });
  afterEach(() => net.close());

  /** The server accepts every registration; the state is in the hands of the test. */
  function accept(state = "0"): void {
    server.on("Register", (e) => {
      e.accept = true;
      server.responseCode = "2.05";
      server.responseData = state;
    });
  }

  async function notify(state: string, uri = URI): Promise<void> {
    server.responseCode = "2.05";
    server.responseData = state;
    await server.sendNotification(uri);
    await net.after(100);
  }

  it("Register: every field, and the Request properties", async () => {
    accept("20");
    const told = listen(server);
    const seen: unknown[] = [];
    server.on("Register", (e) => {
      assertEquals([e.token, e.tokenB], [toHex(e.request.token), e.request.token]);
      seen.push(server.requestOptions.map(({ number, value }) => `${number}=${value}`));
    });
    const states: string[] = [];
    client.on("Notification", () => void states.push(text(client.responseData)));
    await net.run(client.startObserving("coap://server/t?unit=C"));
    const address = { remoteHost: "127.0.0.1", remotePort: client.localPort };
    const target = { URIHost: "server", URIPort: 5683, URIPath: "/t", URIQuery: "unit=C" };
    const uri = "coap://server/t?unit=C";
    assertEquals(told, [
      ["Register", {
        ...address,
        ...target,
        URI: uri,
        token: toHex(net.messages[0]!.token),
        accept: true,
      }],
      ["ResponseComplete", { requestId: "1.1", errorCode: 0, errorDescription: "" }],
    ]);
    assertEquals(seen, [["3=server", "6=0", "11=t", "15=unit=C"]]);
    told.length = 0;
    await notify("21", uri);
    await net.run(client.stopObserving(uri));
    assertEquals(states, ["20", "21"]);
    assertEquals(told.map(([name]) => name), [
      "ResponseComplete",
      "Unregistered",
      "Request",
      "ResponseComplete",
    ]);
    assertEquals(told[0], ["ResponseComplete", {
      requestId: "1.1",
      errorCode: 0,
      errorDescription: "",
    }]);
    assertEquals(told[1], ["Unregistered", { ...address, ...target, URI: uri }]);
  });

  it("refused: the Response properties are the answer, and nobody observes", async () => {
    server.on("Register", () => {
      server.responseCode = "2.05";
      server.responseData = "once";
    });
    const told = listen(client);
    await net.run(client.startObserving(URI));
    assertEquals([text(client.responseData), inWords(told)], ["once", [
      "RequestComplete 1 0",
      "Error 710",
    ]]);
    net.sent.length = 0;
    await notify("1");
    assertEquals(net.sent, []);
  });

  for (const accepted of [true, false]) {
    it(`an empty responseCode: Request follows, accept ${accepted}`, async () => {
      const log: string[] = [];
      server.on("Register", (e) => {
        log.push("Register");
        e.accept = accepted;
        server.responseData = "not this";
      });
      server.on("Request", (e) => {
        log.push(`Request ${e.method} ${server.responseData.length}`);
        server.responseCode = "2.05";
        server.responseData = "this";
      });
      await net.run(client.startObserving(URI));
      assertEquals([log, text(client.responseData)], [["Register", "Request 1 0"], "this"]);
      const told = listen(client);
      await notify("next");
      assertEquals(inWords(told), accepted ? ["Notification"] : []);
    });
  }

  it("without any listener it is 4.04, and nobody observes", async () => {
    const told = listen(client);
    await net.run(client.startObserving(URI));
    assertEquals(inWords(told), ["RequestComplete 1 709", "Error 710"]);
    assertEquals(client.responseCode, "4.04");
  });

  it("accepted and answered outside 2.xx: nobody observes", async () => {
    server.on("Register", (e) => {
      e.accept = true;
      server.responseCode = "4.03";
    });
    await net.run(client.startObserving(URI));
    net.sent.length = 0;
    await notify("1");
    assertEquals(net.sent, []);
  });

  it("accepted, and answered later by sendResponse", async () => {
    server.on("Register", (e) => void (e.accept = true));
    server.on("Request", (e) => void (e.sendResponse = false));
    const states: string[] = [];
    client.on("Notification", () => void states.push(text(client.responseData)));
    const started = client.startObserving(URI);
    await net.after(5000);
    server.responseCode = "2.05";
    server.responseData = "later";
    await server.sendResponse("1.1");
    await net.run(started);
    await notify("next");
    assertEquals(states, ["later", "next"]);
  });

  it("a Register listener may be async, and one that fails is 5.00", async () => {
    server.once("Register", async (e) => {
      await Promise.resolve();
      e.accept = true;
      server.responseCode = "2.05";
      server.responseData = "async";
    });
    await net.run(client.startObserving(URI));
    assertEquals(text(client.responseData), "async");
    await net.run(client.stopObserving(URI));
    const told = listen(server, ["Error", "Request"]);
    server.once("Register", () => Promise.reject(new Error("No")));
    await net.run(client.startObserving(URI));
    assertEquals([client.responseCode, inWords(told)], ["5.00", ["Error 0"]]);
  });

  it("sendNotification goes to the observers of exactly that URI", async () => {
    accept();
    const other = net.component();
    const uris = [`${SERVER}/t`, `${SERVER}/t?unit=C`, `${SERVER}/t?unit=F`, "coap://server/t"];
    const seen: string[] = [];
    for (const component of [client, other]) {
      component.on("Notification", (e) => void seen.push(`${e.URI} ${e.response.text()}`));
      for (const uri of uris) await net.run(component.startObserving(uri));
    }
    for (const uri of uris) {
      seen.length = 0;
      await notify("1", uri);
      assertEquals(seen, [`${uri} 1`, `${uri} 1`]);
    }
    seen.length = 0;
    await notify("2", "coap://127.0.0.1:5683/t"); // another way to write the first one
    assertEquals(seen, [`${uris[0]} 2`, `${uris[0]} 2`]);
  });

  it("sendNotification without observers sends nothing, whatever the properties are", async () => {
    server.responseCode = "";
    await server.sendNotification(URI);
    assertEquals(net.sent, []);
    assertEquals((await failure(server.sendNotification("nonsense"))).code, 700);
  });

  it("sendNotification of no response is 707 or 701", async () => {
    accept();
    await net.run(client.startObserving(URI));
    for (const code of ["", "3.00", "7.01"]) {
      server.responseCode = code;
      assertEquals((await failure(server.sendNotification(URI))).code, 707, code);
    }
  });

  it("notifications are Confirmable or not by the property", async () => {
    accept();
    const told = listen(server, ["ResponseComplete"]);
    await net.run(client.startObserving(URI));
    for (const [use, type] of [[true, 0], [false, 1], [true, 0]] as const) {
      server.useConfirmableMessages = use;
      told.length = 0;
      net.sent.length = 0;
      server.responseCode = "2.05";
      await server.sendNotification(URI);
      assertEquals(net.messages.map((message) => message.type), [type]);
      assertEquals(inWords(told), use ? [] : ["ResponseComplete 1.1 0"]);
      await net.after(5000);
      assertEquals(inWords(told), ["ResponseComplete 1.1 0"]);
    }
  });

  it("ResponseComplete of a notification has the request that registered and the state", async () => {
    accept();
    await net.run(client.startObserving(URI));
    const seen: unknown[] = [];
    server.on("ResponseComplete", ({ request: { uri, observe, peer }, response, errorCode }) => {
      seen.push([uri, observe, peer.port, response?.codeText, response?.text(), errorCode]);
    });
    await notify("1");
    server.useConfirmableMessages = false;
    await notify("2");
    await net.after(10_000);
    server.responseContentFormat = 50; // not that of the first response
    await notify("3");
    await net.after(10_000);
    const { localPort } = client;
    assertEquals(seen, [
      [URI, 0, localPort, "2.05", "1", 0],
      [URI, 0, localPort, "2.05", "2", 0],
      [URI, 0, localPort, "4.06", "", 0],
    ]);
  });

  it("a registration that is given up before its listeners have ended comes to nothing", async () => {
    let go = (): void => {};
    const gate = new Promise<void>((resolve) => go = resolve);
    server.on("Request", async ({ URIPath }) => {
      server.responseCode = "2.05";
      if (URIPath === "/slow") await gate;
    });
    accept();
    const told = listen(server, ["Register", "Request", "Unregistered"]);
    const transport = await net.network.bind({ port: 9 }, {
      receive() {},
      turn() {},
      error() {},
    });
    const send = (id: number, path: string, observe?: number): void => {
      const options = [makeOption(OptionNumber.UriPath, path)];
      if (observe !== undefined) options.unshift(makeOption(OptionNumber.Observe, observe));
      const token = Uint8Array.of(path === "t" ? 1 : 0);
      const message = { type: MessageType.NonConfirmable, code: Code.GET, id, token, options };
      transport.send(transport.flow("127.0.0.1", 5683), encode(message));
    };
    send(1, "slow");
    send(2, "t", 0);
    send(3, "t", 1);
    transport.flush();
    await net.after(100);
    go();
    await net.after(100);
    assertEquals(inWords(told), ["Request 1.1", "Register", "Unregistered", "Request 1.3"]);
    net.sent.length = 0;
    await notify("1", `${SERVER}/t`);
    assertEquals(net.sent, []);
    await transport.close();
  });

  it("Non-confirmable notifications stay so", async () => {
    accept();
    await net.run(client.startObserving(URI));
    server.useConfirmableMessages = false;
    net.sent.length = 0;
    for (let i = 0; i < 12; i++) {
      server.responseCode = "2.05";
      await server.sendNotification(URI);
      await net.after(4000);
    }
    assertEquals(net.messages.map(({ type }) => type), new Array(12).fill(1));
  });

  it("outside 2.xx the observers are removed, after they are told", async () => {
    accept();
    await net.run(client.startObserving(URI));
    const told = listen(server);
    const seen: unknown[] = [];
    client.on("Notification", (e) => void seen.push(client.responseCode, e.stopObserving));
    server.responseCode = "4.04";
    await server.sendNotification(URI);
    await net.after(100);
    assertEquals(seen, ["4.04", true]);
    assertEquals(inWords(told), ["Unregistered", "ResponseComplete 1.1 0"]);
    net.sent.length = 0;
    await notify("1");
    assertEquals(net.sent, []);
  });

  it("Unregistered fires for observers that vanish", async () => {
    accept();
    await net.run(client.startObserving(URI));
    await net.run(client.startObserving(`${SERVER}/u`));
    const told = listen(server);
    net.network.conditions.drop = ({ from }) => from.port !== 5683;
    await notify("1");
    await net.after(100_000);
    assertEquals(inWords(told), ["ResponseComplete 1.1 704", "Unregistered"]);
    assertEquals(told[1]![1].URI, URI);
  });

  it("Unregistered fires for a Reset", async () => {
    accept();
    const { localPort } = client;
    assertEquals(localPort, 0);
    await net.run(client.startObserving(URI));
    const port = client.localPort;
    // The client forgets: what takes its place resets what it does not know.
    net.network.conditions.loss = 1;
    await client.shutdown();
    net.network.conditions.loss = 0;
    client.localPort = port;
    await net.run(client.get(SERVER));
    const told = listen(server);
    await notify("1");
    assertEquals(inWords(told), ["ResponseComplete 1.1 708", "Unregistered"]);
  });

  it("Unregistered fires for what another resource takes the token of", async () => {
    accept();
    const register = (path: string): Uint8Array =>
      encode({
        type: MessageType.NonConfirmable,
        code: Code.GET,
        id: path.charCodeAt(0),
        token: Uint8Array.of(7),
        options: [makeOption(OptionNumber.Observe, 0), makeOption(OptionNumber.UriPath, path)],
      });
    const told = listen(server, ["Register", "Unregistered"]);
    const transport = await net.network.bind({ port: 9 }, { receive() {}, turn() {}, error() {} });
    for (const path of ["a", "b"]) {
      transport.send(transport.flow("127.0.0.1", 5683), register(path));
      transport.flush();
      await net.after(100);
    }
    await transport.close();
    assertEquals(told.map(([name, { URIPath }]) => `${name} ${URIPath}`), [
      "Register /a",
      "Register /b",
      "Unregistered /a",
    ]);
  });

  it("Unregistered fires at once where there are too many observers", async () => {
    await server.shutdown();
    server = await net.listener({ limits: { observers: 1 } });
    accept();
    await net.run(client.startObserving(URI));
    const told = listen(server, ["Register", "Unregistered"]);
    await net.run(client.startObserving(`${SERVER}/u`));
    assertEquals(told.map(([name, { URIPath }]) => `${name} ${URIPath}`), [
      "Register /u",
      "Unregistered /u",
    ]);
    assertEquals((await failure(client.stopObserving(`${SERVER}/u`))).code, 710);
  });

  it("Unregistered fires at shutdown, and stopListening tells nobody", async () => {
    accept();
    await net.run(client.startObserving(URI));
    const told = listen(server);
    net.sent.length = 0;
    await server.stopListening();
    assertEquals([told, net.sent], [[], []]);
    await notify("still");
    assertEquals(text(client.responseData), "still");
    told.length = 0;
    await server.shutdown();
    assertEquals(inWords(told), ["Unregistered"]);
  });

  it("registering again is one observation, whose id is the newer one", async () => {
    accept();
    server.on("Register", () => void 0);
    await net.run(client.startObserving(URI));
    await net.after(80_000); // Max-Age has passed: the client registers again
    const told = listen(server, ["ResponseComplete"]);
    const states: string[] = [];
    client.on("Notification", () => void states.push(text(client.responseData)));
    await notify("1");
    assertEquals([inWords(told), states], [["ResponseComplete 1.2 0"], ["1"]]);
  });

  it("a refusal of a registration made again ends the observation", async () => {
    let accepts = true;
    server.on("Register", (e) => {
      e.accept = accepts;
      server.responseCode = "2.05";
    });
    await net.run(client.startObserving(URI));
    accepts = false;
    const told = listen(server, ["Unregistered"]);
    await net.after(80_000);
    assertEquals(inWords(told), ["Unregistered"]);
    assertEquals((await failure(client.stopObserving(URI))).code, 710);
  });

  it("a hundred observers, some of which leave between notifications", async () => {
    accept();
    const clients = Array.from({ length: 100 }, () => net.component());
    let count = 0;
    for (const one of clients) {
      one.on("Notification", () => void count++);
      await net.run(one.startObserving(URI));
    }
    const told = listen(server, ["Unregistered"]);
    count = 0;
    await notify("1");
    assertEquals(count, 100);
    for (const one of clients.slice(0, 30)) await net.run(one.stopObserving(URI));
    count = 0;
    await notify("2");
    assertEquals([count, told.length], [70, 30]);
  });
});

import { afterEach, beforeEach, describe, it } from "node:test";
import { assert, assertEquals } from "@std/assert";
import { ComponentSimulation, inWords, listen } from "../../testing/simulated_components.ts";
import { failure, SERVER } from "../../testing/simulated_endpoints.ts";
import { encodeBlock } from "../wire/block_option.ts";
import { Code } from "../wire/code.ts";
import { encode, MessageType } from "../wire/message.ts";
import { makeOption, OptionNumber } from "../wire/option.ts";
import type { CoAP } from "./coap.ts";
import { CoAPOption } from "./option_list.ts";

const { Acknowledgement, Confirmable, Reset } = MessageType;

describe("the error codes of CoAP", () => {
  let net: ComponentSimulation;
  let coap: CoAP;
  beforeEach(() => {
    net = new ComponentSimulation();
    coap = net.component();
  });
  afterEach(() => net.close());

  /** Fails as the promise does; with the code of the event, where one fired. */
  async function fails(promise: Promise<unknown>): Promise<number[]> {
    const told = listen(coap, ["RequestComplete"]);
    const { code } = await failure(net.run(promise));
    return [code, ...told.map(([, { errorCode }]) => errorCode as number)];
  }

  /** Bytes to a port, from another. */
  async function throwAt(port: number, bytes: Uint8Array): Promise<void> {
    const transport = await net.network.bind({ port: 9 }, { receive() {}, turn() {}, error() {} });
    transport.send(transport.flow("127.0.0.1", port), bytes);
    transport.flush();
    await net.after(100);
    await transport.close();
  }

  it("700: a malformed URI, before anything is sent", async () => {
    const uris = ["", "x", "/a", "http://127.0.0.1/", "coap:127.0.0.1", "coap://", "coap://h:0/"];
    for (const uri of [...uris, "coap://h/%zz", "coap://h/#fragment", "coap://u@h/"]) {
      for (
        const send of [
          () => coap.get(uri),
          () => coap.post(uri),
          () => coap.put(uri),
          () => coap.delete(uri),
          () => coap.sendCustomRequest(uri, 5),
          () => coap.startObserving(uri),
          () => coap.stopObserving(uri),
        ]
      ) {
        coap.requestContentFormat = 0;
        assertEquals(await fails(send()), [700], uri);
      }
    }
    assertEquals([net.sent.length, coap.pendingRequests.size], [0, 0]);
    coap.localPort = 1; // no socket is open
  });

  it("701: options that do not fit, before anything is sent", async () => {
    const bad: [number, string][] = [
      [14, "x"],
      [12, "65536"],
      [4, "0"],
      [3, ""],
      [8, "Location-Path in a request"],
      [65_535, "x".repeat(70_000)],
    ];
    for (const [number, value] of bad.slice(1)) {
      coap.requestOptions.clear();
      coap.requestOptions.add(new CoAPOption(number, value));
      assertEquals(await fails(coap.get(SERVER)), [701], `${number}`);
      assertEquals(await fails(coap.startObserving(SERVER)), [701], `${number}`);
    }
    coap.requestOptions.clear();
    for (const value of ["0", "50"]) coap.requestOptions.add(new CoAPOption(17, value));
    assertEquals(await fails(coap.get(SERVER)), [701]); // Accept twice
    assertEquals([net.sent.length, coap.pendingRequests.size], [0, 0]);
  });

  it("702: a blockwise transfer that goes wrong", async () => {
    await net.peer(({ id, token }) =>
      encode({
        type: Acknowledgement,
        id,
        token,
        code: Code.Content,
        // Whichever block is asked for, this one comes.
        options: [makeOption(OptionNumber.Block2, encodeBlock(3, true, 6))],
        payload: new Uint8Array(1024),
      })
    );
    assertEquals(await fails(coap.get(SERVER)), [702, 702]);
  });

  it("703: an undecodable datagram, at most one Error a second, in both modes", async () => {
    const server = await net.listener();
    await net.run(coap.get(SERVER));
    for (const one of [coap, server]) {
      const told = listen(one, ["Error"]);
      const port = one.localPort;
      for (let i = 0; i < 5; i++) await throwAt(port, Uint8Array.of(0x4f, 1, 0, i));
      assertEquals(told.length, 1);
      await net.after(1000);
      await throwAt(port, Uint8Array.of(1));
      assertEquals(told.map(([, { errorCode }]) => errorCode), [703, 703]);
      assert(/"127\.0\.0\.1" port 9 .*too-short/.test(told[1]![1].description as string));
    }
  });

  it("703: longer than MaxPacketSize", async () => {
    const server = net.component();
    server.localPort = 5683;
    await server.config("MaxPacketSize=64");
    await server.startListening();
    const told = listen(server, ["Error", "Request"]);
    const message = { code: Code.GET, token: Uint8Array.of(1) };
    const path = (length: number) => [makeOption(OptionNumber.UriPath, "x".repeat(length))];
    const longest = encode({ ...message, id: 1, options: path(64 - 4 - 1 - 2) });
    assertEquals(longest.length, 64);
    await throwAt(5683, longest);
    await throwAt(5683, encode({ ...message, id: 2, options: path(64 - 4 - 1 - 1) }));
    assertEquals(inWords(told), ["Request 1.1", "Error 703"]);
  });

  it("704: no answer in time, or retransmission gives up", async () => {
    coap.timeout = 5;
    assertEquals(await fails(coap.get(SERVER)), [704, 704]);
    coap.timeout = 1000;
    assertEquals(await fails(coap.get(SERVER)), [704, 704]);
    assert(net.clock.now() < 100_000);
  });

  it("705: refused by the host", async () => {
    net.network.conditions.refuse = true;
    assertEquals(await fails(coap.get(SERVER)), [705, 705]);
  });

  it("705: a server whose client's host refuses the response", async () => {
    const server = await net.listener();
    server.on("Request", (e) => void (e.sendResponse = false));
    await throwAt(5683, encode({ type: MessageType.NonConfirmable, code: Code.GET, id: 1 }));
    net.network.conditions.refuse = true;
    const told = listen(server, ["Error"]);
    server.responseCode = "2.05";
    await server.sendResponse("1.1");
    await net.after(100);
    assertEquals(told.map(([, { errorCode }]) => errorCode), [705]);
  });

  it("706: an id that is not pending", async () => {
    assertEquals((await failure(coap.cancelRequest("1"))).code, 706);
    await coap.startListening();
    assertEquals((await failure(coap.cancelRequest("1.1"))).code, 706);
    assertEquals((await failure(coap.sendResponse("1.1"))).code, 706);
  });

  it("707: a response code that can not be set, or not be sent", async () => {
    for (const code of ["1.00", "2.32", "x"]) {
      const error = await failure(Promise.resolve().then(() => coap.responseCode = code));
      assertEquals([error.code, coap.responseCode], [707, ""]);
    }
    const server = await net.listener();
    server.on("Request", (e) => void (e.sendResponse = false));
    coap.timeout = 0;
    await coap.get(SERVER);
    await net.after(100);
    for (const code of ["", "3.00", "6.01", "7.31"]) {
      server.responseCode = code;
      const error = await failure(server.sendResponse("1.1"));
      assertEquals([error.code, error.message.split(": ")[1]], [707, `it is "${code}"`]);
    }
  });

  it("708: a Reset", async () => {
    await net.peer(({ id, type }) =>
      type === Confirmable ? encode({ type: Reset, code: Code.Empty, id }) : undefined
    );
    assertEquals(await fails(coap.get(SERVER)), [708, 708]);
  });

  it("709: a response outside 2.xx", async () => {
    await net.listener();
    const told = listen(coap);
    await net.run(coap.get(SERVER));
    assertEquals(told[0]![1].errorCode, 709);
    assertEquals(told[0]![1].errorDescription, "4.04 Not Found");
  });

  it("710: what is not observed, or can not be", async () => {
    const server = await net.listener();
    server.on("Request", () => void (server.responseCode = "2.05"));
    assertEquals((await failure(coap.stopObserving(SERVER))).code, 710);
    const told = listen(coap, ["Error"]);
    await net.run(coap.startObserving(SERVER));
    assertEquals(told.map(([, { errorCode }]) => errorCode), [710]);
  });

  it("711: canceled, in both modes", async () => {
    const server = await net.listener();
    server.on("Request", (e) => void (e.sendResponse = false));
    const told = listen(server, ["ResponseComplete"]);
    const promise = coap.get(SERVER);
    await net.after(100);
    await server.cancelRequest("1.1");
    assertEquals(told.map(([, { errorCode }]) => errorCode), [711]);
    await coap.cancelRequest("1");
    assertEquals(await fails(promise), [711]);
  });

  /** Methods by the mode that they need. */
  const client = ["get", "post", "put", "delete", "startObserving", "stopObserving"] as const;
  const server = ["sendResponse", "sendNotification"] as const;

  it("712: every method in the wrong mode", async () => {
    const wrong = async (promise: Promise<unknown>, name: string): Promise<void> =>
      assertEquals((await failure(promise)).code, 712, name);
    const rejected = async (): Promise<void> => {
      for (const name of client) await wrong(coap[name](SERVER), name);
      await wrong(coap.sendCustomRequest(SERVER, 5), "sendCustomRequest");
    };
    for (const name of server) await wrong(coap[name](SERVER), name);
    await wrong(coap.stopListening(), "stopListening");
    await coap.startListening();
    await rejected();
    await coap.stopListening();
    await rejected(); // the socket is still a server's
    await coap.sendNotification(SERVER);
    await coap.stopListening();
    await coap.shutdown();
    for (const name of server) await wrong(coap[name](SERVER), name);
    assertEquals(net.sent.length, 0);
    coap.timeout = 0;
    await coap.get(SERVER);
  });

  it("712: from the call of startListening on", async () => {
    await net.listener();
    const starting = coap.startListening();
    for (let turn = 0; turn < 4; turn++) {
      assertEquals((await failure(coap.get(SERVER))).code, 712, `turn ${turn}`);
    }
    await starting;
    await coap.shutdown();
    assertEquals(net.sent.length, 0);
  });

  it("712: from the call of shutdown to its end, also for those whom it interrupts", async () => {
    const server = await net.listener();
    server.on("Request", (e) => void (e.sendResponse = false));
    coap.timeout = 0;
    const again: Promise<number>[] = [];
    coap.on(
      "RequestComplete",
      () => void again.push(failure(coap.get(SERVER)).then((e) => e.code)),
    );
    await coap.get(SERVER);
    await net.after(100);
    const shutting = Promise.all([coap.shutdown(), coap.shutdown()]);
    assertEquals((await failure(coap.get(SERVER))).code, 712);
    await shutting;
    assertEquals(await Promise.all(again), [712]);
    assertEquals([coap.pendingRequests.size, coap.localPort], [0, 0]);
    assertEquals(await coap.get(SERVER), "2");
  });

  it("712: settings of the socket while one is open", async () => {
    await coap.startListening();
    for (const name of ["LocalHost=", "LocalPort=1", "UseIPv6=True", "ShareLocalPort=True"]) {
      assertEquals((await failure(coap.config(name))).code, 712, name);
    }
    for (const name of ["MaxPacketSize=100", "UseConnection=True", "InBufferSize=5000"]) {
      assertEquals((await failure(coap.config(name))).code, 712, name);
    }
    await coap.config("LogLevel=0");
    await coap.config("CodePage=1252");
  });

  it("712: a connected socket can not listen", async () => {
    await coap.config("UseConnection=True");
    assertEquals((await failure(coap.startListening())).code, 712);
    assertEquals(coap.listening, false);
  });
});

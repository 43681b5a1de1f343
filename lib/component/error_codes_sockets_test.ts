import { afterEach, beforeEach, describe, it } from "node:test";
import { assertEquals, assertThrows } from "@std/assert";
import { type AddressInfo, createServer } from "node:net";
import { failure } from "../../testing/simulated_endpoints.ts";
import { CoAPError } from "../errors.ts";
import { udpFeatures } from "../endpoint/features.ts";
import { bindUdp, type Flow, type Transport } from "../transport/udp.ts";
import { encodeBlock } from "../wire/block_option.ts";
import { Code } from "../wire/code.ts";
import { decode, encode, type Message, MessageType } from "../wire/message.ts";
import { makeOption, OptionNumber } from "../wire/option.ts";
import { CoAP } from "./coap.ts";
import { CoAPOption } from "./option_list.ts";

const noConnect = udpFeatures().connects ? false : "this runtime can not connect UDP sockets";

/** What a peer answers to a message; undefined is silence. */
type Script = (message: Message) => Parameters<typeof encode>[0] | undefined;

describe("the error codes of CoAP, on real sockets", () => {
  let coap: CoAP;
  let peer: Transport;
  let client: Flow | undefined;
  let script: Script;
  let uri: string;

  beforeEach(async () => {
    script = () => undefined;
    coap = new CoAP();
    peer = await bindUdp({ hostname: "127.0.0.1" }, {
      receive: (flow, bytes) => {
        client = flow;
        const { type, id, token } = decode(bytes);
        const answer = type === MessageType.Confirmable ? script(decode(bytes)) : undefined;
        if (answer === undefined) return;
        peer.send(flow, encode({ type: MessageType.Acknowledgement, id, token, ...answer }));
        peer.flush();
      },
      turn: () => {},
      error: () => {},
    });
    uri = `coap://127.0.0.1:${peer.address.port}/`;
  });
  afterEach(async () => {
    await coap.shutdown();
    await peer.close();
  });

  /** Codes of the events of these names. */
  function codesOf(...names: ("Error" | "RequestComplete")[]): number[] {
    const codes: number[] = [];
    for (const name of names) coap.on(name, (e) => void codes.push(e.errorCode));
    return codes;
  }

  it("700: a malformed URI", async () => {
    assertEquals((await failure(coap.get("coap//127.0.0.1"))).code, 700);
  });

  it("701: an option that does not fit", async () => {
    coap.requestOptions.add(new CoAPOption(17, "json"));
    assertEquals((await failure(coap.get(uri))).code, 701);
  });

  it("702: blocks that do not follow one another, either way", async () => {
    const codes = codesOf("RequestComplete");
    script = () => ({
      code: Code.Content,
      options: [makeOption(OptionNumber.Block2, encodeBlock(3, true, 6))],
      payload: new Uint8Array(1024),
    });
    assertEquals((await failure(coap.get(uri))).code, 702);
    script = () => ({
      code: Code.Continue,
      options: [makeOption(OptionNumber.Block1, encodeBlock(7, true, 6))],
    });
    coap.requestData = new Uint8Array(5000);
    assertEquals((await failure(coap.put(uri))).code, 702);
    assertEquals(codes, [702, 702]);
  });

  it("703: a datagram that is no message", async () => {
    script = () => ({ code: Code.Content });
    await coap.get(uri);
    const codes = codesOf("Error");
    const told = new Promise((resolve) => coap.once("Error", resolve));
    for (let i = 0; i < 3; i++) peer.send(client!, Uint8Array.of(0x4f, i));
    peer.flush();
    await told;
    await coap.get(uri); // what came before it has been handled
    assertEquals(new Set(codes), new Set([703])); // one, unless they were a second apart
  });

  it("704: nobody answers in time", async () => {
    const codes = codesOf("RequestComplete");
    coap.timeout = 0.02;
    assertEquals((await failure(coap.get(uri))).code, 704);
    assertEquals(codes, [704]);
  });

  it("704: retransmission gives up", async () => {
    coap = new CoAP({ parameters: { ackTimeout: 20, ackRandomFactor: 1, maxRetransmit: 1 } });
    coap.timeout = 0;
    const codes = codesOf("RequestComplete");
    const over = new Promise((resolve) => coap.once("RequestComplete", resolve));
    assertEquals(await coap.get(uri), "1");
    await over;
    assertEquals([codes, coap.pendingRequests.size], [[704], 0]);
  });

  it("705: the host says that nobody listens", { skip: noConnect }, async () => {
    const codes = codesOf("RequestComplete");
    await coap.config("UseConnection=True");
    await peer.close();
    const error = await failure(coap.get(uri));
    assertEquals([error.code, (error.cause as { code?: string }).code], [705, "ECONNREFUSED"]);
    assertEquals(codes, [705]);
  });

  it("705: an Abort over TCP, and nobody who listens there", async () => {
    const server = createServer((socket) => {
      let bytes = new Uint8Array();
      socket.on("error", () => {});
      socket.on("data", (chunk) => {
        bytes = Uint8Array.from([...bytes, ...chunk]);
        const capabilities = 2 + (bytes[0]! >> 4); // the length of the first message, a short one without a token
        if (bytes.length > capabilities) socket.write(Uint8Array.of(0x00, 0xe5));
      });
      socket.write(Uint8Array.of(0x00, 0xe1));
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as AddressInfo;
    const codes = codesOf("RequestComplete");
    assertEquals((await failure(coap.get(`coap+tcp://127.0.0.1:${port}/`))).code, 705);
    await coap.shutdown();
    await new Promise((resolve) => server.close(resolve));
    assertEquals((await failure(coap.get(`coap+tcp://127.0.0.1:${port}/`))).code, 705);
    assertEquals(codes, [705, 705]);
  });

  it("706: an id that is not pending", async () => {
    assertEquals((await failure(coap.cancelRequest("1"))).code, 706);
    coap.localHost = "127.0.0.1";
    await coap.startListening();
    assertEquals((await failure(coap.sendResponse("1.1"))).code, 706);
  });

  it("707: a code that no response has", () => {
    const error = assertThrows(() => coap.responseCode = "1.05", CoAPError);
    assertEquals([error.code, coap.responseCode], [707, ""]);
  });

  it("708: a Reset", async () => {
    const codes = codesOf("RequestComplete");
    script = () => ({ type: MessageType.Reset, code: Code.Empty, token: new Uint8Array() });
    assertEquals((await failure(coap.get(uri))).code, 708);
    assertEquals(codes, [708]);
  });

  it("709: a response outside 2.xx", async () => {
    const codes = codesOf("RequestComplete");
    script = () => ({ code: Code.MethodNotAllowed });
    assertEquals([await coap.get(uri), codes, coap.responseCode], ["", [709], "4.05"]);
  });

  it("710: a server that does not observe", async () => {
    const codes = codesOf("RequestComplete", "Error");
    script = () => ({ code: Code.Content });
    assertEquals([await coap.startObserving(uri), codes], ["", [0, 710]]);
    assertEquals((await failure(coap.stopObserving(uri))).code, 710);
  });

  it("711: canceled", async () => {
    const codes = codesOf("RequestComplete");
    const code = failure(coap.get(uri)).then((error) => error.code);
    await coap.cancelRequest([...coap.pendingRequests.keys()][0]!);
    assertEquals([await code, codes], [711, [711]]);
  });

  it("712: the wrong mode", async () => {
    assertEquals((await failure(coap.sendResponse("1"))).code, 712);
    coap.localHost = "127.0.0.1";
    await coap.startListening();
    assertEquals((await failure(coap.get(uri))).code, 712);
  });
});

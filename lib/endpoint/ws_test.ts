import { afterEach, describe, it } from "node:test";
import { assertEquals, assertMatch, assertRejects } from "@std/assert";
import { noUpgrades, upgradeFor, type UpgradingServer } from "../../testing/web_socket_server.ts";
import { CoAPError } from "../errors.ts";
import { Code } from "../wire/code.ts";
import { decodeFrame, encodeFrame } from "../wire/frame.ts";
import { CoAPClient } from "./client.ts";
import { CoAPResponse } from "./response.ts";
import { Router } from "./router.ts";
import { type Handler, type HandlerObject, serve, type Server } from "./server.ts";

const skip = await noUpgrades() ?? false;
const open: { close(): Promise<void> }[] = [];

async function start(handler: Handler | HandlerObject): Promise<[Server, UpgradingServer, string]> {
  const server = await serve({ udp: false, ws: true }, handler);
  const http = await upgradeFor(server);
  open.push(server, http);
  return [server, http, `coap+ws://127.0.0.1:${http.port}`];
}

function makeClient(): CoAPClient {
  const client = new CoAPClient();
  open.push(client);
  return client;
}

afterEach(async () => {
  for (const each of open.splice(0).reverse()) await each.close();
});

/** A socket of the Web, its messages as they come. */
class RawSocket {
  readonly socket: WebSocket;
  readonly closed: Promise<void>;
  readonly #messages: Uint8Array[] = [];
  #wake: () => void = () => {};

  constructor(port: number, protocols: string[] = ["coap"]) {
    this.socket = new WebSocket(`ws://127.0.0.1:${port}/.well-known/coap`, protocols);
    this.socket.binaryType = "arraybuffer";
    this.socket.onmessage = ({ data }) => {
      this.#messages.push(new Uint8Array(data as ArrayBuffer));
      this.#wake();
    };
    this.socket.onerror = () => {};
    this.closed = new Promise((resolve) => this.socket.onclose = () => resolve());
  }

  async next(): Promise<{ code: number; text: string }> {
    while (this.#messages.length === 0) await new Promise<void>((wake) => this.#wake = wake);
    const { code, payload } = decodeFrame(this.#messages.shift()!, { length: false });
    return { code, text: new TextDecoder().decode(payload) };
  }
}

describe("client and server over WebSockets: RFC 8323 section 4", { skip }, () => {
  it("requests, with the Host as Uri-Host (8323-4-4)", async () => {
    const [, http, uri] = await start(({ uri, peer }) =>
      CoAPResponse.text(`${peer.scheme} ${uri}`)
    );
    const client = makeClient();
    const response = await client.get(`${uri}/a?b`);
    assertEquals(response.text(), `coap+ws coap+ws://127.0.0.1:${http.port}/a?b`);
    await client.ping(uri);
  });

  it("bodies of 1 MB, and observing", async () => {
    let state = 0;
    const body = Uint8Array.from({ length: 1_000_000 }, (_, i) => i * 7);
    const router = new Router()
      .post("/echo", ({ payload }) => new CoAPResponse(payload, { code: Code.Content }))
      .get("/state", () => CoAPResponse.text(`${state}`), { observable: true });
    const [server, , uri] = await start(router);
    const client = makeClient();
    assertEquals((await client.post(`${uri}/echo`, { payload: body })).payload, body);
    const states: string[] = [];
    for await (const { payload } of client.observe(`${uri}/state`)) {
      states.push(new TextDecoder().decode(payload));
      if (states.length === 3) break;
      state++;
      await server.notify("/state");
    }
    assertEquals(states, ["0", "1", "2"]);
  });

  it("a text message aborts, and the server goes on (8323-4-2)", async () => {
    const [, http, uri] = await start(() => CoAPResponse.text("alive"));
    const raw = new RawSocket(http.port);
    assertEquals((await raw.next()).code, Code.CSM);
    raw.socket.send("CSM, please");
    assertEquals(await raw.next(), { code: Code.Abort, text: "Message is no binary one" });
    await raw.closed;
    assertEquals((await makeClient().get(uri)).text(), "alive");
  });

  it("a message with a length aborts, one that is too large as well", async () => {
    const [, http] = await start(() => CoAPResponse.text(""));
    const raw = new RawSocket(http.port);
    await raw.next();
    raw.socket.send(
      encodeFrame({ code: Code.CSM, options: [{ number: 2, value: new Uint8Array([4, 0]) }] }),
    );
    assertEquals((await raw.next()).text, "Message format error: frame-length");
    await raw.closed;
    const large = new RawSocket(http.port);
    await large.next();
    large.socket.send(encodeFrame({ code: Code.CSM }, { length: false }));
    large.socket.send(new Uint8Array(8 * 1024 * 1024 + 1025));
    const { code, text } = await large.next();
    assertEquals(code, Code.Abort);
    assertMatch(text, /^Message of 8389633 bytes is larger than 8389632$/);
    await large.closed;
  });

  it("a handshake without the subprotocol is refused (8323-4-1)", async () => {
    const [, http, uri] = await start(() => CoAPResponse.text("alive"));
    const raw = new RawSocket(http.port, []);
    let opened = false;
    raw.socket.onopen = () => opened = true;
    await raw.closed;
    assertEquals(opened, false);
    assertEquals((await makeClient().get(uri)).text(), "alive");
  });

  it("nobody there", async () => {
    const [, http, uri] = await start(() => CoAPResponse.text(""));
    await http.close();
    open.pop();
    const error = await assertRejects(() => makeClient().get(uri), CoAPError);
    assertEquals(error.reason, "transport");
  });
});

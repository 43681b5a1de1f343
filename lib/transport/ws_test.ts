import { afterEach, describe, it } from "node:test";
import { assertEquals, assertRejects } from "@std/assert";
import { CoAPError } from "../errors.ts";
import type { Flow } from "../flow.ts";
import type { StreamHandler, StreamOptions } from "./stream.ts";
import {
  bindWebSocket,
  bunWebSocket,
  isCoAPUpgrade,
  type WebSocketEvent,
  type WebSocketLike,
  type WebSocketPeer,
} from "./ws.ts";

type Listener = (event: WebSocketEvent) => void;

const OPTIONS: StreamOptions = { listen: {}, messageBytes: 1000, receiveBytes: 10_000 };

/** A socket that only notes what is done to it. */
class NotedSocket implements WebSocketLike {
  binaryType = "blob";
  readyState = 1;
  bufferedAmount = 0;
  protocol = "coap";
  readonly sent: Uint8Array[] = [];
  closed = 0;
  readonly #listeners = new Map<string, Listener[]>();

  send(bytes: Uint8Array): void {
    this.sent.push(bytes.slice());
  }

  close(): void {
    this.closed++;
  }

  addEventListener(type: string, listener: Listener): void {
    this.#listeners.set(type, [...this.#listeners.get(type) ?? [], listener]);
  }

  tell(type: string, event: WebSocketEvent = {}): void {
    for (const listener of this.#listeners.get(type) ?? []) listener(event);
  }
}

/** What a transport has told. */
class Told implements StreamHandler {
  readonly notes: string[] = [];
  readonly flows: Flow[] = [];
  accepts = true;

  connected(flow: Flow): void {
    this.flows.push(flow);
  }

  receive(_flow: Flow, bytes: Uint8Array): boolean {
    this.notes.push(`message ${bytes.join(" ")}`);
    return this.accepts;
  }

  partial(): void {
    this.notes.push("partial");
  }

  failed(_flow: Flow, detail: string): void {
    this.notes.push(`failed: ${detail}`);
  }

  writable(): void {
    this.notes.push("writable");
  }

  disconnected(_flow: Flow, error?: Error): void {
    this.notes.push(`disconnected ${error?.message}`);
  }

  turn(): void {}

  error(error: Error): void {
    this.notes.push(`error: ${error.message}`);
  }
}

async function accept(
  socket: NotedSocket = new NotedSocket(),
  peer: WebSocketPeer = {},
): Promise<[Told, NotedSocket, Awaited<ReturnType<typeof bindWebSocket>>]> {
  const told = new Told();
  const transport = await bindWebSocket(OPTIONS, told);
  transport.accept(socket, peer);
  return [told, socket, transport];
}

function message(...bytes: number[]): WebSocketEvent {
  return { data: Uint8Array.from(bytes).buffer };
}

describe("upgraded sockets", () => {
  it("are connections: messages in and out, until they are closed", async () => {
    const [told, socket, transport] = await accept();
    assertEquals(socket.binaryType, "arraybuffer");
    socket.tell("message", message(0, 0xe1));
    socket.tell("message", { data: Uint8Array.of(9, 1, 2).subarray(1) }); // as Bun and `ws` may have it
    transport.send(told.flows[0]!, Uint8Array.of(0, 0xe1));
    transport.send(told.flows[0]!, Uint8Array.of(0, 0xe2));
    transport.flush();
    assertEquals(socket.sent, [Uint8Array.of(0, 0xe1), Uint8Array.of(0, 0xe2)]);
    await Promise.resolve();
    socket.tell("close");
    assertEquals(told.notes, [
      "message 0 225",
      "message 1 2",
      "writable",
      "disconnected undefined",
    ]);
  });

  it("know the host, the scheme and the peer of their request", async () => {
    const cases: [WebSocketPeer, unknown[]][] = [
      [
        { url: "https://a.example:8443/.well-known/coap", remote: { address: "::1", port: 4000 } },
        ["coaps+ws", "a.example", 8443, "::1", 4000],
      ],
      [{ url: "http://[2001:db8::1]/x" }, ["coap+ws", "2001:db8::1", 80, "", 0]],
      [{ url: "wss://b.example/", remote: null }, ["coaps+ws", "b.example", 443, "", 0]],
      [{}, ["coap+ws", "localhost", 80, "", 0]],
    ];
    for (const [peer, expected] of cases) {
      const [{ flows: [flow] }] = await accept(new NotedSocket(), peer);
      const { scheme, hostname, localPort, address, port } = flow!;
      assertEquals([scheme, hostname, localPort, address, port], expected);
    }
  });

  it("may still be opening", async () => {
    const socket = new NotedSocket();
    socket.readyState = 0;
    const [told] = await accept(socket);
    assertEquals(told.flows.length, 0);
    socket.tell("open");
    socket.tell("open");
    assertEquals(told.flows.length, 1);
  });

  it("fail with text, and with what is too large (8323-4-2)", async () => {
    for (
      const [data, detail] of [
        ["text", "Message is no binary one"],
        [new Blob(["x"]), "Message is no binary one"],
        [new ArrayBuffer(1001), "Message of 1001 bytes is larger than 1000"],
      ] as const
    ) {
      const [told, socket] = await accept();
      socket.tell("message", { data });
      socket.tell("message", message(1));
      socket.tell("close");
      assertEquals([told.notes, socket.closed], [[`failed: ${detail}`], 1]);
    }
  });

  it("can not be held back: what waits is bounded", async () => {
    const [told, socket, transport] = await accept();
    told.accepts = false;
    socket.tell("message", message(1));
    socket.tell("message", message(2));
    assertEquals(told.notes, ["message 1"]);
    told.accepts = true;
    transport.resume(told.flows[0]!);
    socket.tell("message", message(3));
    assertEquals(told.notes, ["message 1", "message 2", "message 3"]);
    told.accepts = false;
    socket.tell("message", message(4));
    socket.tell("message", { data: new ArrayBuffer(600) });
    socket.tell("message", { data: new ArrayBuffer(400) });
    assertEquals(told.notes.at(-1), "message 4");
    socket.tell("message", message(5));
    assertEquals([told.notes.at(-1), socket.closed], ["failed: Too many messages wait", 1]);
  });

  it("are asked again and again whether they have sent everything", async () => {
    const [told, socket, transport] = await accept();
    socket.bufferedAmount = 5;
    transport.send(told.flows[0]!, Uint8Array.of(0, 0));
    transport.flush();
    await new Promise((resolve) => setTimeout(resolve, 30));
    assertEquals(told.notes, []);
    socket.bufferedAmount = 0;
    while (told.notes.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    assertEquals(told.notes, ["writable"]);
  });

  it("are asked by one timer, however much waits", async () => {
    const [told, socket, transport] = await accept();
    const { setTimeout } = globalThis;
    let timers = 0;
    const counting = (...args: Parameters<typeof setTimeout>): ReturnType<typeof setTimeout> => {
      timers++;
      return setTimeout(...args);
    };
    socket.bufferedAmount = 5;
    globalThis.setTimeout = counting as typeof setTimeout;
    try {
      for (let i = 0; i < 100; i++) {
        transport.send(told.flows[0]!, Uint8Array.of(0, 0xe3));
        transport.flush();
      }
    } finally {
      globalThis.setTimeout = setTimeout;
    }
    assertEquals([timers, socket.sent.length, told.notes], [1, 100, []]);
    socket.bufferedAmount = 0;
    while (told.notes.length === 0) await new Promise((resolve) => setTimeout(resolve, 1));
    assertEquals(told.notes, ["writable"]);
    await transport.close();
  });

  it("are closed where nobody listens any more", async () => {
    const [, first, transport] = await accept();
    await transport.close();
    const late = new NotedSocket();
    transport.accept(late, {});
    assertEquals([first.closed, late.closed], [1, 1]);
  });
});

describe("sockets that are opened", () => {
  const scope = globalThis as { WebSocket?: unknown };
  const { WebSocket: own } = scope;
  afterEach(() => void (scope.WebSocket = own));
  const target = { scheme: "coap+ws", host: "a.example", port: 80 } as const;

  /** Connects with sockets that a test has in hand. */
  async function connect(
    host: string,
    scheme: "coap+ws" | "coaps+ws" = "coap+ws",
  ): Promise<[Promise<unknown>, NotedSocket, unknown[], Told]> {
    const socket = new NotedSocket();
    const asked: unknown[] = [];
    scope.WebSocket = class {
      constructor(...args: unknown[]) {
        asked.push(...args);
        return socket;
      }
    };
    const told = new Told();
    const transport = await bindWebSocket({ ...OPTIONS, listen: undefined }, told);
    const opened = transport.connect({ ...target, host, scheme }, new AbortController().signal);
    return [opened, socket, asked, told];
  }

  it("go to the well-known path with the subprotocol (8323-4-1, 4-4)", async () => {
    const [opened, socket, asked, told] = await connect("a.example");
    assertEquals(asked, ["ws://a.example:80/.well-known/coap", "coap"]);
    socket.tell("open");
    await opened;
    assertEquals(told.flows.length, 1);
    assertEquals(
      (await connect("2001:db8::1", "coaps+ws"))[2][0],
      "wss://[2001:db8::1]:80/.well-known/coap",
    );
  });

  it("are closed where the server does not select it (8323-4-1)", async () => {
    const [opened, socket, , told] = await connect("a.example");
    socket.protocol = "";
    socket.tell("open");
    await assertRejects(() => opened, Error, 'Server does not speak "coap"');
    assertEquals([socket.closed, told.flows.length], [1, 0]);
  });

  it("say why there is none, where that is told", async () => {
    for (
      const [event, text] of [
        [{ message: "Refused" }, "Refused"],
        [{}, "WebSocket could not be opened"],
      ] as const
    ) {
      const [opened, socket] = await connect("a.example");
      socket.tell("error", event);
      socket.tell("close");
      await assertRejects(() => opened, Error, text);
    }
  });

  it("are none where the runtime has none", async () => {
    scope.WebSocket = undefined;
    const transport = await bindWebSocket({ ...OPTIONS, listen: undefined }, new Told());
    const error = await assertRejects(
      () => transport.connect(target, new AbortController().signal),
      CoAPError,
    );
    assertEquals(error.reason, "unsupported-scheme");
  });
});

describe("isCoAPUpgrade", () => {
  const request = (url: string, headers: Record<string, string>) => ({
    url,
    headers: new Headers(headers),
  });
  const headers = { upgrade: "WebSocket", "sec-websocket-protocol": "chat, coap" };

  it("is for the path, the protocol and the upgrade", () => {
    const url = "http://a.example/.well-known/coap";
    assertEquals(isCoAPUpgrade(request(url, headers)), true);
    assertEquals(isCoAPUpgrade(request("/.well-known/coap", headers)), true);
    assertEquals(isCoAPUpgrade(request("http://a.example/", headers)), false);
    assertEquals(isCoAPUpgrade(request(url, { ...headers, upgrade: "h2c" })), false);
    assertEquals(isCoAPUpgrade(request(url, { upgrade: "websocket" })), false);
    const other = { ...headers, "sec-websocket-protocol": "coap2" };
    assertEquals(isCoAPUpgrade(request(url, other)), false);
  });
});

describe("bunWebSocket", () => {
  it("tells what happens to a socket", async () => {
    const told = new Told();
    const transport = await bindWebSocket(OPTIONS, told);
    const handlers = bunWebSocket((socket, peer) => transport.accept(socket, peer));
    const sent: Uint8Array[] = [];
    let corks = 0;
    let closed = 0;
    const socket = {
      data: { url: "http://a.example/", remote: { address: "192.0.2.1", port: 9 } },
      readyState: 1,
      sendBinary: (bytes: Uint8Array) => sent.push(bytes),
      cork: (send: () => void) => (corks++, send()),
      getBufferedAmount: () => 0,
      close: () => void closed++,
    };
    handlers.open(socket);
    handlers.message(socket, Uint8Array.of(0, 0xe1));
    transport.send(told.flows[0]!, Uint8Array.of(1));
    transport.flush();
    assertEquals([sent.length, corks], [1, 0]);
    transport.send(told.flows[0]!, Uint8Array.of(2));
    transport.send(told.flows[0]!, Uint8Array.of(3));
    transport.flush();
    assertEquals(corks, 1);
    handlers.message(socket, "text");
    handlers.close(socket);
    assertEquals(told.flows[0]!.address, "192.0.2.1");
    assertEquals(told.notes, ["message 0 225", "failed: Message is no binary one"]);
    assertEquals([sent, closed], [[1, 2, 3].map((byte) => Uint8Array.of(byte)), 1]);
  });
});

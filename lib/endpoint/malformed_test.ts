import { assertEquals } from "@std/assert";
import { createSocket, type Socket } from "node:dgram";
import { after, before, describe, it } from "node:test";
import { fromHex, malformed, toHex } from "../../testing/vectors.ts";
import { Code, parseCode } from "../wire/code.ts";
import { ContentFormat } from "../wire/content_format.ts";
import { decode, encode, type Message, MessageType } from "../wire/message.ts";
import { findOption, makeOption, type Option, OptionNumber } from "../wire/option.ts";
import type { IncomingRequest } from "./incoming_request.ts";
import { CoAPResponse } from "./response.ts";
import { Router } from "./router.ts";
import { serve, type Server } from "./server.ts";

const BODY = "body";
const TEST = makeOption(OptionNumber.UriPath, "test");

/** A socket without an endpoint, facing a live server. */
class Attacker {
  readonly #socket: Socket;
  readonly #port: number;
  readonly #inbox: Uint8Array[] = [];
  #wake = (): void => {};
  #id = 0x8000;

  private constructor(socket: Socket, port: number) {
    this.#socket = socket;
    this.#port = port;
    socket.on("message", (bytes) => {
      this.#inbox.push(new Uint8Array(bytes));
      this.#wake();
    });
  }

  static open(port: number): Promise<Attacker> {
    const socket = createSocket("udp4");
    return new Promise((resolve) => {
      socket.bind(0, "127.0.0.1", () => resolve(new Attacker(socket, port)));
    });
  }

  send(bytes: Uint8Array): void {
    this.#socket.send(bytes, this.#port, "127.0.0.1");
  }

  /**
   * Sends a datagram and a ping behind it. What arrives before the Reset that answers the ping is the answer to the
   * datagram: the loopback keeps the order.
   */
  async provoke(bytes: Uint8Array): Promise<Message[]> {
    this.send(bytes);
    const id = this.#id++;
    this.send(encode({ code: Code.Empty, id }));
    const messages: Message[] = [];
    for (;;) {
      const message = decode(await this.#next());
      if (message.type === MessageType.Reset && message.id === id) return messages;
      messages.push(message);
    }
  }

  /** A good request: the answer to it alone. */
  async get(): Promise<Message> {
    const id = this.#id++;
    const answers = await this.provoke(encode({ code: Code.GET, id, options: [TEST] }));
    assertEquals(answers.length, 1);
    return answers[0]!;
  }

  async #next(): Promise<Uint8Array> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    if (this.#inbox.length === 0) {
      await new Promise<void>((resolve, reject) => {
        this.#wake = resolve;
        timer = setTimeout(() => reject(new Error("The server is silent")), 5000);
      });
      clearTimeout(timer);
    }
    return this.#inbox.shift()!;
  }

  close(): Promise<void> {
    return new Promise((resolve) => this.#socket.close(() => resolve()));
  }
}

describe("a live server", () => {
  let server: Server;
  let attacker: Attacker;
  let last: IncomingRequest | undefined;
  const errors: unknown[] = [];

  before(async () => {
    const changed = new CoAPResponse(undefined, { code: Code.Changed });
    const router = new Router().resource("/test", {}, {
      get: () => CoAPResponse.text(BODY),
      put: (request) => (last = request, changed),
      post: (request) => (last = request, changed),
    });
    server = await serve({
      hostname: "127.0.0.1",
      port: 0,
      onError: (error) => errors.push(error),
    }, router);
    attacker = await Attacker.open(server.address.port);
  });
  after(async () => {
    await attacker.close();
    await server.close();
    assertEquals(errors, []);
  });

  async function assertServes(): Promise<void> {
    const answer = await attacker.get();
    assertEquals([answer.type, answer.code], [MessageType.Acknowledgement, Code.Content]);
    assertEquals(new TextDecoder().decode(answer.payload), BODY);
  }

  /** A response to the datagram: piggybacked for a Confirmable one, else Non-confirmable. */
  function assertResponse(answers: Message[], datagram: Message, code: number): void {
    assertEquals(answers.map((answer) => answer.code), [code]);
    const [answer] = answers;
    assertEquals(toHex(answer!.token), toHex(datagram.token));
    if (datagram.type === MessageType.Confirmable) {
      assertEquals([answer!.type, answer!.id], [MessageType.Acknowledgement, datagram.id]);
    } else assertEquals(answer!.type, MessageType.NonConfirmable);
  }

  for (const { id, hex, reason, expected } of malformed.datagrams) {
    const { action, rst_hex: reset } = expected;
    it(`answers ${id} (${reason}): ${action}`, async () => {
      const datagram = decode(fromHex(hex));
      const answers = await attacker.provoke(fromHex(hex));
      const [kind, code] = action.split(":");
      switch (kind) {
        case "ignore":
          assertEquals(answers.length, 0);
          break;
        case "rst-or-ignore":
        case "rst":
          if (kind === "rst-or-ignore" && answers.length === 0) break;
          assertEquals(answers.map((answer) => toHex(encode(answer))), [reset!]);
          break;
        case "respond-or-silence": // this server does respond
        case "respond":
          assertResponse(answers, datagram, parseCode(code!));
          break;
        case "normal": {
          const isGet = datagram.code === Code.GET;
          assertResponse(answers, datagram, isGet ? Code.Content : Code.Changed);
          assertEquals(findOption(answers[0]!.options, OptionNumber.Observe), undefined);
          if (id === "M122") assertEquals(last?.contentFormat, ContentFormat.JSON);
          if (id === "M140") assertEquals(new TextDecoder().decode(answers[0]!.payload), BODY);
          break;
        }
        default:
          throw new Error(`Unknown action "${action}"`);
      }
      await assertServes();
    });
  }

  it("takes the 47-byte GET that broke another", async () => {
    await attacker.provoke(fromHex(
      "440325b9bc306ac4bd03746573742d6275672d74726967676572d303000008ff" +
        "30313233343536373839616263646566",
    ));
    await assertServes();
  });

  describe("takes a block option", () => {
    let id = 0x4000;
    const block = (number: number, value: number[]): Option => ({
      number,
      value: Uint8Array.from(value),
    });
    async function request(code: number, options: Option[], size = 0): Promise<Message> {
      const payload = new Uint8Array(size).fill(0x61);
      const answers = await attacker.provoke(
        encode({ code, id: id++, options: [TEST, ...options], payload }),
      );
      assertEquals(answers.length, 1);
      await assertServes();
      return answers[0]!;
    }

    it("Block2 of length zero", async () => {
      const answer = await request(Code.GET, [block(OptionNumber.Block2, [])]);
      assertEquals(answer.code, Code.Content);
      assertEquals(new TextDecoder().decode(answer.payload), BODY);
    });

    it("Block1 of length zero", async () => {
      const answer = await request(Code.PUT, [block(OptionNumber.Block1, [])], 16);
      assertEquals(answer.code, Code.Changed);
      assertEquals(last?.payload.length, 16);
    });

    it("Block1 with the last number there is", async () => {
      const answer = await request(Code.PUT, [block(OptionNumber.Block1, [0xff, 0xff, 0xf6])], 8);
      assertEquals(answer.code, Code.RequestEntityTooLarge);
    });

    it("Block2 with the last number there is", async () => {
      const answer = await request(Code.GET, [block(OptionNumber.Block2, [0xff, 0xff, 0xf6])]);
      assertEquals(answer.code, Code.BadRequest);
    });
  });

  it("lives on when a client is gone before the response", async () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    const slow = await serve({ hostname: "127.0.0.1", port: 0 }, async () => {
      await promise;
      return CoAPResponse.text(BODY);
    });
    const gone = await Attacker.open(slow.address.port);
    await gone.provoke(encode({ code: Code.GET, id: 1, type: MessageType.NonConfirmable }));
    await gone.close();
    resolve();
    const other = await Attacker.open(slow.address.port);
    await other.provoke(new Uint8Array()); // by now the ICMP error has come
    const response = await server.client.get(`coap://127.0.0.1:${slow.address.port}`);
    assertEquals(response.text(), BODY);
    await other.close();
    await slow.close();
  });

  it("has a client that takes any response", async () => {
    const socket = createSocket("udp4");
    const port = await new Promise<number>((resolve) =>
      socket.bind(0, "127.0.0.1", () => resolve(socket.address().port))
    );
    const replies: ((request: Message) => Uint8Array)[] = [
      // Block2 of length zero: the only block
      ({ id, token }) =>
        encode({
          type: MessageType.Acknowledgement,
          code: Code.Content,
          id,
          token,
          options: [{ number: OptionNumber.Block2, value: new Uint8Array() }],
          payload: Uint8Array.of(0x78),
        }),
      // malformed, then a good one
      ({ id, token }) => {
        const good = encode({ type: MessageType.Acknowledgement, code: Code.Content, id, token });
        socket.send(Uint8Array.of(...good, 0xff), server.address.port, "127.0.0.1");
        return good;
      },
    ];
    socket.on("message", (bytes) => {
      const reply = replies.shift();
      if (reply !== undefined) {
        socket.send(reply(decode(new Uint8Array(bytes))), server.address.port, "127.0.0.1");
      }
    });
    const uri = `coap://127.0.0.1:${port}`;
    assertEquals((await server.client.get(uri)).text(), "x");
    assertEquals((await server.client.get(uri)).payload.length, 0);
    assertEquals(replies.length, 0);
    await new Promise<void>((resolve) => socket.close(() => resolve()));
  });
});

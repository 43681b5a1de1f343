import { afterEach, beforeEach, describe, it } from "node:test";
import { assertEquals } from "@std/assert";
import { Simulation } from "../../testing/simulated_endpoints.ts";
import type { Bind } from "../transport/transport.ts";
import { Code } from "../wire/code.ts";
import { encode, MessageType } from "../wire/message.ts";
import { makeOption, OptionNumber } from "../wire/option.ts";
import { ExchangeServer } from "./exchange_server.ts";
import { CoAPResponse } from "./response.ts";

const SERVER = "coap://127.0.0.1";

describe("ExchangeServer", () => {
  let net: Simulation;
  let server: ExchangeServer;
  /** What the handler was told. */
  let told: string[];
  let ids: number[];

  /** Makes the server; `bind` may be another than the network's. */
  async function open(bind: Bind = net.network.bind): Promise<void> {
    server = new ExchangeServer({ transport: bind, clock: net.clock }, {
      onRequest: (id, request) => {
        ids.push(id);
        told.push(`request ${request.uri}`);
      },
      onAnswered: (id, outcome) => void told.push(`${outcome} ${ids.indexOf(id)}`),
      onNotified: (id, outcome, request, state) =>
        void told.push(`${outcome} ${ids.indexOf(id)} ${state.codeText} ${request.uri}`),
      onUnobserved: (id, request, reason) =>
        void told.push(`${reason} ${ids.indexOf(id)} ${request.uri}`),
    });
    await server.bind();
  }

  beforeEach(() => {
    net = new Simulation();
    told = [];
    ids = [];
  });
  afterEach(async () => {
    await server.close();
    await net.close();
  });

  it("keeps requests that come before it begins, and knows its address then", async () => {
    await open(async (options, handler) => {
      const transport = await net.network.bind(options, handler);
      const flow = transport.flow("127.0.0.1", 9);
      const message = { type: MessageType.NonConfirmable, code: Code.GET, id: 1 };
      handler.receive(
        flow,
        encode({ ...message, options: [makeOption(OptionNumber.UriPath, "a")] }),
      );
      handler.turn();
      return transport;
    });
    assertEquals(told, []);
    server.begin();
    assertEquals(told, [`request ${SERVER}/a`]);
  });

  it("answers by number, in any order, and leaves requests without an answer", async () => {
    await open();
    server.begin();
    const client = net.client({ parameters: { nstart: 3 } });
    const [a, b, c] = ["a", "b", "c"].map((path) =>
      client.get(`${SERVER}/${path}`, { timeout: 10_000 }).then(
        (response) => response.text(),
        (error) => error.reason,
      )
    );
    await net.after(100);
    told.length = 0;
    server.respond(ids[2]!, CoAPResponse.text("third"));
    server.ignore(ids[1]!);
    await net.after(3000);
    server.respond(ids[0]!, CoAPResponse.text("first"), { confirmable: false });
    server.respond(ids[0]!, CoAPResponse.text("again"));
    assertEquals(await net.run(Promise.all([a, b, c])), ["first", "timeout", "third"]);
    assertEquals(told, ["sent 2", "sent 0"]);
  });

  it("registers observers under a name, and reports what becomes of notifications", async () => {
    await open();
    server.begin();
    const client = net.client();
    const states = client.observe(`${SERVER}/a`);
    const first = states.next();
    await net.after(100);
    server.respond(ids[0]!, CoAPResponse.text("1"), { observe: "name" });
    assertEquals((await net.run(first)).value?.text(), "1");
    assertEquals(server.notify("another", CoAPResponse.text("2"), true), 0);
    assertEquals(server.notify("name", CoAPResponse.text("2"), true), 1);
    assertEquals((await net.run(states.next())).value?.text(), "2");
    await net.after(100);
    await states.return?.();
    await net.after(100);
    server.respond(ids[1]!, CoAPResponse.text("end"));
    assertEquals(told, [
      `request ${SERVER}/a`,
      "sent 0",
      `acknowledged 0 2.05 ${SERVER}/a`,
      `deregistered 0 ${SERVER}/a`,
      `request ${SERVER}/a`,
    ]);
    await net.after(100);
    assertEquals(told.at(-1), "sent 1");
  });
});

import { after, before } from "node:test";
import { assertEquals, assertMatch } from "@std/assert";
import { CoAPResponse, Code, codeText, Router, serve, type Server } from "@x/coap";
import { bindUdp } from "@x/coap/udp";
import { decode, MessageType, parseLinks } from "@x/coap/wire";
import { runCoapClient } from "./libcoap.ts";
import { describeWithLibcoap, inWords, waitUntil, withLosses } from "./suite.ts";

/** Resources to be asked by coap-client, and how often each handler ran. */
function makeRouter(runs: Map<string, number> = new Map()): Router {
  const count = (name: string): void => void runs.set(name, (runs.get(name) ?? 0) + 1);
  const store = new Map<string, string>();
  return new Router()
    .resource("/hello", { rt: "greeting", title: "Says hello" }, {
      get: () => (count("hello"), CoAPResponse.text("hello")),
    })
    .resource("/slow", { rt: "waiting" }, {
      get: async ({ query }) => {
        count("slow");
        await new Promise((resolve) => setTimeout(resolve, Number(query[0])));
        return CoAPResponse.text("done");
      },
    })
    .get("/query", ({ query }) => CoAPResponse.json(query))
    .post("/store", (request) => {
      store.set("1", request.text());
      return new CoAPResponse(undefined, { code: Code.Created, locationPath: ["store", "1"] });
    })
    .get("/store/:key", ({ params: { key } }) => {
      const value = store.get(key);
      return value === undefined ? CoAPResponse.error(Code.NotFound) : CoAPResponse.text(value);
    })
    .put("/store/:key", (request) => {
      const { key } = request.params;
      const code = store.has(key) ? Code.Changed : Code.Created;
      store.set(key, request.text());
      return new CoAPResponse(undefined, { code });
    })
    .delete("/store/:key", ({ params: { key } }) => {
      store.delete(key);
      return new CoAPResponse(undefined, { code: Code.Deleted });
    });
}

describeWithLibcoap("coap-client against the server", (test) => {
  let server: Server;
  let origin: string;

  before(async () => {
    server = await serve({ hostname: "127.0.0.1", port: 0 }, makeRouter());
    origin = `coap://127.0.0.1:${server.address.port}`;
  });
  after(() => server?.close());

  /** Runs coap-client for one request with a piggybacked or Non-confirmable response, and gives that. */
  async function ask(uri: string, ...args: string[]) {
    const { pdus, output } = await runCoapClient([...args, uri]);
    assertEquals(pdus.map(({ direction }) => direction), ["sent", "received"], output);
    const [request, response] = pdus as [typeof pdus[0], typeof pdus[0]];
    assertEquals(response.token, request.token);
    assertEquals(response.type, args.includes("-N") ? "NON" : "ACK");
    if (response.type === "ACK") assertEquals(response.id, request.id);
    return response;
  }

  for (const [type, flags] of [["CON", []], ["NON", ["-N"]]] as const) {
    test(`GET, ${type}`, async () => {
      const { code, payload, options } = await ask(`${origin}/hello`, ...flags);
      assertEquals([code, payload, options], ["2.05", "hello", ["Content-Format:text/plain"]]);
    });

    test(`PUT, GET, POST, DELETE, ${type}`, async () => {
      const uri = `${origin}/store/${type}`;
      const put = [...flags, "-m", "put", "-t", "0", "-e"];
      assertEquals((await ask(uri, ...put, "first")).code, "2.01");
      assertEquals((await ask(uri, ...put, "second")).code, "2.04");
      assertEquals((await ask(uri, ...flags)).payload, "second");
      assertEquals((await ask(uri, ...flags, "-m", "delete")).code, "2.02");
      assertEquals((await ask(uri, ...flags)).code, "4.04");
      const posted = await ask(`${origin}/store`, ...flags, "-m", "post", "-e", "by POST");
      assertEquals([posted.code, posted.options], ["2.01", [
        "Location-Path:store",
        "Location-Path:1",
      ]]);
      assertEquals((await ask(`${origin}/store/1`, ...flags)).payload, "by POST");
    });
  }

  test("a separate response, CON and NON", async () => {
    const uri = `${origin}/slow?700`;
    const [confirmable, not] = await Promise.all([
      runCoapClient([uri]),
      runCoapClient(["-N", uri]),
    ]);
    assertEquals(inWords(confirmable.pdus), [
      "sent CON GET",
      "received ACK 0.00",
      "received CON 2.05",
      "sent ACK 0.00",
    ]);
    assertEquals(inWords(not.pdus), ["sent NON GET", "received NON 2.05"]);
    for (const { pdus } of [confirmable, not]) {
      const request = pdus[0]!;
      const response = pdus.find(({ code }) => code === "2.05")!;
      assertEquals([response.payload, response.token], ["done", request.token]);
    }
  });

  test("4.04 and 4.05", async () => {
    assertEquals((await ask(`${origin}/nowhere`)).code, "4.04");
    assertEquals((await ask(`${origin}/hello`, "-m", "put", "-e", "x")).code, "4.05");
  });

  test("an unknown critical option is answered 4.02, an elective one is ignored", async () => {
    assertEquals((await ask(`${origin}/hello`, "-O", "65001,x")).code, "4.02");
    assertEquals((await ask(`${origin}/hello`, "-O", "65000,x")).code, "2.05");
  });

  test("ping", async () => {
    // While it waits for the separate response, coap-client pings after a second of silence.
    const { pdus } = await runCoapClient(["-K", "1", `${origin}/slow?1700`]);
    assertEquals(inWords(pdus), [
      "sent CON GET",
      "received ACK 0.00",
      "sent CON 0.00",
      "received RST 0.00",
      "received CON 2.05",
      "sent ACK 0.00",
    ]);
    assertEquals(pdus[3]!.id, pdus[2]!.id);
  });

  test("discovery", async () => {
    const all = await ask(`${origin}/.well-known/core`);
    assertEquals(all.options, ["Content-Format:application/link-format"]);
    const hrefs = parseLinks(all.payload!).map(({ href }) => href);
    assertEquals(["/hello", "/slow"].filter((href) => !hrefs.includes(href)), []);
    const filtered = await ask(`${origin}/.well-known/core?rt=greeting`);
    assertMatch(filtered.payload!, /^<\/hello>;[^<]*rt="?greeting/);
    assertEquals(parseLinks(filtered.payload!).length, 1);
  });

  test("Uri-Query", async () => {
    const { payload } = await ask(`${origin}/query?a=1&b=%26&c`);
    assertEquals(JSON.parse(payload!), ["a=1", "b=&", "c"]);
  });

  test("10 clients at once", async () => {
    const answers = await Promise.all(
      Array.from({ length: 10 }, (_, i) => ask(`${origin}/query?${i}`)),
    );
    assertEquals(answers.map(({ payload }) => payload), answers.map((_, i) => `["${i}"]`));
  });
});

describeWithLibcoap("coap-client against the server, with losses", (test) => {
  // coap-client retransmits after 2 to 3 s and sends its next request 1 s after a response.

  test("coap-client drops its datagrams 2,4, the server loses its 2,5", async (keep) => {
    const answered = ["sent CON GET", "received ACK 2.05"];
    await Promise.all([
      {
        transport: bindUdp,
        flags: ["-l", "2,4"],
        // Lost requests: the handler sees what got through.
        expected: [answered, ["lost CON GET"], answered, ["lost CON GET"], answered, answered],
      },
      {
        transport: withLosses(bindUdp, "2,5"),
        flags: [],
        // Lost responses: the repeated request gets the same response, and no second run of the handler.
        expected: [answered, ["sent CON GET"], answered, answered, ["sent CON GET"], answered],
      },
    ].map(async ({ transport, flags, expected }) => {
      const runs = new Map<string, number>();
      const server = keep(
        await serve(
          { hostname: "127.0.0.1", port: 0, transport },
          makeRouter(runs),
        ),
      );
      const uri = `coap://127.0.0.1:${server.address.port}/hello`;
      const { pdus } = await runCoapClient(["-G", "4", ...flags, uri]);
      assertEquals(inWords(pdus), expected.flat());
      assertEquals(runs.get("hello"), 4);
    }));
  });

  test("a separate response or its acknowledgement is lost", async (keep) => {
    const cases = [
      { what: "response", transport: withLosses(bindUdp, "2"), flags: [], acknowledged: 2 },
      // coap-client knows the repeated response for a duplicate, but does not acknowledge it again.
      { what: "acknowledgement", transport: bindUdp, flags: ["-l", "2"], acknowledged: 1 },
    ];
    await Promise.all(cases.map(async ({ what, transport, flags, acknowledged }) => {
      const runs = new Map<string, number>();
      const seen: string[] = [];
      const server = keep(
        await serve({
          hostname: "127.0.0.1",
          port: 0,
          parameters: { ackTimeout: 300, maxRetransmit: 1, emptyAckDelay: 50 },
          transport,
          onMessage: ({ direction, bytes }) => {
            const { type, code } = decode(bytes);
            seen.push(`${direction} ${type} ${codeText(code)}`);
          },
        }, makeRouter(runs)),
      );
      const uri = `coap://127.0.0.1:${server.address.port}/slow?200`;
      // The second request keeps coap-client alive until the first response is repeated.
      const { pdus, output } = await runCoapClient(["-G", "2", ...flags, uri]);
      const tokensOf = (wanted: string, code: string): Set<string> =>
        new Set(
          pdus.flatMap((pdu) => pdu.direction === wanted && pdu.code === code ? [pdu.token] : []),
        );
      const tokens = tokensOf("sent", "GET");
      assertEquals(tokens.size, 2, output);
      assertEquals(tokensOf("received", "2.05"), tokens, `${what}: ${output}`);
      assertEquals(runs.get("slow"), 2);
      const count = (message: string): number => seen.filter((one) => one === message).length;
      assertEquals(count(`out ${MessageType.Confirmable} 2.05`), 3, "Two responses, one twice");
      await waitUntil(() => count(`in ${MessageType.Acknowledgement} 0.00`) === acknowledged);
    }));
  });
});

import { after, before } from "node:test";
import { assertEquals, assertMatch, assertRejects } from "@std/assert";
import {
  CoAP,
  CoAPClient,
  CoAPError,
  CoAPResponse,
  Code,
  Router,
  serve,
  type Server,
} from "@x/coap";
import { makeBody } from "../testing/bodies.ts";
import { type CoapServer, runCoapClient, startCoapServer } from "./libcoap.ts";
import type { Pdu } from "./libcoap_log.ts";
import { blocksOf, serveStore, type Store } from "./store.ts";
import { assertSame, describeWithLibcoap, Folder, waitUntil } from "./suite.ts";

const LOCAL = { hostname: "127.0.0.1", udp: false, tcp: { port: 0 } };
/** The largest message of libcoap, without `-X`, and ours. */
const LIBCOAP_CSM = ["Max-Message-Size:8388864", "Block-Wise-Transfer:"];
const OWN_CSM = ["Max-Message-Size:8389632", "Block-Wise-Transfer:"];

const uriOf = (server: Server, path: string): string =>
  `coap+tcp://127.0.0.1:${server.address.port}${path}`;

/** Messages in a few words: over TCP all are Confirmable in the log, though they have no type. */
const inWords = (pdus: readonly Pdu[]): string[] =>
  pdus.map(({ direction, code }) => `${direction} ${code}`);

/** What both say first. */
const GREETING = ["sent CSM", "received CSM"];

describeWithLibcoap("coap-client over TCP against the server", (test) => {
  const folder = new Folder();
  let server: Server;
  let state = "0";
  let sent = 0;
  const told: string[] = [];

  before(async () => {
    const things = new Map<string, string>();
    const router = new Router()
      .resource("/things/:id", { rt: "thing" }, {
        get: ({ params }) => {
          const thing = things.get(params.id);
          return thing === undefined
            ? CoAPResponse.error(Code.NotFound, "No such thing")
            : CoAPResponse.text(thing);
        },
        put: (request) => {
          const { id } = request.params;
          const code = things.has(id) ? Code.Changed : Code.Created;
          things.set(id, request.text());
          return new CoAPResponse(undefined, { code });
        },
        post: (request) => CoAPResponse.text(request.text().toUpperCase(), { code: Code.Changed }),
        delete: ({ params }) => {
          things.delete(params.id);
          return new CoAPResponse(undefined, { code: Code.Deleted });
        },
        fetch: (request) => CoAPResponse.text(`some of ${request.text()}`),
        patch: () => new CoAPResponse(undefined, { code: Code.Changed }),
        ipatch: () => new CoAPResponse(undefined, { code: Code.Changed }),
      })
      .get("/state", () => CoAPResponse.text(state), { observable: true })
      .get("/slow", async () => {
        await new Promise((resolve) => setTimeout(resolve, 300));
        return CoAPResponse.text("at last");
      });
    server = await serve({
      ...LOCAL,
      onMessage: ({ direction }) => void (direction === "out" && sent++),
      onObserve: () => (told.push("observes"), true),
      onUnobserve: (_, reason) => void told.push(reason),
    }, router);
  });
  after(async () => {
    await server?.close();
    await folder.close();
  });

  test("CSM, then each method", async () => {
    const uri = uriOf(server, "/things/1");
    const text = ["-t", "0", "-e", "abc"];
    const cases = [
      { flags: [], method: "GET", code: "4.04", payload: "No such thing" },
      { flags: ["-m", "put", ...text], method: "PUT", code: "2.01", payload: undefined },
      { flags: ["-m", "put", ...text], method: "PUT", code: "2.04", payload: undefined },
      { flags: [], method: "GET", code: "2.05", payload: "abc" },
      { flags: ["-m", "post", ...text], method: "POST", code: "2.04", payload: "ABC" },
      { flags: ["-m", "fetch", ...text], method: "FETCH", code: "2.05", payload: "some of abc" },
      { flags: ["-m", "patch", ...text], method: "PATCH", code: "2.04", payload: undefined },
      { flags: ["-m", "ipatch", ...text], method: "iPATCH", code: "2.04", payload: undefined },
      { flags: ["-m", "delete"], method: "DELETE", code: "2.02", payload: undefined },
    ];
    for (const { flags, method, code, payload } of cases) {
      const { pdus } = await runCoapClient([...flags, uri]);
      assertEquals(inWords(pdus), [...GREETING, `sent ${method}`, `received ${code}`]);
      assertEquals([pdus[0]!.options, pdus[1]!.options], [LIBCOAP_CSM, OWN_CSM]);
      assertEquals([pdus[3]!.payload, pdus[3]!.token], [payload, pdus[2]!.token]);
    }
  });

  test("discovery", async () => {
    const { pdus } = await runCoapClient([uriOf(server, "/.well-known/core")]);
    assertEquals(pdus.at(-1)!.payload, "</state>;obs,</slow>");
  });

  test("slow responses, two on one connection: no acknowledgement goes before them", async () => {
    const { pdus } = await runCoapClient(["-G", "2", uriOf(server, "/slow")]);
    const once = ["sent GET", "received 2.05"];
    assertEquals(inWords(pdus), [...GREETING, ...once, ...once]);
    assertEquals([pdus[3]!.payload, pdus[5]!.payload], ["at last", "at last"]);
  });

  test("observe: states, pings while nothing changes, and the deregistration", async () => {
    told.length = 0;
    // Without -o the states would fall between the lines of the log.
    const output = ["-o", folder.path("states")];
    const client = runCoapClient(["-s", "2", "-K", "1", ...output, uriOf(server, "/state")]);
    await waitUntil(() => told.length === 1);
    for (state of ["1", "2"]) {
      const before = sent;
      assertEquals(await server.notify("/state"), 1);
      await waitUntil(() => sent > before);
    }
    const { pdus } = await client;
    assertEquals(inWords(pdus).slice(0, 8), [
      ...GREETING,
      "sent GET",
      "received 2.05",
      "received 2.05",
      "received 2.05",
      "sent Ping",
      "received Pong",
    ]);
    const last = pdus.find(({ options }) => options.includes("Observe:1"))!;
    assertEquals(pdus.slice(3, 6).map(({ payload }) => payload), ["0", "1", "2"]);
    assertEquals([pdus[2]!.options[0], last.code], ["Observe:0", "GET"]);
    assertEquals(new Set([...pdus.slice(2, 6), last].map(({ token }) => token)).size, 1);
    assertEquals(pdus[6]!.token, pdus[7]!.token);
    await waitUntil(() => told.length === 2);
    assertEquals(told, ["observes", "deregistered"]);
  });
});

describeWithLibcoap("coap-client sends and fetches bodies over TCP", (test) => {
  const folder = new Folder();
  const body = makeBody(1_000_000);
  let whole: Store;
  let small: Store; // takes messages of 5000 bytes at most

  before(async () => {
    whole = await serveStore(LOCAL);
    small = await serveStore({ ...LOCAL, limits: { messageBytes: 5000 } });
  });
  after(async () => {
    await whole?.server.close();
    await small?.server.close();
    await folder.close();
  });

  const put = (uri: string, input: string, ...flags: string[]) =>
    runCoapClient([...flags, "-m", "put", "-t", "42", "-f", input, uri]);

  for (const length of [100_000, 1_000_000]) {
    const part = body.subarray(0, length);
    const input = folder.write(`in-${length}`, part);

    test(`${length} bytes in one message`, async () => {
      const key = `whole-${length}`;
      const uri = uriOf(whole.server, `/store/${key}`);
      const sent = await put(uri, input);
      assertEquals(inWords(sent.pdus), [...GREETING, "sent PUT", "received 2.04"]);
      assertSame(whole.store.get(key), part);
      const output = folder.path(key);
      const { pdus } = await runCoapClient(["-o", output, uri]);
      assertEquals(inWords(pdus), [...GREETING, "sent GET", "received 2.05"]);
      assertSame(folder.read(key), part);
    });

    // A message of 2000 bytes has room for one block, one of 5000 for four.
    for (const [size, count, name] of [[2000, 1, "1024"], [5000, 4, "BERT(4096)"]] as const) {
      test(`${length} bytes, fetched in messages of at most ${size} bytes`, async () => {
        const key = `fetched-${length}`;
        whole.store.set(key, part);
        const flags = ["-X", `${size}`, "-o", folder.path(key)];
        const { pdus } = await runCoapClient([...flags, uriOf(whole.server, `/store/${key}`)]);
        assertSame(folder.read(key), part);
        const blocks = blocksOf(pdus, "received", "Block2");
        assertEquals(blocks.length, Math.ceil(length / 1024 / count));
        assertEquals(blocks.slice(0, 2), [`0/M/${name}`, `${count}/M/${name}`]);
      });
    }

    test(`${length} bytes, sent to a server that takes messages of 5000 bytes`, async () => {
      const key = `sent-${length}`;
      const { pdus } = await put(uriOf(small.server, `/store/${key}`), input);
      assertSame(small.store.get(key), part);
      assertEquals(small.writes.filter((written) => written === key).length, 1);
      const blocks = blocksOf(pdus, "sent", "Block1");
      assertEquals(blocks.slice(0, 2), ["0/M/BERT(4096)", "4/M/BERT(4096)"]);
      assertEquals(blocksOf(pdus, "received", "Block1").length, blocks.length);
    });
  }

  test("FETCH with BERT both ways", async () => {
    const selection = body.subarray(0, 20_000);
    const input = folder.write("selection", selection);
    const flags = ["-X", "5000", "-m", "fetch", "-t", "42", "-f", input];
    const uri = uriOf(small.server, "/store/any");
    const { pdus } = await runCoapClient([...flags, "-o", folder.path("selected"), uri]);
    assertSame(folder.read("selected"), selection.slice().reverse());
    assertEquals(blocksOf(pdus, "sent", "Block1")[0], "0/M/BERT(4096)");
    assertEquals(blocksOf(pdus, "received", "Block2")[0], "0/M/BERT(4096)");
  });
});

describeWithLibcoap("client against coap-server over TCP", (test) => {
  let server: CoapServer;
  let origin: string;
  let client: CoAPClient;

  before(async () => {
    server = await startCoapServer();
    origin = server.tcp;
    client = new CoAPClient();
  });
  after(async () => {
    await client?.close();
    await server?.close();
  });

  test("CSM, then each method, all on one connection", async (keep) => {
    const server = keep(await startCoapServer());
    const client = keep(new CoAPClient());
    const uri = `${server.tcp}/made`;
    const payload = "abc";
    assertEquals((await client.get(uri)).code, Code.NotFound);
    assertEquals((await client.put(uri, { payload })).code, Code.Created);
    assertEquals((await client.put(uri, { payload })).code, Code.Changed);
    assertEquals((await client.get(uri)).text(), payload);
    assertEquals((await client.post(uri, { payload })).code, Code.Changed);
    const time = `${server.tcp}/time`;
    const ticks = { payload: "ticks", contentFormat: 0 };
    assertMatch((await client.fetch(time, ticks)).text(), /^\d{10}$/);
    assertEquals((await client.patch(time, ticks)).code, Code.MethodNotAllowed);
    assertEquals((await client.ipatch(time, ticks)).code, Code.MethodNotAllowed);
    assertEquals((await client.delete(uri)).code, Code.Deleted);
    const pdus = await server.pdus((pdus) => pdus.some(({ code }) => code === "DELETE"));
    const received = pdus.filter(({ direction }) => direction === "received");
    assertEquals(
      received.map(({ code }) => code),
      ["CSM", "GET", "PUT", "PUT", "GET", "POST", "FETCH", "PATCH", "iPATCH", "DELETE"],
    );
    assertEquals(received[0]!.options, OWN_CSM);
  });

  test("100 requests at once", async (keep) => {
    const server = keep(await startCoapServer());
    const client = keep(new CoAPClient());
    const uris = Array.from({ length: 100 }, (_, i) => `${server.tcp}/nowhere-${i % 10}?${i}`);
    const responses = await Promise.all(uris.map((uri) => client.get(uri)));
    assertEquals(responses.map(({ code }) => code), uris.map(() => Code.NotFound));
    const pdus = await server.pdus((pdus) => pdus.some(({ code }) => code === "4.04"));
    assertEquals(pdus.filter(({ code }) => code === "CSM").length, 2);
  });

  test("a slow response", async () => {
    const response = await client.get(`${origin}/async?1`);
    assertEquals([response.code, response.text()], [Code.Content, "done"]);
  });

  test("ping", async (keep) => {
    const server = keep(await startCoapServer());
    const client = keep(new CoAPClient());
    await client.ping(server.tcp);
    await client.ping(server.tcp);
    const pdus = await server.pdus((pdus) => pdus.length >= 6);
    assertEquals(inWords(pdus).slice(2), [
      "received Ping",
      "sent Pong",
      "received Ping",
      "sent Pong",
    ]);
  });

  test("discovery, 4.04, 4.05", async () => {
    const links = await client.discover(origin, { query: { rt: "ticks" } });
    assertEquals(links.map(({ href }) => href), ["/time"]);
    const missing = await client.get(`${origin}/nowhere`);
    assertEquals([missing.code, missing.text()], [Code.NotFound, "Not Found"]);
    const refused = await client.post(`${origin}/time`, { payload: "0" });
    assertEquals(refused.code, Code.MethodNotAllowed);
  });

  test("observe /time, and the cancellation", async (keep) => {
    const server = keep(await startCoapServer());
    const client = keep(new CoAPClient());
    const texts = new Set<string>();
    for await (const state of client.observe(`${server.tcp}/time`)) {
      assertEquals([state.code, state.observed], [Code.Content, true]);
      texts.add(state.text());
      if (texts.size === 2) break;
    }
    const isLast = ({ options }: Pdu): boolean => options.includes("Observe:1");
    await server.pdus((pdus) => pdus.some(isLast) && pdus.at(-1)!.direction === "sent");
    // Time goes on; who has deregistered does not hear of it.
    await new Promise((resolve) => setTimeout(resolve, 1_200));
    const pdus = await server.pdus(() => true);
    const [first, last] = [pdus.find(({ code }) => code === "GET")!, pdus.find(isLast)!];
    assertEquals([first.options[0], last.token], ["Observe:0", first.token]);
    assertEquals(inWords(pdus.slice(pdus.indexOf(last))), ["received GET", "sent 2.05"]);
  });

  test("bodies of 100 kB and 1 MB in one message", async (keep) => {
    const server = keep(await startCoapServer());
    const client = keep(new CoAPClient());
    for (const length of [100_000, 1_000_000]) {
      const uri = `${server.tcp}/body-${length}`;
      const payload = makeBody(length);
      assertEquals((await client.put(uri, { payload, contentFormat: 42 })).code, Code.Created);
      assertSame((await client.get(uri)).payload, payload);
    }
    const pdus = await server.pdus((pdus) =>
      pdus.filter(({ code }) => code === "2.05").length === 2
    );
    assertEquals(inWords(pdus.filter(({ direction }) => direction === "received")).slice(1), [
      "received PUT",
      "received GET",
      "received PUT",
      "received GET",
    ]);
  });

  const cases = [
    { size: 2000, expected: ["0/M/1024", "0/M/BERT(1024)"] },
    { size: 5000, expected: ["0/M/BERT(4096)", "0/M/BERT(4096)"] },
  ];
  for (const { size, expected } of cases) {
    test(`bodies of 100 kB and 1 MB, both sides taking messages of ${size} bytes`, async (keep) => {
      const server = keep(await startCoapServer(["-X", `${size}`]));
      const client = keep(new CoAPClient({ limits: { messageBytes: size } }));
      for (const length of [100_000, 1_000_000]) {
        const uri = `${server.tcp}/body-${length}`;
        const payload = makeBody(length);
        assertEquals((await client.put(uri, { payload, contentFormat: 42 })).code, Code.Created);
        assertSame((await client.get(uri)).payload, payload);
      }
      const pdus = await server.pdus((pdus) =>
        pdus.some(({ direction, code }) => direction === "sent" && code === "2.05")
      );
      const sizes = [
        blocksOf(pdus, "received", "Block1")[0],
        blocksOf(pdus, "sent", "Block2")[0],
      ];
      assertEquals(sizes, expected);
    });
  }

  test("a body as a stream, both ways", async () => {
    const body = makeBody(100_000);
    const uri = `${origin}/stream`;
    const put = (blockSize?: number) => {
      const payload = new Blob([body as Uint8Array<ArrayBuffer>]).stream();
      return client.put(uri, { payload, contentFormat: 42, blockSize });
    };
    // It takes the first block of BERT for the whole, where nothing says how much there will be.
    const error = await assertRejects(() => put(), CoAPError);
    assertEquals(error.reason, "blockwise");
    assertEquals((await put(1024)).code, Code.Changed);
    const response = await client.get(uri, { stream: true });
    assertSame(new Uint8Array(await new Response(response.body).arrayBuffer()), body);
  });

  test("the component CoAP", async (keep) => {
    const coap = new CoAP();
    keep({ close: () => coap.shutdown() });
    await coap.get(`${origin}/`);
    assertMatch(coap.responseCode, /^2\.05/);
  });
});

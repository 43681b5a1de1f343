import { after, before } from "node:test";
import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { CoAPClient, CoAPError, Code, ContentFormat } from "@x/coap";
import { bindUdp } from "@x/coap/udp";
import { type CoapServer, startCoapServer } from "./libcoap.ts";
import type { Pdu } from "./libcoap_log.ts";
import { describeWithLibcoap, inWords, withLosses } from "./suite.ts";

/** Retransmission starts after 100 to 150 ms. */
const FAST = { ackTimeout: 100 };

describeWithLibcoap("client against coap-server", (test) => {
  let server: CoapServer;
  let client: CoAPClient;
  let origin: string;

  before(async () => {
    server = await startCoapServer();
    origin = server.origin;
    client = new CoAPClient();
  });
  after(async () => {
    await client?.close();
    await server?.close();
  });

  for (const confirmable of [true, false]) {
    const type = confirmable ? "CON" : "NON";
    const path = `made-by-${type}`;

    test(`GET, ${type}`, async () => {
      const response = await client.get(`${origin}/`, { confirmable });
      assertEquals([response.code, response.codeText, response.ok], [Code.Content, "2.05", true]);
      assertMatch(response.text(), /^This is a test server made with libcoap/);
      assertEquals(response.maxAge, 196_607);
      assertEquals(response.peer?.port, server.port);
    });

    test(`PUT, GET, POST, DELETE, ${type}`, async () => {
      const uri = `${origin}/${path}`;
      const created = await client.put(uri, { payload: "first", confirmable });
      assertEquals([created.code, created.payload.length], [Code.Created, 0]);
      const changed = await client.put(uri, {
        payload: '{"a":1}',
        contentFormat: ContentFormat.JSON,
        confirmable,
      });
      assertEquals(changed.code, Code.Changed);
      const read = await client.get(uri, { confirmable });
      assertEquals(read.json(), { a: 1 });
      const posted = await client.post(uri, { payload: "by POST", confirmable });
      assertEquals(posted.code, Code.Changed);
      assertEquals((await client.get(uri, { confirmable })).text(), "by POST");
      assertEquals((await client.delete(uri, { confirmable })).code, Code.Deleted);
      const missing = await client.get(uri, { confirmable });
      assertEquals([missing.code, missing.ok], [Code.NotFound, false]);
      const isOfThis = ({ direction, options }: Pdu): boolean =>
        direction === "received" && options.includes(`Uri-Path:${path}`);
      const pdus = await server.pdus((pdus) => pdus.filter(isOfThis).length === 7);
      assertEquals(
        inWords(pdus.filter(isOfThis)),
        ["PUT", "PUT", "GET", "POST", "GET", "DELETE", "GET"].map((method) =>
          `received ${type} ${method}`
        ),
      );
    });
  }

  test("POST that creates", async () => {
    const created = await client.post(`${origin}/made-by-POST`, { payload: "new" });
    assertEquals(created.code, Code.Created);
    assertEquals((await client.get(`${origin}/made-by-POST`)).text(), "new");
  });

  test("a binary payload of 1024 bytes, there and back", async () => {
    const payload = Uint8Array.from({ length: 1024 }, (_, i) => i & 0xff);
    const uri = `${origin}/binary`;
    const contentFormat = ContentFormat.OctetStream;
    assertEquals((await client.put(uri, { payload, contentFormat })).code, Code.Created);
    const response = await client.get(uri);
    assertEquals(response.payload, payload);
    assertEquals(response.contentFormat, contentFormat);
  });

  test("a separate response", async (keep) => {
    const server = keep(await startCoapServer());
    const response = await client.get(`${server.origin}/async?1`);
    assertEquals([response.code, response.text()], [Code.Content, "done"]);
    const pdus = await server.pdus(({ length }) => length >= 4);
    assertEquals(inWords(pdus), [
      "received CON GET",
      "sent ACK 0.00",
      "sent CON 2.05",
      "received ACK 0.00",
    ]);
  });

  test("a separate response that nobody waits for any more is rejected", async (keep) => {
    const server = keep(await startCoapServer());
    const controller = new AbortController();
    const response = client.get(`${server.origin}/async?1`, { signal: controller.signal });
    await server.pdus(({ length }) => length >= 2);
    const reason = new Error("No longer of interest");
    controller.abort(reason);
    assertEquals(await assertRejects(() => response, Error), reason);
    const pdus = await server.pdus(({ length }) => length >= 4);
    assertEquals(inWords(pdus), [
      "received CON GET",
      "sent ACK 0.00",
      "sent CON 2.05",
      "received RST 0.00",
    ]);
  });

  test("4.04 with a diagnostic message", async () => {
    const response = await client.get(`${origin}/nowhere`);
    assertEquals([response.code, response.ok, response.text()], [
      Code.NotFound,
      false,
      "Not Found",
    ]);
  });

  test("4.05", async () => {
    const response = await client.post(`${origin}/time`, { payload: "0" });
    assertEquals(response.code, Code.MethodNotAllowed);
  });

  test("ping", async (keep) => {
    const server = keep(await startCoapServer());
    // coap-server is sparing with Resets: none in its first quarter of a second, then at most four in one.
    const client = keep(new CoAPClient({ parameters: FAST }));
    await client.ping(server.origin);
    const pdus = await server.pdus((pdus) => pdus.some(({ type }) => type === "RST"));
    assertEquals(inWords(pdus.slice(-2)), ["received CON 0.00", "sent RST 0.00"]);
  });

  test("discovery", async () => {
    const links = await client.discover(origin);
    const hrefs = links.map(({ href }) => href);
    for (const href of ["/", "/time", "/async", "/example_data"]) {
      assert(hrefs.includes(href), href);
    }
    const filtered = await client.discover(origin, { query: { rt: "ticks" } });
    assertEquals(filtered.map(({ href }) => href), ["/time"]);
  });

  test("Uri-Query and Max-Age", async () => {
    const response = await client.get(`${origin}/time?ticks`);
    assertMatch(response.text(), /^\d{10}$/);
    assertEquals(response.maxAge, 1);
    await server.pdus((pdus) => pdus.some(({ options }) => options.includes("Uri-Query:ticks")));
  });

  test("an unknown critical option comes back with the 4.02, which is refused for it", async () => {
    const error = await assertRejects(
      () => client.get(`${origin}/`, { options: [[65_001, "x"]] }),
      CoAPError,
    );
    assertEquals(error.reason, "rejected-response");
    await server.pdus((pdus) => pdus.some(({ code }) => code === "4.02"));
  });

  test("100 requests at once", async () => {
    const uris = Array.from({ length: 100 }, (_, i) => `${origin}/parallel-${i % 10}?${i}`);
    const responses = await Promise.all(uris.map((uri) => client.get(uri)));
    assertEquals(responses.map(({ code }) => code), uris.map(() => Code.NotFound));
  });
});

describeWithLibcoap("client against coap-server, with losses", (test) => {
  test("coap-server drops its datagrams 2,5,9-10", async (keep) => {
    const server = keep(await startCoapServer(["-l", "2,5,9-10"]));
    const client = keep(new CoAPClient({ parameters: FAST }));
    for (let i = 1; i <= 8; i++) {
      const response = await client.put(`${server.origin}/lossy`, { payload: `value ${i}` });
      assertEquals(response.code, i === 1 ? Code.Created : Code.Changed);
    }
    assertEquals((await client.get(`${server.origin}/lossy`)).text(), "value 8");
    const pdus = await server.pdus((pdus) => pdus.length >= 2 * 13);
    const sent = pdus.filter(({ direction }) => direction === "sent");
    assertEquals(sent.flatMap(({ dropped }, i) => dropped ? [i + 1] : []), [2, 5, 9, 10]);
    const received = pdus.filter(({ direction }) => direction === "received");
    assertEquals(received.length, 9 + 4);
    assertEquals(new Set(received.map(({ id }) => id)).size, 9, "A retransmission has the same ID");
  });

  test("the client's datagrams 2,5,9-10 are lost", async (keep) => {
    const server = keep(await startCoapServer());
    const client = keep(
      new CoAPClient({
        parameters: FAST,
        transport: withLosses(bindUdp, "2,5,9-10"),
      }),
    );
    for (let i = 1; i <= 8; i++) {
      const response = await client.put(`${server.origin}/lossy`, { payload: `value ${i}` });
      assertEquals(response.code, i === 1 ? Code.Created : Code.Changed);
    }
    const pdus = await server.pdus(({ length }) => length >= 2 * 8);
    assertEquals(inWords(pdus.slice(0, 2)), ["received CON PUT", "sent ACK 2.01"]);
    assertEquals(pdus.length, 2 * 8);
  });

  test("the empty acknowledgement or the separate response is lost", async (keep) => {
    await Promise.all(["1", "2"].map(async (list) => {
      const server = keep(await startCoapServer(["-l", list]));
      const client = keep(new CoAPClient({ parameters: FAST }));
      const response = await client.get(`${server.origin}/async?1`);
      assertEquals([response.code, response.text()], [Code.Content, "done"]);
      await server.pdus((pdus) => pdus.some(({ dropped }) => dropped));
    }));
  });

  test("the client's acknowledgement of a separate response is lost", async (keep) => {
    const server = keep(await startCoapServer());
    const client = keep(
      new CoAPClient({
        parameters: FAST,
        transport: withLosses(bindUdp, "2"),
      }),
    );
    const response = await client.get(`${server.origin}/async?1`);
    assertEquals(response.text(), "done");
    const pdus = await server.pdus((pdus) => inWords(pdus).includes("received ACK 0.00"));
    assertEquals(pdus.filter(({ code }) => code === "2.05").length, 2);
  });
});

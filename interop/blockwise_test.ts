import { after, before } from "node:test";
import { assertEquals, assertMatch } from "@std/assert";
import { CoAPClient, Code, ContentFormat, type ServeOptions, type Server } from "@x/coap";
import { bindUdp } from "@x/coap/udp";
import { makeBody } from "../testing/bodies.ts";
import { type CoapServer, runCoapClient, startCoapServer } from "./libcoap.ts";
import { blocksOf, serveStore } from "./store.ts";
import { assertSame, describeWithLibcoap, Folder, withLosses } from "./suite.ts";

/** Bytes of the bodies and sizes of their blocks. */
const TRANSFERS = [
  ...[16, 32, 64, 128, 256, 512, 1024].map((size) => [100_000, size] as const),
  [1_000_000, 1024] as const,
];

const LOCAL = { hostname: "127.0.0.1", port: 0 };
const contentFormat = ContentFormat.OctetStream;
/** Content-Format 42, application/octet-stream, for coap-client. */
const BYTES = ["-t", "42"];

/** A server that keeps bodies, the bodies, and their URIs. */
async function startStore(options: ServeOptions = {}) {
  const { server, ...rest } = await serveStore({ ...LOCAL, ...options });
  const uri = (key: string): string => `coap://127.0.0.1:${server.address.port}/store/${key}`;
  return { server, ...rest, uri };
}

/** All blocks of a body. */
function blocks(length: number, size: number): string[] {
  const last = Math.ceil(length / size) - 1;
  return Array.from({ length: last + 1 }, (_, i) => `${i}/${i < last ? "M" : "_"}/${size}`);
}

describeWithLibcoap("coap-client sends and fetches bodies in blocks", (test) => {
  const folder = new Folder();
  let server: Server;
  let store: Map<string, Uint8Array>;
  let writes: string[];
  let uri: (key: string) => string;

  before(async () => ({ server, store, writes, uri } = await startStore()));
  after(async () => {
    await server?.close();
    await folder.close();
  });

  for (const [length, size] of TRANSFERS) {
    test(`${length} bytes, blocks of ${size}`, async () => {
      const key = `${length}-${size}`;
      const body = makeBody(length, size);
      const input = folder.write(`in-${key}`, body);
      const put = await runCoapClient(
        ["-m", "put", ...BYTES, "-b", `${size}`, "-f", input, uri(key)],
      );
      assertSame(store.get(key), body);
      assertEquals(writes.filter((other) => other === key).length, 1);
      const expected = blocks(length, size);
      assertEquals(blocksOf(put.pdus, "sent", "Block1"), expected);
      assertEquals(blocksOf(put.pdus, "received", "Block1"), expected);
      assertEquals(put.pdus.at(-1)?.code, "2.04");

      const get = await runCoapClient(["-b", `${size}`, "-o", folder.path(`out-${key}`), uri(key)]);
      assertSame(folder.read(`out-${key}`), body);
      assertEquals(blocksOf(get.pdus, "received", "Block2"), expected);
    });
  }

  test("FETCH in blocks both ways, iPATCH in blocks", async () => {
    const body = makeBody(8192);
    const input = folder.write("selection", body);
    const flags = [...BYTES, "-b", "256", "-f", input];
    const fetch = ["-m", "fetch", ...flags, "-o", folder.path("selected"), uri("any")];
    const fetched = await runCoapClient(fetch);
    assertSame(folder.read("selected"), body.slice().reverse());
    // With FETCH `-b` is the size of the response's blocks.
    assertEquals(blocksOf(fetched.pdus, "sent", "Block1"), blocks(8192, 1024));
    assertEquals(blocksOf(fetched.pdus, "received", "Block2"), blocks(8192, 256));

    store.set("patched", new Uint8Array(9000));
    const patched = await runCoapClient(["-m", "ipatch", ...flags, uri("patched")]);
    assertEquals(blocksOf(patched.pdus, "sent", "Block1"), blocks(8192, 256));
    assertEquals(patched.pdus.at(-1)?.code, "2.04");
    const expected = new Uint8Array(9000);
    expected.set(body);
    assertSame(store.get("patched"), expected);
  });

  test("FETCH and iPATCH in one message", async () => {
    store.set("small", new Uint8Array(4));
    const args = ["-t", "0", "-e", "ab"];
    const { pdus: [, fetched] } = await runCoapClient(["-m", "fetch", ...args, uri("small")]);
    assertEquals([fetched?.code, fetched?.payload], ["2.05", "ba"]);
    const { pdus: [, patched] } = await runCoapClient(["-m", "ipatch", ...args, uri("small")]);
    assertEquals(patched?.code, "2.04");
    assertEquals(store.get("small"), Uint8Array.of(97, 98, 0, 0));
  });

  test("the server asks for smaller blocks than coap-client", async (keep) => {
    const { server, store, uri } = await startStore({ blockSize: 64 });
    keep(server);
    const body = makeBody(5000);
    const input = folder.write("large-blocks", body);
    const put = await runCoapClient(["-m", "put", ...BYTES, "-b", "1024", "-f", input, uri("x")]);
    assertSame(store.get("x"), body);
    assertEquals(blocksOf(put.pdus, "received", "Block1").at(-1), blocks(5000, 64).at(-1));
    await runCoapClient(["-b", "1024", "-o", folder.path("small-blocks"), uri("x")]);
    assertSame(folder.read("small-blocks"), body);
  });
});

describeWithLibcoap("client sends and fetches bodies in blocks", (test) => {
  let server: CoapServer;
  let client: CoAPClient;
  let sent = 0;

  before(async () => {
    server = await startCoapServer();
    client = new CoAPClient({ onMessage: ({ direction }) => void (direction === "out" && sent++) });
  });
  after(async () => {
    await client?.close();
    await server?.close();
  });

  for (const [length, blockSize] of TRANSFERS) {
    test(`${length} bytes, blocks of ${blockSize}`, async () => {
      const uri = `${server.origin}/body-${length}-${blockSize}`;
      const payload = makeBody(length, blockSize);
      const count = Math.ceil(length / blockSize);
      sent = 0;
      const put = await client.put(uri, { payload, contentFormat, blockSize });
      assertEquals([put.code, sent], [Code.Created, count]);
      sent = 0;
      const get = await client.get(uri, { blockSize });
      assertEquals([get.code, get.contentFormat, sent], [Code.Content, contentFormat, count]);
      assertSame(get.payload, payload);
    });
  }

  test("100000 bytes as a stream, both ways", async () => {
    const uri = `${server.origin}/stream`;
    const body = makeBody(100_000);
    const payload = new Blob([body as Uint8Array<ArrayBuffer>]).stream();
    assertEquals((await client.put(uri, { payload, contentFormat })).code, Code.Created);
    const response = await client.get(uri, { stream: true });
    assertSame(new Uint8Array(await new Response(response.body).arrayBuffer()), body);
  });

  test("two bodies at the same time", async () => {
    const bodies = [makeBody(20_000, 1), makeBody(20_000, 2)];
    const uris = bodies.map((_, i) => `${server.origin}/parallel-${i}`);
    for (const uri of uris) await client.put(uri, { payload: "first" });
    const puts = await Promise.all(
      bodies.map((payload, i) => client.put(uris[i]!, { payload, contentFormat })),
    );
    assertEquals(puts.map(({ code }) => code), [Code.Changed, Code.Changed]);
    const gets = await Promise.all(uris.map((uri) => client.get(uri)));
    gets.forEach(({ payload }, i) => assertSame(payload, bodies[i]!));
  });

  test("FETCH, one that takes blocks, and iPATCH", async () => {
    const contentFormat = ContentFormat.Text;
    const uri = `${server.origin}/time`;
    const ticks = await client.fetch(uri, { payload: "ticks", contentFormat });
    assertEquals(ticks.code, Code.Content);
    assertMatch(ticks.text(), /^\d{10}$/);
    // Of what it does not know in a payload it takes no notice.
    const time = await client.fetch(uri, { payload: "?".repeat(3000), contentFormat });
    assertEquals(time.code, Code.Content);
    // It has no resource for it, and says so.
    const refused = await client.ipatch(uri, { payload: "1", contentFormat });
    assertEquals(refused.code, Code.MethodNotAllowed);
  });
});

describeWithLibcoap("bodies of 8 kB, with losses", (test) => {
  const body = makeBody(8192);

  test("coap-client drops its datagrams 2,5, the server loses its 2,5", async (keep) => {
    const folder = keep(new Folder());
    const input = folder.write("in", body);
    const cases = [
      { name: "client", flags: ["-l", "2,5"], transport: bindUdp },
      { name: "server", flags: [], transport: withLosses(bindUdp, "2,5") },
    ];
    // coap-client waits 2 to 3 s before it sends a message again: all at the same time.
    await Promise.all(cases.flatMap(({ name, flags, transport }) => [
      (async () => {
        const { server, store, writes, uri } = await startStore({ transport });
        keep(server);
        const args = ["-m", "put", ...BYTES, "-b", "1024", "-f", input, uri("x")];
        const { pdus } = await runCoapClient([...flags, ...args]);
        assertSame(store.get("x"), body);
        assertEquals(writes, ["x"]);
        assertEquals(pdus.filter(({ direction }) => direction === "sent").length, 10);
      })(),
      (async () => {
        const { server, store, uri } = await startStore({ transport });
        keep(server);
        store.set("x", body);
        const args = ["-b", "1024", "-o", folder.path(name), uri("x")];
        const { pdus } = await runCoapClient([...flags, ...args]);
        assertSame(folder.read(name), body);
        assertEquals(pdus.filter(({ direction }) => direction === "sent").length, 10);
      })(),
    ]));
  });

  test("coap-server drops some of its datagrams, the client loses some of its own", async (keep) => {
    // Some while the body goes, which takes 16 datagrams, two of them in a row, and some while it comes.
    const list = "2,5,9-10,22,25-26";
    const cases = [
      { args: ["-l", list], transport: bindUdp },
      { args: [], transport: withLosses(bindUdp, list) },
    ];
    await Promise.all(cases.map(async ({ args, transport }) => {
      const server = keep(await startCoapServer(args));
      let sent = 0;
      const client = keep(
        new CoAPClient({
          blockSize: 512,
          parameters: { ackTimeout: 100 },
          transport,
          onMessage: ({ direction }) => void (direction === "out" && sent++),
        }),
      );
      const uri = `${server.origin}/lossy`;
      assertEquals((await client.put(uri, { payload: body })).code, Code.Created);
      const response = await client.get(uri, { blockSize: 512 });
      assertSame(response.payload, body);
      assertEquals(sent, 16 + 16 + 7);
    }));
  });
});

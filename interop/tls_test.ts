import { after, before } from "node:test";
import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import {
  CoAPClient,
  type CoAPClientOptions,
  CoAPError,
  CoAPResponse,
  Code,
  Router,
  serve,
} from "@x/coap";
import { makeBody } from "../testing/bodies.ts";
import {
  AUTHORITY,
  CLIENT_CERT,
  CLIENT_KEY,
  EXPIRED_CERT,
  EXPIRED_KEY,
  OTHER_AUTHORITY,
  SERVER_CERT,
  SERVER_KEY,
  STRANGER_CERT,
  STRANGER_KEY,
} from "../testing/certificates.ts";
import { type CoapServer, runCoapClient, startCoapServer } from "./libcoap.ts";
import { blocksOf } from "./store.ts";
import { assertSame, describeWithLibcoap, Folder, type Keep, waitUntil } from "./suite.ts";

/** Files for `-c`, `-j`, `-C` and `-R`. */
class Certificates extends Folder {
  #file(name: string, text: string): string {
    return this.write(name, new TextEncoder().encode(text));
  }

  /** What `-c` and `-j` take. */
  own(cert: string, key: string): string[] {
    const name = `${cert.length}-${cert.slice(60, 70).replace(/\W/g, "")}`;
    return ["-c", this.#file(`${name}.pem`, cert), "-j", this.#file(`${name}.key`, key)];
  }

  /** The authority to trust. */
  authority(flag: "-C" | "-R", text: string): string[] {
    return [flag, this.#file(text === AUTHORITY ? "ca.pem" : "other.pem", text)];
  }
}

describeWithLibcoap("coap-client over TLS against the server", (test) => {
  const files = new Certificates();
  const body = makeBody(1_000_000);
  after(() => files.close());

  /** A server that asks for a certificate where that is wanted, its URI and what happened. */
  async function start(keep: Keep, requestCert = false) {
    let state = "0";
    let stored = new Uint8Array(0);
    const told: string[] = [];
    const router = new Router()
      .get("/who", ({ peer: { scheme, hostname, certificate } }) => {
        told.push("asked");
        return CoAPResponse.text(`${scheme} ${hostname} ${certificate?.length}`);
      })
      .put("/body", ({ payload }) => {
        stored = payload.slice();
        return new CoAPResponse(undefined, { code: Code.Changed });
      })
      .get("/body", () => new CoAPResponse(stored))
      .get("/state", () => CoAPResponse.text(state), { observable: true });
    const server = keep(
      await serve({
        hostname: "127.0.0.1",
        udp: false,
        tls: { port: 0, cert: SERVER_CERT, key: SERVER_KEY, ca: AUTHORITY, requestCert },
        onObserve: () => (told.push("observes"), true),
        onUnobserve: (_, reason) => void told.push(reason),
        onError: () => void told.push("error"),
      }, router),
    );
    const uri = (path: string) => `coaps+tcp://localhost:${server.address.port}${path}`;
    const change = (to: string) => (state = to, server.notify("/state"));
    return { uri, told, change };
  }

  const trusting = () => files.authority("-R", AUTHORITY);

  test("the server's certificate, its name and the client's", async (keep) => {
    const { uri } = await start(keep);
    const { pdus } = await runCoapClient([...trusting(), uri("/who")]);
    assertEquals(pdus.map(({ code }) => code), ["CSM", "2.05"]); // what it sends over TLS is not logged
    assertEquals(pdus[0]!.options, ["Max-Message-Size:8389632", "Block-Wise-Transfer:"]);
    assertEquals(pdus[1]!.payload, "coaps+tcp localhost undefined");
  });

  test("an authority that is not the server's: coap-client refuses", async (keep) => {
    const { uri, told } = await start(keep);
    const refused = await runCoapClient([...files.authority("-R", OTHER_AUTHORITY), uri("/who")]);
    assertEquals(refused.pdus, []);
    assertMatch(refused.output, /Unknown CA|certificate verify failed/);
    await waitUntil(() => told.length > 0);
    assertEquals(told, ["error"]);
    const { pdus } = await runCoapClient([...trusting(), uri("/who")]);
    assertEquals(pdus.at(-1)!.code, "2.05");
  });

  test("clients without certificate or with one of a stranger are refused", async (keep) => {
    const { uri, told } = await start(keep, true);
    const stranger = files.own(STRANGER_CERT, STRANGER_KEY);
    for (const flags of [[], stranger]) {
      told.length = 0;
      const { pdus, output } = await runCoapClient([
        ...flags,
        ...trusting(),
        "-B",
        "2",
        uri("/who"),
      ]);
      assertEquals(pdus, []);
      assertMatch(output, /session disconnected/);
      await waitUntil(() => told.length > 0);
      assertEquals(told, ["error"]);
    }
  });

  test("a client's certificate by the authority is taken and shown to the handler", async (keep) => {
    const { uri } = await start(keep, true);
    const own = files.own(CLIENT_CERT, CLIENT_KEY);
    const { pdus } = await runCoapClient([...own, ...trusting(), uri("/who")]);
    const { length } = atob(CLIENT_CERT.replace(/-----[^-]+-----|\n/g, ""));
    assertEquals(pdus.at(-1)!.payload, `coaps+tcp localhost ${length}`);
  });

  test("bodies of 100 kB and 1 MB in one message, and by BERT", async (keep) => {
    const { uri } = await start(keep);
    for (const length of [100_000, 1_000_000]) {
      const part = body.subarray(0, length);
      const input = files.write("in", part);
      const put = ["-m", "put", "-t", "42", "-f", input, uri("/body")];
      assertEquals((await runCoapClient([...trusting(), ...put])).pdus.at(-1)!.code, "2.04");
      for (const flags of [[], ["-X", "5000"]]) {
        const output = ["-o", files.path("out"), uri("/body")];
        const { pdus } = await runCoapClient([...trusting(), ...flags, ...output]);
        assertSame(files.read("out"), part);
        const blocks = blocksOf(pdus, "received", "Block2");
        assertEquals(blocks.slice(0, 1), flags.length === 0 ? [] : ["0/M/BERT(4096)"]);
      }
    }
  });

  test("observe and the deregistration", async (keep) => {
    const { uri, told, change } = await start(keep);
    const output = ["-w", "-o", files.path("states")];
    const client = runCoapClient([...trusting(), "-s", "1", ...output, uri("/state")]);
    await waitUntil(() => told.length === 1);
    assertEquals(await change("1"), 1);
    await client;
    assertEquals(new TextDecoder().decode(files.read("states")), "0\n1\n");
    await waitUntil(() => told.length === 2);
    assertEquals(told, ["observes", "deregistered"]);
  });
}, true);

describeWithLibcoap("client against coap-server over TLS", (test) => {
  const files = new Certificates();
  let server: CoapServer;

  before(async () => {
    server = await startCoapServer([...files.own(SERVER_CERT, SERVER_KEY), "-n"]);
  });
  after(async () => {
    await server?.close();
    await files.close();
  });

  /** A client that ends with the test. */
  const make = (keep: Keep, tls: CoAPClientOptions["tls"]) => keep(new CoAPClient({ tls }));

  test("requests, a ping, and bodies of 100 kB and 1 MB", async (keep) => {
    const client = make(keep, { ca: AUTHORITY });
    await client.ping(server.tls!);
    assert((await client.discover(server.tls!)).some(({ href }) => href === "/time"));
    for (const length of [100_000, 1_000_000]) {
      const uri = `${server.tls}/body-${length}`;
      const payload = makeBody(length);
      assertEquals((await client.put(uri, { payload, contentFormat: 42 })).code, Code.Created);
      assertSame((await client.get(uri)).payload, payload);
    }
    const missing = await client.get(`${server.tls}/nowhere`);
    assertEquals(missing.code, Code.NotFound);
  });

  test("bodies by BERT", async (keep) => {
    const server = keep(
      await startCoapServer([...files.own(SERVER_CERT, SERVER_KEY), "-n", "-X", "2000"]),
    );
    const client = keep(
      new CoAPClient({ tls: { ca: AUTHORITY }, limits: { messageBytes: 5000 } }),
    );
    const payload = makeBody(100_000);
    const uri = `${server.tls}/body`;
    assertEquals((await client.put(uri, { payload, contentFormat: 42 })).code, Code.Created);
    assertSame((await client.get(uri)).payload, payload);
  });

  test("observe /time, and the cancellation", async (keep) => {
    const client = make(keep, { ca: AUTHORITY });
    let states = 0;
    for await (const state of client.observe(`${server.tls}/time`)) {
      assertEquals(state.observed, true);
      if (++states === 2) break;
    }
    await server.pdus((pdus) => pdus.some(({ options }) => options.includes("Observe:1")));
  });

  const untrusted = [
    { name: "an authority that is not the server's", tls: { ca: OTHER_AUTHORITY } },
    { name: "no authority but those of the system", tls: {} },
    { name: "another name", tls: { ca: AUTHORITY, serverName: "other.example" } },
  ];
  for (const { name, tls } of untrusted) {
    test(`${name}: the client refuses, and sends no request`, async (keep) => {
      const client = make(keep, tls);
      const error = await assertRejects(() => client.get(`${server.tls}/refused`), CoAPError);
      assertEquals(error.reason, "transport");
      assertMatch(error.message, /certificate/);
      await make(keep, { ca: AUTHORITY }).get(`${server.tls}/time`);
      const pdus = await server.pdus((pdus) =>
        pdus.some(({ options }) => options.includes("Uri-Path:time"))
      );
      assertEquals(pdus.filter(({ options }) => options.includes("Uri-Path:refused")), []);
    });
  }

  test("a certificate that has expired: the client refuses", async (keep) => {
    const server = keep(await startCoapServer([...files.own(EXPIRED_CERT, EXPIRED_KEY), "-n"]));
    const client = make(keep, { ca: EXPIRED_CERT });
    const error = await assertRejects(() => client.get(`${server.tls}/time`), CoAPError);
    assertEquals(error.reason, "transport");
    assertMatch(error.message, /certificate/);
  });

  test("a server that asks for a certificate: it takes ours, and refuses none or a stranger's", async (keep) => {
    const flags = [...files.own(SERVER_CERT, SERVER_KEY), ...files.authority("-C", AUTHORITY)];
    const server = keep(await startCoapServer(flags));
    const uri = `${server.tls}/time`;
    const known = make(keep, { ca: AUTHORITY, cert: CLIENT_CERT, key: CLIENT_KEY });
    assertEquals((await known.get(uri)).code, Code.Content);
    for (const own of [{}, { cert: STRANGER_CERT, key: STRANGER_KEY }]) {
      const client = make(keep, { ca: AUTHORITY, ...own });
      const error = await assertRejects(() => client.get(uri), CoAPError);
      assertEquals(error.reason, "transport");
    }
  });

  test("TLS meets TCP: both sides are told at once", async (keep) => {
    const client = make(keep, { ca: AUTHORITY });
    for (
      const uri of [
        server.tcp.replace("coap+tcp", "coaps+tcp"),
        server.tls!.replace("coaps+tcp", "coap+tcp"),
      ]
    ) {
      const error = await assertRejects(() => client.get(`${uri}/time`), CoAPError);
      assertEquals(error.reason, "transport");
    }
  });
}, true);

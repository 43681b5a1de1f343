import { afterEach, describe, it } from "node:test";
import { connect, createServer, type Socket } from "node:net";
import process from "node:process";
import { assertEquals, assertMatch, assertRejects } from "@std/assert";
import {
  AUTHORITY,
  CLIENT_CERT,
  CLIENT_KEY,
  OTHER_AUTHORITY,
  SERVER_CERT,
  SERVER_KEY,
} from "../../testing/certificates.ts";
import { fromHex } from "../../testing/vectors.ts";
import { CoAPError } from "../errors.ts";
import { Code } from "../wire/code.ts";
import { CoAPClient } from "./client.ts";
import type { CoAPClientOptions } from "./endpoint_options.ts";
import { CoAPResponse } from "./response.ts";
import { Router } from "./router.ts";
import {
  type Handler,
  type HandlerObject,
  serve,
  type ServeOptions,
  type Server,
} from "./server.ts";

const LOOPBACK = "127.0.0.1";
const TLS = { port: 0, cert: SERVER_CERT, key: SERVER_KEY };

function concat(parts: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((all, { length }) => all + length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

const open: { close(): Promise<void> }[] = [];

async function started(options: ServeOptions, handler: Handler | HandlerObject): Promise<Server> {
  const server = await serve(options, handler);
  open.push(server);
  return server;
}

function make(options?: CoAPClientOptions): CoAPClient {
  const client = new CoAPClient(options);
  open.push(client);
  return client;
}

afterEach(async () => {
  for (const each of open.splice(0)) await each.close();
});

describe("client and server over TCP", () => {
  it("one handler, three transports", async () => {
    const server = await started(
      { hostname: LOOPBACK, port: 0, tcp: { port: 0 }, tls: TLS },
      ({ peer, uri }) => CoAPResponse.text(`${peer.scheme} ${uri.replace(/:\d+/, "")}`),
    );
    const { udp, tcp, tls } = server.addresses;
    const client = make({ tls: { ca: AUTHORITY } });
    const texts: string[] = [];
    for (
      const uri of [
        `coap://${LOOPBACK}:${udp!.port}/a?b`,
        `coap+tcp://${LOOPBACK}:${tcp!.port}/a?b`,
        `coaps+tcp://localhost:${tls!.port}/a?b`,
      ]
    ) texts.push((await client.get(uri)).text());
    assertEquals(texts, [
      "undefined coap://127.0.0.1/a?b",
      "coap+tcp coap+tcp://127.0.0.1/a?b",
      "coaps+tcp coaps+tcp://localhost/a?b",
    ]);
  });

  it("bodies of 1 MB in both directions, in one message and as streams", async () => {
    const server = await started(
      { hostname: LOOPBACK, udp: false, tcp: { port: 0 } },
      ({ payload }) => new CoAPResponse(payload, { code: Code.Content }),
    );
    const client = make();
    const body = Uint8Array.from({ length: 1_000_000 }, (_, i) => i * 7);
    const uri = `coap+tcp://${LOOPBACK}:${server.address.port}/`;
    const whole = await client.post(uri, { payload: body });
    assertEquals(whole.payload.length, body.length);
    assertEquals(whole.payload, body);
    const streamed = await client.post(uri, { payload: new Blob([body]).stream(), stream: true });
    const parts: Uint8Array[] = [];
    for await (const part of streamed.body) parts.push(part);
    assertEquals(concat(parts), body);
  });

  it("observes, over every transport at once", async () => {
    let state = 0;
    const router = new Router()
      .get("/state", () => CoAPResponse.text(`${state}`), { observable: true });
    const server = await started({ hostname: LOOPBACK, port: 0, tcp: { port: 0 } }, router);
    const client = make();
    const { udp, tcp } = server.addresses;
    const observations = [
      client.observe(`coap://${LOOPBACK}:${udp!.port}/state`),
      client.observe(`coap+tcp://${LOOPBACK}:${tcp!.port}/state`),
    ];
    for (const observation of observations) {
      assertEquals((await observation.next()).value!.text(), "0");
    }
    state++;
    assertEquals(await server.notify("/state"), 2);
    for (const observation of observations) {
      assertEquals((await observation.next()).value!.text(), "1");
      await observation.return!();
    }
  });

  it("pings, discovers, and finds nobody", async () => {
    const router = new Router().resource("/t", { rt: "temperature" }, {
      get: () => CoAPResponse.text("20"),
    });
    const server = await started({ hostname: LOOPBACK, udp: false, tcp: { port: 0 } }, router);
    const client = make();
    const uri = `coap+tcp://${LOOPBACK}:${server.address.port}`;
    await client.ping(uri);
    assertEquals((await client.discover(uri)).map(({ href }) => href), ["/t"]);
    await server.close();
    const error = await assertRejects(() => make().get(`${uri}/t`), CoAPError);
    assertEquals(error.reason, "refused");
  });
});

/** A server of which `say` makes a peer. Answers its URI and how many clients there were. */
async function scripted(say: (socket: Socket, count: number) => void) {
  let count = 0;
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
    say(socket, ++count);
  });
  await new Promise<void>((resolve) => server.listen(0, LOOPBACK, resolve));
  open.push({
    close: () => {
      for (const socket of sockets) socket.destroy();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  });
  const { port } = server.address() as { port: number };
  return { uri: `coap+tcp://${LOOPBACK}:${port}/`, count: () => count };
}

describe("a connection that ends when it begins", () => {
  const cases = [
    ["Abort in one with the CSM", "00e130e5ff4e6f", "refused", /Peer aborted .* No$/],
    ["Release in one with the CSM", "00e100e4", "transport", /Connection was released$/],
    ["the end right after the CSM", "00e1", "transport", /Connection (was closed|is lost)/],
    ["the end at once", "", "transport", /Connection was closed$/],
  ] as const;
  for (const [name, bytes, reason, message] of cases) {
    it(`${name}: is reported, and the next request has another`, async () => {
      const { uri, count } = await scripted((socket, count) => {
        if (count > 1) {
          socket.write(fromHex("00e1"));
          socket.on("data", (bytes) => {
            const at = bytes.indexOf(Code.GET); // behind length and token length 4, in front of the token
            if (at > 0) socket.write(Uint8Array.of(4, 0x45, ...bytes.subarray(at + 1, at + 5)));
          });
        } else if (name.startsWith("the end")) socket.end(fromHex(bytes));
        else socket.write(fromHex(bytes));
      });
      const client = make();
      const error = await assertRejects(() => client.get(uri), CoAPError);
      assertEquals(error.reason, reason);
      assertMatch(error.message, message);
      assertEquals([(await client.get(uri)).codeText, count()], ["2.05", 2]);
    });
  }
});

describe("a server that is closed", () => {
  it("has its responses leave, and its port free, whatever the clients do", async () => {
    const body = new Uint8Array(3_000_000);
    const server = await started(
      { hostname: LOOPBACK, udp: false, tcp: { port: 0 } },
      () => new CoAPResponse(body),
    );
    const { tcp } = server.addresses;
    // One that does nothing, and one that reads late.
    const [idle, late] = await Promise.all([0, 1].map(() =>
      new Promise<Socket>((resolve) => {
        const socket = connect(tcp!.port, LOOPBACK, () => resolve(socket));
      })
    ));
    late!.write(fromHex("60e12400ffffff20")); // Max-Message-Size 16 MiB, Block-Wise-Transfer
    late!.write(fromHex("0101ff")); // GET
    while (server.stats().counters.requestsServed === 0) {
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    await server.close();
    const again = await started(
      { hostname: LOOPBACK, udp: false, tcp: tcp! },
      () => CoAPResponse.text("again"),
    );
    const client = make();
    assertEquals(
      (await client.get(`coap+tcp://${LOOPBACK}:${again.address.port}/`)).text(),
      "again",
    );
    let received = 0;
    late!.on("data", ({ length }) => received += length);
    await new Promise((resolve) => late!.on("close", resolve));
    assertEquals(received > body.length, true);
    idle!.destroy();
  });
});

describe("TLS", () => {
  it("a certificate of another authority is refused", async () => {
    const server = await started(
      { hostname: LOOPBACK, udp: false, tls: TLS },
      () => CoAPResponse.text(""),
    );
    const uri = `coaps+tcp://localhost:${server.address.port}/`;
    for (const ca of [OTHER_AUTHORITY, undefined]) {
      const client = make({ tls: { ca } });
      const error = await assertRejects(() => client.get(uri), CoAPError);
      assertEquals(error.reason, "transport");
      assertMatch(error.message, /certificate/);
    }
  });

  it("a certificate for another name is refused, unless it is the one asked for", async () => {
    const server = await started(
      { hostname: LOOPBACK, udp: false, tls: TLS },
      ({ peer }) => CoAPResponse.text(`${peer.hostname}`),
    );
    const uri = `coaps+tcp://localhost:${server.address.port}/`;
    const wrong = make({ tls: { ca: AUTHORITY, serverName: "other.example" } });
    const error = await assertRejects(() => wrong.get(uri), CoAPError);
    assertEquals(error.reason, "transport");
    const right = make({ tls: { ca: AUTHORITY, serverName: "sensor.example" } });
    assertEquals((await right.get(uri)).text(), "sensor.example");
  });

  it("clients show a certificate where the server asks for one", async () => {
    const errors: unknown[] = [];
    const server = await started({
      hostname: LOOPBACK,
      udp: false,
      tls: { ...TLS, ca: AUTHORITY, requestCert: true },
      onError: (error) => errors.push(error),
    }, ({ peer }) => CoAPResponse.text(`${peer.certificate!.length > 100}`));
    const uri = `coaps+tcp://localhost:${server.address.port}/`;
    const known = make({
      tls: { ca: AUTHORITY, cert: CLIENT_CERT, key: CLIENT_KEY },
    });
    assertEquals((await known.get(uri)).text(), "true");
    const unknown = make({ tls: { ca: AUTHORITY } });
    await assertRejects(() => unknown.get(uri), CoAPError);
    assertEquals(errors.length, 1);
  });

  it("who observes with a certificate gets a state of its own, and none that is meant for others", async () => {
    const router = new Router().get(
      "/me",
      ({ peer }) => {
        const { scheme, certificate, port } = peer;
        return CoAPResponse.text(`${scheme} ${certificate === undefined ? "anybody" : port}`);
      },
      { observable: true },
    );
    const tls = { ...TLS, ca: AUTHORITY, requestCert: true };
    const server = await started({ hostname: LOOPBACK, port: 0, tcp: { port: 0 }, tls }, router);
    const { addresses } = server;
    const known = { tls: { ca: AUTHORITY, cert: CLIENT_CERT, key: CLIENT_KEY } };
    const [first, second] = [make(known), make(known)];
    const secure = `coaps+tcp://${LOOPBACK}:${addresses.tls!.port}/me`;
    const observations = [
      first.observe(`coap://${LOOPBACK}:${addresses.udp!.port}/me`),
      first.observe(`coap+tcp://${LOOPBACK}:${addresses.tcp!.port}/me`),
      first.observe(secure),
      second.observe(secure),
    ];
    const texts: string[] = [];
    for (const states of observations) texts.push((await states.next()).value!.text());
    assertEquals(new Set(texts).size, 4);
    assertEquals(await server.notify("/me"), 4);
    for (const states of observations) {
      assertEquals((await states.next()).value!.text(), texts.shift());
      await states.return!();
    }
  });

  it("a certificate or key that is none is refused when the server starts", async () => {
    const wrong: [Partial<typeof TLS> & { ca?: string }, string][] = [
      [{ cert: "certificate" }, '"cert" is no certificate in PEM'],
      [{ key: "key" }, '"key" is no private key in PEM'],
      [{ ca: "/etc/ca.pem" }, '"ca" is no certificate in PEM'],
    ];
    for (const [part, text] of wrong) {
      const options = { hostname: LOOPBACK, udp: false, tls: { ...TLS, ...part } };
      await assertRejects(() => started(options, () => CoAPResponse.text("")), TypeError, text);
    }
    const client = make({ tls: { ca: "/etc/ca.pem" } });
    const error = await assertRejects(() => client.get(`coaps+tcp://${LOOPBACK}:1/`), CoAPError);
    assertEquals(error.reason, "transport");
    assertMatch(error.message, /"ca" is no certificate in PEM$/);
  });

  it("who never shakes hands is not waited for", async () => {
    const errors: unknown[] = [];
    const server = await started({
      hostname: LOOPBACK,
      udp: false,
      tls: { ...TLS, handshakeTimeout: 100 },
      onError: (error) => errors.push(error),
    }, () => CoAPResponse.text("ok"));
    const socket = connect(server.address.port, LOOPBACK);
    socket.resume();
    await new Promise((resolve) => socket.on("close", resolve));
    assertEquals(errors.length, 1);
    const client = make({ tls: { ca: AUTHORITY } });
    assertEquals((await client.get(`coaps+tcp://localhost:${server.address.port}`)).text(), "ok");
  });

  it("ALPN: a client wants it, a server does not insist, and refuses another protocol", async () => {
    const tls = process.getBuiltinModule("node:tls");
    const server = await started(
      { hostname: LOOPBACK, udp: false, tls: TLS },
      () => CoAPResponse.text(""),
    );
    const connected = (protocols: string[] | undefined): Promise<string> =>
      new Promise((resolve) => {
        const socket = tls.connect({
          host: LOOPBACK,
          port: server.address.port,
          ca: AUTHORITY,
          servername: "localhost",
          ALPNProtocols: protocols,
        });
        socket.on("error", () => resolve("refused"));
        // The server's CSM: it has taken the connection.
        socket.on("data", () => {
          resolve(String(socket.alpnProtocol));
          socket.destroy();
        });
      });
    assertEquals(await connected(["h2", "coap"]), "coap");
    assertEquals(await connected(["h2"]), "refused");
    assertEquals(/^(false|null)$/.test(await connected(undefined)), true);
    // A server of something else that shows a good certificate.
    const other = tls.createServer({ cert: SERVER_CERT, key: SERVER_KEY }, (socket) => {
      socket.on("error", () => {});
    });
    await new Promise<void>((resolve) => other.listen(0, LOOPBACK, resolve));
    const { port } = other.address() as { port: number };
    const client = make({ tls: { ca: AUTHORITY } });
    const error = await assertRejects(
      () => client.get(`coaps+tcp://localhost:${port}/`),
      CoAPError,
    );
    assertEquals(error.reason, "transport");
    assertMatch(error.message, /does not speak "coap"/);
    await new Promise((resolve) => other.close(resolve));
  });
});

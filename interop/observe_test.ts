import { after, before } from "node:test";
import { assertEquals, assertMatch } from "@std/assert";
import {
  CoAPClient,
  CoAPResponse,
  Code,
  ContentFormat,
  OptionNumber,
  Router,
  serve,
  type ServeOptions,
} from "@x/coap";
import { bindUdp } from "@x/coap/udp";
import { blockMore, decode, decodeBlock, MessageType } from "@x/coap/wire";
import { makeBody } from "../testing/bodies.ts";
import { type CoapServer, runCoapClient, startCoapServer } from "./libcoap.ts";
import type { Pdu } from "./libcoap_log.ts";
import {
  assertSame,
  describeWithLibcoap,
  Folder,
  inWords,
  type Keep,
  waitUntil,
  withLosses,
} from "./suite.ts";

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

/** A server with an observable resource, and what it knows of its observers. */
async function serveState(keep: Keep, options: ServeOptions = {}) {
  const told: string[] = [];
  let state: Uint8Array | undefined = bytes("0");
  let acknowledged = 0;
  let whole = 0;
  const current = (): CoAPResponse =>
    state === undefined ? CoAPResponse.error(Code.NotFound) : new CoAPResponse(state);
  const done = (code: number): CoAPResponse => {
    void server.notify("/state");
    return new CoAPResponse(undefined, { code });
  };
  const router = new Router().resource("/state", { observable: true }, {
    get: current,
    fetch: (request) => CoAPResponse.text(`${request.text()} of ${current().text()}`),
    ipatch: (request) => {
      state = bytes(current().text() + request.text());
      return done(Code.Changed);
    },
    delete: () => {
      state = undefined;
      return done(Code.Deleted);
    },
  });
  const server = keep(
    await serve({
      hostname: "127.0.0.1",
      port: 0,
      parameters: { ackTimeout: 200 },
      onObserve: ({ method }) => (told.push(`${method} observes`), true),
      onUnobserve: ({ method }, reason) => void told.push(`${method} ${reason}`),
      onMessage: ({ direction, bytes }) => {
        const { type, code, options } = decode(bytes);
        if (direction === "in") {
          if (type === MessageType.Acknowledgement && code === Code.Empty) acknowledged++;
        } else if (code === Code.Content) {
          const block = options.find(({ number }) => number === OptionNumber.Block2);
          if (block === undefined || !blockMore(decodeBlock(block.value))) whole++;
        }
      },
      ...options,
    }, router),
  );
  return {
    uri: `coap://127.0.0.1:${server.address.port}/state`,
    told,
    /** Waits until somebody observes and has the first state. */
    observed: () => waitUntil(() => told.length > 0 && whole > 0),
    /** Tells the observer a state and waits until it has that: an acknowledgement, and the last block. */
    async change(to: Uint8Array): Promise<void> {
      state = to;
      const before = { acknowledged, whole };
      assertEquals(await server.notify("/state"), 1);
      await waitUntil(() => acknowledged > before.acknowledged && whole > before.whole);
    },
    /** Tells the observer a state in a Non-confirmable message. */
    async changeQuietly(to: Uint8Array): Promise<void> {
      state = to;
      assertEquals(await server.notify("/state", undefined, { confirmable: false }), 1);
    },
    /** Acknowledgements that have come. */
    acknowledged: () => acknowledged,
  };
}

/** The Observe options that were received. */
function numbersOf(pdus: readonly Pdu[]): number[] {
  return pdus.filter(({ direction }) => direction === "received").flatMap(({ options }) =>
    options.filter((option) => option.startsWith("Observe:")).map((option) =>
      Number(option.slice("Observe:".length))
    )
  );
}

describeWithLibcoap("coap-client observes resources of the server", (test) => {
  const notified = ["received CON 2.05", "sent ACK 0.00"];

  test("states and the cancellation, GET and FETCH", async (keep) => {
    const folder = keep(new Folder());
    const cases = [
      { method: "GET", flags: [], states: ["0", "1", "2", "3"] },
      {
        method: "FETCH",
        flags: ["-m", "fetch", "-t", "0", "-e", "part"],
        states: ["part of 0", "part of 1", "part of 2", "part of 3"],
      },
    ];
    await Promise.all(cases.map(async ({ method, flags, states }) => {
      const { uri, told, observed, change } = await serveState(keep);
      const output = ["-w", "-o", folder.path(method)]; // each state on a line
      const client = runCoapClient([...flags, "-s", "2", ...output, uri]);
      await observed();
      for (const state of ["1", "2", "3"]) await change(bytes(state));
      const { pdus } = await client;
      assertEquals(new TextDecoder().decode(folder.read(method)), states.join("\n") + "\n");
      assertEquals(inWords(pdus), [
        `sent CON ${method}`,
        "received ACK 2.05",
        ...notified,
        ...notified,
        ...notified,
        `sent CON ${method}`,
      ]);
      assertEquals([pdus[0]!.options[0], pdus.at(-1)!.options[0]], ["Observe:0", "Observe:1"]);
      assertEquals(
        new Set(pdus.flatMap(({ code, token }) => code === "0.00" ? [] : [token])).size,
        1,
      );
      const numbers = numbersOf(pdus);
      assertEquals(numbers.length, 4);
      assertEquals(numbers, [...new Set(numbers)].sort((a, b) => a - b));
      await waitUntil(() => told.length >= 2);
      assertEquals(told, [`${method} observes`, `${method} deregistered`]);
    }));
  });

  test("Non-confirmable", async (keep) => {
    const { uri, told, observed, changeQuietly } = await serveState(keep);
    const client = runCoapClient(["-N", "-s", "1", uri]);
    await observed();
    await changeQuietly(bytes("1"));
    const { pdus } = await client;
    assertEquals(inWords(pdus), [
      "sent NON GET",
      "received NON 2.05",
      "received NON 2.05",
      "sent NON GET",
    ]);
    assertEquals([pdus[1]!.payload, pdus[2]!.payload], ["0", "1"]);
    await waitUntil(() => told.length >= 2);
    assertEquals(told, ["GET observes", "GET deregistered"]);
  });

  test("states that are larger than a block", async (keep) => {
    const folder = keep(new Folder());
    await Promise.all([64, 1024].map(async (size) => {
      const { uri, told, observed, change } = await serveState(keep);
      const states = [3000, 1024, 5000].map((length) => makeBody(length, size));
      const name = `large-${size}`;
      const args = ["-s", "2", "-b", `${size}`, "-o", folder.path(name), uri];
      const client = runCoapClient(args);
      await observed();
      for (const state of states) await change(state);
      const { pdus } = await client;
      const all = Uint8Array.from([bytes("0"), ...states].flatMap((state) => [...state]));
      assertSame(folder.read(name), all);
      assertEquals(numbersOf(pdus).length, 4);
      await waitUntil(() => told.length >= 2);
      assertEquals(told, ["GET observes", "GET deregistered"]);
    }));
  });

  test("a resource that others change with iPATCH and DELETE", async (keep) => {
    const { uri, told, observed, acknowledged } = await serveState(keep);
    const observer = runCoapClient(["-s", "2", uri]);
    await observed();
    await runCoapClient(["-m", "ipatch", "-t", "0", "-e", "+", uri]);
    await waitUntil(() => acknowledged() === 1);
    await runCoapClient(["-m", "delete", uri]);
    const { pdus } = await observer;
    assertEquals(inWords(pdus), [
      "sent CON GET",
      "received ACK 2.05",
      ...notified,
      "received CON 4.04",
      "sent ACK 0.00",
    ]);
    assertEquals(pdus[2]!.payload, "0+");
    assertEquals([pdus[4]!.token, pdus[4]!.options], [pdus[0]!.token, []]);
    assertEquals(told, ["GET observes", "GET error"]);
  });
});

describeWithLibcoap("client observes resources of coap-server", (test) => {
  let server: CoapServer;
  let client: CoAPClient;

  before(async () => {
    server = await startCoapServer();
    client = new CoAPClient();
  });
  after(async () => {
    await client?.close();
    await server?.close();
  });

  test("/time by GET and FETCH, three states each, and the cancellation", async (keep) => {
    await Promise.all([
      { init: {}, method: "GET", pattern: /^\w{3} \d\d \d\d:\d\d:\d\d$/ },
      {
        init: { method: "FETCH", payload: "ticks", contentFormat: ContentFormat.Text },
        method: "FETCH",
        pattern: /^\d{10}$/,
      } as const,
    ].map(async ({ init, method, pattern }) => {
      const server = keep(await startCoapServer());
      const texts = new Set<string>();
      for await (const state of client.observe(`${server.origin}/time`, init)) {
        assertEquals([state.code, state.observed, state.isLatest], [Code.Content, true, true]);
        assertMatch(state.text(), pattern);
        texts.add(state.text());
        if (texts.size === 3) break;
      }
      const isOf = (number: number) => ({ code, options }: Pdu): boolean =>
        code === method && options.includes(`Observe:${number}`);
      const answerIn = (pdus: Pdu[]): number => {
        const last = pdus.find(isOf(1));
        return pdus.findIndex(({ direction, id }) => direction === "sent" && id === last?.id);
      };
      const pdus = await server.pdus((pdus) => answerIn(pdus) >= 0);
      assertEquals(pdus.find(isOf(1))!.token, pdus.find(isOf(0))!.token);
      // Time goes on; who has deregistered does not hear of it.
      await new Promise((resolve) => setTimeout(resolve, 1_500));
      const all = await server.pdus(() => true);
      assertEquals(inWords(all.slice(answerIn(all))), ["sent ACK 2.05"]);
    }));
  });

  test("/time, Non-confirmable", async (keep) => {
    const server = keep(await startCoapServer(["-N"]));
    let states = 0;
    for await (const state of client.observe(`${server.origin}/time`, { confirmable: false })) {
      assertEquals(state.observed, true);
      if (++states === 2) break;
    }
    const pdus = await server.pdus((pdus) =>
      pdus.some(({ options }) => options.includes("Observe:1"))
    );
    const notification = pdus.find(({ options }) => options.includes("Observe:3"));
    assertEquals([notification?.direction, notification?.type], ["sent", "NON"]);
  });

  test("/example_data, larger than a block, four states", async (keep) => {
    const server = keep(await startCoapServer());
    const uri = `${server.origin}/example_data`;
    const other = keep(new CoAPClient());
    const bodies = [2000, 5000, 1024].map((length) => makeBody(length));
    const seen: Uint8Array[] = [];
    for await (const state of client.observe(uri)) {
      assertEquals([state.code, state.observed], [Code.Content, true]);
      seen.push(state.payload);
      if (seen.length === 4) break;
      const payload = bodies[seen.length - 1]!;
      const changed = await other.put(uri, { payload, contentFormat: ContentFormat.OctetStream });
      assertEquals(changed.code, Code.Changed);
    }
    assertEquals(seen.map(({ length }) => length), [1500, 2000, 5000, 1024]);
    bodies.forEach((body, i) => assertSame(seen[i + 1], body));
    await server.pdus((pdus) => pdus.some(({ options }) => options.includes("Observe:1")));
  });

  test("a resource that changes and is deleted", async () => {
    // One client for all: coap-server has no 4.04 for an observer whose acknowledgement it still waits for.
    const uri = `${server.origin}/observed`;
    await client.put(uri, { payload: "first" });
    const seen: string[] = [];
    for await (const state of client.observe(uri)) {
      seen.push(`${state.codeText} ${state.text()}`);
      if (!state.observed) continue; // the last one
      if (seen.length === 1) await client.put(uri, { payload: "second" });
      else await client.delete(uri);
    }
    assertEquals(seen, ["2.05 first", "2.05 second", "4.04 "]);
  });

  test("what can not be observed", async () => {
    const states = await Array.fromAsync(client.observe(`${server.origin}/`));
    assertEquals(states.map(({ code, observed }) => [code, observed]), [[Code.Content, false]]);
    const missing = await Array.fromAsync(client.observe(`${server.origin}/missing`));
    assertEquals(missing.map(({ code, observed }) => [code, observed]), [[Code.NotFound, false]]);
  });
});

describeWithLibcoap("observing, with losses", (test) => {
  test("a large state of which a notification and a block are lost", async (keep) => {
    const folder = keep(new Folder());
    const state = makeBody(2000);
    await Promise.all([
      { name: "server", flags: [], transport: withLosses(bindUdp, "2,4"), requests: 4 },
      // The first asks for the state, the second for a block.
      { name: "client", flags: ["-l", "2"], transport: bindUdp, requests: 4 },
    ].map(async ({ name, flags, transport, requests }) => {
      const { uri, observed, change } = await serveState(keep, { transport });
      const client = runCoapClient([...flags, "-s", "4", "-o", folder.path(name), uri]);
      await observed();
      await change(state);
      const { pdus } = await client;
      assertSame(folder.read(name), new Uint8Array([...bytes("0"), ...state]));
      assertEquals(pdus.filter(({ code }) => code === "GET").length, requests);
    }));
  });

  test("states of coap-server, its datagrams or the client's lost", async (keep) => {
    await Promise.all([
      // The first notification, and a block of it.
      { args: ["-l", "5,7"], transport: bindUdp },
      // The acknowledgement of the first notification, and a request for a block of it.
      { args: [], transport: withLosses(bindUdp, "3-4") },
    ].map(async ({ args, transport }) => {
      const server = keep(await startCoapServer(args));
      const client = keep(new CoAPClient({ parameters: { ackTimeout: 100 }, transport }));
      const other = keep(new CoAPClient());
      const uri = `${server.origin}/example_data`;
      const bodies = [2000, 5000].map((length) => makeBody(length));
      const seen: Uint8Array[] = [];
      for await (const state of client.observe(uri)) {
        seen.push(state.payload);
        const payload = bodies[seen.length - 1];
        if (payload === undefined) break;
        await other.put(uri, { payload, contentFormat: ContentFormat.OctetStream });
      }
      assertEquals(seen.length, 3);
      bodies.forEach((body, i) => assertSame(seen[i + 1], body));
    }));
  });
});

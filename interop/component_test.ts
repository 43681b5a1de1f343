import { assertEquals, assertMatch } from "@std/assert";
import { CoAP, type CoAPOptions } from "@x/coap";
import { makeBody } from "../testing/bodies.ts";
import { runCoapClient, startCoapServer } from "./libcoap.ts";
import { assertSame, describeWithLibcoap, Folder, inWords, type Keep, waitUntil } from "./suite.ts";

const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);

/** A component that ends with the test. */
function component(keep: Keep, options?: CoAPOptions): CoAP {
  const coap = new CoAP(options);
  keep({ close: () => coap.shutdown() });
  return coap;
}

/** A component that listens, and its URI. */
async function listener(keep: Keep): Promise<{ coap: CoAP; uri: string }> {
  const coap = component(keep, { parameters: { ackTimeout: 200 } });
  coap.localHost = "127.0.0.1";
  await coap.startListening();
  return { coap, uri: `coap://127.0.0.1:${coap.localPort}` };
}

describeWithLibcoap("coap-client against the component", (test) => {
  test("GET, piggybacked and later", async (keep) => {
    const { coap, uri } = await listener(keep);
    coap.on("Request", async (e) => {
      if (e.URIPath === "/later") await new Promise((resolve) => setTimeout(resolve, 500));
      coap.responseCode = e.method === 1 ? "2.05" : "4.05";
      coap.responseData = `${e.URIPath} ${e.URIQuery}`;
      coap.responseContentFormat = 0;
    });
    const told: unknown[] = [];
    coap.on("ResponseComplete", (e) => void told.push([e.requestId, e.errorCode]));
    const { pdus } = await runCoapClient([`${uri}/now?a=%26&b`]);
    assertEquals(inWords(pdus), ["sent CON GET", "received ACK 2.05"]);
    assertEquals([pdus[1]!.payload, pdus[1]!.options], ["/now a=%26&b", [
      "Content-Format:text/plain",
    ]]);
    const { pdus: later } = await runCoapClient([`${uri}/later`]);
    assertEquals(inWords(later), [
      "sent CON GET",
      "received ACK 0.00",
      "received CON 2.05",
      "sent ACK 0.00",
    ]);
    const { pdus: refused } = await runCoapClient(["-m", "delete", uri]);
    assertEquals(inWords(refused), ["sent CON DELETE", "received ACK 4.05"]);
    await waitUntil(() => told.length === 3);
    assertEquals(told, [["1.1", 0], ["1.2", 0], ["1.3", 0]]);
  });

  test("PUT of 100,000 bytes, and GET of what was put", async (keep) => {
    const { coap, uri } = await listener(keep);
    const body = makeBody(100_000);
    let stored = new Uint8Array() as Uint8Array;
    coap.on("Request", (e) => {
      if (e.method === 3) {
        stored = coap.requestData;
        coap.responseCode = "2.04";
      } else {
        coap.responseCode = "2.05";
        coap.responseData = stored;
        coap.responseContentFormat = 42;
      }
    });
    const folder = keep(new Folder());
    await runCoapClient([
      "-m",
      "put",
      "-t",
      "42",
      "-b",
      "1024",
      "-f",
      folder.write("in", body),
      uri,
    ]);
    assertSame(stored, body);
    assertEquals(coap.requestContentFormat, 42);
    await runCoapClient(["-o", folder.path("out"), uri]);
    assertSame(folder.read("out"), body);
  });

  test("observe, sendNotification and the cancellation", async (keep) => {
    const { coap, uri } = await listener(keep);
    const told: string[] = [];
    let observed = "";
    coap.on("Register", (e) => {
      told.push(`registered ${e.URIPath}`);
      observed = e.URI;
      e.accept = true;
      coap.responseCode = "2.05";
      coap.responseData = "0";
    });
    coap.on("Unregistered", (e) => void told.push(`unregistered ${e.URIPath} ${e.remoteHost}`));
    coap.on("Request", (e) => {
      told.push(`request ${e.method}`);
      coap.responseCode = "2.05";
      coap.responseData = "end";
    });
    let complete = 0;
    coap.on("ResponseComplete", (e) => void (complete += Number(e.errorCode === 0)));
    const client = runCoapClient(["-s", "5", `${uri}/state`]);
    await waitUntil(() => complete === 1);
    for (let i = 1; i <= 3; i++) {
      coap.responseCode = "2.05";
      coap.responseData = String(i);
      await coap.sendNotification(observed);
      await waitUntil(() => complete === i + 1); // it is acknowledged
    }
    const { pdus } = await client;
    const notified = ["received CON 2.05", "sent ACK 0.00"];
    assertEquals(inWords(pdus).slice(0, 9), [
      "sent CON GET",
      "received ACK 2.05",
      ...notified,
      ...notified,
      ...notified,
      "sent CON GET",
    ]);
    assertEquals([pdus[0]!, pdus[8]!].map(({ options }) => options[0]), ["Observe:0", "Observe:1"]);
    const states = pdus.filter(({ code }) => code === "2.05").slice(0, 4);
    assertEquals(states.map(({ payload }) => payload), ["0", "1", "2", "3"]);
    await waitUntil(() => told.length === 3);
    assertEquals(told, ["registered /state", "unregistered /state 127.0.0.1", "request 1"]);
  });

  test("observers are told of the end", async (keep) => {
    const { coap, uri } = await listener(keep);
    const told: string[] = [];
    coap.on("Register", (e) => {
      told.push(e.URI);
      e.accept = true;
      coap.responseCode = "2.05";
    });
    coap.on("Unregistered", () => void told.push("unregistered"));
    const client = runCoapClient(["-s", "1", uri]);
    await waitUntil(() => told.length === 1);
    coap.responseCode = "4.04";
    await coap.sendNotification(told[0]!);
    assertEquals(told.length, 2);
    const { pdus } = await client;
    assertEquals(inWords(pdus).slice(0, 4), [
      "sent CON GET",
      "received ACK 2.05",
      "received CON 4.04",
      "sent ACK 0.00",
    ]);
  });
});

describeWithLibcoap("the component against coap-server", (test) => {
  test("GET, PUT and DELETE, large and small", async (keep) => {
    const server = keep(await startCoapServer());
    const coap = component(keep);
    assertEquals(await coap.get(`${server.origin}/`), "");
    assertEquals([coap.responseCode, coap.responseContentFormat], ["2.05", -1]); // it says none
    assertMatch(text(coap.responseData), /libcoap/);
    assertEquals(coap.responseOptions.find(({ number }) => number === 14)?.value, "196607");

    const body = makeBody(100_000);
    const uri = `${server.origin}/example_data`;
    coap.requestData = body;
    coap.requestContentFormat = 42;
    await coap.put(uri);
    assertMatch(coap.responseCode, /^2\.0[14]$/);
    await coap.get(uri);
    assertSame(coap.responseData, body);
    assertEquals(coap.responseContentFormat, 42);

    coap.requestData = "new";
    await coap.put(`${server.origin}/new`);
    assertEquals(coap.responseCode, "2.01");
    await coap.delete(`${server.origin}/new`);
    assertEquals(coap.responseCode, "2.02");
    const told: unknown[] = [];
    coap.on("RequestComplete", (e) => void told.push(e.errorCode, e.errorDescription));
    await coap.get(`${server.origin}/new`);
    assertEquals(told, [709, "4.04 Not Found"]);
  });

  test("FETCH, a separate response, and Non-confirmable", async (keep) => {
    const server = keep(await startCoapServer());
    const coap = component(keep);
    coap.requestData = "ticks";
    coap.requestContentFormat = 0;
    await coap.sendCustomRequest(`${server.origin}/time`, 5);
    assertMatch(text(coap.responseData), /^\d+$/);
    await coap.get(`${server.origin}/async?1`);
    assertEquals([coap.responseCode, text(coap.responseData)], ["2.05", "done"]);
    coap.useConfirmableMessages = false;
    await coap.get(`${server.origin}/time`);
    assertEquals(coap.responseCode, "2.05");
  });

  test("observe, and stop observing", async (keep) => {
    const server = keep(await startCoapServer());
    const coap = component(keep);
    const uri = `${server.origin}/time?ticks`;
    const states: number[] = [];
    coap.on("Notification", (e) => {
      if (e.isLatest) states.push(Number(text(coap.responseData)));
    });
    assertEquals(await coap.startObserving(uri), "");
    assertEquals([states.length, coap.pendingRequests.size], [1, 0]);
    // The clock may have ticked between the registration and the first notification, or not.
    await waitUntil(() => new Set(states).size === 3);
    assertEquals([...new Set(states)], [0, 1, 2].map((i) => states[0]! + i));
    const { length } = states;
    const told: unknown[] = [];
    coap.on("RequestComplete", (e) => void told.push(e.errorCode));
    await coap.stopObserving(uri);
    assertEquals([told, coap.responseCode], [[0], "2.05"]);
    const pdus = await server.pdus((pdus) =>
      pdus.some(({ options }) => options[0] === "Observe:1")
    );
    const tokens = pdus.filter(({ code }) => code === "GET").map(({ token }) => token);
    assertEquals(new Set(tokens).size, 1);
    await new Promise((resolve) => setTimeout(resolve, 1500));
    assertEquals(states.length, length);
  });

  test("what can not be observed", async (keep) => {
    const server = keep(await startCoapServer());
    const coap = component(keep);
    const told: string[] = [];
    coap.on("Error", (e) => void told.push(`Error ${e.errorCode}`));
    coap.on("RequestComplete", (e) => void told.push(`RequestComplete ${e.errorCode}`));
    await coap.startObserving(`${server.origin}/`);
    assertEquals(told, ["RequestComplete 0", "Error 710"]);
    assertMatch(text(coap.responseData), /libcoap/);
  });
});

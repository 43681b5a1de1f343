import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { afterEach, beforeEach, describe, it } from "node:test";
import { NetworkPeer } from "../../testing/network_peer.ts";
import { failure, SERVER, Simulation } from "../../testing/simulated_endpoints.ts";
import type { CoAPNotification } from "../../mod.ts";
import { ContentFormat } from "../wire/content_format.ts";
import { OptionNumber } from "../wire/option.ts";
import type { CoAPClient } from "./client.ts";

type States = AsyncIterableIterator<CoAPNotification, undefined>;

describe("CoAPClient.observe", () => {
  let net: Simulation;
  let peer: NetworkPeer;
  let client: CoAPClient;
  beforeEach(async () => {
    net = new Simulation();
    peer = await new NetworkPeer(net).bind();
    client = net.client();
  });
  afterEach(async () => {
    await net.rest();
    await net.close();
  });

  /** The next state, as text. */
  async function text(states: States): Promise<string> {
    const { done, value } = await states.next();
    return done ? "done" : value.text();
  }

  /** Observes /a; the server accepts with the state "0". */
  async function observed(): Promise<States> {
    const states = client.observe(`${SERVER}/a`);
    const first = text(states);
    await peer.receives("CON GET $m token $t Observe:0 /a");
    await peer.sends('ACK 2.05 $m token $t Observe:1 "0"');
    assertEquals(await first, "0");
    return states;
  }

  async function deregistered(): Promise<void> {
    await peer.receives("CON GET $d token $t Observe:1 /a");
    await peer.sends("ACK 2.05 $d token $t");
  }

  it("7641-3.1-1: yields the states that the server sends", async () => {
    const states = client.observe(`${SERVER}/a`);
    const first = states.next();
    await peer.receives("CON GET $m token $t Observe:0 /a");
    await peer.sends('ACK 2.05 $m token $t Observe:9 Max-Age:15 "18.5"');
    const { value } = await net.run(first);
    assertEquals(
      [value!.text(), value!.observed, value!.isLatest, value!.ok, value!.maxAge],
      ["18.5", true, true, true, 15],
    );
    assertEquals(value!.uri, `${SERVER}/a`);
    assertEquals(value!.peer?.address, "127.0.0.1");
    const next = text(states);
    await peer.sends('NON 2.05 0x4001 token $t Observe:16 "19.2"');
    assertEquals(await next, "19.2");
    await states.return!();
    await deregistered();
  });

  it("sends nothing before the first next, and nothing after a return without one", async () => {
    const states = client.observe(`${SERVER}/a`);
    await peer.hearsNothing(1000);
    assertEquals(await states.return!(), { done: true, value: undefined });
    assertEquals(await states.next(), { done: true, value: undefined });
    await peer.hearsNothing(1000);
  });

  it("7641-3.6-2: break tells the server, with the same token, Observe 1 and no ETag", async () => {
    const states = client.observe(`${SERVER}/a`, { accept: 0, etag: Uint8Array.of(1) });
    const reading = (async () => {
      for await (const state of states) if (state.text() === "end") break;
    })();
    await peer.receives("CON GET $m token $t ETag:0x01 Observe:0 /a Accept:0");
    await peer.sends('ACK 2.05 $m token $t Observe:1 "go on"');
    await peer.sends('NON 2.05 0x4001 token $t Observe:2 "end"');
    await reading;
    await peer.receives("CON GET $d token $t Observe:1 /a Accept:0");
    await peer.sends("ACK 2.05 $d token $t");
    await peer.hearsNothing(100_000);
    // The token is free: the server has not understood.
    await peer.sends("CON 2.05 0x4002 token $t Observe:3");
    await peer.receives("RST Empty 0x4002");
  });

  it("gives a slow reader the newest state, not those it has missed", async () => {
    const states = await observed();
    for (let i = 1; i <= 5; i++) {
      await peer.sends(`NON 2.05 0x400${i} token $t Observe:${i + 1} "${i}"`);
    }
    assertEquals(await text(states), "5");
    await states.return!();
    await deregistered();
  });

  it("7641-3.4-2: acknowledges a late state and does not yield it", async () => {
    const states = await observed();
    await peer.sends('CON 2.05 0x4001 token $t Observe:10 "new"');
    await peer.receives("ACK Empty 0x4001");
    await peer.sends('CON 2.05 0x4002 token $t Observe:9 "late"');
    await peer.receives("ACK Empty 0x4002");
    assertEquals(await text(states), "new");
    const next = text(states);
    await peer.sends('NON 2.05 0x4003 token $t Observe:8 "later"');
    await peer.sends('NON 2.05 0x4004 token $t Observe:11 "newer"');
    assertEquals(await next, "newer");
    await states.return!();
    await deregistered();
  });

  it("7641-3.4-2: yields a late state where it is asked to, and says so", async () => {
    const states = client.observe(`${SERVER}/a`, { stale: true });
    const first = text(states);
    await peer.receives("CON GET $m token $t Observe:0 /a");
    await peer.sends('ACK 2.05 $m token $t Observe:10 "0"');
    await first;
    const next = states.next();
    await peer.sends('NON 2.05 0x4001 token $t Observe:9 "late"');
    const late = (await net.run(next)).value!;
    assertEquals([late.text(), late.isLatest, late.observed], ["late", false, true]);
    // One that waits with a newer one is of no interest.
    await peer.sends('NON 2.05 0x4002 token $t Observe:8 "later"');
    await peer.sends('NON 2.05 0x4003 token $t Observe:11 "new"');
    await peer.sends('NON 2.05 0x4004 token $t Observe:7 "latest of all"');
    const state = (await net.run(states.next())).value!;
    assertEquals([state.text(), state.isLatest], ["new", true]);
    await states.return!();
    await deregistered();
  });

  it("7641-3.1-1: of a server that does not observe yields the response and ends", async () => {
    const states = client.observe(`${SERVER}/a`);
    const first = states.next();
    await peer.receives("CON GET $m token $t Observe:0 /a");
    await peer.sends('ACK 2.05 $m token $t "only"');
    const { value } = await net.run(first);
    assertEquals([value!.text(), value!.observed, value!.ok], ["only", false, true]);
    assertEquals(await text(states), "done");
    await peer.hearsNothing(200_000);
  });

  it("7641-3.2-1: an error ends it and is the last value", async () => {
    const states = await observed();
    await peer.sends('CON 4.04 0x4001 token $t "gone"');
    await peer.receives("ACK Empty 0x4001");
    const { value } = await net.run(states.next());
    assertEquals([value!.codeText, value!.text(), value!.observed], ["4.04", "gone", false]);
    assertEquals(await text(states), "done");
    await peer.sends("CON 2.05 0x4002 token $t Observe:3");
    await peer.receives("RST Empty 0x4002");
    await peer.hearsNothing(200_000);
  });

  it("an error at once is the only value", async () => {
    const states = client.observe(`${SERVER}/a`);
    const first = states.next();
    await peer.receives("CON GET $m token $t Observe:0 /a");
    await peer.sends("ACK 4.05 $m token $t");
    const { value } = await net.run(first);
    assertEquals([value!.codeText, value!.observed], ["4.05", false]);
    assertEquals(await text(states), "done");
  });

  it("7641-3.3-1, -2, -3: registers again 5 to 15 s after Max-Age, with the same token", async () => {
    const states = client.observe(`${SERVER}/a`);
    const first = states.next();
    await peer.receives("CON GET $m token $t Observe:0 /a");
    await peer.sends('ACK 2.05 $m token $t Observe:1 Max-Age:20 "0"');
    const state = (await net.run(first)).value!;
    const came = net.clock.now();
    assert(state.isFresh);
    await peer.hearsNothing(20_000 - (net.clock.now() - came));
    assert(state.isFresh);
    await peer.hearsNothing(5000);
    assert(!state.isFresh);
    await peer.receives("CON GET $n token $t Observe:0 /a");
    assert(net.clock.now() - came <= 35_100, `${net.clock.now() - came}`);
    const next = text(states);
    await peer.sends('ACK 2.05 $n token $t Observe:2 Max-Age:1000 "1"');
    assertEquals(await next, "1");
    await states.return!();
    await deregistered();
  });

  it("7959-2.6: yields states of many blocks whole", async () => {
    const states = await observed();
    const next = text(states);
    const head = "a".repeat(64);
    await peer.sends(`NON 2.05 0x4001 token $t ETag:0x01 Observe:2 Block2:0/1/64 "${head}"`);
    await peer.receives("CON GET $n token $b /a Block2:1/0/64");
    await peer.sends('ACK 2.05 $n token $b ETag:0x01 Block2:1/0/64 "tail"');
    assertEquals(await next, `${head}tail`);
    await states.return!();
    await deregistered();
  });

  it("8132-2-7: observes with FETCH", async () => {
    const init = {
      method: "FETCH",
      payload: "x",
      contentFormat: ContentFormat.Text,
      confirmable: false,
      options: [[OptionNumber.UriQuery, "q"]],
    } as const;
    const states = client.observe(`${SERVER}/a`, init);
    const first = text(states);
    await peer.receives('NON FETCH _ token $t Observe:0 /a Content-Format:0 ?q "x"');
    await peer.sends('NON 2.05 0x4001 token $t Observe:1 "0"');
    assertEquals(await first, "0");
    const other = client.observe(`${SERVER}/a`, { ...init, payload: "y" });
    const second = text(other);
    await peer.receives('NON FETCH _ token $u Observe:0 /a Content-Format:0 ?q "y"');
    await peer.sends('NON 2.05 0x4002 token $u Observe:1 "1"');
    assertEquals(await second, "1");
    await states.return!();
    await peer.receives('NON FETCH _ token $t Observe:1 /a Content-Format:0 ?q "x"');
    await other.return!();
    await peer.receives('NON FETCH _ token $u Observe:1 /a Content-Format:0 ?q "y"');
  });

  describe("7641-3.1-2: one registration for one target", () => {
    it("serves whoever wants it, and the last one to leave deregisters", async () => {
      const first = await observed();
      const second = client.observe("coap://127.0.0.1:5683/a", { confirmable: false });
      assertEquals(await text(second), "0"); // the newest state known
      const third = client.observe(`${SERVER}/a`, { options: [[OptionNumber.Size2, 0]] });
      assertEquals(await text(third), "0");
      const all = [first, second, third].map(text);
      await peer.sends('NON 2.05 0x4001 token $t Observe:2 "1"');
      assertEquals(await Promise.all(all), ["1", "1", "1"]);
      await first.return!();
      await third.return!();
      await peer.hearsNothing(5000);
      const next = text(second);
      await peer.sends('NON 2.05 0x4002 token $t Observe:3 "2"');
      assertEquals(await next, "2");
      await second.return!();
      await deregistered();
    });

    it("while the first response is under way, and again after the end", async () => {
      const first = client.observe(`${SERVER}/a`);
      const second = client.observe(`${SERVER}/a`);
      const both = Promise.all([text(first), text(second)]);
      await peer.receives("CON GET $m token $t Observe:0 /a");
      await peer.sends('ACK 2.05 $m token $t Observe:1 "0"');
      assertEquals(await both, ["0", "0"]);
      await peer.sends('NON 4.03 0x4001 token $t "no"');
      assertEquals(await Promise.all([text(first), text(second)]), ["no", "no"]);
      const third = client.observe(`${SERVER}/a`);
      const last = text(third);
      await peer.receives("CON GET $n token $u Observe:0 /a");
      await peer.sends('ACK 2.05 $n token $u "1"');
      assertEquals(await last, "1");
    });

    it("but one for each of different requests", async () => {
      const first = client.observe(`${SERVER}/a`, { accept: ContentFormat.JSON });
      const one = text(first);
      await peer.receives("CON GET $m token $t Observe:0 /a Accept:50");
      await peer.sends('ACK 2.05 $m token $t Observe:1 "{}"');
      const second = client.observe(`${SERVER}/a`, { accept: ContentFormat.CBOR });
      const two = text(second);
      await peer.receives("CON GET $n token $u Observe:0 /a Accept:60");
      await peer.sends('ACK 2.05 $n token $u Observe:1 "cbor"');
      assertEquals([await one, await two], ["{}", "cbor"]);
      await first.return!();
      await peer.receives("CON GET $d token $t Observe:1 /a Accept:50");
      await peer.sends("ACK 2.05 $d token $t");
      await second.return!();
      await peer.receives("CON GET $e token $u Observe:1 /a Accept:60");
      await peer.sends("ACK 2.05 $e token $u");
    });

    it("tells all of them of a failure", async () => {
      const states = [client.observe(`${SERVER}/a`), client.observe(`${SERVER}/a`)];
      const failures = states.map((state) => failure(state.next()));
      await peer.receives("CON GET $m token _ Observe:0 /a");
      await peer.sends("RST Empty $m");
      const reasons = (await Promise.all(failures)).map(({ reason }) => reason);
      assertEquals(reasons, ["reset", "reset"]);
      assertEquals(await Promise.all(states.map(text)), ["done", "done"]);
    });
  });

  describe("an abort", () => {
    it("rejects with the signal's reason and tells the server", async () => {
      const controller = new AbortController();
      const states = client.observe(`${SERVER}/a`, { signal: controller.signal });
      const first = text(states);
      await peer.receives("CON GET $m token $t Observe:0 /a");
      await peer.sends('ACK 2.05 $m token $t Observe:1 "0"');
      await first;
      const next = states.next();
      controller.abort("enough");
      assertEquals(await next.catch((reason) => reason), "enough");
      assertEquals(await text(states), "done");
      await deregistered();
    });

    it("while nobody reads rejects the next read, before what waits", async () => {
      const controller = new AbortController();
      const states = client.observe(`${SERVER}/a`, { signal: controller.signal });
      const first = text(states);
      await peer.receives("CON GET $m token $t Observe:0 /a");
      await peer.sends('ACK 2.05 $m token $t Observe:1 "0"');
      await first;
      await peer.sends('NON 2.05 0x4001 token $t Observe:2 "1"');
      controller.abort("enough");
      assertEquals(await states.next().catch((reason) => reason), "enough");
      await deregistered();
    });

    it("before the first response deregisters what may have been registered", async () => {
      const controller = new AbortController();
      const next = client.observe(`${SERVER}/a`, { signal: controller.signal }).next();
      await peer.receives("CON GET $m token $t Observe:0 /a");
      controller.abort("no");
      assertEquals(await next.catch((reason) => reason), "no");
      await peer.receives("CON GET $d token $t Observe:1 /a");
      await peer.sends("ACK 2.05 $d token $t");
    });

    it("before the first next sends nothing", async () => {
      const states = client.observe(`${SERVER}/a`, { signal: AbortSignal.abort("early") });
      assertEquals(await states.next().catch((reason) => reason), "early");
      assertEquals(await text(states), "done");
      await peer.hearsNothing(1000);
    });

    it("of one leaves the others alone", async () => {
      const states = await observed();
      const controller = new AbortController();
      const other = client.observe(`${SERVER}/a`, { signal: controller.signal });
      assertEquals(await text(other), "0");
      const reading = other.next();
      controller.abort("mine");
      assertEquals(await reading.catch((reason) => reason), "mine");
      const next = text(states);
      await peer.sends('NON 2.05 0x4001 token $t Observe:2 "1"');
      assertEquals(await next, "1");
      await states.return!();
      await deregistered();
    });
  });

  it("close ends it with reason closed and tells the server", async () => {
    const states = await observed();
    const next = failure(states.next());
    await client.close();
    const error = await next;
    assertEquals(error.reason, "closed");
    assertEquals(error.message, 'GET "coap://127.0.0.1/a", observed: Client is closed');
    await peer.receives("CON GET _ token $t Observe:1 /a");
    assertEquals((await failure(client.observe(SERVER).next())).reason, "closed");
  });

  it("fails where the network says that nobody is there", async () => {
    net.network.conditions.refuse = true;
    const error = await net.run(failure(client.observe("coap://127.0.0.1:9/a").next()));
    assertEquals([error.reason, error.code], ["refused", 705]);
  });

  it("gives several readers at once one state each", async () => {
    const states = await observed();
    const both = Promise.all([text(states), text(states)]);
    const third = states.next();
    await peer.sends('NON 2.05 0x4001 token $t Observe:2 "1"');
    await peer.sends('NON 2.05 0x4002 token $t Observe:3 "2"');
    assertEquals(await both, ["1", "2"]);
    await states.return!();
    assertEquals(await third, { done: true, value: undefined });
    await deregistered();
  });

  it("keeps the process alive as long as it lasts", async () => {
    let alive = true;
    client = net.client({
      transport: async (options, handler) => {
        const transport = await net.network.bind(options, handler);
        transport.ref = () => void (alive = true);
        transport.unref = () => void (alive = false);
        return transport;
      },
    });
    const states = await observed();
    await net.after(50_000);
    assert(alive);
    await states.return!();
    assert(!alive);
    await deregistered();
  });

  it("tells the caller what is wrong, on the first next", async () => {
    const cases: [uri: string, init: Record<string, unknown>, reason: string, says: string][] = [
      ["no uri", {}, "invalid-uri", '"no uri"'],
      ["coaps://h/", {}, "unsupported-scheme", '"coaps"'],
      ["coap://224.0.1.187/a", {}, "invalid-uri", '"224.0.1.187" is a group'],
      [SERVER, { accept: 70_000 }, "invalid-option", '"70000"'],
    ];
    for (const [uri, init, reason, says] of cases) {
      const error = await net.run(failure(client.observe(uri, init).next()));
      assertEquals(error.reason, reason);
      assertStringIncludes(error.message, says);
    }
    const wrong = { method: "PUT" as "GET" };
    await assertRejects(() => client.observe(SERVER, wrong).next(), TypeError, '"PUT"');
    await assertRejects(() => client.observe(SERVER, { timeout: 0 }).next(), RangeError, '"0"');
    await assertRejects(
      () => net.run(client.observe(SERVER, { blockSize: 8 }).next()),
      RangeError,
      '"8"',
    );
    await peer.hearsNothing(1000);
  });
});

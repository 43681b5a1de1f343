import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { afterEach, beforeEach, describe, it } from "node:test";
import { makeBody } from "../../testing/bodies.ts";
import { NetworkPeer } from "../../testing/network_peer.ts";
import { failure, Simulation } from "../../testing/simulated_endpoints.ts";
import { Code } from "../wire/code.ts";
import { OptionNumber } from "../wire/option.ts";
import type { CoAPClient } from "./client.ts";
import type { CoAPResponse } from "./response.ts";

const GROUP = "coap://224.0.1.187";

type Responses = AsyncIterableIterator<CoAPResponse, undefined>;

describe("CoAPClient.group", () => {
  let net: Simulation;
  let client: CoAPClient;
  let one: NetworkPeer;
  let two: NetworkPeer;
  beforeEach(async () => {
    net = new Simulation();
    client = net.client({
      resolve: () => Promise.resolve(["224.0.1.187"]),
    });
    one = await new NetworkPeer(net).bind("192.0.2.1", 5683, "224.0.1.187");
    two = await new NetworkPeer(net, one.bindings).bind("192.0.2.2", 5700);
  });
  afterEach(async () => {
    await net.rest();
    await net.close();
  });

  /** Code, text and sender of the next response. */
  async function next(responses: Responses): Promise<unknown> {
    const { value } = await responses.next();
    return value && [value.codeText, value.text(), value.peer?.address];
  }

  it("7252-8-1, -6: sends a NON and yields the responses of all members for a time", async () => {
    const responses = client.group(`${GROUP}/a`);
    const first = next(responses);
    await one.receives("NON GET _ token $t /a");
    const start = net.clock.now();
    await one.sends('NON 2.05 0x1001 token $t "1"');
    assertEquals(await first, ["2.05", "1", "192.0.2.1"]);
    await one.sends('NON 2.05 0x1002 token $t "1 again"');
    await two.sends('NON 4.04 0x1002 token $t "2"', undefined, one);
    assertEquals(await next(responses), ["2.05", "1 again", "192.0.2.1"]);
    assertEquals(await next(responses), ["4.04", "2", "192.0.2.2"]);
    assertEquals(await net.run(next(responses)), undefined);
    assertEquals(net.clock.now() - start, 8000 - 10); // DEFAULT_LEISURE and ACK_TIMEOUT * 1.5
    assertEquals((await responses.next()).done, true);
    // 7252-8-10: the token is free.
    await two.sends('NON 2.05 0x1003 token $t "late"', undefined, one);
    assertEquals((await responses.next()).done, true);
  });

  it("takes responses as long as it is told, and keeps those that nobody has read", async () => {
    const responses = client.group(`${GROUP}/a`, { timeout: 1000, method: "POST", payload: "x" });
    const first = next(responses);
    await one.receives('NON POST _ token $t /a Content-Format:0 "x"');
    for (let i = 1; i <= 3; i++) {
      await one.sends(`NON 2.05 0x100${i} token $t "${i}"`);
    }
    await net.after(5000);
    await two.sends('NON 2.05 0x2001 token $t "late"', undefined, one);
    const texts = [await first, await next(responses), await next(responses)];
    assertEquals(texts.map((read) => (read as string[])[1]), ["1", "2", "3"]);
    assertEquals(await next(responses), undefined);
  });

  it("7252-8-9: resolves references against the member", async () => {
    const responses = client.group("coap://everybody.example/a/b?q=%26", { method: "POST" });
    const both = Promise.all([responses.next(), responses.next()]);
    await one.receives("NON POST _ token $t Uri-Host:everybody.example /a/b ...");
    await one.sends(
      "NON 2.01 0x1001 token $t Location-Path:jobs Location-Path:7",
    );
    await two.sends("NON 2.01 0x1001 token $t Location-Query:x", undefined, one);
    const found = (await net.run(both)).map(({ value }) => [value!.uri, value!.location]);
    assertEquals(found, [
      ["coap://192.0.2.1/a/b?q=%26", "coap://192.0.2.1/jobs/7"],
      ["coap://192.0.2.2:5700/a/b?q=%26", "coap://192.0.2.2:5700/?x"],
    ]);
    await responses.return!();
  });

  it("7959-2.8-1: fetches further blocks from the member that has them", async () => {
    const body = makeBody(100);
    const responses = client.group(`${GROUP}/a`, { blockSize: 64 });
    const first = responses.next();
    await one.receives("NON GET _ token $t /a ...");
    await one.sends("NON 2.05 0x1001 token $t Block2:0/1/64", body.subarray(0, 64));
    await one.receives("CON GET $m token $u /a Block2:1/0/64");
    await one.sends("ACK 2.05 $m token $u Block2:1/0/64", body.subarray(64));
    assertEquals((await first).value!.payload, body);
    await responses.return!();
  });

  it("ends with break: nothing more is taken", async () => {
    const reading = (async () => {
      for await (const response of client.group(`${GROUP}/a`)) return response.text();
      return "nothing";
    })();
    await one.receives("NON GET _ token $t /a");
    await one.sends('NON 2.05 0x1001 token $t "1"');
    assertEquals(await reading, "1");
    await two.sends('CON 2.05 0x1001 token $t "2"', undefined, one);
    await two.receives("RST Empty 0x1001"); // the token means nothing any more
    assertEquals(net.clock.now() < 1000, true);
  });

  it("ends with an abort or a close", async () => {
    const controller = new AbortController();
    const aborted = client.group(`${GROUP}/a`, { signal: controller.signal }).next();
    const closed = failure(client.group(`${GROUP}/a`).next());
    await net.after(10);
    controller.abort("enough");
    assertEquals(await aborted.catch((reason) => reason), "enough");
    await client.close();
    const error = await closed;
    assertEquals([error.reason, error.message], [
      "closed",
      'GET "coap://224.0.1.187/a": Client is closed',
    ]);
  });

  it("sends nothing before the first next", async () => {
    const responses = client.group(`${GROUP}/a`);
    await one.hearsNothing(1000);
    await responses.return!();
    assertEquals((await responses.next()).done, true);
    await one.hearsNothing(1000);
  });

  it("asks groups alone, and groups are asked by it alone", async () => {
    const error = await net.run(failure(client.group("coap://192.0.2.1/a").next()));
    assertEquals(error.reason, "invalid-uri");
    assertStringIncludes(error.message, '"192.0.2.1" is no group');
    const requests: (() => Promise<unknown>)[] = [
      () => client.get(`${GROUP}/a`),
      () => client.get("coap://everybody.example/a"),
      () => client.put(`${GROUP}/a`, { payload: "x", confirmable: false }),
      () => client.ping(GROUP),
      () => client.discover(GROUP),
      () => client.observe(`${GROUP}/a`).next(),
    ];
    for (const request of requests) {
      const refused = await net.run(failure(request()));
      assertEquals(refused.reason, "invalid-uri");
      assertStringIncludes(refused.message, '"224.0.1.187" is a group');
    }
    const six = await net.run(failure(net.client().get("coap://[ff02::fd%25eth0]/a")));
    assertStringIncludes(six.message, '"ff02::fd%eth0" is a group');
    await one.hearsNothing(0);
  });

  it("tells the caller what is wrong", async () => {
    // 7252-8-8
    const options = [[OptionNumber.ETag, Uint8Array.of(1)]] as const;
    const etag = await net.run(failure(client.group(GROUP, { options }).next()));
    assertEquals(etag.reason, "invalid-option");
    const large = { method: "POST", payload: makeBody(2000) };
    const blocks = await net.run(failure(client.group(GROUP, large).next()));
    assertEquals(blocks.reason, "blockwise");
    assertEquals((await failure(client.group("no uri").next())).reason, "invalid-uri");
    const unknown = await failure(client.group(GROUP, { method: Code.Content }).next());
    assertEquals(unknown.reason, "invalid-code");
    await assertRejects(() => client.group(GROUP, { timeout: 0 }).next(), RangeError, '"0"');
    await one.hearsNothing(0);
  });
});

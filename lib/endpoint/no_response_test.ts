import { assertEquals, assertRejects } from "@std/assert";
import { afterEach, beforeEach, describe, it } from "node:test";
import { NetworkPeer } from "../../testing/network_peer.ts";
import { failure, SERVER, Simulation } from "../../testing/simulated_endpoints.ts";
import { Code } from "../wire/code.ts";
import type { CoAPClient } from "./client.ts";
import { CoAPResponse } from "./response.ts";

const URI = `${SERVER}/a`;

describe("noResponse", () => {
  let net: Simulation;
  let client: CoAPClient;
  let peer: NetworkPeer;
  beforeEach(async () => {
    net = new Simulation();
    client = net.client();
    peer = await new NetworkPeer(net).bind();
  });
  afterEach(async () => {
    await net.rest();
    await net.close();
  });

  it("7967-2-1: is a bit for each class", async () => {
    const cases = [[[2], 2], [[4], 8], [[5], 16], [[5, 2], 18], [[2, 4, 5], 26]] as const;
    for (const [noResponse, value] of cases) {
      const pending = client.put(URI, { noResponse, confirmable: false, timeout: 1 });
      await peer.receives(`NON PUT _ token _ /a No-Response:${value}`);
      assertEquals((await net.run(pending)).code, Code.Empty);
    }
    for (const noResponse of [false, [], undefined]) {
      const pending = failure(client.put(URI, { noResponse, confirmable: false, timeout: 1 }));
      await peer.receives("NON PUT _ token _ /a");
      await net.run(pending);
    }
  });

  it("7967-2-5: resolves with the sending, where it is Non-confirmable and wants nothing", async () => {
    const pending = client.put(URI, { noResponse: true, confirmable: false });
    const response = await pending; // no time passes
    assertEquals(net.clock.now(), 0);
    assertEquals([response.code, response.codeText, response.ok], [0, "0.00", false]);
    assertEquals([response.payload.length, response.text()], [0, ""]);
    await peer.receives("NON PUT $m token $t /a No-Response:26");
    // It is not listened to.
    await peer.sends("NON 4.04 0x4001 token $t");
    await peer.hearsNothing(1000);
  });

  it("7967-2-4: resolves with the acknowledgement, where it is Confirmable", async () => {
    const pending = client.put(URI, { noResponse: true });
    await peer.receives("CON PUT $m token $t /a No-Response:26");
    await peer.sends("ACK Empty $m");
    assertEquals((await pending).code, Code.Empty);
    await peer.hearsNothing(200_000);
  });

  it("resolves with the response of a server that does not know the option", async () => {
    const pending = client.put(URI, { noResponse: true });
    await peer.receives("CON PUT $m token $t /a No-Response:26");
    await peer.sends("ACK 2.04 $m token $t");
    assertEquals((await pending).codeText, "2.04");
  });

  it("fails where not even the acknowledgement comes", async () => {
    const error = await net.run(failure(client.put("coap://192.0.2.1", { noResponse: true })));
    assertEquals(error.reason, "timeout");
  });

  it("7967-2-2, -3: waits for the classes it wants; silence is no error", async () => {
    const pending = client.put(URI, { noResponse: [2], confirmable: false, timeout: 5000 });
    await peer.receives("NON PUT $m token $t /a No-Response:2");
    await peer.sends("NON 4.04 0x4001 token $t");
    assertEquals((await pending).codeText, "4.04");
    const silent = client.put(URI, { noResponse: [2], timeout: 5000 });
    await peer.receives("CON PUT $m2 token $t2 /a No-Response:2");
    await peer.sends("ACK Empty $m2");
    assertEquals((await net.run(silent)).code, Code.Empty);
  });

  it("is understood by the server", async () => {
    const seen: string[] = [];
    await net.serve((request) => {
      seen.push(request.method);
      return new CoAPResponse(undefined, { code: Code.Changed });
    }, { port: 5700 });
    const init = { noResponse: true, confirmable: false };
    assertEquals((await net.run(client.put("coap://127.0.0.1:5700/", init))).code, Code.Empty);
    await net.after(1000);
    assertEquals([seen, net.sent.length], [["PUT"], 1]);
  });

  it("knows no other classes", async () => {
    for (const noResponse of [[3], [1], ["2"]] as unknown as 2[][]) {
      await assertRejects(() => client.put(URI, { noResponse }), RangeError, `"${noResponse[0]}"`);
    }
    await peer.hearsNothing(1000);
  });
});

import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { afterEach, beforeEach, describe, it } from "node:test";
import { NetworkPeer } from "../../testing/network_peer.ts";
import { SERVER, Simulation } from "../../testing/simulated_endpoints.ts";
import { Code } from "../wire/code.ts";
import { OptionNumber } from "../wire/option.ts";
import { CoAPResponse } from "./response.ts";
import { Router } from "./router.ts";
import type { ServeOptions } from "./server.ts";

const CHANGED = new CoAPResponse(undefined, { code: Code.Changed });

describe("options of a server", () => {
  let net: Simulation;
  let peer: NetworkPeer;
  beforeEach(async () => {
    net = new Simulation();
    peer = (await new NetworkPeer(net).bind("127.0.0.1", 40_000)).talksTo();
  });
  afterEach(async () => {
    await net.rest();
    await net.close();
  });

  describe("freshness", () => {
    it("is demanded of a route: 4.01 with Echo, then performed; an old value not (9175-2.2-6)", async () => {
      let turns = 0;
      const router = new Router().put("/motor", () => {
        turns++;
        return CHANGED;
      }, { fresh: true });
      await net.serve(router, { echoLifetime: 10_000 });
      await peer.sends('CON PUT 0x0001 token 0a /motor Content-Format:0 "on"');
      await peer.receives("ACK 4.01 0x0001 token 0a Echo:_");
      const echo = net.messages.at(-1)!.options.find(({ number }) => number === OptionNumber.Echo)!;
      const hex = Array.from(echo.value, (byte) => byte.toString(16).padStart(2, "0")).join("");
      assertEquals(turns, 0);
      await peer.sends(`CON PUT 0x0002 token 0b /motor Content-Format:0 Echo:0x${hex} "on"`);
      await peer.receives("ACK 2.04 0x0002 token 0b");
      await net.after(10_000);
      await peer.sends(`CON PUT 0x0003 token 0c /motor Content-Format:0 Echo:0x${hex} "on"`);
      await peer.receives("ACK 4.01 0x0003 token 0c Echo:_");
      await peer.sends("CON PUT 0x0004 token 0d /motor Echo:0x00010203");
      await peer.receives("ACK 4.01 0x0004 token 0d Echo:_");
      assertEquals(turns, 1);
      const response = await net.run(net.client().put(`${SERVER}/motor`, { payload: "on" }));
      assertEquals([response.codeText, turns], ["2.04", 2]); // the client repeats it by itself
    });

    it("of a resource is about what changes it; of one that observes, when it registers", async () => {
      const router = new Router()
        .resource("/door", { fresh: true }, {
          get: () => CoAPResponse.text("shut"),
          put: () => CHANGED,
        })
        .get("/secret", () => CoAPResponse.text("s"), { fresh: true, observable: true });
      const server = await net.serve(router);
      await peer.sends("CON GET 0x0001 token 0a /door");
      await peer.receives('ACK 2.05 0x0001 token 0a Content-Format:0 "shut"');
      await peer.sends("CON PUT 0x0002 token 0b /door");
      await peer.receives("ACK 4.01 0x0002 token 0b Echo:_");
      await peer.sends("CON GET 0x0003 token 0c Observe:0 /secret");
      await peer.receives("ACK 4.01 0x0003 token 0c Echo:_");
      assertEquals(await server.notify("/secret"), 0);
      const states: string[] = [];
      const observing = (async () => {
        for await (const state of net.client().observe(`${SERVER}/secret`)) {
          states.push(state.text());
          if (states.length === 2) break;
          await server.notify("/secret");
        }
      })();
      await net.run(observing);
      assertEquals(states, ["s", "s"]);
    });

    it("is demanded by a handler, at once or later", async () => {
      const seen: boolean[] = [];
      await net.serve((request) => {
        seen.push(request.fresh);
        if (request.fresh) return CHANGED;
        return request.path.length > 0 ? Promise.resolve(request.challenge()) : request.challenge();
      });
      for (const path of ["/", "/later"]) {
        assertEquals((await net.run(net.client().put(SERVER + path))).codeText, "2.04");
      }
      assertEquals(seen, [false, true, false, true]);
      assertEquals(net.messages.map(({ code }) => code), [
        ...[Code.PUT, Code.Unauthorized, Code.PUT, Code.Changed],
        ...[Code.PUT, Code.Unauthorized, Code.PUT, Code.Changed],
      ]);
    });
  });

  it("amplification: no new peer gets more than so many times its bytes (7252-11.3-1, 9175-2.4-1)", async () => {
    const router = new Router().get("/large", () => CoAPResponse.text("x".repeat(10_000)));
    await net.serve(router, { amplification: 3 });
    await peer.sends("CON GET 0x0001 token 0a /large");
    await peer.receives("ACK 4.01 0x0001 token 0a Echo:_");
    const [request, answer] = net.sent.map(({ bytes }) => bytes.length);
    assert(answer! <= 3 * request!, `${answer} bytes for ${request}`);
    const response = await net.run(net.client().get(`${SERVER}/large`));
    assertEquals(response.payload.length, 10_000);
  });

  it("without amplification the first response is whole at once", async () => {
    await net.serve(() => CoAPResponse.text("x".repeat(500)));
    await net.run(net.client().get(SERVER));
    assertEquals(net.sent.length, 2);
  });

  it("requestRate: 4.29 with the time to wait to who asks too often, not to others (8516-3-1)", async () => {
    await net.serve(() => CoAPResponse.text("ok"), { requestRate: 2 });
    await peer.sends("CON GET 0x0001 token 0a");
    await peer.receives('ACK 2.05 0x0001 token 0a Content-Format:0 "ok"');
    await peer.sends("CON GET 0x0002 token 0b");
    await peer.receives('ACK 2.05 0x0002 token 0b Content-Format:0 "ok"');
    await peer.sends("CON GET 0x0003 token 0c");
    await peer.receives("ACK 4.29 0x0003 token 0c Max-Age:1");
    assertEquals((await net.run(net.client().get(SERVER))).codeText, "2.05");
    await net.after(1000);
    await peer.sends("CON GET 0x0004 token 0d");
    await peer.receives('ACK 2.05 0x0004 token 0d Content-Format:0 "ok"');
  });

  it("blockSize cuts responses; extendedTokens lets tokens be long (8974)", async () => {
    await net.serve(() => CoAPResponse.text("x".repeat(40)), {
      blockSize: 16,
      extendedTokens: true,
    });
    await peer.sends("CON GET 0x0001 token 00112233445566778899");
    await peer.receives(
      'ACK 2.05 0x0001 token 00112233445566778899 ETag:_ Content-Format:0 Block2:0/1/16 "xxxxxxxxxxxxxxxx"',
    );
  });

  it("out of their ranges are refused", async () => {
    const wrong: ServeOptions[] = [
      { amplification: 0.5 },
      { requestRate: 0 },
      { blockSize: 100 },
      { multicast: ["192.0.2.1"] },
    ];
    for (const options of wrong) {
      await assertRejects(() => net.serve(() => CHANGED, options), RangeError);
    }
  });

  it("only GET and FETCH can be observed", () => {
    assertThrows(
      () => new Router().put("/a", () => CHANGED, { observable: true }),
      TypeError,
      'Only GET and FETCH can be observed: "PUT"',
    );
  });
});

import { assert, assertEquals, assertThrows } from "@std/assert";
import { afterEach, describe, it } from "node:test";
import { lockstep, settle } from "../../testing/lockstep.ts";

describe("requests per second (RFC 8516)", () => {
  afterEach(settle);

  it("beyond the rate one is answered 4.29 with the time to wait, others not at all (8516-3-1, 3-2)", () => {
    const { app, peer, peerAt, after, engine, silence } = lockstep({
      serve: true,
      requestRate: 2,
    });
    const other = peerAt(40_000);
    const asks = (from: typeof peer, id: string): void => {
      from.sends(`CON GET ${id} token 20 /r`);
      app.serves("GET /r");
      app.answers("2.05");
      from.receives(`ACK 2.05 ${id} token 20`);
    };
    asks(peer, "0x0001");
    asks(peer, "0x0002");
    peer.sends("CON GET 0x0003 token 20 /r");
    peer.receives("ACK 4.29 0x0003 token 20 Max-Age:1");
    for (let id = 10; id < 30; id++) peer.sends(`CON GET 0x00${id} token 20 /r`);
    silence();
    assertEquals(engine.stats.rejectedRate, 21);
    asks(other, "0x0001"); // other clients are not affected
    asks(other, "0x0002");
    after(1000);
    // A retransmission of one that was dropped is served as if it came for the first time.
    asks(peer, "0x0010");
    asks(peer, "0x0004");
    peer.sends("NON GET 0x0005 token 21 /r");
    peer.receives("NON 4.29 $m token 21 Max-Age:1");
    // A duplicate of the one that was refused gets the same again.
    peer.sends("CON GET 0x0003 token 20 /r");
    peer.receives("ACK 4.29 0x0003 token 20 Max-Age:1");
  });

  it("below one a second: as long a wait as it takes", () => {
    const { app, peer, after } = lockstep({ serve: true, requestRate: 0.1 });
    peer.sends("CON GET 0x0001 token 20 /r");
    app.answers("2.05", { id: app.event("request").id });
    peer.receives("ACK 2.05 0x0001 token 20");
    after(1500);
    peer.sends("CON GET 0x0002 token 20 /r");
    peer.receives("ACK 4.29 0x0002 token 20 Max-Age:9");
    after(8500);
    peer.sends("CON GET 0x0003 token 20 /r");
    app.answers("2.05", { id: app.event("request").id });
    peer.receives("ACK 2.05 0x0003 token 20");
  });

  it("on average no more than the rate, and at most a second's worth at once", () => {
    const { app, peer, engine, after } = lockstep({ serve: true, requestRate: 10 });
    let [served, refused] = [0, 0];
    for (let i = 0; i < 1000; i++) {
      peer.sends(`NON GET 0x${i.toString(16).padStart(4, "0")} token 20 /r`);
      if (app.hasEvent) {
        served++;
        app.answers("2.05", { id: app.event("request").id });
      }
      refused += peer.takes().filter(({ message }) => message.code !== 0x45).length;
      after(10);
    }
    assert(served >= 105 && served <= 111, `${served}`);
    assert(refused <= 11, `${refused}`);
    assertEquals(engine.stats.rejectedRate, 1000 - served);
  });

  it("is a number above 0", () => {
    for (const requestRate of [0, -1, NaN]) {
      assertThrows(() => lockstep({ requestRate }), RangeError, `it is "${requestRate}"`);
    }
    for (const amplification of [0, 0.9, NaN]) {
      assertThrows(() => lockstep({ amplification }), RangeError, `it is "${amplification}"`);
    }
  });
});

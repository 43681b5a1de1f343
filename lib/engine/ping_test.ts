import { assertEquals } from "@std/assert";
import { afterEach, describe, it } from "node:test";
import { lockstep, settle } from "../../testing/lockstep.ts";

describe("ping", () => {
  afterEach(settle);

  it("is answered with a Reset (7252-4.2-2)", () => {
    const { peer, engine, silence } = lockstep();
    peer.sends("CON Empty 0x1234");
    peer.receives("RST Empty 0x1234");
    silence();
    assertEquals([engine.stats.receivedPing, engine.sizes.peers], [1, 0]);
  });

  it("is retransmitted until the Reset comes, or for good", () => {
    const { app, peer, after, silence } = lockstep();
    app.pings();
    const { bytes } = peer.misses("CON Empty $m");
    assertEquals(bytes.length, 4); // 7252-4.1-2
    after(3000);
    peer.receives("CON Empty $m");
    peer.sends("RST Empty $m");
    app.pongs();
    silence(93_000);
    app.pings();
    let count = peer.takes().length;
    while (!app.hasEvent) {
      after(1000);
      count += peer.takes().length;
    }
    app.fails("timeout");
    assertEquals(count, 5);
    silence(93_000);
  });

  it("is answered by any sign of life with its message ID", () => {
    const { app, peer } = lockstep();
    app.pings();
    peer.receives("CON Empty $m");
    peer.sends("ACK Empty $m");
    app.pongs();
  });
});

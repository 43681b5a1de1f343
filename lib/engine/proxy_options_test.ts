import { afterEach, describe, it } from "node:test";
import { assertEquals } from "@std/assert";
import { lockstep, settle } from "../../testing/lockstep.ts";
import { toHex } from "../../testing/message_text.ts";
import { extendedTokens, fromHex } from "../../testing/vectors.ts";
import { decode } from "../wire/message.ts";

describe("options of requests to a proxy and to a server that is none", () => {
  afterEach(settle);

  it("Proxy-Uri and Proxy-Scheme: 5.05 where the server is no proxy (7252-5.7-7)", () => {
    for (const option of ["Proxy-Uri:coap://h/r", "Proxy-Scheme:coap"]) {
      const { peer, app } = lockstep({ serve: true });
      peer.sends(`CON GET 0x0001 token 20 ${option}`);
      peer.receives("ACK 5.05 0x0001 token 20");
      const proxy = lockstep({ serve: true, proxy: true });
      proxy.peer.sends(`CON GET 0x0001 token 20 ${option}`);
      proxy.app.serves(`GET ${option}`);
      proxy.app.answers("2.05");
      proxy.peer.receives("ACK 2.05 0x0001 token 20");
      assertEquals(app.hasEvent, false);
    }
  });

  it("what is not known goes by Critical at a server, by Unsafe at a proxy (7252-5.7-4, 5.7-5)", () => {
    // 65000: elective, safe; 65001: critical, safe; 65002: elective, unsafe; 65003: critical, unsafe.
    for (
      const [option, atServer, atProxy] of [
        ["65000:0x01", true, true],
        ["65001:0x01", false, true],
        ["65002:0x01", true, false],
        ["65003:0x01", false, false],
      ] as const
    ) {
      for (const [proxy, taken] of [[false, atServer], [true, atProxy]] as const) {
        const { peer, app } = lockstep({ serve: true, proxy });
        peer.sends(`CON GET 0x0001 token 20 /r ${option}`);
        if (taken) {
          app.serves(`GET /r ${option}`);
          app.answers("2.05");
          peer.receives("ACK 2.05 0x0001 token 20");
        } else peer.receives("ACK 4.02 0x0001 token 20 ...");
      }
    }
  });

  it("the same of responses to what a proxy asks (7252-5.7-4, 5.7-5)", () => {
    for (
      const [option, atClient, atProxy] of [
        ["65000:0x01", true, true],
        ["65001:0x01", false, true],
        ["65002:0x01", true, false],
        ["65003:0x01", false, false],
      ] as const
    ) {
      for (const [proxy, taken] of [[false, atClient], [true, atProxy]] as const) {
        const { peer, app } = lockstep();
        app.asks("CON GET /r", { proxy });
        peer.receives("CON GET $m token $t /r");
        peer.sends(`ACK 2.05 $m token $t ${option}`);
        if (taken) app.gets(`2.05 ${option}`);
        else app.fails("rejected-response");
      }
    }
  });

  it("Hop-Limit of 0, of no byte or of two: 4.00; the first one counts (8768-3-2)", () => {
    for (
      const [option, good] of [
        ["Hop-Limit:1", true],
        ["Hop-Limit:255", true],
        ["Hop-Limit:0x00", false],
        ["Hop-Limit:0x", false],
        ["Hop-Limit:256", false],
        ["Hop-Limit:0x010000", false],
        ["Hop-Limit:16 Hop-Limit:0x00", true],
        ["Hop-Limit:0x00 Hop-Limit:16", false],
      ] as const
    ) {
      const { peer, app } = lockstep({ serve: true });
      peer.sends(`CON GET 0x0001 token 20 /r ${option}`);
      if (good) {
        app.answers("2.05", { id: app.event("request").id });
        peer.receives("ACK 2.05 0x0001 token 20");
      } else peer.receives("ACK 4.00 0x0001 token 20 ...");
    }
  });
});

describe("extended tokens (RFC 8974)", () => {
  afterEach(settle);

  for (const { id, hex, token_length: length, expected } of extendedTokens.cases) {
    it(`${id}: ${expected ?? "an error unless they are accepted"} (8974-2.1-1, 2.1-2)`, () => {
      const off = lockstep({ serve: true });
      off.peer.sendsBytes(hex);
      if (length !== undefined && length <= 8) {
        off.app.answers("2.05", { id: off.app.event("request").id });
        off.peer.receives("ACK 2.05 0x1234 token _");
      } else {
        off.app.event("rejected");
        assertEquals(toHex(off.peer.receives("RST Empty 0x1234").bytes), "70001234");
      }
      const on = lockstep({ serve: true, extendedTokens: true });
      on.peer.sendsBytes(hex);
      if (length === undefined) {
        on.app.event("rejected");
        on.peer.receives("RST Empty 0x1234");
        return;
      }
      const { token } = decode(fromHex(hex), { extendedTokens: true });
      assertEquals(token.length, length);
      on.app.answers('2.05 "x"', { id: on.app.event("request").id });
      on.peer.receives(`ACK 2.05 0x1234 token ${length === 0 ? "_" : toHex(token)} "x"`);
    });
  }

  it("name observations as any token", () => {
    const ladder = lockstep({ serve: true, extendedTokens: true });
    const { app, peer } = ladder;
    const token = "0102030405060708090a0b0c0d0e0f";
    peer.sends(`CON GET 0x0001 token ${token} Observe:0 /r`);
    app.serves("GET Observe:0 /r");
    app.answers('2.05 "0"', { observe: "r" });
    peer.receives(`ACK 2.05 0x0001 token ${token} Observe:_ "0"`);
    app.notifies("r", '2.05 "1"');
    peer.receives(`CON 2.05 $m token ${token} Observe:_ "1"`);
    peer.sends("ACK Empty $m");
    peer.sends(`CON GET 0x0002 token ${token} Observe:1 /r`);
    app.loses("deregistered");
    app.serves("GET Observe:1 /r");
    app.answers("2.05");
    peer.receives(`ACK 2.05 0x0002 token ${token}`);
  });
});

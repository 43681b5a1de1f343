import { assert, assertEquals } from "@std/assert";
import { afterEach, describe, it } from "node:test";
import { type Lockstep, lockstep, settle } from "../../testing/lockstep.ts";
import { Code } from "../wire/code.ts";

/** A request that was sent. */
function asked(): Lockstep {
  const ladder = lockstep();
  ladder.app.asks("CON GET /test");
  ladder.peer.receives("CON GET $m token $t /test");
  return ladder;
}

describe("options that are not understood (table T3)", () => {
  afterEach(settle);

  const unknown = "65001:0x01";

  it("elective in a request: ignored (7252-5.4-2)", () => {
    const { app, peer } = lockstep({ serve: true });
    peer.sends("CON GET 0x0001 token 20 /test 65000:0x01 2000");
    app.serves("GET /test 2000 65000:0x01");
    app.answers("2.05");
    peer.receives("ACK 2.05 0x0001 token 20");
  });

  it("critical in a Confirmable request: 4.02 with a text, without the option (7252-5.4-3)", () => {
    for (
      const [option, number] of [[unknown, "65001"], ["9", "9"], ["Q-Block1:0", "19"]] as const
    ) {
      const { peer, silence } = lockstep({ serve: true });
      peer.sends(`CON GET 0x0001 token 20 /test ${option}`);
      const { message } = peer.receives("ACK 4.02 0x0001 token 20 ...");
      assertEquals(message.options, []);
      assert(new TextDecoder().decode(message.payload).includes(number));
      silence();
    }
  });

  it("critical in a Non-confirmable request: 4.02 as well (7252-5.4-5)", () => {
    const { peer, silence } = lockstep({ serve: true });
    peer.sends(`NON GET 0x0001 token 20 /test ${unknown}`);
    assertEquals(peer.receives("NON 4.02 _ token 20 ...").message.options, []);
    silence();
  });

  it("of a wrong length, doubled or out of place in a request: alike (7252-5.4-1, 7, 13)", () => {
    const { app, peer } = lockstep({ serve: true });
    const critical = [
      "If-Match:0x010203040506070809",
      "If-None-Match:0x01",
      "Uri-Host",
      "Uri-Port:0x010203",
      "Accept:0x010203",
      "Uri-Port:1 Uri-Port:2",
      "Accept:0 Accept:1",
    ];
    for (const [i, options] of critical.entries()) {
      peer.sends(`CON GET 0x000${i} token 20 ${options}`);
      peer.receives(`ACK 4.02 0x000${i} token 20 ...`);
    }
    const elective = [
      "ETag",
      "ETag:0x010203040506070809",
      "Max-Age:0x0102030405",
      "Location-Path:a",
    ];
    for (const [i, options] of elective.entries()) {
      peer.sends(`CON GET 0x001${i} token 20 ${options}`);
      app.serves(`GET ${options}`);
      app.answers("2.05");
      peer.receives(`ACK 2.05 0x001${i} token 20`);
    }
  });

  it("elective or of a wrong length in a response: ignored (7252-5.4-8)", () => {
    const { app, peer } = asked();
    peer.sends('ACK 2.05 $m token $t ETag:0x010203040506070809 65000:0x01 "hello"');
    app.gets('2.05 ETag:0x010203040506070809 65000:0x01 "hello"');
  });

  for (const option of [unknown, "Uri-Path:a", "If-None-Match"]) {
    it(`${option} in a response: not delivered, a Reset to a Confirmable one (7252-5.4-4, 6)`, () => {
      for (const type of ["CON", "NON", "ACK"]) {
        const { app, peer, silence } = asked();
        peer.sends(`${type} 2.05 ${type === "ACK" ? "$m" : "0x0001"} token $t ${option}`);
        if (type === "CON") peer.receives("RST Empty 0x0001");
        app.fails("rejected-response");
        silence(93_000);
      }
    });
  }

  it("at a proxy: what is Safe-to-Forward goes on, what is Unsafe is refused, elective or not", () => {
    const { app, peer } = lockstep({ serve: true, proxy: true });
    peer.sends("CON GET 0x0001 token 20 Proxy-Uri:coap://192.0.2.9/ 65001:0x01 65000:0x01");
    app.serves("GET Proxy-Uri:coap://192.0.2.9/ 65000:0x01 65001:0x01");
    app.answers("2.05");
    peer.receives("ACK 2.05 0x0001 token 20");
    for (const [i, option] of ["65003", "65002"].entries()) {
      peer.sends(`CON GET 0x001${i} token 20 Proxy-Uri:coap://192.0.2.9/ ${option}:0x01`);
      const { payload } = peer.receives(`ACK 4.02 0x001${i} token 20 ...`).message;
      assert(new TextDecoder().decode(payload).includes(option));
    }
  });

  it("Proxy-Uri and Proxy-Scheme where there is no proxy: 5.05", () => {
    const { peer } = lockstep({ serve: true });
    peer.sends("CON GET 0x0001 token 20 Proxy-Uri:coap://192.0.2.9/");
    peer.receives("ACK 5.05 0x0001 token 20");
    peer.sends("NON GET 0x0002 token 20 Proxy-Scheme:coap");
    peer.receives("NON 5.05 _ token 20");
  });
});

describe("block options at their edges", () => {
  afterEach(settle);

  it("a PUT of 47 bytes with a Block1 in three bytes is continued", () => {
    const { peer, silence } = lockstep({ serve: true });
    peer.sendsBytes(
      "440325b9bc306ac4bd03746573742d6275672d74726967676572d303000008ff" +
        "30313233343536373839616263646566",
    );
    peer.receives("ACK 2.31 0x25b9 token bc306ac4 Block1:0/1/16");
    silence();
  });

  it("of no length are block 0 of 16 bytes, in requests and responses", () => {
    const { app, peer } = lockstep({ serve: true });
    peer.sends('CON PUT 0x0001 token 20 /test Block1:0/0/16 "whole"');
    app.serves('PUT /test "whole"');
    app.answers("2.04");
    peer.receives("ACK 2.04 0x0001 token 20 Block1:0/0/16");
    peer.sends("CON GET 0x0002 token 20 /test Block2:0/0/16");
    app.serves("GET /test Block2:0/0/16");
    app.answers('2.05 "0123456789abcdefghij"');
    peer.receives("ACK 2.05 0x0002 token 20 ...");
    const id = app.asks("CON GET /ours");
    peer.receives("CON GET $m token $t /ours");
    peer.sends('ACK 2.05 $m token $t Block2:0/0/16 "whole"');
    app.gets('2.05 "whole"', id);
  });

  it("the last block number there is takes no memory", () => {
    const { peer, engine } = lockstep({ serve: true });
    for (const options of ["Block1:1048575/0/1024", "Block1:1048575/0/1024 Size1:4294967295"]) {
      peer.sends(`CON PUT 0x000${options.length & 7} token 20 /test ${options} "x"`);
      const { code } = peer.takes()[0]!.message;
      assert(code === Code.RequestEntityTooLarge || code === Code.RequestEntityIncomplete);
    }
    assertEquals([engine.sizes.transfers, engine.sizes.transferBytes], [0, 0]);
  });
});

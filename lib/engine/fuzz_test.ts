import { assert, assertEquals, assertLessOrEqual } from "@std/assert";
import fc from "fast-check";
import { afterEach, describe, it } from "node:test";
import { connectionsTarget } from "../../testing/fuzz/connections.ts";
import { engineTarget } from "../../testing/fuzz/engine.ts";
import { describeFinding, fuzz, type FuzzTarget, replayCorpus } from "../../testing/fuzz/target.ts";
import { lockstep, settle } from "../../testing/lockstep.ts";
import { decode, MessageType } from "../wire/message.ts";

describe("any sequence of datagrams", () => {
  afterEach(settle);

  it("that was kept: nothing throws, limits hold, nothing is left", () => {
    assert(replayCorpus(engineTarget as FuzzTarget) > 0);
  });

  it("that is drawn: the same", () => {
    const { finding } = fuzz(engineTarget as FuzzTarget, { runs: 400 });
    assert(finding === undefined, finding && describeFinding("engine", finding));
  });

  it("is answered with a Reset or an acknowledgement with the same message ID, or with nothing", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), fc.boolean(), (bytes, serve) => {
        const ladder = lockstep({ serve });
        const { peer, app, engine } = ladder;
        peer.sendsBytes(bytes);
        for (const event of ladder.events.splice(0)) {
          if (event.type === "request") app.cancels(event.id);
        }
        const replies = peer.takes();
        ladder.events.length = 0;
        assertLessOrEqual(replies.length, 1);
        if (replies.length === 0) return;
        const { type, id } = replies[0]!.message;
        const received = decode(bytes);
        if (received.type === MessageType.NonConfirmable) {
          assertEquals(type, MessageType.NonConfirmable);
        } else {
          assertEquals([received.type, id], [MessageType.Confirmable, received.id]);
        }
        assertEquals(engine.sizes.exchanges, 0);
      }),
      { numRuns: 2000 },
    );
  });
});

describe("any sequence of messages of connections", () => {
  it("that was kept: nothing throws, limits hold, nothing is left", () => {
    assert(replayCorpus(connectionsTarget as FuzzTarget) > 0);
  });

  it("that is drawn: the same", () => {
    const { finding } = fuzz(connectionsTarget as FuzzTarget, { runs: 400 });
    assert(finding === undefined, finding && describeFinding("connections", finding));
  });
});

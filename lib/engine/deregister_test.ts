import { assertEquals } from "@std/assert";
import { afterEach, describe, it } from "node:test";
import { type Lockstep, lockstep, settle } from "../../testing/lockstep.ts";

/** An engine that observes /r with token $t. */
function observing(): Lockstep {
  const ladder = lockstep();
  ladder.app.asks("CON GET /r ETag:0x01", { observe: true });
  ladder.peer.receives("CON GET $m token $t ETag:0x01 Observe:0 /r");
  ladder.peer.sends('ACK 2.05 $m token $t Observe:10 "0"');
  ladder.app.sees('2.05 Observe:10 "0"');
  return ladder;
}

/** Ends the observation and waits for the answer. */
function deregister(ladder: Lockstep): boolean {
  const done = ladder.engine.deregister(ladder.now, ladder.app.lastAsked);
  ladder.drain();
  return done;
}

describe("deregistering, the client", () => {
  afterEach(settle);

  it("sends Observe 1 with the same token and hands the answer on (7641-3.6)", () => {
    const ladder = observing();
    const { app, peer, silence } = ladder;
    assertEquals(deregister(ladder), true);
    peer.receives("CON GET $d token $t Observe:1 /r");
    peer.sends('ACK 2.05 $d token $t "1"');
    app.gets('2.05 "1"');
    assertEquals(deregister(ladder), false);
    silence(300_000);
  });

  it("fails where no answer comes, and can be given up", () => {
    const ladder = observing();
    const { app, peer, after } = ladder;
    deregister(ladder);
    peer.receives("CON GET $d token $t Observe:1 /r");
    peer.sends("ACK Empty $d");
    after(93_000);
    app.fails("timeout");

    const other = observing();
    deregister(other);
    other.peer.receives("CON GET $d token $t Observe:1 /r");
    other.app.cancels();
    other.silence(300_000);
  });

  it("waits as long as it is told, and is Confirmable or not", () => {
    const ladder = observing();
    const { app, peer, after, engine } = ladder;
    engine.deregister(ladder.now, app.lastAsked, { confirmable: false, timeout: 100_000 });
    ladder.drain();
    peer.receives("NON GET _ token $t Observe:1 /r");
    after(99_000);
    ladder.silence(900);
    after(1000);
    app.fails("timeout");
  });

  it("before the observation has begun there is none", () => {
    const ladder = lockstep();
    ladder.app.asks("CON GET /r", { observe: true });
    assertEquals(deregister(ladder), false);
    ladder.peer.receives("CON GET $m token $t Observe:0 /r");
    assertEquals(
      ladder.engine.token(ladder.app.lastAsked),
      ladder.bindings.get("$t"),
    );
    ladder.peer.sends('ACK 2.05 $m token $t "x"');
    ladder.app.gets('2.05 "x"');
    assertEquals(ladder.engine.token(ladder.app.lastAsked), undefined);
  });
});

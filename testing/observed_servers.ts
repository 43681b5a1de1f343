/** A server in lockstep that a client observes. @module */

import { type Lockstep, lockstep, type LockstepOptions } from "./lockstep.ts";
import type { RequestOptions } from "../lib/engine/types.ts";

/** An engine that observes /r with token $t; the first state is "0" with number 10. */
export function observing(
  options: LockstepOptions = {},
  request: RequestOptions = {},
  maxAge = "",
): Lockstep {
  const ladder = lockstep(options);
  const { app, peer } = ladder;
  app.asks("CON GET /r", { observe: true, ...request });
  peer.receives("CON GET $m token $t Observe:0 /r");
  peer.sends(`ACK 2.05 $m token $t Observe:10${maxAge} "0"`);
  app.sees(`2.05 Observe:10${maxAge} "0"`);
  return ladder;
}

/** The application has seen enough; the server confirms. */
export function stop({ app, peer, bindings }: Lockstep, token = "$t", rest = "/r"): void {
  bindings.delete("$end");
  app.cancels();
  peer.receives(`CON GET $end token ${token} Observe:1 ${rest}`);
  peer.sends(`ACK 2.05 $end token ${token} "end"`);
}

/** Time passes until the peer hears something; answers how much. */
export function untilHeard(ladder: Lockstep): number {
  const start = ladder.now;
  while (ladder.peer.unread.length === 0) ladder.after(100);
  return ladder.peer.unread[0]!.at - start;
}

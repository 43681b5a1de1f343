/** Figures about an endpoint, for those who watch over it. @module */

import type { EngineSizes } from "../engine/engine.ts";
import { newStats, type Stats } from "../engine/stats.ts";

/** Figures about a client or a server, those of all its sockets together. A copy: it does not change afterwards. */
export interface EndpointStats {
  /** What has happened since the endpoint was made. These only grow: the difference of two says what happened between. */
  readonly counters: Readonly<Stats>;
  /** What there is at this moment: most of it is bounded by `Limits`, and all of it is 0 at rest. */
  readonly gauges: Readonly<EngineSizes>;
}

/** What has an engine. */
interface Counted {
  readonly stats: Stats;
  readonly sizes: EngineSizes;
}

function noSizes(): EngineSizes {
  return {
    peers: 0,
    exchanges: 0,
    handling: 0,
    duplicates: 0,
    replyBytes: 0,
    transfers: 0,
    transferBytes: 0,
    observers: 0,
    timers: 0,
  };
}

function add<T>(total: Record<keyof T, number>, more: Record<keyof T, number>): void {
  for (const name in total) total[name] += more[name];
}

/** The figures of several sockets, added up. */
export function sumStats(sockets: Iterable<Counted>): EndpointStats {
  const counters = newStats();
  const gauges = noSizes();
  for (const { stats, sizes } of sockets) {
    add<Stats>(counters, stats);
    add<EngineSizes>(gauges, sizes);
  }
  return { counters, gauges };
}

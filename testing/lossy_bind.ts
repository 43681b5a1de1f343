/** A path that loses, duplicates and delays what is sent by any transport. @module */

import type { Clock } from "../lib/endpoint/clock.ts";
import type { Bind, Transport } from "../lib/transport/transport.ts";
import type { SeededRandom } from "./seeded_random.ts";

/** Probabilities, 0 to 1; they may be changed while it runs. */
export interface Path {
  loss: number;
  duplication: number;
  /** That a datagram is held back for up to `delay` ms. */
  reordering: number;
  delay: number;
}

/** Binds what `bind` does, and lets the path have its way with each datagram sent. */
export function lossyBind(bind: Bind, path: Path, clock: Clock, random: SeededRandom): Bind {
  return async (options, handler) => {
    const transport = await bind(options, handler);
    const lossy: Transport = {
      address: transport.address,
      bufferSizes: transport.bufferSizes,
      flow: (address, port) => transport.flow(address, port),
      send(flow, bytes) {
        const copies = random.float() < path.duplication ? 2 : 1;
        for (let copy = 0; copy < copies; copy++) {
          if (random.float() < path.loss) continue;
          if (random.float() >= path.reordering) {
            transport.send(flow, bytes);
            continue;
          }
          const held = bytes.slice();
          const timer = clock.setTimer(() => {
            transport.send(flow, held);
            transport.flush();
          }, clock.now() + random.float() * path.delay);
          clock.unref?.(timer);
        }
      },
      flush: () => transport.flush(),
      ref: () => transport.ref(),
      unref: () => transport.unref(),
      close: () => transport.close(),
    };
    return lossy;
  };
}

/** A server that keeps bodies, for transfers in both directions. @module */

import {
  CoAPResponse,
  Code,
  ContentFormat,
  Router,
  serve,
  type ServeOptions,
  type Server,
} from "@x/coap";
import type { Pdu } from "./libcoap_log.ts";

/** A server and what it was given. */
export interface Store {
  server: Server;
  /** The bodies by their keys: paths below `/store/`. */
  store: Map<string, Uint8Array>;
  /** The key of each request that wrote. */
  writes: string[];
}

/** Starts a server that keeps what is put, changes it by iPATCH, and answers FETCH with the payload reversed. */
export async function serveStore(options: ServeOptions): Promise<Store> {
  const store = new Map<string, Uint8Array>();
  const writes: string[] = [];
  const changed = new CoAPResponse(undefined, { code: Code.Changed });
  const contentFormat = ContentFormat.OctetStream;
  const router = new Router()
    .get("/store/:key", ({ params }) => new CoAPResponse(store.get(params.key), { contentFormat }))
    .put("/store/:key", ({ params, payload }) => {
      writes.push(params.key);
      store.set(params.key, payload.slice());
      return changed;
    })
    .ipatch("/store/:key", ({ params, payload }) => {
      writes.push(params.key);
      const old = store.get(params.key)!;
      old.set(payload);
      return changed;
    })
    .fetch("/store/:key", ({ payload }) => new CoAPResponse(payload.slice().reverse()));
  return { server: await serve(options, router), store, writes };
}

/** The blocks that messages of one direction name, such as `"0/M/64"`: number, whether there are more, size. */
export function blocksOf(
  pdus: readonly Pdu[],
  direction: Pdu["direction"],
  option: "Block1" | "Block2",
): string[] {
  return pdus.filter((pdu) => pdu.direction === direction).flatMap(({ options }) =>
    options.filter((text) => text.startsWith(`${option}:`)).map((text) =>
      text.slice(option.length + 1)
    )
  );
}

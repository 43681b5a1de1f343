/** A server of a client in lockstep that takes and gives bodies in blocks. @module */

import { assertEquals } from "@std/assert";
import { blockOf, makeBody } from "./bodies.ts";
import type { Lockstep } from "./lockstep.ts";

/** The peer takes block `number` of a request body. */
export function takesBlock(
  { peer, bindings }: Lockstep,
  head: string,
  body: Uint8Array,
  number: number,
  size: number,
  rest = "",
): void {
  bindings.delete("$m");
  bindings.delete("$t");
  const block = blockOf(body, number, size);
  const more = (number + 1) * size < body.length ? 1 : 0;
  peer.receives(`CON ${head} Block1:${number}/${more}/${size}${rest}`, block);
}

/** The peer is asked for block `number` of the response and gives it. */
export function givesBlock(
  { peer, bindings }: Lockstep,
  head: string,
  body: Uint8Array,
  number: number,
  size: number,
  options = "",
): void {
  bindings.delete("$m");
  bindings.delete("$t");
  const asked = number === 0 ? "" : ` Block2:${number}/0/${size}`;
  const more = (number + 1) * size < body.length ? 1 : 0;
  peer.receives(`CON ${head}${asked}`);
  const line = `ACK 2.05 $m token $t${options} Block2:${number}/${more}/${size}`;
  peer.sends(line, blockOf(body, number, size));
}

/** How the last exchange failed. */
export function detailOf({ app }: Lockstep): string {
  const event = app.event("failed");
  assertEquals(event.reason, "blockwise");
  return event.detail ?? "";
}

export const BODY: Uint8Array = makeBody(300);

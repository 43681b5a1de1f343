/** A client of a server in lockstep that sends and fetches bodies in blocks. @module */

import { blockOf, makeBody } from "./bodies.ts";
import { type Lockstep, lockstep, type ScriptedPeer } from "./lockstep.ts";

export const BODY: Uint8Array = makeBody(300);
/** Longer than EXCHANGE_LIFETIME. */
export const LONG = 248_000;

let lastId = 0;

/** A request with a new message ID; answers the ID as the script writes it. */
export function ask(peer: ScriptedPeer, line: string, payload?: Uint8Array): string {
  const id = `0x${(++lastId & 0xffff).toString(16).padStart(4, "0")}`;
  peer.sends(`CON ${line.replace(" ", ` ${id} token 20 `)}`, payload);
  return id;
}

/** The peer sends block `number` of a body and gets the answer of the line. */
export function sendBlock(
  peer: ScriptedPeer,
  head: string,
  body: Uint8Array,
  number: number,
  size: number,
  answer?: string,
): string {
  const more = (number + 1) * size < body.length ? 1 : 0;
  const block = `Block1:${number}/${more}/${size}`;
  const id = ask(peer, `${head} ${block}`, blockOf(body, number, size));
  if (more === 1 || answer !== undefined) {
    peer.receives(
      `ACK ${answer ?? `2.31 ${id} token 20 ${block}`}`.replace("ID", `${id} token 20`),
    );
  }
  return id;
}

/** The peer fetches block `number` of a response of `body`. */
export function fetchBlock(
  peer: ScriptedPeer,
  head: string,
  body: Uint8Array,
  number: number,
  size: number,
  answer = "2.05 ID ETag:_",
  rest = "",
): void {
  const id = ask(peer, `${head} Block2:${number}/0/${size}`);
  const more = (number + 1) * size < body.length ? 1 : 0;
  const start = answer.replace("ID", `${id} token 20`);
  peer.receives(
    `ACK ${start} Block2:${number}/${more}/${size}${rest}`,
    blockOf(body, number, size),
  );
}

export function server(blockSize = 64): Lockstep {
  return lockstep({ serve: true, blockSize });
}

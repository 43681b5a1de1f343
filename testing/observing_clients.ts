/** Clients that observe a server in lockstep. @module */

import {
  type Lockstep,
  lockstep,
  type LockstepOptions,
  type Received,
  type ScriptedPeer,
} from "./lockstep.ts";
import { OptionNumber, uintOption } from "../lib/wire/option.ts";

let lastId = 0;

export function nextId(): string {
  return `0x${(++lastId & 0xffff).toString(16).padStart(4, "0")}`;
}

export interface Registration {
  peer?: ScriptedPeer;
  token?: string;
  /** Path and further options. */
  what?: string;
  state?: string;
  payload?: Uint8Array;
  resource?: string;
}

/** A peer registers and gets the state "0". Answers the number. */
export function register(ladder: Lockstep, registration: Registration = {}): number {
  const { token = "20", what = "/r", state = '2.05 "0"', payload, resource = "r" } = registration;
  const { peer = ladder.peer } = registration;
  const id = nextId();
  peer.sends(`CON GET ${id} token ${token} Observe:0 ${what}`);
  ladder.app.serves(`GET Observe:0 ${what} ...`);
  ladder.app.answers(state, { observe: resource, payload });
  return numberOf(peer.receives(`ACK ${state.slice(0, 4)} ${id} token ${token} ...`));
}

export function numberOf({ message }: Received): number {
  return uintOption(message.options, OptionNumber.Observe) ?? -1;
}

/** The peer acknowledges a notification. */
export function acknowledge(peer: ScriptedPeer, { message }: Received): void {
  peer.sends(`ACK Empty 0x${message.id.toString(16).padStart(4, "0")}`);
}

/** Each peer receives the message of its line; then each acknowledges it. */
export function takeAll(lines: [ScriptedPeer, string][]): void {
  const all = lines.map(([peer, line]) => [peer, peer.receives(line)] as const);
  for (const [peer, received] of all) acknowledge(peer, received);
}

export function reset(peer: ScriptedPeer, { message }: Received): void {
  peer.sends(`RST Empty 0x${message.id.toString(16).padStart(4, "0")}`);
}

export function server(options: LockstepOptions = {}): Lockstep {
  return lockstep({ serve: true, ...options });
}

export const NON = { confirmable: false };

/** The recorded exchanges of `fixtures/recorded/`, and messages of ours compared with theirs. @module */

import data from "../fixtures/recorded/libcoap.json" with { type: "json" };
import { decode, type Message, MessageType } from "../lib/wire/message.ts";
import { type Option, OptionNumber } from "../lib/wire/option.ts";
import { showMessage } from "./message_text.ts";
import { fromHex, toHex } from "./vectors.ts";

/** A message that one of the two sent. */
export interface RecordedMessage {
  /** ms after the first. */
  time: number;
  from: "client" | "server";
  /** Which client, from 0. */
  client: number;
  hex: string;
  message: Message;
}

/** An exchange of libcoap's programs. */
export interface Recording {
  id: string;
  title: string;
  messages: RecordedMessage[];
}

/** All of them. */
export const recordings: Recording[] = data.recordings.map(({ id, title, datagrams }) => ({
  id,
  title,
  messages: datagrams.map(({ time, from, client, hex }) => ({
    time,
    from: from as "client" | "server",
    client,
    hex,
    message: decode(fromHex(hex)),
  })),
}));

/** Whether a message opens an exchange of messages: then its ID is its sender's choice. */
export function opens({ type }: Message): boolean {
  return type === MessageType.Confirmable || type === MessageType.NonConfirmable;
}

/** Values that are their sender's choice, and how each is compared: anything will do where it stands. */
const CHOSEN: ReadonlySet<number> = new Set([OptionNumber.Observe, OptionNumber.RequestTag]);

/** A message as text, with ID and token as given, without some options. */
export function normalize(
  message: Message,
  { id, token, without = [], anyObserve = false }: {
    id: number;
    token: Uint8Array;
    without?: readonly number[];
    anyObserve?: boolean;
  },
): string {
  const { type, code, payload, error } = message;
  const options: Option[] = message.options.filter(({ number }) => !without.includes(number))
    .map((option) =>
      CHOSEN.has(option.number) && (anyObserve || option.number !== OptionNumber.Observe)
        ? { number: option.number, value: Uint8Array.of(0x5f) }
        : option
    );
  return showMessage({ type, code, id, token, options, payload, error });
}

/** Names for values that were chosen by libcoap in a recording, and by us now. */
export class Names {
  readonly #ours = new Map<string, Uint8Array | number>();

  /** What stands for a value of the recording here; what we have is it where nothing does yet. */
  resolve<T extends Uint8Array | number>(kind: string, recorded: T, ours: T): T {
    const key = `${kind} ${typeof recorded === "number" ? recorded : toHex(recorded)}`;
    const known = this.#ours.get(key) as T | undefined;
    if (known === undefined) this.#ours.set(key, ours);
    return known ?? ours;
  }

  /** What stands for a value of the recording here, or the value itself. */
  get<T extends Uint8Array | number>(kind: string, recorded: T): T {
    const key = `${kind} ${typeof recorded === "number" ? recorded : toHex(recorded)}`;
    return (this.#ours.get(key) as T | undefined) ?? recorded;
  }
}

/** A request in a capture and what came of it. @module */

import { isNewer } from "../lib/engine/observation.ts";
import {
  blockNumber,
  Code,
  codeClass,
  codeName,
  codeText,
  findOption,
  isNoCacheKey,
  isResponseCode,
  type Message,
  MessageType,
  OptionNumber,
  stringOptions,
  uintOption,
} from "../lib/wire/mod.ts";
import { hexOf, printable } from "./message_text.ts";
import { type Finding, remark, violation } from "./replay_finding.ts";

/** Nobody expects a response any more after this time, ms (RFC 7252 section 4.8.2). */
const EXCHANGE_LIFETIME = 247_000;

/** Options that differ between the blocks of one body and do not name it. */
const BLOCK_OPTIONS: ReadonlySet<number> = new Set([
  OptionNumber.IfMatch,
  OptionNumber.ETag,
  OptionNumber.IfNoneMatch,
  OptionNumber.Observe,
  OptionNumber.ContentFormat,
  OptionNumber.Block2,
  OptionNumber.Block1,
]);

/** Options that may differ between registrations of one observation (RFC 7641 section 3.3.1). */
const REGISTRATION_OPTIONS: ReadonlySet<number> = new Set([
  OptionNumber.ETag,
  OptionNumber.Observe,
  OptionNumber.Block2,
]);

/** What retransmissions may bring up to date (RFC 7641 section 4.5.2, RFC 7252 section 5.10.5). */
const UPDATED_OPTIONS: ReadonlySet<number> = new Set([OptionNumber.Observe, OptionNumber.MaxAge]);

/** An observation, from its registration on. */
interface Observation {
  active: boolean;
  last?: { value: number; time: number };
  contentFormat?: number | undefined;
  /** What ended it, and the row that forbids more notifications. */
  ended?: { number: number; row: string };
}

/** A request and its responses. */
export class Request {
  readonly number: number;
  readonly message: Message;
  /** In hexadecimal. */
  readonly token: string;
  /** Names what is transferred, whatever the block. */
  readonly resource: string;
  /** Names what is observed. */
  readonly observed: string;
  readonly registers: boolean;
  /** Whether the peer has reset it. */
  failed = false;
  /** How often it was repeated. */
  repeats = 0;
  /** How many responses came, notifications apart. */
  answers = 0;
  readonly #time: number;
  readonly #multicast: boolean;
  readonly #deregisters: boolean;
  #observation: Observation | undefined;

  constructor(number: number, time: number, message: Message, multicast: boolean) {
    this.number = number;
    this.#time = time;
    this.message = message;
    this.#multicast = multicast;
    this.token = hexOf(message.token);
    this.resource = keyOf(message, BLOCK_OPTIONS);
    this.observed = keyOf(message, REGISTRATION_OPTIONS);
    const { code, options } = message;
    const observe = code === Code.GET || code === Code.FETCH
      ? uintOption(options, OptionNumber.Observe)
      : undefined;
    this.registers = observe === 0;
    this.#deregisters = observe === 1;
    this.#observation = this.registers ? { active: false } : undefined;
  }

  /** Whether its token is not free yet for another request. */
  occupies(next: Request, now: number): boolean {
    const continues = (next.registers || next.#deregisters) && next.observed === this.observed;
    if (continues && this.#observation !== undefined) return false;
    if (this.#observation?.active) return true;
    return this.answers === 0 && !this.failed && now - this.#time < EXCHANGE_LIFETIME;
  }

  /** Takes over the observation of an earlier request with the same token. */
  succeed(known: Request): void {
    const observation = known.#observation;
    if (!observation?.active || known.observed !== this.observed) return;
    if (this.registers || this.#deregisters) this.#observation = observation;
  }

  /** Whether a registration of it is in force. */
  observes(key: string): boolean {
    return this.#observation?.active === true && this.observed === key;
  }

  /** Whether a response in a message of its own is a notification. */
  isNotified({ options }: Message): boolean {
    if (!this.#observation?.active) return false;
    if (this.answers > 0) return true;
    // The observation began with an earlier request.
    return findOption(options, OptionNumber.Observe) !== undefined;
  }

  /** Judges a response. */
  answer(message: Message, number: number, time: number, piggybacked: boolean): Finding[] {
    const findings: Finding[] = [];
    const notification = !piggybacked && this.isNotified(message);
    if (!piggybacked && !notification) this.#checkSeparate(message, findings);
    this.#checkObserve(message, number, time, notification, findings);
    if (!notification) this.answers++;
    return findings;
  }

  #checkSeparate({ type }: Message, findings: Finding[]): void {
    const ended = this.#observation?.ended;
    if (this.answers > 0 && !this.#multicast) {
      if (ended !== undefined) {
        findings.push(violation(ended.row, `#${ended.number} has ended the observation`));
      } else if (this.answers > this.repeats) {
        findings.push(violation("7252-5.3.2-5", `#${this.number} was answered already`));
      }
    } else if (
      type === MessageType.Confirmable && this.message.type === MessageType.NonConfirmable
    ) {
      const text = "The response to a Non-confirmable request should be Non-confirmable";
      findings.push(remark("7252-5.2-9", text));
    }
  }

  #checkObserve(
    message: Message,
    number: number,
    time: number,
    notification: boolean,
    findings: Finding[],
  ): void {
    const { code, options } = message;
    const observation = this.#observation;
    const value = uintOption(options, OptionNumber.Observe);
    if (codeClass(code) !== 2) {
      if (value !== undefined) {
        const text = `Observe does not go with ${codeText(code)}`;
        findings.push(violation("7641-4.2-3", text));
      }
      if (observation !== undefined) end(observation, number, "7641-4.2-2");
    } else if (value === undefined) {
      if (notification) findings.push(violation("7641-4.2-3", "A notification must have Observe"));
      else if (observation !== undefined) {
        end(observation, number, this.#deregisters ? "7641-4.1-4" : "7641-3.1-1");
      }
    } else if (this.#deregisters && this.answers === 0 && !notification) {
      if (observation !== undefined) end(observation, number, "7641-4.1-4");
      const text = "The response to a deregistration must not have Observe";
      findings.push(violation("7641-4.1-4", text));
    } else if (observation === undefined) {
      findings.push(violation("7252-5.4-1", `#${this.number} does not ask to observe`));
    } else if (observation.ended === undefined) {
      this.#checkState(observation, message, value, time, findings);
    }
  }

  #checkState(
    observation: Observation,
    { code, options }: Message,
    value: number,
    time: number,
    findings: Finding[],
  ): void {
    const { last } = observation;
    if (last !== undefined && !isNewer(last.value, last.time, value, time)) {
      const text = `Observe ${value} is not newer than ${last.value}`;
      findings.push(violation("7641-4.4-1", text));
    } else {
      observation.last = { value, time };
    }
    // 2.03 stands for a state that the client has.
    if (code === Code.Content) {
      const format = uintOption(options, OptionNumber.ContentFormat);
      if (observation.active && "contentFormat" in observation) {
        if (observation.contentFormat !== format) {
          findings.push(violation("7641-4.2-4", "Another Content-Format than at first"));
        }
      } else {
        observation.contentFormat = format;
      }
    }
    observation.active = true;
  }

  /** The peer has reset a response: whether that ends an observation. */
  reset(number: number, type: MessageType): boolean {
    const observation = this.#observation;
    if (observation === undefined || observation.ended !== undefined) return false;
    end(observation, number, type === MessageType.Confirmable ? "7641-4.5-2" : "7641-4.5-5");
    return true;
  }

  /** What it asks for, in words. */
  explain(): string {
    const { code, options } = this.message;
    const method = codeName(code) ?? codeText(code);
    const path = stringOptions(options, OptionNumber.UriPath).map((segment) => `/${segment}`);
    const query = stringOptions(options, OptionNumber.UriQuery).join("&");
    const uri = stringOptions(options, OptionNumber.ProxyUri)[0] ?? (path.join("") || "/");
    const target = printable(query === "" ? uri : `${uri}?${query}`);
    const block1 = uintOption(options, OptionNumber.Block1);
    const block2 = uintOption(options, OptionNumber.Block2);
    const notes: string[] = [];
    if (this.registers) notes.push(this.#observation?.active ? "registers again" : "registers");
    if (this.#deregisters) notes.push("deregisters");
    if (block1 !== undefined) notes.push(`sends block ${blockNumber(block1)}`);
    if (block2 !== undefined) notes.push(`asks for block ${blockNumber(block2)}`);
    if (this.#multicast) notes.push("to a group");
    return [`Request: ${method} ${target}`, ...notes].join(", ");
  }
}

function end(observation: Observation, number: number, row: string): void {
  observation.active = false;
  observation.ended ??= { number, row };
}

/** Method and options of a request but for some, and those that never count (RFC 7252 section 5.4.6). */
function keyOf({ code, options, payload }: Message, without: ReadonlySet<number>): string {
  const counted = options.filter(({ number }) => !without.has(number) && !isNoCacheKey(number))
    .map(({ number, value }) => `${number}:${hexOf(value)}`);
  // The payload says what is fetched, unless it comes in blocks.
  const body = code === Code.FETCH && without === REGISTRATION_OPTIONS ? hexOf(payload) : "";
  return [code, ...counted, body].join(" ");
}

/** Whether a message is an earlier response brought up to date while it was retransmitted. */
export function isUpdate(before: Message, after: Message): boolean {
  const content = (message: Message): string =>
    [
      message.type,
      message.code,
      hexOf(message.token),
      ...message.options.filter(({ number }) => !UPDATED_OPTIONS.has(number))
        .map(({ number, value }) => `${number}:${hexOf(value)}`),
      hexOf(message.payload),
    ].join(" ");
  return before.error === undefined && after.error === undefined && isResponseCode(after.code) &&
    content(before) === content(after);
}

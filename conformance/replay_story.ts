/** Follows the messages between endpoints, to say what each one means and which rule it breaks. @module */

import {
  Code,
  codeName,
  codeText,
  decode,
  isRequestCode,
  isResponseCode,
  type Message,
  MessageType,
} from "../lib/wire/mod.ts";
import { hexOf, idText } from "./message_text.ts";
import { type Finding, remark, violation } from "./replay_finding.ts";
import { checkMessage } from "./replay_message.ts";
import { isUpdate, Request } from "./replay_request.ts";
import { Transfers } from "./replay_block.ts";

/** A message on its way. */
export interface Step {
  /** Its position, from 1. */
  number: number;
  /** ms */
  time: number;
  /** Endpoints, as addresses with ports. */
  from: string;
  to: string;
  port: number;
  multicast: boolean;
  bytes: Uint8Array;
}

/** What a message means. */
export interface Meaning {
  message: Message;
  explanation: string;
  findings: Finding[];
}

/** A message that may be acknowledged or reset. */
interface Sent {
  number: number;
  time: number;
  /** When it was last sent, ms. */
  last: number;
  /** The position of what was last sent. */
  lastNumber: number;
  count: number;
  hex: string;
  message: Message;
  /** What it is, or answers. */
  request?: Request;
  /** The Acknowledgement or Reset that came for it. */
  reply?: { number: number; hex: string; empty: boolean };
}

/** One endpoint as seen by another. */
interface Side {
  sent: Map<number, Sent>;
  /** IDs that it has acknowledged or reset, and where. */
  replied: Map<number, number>;
  /** Its requests by token. */
  requests: Map<string, Request>;
  transfers: Map<string, Transfers>;
}

/** RFC 7252 section 4.8, ms. */
const ACK_TIMEOUT = 2_000;
const EXCHANGE_LIFETIME = 247_000;
const NON_LIFETIME = 145_000;
const MAX_RETRANSMIT = 4;

/** Clocks of captures are not that exact, ms. */
const TOLERANCE = 50;

/** The messages of a capture, told in their order. */
export class Story {
  readonly #sides = new Map<string, Side>();
  /** Requests to groups, by the asking endpoint and token. */
  readonly #groupRequests = new Map<string, Request>();
  readonly #groupIds = new Set<string>();
  readonly #extendedTokens: boolean;

  /** @param extendedTokens whether tokens may have more than 8 bytes (RFC 8974) */
  constructor(extendedTokens: boolean) {
    this.#extendedTokens = extendedTokens;
  }

  /** Says what a message means. */
  tell(step: Step): Meaning {
    const { bytes, port, multicast } = step;
    const message = decode(bytes, { extendedTokens: this.#extendedTokens });
    const findings = checkMessage(message, bytes.length, { port, multicast });
    const scene = new Scene(step, message, findings);
    const reason = message.error?.reason;
    if (reason === "too-short" || reason === "version") {
      scene.explanation = "No message of CoAP";
    } else if (message.type === MessageType.Acknowledgement) this.#acknowledgement(scene);
    else if (message.type === MessageType.Reset) this.#reset(scene);
    else this.#open(scene);
    return { message, explanation: scene.explanation, findings };
  }

  /**
   * What is missing in the end: Confirmable messages without an answer, by their positions.
   *
   * @param time when the capture ends, ms
   */
  end(time: number): Map<number, Finding> {
    const findings = new Map<number, Finding>();
    for (const { sent } of this.#sides.values()) {
      for (const { message, reply, request, last, lastNumber } of sent.values()) {
        if (message.type !== MessageType.Confirmable || reply !== undefined) continue;
        // A separate response stands for the Acknowledgement that got lost (section 5.2.2).
        if (isRequestCode(message.code) && request !== undefined && request.answers > 0) continue;
        if (time - last <= ACK_TIMEOUT) continue;
        findings.set(lastNumber, remark("7252-4.2-1", "Nobody has acknowledged it or reset it"));
      }
    }
    return findings;
  }

  #side(from: string, to: string): Side {
    const key = `${from} > ${to}`;
    let side = this.#sides.get(key);
    if (side === undefined) {
      side = { sent: new Map(), replied: new Map(), requests: new Map(), transfers: new Map() };
      this.#sides.set(key, side);
    }
    return side;
  }

  /** A Confirmable or Non-confirmable message. */
  #open(scene: Scene): void {
    const { step, message, findings } = scene;
    const { from, to, time, number } = step;
    const side = this.#side(from, to);
    const before = side.sent.get(message.id);
    if (before !== undefined && isAlive(before, time)) {
      if (before.hex === scene.hex || isUpdate(before.message, message)) {
        return repeat(scene, before);
      }
      const text = `Message ID ${idText(message.id)} was used for another message in #`;
      findings.push(violation("7252-4.4-1", text + before.number));
    }
    const { hex } = scene;
    const sent: Sent = { number, time, last: time, lastNumber: number, count: 1, hex, message };
    side.sent.set(message.id, sent);
    if (step.multicast) this.#groupIds.add(`${from} ${message.id}`);
    if (message.error !== undefined) scene.explanation = "Malformed: to be rejected or ignored";
    else if (message.code === Code.Empty) scene.explanation = "Ping";
    else if (isRequestCode(message.code)) this.#request(scene, side, sent);
    else if (isResponseCode(message.code)) this.#separate(scene, sent);
    else scene.explanation = "Neither request nor response: to be rejected or ignored";
  }

  #request(scene: Scene, side: Side, sent: Sent): void {
    const { step, message, findings } = scene;
    const request = new Request(step.number, step.time, message, step.multicast);
    const known = side.requests.get(request.token);
    if (known?.occupies(request, step.time)) {
      findings.push(remark("7252-5.3.1-2", `Its token is in use by #${known.number}`));
    }
    if (known !== undefined) request.succeed(known);
    if (request.registers) {
      for (const other of side.requests.values()) {
        if (other !== known && other.observes(request.observed)) {
          const text = `#${other.number} observes this resource already, by another token`;
          findings.push(violation("7641-3.1-2", text));
        }
      }
    }
    side.requests.set(request.token, request);
    if (step.multicast) this.#groupRequests.set(`${step.from} ${request.token}`, request);
    sent.request = request;
    findings.push(...transfersOf(side, request).request(message));
    scene.explanation = request.explain();
  }

  /** A response that is no part of an Acknowledgement. */
  #separate(scene: Scene, sent: Sent): void {
    const { step: { from, to }, message, findings } = scene;
    const token = hexOf(message.token);
    const side = this.#side(to, from);
    const request = side.requests.get(token) ?? this.#groupRequests.get(`${to} ${token}`);
    if (request === undefined) {
      scene.explanation = "A response that nobody has asked for: to be rejected or ignored";
      findings.push(
        this.#isAskedElsewhere(to, token)
          ? violation("7252-5.3.2-1", "The request with this token went to another endpoint")
          : violation("7252-5.3.2-4", "No request has this token"),
      );
      return;
    }
    sent.request = request;
    this.#response(scene, side, request, false);
  }

  #isAskedElsewhere(from: string, token: string): boolean {
    for (const [key, { requests }] of this.#sides) {
      if (token !== "" && key.startsWith(`${from} > `) && requests.has(token)) return true;
    }
    return false;
  }

  #response(scene: Scene, side: Side, request: Request, piggybacked: boolean): void {
    const { step, message, findings } = scene;
    const notification = !piggybacked && request.isNotified(message);
    findings.push(...request.answer(message, step.number, step.time, piggybacked));
    findings.push(...transfersOf(side, request).response(request.message, message, notification));
    const name = codeName(message.code) ?? codeText(message.code);
    if (notification) scene.explanation = `Notification of #${request.number}: ${name}`;
    else {
      const way = piggybacked ? "" : ", separate";
      scene.explanation = `Response to #${request.number}${way}: ${name}`;
    }
  }

  #acknowledgement(scene: Scene): void {
    const { step: { from, to, number }, message, findings, hex } = scene;
    const side = this.#side(from, to);
    const target = this.#side(to, from).sent.get(message.id);
    if (target === undefined) return this.#stray(scene, "acknowledged", "7252-4.2-6");
    side.replied.set(message.id, number);
    const { reply } = target;
    scene.explanation = `Acknowledges #${target.number}`;
    if (target.message.type === MessageType.NonConfirmable) {
      findings.push(violation("7252-4.3-2", `#${target.number} is Non-confirmable`));
    } else if (target.message.error !== undefined) {
      findings.push(violation("7252-4.2-5", `#${target.number} is malformed: a Reset is due`));
    } else if (target.message.code === Code.Empty) {
      findings.push(violation("7252-4.2-2", `#${target.number} is a ping: a Reset is due`));
    }
    const empty = message.code === Code.Empty;
    target.reply = reply === undefined || reply.empty ? { number, hex, empty } : reply;
    if (message.error !== undefined) return;
    if (reply?.hex === hex) {
      scene.explanation = `Repeats #${reply.number}`;
    } else if (empty) {
      if (isRequestCode(target.message.code)) scene.explanation += ": the response comes later";
    } else if (isResponseCode(target.message.code)) {
      findings.push(violation("7252-5.2-6", "The Acknowledgement of a response must be Empty"));
    } else if (target.request !== undefined && isResponseCode(message.code)) {
      this.#piggybacked(scene, target, reply);
    }
  }

  #piggybacked(scene: Scene, target: Sent, reply: Sent["reply"]): void {
    const { step: { from, to }, message, findings } = scene;
    const request = target.request!;
    const token = hexOf(message.token);
    if (token !== request.token) {
      const text = `The token of #${request.number} is "${request.token}": here it is "${token}"`;
      findings.push(violation("7252-5.3.1-1", text));
    }
    if (reply?.empty) {
      const text = `#${reply.number} was an Empty Acknowledgement: no response may come in another`;
      findings.push(violation("7252-5.2-5", text));
    } else if (reply !== undefined) {
      scene.explanation = `Another response than #${reply.number} to a repeated request`;
      if (target.message.code === Code.POST || target.message.code === Code.PATCH) {
        findings.push(remark("7252-4.5-1", "The request seems to have been processed twice"));
      }
      return;
    }
    this.#response(scene, this.#side(to, from), request, true);
  }

  #reset(scene: Scene): void {
    const { step: { from, to, number }, message, hex } = scene;
    const side = this.#side(from, to);
    const target = this.#side(to, from).sent.get(message.id);
    if (target === undefined) return this.#stray(scene, "reset", "7252-4.2-7");
    side.replied.set(message.id, number);
    target.reply ??= { number, hex, empty: true };
    if (message.error !== undefined) {
      scene.explanation = "Malformed: to be ignored";
    } else if (target.message.error === undefined && target.message.code === Code.Empty) {
      scene.explanation = `Answers the ping #${target.number}`;
    } else {
      scene.explanation = `Rejects #${target.number}`;
      const { request } = target;
      if (request === undefined) return;
      if (isRequestCode(target.message.code)) request.failed = true;
      else if (request.reset(number, target.message.type)) {
        scene.explanation += ` and ends the observation of #${request.number}`;
      }
    }
  }

  /** An Acknowledgement or Reset for no message. */
  #stray(scene: Scene, verb: string, row: string): void {
    const { step: { from, to }, message: { id }, findings } = scene;
    const replied = this.#side(to, from).replied.get(id);
    scene.explanation = "Belongs to no message: to be ignored";
    if (replied !== undefined) {
      const text = `#${replied} is an Acknowledgement or a Reset: it must not be ${verb}`;
      findings.push(violation("7252-4.2-9", text));
    } else if (verb === "reset" && this.#groupIds.has(`${to} ${id}`)) {
      findings.push(violation("7252-8-2", "What came by multicast must not be reset"));
    } else {
      const text = `No message of the other side with ID ${idText(id)} could be ${verb}`;
      findings.push(violation(row, text));
    }
  }
}

/** A message while it is being told. */
class Scene {
  readonly step: Step;
  readonly message: Message;
  readonly findings: Finding[];
  readonly hex: string;
  explanation = "";

  constructor(step: Step, message: Message, findings: Finding[]) {
    this.step = step;
    this.message = message;
    this.findings = findings;
    this.hex = hexOf(step.bytes);
  }
}

/** The same message once more. */
function repeat(scene: Scene, sent: Sent): void {
  const { step: { time, number }, message: { type }, findings } = scene;
  const pause = time - sent.last;
  scene.explanation = type === MessageType.Confirmable
    ? `Retransmission ${sent.count} of #${sent.number}`
    : `Repeats #${sent.number}`;
  if (type === MessageType.Confirmable) {
    if (pause < ACK_TIMEOUT - TOLERANCE) {
      const text = `Retransmitted after ${Math.round(pause)} ms, before ACK_TIMEOUT`;
      findings.push(remark("7252-4.2-10", text));
    }
    if (sent.count > MAX_RETRANSMIT) {
      const text = `Retransmitted more often than MAX_RETRANSMIT, ${MAX_RETRANSMIT} times`;
      findings.push(remark("7252-4.2-12", text));
    }
  }
  sent.count++;
  sent.last = time;
  sent.lastNumber = number;
  if (sent.request !== undefined && isRequestCode(sent.message.code)) sent.request.repeats++;
}

function isAlive({ time, message }: Sent, now: number): boolean {
  return now - time <
    (message.type === MessageType.Confirmable ? EXCHANGE_LIFETIME : NON_LIFETIME);
}

function transfersOf(side: Side, request: Request): Transfers {
  let transfers = side.transfers.get(request.resource);
  if (transfers === undefined) side.transfers.set(request.resource, transfers = new Transfers());
  return transfers;
}

/** What client cases are written with: a scripted server, and a client that is told what to do. @module */

import type { Clock } from "../lib/endpoint/clock.ts";
import type { Flow } from "../lib/flow.ts";
import type { Bind } from "../lib/transport/transport.ts";
import { type Case, CaseFailure, type CaseTraits, NotApplicable, rowCase } from "./case.ts";
import {
  build,
  type Datagram,
  type DatagramSpec,
  describe,
  Opt,
  textOf,
  toHex,
  valuesOf,
} from "./datagram.ts";
import { Errand } from "./errand.ts";
import { Probe, type TraceDatagram } from "./probe.ts";
import { attempt, type CaseResult, resultOf, runCases, type SuiteOptions } from "./runner.ts";

/** What a client is told to do. */
export interface ClientTask {
  /** The method. */
  method: "GET" | "PUT" | "POST";
  /** The resource on the scripted server. */
  uri: string;
  /** The body of the request. @default none */
  payload?: Uint8Array;
  /** Keeps observing for this time, ms. */
  observe?: number;
  /** Whether the request is Confirmable. @default {true} */
  confirmable?: boolean;
}

/** What came of it, as far as the client tells. */
export interface ClientOutcome {
  /** The code of the response; undefined where the client does not tell. */
  code?: string;
  /** The payload, or of an observation the last one. */
  payload?: string;
  /** The payloads of an observation, in their order. */
  payloads?: string[];
  /** Why there is none. */
  error?: string;
}

/** A client under test. */
export interface ClientUnderTest {
  /** Does one task with a socket of its own. What goes wrong is an outcome; {@linkcode NoSubject} ends the run. */
  run(task: ClientTask): Promise<ClientOutcome>;
  /** Whether it tells codes and payloads; else it is judged by the wire alone. */
  readonly tells: boolean;
  /** Whether it can be told to do this. @default anything */
  can?(task: ClientTask): boolean;
  /** Ends what is still running. */
  stop?(): Promise<void>;
}

/** How the suite reaches a client. */
export interface ClientSettings {
  /** Who is judged. */
  client: ClientUnderTest;
  /** Binds the suite's sockets. */
  bind: Bind;
  /** Tells the time. */
  clock: Clock;
  /** Where the scripted server listens. @default {"127.0.0.1"} */
  hostname?: string;
  /** How long the client's next message is waited for, ms. @default {5000} */
  timeout?: number;
  /** How long nothing must come, ms. @default {300} */
  quiet?: number;
  /** Whether cases run that take minutes. @default {false} */
  slow?: boolean;
  /** Cases that are known to fail, with the reason. */
  known?: Readonly<Record<string, string>>;
}

/** What the sockets of one case share. */
export interface ScriptSettings extends ClientSettings {
  /** The scheme of the URIs that the client is given. @default {"coap"} */
  scheme?: string;
  start: number;
  trace: TraceDatagram[];
  probes: Probe[];
}

/** The scripted server of one case. */
export class Script extends Errand {
  readonly #settings: ScriptSettings;
  readonly #probe: Probe;
  #flow: Flow | undefined = undefined;
  #id = 0x7000;

  private constructor(settings: ScriptSettings, probe: Probe) {
    super(settings);
    this.#settings = settings;
    this.#probe = probe;
  }

  /** Binds the server's socket. */
  static async open(settings: ScriptSettings): Promise<Script> {
    const probe = new Probe(settings, settings.probes.length);
    settings.probes.push(probe);
    return new Script(settings, await probe.open({ hostname: settings.hostname ?? "127.0.0.1" }));
  }

  /** The time since the case began, ms. */
  get now(): number {
    return this.#probe.now;
  }

  /** A new message ID of the server. */
  id(): number {
    return this.#id++;
  }

  /** Tells the client what to do; it begins at once. */
  start(task: Partial<ClientTask> & { path?: string } = {}): void {
    this.tell(this.#settings.scheme ?? "coap", this.#probe.port, task);
    this.#flow = undefined; // each task has a socket of its own
  }

  /** The client's next message; fails where none comes or it is malformed. */
  async next(expected: string, ms?: number): Promise<Datagram> {
    const coming = this.#probe.next(ms ?? this.#settings.timeout ?? 5_000);
    const heard = await Promise.race([coming, this.broken]);
    if (heard === undefined) throw new CaseFailure(expected, "nothing");
    this.#flow ??= heard.from;
    if (typeof heard.message === "string") throw new CaseFailure(expected, describe(heard.bytes));
    return heard.message;
  }

  /** The client's next request. */
  async request(ms?: number): Promise<Datagram> {
    const message = await this.next("a request", ms);
    this.check(message.code > "0.00" && message.code < "1", "a request", message);
    return message;
  }

  /** Expects the Empty message of that type and ID. */
  async empty(type: "ACK" | "RST", id: number): Promise<void> {
    const expected = build({ type, id });
    const message = await this.next(`${type} ${toHex(expected)}`);
    this.check(toHex(message.bytes) === toHex(expected), `${type} ${toHex(expected)}`, message);
  }

  /** Fails where the client says anything. */
  async silence(ms: number = this.#settings.quiet ?? 300): Promise<void> {
    const heard = await this.#probe.next(ms);
    if (heard !== undefined) throw new CaseFailure("silence", describe(heard.bytes));
  }

  /** Expects silence or the Reset of that ID. */
  async silenceOrReset(id: number): Promise<void> {
    const heard = await this.#probe.next(this.#settings.quiet ?? 300);
    this.note(heard === undefined ? "silence" : "Reset");
    if (heard === undefined) return;
    const expected = toHex(build({ type: "RST", id }));
    if (toHex(heard.bytes) !== expected) {
      throw new CaseFailure(`silence or ${expected}`, describe(heard.bytes));
    }
  }

  /** Says something to the client, from the server's socket or another. */
  say(spec: DatagramSpec, from: Script = this): void {
    from.#probe.send(this.#flow!, build(spec));
  }

  /** Says bytes to the client. */
  sayBytes(bytes: Uint8Array): void {
    this.#probe.send(this.#flow!, bytes);
  }

  /** Answers a request in the Acknowledgement. */
  answer(request: Datagram, spec: Partial<DatagramSpec> = {}): void {
    const { id, token, type } = request;
    this.say(
      type === "CON"
        ? { type: "ACK", id, code: "2.05", token, payload: "done", ...spec }
        : { type: "NON", id: this.id(), code: "2.05", token, payload: "done", ...spec },
    );
  }

  /** A second socket of the server. */
  other(): Promise<Script> {
    return Script.open(this.#settings);
  }

  /** Fails where the condition does not hold. */
  check(condition: boolean, expected: string, actual?: Datagram | string): void {
    if (condition) return;
    const text = actual === undefined
      ? "something else"
      : typeof actual === "string"
      ? actual
      : describe(actual.bytes);
    throw new CaseFailure(expected, text);
  }
}

/** The path of a request. */
export function pathOf(request: Datagram): string {
  return valuesOf(request, Opt.UriPath).map((value) => `/${textOf(value)}`).join("");
}

/** A case that a client is put through. */
export type ClientCase = Case<Script>;

/** A client case for a row of the checklist. */
export function clientCase(
  id: string,
  traits: CaseTraits,
  run: (s: Script) => Promise<void>,
): ClientCase {
  return rowCase(id, traits, run);
}

/** Puts a client through cases, one after the other. */
export async function runClientCases(
  cases: readonly ClientCase[],
  settings: ClientSettings,
  options?: SuiteOptions,
): Promise<CaseResult[]> {
  return await runCases(cases, (one) => judgeClient(one, settings), options);
}

/** Puts a client through one case. */
export async function judgeClient(one: ClientCase, settings: ClientSettings): Promise<CaseResult> {
  const { clock, slow = false, known = {} } = settings;
  const start = clock.now();
  const trace: TraceDatagram[] = [];
  const probes: Probe[] = [];
  const notes: string[] = [];
  const outcome = await attempt(async () => {
    if (one.slow && !slow) throw new NotApplicable("takes long: only with --slow");
    const script = await Script.open({ ...settings, start, trace, probes });
    try {
      await one.run(script);
    } finally {
      notes.push(...script.notes);
    }
  }).finally(async () => {
    await settings.client.stop?.();
    await Promise.all(probes.map((probe) => probe.close()));
  });
  return resultOf(one, outcome, { notes, exchange: trace, duration: clock.now() - start }, known);
}

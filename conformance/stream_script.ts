/** What client cases over connections are written with: a scripted server, and a client that is told what to do. @module */

import type { ByteNetwork, Listener } from "../lib/transport/stream.ts";
import { type Case, CaseFailure, NotApplicable } from "./case.ts";
import { type ClientSettings, type ClientTask, Script } from "./client_case.ts";
import { Connection, type ConnectionSettings } from "./connection.ts";
import { CAPABLE, Conversation } from "./conversation.ts";
import type { OptionSpec } from "./datagram.ts";
import { Errand } from "./errand.ts";
import { type Frame, type FrameSpec, Signal } from "./frame.ts";
import { playServer } from "./played_messages.ts";
import type { TraceDatagram } from "./probe.ts";
import { attempt, type CaseResult, resultOf, runCases, type SuiteOptions } from "./runner.ts";

/** How the suite reaches a client by connections. */
export interface StreamClientSettings extends Omit<ClientSettings, "bind"> {
  /** Listens for the client's connections. */
  network: ByteNetwork;
}

/** A case that a client is put through over connections. */
export type StreamClientCase = Case<StreamScript>;

/** What the connections of one case share. */
type ScriptSettings = StreamClientSettings & ConnectionSettings;

/** The scripted server of one case. */
export class StreamScript extends Errand {
  readonly #settings: ScriptSettings;
  readonly #timeout: number;
  readonly #waiting: Conversation[] = [];
  #listener: Listener | undefined = undefined;
  #wake: (() => void) | undefined = undefined;

  private constructor(settings: ScriptSettings) {
    super(settings);
    this.#settings = settings;
    this.#timeout = settings.timeout ?? 5_000;
  }

  /** Listens for connections. */
  static async open(settings: ScriptSettings): Promise<StreamScript> {
    const script = new StreamScript(settings);
    const patience = { timeout: script.#timeout, quiet: settings.quiet ?? 300 };
    const hostname = settings.hostname ?? "127.0.0.1";
    script.#listener = await settings.network.listen({ hostname, port: 0 }, (socket) => {
      const connection = new Connection(settings, socket, "length");
      script.#take(new Conversation(connection, patience));
      return connection;
    }, () => {});
    return script;
  }

  #take = (conversation: Conversation): void => {
    this.#waiting.push(conversation);
    this.#wake?.();
  };

  /** What cases of other transports are written with; a message layer is played to them. */
  async datagrams(): Promise<Script> {
    const { port } = this.#listener!.address;
    const onConnection = (take: (conversation: Conversation) => void): void => {
      this.#take = take;
    };
    // The trace is of the connections beneath.
    const bind = playServer({ port, onConnection });
    return await Script.open({
      ...this.#settings,
      scheme: "coap+tcp",
      bind,
      trace: [],
      probes: [],
    });
  }

  /** Tells the client what to do; it begins at once. */
  start(task: Partial<ClientTask> & { path?: string } = {}): void {
    this.tell("coap+tcp", this.#listener!.address.port, task);
  }

  /** The client's next connection, on which nothing was said. */
  async accept(): Promise<Conversation> {
    const { clock } = this.#settings;
    if (this.#waiting.length === 0) {
      const coming = new Promise<void>((resolve) => {
        const timer = clock.setTimer(resolve, clock.now() + this.#timeout);
        this.#wake = () => (clock.clearTimer(timer), resolve());
      });
      await Promise.race([coming, this.broken]);
    }
    const conversation = this.#waiting.shift();
    if (conversation === undefined) throw new CaseFailure("a connection", "nothing");
    return conversation;
  }

  /** Starts a task, and gives its connection on which both have said their CSM, with the client's. */
  async meet(
    task?: Partial<ClientTask> & { path?: string },
    options: readonly OptionSpec[] = CAPABLE,
  ): Promise<[Conversation, csm: Frame]> {
    this.start(task);
    const one = await this.accept();
    one.greet(options);
    return [one, await one.expect({ code: Signal.CSM })];
  }

  /** The same, with the client's request. */
  async asked(
    task?: Partial<ClientTask> & { path?: string },
    options?: readonly OptionSpec[],
  ): Promise<[Conversation, request: Frame]> {
    const [one] = await this.meet(task, options);
    return [one, await this.request(one)];
  }

  /** The client's next message, which has to be a request. */
  async request(one: Conversation): Promise<Frame> {
    const frame = await one.next("a request");
    one.check(frame.code > "0.00" && frame.code < "1", "a request", frame);
    return frame;
  }

  /** Answers a request. */
  answer(one: Conversation, { token }: Frame, spec: FrameSpec = {}): void {
    one.say({ code: "2.05", token, payload: "done", ...spec });
  }

  /** Stops listening. */
  async close(): Promise<void> {
    await this.#listener?.close();
  }
}

/** Puts a client through one case over connections. */
export async function judgeStreamClient(
  one: StreamClientCase,
  settings: StreamClientSettings,
): Promise<CaseResult> {
  const { clock, client, slow = false, known = {} } = settings;
  const start = clock.now();
  const trace: TraceDatagram[] = [];
  const connections: Connection[] = [];
  const notes: string[] = [];
  const script = await StreamScript.open({ ...settings, start, trace, connections });
  const outcome = await attempt(async () => {
    if (one.slow && !slow) throw new NotApplicable("takes long: only with --slow");
    try {
      await one.run(script);
    } finally {
      notes.push(...script.notes);
    }
  }).finally(() => client.stop?.());
  const duration = clock.now() - start;
  for (const connection of connections) connection.end();
  const seen = { notes, exchange: [...trace], duration };
  await script.close();
  return resultOf(one, outcome, seen, known);
}

/** Puts a client through cases over connections, one after the other. */
export async function runStreamClientCases(
  cases: readonly StreamClientCase[],
  settings: StreamClientSettings,
  options?: SuiteOptions,
): Promise<CaseResult[]> {
  return await runCases(cases, (one) => judgeStreamClient(one, settings), options);
}

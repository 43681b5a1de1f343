/** What cases over connections are written with that judge servers. @module */

import type { StreamTarget } from "../lib/transport/stream.ts";
import { NoSubject, NotApplicable } from "./case.ts";
import { Connection, type ConnectionSettings } from "./connection.ts";
import { CAPABLE, Conversation, type Patience } from "./conversation.ts";
import type { OptionSpec } from "./datagram.ts";
import { type Frame, Signal } from "./frame.ts";
import { playMessages } from "./played_messages.ts";
import { type Probe, wait } from "./probe.ts";
import { Tester } from "./tester.ts";

/** What a case is told about its subject. */
export interface StreamTesterSettings extends ConnectionSettings, Patience {
  /** The server. */
  target: StreamTarget;
  /** Which of several allowed reactions was seen. */
  notes: string[];
  /** Sockets of played message layers, to close in the end. */
  probes: Probe[];
}

/** The suite before a server that is reached by connections. */
export class StreamTester {
  /** What the case was told. */
  readonly settings: StreamTesterSettings;

  /** Begins without connections. */
  constructor(settings: StreamTesterSettings) {
    this.settings = settings;
  }

  /**
   * A connection on which nothing was said.
   *
   * @throws {NoSubject} (the promise rejects) where there is none to be had
   */
  async open(): Promise<Conversation> {
    const { settings } = this;
    const { target, timeout } = settings;
    try {
      return new Conversation(await Connection.open(settings, target, timeout), settings);
    } catch (error) {
      const { host, port } = target;
      throw new NoSubject(`No connection to ${host} port ${port}: ${(error as Error).message}`);
    }
  }

  /** A connection on which both have said their CSM. */
  async connect(options: readonly OptionSpec[] = CAPABLE): Promise<Conversation> {
    return (await this.meet(options))[0];
  }

  /** The same, with the server's CSM. */
  async meet(options: readonly OptionSpec[] = CAPABLE): Promise<[Conversation, csm: Frame]> {
    const one = await this.open();
    one.greet(options);
    return [one, await one.expect({ code: Signal.CSM })];
  }

  /** What cases of other transports are written with; a message layer is played to them. */
  async datagrams(): Promise<Tester> {
    const { settings } = this;
    const { host, port } = settings.target;
    // Trace and flows are of the connections beneath.
    return await Tester.open({
      ...settings,
      target: { address: host, port },
      bind: playMessages(this),
      trace: [],
    });
  }

  /** Lets time pass. */
  wait(ms: number): Promise<void> {
    return wait(this.settings.clock, ms);
  }

  /** Writes down which of several allowed reactions was seen. */
  note(text: string): void {
    if (!this.settings.notes.includes(text)) this.settings.notes.push(text);
  }

  /** Ends the case: it has nothing to say about this server. */
  notApplicable(why: string): never {
    throw new NotApplicable(why);
  }
}

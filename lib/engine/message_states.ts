/**
 * The states of messages as tables: (state, input) -> (effect, next state), each row with its section of RFC 7252.
 * Reliability looks its next step up here and nowhere else.
 *
 * @module
 */

/** A table of steps: `steps[state * inputs + input]` holds effect and next state, `NO_STEP` where a pair can not be. */
export interface StateTable {
  /** Number of inputs. */
  readonly inputs: number;
  /** Effect in the high bits, next state in the low four. */
  readonly steps: Uint8Array;
}

/** The entry of a pair that can not occur. */
export const NO_STEP = 0xff;

type Row = readonly [state: number, input: number, effect: number, next: number, section: string];

function table(states: number, inputs: number, rows: readonly Row[]): StateTable {
  const steps = new Uint8Array(states * inputs).fill(NO_STEP);
  for (const [state, input, effect, next] of rows) {
    steps[state * inputs + input] = effect << 4 | next;
  }
  return { inputs, steps };
}

/** The effect of a step. */
export function effectOf(step: number): number {
  return step >> 4;
}

/** The state after a step. */
export function nextOf(step: number): number {
  return step & 15;
}

// ---------------------------------------------------------------- what kind of message arrived

/** What a datagram turned out to be. */
export const Kind = {
  Malformed: 0,
  Empty: 1,
  Reserved: 2,
  Request: 3,
  Response: 4,
} as const;

/** What to do with it. */
export const Arrival = {
  Ignore: 0,
  Reset: 1,
  Process: 2,
  Match: 3,
  Acknowledged: 4,
  Rejected: 5,
} as const;

/**
 * Table T2 of the checklist (RFC 7252 sections 3, 4.1 to 4.3, 5.3.2): rows by kind, columns CON, NON, ACK, RST. A
 * response is matched first; what does not match is rejected by type (`UNMATCHED`).
 */
export const ARRIVAL: readonly (readonly number[])[] = [
  /* Malformed, 4.2, 4.3 */ [Arrival.Reset, Arrival.Ignore, Arrival.Ignore, Arrival.Ignore],
  /* Empty, 4.1, 4.2     */ [Arrival.Reset, Arrival.Ignore, Arrival.Acknowledged, Arrival.Rejected],
  /* Reserved, 4.2, 4.3  */ [Arrival.Reset, Arrival.Ignore, Arrival.Ignore, Arrival.Ignore],
  /* Request, 4.2, 4.3   */ [Arrival.Process, Arrival.Process, Arrival.Ignore, Arrival.Ignore],
  /* Response, 5.3.2     */ [Arrival.Match, Arrival.Match, Arrival.Acknowledged, Arrival.Ignore],
];

/** A response nobody waits for, by type CON, NON, ACK, RST (RFC 7252 section 5.3.2). */
export const UNMATCHED: readonly number[] = [
  Arrival.Reset,
  Arrival.Ignore,
  Arrival.Ignore,
  Arrival.Ignore,
];

// ---------------------------------------------------------------- messages received

/** States of a message received, kept for its lifetime so that a duplicate is known. */
export const Incoming = {
  /** Not seen, or forgotten. */
  New: 0,
  /** A Confirmable request at the application, nothing sent yet. */
  Handling: 1,
  /** A Non-confirmable request at the application. */
  HandlingNon: 2,
  /** The empty acknowledgement went out. */
  Acknowledged: 3,
  /** A reply went out that a duplicate gets again. */
  Answered: 4,
  /** Nothing to repeat. */
  Closed: 5,
} as const;

/** What happens to a message received. */
export const IncomingInput = {
  Confirmable: 0,
  NonConfirmable: 1,
  /** The application has had its time. */
  AckDelay: 2,
  /** The application answers. */
  Answer: 3,
  /** The application answers with silence. */
  Silence: 4,
  /** The lifetime is over. */
  Expire: 5,
} as const;

/** What reliability does about it. */
export const IncomingEffect = {
  Ignore: 0,
  Deliver: 1,
  EmptyAck: 2,
  Piggyback: 3,
  Separate: 4,
  Repeat: 5,
  Forget: 6,
} as const;

/** Messages received, RFC 7252 sections 4.2 to 4.5 and 5.2. */
export const INCOMING: StateTable = table(6, 6, [
  [Incoming.New, IncomingInput.Confirmable, IncomingEffect.Deliver, Incoming.Handling, "4.2"],
  [Incoming.New, IncomingInput.NonConfirmable, IncomingEffect.Deliver, Incoming.HandlingNon, "4.3"],
  [Incoming.Handling, IncomingInput.Confirmable, IncomingEffect.Ignore, Incoming.Handling, "4.5"],
  [
    Incoming.Handling,
    IncomingInput.NonConfirmable,
    IncomingEffect.Ignore,
    Incoming.Handling,
    "4.5",
  ],
  [
    Incoming.Handling,
    IncomingInput.AckDelay,
    IncomingEffect.EmptyAck,
    Incoming.Acknowledged,
    "5.2.2",
  ],
  [Incoming.Handling, IncomingInput.Answer, IncomingEffect.Piggyback, Incoming.Answered, "5.2.1"],
  [Incoming.Handling, IncomingInput.Silence, IncomingEffect.EmptyAck, Incoming.Acknowledged, "4.2"],
  [
    Incoming.HandlingNon,
    IncomingInput.Confirmable,
    IncomingEffect.Ignore,
    Incoming.HandlingNon,
    "4.5",
  ],
  [
    Incoming.HandlingNon,
    IncomingInput.NonConfirmable,
    IncomingEffect.Ignore,
    Incoming.HandlingNon,
    "4.5",
  ],
  [Incoming.HandlingNon, IncomingInput.Answer, IncomingEffect.Separate, Incoming.Closed, "5.2.3"],
  [Incoming.HandlingNon, IncomingInput.Silence, IncomingEffect.Ignore, Incoming.Closed, "4.3"],
  [
    Incoming.Acknowledged,
    IncomingInput.Confirmable,
    IncomingEffect.EmptyAck,
    Incoming.Acknowledged,
    "4.2",
  ],
  [
    Incoming.Acknowledged,
    IncomingInput.NonConfirmable,
    IncomingEffect.Ignore,
    Incoming.Acknowledged,
    "4.5",
  ],
  [
    Incoming.Acknowledged,
    IncomingInput.Answer,
    IncomingEffect.Separate,
    Incoming.Acknowledged,
    "5.2.2",
  ],
  [
    Incoming.Acknowledged,
    IncomingInput.Silence,
    IncomingEffect.Ignore,
    Incoming.Acknowledged,
    "5.2.2",
  ],
  [Incoming.Acknowledged, IncomingInput.Expire, IncomingEffect.Forget, Incoming.New, "4.5"],
  [Incoming.Answered, IncomingInput.Confirmable, IncomingEffect.Repeat, Incoming.Answered, "4.5"],
  [
    Incoming.Answered,
    IncomingInput.NonConfirmable,
    IncomingEffect.Ignore,
    Incoming.Answered,
    "4.5",
  ],
  [Incoming.Answered, IncomingInput.Expire, IncomingEffect.Forget, Incoming.New, "4.5"],
  [Incoming.Closed, IncomingInput.Confirmable, IncomingEffect.Ignore, Incoming.Closed, "4.5"],
  [Incoming.Closed, IncomingInput.NonConfirmable, IncomingEffect.Ignore, Incoming.Closed, "4.5"],
  [Incoming.Closed, IncomingInput.Expire, IncomingEffect.Forget, Incoming.New, "4.5"],
]);

// ---------------------------------------------------------------- messages sent

/** States of a message of ours. */
export const Outgoing = {
  /** Waits for a place among NSTART, for a message ID or for PROBING_RATE. */
  Queued: 0,
  /** Confirmable, sent, neither acknowledged nor rejected. */
  Unacknowledged: 1,
  /** Non-confirmable and sent; a Reset may still come. */
  Unreliable: 2,
  /** Nothing more will be sent or expected. */
  Ended: 3,
} as const;

/** What happens to a message of ours. */
export const OutgoingInput = {
  /** Its turn has come, Confirmable. */
  SendConfirmable: 0,
  /** Its turn has come, Non-confirmable. */
  SendNonConfirmable: 1,
  /** The retransmission time-out, with retransmissions left. */
  Timeout: 2,
  /** The last time-out. */
  LastTimeout: 3,
  /** A matching acknowledgement. */
  Acknowledgement: 4,
  /** A matching Reset. */
  Reset: 5,
  /** A response to the request that it carries, or its owner gives it up. */
  Release: 6,
} as const;

/** What reliability does about it. */
export const OutgoingEffect = {
  Ignore: 0,
  Send: 1,
  Retransmit: 2,
  GiveUp: 3,
  Settle: 4,
  Fail: 5,
  Free: 6,
  /** No answer is expected any more as far as NSTART goes. */
  Yield: 7,
} as const;

/** Messages sent, RFC 7252 sections 4.2 to 4.4. */
export const OUTGOING: StateTable = table(4, 7, [
  [
    Outgoing.Queued,
    OutgoingInput.SendConfirmable,
    OutgoingEffect.Send,
    Outgoing.Unacknowledged,
    "4.2",
  ],
  [
    Outgoing.Queued,
    OutgoingInput.SendNonConfirmable,
    OutgoingEffect.Send,
    Outgoing.Unreliable,
    "4.3",
  ],
  [Outgoing.Queued, OutgoingInput.Release, OutgoingEffect.Free, Outgoing.Ended, "4.2"],
  [
    Outgoing.Unacknowledged,
    OutgoingInput.Timeout,
    OutgoingEffect.Retransmit,
    Outgoing.Unacknowledged,
    "4.2",
  ],
  [
    Outgoing.Unacknowledged,
    OutgoingInput.LastTimeout,
    OutgoingEffect.GiveUp,
    Outgoing.Ended,
    "4.2",
  ],
  [
    Outgoing.Unacknowledged,
    OutgoingInput.Acknowledgement,
    OutgoingEffect.Settle,
    Outgoing.Ended,
    "4.2",
  ],
  [Outgoing.Unacknowledged, OutgoingInput.Reset, OutgoingEffect.Fail, Outgoing.Ended, "4.2"],
  [Outgoing.Unacknowledged, OutgoingInput.Release, OutgoingEffect.Free, Outgoing.Ended, "4.2"],
  [Outgoing.Unreliable, OutgoingInput.Timeout, OutgoingEffect.Yield, Outgoing.Unreliable, "4.7"],
  [
    Outgoing.Unreliable,
    OutgoingInput.Acknowledgement,
    OutgoingEffect.Ignore,
    Outgoing.Unreliable,
    "4.3",
  ],
  [Outgoing.Unreliable, OutgoingInput.Reset, OutgoingEffect.Fail, Outgoing.Ended, "4.4"],
  [Outgoing.Unreliable, OutgoingInput.Release, OutgoingEffect.Free, Outgoing.Ended, "4.3"],
  [Outgoing.Ended, OutgoingInput.Timeout, OutgoingEffect.Yield, Outgoing.Ended, "4.7"],
  [Outgoing.Ended, OutgoingInput.Release, OutgoingEffect.Ignore, Outgoing.Ended, "4.2"],
]);

import { assertEquals } from "@std/assert";
import { afterEach, describe, it } from "node:test";
import { type Lockstep, lockstep, settle } from "../../testing/lockstep.ts";
import {
  effectOf,
  INCOMING,
  Incoming,
  IncomingEffect,
  IncomingInput,
  nextOf,
  NO_STEP,
  OUTGOING,
  Outgoing,
  OutgoingEffect,
  OutgoingInput,
  type StateTable,
} from "./message_states.ts";

type Names = Readonly<Record<string, number>>;

function nameOf(names: Names, value: number): string {
  return Object.keys(names).find((name) => names[name] === value) ?? `${value}?`;
}

/** A table in words: `words[state][input]` is `"Effect State"`, or `"-"` where there is no step. */
function inWords(
  { steps, inputs }: StateTable,
  states: Names,
  inputNames: Names,
  effects: Names,
): Record<string, Record<string, string>> {
  const words: Record<string, Record<string, string>> = {};
  for (const [state, row] of Object.entries(states)) {
    words[state] = {};
    for (const [input, column] of Object.entries(inputNames)) {
      const step = steps[row * inputs + column]!;
      words[state][input] = step === NO_STEP
        ? "-"
        : `${nameOf(effects, effectOf(step))} ${nameOf(states, nextOf(step))}`;
    }
  }
  return words;
}

describe("the table of messages received", () => {
  it("has these steps and no others (RFC 7252 sections 4.2 to 4.5, 5.2)", () => {
    assertEquals(INCOMING.steps.length, 6 * 6);
    assertEquals(inWords(INCOMING, Incoming, IncomingInput, IncomingEffect), {
      New: {
        Confirmable: "Deliver Handling",
        NonConfirmable: "Deliver HandlingNon",
        AckDelay: "-",
        Answer: "-",
        Silence: "-",
        Expire: "-",
      },
      // A duplicate waits for the same acknowledgement as the first.
      Handling: {
        Confirmable: "Ignore Handling",
        NonConfirmable: "Ignore Handling",
        AckDelay: "EmptyAck Acknowledged",
        Answer: "Piggyback Answered",
        Silence: "EmptyAck Acknowledged",
        Expire: "-",
      },
      HandlingNon: {
        Confirmable: "Ignore HandlingNon",
        NonConfirmable: "Ignore HandlingNon",
        AckDelay: "-",
        Answer: "Separate Closed",
        Silence: "Ignore Closed",
        Expire: "-",
      },
      // After the empty acknowledgement there is never another kind (7252-5.2-5).
      Acknowledged: {
        Confirmable: "EmptyAck Acknowledged",
        NonConfirmable: "Ignore Acknowledged",
        AckDelay: "-",
        Answer: "Separate Acknowledged",
        Silence: "Ignore Acknowledged",
        Expire: "Forget New",
      },
      Answered: {
        Confirmable: "Repeat Answered",
        NonConfirmable: "Ignore Answered",
        AckDelay: "-",
        Answer: "-",
        Silence: "-",
        Expire: "Forget New",
      },
      Closed: {
        Confirmable: "Ignore Closed",
        NonConfirmable: "Ignore Closed",
        AckDelay: "-",
        Answer: "-",
        Silence: "-",
        Expire: "Forget New",
      },
    });
  });
});

describe("the table of messages sent", () => {
  it("has these steps and no others (RFC 7252 sections 4.2 to 4.4, 4.7)", () => {
    assertEquals(OUTGOING.steps.length, 4 * 7);
    assertEquals(inWords(OUTGOING, Outgoing, OutgoingInput, OutgoingEffect), {
      Queued: {
        SendConfirmable: "Send Unacknowledged",
        SendNonConfirmable: "Send Unreliable",
        Timeout: "-",
        LastTimeout: "-",
        Acknowledgement: "-",
        Reset: "-",
        Release: "Free Ended",
      },
      Unacknowledged: {
        SendConfirmable: "-",
        SendNonConfirmable: "-",
        Timeout: "Retransmit Unacknowledged",
        LastTimeout: "GiveUp Ended",
        Acknowledgement: "Settle Ended",
        Reset: "Fail Ended",
        Release: "Free Ended",
      },
      // A Non-confirmable message is never retransmitted nor acknowledged.
      Unreliable: {
        SendConfirmable: "-",
        SendNonConfirmable: "-",
        Timeout: "Yield Unreliable",
        LastTimeout: "-",
        Acknowledgement: "Ignore Unreliable",
        Reset: "Fail Ended",
        Release: "Free Ended",
      },
      // One given up towards a silent peer keeps its place until PROBING_RATE allows the next.
      Ended: {
        SendConfirmable: "-",
        SendNonConfirmable: "-",
        Timeout: "Yield Ended",
        LastTimeout: "-",
        Acknowledgement: "-",
        Reset: "-",
        Release: "Ignore Ended",
      },
    });
  });
});

// ---------------------------------------------------------------- table T2: what to do with a message

const TYPES = ["CON", "NON", "ACK", "RST"] as const;

/** First byte of a message of a type with a token length. */
function head(type: number, tokenLength = 0): string {
  return (0x40 | type << 4 | tokenLength).toString(16);
}

/** What follows the first byte of messages with a format error (RFC 7252 sections 3 and 4.1), by token length. */
const FORMAT_ERRORS: readonly [title: string, tokenLength: number, rest: string][] = [
  ...[9, 10, 11, 12, 13, 14, 15].map((length): [string, number, string] => [
    `token length ${length} (7252-3-7)`,
    length,
    `011234${"61".repeat(16)}`,
  ]),
  ["a token that is cut off (7252-3-8)", 4, "011234616263"],
  ["a payload marker and no payload (7252-3-10)", 0, "011234ff"],
  ["option delta 15 (7252-3.1-3)", 0, "011234f0"],
  ["option length 15 (7252-3.1-4)", 0, "011234bf74657374"],
  ["an extended delta that is cut off", 0, "011234d0"],
  ["an extended length that is cut off", 0, "011234be01"],
  ["an option value that is cut off", 0, "011234b474"],
  ["an option number above 65535", 0, "011234e0ffff"],
  ["code 0.00 with a token (7252-4.1-1)", 1, "00123461"],
  ["code 0.00 with an option (7252-4.1-1)", 0, "001234b174"],
  ["code 0.00 with a payload (7252-4.1-1)", 0, "001234ff61"],
  ["code 0.00 with a token length and no token", 1, "001234"],
];

describe("table T2, an endpoint without state", () => {
  afterEach(settle);

  /** Sends a datagram to a fresh endpoint, from one peer or to a group, and expects a Reset or nothing. */
  function check(bytes: string, reset: boolean, rejected: boolean): void {
    for (const serve of [true, false]) {
      for (const multicast of [false, true]) {
        const { engine, app, peerAt, silence } = lockstep({ serve });
        const peer = peerAt(5683, { multicast });
        peer.sendsBytes(bytes);
        if (rejected) app.event("rejected");
        if (reset && !multicast) peer.receives("RST Empty 0x1234");
        silence();
        assertEquals(engine.deadline, Infinity);
        assertEquals(engine.sizes.peers, 0);
      }
    }
  }

  for (const [type, name] of TYPES.entries()) {
    const reset = name === "CON";
    const answer = reset ? "Reset, and silence to a group" : "silence";

    it(`${name} of an unknown version: silence (7252-3-2)`, () => {
      for (const version of [0, 2, 3]) {
        const first = (version << 6 | type << 4).toString(16).padStart(2, "0");
        check(`${first}011234`, false, true);
        check(`${first}001234`, false, true);
      }
    });

    for (const [title, tokenLength, rest] of FORMAT_ERRORS) {
      it(`${name} with ${title}: ${answer} (7252-4.2-5, 7252-4.3-3)`, () => {
        check(head(type, tokenLength) + rest, reset, true);
      });
    }

    it(`${name} that is Empty: ${answer} (7252-4.2-2, 7252-4.3-3, 7252-4.2-9)`, () => {
      check(`${head(type)}001234`, reset, false);
    });

    it(`${name} of class 1, 3, 6 or 7: ${answer} (7252-4.2-3, 7252-4.2-4, 7252-4.2-8)`, () => {
      for (const code of ["20", "3f", "60", "7f", "c0", "e1", "e2", "ff"]) {
        check(`${head(type, 1)}${code}1234aa`, reset, false);
      }
    });

    it(`${name} with a response to nothing: ${answer} (7252-5.3.2-4)`, () => {
      for (const code of ["40", "45", "5f", "84", "a0", "bf"]) {
        check(`${head(type, 1)}${code}1234aa`, reset, false);
      }
    });
  }

  it("a datagram of less than 4 bytes: silence (7252-3-3)", () => {
    for (const bytes of ["", "40", "4001", "400112", "400012", "700012"]) check(bytes, false, true);
  });

  for (const name of ["ACK", "RST"]) {
    it(`${name} with a request: silence, and the application does not see it (7252-4.2-8)`, () => {
      check(`${name === "ACK" ? "61" : "71"}011234aab474657374`, false, false);
    });
  }

  it("a request where none are served: Reset to a Confirmable one to this endpoint alone", () => {
    const { engine, peer, peerAt, silence } = lockstep({ serve: false });
    const group = peerAt(5683, { multicast: true });
    for (const code of ["GET", "POST", "0.31"]) {
      peer.sends(`CON ${code} 0x1234 token aa /test`);
      peer.receives("RST Empty 0x1234");
      peer.sends(`NON ${code} 0x1235 token aa /test`);
      group.sends(`CON ${code} 0x1236 token aa /test`);
      group.sends(`NON ${code} 0x1237 token aa /test`);
      silence(2000);
    }
    assertEquals(engine.sizes.duplicates, 0);
  });
});

describe("table T2, requests", () => {
  afterEach(settle);

  it("CON: processed; to a group: not (7252-4.2-1, 7252-8-1)", () => {
    const { app, peer, peerAt, silence } = lockstep({ serve: true });
    peer.sends("CON GET 0x1234 token aa /test");
    app.serves("CON GET 0x1234 token aa /test");
    app.answers("2.05");
    peer.receives("ACK 2.05 0x1234 token aa");
    peerAt(5684, { multicast: true }).sends("CON GET 0x1234 token aa /test");
    silence(2000);
  });

  it("NON: processed, to a group as well (7252-4.3-2)", () => {
    for (const multicast of [false, true]) {
      const { app, peerAt } = lockstep({ serve: true });
      const peer = peerAt(5683, { multicast });
      peer.sends("NON 0.31 0x1234 token aa /test");
      app.serves("NON 0.31 0x1234 token aa /test");
      assertEquals(app.request!.flow.multicast, multicast);
      app.cancels(app.request!.id);
    }
  });
});

describe("table T2, with a request under way", () => {
  afterEach(settle);

  /** A request that was sent, and how to see that it is still pending. */
  function asked(type = "CON"): Lockstep {
    const ladder = lockstep({ serve: true });
    ladder.app.asks(`${type} GET /test`);
    ladder.peer.receives(`${type} GET $m token $t /test`);
    return ladder;
  }

  function isPending({ app, peer, silence }: Lockstep): void {
    silence();
    peer.sends("NON 2.05 0x7fff token $t");
    app.gets("2.05");
  }

  it("Empty ACK with its message ID ends retransmission", () => {
    const ladder = asked();
    ladder.peer.sends("ACK Empty $m");
    ladder.silence(60_000);
    isPending(ladder);
  });

  it("Empty RST with its message ID fails it, CON or NON (7252-4.2-15, 7252-4.4-4)", () => {
    for (const type of ["CON", "NON"]) {
      const { app, peer, silence } = asked(type);
      peer.sends("RST Empty $m");
      app.fails("reset");
      silence(93_000);
    }
  });

  it("Empty ACK or RST with another message ID: silence, and it goes on", () => {
    const ladder = asked();
    ladder.bindings.set("$n", (ladder.bindings.get("$m") as number) ^ 1);
    ladder.peer.sends("ACK Empty $n");
    ladder.peer.sends("RST Empty $n");
    ladder.silence();
    ladder.after(3000);
    ladder.peer.receives("CON GET $m token $t /test");
    isPending(ladder);
  });

  it("malformed, reserved and requests in an ACK or RST with its message ID: silence, and it goes on", () => {
    for (const first of ["6", "7"]) {
      const ladder = asked();
      const id = (ladder.bindings.get("$m") as number).toString(16).padStart(4, "0");
      for (
        const rest of ["00", "01", "e0"].flatMap((code) => [`1${code}${id}61`, `0${code}${id}ff`])
      ) {
        ladder.peer.sendsBytes(first + rest);
        if (ladder.events[0]?.type === "rejected") ladder.app.event("rejected");
      }
      ladder.silence();
      ladder.after(3000);
      ladder.peer.receives("CON GET $m token $t /test");
      isPending(ladder);
    }
  });

  it("NON that is Empty with its message ID: silence, and it goes on", () => {
    const ladder = asked();
    ladder.peer.sends("NON Empty $m");
    ladder.silence();
    ladder.after(3000);
    ladder.peer.receives("CON GET $m token $t /test");
    isPending(ladder);
  });

  it("response with its token: CON is acknowledged and delivered, NON and ACK delivered", () => {
    for (const type of ["CON", "NON", "ACK"]) {
      const { app, peer, silence } = asked();
      peer.sends(`${type} 2.05 ${type === "ACK" ? "$m" : "0x0101"} token $t "hello"`);
      if (type === "CON") peer.receives("ACK Empty 0x0101");
      app.gets('2.05 "hello"');
      silence(93_000);
    }
  });

  it("any ACK to a Non-confirmable request: silence, and it goes on", () => {
    const ladder = asked("NON");
    ladder.peer.sends("ACK Empty $m");
    ladder.peer.sends("ACK 2.05 $m token $t");
    isPending(ladder);
  });

  it("Confirmable response through a group: delivered, not acknowledged", () => {
    const { app, peerAt, silence } = asked();
    peerAt(5683, { multicast: true }).sends("CON 2.05 0x0101 token $t");
    app.gets("2.05");
    silence(93_000);
  });

  it("response in a RST: silence, and it goes on", () => {
    const ladder = asked();
    ladder.peer.sends("RST 2.05 $m token $t");
    ladder.silence();
    isPending(ladder);
  });

  it("response with another token: Reset to a CON, else silence, and it goes on (7252-5.3.2-2)", () => {
    const ladder = asked();
    ladder.bindings.set("$u", new Uint8Array([...ladder.bindings.get("$t") as Uint8Array, 0]));
    for (const token of ["token $u", "token 00", ""]) {
      ladder.peer.sends(`CON 2.05 0x0101 ${token}`);
      ladder.peer.receives("RST Empty 0x0101");
      ladder.peer.sends(`NON 2.05 0x0102 ${token}`);
      ladder.peer.sends(`ACK 2.05 $m ${token}`);
    }
    ladder.peer.sends("ACK 2.05 0x0103 token $t");
    ladder.after(3000);
    ladder.peer.receives("CON GET $m token $t /test");
    isPending(ladder);
  });
});

/** The figures of RFC 7959 section 3, each side against a scripted other side. */

import { assertEquals } from "@std/assert";
import { afterEach, describe, it } from "node:test";
import { bodyOf, figure, type FigureOptions, play } from "../../testing/figures.ts";
import { type Lockstep, lockstep, settle } from "../../testing/lockstep.ts";
import { blockSequences, type SequenceMessage } from "../../testing/vectors.ts";
import type { Message } from "../wire/message.ts";
import { encodeUint, findOption, type Option, OptionNumber } from "../wire/option.ts";
import { isNewer } from "./observation.ts";

type Choice = NonNullable<FigureOptions["choose"]>;

function blocks(id: string): SequenceMessage[] {
  return figure(blockSequences, id);
}

/** Our choice: the first block says how long the body is (section 4). */
function withSize1(length: number): Choice {
  return ({ options }) => {
    const first = options.some(({ number, value }) =>
      number === OptionNumber.Block1 && value.length === 1 && value[0]! >> 4 === 0
    );
    return first
      ? [...options, { number: OptionNumber.Size1, value: encodeUint(length) }]
      : options;
  };
}

/** Our choice: a body in blocks without an ETag is given one of 8 bytes, the same in all its blocks (section 2.4). */
function withETag(): Choice {
  let etag: Option | undefined;
  return ({ options }, actual) => {
    if (!options.some(({ number }) => number === OptionNumber.Block2)) return options;
    etag ??= findOption(actual.options, OptionNumber.ETag);
    assertEquals(etag?.value.length, 8);
    const at = options.findIndex(({ number }) => number > OptionNumber.ETag);
    return [...options.slice(0, at), etag!, ...options.slice(at)];
  };
}

/** The server's own numbers, which grow. */
function withNumbers(): Choice {
  let last: number | undefined;
  return ({ options }, actual) =>
    options.map((option) => {
      if (option.number !== OptionNumber.Observe) return option;
      const own = findOption(actual.options, OptionNumber.Observe)!;
      const number = own.value.reduce((sum, byte) => sum * 256 + byte, 0);
      if (last !== undefined) assertEquals(isNewer(last, 0, number, 1), true);
      last = number;
      return own;
    });
}

/** The index of the last message of one side that carries a payload, and of what follows it. */
function afterLast(messages: readonly SequenceMessage[], from: string): number {
  return messages.findLastIndex((message) => message.from === from && message.payload_hex) + 1;
}

describe("RFC 7959 section 3, the client", () => {
  afterEach(settle);

  function fetches(
    ladder: Lockstep,
    id: string,
    blockSize: number | undefined,
    acts: Record<number, () => void> = {},
  ): void {
    const messages = blocks(id);
    play({
      ladder,
      messages,
      role: "client",
      acts: {
        0: () => ladder.app.asks("CON GET /status", { blockSize }),
        ...acts,
        [messages.length]: () => ladder.app.gets("2.05", undefined, bodyOf(messages, "server")),
      },
    });
    ladder.silence(93_000);
  }

  it("figure 2: simple blockwise GET (7959-2.4-1)", () => {
    fetches(lockstep(), "7959-2", undefined);
  });

  it("figure 3: early negotiation (7959-2.4-2)", () => {
    fetches(lockstep(), "7959-3", 64);
  });

  it("figure 4: late negotiation, with the engine's own block size (7959-2.4-6)", () => {
    fetches(lockstep({ blockSize: 64 }), "7959-4", undefined);
  });

  it("figure 5: late negotiation, a request lost", () => {
    const ladder = lockstep({ blockSize: 64 });
    fetches(ladder, "7959-5", undefined, { 3: () => ladder.after(3000) });
  });

  it("figure 6: late negotiation, an acknowledgement lost", () => {
    const ladder = lockstep({ blockSize: 64 });
    fetches(ladder, "7959-6", undefined, { 4: () => ladder.after(3000) });
  });

  function puts(id: string, code: string): void {
    const messages = blocks(id);
    const body = bodyOf(messages, "client");
    const ladder = lockstep({ blockSize: 128 });
    play({
      ladder,
      messages,
      role: "client",
      acts: {
        0: () => ladder.app.asks("CON PUT /options", { payload: body }),
        [messages.length]: () => ladder.app.gets(`${code} ...`),
      },
      choose: withSize1(body.length),
    });
    ladder.silence(93_000);
  }

  it("figure 7: atomic blockwise PUT (7959-2.5-2)", () => {
    puts("7959-7", "2.04");
  });

  it("figure 8: stateless blockwise PUT, each block acted on (7959-2.3-4)", () => {
    puts("7959-8", "2.04");
  });

  it("figure 9: the server prefers smaller blocks (7959-2.5-1)", () => {
    puts("7959-9", "2.04");
  });

  function posts(id: string, blockSize?: number): void {
    const messages = blocks(id);
    const last = afterLast(messages, "client");
    const body = bodyOf(messages, "client");
    const ladder = lockstep({ blockSize: 128 });
    const early = blockSize === undefined ? "" : ` Block2:0/0/${blockSize}`;
    play({
      ladder,
      messages,
      role: "client",
      acts: {
        0: () => ladder.app.asks(`CON POST /soap${early}`, { payload: body }),
        [messages.length]: () => {
          const answer = bodyOf(messages.slice(last), "server");
          ladder.app.gets(`2.04 Block1:2/0/128`, undefined, answer);
        },
      },
      choose: withSize1(body.length),
    });
    ladder.silence(93_000);
  }

  it("figure 10: blocks both ways, without Block1 and payload in the second phase (7959-2.7-1, 2)", () => {
    posts("7959-10");
  });

  it("figure 11: the size of the response's blocks in the last request (7959-2.7-3)", () => {
    posts("7959-11", 64);
  });

  /** Plays the blocks that the figure leaves out. */
  function fetchRest(
    ladder: Lockstep,
    body: Uint8Array,
    size: number,
    from: number,
    to: number,
    etag: string,
  ): void {
    for (let number = from; number < to; number++) {
      const end = (number + 1) * size;
      ladder.peer.receives(`CON GET $o token $u /status-icon Block2:${number}/0/${size}`);
      const more = end < body.length ? 1 : 0;
      ladder.peer.sends(
        `ACK 2.05 $o token $u ETag:${etag} Block2:${number}/${more}/${size}`,
        body.subarray(number * size, end),
      );
      ladder.bindings.delete("$o");
      ladder.bindings.delete("$u");
    }
  }

  for (const [id, size] of [["7959-12", 128], ["7959-13", 64]] as const) {
    it(`figure ${id.slice(5)}: a large state observed; our choice: a new token per block (7959-2.6-1, 2)`, () => {
      const messages = blocks(id);
      const ladder = lockstep();
      const { app } = ladder;
      const body = Uint8Array.from({ length: 309 }, (_, i) => i % 251);
      const first = body.map((byte) => byte ^ 1).fill(0, 0, size);
      first.set(body.subarray(0, size));
      play({
        ladder,
        messages,
        role: "client",
        acts: {
          0: () =>
            app.asks("CON GET /status-icon", {
              observe: true,
              blockSize: size === 64 ? size : undefined,
            }),
          2: () => {
            fetchRest(ladder, first, size, 1, Math.ceil(309 / size), "0x6f00f38e");
            app.sees(`2.05 ETag:0x6f00f38e Observe:62350${size === 64 ? " Max-Age:60" : ""}`, {
              payload: first,
            });
          },
          // Figure 13 leaves out blocks 2 and 3 of the second state.
          7: () => size === 64 && fetchRest(ladder, body, size, 2, 4, "0x6f00f392"),
          [messages.length]: () => {
            app.sees("2.05 ETag:0x6f00f392 Observe:62354", { payload: body });
            app.cancels();
            const early = size === 64 ? " Block2:0/0/64" : "";
            ladder.peer.receives(`CON GET $m9 token $tfb Observe:1 /status-icon${early}`);
            ladder.peer.sends("ACK 2.05 $m9 token $tfb");
          },
        },
      });
      ladder.silence();
    });
  }
});

describe("RFC 7959 section 3, the server", () => {
  afterEach(settle);

  /** A GET that the server answers with its body. */
  function serves(id: string, blockSize: number, acts: Record<number, () => void> = {}): void {
    const messages = blocks(id);
    const ladder = lockstep({ serve: true, blockSize });
    const { app } = ladder;
    play({
      ladder,
      messages,
      role: "server",
      acts: {
        1: () => {
          app.serves("GET /status ...");
          app.answers("2.05", { payload: bodyOf(messages, "server") });
        },
        ...acts,
      },
      choose: withETag(),
    });
    ladder.silence(93_000);
  }

  it("figure 2: simple blockwise GET (7959-2.4-5, 8)", () => {
    serves("7959-2", 128);
  });

  it("figure 3: early negotiation (7959-2.4-3)", () => {
    serves("7959-3", 1024);
  });

  for (const number of [4, 5, 6]) {
    it(`figure ${number}: late negotiation, also with losses (7959-2.4-6, 7)`, () => {
      serves(`7959-${number}`, 128);
    });
  }

  function takes(id: string, blockSize: number): void {
    const messages = blocks(id);
    const ladder = lockstep({ serve: true, blockSize });
    play({
      ladder,
      messages,
      role: "server",
      acts: {
        [messages.length - 1]: () => {
          ladder.app.serves("PUT /options", bodyOf(messages, "client"));
          ladder.app.answers("2.04");
        },
      },
    });
    ladder.silence(93_000);
  }

  it("figure 7: atomic blockwise PUT (7959-2.5-2, 12)", () => {
    takes("7959-7", 1024);
  });

  it("figure 8: our choice: never stateless, blocks before the last are answered 2.31", () => {
    const messages = blocks("7959-8");
    const continued = figure(blockSequences, "7959-7");
    const mixed = messages.map((message, i) => i === 1 || i === 3 ? continued[i]! : message);
    const ladder = lockstep({ serve: true });
    play({
      ladder,
      messages: mixed,
      role: "server",
      acts: {
        5: () => {
          ladder.app.serves("PUT /options", bodyOf(messages, "client"));
          ladder.app.answers("2.04");
        },
      },
    });
  });

  it("figure 9: the server prefers smaller blocks", () => {
    takes("7959-9", 32);
  });

  function answers(id: string, early = ""): void {
    const messages = blocks(id);
    const last = afterLast(messages, "client");
    const ladder = lockstep({ serve: true, blockSize: 128 });
    play({
      ladder,
      messages,
      role: "server",
      acts: {
        [last]: () => {
          ladder.app.serves(`POST /soap${early}`, bodyOf(messages, "client"));
          ladder.app.answers("2.04", { payload: bodyOf(messages.slice(last), "server") });
        },
      },
      choose: withETag(),
    });
    ladder.silence(93_000);
  }

  it("figure 10: blocks both ways (7959-2.7-1)", () => {
    answers("7959-10");
  });

  it("figure 11: blocks both ways, early negotiation in the last request (7959-2.7-3)", () => {
    answers("7959-11", " Block2:0/0/64");
  });

  for (const [id, blockSize] of [["7959-12", 128], ["7959-13", 1024]] as const) {
    it(`figure ${id.slice(5)}: a large state observed (7959-2.6-1, 4)`, () => {
      const messages = blocks(id);
      const ladder = lockstep({ serve: true, blockSize });
      const body = Uint8Array.from({ length: 309 }, (_, i) => i % 251);
      const maxAge = id === "7959-13" ? " Max-Age:60" : "";
      const numbers = withNumbers();
      play({
        ladder,
        messages,
        role: "server",
        acts: {
          1: () => {
            ladder.app.serves("GET Observe:0 /status-icon ...");
            const line = `2.05 ETag:0x6f00f38e${maxAge}`;
            ladder.app.answers(line, { payload: body, observe: "icon" });
          },
          3: () => {
            assertEquals(
              ladder.app.notifies("icon", "2.05 ETag:0x6f00f392", { payload: body }),
              1,
            );
          },
        },
        choose: (expected: Message, actual: Message) => numbers(expected, actual),
      });
      ladder.silence(93_000);
    });
  }
});

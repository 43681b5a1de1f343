import { assert, assertEquals } from "@std/assert";
import { describe, it } from "node:test";
import { Backlog } from "./backlog.ts";

/** What a server that takes `work` ms for a datagram learns, with so many datagrams in a turn. */
class Loop {
  now = 1000;
  readonly backlog = new Backlog(400);
  readonly #perTurn: number;
  #read = 0;

  constructor(perTurn: number) {
    this.#perTurn = perTurn;
  }

  /** Reads and handles a datagram. Answers whether it was late. */
  handles(work: number): boolean {
    this.backlog.read(this.now);
    const late = this.backlog.isLate;
    this.now += late ? 0.02 : work;
    if (++this.#read % this.#perTurn === 0) {
      this.backlog.turned(this.now, true);
      this.now += 0.2;
    }
    return late;
  }

  /** Finds nothing to read. */
  pauses(ms: number): void {
    this.backlog.turned(this.now, false);
    this.#read = 0;
    this.now += ms;
  }
}

describe("Backlog", () => {
  for (const perTurn of [1, 32]) {
    it(`a handler that blocks for 20 ms, ${perTurn} in a turn: those after 400 ms are late`, () => {
      const loop = new Loop(perTurn);
      let first = 0;
      while (!loop.handles(20)) first++;
      assert(first >= 20 && first <= 21, `${first}`);
      assert(loop.handles(20));
      loop.pauses(5);
      assert(!loop.handles(20), "The socket was empty");
    });

    it(`never empty, ${perTurn} in a turn: one buffer is shed, what follows is not late`, () => {
      const loop = new Loop(perTurn);
      let [handled, shed, phases] = [0, 0, 0];
      let before = false;
      while (loop.now < 61_000) {
        const late = loop.handles(20);
        if (late) shed++;
        else handled++;
        if (late && !before) phases++;
        before = late;
      }
      // Besides what it takes to shed them the handler is at work, and each phase sheds less than a buffer.
      assert(handled * 20 > 0.85 * 60_000, `${handled} handled`);
      assert(shed / phases <= 278, `${shed} shed in ${phases} phases`);
    });

    it(`fast handlers, ${perTurn} in a turn, under load without end: nothing is late`, () => {
      for (const work of [0.01, 0.1, 0.5, 1]) {
        const loop = new Loop(perTurn);
        for (let n = 0; n < 20_000; n++) assert(!loop.handles(work), `${work} ms, ${n}`);
      }
    });
  }

  it("a handler that blocks, but with pauses between: nothing is late", () => {
    const loop = new Loop(32);
    for (let n = 0; n < 1000; n++) {
      for (let i = 0; i < 10; i++) assert(!loop.handles(20));
      loop.pauses(2);
    }
  });

  it("a turn that was not full: nothing was left to read, and nothing is late", () => {
    for (const [perTurn, pause] of [[1, 0], [1, 0.1], [31, 0]] as const) {
      const loop = new Loop(32);
      for (let n = 0; n < 3000; n++) {
        assert(!loop.handles(5), `${perTurn} in a turn, ${n}`);
        if (n % perTurn === 0) loop.pauses(pause);
      }
    }
  });

  it("one long stall, of the process or in a handler, makes nothing late", () => {
    const loop = new Loop(32);
    for (let n = 0; n < 100; n++) assert(!loop.handles(0.05));
    loop.handles(5000);
    for (let n = 0; n < 1000; n++) assert(!loop.handles(0.05));
  });

  it("a larger buffer takes longer to be read: less per datagram is slow", () => {
    const late = (bufferSize: number, work: number): boolean => {
      const loop = new Loop(32);
      loop.backlog.bufferSize = bufferSize;
      for (let n = 0; n < 20_000; n++) if (loop.handles(work)) return true;
      return false;
    };
    assertEquals([late(212_992, 1), late(4 << 20, 1), late(4 << 20, 0.01)], [false, true, false]);
  });
});

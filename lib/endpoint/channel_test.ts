import { assertEquals } from "@std/assert";
import { beforeEach, describe, it } from "node:test";
import { Channel } from "./channel.ts";

describe("Channel", () => {
  let log: string[];
  let channel: Channel<number>;

  function make(open: (channel: Channel<number>) => void, signal?: AbortSignal): Channel<number> {
    return channel = new Channel<number>({
      signal,
      open: (channel) => {
        log.push("open");
        open(channel);
        return () => void log.push("close");
      },
      keep: (waiting, value) => void waiting.push(value),
    });
  }

  /** The next values, `undefined` for the end, rejections as `{ reason }`. */
  async function read(count: number): Promise<unknown[]> {
    const reads = Array.from(
      { length: count },
      () => channel.next().then(({ value }) => value, (reason: unknown) => ({ reason })),
    );
    return await Promise.all(reads);
  }

  beforeEach(() => {
    log = [];
  });

  it("opens its source on the first next, once, and closes it once", async () => {
    make((channel) => channel.push(1));
    assertEquals(log, []);
    assertEquals(await read(1), [1]);
    channel.push(2);
    assertEquals(await read(1), [2]);
    assertEquals(log, ["open"]);
    await channel.return();
    await channel.return();
    channel.push(3);
    channel.fail("too late");
    assertEquals(await read(2), [undefined, undefined]);
    assertEquals(log, ["open", "close"]);
  });

  it("gives what waits before its end, and before its failure", async () => {
    make((channel) => {
      channel.push(1);
      channel.push(2);
      channel.end();
    });
    assertEquals(await read(4), [1, 2, undefined, undefined]);
    assertEquals(log, ["open", "close"]);
    make((channel) => {
      channel.push(1);
      channel.fail("why");
    });
    assertEquals(await read(3), [1, { reason: "why" }, undefined]);
  });

  it("tells one of several readers of a failure, the others of the end", async () => {
    make(() => {});
    const reads = read(3);
    channel.push(1);
    channel.fail("why");
    assertEquals(await reads, [1, { reason: "why" }, undefined]);
    assertEquals(await read(1), [undefined]);
  });

  it("ends readers that wait when it is left", async () => {
    make(() => {});
    const reads = read(2);
    assertEquals(await channel.return(), { done: true, value: undefined });
    assertEquals(await reads, [undefined, undefined]);
  });

  it("drops a failure that nobody has read when it is left", async () => {
    make((channel) => channel.push(1));
    await read(1);
    channel.fail("why");
    await channel.return();
    assertEquals(await read(1), [undefined]);
  });

  it("rejects with what opening its source throws", async () => {
    const reason = new Error("Broken");
    make(() => {
      throw reason;
    });
    assertEquals(await read(2), [{ reason }, undefined]);
    assertEquals(log, ["open"]);
  });

  it("heeds its signal, and forgets it", async () => {
    const controller = new AbortController();
    const { signal } = controller;
    let listeners = 0;
    const { addEventListener, removeEventListener } = signal;
    signal.addEventListener = (...args: Parameters<typeof addEventListener>): void => {
      listeners++;
      addEventListener.apply(signal, args);
    };
    signal.removeEventListener = (...args: Parameters<typeof removeEventListener>): void => {
      listeners--;
      removeEventListener.apply(signal, args);
    };
    make((channel) => {
      channel.push(1);
      channel.end();
    }, signal);
    assertEquals(await read(1), [1]);
    assertEquals(listeners, 0);
    make(() => {}, signal);
    const reads = read(2);
    assertEquals(listeners, 1);
    controller.abort("enough");
    assertEquals(await reads, [{ reason: "enough" }, undefined]);
    assertEquals(listeners, 0);
    assertEquals(log, ["open", "close", "open", "close"]);
    make(() => {}, signal);
    assertEquals(await read(2), [{ reason: "enough" }, undefined]);
    assertEquals(log.length, 4);
  });
});

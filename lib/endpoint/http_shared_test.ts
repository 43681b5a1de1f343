import { assertEquals, assertRejects } from "@std/assert";
import { describe, it } from "node:test";
import { SharedRequests } from "./http_shared.ts";
import { CoAPResponse } from "./response.ts";

describe("SharedRequests", () => {
  const sent: {
    signal: AbortSignal;
    resolve(response: CoAPResponse): void;
    reject(reason: unknown): void;
  }[] = [];
  const send = (signal: AbortSignal): Promise<CoAPResponse> =>
    new Promise((resolve, reject) => void sent.push({ signal, resolve, reject }));
  const { signal } = new AbortController();

  it("sends one request for all with a key, and another when it is answered", async () => {
    sent.length = 0;
    const shared = new SharedRequests();
    const first = shared.wait("a", signal, send);
    const second = shared.wait("a", signal, send);
    const other = shared.wait("b", signal, send);
    assertEquals(sent.length, 2);
    const response = new CoAPResponse();
    sent[0]!.resolve(response);
    assertEquals([await first === response, await second === response], [true, true]);
    const next = shared.wait("a", signal, send);
    assertEquals(sent.length, 3);
    for (const { resolve } of sent) resolve(response);
    await Promise.all([other, next]);
  });

  it("tells a failure to all, and keeps nothing of it", async () => {
    sent.length = 0;
    const shared = new SharedRequests();
    const waiting = [1, 2].map(() => shared.wait("a", signal, send));
    sent[0]!.reject(new Error("failed"));
    for (const one of waiting) await assertRejects(() => one, Error, "failed");
    const next = shared.wait("a", signal, send);
    assertEquals(sent.length, 2);
    sent[1]!.resolve(new CoAPResponse());
    await next;
  });

  it("goes on for those who stay, and ends with the last one", async () => {
    sent.length = 0;
    const shared = new SharedRequests();
    const [one, two] = [new AbortController(), new AbortController()];
    const first = shared.wait("a", one.signal, send);
    const second = shared.wait("a", two.signal, send);
    one.abort(new Error("one"));
    await assertRejects(() => first, Error, "one");
    assertEquals(sent[0]!.signal.aborted, false);
    two.abort(new Error("two"));
    await assertRejects(() => second, Error, "two");
    assertEquals(sent[0]!.signal.aborted, true);
    const next = shared.wait("a", signal, send); // though the first has not ended yet
    assertEquals(sent.length, 2);
    sent[0]!.reject(new Error("late"));
    await Promise.resolve();
    const joined = shared.wait("a", signal, send);
    assertEquals(sent.length, 2);
    sent[1]!.resolve(new CoAPResponse());
    await Promise.all([next, joined]);
    await assertRejects(() => shared.wait("a", one.signal, send), Error, "one");
    assertEquals(sent.length, 2);
  });
});

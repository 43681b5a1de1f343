/** Server cases for the exchange of messages: RFC 7252 sections 4, 5.2 and 5.3. @module */

import { type ServerCase, serverCase } from "./case.ts";
import { build, fromHex, Opt, textOf, toHex } from "./datagram.ts";
import type { Tester } from "./tester.ts";

/** Sends one request twice with the same message ID and gives both answers' bytes. */
async function twice(t: Tester, path: string, code = "0.02"): Promise<[Uint8Array, Uint8Array]> {
  const request = t.spec({ code, path, options: [[Opt.ContentFormat, 0]], payload: "once" });
  const answers: Uint8Array[] = [];
  for (let i = 0; i < 2; i++) {
    t.sendBytes(build(request));
    answers.push((await t.expect({ type: "ACK", id: request.id, code: "2." })).bytes);
  }
  return [answers[0]!, answers[1]!];
}

/** The value of the target's counter. */
async function count(t: Tester): Promise<number> {
  return Number(textOf((await t.request({ path: "/counter" }, { code: "2.05" })).payload));
}

/** The cases. */
export const RELIABILITY_CASES: readonly ServerCase[] = [
  serverCase("7252-4.1-2", { needs: ["/separate"], slow: true }, async (t: Tester) => {
    const ping = t.id();
    t.sendBytes(build({ id: ping }));
    await t.reset(ping);
    const request = t.send({ path: "/separate" });
    await t.emptyAck(request.id);
    const { id } = await t.expect({ type: "CON", token: request.token }, 10_000);
    t.reply("ACK", { id });
  }),
  serverCase("7252-4.1-3", { needs: ["/test"] }, async (t: Tester) => {
    const other = await t.other();
    const { id, token } = t.send({ path: "/test" });
    await t.expect({ type: "ACK", code: "2.05", id, token });
    other.send({ path: "/no-such-resource", id, token });
    await other.expect({ type: "ACK", code: "4.04", id, token });
  }),
  serverCase("7252-4.1-4", { needs: ["/test"] }, async (t: Tester) => {
    t.send({ path: "/test" });
    const heard = await t.hear();
    const { address, port } = t.settings.target;
    const from = heard === undefined ? undefined : `${heard.from.address} ${heard.from.port}`;
    t.check(from === `${address} ${port}`, `an answer from ${address} ${port}`, from ?? "nothing");
  }),
  serverCase("7252-4.2-1", { needs: ["/test"] }, async (t: Tester) => {
    const { id } = t.send({ path: "/test" });
    await t.expect({ type: "ACK", id }, 2_000);
  }),
  serverCase("7252-4.2-2", {}, async (t: Tester) => {
    t.sendBytes(fromHex("40001234"));
    await t.reset(0x1234);
  }),
  serverCase("7252-4.2-6", { needs: ["/test", "/separate"], slow: true }, async (t: Tester) => {
    const quick = t.send({ path: "/test" });
    await t.expect({ type: "ACK", id: quick.id, code: ["2.", "4.", "5."] });
    const slow = t.send({ path: "/separate" });
    await t.emptyAck(slow.id);
    await t.response(slow, { code: "2.05" }, 10_000);
  }),
  serverCase("7252-4.2-7", {}, async (t: Tester) => {
    for (let i = 0; i < 3; i++) {
      const id = t.id();
      t.sendBytes(build({ id }));
      // Pings in quick succession may be too many (section 4.7): the sender would repeat what got no answer.
      const heard = await t.hear();
      if (heard === undefined) {
        t.note("answered when it was sent again");
        t.sendBytes(build({ id }));
        await t.reset(id);
      } else {t.check(
          toHex(heard.bytes) === toHex(build({ type: "RST", id })),
          "Reset",
          toHex(heard.bytes),
        );}
    }
  }),
  serverCase("7252-4.2-17", { needs: ["/separate"], slow: true }, async (t: Tester) => {
    const request = t.send({ path: "/separate" });
    await t.emptyAck(request.id);
    await t.response(request, { type: "CON", code: "2.05" }, 10_000);
    t.sendBytes(build(request));
    await t.emptyAck(request.id);
    await t.silence(3_000);
  }),
  serverCase("7252-4.2-18", { needs: ["/separate"], slow: true }, async (t: Tester) => {
    const { id, token } = t.send({ path: "/separate" });
    await t.emptyAck(id);
    const first = await t.expect({ type: "CON", token }, 10_000);
    const begin = t.probe.now;
    let last = begin;
    let count = 1;
    for (;;) {
      const heard = await t.hear(60_000);
      if (heard === undefined) break;
      t.check(toHex(heard.bytes) === toHex(first.bytes), toHex(first.bytes), toHex(heard.bytes));
      const gap = heard.time - last;
      t.check(gap >= 1_900, "at least 2 s between transmissions", `${Math.round(gap)} ms`);
      last = heard.time;
      count++;
    }
    t.note(`${count} transmissions`);
    t.check(count > 1, "retransmissions", "none");
    t.check(last - begin <= 46_000, "the last within 45 s", `${Math.round(last - begin)} ms`);
  }),
  serverCase("7252-4.2-20", { needs: ["/test", "/separate"], slow: true }, async (t: Tester) => {
    // Its response finds a port that is closed, on most systems an ICMP error.
    const gone = await t.other();
    const { id } = gone.send({ path: "/separate" });
    await gone.emptyAck(id);
    await gone.probe.close();
    await t.wait(8_000);
    await t.alive();
  }),
  serverCase("7252-4.3-2", { needs: ["/test"] }, async (t: Tester) => {
    t.send({ type: "NON", path: "/test" });
    const answer = await t.expect({ type: ["NON", "CON"], code: "2.05" });
    if (answer.type === "CON") t.reply("ACK", answer);
    await t.silence();
  }),
  serverCase("7252-4.3-4", { needs: ["/test", "/separate"], slow: true }, async (t: Tester) => {
    const ids = new Set<number>();
    const note = (id: number): void =>
      t.check(!ids.has(id), `another id than ${id}`, `${id} again`);
    const slow = t.send({ path: "/separate" });
    await t.emptyAck(slow.id);
    for (let i = 0; i < 20; i++) {
      t.send({ type: "NON", path: "/test" });
      const { id, type } = await t.next("NON 2.05");
      if (type === "NON") {
        note(id);
        ids.add(id);
      }
    }
    const late = await t.response(slow, { type: "CON" }, 10_000);
    note(late.id);
  }),
  serverCase("7252-4.4-1", { needs: ["/test"] }, async (t: Tester) => {
    const ids = new Set<number>();
    for (let i = 0; i < 300; i++) {
      const request = t.send({ type: "NON", path: "/test" });
      const { id, type } = await t.expect({ type: ["NON", "CON"], token: request.token });
      if (type === "CON") t.reply("ACK", { id });
      t.check(!ids.has(id), "a message ID not used within the last seconds", `${id} again`);
      ids.add(id);
    }
  }),
  serverCase("7252-4.4-2", { needs: ["/test"] }, async (t: Tester) => {
    // Of one server only one first ID can be seen: it must not be 0 or 1, what a counter would begin with.
    t.send({ type: "NON", path: "/test" });
    const { id } = await t.expect({ code: "2.05" });
    t.check(id > 1, "a message ID other than 0 and 1", `id ${id}`);
  }),
  serverCase("7252-4.4-3", { needs: ["/separate"], slow: true }, async (t: Tester) => {
    const request = t.send({ path: "/separate" });
    await t.emptyAck(request.id);
    const first = await t.expect({ type: "CON", code: "2.05", token: request.token }, 10_000);
    const other = await t.other();
    other.reply("ACK", first);
    await t.expect({ type: "CON", id: first.id, token: request.token }, 4_000);
    t.reply("ACK", first);
    await t.silence(8_000);
  }),
  serverCase("7252-4.5-1", { needs: ["/test"] }, async (t: Tester) => {
    const [first, second] = await twice(t, "/test");
    t.check(toHex(first) === toHex(second), toHex(first), toHex(second));
    const before = await t.request({ path: "/counter" });
    if (before.code !== "2.05") return t.note("answers compared, no /counter to compare effects");
    await twice(t, "/counter");
    t.check(await count(t) === Number(textOf(before.payload)) + 1, "one POST done", "two");
  }),
  serverCase("7252-4.5-2", { needs: ["/test"] }, async (t: Tester) => {
    const request = t.spec({ path: "/test" });
    for (let i = 0; i < 2; i++) {
      t.sendBytes(build(request));
      await t.expect({ type: "ACK", id: request.id, token: request.token, code: "2.05" });
    }
  }),
  serverCase("7252-4.5-3", { needs: ["/counter"] }, async (t: Tester) => {
    const before = await count(t);
    const request = t.spec({ type: "NON", code: "0.02", path: "/counter" });
    t.sendBytes(build(request));
    await t.expect({ code: "2.04", token: request.token });
    t.sendBytes(build(request));
    const again = await t.hear(t.settings.quiet);
    t.note(again === undefined ? "silence" : "response repeated");
    t.check(await count(t) === before + 1, "one POST done", "two");
  }),
  serverCase("7252-4.5-5", { needs: ["/counter"] }, async (t: Tester) => {
    const before = await count(t);
    const other = await t.other();
    const request = t.send({ code: "0.02", path: "/counter" });
    await t.expect({ type: "ACK", code: "2.04" });
    other.sendBytes(build(request));
    await other.expect({ type: "ACK", code: "2.04" });
    t.check(await count(t) === before + 2, "two POSTs done", "fewer");
  }),
  serverCase("7252-4.5-6", { needs: ["/counter"], slow: true }, async (t: Tester) => {
    const before = await count(t);
    const confirmable = t.send({ code: "0.02", path: "/counter" });
    await t.expect({ type: "ACK", code: "2.04" });
    const non = t.send({ type: "NON", code: "0.02", path: "/counter" });
    await t.expect({ type: "NON", code: "2.04" });
    await t.wait(146_000);
    t.sendBytes(build(non));
    await t.expect({ type: "NON", code: "2.04" });
    await t.wait(102_000);
    t.sendBytes(build(confirmable));
    await t.expect({ type: "ACK", code: "2.04" });
    t.check(await count(t) === before + 4, "four POSTs done", "fewer");
  }),
  serverCase("7252-4.6-1", { needs: ["/large"] }, async (t: Tester) => {
    const response = await t.request({ path: "/large" }, { code: "2.05", has: [Opt.Block2] });
    t.check(response.payload.length <= 1024, "at most 1024 bytes of payload", response);
    t.check(response.bytes.length <= 1152, "at most 1152 bytes", response);
  }),
  serverCase("7252-4.6-2", { needs: ["/test"] }, async (t: Tester) => {
    const request = t.send({
      code: "0.03",
      path: "/test",
      options: [[Opt.ContentFormat, 0]],
      payload: new Uint8Array(60_000),
    });
    const heard = await t.hear();
    t.note(heard === undefined ? "silence" : "answered");
    const message = heard?.message;
    if (typeof message === "object") {
      t.match(message, { id: request.id, code: ["2.", "4.", "5.", "0.00"] });
    }
    await t.alive();
  }),
  serverCase("7252-4.7-6", { needs: ["/test"] }, async (t: Tester) => {
    let limited = 0;
    for (let i = 0; i < 100; i++) {
      t.send({ path: "/test" });
      const heard = await t.hear();
      const code = typeof heard?.message === "object" ? heard.message.code : "";
      if (code !== "2.05") limited++;
    }
    if (limited === 0) t.notApplicable("100 requests in a row are answered: no limit is set");
    t.note(`${limited} of 100 requests not served`);
    await (await t.other()).request({ path: "/test" }, { code: "2.05" });
  }),
  serverCase("7252-5.2-4", { needs: ["/test", "/separate"], slow: true }, async (t: Tester) => {
    const quick = t.send({ path: "/test" });
    await t.expect({ type: "ACK", id: quick.id, code: "2.05", token: quick.token });
    const slow = t.send({ path: "/separate" });
    await t.emptyAck(slow.id);
    const answer = await t.response(slow, { type: "CON", code: "2.05" }, 10_000);
    t.check(answer.id !== slow.id, "a message ID of the server's own", answer);
  }),
  serverCase("7252-5.2-5", { needs: ["/separate"], slow: true }, async (t: Tester) => {
    const request = t.send({ path: "/separate" });
    await t.emptyAck(request.id);
    t.sendBytes(build(request));
    await t.emptyAck(request.id);
    await t.response(request, { type: ["CON", "NON"], code: "2.05" }, 10_000);
    t.sendBytes(build(request));
    await t.emptyAck(request.id);
  }),
  serverCase("7252-5.2-7", { needs: ["/separate"], slow: true }, async (t: Tester) => {
    for (const end of ["ACK", "RST"] as const) {
      const request = t.send({ path: "/separate" });
      await t.emptyAck(request.id);
      const first = await t.expect({ type: "CON", code: "2.05", token: request.token }, 10_000);
      const { id } = await t.expect({ type: "CON", id: first.id, token: request.token }, 4_000);
      if (end === "RST") t.reply("RST", { id });
      else {t.sendBytes(
          build({ type: "ACK", code: "2.04", id, token: request.token, payload: "?" }),
        );}
      await t.silence(10_000);
    }
  }),
  serverCase("7252-5.2-9", { needs: ["/test"] }, async (t: Tester) => {
    const request = t.send({ type: "NON", path: "/test" });
    await t.expect({ type: "NON", code: "2.05", token: request.token });
  }),
  serverCase("7252-5.3.1-1", { needs: ["/test"] }, async (t: Tester) => {
    for (const token of [new Uint8Array(0), Uint8Array.of(7), t.token()]) {
      for (const path of ["/test", "/no-such-resource"]) {
        t.send({ path, token });
        await t.expect({ type: "ACK", token, code: path === "/test" ? "2.05" : "4.04" });
      }
    }
  }),
  serverCase("7252-5.3.1-4", { needs: ["/test"] }, async (t: Tester) => {
    for (const hex of ["00", "0000", "ff", "ffffffffffffffff", "0001"]) {
      const token = fromHex(hex);
      t.send({ path: "/test", token });
      await t.expect({ code: "2.05", token });
    }
  }),
];

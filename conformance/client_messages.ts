/** Client cases for messages, and for what is no message: RFC 7252 sections 3 and 4. @module */

import { BAD_DATAGRAMS } from "./bad_datagrams.ts";
import { type ClientCase, clientCase, type Script } from "./client_case.ts";
import { type Datagram, fromHex, parse, toHex } from "./datagram.ts";

/**
 * Says bad datagrams to a client that waits for a separate response, and expects of each what the table says. The
 * response that comes in the end is delivered all the same.
 */
function bad(id: string, names: string): ClientCase {
  return clientCase(id, {}, async (s: Script) => {
    s.start();
    const request = await s.request();
    s.say({ type: "ACK", id: request.id });
    for (const name of names.split(" ")) {
      const { hex, action } = BAD_DATAGRAMS.find(({ id }) => id === name)!;
      const bytes = fromHex(hex);
      const id = bytes.length < 4 ? 0 : bytes[2]! << 8 | bytes[3]!;
      s.sayBytes(bytes);
      if (action === "rst") await s.empty("RST", id);
      else if (action === "rst-or-ignore") await s.silenceOrReset(id);
      else await s.silence();
    }
    const { token } = request;
    s.say({ type: "NON", id: s.id(), code: "2.05", token, payload: "all the same" });
    await s.delivers("all the same");
  });
}

function identical(s: Script, first: Datagram, again: Datagram): void {
  s.check(toHex(first.bytes) === toHex(again.bytes), toHex(first.bytes), again);
}

/** Confirmable messages with a format error. */
const MALFORMED = BAD_DATAGRAMS.filter(({ hex, action }) =>
  action === "rst" && typeof parse(fromHex(hex)) === "string"
).map(({ id }) => id);

/** The cases. */
export const CLIENT_MESSAGE_CASES: readonly ClientCase[] = [
  bad("7252-3-3", "M001 M002 M004"),
  bad("7252-3-7", "M011 M013 M014 M020"),
  bad("7252-3-8", "M022 M023 M025"),
  bad("7252-3.1-3", "M046 M047 M049"),
  bad("7252-3.1-4", "M050 M052 M053"),
  bad("7252-3.1-5", "M055 M058 M061 M064 M065"),
  bad("7252-4.1-1", "M028 M029 M031 M032 M034 M035"),
  bad("7252-4.2-3", "M070 M071 M073 M074"),
  bad("7252-4.2-4", "M082"),
  bad("7252-4.2-5", MALFORMED.join(" ")),
  bad("7252-4.2-8", "M079 M080 M083 M085 M086"),
  bad("7252-4.2-9", "M089 M094"),
  bad("7252-4.3-3", "M076 M077 M088"),
  clientCase("7252-4.2-10", { slow: true }, async (s: Script) => {
    s.start();
    const begin = s.now;
    await s.request();
    const sent = s.now;
    await s.request(4_000);
    const gap = s.now - sent;
    s.check(sent - begin < 1_500, "the first transmission at once", `after ${sent - begin} ms`);
    s.check(gap >= 1_900 && gap <= 3_200, "a gap of 2 to 3 s", `${gap} ms`);
    s.note(`${Math.round(gap)} ms`);
  }),
  clientCase("7252-4.2-11", { slow: true }, async (s: Script) => {
    s.start();
    const times: number[] = [];
    for (let i = 0; i < 5; i++) {
      await s.request(60_000);
      times.push(s.now);
    }
    const gaps = times.slice(1).map((time, i) => time - times[i]!);
    for (let i = 1; i < gaps.length; i++) {
      const ratio = gaps[i]! / gaps[i - 1]!;
      s.check(
        Math.abs(ratio - 2) < 0.1,
        "each gap twice the one before",
        gaps.map(Math.round).join(),
      );
    }
  }),
  clientCase("7252-4.2-12", { slow: true }, async (s: Script) => {
    s.start();
    for (let i = 0; i < 5; i++) await s.request(60_000);
    await s.silence(100_000);
    await s.fails();
  }),
  clientCase("7252-4.2-13", { slow: true }, async (s: Script) => {
    s.start();
    const first = await s.request();
    const again = await s.request();
    identical(s, first, again);
    s.answer(again);
    await s.delivers("done");
  }),
  clientCase("7252-4.2-14", { slow: true }, async (s: Script) => {
    s.start();
    await s.request();
    const { id, token } = await s.request();
    s.say({ type: "ACK", id });
    await s.silence(15_000);
    s.say({ type: "NON", id: s.id(), code: "2.05", token, payload: "late" });
    await s.delivers("late");
  }),
  clientCase("7252-4.2-15", {}, async (s: Script) => {
    s.start();
    const { id } = await s.request();
    s.say({ type: "RST", id });
    await s.silence(4_000);
    await s.fails();
  }),
  clientCase("7252-4.2-16", {}, async (s: Script) => {
    s.start();
    const { token } = await s.request();
    const id = s.id();
    s.say({ type: "CON", id, code: "2.05", token, payload: "separate" });
    await s.empty("ACK", id);
    await s.silence(4_000);
    await s.delivers("separate");
  }),
  clientCase("7252-4.5-4", {}, async (s: Script) => {
    s.start({ observe: undefined });
    const request = await s.request();
    s.say({ type: "ACK", id: request.id });
    const id = s.id();
    const response = {
      type: "CON",
      id,
      code: "2.05",
      token: request.token,
      payload: "once",
    } as const;
    s.say(response);
    s.say(response);
    await s.empty("ACK", id);
    const second = await s.unlessEnded(s.next("a second ACK, or RST where the client is done"));
    s.check(
      second.id === id && (second.type === "ACK" || second.type === "RST"),
      "ACK or RST",
      second,
    );
    s.note(second.type);
    await s.delivers("once");
  }),
  clientCase("7252-3-10", { slow: true }, async (s: Script) => {
    s.start();
    const { id, token } = await s.request();
    const [high, low] = [id >> 8, id & 255];
    s.sayBytes(Uint8Array.of(0x60 | token.length, 0x45, high, low, ...token, 0xff));
    s.answer(await s.request());
    await s.delivers("done");
  }),
  clientCase("7252-3-2", {}, async (s: Script) => {
    s.start();
    const { id, token } = await s.request();
    const [high, low] = [id >> 8, id & 255];
    s.sayBytes(Uint8Array.of(0xa0 | token.length, 0x45, high, low, ...token, 0xff, 0x78));
    await s.silence();
    s.say({ type: "NON", id: s.id(), code: "2.05", token, payload: "version 1" });
    await s.delivers("version 1");
  }),
  clientCase("7252-4.2-2", {}, async (s: Script) => {
    s.start();
    const request = await s.request();
    const ping = fromHex("40001234");
    s.sayBytes(ping);
    let answer = await s.next("RST", 1_000).catch(() => undefined);
    if (answer === undefined) {
      s.note("answered when it was sent again");
      s.sayBytes(ping);
      answer = await s.next("RST");
    }
    s.check(toHex(answer.bytes) === "70001234", "RST 70001234", answer);
    s.answer(request);
    await s.delivers("done");
  }),
];

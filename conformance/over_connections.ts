/** Which cases written for datagrams are put to servers and clients over connections as well. @module */

import type { Case, ServerCase } from "./case.ts";
import type { ClientCase } from "./client_case.ts";
import type { StreamClientCase } from "./stream_script.ts";
import type { StreamTester } from "./stream_tester.ts";

/** Ids and beginnings of ids that are left out, each list with the reason. */
const LEFT_OUT: readonly (readonly [reason: string, ids: string])[] = [
  [
    "about the header of datagrams and what is none; RFC 8323 has cases of its own for that",
    "7252-3-1 7252-3-2 7252-3-3 7252-3-4 7252-3-7 7252-3-8 7252-3-10 7252-3-11 7252-3.1-3 7252-3.1-4 7252-3.1-5 " +
    "7252-3.1-6 8974-2.1-2 8974-2.2-2",
  ],
  [
    "about types, message IDs, acknowledgements, Resets and retransmission: connections have none (RFC 8323 section 3)",
    "7252-4 7252-5.2-3 7252-5.2-4 7252-5.2-5 7252-5.2-6 7252-5.2-7 7252-5.2-8 7252-5.2-9 7252-5.2-10 7252-5.2-11 7252-5.3.2 " +
    "7252-5.4-4 7252-5.4-5 7252-5.4-6 7641-3.1-1 7641-3.2-1 7641-3.5 7641-4.4-2 7641-4.5-2 7641-4.5-3 7641-4.5-4 7641-4.5-5 7641-4.5-6 7641-4.5-7 7641-4.5-8 " +
    "7641-4.5-9 7959-2.3-6 7959-2.5-13 7967-2-4 8132-3-2 CORE_05 CORE_06 CORE_07 CORE_08 CORE_09 CORE_11 CORE_15 " +
    "CORE_16 CORE_17 CORE_31 OBS_02 OBS_05 OBS_06 OBS_11",
  ],
  ["Observe needs no numbers (RFC 8323 section 7.1)", "7641-3.4 7641-4.4-1 OBS_01"],
  ["SZX 7 is BERT (RFC 8323 section 6)", "7959-2.2-3 7959-2.2-4 7959-2.2-5"],
  ["whether a connection stands a Ping tells (RFC 8323 section 7.3)", "7641-3.3-3 OBS_04"],
  ["whoever has set up a connection is where it says", "7252-11.3-1 9175-2.2-7 9175-2.4-1"],
];

/** Why a case is not put to anybody over connections; undefined where it is. */
export function whyNotOverConnections({ id, group, proxy }: Case<never>): string | undefined {
  if (group) return "there are no groups (RFC 8323 section 8)";
  if (proxy) return "the suite's other end of a proxy speaks UDP";
  const isMeant = (word: string): boolean =>
    id === word || id.startsWith(word) && /^[-.]/.test(id.slice(word.length));
  return LEFT_OUT.find(([, ids]) => ids.split(" ").some(isMeant))?.[0];
}

function applies(one: Case<never>): boolean {
  return whyNotOverConnections(one) === undefined;
}

/** The server cases that say nothing of the message layer: as they are, with one that the suite plays. */
export function overConnections(cases: readonly ServerCase[]): Case<StreamTester>[] {
  return cases.filter(applies).map((one) => ({
    ...one,
    run: async (t) => await one.run(await t.datagrams()),
  }));
}

/** The client cases that say nothing of the message layer. */
export function clientOverConnections(cases: readonly ClientCase[]): StreamClientCase[] {
  return cases.filter(applies).map((one) => ({
    ...one,
    run: async (s) => {
      const script = await s.datagrams();
      try {
        await one.run(script);
      } finally {
        for (const note of script.notes) s.note(note);
      }
    },
  }));
}

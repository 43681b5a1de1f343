/** Where requirements are looked at that no case of the suite is about. @module */

import type { Requirement } from "../conformance/case.ts";
import { listFiles, readText } from "./files.ts";

/** What holds for a requirement without a case. */
export interface Coverage {
  /** Files of tests that name it; none where it does not apply. */
  readonly tests: readonly string[];
  /** Why it does not apply. */
  readonly reason?: string;
}

/** What does not apply, and why: the beginning of the id, and the role where only that is meant. */
const NOT_APPLICABLE: readonly (readonly [prefix: string, reason: string, role?: string])[] = [
  [
    "8323-4-3",
    "Ping frames of WebSockets are left to the runtimes; what the library sends is 7.02",
  ],
  ["8613-", "OSCORE is not offered"],
  ["9177-", "Q-Block is not offered"],
  ["7252-9.1-", "DTLS is not offered"],
  ["7252-5.7-11", "DTLS is not offered"],
  ["9175-4-2", "DTLS is not offered, and TLS hands out every record once and in order"],
  ["7959-7-3", "DTLS is not offered: no block comes over another security than the others"],
  ["7252-4.2-21", "no runtime hands these ICMP messages to a UDP socket"],
  ["7252-4.8-3", "left to who sets them; their documentation says so"],
  ["7252-4.3-5", "no copies of Non-confirmable messages are sent"],
  ["7641-3.6-1", "the client always tells the server, by Observe 1"],
  ["7641-4.3-2", "states are sent when they change, never to refresh them"],
  ["8974-3-", "no state is put into tokens"],
  ["8974-", "the client's own tokens have at most 8 bytes", "client"],
];

/** `7641-3.3-1, 2` is two ids, `7252-5.7-6, 5.7-9` as well, `7252-4.8-4 to 7` four. */
const IDS =
  /(\d{4})-(\d+(?:\.\d+)*)-(\d+)((?:(?:, | and | to )-?(?:\d+(?:\.\d+)*-)?\d+(?![-.\w]))*)/g;

/** The ids in a text. */
export function idsIn(text: string): string[] {
  const ids: string[] = [];
  for (const [, rfc, first = "", start, rest = ""] of text.matchAll(IDS)) {
    let section = first;
    let number = Number(start);
    ids.push(`${rfc}-${section}-${number}`);
    for (
      const [, word, , other, last] of rest.matchAll(/(, | and | to )-?((\d+(?:\.\d+)*)-)?(\d+)/g)
    ) {
      section = other ?? section;
      const from = word === " to " ? number + 1 : Number(last);
      for (number = from; number <= Number(last); number++) ids.push(`${rfc}-${section}-${number}`);
      number = Number(last);
    }
  }
  return ids;
}

/** The ids that the tests of the library name, in their titles or beside what they assert, and the files. */
function readNames(): Map<string, string[]> {
  const found = new Map<string, string[]>();
  for (const path of listFiles()) {
    if (!/^(?:lib|interop)\/.*_test\.ts$/.test(path)) continue;
    for (const id of idsIn(readText(path))) {
      const files = found.get(id) ?? [];
      if (!files.includes(path)) found.set(id, [...files, path]);
    }
  }
  return found;
}

let named: Map<string, string[]> | undefined;

/** What holds for a requirement without a case; nothing of both where it is forgotten. */
export function coverageOf({ id, role }: Requirement): Coverage {
  const rule = NOT_APPLICABLE.find(([prefix, , only = role]) =>
    id.startsWith(prefix) && only === role
  );
  named ??= readNames();
  const tests = named.get(id) ?? [];
  return tests.length === 0 && rule !== undefined ? { tests, reason: rule[1] } : { tests };
}

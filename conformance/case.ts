/** What a case is, how it fails, and where its wording comes from. @module */

import checklist from "./checklist.json" with { type: "json" };
import type { Tester } from "./tester.ts";

/** How binding a requirement is; `derived` is a reading where the RFC is silent, `behaviour` one without a key word. */
export type Level = "MUST" | "SHOULD" | "MAY" | "behaviour" | "derived";

/** A requirement of the checklist. */
export interface Requirement {
  /** RFC, section and number, such as `7252-4.2-3`. */
  readonly id: string;
  /** RFC number. */
  readonly rfc: string;
  /** Section of the RFC. */
  readonly section: string;
  /** Whom it binds: codec, client, server, both, cache or proxy. */
  readonly role: string;
  /** How binding it is. */
  readonly level: Level;
  /** In one line. */
  readonly requirement: string;
  /** Stimulus and expectation. */
  readonly test: string;
}

/** What `serverCase` and `clientCase` are told besides the function. */
export interface CaseTraits {
  /** Paths of resources without which it is not applicable. */
  needs?: readonly string[];
  /** Takes more than a few seconds of real time. @default {false} */
  slow?: boolean;
  /** Wants a group to send to (RFC 7252 section 8). @default {false} */
  group?: boolean;
  /** Wants a forward proxy (RFC 7252 section 5.7.2). @default {false} */
  proxy?: boolean;
}

/** A case for what `Subject` drives: a server, or a client. */
export interface Case<Subject> extends CaseTraits {
  /** That of the checklist's row or of the plugtest. */
  readonly id: string;
  /** The heading below which it stands, such as `RFC 7252 section 4.2`. */
  readonly section: string;
  /** How binding its requirement is. */
  readonly level: Level;
  /** In one line. */
  readonly requirement: string;
  /** Stimulus and expectation, and the alternatives that conform. */
  readonly expectation: string;
  /** Puts the subject through it; rejects with {@linkcode CaseFailure} or {@linkcode NotApplicable}. */
  readonly run: (subject: Subject) => Promise<void>;
}

/** A case that a server is put through. */
export type ServerCase = Case<Tester>;

/** All requirements, in the order of the RFCs. */
export const REQUIREMENTS: readonly Requirement[] = checklist.rows as Requirement[];

const BY_ID = new Map(REQUIREMENTS.map((row) => [row.id, row]));

/** What was expected and what came instead. */
export class CaseFailure extends Error {
  /** Its class. */
  override readonly name = "CaseFailure";
  /** What was expected. */
  readonly expected: string;
  /** What came: in words and hexadecimal. */
  readonly actual: string;

  /** Says what was expected and what came. */
  constructor(expected: string, actual: string) {
    super(`Expected ${expected}, got ${actual}`);
    this.expected = expected;
    this.actual = actual;
  }
}

/** Ends a case that has nothing to say about its subject. */
export class NotApplicable extends Error {
  /** Its class. */
  override readonly name = "NotApplicable";
}

/** Ends the whole run: there is nobody to judge. */
export class NoSubject extends Error {
  /** Its class. */
  override readonly name = "NoSubject";
}

/**
 * A case for a row of the checklist, which has its wording.
 *
 * @throws {TypeError} where there is no such row
 */
export function rowCase<Subject>(
  id: string,
  traits: CaseTraits,
  run: (subject: Subject) => Promise<void>,
): Case<Subject> {
  const row = BY_ID.get(id);
  if (row === undefined) throw new TypeError(`Checklist has no row "${id}"`);
  const section = `RFC ${row.rfc} section ${row.section}`;
  const { level, requirement, test: expectation } = row;
  return { ...traits, id, section, level, requirement, expectation, run };
}

/** A server case for a row of the checklist. */
export function serverCase(
  id: string,
  traits: CaseTraits,
  run: (t: Tester) => Promise<void>,
): ServerCase {
  return rowCase(id, traits, run);
}

/** A case of the plugtest list, with words of its own. */
export function plugtestCase<Subject>(
  id: string,
  requirement: string,
  expectation: string,
  traits: CaseTraits,
  run: (subject: Subject) => Promise<void>,
): Case<Subject> {
  const section = `Plugtest ${id.split("_")[0]}`;
  return { ...traits, id, section, level: "behaviour", requirement, expectation, run };
}

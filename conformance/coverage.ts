/** Where requirements are looked at that no case of the suite is about. @module */

import type { Requirement } from "./case.ts";

/** What holds for a requirement without a case. */
export interface Coverage {
  /** Files of tests that are about it; none where it does not apply. */
  readonly tests: readonly string[];
  /** Why it does not apply, or why the wire does not tell. */
  readonly reason: string;
}

/** The first that fits counts: beginning of the id, roles, what holds. */
type Rule = readonly [prefix: string, roles: string, coverage: Coverage];

const BY_TESTS = "not seen on the wire of a server or client under test alone";

function by(...tests: string[]): Coverage {
  return { tests, reason: BY_TESTS };
}

function not(reason: string): Coverage {
  return { tests: [], reason };
}

const CODEC = by(
  "lib/wire/message_test.ts",
  "lib/wire/message_property_test.ts",
  "lib/wire/option_test.ts",
);
const RELIABILITY = by("lib/engine/figures_test.ts", "lib/engine/reliability_test.ts");
const ALL = "codec client server both cache proxy";

const RULES: readonly Rule[] = [
  ["8323-", ALL, not("the suite speaks UDP alone")],
  ["8613-", ALL, not("OSCORE is not offered")],
  ["9177-", ALL, not("Q-Block is not offered")],
  ["7252-9.1-", ALL, not("DTLS is not offered")],
  ["7252-10-", ALL, by("lib/endpoint/http_gateway_test.ts")],
  ["7252-5.7-11", ALL, not("DTLS is not offered")],
  ["8974-3-", ALL, not("no state is put into tokens")],
  ["8974-", "client", not("the client's own tokens have at most 8 bytes")],
  ["9175-4-2", ALL, not("DTLS is not offered")],
  ["7641-", "proxy", by("lib/endpoint/proxy_observe_test.ts")],
  ["", "proxy", by("lib/endpoint/proxy_test.ts", "lib/endpoint/proxy_cache_test.ts")],
  ["", "cache", by("lib/endpoint/cache_test.ts", "lib/endpoint/client_cache_test.ts")],
  ["7252-4.2-20", ALL, by("lib/transport/contract_test.ts", "lib/endpoint/client_failure_test.ts")],
  ["7252-4.2-21", ALL, by("lib/transport/contract_test.ts")],
  ["7252-4.7-", ALL, by("lib/engine/congestion_test.ts")],
  ["7252-4.4-", ALL, by("lib/engine/message_ids_test.ts")],
  ["7252-4.8-", ALL, by("lib/engine/figures_test.ts")],
  ["7252-4.", ALL, RELIABILITY],
  ["7252-6.1-3", ALL, by("lib/endpoint/cache_test.ts", "lib/wire/uri_test.ts")],
  ["7252-6.", ALL, by("lib/wire/uri_test.ts")],
  ["7252-7-3", ALL, by("lib/wire/link_format_test.ts")],
  ["7252-8-", ALL, by("lib/endpoint/group_test.ts")],
  ["7252-3", ALL, CODEC],
  ["7252-5.4-", "codec", by("lib/wire/option_test.ts", "lib/wire/option_table_test.ts")],
  ["7252-5.9-", "client", by("lib/endpoint/response_test.ts", "lib/endpoint/client_test.ts")],
  ["7252-5", ALL, by("lib/endpoint/client_test.ts", "lib/engine/exchange_test.ts")],
  ["7641-6-", ALL, by("lib/wire/link_format_test.ts")],
  ["7641-", "client", by("lib/engine/observation_test.ts", "lib/endpoint/observe_test.ts")],
  ["7641-", ALL, by("lib/engine/notifications_test.ts", "lib/engine/registrations_test.ts")],
  ["7959-", "codec", by("lib/wire/block_option_test.ts", "lib/wire/option_table_test.ts")],
  ["7959-", "client both", by("lib/engine/download_test.ts", "lib/engine/upload_test.ts")],
  ["7959-", ALL, by("lib/engine/served_blocks_test.ts", "lib/engine/taken_blocks_test.ts")],
  ["8132-", ALL, by("lib/endpoint/client_test.ts")],
  ["7967-", "codec", by("lib/wire/option_table_test.ts")],
  ["7967-", ALL, by("lib/endpoint/no_response_test.ts")],
  ["8516-", ALL, by("lib/endpoint/back_off_test.ts")],
  ["9175-", "codec", by("lib/wire/option_table_test.ts")],
  ["9175-", ALL, by("lib/engine/echo_test.ts", "lib/engine/upload_test.ts")],
  ["8974-", ALL, by("lib/wire/message_test.ts")],
  ["6690-", ALL, by("lib/wire/link_format_test.ts", "lib/endpoint/router_test.ts")],
  ["8768-", ALL, by("lib/wire/option_table_test.ts")],
];

/**
 * What holds for a requirement without a case.
 *
 * @throws {TypeError} where nothing is said about it
 */
export function coverageOf({ id, role }: Requirement): Coverage {
  const rule = RULES.find(([prefix, roles]) => id.startsWith(prefix) && roles.includes(role));
  if (rule === undefined) throw new TypeError(`Nothing is said about "${id}"`);
  return rule[2];
}

/** All files of tests that are named. */
export function namedTests(): string[] {
  return [...new Set(RULES.flatMap(([, , { tests }]) => tests))];
}

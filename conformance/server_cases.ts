/** All server cases. @module */

import { REQUIREMENTS, type ServerCase } from "./case.ts";
import { BLOCK_CASES } from "./server_blocks.ts";
import { LINK_CASES } from "./server_links.ts";
import { MESSAGE_CASES } from "./server_messages.ts";
import { OBSERVE_CASES } from "./server_observe.ts";
import { OTHER_CASES } from "./server_others.ts";
import { PLUGTEST_CASES } from "./server_plugtest.ts";
import { CORE_PLUGTESTS } from "./server_plugtest_core.ts";
import { PROXY_CASES, PROXY_PLUGTESTS } from "./server_proxies.ts";
import { RELIABILITY_CASES } from "./server_reliability.ts";
import { REQUEST_CASES } from "./server_requests.ts";

const ORDER = new Map(REQUIREMENTS.map(({ id }, index) => [id, index]));

/** CORE, LINK, BLOCK, OBS, each by its numbers. */
function sortKey(id: string): string {
  return `${["CORE", "LINK", "BLOCK", "OBS"].indexOf(id.split("_")[0]!)} ${id}`;
}

/** The cases that servers are put through, in the order of the RFCs, then those of the plugtests. */
export const SERVER_CASES: readonly ServerCase[] = [
  ...[
    ...MESSAGE_CASES,
    ...RELIABILITY_CASES,
    ...REQUEST_CASES,
    ...BLOCK_CASES,
    ...OBSERVE_CASES,
    ...OTHER_CASES,
    ...LINK_CASES,
    ...PROXY_CASES,
  ]
    .toSorted((a, b) => ORDER.get(a.id)! - ORDER.get(b.id)!),
  ...[...CORE_PLUGTESTS, ...PLUGTEST_CASES, ...PROXY_PLUGTESTS].toSorted((a, b) =>
    sortKey(a.id) < sortKey(b.id) ? -1 : 1
  ),
];

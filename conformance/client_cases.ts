/** All client cases: what a client under test must do with what a scripted server says. @module */

import { REQUIREMENTS } from "./case.ts";
import type { ClientCase } from "./client_case.ts";
import { CLIENT_BLOCK_CASES } from "./client_blocks.ts";
import { CLIENT_MESSAGE_CASES } from "./client_messages.ts";
import { CLIENT_OBSERVE_CASES } from "./client_observe.ts";
import { CLIENT_REQUEST_CASES } from "./client_requests.ts";

const ORDER = new Map(REQUIREMENTS.map(({ id }, index) => [id, index]));

/** Those of the plugtests come last. */
const placeOf = (id: string): number => ORDER.get(id) ?? REQUIREMENTS.length;

/** The cases that clients are put through, in the order of the RFCs. */
export const CLIENT_CASES: readonly ClientCase[] = [
  ...CLIENT_MESSAGE_CASES,
  ...CLIENT_REQUEST_CASES,
  ...CLIENT_BLOCK_CASES,
  ...CLIENT_OBSERVE_CASES,
].toSorted((a, b) => placeOf(a.id) - placeOf(b.id));

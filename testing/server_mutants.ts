/** All servers that are broken on purpose. @module */

import type { Mutant } from "./mutants.ts";
import { MESSAGE_MUTANTS } from "./server_message_mutants.ts";
import { REQUEST_MUTANTS } from "./server_request_mutants.ts";
import { TRANSFER_MUTANTS } from "./server_transfer_mutants.ts";

/** The mutants that server cases are to catch. */
export const SERVER_MUTANTS: readonly Mutant[] = [
  ...MESSAGE_MUTANTS,
  ...REQUEST_MUTANTS,
  ...TRANSFER_MUTANTS,
];

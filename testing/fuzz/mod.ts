/** All that is fuzzed. @module */

import { connectionsTarget } from "./connections.ts";
import { decodeTarget } from "./decode.ts";
import { engineTarget } from "./engine.ts";
import { linksTarget } from "./links.ts";
import type { FuzzTarget } from "./target.ts";
import { uriTarget } from "./uri.ts";

export const TARGETS: readonly FuzzTarget[] = [
  decodeTarget,
  uriTarget,
  linksTarget,
  engineTarget,
  connectionsTarget,
] as readonly FuzzTarget[];

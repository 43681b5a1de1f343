/** `deno run -A conformance/main.ts`, and the same with Bun and Node. @module */

import { main } from "./command.ts";
import { host } from "./host.ts";

host().exit(await main());

/** The edge job where UDP is taken away first; `deno serve` preloads nothing. @module */

import "./no_udp.ts";

export { default } from "../examples/edge/job.ts";

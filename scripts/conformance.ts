/** `npm run conformance`: the command line of the conformance suite. @module */

import "../conformance/main.ts";

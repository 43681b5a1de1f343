/** One of the floods in a process of its own: prints the bytes it takes and those that the limits allow. @module */

import process from "node:process";
import { Flooded, FLOODS } from "./floods.ts";
import { bytesInUse } from "./garbage.ts";

const flood = FLOODS[Number(process.argv[2])]!;
const before = bytesInUse();
const flooded = new Flooded();
flood.run(flooded, () => flooded.assertAnswers());
const used = bytesInUse() - before;
flood.check(flooded);
const documented = flooded.documentedBytes(flood.messageBytes);
flooded.assertEnds();
console.log(JSON.stringify({ used, documented }));

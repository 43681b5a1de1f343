/** A program that ends when its only referenced timer has fired: see clock_test.ts. @module */

import { systemClock } from "../lib/endpoint/clock.ts";

const late = systemClock.setTimer(() => console.log("unreferenced"), systemClock.now() + 60_000);
const never = systemClock.setTimer(() => console.log("never"), Infinity);
systemClock.unref?.(late);
systemClock.unref?.(never);
systemClock.setTimer(() => console.log("referenced timer fired"), systemClock.now() + 50);

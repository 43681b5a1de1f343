/**
 * Observes a temperature, and stops after three values.
 *
 * ```sh
 * node examples/component/observable.ts &
 * node examples/component/observe.ts coap://127.0.0.1/home/living_room/sensors/temperature?unit=fahrenheit
 * ```
 *
 * Bun takes the same arguments, Deno `deno run --allow-net --allow-read examples/component/observe.ts …`.
 *
 * @module
 */

import process from "node:process";
import { CoAP } from "@x/coap";

const [uri = "coap://127.0.0.1/home/living_room/sensors/temperature?unit=fahrenheit"] = process
  .argv.slice(2);

const coap = new CoAP();
const three = new Promise<void>((resolve) => {
  let count = 0;
  coap.on("Notification", (e) => {
    // Notifications may arrive in another order than they were sent.
    if (!e.isLatest) return;
    console.log(`Received notification for the resource at: ${e.URI}`);
    console.log(`New Value: ${new TextDecoder().decode(coap.responseData)}`);
    if (++count === 3) resolve();
  });
});

await coap.startObserving(uri);
await three;

await coap.stopObserving(uri);
console.log("Stopped");

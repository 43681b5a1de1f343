/**
 * Observes a temperature, and stops in the listener, by the event, as soon as it is above 70 degrees.
 *
 * ```sh
 * node examples/component/observable.ts &
 * node examples/component/observe_until.ts coap://127.0.0.1/home/living_room/sensors/temperature?unit=fahrenheit
 * ```
 *
 * Bun takes the same arguments, Deno `deno run --allow-net --allow-read examples/component/observe_until.ts …`. The
 * program ends by itself when nothing is observed any more.
 *
 * @module
 */

import process from "node:process";
import { CoAP } from "@x/coap";

const [uri = "coap://127.0.0.1/home/living_room/sensors/temperature?unit=fahrenheit"] = process
  .argv.slice(2);

const coap = new CoAP();
coap.on("Notification", (e) => {
  const value = new TextDecoder().decode(coap.responseData);
  console.log(`New Value: ${value}`);
  e.stopObserving = Number(value) > 70;
});

await coap.startObserving(uri);

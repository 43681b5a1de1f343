/**
 * Asks for a picture and shows what came.
 *
 * ```sh
 * node examples/component/server.ts &
 * node examples/component/get.ts coap://127.0.0.1/pictures/animals/cats4.dat?format=png
 * ```
 *
 * Bun takes the same arguments, Deno `deno run --allow-net --allow-read examples/component/get.ts …`.
 *
 * @module
 */

import process from "node:process";
import { CoAP } from "@x/coap";

const [uri = "coap://127.0.0.1/pictures/animals/cats4.dat?format=png"] = process.argv.slice(2);

const coap = new CoAP();
coap.on("RequestComplete", () => {
  console.log("Request complete!");
  console.log(coap.responseCode);
});

await coap.get(uri);
showPicture(coap.responseData);

/** Whatever shows pictures takes its place. */
function showPicture(bytes: Uint8Array): void {
  console.log(`A picture of ${bytes.length} bytes`);
}

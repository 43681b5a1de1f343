/**
 * `npm start`: sessions between a client and a server, each exchange drawn as a ladder. Where libcoap's programs are
 * found, they take the place of either side.
 *
 * @module
 */

import process from "node:process";
import { setTimeout } from "node:timers";
import { CoAPClient, type RawMessage, serve } from "@x/coap";
import { drawLadder, type LadderMessage, type LadderOptions } from "../conformance/ladder.ts";
import { findPrograms, HOW_TO_INSTALL, startCoapServer } from "../interop/libcoap.ts";
import { makeRouter } from "./start_server.ts";
import { clientSession, COAP_CLIENT_SESSION, type Step, streamSession } from "./start_session.ts";

/** The whole takes about five seconds. */
const TIME_LIMIT = 60_000;

const color = process.stdout.isTTY === true && !process.env.NO_COLOR;
const failures: string[] = [];
const sections: string[] = [];
let shown = 0;

/** Keeps the messages of one side until they are drawn. */
class Watch {
  #messages: LadderMessage[] = [];

  readonly onMessage = ({ time, direction, flow, bytes }: RawMessage): void => {
    const host = flow.address.includes(":") ? `[${flow.address}]` : flow.address;
    this.#messages.push({
      time,
      direction,
      peer: `${host}:${flow.port}`,
      bytes: bytes.slice(),
      reliable: flow.scheme !== undefined,
    });
  };

  take(): LadderMessage[] {
    const messages = this.#messages;
    this.#messages = [];
    return messages;
  }
}

/** Runs a session and draws what `watch` sees of it. */
async function show(
  title: string,
  steps: readonly Step[],
  origin: string,
  watch: Watch,
  options: LadderOptions,
): Promise<void> {
  sections.push(title);
  console.log(heading(title));
  for (const [index, step] of steps.entries()) {
    let failure: string | undefined;
    try {
      await step.run(origin);
    } catch (error) {
      failure = error instanceof Error ? error.message : String(error);
    }
    // The last acknowledgement may still be on its way.
    await new Promise((resolve) => setTimeout(resolve, 20));
    const messages = watch.take();
    if (messages.length === 0) failure ??= "No message was seen";
    console.log(`${index + 1}. ${step.title}`);
    console.log(drawLadder(messages, { ...options, color }));
    shown++;
    if (failure === undefined) continue;
    failures.push(`${title}, ${step.title}: ${failure}`);
    console.log(`   Failed: ${failure}\n`);
  }
}

function heading(title: string): string {
  const line = `══ ${title} `.padEnd(100, "═");
  return color ? `\x1b[1m${line}\x1b[0m\n` : `${line}\n`;
}

async function showAll(): Promise<void> {
  const clientWatch = new Watch();
  const serverWatch = new Watch();
  const server = await serve(
    { hostname: "127.0.0.1", port: 0, tcp: { port: 0 }, onMessage: serverWatch.onMessage },
    makeRouter(),
  );
  const client = new CoAPClient({ onMessage: clientWatch.onMessage });
  try {
    const address = `127.0.0.1:${server.address.port}`;
    const origin = `coap://${address}`;
    const session = clientSession(client);
    await show("our client and our server", session, origin, clientWatch, { side: "client" });
    const overTcp = `coap+tcp://127.0.0.1:${server.addresses.tcp!.port}`;
    const steps = streamSession(client);
    await show("the same over TCP", steps, overTcp, clientWatch, { side: "client" });
    if (findPrograms() === undefined) return;

    const coapServer = await startCoapServer();
    try {
      const { origin } = coapServer;
      await show("our client and coap-server", session, origin, clientWatch, { side: "client" });
    } finally {
      await coapServer.close();
    }

    serverWatch.take(); // what our own client caused
    await show("coap-client and our server", COAP_CLIENT_SESSION, origin, serverWatch, {
      side: "server",
      address,
    });
  } finally {
    await Promise.all([client.close(), server.close()]);
  }
}

/** How this run was made, such as `node 24.0.0`. */
function runtime(): string {
  const { bun, deno, node } = process.versions;
  return bun ? `Bun ${bun}` : deno ? `Deno ${deno}` : `Node ${node}`;
}

for (const [signal, code] of [["SIGINT", 130], ["SIGTERM", 143]] as const) {
  process.once(signal, () => process.exit(code)); // which ends the programs that were started
}
setTimeout(() => {
  console.error(`Not done after ${TIME_LIMIT} ms`);
  process.exit(1);
}, TIME_LIMIT).unref();

try {
  await showAll();
} catch (error) {
  failures.push(error instanceof Error ? error.message : String(error));
}
if (findPrograms() === undefined) {
  console.log(
    "Exchanges with another implementation are left out, since libcoap's programs are not in PATH.",
  );
  console.log(`${HOW_TO_INSTALL}\n`);
}
for (const failure of failures) console.log(`Failed: ${failure}`);
const outcome = failures.length === 0 ? "all as expected" : `${failures.length} failed`;
console.log(`${shown} exchanges, ${outcome}, on ${runtime()}: ${sections.join(", ")}`);
process.exitCode = failures.length === 0 ? 0 : 1;

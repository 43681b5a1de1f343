/** A program that ends, or goes on, by what its only socket does: see contract_test.ts. @module */

import process from "node:process";
import { bindWith, udpAdapters } from "../lib/transport/udp_adapters.ts";

const [name, task] = process.argv.slice(2);
const adapter = udpAdapters().find((candidate) => candidate.name === name)!;
const codes = new Set<unknown>();
const transport = await bindWith(adapter, { hostname: "127.0.0.1" }, {
  receive: (_flow, bytes) => {
    // The datagram to itself: the socket outlived the errors.
    console.log("received", bytes.length, ...codes);
    transport.unref();
  },
  turn: () => {},
  error: (error) => codes.add((error as { code?: string }).code),
});

switch (task) {
  case "unref":
    transport.unref();
    break;
  case "unref twice, ref, unref":
    transport.unref();
    transport.unref();
    transport.ref();
    transport.ref();
    transport.unref();
    break;
  case "ref":
    transport.unref();
    transport.ref();
    break;
  case "close":
    await transport.close();
    break;
  case "dead peer": {
    const gone = await bindWith(adapter, { hostname: "127.0.0.1" }, {
      receive: () => {},
      turn: () => {},
      error: () => {},
    });
    const dead = transport.flow("127.0.0.1", gone.address.port);
    await gone.close();
    for (let i = 0; i < 5; i++) {
      transport.send(dead, new Uint8Array(8));
      transport.flush();
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    transport.send(transport.flow("127.0.0.1", transport.address.port), new Uint8Array(3));
    transport.flush();
    break;
  }
  default:
    throw new Error(`No such task: "${task}"`);
}
console.log("done");

/** The session that `npm start` shows, once with the library's client and once with `coap-client`. @module */

import type { CoAPClient } from "@x/coap";
import { runCoapClient } from "../interop/libcoap.ts";

/** One exchange with a server. It rejects where the outcome is another than the expected one. */
export interface Step {
  title: string;
  run(origin: string): Promise<void>;
}

const SENSOR = "/sensors/temperature";
const VALUE = "21.5";

/** The session with the library's client. */
export function clientSession(client: CoAPClient): Step[] {
  return [
    {
      title: "Discovery: what does the server have?",
      async run(origin): Promise<void> {
        const links = await client.discover(origin);
        expect("A link to /async", true, links.some(({ href }) => href === "/async"));
      },
    },
    {
      title: "GET /",
      async run(origin): Promise<void> {
        const response = await client.get(`${origin}/`);
        expect("The code", "2.05", response.codeText);
        expect("A payload", true, response.text().length > 0);
      },
    },
    {
      title: `PUT ${SENSOR}: created`,
      async run(origin): Promise<void> {
        const response = await client.put(origin + SENSOR, { payload: VALUE });
        expect("The code", "2.01", response.codeText);
      },
    },
    {
      title: `GET ${SENSOR}: what was put`,
      async run(origin): Promise<void> {
        const response = await client.get(origin + SENSOR);
        expect("The code", "2.05", response.codeText);
        expect("The payload", VALUE, response.text());
      },
    },
    {
      title: "GET /nowhere: 4.04",
      async run(origin): Promise<void> {
        const response = await client.get(`${origin}/nowhere`);
        expect("The code", "4.04", response.codeText);
      },
    },
    {
      title: "GET /async?1: acknowledged at once, answered a second later",
      async run(origin): Promise<void> {
        const response = await client.get(`${origin}/async?1`);
        expect("The code", "2.05", response.codeText);
        expect("The payload", "done", response.text());
      },
    },
    { title: "Ping", run: (origin) => client.ping(origin) },
  ];
}

/** A session with the library's client over TCP, where all is on one connection. */
export function streamSession(client: CoAPClient): Step[] {
  return [
    {
      title: "GET /, the first on a connection: the settings of both sides go before it",
      async run(origin): Promise<void> {
        const response = await client.get(`${origin}/`);
        expect("The code", "2.05", response.codeText);
      },
    },
    {
      title: `PUT ${SENSOR}: 5000 bytes in one message`,
      async run(origin): Promise<void> {
        const response = await client.put(origin + SENSOR, { payload: "21.5 ".repeat(1000) });
        expect("The code", "2.04", response.codeText);
      },
    },
    { title: "Ping", run: (origin) => client.ping(origin) },
  ];
}

/** The session with libcoap's client. It pings by itself while it waits for an answer. */
export const COAP_CLIENT_SESSION: readonly Step[] = [
  coapClientStep("2.05", undefined, "/.well-known/core"),
  coapClientStep("2.05", undefined, "/"),
  coapClientStep("2.01", undefined, "-m", "put", "-t", "0", "-e", "48", "/sensors/humidity"),
  coapClientStep("2.05", "48", "/sensors/humidity"),
  coapClientStep("4.04", undefined, "/nowhere"),
  coapClientStep("2.05", "done", "-K", "1", "/async?2"),
];

function coapClientStep(code: string, payload: string | undefined, ...args: string[]): Step {
  const path = args.at(-1)!;
  const flags = args.slice(0, -1);
  return {
    title: ["coap-client", ...flags, path].join(" "),
    async run(origin): Promise<void> {
      const { pdus } = await runCoapClient([...flags, origin + path], 10_000);
      const response = pdus.findLast((pdu) => pdu.direction === "received" && pdu.token !== "");
      expect("The code", code, response?.code);
      if (payload !== undefined) expect("The payload", payload, response?.payload);
      if (!flags.includes("-K")) return;
      expect("An answer to the ping", true, pdus.some(({ type }) => type === "RST"));
    },
  };
}

function expect<T>(what: string, expected: T, actual: T | undefined): void {
  if (actual === expected) return;
  throw new Error(`${what} should be "${expected}": it is "${actual}"`);
}

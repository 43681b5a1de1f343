/** What a client does with a server over WebSockets, in a process or in a page. @module */

import type * as coap from "@x/coap";

/** The classes of the library that it takes. */
export type Library = Pick<typeof coap, "CoAPClient" | "CoAPError" | "Code">;

/** What came of it, as JSON. */
export interface Report {
  /** Scheme and host as the server has seen them. */
  greeting: string;
  /** Lengths of bodies that came back as they were sent. */
  bodies: number[];
  states: string[];
  /** Observers that the server has afterwards. */
  observers: string;
  ponged: boolean;
  /** What a canceled request fails with, and what the next is answered after the late response. */
  canceled: string;
  next: string;
  /** What is negotiated where more than one subprotocol is offered; the same with none. */
  protocols: string[];
}

/**
 * Does all of it with the server of `web_socket_child.ts`. It refers to nothing but its arguments and the Web, so that a
 * page can be given its text.
 */
export async function exercise(library: Library, uri: string): Promise<Report> {
  const client = new library.CoAPClient();
  const timeout = 20_000;
  try {
    const greeting = (await client.get(`${uri}/greeting?x`, { timeout })).text();

    const bodies: number[] = [];
    for (const length of [100_000, 1_000_000]) {
      const sent = Uint8Array.from({ length }, (_, i) => (i * 7 + (i >> 8)) % 256);
      const { code } = await client.put(`${uri}/body`, { payload: sent, timeout });
      const { payload } = await client.get(`${uri}/body`, { timeout });
      const isSame = payload.length === length && payload.every((byte, i) => byte === sent[i]);
      if (code === library.Code.Changed && isSame) bodies.push(length);
    }

    await client.delete(`${uri}/count`, { timeout });
    const states: string[] = [];
    for await (const state of client.observe(`${uri}/count`, { timeout })) {
      states.push(state.text());
      if (states.length === 5) break;
      await client.post(`${uri}/count`, { timeout });
    }
    const observers = (await client.get(`${uri}/observers`, { timeout })).text();

    let ponged = false;
    await client.ping(uri, { timeout }).then(() => ponged = true);

    const controller = new AbortController();
    const { signal } = controller;
    const late = client.get(`${uri}/late`, { signal, timeout });
    // When this is answered, the server has that as well.
    await client.get(`${uri}/greeting`, { timeout });
    controller.abort(new Error("Not wanted any more"));
    const canceled = await late.then(() => "answered", (error: Error) => error.message);
    await client.post(`${uri}/late`, { timeout });
    const next = (await client.get(`${uri}/greeting`, { timeout })).text();

    const { host } = new URL(uri.replace("coap", "http"));
    const url = `${uri.startsWith("coaps") ? "wss" : "ws"}://${host}/.well-known/coap`;
    const protocols: string[] = [];
    for (const offered of [["chat", "coap"], []]) {
      const socket = new WebSocket(url, offered);
      await new Promise<void>((resolve) => {
        socket.onopen = () => resolve(void protocols.push(socket.protocol));
        socket.onerror = () => resolve(void protocols.push("refused"));
      });
      socket.close();
    }
    return { greeting, bodies, states, observers, ponged, canceled, next, protocols };
  } finally {
    await client.close();
  }
}

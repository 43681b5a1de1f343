/** Server cases for WebSockets alone: RFC 8323 section 4. @module */

import { CaseFailure, rowCase } from "./case.ts";
import { Signal } from "./frame.ts";
import type { StreamServerCase } from "./server_streams.ts";
import type { StreamTester } from "./stream_tester.ts";
import { endpointOf, openWebSocket } from "./web_sockets.ts";

/** Whether a WebSocket comes to its end in time. */
function ends(t: StreamTester, socket: WebSocket): Promise<boolean> {
  const over = new Promise<boolean>((resolve) => {
    socket.addEventListener("close", () => resolve(true));
    socket.addEventListener("error", () => resolve(true));
  });
  return Promise.race([over, t.wait(t.settings.timeout).then(() => false)]);
}

/** The cases. */
export const WEB_SOCKET_CASES: readonly StreamServerCase[] = [
  rowCase("8323-4-1", {}, async (t: StreamTester) => {
    const url = endpointOf(t.settings.target);
    const expected = 'a WebSocket with subprotocol "coap"';
    const socket = await openWebSocket(url, ["coap"]).catch((error: Error) => {
      throw new CaseFailure(expected, error.message);
    });
    const { protocol } = socket;
    socket.close();
    if (protocol !== "coap") throw new CaseFailure(expected, `one with "${protocol}"`);
    const without = await openWebSocket(url, []).catch(() => undefined);
    t.note(without === undefined ? "refused without the subprotocol" : "taken without it");
    without?.close();
  }),
  rowCase("8323-4-2", {}, async (t: StreamTester) => {
    const one = await t.connect();
    one.sayBytes(Uint8Array.of(0x10, 0xe2, 0xff)); // Len is 1
    const heard = await one.hear();
    const isPong = heard !== undefined && heard !== "closed" && typeof heard.frame === "object" &&
      heard.frame.code === Signal.Pong;
    if (isPong) one.fail("an Abort or the end of the connection", heard.bytes);
    const socket = await openWebSocket(endpointOf(t.settings.target), ["coap"]);
    const over = ends(t, socket);
    socket.send(new Uint8Array([0, 0xe1]));
    socket.send("text");
    const isOver = await over;
    socket.close();
    if (!isOver) throw new CaseFailure("end of the connection after a text frame", "nothing");
  }),
];
